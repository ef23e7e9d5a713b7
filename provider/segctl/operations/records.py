"""Records of traffic, read here or by the workers that the options name."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from segctl.operations.workers import opened

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from segctl.fleet.records import Readers
    from segctl.observe.grouping import Groups
    from segctl.observe.reading import Reading, ReadOptions, Told
    from segctl.operations.options import CommonOptions
    from segctl.operations.progress import Progress

#: Executors that read in this process: threads share one interpreter.
_HERE: Final = frozenset({"", "threads"})


def read_records(
    common: CommonOptions,
    names: Sequence[str],
    options: ReadOptions,
    progress: Progress,
    *,
    groups: Groups | None = None,
    told: Told | None = None,
) -> Reading:
    """Read files and folders, and what devices told; who reads them makes no difference.

    Raises:
        ExecutorError: the workers cannot be used.
        LostWorkerError: a worker was lost.
        UsageError: a file does not exist, or this machine does not know the time zone.
    """
    from segctl.observe.reading import read

    with _readers(common, names, progress) as readers:
        found = read(names, options, groups, told, readers)
    if found.unseen:
        first, more = found.unseen[0], len(found.unseen) - 1
        others = f" and {more} more" if more else ""
        progress.note(
            f"the workers do not have {first}{others}, or not the same: read here instead"
        )
    if found.again:
        progress.note(
            f"{found.again} of {found.pieces} pieces of the records go on with what came before "
            "them: these were read here, one after the other"
        )
    return found


@contextmanager
def _readers(
    common: CommonOptions, names: Sequence[str], progress: Progress
) -> Generator[Readers | None]:
    from segctl.fleet import check_kind

    check_kind(common.executor)
    if common.executor in _HERE or not names:
        yield None
        return
    from segctl.fleet.records import Readers

    with opened(common, len(os.sched_getaffinity(0)), progress) as workers:
        yield Readers(workers)
