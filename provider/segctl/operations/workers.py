"""Devices at work: the workers that the options name, and who is told what each device does."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from segctl.fleet import Workers
    from segctl.operations.options import CommonOptions
    from segctl.operations.progress import Progress


@contextmanager
def opened(common: CommonOptions, devices: int, progress: Progress) -> Generator[Workers]:
    """Open the workers that the options name, or that suit so many devices.

    Raises:
        ExecutorError: they cannot be used.
    """
    from segctl.fleet import exposed, workers

    if warning := exposed(common.executor):
        progress.note(warning)
    with workers(common.executor, devices=devices, forks=common.forks) as executor:
        yield executor


@contextmanager
def at_work(
    common: CommonOptions, names: Sequence[str], progress: Progress
) -> Generator[tuple[Workers, Callable[[str, str], None]]]:
    """Open workers for these devices; yield them, and what takes each device's steps.

    Raises:
        ExecutorError: the workers cannot be used.
    """
    with opened(common, len(names), progress) as executor, progress.devices(names) as report:
        yield executor, report
