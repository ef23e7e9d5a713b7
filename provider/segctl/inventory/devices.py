"""Firewalls: the hosts with a network operating system segctl knows, and their bindings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import cache
from typing import Final, Literal, cast

from segctl.compiler.groups import PANORAMA
from segctl.inventory.check import Checker, Node, Reference
from segctl.inventory.containment import read_containment
from segctl.inventory.schema import DAYS
from segctl.model.scope import DEFAULT_SCOPE, GROUP, LATE_GROUP, Scope
from segctl.model.site import Device, Position, Schedule, Source, ZoneBinding

_ENTRY_POINTS: Final = "segctl.providers"
#: Firewalls that may stand on a path whether or not their provider is installed.
_KNOWN: Final = {
    "asa": "asa",
    "cisco.asa.asa": "asa",
    "fortios": "fortios",
    "fortinet.fortios.fortios": "fortios",
    "junos": "junos",
    "junipernetworks.junos.junos": "junos",
}

#: Looks up the key of the zone that a reference names from a site.
ZoneKey = Callable[[Reference, str], "str | None"]


#: Platforms of device groups, which no host is of.
_OF_GROUPS: Final = frozenset({PANORAMA})


def platform_of(network_os: str) -> str | None:
    """Return the platform of an ``ansible_network_os``, or None when there is no provider.

    It is the last part of the name: ``panos`` as well as ``paloaltonetworks.panos.panos``.
    """
    if network_os in _KNOWN:
        return _KNOWN[network_os]
    try:
        return _installed(network_os.rpartition(".")[2])
    except LookupError:
        return None


@cache
def _installed(platform: str) -> str:
    """Return a platform that is installed: looking costs milliseconds, hosts are many."""
    from importlib.metadata import entry_points

    if platform in _OF_GROUPS or not entry_points(group=_ENTRY_POINTS, name=platform):
        raise LookupError(platform)  # which is not remembered
    return platform


def platform_hint(network_os: str) -> str:
    """Return a hint for a network operating system without provider: what is installed."""
    from importlib.metadata import entry_points

    names = sorted({entry.name for entry in entry_points(group=_ENTRY_POINTS)} - _OF_GROUPS)
    before, dot, last = network_os.rpartition(".")
    close = get_close_matches(last, names, n=1)
    return f"did you mean {before}{dot}{close[0]}?" if close else f"one of {', '.join(names)}"


def read_schedules(value: object) -> tuple[Schedule, ...]:
    """Return the schedules of a checked ``segctl_schedules``."""
    schedules: list[Schedule] = []
    for name, found in cast("dict[str, dict[str, object] | None]", value or {}).items():
        fields = found or {}
        weekly = cast("dict[str, tuple[str, ...]]", fields.get("weekly") or {})
        schedules.append(
            Schedule(
                name=name,
                daily=cast("tuple[str, ...]", fields.get("daily") or ()),
                weekly=tuple((day, weekly[day]) for day in DAYS if day in weekly),
            )
        )
    return tuple(schedules)


def read_device(
    checker: Checker,
    *,
    name: str,
    platform: str,
    site: str,
    nodes: Mapping[str, Node],
    found: Mapping[str, object],
    zone_key: ZoneKey,
    ha_peer: str,
    peer_serial: str,
    declared: Source,
) -> Device:
    """Return the firewall a host is; `found` are its checked segctl variables."""
    schedules = read_schedules(found.get("segctl_schedules"))
    _check_schedules(checker, nodes, schedules)
    profiles = cast("dict[str, str | None]", found.get("segctl_threat_profiles") or {})
    return Device(
        name=name,
        platform=platform,
        zones=_bindings(checker, nodes.get("segctl_zone_map"), found, site, zone_key),
        position=_position(checker, nodes.get("segctl_position"), found.get("segctl_position")),
        unmanaged=cast("Literal['report', 'purge']", found.get("segctl_unmanaged") or "report"),
        scope=Scope.of(str(found.get("segctl_vsys") or "vsys1")),
        manage_zones=found.get("segctl_manage_zones") is True,
        default_rules=cast(
            "Literal['manage', 'leave']", found.get("segctl_default_rules") or "manage"
        ),
        unknown_applications="deny" if found.get("segctl_unknown_applications") == "deny" else "",
        threat_profiles=tuple(
            (level, profile) for level, profile in sorted(profiles.items()) if profile
        ),
        log_forwarding=str(found.get("segctl_log_forwarding") or ""),
        audit_comments=found.get("segctl_audit_comments") is True,
        schedules=schedules,
        containment=read_containment(found, site, zone_key),
        manager=str(found.get("segctl_panorama") or ""),
        group=_group(found),
        serial=str(found.get("segctl_serial") or ""),
        ha_peer=ha_peer,
        peer_serial=peer_serial,
        declared=declared,
    )


def _group(found: Mapping[str, object]) -> Scope:
    """Return the part of the manager that holds the firewall's policy, if it has a manager."""
    name = str(found.get("segctl_device_group") or "")
    if not name or not found.get("segctl_panorama"):
        return DEFAULT_SCOPE
    post = found.get("segctl_rulebase") == "post"
    return Scope(kind=LATE_GROUP if post else GROUP, name=name)


