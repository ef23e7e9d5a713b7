"""What a person sees while a command runs: lines, JSON, messages, progress."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager, suppress
from itertools import islice
from typing import TYPE_CHECKING, Any

from segctl.model.durations import format_duration
from segctl.model.warned import Warned
from segctl.system import inert
from segctl.system.inert import inert_json, json_blocks, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence

    from rich.console import Console
    from rich.text import Text

    from segctl.cli.arguments import Settings
    from segctl.cli.device_progress import DeviceProgress
    from segctl.planning.audit import Record
    from segctl.report import Line

#: How wide lines are where nobody says it: none is folded.
_UNFOLDED = 1 << 20
#: Lines written at a time.
_BATCH = 500
#: Devices shown at a time.
_ROWS = 20
#: Seconds between two lines of progress where no terminal is.
_BEAT = 15.0
#: Lines of standard output that several threads write.
_WRITING = threading.Lock()


def tell(message: str) -> None:
    """Write a message to standard error: wrapped for a terminal, whole lines otherwise.

    Lines after the first are indented: what a device says cannot look like a message of segctl's.
    """
    import shutil
    import textwrap

    with suppress(OSError):
        columns = shutil.get_terminal_size().columns if sys.stderr.isatty() else 1 << 20
        for number, line in enumerate(inert.lines(message)):
            wrapped = textwrap.wrap(
                line,
                max(columns, 24),
                initial_indent="  " if number else "",
                subsequent_indent="  ",
                break_long_words=False,
                break_on_hyphens=False,
            )
            sys.stderr.write("\n".join(wrapped) + "\n")
        sys.stderr.flush()


def print_json(document: Mapping[str, Any], *, lines: bool = False) -> None:
    """Write one document to standard output, keys sorted; with `lines` on one line."""
    blocks = json_blocks(document, indent=None if lines else 1)
    with _WRITING:
        for block in blocks:
            sys.stdout.write(block)
        sys.stdout.write("\n")
        if lines:
            sys.stdout.flush()


def print_dumped(text: str) -> None:
    """Write JSON that is text already to standard output."""
    sys.stdout.write(inert_json(text) + "\n")


def say(text: str) -> None:
    """Write text to standard output, line by line as it is but for what steers a terminal."""
    sys.stdout.write("\n".join(inert.lines(text)) + "\n")


def print_event(event: str, **facts: object) -> None:
    """Write one event of ``--json-lines`` to standard output."""
    from datetime import UTC, datetime

    moment = datetime.now(UTC).isoformat(timespec="milliseconds")
    with suppress(OSError):  # who reads it may be gone; the work goes on
        print_json({"event": event, "time": moment, **facts}, lines=True)


def print_lines(lines: Iterable[Line]) -> None:
    """Write a report: folded for a terminal or COLUMNS, whole lines otherwise."""
    from rich.text import Text

    from segctl.report import laid_out, plain_lines

    shown = console()
    if shown.color_system is None:
        for line in plain_lines(lines, shown.width):
            sys.stdout.write(f"{line}\n")
        return
    waiting = laid_out(lines, shown.width)
    while batch := list(islice(waiting, _BATCH)):  # a line at a time costs three times as much
        shown.print(Text("\n").join(batch), soft_wrap=True)


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Write a table, its head first: as records where it is wider than its reader.

    A record is the first cell, and below it the others that hold something, each with its head.
    """
    from segctl.report import Line

    head, *records = rows
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    if sum(widths) + 2 * (len(widths) - 1) <= console().width:
        padded = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
        print_lines(Line(text="", lead=line) for line in padded)
        return
    label = max(map(len, head[1:]), default=0)
    for key, *cells in records:
        print_lines([Line(lead=key, lead_style="bold")])
        print_lines(
            Line(lead=f"  {name.ljust(label)}  ", text=cell)
            for name, cell in zip(head[1:], cells, strict=True)
            if cell
        )


def tell_failures(failures: Iterable[tuple[str, str]]) -> None:
    """Tell which devices failed and why (name, message) where standard output is not read at once.

    A report in a file or a pipe, or a JSON document, does not show it to who waits at the terminal.
    """
    if not (sys.stdout.isatty() or _same_end()):
        for device, message in failures:
            tell(f"segctl: {device}: {message}")


def tell_unrecorded(audit: Record | None) -> None:
    """Tell what was done and could not be recorded: it stays done, but there is no evidence."""
    for problem in audit.problems if audit is not None else ():
        tell(f"segctl: NOT RECORDED: {problem}")


