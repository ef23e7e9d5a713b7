"""A pool of threads whose results are values, exceptions included."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from segctl.rollout.brake import Brake

Result = TypeVar("Result")

#: A signal that the system gives to another thread is heeded within this many seconds.
_GLANCE = 0.2


def each(
    work: Callable[[Any], Result], items: Sequence[Any], forks: int, brake: Brake
) -> list[Result | BaseException]:
    """Run `work` on every item in at most `forks` threads; an exception stands for its result.

    The threads are daemons: who leaves with Ctrl-C does not wait for a device that hangs.
    """
    results: list[Result | BaseException] = [KeyboardInterrupt() for _ in items]
    waiting = deque(enumerate(items))
    ended: SimpleQueue[None] = SimpleQueue()

    def begin() -> bool:
        """Take one item and work on it; say whether there was one."""
        try:
            index, item = waiting.popleft()
        except IndexError:
            return False
        try:
            results[index] = work(item)
        except BaseException as error:  # noqa: BLE001 - it is reported as this item's result
            results[index] = error
        return True

    def worker() -> None:
        try:
            while not brake.eased and begin():
                pass
        finally:
            ended.put(None)

    count = min(forks, len(items))
    for _ in range(count):
        threading.Thread(target=worker, daemon=True).start()
    try:
        for _ in range(count):
            _wait(ended)
    except BaseException:
        brake.press()
        raise
    return results


def _wait(ended: SimpleQueue[None]) -> None:
    """Wait for a thread's end.

    Handlers of signals run in the main thread only, and a signal that another thread was given
    does not wake it: so it wakes by itself.
    """
    while True:
        with suppress(Empty):
            return ended.get(timeout=_GLANCE)
