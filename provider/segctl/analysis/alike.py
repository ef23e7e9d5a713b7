"""Whether two firewalls permit the same between the same zones, whatever their platforms.

Firewalls of one platform are compared packet by packet. Where one names applications and the other
functions of protocols, applications are put into functions: a function passes where all of the
applications that it needs do. What is left may differ by no more than what the platforms cannot
express, as `declared.Permit` bounds it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from segctl.analysis.confirm import Judge
from segctl.analysis.effective import Permitted
from segctl.analysis.proof import Counterexample, minus
from segctl.analysis.space import Names, Space, TooComplexError
from segctl.model.errors import UnsupportedError
from segctl.protocols import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from segctl.analysis.proof import Between, Speech, Verdict
    from segctl.analysis.series import Proved
    from segctl.analysis.space import Box, Point
    from segctl.protocols import Naming


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """What was found of two firewalls: a packet that one permits and the other does not.

    Of each example the first word is the firewall that permits it, ``rule`` is the rule there, and
    its zones are keys. ``widened`` are pairs of zones (keys) in which they differ by what a
    platform cannot express, and no more.
    """

    left: str
    right: str
    pairs: int
    examples: tuple[tuple[str, Counterexample], ...] = ()
    widened: tuple[tuple[str, str], ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Whether they permit the same; if not, whether it is certain that they do not."""
        if any(one.direction != "unknown" or one.disagreement for _, one in self.examples):
            return "not_proved"
        return "cannot_tell" if self.examples else "proved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Firewall:
    """One of the two: its name, what was found on it, and how it names applications."""

    name: str
    proved: Proved
    speech: Speech


def alike(left: Firewall, right: Firewall) -> Likeness:
    """Compare what two firewalls permit between the zones that both are attached to.

    Raises:
        UnsupportedError: they have no two zones in common.
    """
    shared = sorted({*left.proved.names} & {*right.proved.names})
    if len(shared) < 2:
        message = (
            f"{left.name} and {right.name} have no two zones in common: there is nothing to compare"
        )
        raise UnsupportedError(message)
    examples: list[tuple[str, Counterexample]] = []
    widened: list[tuple[str, str]] = []
    pairs = [(enter, leave) for enter in shared for leave in shared]
    for pair in pairs:
        try:
            found, wider = _compare(_Pair(left, right, pair))
        except TooComplexError as error:
            found, wider = [(left.name, _unknown(pair, str(error)))], False
        examples += found
        widened += [pair] if wider else []
    return Likeness(
        left=left.name,
        right=right.name,
        pairs=len(pairs),
        examples=tuple(examples),
        widened=tuple(widened),
    )


def _unknown(pair: tuple[str, str], *why: str) -> Counterexample:
    return Counterexample(direction="unknown", enter=pair[0], leave=pair[1], why=why)


class _Pair:
    """Two firewalls between two zones (keys)."""

    def __init__(self, left: Firewall, right: Firewall, pair: tuple[str, str]) -> None:
        self.pair = pair
        self.sides = (left, right)
        self.one_language = left.proved.platform == right.proved.platform
        self._to_functions = {
            one.name: _functions(one.speech.naming)
            for one in self.sides
            if one.speech.applications and not self.one_language
        }

    def between(self, side: Firewall) -> Between | None:
        """Return what a firewall permits there."""
        return side.proved.proof.between.get(self.names(side))

    def names(self, side: Firewall) -> tuple[str, str]:
        """Return a firewall's own names of the zones."""
        return side.proved.names[self.pair[0]], side.proved.names[self.pair[1]]

    def needed(self, side: Firewall) -> Mapping[str, frozenset[str]]:
        """Return the applications that functions need at a firewall that names applications."""
        return self._to_functions.get(side.name, {})

    def common(self, side: Firewall, space: Space) -> Space:
        """Return packets of a firewall in the words that both have."""
        known = self._to_functions.get(side.name)
        if known is None:
            return space
        return Space(
            tuple(
                box._replace(application=_in_functions(box.application, known))
                for box in space.boxes
            )
        )


#: The applications that each function needs, by the name that firewalls without applications use.
_Functions = dict[str, frozenset[str]]


