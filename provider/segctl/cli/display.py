"""How an operation is shown while it runs: devices, events, notes, as the settings ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from segctl.cli.screen import print_event, print_lines, progress, tell

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from segctl.cli.arguments import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Display:
    """The terminal, as the progress of an operation."""

    settings: Settings

    def devices(self, names: Sequence[str]) -> AbstractContextManager[Callable[[str, str], None]]:
        """Show what each of these devices is doing."""
        return progress(self.settings, names)

    def tell(self, event: str, **facts: object) -> None:
        """Show an event, as JSON or in a line."""
        if self.settings.json_lines:
            print_event(event, **facts)
        elif text := _spoken(event, facts):
            (tell if self.settings.json else _say)(text)

    def note(self, message: str) -> None:
        """Write a note to standard error."""
        tell(f"segctl: {message}")

    def warn(self, message: str) -> None:
        """Write a warning to standard error."""
        tell(f"segctl: warning: {message}")


def _say(text: str) -> None:
    from segctl.report import Line

    print_lines([Line(text=text)])


def _spoken(event: str, facts: dict[str, object]) -> str:
    """Write an event for people; what became of devices is printed by itself."""
    if event == "play":
        return f"Play {facts['play']}: {facts['name']}"
    if event == "soak":
        from segctl.model.durations import format_duration

        seconds = facts["seconds"]
        length = format_duration(seconds) if isinstance(seconds, int) else str(seconds)
        return f"Soaking {length}, until {facts['until']}."
    return ""
