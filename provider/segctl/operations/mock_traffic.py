"""Days of made traffic of a plant, written by the mocks' own generator."""

from __future__ import annotations

from calendar import timegm
from dataclasses import dataclass
from typing import TYPE_CHECKING

from segctl.model.errors import UsageError
from segctl.system import storage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date
    from pathlib import Path

#: More days, and times of a 32-bit device would end.
LONGEST = 3660


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be made: a plant's name or file, the seed, days from a date, forms (none: all)."""

    plant: str
    seed: int
    days: int
    start: date
    forms: Sequence[str] = ()
    busy: float = 1.0
    compress: bool = False


def make_traffic(order: Order, folder: Path) -> Mapping[str, int]:
    """Write the traffic and its ground truth into a folder; return how many lines each file has.

    Raises:
        UsageError: the folder cannot be used or holds files, a plant or a form is not understood.
    """
    from segctl_mocks.traffic.generate import FORMS, generate
    from segctl_mocks.traffic.plants import plant
    from segctl_mocks.traffic.sessions import Window

    if not 1 <= order.days <= LONGEST:
        raise UsageError(f"--days {order.days}: from 1 to {LONGEST}")
    if not 0.01 <= order.busy <= 1000:
        raise UsageError(f"--busy {order.busy:g}: from 0.01 to 1000")
    if not 1971 <= order.start.year <= 2099:
        raise UsageError(f"--start {order.start}: from 1971 to 2099")
    unknown = [form for form in order.forms if form not in FORMS]
    if unknown:
        raise UsageError(f"--form {unknown[0]}: it is one of {', '.join(FORMS)}")
    try:
        found = plant(order.plant)
        storage.make_folder(folder)
        storage.check(folder / "truth.json", alone=True)
        if any(folder.iterdir()):
            raise UsageError(f"{folder} holds files: name a folder that is new or empty")
        start = timegm(order.start.timetuple()) - found.offset
        window = Window(seed=order.seed, start=start, days=order.days, busy=order.busy)
        forms = order.forms or tuple(FORMS)
        return generate(found, window, folder, forms=forms, compress=order.compress)
    except ValueError as error:
        raise UsageError(f"--plant {error}") from error
    except OSError as error:
        raise UsageError(f"cannot write {folder}: {error.strerror}") from error
