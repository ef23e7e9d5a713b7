"""A device group of a Panorama as one inventory of its firewalls, checked by planning.

The group is read once, so its firewalls have one copy of zones and conduits. Which zones a firewall
is attached to is told by the rules that it gets, and by its templates. Pure.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from segctl.compiler import naming
from segctl.compiler.build import compile_site
from segctl.compiler.groups import gathered, name_for
from segctl.importing.build import (
    Imported,
    bindings_of,
    compilable,
    default_rules,
    default_setting,
    notes_of,
    planned_back,
    position_of,
    remarks_of,
    unknown_applications,
)
from segctl.importing.group_files import group_files
from segctl.importing.managed import read_members
from segctl.importing.suggest import suggest
from segctl.importing.words import is_word
from segctl.model.policy import ANY, FirewallZone
from segctl.model.site import Site
from segctl.planning.linted import lint_live
from segctl.providers.base import reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from segctl.compiler.build import Desired
    from segctl.importing.managed import Managed, Member
    from segctl.importing.suggest import Suggested
    from segctl.model.errors import Problem
    from segctl.model.policy import Rule
    from segctl.model.site import Device
    from segctl.providers.base import Live, Provider


def import_group(
    live: Live,
    provider: Provider,
    group: Device,
    *,
    site: str,
    connections: Mapping[str, Mapping[str, object]],
    today: date,
) -> Imported:
    """Return the inventory of the firewalls of a device group.

    Args:
        live: the group, parsed.
        provider: that of device groups.
        group: what the inventory already says of it; its firewalls are its ``members``.
        site: the site the inventory gives them; the rules' own marks come first.
        connections: connection variables by host, those of the Panorama among them.
        today: the day on which the result is planned back.
    """
    whole = replace(
        live,
        policy=live.policy.replace(rules=tuple(map(_plainly, live.policy.rules))),
        zones=tuple({one.name: one for held in _held(live).values() for one in held}.values()),
    )
    views = _views(whole, group)
    managed, seen = read_members(whole, views, provider, group, site)
    linted = lint_live(live, provider, reading(provider, live))
    suggested = suggest(whole, managed, provider, remarks_of(linted))
    firewalls, strange = _firewalls(
        whole,
        views,
        group=replace(group, position=position_of(live)),
        managed=managed,
        seen=seen,
        suggested=suggested,
    )
    made = Site(
        zones=suggested.zones,
        conduits=(*managed.conduits, *suggested.conduits),
        devices=firewalls,
    )
    made, refused = compilable(made, today)
    names = [one.name for one in firewalls]
    made, back = planned_back(
        made, managed.islands, lambda site: _desired(site, names, today), live, provider
    )
    firewalls = made.devices
    return Imported(
        host=group.name,
        files=group_files(
            site=made,
            firewalls=firewalls,
            connections=connections,
            zone_notes=notes_of(suggested),
            conduit_notes=suggested.conduit_notes,
            left=suggested.left,
            site_id=managed.site,
        ),
        site=made,
        lint=linted,
        suggestions=len(suggested.conduits),
        changes=back.changes,
        warnings=(
            *(one for one in live.findings if one.severity == "error"),
            *managed.warnings,
            *strange,
            *refused,
            *back.warnings,
            *suggested.warnings,
        ),
    )


def _desired(site: Site, names: Sequence[str], today: date) -> Desired:
    (desired,) = gathered(compile_site(site, today), names)
    return desired


def _plainly(rule: Rule) -> Rule:
    """Return a rule between all zones under its own name, be it that of some firewalls."""
    for name in (naming.CLOSING_RULE, naming.UNKNOWN_RULE):
        if rule.targets and rule.name == name_for(name, rule.targets):
            return replace(rule, name=name)
    return rule


def _zones(names: Iterable[str]) -> tuple[FirewallZone, ...]:
    return tuple(FirewallZone(name=name, interfaces=()) for name in sorted(set(names)))


def _held(live: Live) -> dict[str, tuple[FirewallZone, ...]]:
    """Return the zones that each firewall has; those that its rules name where it cannot be told.

    It cannot where no template gives it zones: then it has its own.
    """
    return {
        name: _zones(
            zone
            for rule in (*live.policy.rules, *live.others.rules)
            if _gets(rule, name)
            for zone in (*rule.from_zones, *rule.to_zones)
            if zone != ANY
        )
        if zones is None
        else tuple(map(_valued, zones))
        for name, zones in live.member_zones.items()
    }


def _valued(zone: FirewallZone) -> FirewallZone:
    """Return a zone without interfaces where one is a variable that has no value."""
    open_ = any(port.startswith("$") for port in zone.interfaces)
    return replace(zone, interfaces=()) if open_ else zone


def _gets(rule: Rule, name: str) -> bool:
    return not rule.targets or name in rule.targets


def _views(whole: Live, group: Device) -> dict[str, Live]:
    """Return what each firewall gets of the group."""
    held = _held(whole)
    return {
        one.name: replace(
            whole,
            policy=whole.policy.replace(
                rules=tuple(rule for rule in whole.policy.rules if _gets(rule, one.name))
            ),
            zones=held.get(one.name, ()),
        )
        for one in group.members
    }


def _firewalls(
    whole: Live,
    views: Mapping[str, Live],
    *,
    group: Device,
    managed: Managed,
    seen: Mapping[str, Member],
    suggested: Suggested,
) -> tuple[tuple[Device, ...], tuple[Problem, ...]]:
    """Return each firewall with its zones and settings, and what is strange about their zones."""
    known = {zone for zone, _ in managed.attached}
    beside = [(zone, name) for zone, name in suggested.attached if zone not in known]
    forwarding = managed.log_forwarding or default_setting(whole)
    firewalls: list[Device] = []
    strange: dict[Problem, None] = {}
    for one in group.members:
        attached = seen[one.name].attached
        names = {name for _, name in attached}
        attached += tuple(pair for pair in beside if pair[1] in names)
        bindings, odd = bindings_of(views[one.name], attached, managed.site)
        strange |= dict.fromkeys(odd)
        place, *peers = whole.members.get(one.name, ("",))
        serial, _, part = place.partition("/")
        firewalls.append(
            replace(
                one,
                zones=bindings,
                position=group.position,
                threat_profiles=seen[one.name].profiles,
                log_forwarding=forwarding if is_word(forwarding) else "",
                schedules=suggested.schedules,
                default_rules=default_rules(whole, forwarding),
                unknown_applications=unknown_applications(whole.policy.rules),
                containment=managed.containment,
                serial=serial or one.serial,
                peer_serial=peers[0].partition("/")[0] if peers else one.peer_serial,
                scope=replace(one.scope, name=part) if part else one.scope,
                unmanaged="report",
                manage_zones=False,
            )
        )
    return tuple(firewalls), tuple(strange)
