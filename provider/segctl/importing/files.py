"""What was read off a device, as the text of inventory files: pure, and always in one order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.compiler import naming
from segctl.compiler.naming import DEFAULT_SITE
from segctl.importing.contained import containment_text
from segctl.importing.words import group_name, one_line
from segctl.importing.yaml import comments, entry, flow, listed, mapping, scalar
from segctl.inventory.loading import ways_of
from segctl.inventory.mocked import MARK

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from segctl.model.site import Asset, Conduit, Device, Endpoint, Flow, Position, Site, Zone

_LONGEST_COMMENT = 200


def inventory_files(
    *,
    site: Site,
    device: Device,
    connection: Mapping[str, object],
    zone_notes: Mapping[str, tuple[str, ...]],
    conduit_notes: Mapping[str, tuple[str, ...]],
    left: Iterable[str],
    site_id: str,
) -> dict[str, str]:
    """Return the files of an inventory by path below its folder."""
    group = group_name(site_id, device.name)
    return joined(
        {
            "hosts.yml": _hosts(device, group, connection),
            f"host_vars/{device.name}.yml": _host_vars(device, site_id),
            f"group_vars/{group}/zones.yml": zones_text(site, device.name, zone_notes, site_id),
            f"group_vars/{group}/conduits.yml": conduits_text(
                site, device.name, conduit_notes, left
            ),
        }
    )


def joined(texts: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Return each file's lines as its text."""
    return {path: "\n".join(lines) + "\n" for path, lines in texts.items()}


def _short(texts: Iterable[str]) -> list[str]:
    plain = (one_line(text) for text in texts)
    return [
        text if len(text) <= _LONGEST_COMMENT else f"{text[:_LONGEST_COMMENT]}…" for text in plain
    ]


# --- the host ------------------------------------------------------------------------------------


def _hosts(device: Device, group: str, connection: Mapping[str, object]) -> list[str]:
    peer = ways_of(connection).get(device.ha_peer, {})
    return [
        *head(device.name),
        "all:",
        "  children:",
        f"    {scalar(group)}:",
        "      hosts:",
        *mapping(8, device.name, reached(10, connection)),
        *(mapping(8, device.ha_peer, reached(10, peer)) if device.ha_peer else []),
    ]


def head(name: str) -> list[str]:
    """Return what stands above the hosts."""
    return [
        f"# {name} as found by `segctl import`. It holds no password: give it as",
        "# SEGCTL_PASSWORD, or as ansible_password in a file made with ansible-vault.",
    ]


def reached(indent: int, connection: Mapping[str, object]) -> list[str]:
    """Return the connection variables that are text or numbers, and no secret."""
    return [
        entry(indent, name, value)
        for name, value in sorted(connection.items())
        if isinstance(value, str | int) and name != MARK
    ]


def _host_vars(device: Device, site: str) -> list[str]:
    variable = "segctl_device_group" if device.scope.kind else "segctl_vsys"
    return [
        *zone_map(device, site),
        "",
        *([entry(0, variable, device.scope.name)] if device.scope else []),
        *([entry(0, "segctl_ha_peer", device.ha_peer)] if device.ha_peer else []),
        *position_text(device.position),
        *profiles_text(device),
        *forwarding_text(device),
        *default_text(device),
        *unknown_text(device),
        *schedules_text(device),
        *containment_text(device, site),
    ]


def zone_map(device: Device, site: str) -> list[str]:
    """Return which zones the firewall is attached to."""
    interfaced = {binding.name for binding in device.zones if binding.interfaces}
    body: list[str] = []
    for binding in device.zones:
        zone = binding.zone.removeprefix(f"{site}/")
        body += mapping(2, zone, [entry(4, "zone", binding.name)])
        if binding.interfaces:
            body += listed(4, "interfaces", binding.interfaces)
        elif binding.name in interfaced:
            body[-2] += "  # lies behind: remove it here once its own firewall is in the inventory"
    return [
        "# The zones this firewall is attached to, by our id: `zone` is what the device calls it.",
        *mapping(0, "segctl_zone_map", body),
    ]