def _functions(naming: Naming) -> _Functions:
    found: _Functions = {}
    for protocol in catalogue().protocols.values():
        for word in protocol.classes:
            try:
                used = naming(protocol, (word,))
            except UnsupportedError:
                continue
            found[f"{protocol.id}.{word}"] = frozenset(used.names)
    return found


def _in_functions(names: Names, known: _Functions) -> Names:
    """Return the functions whose applications are all there, beside those of no function."""
    if names.but:
        return names
    passing = {word: needed for word, needed in known.items() if needed and needed <= names.listed}
    # what sets a session up comes with every function
    functions = {word for word in passing if not word.endswith(".session")}
    alone = {
        word
        for word in passing
        if word.endswith(".session")
        and not any(one.startswith(word.removesuffix("session")) for one in functions)
    }
    used = frozenset[str]().union(*passing.values()) if passing else frozenset[str]()
    return Names(frozenset(functions | alone) | (names.listed - used))


def _compare(pair: _Pair) -> tuple[list[tuple[str, Counterexample]], bool]:
    """Return what shows a difference, and whether there is one that the platforms explain."""
    left, right = pair.sides
    examples: list[tuple[str, Counterexample]] = []
    wider = False
    for one, other in ((left, right), (right, left)):
        here, there = pair.between(one), pair.between(other)
        if here is None or there is None:
            missing = one if here is None else other
            reason = f"what {missing.name} permits between them is not known"
            return [(missing.name, _unknown(pair.pair, reason))], False
        mine = _in_common(pair, one, here.held)
        others = _in_common(pair, other, there.held)
        more = minus(mine.sure, others.can)
        # what the platforms cannot tell apart, but only where the flows are really declared
        allowed = Space(tuple(_explained(pair, one, here)))
        left_over = minus(more, allowed)
        wider = wider or (bool(more) and not left_over)
        if left_over:
            examples.append((one.name, _example(pair, one, other, left_over.example())))
            continue
        perhaps = minus(minus(minus(mine.can, others.sure), allowed), more)
        if perhaps:
            packet = perhaps.example()
            why = tuple(dict.fromkeys((*here.held.why, *there.held.why)))
            unknown = Counterexample(
                direction="unknown",
                enter=pair.pair[0],
                leave=pair.pair[1],
                packet=packet,
                rule=_rule(pair, one, packet),
                why=why or ("the platforms do not name it alike",),
            )
            examples.append((one.name, unknown))
    return examples, wider


def _in_common(pair: _Pair, side: Firewall, held: Permitted) -> Permitted:
    return Permitted(can=pair.common(side, held.can), sure=pair.common(side, held.sure))


def _explained(pair: _Pair, side: Firewall, between: Between) -> Iterator[Box]:
    """Yield what a firewall may pass beyond what is declared, since it cannot tell it apart."""
    for one in between.permits:
        if one.limits:
            yield from pair.common(side, minus(one.most, one.least)).boxes


def _example(pair: _Pair, one: Firewall, other: Firewall, packet: Point) -> Counterexample:
    mine, theirs = _decided(pair, one, packet), _decided(pair, other, packet)
    wrong = [
        f"decided alone, {side.name} {word} it by {rule}"
        for side, (action, rule), expected, word in (
            (one, mine, "allow", "denies"),
            (other, theirs, "deny", "allows"),
        )
        if action != expected
    ]
    return Counterexample(
        direction="permitted",
        enter=pair.pair[0],
        leave=pair.pair[1],
        packet=packet,
        rule=mine[1],
        disagreement="; ".join(wrong),
    )


def _decided(pair: _Pair, side: Firewall, packet: Point) -> tuple[str, str]:
    """Return what a firewall does with a packet, decided alone, and by which rule.

    Where the packet is of a function, all of the applications that it needs are asked about.
    """
    judge = Judge(side.proved.policy, side.proved.words)
    needed: Mapping[str, frozenset[str]] = pair.needed(side)
    decided = [
        judge.decide(packet._replace(application=name), *pair.names(side))
        for name in sorted(needed.get(packet.application, {packet.application}))
    ]
    stopped = next((one for one in decided if one.action != "allow"), decided[0])
    return stopped.action, stopped.rule


def _rule(pair: _Pair, side: Firewall, packet: Point) -> str:
    return _decided(pair, side, packet)[1]
