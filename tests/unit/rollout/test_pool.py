"""The pool's threads, and who waits for them."""

from __future__ import annotations

import signal
import threading
import time

from segctl.rollout.brake import Brake
from segctl.rollout.pool import each


def test_a_signal_given_to_a_worker_is_heeded_while_it_works() -> None:
    """The system may give a process's signal to any thread; handlers run in the main thread."""
    brake = Brake()
    before = signal.signal(signal.SIGUSR1, lambda _number, _frame: brake.press())
    try:

        def work(_item: int) -> bool:
            signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
            until = time.monotonic() + 60
            while not brake.pressed and time.monotonic() < until:
                time.sleep(0.01)
            return brake.pressed

        assert each(work, [1], 1, brake) == [True]
    finally:
        signal.signal(signal.SIGUSR1, before)
