"""What was attacked and what nobody recognises, by zones and conduit, with what to do about it.

Nothing here tells an attack from a fault or a test: that is for a person to judge.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from segctl.observe.attacks import SEVERE
from segctl.observe.traffic import UNKNOWN, Volume, outcome_of, volume_of
from segctl.protocols.catalogue import catalogue

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from segctl.model.site import Conduit
    from segctl.observe.grouping import Count, Groups
    from segctl.observe.observation import Flow, Group
    from segctl.observe.places import Place
    from segctl.observe.standing import Standing, Standings

#: What to do: nothing that was not done; look, since it is mild; look at who speaks, and contain
#: it; ask for a stricter profile; declare a protocol of the catalogue; teach the firewall an
#: application; find out who needs it; or declare what was denied, if it is wanted.
Advice = Literal[
    "blocked", "mild", "contain", "profile", "catalogue", "application", "undeclared", "denied"
]
_SEVERITIES: Final = ("critical", "high", "medium", "low", "informational")
#: So many ends are named of each side; the others are counted.
NAMED: Final = 20


class Way(NamedTuple):
    """Where something passed: zones by their keys, empty where there is none, and a conduit."""

    source_zone: str
    destination_zone: str
    conduit: str


class Party(NamedTuple):
    """An end: its address, and its asset where it is one."""

    address: str
    asset: str


@dataclass(slots=True, kw_only=True)
class Threat:
    """Threat records of one kind on one way, by what the witness did about them.

    `watched` are those of witnesses that only watched, or did not say.
    """

    way: Way
    name: str
    severity: str
    advice: Advice = "blocked"
    blocked: int = 0
    passed: int = 0
    watched: int = 0
    sources: set[Party] = field(default_factory=set[Party])
    destinations: set[Party] = field(default_factory=set[Party])
    first: float | None = None
    last: float | None = None


@dataclass(slots=True, kw_only=True)
class Unknown:
    """Conversations in which the witness recognised no application, on one way and port.

    `protocols` are those of the catalogue that are spoken on that port, `rules` those that denied.
    """

    way: Way
    application: str
    protocol: str
    port: int
    protocols: tuple[str, ...]
    advice: Advice
    rules: set[str] = field(default_factory=set[str])
    volume: Volume = field(default_factory=Volume)
    sources: set[Party] = field(default_factory=set[Party])
    destinations: set[Party] = field(default_factory=set[Party])


@dataclass(frozen=True, slots=True, kw_only=True)
class Threats:
    """All kinds of threats, the most severe that passed first, and what is not recognised.

    What is not recognised and was `denied` is apart.
    """

    threats: tuple[Threat, ...]
    unknown: tuple[Unknown, ...]
    denied: tuple[Unknown, ...] = ()


def threatened(groups: Groups, standings: Standings, conduits: Iterable[Conduit]) -> Threats:
    """Add up threat records and what nobody recognises.

    Args:
        groups: what was seen.
        standings: how that stands to what is declared.
        conduits: those that are declared.
    """
    mild = frozenset(one.key for one in conduits if _is_mild(one))
    ports = _ports()
    threats: dict[tuple[Way, str, str], Threat] = {}
    unknown: dict[tuple[Way, str, str, int, bool], Unknown] = {}
    for flow, held in groups.flows():
        strange: dict[tuple[Way, str, bool], list[tuple[Group, Count]]] = {}
        ends: dict[tuple[Way, str, bool], Standing] = {}
        for group, count in held:
            standing = standings.of(group)
            way = _way(standing)
            if group.threat:
                key = (way, group.threat, group.severity.lower())
                one = threats.setdefault(key, Threat(way=way, name=key[1], severity=key[2]))
                _add(one, flow, group, count, standing)
            elif outcome_of(group) != "attempt" and (name := _unrecognised(group)):
                part = (way, name, outcome_of(group) == "denied")
                strange.setdefault(part, []).append((group, count))
                ends[part] = standing
        for (way, name, denied), seen in strange.items():
            at = (way, name, flow.protocol, flow.port, denied)
            if at not in unknown:
                spoken = ports.get((flow.protocol, flow.port), ())
                unknown[at] = Unknown(
                    way=way,
                    application=name,
                    protocol=flow.protocol,
                    port=flow.port,
                    protocols=spoken,
                    advice="denied" if denied else _about_unknown(way, spoken),
                )
            unknown[at].volume.add(volume_of(seen))
            unknown[at].rules.update(group.rule for group, _ in seen if denied and group.rule)
            source, destination = _parties(flow, ends[way, name, denied])
            unknown[at].sources.add(source)
            unknown[at].destinations.add(destination)
    for one in threats.values():
        one.advice = _about_threat(one, mild)
    return Threats(
        threats=tuple(sorted(threats.values(), key=_urgency)),
        unknown=_most_first(one for one in unknown.values() if one.advice != "denied"),
        denied=_most_first(one for one in unknown.values() if one.advice == "denied"),
    )


def _most_first(found: Iterable[Unknown]) -> tuple[Unknown, ...]:
    return tuple(
        sorted(found, key=lambda one: (-one.volume.sessions, one.way, one.application, one.port))
    )


def _add(one: Threat, flow: Flow, group: Group, count: Count, standing: Standing) -> None:
    if group.verdict == "deny":
        one.blocked += count.records
    elif group.verdict == "allow":
        one.passed += count.records
    else:
        one.watched += count.records
    source, destination = _parties(flow, standing)
    one.sources.add(source)
    one.destinations.add(destination)
    moments = [each for each in (one.first, count.first, count.last) if each is not None]
    one.first = min(moments, default=None)
    moments = [each for each in (one.last, count.first, count.last) if each is not None]
    one.last = max(moments, default=None)


def _way(standing: Standing) -> Way:
    conduit = standing.conduit if standing.status != "undeclared" else ""
    return Way(standing.source.zone, standing.destination.zone, conduit)


def _parties(flow: Flow, standing: Standing) -> tuple[Party, Party]:
    return _party(flow.source, standing.source), _party(
        flow.inner or flow.destination, standing.destination
    )


def _party(address: str, place: Place) -> Party:
    return Party(address, place.asset)


def _unrecognised(group: Group) -> str:
    return next((name for name in group.applications if name.startswith(UNKNOWN)), "")


def _ports() -> dict[tuple[str, int], tuple[str, ...]]:
    """Return the protocols of the catalogue by the ports on which they are spoken."""
    found: dict[tuple[str, int], list[str]] = {}
    for one in catalogue().protocols.values():
        for port in one.ports:
            if port.main and port.first == port.last:
                found.setdefault((port.protocol, port.first), []).append(one.id)
    return {port: tuple(sorted({*names})) for port, names in found.items()}


def _about_unknown(way: Way, spoken: tuple[str, ...]) -> Advice:
    if way.conduit:
        return "application"
    return "catalogue" if spoken else "undeclared"


def _is_mild(conduit: Conduit) -> bool:
    """Whether a conduit asks for no profile that blocks what is severe."""
    return conduit.mode == "monitor" or conduit.threat_prevention in {"alert", "none"}


def _about_threat(one: Threat, mild: Collection[str]) -> Advice:
    if not (one.passed or one.watched):
        return "blocked"
    if one.severity not in SEVERE:
        return "mild"
    if one.passed and one.way.conduit in mild:
        return "profile"
    return "contain"


def _urgency(one: Threat) -> tuple[bool, int, int, Way, str]:
    """Return a key: what was not blocked comes first, by severity, then by number."""
    known = one.severity in _SEVERITIES
    place = _SEVERITIES.index(one.severity) if known else len(_SEVERITIES)
    number = one.passed + one.watched + one.blocked
    return one.advice == "blocked", place, -number, one.way, one.name
