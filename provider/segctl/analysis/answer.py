"""What a policy does with a flow: allowed, denied, partly or not to be told, with a packet."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from segctl.analysis.effective import Chain, permitted
from segctl.analysis.pairs import difference, intersection, pairs_of, union
from segctl.analysis.space import (
    ALL_NAMES,
    ALL_SERVICES,
    NOTHING,
    PROTOCOLS,
    REAL,
    Box,
    Names,
    Space,
    addresses,
    by_version,
    common,
    host_of,
    protocol_text,
    service,
    without,
)
from segctl.protocols import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from segctl.analysis.effective import Match, Reading
    from segctl.analysis.pairs import Pairs
    from segctl.analysis.space import Numbers, Point
    from segctl.analysis.words import Meaning
    from segctl.model.addresses import Interval
    from segctl.model.site import Host

Verdict = Literal["allow", "deny", "partly", "cannot tell"]
#: Stands for every protocol but TCP.
OTHERS: Final = "others"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """The applications to ask about; none for any that there is.

    A use passes where all that it needs do; nothing of it passes where none of its `own` does.
    """

    needed: tuple[str, ...] = ()
    own: tuple[str, ...] = ()

    @property
    def together(self) -> bool:
        """Whether a use needs several applications, or one, rather than any."""
        return bool(self.needed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A flow through one device, in the device's words; ``port`` 0 is any port.

    `protocol` may be `OTHERS`. A flow of ICMP has `types` instead: each with what it counts as.
    """

    zones: tuple[tuple[str, str], ...]
    sources: tuple[Interval, ...]
    destinations: tuple[Interval, ...]
    protocol: str
    port: int
    user: str
    spoken: Spoken
    types: tuple[tuple[Numbers, Meaning[Names]], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A packet that shows what a policy does with a flow, and the rule that decides it."""

    source: Host
    destination: Host
    rule: str
    port: int = 0
    application: str = ""
    protocol: str = "tcp"

    def __str__(self) -> str:
        """``10.20.2.5 → 10.20.1.11 modbus-read-coils``."""
        spoken = f" {self.application}" if self.application else ""
        return f"{self.source} → {self.destination}{spoken}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a policy does with a flow, by a packet that passes, one that does not, one unknown.

    ``why`` says for which reasons it cannot be told of `unknown`.
    """

    allowed: Example | None = None
    denied: Example | None = None
    unknown: Example | None = None
    why: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Whether all of it is allowed, none of it, some of it, or it cannot be told."""
        if self.allowed and self.denied:
            return "partly"
        if self.unknown:
            return "cannot tell"
        return "allow" if self.denied is None else "deny"


def with_others(found: Answer, others: Answer) -> Answer:
    """Return the answer about TCP, but no denial where another protocol may pass."""
    if found.verdict != "deny":
        return found
    return replace(found, allowed=others.allowed, unknown=others.unknown, why=others.why)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """What passes of a flow between two zones of one firewall.

    `can` and `sure` are packets of the applications themselves, `whole_can` and `whole_sure` the
    pairs of addresses between which everything passes that a use needs.
    """

    can: Space
    sure: Space
    whole_can: Pairs
    whole_sure: Pairs
    notes: tuple[str, ...] = ()


def answer(flow: Flow, reading: Reading) -> Answer:
    """Return what a policy does with a flow.

    A flow is asked about pair by pair of its addresses: a pair is allowed where a packet passes
    on any port that was asked about, at any time.

    Raises:
        TooComplexError: the answer falls into too many pieces.
    """
    return judged(flow, reading)[0]


def judged(flow: Flow, reading: Reading) -> tuple[Answer, tuple[Passage, ...]]:
    """Return what a policy does with a flow, and what passes between each of its pairs of zones.

    Raises:
        TooComplexError: the answer falls into too many pieces.
    """
    found = Answer()
    passages: list[Passage] = []
    for enter, leave in flow.zones:
        part, passage = _between(flow, reading.between(enter, leave))
        passages.append(passage)
        found = Answer(
            allowed=found.allowed or part.allowed,
            denied=found.denied or part.denied,
            unknown=found.unknown or part.unknown,
            why=tuple(dict.fromkeys((*found.why, *part.why))),
        )
    return found, tuple(passages)


def _between(flow: Flow, chain: Sequence[Match]) -> tuple[Answer, Passage]:
    pairs = pairs_of([ends_of(flow) & REAL])
    asked = {name: region_of(flow, names) & REAL for name, names in _asked(flow.spoken).items()}
    results = {name: permitted(chain, region) for name, region in asked.items()}
    can = {name: pairs_of([found.can]) for name, found in results.items()}
    proven = {name: _proven(flow, found.sure) for name, found in results.items()}
    sure = {name: pairs_of([found]) for name, found in proven.items()}
    own = flow.spoken.own or (_ANYTHING,)
    allowed_can = _all(can[name] for name in own)
    allowed_sure = _all(sure[name] for name in own)
    if flow.spoken.together:
        denied_sure = _all(difference(pairs, can[name]) for name in flow.spoken.needed)
        denied_can = _all(difference(pairs, sure[name]) for name in flow.spoken.needed)
    else:
        denied_sure, denied_can = difference(pairs, allowed_can), difference(pairs, allowed_sure)
    unknown = union(difference(allowed_can, allowed_sure), difference(denied_can, denied_sure))
    surely = (proven[name] for name in own)
    refused = (_at(difference(denied_sure, can[name]), asked[name]) for name in asked)
    doubt = _smallest(
        _at(difference(intersection(unknown, can[name]), sure[name]), found.can) - proven[name]
        for name, found in results.items()
    )
    found = Answer(
        allowed=_told(_smallest(surely), chain),
        denied=_told(_smallest(refused), chain),
        unknown=_told(doubt, chain, unknown=True),
        why=_reasons(doubt, chain) or _kinds(flow, doubt),
    )
    passage = Passage(
        can=_together(results[name].can for name in own),
        sure=_together(proven[name] for name in own),
        whole_can=difference(pairs, denied_sure),
        whole_sure=difference(pairs, denied_can),
        notes=_notes(flow, chain, denied_sure),
    )
    return found, passage


def _proven(flow: Flow, passing: Space) -> Space:
    """Return what surely passes of what passes for sure if it counts as its application.

    Of ICMP without an application it is what passes as any that it can count as, or as one that it
    surely counts as.
    """
    if not flow.types or flow.spoken.needed:
        return passing
    found: list[Box] = []
    for services, meant in flow.types:
        for box in passing.boxes:
            every = meant.can <= box.application
            both = common(box.service, services)
            names = box.application if every else box.application & meant.sure
            if both and names:
                found.append(box._replace(service=both, application=names))
    return Space(tuple(found))


def _kinds(flow: Flow, doubt: Point | None) -> tuple[str, ...]:
    """Return why it cannot be told as which application a packet of ICMP counts."""
    if doubt is None:
        return ()
    asked = (meant for services, meant in flow.types if common(services, doubt.box.service))
    return tuple(why for meant in asked for why in meant.why)


def _together(parts: Iterable[Space]) -> Space:
    return Space(tuple(dict.fromkeys(box for part in parts for box in part.boxes)))


def _notes(flow: Flow, chain: Sequence[Match], denied: Pairs) -> tuple[str, ...]:
    """Return what passes of a flow although its applications are denied, as far as is known.

    A firewall that identifies applications has to let a session begin before it can tell; some
    applications bring others along, which no rule names.
    """
    if not flow.spoken.needed or not denied:
        return ()
    begins = Space(tuple(stripe.box for stripe in denied)) & region_of(flow, ALL_NAMES) & REAL
    passing = permitted(chain, begins).can
    if not passing:
        return ()
    asked = {*flow.spoken.own}
    named = sorted({one for box in passing.boxes for one in _listed(box.application)})
    implied = {name: _implied(name) & asked for name in named}
    return (
        _UNIDENTIFIED,
        *(
            f"{name}, which is permitted, brings {', '.join(sorted(brought))} along"
            for name, brought in implied.items()
            if brought
        ),
    )


_UNIDENTIFIED = (
    "sessions may begin, since rules permit other applications here: how much passes until the "
    "application is identified is not known"
)


def _implied(name: str) -> frozenset[str]:
    """Return the applications that a firewall allows by itself where it allows this one."""
    protocol = catalogue().protocol_of(name)
    return frozenset(protocol.implicit if protocol else ())


def _listed(names: Names) -> frozenset[str]:
    return frozenset() if names.but else names.listed


def _at(pairs: Pairs, region: Space) -> Space:
    """Return what of `region` is between the first of some pairs of addresses."""
    return Space((pairs[0].box,)) & region if pairs else NOTHING


def _all(parts: Iterable[Pairs]) -> Pairs:
    found: Pairs = ()
    for part in parts:
        found = union(found, part)
    return found


#: What is asked about where no application is: any that there is.
_ANYTHING = ""


def _asked(spoken: Spoken) -> dict[str, Names]:
    """Return what is asked about, by name: first what stands for the use itself."""
    names = dict.fromkeys((*spoken.own, *spoken.needed))
    return {name: Names(frozenset({name})) for name in names} or {_ANYTHING: ALL_NAMES}


def ends_of(flow: Flow) -> Space:
    """Return all packets between the ends of a flow."""
    return Space((Box(source=addresses(flow.sources), destination=addresses(flow.destinations)),))


def region_of(flow: Flow, applications: Names) -> Space:
    """Return the packets that a flow is about, of these applications."""
    sources, destinations = addresses(flow.sources), addresses(flow.destinations)
    user = Names(frozenset({flow.user}))
    parts = [(services, applications & meant.can) for services, meant in flow.types]
    return Space(
        tuple(
            Box(source, destination, services, names, user)
            for asked, names in parts or [(_services(flow), applications)]
            for source, destination, services in by_version(sources, destinations, asked)
        )
    )


def _services(flow: Flow) -> Numbers:
    if flow.protocol == OTHERS:
        return without(ALL_SERVICES, service("tcp"))
    first, last = (flow.port, flow.port) if flow.port else (0, 0xFFFF)
    protocol: str | int = flow.protocol if flow.protocol in PROTOCOLS else int(flow.protocol)
    return service(protocol, first, last)


def _smallest(parts: Iterable[Space]) -> Point | None:
    """Return the smallest packet of the first set that has any."""
    return next((part.example() for part in parts if part), None)


def _reasons(point: Point | None, chain: Iterable[Match]) -> tuple[str, ...]:
    """Return why it cannot be told which rule decides about a packet."""
    if point is None:
        return ()
    found: list[str] = []
    for match in Chain.of(chain).meeting(point):
        if point in match.sure:
            break
        found += match.why
    return tuple(dict.fromkeys(found))


def _told(point: Point | None, chain: Iterable[Match], *, unknown: bool = False) -> Example | None:
    """Return a packet as an example, with the first rule that surely decides about it, or may."""
    if point is None:
        return None
    meeting = list(Chain.of(chain).meeting(point))
    surely = (match.rule for match in meeting if point in match.sure)
    return Example(
        source=host_of(point.source),
        destination=host_of(point.destination),
        rule=meeting[0].rule if unknown else next(surely, meeting[0].rule),
        port=point.service & 0xFFFF,
        application=point.application,
        protocol=protocol_text(point.service >> 16),
    )
