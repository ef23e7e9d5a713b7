"""Pieces of records read by workers: the same result as here, or an error, never fewer records."""

from __future__ import annotations

from collections import deque
from concurrent.futures import CancelledError
from concurrent.futures import wait as wait_for
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import segctl
from segctl.fleet.cancel import Brake
from segctl.fleet.pool import IN_TURN
from segctl.fleet.tasks import same_version
from segctl.model.errors import LostWorkerError, SegctlError
from segctl.observe.pieces import PIECE
from segctl.observe.reading import read_piece

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from concurrent.futures import Future

    from segctl.fleet.pool import Compute
    from segctl.fleet.tasks import Link
    from segctl.fleet.workers import Line, Workers
    from segctl.observe.reading import Partial, Work

#: Seconds between looks at the workers.
_LOOK: Final = 0.2
#: So many pieces for each worker are being read or wait to be joined: what they hold is in memory.
_AHEAD: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Work: read a piece, with the caller's version of segctl."""

    work: Work
    version: str = segctl.__version__


def read_one(item: Reading, _link: Link, compute: Compute = IN_TURN) -> Partial:
    """Return what a piece comes to.

    Raises:
        ExecutorError: the caller has another version of segctl.
        LostWorkerError: the process that read it died twice.
    """
    same_version(item.version)
    return compute(read_piece, item.work)


@dataclass(frozen=True, slots=True)
class Readers:
    """Workers who read pieces of about `piece` bytes."""

    workers: Workers
    piece: int = PIECE

    def read(self, work: Sequence[Work]) -> Generator[Partial]:
        """Yield what the pieces come to, in their order; few are read ahead.

        Raises:
            LostWorkerError: a piece is lost.
            SegctlError: a worker cannot work.
        """
        more = () if self.workers.remote else (self.workers.compute,)
        left, running = iter(work), deque[tuple["Work", "Future[Partial]"]]()
        with self.workers.line(Brake(), _nobody) as line:
            try:
                while True:
                    while len(running) < _AHEAD * self.workers.at_once:
                        one = next(left, None)
                        if one is None:
                            break
                        item = Reading(work=one)
                        running.append(
                            (one, self.workers.executor.submit(read_one, item, line.link, *more))
                        )
                    if not running:
                        return
                    yield _result(*running[0], line)
                    running.popleft()
            finally:
                for _, future in running:
                    future.cancel()


def _nobody(_device: str, _step: str) -> None:
    return


def _result(work: Work, future: Future[Partial], line: Line) -> Partial:
    while not wait_for([future], timeout=_LOOK).done:
        if gone := line.look():
            raise _lost(work, gone)
    try:
        return future.result()
    except CancelledError:
        raise _lost(work, "its worker was lost, or the work was cancelled") from None
    except LostWorkerError as error:
        raise _lost(work, "its process died twice (out of memory?)") from error
    except SegctlError:
        raise
    except Exception as error:
        raise _lost(work, f"its worker was lost ({type(error).__name__}: {error})") from error


def _lost(work: Work, why: str) -> LostWorkerError:
    source = work.piece.source
    place = f" from byte {source.first:,} on" if source.part else ""
    return LostWorkerError(
        f"{source.name}{place} was not read: {why}; nothing is reported, since records would be "
        "missing; try again, or read everything here with --executor threads"
    )