def _same_end() -> bool:
    """Whether standard output and standard error end in the same place, as with ``2>&1``."""
    try:
        return os.path.sameopenfile(sys.stdout.fileno(), sys.stderr.fileno())
    except (OSError, ValueError):
        return False


def console(*, stderr: bool = False) -> Console:
    """Return a console that writes no escape code where NO_COLOR is set or no terminal is."""
    from rich.console import Console

    made = Console(highlight=False, stderr=stderr, color_system=None if plain() else "auto")
    if not made.is_terminal and "COLUMNS" not in os.environ:
        made.width = _UNFOLDED
    return made


def plain() -> bool:
    """Whether the terminal is to get no escape codes."""
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"


@contextmanager
def progress(settings: Settings, devices: Sequence[str]) -> Generator[Callable[[str, str], None]]:
    """Tell what each device is doing while the block runs.

    A display on a terminal; events with ``--json-lines``; else lines on standard error: every
    step with -v, otherwise now and then how far the work is.
    """
    from segctl.cli.device_progress import DeviceProgress

    work = DeviceProgress(devices)
    live = sys.stderr.isatty() and not plain() and not settings.verbose
    if settings.json_lines:
        with _beating(work, _tell_line if settings.verbose else None):
            yield _as_events(work)
    elif live and devices:
        with _drawn(work):
            yield _as_lines(work, verbose=False)
    else:
        with _beating(work, None if settings.verbose else _tell_line):
            yield _as_lines(work, verbose=settings.verbose)


def _as_lines(work: DeviceProgress, *, verbose: bool) -> Callable[[str, str], None]:
    def told(device: str, step: str) -> None:
        work.told(device, step)
        if isinstance(step, Warned):
            tell(f"segctl: warning: {device}: {step}")
        elif verbose and step:
            with suppress(OSError):  # who reads it may be gone; the work goes on
                sys.stderr.write(printable(f"{device}: {step}") + "\n")
                sys.stderr.flush()

    return told


def _as_events(work: DeviceProgress) -> Callable[[str, str], None]:
    def told(device: str, step: str) -> None:
        seconds = round(work.told(device, step), 3)
        if isinstance(step, Warned):
            tell(f"segctl: warning: {device}: {step}")
        if step:
            print_event("step", device=device, step=step, seconds=seconds)
            return
        totals = work.totals()
        left = None if totals.left is None else round(totals.left, 1)
        print_event(
            "device_end",
            device=device,
            seconds=seconds,
            done=totals.done,
            total=totals.total,
            left=left,
        )

    return told


def _tell_line(work: DeviceProgress) -> None:
    with suppress(OSError):
        sys.stderr.write(printable(f"segctl: {work.line()}") + "\n")
        sys.stderr.flush()


@contextmanager
def _beating(
    work: DeviceProgress, beat: Callable[[DeviceProgress], None] | None, *, every: float = _BEAT
) -> Generator[None]:
    """Call `beat` now and then while the block runs."""
    if beat is None:
        yield
        return
    over = threading.Event()

    def run() -> None:
        while not over.wait(every):
            beat(work)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def _drawn(work: DeviceProgress) -> Generator[None]:
    """Draw the devices at work and the totals, never more than the terminal has lines."""
    from rich.live import Live
    from rich.spinner import Spinner
    from rich.table import Table

    console_ = console(stderr=True)
    spinner = Spinner("dots")

    def drawn() -> Table:
        table = Table.grid(padding=(0, 1))
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        table.add_column(no_wrap=True, justify="right")
        room = min(_ROWS, console_.height - 3)
        rows = work.rows(room)
        for row in rows:
            style = "yellow" if row.slow else ""
            text = f"{row.device}: {row.step}{'  (slow)' if row.slow else ''}"
            table.add_row(
                _escaped(text, style), _escaped(format_duration(round(row.seconds)), style)
            )
        totals = work.totals()
        if totals.running > len(rows):
            table.add_row(_escaped(f"and {totals.running - len(rows)} more", "dim"), "")
        if totals.total > 1 or not rows:
            table.add_row(_escaped(str(totals), "bold"), "")
        frame = Table.grid(padding=(0, 1), expand=True)
        frame.add_row(spinner, table)
        return frame

    with Live(
        get_renderable=drawn,
        console=console_,
        transient=True,
        refresh_per_second=8,
        redirect_stdout=False,
        redirect_stderr=False,
    ):
        yield


def _escaped(text: str, style: str) -> Text:
    from rich.text import Text

    return Text(printable(text), style=style)
