"""A compiled policy in PAN-OS's own terms: App-IDs for functions, marks, names that fit.

Never wider than what came in: what PAN-OS cannot express raises `UnsupportedError`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from segctl.compiler import naming
from segctl.model.errors import Problem, UnsupportedError
from segctl.model.policy import (
    AHEAD,
    ANY,
    APPLICATION_DEFAULT,
    CONTAINMENT,
    Address,
    AddressGroup,
    ApplicationGroup,
    DeclaredPolicy,
    DeclaredRule,
    DefaultRule,
    FirewallZone,
    LogProfile,
    Policy,
    Rule,
    Schedule,
    Service,
    Tag,
    sealed,
)
from segctl.model.scope import LATE_GROUP
from segctl.protocols import catalogue, layer4_ports
from segctl.providers.panos import app_id, automatic, names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from segctl.model.site import Device

TAG = Tag(name=names.TAG, comments="Managed by segctl: changes made by hand are drift")
CONTAINMENT_TAG = Tag(
    name=CONTAINMENT, comments="segctl: what holds while somebody is contained, before all else"
)
AHEAD_TAG = Tag(name=AHEAD, comments="segctl: what denies unknown applications, and what precedes")
_TAGS = (names.TAG,)
_LEADING_TAGS = (names.TAG, CONTAINMENT)
_AHEAD_TAGS = (names.TAG, AHEAD)


_UNWRITABLE = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")


def fit(policy: DeclaredPolicy, device: Device) -> tuple[Policy, tuple[Problem, ...]]:
    """Return `policy` as PAN-OS will hold it, with warnings about doubtful names.

    Raises:
        UnsupportedError: PAN-OS does not have an application, or does not accept a name or length.
    """
    for zone in device.zones:
        _check_length("zone", zone.name, names.MAX_SHORT_NAME)
    new = _renamer(policy)
    groups: dict[str, ApplicationGroup] = {}
    services = {item.name: item for item in policy[Service]}
    warnings: dict[str, Problem] = {}
    rules = tuple(_rule(rule, new, groups, services, warnings) for rule in policy.rules)
    profiles = () if device.group else policy[LogProfile]  # those are its device group's
    rules = tuple(_logged(rule, device, profiles) for rule in rules)
    fitted = Policy(
        zones=policy[FirewallZone],
        tags=(
            *((TAG,) if rules else ()),
            *((AHEAD_TAG,) if any(AHEAD in rule.tags for rule in rules) else ()),
            *((CONTAINMENT_TAG,) if any(rule.leading for rule in rules) else ()),
        ),
        addresses=tuple(_address(item, new) for item in policy[Address]),
        address_groups=tuple(_address_group(item, new) for item in policy[AddressGroup]),
        services=tuple(services[name] for name in sorted(services)),
        application_groups=tuple(groups[name] for name in sorted(groups)),
        schedules=tuple(
            replace(item, name=naming.shorten(item.name, names.MAX_SHORT_NAME))
            for item in policy[Schedule]
        ),
        log_profiles=tuple(
            replace(one, lists=automatic.match_lists(one, device.name)) for one in profiles
        ),
        defaults=policy[DefaultRule],
        rules=rules,
    )
    notes = (*warnings.values(), *_by_itself(policy, device), *_late(device))
    return sealed(fitted, _described), notes


def _logged(rule: Rule, device: Device, profiles: Sequence[LogProfile]) -> Rule:
    """Let the logs of a rule pass the profile by which the firewall contains by itself."""
    if rule.name in naming.CONTAINING_RULES or rule.log_setting != device.log_forwarding:
        return rule
    return replace(rule, log_setting=profiles[0].name) if profiles else rule


def _by_itself(policy: DeclaredPolicy, device: Device) -> Iterator[Problem]:
    """Say whether the firewall contains by itself, and what it cannot do."""
    for one in policy[LogProfile]:
        signs = ", ".join(one.signs)
        yield Problem(
            message=f"{device.name} contains by itself, for {one.minutes} min, whom {signs} speak "
            "against; it does not bound how many at once, and asks nobody",
            hint="at_once and act bind segctl watch only; leave on out where no firewall shall "
            "contain by itself",
            severity="note",
        )
        if "scan" in one.signs:
            yield Problem(
                message=f"{device.name} logs scans by zone protection: only where a zone's own "
                f"log setting is {one.name} do they contain",
                hint="set it on the zone, or let segctl watch judge the traffic log",
                severity="note",
            )


def _late(device: Device) -> Iterator[Problem]:
    """Say that rules that come first elsewhere do not, where they are pushed as post-rules."""
    if LATE_GROUP not in (device.group.kind, device.scope.kind):
        return
    if device.unknown_applications == "deny":
        yield Problem(
            message=f"{device.name}: the rule for unknown applications stands below the firewall's "
            "own rules, in the post-rulebase: what those permit passes, recognised or not",
            hint="set segctl_rulebase: pre",
            severity="warning",
        )
    if device.containment is not None:
        yield Problem(
            message=f"{device.name}: rules that contain stand below the firewall's own rules, in "
            "the post-rulebase: what those permit stays open for who is contained",
            hint="set segctl_rulebase: pre",
            severity="warning",
        )


def _described(rule: Rule | DeclaredRule, seal: str | None = None) -> str:
    return naming.cut(names.mark(rule.conduit, rule.flow, seal) + rule.description)


def _renamer(policy: DeclaredPolicy) -> Mapping[str, str]:
    held = [item.name for item in policy[Address]]
    held += [item.name for item in policy[AddressGroup]]
    held += [item.name for item in policy[Service]]
    return {ANY: ANY} | {name: naming.shorten(name, names.MAX_NAME) for name in held}


def _address(item: Address, new: Mapping[str, str]) -> Address:
    name, description = new[item.name], naming.cut(item.description)
    if (name, description) == (item.name, item.description) and not item.renamed_from:
        return item
    former = _former(item.renamed_from)
    return replace(item, name=name, description=description, renamed_from=former)


def _former(held: Iterable[str]) -> tuple[str, ...]:
    return tuple(naming.shorten(name, names.MAX_NAME) for name in held)


def _address_group(item: AddressGroup, new: Mapping[str, str]) -> AddressGroup:
    name, members = new[item.name], tuple(sorted(new[member] for member in item.members))
    if (name, members) == (item.name, item.members) and not item.renamed_from:
        return item
    return replace(item, name=name, members=members, renamed_from=_former(item.renamed_from))


def _check_length(kind: str, name: str, limit: int) -> None:
    if len(name) > limit or not names.plain(name):
        message = (
            f"{kind} {name!r}: PAN-OS accepts letters, digits, spaces, '.', '_' and '-', at most "
            f"{limit} characters"
        )
        raise UnsupportedError(message)


def _rule(
    rule: DeclaredRule,
    new: Mapping[str, str],
    groups: dict[str, ApplicationGroup],
    services: dict[str, Service],
    warnings: dict[str, Problem],
) -> Rule:
    if rule.profile_group:
        _check_length("profile group", rule.profile_group, names.MAX_SHORT_NAME)
    if rule.log_setting:
        _check_length("log forwarding profile", rule.log_setting, names.MAX_NAME)
    if rule.schedule:
        _check_length("schedule", rule.schedule, names.MAX_SHORT_NAME)
    for user in rule.users:
        if len(user) > 1023:
            message = f"rule {rule.name}: user names have at most 1023 characters"
            raise UnsupportedError(message)
    if naming.service_name("icmp") in rule.services:
        message = (
            f"conduit {rule.conduit}, flow {rule.flow}: PAN-OS has no ICMP service; declare "
            "applications: [ping] in a flow of its own"
        )
        raise UnsupportedError(message)
    applications, ports = _applications(rule, warnings)
    services.update({port.name: port for port in ports})
    if len(applications) > names.MAX_LISTED_APPLICATIONS:
        group = _group(applications)
        if groups.setdefault(group.name, group) != group:
            message = f"rule {rule.name}: two application groups would be called {group.name!r}"
            raise UnsupportedError(message)
        applications = (group.name,)
    if _UNWRITABLE.search(rule.description):
        message = f"rule {rule.name}: its description has characters that XML cannot represent"
        raise UnsupportedError(message)
    return rule.fitted(
        name=naming.shorten(rule.name, names.MAX_NAME),
        sources=_renamed(rule.sources, new),
        destinations=_renamed(rule.destinations, new),
        applications=applications,
        services=tuple(port.name for port in ports) or rule.services,
        tags=_LEADING_TAGS if rule.leading else _AHEAD_TAGS if rule.ahead else _TAGS,
        renamed_from=_former(rule.renamed_from),
        # the mark of an essential rule holds its seal: `sealed` adds it to the fitted rule
        description=None if rule.essential else _described(rule),
    )


def _renamed(held: tuple[str, ...], new: Mapping[str, str]) -> tuple[str, ...]:
    """Return PAN-OS's names of the objects; the same tuple if none differs."""
    renamed = (new[held[0]],) if len(held) == 1 else tuple(sorted([new[name] for name in held]))
    return held if renamed == held else renamed


