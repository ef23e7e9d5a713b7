"""What is allowed and still worth a second look: findings about the policy, without a device."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from segctl.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segctl.intent import Conduit, Flow, Site, Source, Zone

_SOON: Final = timedelta(days=30)
_ENTERPRISE: Final = 4.0
_CONTROL: Final = 2.0
_DMZ_LEVEL: Final = 3.5
_INTERACTIVE: Final = {"tcp/22": "SSH", "tcp/23": "Telnet", "tcp/3389": "RDP"}


def find(site: Site, today: date) -> tuple[Problem, ...]:
    """Return all findings, each with the place that causes it."""
    zones = {zone.key: zone for zone in site.zones}
    found: list[Problem] = []
    found += _shared_networks(site)
    found += _unattached(site)
    for conduit in site.conduits:
        if conduit.mode == "absent":
            continue
        found += _dates(conduit, today)
        found += _boundaries(conduit, zones)
        for flow in conduit.flows:
            found += _flow(conduit, flow)
    return tuple(dict.fromkeys(found))


def _warning(source: Source, path: str, message: str, hint: str = "") -> Problem:
    return Problem(
        message=message,
        file=source.file,
        line=source.line,
        column=source.column,
        path=path,
        hint=hint,
        severity="warning",
    )


def _shared_networks(site: Site) -> Iterator[Problem]:
    """Two zones in one subnet: only a layer-2 firewall could tell them apart."""
    ranges = sorted(
        (
            (network.version, int(network.network_address), int(network.broadcast_address), index)
            for index, zone in enumerate(site.zones)
            for network in zone.networks
        ),
    )
    seen: set[tuple[int, int]] = set()
    open_ranges: list[tuple[int, int, int]] = []
    for version, first, last, index in ranges:
        open_ranges = [one for one in open_ranges if one[0] == version and one[1] >= first]
        for _, _, other in open_ranges:
            pair = (min(index, other), max(index, other))
            if index != other and pair not in seen:
                seen.add(pair)
                yield _shares(site.zones[pair[0]], site.zones[pair[1]])
        open_ranges.append((version, last, index))


def _shares(one: Zone, other: Zone) -> Problem:
    return _warning(
        other.declared,
        other.key,
        f"shares a network with zone {one.key} ({one.declared}): weak segmentation",
        "give each zone its own network, or list the assets so that rules name addresses",
    )


def _unattached(site: Site) -> Iterator[Problem]:
    attached = {binding.zone for device in site.devices for binding in device.zones}
    for zone in site.zones:
        if zone.key not in attached:
            yield _warning(
                zone.declared,
                zone.key,
                "is attached to no firewall",
                f"add {zone.id} to segctl_zone_map of the firewall next to it",
            )


def _dates(conduit: Conduit, today: date) -> Iterator[Problem]:
    def warn(message: str, hint: str) -> Problem:
        return _warning(conduit.declared, conduit.key, message, hint)

    if conduit.review_by is not None and conduit.review_by < today:
        yield warn(f"was to be reviewed by {conduit.review_by}", f"ask {conduit.owner}")
    if conduit.expires is None:
        return
    if conduit.expired(today):
        yield warn(f"expired on {conduit.expires}: it is no longer in the policy", "remove it")
    elif conduit.expires <= today + _SOON:
        yield warn(f"expires on {conduit.expires}", f"ask {conduit.owner} whether it is needed")
    if not conduit.ticket:
        yield warn("expires and has no ticket", "name the change that approved it")


def _boundaries(conduit: Conduit, zones: dict[str, Zone]) -> Iterator[Problem]:
    for from_key in conduit.from_zones:
        for to_key in conduit.to_zones:
            if from_key in zones and to_key in zones:
                yield from _boundary(conduit, zones[from_key], zones[to_key])


def _boundary(conduit: Conduit, one: Zone, other: Zone) -> Iterator[Problem]:
    if one.level is None or other.level is None:
        return
    low, high = sorted((one, other), key=lambda zone: zone.level or 0.0)
    if (high.level or 0) >= _ENTERPRISE and (low.level or 0) < _DMZ_LEVEL:
        serious = (low.level or 0) <= _CONTROL
        yield _warning(
            conduit.declared,
            conduit.key,
            f"skips the DMZ: {high.key} (level {high.level:g}) and {low.key} "
            f"(level {low.level:g}) exchange traffic directly",
            "end every session in a level 3.5 zone"
            + (" (NIST SP 800-82: no direct traffic to control networks)" if serious else ""),
        )
    for zone in (one, other):
        if zone.kind == "external" and (low.level or 0) < _DMZ_LEVEL and zone is not low:
            yield _warning(
                conduit.declared,
                conduit.key,
                f"joins the external zone {zone.key} to {low.key} (level {low.level:g})",
                "bring external traffic to the DMZ first",
            )


def _flow(conduit: Conduit, flow: Flow) -> Iterator[Problem]:
    path = f"{conduit.key}.{flow.id}"
    if flow.functions == "not-enforced":
        yield _warning(
            flow.declared,
            path,
            "the functions of its protocols are not enforced",
            "use a platform that identifies them, or narrow the assets",
        )
    for service in flow.services:
        if str(service) == "tcp/23":
            yield _warning(
                flow.declared, path, "permits Telnet, which sends passwords in clear", "use SSH"
            )
        if service.last - service.first >= _WIDE:
            yield _warning(
                flow.declared,
                path,
                f"permits a very wide range of ports: {service}",
                "name the ports, or the application",
            )
    yield from _protocol_confidence(flow, path)


_WIDE: Final = 10_000


def _protocol_confidence(flow: Flow, path: str) -> Iterator[Problem]:
    if not flow.protocols and not flow.applications:
        return
    from segctl.protocols import catalogue

    known = catalogue()
    for use in flow.protocols:
        if use.protocol in known and known.get(use.protocol).confidence == "low":
            yield _warning(
                flow.declared,
                path,
                f"what the catalogue knows of {use.protocol} is not verified",
                "check the application names on the firewall first",
            )
    for name in flow.applications:
        if caution := known.caution(name):
            yield _warning(flow.declared, path, caution)
