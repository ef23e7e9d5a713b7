"""Which zones are reached by way of third ones, though nothing leads there directly."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from itertools import pairwise, permutations
from typing import TYPE_CHECKING

from segctl.analysis.chains import Chains, default_actions, not_understood
from segctl.analysis.coverage import Effort, uncovered
from segctl.analysis.finding import Finding
from segctl.analysis.space import REAL, Box, Space, TooComplexError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from segctl.analysis.effective import Match, Reading
    from segctl.analysis.space import Numbers, Point

#: Steps that the question takes whether anything passes between two zones.
_STEPS = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A packet that surely passes from one zone to another, and the rule that lets it."""

    enter: str
    leave: str
    rule: str
    example: Point
    device: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A zone of ours as a device has it: its name there, and the addresses that are in it."""

    zone: str
    name: str
    addresses: Numbers


def edges(reading: Reading, zones: Sequence[Place], device: str = "") -> Iterator[Edge]:
    """Yield a packet for each two zones between which one surely passes.

    It comes from an address of one zone and goes to one of the other: what only crosses a zone on
    its way does not end there.

    Args:
        reading: everything that the device enforces.
        zones: the zones that the device is attached to.
        device: its name.
    """
    rules = reading.policy.rules
    try:
        chains = Chains(rules)
    except TooComplexError:
        return  # what lint says of the device begins with that
    strange, open_default = not_understood(reading), default_actions(reading)[False]
    matches: dict[int, Match] = {}
    for enter, leave in permutations(zones, 2):
        chain = chains.between(enter.name, leave.name)
        if strange.intersection(chain):
            continue
        for at in chain:
            if at not in matches:
                matches[at] = reading.match(rules[at])
        region = Space((Box(source=enter.addresses, destination=leave.addresses),)) & REAL
        region -= reading.beside(enter.name, leave.name)
        found = _passes([matches[at] for at in chain], region, open_default=open_default is True)
        if found is not None:
            rule, packet = found
            yield Edge(enter=enter.zone, leave=leave.zone, rule=rule, example=packet, device=device)


def _passes(
    chain: Sequence[Match], region: Space, *, open_default: bool
) -> tuple[str, Point] | None:
    """Return the first rule that surely lets a packet pass, with the packet."""
    denied: list[Space] = []
    for match in chain:
        if match.allows:
            packet = _left(match.sure & region, denied)
            if packet is not None:
                return match.rule, packet
        else:
            denied.append(match.can)
    packet = _left(region, denied) if open_default else None
    return None if packet is None else ("interzone-default", packet)


def _left(space: Space, denied: Sequence[Space]) -> Point | None:
    try:
        box, _ = uncovered(space.boxes, denied, Effort(_STEPS))
    except TooComplexError:
        return None
    return None if box is None else Space((box,)).example()


def indirect(found: Iterable[Edge], declared: Collection[tuple[str, str]]) -> Iterator[Finding]:
    """Yield each two zones one of which is reached from the other only by way of third ones.

    Whoever holds a host in the third zone gets there. Pairs that are declared, and those between
    which something passes directly, are left out.

    Args:
        found: what passes directly.
        declared: pairs of zones between which a conduit leads.
    """
    direct: dict[str, dict[str, Edge]] = defaultdict(dict)
    for edge in found:
        direct[edge.enter].setdefault(edge.leave, edge)
    for start in sorted(direct):
        for path in _paths(start, direct):
            end = path[-1]
            if end in direct[start] or (start, end) in declared:
                continue
            hops = [direct[enter][leave] for enter, leave in pairwise(path)]
            undeclared = [hop for hop in hops if (hop.enter, hop.leave) not in declared]
            said = ", ".join(f"{hop.enter} → {hop.leave} by {_rule(hop)}" for hop in hops)
            yield Finding(
                kind="indirect_reach",
                severity="warning" if undeclared else "note",
                subject=f"{start} → {end}",
                message=f"no conduit leads there, and it is reached by way of "
                f"{', '.join(path[1:-1])}: {said}",
                others=tuple(_rule(hop) for hop in hops),
                zones=(start, hops[0].leave),
                example=hops[0].example,
            )


def _rule(edge: Edge) -> str:
    return f"{edge.device}: {edge.rule}" if edge.device else edge.rule


def _paths(start: str, direct: Mapping[str, Mapping[str, Edge]]) -> Iterator[tuple[str, ...]]:
    """Yield a shortest path to every other zone that can be reached."""
    waiting: deque[tuple[str, ...]] = deque([(start,)])
    seen = {start}
    while waiting:
        path = waiting.popleft()
        for after in direct.get(path[-1], {}):
            if after not in seen:
                seen.add(after)
                waiting.append((*path, after))
                yield (*path, after)
