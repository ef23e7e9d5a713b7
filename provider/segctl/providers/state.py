"""A device's state: what decides, besides the policy, how traffic is treated in the next minutes.

An unconfirmed change goes back; a reboot may load another policy; a lock keeps the next run
out. All of this is read together with the policy and belongs to `Live`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

#: Kind of a finding: something others put on the device could not be read, so its effect is
#: unknown.
UNREAD = "unread"
#: Kind of findings about what may drop packets beside the policy, which `Live.gates` says exactly.
GATED = "gated"
#: Kind of the finding that something of others lets packets pass without any rule of ours.
BYPASS = "bypass"
#: What that can be, as the first of the facts that such a finding is about.
UNREAD_KINDS = ("table", "pushed rules", "pushed zones")
#: Kind of a finding: a zone leads to another part of the same device, which judges traffic, too.
#: `Problem.about` has the zone and the name of that part.
EXTERNAL = "external_zone"
#: Whether the device loads at boot what it enforces now.
Kept: TypeAlias = Literal["same", "differs", "missing", "unknown"]
#: What became of a push to one firewall.
Result: TypeAlias = Literal["pushed", "failed", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a run records about itself on a device.

    `probes` is a digest of the probes that judge its change before it is kept, empty if there
    are none. `lease` is how long it may hold the device, in seconds. `note` says in words, for the
    device's own records, from what it was made and by whom; `comments` are audit comments of
    rules, by name. Neither has a secret.
    """

    plan_id: str = ""
    note: str = ""
    comments: Mapping[str, str] = field(default_factory=dict[str, str])
    probes: str = ""
    lease: float = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Unconfirmed:
    """A change that is live and that its run has not confirmed.

    `push` is the device's own name for it, `run` who made it, `since` and `goes_back_in` seconds
    (None: unknown, or it does not go back by itself). `alive` says whether the run is alive, None
    if unknown.
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

    `owner` is a text that says who holds it. `ours` says that a segctl run took it; `alive`
    whether that run is alive, None if unknown; `lease_left` the seconds until it counts as dead,
    None for a lock of others.
    """

    kind: str
    owner: str
    scope: str = ""
    ours: bool = False
    alive: bool | None = None
    lease_left: float | None = None
    since: str = ""
    #: the command that removes it by hand
    command: str = ""

    @property
    def dead(self) -> bool:
        """Whether a run of ours took the lock and is known to be dead."""
        return self.ours and self.alive is False


