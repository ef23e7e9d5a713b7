"""Inventories to try a provider on."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from ipaddress import ip_network
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from segctl.compiler.build import compile_site
from segctl.compiler.groups import gathered
from segctl.model.site import (
    Asset,
    Conduit,
    Containment,
    Endpoint,
    Flow,
    PortRange,
    ProtocolUse,
    Site,
    Zone,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal

    from hypothesis.strategies import DrawFn, SearchStrategy

    from segctl.compiler.build import Desired
    from segctl.model.site import Device, Network
    from segctl.providers.base import Capabilities

#: The day on which the strategies' inventories are compiled.
TODAY = date(2026, 1, 1)
#: Protocols with functions that every platform with application names must tell apart.
_USES = (
    ProtocolUse(protocol="modbus", classes=("read",)),
    ProtocolUse(protocol="modbus", classes=("read", "write")),
    ProtocolUse(protocol="iec-60870-5-104", classes=("read",)),
)
#: Levels of zones, in the order of a firewall's.
_LEVELS = (1.0, 2.0, 3.0, 3.5, 4.0, 5.0)


def _zone(key: str, number: int, *, ipv6: bool) -> Zone:
    site, _, name = key.partition("/")
    networks: list[Network] = [ip_network(f"10.{number}.0.0/24"), ip_network(f"10.{number}.2.0/23")]
    if ipv6:
        networks.append(ip_network(f"fd00:{number:x}::/64"))
    assets = [
        Asset(name=f"a{index}", addresses=(ip_network(f"10.{number}.0.{10 + index}/32"),))
        for index in range(3)
    ]
    if ipv6:
        both = (ip_network(f"10.{number}.0.20/32"), ip_network(f"fd00:{number:x}::20/128"))
        assets.append(Asset(name="dual", addresses=both))
    return Zone(
        site=site,
        id=name,
        level=_LEVELS[min(number, len(_LEVELS)) - 1],
        networks=tuple(networks),
        assets=tuple(assets),
    )


def _endpoints(zone: Zone) -> SearchStrategy[tuple[Endpoint, ...]]:
    some = st.sampled_from(
        [
            *(Endpoint(zone=zone.key, asset=asset.name) for asset in zone.assets),
            *(Endpoint(zone=zone.key, network=network) for network in zone.networks),
        ]
    )
    return st.one_of(
        st.just(()), st.lists(some, min_size=1, max_size=3, unique=True).map(_with_ipv4)
    )


def _with_ipv4(found: list[Endpoint]) -> tuple[Endpoint, ...]:
    """Add an asset with both versions where all others would be of the one only."""
    first = found[0]
    if all(endpoint.network is not None and endpoint.network.version == 6 for endpoint in found):
        return (Endpoint(zone=first.zone, asset="dual"), *found)
    return tuple(found)


def _ports() -> SearchStrategy[tuple[PortRange, ...]]:
    def port(protocol: Literal["tcp", "udp"], first: int, size: int) -> PortRange:
        return PortRange(protocol=protocol, first=first, last=first + size)

    one = st.builds(
        port,
        st.sampled_from(("tcp", "udp")),
        st.sampled_from((22, 443, 502, 8443)),
        st.sampled_from((0, 0, 10)),
    )
    return st.lists(one, min_size=1, max_size=2, unique=True).map(tuple)


def _protocols() -> SearchStrategy[tuple[ProtocolUse, ...]]:
    some = st.sampled_from(_USES)
    return st.lists(some, min_size=1, max_size=2, unique_by=lambda use: use.protocol).map(tuple)


@st.composite
def _flows(draw: DrawFn, name: str, source: Zone, target: Zone, platform: Capabilities) -> Flow:
    kinds = ["services", *(["protocols", "applications"] if platform.applications else [])]
    kind = draw(st.sampled_from(kinds))
    users = st.sampled_from(((), (), ("plant\\engineers",), ("plant\\a", "plant\\b")))
    return Flow(
        id=name,
        sources=draw(_endpoints(source)),
        destinations=draw(_endpoints(target)),
        services=draw(_ports()) if kind == "services" else (),
        protocols=draw(_protocols()) if kind == "protocols" else (),
        applications=draw(st.sampled_from((("ssl",), ("ssl", "web-browsing"), ("ping",))))
        if kind == "applications"
        else (),
        users=draw(users) if platform.users else (),
        log=draw(st.booleans()),
    )


@st.composite
def sites(draw: DrawFn, device: Device, platform: Capabilities, *, flows: int = 5) -> Site:
    """Inventories with one firewall, `device`, and at most `flows` flows between its zones.

    Ids come from a small pool, so that of two such inventories one is a change of the other.
    """
    zones = tuple(
        _zone(binding.zone, number, ipv6=platform.ipv6)
        for number, binding in enumerate(device.zones, 1)
    )
    conduits: list[Conduit] = []
    names = draw(st.lists(st.sampled_from("abcdefg"), max_size=flows, unique=True))
    for name in names:
        source, target = draw(st.permutations(zones))[:2]
        count = draw(st.integers(1, 2))
        conduits.append(
            Conduit(
                site=source.site,
                id=f"c-{name}",
                from_zones=(source.key,),
                to_zones=(target.key,),
                reason=draw(
                    st.sampled_from(("polling", "<b>'quoted' & \"more\"</b>", "Überwachung"))
                ),
                owner="process-automation",
                mode=draw(st.sampled_from(("enforce", "enforce", "monitor"))),
                flows=tuple(
                    draw(_flows(f"f{number}", source, target, platform)) for number in range(count)
                ),
            )
        )
    return Site(zones=zones, conduits=tuple(conduits), devices=(device,))


def containments(
    platform: Capabilities, zones: Sequence[str] = ()
) -> SearchStrategy[Containment | None]:
    """Nothing prepared, or who may be contained without or with flows that go on meanwhile.

    Of `zones` (keys, from the lowest level up) some can be islands, and so can the site of those
    that reach beyond its end.
    """
    none = st.none()
    if not platform.contains:
        return none
    lower = [key for key, level in zip(zones, _LEVELS, strict=False) if level < _LEVELS[3]]
    able = lower if len(zones) > len(lower) else lower[:-1]
    sites = {key.partition("/")[0] for key in lower} if len(zones) > len(lower) else set[str]()
    islands = st.lists(st.sampled_from([*able, *sorted(sites)]), max_size=2, unique=True)
    some = st.builds(
        Containment,
        survives=st.sampled_from((None, (), ("c-a/f0", "c-b/f1", "c-c/f0"))),
        islands=islands.map(tuple) if able else st.just(()),
    )
    return st.one_of(none, some)


def unknown_applications(platform: Capabilities) -> SearchStrategy[Literal["", "deny"]]:
    """Whether what is not recognised is denied, where the platform recognises anything."""
    found: tuple[Literal["", "deny"], ...] = ("", "", "deny") if platform.applications else ("",)
    return st.sampled_from(found)


def desired(device: Device, platform: Capabilities) -> SearchStrategy[Desired]:
    """What inventories of `sites` compile to for `device`, or for all firewalls of a group."""
    return sites(device, platform).map(lambda site: compiled(site, device))


def compiled(site: Site, device: Device) -> Desired:
    """Compile an inventory for a firewall, or for the firewalls of a group together."""
    if not device.members:
        return compile_site(site, TODAY)[device.name]
    firewalls = tuple(
        replace(
            one,
            position=device.position,
            containment=device.containment,
            unknown_applications=device.unknown_applications,
        )
        for one in device.members
    )
    every = compile_site(replace(site, devices=firewalls), TODAY)
    (found,) = gathered(every, [one.name for one in firewalls])
    return found
