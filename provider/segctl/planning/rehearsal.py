"""What a rehearsal of a plan on real traffic showed, and whether a plan may be applied after it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final

from segctl.model.durations import format_duration
from segctl.model.errors import (
    DropsTrafficError,
    NotRehearsedError,
    OtherRehearsalError,
    UntoldRehearsalError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from segctl.planning.plan import Plan

DROPPED, UNTOLD = "newly_dropped", "cannot_tell"
#: So many names stand in a message; the rest is counted.
_NAMED: Final = 5
_AGAIN: Final = "segctl replay PLAN FILE… --offline SNAPSHOTS -o REHEARSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What one witness could show: `first` and `last` are moments in UTC, empty where unknown.

    `gaps` is how often it was silent, `gap_seconds` for how long in all. `sampled` and `limited`
    say that it saw, or wrote down, only a part.
    """

    name: str
    records: int
    first: str = ""
    last: str = ""
    gaps: int = 0
    gap_seconds: int = 0
    duplicates: int = 0
    sampled: bool = False
    limited: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """How much of the traffic has one fate; `essential` are flows of essential conduits."""

    flows: int = 0
    sessions: int = 0
    essential: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Traffic that was seen and would be dropped; `by` says which firewall does it by which rule.

    `conduit` is a key and `flow` an id in it, both empty for what no conduit declares.
    """

    source: str
    destination: str
    protocol: str
    port: int
    applications: tuple[str, ...] = ()
    conduit: str = ""
    flow: str = ""
    essential: bool = False
    sessions: int = 0
    last: str = ""
    by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Untold:
    """A reason for which it cannot be told what becomes of traffic, and of how many flows."""

    why: str
    flows: int
    essential: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """The files of records: how many, and a digest of all of them in whatever order.

    `digest` is the SHA-256 of the SHA-256 of each file, in hexadecimal, sorted, a line each.
    """

    files: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What would have become of the traffic in some records, had a plan been applied before.

    `policy` is a digest of what the plan does, `inventory` one of the inventory that said which
    flows are essential. `first` and `last` are the ends
    of the window that the records are of, empty where no record has a time. `dropped` has every
    essential flow up to a bound, and others up to a smaller one: `fates` counts all. Of the flows
    `untold_essential`, nothing but *cannot tell* could be said. `judged` says of how many flows
    through each firewall it could be told what becomes of them; `not_judged`, why nothing is known
    of others. `contradicted` are rules of which the log contradicts our model.
    """

    policy: str
    inventory: str
    made: str
    timezone: str
    first: str = ""
    last: str = ""
    records: int = 0
    refused: int = 0
    inputs: Inputs
    witnesses: tuple[Heard, ...] = ()
    fates: Mapping[str, Fate] = field(default_factory=dict[str, Fate])
    dropped: tuple[Lost, ...] = ()
    untold: tuple[Untold, ...] = ()
    untold_essential: tuple[str, ...] = ()
    judged: Mapping[str, int] = field(default_factory=dict[str, int])
    not_judged: Mapping[str, str] = field(default_factory=dict[str, str])
    contradicted: tuple[str, ...] = ()

    @property
    def told(self) -> int:
        """Of how many flows it could be told what becomes of them."""
        return sum(one.flows for name, one in self.fates.items() if name != UNTOLD)

    def of(self, fate: str) -> Fate:
        """Return how much has a fate."""
        return self.fates.get(fate) or Fate()


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """What is asked of a rehearsal: that it drops nothing essential, and was told at all.

    With `max_age`, in seconds, the records must not end longer ago. With `drops_nothing`, no
    traffic that was seen may be newly dropped, essential or not.
    """

    max_age: float | None = None
    drops_nothing: bool = False


