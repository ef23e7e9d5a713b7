"""What a chain of rules permits between two zones: what can pass, and what surely does.

What lies between the two bounds of an answer is what cannot be told; it is never taken for "no" or
"yes" (`segctl.analysis.words` has the meanings of names that make the difference).
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from itertools import product
from typing import TYPE_CHECKING, Final

from segctl.analysis.causes import Causes
from segctl.analysis.pieces import Overlaps, bits, bound, removed
from segctl.analysis.space import (
    ALL_ADDRESSES,
    ALL_NAMES,
    ALL_SERVICES,
    EVERYTHING,
    NOTHING,
    REAL,
    Box,
    Space,
    TooComplexError,
    by_version,
    ports_by_protocol,
    service,
    services_text,
    together,
    without,
)
from segctl.analysis.words import Beyond, Words
from segctl.model.policy import ANY, DefaultRule, FirewallZone
from segctl.system.loading import uncollected

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Sequence

    from segctl.analysis.space import Names, Numbers, Point
    from segctl.analysis.words import Meaning, Platform
    from segctl.model.gate import Gate
    from segctl.model.override import Override
    from segctl.model.policy import Policy, Rule

#: Where an answer may go: not to the ports of TCP and UDP below 1024.
_ANSWERS: Final = without(
    ALL_SERVICES, together([service("tcp", 0, 1023), service("udp", 0, 1023)])
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """What one rule matches between two zones.

    Whether it matches what lies between the two bounds hangs on `basis`: of two matches with the
    same basis both do or neither does. Without a basis nothing is known of that.
    """

    rule: str
    allows: bool
    can: Space
    sure: Space
    why: tuple[str, ...] = ()
    basis: tuple[Hashable, ...] = ()

    @property
    def doubtful(self) -> bool:
        """Whether it can match more than it surely does."""
        return self.can is not self.sure and self.can != self.sure


class Chain(tuple[Match, ...]):  # noqa: SLOT001 - what it has worked out stays with it
    """The matches that packets from one zone to another meet, first to last."""

    @classmethod
    def of(cls, matches: Iterable[Match]) -> Chain:
        """Return matches as a chain; one that is a chain already keeps what it has worked out."""
        return matches if isinstance(matches, cls) else cls(matches)

    def meeting(self, point: Point) -> Iterator[Match]:
        """Yield the matches that can match a packet, first to last."""
        found = self.reach.matches(Space((point.box,)))
        return (self[at] for at in found if point in self[at].can)

    @cached_property
    def reach(self) -> Reach:
        """What its matches can match."""
        return Reach((at, match.can) for at, match in enumerate(self))

    @cached_property
    def hinders(self) -> Reach:
        """What its matches can deny."""
        return Reach((at, match.can) for at, match in enumerate(self) if not match.allows)

    @cached_property
    def stops(self) -> Reach:
        """What its matches surely deny."""
        return Reach((at, match.sure) for at, match in enumerate(self) if not match.allows)


class Reach:
    """The boxes of some matches of a chain, each with the place of its match."""

    def __init__(self, spaces: Iterable[tuple[int, Space]]) -> None:
        """Take sets of packets by place; places must ascend."""
        pairs = [(box, at) for at, space in spaces for box in space.boxes]
        self.boxes = [box for box, _ in pairs]
        self.places = [at for _, at in pairs]

    @cached_property
    def overlaps(self) -> Overlaps:
        """Which of the boxes overlap another."""
        return Overlaps(self.boxes)

    def matches(self, region: Space) -> Iterable[int]:
        """Return the places of the matches that may have packets of `region`, in their order."""
        mask = 0
        for box in region.boxes:
            mask |= self.overlaps.mask(box)
        return dict.fromkeys(self.places[at] for at in bits(mask))

    def before(self, place: int, space: Space) -> Space:
        """Return what of a set of packets no match before a place has."""
        earlier = (1 << bisect_left(self.places, place)) - 1
        if not earlier:
            return space
        found: list[Box] = []
        for box in space.boxes:
            aways = bits(self.overlaps.mask(box) & earlier)
            found += removed(box, (self.boxes[at] for at in aways))
            bound(len(found))
        return Space(tuple(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class Permitted:
    """What passes of the packets asked about; ``why`` are the reasons for `can` to be more."""

    can: Space
    sure: Space
    why: tuple[str, ...] = ()

    @property
    def unknown(self) -> Space:
        """What cannot be told."""
        return NOTHING if self.can == self.sure else self.can - self.sure


def permitted(chain: Iterable[Match], region: Space = REAL) -> Permitted:
    """Return what a chain permits of `region`: the first rule that matches a packet decides.

    Raises:
        TooComplexError: the answer falls into too many pieces.
    """
    chain = Chain.of(chain)
    can: list[Box] = []
    sure: list[Box] = []
    why: dict[str, None] = {}
    for at in range(len(chain)) if region is REAL else chain.reach.matches(region):
        match = chain[at]
        if not match.allows and not match.why:
            continue
        reached = match.can & region
        reached = chain.stops.before(at, reached)
        if not reached:
            continue
        why |= dict.fromkeys(match.why)
        if match.allows:
            can += reached.boxes
            surely = reached if match.sure is match.can else match.sure & region
            sure += chain.hinders.before(at, surely).boxes
    return Permitted(can=Space(tuple(can)), sure=Space(tuple(sure)), why=tuple(why))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A policy with its words resolved once; `between` gives the chain of a pair of zones.

    The policy holds everything the device enforces, in its order; `beyond` is what is known of its
    objects that the policy does not have, or that change without a commit.
    """

    policy: Policy
    platform: Platform
    beyond: Beyond = field(default_factory=Beyond)
    _words: Words = field(init=False, repr=False, compare=False)
    _causes: Causes = field(init=False, repr=False, compare=False)
    _rules: ByZones = field(init=False, repr=False, compare=False)
    _present: list[Reading] = field(
        init=False, repr=False, compare=False, default_factory=list["Reading"]
    )
    _matches: dict[int, Match] = field(
        init=False, repr=False, compare=False, default_factory=dict[int, Match]
    )
    _chains: dict[tuple[bool, tuple[int, ...], tuple[int, ...], tuple[str, ...]], Chain] = field(
        init=False,
        repr=False,
        compare=False,
        default_factory=dict[tuple[bool, tuple[int, ...], tuple[int, ...], tuple[str, ...]], Chain],
    )

    @uncollected()
    def __post_init__(self) -> None:
        """Take the names of the policy's objects down, and its rules by their zones."""
        words = Words(self.policy, self.platform, self.beyond)
        object.__setattr__(self, "_words", words)
        object.__setattr__(self, "_causes", Causes(self.policy, words, self.beyond))
        object.__setattr__(self, "_rules", ByZones(self.policy.rules))

    @property
    def now(self) -> Reading | None:
        """The same, with what objects held when the device was read in place of all they may hold.

        None where nothing is known of any; nothing of it is certain, since no commit is needed to
        change it.
        """
        if self.beyond.now or not any(one.passing for one in self.beyond.filled.values()):
            return None
        if not self._present:
            self._present.append(replace(self, beyond=replace(self.beyond, now=True)))
        return self._present[0]

    def application(self, name: str) -> Meaning[Names]:
        """Return the applications that a name in a rule stands for."""
        return self._words.application(name)

    def address(self, name: str) -> Meaning[Numbers]:
        """Return the addresses that a name in a rule stands for."""
        return self._words.address(name)

    def members(self, name: str) -> tuple[str, ...]:
        """Return the members of a group of addresses, none for what is no group."""
        return self._words.members(name)

    def spans(self, name: str) -> Sequence[tuple[int, int, str]]:
        """Return what an object held that the device fills: first and last address, and as text."""
        return self._words.spans(name)

    def rules(self, enter: str, leave: str) -> tuple[int, ...]:
        """Return the places of the rules for packets from one zone to another, in their order."""
        return self._rules.between(enter, leave)

    def named(self) -> Iterable[tuple[str, str]]:
        """Return the pairs of zones that rules name, none of them ``any``."""
        return self._rules.named

    def wild(self) -> Sequence[int]:
        """Return the places of the rules for packets of any zone, in their order."""
        return self._rules.wild

    def match(self, rule: Rule) -> Match:
        """Return what a rule matches, its zones apart."""
        return self._matched(rule)

    def between(self, enter: str, leave: str) -> Chain:
        """Return what each rule matches from one zone to another, the default rule last.

        Where the device holds something there that is not understood, two matches are first: all
        may be allowed by it, and all may be denied.
        """
        places = self.rules(enter, leave)
        inside = enter == leave
        overridden = tuple(
            at for at, one in enumerate(self.beyond.overrides) if joins(one.rule, enter, leave)
        )
        apart = self.beyond.translations or self.beyond.gates
        key = inside, places, overridden, (enter, leave) if apart else ()
        found = self._chains.get(key)
        if found is None:
            found = self._chain(places, overridden, inside=inside)
            more = (*self._gated(enter, leave), *self._delivered(enter, found))
            found = self._chains[key] = Chain((*more, *found)) if more else found
        return found

    def beside(self, enter: str, leave: str) -> Space:
        """Return the packets from one zone to another about which not only the rules decide.

        They may count as another application than they are, arrive somewhere else, or be stopped.
        """
        found = self.overridden(enter, leave)
        for match in self._gated(enter, leave):
            found |= match.can
        for one in self.beyond.translations:
            if {enter, ANY} & {*one.rule.from_zones}:
                found |= Space(
                    (self._reached(one.rule, self._words.service(one.rule.services[0]).can),)
                )
        return found

    def overridden(self, enter: str, leave: str) -> Space:
        """Return the packets from one zone to another that count as another application."""
        return Space(
            tuple(
                self._reached(one.rule, self._words.held_service(one.service).can)
                for one in self.beyond.overrides
                if joins(one.rule, enter, leave)
            )
        )

    def taken_for(self) -> Iterator[tuple[Rule, Names, Numbers]]:
        """Yield where packets count as another application, as which, and on which ports."""
        for one in self.beyond.overrides:
            (application,) = one.rule.applications
            named = self._words.application(application)
            yield one.rule, named.can, self._words.held_service(one.service).can

    def _reached(self, rule: Rule, ports: Numbers) -> Box:
        words = self._words
        return Box(
            source=words.side(rule.sources, negated=rule.negate_source).can,
            destination=words.side(rule.destinations, negated=rule.negate_destination).can,
            service=ports,
        )

    def default(self, *, inside: bool) -> DefaultRule | None:
        """Return the rule that decides where none matches; None where the device has only its own.

        A device's own allows packets within a zone and denies all others.
        """
        name = "intrazone-default" if inside else "interzone-default"
        return next((one for one in self.policy[DefaultRule] if one.name == name), None)

    def _chain(self, places: Sequence[int], overridden: Sequence[int], *, inside: bool) -> Chain:
        name = "intrazone-default" if inside else "interzone-default"
        default = self.default(inside=inside)
        allows = inside if default is None else default.action == "allow"
        last = Match(rule=name, allows=allows, can=EVERYTHING, sure=EVERYTHING)
        rules = [self.policy.rules[at] for at in places]
        held = Chain((*self._doubts(rules, default), *map(self.at, places), last))
        overrides = [self.beyond.overrides[at] for at in overridden]
        return Chain((*(one for of in overrides for one in self._taken_for(of, held)), *held))

    def _gated(self, enter: str, leave: str) -> Iterator[Match]:
        """Yield matches for packets that something beside the policy lets through or stops.

        What hands packets on past all the others comes first.
        """
        held = {zone.name: frozenset(zone.interfaces) for zone in self.policy[FirewallZone]}
        enters, leaves = (held.get(zone, frozenset[str]()) for zone in (enter, leave))
        found: list[Match] = []
        for gate in self.beyond.gates:
            stopped, surely = _stopped(gate, enters, leaves)
            for allows, can, sure in (
                (True, REAL if gate.opens else NOTHING, NOTHING),
                (False, stopped, surely),
            ):
                if can:
                    basis = "gate", gate, enter, leave, allows
                    why = () if can == sure else (f"{gate.name}: {gate.why}",)
                    found.append(
                        Match(
                            rule=gate.name, allows=allows, can=can, sure=sure, why=why, basis=basis
                        )
                    )
        yield from sorted(found, key=lambda one: not one.allows)

    def _delivered(self, enter: str, chain: Chain) -> Iterator[Match]:
        """Yield matches for packets that arrive where nobody sent them, but where they are let to.

        A question about an address is about the packets that are sent to it: whether it counts that
        others arrive there, too, is not for us to say.
        """
        words = self._words
        for one in self.beyond.translations:
            rule = one.rule
            if not {enter, ANY} & {*rule.from_zones}:
                continue
            source, sent = (words.sides(names).can for names in (rule.sources, rule.destinations))
            ports = words.service(rule.services[0]).can
            to = words.sides(one.to).can
            asked = Space((Box(source=source, destination=sent, service=ports),))
            if not (source and sent and ports and to):
                continue
            try:
                passing = permitted(chain, asked & REAL).can
            except TooComplexError:
                passing = asked
            boxes = tuple(
                box._replace(
                    source=ALL_ADDRESSES if one.across else box.source,
                    destination=to,
                    service=_on_port(box.service, one.port) if one.port else box.service,
                )
                for box in passing.boxes
            )
            if boxes:
                what = ", ".join(rule.destinations)
                if one.across:
                    what += " by another version of IP"
                yield Match(
                    rule=rule.name,
                    allows=True,
                    can=Space(tuple(dict.fromkeys(boxes))),
                    sure=NOTHING,
                    why=(f"{rule.name}: packets sent to {what} arrive there, if permitted",),
                    basis=("translation", rule, one.to, one.port),
                )

    def _taken_for(self, override: Override, chain: Chain) -> Iterator[Match]:
        """Yield matches for packets that count as another application than they are.

        What their own application may do here says nothing then: they may pass where the other may,
        and be denied where the other is not sure to pass.
        """
        words, rule = self._words, override.rule
        source = words.side(rule.sources, negated=rule.negate_source).can
        destination = words.side(rule.destinations, negated=rule.negate_destination).can
        ports = words.held_service(override.service).can
        if not (source and destination and ports):
            return
        (application,) = rule.applications
        named = words.application(application)
        whole = Space((Box(source=source, destination=destination, service=ports),))
        try:
            asked = Space(tuple(box._replace(application=named.can) for box in whole.boxes))
            found = permitted(chain, asked & REAL)
            can = _of_any_application(found.can)
            refused = whole - _of_any_application(found.sure) if named.sure else whole
        except TooComplexError:
            can = refused = whole
        taken = f"the device takes all {services_text(ports)} there for {application}"
        why = (f"{rule.name}: {taken}, whatever it is",)
        for allows, packets in ((True, can), (False, refused)):
            yield Match(
                rule=rule.name,
                allows=allows,
                can=packets,
                sure=NOTHING,
                why=why,
                basis=("override", allows, rule.name, override.digest),
            )

    def _doubts(self, rules: Iterable[Rule], default: DefaultRule | None) -> Iterable[Match]:
        """Yield matches for what may do anything between the zones."""
        strange: list[tuple[str, tuple[str, ...], tuple[Hashable, ...]]] = [
            (rule.name, texts, self._causes.of(rule))
            for rule in rules
            if rule.extras
            for effect, texts in [self._words.effects(rule)]
            if effect == "anything"
        ]
        if default is not None and (texts := self._words.deciding(default.extras)):
            strange.append((default.name, texts, (default.name, texts)))
        for name, texts, cause in strange:
            why = (f"{name}: not understood: {', '.join(texts)}",)
            for allows in (True, False):
                yield Match(
                    rule=name,
                    allows=allows,
                    can=EVERYTHING,
                    sure=NOTHING,
                    why=why,
                    basis=("anything", allows, *cause),
                )

    def at(self, place: int) -> Match:
        """Return what the rule at a place of the policy matches, its zones apart."""
        found = self._matches.get(place)
        if found is None:
            found = self._matches[place] = self._matched(self.policy.rules[place])
        return found

    def _matched(self, rule: Rule) -> Match:
        words = self._words
        source = words.side(rule.sources, negated=rule.negate_source)
        destination = words.side(rule.destinations, negated=rule.negate_destination)
        who = words.who(rule.users)
        time = words.time(rule.schedule)
        spoken = words.spoken(rule.applications, rule.services)
        effect, texts = words.effects(rule)
        can = _product(source.can, destination.can, spoken.can, who.can, time.can)
        if effect != "none":
            sure = NOTHING
        elif (
            source.can is source.sure
            and destination.can is destination.sure
            and spoken.can is spoken.sure
            and who.can is who.sure
            and time.can is time.sure
        ):
            sure = can
        else:
            sure = _product(source.sure, destination.sure, spoken.sure, who.sure, time.sure)
        if effect == "none" and (sure is can or sure == can):
            return Match(rule=rule.name, allows=rule.action == "allow", can=can, sure=can)
        asked = (f"it also asks for {text}" for text in texts)
        why = (*source.why, *destination.why, *spoken.why, *who.why, *time.why, *asked)
        return Match(
            rule=rule.name,
            allows=rule.action == "allow",
            can=can,
            sure=sure,
            why=tuple(f"{rule.name}: {one}" for one in dict.fromkeys(why)),
            basis=self._causes.of(rule),
        )