def profiles_text(device: Device) -> list[str]:
    """Return which profile groups the words of the inventory mean."""
    if not device.threat_profiles:
        return []
    profiles = [entry(2, level, name) for level, name in device.threat_profiles]
    note = "# The device's profile groups for strict and alert."
    return ["", note, *mapping(0, "segctl_threat_profiles", profiles)]


#: What nobody can tell from a profile by which the firewall contains by itself.
_BY_ITSELF = (
    "# By this profile the firewall contains by itself; it stays as it is. To have it made anew,",
    "# name the profile that it repeats here, and on and zones in segctl_containment.",
)


def forwarding_text(device: Device) -> list[str]:
    """Return the profile by which rules forward their logs."""
    if not device.log_forwarding:
        return []
    line = entry(0, "segctl_log_forwarding", device.log_forwarding)
    return ["", *(_BY_ITSELF if device.log_forwarding == naming.AUTOMATIC else ()), line]


def default_text(device: Device) -> list[str]:
    """Return whether segctl does with unmatched traffic what it would."""
    if device.default_rules != "leave":
        return []
    return [
        "",
        "# This firewall does not deny and log unmatched traffic as segctl would.",
        "# Delete this line to let segctl do so.",
        entry(0, "segctl_default_rules", "leave"),
    ]


def unknown_text(device: Device) -> list[str]:
    """Return whether what the device does not recognise is denied by a rule of its own."""
    if not device.unknown_applications:
        return []
    return ["", entry(0, "segctl_unknown_applications", device.unknown_applications)]


def position_text(position: Position) -> list[str]:
    """Return where our rules stand."""
    note = "# The position of our rules among those of others."
    if position.where in {"first", "last"}:
        return [note, entry(0, "segctl_position", position.where)]
    return [note, "segctl_position:", entry(2, position.where, position.rule)]


def schedules_text(device: Device) -> list[str]:
    """Return the schedules that rules of ours or suggestions use."""
    if not device.schedules:
        return []
    body: list[str] = []
    for schedule in device.schedules:
        if schedule.daily:
            windows = [f"    daily: {_quoted(schedule.daily)}"]
        else:
            days = [f"      {day}: {_quoted(found)}" for day, found in schedule.weekly]
            windows = ["    weekly:", *days]
        body += mapping(2, schedule.name, windows)
    return ["", *mapping(0, "segctl_schedules", body)]


def _quoted(windows: Iterable[str]) -> str:
    return "[" + ", ".join(f'"{window}"' for window in windows) + "]"


# --- zones ---------------------------------------------------------------------------------------


def zones_text(
    site: Site, name: str, notes: Mapping[str, tuple[str, ...]], site_id: str
) -> list[str]:
    """Return the zones, taken from the device of this name."""
    lines = [
        f"# Zones, taken from the rules and objects of {name}.",
        "# Please add what no firewall knows: name, level, kind and security_level; networks",
        "# and assets that no rule has named so far.",
    ]
    if site_id != DEFAULT_SITE:
        lines += [entry(0, "segctl_site", site_id), ""]
    body = [line for zone in site.zones for line in zone_lines(zone, notes.get(zone.id, ()))]
    return [*lines, *mapping(0, "segctl_zones", body)]


def zone_lines(zone: Zone, notes: Iterable[str]) -> list[str]:
    """Return a zone, with what is said of it."""
    known = zone.level is not None
    level = "give its own level: this one makes the same islands" if known else "level: ?"
    body = comments(4, (level, *_short(notes)))
    if known:
        body.append(f"    level: {zone.level:g}")
    if zone.networks:
        body += listed(4, "networks", zone.networks)
    if zone.assets:
        assets = [f"      {scalar(asset.name)}: {_asset(asset)}" for asset in zone.assets]
        body += mapping(4, "assets", assets)
    if zone.intrazone == "deny":
        body.append(entry(4, "intrazone", "deny"))
    return ["", *mapping(2, zone.id, body)]