def refuse_unrehearsed(
    plan: Plan | None, requirement: Requirement, policy: str, now: datetime
) -> None:
    """Refuse a plan whose rehearsal does not show what is asked.

    Args:
        plan: the plan; None where it is made only now.
        requirement: what is asked.
        policy: the digest of what the plan does.
        now: the time of which the records must be recent.

    Raises:
        NotRehearsedError: it was not rehearsed, not on all firewalls that it changes, or on
            records that are too old.
        OtherRehearsalError: the rehearsal is of another plan.
        UntoldRehearsalError: nothing could be told, or nothing of an essential flow.
        DropsTrafficError: it would drop what must go on.
    """
    if plan is None:
        raise NotRehearsedError(
            "what is planned only now was not rehearsed: save a plan, rehearse it "
            f"({_AGAIN}), and apply that; nothing was changed"
        )
    held = plan.rehearsal
    if held is None:
        raise NotRehearsedError(
            f"the plan was not rehearsed on real traffic: {_AGAIN}; nothing was changed"
        )
    if held.policy != policy:
        raise OtherRehearsalError(
            f"the rehearsal in the plan is of another policy: {_AGAIN}; nothing was changed"
        )
    _refuse_drops(held, requirement)
    if held.inventory != plan.intent.digest:
        raise OtherRehearsalError(
            "the plan was rehearsed with another inventory than it was made from, which may call "
            f"other flows essential: {_AGAIN} with the same; nothing was changed"
        )
    _refuse_untold(plan, held)
    _refuse_old(held, requirement, now)


def _refuse_untold(plan: Plan, held: Rehearsal) -> None:
    if not held.told:
        whys = _some(one.why for one in held.untold) or "no record crosses a firewall"
        raise UntoldRehearsalError(
            f"the plan was rehearsed on {held.records:,} records, and of none of them it could be "
            f"told what becomes of it ({whys}): rehearse it on other records; nothing was changed"
        )
    changed = [one.name for one in plan.devices if one.changes]
    unknown = [name for name in changed if not held.judged.get(name)]
    if unknown:
        whys = _some(
            f"{name} ({held.not_judged.get(name, 'no record of traffic through it')})"
            for name in unknown
        )
        raise NotRehearsedError(
            f"the rehearsal says nothing of what the plan changes on {whys}: rehearse it with a "
            "snapshot and records of each; nothing was changed"
        )
    if held.untold_essential:
        raise UntoldRehearsalError(
            "the rehearsal could not tell what becomes of essential traffic: "
            f"{_some(held.untold_essential)}; segctl replay says why; nothing was changed"
        )


def _refuse_drops(held: Rehearsal, requirement: Requirement) -> None:
    dropped = held.of(DROPPED)
    if dropped.essential:
        names = (_name(one) for one in held.dropped if one.essential)
        raise DropsTrafficError(
            f"the rehearsal shows that the plan drops essential traffic: {_some(names)}; "
            "mend the inventory, plan and rehearse again; nothing was changed"
        )
    if requirement.drops_nothing and dropped.flows:
        raise DropsTrafficError(
            f"the rehearsal shows that the plan drops traffic that was seen: "
            f"{_some(map(_name, held.dropped))}; declare it, or allow that it is dropped; "
            "nothing was changed"
        )


def _refuse_old(held: Rehearsal, requirement: Requirement, now: datetime) -> None:
    if requirement.max_age is None:
        return
    allowed = format_duration(requirement.max_age)
    if not held.last:
        raise NotRehearsedError(
            f"the records of the rehearsal have no times, and must be at most {allowed} old: "
            f"rehearse it on others ({_AGAIN}); nothing was changed"
        )
    age = (now - datetime.fromisoformat(held.last)).total_seconds()
    if age > requirement.max_age:
        raise NotRehearsedError(
            f"the records of the rehearsal end at {held.last}, {format_duration(age // 60 * 60)} "
            f"ago, and must be at most {allowed} old: rehearse it on newer ones ({_AGAIN}); "
            "nothing was changed"
        )


def _name(one: Lost) -> str:
    service = f"{one.protocol}/{one.port}" if one.port else one.protocol
    named = f"{one.conduit}.{one.flow} " if one.conduit else ""
    return f"{named}({one.source} → {one.destination} {service})"


def _some(names: Iterable[str]) -> str:
    listed = list(dict.fromkeys(names))
    more = f" and {len(listed) - _NAMED} more" if len(listed) > _NAMED else ""
    return f"{', '.join(listed[:_NAMED])}{more}"