#: A rule for packets between more pairs of zones than this is looked at for each pair.
_WIDE = 256


class ByZones:
    """The rules that are in use, by the pairs of zones they are for."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        self._places: dict[tuple[str, str], list[int]] = {}
        self._wide: list[int] = []
        self.wild: list[int] = []
        self._typed = any(rule.type != "universal" for rule in rules)
        held = cache(self._held)
        for place, rule in enumerate(rules):
            if not rule.disabled:
                for places in held(rule.from_zones, rule.to_zones):
                    places.append(place)

    def _held(self, from_zones: tuple[str, ...], to_zones: tuple[str, ...]) -> list[list[int]]:
        """Return the lists that have the places of the rules from some zones to others."""
        enters = (ANY,) if ANY in from_zones else tuple(dict.fromkeys(from_zones))
        leaves = (ANY,) if ANY in to_zones else tuple(dict.fromkeys(to_zones))
        wide = len(enters) * len(leaves) > _WIDE
        found = [self.wild] if wide or ANY in (*enters, *leaves) else []
        if wide:
            return [*found, self._wide]
        return found + [self._places.setdefault(pair, []) for pair in product(enters, leaves)]

    @property
    def named(self) -> Iterable[tuple[str, str]]:
        """The pairs of zones that rules name, none of them ``any``."""
        return (pair for pair in self._places if ANY not in pair)

    def between(self, enter: str, leave: str) -> tuple[int, ...]:
        """Return the places of the rules for packets from one zone to another, in their order."""
        keys = dict.fromkeys(((enter, leave), (enter, ANY), (ANY, leave), (ANY, ANY)))
        found = [places for key in keys if (places := self._places.get(key))]
        wide = [at for at in self._wide if joins(self._rules[at], enter, leave)]
        if wide:
            found.append(wide)
        if not found:
            return ()
        every = found[0] if len(found) == 1 else sorted(at for places in found for at in places)
        if self._typed:
            return tuple(at for at in every if joins(self._rules[at], enter, leave))
        return tuple(every)


def joins(rule: Rule, enter: str, leave: str) -> bool:
    """Whether a rule is for packets from one zone to another."""
    inside = enter == leave
    if (rule.type == "intrazone" and not inside) or (rule.type == "interzone" and inside):
        return False
    return (ANY in rule.from_zones or enter in rule.from_zones) and (
        ANY in rule.to_zones or leave in rule.to_zones
    )


def _stopped(gate: Gate, enters: frozenset[str], leaves: frozenset[str]) -> tuple[Space, Space]:
    """Return the packets that a gate can stop, and those that it surely does."""
    try:
        passing = permitted(_gate_chain(gate, enters, leaves))
        surely = REAL - passing.can
        can = (REAL - passing.sure) | (_unanswered(gate, enters, leaves) & REAL)
    except TooComplexError:
        return REAL, NOTHING
    return (surely, surely) if can.within(surely) else (can, surely)


def _gate_chain(gate: Gate, enters: frozenset[str], leaves: frozenset[str]) -> Iterator[Match]:
    """Yield what the rules of a gate match of packets from some interfaces to others."""
    for rule in gate.rules:
        sides = ((frozenset(rule.enters), enters), (frozenset(rule.leaves), leaves))
        if any(named and held and not named & held for named, held in sides):
            continue
        box = Box(source=rule.sources, destination=rule.destinations, service=rule.services)
        can = Space((box,)) if rule.sources and rule.destinations and rule.services else NOTHING
        every = rule.certain and all(not named or (held and held <= named) for named, held in sides)
        yield Match(
            rule=gate.name,
            allows=rule.action == "accept",
            can=can,
            sure=can if every else NOTHING,
        )
    yield Match(rule=gate.name, allows=not gate.drops, can=EVERYTHING, sure=EVERYTHING)


def _unanswered(gate: Gate, enters: frozenset[str], leaves: frozenset[str]) -> Space:
    """Return the packets of which a gate may stop the answers: these go to a port from 1024 on."""
    if gate.answered is not None:
        gate = replace(gate, rules=gate.rules[: gate.answered], drops=False)
    stopped = EVERYTHING - permitted(_gate_chain(gate, leaves, enters)).sure
    stopped &= Space((Box(service=_ANSWERS),))
    return Space(
        tuple(
            Box(
                source=box.destination,
                destination=box.source,
                service=together([service(one) for one, _ in ports_by_protocol(box.service)]),
            )
            for box in stopped.boxes
        )
    )


def _on_port(services: Numbers, port: int) -> Numbers:
    """Return a port of the protocols of some services."""
    protocols = {number for number, _ in ports_by_protocol(services)}
    return together([service(number, port, port) for number in sorted(protocols)])


def _of_any_application(packets: Space) -> Space:
    return Space(tuple(box._replace(application=ALL_NAMES) for box in packets.boxes))


def _product(
    source: Numbers,
    destination: Numbers,
    spoken: Sequence[tuple[Names, Numbers]],
    users: Names,
    time: Numbers,
) -> Space:
    if not (source and destination and users and time):
        return NOTHING
    boxes = [
        Box(*parts, names, users, time)
        for names, ports in spoken
        if names and ports
        for parts in by_version(source, destination, ports)
    ]
    return Space(tuple(boxes))
