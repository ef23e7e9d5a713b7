"""What becomes of every part of every flow: declared, proposed, asked about, or only listed.

Who answers is the operator: what is doubtful is asked, and what nobody should need is listed with
the reason. Nothing is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from segctl.observe.discover.boundaries import NO_PASSAGE, Passage, spreads
from segctl.observe.discover.flows import DAY, Volume, volume_of
from segctl.observe.discover.services import (
    COMMANDS,
    access_class,
    recognised,
    unrecognised,
)
from segctl.observe.discover.shapes import (
    after_scan,
    after_scan_for,
    beats,
    carries_more_than_names,
    of_scan,
)
from segctl.observe.observation import WITH_PORTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from segctl.observe.discover.context import Context
    from segctl.observe.discover.flows import Ends, Part
    from segctl.observe.discover.pools import Pool
    from segctl.observe.discover.services import Service
    from segctl.observe.observation import Group
    from segctl.observe.places import Place

Outcome = Literal["declared", "proposed", "ask", "seen"]
OUTCOMES: Final[tuple[Outcome, ...]] = ("declared", "proposed", "ask", "seen")

#: Why something is asked about.
ASK: Final = {
    "rare": "seen too seldom to be sure of",
    "one_day": "seen on one day only",
    "unanswered": "no record shows that it was answered, or that it ended",
    "one_way": "sent one way, as logs are: no record shows that it arrives",
    "command": "commands that are not given all the time",
    "spreading": "a way by which intruders move on, and not used all the time",
    "scanner": "from a host that scanned for this very service",
    "beside": "beyond what a conduit declares for the same ends",
    "other_sessions": "too few sessions besides those that are not proposed",
    "open_function": "functions of which nothing says what they do",
    "controller_begins": "a controller that begins a conversation of another kind",
    "unlikely_command": "commands from a host whose role is to read",
    "untimed": "too many records to judge how regular it is",
}
#: Why something is only listed.
SEEN: Final = {
    "within_zone": "within one zone, which permits it",
    "denied": "denied",
    "no_answer": "tried, never answered",
    "threat_record": "a threat record",
    "threat_peer": "between two hosts of which there are threat records",
    "excluded": "only within a window that does not count",
    "noise": "broadcast, multicast or an address that is not a host's",
    "inferred": "which side began is a guess",
    "nat": "an address that stands for another one behind NAT",
    "proxy": "through a proxy: the client behind it is not seen",
    "sample": "only in a sample or in a log that is limited",
    "scan": "part of a scan",
    "after_scan": "from a host that scanned the other one, and not before that",
    "several_zones": "an address is in several zones",
    "external": "an address outside every declared network",
    "absent": "a conduit that is absent or expired is about it",
    "unknown_application": "an application that nothing recognises",
    "beacon": "regular, small, to a host nobody has declared: a beacon",
    "name_tunnel": "exchanges of names that are larger than names are: a tunnel",
    "program": "programming outside a maintenance window",
    "boundary": "a boundary rule is against it",
    "inexpressible": "an inventory cannot express this protocol",
    "moving_ports": "ports that move: no list of them would do",
    "no_support": "a port that neither the catalogue nor a sensor knows",
}
_PROGRAM: Final = frozenset({"program", "file"})
_COMMANDS: Final = frozenset({"write", "control"})
#: What a controller begins although it is a server: clocks, names, logs, alarms.
_HOUSEKEEPING: Final = frozenset({"ntp", "syslog", "ptp", "snmp", "dns", "dhcp"})
#: Ports to which logs, traps and flow records are sent, without an answer.
_ONE_WAY: Final = frozenset({162, 514, 2055, 4739, 6343, 9995})
_READERS: Final = ("historian", "report", "log", "archive", "backup")
#: Sessions that are more than rare, and more than now and then.
_ENOUGH: Final = 3
_STEADY: Final = 6
#: What is done all the time: so often a day, on this share of all days. People do not work on
#: weekends, and who moves on from host to host or tries commands begins some day and is few times.
_DAILY: Final = 2
_MOST_DAYS: Final = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One part of a flow, with what becomes of it and why.

    `evidence` is what speaks for it: of a conversation, what was answered and whose beginning was
    seen. `about` tells more than the reason does. `pool` is the range of leases of its client.
    """

    part: Part
    evidence: Volume
    outcome: Outcome
    reason: str
    about: str = ""
    service: Service | None = None
    passage: Passage = NO_PASSAGE
    pool: Pool | None = None


