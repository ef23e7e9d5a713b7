"""What several firewalls permit between two ends, each of them and all together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from segctl.analysis.rows import space_of
from segctl.analysis.series import Span, along
from segctl.analysis.space import Space, TooComplexError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segctl.analysis.ends import End
    from segctl.analysis.rows import Row, State
    from segctl.compiler.topology import Hop
    from segctl.fleet.failures import Failure
    from segctl.fleet.listing import Listed, Side

#: What a firewall permits on one way through it, or why it cannot be told.
Rows: TypeAlias = "tuple[Row, ...] | Failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two ends, and the firewalls between them; `missing` are those that -l leaves out."""

    source: End
    destination: End
    region: Space
    hops: tuple[Hop, ...]
    missing: tuple[str, ...] = ()


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
class QueryResult:
    """What was found: between the ends, and on the ways through third zones.

    A way is a list of what is permitted from each zone to the next.
    """

    side: Side
    offline: bool
    found: tuple[Permits, ...]
    ways: tuple[tuple[Permits, ...], ...]
    devices: Mapping[str, Listed | Failure]


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
