"""What several firewalls permit between two ends, each of them and all together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from segctl.analysis.by_rule import space_of
from segctl.analysis.series import Span, along
from segctl.analysis.space import Space, TooComplexError
from segctl.fleet.failures import Failure
from segctl.fleet.legs import Leg

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from segctl.analysis.by_rule import Row, State
    from segctl.analysis.ends import End
    from segctl.analysis.policies import PolicyTest, Statement
    from segctl.compiler.topology import Hop
    from segctl.fleet.listing import Listed, Side

#: What a firewall permits on one way through it, or why it cannot be told.
Rows: TypeAlias = "tuple[Row, ...] | Failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two ends, and the firewalls between them; `missing` are those that -l leaves out.

    With a `statement` of a policy test, only what goes beyond it is asked for.
    """

    source: End
    destination: End
    region: Space
    hops: tuple[Hop, ...]
    missing: tuple[str, ...] = ()
    statement: Statement | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Permits:
    """What each firewall between two ends permits, or why it cannot be told.

    `passes` is what gets through all of them, `declared` what would by the inventory where two
    policies are compared.
    """

    pair: Pair
    legs: Mapping[Hop, Rows]
    platforms: Mapping[str, str]
    passes: Span
    declared: Span | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IslandNow:
    """An island that some device holds or may hold; zones are keys, `said` is by device.

    `lacking` are devices around it that were read and do not hold it, or of which that cannot be
    told, with the reasons.
    """

    name: str
    inside: tuple[str, ...]
    above: tuple[str, ...]
    said: Mapping[str, str]
    lacking: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryResult:
    """What was found: between the ends, and on the ways through third zones.

    A way is a list of what is permitted from each zone to the next.
    """

    side: Side
    offline: bool
    found: tuple[Permits, ...]
    ways: tuple[tuple[Permits, ...], ...]
    devices: Mapping[str, Listed | Failure]
    islands: tuple[IslandNow, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyResult:
    """A policy test, and what passes beyond it between each pair of its ends."""

    test: PolicyTest
    found: tuple[Permits, ...]


class Answering(Protocol):
    """A device's answer that holds the rows of its legs."""

    @property
    def legs(self) -> tuple[Rows, ...]:
        """The rows of each leg, in the order in which they were asked for."""
        ...


def legs_by_device(
    pairs: Sequence[Pair], names: Iterable[str]
) -> dict[str, dict[tuple[int, Hop], Leg]]:
    """Return what each device is to be asked, by the number of the pair and the way through it."""
    legs: dict[str, dict[tuple[int, Hop], Leg]] = {name: {} for name in names}
    for number, pair in enumerate(pairs):
        (region,) = pair.region.boxes
        for hop in pair.hops:
            if hop.device in legs:
                legs[hop.device][number, hop] = Leg(
                    hop=hop,
                    source=region.source,
                    destination=region.destination,
                    ends=(pair.source.zone, pair.destination.zone),
                    statement=pair.statement,
                )
    return legs


def joined_answers(
    pairs: Sequence[Pair],
    legs: Mapping[str, Mapping[tuple[int, Hop], Leg]],
    devices: Mapping[str, Answering | Failure],
    platforms: Mapping[str, str],
    side: Side,
) -> Iterator[Permits]:
    """Yield what is permitted between each pair of ends, from the answers of all devices."""
    answers: dict[tuple[int, Hop], Rows] = {}
    for name, one in devices.items():
        given: Sequence[Rows] = [one] * len(legs[name]) if isinstance(one, Failure) else one.legs
        answers |= zip(legs[name], given, strict=True)
    for number, pair in enumerate(pairs):
        held = {hop: answers[number, hop] for hop in pair.hops if (number, hop) in answers}
        yield permits(pair, held, platforms, side)


#: Rows of what is enforced, or of the one policy that was asked; and of what is declared.
_ENFORCED: frozenset[State] = frozenset({"permitted", "only_live"})
_DECLARED: frozenset[State] = frozenset({"permitted", "only_declared"})


def permits(
    pair: Pair, legs: Mapping[Hop, Rows], platforms: Mapping[str, str], side: Side
) -> Permits:
    """Return what is permitted between two ends, from what each firewall permits.

    Args:
        pair: the ends.
        legs: the rows of each way through a firewall that was asked about.
        platforms: the platform of each firewall.
        side: whose rows they are.
    """
    return Permits(
        pair=pair,
        legs=legs,
        platforms=platforms,
        passes=_passes(pair, legs, platforms, _ENFORCED),
        declared=_passes(pair, legs, platforms, _DECLARED) if side == "both" else None,
    )


def _passes(
    pair: Pair, legs: Mapping[Hop, Rows], platforms: Mapping[str, str], states: frozenset[State]
) -> Span:
    """Return what gets through all firewalls by rows of these states."""
    spans = {
        hop: Span(
            can=space_of(row for row in rows if row.state in {*states, "cannot_tell"}),
            sure=space_of(row for row in rows if row.state in states),
            platform=platforms[hop.device],
        )
        for hop, rows in legs.items()
        if isinstance(rows, tuple)
    }
    try:
        return along(pair.hops, spans, pair.source.zone, pair.destination.zone, pair.region)
    except TooComplexError:
        return Span.unknown(pair.region)