#: Kind of a finding: the device will not go on holding what it enforces.
NOT_KEPT = "not_kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """A firewall to which a manager pushes a policy, and whether it enforces that.

    `serial` is how the manager names it, `why` says why it does not enforce the policy. A run is
    about those that are `asked`. The peer of a firewall is `of` it: together they are one.
    """

    name: str
    serial: str = ""
    enforces: bool = False
    why: str = ""
    asked: bool = True
    of: str = ""

    @property
    def firewall(self) -> str:
        """The host that the inventory has as the firewall."""
        return self.of or self.name

    def as_json(self) -> dict[str, Any]:
        """Return its form in documents."""
        document = asdict(self)
        return document if self.of else {key: document[key] for key in document if key != "of"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceState:
    """Everything besides the policy that decides how a device treats traffic later.

    `kept` says whether the device would load at boot what it enforces now, and `kept_where` from
    where; `why_not_kept` explains what is wrong, and `cause` is the provider's word for that, which
    documents do not show. `applied` holds the ids of plans that were confirmed on it, latest first.
    `members` are the firewalls that get the policy of a group from their manager.
    """

    unconfirmed: tuple[Unconfirmed, ...] = ()
    locks: tuple[Lock, ...] = ()
    kept: Kept = "same"
    kept_where: str = ""
    why_not_kept: str = ""
    applied: tuple[str, ...] = ()
    cause: str = field(default="", compare=False)
    members: tuple[Receiver, ...] = ()

    @property
    def behind(self) -> tuple[Receiver, ...]:
        """The firewalls asked about that do not enforce what their group holds."""
        return tuple(one for one in self.members if one.asked and not one.enforces)

    @property
    def unsettled(self) -> bool:
        """Whether `apply` has work to do even if the policy is as desired."""
        return not self.lasts or any(lock.dead for lock in self.locks)

    @property
    def lasts(self) -> bool:
        """Whether what it holds is enforced, and nothing known would change that by itself."""
        kept = self.kept not in ("differs", "missing")
        return not self.unconfirmed and kept and not self.behind

    def as_json(self) -> dict[str, Any]:
        """Return its form in documents; `read_state` is the inverse."""
        document = asdict(self) | {
            "unconfirmed": [asdict(change) for change in self.unconfirmed],
            "locks": [asdict(lock) for lock in self.locks],
            "applied": list(self.applied),
            "members": [member.as_json() for member in self.members],
        }
        if not self.members:
            del document["members"]
        del document["cause"]
        return document


def read_state(document: Mapping[str, Any]) -> DeviceState:
    """Return the state from its form in documents; an empty one means nothing is known.

    Raises:
        TypeError: it has a key that a state does not have.
    """
    if strange := sorted(set(document) - {one.name for one in fields(DeviceState) if one.compare}):
        message = f"a state has no {', '.join(strange)}"
        raise TypeError(message)
    changes: list[dict[str, Any]] = list(document.get("unconfirmed", ()))
    locks: list[dict[str, Any]] = list(document.get("locks", ()))
    members: list[dict[str, Any]] = list(document.get("members", ()))
    return DeviceState(
        unconfirmed=tuple(Unconfirmed(**one) for one in changes),
        locks=tuple(Lock(**one) for one in locks),
        kept=document.get("kept", "same"),
        kept_where=str(document.get("kept_where", "")),
        why_not_kept=str(document.get("why_not_kept", "")),
        applied=tuple(map(str, document.get("applied", ()))),
        members=tuple(Receiver(**one) for one in members),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What became of one push of a group's policy to one firewall; `why` in the manager's words."""

    name: str
    result: Result
    why: str = ""


@runtime_checkable
class Delivering(Protocol):
    """Additional calls of sessions with a manager, which holds a policy and pushes it on.

    `Session.push` and `Session.revert` push it on by themselves.
    """

    @property
    def deliveries(self) -> Sequence[Delivery]:
        """What became of the latest push to each firewall; one that fails raises nothing."""
        ...

    def deliver(self) -> None:
        """Push what the group holds to the firewalls asked about that do not enforce it.

        Raises:
            LockedError: the lock is not held.
            LostLockError: this run has lost its lock; nothing was pushed.
        """
        ...


@runtime_checkable
class Commenting(Protocol):
    """An additional capability of sessions whose device keeps audit comments of rules."""

    @property
    def commented(self) -> int:
        """How many comments were written, each by a request of its own."""
        ...

    @property
    def uncommented(self) -> Sequence[str]:
        """Why rules have no comment, a sentence each; their policy is live all the same."""
        ...


@runtime_checkable
class Unlocking(Protocol):
    """An additional capability of sessions that know what their unlocking left on the device."""

    @property
    def unreleased(self) -> str:
        """Which locks this run could not release, why, and what removes them; empty if none."""
        ...


@runtime_checkable
class Settling(Protocol):
    """Additional calls of sessions whose device remembers runs; every platform of ours has them.

    `begin` comes before `lock`. Under the lock, `adopt` makes `confirm` and `revert` apply to a
    change that a dead run left, and `keep` writes what a reboot loads.
    """

    @property
    def warnings(self) -> Sequence[str]:
        """The device's warnings while it accepted the change, in its own words."""
        ...

    def begin(self, run: Run) -> None:
        """Set which run this is: its lock and its push record it."""
        ...

    def before_live(self, check: Callable[[], None]) -> None:
        """Have `check` called when a push is complete, at the last moment before it goes live.

        If it raises, the push ends and nothing of it goes live.
        """
        ...

    def adopt(self, change: Unconfirmed) -> None:
        """Take over a dead run's change, to confirm or revert it.

        Raises:
            LockedError: the lock is not held.
            DeviceError: the change no longer exists.
        """
        ...

    def keep(self) -> None:
        """Make the device load at boot what it enforces now.

        Raises:
            ApplyError: writing failed; the device still loads what it loaded before.
        """
        ...
