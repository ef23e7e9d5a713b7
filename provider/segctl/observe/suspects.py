"""Who records speak against, of what kind that is, and what makes a record doubtful. Pure.

Whoever can send a packet can have a record written. So an address counts only where it is in a
zone's networks, and where a firewall says that its packets came from that very zone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from segctl.compiler import naming
from segctl.model.site import SIGNS
from segctl.observe.coverage import SKEW
from segctl.observe.discover.evidence import Evidence
from segctl.observe.discover.flows import Part, seen
from segctl.observe.discover.shapes import scans

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from segctl.observe.coverage import Coverage
    from segctl.observe.grouping import Count
    from segctl.observe.observation import Group, Observation
    from segctl.observe.places import Places
    from segctl.observe.standing import Standings

Sign = Literal["critical-threat", "command-and-control", "scan"]
#: A record from further ahead of our clock is from the future, in seconds.
AHEAD: Final = 60.0
#: So many kinds of threats against addresses are kept; beyond, somebody makes them up.
MOST: Final = 100_000
#: So many reasons and names are kept of one suspect.
_SHOWN: Final = 3
#: How the names of rules that contain begin; a device group may add whose one is.
_OF_OURS: Final = tuple(naming.CONTAINING_RULES)


class Against(NamedTuple):
    """An address that records of one kind speak against, as one witness has them.

    `zone` is where the witness says that the address is, in its own words.
    """

    sign: Sign
    address: str
    witness: str
    zone: str
    what: str
    severity: str
    answered: bool
    known: bool = True


@dataclass(slots=True)
class Times:
    """How many records there are, of when the first and the last are, in seconds since 1970."""

    records: int
    first: float
    last: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """An address that records speak against.

    `zone` (a key) and `asset` are by the zones' networks, empty where it is in none. `doubts` say
    why it is not to be contained for these records, `unproven` why a person has to look at them
    first. Times are in seconds since 1970; `last` is that of the last record that counts.
    """

    sign: Sign
    address: str
    zone: str
    asset: str
    witnesses: tuple[str, ...]
    what: str
    severity: str
    records: int
    first: float
    last: float
    doubts: tuple[str, ...] = ()
    unproven: str = ""


class Sightings(Evidence):
    """Takes what records show: threats by whom they speak against, all else as it is.

    Records without a time, from the future, and those that our own rules of containment wrote do
    not count. `undated`, `future` and `forgot` are how many.
    """

    def __init__(self, now: float) -> None:
        """Take what was seen until `now`, in seconds since 1970."""
        super().__init__()
        self.threats: dict[Against, Times] = {}
        self.undated = self.future = self.forgot = 0
        self._until = now + AHEAD

    def add(self, one: Observation) -> None:
        """Count an observation."""
        group, when = one.group, one.end
        if group.rule.startswith(_OF_OURS):
            return
        if when is None:
            self.undated += 1
        elif when > self._until:
            self.future += 1
        elif not group.threat:
            super().add(one)
        else:
            for against in _against(group):
                self._note(against, when)

    def _note(self, against: Against, when: float) -> None:
        held = self.threats.get(against)
        if held is not None:
            held.records += 1
            held.first, held.last = min(held.first, when), max(held.last, when)
        elif len(self.threats) < MOST:
            self.threats[against] = Times(1, when, when)
        else:
            self.forgot += 1


def _against(group: Group) -> Iterator[Against]:
    """Yield whom a threat record speaks against, once for each kind that it is of."""
    flow = group.flow
    at_source = group.attacker != "destination"
    for sign in _signs(group):
        yield Against(
            sign=sign,
            address=flow.source if at_source else flow.inner or flow.destination,
            witness=group.witness,
            zone=group.from_zone if at_source else group.to_zone,
            what=group.threat,
            severity=group.severity.lower(),
            answered=group.completed == "yes",
            known=bool(group.attacker),
        )


def _signs(group: Group) -> Iterator[Sign]:
    category = group.category.lower()
    if group.severity.lower() == "critical":
        yield "critical-threat"
    if category == "command-and-control":
        yield "command-and-control"
    if category == "scan":
        yield "scan"


def suspects(
    sightings: Sightings, standings: Standings, places: Places, coverage: Coverage
) -> tuple[Suspect, ...]:
    """Return who records speak against, the gravest first, an address once for each kind.

    Args:
        sightings: what was seen.
        standings: how that stands to what is declared.
        places: where addresses are.
        coverage: what the records can show.
    """
    clocks = dict(_wrong_clocks(coverage))
    found: dict[tuple[Sign, str], list[tuple[Against, Times, str]]] = {}
    scanning = _scanning(seen(sightings, standings).parts, places, clocks)
    for against, times in (*sightings.threats.items(), *scanning):
        doubt = _doubt(against, places) or clocks.get(against.witness, "")
        held = found.setdefault((against.sign, against.address), [])
        held.append((against, times, doubt))
    made = (_suspect(key, held, places) for key, held in found.items())
    return tuple(sorted(made, key=lambda one: (SIGNS.index(one.sign), one.first, one.address)))


def _scanning(
    parts: Iterable[Part], places: Places, clocks: Mapping[str, str]
) -> Iterator[tuple[Against, Times]]:
    """Yield the sources of scans by records of traffic, once for each witness and its zone.

    First by what firewalls saw come from the right zone, then by what sensors saw besides: one
    true record must not make a scan of many that may be forged.
    """
    vouched: list[Part] = []
    every: list[Part] = []
    for part in parts:
        good = [item for item in part.groups if not _traffic_doubt(item[0], places, clocks)]
        if good:
            every.append(_of(part, good))
        if named := [item for item in good if item[0].from_zone]:
            vouched.append(_of(part, named))
    done: set[str] = set()
    for some in (vouched, every):
        found = scans((part, part.volume()) for part in some)
        tried: dict[Against, Times] = {}
        for part in some:
            scan = found.get(part.ends.source)
            if scan is None or part.ends[1:] not in scan.targets or part.ends.source in done:
                continue
            what = f"tries {len(scan.targets)} targets on {len(scan.hosts)} hosts"
            for group, count in part.groups:
                against = _traffic(group, what)
                held = tried.setdefault(against, Times(0, scan.first, scan.first))
                held.records += count.records
                held.last = max(held.last, min(count.last or scan.first, scan.last))
        done |= found.keys()
        yield from tried.items()


def _of(part: Part, groups: list[tuple[Group, Count]]) -> Part:
    """Return a part with some of its groups."""
    return Part(ends=part.ends, nature=part.nature, standing=part.standing, groups=groups)


def _traffic(group: Group, what: str = "") -> Against:
    """Return whom a record of traffic speaks against; what nobody answers, anybody can send."""
    return Against(
        sign="scan",
        address=group.flow.source,
        witness=group.witness,
        zone=group.from_zone,
        what=what,
        severity="",
        answered=False,
    )


def _traffic_doubt(group: Group, places: Places, clocks: Mapping[str, str]) -> str:
    return _doubt(_traffic(group), places) or clocks.get(group.witness, "")


def _wrong_clocks(coverage: Coverage) -> Iterator[tuple[str, str]]:
    for one in coverage.witnesses:
        if one.ahead or abs(one.skew or 0.0) > SKEW:
            yield one.name, f"the clock of {one.name} differs from ours"


def _doubt(against: Against, places: Places) -> str:
    """Return why a record does not count against an address; empty where it does."""
    if not against.known:
        return "the record does not say which side attacks"
    place = places.of(against.address)
    if place.several:
        place = places.of(against.address, against.witness, against.zone)
    if not place.zone:
        return "the address is in no zone's networks, or in those of several: it may be forged"
    called = places.named(against.witness, against.zone)
    if called is None:
        return f"{against.witness} is not a firewall of the inventory" if against.zone else ""
    if place.zone not in called:
        where = against.zone or "no zone that it names"
        return (
            f"{against.witness} saw it in {where}, and the address belongs to zone {place.zone}: "
            "it may be forged"
        )
    return ""


def _suspect(
    key: tuple[Sign, str], held: list[tuple[Against, Times, str]], places: Places
) -> Suspect:
    """Return a suspect; only what nobody doubts counts, where there is such."""
    sign, address = key
    good = [one for one in held if not one[2]]
    counting = good or held
    first = counting[0][0]
    place = places.of(address)
    if place.several:
        place = places.of(address, first.witness, first.zone)
    return Suspect(
        sign=sign,
        address=address,
        zone=place.zone,
        asset=place.asset,
        witnesses=tuple(sorted({one.witness for one, _, _ in counting})),
        what=", ".join(dict.fromkeys(one.what for one, _, _ in counting[:_SHOWN])),
        severity=first.severity,
        records=sum(times.records for _, times, _ in counting),
        first=min(times.first for _, times, _ in counting),
        last=max(times.last for _, times, _ in counting),
        doubts=() if good else tuple(dict.fromkeys(doubt for *_, doubt in held))[:_SHOWN],
        unproven=_unproven(one for one, _, _ in good),
    )


def _unproven(good: Iterable[Against]) -> str:
    """Return why a person has to look first: only a firewall says where a packet came from."""
    names: Mapping[str, None] = {}
    for one in good:
        if one.zone or one.answered:
            return ""
        names = {**names, one.witness: None}
    if not names:
        return ""
    return f"{', '.join(names)} does not say from which zone it came: the address may be forged"
