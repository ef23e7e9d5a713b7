"""Whether a firewall permits exactly what the conduits declare, and what shows that it does not."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from segctl.analysis.confirm import Judge
from segctl.analysis.declared import Vocabulary, permit
from segctl.analysis.effective import Chain, Permitted, permitted
from segctl.analysis.present import Words, outlook_of
from segctl.analysis.space import NOTHING, REAL, Outside, Space, TooComplexError
from segctl.analysis.symbols import Symbolic
from segctl.model.errors import UnsupportedError
from segctl.model.policy import FirewallZone
from segctl.protocols import catalogue
from segctl.system.loading import uncollected

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from segctl.analysis.declared import Limit, Permit
    from segctl.analysis.effective import Match, Reading
    from segctl.analysis.intended import Need, Wanted
    from segctl.analysis.present import Outlook
    from segctl.analysis.space import Point
    from segctl.protocols import Naming

#: What shows that a firewall is not as declared: it permits more, or less.
Direction = Literal["permitted", "denied", "unknown"]
Verdict = Literal["proved", "not_proved", "cannot_tell"]
#: So many examples are kept of one pair of zones, and of all pairs together.
MAX_EXAMPLES = 20
MAX_TOTAL = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterexample:
    """A packet that shows a difference, and what it is about.

    ``permitted`` it passes and is not declared, ``denied`` it is declared and does not pass,
    ``unknown`` it cannot be told, for the reasons in ``why``. ``rule`` decides about it, and
    belongs to `conduit` where it is one of ours; of a packet that is denied, `conduit` and `flow`
    declare it. ``disagreement`` is what `decide` says otherwise of it. ``present`` is what
    becomes of it by what objects hold now, where it cannot be told for their sake. Without a packet
    nothing is known at all.
    """

    direction: Direction
    enter: str
    leave: str
    packet: Point | None = None
    rule: str = ""
    conduit: str = ""
    flow: str = ""
    why: tuple[str, ...] = ()
    disagreement: str = ""
    present: Outlook | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Widening:
    """What a flow may pass beyond what it declares, since the platform cannot tell it apart."""

    conduit: str
    flow: str
    protocol: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Between:
    """What a firewall permits from one zone to another, beside what is declared."""

    held: Permitted
    permits: tuple[Permit, ...]

    @property
    def most(self) -> Space:
        """All that may pass."""
        return Space(tuple(box for one in self.permits for box in one.most.boxes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What was found on one firewall; without `examples` it is as declared.

    ``pairs`` is how many pairs of zones were compared, `more` how many examples were left out;
    `between` has those of the pairs that were to be kept.
    """

    pairs: int
    examples: tuple[Counterexample, ...] = ()
    more: int = 0
    widenings: tuple[Widening, ...] = ()
    between: Mapping[tuple[str, str], Between]

    @property
    def verdict(self) -> Verdict:
        """Whether it is proved; if not, whether it is certain that something differs."""
        return verdict_of(self.examples)


def verdict_of(examples: Collection[Counterexample]) -> Verdict:
    """Return what packets that show a difference come to, or that may show one."""
    if any(one.direction != "unknown" or one.disagreement for one in examples):
        return "not_proved"
    return "cannot_tell" if examples else "proved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """How a platform's rules name applications, or functions where it has none."""

    title: str
    applications: bool
    naming: Naming


def prove(
    wanted: Wanted,
    names: Mapping[str, str],
    reading: Reading,
    speech: Speech,
    *,
    keep: frozenset[tuple[str, str]] = frozenset(),
) -> Proof:
    """Compare everything that a firewall permits between our zones with what is declared.

    Args:
        wanted: what conduits need of it.
        names: its own names of our zones, by key.
        reading: everything it enforces.
        speech: how its rules name applications.
        keep: the pairs of its zones, by its names, of which what it permits is wanted, too.
    """
    with uncollected():
        return _Prover(wanted, names, reading, speech).proof(keep)


