"""Rules as conduits: named, in monitor mode, with the evidence that a person decides by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from segctl.model.site import Conduit
from segctl.model.site import Flow as Declared

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from segctl.observe.discover.flows import Volume
    from segctl.observe.discover.propose import Rule

#: Days until a proposal is to be looked at again, and until what may pass for a time only ends.
REVIEW_DAYS: Final = 30
EXPIRES_DAYS: Final = 180
#: So long may an id be.
_LONGEST: Final = 63


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """A conduit with what is said beside it; `flow_notes` are by the id of the flow."""

    conduit: Conduit
    notes: tuple[str, ...]
    flow_notes: Mapping[str, tuple[str, ...]]
    rules: tuple[Rule, ...]


def conduits_of(rules: Sequence[Rule], taken: Iterable[str], today: date) -> tuple[Proposed, ...]:
    """Return rules as conduits, one for each service between two zones.

    Args:
        rules: of one grade, in order.
        taken: ids (keys) of conduits that exist.
        today: the day from which the days of review count.
    """
    used = set(taken)
    held: dict[tuple[tuple[str, str], str, bool], list[Rule]] = {}
    for rule in rules:
        held.setdefault((rule.zones, rule.service.label, rule.expires), []).append(rule)
    found: list[Proposed] = []
    for (zones, label, expires), mine in held.items():
        site = zones[0].partition("/")[0]
        wanted = f"{_short(zones[0])}-to-{_short(zones[1])}-{label}"
        name = next(one for one in _names(wanted) if f"{site}/{one}" not in used)
        used.add(f"{site}/{name}")
        found.append(_conduit(site, name, zones, mine, expires=expires, today=today))
    return tuple(found)


def _short(zone: str) -> str:
    return zone.partition("/")[2]


def _names(wanted: str) -> Iterator[str]:
    yield wanted[:_LONGEST].rstrip("-._")
    number = 2
    while True:
        end = f"-{number}"
        yield wanted[: _LONGEST - len(end)].rstrip("-._") + end
        number += 1


def _conduit(
    site: str,
    name: str,
    zones: tuple[str, str],
    rules: Sequence[Rule],
    *,
    expires: bool,
    today: date,
) -> Proposed:
    flows: list[Declared] = []
    notes: dict[str, tuple[str, ...]] = {}
    for number, rule in enumerate(rules, 1):
        flow = rule.service.label if number == 1 else f"{rule.service.label}-{number}"
        flows.append(
            Declared(
                id=flow,
                sources=tuple(two for one in rule.sources for two in one.endpoints),
                destinations=tuple(two for one in rule.destinations for two in one.endpoints),
                protocols=rule.service.protocols,
                applications=rule.service.applications,
                services=rule.service.ports,
            )
        )
        notes[flow] = tuple(_flow_notes(rule))
    conduit = Conduit(
        site=site,
        id=name,
        from_zones=(zones[0],),
        to_zones=(zones[1],),
        reason="",
        owner="",
        flows=tuple(flows),
        mode="monitor",
        review_by=today + timedelta(days=REVIEW_DAYS),
        expires=today + timedelta(days=EXPIRES_DAYS) if expires else None,
    )
    said = {note for rule in rules for item in rule.items for note in item.passage.notes}
    return Proposed(
        conduit=conduit, notes=tuple(sorted(said)), flow_notes=notes, rules=tuple(rules)
    )


def _flow_notes(rule: Rule) -> Iterator[str]:
    """Yield what speaks for a flow, and what is open about it."""
    yield said_of(rule.evidence(), _witnesses(rule))
    users = sorted({user for item in rule.items for user in item.part.users})
    if users:
        more = f" and {len(users) - 5} more" if len(users) > 5 else ""
        yield f"users: {', '.join(users[:5])}{more}"
    for end in rule.sources:
        if end.label.startswith("leases "):
            whys = sorted({one.pool.why for one in rule.items if one.pool is not None})
            yield f"{end.label}: {', '.join(whys)}"
    if not {item.part.ends.destination for item in rule.items}.isdisjoint(_translated(rule)):
        yield "reached through NAT: the destination is the host behind it"
    for one in rule.service.opens:
        yield f"open: {one}"
    if rule.kept:
        yield f"narrower than the grade: {rule.kept}"


def _translated(rule: Rule) -> set[str]:
    return {
        group.flow.inner for item in rule.items for group, _ in item.part.groups if group.flow.inner
    }


def _witnesses(rule: Rule) -> list[str]:
    return sorted({name for item in rule.items for name in item.part.witnesses})


def said_of(volume: Volume, witnesses: Sequence[str]) -> str:
    """Return evidence in words."""
    parts = [
        f"{volume.sessions} session{'' if volume.sessions == 1 else 's'}",
        f"{volume.bytes} bytes",
    ]
    if volume.first is not None and volume.last is not None:
        parts.append(f"first {_day(volume.first)}, last {_day(volume.last)}")
    if volume.days:
        parts.append(f"on {volume.days} day{'' if volume.days == 1 else 's'}")
    parts.append(f"seen by {', '.join(witnesses)}")
    return "; ".join(parts)


def _day(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%d %H:%M UTC")
