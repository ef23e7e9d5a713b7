"""Ctrl-C, a pipeline's cancel and a closed terminal, while devices are being changed."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from segctl.model.errors import SegctlError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_FINISHING = "running devices finish and no more begin; press Ctrl-C again to take changes back"
_REVERTING = "taking changes back; press Ctrl-C again to leave without waiting"


class LeftError(SegctlError):
    """Who was applying left with one more Ctrl-C while devices were still going back."""

    code = "interrupted"


@contextmanager
def until_stopped() -> Generator[None]:
    """Run the block, then wait for Ctrl-C or a pipeline's cancel, which may come during either.

    It wakes every second: a signal that comes right before a wait without end begins is not acted
    upon before that wait is over. `segctl.cli.main` lets a cancel raise KeyboardInterrupt.
    """
    with suppress(KeyboardInterrupt):
        yield
        while True:
            time.sleep(1)


@contextmanager
def heeding(
    revert: Callable[[], None], finish: Callable[[], None] | None = None
) -> Generator[None]:
    """Let Ctrl-C stop the devices at their next step and go back; the next one leaves.

    With `finish` the first one begins nothing more, and only the second one takes back what runs.
    """
    left = [(revert, _REVERTING)]
    if finish is not None:
        left.insert(0, (finish, _FINISHING))

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
