"""What is allowed and still worth a second look: findings about the policy, without a device."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from segctl.inventory.segmentation import judge
from segctl.model.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from segctl.model.site import Conduit, Flow, Site, Source, Zone

_SOON: Final = timedelta(days=30)
#: Purdue levels from here up are the enterprise, below 3.5 is operations.
_ENTERPRISE: Final = 4.0
_DMZ: Final = 3.5
#: More ports than this in one range are no longer a service.
_WIDE: Final = 10_000
#: Plain services that are never a good idea: own words after NIST SP 800-82.
_CLEARTEXT: Final = {
    "tcp/21": "FTP sends passwords in clear",
    "tcp/23": "Telnet sends passwords in clear",
    "udp/69": "TFTP asks for no password",
}


def find(site: Site, today: date) -> tuple[Problem, ...]:
    """Return all findings, each with the place that causes it."""
    zones = {zone.key: zone for zone in site.zones}
    found = [*_shared_networks(site), *_unattached(site)]
    for conduit in site.conduits:
        if conduit.mode == "absent":
            continue
        found += _dates(conduit, today)
        found += _boundaries(conduit, zones)
        for flow in conduit.flows:
            found += _flow(conduit, flow)
    return tuple(dict.fromkeys((*found, *judge(site, today))))


def _finding(kind: str, source: Source, subject: str, message: str, hint: str) -> Problem:
    return Problem(
        message=message,
        file=source.file,
        line=source.line,
        column=source.column,
        path=subject,
        hint=hint,
        severity="warning",
        kind=kind,
        subject=subject,
    )


# Zones


def _shared_networks(site: Site) -> Iterator[Problem]:
    """Yield zones that share a subnet: only a layer-2 firewall could tell them apart."""
    ranges = sorted(
        (network.version, int(network.network_address), int(network.broadcast_address), index)
        for index, zone in enumerate(site.zones)
        for network in zone.networks
    )
    seen: set[tuple[int, int]] = set()
    still_open: list[tuple[int, int, int]] = []
    for version, first, last, index in ranges:
        still_open = [one for one in still_open if one[0] == version and one[1] >= first]
        for _, _, other in still_open:
            pair = (min(index, other), max(index, other))
            if index != other and pair not in seen:
                seen.add(pair)
                yield _shared(site.zones[pair[0]], site.zones[pair[1]])
        still_open.append((version, last, index))


def _shared(one: Zone, other: Zone) -> Problem:
    return _finding(
        "shared-network",
        other.declared,
        other.key,
        f"shares a network with zone {one.key} ({one.declared}): weak segmentation",
        "give each zone its own network",
    )


def _unattached(site: Site) -> Iterator[Problem]:
    attached = {binding.zone for device in site.devices for binding in device.zones}
    for zone in site.zones:
        if zone.key not in attached:
            yield _finding(
                "unattached-zone",
                zone.declared,
                zone.key,
                "is attached to no firewall",
                f"add {zone.id} to segctl_zone_map of the firewall next to it",
            )


# Conduits


def _dates(conduit: Conduit, today: date) -> Iterator[Problem]:
    where = (conduit.declared, conduit.key)
    if conduit.review_by is not None and conduit.review_by < today:
        message = f"was to be reviewed by {conduit.review_by}"
        yield _finding("review-overdue", *where, message, f"ask {conduit.owner}")
    if conduit.expires is None:
        return
    if conduit.expired(today):
        message = f"expired on {conduit.expires}: it is no longer in the policy"
        yield _finding("expired", *where, message, "remove it, or have it approved again")
    elif conduit.expires <= today + _SOON:
        hint = f"ask {conduit.owner} whether it is still needed"
        yield _finding("expires-soon", *where, f"expires on {conduit.expires}", hint)
    if not conduit.ticket:
        hint = "name the change that approved it"
        yield _finding("no-ticket", *where, "is temporary and names no ticket", hint)


def _boundaries(conduit: Conduit, zones: Mapping[str, Zone]) -> Iterator[Problem]:
    for from_key in conduit.from_zones:
        for to_key in conduit.to_zones:
            if from_key in zones and to_key in zones:
                yield from _boundary(conduit, zones[from_key], zones[to_key])


def _boundary(conduit: Conduit, one: Zone, other: Zone) -> Iterator[Problem]:
    """Yield a finding when enterprise or external traffic meets operations directly."""
    for outer, inner in ((one, other), (other, one)):
        if inner.level is None or inner.level >= _DMZ:
            continue
        outside = outer.kind == "external" or (outer.level or 0) >= _ENTERPRISE
        if outside:
            yield _finding(
                "skips-dmz",
                conduit.declared,
                conduit.key,
                f"skips the DMZ: {outer.key} and {inner.key} (level {inner.level:g}) "
                "exchange traffic directly",
                "end every session in a zone of level 3.5",
            )


# Flows


def _flow(conduit: Conduit, flow: Flow) -> Iterator[Problem]:
    where = (flow.declared, f"{conduit.key}.{flow.id}")
    if flow.functions == "not-enforced":
        hint = "use a platform that identifies them, or narrow the assets"
        message = "the functions of its protocols are not enforced"
        yield _finding("functions-not-enforced", *where, message, hint)
    if wide := _any_application(flow):
        hint = "name the protocols it needs, or the platform's applications"
        yield _finding("any-application", *where, f"permits any application {wide}", hint)
    for service in flow.services:
        if reason := _CLEARTEXT.get(str(service)):
            yield _finding("cleartext", *where, f"permits {service}: {reason}", "use SSH or SFTP")
        if service.last - service.first >= _WIDE:
            hint = "name the ports, or the application"
            message = f"permits a very wide range of ports: {service}"
            yield _finding("wide-service", *where, message, hint)
    if flow.protocols or flow.applications:
        yield from _names(flow, *where)


def _any_application(flow: Flow) -> str:
    """Return on which ports a flow permits any application; empty when it names some."""
    named = flow.protocols or (flow.applications and "any" not in flow.applications)
    if named or not (flow.applications or flow.services):
        return ""
    ports = ", ".join(map(str, flow.services))
    return f"on {ports}" if ports else "on its default ports"


def _names(flow: Flow, source: Source, subject: str) -> Iterator[Problem]:
    from segctl.protocols import catalogue

    known = catalogue()
    for use in flow.protocols:
        if use.protocol in known and known.get(use.protocol).confidence == "low":
            message = f"what the catalogue knows of {use.protocol} is not verified"
            hint = "check the application names on the firewall first"
            yield _finding("unverified-protocol", source, subject, message, hint)
    for name in flow.applications:
        if caution := known.caution(name):
            yield _finding("application", source, subject, caution, "")
