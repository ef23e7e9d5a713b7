"""A compiled policy as nft will hold it: sets, ports, and the functions it can judge.

Never wider than what came in: what nft cannot express raises `UnsupportedError`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from segctl.compiler import naming
from segctl.model.addresses import interval_text
from segctl.model.errors import Problem, UnsupportedError
from segctl.model.policy import (
    ANY,
    APPLICATION_DEFAULT,
    AddressGroup,
    DeclaredPolicy,
    DeclaredRule,
    DefaultRule,
    FirewallZone,
    LogProfile,
    Policy,
    Rule,
    Service,
    resolver,
    sealed,
)
from segctl.protocols import catalogue, layer4_ports
from segctl.providers.containing import not_by_itself
from segctl.providers.nftables import functions, names
from segctl.providers.nftables.interpret import (
    containing_rule,
    inside_rule,
    rule_order,
    services_of,
    tags_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from segctl.model.addresses import Interval
    from segctl.model.site import Device

_UNSAFE = frozenset(chr(code) for code in (*range(32), 127))


def fit(policy: DeclaredPolicy, device: Device) -> tuple[Policy, tuple[Problem, ...]]:
    """Return `policy` as nft will hold it, with warnings and notes.

    Raises:
        UnsupportedError: applications, users, threat prevention, schedules, functions that nft
            cannot judge, names it does not accept, or a zone without interfaces.
    """
    if device.default_rules == "leave":
        message = (
            f"{device.name}: segctl_default_rules: leave has no effect on nftables: segctl's "
            "table denies whatever no conduit permits between its zones, and leaves other "
            "interfaces"
        )
        raise UnsupportedError(message)
    fitter = _Fitter(policy, device)
    zones = [_zone(device, name) for name in {binding.name for binding in device.zones}]
    asked = [rule for rule in policy.rules if rule.name != naming.UNKNOWN_RULE]
    rules = tuple(sorted(map(fitter.rule, asked), key=rule_order))
    fitted = sealed(
        Policy(
            zones=tuple(sorted(zones, key=lambda zone: zone.name)),
            address_groups=tuple(fitter.groups[name] for name in sorted(fitter.groups)),
            services=services_of(name for rule in rules for name in rule.services if name != ANY),
            defaults=tuple(
                replace(item, log_setting=fitter.log_setting) for item in policy[DefaultRule]
            ),
            rules=rules,
        )
    )
    idle = [not_by_itself(device.name, "on a Linux gateway") for _ in policy[LogProfile]]
    return fitted, (*fitter.notes.values(), *idle, *_unrecognised(policy, device))


def _unrecognised(policy: DeclaredPolicy, device: Device) -> Iterator[Problem]:
    """Say what becomes of traffic that no firewall recognises, where a rule was asked for."""
    if any(rule.name == naming.UNKNOWN_RULE for rule in policy.rules):
        yield Problem(
            message=f"{device.name} has no rule for unknown applications, since nftables "
            "recognises none: whatever no conduit declares is dropped and logged between its "
            "zones, and what one declares by its ports passes, whatever it is",
            hint="declare protocols whose functions nftables can tell apart, where they have any",
            severity="note",
        )


def _zone(device: Device, name: str) -> FirewallZone:
    names.identifier("zone", name, names.MAX_ZONE)
    ports = {port for one in device.zones if one.name == name for port in one.interfaces}
    if not ports:
        message = (
            f"{device.name}: zone {name} has no interfaces: on nftables a zone consists of "
            "interfaces; name them in segctl_zone_map"
        )
        raise UnsupportedError(message)
    return FirewallZone(name=name, interfaces=tuple(sorted(map(names.interface, ports))), type="")


def _former(rule: DeclaredRule) -> tuple[str, ...]:
    return tuple(naming.shorten(name, names.MAX_NAME) for name in rule.renamed_from)


@dataclass(slots=True)
class _Fitter:
    """Fits rules one by one and collects the groups they use."""

    policy: DeclaredPolicy
    device: Device
    groups: dict[str, AddressGroup] = field(default_factory=dict[str, AddressGroup])
    notes: dict[str, Problem] = field(default_factory=dict[str, Problem])
    log_setting: str = field(init=False)
    _resolve: Callable[[Iterable[str]], tuple[Interval, ...]] = field(init=False)
    _services: dict[str, Service] = field(init=False)

    def __post_init__(self) -> None:
        self._resolve = resolver(self.policy)
        self._services = {item.name: item for item in self.policy[Service]}
        self.log_setting = self._log_setting(self.device.log_forwarding)

    def _log_setting(self, wanted: str) -> str:
        if wanted in ("", names.LOG_GROUP):
            return ""
        if wanted == names.KERNEL_LOG:
            return wanted
        if wanted.isascii() and wanted.isdigit() and int(wanted) <= 65535:
            return str(int(wanted))
        self._note(
            f"{self.device.name}: log forwarding {wanted!r} has no meaning on nftables: logs go "
            f"to NFLOG group {names.LOG_GROUP}",
            hint="set segctl_log_forwarding of this host to a group number, or to kernel",
        )
        return ""

    def _note(self, message: str, hint: str = "", severity: str = "warning") -> None:
        self.notes[message] = Problem(message=message, hint=hint, severity=severity)

    def rule(self, rule: DeclaredRule) -> Rule:
        """Return one rule as nft will hold it."""
        where = f"conduit {rule.conduit}, flow {rule.flow}" if rule.flow else f"rule {rule.name}"
        if any(letter in _UNSAFE for text in (rule.name, rule.description) for letter in text):
            message = f"{where}: control characters must not reach a device"
            raise UnsupportedError(message)
        name = names.identifier("rule", naming.shorten(rule.name, names.MAX_NAME))
        if rule.type == "intrazone":
            inside = inside_rule(name, rule.from_zones[0], self.log_setting)
            return replace(inside, renamed_from=_former(rule))
        if rule.leading and rule.action != "allow":
            return self._containing(rule, name, where)
        self._refuse(rule, where)
        applications, services = self._services_of(rule, where)
        return Rule(
            name=name,
            from_zones=rule.from_zones,
            to_zones=rule.to_zones,
            sources=(self._group(rule.sources, where),),
            destinations=(self._group(rule.destinations, where),),
            applications=applications,
            services=services,
            conduit=naming.shorten(rule.conduit, names.MAX_LABEL),
            flow=naming.shorten(rule.flow, names.MAX_LABEL),
            log=rule.log,
            log_setting=self.log_setting if rule.log else "",
            tags=tags_of(
                leading=rule.leading, enforced=rule.enforce_functions or not rule.protocols
            ),
            essential=rule.essential,
            renamed_from=_former(rule),
        )

    def _containing(self, rule: DeclaredRule, name: str, where: str) -> Rule:
        """Return a rule that cuts off whoever is in a group of those who are."""
        group, side = naming.denied_group(name) or (naming.CONTAINED, "source")
        self.groups[group] = AddressGroup(name=group, members=(), contained=True)
        others = rule.destinations if side == "source" else rule.sources
        return containing_rule(
            name,
            against=ANY if ANY in others else self._group(others, where),
            log=rule.log,
            setting=self._log_setting(rule.log_setting),
        )

    def _refuse(self, rule: DeclaredRule, where: str) -> None:
        if rule.action != "allow" or len(rule.from_zones) != 1 or len(rule.to_zones) != 1:
            message = (
                f"{where}: on nftables, each segctl rule permits traffic from one zone to one other"
            )
            raise UnsupportedError(message)
        if rule.from_zones == rule.to_zones:
            message = (
                f"{self.device.name}: {where}: both zones are behind {rule.from_zones[0]}: on "
                "nftables a zone consists of interfaces"
            )
            raise UnsupportedError(message)
        for what, present, hint in (
            (
                f"applications {', '.join(rule.applications)}",
                set(rule.applications) - {ANY},
                "declare protocols or services instead",
            ),
            (
                f"users {', '.join(rule.users)}",
                set(rule.users) - {ANY},
                "enforce users on a firewall that can identify them",
            ),
            (f"schedule {rule.schedule}", rule.schedule, "leave it out"),
            (
                "threat prevention",
                rule.profile_group and rule.profile_asked,
                "set threat_prevention: none, or inspect on another firewall on the path",
            ),
        ):
            if present:
                message = f"{self.device.name}: {where}: nftables cannot match {what}; {hint}"
                raise UnsupportedError(message)

    def _group(self, listed: Sequence[str], where: str) -> str:
        name = naming.joined_group(listed, names.MAX_GROUP)
        intervals = tuple(sorted(map(interval_text, self._resolve(listed))))
        if not intervals:
            message = f"{where}: {', '.join(listed)} has no address that nftables can match"
            raise UnsupportedError(message)
        group = AddressGroup(name=name, members=intervals)
        if self.groups.setdefault(name, group) != group:
            message = f"{where}: two address groups would be named {name!r}"
            raise UnsupportedError(message)
        return name

    def _services_of(
        self, rule: DeclaredRule, where: str
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return functions (or any) and ports of a rule."""
        ports = [self._services[name] for name in rule.services if name in self._services]
        listed = [
            (service.protocol, int(first), int(last or first))
            for service in ports
            for part in service.ports.split(",")
            for first, _, last in [part.partition("-")]
        ]
        if not rule.protocols:
            if not listed or APPLICATION_DEFAULT in rule.services:
                message = f"{where}: nftables needs services or protocols"
                raise UnsupportedError(message)
            return (ANY,), _port_names(listed)
        uses = functions.uses(rule, where)
        self.notes.update({note.message: note for note in uses.notes})
        if not listed:
            listed = [
                (port.protocol, port.first, port.last)
                for use in rule.protocols
                for port in layer4_ports(catalogue().get(use.protocol))
            ]
        if uses.names and any(protocol != "tcp" for protocol, _, _ in listed):
            message = f"{where}: functions can be judged over TCP only"
            raise UnsupportedError(message)
        return uses.names or (ANY,), _port_names(listed)


def _port_names(listed: Iterable[tuple[str, int, int]]) -> tuple[str, ...]:
    merged: list[tuple[str, int, int]] = []
    for protocol, first, last in sorted(listed):
        if merged and merged[-1][0] == protocol and first <= merged[-1][2] + 1:
            merged[-1] = (protocol, merged[-1][1], max(merged[-1][2], last))
        else:
            merged.append((protocol, first, last))
    return tuple(
        sorted(
            naming.service_name(protocol, _port_text(protocol, first, last))
            for protocol, first, last in merged
        )
    )


def _port_text(protocol: str, first: int, last: int) -> str:
    if protocol == "icmp":
        return ""
    return f"{first}" if first == last else f"{first}-{last}"
