"""Firewalls behind one manager: what each should hold, as the one policy of their device group.

Each firewall gets of the group's rules just those that were compiled for it, in the order in which
they were compiled: rules that all have bear no targets, others name the firewalls that get them.
"""

from __future__ import annotations

from dataclasses import replace
from heapq import heappop, heappush
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, TypeVar

from segctl.compiler import naming
from segctl.compiler.build import Desired
from segctl.compiler.problems import problem
from segctl.model.errors import InventoryError
from segctl.model.policy import (
    Address,
    AddressGroup,
    DeclaredPolicy,
    DeclaredRule,
    DefaultRule,
    LogProfile,
    Schedule,
    Service,
)
from segctl.model.scope import DEFAULT_SCOPE
from segctl.model.site import Device, ZoneBinding, group_name

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

    from segctl.model.errors import Problem

    Key = TypeVar("Key", bound=Hashable)

#: The platform of device groups on a Panorama.
PANORAMA: Final = "panorama"
#: Longest name of a rule (the vendor's configuration schema of 10.0).
_MAX_NAME: Final = 63
_OBJECTS: Final[Mapping[str, type[Any]]] = {
    "addresses": Address,
    "address_groups": AddressGroup,
    "services": Service,
    "schedules": Schedule,
    "defaults": DefaultRule,
}


def gathered(compiled: Mapping[str, Desired], chosen: Iterable[str]) -> list[Desired]:
    """Return what is planned as one for the chosen firewalls, in their order.

    That is a firewall by itself, or the device group of a managed one: it has the rules of all its
    firewalls, and `Desired.receivers` are those that are chosen.

    Raises:
        InventoryError: firewalls of one group need something different that only the group has.
    """
    wanted = dict.fromkeys(chosen)
    found: dict[str, Desired] = {}
    for name in wanted:
        desired = compiled[name]
        if not desired.device.group:
            found[name] = desired
        elif (group := group_name(desired.device)) not in found:
            members = [one for one in compiled.values() if _is_of(one.device, group)]
            asked = tuple(one.device.name for one in members if one.device.name in wanted)
            found[group] = replace(united(members), receivers=asked)
    return list(found.values())


def _is_of(device: Device, group: str) -> bool:
    return bool(device.group) and group_name(device) == group


def united(firewalls: Iterable[Desired]) -> Desired:
    """Return what the device group of these firewalls should hold; they are all that it has.

    The order in which they are given means nothing.

    Raises:
        InventoryError: they need an object of one name with different content, or their rules in
            an order that contradicts another's.
    """
    members = sorted(firewalls, key=lambda one: one.device.name)
    problems: list[Problem] = []
    objects = {
        plural: _common(members, [one.policy[kind] for one in members], problems)
        for plural, kind in _OBJECTS.items()
    }
    rules = _rules(members, problems)
    profiles = _log_profiles(members, problems)
    if problems:
        raise InventoryError(tuple(problems))
    return Desired(
        device=group_of(tuple(one.device for one in members)),
        policy=DeclaredPolicy().replace(rules=rules, log_profiles=profiles, **objects),
        findings=tuple(dict.fromkeys(note for one in members for note in one.findings)),
    )


def group_of(firewalls: tuple[Device, ...]) -> Device:
    """Return the device that the group is; what only the whole group can have is the same in all.

    The inventory was checked for that. Its zones have no interfaces: each firewall has its own. Its
    rules get audit comments where any firewall asks for them.
    """
    first = firewalls[0]
    zones = {(one.zone, one.name): None for device in firewalls for one in device.zones}
    return replace(
        first,
        name=group_name(first),
        platform=PANORAMA,
        zones=tuple(ZoneBinding(zone=zone, name=name) for zone, name in zones),
        scope=first.group,
        group=DEFAULT_SCOPE,
        serial="",
        ha_peer="",
        peer_serial="",
        audit_comments=any(one.audit_comments for one in firewalls),
        members=firewalls,
    )


def whole_group(devices: Iterable[Device], firewall: Device) -> Device:
    """Return the device group of a managed firewall, with all that these devices have of it."""
    group = group_name(firewall)
    return group_of(tuple(one for one in devices if _is_of(one, group)))


def _common(
    members: Sequence[Desired], lists: Sequence[Sequence[Any]], problems: list[Problem]
) -> tuple[Any, ...]:
    """Return the objects of all firewalls; report those of one name that differ."""
    held: dict[str, tuple[Any, Desired]] = {}
    for desired, items in zip(members, lists, strict=True):
        for item in items:
            known, first = held.setdefault(item.name, (item, desired))
            if known != item:
                problems.append(
                    problem(
                        desired.device.declared,
                        f"{item.kind_name} {item.name} of host {desired.device.name} is not that "
                        f"of {first.device.name}, and both are in device group "
                        f"{desired.device.group.name}",
                        "declare it alike, or put the firewalls into different device groups",
                    )
                )
    return tuple(item for _, (item, _) in sorted(held.items()))


