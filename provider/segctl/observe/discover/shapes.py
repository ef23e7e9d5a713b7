"""Shapes of what nobody needs: scans, beacons, tunnels in names, ports that move."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from segctl.observe.discover.evidence import Evidence
    from segctl.observe.discover.flows import Ends, Part, Volume

#: So many different targets of one source within an hour, each tried hardly ever, are a scan.
SCAN_TARGETS: Final = 12
_SCAN_WINDOW: Final = 3600.0
#: As many hosts without an answer over the whole time are a slow one.
_SLOW_HOSTS: Final = 12
#: A target that was tried more often is one that somebody wants something of.
_TRIES: Final = 4
#: What follows a scan by less than this belongs to it.
_AFTER: Final = 900.0
#: What was there before a scan by more than this is not of it.
_LONG_BEFORE: Final = 86_400.0
#: Sessions that a beacon has at the least, the spread of its intervals against their median at the
#: most, bytes of a session at the most.
#: Source: activecm/rita scores skew and spread of intervals and sizes; the bounds are ours.
_BEACON_SESSIONS: Final = 12
_BEACON_SPREAD: Final = 0.15
_BEACON_BYTES: Final = 10_000
#: Bytes of an exchange of names, on average, that are more than names.
_NAME_BYTES: Final = 1000
#: So many high ports of one pair are not the ports of services.
_MOVING: Final = 8
_HIGH: Final = 1024


@dataclass(slots=True, kw_only=True)
class Scan:
    """What one source tried, and from when to when."""

    targets: set[tuple[str, str, int]]
    hosts: set[str]
    services: set[tuple[str, int]]
    first: float
    last: float


def scans(parts: Iterable[tuple[Part, Volume]]) -> Mapping[str, Scan]:
    """Return the scans by their source.

    Args:
        parts: what is not declared, with what it adds up to.
    """
    tried: dict[str, list[tuple[float, float, Ends, bool]]] = {}
    for part, volume in parts:
        if part.nature in {"threat", "declared"} or volume.first is None or volume.last is None:
            continue
        failed = part.nature in {"attempt", "denied"}
        if volume.sessions <= _TRIES:
            when = (volume.first, volume.last, part.ends, failed)
            tried.setdefault(part.ends.source, []).append(when)
    found: dict[str, Scan] = {}
    for source, tries in sorted(tried.items()):
        hosts = {ends.destination for _, _, ends, failed in tries if failed}
        slow = [one for one in tries if one[3]] if len(hosts) >= _SLOW_HOSTS else []
        within = sorted({*_burst(tries), *slow})
        if within:
            found[source] = _scan(within)
    return found


def _burst(tries: list[tuple[float, float, Ends, bool]]) -> list[tuple[float, float, Ends, bool]]:
    """Return the tries that lie within an hour of so many others; none where there are too few.

    Where every one of them was answered, it is a client with many servers.
    """
    ordered = sorted(tries)
    kept: set[int] = set()
    first = 0
    for last, one in enumerate(ordered):
        while ordered[first][0] < one[0] - _SCAN_WINDOW:
            first += 1
        span = range(first, last + 1)
        if len(span) < SCAN_TARGETS:
            continue
        targets = {ordered[at][2][1:] for at in span}
        silent = sum(1 for at in span if ordered[at][3])
        if len(targets) >= SCAN_TARGETS and 2 * silent >= len(span):
            kept.update(span)
    return [ordered[at] for at in sorted(kept)]


def _scan(tries: Iterable[tuple[float, float, Ends, bool]]) -> Scan:
    held = list(tries)
    return Scan(
        targets={ends[1:] for _, _, ends, _ in held},
        hosts={ends.destination for _, _, ends, _ in held},
        services={ends[2:] for _, _, ends, _ in held},
        first=min(one[0] for one in held),
        last=max(one[1] for one in held),
    )


def of_scan(scan: Scan | None, part: Part, volume: Volume) -> bool:
    """Whether a flow is one of those that a scan tried, at that time."""
    if scan is None or volume.first is None or volume.last is None or volume.sessions > _TRIES:
        return False
    if part.ends[1:] in scan.targets:
        return True
    within = scan.first - _AFTER <= volume.first and volume.last <= scan.last + _AFTER
    return within and part.ends[2:] in scan.services


def after_scan(scan: Scan | None, ends: Ends, volume: Volume) -> bool:
    """Whether a source talks to a host since it scanned it, and did not before."""
    if scan is None or volume.first is None:
        return False
    return volume.first >= scan.first and ends.destination in scan.hosts


def after_scan_for(scan: Scan | None, ends: Ends, volume: Volume) -> bool:
    """Whether a source uses a service that it scanned for, and did not do so long before.

    Hosts that a slow scan finds are used while it goes on.
    """
    if scan is None or volume.first is None or ends[2:] not in scan.services:
        return False
    hosts = sum(1 for host in scan.hosts if _near(host, ends.destination))
    return hosts >= SCAN_TARGETS // 2 and volume.first + _LONG_BEFORE > scan.first


def _near(one: str, other: str) -> bool:
    """Whether two addresses are of one network as networks usually are."""
    separator = "." if "." in other else ":"
    return one.rpartition(separator)[0] == other.rpartition(separator)[0]


def regular(times: Sequence[float]) -> bool:
    """Whether moments follow each other like those of a clock."""
    if len(times) < _BEACON_SESSIONS:
        return False
    ordered = sorted(times)
    gaps = [later - before for before, later in pairwise(ordered)]
    middle = median(gaps)
    if middle <= 0:
        return False
    spread = median(abs(gap - middle) for gap in gaps)
    return spread <= _BEACON_SPREAD * middle


def beats(evidence: Evidence, part: Part, volume: Volume) -> bool:
    """Whether a flow is regular and small, as a beacon is; a poll is so, too."""
    if not volume.sessions or volume.bytes > _BEACON_BYTES * volume.sessions:
        return False
    keys = sorted({(group.witness, group.flow) for group, _ in part.groups})
    return any(regular(evidence.times.get(witness, {}).get(flow, ())) for witness, flow in keys)


def carries_more_than_names(ends: Ends, applications: Sequence[str], volume: Volume) -> bool:
    """Whether exchanges of names are far larger than names are."""
    named = ends.port == 53 or any(name.startswith("dns") for name in applications)
    return named and volume.bytes > _NAME_BYTES * max(volume.sessions, 1)


def moving(parts: Iterable[Part]) -> frozenset[tuple[str, str, str]]:
    """Return pairs of hosts and their protocol that use many high ports, as dynamic ones are."""
    ports = Counter(
        (part.ends.source, part.ends.destination, part.ends.protocol)
        for part in parts
        if part.nature == "conversation" and part.known and part.ends.port >= _HIGH
    )
    return frozenset(pair for pair, number in ports.items() if number > _MOVING)
