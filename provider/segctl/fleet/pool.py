"""Local executors: daemon threads for sessions, and processes for computing."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor
from concurrent.futures import wait as wait_for
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar

from segctl.fleet.failures import DefectError, internal
from segctl.model.errors import LostWorkerError, SegctlError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from segctl.fleet.cancel import Brake

P = ParamSpec("P")
R = TypeVar("R")
#: A signal delivered to another thread does not wake the main thread, which runs the handlers: it
#: wakes by itself after this many seconds.
_GLANCE = 0.2


class Threads(Executor):
    """A limited number of daemon threads, so that exiting does not wait for a hanging device."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: deque[Callable[[], None]] = deque()
        self._lock = threading.Lock()
        self._running = 0

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Run a function in the next free thread."""
        future: Future[R] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - the caller gets it with the result
                future.set_exception(error)
            else:
                future.set_result(result)

        with self._lock:
            self._waiting.append(run)
            more = self._running < self._most
            self._running += more
        if more:
            threading.Thread(target=self._work, daemon=True).start()
        return future

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._running -= 1
                    return
                run = self._waiting.popleft()
            run()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - as in the base class
        """Ignore `wait`: threads end by themselves when nothing is left to do."""
        del wait
        if cancel_futures:
            with self._lock:
                self._waiting.clear()


def each(
    work: Callable[[Any], R], items: Iterable[Any], forks: int, brake: Brake
) -> list[R | BaseException]:
    """Run `work` on every item in at most `forks` threads; an exception takes a result's place.

    Once the brake is eased, nothing more is started.
    """

    def one(item: Any) -> R:
        if brake.eased:
            raise KeyboardInterrupt
        return work(item)

    executor = Threads(forks)
    futures = [executor.submit(one, item) for item in items]
    try:
        while wait_for(futures, timeout=_GLANCE).not_done:
            pass
        return [future.exception() or future.result() for future in futures]
    except BaseException:
        brake.press()
        raise


class Compute(Protocol):
    """Runs a pure function on a free processor."""

    def __call__(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return what the function returns, or raise what it raises."""
        ...


class InTurn:
    """Computes in the calling thread, one thread at a time.

    Threads that parse at the same time contend for the interpreter lock; one after the other they
    are ten times faster.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()

    def __call__(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Wait for a turn, then run the function here."""
        with self._turn:
            return function(*args, **kwargs)


#: Shared by this process, which has one interpreter lock.
IN_TURN = InTurn()


class Processes:
    """Computes in separate processes, started on first use."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._pool: ProcessPoolExecutor | None = None

    def __call__(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function in the next free process, and once more if that process dies.

        A second run is safe, because the function changes nothing.

        Raises:
            LostWorkerError: the second process died, too.
        """
        try:
            return self._once(function, *args, **kwargs)
        except LostWorkerError:
            return self._once(function, *args, **kwargs)

    def _once(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        pool = self._open()
        try:
            return _submitted(pool, function, *args, **kwargs).result()
        except (BrokenProcessPool, CancelledError) as error:
            self._forget(pool)
            raise LostWorkerError(
                "the process that reads the device's answers died twice (out of memory?)"
            ) from error

    def _open(self) -> ProcessPoolExecutor:
        with self._lock:
            if self._pool is None:
                self._pool = ProcessPoolExecutor(
                    self._most, multiprocessing.get_context("spawn"), initializer=_settle
                )
            return self._pool

    def _forget(self, pool: ProcessPoolExecutor) -> None:
        with self._lock:
            if self._pool is pool:
                self._pool = None

    def close(self) -> None:
        """End the processes when they are done, without waiting for them."""
        with self._lock:
            if self._pool is not None:
                self._pool.shutdown(wait=False, cancel_futures=True)
                self._pool = None


def _submitted(
    pool: ProcessPoolExecutor, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
) -> Future[R]:
    """Submit with Ctrl-C blocked, so that a process started meanwhile inherits that."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return pool.submit(_guarded, function, args, kwargs)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _guarded(function: Callable[..., R], args: tuple[Any, ...], kwargs: dict[str, Any]) -> R:
    """Run a function; describe an unforeseen error here, because its traceback does not travel."""
    try:
        return function(*args, **kwargs)
    except SegctlError:
        raise
    except Exception as error:  # noqa: BLE001 - raised again with a description
        raise DefectError(internal(error)) from None


def _settle() -> None:
    """Leave Ctrl-C to the parent process, and die with it, however it dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_outlive_nobody, daemon=True).start()


def _outlive_nobody() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
