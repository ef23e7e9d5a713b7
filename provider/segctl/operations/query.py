"""Query: everything that firewalls permit between two zones, or between all of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

from segctl.analysis.ends import End, Extents, end_of, hops_between, sites_of
from segctl.analysis.space import ALL_ADDRESSES, Box, Space
from segctl.compiler.islands import Islands
from segctl.compiler.topology import Hop, topology
from segctl.fleet import Failure
from segctl.fleet.legs import Leg
from segctl.fleet.permits import IslandNow, Pair, QueryResult, joined_answers, legs_by_device
from segctl.model.errors import Problem, UsageError
from segctl.operations.loading import desired_of, load_inventory, today
from segctl.operations.workers import at_work
from segctl.planning.islands import firewalls_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from segctl.compiler.build import Desired
    from segctl.fleet.listing import Isolation, Listed, Side
    from segctl.fleet.permits import Permits
    from segctl.fleet.readings import Readings
    from segctl.fleet.relations import Claim, Related
    from segctl.inventory import Loaded
    from segctl.model.site import Site
    from segctl.operations.options import CommonOptions
    from segctl.operations.progress import Progress

#: So many ways through third zones are listed.
MAX_WAYS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryOptions:
    """What is asked: whose rules, and with `offline` of which snapshots instead of devices.

    `readings` are what was read of the devices before.
    """

    side: Side = "live"
    offline: Path | None = None
    readings: Readings | None = None


def query(
    common: CommonOptions,
    source: str,
    destination: str,
    options: QueryOptions,
    progress: Progress,
    *,
    pivot: int = 0,
) -> QueryResult:
    """List what is permitted between two ends; never writes to a device.

    With `pivot`, so many third zones may lie between them.

    Raises:
        InventoryError: the inventory cannot be used.
        UsageError: an end is unknown, or no firewall is between them.
    """
    loaded = load_inventory(common, progress)
    return query_of(common, loaded, source, destination, options, progress, pivot=pivot)


def query_of(  # noqa: PLR0917 - as `query`, of an inventory
    common: CommonOptions,
    loaded: Loaded,
    source: str,
    destination: str,
    options: QueryOptions,
    progress: Progress,
    *,
    pivot: int = 0,
) -> QueryResult:
    """List what is permitted between two ends of an inventory that has been read.

    Raises:
        UsageError: an end is unknown, or no firewall is between them.
    """
    chosen = desired_of(loaded)
    asked = _Asked(loaded, chosen)
    ends = asked.end(source), asked.end(destination)
    first = asked.pair(*ends)
    pairs = [first, *asked.around(*ends, pivot)]
    devices, found = _answered(common, asked, pairs, options, progress)
    return QueryResult(
        side=options.side,
        offline=options.offline is not None,
        found=found[:1],
        ways=tuple(_ways(found[1:], *ends, pivot)) if pivot else (),
        devices={name: _with_cut(listed) for name, listed in devices.items()},
    )


def _with_cut(listed: Listed | Failure) -> Listed | Failure:
    """Return what a device lists, with who is cut off now among its findings."""
    if isinstance(listed, Failure):
        return listed
    return replace(listed, findings=(*listed.findings, *listed.cut))


def matrix(common: CommonOptions, options: QueryOptions, progress: Progress) -> QueryResult:
    """List what is permitted between all zones; never writes to a device.

    Raises:
        InventoryError: the inventory cannot be used.
        UsageError: no firewall is selected.
    """
    return matrix_of(common, load_inventory(common, progress), options, progress)


def matrix_of(
    common: CommonOptions, loaded: Loaded, options: QueryOptions, progress: Progress
) -> QueryResult:
    """List what is permitted between all zones of an inventory that has been read.

    Raises:
        UsageError: no firewall is selected.
    """
    chosen = desired_of(loaded)
    asked = _Asked(loaded, chosen)
    names = {item.device.name for item in chosen}
    pairs = [
        pair for pair in asked.everywhere() if names.intersection(hop.device for hop in pair.hops)
    ]
    devices, found = _answered(common, asked, pairs, options, progress)
    return QueryResult(
        side=options.side,
        offline=options.offline is not None,
        found=found,
        ways=(),
        devices=devices,
        islands=tuple(_islands(loaded.site, devices)),
    )


def _islands(site: Site, devices: Mapping[str, Listed | Failure]) -> Iterator[IslandNow]:
    """Yield what is an island on any device, with what is cut from what, and who does not hold it.

    Of one that the inventory no longer declares, the zones are not known.
    """
    held: dict[str, dict[str, Isolation]] = {}
    for name, listed in devices.items():
        for one in () if isinstance(listed, Failure) else listed.islands:
            held.setdefault(one.name, {})[name] = one
    known = Islands(site, topology(site.devices))
    declared = {
        one.name: one
        for device in site.devices
        if device.containment is not None
        for one in map(known.of, device.containment.islands)
    }
    for name, by_device in sorted(held.items()):
        if not any(one.known for one in by_device.values()):
            continue
        island = declared.get(name)
        around = () if island is None else firewalls_of(site, island, today())[0]
        lacking = {one: by.said for one, by in by_device.items() if not by.known}
        for device in around:
            if device.name not in by_device:
                lacking[device.name] = _why(devices.get(device.name))
        yield IslandNow(
            name=name,
            inside=() if island is None else tuple(zone.key for zone in island.inside),
            above=() if island is None else tuple(zone.key for zone in island.above),
            said={one: by.said for one, by in by_device.items() if by.known},
            lacking=lacking,
        )


def _why(listed: Listed | Failure | None) -> str:
    """Return why a firewall around an island is not known to hold it."""
    if listed is None:
        return "it was not read"
    return listed.message if isinstance(listed, Failure) else "it does not hold it"


def matrix_picture(
    common: CommonOptions,
    document: Mapping[str, Any],
    form: str,
    progress: Progress,
    *,
    snapshots: bool,
) -> str:
    """Return the table of a matrix as a picture: SVG, or HTML with the rules behind each cell.

    Args:
        common: the inventory and its options.
        document: of the matrix.
        form: ``.svg`` or ``.html``.
        progress: who is told.
        snapshots: whether the document is of snapshots.

    Raises:
        InventoryError: the inventory cannot be used.
    """
    from segctl.report.drawing import table_of, table_page, table_svg
    from segctl.report.drawing.stamp import INVENTORY, read_facts

    loaded = load_inventory(common, progress)
    digests = ((one["name"], one["digest"]) for one in document["devices"])
    read = read_facts(digests, snapshots=snapshots)
    table = table_of(loaded.site, today(), document, [(INVENTORY, loaded.digest), *read])
    return table_page(table) if form == ".html" else table_svg(table)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimResult:
    """A claim, and each device's answer on its ways."""

    claim: Claim
    devices: Mapping[str, Related | Failure]
    legs: Mapping[str, tuple[Leg, ...]]


