"""What gets through several firewalls, one behind the other and side by side.

What passes from one zone to another has to pass every firewall on its path. Which of several paths
it takes is for the network to decide: what passes on one path only cannot be told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from segctl.analysis.functions import common_names, covers
from segctl.analysis.space import (
    ALL_NAMES,
    NOTHING,
    REAL,
    Box,
    Names,
    Space,
    TooComplexError,
    meet,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from segctl.compiler.topology import Hop

#: Whether packets get through all firewalls.
Through: TypeAlias = Literal["yes", "partly", "no", "cannot_tell"]
#: Stands for several platforms, of which each names applications in its own way.
_MIXED = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What can pass and what surely passes, its applications in the words of a platform.

    Without a platform no application is told from another.
    """

    can: Space
    sure: Space
    platform: str = ""

    @classmethod
    def unknown(cls, region: Space) -> Span:
        """Return what a firewall does that could not be asked."""
        return cls(can=region, sure=NOTHING)


def through(first: Span, second: Span) -> Span:
    """Return what passes both of two firewalls.

    Raises:
        TooComplexError: it falls into too many pieces.
    """
    if not (first.platform and second.platform) or _alike(first, second):
        return Span(
            can=first.can & second.can,
            sure=first.sure & second.sure,
            platform=first.platform or second.platform,
        )
    return Span(
        can=_translated(first.can, second.can, known=False),
        sure=_translated(first.sure, second.sure, known=True),
        platform=_MIXED,
    )


def _alike(first: Span, second: Span) -> bool:
    return first.platform == second.platform != _MIXED


def _translated(first: Space, second: Space, *, known: bool) -> Space:
    """Return what two spaces have in common whose applications go by other names.

    With `known` it is what they surely have in common, otherwise what they can have.
    """
    found: list[Box] = []
    for one in first.boxes:
        for other in second.boxes:
            names = common_names(one.application, other.application)[known]
            both = meet(one._replace(application=ALL_NAMES), other._replace(application=ALL_NAMES))
            if names and both is not None:
                found.append(both._replace(application=names))
    return Space(tuple(dict.fromkeys(found)))


def along(
    hops: Sequence[Hop],
    passes: Mapping[Hop, Span],
    source: str,
    destination: str,
    region: Space,
) -> Span:
    """Return what gets from one zone to another.

    Args:
        hops: the firewalls on all shortest paths, as `Topology.hops` gives them.
        passes: what each of them lets through; one that is missing could not be asked.
        source: the zone where packets begin.
        destination: the zone where they end.
        region: the packets asked about.

    Raises:
        TooComplexError: it falls into too many pieces.
    """
    start = Span(can=region, sure=region)
    reached = {source: start}
    if source == destination:
        return _either(through(start, _of(hop, passes, region)) for hop in hops)
    level = {source}
    while level - {destination}:
        onward: dict[str, list[Span]] = {}
        for hop in hops:
            if hop.enter in level:
                got = through(reached[hop.enter], _of(hop, passes, region))
                onward.setdefault(hop.leave, []).append(got)
        reached |= {zone: _either(spans) for zone, spans in onward.items()}
        level = set(onward)
    return reached.get(destination, Span(can=NOTHING, sure=NOTHING))


def _of(hop: Hop, passes: Mapping[Hop, Span], region: Space) -> Span:
    return passes.get(hop) or Span.unknown(region)


def _either(spans: Iterable[Span]) -> Span:
    """Return what passes by one of several paths, surely if by each of them."""
    first, *others = spans
    for other in others:
        platforms = {first.platform, other.platform} - {""}
        if len(platforms) > 1 or _MIXED in platforms:
            sure = _translated(first.sure, other.sure, known=True)
        else:
            sure = first.sure & other.sure
        both = Space(tuple(dict.fromkeys((*first.can.boxes, *other.can.boxes))))
        first = Span(can=both, sure=sure, platform=platforms.pop() if len(platforms) == 1 else "")
        if len(platforms) > 1:
            first = Span(can=both, sure=sure, platform=_MIXED)
    return first


def gets_through(box: Box, passes: Span, platform: str) -> Through:
    """Return whether packets of a box are among those that get through, by what is known."""
    space = Space((box,)) & REAL
    try:
        if passes.platform in ("", platform):
            can, sure = space & passes.can, space & passes.sure
            if not can:
                return "no"
            if not space - passes.sure:
                return "yes"
            return "partly" if sure and space - passes.can else "cannot_tell"
        if not _translated(space, passes.can, known=False):
            return "no"
        if all(_covered(each, passes.sure) for each in space.boxes):
            return "yes"
        apart = Space(tuple(box._replace(application=ALL_NAMES) for box in space.boxes))
        elsewhere = Space(tuple(box._replace(application=ALL_NAMES) for box in passes.can.boxes))
        some = _translated(space, passes.sure, known=True)
        return "partly" if some and apart - elsewhere else "cannot_tell"
    except TooComplexError:
        return "cannot_tell"


def _covered(box: Box, sure: Space) -> bool:
    """Whether all packets of a box are surely in a space of another platform's names."""
    named = box.application
    single = [Names(frozenset({name})) for name in named.listed] if not named.but else [named]
    bare = Space((box._replace(application=ALL_NAMES),))
    return all(
        bare.within(
            Space(
                tuple(
                    held._replace(application=ALL_NAMES)
                    for held in sure.boxes
                    if held.application == ALL_NAMES
                    or (one.but and one <= held.application)
                    or (not one.but and covers(held.application, *one.listed))
                )
            )
        )
        for one in single
    )
