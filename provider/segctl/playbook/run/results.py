"""The results of a rollout: devices in waves, waves in plays."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from segctl.planning.plan import DevicePlan
    from segctl.planning.review import Difference
    from segctl.providers.management import Management

#: A status in `WELL` needs no further action; any other failed or is still to come.
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
#: For an `unknown` device, segctl could not tell whether the change is live.
BAD = ("failed", "unknown")
WELL = ("applied", "unchanged", "in_sync", "drifted", "planned", "done_before")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceResult:
    """The result of one device in one wave.

    `differences` from the reviewed plan are set if they are the reason why the device failed.
    `members` are the results of the firewalls of a group; the peer of one is `of` it.
    `notes` say what is missing as evidence although the device is as planned.
    """

    device: str
    status: Status
    code: str = ""
    message: str = ""
    changes: int = 0
    plan: DevicePlan | None = field(default=None, repr=False)
    differences: tuple[Difference, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    members: tuple[DeviceResult, ...] = ()
    of: str = ""

    def of_hosts(self, hosts: Sequence[str]) -> Iterator[DeviceResult]:
        """Yield the result of each firewall of a group; of another device its own.

        That of a pair is the one of its member that fared worse.
        """
        held: dict[str, DeviceResult] = {}
        for one in self.members:
            name = one.of or one.device
            if name not in held or _rank(one.status) < _rank(held[name].status):
                held[name] = one
        for name in hosts:
            found = held.get(name)
            if found is None:
                yield replace(self, device=name, members=())
                continue
            yield replace(
                self,
                device=name,
                status=found.status,
                code=found.code,
                message=found.message or ("pushed" if found.status == "applied" else ""),
                members=(),
            )

    @property
    def well(self) -> bool:
        """Whether the device needs no further action."""
        return self.status in WELL


def _rank(status: Status) -> int:
    """Return a number by which bad results come first, and those that changed before others."""
    order: tuple[Status, ...] = ("failed", "unknown", "applied")
    return order.index(status) if status in order else len(order)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveResult:
    """The result of one wave."""

    number: int
    status: Literal["done", "failed", "not_begun", "planned"]
    devices: tuple[DeviceResult, ...]
    message: str = ""

    @property
    def changed(self) -> bool:
        """Whether any device was changed."""
        return any(device.status == "applied" for device in self.devices)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayResult:
    """The result of one play."""

    number: int
    name: str
    waves: tuple[WaveResult, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Why a rollout stopped."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutResult:
    """The result of a rollout; `managed` is what managed firewalls said of themselves, if asked."""

    plays: tuple[PlayResult, ...]
    stop: Stop | None = None
    managed: Mapping[str, Management | None] = field(
        default_factory=dict["str", "Management | None"], repr=False
    )

    @property
    def devices(self) -> Iterator[DeviceResult]:
        """Every device of every wave, once per play."""
        for play in self.plays:
            for wave in play.waves:
                yield from wave.devices

    @property
    def summary(self) -> Mapping[str, int]:
        """The number of devices by status."""
        return Counter(device.status for device in self.devices)

    @property
    def well(self) -> bool:
        """Whether everything that was asked for is done."""
        return self.stop is None and all(device.well for device in self.devices)