def claim(
    common: CommonOptions,
    claimed: Claim,
    ends: tuple[str, str] | None,
    offline: Path | None,
    progress: Progress,
) -> ClaimResult:
    """Return whether a claim about policies holds; never writes to a device.

    Args:
        common: the inventory and its options.
        claimed: what is claimed.
        ends: between which two ends; None for all zones.
        offline: a snapshot or a folder of them.
        progress: who is told.

    Raises:
        InventoryError: the inventory cannot be used.
        SnapshotError: a snapshot cannot be used.
        UsageError: an end is unknown, or no firewall is between them.
    """
    loaded = load_inventory(common, progress)
    chosen = desired_of(loaded)
    asked = _Asked(loaded, chosen)
    if ends is None:
        legs = {item.device.name: tuple(_everywhere(item)) for item in chosen}
    else:
        pair = asked.pair(asked.end(ends[0]), asked.end(ends[1]))
        found = legs_by_device([pair], [item.device.name for item in chosen])
        legs = {name: tuple(held.values()) for name, held in found.items()}
    work = [(item, legs[item.device.name]) for item in chosen if legs[item.device.name]]
    given = _claimed(common, loaded, work, claimed, offline, progress)
    devices = {item.device.name: one for (item, _), one in zip(work, given, strict=True)}
    return ClaimResult(claim=claimed, devices=devices, legs=legs)


def _everywhere(item: Desired) -> Iterator[Leg]:
    """Yield the ways between all zones of a firewall, for all addresses."""
    name, zones = item.device.name, [binding.zone for binding in item.device.zones]
    for enter, leave in product(zones, zones):
        hop = Hop(device=name, enter=enter, leave=leave)
        yield Leg(hop=hop, source=ALL_ADDRESSES, destination=ALL_ADDRESSES)


def _claimed(  # noqa: PLR0917 - all that a claim stands on
    common: CommonOptions,
    loaded: Loaded,
    work: Sequence[tuple[Desired, tuple[Leg, ...]]],
    claimed: Claim,
    offline: Path | None,
    progress: Progress,
) -> Sequence[Related | Failure]:
    from segctl.fleet.relations import relate_devices, relate_offline
    from segctl.planning.snapshot import load_snapshots

    snapshots = {} if offline is None else load_snapshots(offline)
    asks = "live" in claimed.of or ("plan" in claimed.of and offline is None)
    if not asks:
        return [relate_offline(item, legs, claimed, snapshots) for item, legs in work]
    names = [item.device.name for item, _ in work]
    with at_work(common, names, progress) as (executor, report):
        return relate_devices(
            work,
            claimed,
            snapshots,
            loaded.connections,
            forks=common.forks,
            report=report,
            executor=executor,
        )