def judged(context: Context) -> tuple[Judged, ...]:
    """Judge all parts, in one order."""
    first = [_first(part, context) for part in context.seen.parts]
    second = [*_second(first, context)]
    excluded = [
        Judged(part=part, evidence=part.volume(), outcome="seen", reason="excluded")
        for part in context.seen.excluded
    ]
    return (*second, *excluded)


# --- each part by itself -------------------------------------------------------------------------


def _first(part: Part, context: Context) -> Judged:
    """Judge a part by itself; what passes is "proposed" until the second look."""
    volume = part.volume()
    plain = {
        "declared": "declared",
        "within_zone": "within_zone",
        "denied": "denied",
        "threat": "threat_record",
    }.get(part.nature, "")
    if plain:
        outcome: Outcome = "declared" if plain == "declared" else "seen"
        about = part.why or _threats(part)
        return Judged(part=part, evidence=volume, outcome=outcome, reason=plain, about=about)
    if part.nature == "attempt":
        return _attempt(part, volume, context)
    return _conversation(part, volume, context)


def _attempt(part: Part, volume: Volume, context: Context) -> Judged:
    """Judge what nobody answered; a log needs no answer, and a person knows whether it arrives."""
    ends = part.ends
    seen = Judged(part=part, evidence=volume, outcome="seen", reason="no_answer")
    if _noise(part, context):
        return replace(seen, reason="noise")
    if of_scan(context.scans.get(ends.source), part, volume):
        return replace(seen, reason="scan")
    if ends in context.answered:
        return replace(seen, about="other records show that it is answered, or needs no answer")
    one_way = ends.protocol == "udp" and ends.port in _ONE_WAY and volume.sessions >= _ENOUGH
    return replace(seen, outcome="ask", reason="one_way") if one_way else seen


def _threats(part: Part) -> str:
    return ", ".join(sorted({group.threat for group, _ in part.groups if group.threat}))


def _conversation(part: Part, whole: Volume, context: Context) -> Judged:
    groups = [item for item in part.groups if item[0].direction == "known"]
    answered = [item for item in groups if item[0].completed == "yes"]
    some = 0 < len(answered) < len(part.groups)
    evidence = volume_of(answered) if some else whole
    shown = [group for group, _ in groups]
    shape = next(_against(part, whole, evidence, context), None)
    if shape is not None:
        reason, about = shape
        seen = Judged(part=part, evidence=evidence, outcome="seen", reason=reason, about=about)
        return _of_a_lease(seen, shown, context) if reason == "threat_peer" else seen
    service = _service(part, shown, context)
    if isinstance(service, str):
        return Judged(part=part, evidence=evidence, outcome="seen", reason=service)
    passage = context.boundaries.of(
        part.standing.source.zone, part.standing.destination.zone, service
    )
    judged = Judged(
        part=part,
        evidence=evidence,
        outcome="proposed",
        reason="proposed",
        about=part.why,
        service=service,
        passage=passage,
        pool=context.pool_of(part),
    )
    if programs := sorted(service.classes & _PROGRAM):
        return replace(judged, outcome="seen", reason="program", about=", ".join(programs))
    if passage.refused:
        harmless = evidence.sessions < _ENOUGH and not service.classes & COMMANDS
        if harmless and recognised(shown):
            return replace(judged, outcome="ask", reason="rare", about=passage.refused)
        return replace(judged, outcome="seen", reason="boundary", about=passage.refused)
    doubt = next(_doubts(part, judged, answered=bool(answered), context=context), "")
    return replace(judged, outcome="ask", reason=doubt) if doubt else judged


def _of_a_lease(seen: Judged, shown: list[Group], context: Context) -> Judged:
    """Return what a leased address does, besides what the threat records of it are about.

    Others that had the address before or after may do the same, which is then no doing of the
    host that the records are about.
    """
    pool, service = context.pool_of(seen.part), _service(seen.part, shown, context)
    if pool is None or isinstance(service, str) or seen.part.ends in context.threatened:
        return seen
    if service.classes & COMMANDS or spreads(service):
        return seen
    return replace(seen, pool=pool, service=service)


