"""What decides the traffic of the next minutes besides the policy: what a device's state is.

A change that nobody has confirmed goes back; what a reboot loads may be another policy; a lock
keeps the next run out. All of it is read with the policy, and belongs to `Live`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

#: Kind of a finding: what the device holds of others could not be read, so that nobody knows what
#: it does.
UNREAD = "unread"
#: Whether what the device loads at boot is what it enforces now.
Kept: TypeAlias = Literal["same", "differs", "missing", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a run leaves on a device about itself.

    `probes` is a digest of the probes that judge its change before it is kept, empty where none
    do. `lease` is how long it may hold the device, in seconds.
    """

    plan_id: str = ""
    probes: str = ""
    lease: float = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Unconfirmed:
    """A change that traffic meets and that its run has not confirmed.

    `push` is the device's own name for it, `run` who made it, `since` and `goes_back_in` seconds
    (None: unknown, or it does not go back by itself). `alive` says whether the run lives, None
    where that cannot be told.
    """

    push: str
    run: str = ""
    plan_id: str = ""
    probes: str = ""
    since: float | None = None
    goes_back_in: float | None = None
    alive: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A lock on the device.

    `owner` is who holds it, in words. `ours` says that a run of segctl took it; `alive` whether
    that run lives, None where that cannot be told; `lease_left` seconds until it counts as dead,
    None for a lock of others.
    """

    kind: str
    owner: str
    scope: str = ""
    ours: bool = False
    alive: bool | None = None
    lease_left: float | None = None
    since: str = ""
    #: what removes it by hand
    command: str = ""

    @property
    def dead(self) -> bool:
        """Whether it is a lock of a run of ours that is known not to live any more."""
        return self.ours and self.alive is False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceState:
    """Everything about a device that decides what traffic meets later.

    `kept` says whether the device would load at boot what it enforces now, and `kept_where` from
    where; `why_not_kept` says in words what is wrong. `applied` are ids of plans that were
    confirmed on it, the latest first.
    """

    unconfirmed: tuple[Unconfirmed, ...] = ()
    locks: tuple[Lock, ...] = ()
    kept: Kept = "same"
    kept_where: str = ""
    why_not_kept: str = ""
    applied: tuple[str, ...] = ()

    @property
    def unsettled(self) -> bool:
        """Whether `apply` has something to do although the policy is as desired."""
        return not self.lasts or any(lock.dead for lock in self.locks)

    @property
    def lasts(self) -> bool:
        """Whether the device is not known to become another by itself or by a reboot."""
        return not self.unconfirmed and self.kept not in ("differs", "missing")

    def as_json(self) -> dict[str, Any]:
        """Return it as it stands in documents; `read_state` takes it back."""
        return asdict(self) | {
            "unconfirmed": [asdict(change) for change in self.unconfirmed],
            "locks": [asdict(lock) for lock in self.locks],
            "applied": list(self.applied),
        }


def read_state(document: Mapping[str, Any]) -> DeviceState:
    """Return the state that a part of a document describes; an empty one says nothing.

    Raises:
        TypeError: it holds what no state holds.
    """
    if strange := sorted(set(document) - {one.name for one in fields(DeviceState)}):
        message = f"a state has no {', '.join(strange)}"
        raise TypeError(message)
    changes: list[dict[str, Any]] = list(document.get("unconfirmed", ()))
    locks: list[dict[str, Any]] = list(document.get("locks", ()))
    return DeviceState(
        unconfirmed=tuple(Unconfirmed(**one) for one in changes),
        locks=tuple(Lock(**one) for one in locks),
        kept=document.get("kept", "same"),
        kept_where=str(document.get("kept_where", "")),
        why_not_kept=str(document.get("why_not_kept", "")),
        applied=tuple(map(str, document.get("applied", ()))),
    )


@runtime_checkable
class Settling(Protocol):
    """What a session can do whose device remembers runs; every platform of ours can.

    `begin` comes before `lock`. Under the lock, `adopt` makes `confirm` and `revert` mean a change
    that a dead run left, and `keep` writes what a reboot loads.
    """

    @property
    def warnings(self) -> Sequence[str]:
        """What the device warned of while it took the change, in its own words."""
        ...

    def begin(self, run: Run) -> None:
        """Say which run this is: its lock and its push bear it."""
        ...

    def before_live(self, check: Callable[[], None]) -> None:
        """Have `check` called when all of a push is ready, the last moment before it is live.

        What it raises ends the push, and nothing of it goes live.
        """
        ...

    def adopt(self, change: Unconfirmed) -> None:
        """Take over a change of a dead run, to confirm it or to take it back.

        Raises:
            LockedError: the lock is not held.
            DeviceError: the change is not there any more.
        """
        ...

    def keep(self) -> None:
        """Make the device load at boot what it enforces now.

        Raises:
            ApplyError: it could not be written; the device loads what it loaded before.
        """
        ...