class _Asked:
    """The pairs of ends that can be asked about."""

    def __init__(self, loaded: Loaded, chosen: Sequence[Desired]) -> None:
        self.loaded = loaded
        self.chosen = chosen
        self._site = loaded.site
        self._names = {item.device.name for item in chosen}
        self._near = sites_of(item.device for item in chosen)
        self._paths = topology(loaded.site.devices)
        self._extents = Extents(loaded.site)

    def end(self, word: str) -> End:
        try:
            return end_of(word, self._site, self._near)
        except LookupError as error:
            raise _refused(*error.args) from error

    def pair(self, source: End, destination: End) -> Pair:
        found = self._pair(source, destination)
        if not found.hops:
            gap = self._paths.gap(source.zone, destination.zone)
            message = f"no firewall stands between {source.zone} and {destination.zone}"
            raise _refused(message, gap)
        devices = {hop.device for hop in found.hops}
        if not devices & self._names:
            raise _refused(
                f"no selected firewall stands between {source.zone} and {destination.zone}",
                f"include {', '.join(sorted(devices))} in -l",
            )
        return found

    def around(self, source: End, destination: End, pivot: int) -> Iterator[Pair]:
        """Yield the pairs of which ways through third zones are made."""
        if not pivot:
            return
        third = [
            End(zone=zone.key, addresses=(), whole=True)
            for zone in self._site.zones
            if zone.key not in (source.zone, destination.zone)
        ]
        for zone in third:
            yield self._pair(source, zone)
            yield self._pair(zone, destination)
            if pivot > 1:
                yield from (self._pair(zone, other) for other in third if other != zone)

    def everywhere(self) -> Iterator[Pair]:
        ends = [End(zone=zone.key, addresses=(), whole=True) for zone in self._site.zones]
        return (self._pair(source, destination) for source in ends for destination in ends)

    def _pair(self, source: End, destination: End) -> Pair:
        hops = hops_between(self._site.devices, source.zone, destination.zone, self._paths)
        region = Box(source=self._extents.of(source), destination=self._extents.of(destination))
        missing = {hop.device for hop in hops} - self._names
        return Pair(
            source=source,
            destination=destination,
            region=Space((region,)),
            hops=hops,
            missing=tuple(sorted(missing)),
        )


def _refused(message: str, hint: str) -> UsageError:
    return UsageError(str(Problem(message=message, hint=hint)))


def _answered(
    common: CommonOptions,
    asked: _Asked,
    pairs: Sequence[Pair],
    options: QueryOptions,
    progress: Progress,
) -> tuple[dict[str, Listed | Failure], tuple[Permits, ...]]:
    chosen = asked.chosen
    legs = legs_by_device(pairs, [item.device.name for item in chosen])
    work = [
        (item, tuple(legs[item.device.name].values())) for item in chosen if legs[item.device.name]
    ]
    listed = _listed(common, asked.loaded, work, options, progress)
    devices = {item.device.name: one for (item, _), one in zip(work, listed, strict=True)}
    platforms = {item.device.name: item.device.platform for item in chosen}
    return devices, tuple(joined_answers(pairs, legs, devices, platforms, options.side))


def _listed(
    common: CommonOptions,
    loaded: Loaded,
    work: Sequence[tuple[Desired, tuple[Leg, ...]]],
    options: QueryOptions,
    progress: Progress,
) -> Sequence[Listed | Failure]:
    from segctl.fleet.listing import list_declared, list_devices, list_snapshot

    if options.side == "declared":
        return [list_declared(item, legs) for item, legs in work]
    if options.offline is not None:
        from segctl.planning.snapshot import load_snapshots

        kept = load_snapshots(options.offline)
        return [list_snapshot(item, legs, kept, options.side) for item, legs in work]
    names = [item.device.name for item, _ in work]
    with at_work(common, names, progress) as (executor, report):
        return list_devices(
            work,
            options.side,
            loaded.connections,
            forks=common.forks,
            report=report,
            executor=executor,
            readings=options.readings,
        )


def _ways(
    found: Iterable[Permits], source: End, destination: End, pivot: int
) -> Iterator[tuple[Permits, ...]]:
    """Yield every way on which something passes from each zone to the next, shortest first.

    Raises:
        UsageError: there are more than `MAX_WAYS`.
    """
    onward: dict[str, list[Permits]] = {}
    for one in found:
        if one.pair.hops and one.passes.can:
            onward.setdefault(one.pair.source.zone, []).append(one)
    count = 0
    waiting: list[tuple[Permits, ...]] = [(one,) for one in onward.get(source.zone, ())]
    while waiting:
        longer: list[tuple[Permits, ...]] = []
        for way in waiting:
            last = way[-1].pair.destination.zone
            if last == destination.zone:
                count += 1
                yield way
            elif len(way) <= pivot:
                passed = {one.pair.source.zone for one in way} | {last}
                longer += [
                    (*way, one)
                    for one in onward.get(last, ())
                    if one.pair.destination.zone not in passed
                ]
            if count + len(longer) > MAX_WAYS:
                raise UsageError(
                    f"there are more than {MAX_WAYS} ways through third zones: "
                    "ask with a smaller --pivot, or between assets"
                )
        waiting = longer
