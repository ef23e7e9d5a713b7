"""A line of a report, and how it is laid out on a screen of some width."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from segctl.system.inert import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a report; where it is too long, `text` goes on right of where it began."""

    lead: str = ""
    text: str = ""
    style: str = ""
    lead_style: str = ""


def laid_out(lines: Iterable[Line], width: int) -> Iterator[Text]:
    """Yield the lines wrapped to `width` columns, with nothing in them that steers a terminal."""
    for line in lines:
        for head, part in _wrapped(line, width):
            shown = Text.assemble((head, line.lead_style or line.style), (part, line.style))
            shown.rstrip()
            yield shown


def plain_lines(lines: Iterable[Line], width: int) -> Iterator[str]:
    """Yield the text of what `laid_out` yields, in a third of the time."""
    for line in lines:
        for head, part in _wrapped(line, width):
            yield f"{head}{part}".rstrip()


def diff_lines(text: str) -> Iterator[Line]:
    """Yield the lines of a unified diff."""
    for line in text.splitlines():
        style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
        yield Line(lead=line, lead_style="bold" if line[:3] in {"+++", "---"} else style)


def _wrapped(line: Line, width: int) -> Iterator[tuple[str, str]]:
    """Yield what stands left and right in each line on the screen."""
    lead, text = printable(line.lead), printable(line.text)
    room = max(24, width - len(lead))
    if len(text) <= room:  # the only white space that is printable is a space
        yield lead, text
        return
    parts = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
    for number, part in enumerate(parts or [""]):
        yield " " * len(lead) if number else lead, part
