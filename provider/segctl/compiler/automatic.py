"""Who a firewall may contain by itself: the addresses of its own zones, without those protected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.compiler import naming
from segctl.model.addresses import interval_text, merge, network_interval, subtract
from segctl.model.policy import LogProfile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from segctl.compiler.routing import Leg
    from segctl.model.addresses import Interval
    from segctl.model.site import Containment, Device, Endpoint, Zone

#: For how many minutes at most: a person looks within that time, or it is over.
_MINUTES = 60


def automatic(
    device: Device, zones: Mapping[str, Zone], legs: Iterable[Leg]
) -> tuple[LogProfile, ...]:
    """Return what a firewall is to watch for by itself; nothing where it declares nothing.

    Args:
        device: the firewall.
        zones: all zones by their keys.
        legs: all flows of the system, at whatever firewall: an address that carries an essential
            one anywhere is never contained by itself.
    """
    declared = device.containment
    if declared is None or not declared.on:
        return ()
    protected = merge((*_essential(legs), *_never(declared, zones.values())))
    inside: dict[str, list[Interval]] = {}
    for binding in device.zones:
        if binding.zone in declared.zones:
            inside.setdefault(binding.name, []).extend(_all_of(zones[binding.zone]))
    watched = tuple(
        (name, tuple(interval_text(part) for part in subtract(parts, protected)))
        for name, parts in sorted(inside.items())
    )
    return (
        LogProfile(
            name=naming.AUTOMATIC,
            lists=(),
            base=device.log_forwarding,
            signs=declared.on,
            watched=tuple(one for one in watched if one[1]),
            minutes=max(1, min(_MINUTES, declared.longest // 60)),
        ),
    )


def _essential(legs: Iterable[Leg]) -> Iterator[Interval]:
    for leg in legs:
        if leg.flow.essential:
            yield from _side(leg.source, leg.sources)
            yield from _side(leg.destination, leg.destinations)


def _side(zone: Zone, ends: Sequence[Endpoint]) -> Iterator[Interval]:
    if not ends:
        yield from _all_of(zone)
    assets = {asset.name: asset.addresses for asset in zone.assets}
    for end in ends:
        held = (end.network,) if end.network else assets.get(end.asset, ())
        yield from map(network_interval, held)


def _never(declared: Containment, zones: Iterable[Zone]) -> Iterator[Interval]:
    for zone in zones:
        for asset in zone.assets:
            if asset.name in declared.never:
                yield from map(network_interval, asset.addresses)


def _all_of(zone: Zone) -> Iterator[Interval]:
    owned = (address for asset in zone.assets for address in asset.addresses)
    yield from map(network_interval, (*zone.networks, *owned))