class _Prover:
    """One firewall, with the words of its rules and of the conduits."""

    def __init__(
        self, wanted: Wanted, names: Mapping[str, str], reading: Reading, speech: Speech
    ) -> None:
        self._wanted = wanted
        self._names = names
        applications = _applications(wanted.needs, speech)
        self._symbolic = Symbolic(reading, applications)
        now = reading.now
        self._present = Words(
            reading=reading, now=None if now is None else Symbolic(now, applications)
        )
        symbols = self._symbolic.symbols
        self._words = Vocabulary(
            title=speech.title,
            applications=speech.applications,
            naming=speech.naming,
            meaning=self._symbolic.meaning,
            ports={
                name: ports for ports, listed in symbols.default_ports().items() for name in listed
            },
        )

    @cached_property
    def _judge(self) -> Judge:
        """What says of one packet what happens to it; nobody asks where all is as declared."""
        held = self._symbolic.reading
        return Judge(held.policy, self._symbolic.symbols, held.beyond.gates)

    def proof(self, keep: frozenset[tuple[str, str]]) -> Proof:
        """Return what there is to say."""
        needs: dict[tuple[str, str], list[Need]] = {}
        for need in self._wanted.needs:
            pair = self._names[need.enter], self._names[need.leave]
            needs.setdefault(pair, []).append(need)
        zones = sorted({*self._names.values()})
        busy = self._symbolic.busy(zones, closed=self._closed)
        examples: list[Counterexample] = []
        between: dict[tuple[str, str], Between] = {}
        widenings: dict[Widening, None] = {}
        more = 0
        for pair in sorted({*needs, *busy, *keep}):
            shown, found = self._pair(pair, needs.get(pair, ()))
            if found is not None:
                widenings |= dict.fromkeys(_widenings(found.permits))
                if pair in keep:
                    between[pair] = found
            kept = shown[: min(MAX_EXAMPLES, max(0, MAX_TOTAL - len(examples)))]
            examples += kept
            more += len(shown) - len(kept)
        return Proof(
            pairs=len(zones) ** 2,
            examples=tuple(examples),
            more=more,
            widenings=tuple(widenings),
            between=between,
        )

    def _closed(self, enter: str, leave: str) -> bool:
        """Whether nothing is to be said of a pair of zones that only the default rules decide."""
        free = enter == leave and enter in self._wanted.free
        return self._symbolic.default_allows(inside=enter == leave) is free

    def _pair(
        self, pair: tuple[str, str], needs: Iterable[Need]
    ) -> tuple[list[Counterexample], Between | None]:
        """Return what shows a difference between two zones, and what was compared."""
        try:
            chain = self._chain(pair)
            permits = tuple(permit(need, self._words) for need in needs)
            found = Between(held=permitted(chain), permits=permits)
            shown = sorted(
                self._examples(pair, chain, found), key=lambda one: one.direction == "unknown"
            )
        except (TooComplexError, UnsupportedError) as error:
            enter, leave = pair
            why = (str(error),)
            return [Counterexample(direction="unknown", enter=enter, leave=leave, why=why)], None
        return shown, found

    def _chain(self, pair: tuple[str, str]) -> Chain:
        """Return what each rule matches between two zones.

        What stays on the one interface of a zone is not expected to pass what others have there,
        and what stays in a zone is not expected to be of a version of IP that the host forwards.
        """
        chain, held = self._symbolic.between(*pair), self._symbolic.reading
        inside = pair[0] == pair[1] and pair[0] in self._wanted.free
        zones = {one.name: one.interfaces for one in held.policy[FirewallZone]}
        if not (inside and held.beyond.gates):
            return chain
        alone = len(zones.get(pair[0], ())) == 1
        gates = {one.name for one in held.beyond.gates if alone or one.kind == "kernel"}
        return Chain(one for one in chain if one.rule not in gates)

    def _examples(
        self, pair: tuple[str, str], chain: Chain, found: Between
    ) -> Iterator[Counterexample]:
        held = found.held
        free = pair[0] == pair[1] and pair[0] in self._wanted.free
        most = REAL if free else found.most
        yield from self._beyond(pair, chain, held, most)
        can = Outside(held.can)
        sure = can if held.can.boxes == held.sure.boxes else Outside(held.sure)
        for one in found.permits:
            if one.why:
                yield _open(pair, one, one.why)
            lacking = can.of(one.least)
            if lacking:
                yield self._lacking(pair, chain, lacking, one.need)
            unsure = NOTHING if sure is can else minus(sure.of(one.least), lacking)
            if unsure:
                yield self._unsure(pair, chain, unsure.example(), one.need)
        if free:
            if lacking := minus(REAL, held.can):
                yield self._lacking(pair, chain, lacking, None)
            elif unsure := minus(REAL, held.sure):
                yield self._unsure(pair, chain, unsure.example(), None)

    def _beyond(
        self, pair: tuple[str, str], chain: Chain, held: Permitted, most: Space
    ) -> Iterator[Counterexample]:
        """Yield packets that pass beyond what is declared, the smallest of each rule."""
        beyond = minus(held.sure, most)
        for rule, packet in _by_rule(beyond, chain).items():
            decided = self._judge.decide(packet, *pair)
            wrong = decided.action != "allow"
            own = self._symbolic.rule(rule)
            yield Counterexample(
                direction="permitted",
                enter=pair[0],
                leave=pair[1],
                packet=packet,
                rule=rule,
                conduit=own.conduit if own else "",
                flow=own.flow if own else "",
                disagreement=f"decided alone, it is denied by {decided.rule}" if wrong else "",
            )
        if held.can.boxes != held.sure.boxes:
            perhaps = minus(minus(held.can, most), held.sure)
            for packet in _by_rule(perhaps, chain).values():
                yield self._unsure(pair, chain, packet, None)

    def _lacking(
        self, pair: tuple[str, str], chain: Sequence[Match], lacking: Space, need: Need | None
    ) -> Counterexample:
        packet = lacking.example()
        decided = self._judge.decide(packet, *pair)
        wrong = decided.action == "allow"
        return Counterexample(
            direction="denied",
            enter=pair[0],
            leave=pair[1],
            packet=packet,
            rule=next(one.rule for one in chain if packet in one.sure),
            conduit=need.conduit if need else "",
            flow=need.flow if need else "",
            disagreement=f"decided alone, it is allowed by {decided.rule}" if wrong else "",
        )

    def _unsure(
        self, pair: tuple[str, str], chain: Sequence[Match], packet: Point, need: Need | None
    ) -> Counterexample:
        why: list[str] = []
        rules: list[str] = []
        for match in chain:
            if packet in match.can:
                rules.append(match.rule)
                why += match.why
            if packet in match.sure:
                break
        known = [rule for rule in map(self._symbolic.rule, rules) if rule is not None]
        return Counterexample(
            direction="unknown",
            enter=pair[0],
            leave=pair[1],
            packet=packet,
            rule=rules[0],
            conduit=need.conduit if need else "",
            flow=need.flow if need else "",
            why=tuple(dict.fromkeys(why)),
            present=outlook_of(packet, pair, known, self._present),
        )


