"""From the address objects of ours back to zones with their networks and assets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from segctl.compiler.ownership import Listed
from segctl.importing.networks import as_networks, cover, inside, networks_of
from segctl.model.addresses import meeting, merge, network_interval, subtract
from segctl.model.site import Asset, Zone

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from segctl.importing.labels import Labels, Piece
    from segctl.model.addresses import Interval
    from segctl.model.site import Network

#: Holds the addresses that the device's objects leave out of a network and that no zone it knows
#: has: they belong to zones it does not see.
ELSEWHERE = "elsewhere"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """A zone with the pieces of networks that it must own."""

    zone: Zone
    owned: tuple[Interval, ...]


def read_zones(
    labels: Labels, used: dict[str, AbstractSet[str]], intrazone: AbstractSet[str]
) -> tuple[Zone, ...]:
    """Return the zones that rules of ours name, by id.

    Args:
        labels: our address objects taken apart.
        used: the zones that rules name, with the objects that the rules name in each.
        intrazone: labels of zones that deny traffic inside themselves.
    """
    drafts = [_draft(labels, label, used[label], deny=label in intrazone) for label in sorted(used)]
    missing = _missing(drafts)
    zones = [draft.zone for draft in drafts]
    if missing:
        taken = {zone.id for zone in zones}
        name = next(
            name
            for number in range(1, len(taken) + 2)
            if (name := f"{ELSEWHERE}{'' if number == 1 else f'-{number}'}") not in taken
        )
        zones.append(Zone(site=labels.site, id=name, networks=missing))
    return tuple(zones)


def _draft(labels: Labels, label: str, names: AbstractSet[str], *, deny: bool) -> _Draft:
    whole = labels.groups.get(label)
    pieces = labels.of(label, sorted({*names, *(whole or ())}))
    members = labels.of(label, whole) if whole is not None else pieces
    owned = [piece.part for piece in members if not piece.asset]
    assets = _assets(pieces)
    networks = networks_of(owned)
    hosts = tuple(address for asset in assets for address in asset.addresses)
    ends = networks_of(piece.part for piece in pieces if not piece.asset and piece not in members)
    networks += tuple(_outside(ends, networks or hosts))
    if networks:
        networks += tuple(_outside(hosts, networks))
    if whole is None:
        owned += [network_interval(host) for host in hosts]
    zone = Zone(
        site=labels.site,
        id=labels.id(label),
        networks=networks,
        assets=assets,
        intrazone="deny" if deny else "allow",
    )
    return _Draft(zone=zone, owned=tuple(owned))


def _assets(pieces: Iterable[Piece]) -> tuple[Asset, ...]:
    """Return the assets that single addresses belong to, by name."""
    found: dict[str, list[Piece]] = {}
    for piece in pieces:
        if piece.asset and is_host(piece.part):
            found.setdefault(piece.asset, []).append(piece)
    return tuple(
        Asset(
            name=name,
            addresses=tuple(cover(piece.part) for piece in sorted(held, key=_part_of)),
            role=held[0].role,
        )
        for name, held in sorted(found.items())
    )


def _part_of(piece: Piece) -> Interval:
    return piece.part


def is_host(part: Interval) -> bool:
    """Whether an interval is a single address."""
    return part[1] == part[2]


def _outside(wanted: Iterable[Network], held: Sequence[Network]) -> Iterator[Network]:
    """Yield what lies in none of the `held` networks, as the inventory wants it to."""
    known = [network_interval(network) for network in held]
    for network in dict.fromkeys(wanted):
        if not any(inside(network_interval(network), one) for one in known):
            yield network


def _missing(drafts: Sequence[_Draft]) -> tuple[Network, ...]:
    """Return what must belong to others than these zones for each to own just its pieces.

    Every network of the result lies in one network of a zone: only such count as another's.
    """
    missing: dict[Network, None] = {}
    listed = Listed()
    for number, draft in enumerate(drafts):
        listed.add(str(number), parts_of(draft.zone))
    for number, draft in enumerate(drafts):
        own = [network_interval(network) for network in draft.zone.networks]
        foreign = (part for network in own for part in listed.inside(network, str(number)))
        known = merge((*draft.owned, *foreign))
        for network in own:
            for part in subtract([network], meeting(network, known)):
                missing.update(dict.fromkeys(as_networks(part)))
    return tuple(sorted(missing, key=network_interval))


def parts_of(zone: Zone) -> tuple[Interval, ...]:
    """Return the networks and addresses that a zone lists."""
    hosts = (address for asset in zone.assets for address in asset.addresses)
    return tuple(network_interval(network) for network in (*zone.networks, *hosts))
