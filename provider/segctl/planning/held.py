"""What the device has and the inventory does not speak of: it stays as it is.

That is the type of a zone, how a default rule refuses and where it logs to, the order of rules
that means nothing, and what a group is called that holds the same under a name of ours.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Generic, TypeVar

from segctl.compiler.naming import is_former_application_group
from segctl.model.addresses import meeting
from segctl.model.errors import UnsupportedError
from segctl.model.policy import (
    ANY,
    Address,
    AddressGroup,
    ApplicationGroup,
    DefaultRule,
    FirewallZone,
    LogProfile,
    Policy,
    resolver,
)
from segctl.providers.parsed import list_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from segctl.model.policy import Rule
    from segctl.providers.base import Live

G = TypeVar("G", AddressGroup, ApplicationGroup)


def as_held(wanted: Policy, live: Live, *, ordered: bool) -> Policy:
    """Return the fitted policy with what of the device's may stay.

    Args:
        wanted: the fitted policy.
        live: the device.
        ordered: whether the order of rules means something on the platform.
    """
    types = {zone.name: zone.type for zone in live.zones if zone.type}
    held = {rule.name: rule for rule in live.policy[DefaultRule]}
    wanted = wanted.replace(
        zones=tuple(
            replace(zone, type=types.get(zone.name, zone.type)) for zone in wanted[FirewallZone]
        ),
        defaults=tuple(rule.beside(held.get(rule.name, rule)) for rule in wanted[DefaultRule]),
        log_profiles=tuple(_repeating(one, live) for one in wanted[LogProfile]),
    )
    wanted = _with_groups_as_called(wanted, live.policy)
    return _in_order_as_held(wanted, live.order) if ordered else wanted


def _repeating(profile: LogProfile, live: Live) -> LogProfile:
    """Return a log forwarding profile with the match lists of the one that it repeats.

    Raises:
        UnsupportedError: what that one holds is not known.
    """
    if not profile.base:
        return profile
    repeated = live.log_lists.get(profile.base)
    if repeated is None or profile.base == profile.name:
        place = "in the device group or above it" if live.members else "on the firewall itself"
        raise UnsupportedError(
            f"log forwarding profile {profile.base} is not {place}, so its match "
            "lists cannot be repeated in the one by which it contains by itself: create it "
            "there, name another in segctl_log_forwarding, or leave out segctl_containment.on"
        )
    held = {list_digest(text): text for one in live.policy[LogProfile] for text in one.lists}
    known = (held.get(text, text) for text in repeated)  # a snapshot has digests of what others own
    return replace(profile, lists=tuple(sorted({*profile.lists, *known})))


# --- names of groups -----------------------------------------------------------------------------


def _with_groups_as_called(wanted: Policy, held: Policy) -> Policy:
    """Let a rule go on naming a group of ours that holds the same under another name.

    Application groups were once named after the order of protocols and classes. A group that has
    its addresses written out is named after the objects they came from: which these were is
    nothing that traffic meets.
    """
    applications = {
        group.name: group
        for group in held[ApplicationGroup]
        if is_former_application_group(group.name)
    }
    written_out = not (wanted[Address] or held[Address])
    addresses = {group.name: group for group in held[AddressGroup]} if written_out else {}
    if not applications and not addresses:
        return wanted
    app_groups = _Called(wanted[ApplicationGroup])
    address_groups = _Called(wanted[AddressGroup])
    before = {rule.name: rule for rule in held.rules}
    rules: list[Rule] = []
    for rule in wanted.rules:
        now = before.get(rule.name, rule)
        rules.append(
            replace(
                rule,
                applications=app_groups.named(rule.applications, now.applications, applications),
                sources=address_groups.named(rule.sources, now.sources, addresses),
                destinations=address_groups.named(rule.destinations, now.destinations, addresses),
            )
        )
    return wanted.replace(
        application_groups=app_groups.groups(),
        address_groups=address_groups.groups(),
        rules=tuple(rules),
    )


class _Called(Generic[G]):
    """The groups that rules want, by the names they are to have."""

    def __init__(self, wanted: Iterable[G]) -> None:
        self._wanted: dict[str, G] = {group.name: group for group in wanted}
        self._held: dict[str, G] = {}
        self._named: set[str] = set()
        self._left: set[str] = set()

    def named(
        self, names: tuple[str, ...], before: tuple[str, ...], held: Mapping[str, G]
    ) -> tuple[str, ...]:
        """Return what a rule is to name: `before` where that is one of `held` with the same."""
        if len(names) == len(before) == 1 and names != before and names[0] in self._wanted:
            group = replace(self._wanted[names[0]], name=before[0])
            if held.get(before[0]) == group == self._wanted.get(before[0], group):
                self._held[group.name] = group
                self._left.update(names)
                return before
        self._named.update(names)
        return names

    def groups(self) -> tuple[G, ...]:
        """Return the groups, by name, without those that every rule calls otherwise."""
        gone = self._left - self._named
        found = {**self._wanted, **self._held}
        return tuple(found[name] for name in sorted(found) if name not in gone)


# --- order ---------------------------------------------------------------------------------------


def _in_order_as_held(wanted: Policy, order: Sequence[str]) -> Policy:
    """Let the rules of a conduit stand as they do where their order means nothing.

    They once stood in the order in which the inventory named zones.
    """
    place = {name: index for index, name in enumerate(order)}
    rules: list[Rule] = []
    apart = _apart(wanted)
    for _, run in groupby(wanted.rules, key=lambda rule: (rule.conduit, rule.type)):
        rules += _run_as_held(list(run), place, apart)
    return wanted.replace(rules=rules)


def _run_as_held(
    run: list[Rule], place: Mapping[str, int], apart: Callable[[Rule, Rule], bool]
) -> list[Rule]:
    present = [rule for rule in run if rule.name in place]
    standing = sorted(present, key=lambda rule: place[rule.name])
    if standing == present:
        return run
    waiting = iter(standing)
    held = [next(waiting) if rule.name in place else rule for rule in run]
    rank = {rule.name: index for index, rule in enumerate(run)}
    for index, rule in enumerate(held):
        for other in held[index + 1 :]:
            if rank[other.name] < rank[rule.name] and not (
                _same_flow(rule, other) or apart(rule, other)
            ):
                return run
    return held


def _same_flow(one: Rule, other: Rule) -> bool:
    """Whether it does not matter which of two rules meets a packet that both match."""
    return _done_with(one) == _done_with(other)


def _done_with(rule: Rule) -> tuple[object, ...]:
    return (
        rule.flow,
        rule.action,
        rule.profile_group,
        rule.log,
        rule.log_setting,
        rule.schedule,
        rule.disabled,
        rule.tags,
        rule.extras,
    )


def _apart(policy: Policy) -> Callable[[Rule, Rule], bool]:
    """Return whether no packet matches both of two rules, by their zones or addresses."""
    resolve = resolver(policy)

    def away(ones: tuple[str, ...], others: tuple[str, ...]) -> bool:
        return ANY not in (*ones, *others) and not set(ones) & set(others)

    def distant(ones: tuple[str, ...], others: tuple[str, ...]) -> bool:
        mine, theirs = resolve(ones), resolve(others)
        return bool(mine and theirs) and not any(meeting(part, theirs) for part in mine)

    def apart(one: Rule, other: Rule) -> bool:
        if one.negate_source or one.negate_destination:
            return False
        return (
            away(one.from_zones, other.from_zones)
            or away(one.to_zones, other.to_zones)
            or distant(one.sources, other.sources)
            or distant(one.destinations, other.destinations)
        )

    return apart
