"""Which rules of a policy permit more than another policy, permit less, or may do so.

`compare` says what differs between two zones; here each packet of it is traced to the rule that
decides about it, so that there is one thing to tell about a rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from segctl.analysis.compare import compare
from segctl.analysis.effective import Chain, permitted
from segctl.analysis.space import (
    ALL_ADDRESSES,
    NOTHING,
    Box,
    Space,
    TooComplexError,
    ranges,
    service,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from segctl.analysis.compare import Difference
    from segctl.analysis.effective import Match, Reading
    from segctl.analysis.space import Numbers, Point

#: What a rule does that it should not: it permits more, permits less, or it cannot be told.
Effect: TypeAlias = Literal["open", "blocked", "cannot tell"]

#: The packets that people know best, where an example may be any packet.
_USUAL: Final = ranges((*service("tcp", 1), *service("udp", 1)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """What one rule permits or denies otherwise than declared, by pair of zones.

    `rule` is the one that decides or, with `declared`, the declared one that should. `concerned`
    are the declared rules whose packets it denies or, with `declared`, what of ours denies them.
    `packet` is a small packet between the first of the `pairs`; `why` says what is not known.
    """

    rule: str
    effect: Effect
    pairs: tuple[tuple[str, str], ...]
    packet: Point
    declared: bool = False
    concerned: tuple[str, ...] = ()
    why: tuple[str, ...] = ()

    @property
    def example(self) -> str:
        """``IT → OT: 10.1.0.77 → 10.2.0.10 tcp/502 modbus-base``."""
        enter, leave = self.pairs[0]
        return f"{enter} → {leave}: {self.packet}"


@dataclass(slots=True)
class _Found:
    """What has been found out about one rule so far."""

    pairs: dict[tuple[str, str], Space]
    concerned: dict[str, None]
    why: dict[str, None]
    hint: Box


_Key: TypeAlias = "tuple[str, Effect, bool]"


def deviations(
    declared: Reading, live: Reading, pairs: Iterable[tuple[str, str]], ours: frozenset[str]
) -> tuple[Deviation, ...]:
    """Return what a device does otherwise than declared, rule by rule.

    Args:
        declared: everything that is to be permitted between the zones.
        live: what the device enforces.
        pairs: the zones between which it matters, in both directions where both matter.
        ours: the names of the rules that are ours, on the device or declared; about what they deny
            the declared rule is told that permits it.
    """
    found: dict[_Key, _Found] = {}
    for difference in compare(declared, live, pairs):
        pair = difference.enter, difference.leave
        wanted, held = declared.between(*pair), live.between(*pair)
        hint = _usual(wanted, declared.between(*pair[::-1]))
        try:
            parts = list(_traced(wanted, held, difference, ours))
        except TooComplexError as error:
            parts = [_too_complex(match, str(error)) for match in _unlike(held, wanted)]
        for part in parts:
            _add(found, part, pair, hint)
    return tuple(_deviation(key, one) for key, one in found.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """Packets between two zones about which one rule decides."""

    key: _Key
    packets: Space
    concerned: tuple[str, ...] = ()
    why: tuple[str, ...] = ()


def _add(found: dict[_Key, _Found], part: _Part, pair: tuple[str, str], hint: Box) -> None:
    one = found.setdefault(part.key, _Found({}, {}, {}, hint))
    one.pairs[pair] = one.pairs.get(pair, NOTHING) | part.packets
    one.concerned.update(dict.fromkeys(part.concerned))
    one.why.update(dict.fromkeys(part.why))


def _deviation(key: _Key, found: _Found) -> Deviation:
    rule, effect, declared = key
    return Deviation(
        rule=rule,
        effect=effect,
        pairs=tuple(found.pairs),
        packet=_example(next(iter(found.pairs.values())), found.hint),
        declared=declared,
        concerned=tuple(found.concerned),
        why=tuple(found.why),
    )


def _traced(
    wanted: Sequence[Match], held: Sequence[Match], difference: Difference, ours: frozenset[str]
) -> Iterator[_Part]:
    """Trace everything that differs between two zones to rules."""
    for match, packets in _deciding(held, difference.more, allows=True):
        yield _Part(key=(match.rule, "open", False), packets=packets)
    yield from _blocked(wanted, held, difference.less, ours)
    yield from _doubtful(wanted, held, difference.unknown, difference.why)


def _deciding(
    chain: Sequence[Match], packets: Space, *, allows: bool
) -> Iterator[tuple[Match, Space]]:
    """Yield the matches that decide about packets of which it is sure what becomes of them."""
    rest = packets
    for match in chain:
        if not rest:
            return
        if match.allows is allows:
            part = rest & match.sure
            if part:
                yield match, part
                rest = rest - match.sure
    for match in chain:  # what several matches decide together that none decides alone
        part = rest & match.can if match.allows is allows else NOTHING
        if part:
            yield match, part
            rest = rest - match.can


def _blocked(
    wanted: Sequence[Match], held: Sequence[Match], packets: Space, ours: frozenset[str]
) -> Iterator[_Part]:
    """Trace what is denied to a rule of others that denies it, or to the rule that should not."""
    for match, denied in _deciding(held, packets, allows=False):
        permitting = list(_deciding(wanted, denied, allows=True))
        if match.rule not in ours:
            yield _Part(
                key=(match.rule, "blocked", False),
                packets=denied,
                concerned=tuple(one.rule for one, _ in permitting),
            )
            continue
        for one, part in permitting:
            yield _Part(key=(one.rule, "blocked", True), packets=part, concerned=(match.rule,))


def _doubtful(
    wanted: Sequence[Match], held: Sequence[Match], packets: Space, why: tuple[str, ...]
) -> Iterator[_Part]:
    """Trace packets of which it cannot be told to the rules that may make the difference.

    Where only rules may that stand in both alike, it is their words that are not known, and these
    mean the same in both.
    """
    if not packets:
        return
    surely = permitted(wanted, packets).sure
    chain = Chain.of(held)
    unlike = {(match.rule, match.allows) for match in _unlike(chain, wanted)}
    for part, allows in ((packets - surely, True), (packets & surely, False)):
        rest, told = part, False
        for match in (chain[at] for at in chain.reach.matches(part)):
            if match.allows is allows and (match.rule, allows) in unlike:
                reached = rest & match.can
                if reached and (allows or reached & (match.can - match.sure)):
                    reasons = match.why or why
                    yield _Part(
                        key=(match.rule, "cannot tell", False), packets=reached, why=reasons
                    )
                    told = True
            rest = rest - match.sure
            if not rest:
                break
        if part and not told:
            yield from _undecided(wanted, held, part, why)


def _undecided(
    wanted: Sequence[Match], held: Sequence[Match], packets: Space, why: tuple[str, ...]
) -> Iterator[_Part]:
    """Trace packets that may be denied for want of a declared rule, or of its words, to it."""
    missing = _unlike(wanted, held)
    changed = _unlike(held, wanted)
    for match in (*missing, *changed):
        reached = packets & match.can
        if reached:
            yield _Part(
                key=(match.rule, "cannot tell", match in missing),
                packets=reached,
                why=match.why or why,
            )


def _unlike(chain: Iterable[Match], other: Iterable[Match]) -> list[Match]:
    """Return the matches of a chain that the other has not, in whatever place."""
    known = {(match.rule, match.allows): match for match in other}
    return [match for match in chain if known.get((match.rule, match.allows)) != match]


def _too_complex(match: Match, why: str) -> _Part:
    return _Part(
        key=(match.rule, "cannot tell", False), packets=match.can, why=(f"{match.rule}: {why}",)
    )


# --- examples ------------------------------------------------------------------------------------


def _usual(chain: Iterable[Match], back: Iterable[Match]) -> Box:
    """Return the addresses that are declared to talk between two zones, as far as they are."""
    there = [box for match in chain if match.allows for box in match.can.boxes]
    again = [box for match in back if match.allows for box in match.can.boxes]
    return Box(
        source=_ends((*(box.source for box in there), *(box.destination for box in again))),
        destination=_ends((*(box.destination for box in there), *(box.source for box in again))),
        service=_USUAL,
    )


def _ends(parts: Iterable[Numbers]) -> Numbers:
    listed = [part for part in parts if part != ALL_ADDRESSES]
    return ranges(span for part in listed for span in part) or ALL_ADDRESSES


def _example(packets: Space, hint: Box) -> Point:
    """Return the smallest packet, of those between known ends and of usual protocols if any is."""
    for name in ("source", "destination", "service"):
        narrow = Space((Box(**{name: getattr(hint, name)}),))
        packets = (packets & narrow) or packets
    return packets.example()