def _open(pair: tuple[str, str], one: Permit, why: tuple[str, ...]) -> Counterexample:
    return Counterexample(
        direction="unknown",
        enter=pair[0],
        leave=pair[1],
        conduit=one.need.conduit,
        flow=one.need.flow,
        why=why,
    )


def minus(left: Space, right: Space) -> Space:
    """Return the packets of `left` that are not in `right`; what both hold as it is goes first."""
    return Outside(right).of(left)


def _by_rule(space: Space, chain: Chain) -> dict[str, Point]:
    """Return the smallest packet of each rule that may allow some of a set."""
    found: dict[str, Point] = {}
    for box in space.boxes:
        packet = Space((box,)).example()
        rule = next(chain.meeting(packet)).rule
        found[rule] = min(found.get(rule, packet), packet)
    return found


def _widenings(permits: Iterable[Permit]) -> Iterator[Widening]:
    for one in permits:
        for limit in one.limits:
            yield _widening(one.need, limit)


def _widening(need: Need, limit: Limit) -> Widening:
    return Widening(conduit=need.conduit, flow=need.flow, protocol=limit.protocol, text=limit.text)


def _applications(needs: Iterable[Need], speech: Speech) -> frozenset[str]:
    """Return the applications that flows name, or that their protocols come to."""
    found: set[str] = set()
    for need in needs:
        found.update(need.applications)
        for use in need.protocols:
            try:
                found.update(speech.naming(catalogue().get(use.protocol), use.classes).names)
            except UnsupportedError:
                continue  # told where the flow is compared
    return frozenset(found)
