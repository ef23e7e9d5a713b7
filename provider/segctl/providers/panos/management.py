"""How a firewall is managed and what it needs: its interfaces, servers and service routes.

Sources: running configurations of 8.0 to 11.1 (`deviceconfig/system`: ``dns-setting/servers``,
``ntp-servers``, ``update-server``, ``panorama``; `network/interface` with
``interface-management-profile``); vendor's administrator's guide, "Service Routes" (what is not
routed leaves through the management interface; `deviceconfig/system/route/service` and
``route/destination``) and "Ports Used for Management Functions", "… for HA", "… for Panorama".
"""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address, ip_interface
from typing import TYPE_CHECKING, Final

from segctl.model.errors import ParseError
from segctl.providers.management import Management, Need, Plane
from segctl.providers.panos.small import small

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from segctl.model.policy import FirewallZone
    from segctl.providers.panos.elements import Element
    from segctl.providers.panos.snapshot import Snapshot

_MANAGEMENT: Final = "management"
#: What is asked of which servers: name, their places in `system`, services, name of its route.
_ASKED: Final = (
    (
        "dns",
        ("dns-setting/servers/primary", "dns-setting/servers/secondary"),
        ("udp/53", "tcp/53"),
        "dns",
    ),
    (
        "ntp",
        (
            "ntp-servers/primary-ntp-server/ntp-server-address",
            "ntp-servers/secondary-ntp-server/ntp-server-address",
            "ntp-server-1",
            "ntp-server-2",
        ),
        ("udp/123",),
        "ntp",
    ),
    ("updates", ("update-server",), ("tcp/443",), "paloalto-networks-services"),
    (
        "panorama",
        (
            "panorama/local-panorama/panorama-server",
            "panorama/local-panorama/panorama-server-2",
            "panorama-server",
            "panorama-server-2",
        ),
        ("tcp/3978",),
        "panorama",
    ),
)
_SYSLOG_PORT: Final = "514"
_SYSLOG_TLS_PORT: Final = "6514"
#: HA1 in the clear and encrypted.
_HA: Final = ("tcp/28769", "tcp/28260", "tcp/28")


def management(
    snapshot: Snapshot,
    system: Element,
    zones: Iterable[FirewallZone],
    scopes: Iterable[Element | None],
) -> Management:
    """Return how a firewall is managed and what it needs.

    Args:
        snapshot: the document.
        system: the answer to `show system info`.
        zones: those of the virtual system, with their interfaces.
        scopes: what is left of the virtual system and of shared, with their log settings.
    """
    roots, unread = _roots(snapshot)
    zone_of = {port: zone.name for zone in zones for port in zone.interfaces}
    planes = [*_own(system), *_dataplane(roots, zone_of, unread)]
    settings = [found for root in roots for found in root.iterfind(".//deviceconfig/system")]
    routes = _Routes(settings, {plane.interface: plane for plane in planes}, zone_of, planes)
    needs = [
        *_asked(settings, routes),
        *_syslog(scopes, routes),
        *_high_availability(roots, planes),
    ]
    return Management(planes=tuple(planes), needs=tuple(needs), unread=tuple(dict.fromkeys(unread)))


def _roots(snapshot: Snapshot) -> tuple[list[Element], list[str]]:
    """Return the trees that hold settings, those of Panorama's templates too."""
    roots: list[Element] = []
    unread: list[str] = []
    for part in ("deviceconfig", "network", "pushed template"):
        if part in snapshot.parts:
            try:
                roots.append(small(snapshot.host, part, snapshot.parts[part]))
            except ParseError as error:
                if "No such node" not in error.message:
                    unread.append(error.message)
        elif f"{part} refused" in snapshot.parts:
            unread.append("the settings of Panorama's template are not shown")
    return roots, unread


# --- addresses -----------------------------------------------------------------------------------


def _own(system: Element) -> Iterator[Plane]:
    """Yield the addresses of the interface for management."""
    for tag in ("ip-address", "ipv6-address"):
        if address := _host(system.findtext(f"result/system/{tag}")):
            yield Plane(address=address, interface=_MANAGEMENT, manages=True)


def _dataplane(
    roots: Iterable[Element], zone_of: Mapping[str, str], unread: list[str]
) -> Iterator[Plane]:
    """Yield the addresses of the other interfaces that are in a zone."""
    trees = list(roots)
    profiles = {
        entry.get("name", ""): any(
            (entry.findtext(tag) or "").strip() == "yes" for tag in ("https", "ssh")
        )
        for root in trees
        for entry in root.iterfind(".//profiles/interface-management-profile/entry")
    }
    for root in trees:
        for entry in root.iterfind(".//interface//entry"):
            name = entry.get("name", "")
            if name not in zone_of:
                continue
            for layer in (entry, *entry.iterfind("layer3")):
                profile = (layer.findtext("interface-management-profile") or "").strip()
                if profile and profile not in profiles:
                    unread.append(f"the management profile {profile} of {name} is not known")
                manages = bool(profile) and profiles.get(profile, True)
                if layer.find("dhcp-client") is not None and manages:
                    unread.append(f"the address of {name}, which DHCP gives it")
                for held in (*layer.iterfind("ip/entry"), *layer.iterfind("ipv6/address/entry")):
                    address = _host(held.get("name"))
                    if not address and manages:
                        unread.append(f"the address {held.get('name')} of {name} is an object")
                    if address:
                        yield Plane(
                            address=address, interface=name, zone=zone_of[name], manages=manages
                        )