def _against(
    part: Part, whole: Volume, evidence: Volume, context: Context
) -> Iterator[tuple[str, str]]:
    """Yield the reasons for which a conversation is only listed, and more about them."""
    if _noise(part, context):
        yield "noise", ""
    yield from _of_witnesses(part, context)
    if of_scan(context.scans.get(part.ends.source), part, whole):
        yield "scan", ""
    yield from _of_ends(part, context)
    yield from _of_shape(part, evidence, context)


def _of_witnesses(part: Part, context: Context) -> Iterator[tuple[str, str]]:
    """Yield why those who saw it cannot tell enough."""
    if not part.known:
        yield "inferred", ""
    if behind := context.behind_nat(part.ends):
        yield "nat", behind
    if _proxied(part):
        yield "proxy", ""
    if all(name in context.sampled for name in part.witnesses):
        yield "sample", ""


def _of_ends(part: Part, context: Context) -> Iterator[tuple[str, str]]:
    """Yield why nothing is proposed between two hosts."""
    ends, standing = part.ends, part.standing
    if said := context.threats.get(frozenset((ends.source, ends.destination))):
        yield "threat_peer", said
    if standing.source.several or standing.destination.several:
        yield "several_zones", ""
    outside = [name for name in (ends.source, ends.destination) if context.outside(name)]
    if outside or not standing.source.zone or not standing.destination.zone:
        yield "external", ", ".join(outside)
    if said := context.absent(part):
        yield "absent", said


def _of_shape(part: Part, evidence: Volume, context: Context) -> Iterator[tuple[str, str]]:
    """Yield what a conversation looks like that nobody needs."""
    groups = [group for group, _ in part.groups]
    unknown, known = unrecognised(groups), recognised(groups)
    if unknown and not known and not _functions(groups):
        yield "unknown_application", ", ".join(unknown)
    if carries_more_than_names(part.ends, known, evidence):
        yield "name_tunnel", ""
    if context.may_be_a_beacon(part) and beats(context.evidence, part, evidence):
        yield "beacon", ""


def _noise(part: Part, context: Context) -> bool:
    """Whether an end is no single host's."""
    hosts = (part.ends.source, part.ends.destination)
    return any(map(_special, hosts)) or context.is_broadcast(part.ends.destination)


@lru_cache(maxsize=100_000)
def _special(address: str) -> bool:
    """Whether an address is none that a host has for others."""
    one = ip_address(address)
    return one.is_multicast or one.is_loopback or one.is_unspecified or one.is_link_local


def _proxied(part: Part) -> bool:
    named = any("http-proxy" in group.applications for group, _ in part.groups)
    return named or "proxy" in part.standing.source.asset.lower()


def _functions(groups: list[Group]) -> bool:
    return any(access_class(one) for group in groups for one in group.functions)


def _service(part: Part, groups: list[Group], context: Context) -> Service | str:
    """Return what would be permitted, or the reason why nothing can be."""
    ends = part.ends
    service = context.service_of(ends, groups, by_port=context.by_port(part))
    if service is not None and not service.ports and service.protocols:
        return service
    if (ends.source, ends.destination, ends.protocol) in context.moving:
        return "moving_ports"
    if service is None:
        expressible = ends.protocol in WITH_PORTS - {"sctp"} and ends.port
        return "no_support" if expressible else "inexpressible"
    return service


def _doubts(part: Part, judged: Judged, *, answered: bool, context: Context) -> Iterator[str]:
    """Yield the reasons for which a person is asked, whatever is seen how often."""
    service = judged.service
    if service is None:
        return
    if after_scan(context.scans.get(part.ends.source), part.ends, judged.evidence) and (
        spreads(service) or service.classes - {"session"}
    ):
        yield "rare"
    if after_scan_for(context.scans.get(part.ends.source), part.ends, judged.evidence):
        yield "scanner"
    if not answered:
        yield "unanswered"
    if part.why.startswith("beside "):
        yield "beside"
    if service.doubtful:
        yield "open_function"
    if service.classes & _COMMANDS and _reads_only(part.standing.source, context):
        yield "unlikely_command"
    if context.controller(part.ends.source) and not _housekeeping(service):
        yield "controller_begins"
    if context.evidence.untimed and context.may_be_a_beacon(part):
        yield "untimed"


