"""Dask workers: fleets beyond one machine, with progress and Ctrl-C; nothing is applied twice."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from segctl.fleet.workers import Workers
from segctl.model.errors import ExecutorError
from segctl.model.warned import Warned

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from segctl.fleet.cancel import Brake

#: Seconds to wait for the scheduler's answer, and for a new worker if none is left.
_CONNECT, _GRACE = 10.0, 20.0
#: Seconds between counts of the workers.
_COUNT = 2.0


#: A worker has one client; without a lock, each thread could create its own.
_FIRST = threading.Lock()


@dataclass(frozen=True, slots=True)
class DaskLink:
    """The workers' end of a run's link, over Dask's own events.

    If the scheduler does not answer, work that has started goes on: reverting needs no permission.
    """

    run: str

    def tell(self, device: str, step: str) -> None:
        """Report a step to the caller of the run."""
        with suppress(Exception):
            _dask().get_worker().log_event(self.run, [device, step, isinstance(step, Warned)])

    def pressed(self) -> bool:
        """Whether the caller wants to stop."""
        with suppress(Exception):
            return bool(_event(_stop(self.run)).is_set())
        return False

    def eased(self) -> bool:
        """Whether the caller wants nothing more to start."""
        with suppress(Exception):
            return bool(_event(_ease(self.run)).is_set())
        return False

    def begin(self, device: str) -> bool:
        """Whether no other worker has started on the device: Dask reruns the work of a lost one."""
        try:
            begun = _event(_begun(self.run, device))
            if begun.is_set():
                return False
            begun.set()
        except Exception as error:
            raise ExecutorError(
                f"the Dask scheduler does not answer ({type(error).__name__}): nothing was started"
            ) from error
        return True


def _event(name: str) -> Any:
    """Return an event, as a worker sees it."""
    with _FIRST:
        client = _dask().get_client()
    return _dask().Event(name, client=client)


def _begun(run: str, device: str) -> str:
    return f"{run} begun {device}"


def _stop(run: str) -> str:
    return f"{run} stop"


def _ease(run: str) -> str:
    return f"{run} ease"


class _DaskLine:
    """The caller's end."""

    def __init__(self, client: Any, run: str, brake: Brake) -> None:
        self._client = client
        self._asked: dict[str, Callable[[], bool]] = {
            _ease(run): lambda: brake.eased,
            _stop(run): lambda: brake.pressed,
        }
        self._counted = self._seen = time.monotonic()
        self.link = DaskLink(run)
        self.lost = False

    def look(self) -> str:
        """Pass a cancellation on; return why waiting is pointless, or an empty string."""
        for name in [name for name, asked in self._asked.items() if asked()]:
            del self._asked[name]
            with suppress(Exception):  # a lost scheduler is detected below
                _dask().Event(name, client=self._client).set()
        now = time.monotonic()
        if now - self._counted < _COUNT:
            return ""
        self._counted = now
        try:
            if self._client.nthreads():
                self._seen = now
        except Exception as error:  # noqa: BLE001 - any error means that the scheduler is gone
            self.lost = True
            return f"the Dask scheduler no longer answers ({type(error).__name__})"
        self.lost = now - self._seen > _GRACE
        return "no Dask worker is left" if self.lost else ""


@dataclass(frozen=True, slots=True)
class _DaskLines:
    client: Any

    @contextmanager
    def line(self, brake: Brake, report: Callable[[str, str], None]) -> Generator[_DaskLine]:
        run = f"segctl-{uuid4().hex}"
        devices: set[str] = set()

        def heard(event: tuple[float, tuple[str, str, bool]]) -> None:
            device, step, warned = event[1]
            devices.add(device)
            report(device, Warned(step) if warned else step)

        self.client.subscribe_topic(run, heard)
        line = _DaskLine(self.client, run, brake)
        yield line
        if line.lost:
            return  # work that Dask restarts after this must still see that it was started before
        with suppress(Exception):  # the scheduler may be gone, and then nothing is left to clean up
            self.client.unsubscribe_topic(run)
            for name in (_ease(run), _stop(run), *(_begun(run, device) for device in devices)):
                _dask().Event(name, client=self.client).clear()


@contextmanager
def dask_workers(address: str) -> Generator[Workers]:
    """Connect to a scheduler.

    Raises:
        ExecutorError: Dask is not installed, or no scheduler answers there.
    """
    distributed = _dask()
    _hush()
    try:
        client = distributed.Client(address, timeout=_CONNECT, set_as_default=False)
    except Exception as error:
        raise ExecutorError(
            f"no Dask scheduler answers at {address} ({error or type(error).__name__}): "
            "start one with `dask scheduler`, and `dask worker ADDRESS` for its workers"
        ) from error
    try:
        executor = client.get_executor(pure=False, retries=0)
        processes = max(1, len(client.nthreads()))
        yield Workers(executor=executor, remote=True, lines=_DaskLines(client), at_once=processes)
    finally:
        client.close(timeout=2)


def _hush() -> None:
    """Silence Dask's log messages: segctl reports the same problems itself."""
    for name in list(logging.Logger.manager.loggerDict):
        if name.partition(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL)


def _dask() -> Any:
    """Import Dask only where it is used: it comes with an extra, and has no type hints."""
    try:
        return import_module("distributed")
    except ImportError as error:
        raise ExecutorError(
            f"Dask is not installed ({error}): pip install 'segctl[dask]', here and on the workers"
        ) from error
