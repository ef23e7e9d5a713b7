"""Whether two firewalls permit the same between the same zones, whatever their platforms.

Firewalls of one platform are compared packet by packet. Where one names applications and the other
functions of protocols, a flow that both declare and both pass may come to other packets on each,
within the bounds of `declared.Permit` and no further. Everything else is put into the words of the
other: a function passes where all of the applications that it needs do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from segctl.analysis.confirm import Judge
from segctl.analysis.proof import Counterexample, minus, verdict_of
from segctl.analysis.space import (
    ALL_NAMES,
    EVERYTHING,
    NOTHING,
    Names,
    Space,
    TooComplexError,
)
from segctl.model.errors import UnsupportedError
from segctl.protocols import catalogue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segctl.analysis.intended import Need
    from segctl.analysis.path_proofs import Proved
    from segctl.analysis.proof import Between, Speech, Verdict
    from segctl.analysis.space import Point
    from segctl.protocols import Naming


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """What was found of two firewalls: a packet that one permits and the other does not.

    Of each example the first word is the firewall that permits it, ``rule`` is the rule there, and
    its zones are keys. ``widened`` are the first packets that one permits beyond the other of a
    flow that both pass as it is declared, since a platform cannot express it more closely.
    """

    left: str
    right: str
    pairs: int
    examples: tuple[tuple[str, Counterexample], ...] = ()
    widened: tuple[tuple[str, Counterexample], ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Whether they permit the same; if not, whether it is certain that they do not."""
        return verdict_of([one for _, one in self.examples])


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
    widened: list[tuple[str, Counterexample]] = []
    pairs = [(enter, leave) for enter in shared for leave in shared]
    for pair in pairs:
        try:
            found, wider = _compare(_Pair(left, right, pair))
        except TooComplexError as error:
            found, wider = [(left.name, _unknown(pair, str(error)))], []
        examples += found
        widened += wider
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
        self._functions = {
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

    def needed(self, side: Firewall) -> _Functions:
        """Return the applications that functions need at a firewall that names applications."""
        return self._functions.get(side.name, {})

    def put(self, space: Space, side: Firewall, other: Firewall) -> Space:
        """Return what `side` permits in the words of `other`."""
        if side.name in self._functions and other.name not in self._functions:
            return _in_functions(space, self._functions[side.name])
        if other.name in self._functions and side.name not in self._functions:
            return _in_applications(space, self._functions[other.name])
        return space


#: The applications that each function needs, by the name that firewalls without applications use.
_Functions: TypeAlias = "Mapping[str, frozenset[str]]"


def _functions(naming: Naming) -> _Functions:
    found: dict[str, frozenset[str]] = {}
    for protocol in catalogue().protocols.values():
        for word in protocol.classes:
            try:
                used = naming(protocol, (word,))
            except UnsupportedError:
                continue
            found[f"{protocol.id}.{word}"] = frozenset(used.names)
    return found


def _in_functions(space: Space, known: _Functions) -> Space:
    """Return the functions that pass: each where all of the applications that it needs do."""
    listed = {
        name for box in space.boxes if not box.application.but for name in box.application.listed
    }
    found = [box for box in space.boxes if box.application.but]
    for word, needed in known.items():
        if not needed & listed:
            continue
        passing = EVERYTHING
        for name in sorted(needed):
            ways = (
                box._replace(application=ALL_NAMES)
                for box in space.boxes
                if name in box.application
            )
            passing &= Space(tuple(ways))
        itself = Names(frozenset({word}))
        found += [box._replace(application=itself) for box in passing.boxes]
    return Space(tuple(found))


def _in_applications(space: Space, known: _Functions) -> Space:
    """Return the applications of the functions that pass."""
    return Space(
        tuple(
            box
            if box.application.but
            else box._replace(application=_applications(box.application, known))
            for box in space.boxes
        )
    )


def _applications(functions: Names, known: _Functions) -> Names:
    return Names(frozenset(one for word in functions.listed for one in known.get(word, {word})))


def _compare(
    pair: _Pair,
) -> tuple[list[tuple[str, Counterexample]], list[tuple[str, Counterexample]]]:
    """Return what shows a difference, and what shows one that the platforms explain."""
    left, right = pair.sides
    examples: list[tuple[str, Counterexample]] = []
    wider: list[tuple[str, Counterexample]] = []
    for one, other in ((left, right), (right, left)):
        here, there = pair.between(one), pair.between(other)
        if here is None or there is None:
            missing = one if here is None else other
            reason = f"what {missing.name} permits between them is not known"
            return [(missing.name, _unknown(pair.pair, reason))], []
        passes = pair.put(there.held.can, other, one)
        surely = pair.put(there.held.sure, other, one)
        shared = NOTHING if pair.one_language else _shared(here, there)
        more = minus(here.held.sure, passes)
        unexplained = minus(more, shared)
        if explained := minus(more, unexplained):
            wider.append((one.name, _example(pair, one, other, explained.example())))
        if unexplained:
            examples.append((one.name, _example(pair, one, other, unexplained.example())))
            continue
        perhaps = minus(minus(minus(here.held.can, surely), shared), more)
        if perhaps:
            packet = perhaps.example()
            why = tuple(dict.fromkeys((*here.held.why, *there.held.why)))
            unknown = Counterexample(
                direction="unknown",
                enter=pair.pair[0],
                leave=pair.pair[1],
                packet=packet,
                rule=_decided(pair, one, packet)[1],
                why=why or ("the platforms do not name it alike",),
            )
            examples.append((one.name, unknown))
    return examples, wider


def _shared(here: Between, there: Between) -> Space:
    """Return all that flows may come to here which are declared and pass there, too."""
    passing = {_what(one.need) for one in there.permits if not minus(one.least, there.held.sure)}
    return Space(
        tuple(box for one in here.permits if _what(one.need) in passing for box in one.most.boxes)
    )


def _what(need: Need) -> tuple[object, ...]:
    return (
        need.conduit,
        need.flow,
        need.source,
        need.destination,
        need.sources,
        need.destinations,
        need.users,
        need.time,
    )


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
    judge = Judge(side.proved.policy, side.proved.words, side.proved.gates)
    needed = pair.needed(side)
    decided = [
        judge.decide(packet._replace(application=name), *pair.names(side))
        for name in sorted(needed.get(packet.application, {packet.application}))
    ]
    stopped = next((one for one in decided if one.action != "allow"), decided[0])
    return stopped.action, stopped.rule
