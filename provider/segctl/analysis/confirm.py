"""What `decide` says of a packet that a judgement made of sets shows as an example.

It goes through the rules of one policy with one packet, which is another way to the same answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.analysis.decide import Decision, Packet, decider
from segctl.analysis.space import PROTOCOLS, host_of
from segctl.analysis.symbols import DEFAULT_PORTS
from segctl.model.policy import ApplicationGroup, FirewallZone, Schedule, Service, ServiceGroup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from segctl.analysis.space import Numbers, Point
    from segctl.analysis.words import Platform
    from segctl.model.gate import Gate
    from segctl.model.policy import Policy, Rule

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_NAMES = {number: name for name, number in PROTOCOLS.items()}


class Judge:
    """Decides about packets one by one, each at its minute of the week."""

    def __init__(self, policy: Policy, platform: Platform, gates: Sequence[Gate] = ()) -> None:
        """Take a policy whose names the platform knows, and what packets must pass besides."""
        self._gates = tuple(gates)
        self._interfaces = {one.name: frozenset(one.interfaces) for one in policy[FirewallZone]}
        self._policy = _spelled_out(policy, platform)
        self._ports: Mapping[str, Numbers] = {
            name: ports for ports, names in platform.default_ports().items() for name in names
        }
        self._schedules = {one.name: one for one in policy[Schedule]}
        self._deciders: dict[frozenset[str], Callable[[Packet], Decision]] = {}

    def decide(self, point: Point, enter: str, leave: str) -> Decision:
        """Return what happens to a packet between two zones of the device.

        A gate counts where it is certain that it stops the packet.
        """
        held = [self._interfaces.get(zone, frozenset[str]()) for zone in (enter, leave)]
        for gate in self._gates:
            if not gate.opens and _stops(gate, point, *held):
                return Decision(action="deny", rule=gate.name)
        idle = frozenset(
            name for name, one in self._schedules.items() if not _active(one, point.time)
        )
        found = self._deciders.get(idle)
        if found is None:
            found = self._deciders[idle] = decider(_without(self._policy, idle))
        return found(self.packet(point, enter, leave))

    def packet(self, point: Point, enter: str, leave: str) -> Packet:
        """Return a packet between two zones of the device, as it is decided about."""
        own = self._ports.get(point.application, DEFAULT_PORTS)
        return Packet(
            from_zone=enter,
            to_zone=leave,
            source=host_of(point.source),
            destination=host_of(point.destination),
            protocol=_NAMES.get(point.service >> 16, ""),
            port=point.service & 0xFFFF,
            application=point.application,
            user=point.user,
            default_port=any(first <= point.service <= last for first, last in own),
        )


def _stops(gate: Gate, point: Point, enters: frozenset[str], leaves: frozenset[str]) -> bool:
    """Whether a gate surely stops a packet from some interfaces to others."""
    for rule in gate.rules:
        numbers = (
            (rule.sources, point.source),
            (rule.destinations, point.destination),
            (rule.services, point.service),
        )
        if not all(any(first <= one <= last for first, last in held) for held, one in numbers):
            continue
        sides = [
            (named, held) for named, held in ((rule.enters, enters), (rule.leaves, leaves)) if named
        ]
        if any(held and held.isdisjoint(named) for named, held in sides):
            continue
        sure = rule.certain and all(held and held.issubset(named) for named, held in sides)
        if rule.action == "accept":
            return False
        if sure:
            return True
    return gate.drops


def _without(policy: Policy, idle: frozenset[str]) -> Policy:
    """Return a policy without the rules whose schedule does not apply."""
    return policy.replace(rules=[one for one in policy.rules if one.schedule not in idle])


def _active(schedule: Schedule, minute: int) -> bool:
    """Return whether a schedule applies; one whose hours are not understood does, as ever."""
    try:
        return _within(schedule, minute)
    except ValueError:
        return True


def _within(schedule: Schedule, minute: int) -> bool:
    day, now = divmod(minute, 24 * 60)
    for name, hours in schedule.windows:
        for window in hours:
            first, last = (_minute(word) for word in window.split("-"))
            on = name in ("daily", _DAYS[day])
            before = name in ("daily", _DAYS[(day - 1) % 7])
            if first <= last:
                if on and first <= now <= last:
                    return True
            elif (on and now >= first) or (before and now <= last):
                return True
    return not schedule.windows


def _minute(text: str) -> int:
    hour, _, minute = text.partition(":")
    return min(int(hour) * 60 + int(minute), 24 * 60 - 1)


def _spelled_out(policy: Policy, platform: Platform) -> Policy:
    """Return a policy with the names that `decide` does not know written out.

    These are containers of applications, groups of groups, groups of services, and the services
    that the platform brings along.
    """
    groups = {one.name: one.members for one in policy[ApplicationGroup]}
    services = {one.name: one.members for one in policy[ServiceGroup]}
    held = {one.name for one in policy[Service]}
    brought: dict[str, tuple[Service, ...]] = {}

    def applications(rule: Rule) -> tuple[str, ...]:
        listed: set[str] = set()
        for name in _leaves(rule.applications, groups):
            found = platform.application(name)
            inside = found.sure.listed if found is not None and not found.sure.but else ()
            listed |= {name, *inside}
        return tuple(sorted(listed))

    def ports(rule: Rule) -> tuple[str, ...]:
        listed: set[str] = set()
        for name in _leaves(rule.services, services):
            if name not in held and name not in brought:
                brought[name] = tuple(_services(name, platform))
            listed |= {name} if name in held else {one.name for one in brought[name]} or {name}
        return tuple(sorted(listed))

    from dataclasses import replace

    rules = [
        replace(rule, applications=applications(rule), services=ports(rule))
        for rule in policy.rules
    ]
    more = [one for found in brought.values() for one in found]
    return policy.replace(rules=rules, services=(*policy[Service], *more))


def _services(name: str, platform: Platform) -> Iterable[Service]:
    for first, last in platform.service(name) or ():
        ports = f"{first & 0xFFFF}-{last & 0xFFFF}"
        yield Service(
            name=f"{name} {first >> 16} {ports}",
            protocol=_NAMES.get(first >> 16, ""),
            ports=ports,
        )


def _leaves(names: Iterable[str], groups: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    found: set[str] = set()
    seen: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in groups and name not in seen:
            seen.add(name)
            waiting += groups[name]
        elif name not in groups:
            found.add(name)
    return frozenset(found)