def _log_profiles(members: Sequence[Desired], problems: list[Problem]) -> tuple[LogProfile, ...]:
    """Return the one profile by which the firewalls of a group contain by themselves.

    It tells addresses apart by the zones in which a firewall sees them, so a zone has to have the
    same ones on each; and all of them log to it, so it repeats one profile.
    """
    held = [(desired, one) for desired in members for one in desired.policy[LogProfile]]
    if not held:
        return ()
    first, profile = held[0]
    watched: dict[str, tuple[Desired, tuple[str, ...]]] = {}
    for desired, one in held:
        if one.base != profile.base:
            problems.append(
                problem(
                    desired.device.declared,
                    f"host {desired.device.name} logs to {one.base or 'nothing'} and "
                    f"{first.device.name} to {profile.base or 'nothing'}: the firewalls of a "
                    "device group contain by themselves by one log forwarding profile, which "
                    "repeats that one",
                    "declare segctl_log_forwarding alike, or leave out segctl_containment.on",
                )
            )
        own = dict(one.watched)
        for zone in dict.fromkeys(binding.name for binding in desired.device.zones):
            addresses = own.get(zone, ())
            other, known = watched.setdefault(zone, (desired, addresses))
            if known != addresses:
                problems.append(
                    problem(
                        desired.device.declared,
                        f"zone {zone} does not have the same addresses on host "
                        f"{desired.device.name} and on {other.device.name}: the log forwarding "
                        "profile of their device group cannot tell whom each may contain by "
                        "itself",
                        "give the zones different names, or leave out segctl_containment.on",
                    )
                )
    every = tuple((zone, found) for zone, (_, found) in sorted(watched.items()) if found)
    return (replace(profile, watched=every),)


# --- rules ---------------------------------------------------------------------------------------


def _rules(members: Sequence[Desired], problems: list[Problem]) -> tuple[DeclaredRule, ...]:
    """Return the rules of all firewalls, so that each finds its own in its own order.

    The rules that close our block come last: the firewalls' own rules may follow it. A firewall
    for which nothing is permitted, and whose unmatched traffic is left as it is, closes nothing.
    """
    owners: dict[DeclaredRule, list[str]] = {}
    chains: list[list[DeclaredRule]] = []
    for desired in members:
        idle = not desired.policy.rules and desired.device.default_rules == "leave"
        closing = () if idle or desired.closing is None else (desired.closing,)
        chain = [*desired.policy.rules, *closing]
        chains.append(chain)
        for rule in chain:
            owners.setdefault(rule, []).append(desired.device.name)
    order, rest = in_all_orders(chains)
    if rest:
        first = members[0].device
        problems.append(
            problem(
                first.declared,
                f"the firewalls of device group {first.group.name} need the rules "
                f"{', '.join(sorted({rule.name for rule in rest})[:4])} in different orders",
                "put these firewalls into different device groups",
            )
        )
    variants: dict[str, int] = {}
    for rule in owners:
        variants[rule.name] = variants.get(rule.name, 0) + 1
    order.sort(key=lambda rule: not (rule.leading or rule.ahead))
    everyone = len(members)
    return tuple(
        _targeted(rule, owners[rule], everyone=everyone, alone=variants[rule.name] == 1)
        for rule in order
    )


def _targeted(
    rule: DeclaredRule, owners: Sequence[str], *, everyone: int, alone: bool
) -> DeclaredRule:
    """Return a rule with the firewalls that get it; of several of a name each has its own."""
    if len(owners) == everyone:
        return rule
    if alone:
        return replace(rule, targets=tuple(sorted(owners)))
    return replace(
        rule,
        name=name_for(rule.name, owners),
        targets=tuple(sorted(owners)),
        renamed_from=(*rule.renamed_from, rule.name),
    )


def name_for(name: str, owners: Iterable[str]) -> str:
    """Return what a rule is called where others of the same name go to other firewalls."""
    return naming.shorten(f"{name} {min(owners)}", _MAX_NAME)


def in_all_orders(chains: Iterable[Sequence[Key]]) -> tuple[list[Key], frozenset[Key]]:
    """Return the items of all chains in an order that is each chain's own, and what has none.

    Of several that could come next, the one that was met first does.
    """
    rank: dict[Key, int] = {}
    after: dict[Key, set[Key]] = {}
    waits: dict[Key, int] = {}
    for chain in chains:
        for item in chain:
            rank.setdefault(item, len(rank))
            after.setdefault(item, set())
            waits.setdefault(item, 0)
        for item, following in pairwise(chain):
            if following not in after[item]:
                after[item].add(following)
                waits[following] += 1
    items = list(rank)
    ready = [rank[item] for item in items if not waits[item]]
    found: list[Key] = []
    while ready:
        item = items[heappop(ready)]
        found.append(item)
        for following in after[item]:
            waits[following] -= 1
            if not waits[following]:
                heappush(ready, rank[following])
    return found, frozenset(items) - frozenset(found)
