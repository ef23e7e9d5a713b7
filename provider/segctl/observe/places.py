"""Where an address is: its zone and its asset, by what the inventory declares."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from segctl.model.site import Device, Network, Site

#: So many addresses are remembered with their places.
_REMEMBERED = 300_000
_NO_NAMES: Mapping[str, frozenset[str]] = MappingProxyType({})
_NO_ZONES: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The zone (key) and the asset of an address; empty where the inventory has none.

    `several` says that the address is in several zones alike, so that it is in none for certain.
    """

    zone: str = ""
    asset: str = ""
    several: bool = False


class Places:
    """Finds places, each address once."""

    def __init__(self, site: Site, called: Mapping[str, str] = MappingProxyType({})) -> None:
        """Take the zones and firewalls of a site; `called` says which host a witness is."""
        self._networks: dict[tuple[int, int], dict[int, list[tuple[str, str]]]] = {}
        devices = _by_witness(site.devices)
        self._devices = devices | {
            witness: devices[name] for witness, name in called.items() if name in devices
        }
        self._known: dict[tuple[str, frozenset[str]], Place] = {}
        for zone in site.zones:
            for network in zone.networks:
                self._put(network, zone.key, "")
            for asset in zone.assets:
                for address in asset.addresses:
                    self._put(address, zone.key, asset.name)
        self._lengths = sorted(self._networks, key=lambda key: (key[0], -key[1]))

    def of(self, address: str, witness: str = "", name: str = "") -> Place:
        """Return where an address is.

        Args:
            address: in its canonical form.
            witness: the firewall that saw it, by its name or serial number.
            name: the zone in which that firewall says it is, in the firewall's words.
        """
        hint = self._devices.get(witness, _NO_NAMES).get(name, _NO_ZONES)
        key = (address, hint)
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            found = self._known[key] = self._found(address, hint)
        return found

    def named(self, witness: str, name: str) -> frozenset[str] | None:
        """Return the zones that a firewall calls by a name; None where it is no firewall of ours.

        Args:
            witness: the firewall, by its name or serial number.
            name: of the zone, or of an interface, in the firewall's words.
        """
        found = self._devices.get(witness)
        return None if found is None else found.get(name, _NO_ZONES)

    def _put(self, network: Network, zone: str, asset: str) -> None:
        length = (network.version, network.prefixlen)
        first = int(network.network_address)
        self._networks.setdefault(length, {}).setdefault(first, []).append((zone, asset))

    def _found(self, address: str, hint: frozenset[str]) -> Place:
        """Return the place by the smallest network; an asset comes before a network alike."""
        host = ip_address(address)
        for version, prefix in self._lengths:
            if version != host.version:
                continue
            bits = host.max_prefixlen - prefix
            held = self._networks[version, prefix].get(int(host) >> bits << bits)
            if held is not None:
                return _chosen(held, hint)
        # outside every network: where the firewall says, if that is one zone of ours
        return Place(zone=next(iter(hint))) if len(hint) == 1 else Place()


def _by_witness(devices: Iterable[Device]) -> dict[str, dict[str, frozenset[str]]]:
    """Return the zones (keys) that a firewall's own names of zones stand for, by its names."""
    found: dict[str, dict[str, frozenset[str]]] = {}
    for device in devices:
        zones: dict[str, frozenset[str]] = {}
        for binding in device.zones:
            for name in (binding.name, *binding.interfaces):
                zones[name] = zones.get(name, frozenset()) | {binding.zone}
        names = {device.name, device.serial, device.ha_peer, device.peer_serial} - {""}
        found.update(dict.fromkeys(names, zones))
    return found


def _chosen(held: list[tuple[str, str]], hint: frozenset[str]) -> Place:
    fitting = [one for one in held if one[0] in hint] or held
    named = [one for one in fitting if one[1]] or fitting
    zones = {zone for zone, _ in named}
    if len(zones) > 1:
        return Place(several=True)
    zone, asset = named[0]
    return Place(zone=zone, asset=asset if len({name for _, name in named}) == 1 else "")