def _host(text: str | None) -> str:
    """Return an address of a device without its mask; nothing where there is none."""
    with suppress(ValueError):
        found = ip_interface((text or "").strip()).ip
        return "" if found.is_unspecified else str(found)
    return ""


# --- what is asked of others ---------------------------------------------------------------------


class _Routes:
    """From which address, through which interface, the firewall asks for what."""

    def __init__(
        self,
        settings: Sequence[Element],
        planes: Mapping[str, Plane],
        zone_of: Mapping[str, str],
        every: Sequence[Plane],
    ) -> None:
        self._services = _entries(settings, "route/service/entry")
        self._destinations = _entries(settings, "route/destination/entry")
        self._planes = planes
        self._zone_of = zone_of
        self._own = next((one.address for one in every if one.interface == _MANAGEMENT), "")

    def need(self, name: str, hosts: Sequence[str], services: Sequence[str], route: str) -> Need:
        """Return a need with the address and zone from which it is asked."""
        entry = self._services.get(route)
        for host in hosts:
            entry = self._destinations.get(host, entry)
        source, zone = self._own, ""
        if entry is not None:
            port = (entry.findtext("source/interface") or "").strip()
            given = entry.findtext("source/address") or entry.findtext("source-address")
            held = self._planes.get(port)
            source = _host(given) or (held.address if held else "")
            zone = self._zone_of.get(port, "")
            if not zone and port != "MGT":
                zone = next((p.zone for p in self._planes.values() if p.address == source), "")
        return Need(
            name=name, hosts=tuple(hosts), services=tuple(services), source=source, zone=zone
        )


def _entries(settings: Iterable[Element], path: str) -> dict[str, Element]:
    return {
        entry.get("name", ""): entry for setting in settings for entry in setting.iterfind(path)
    }


def _asked(settings: Sequence[Element], routes: _Routes) -> Iterator[Need]:
    for name, places, services, route in _ASKED:
        hosts = [
            text
            for setting in settings
            for place in places
            if (text := (setting.findtext(place) or "").strip())
        ]
        for host in dict.fromkeys(hosts):
            yield routes.need(name, (host,), services, route)


def _syslog(scopes: Iterable[Element | None], routes: _Routes) -> Iterator[Need]:
    seen: set[tuple[str, str]] = set()
    for scope in scopes:
        for entry in () if scope is None else scope.iterfind("log-settings/syslog/entry/server/*"):
            host = (entry.findtext("server") or "").strip()
            way = (entry.findtext("transport") or "UDP").strip().upper()
            port = (entry.findtext("port") or "").strip()
            port = port or (_SYSLOG_TLS_PORT if way == "SSL" else _SYSLOG_PORT)
            service = f"{'udp' if way == 'UDP' else 'tcp'}/{port}"
            if host and (host, service) not in seen:
                seen.add((host, service))
                yield routes.need("syslog", (host,), (service,), "syslog")


def _high_availability(roots: Iterable[Element], planes: Sequence[Plane]) -> Iterator[Need]:
    """Yield the control link to the peer, where HA is on: other links carry no address here."""
    for root in roots:
        for high in root.iterfind(".//deviceconfig/high-availability"):
            if (high.findtext("enabled") or "").strip() != "yes":
                continue
            for number, tag in (("", "peer-ip"), ("-backup", "peer-ip-backup")):
                peers = {text for found in high.iter(tag) if (text := (found.text or "").strip())}
                link = high.find(f"interface/ha1{number}")
                port = "" if link is None else (link.findtext("port") or "").strip()
                own = "" if link is None else _host(link.findtext("ip-address"))
                if port in ("", _MANAGEMENT) and not own:
                    own = next((p.address for p in planes if p.interface == _MANAGEMENT), "")
                mask = "" if link is None else (link.findtext("netmask") or "").strip()
                for peer in sorted(peers):
                    if not _beside(own, mask, peer):
                        yield Need(name="ha", hosts=(peer,), services=_HA, source=own)


def _beside(own: str, mask: str, peer: str) -> bool:
    """Whether a peer is in the network of a link of its own: then no firewall lies between."""
    with suppress(ValueError):
        return ip_address(peer) in ip_interface(f"{own}/{mask}").network
    return False