def _applications(
    rule: DeclaredRule, warnings: dict[str, Problem]
) -> tuple[tuple[str, ...], tuple[Service, ...]]:
    """Return the App-IDs of a rule, and services if a protocol has no App-ID and needs none."""
    for name in rule.applications:
        _refuse_trap(rule, name)
        caution = _caution(name)
        if caution:
            warnings[caution] = Problem(message=caution, severity="warning", kind="doubt")
    if not rule.protocols:
        return rule.applications, ()
    app_ids = set(rule.applications)
    ports: list[Service] = []
    for use in rule.protocols:
        protocol = catalogue().get(use.protocol)
        try:
            applications = app_id.applications(protocol, use.classes)
        except UnsupportedError as error:
            if rule.enforce_functions or protocol.usable:
                message = f"conduit {rule.conduit}, flow {rule.flow}: {error}"
                raise UnsupportedError(message) from error
            ports += [
                Service(
                    name=naming.service_name(port.protocol, ports),
                    protocol=port.protocol,
                    ports=ports,
                )
                for port in layer4_ports(protocol)
                for _, _, ports in [str(port).partition("/")]
            ]
            continue
        app_ids.update(applications.names)
        _doubt(warnings, use.protocol, applications.warnings, "warning")
        _doubt(warnings, use.protocol, applications.notes, "note")
    if ports and (app_ids or rule.services != (APPLICATION_DEFAULT,)):
        message = (
            f"conduit {rule.conduit}, flow {rule.flow}: a protocol without App-ID cannot share a "
            "rule with others; give it its own flow"
        )
        raise UnsupportedError(message)
    return tuple(sorted(app_ids)) or (ANY,), tuple(sorted(ports, key=lambda item: item.name))


def _doubt(
    warnings: dict[str, Problem], protocol: str, texts: Sequence[str], severity: str
) -> None:
    """Note what the catalogue is unsure of or App-ID cannot distinguish, once per protocol."""
    if not texts:
        return
    more = len(texts) - 3
    message = f"protocol {protocol}: {'; '.join(texts[:3])}{f' and {more} more' * (more > 0)}"
    warnings[message] = Problem(
        message=message,
        hint=f"see segctl protocols {protocol}",
        severity=severity,
        kind="doubt",
    )


@cache
def _caution(name: str) -> str | None:
    return catalogue().caution(name)


@cache
def _trap(name: str) -> str | None:
    return catalogue().trap(name)


def _refuse_trap(rule: DeclaredRule, name: str) -> None:
    hint = _trap(name)
    if hint:
        message = f"conduit {rule.conduit}, flow {rule.flow}: application {name!r}: {hint}"
        raise UnsupportedError(message)


def _group(applications: Iterable[str]) -> ApplicationGroup:
    members = tuple(sorted(applications))
    owners = catalogue().owners
    protocols = {owners[name] for name in members if name in owners}
    name = naming.application_group(members, protocols, names.MAX_SHORT_NAME)
    return ApplicationGroup(name=name, members=members)
