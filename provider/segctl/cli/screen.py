"""What a person sees while a command runs: lines, JSON, messages, progress."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence

    from rich.console import Console

    from segctl.cli.arguments import Settings
    from segctl.report import Line

#: How wide lines are where no terminal says it.
_WIDTH = 100


def tell(message: str) -> None:
    """Write to standard error: wrapped for a terminal, whole lines otherwise."""
    import shutil
    import textwrap

    with suppress(OSError):
        columns = shutil.get_terminal_size().columns if sys.stderr.isatty() else 1 << 20
        for line in message.splitlines():
            shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)
            wrapped = textwrap.wrap(
                shown,
                max(columns, 24),
                subsequent_indent="  ",
                break_long_words=False,
                break_on_hyphens=False,
            )
            sys.stderr.write("\n".join(wrapped) + "\n")
        sys.stderr.flush()


def print_json(document: Mapping[str, Any]) -> None:
    """Write one document to standard output, keys sorted."""
    import json

    sys.stdout.write(json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def print_lines(lines: Iterable[Line]) -> None:
    """Write a report to standard output, as wide as its reader sees it."""
    from segctl.report import laid_out

    shown = console()
    for line in laid_out(lines, shown.width):
        shown.print(line, soft_wrap=True)


def console(*, stderr: bool = False) -> Console:
    """Return a console that writes no escape code where NO_COLOR is set or no terminal is."""
    from rich.console import Console

    made = Console(highlight=False, stderr=stderr, color_system=None if plain() else "auto")
    if not made.is_terminal and "COLUMNS" not in os.environ:
        made.width = _seen_width()
    return made


def _seen_width() -> int:
    """Return how wide a reader of a pipe sees it: as the terminal behind it, if there is one."""
    for descriptor in (2, 0):
        with suppress(OSError):
            return os.get_terminal_size(descriptor).columns or _WIDTH
    return _WIDTH


def plain() -> bool:
    """Whether the terminal is to get no escape codes."""
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"


@contextmanager
def progress(settings: Settings, devices: Sequence[str]) -> Generator[Callable[[str, str], None]]:
    """Show what each device is doing, on standard error: a display on a terminal, lines with -v."""
    live = sys.stderr.isatty() and not plain() and not settings.verbose
    if not live or not devices:

        def told(device: str, step: str) -> None:
            if settings.verbose and step:
                with suppress(OSError):  # who reads it may be gone; the work goes on
                    sys.stderr.write(f"{device}: {step}\n")
                    sys.stderr.flush()

        yield told
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as shown:
        several = len(devices) > 1
        total = shown.add_task(f"0 of {len(devices)} devices", total=None, visible=several)
        tasks = {name: shown.add_task(name, total=None, visible=False) for name in devices}
        lock, done = threading.Lock(), set[str]()

        def display(device: str, step: str) -> None:
            with lock, suppress(OSError):
                if not step:
                    done.add(device)
                shown.update(tasks[device], description=f"{device}: {step}", visible=bool(step))
                shown.update(total, description=f"{len(done)} of {len(devices)} devices")

        yield display
