"""Work with the history that is abandoned if the database stops answering.

A database can stall where none of its client's timeouts applies: on an open connection, in a name
look-up, on a disk that hangs. So the work has its own thread, and the caller waits for it only for
a limited time.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from segctl.drift.history.location import shown
from segctl.drift.history.store import PATIENCE, opened
from segctl.model.durations import format_duration, parse_duration
from segctl.model.errors import HistoryError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Engine

    from segctl.transports.credentials import Secret

Result = TypeVar("Result")

#: Seconds for all of the work, even if it makes slow progress.
MOST: Final = 600.0
_VARIABLE: Final = "SEGCTL_HISTORY_TIMEOUT"


@dataclass(frozen=True, slots=True)
class _Ended(Generic[Result]):
    """How the work ended: with a result, or with an error."""

    result: Result | None = None
    error: BaseException | None = None


def patience(environment: Mapping[str, str] | None = None) -> float:
    """Return the seconds the database may take for one step: SEGCTL_HISTORY_TIMEOUT, or 30.

    Raises:
        UsageError: the variable is not a duration from 1s to 10m.
    """
    text = (os.environ if environment is None else environment).get(_VARIABLE)
    if not text:
        return PATIENCE
    try:
        seconds = parse_duration(text)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= MOST:
        raise UsageError(
            f"{_VARIABLE} must be a duration from 1s to {format_duration(MOST)}, not {text}"
        )
    return seconds


def consult(
    url: Secret, work: Callable[[Engine], Result], *, seconds: float = PATIENCE, most: float = MOST
) -> Result:
    """Open the history and return what `work` makes of it.

    Args:
        url: where the history is.
        work: called in another thread, with the engine.
        seconds: limit for opening, and from one committed transaction to the next.
        most: limit for everything.

    Raises:
        HistoryError: the history cannot be opened or used, or did not answer in time. What was
            committed before stays.
    """
    steps: SimpleQueue[_Ended[Result] | None] = SimpleQueue()

    def run() -> None:
        try:
            with opened(url, patience=seconds, committed=lambda: steps.put(None)) as engine:
                result = work(engine)
        except BaseException as error:  # noqa: BLE001 - raised again in the waiting thread
            steps.put(_Ended(error=error))
        else:
            steps.put(_Ended(result=result))

    threading.Thread(target=run, name="history", daemon=True).start()
    end = time.monotonic() + most
    while True:
        left = end - time.monotonic()
        try:
            step = steps.get(timeout=max(0.0, min(seconds, left)))
        except Empty:
            waited = (
                f"not finished within {most:g} s" if left < seconds else f"silent for {seconds:g} s"
            )
            raise HistoryError(f"history {shown(url)}: {waited}: given up") from None
        if step is None:
            continue
        if step.error is not None:
            raise step.error
        return step.result  # type: ignore[return-value] # without an error there is a result