def _asset(asset: Asset) -> str:
    addresses = [str(network.network_address) for network in asset.addresses]
    if asset.role.strip():
        return f"{{addresses: {flow(addresses)}, role: {scalar(one_line(asset.role))}}}"
    return scalar(addresses[0]) if len(addresses) == 1 else flow(addresses)


# --- conduits ------------------------------------------------------------------------------------


def conduits_text(
    site: Site, name: str, notes: Mapping[str, tuple[str, ...]], left: Iterable[str]
) -> list[str]:
    """Return the conduits: ours, then the suggestions, then what suggests none."""
    ours = [conduit for conduit in site.conduits if conduit.id not in notes]
    suggested = [conduit for conduit in site.conduits if conduit.id in notes]
    body: list[str] = []
    for conduit in ours:
        body += _conduit(conduit, ())
    if suggested:
        body += [
            "",
            "  # --- Suggestions: rules of others on the device, first to last ---",
            "  # They compile to nothing while `mode` is absent. One at a time: find the owner and",
            "  # the reason, narrow the flow, set `mode: enforce`, apply, delete the old rule.",
        ]
    for conduit in suggested:
        body += _conduit(conduit, notes[conduit.id])
    rest = _short(left)
    if rest:
        rest = ["", "# Rules of others that suggest no conduit:", *comments(0, rest)]
    return [
        f"# Permitted traffic between zones, taken from the rules of {name}.",
        *mapping(0, "segctl_conduits", body),
        *rest,
    ]


def _conduit(conduit: Conduit, notes: Iterable[str]) -> list[str]:
    body = comments(4, _short(notes))
    body += side("from", conduit.from_zones, conduit.site)
    body += side("to", conduit.to_zones, conduit.site)
    body += [entry(4, "reason", conduit.reason), entry(4, "owner", conduit.owner)]
    if conduit.ticket:
        body.append(entry(4, "ticket", conduit.ticket))
    if conduit.expires:
        body.append(f"    expires: {conduit.expires.isoformat()}")
    if conduit.mode != "enforce":
        body.append(entry(4, "mode", conduit.mode))
    if conduit.threat_prevention:
        body.append(entry(4, "threat_prevention", conduit.threat_prevention))
    flows = [line for one in conduit.flows for line in flow_lines(one)]
    body += mapping(4, "flows", flows)
    return ["", *mapping(2, conduit.id, body)]


def side(key: str, zones: Iterable[str], site: str) -> list[str]:
    """Return the zones on one side of a conduit."""
    ids = [zone.removeprefix(f"{site}/") for zone in zones]
    return [entry(4, key, ids[0])] if len(ids) == 1 else listed(4, key, ids)


def flow_lines(found: Flow) -> list[str]:
    """Return a flow of a conduit."""
    body: list[str] = []
    if found.sources:
        body += listed(8, "source", _ends(found.sources))
    if found.destinations:
        body += listed(8, "destination", _ends(found.destinations))
    if found.protocols:
        uses = [line for use in found.protocols for line in listed(10, use.protocol, use.classes)]
        body += mapping(8, "protocols", uses)
    for key, values in (
        ("services", tuple(map(str, found.services))),
        ("applications", found.applications),
        ("users", found.users),
    ):
        if values:
            body += listed(8, key, values)
    if found.schedule:
        body.append(entry(8, "schedule", found.schedule))
    if found.essential:
        body.append(entry(8, "essential", value=True))
    if not found.log:
        body.append(entry(8, "log", value=False))
    return mapping(6, found.id, body)


def _ends(endpoints: Iterable[Endpoint]) -> list[str]:
    return list(dict.fromkeys(end.asset or str(end.network) for end in endpoints))
