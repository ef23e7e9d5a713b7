"""What became of a rollout: devices in waves, waves in plays."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from segctl.planning.plan import DevicePlan
    from segctl.planning.review import Difference

#: Those in `WELL` need nothing more to be done; the others went wrong, or are still to come.
Status = Literal[
    "applied",
    "unchanged",
    "in_sync",
    "drifted",
    "planned",
    "failed",
    "unknown",
    "reverted",
    "not_begun",
    "done_before",
]
#: Whether the change is live on a device that is `unknown` could not be told.
BAD = ("failed", "unknown")
WELL = ("applied", "unchanged", "in_sync", "drifted", "planned", "done_before")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceResult:
    """What became of one device in one wave.

    `differences` are those of its plan from the reviewed one, where that is why it failed.
    """

    device: str
    status: Status
    code: str = ""
    message: str = ""
    changes: int = 0
    plan: DevicePlan | None = field(default=None, repr=False)
    differences: tuple[Difference, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def well(self) -> bool:
        """Whether nothing has to be done about it."""
        return self.status in WELL


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveResult:
    """What became of one wave."""

    number: int
    status: Literal["done", "failed", "not_begun", "planned"]
    devices: tuple[DeviceResult, ...]
    message: str = ""

    @property
    def changed(self) -> bool:
        """Whether a device holds something else now."""
        return any(device.status == "applied" for device in self.devices)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayResult:
    """What became of one play."""

    number: int
    name: str
    waves: tuple[WaveResult, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Why a rollout did not go on."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutResult:
    """What became of a whole rollout."""

    plays: tuple[PlayResult, ...]
    stop: Stop | None = None

    @property
    def devices(self) -> Iterator[DeviceResult]:
        """Every device of every wave, once a play."""
        for play in self.plays:
            for wave in play.waves:
                yield from wave.devices

    @property
    def summary(self) -> Mapping[str, int]:
        """How many devices of each status."""
        return Counter(device.status for device in self.devices)

    @property
    def well(self) -> bool:
        """Whether all that was asked for is done."""
        return self.stop is None and all(device.well for device in self.devices)