def _reads_only(place: Place, context: Context) -> bool:
    words = f"{place.asset} {context.role(place)}".lower()
    return any(word in words for word in _READERS)


def _housekeeping(service: Service) -> bool:
    named = {use.protocol for use in service.protocols} | {
        name.partition("-")[0] for name in service.applications
    }
    industrial = bool(service.classes - {"session"})
    ports = {port.first for port in service.ports if port.protocol == "udp"}
    return bool(named & _HOUSEKEEPING) or industrial or bool(ports & {53, 123, 161, 162, 514})


# --- what is alike, together ---------------------------------------------------------------------


class _Doing(NamedTuple):
    """What is judged as one: a client or a range of leases, a service, and its commands."""

    client: Pool | str
    destination: str
    protocol: str
    port: int
    commands: tuple[str, ...]


def _doing(one: Judged) -> _Doing:
    ends, service = one.part.ends, one.service
    commands = sorted(service.classes & COMMANDS) if service is not None else []
    client = one.pool or ends.source
    return _Doing(client, ends.destination, ends.protocol, ends.port, tuple(commands))


def _second(first: list[Judged], context: Context) -> Iterator[Judged]:
    """Yield parts again, those seldom seen as what is asked about.

    What the addresses of one range of leases do is the doing of all of them. Commands are judged
    first: their sessions are among those that another witness shows less of.
    """
    together: dict[_Doing, list[Judged]] = {}
    refused: dict[Ends, int] = {}
    for one in first:
        if one.outcome == "proposed":
            together.setdefault(_doing(one), []).append(one)
        elif one.part.nature == "conversation":
            refused[one.part.ends] = refused.get(one.part.ends, 0) + one.evidence.sessions
    doubts: dict[_Doing, str] = {}
    for doing in sorted(together, key=lambda key: not key.commands):
        held = together[doing]
        doubts[doing] = _seldom(held, refused, context)
        for one in held if doubts[doing] else ():
            refused[one.part.ends] = refused.get(one.part.ends, 0) + one.evidence.sessions
    for one in first:
        doing = _doing(one)
        if one.outcome == "proposed":
            doubt = doubts[doing]
            yield replace(one, outcome="ask", reason=doubt) if doubt else one
        elif one.pool is not None and not doubts.get(doing, "nobody else"):
            yield replace(one, outcome="proposed", reason="proposed")
        else:
            yield one


def _seldom(held: list[Judged], refused: Mapping[Ends, int], context: Context) -> str:
    """Return why so few sessions are not enough; empty where they are.

    Sessions that one witness shows to be refused are among those that another one shows less of.
    """
    whole = sum_of(one.evidence for one in held)
    plain = not _doing(held[0]).commands
    ends = {one.part.ends for one in held}
    beside = sum(refused.get(one, 0) for one in ends) if plain else 0
    if beside and whole.sessions - beside < _ENOUGH:
        return "other_sessions"
    days = volume_of(item for one in held for item in one.part.groups).days
    lasting = whole.sessions == 1 and whole.lasted >= DAY
    if whole.sessions < _ENOUGH and not lasting:
        return "rare"
    if days < 2 <= context.days and not lasting:
        return "one_day"
    steady = whole.sessions >= max(_STEADY, _DAILY * days) and _MOST_DAYS * context.days <= days
    for one in held:
        if one.service is not None and not steady:
            if one.service.classes & _COMMANDS:
                return "command"
            if spreads(one.service):
                return "spreading"
    return ""


def sum_of(volumes: Iterator[Volume]) -> Volume:
    """Add volumes of different flows."""
    whole = Volume()
    for one in volumes:
        whole.groups += one.groups
        whole.sessions += one.sessions
        whole.bytes += one.bytes
        whole.days = max(whole.days, one.days)
        if one.first is not None:
            whole.first = one.first if whole.first is None else min(whole.first, one.first)
        if one.last is not None:
            whole.last = one.last if whole.last is None else max(whole.last, one.last)
    return whole
