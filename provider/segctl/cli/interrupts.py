"""Ctrl-C, a pipeline's cancel and a closed terminal, while devices are being changed."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from segctl.model.errors import SegctlError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from segctl.fleet import Brake


class LeftError(SegctlError):
    """Who was applying left with one more Ctrl-C while devices were still going back."""

    code = "interrupted"


@contextmanager
def braked(press: Callable[[], None]) -> Generator[None]:
    """Let Ctrl-C stop the devices at their next step and go back; the second one leaves."""
    with _heeding(((press, "going back; once more leaves without waiting"),)):
        yield


@contextmanager
def eased(brake: Brake, press: Callable[[], None]) -> Generator[None]:
    """Let Ctrl-C begin nothing more, the second take back what runs, the third leave."""
    steps = (
        (brake.ease, "what runs is finished, nothing more is begun; once more takes it back"),
        (press, "going back; once more leaves without waiting"),
    )
    with _heeding(steps):
        yield


@contextmanager
def _heeding(steps: Sequence[tuple[Callable[[], None], str]]) -> Generator[None]:
    """Take one step at each signal; one more leaves at once, whatever the devices are doing."""
    left = list(steps)

    def heed(_number: int, _frame: object) -> None:
        if not left:
            raise LeftError(
                "interrupted again: left while devices were going back; run segctl plan to see "
                "what they hold (the next apply cleans up what this one left on them)"
            )
        act, message = left.pop(0)
        act()
        with suppress(OSError):
            os.write(sys.stderr.fileno(), f"\nsegctl: interrupted: {message}\n".encode())

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    heeded = threading.current_thread() is threading.main_thread()
    chosen = [number for number in numbers if heeded and before[number] != signal.SIG_IGN]
    for number in chosen:
        signal.signal(number, heed)
    try:
        yield
    finally:
        for number in chosen:
            signal.signal(number, before[number])