def _bindings(
    checker: Checker,
    node: Node | None,
    found: Mapping[str, object],
    site: str,
    zone_key: ZoneKey,
) -> tuple[ZoneBinding, ...]:
    table = cast("dict[str, dict[str, object] | None]", found.get("segctl_zone_map") or {})
    if node is None:
        return ()
    nodes = {str(key): item for key, item in checker.children(node)}
    bindings: list[ZoneBinding] = []
    placed: list[tuple[str, Node]] = []
    used: dict[tuple[str, str], str] = {}
    for zone, fields in table.items():
        at = nodes[zone]
        place = at.place
        by_key = Node(
            zone, place._replace(value_line=place.line, value_column=place.column), at.path
        )
        key = zone_key(Reference(zone, by_key), site)
        if key is None or fields is None:
            continue
        binding = ZoneBinding(
            zone=key,
            name=str(fields.get("zone") or zone.rpartition("/")[2]),
            interfaces=cast("tuple[str, ...]", fields.get("interfaces") or ()),
        )
        bindings.append(binding)
        placed.append((zone, at))
        for interface in binding.interfaces:
            _once(checker, used, at, ("interface", interface), zone)
    attached = Counter(binding.name for binding in bindings if binding.interfaces)
    for binding, (zone, at) in zip(bindings, placed, strict=True):
        if attached[binding.name] != 1:
            _once(checker, used, at, ("zone name", binding.name), zone)
    return tuple(bindings)


def _once(
    checker: Checker, used: dict[tuple[str, str], str], at: Node, use: tuple[str, str], zone: str
) -> None:
    """Note a name of the device that a second zone of ours uses.

    Zones without interfaces may share the name of one that has them: they lie behind it.
    """
    first = used.setdefault(use, zone)
    if first != zone:
        checker.report_key(
            at,
            f"{use[0]} {use[1]} is already used for zone {first}",
            "two zones of ours need two on the device; one that lies behind another has no "
            "interfaces of its own",
        )


def _position(checker: Checker, node: Node | None, value: object) -> Position:
    if isinstance(value, str):
        return Position(where=cast("Literal['first', 'last']", value))
    if not isinstance(value, dict) or node is None:
        return Position()
    rules = cast("dict[str, str | None]", value)
    given = {key: rule for key, rule in rules.items() if rule}
    if len(rules) != 1:
        checker.report(node, "must name exactly one rule", "write {before: R} or {after: R}")
    for where, rule in given.items():
        return Position(where=cast("Literal['before', 'after']", where), rule=rule)
    return Position()


def _check_schedules(
    checker: Checker, nodes: Mapping[str, Node], schedules: tuple[Schedule, ...]
) -> None:
    node = nodes.get("segctl_schedules")
    if node is None:
        return
    by_name = dict(checker.children(node))
    for schedule in schedules:
        if bool(schedule.daily) == bool(schedule.weekly) and schedule.name in by_name:
            checker.report_key(
                by_name[schedule.name],
                "needs either daily or weekly windows",
                'write {daily: ["08:00-17:00"]}',
            )
