"""What can be said of one rule by itself, and of objects that no rule names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypedDict, runtime_checkable

from segctl.analysis.finding import Finding
from segctl.analysis.space import REAL, Box, Space, addresses, common, ranges, services_text
from segctl.analysis.space import without as numbers_without
from segctl.model.addresses import interval
from segctl.model.policy import (
    ANY,
    APPLICATION_DEFAULT,
    Address,
    AddressGroup,
    ApplicationGroup,
    Schedule,
    Service,
    ServiceGroup,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from segctl.analysis.effective import Match, Reading
    from segctl.analysis.finding import Severity
    from segctl.analysis.space import Names, Numbers
    from segctl.model.policy import FirewallZone, Policy, Rule

#: RFC 5771, section 3.
_MULTICAST = addresses([interval("224.0.0.0/4")])
_ROUTED = "layer3"
#: Where a box has its times, and all that a box has before them.
_TIME = Box._fields.index("time")
_ALWAYS = Box()[:_TIME]


@runtime_checkable
class Multicasting(Protocol):
    """A platform on which what is routed to a group of receivers leaves by a zone of its own."""

    @property
    def multicast_zone(self) -> str:
        """The name of that zone."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What is known of a device besides its policy, by which rules can be seen never to match.

    `zones` are all zones that the device has, by name; none where they are not known. `ports` are
    the default ports of applications.
    """

    zones: Mapping[str, FirewallZone] = field(default_factory=dict[str, "FirewallZone"])
    #: what the device takes for one application without looking: where, which, on what ports
    overrides: tuple[tuple[Rule, Names, Numbers], ...] = ()
    multicast_zone: str = ""
    ports: Mapping[str, Numbers] = field(default_factory=dict[str, "Numbers"])


def ground(reading: Reading, zones: Iterable[FirewallZone]) -> Ground:
    """Return what a platform, and the device with all of its zones, tell."""
    platform = reading.platform
    return Ground(
        zones={zone.name: zone for zone in zones},
        overrides=tuple(reading.taken_for()),
        multicast_zone=platform.multicast_zone if isinstance(platform, Multicasting) else "",
        ports={name: ports for ports, names in platform.default_ports().items() for name in names},
    )


class About(TypedDict):
    """What a finding says of the rule it is about."""

    subject: str
    conduit: str
    flow: str


def about(rule: Rule) -> About:
    """Return what a finding says of the rule it is about."""
    return About(subject=rule.name, conduit=rule.conduit, flow=rule.flow)


# --- never matching ------------------------------------------------------------------------------


def never_matches(rule: Rule, match: Match, known: Ground, *, real: bool) -> Iterator[Finding]:
    """Yield why no packet can match a rule, and where its application and ports do not fit.

    `real` says whether packets of one IP version are among those that it can match.
    """
    why = _no_pair(rule, known)
    if not why and not real:
        why = "its source and destination have no IP version in common"
        why = why if match.can else "its fields leave nothing to match"
    why = why or _multicast(rule, match, known)
    if not why and (said := _misfit(rule, match, known)) and not _made(rule, match, known):
        why, apart = said
        if not apart:
            yield Finding(kind="application_port", severity="note", message=why, **about(rule))
            return
    if why:
        message = f"never matches: {why}"
        yield Finding(kind="never_matches", severity="warning", message=message, **about(rule))


def _no_pair(rule: Rule, known: Ground) -> str:
    if rule.type == "universal" and not known.zones:
        return ""
    enter, leave = set(rule.from_zones), set(rule.to_zones)
    named = ANY not in enter | leave
    if rule.type == "intrazone" and named and not enter & leave:
        return "it is for packets within one zone, and no zone is on both sides"
    if rule.type == "interzone" and named and enter == leave and len(enter) == 1:
        return f"it is for packets between two zones, and {rule.from_zones[0]} is on both sides"
    if not known.zones:
        return ""
    for side, names in (("from", enter), ("to", leave)):
        away = names - known.zones.keys() - {ANY, known.multicast_zone}
        if away and away == names:
            return f"the device does not have the zone it is {side}: {', '.join(sorted(away))}"
        empty = {name for name in names if (zone := known.zones.get(name)) and _unbound(zone)}
        if names and empty == names:
            return f"no interface is in the zone it is {side}: {', '.join(sorted(empty))}"
    return ""


def _unbound(zone: FirewallZone) -> bool:
    return zone.type == _ROUTED and not zone.interfaces and not zone.extras


def _multicast(rule: Rule, match: Match, known: Ground) -> str:
    if not known.multicast_zone or not known.zones or ANY in rule.to_zones:
        return ""
    groups = all(not numbers_without(box.destination, _MULTICAST) for box in match.can.boxes)
    hosts = all(not common(box.destination, _MULTICAST) for box in match.can.boxes)
    if groups and all(
        (zone := known.zones.get(name)) and zone.type == _ROUTED for name in rule.to_zones
    ):
        return (
            "its destination is multicast, which leaves by the zone "
            f"{known.multicast_zone}, not by {', '.join(rule.to_zones)}"
        )
    if hosts and set(rule.to_zones) == {known.multicast_zone}:
        return f"it is to the zone {known.multicast_zone}, and its destination is not multicast"
    return ""


def _misfit(rule: Rule, match: Match, known: Ground) -> tuple[str, bool] | None:
    """Say how a rule's applications and ports do not fit, and whether their protocols differ.

    None where they fit, or where the ports of an application are not known.
    """
    services = rule.services
    if ANY in rule.applications or ANY in services or APPLICATION_DEFAULT in services:
        return None
    used: Numbers = ()
    served: Numbers = ()
    for box in match.can.boxes:
        if box.application.but or not box.application.listed <= known.ports.keys():
            return None
        used = ranges((*used, *(one for n in box.application.listed for one in known.ports[n])))
        served = ranges((*served, *box.service))
    if not used or not served or common(used, served):
        return None
    apart = not common(_whole_protocols(used), _whole_protocols(served))
    names = ", ".join(rule.applications)
    said = f"{names} is spoken on {services_text(used)}, and the rule has {services_text(served)}"
    return (said if apart else f"matches only where ports are unusual: {said}"), apart


def _made(rule: Rule, match: Match, known: Ground) -> bool:
    """Whether packets on a rule's ports may count as its application, whatever they are."""
    return any(
        _meet(rule.from_zones, one.from_zones)
        and _meet(rule.to_zones, one.to_zones)
        and any(box.application & names and common(box.service, ports) for box in match.can.boxes)
        for one, names, ports in known.overrides
    )


def _meet(zones: tuple[str, ...], others: tuple[str, ...]) -> bool:
    return ANY in zones or ANY in others or not set(zones).isdisjoint(others)


def _whole_protocols(numbers: Numbers) -> Numbers:
    return ranges((first >> 16 << 16, (last >> 16 << 16) + 0xFFFF) for first, last in numbers)


# --- permitting everything -----------------------------------------------------------------------


def permits_everything(rule: Rule, match: Match) -> Iterator[Finding]:
    """Yield that a rule surely permits all there is between its zones."""
    if not (match.allows and rule.from_zones and rule.to_zones):
        return  # without a zone it is for no packet
    if not any(box[:_TIME] == _ALWAYS for box in match.sure.boxes):
        return
    inside = rule.type == "intrazone" or (
        len(rule.from_zones) == 1 and rule.from_zones == rule.to_zones and ANY not in rule.to_zones
    )
    anywhere, everywhere = ANY in rule.from_zones, ANY in rule.to_zones
    severity: Severity = "note" if inside else "error" if anywhere and everywhere else "warning"
    where = _zone_text(rule.from_zones, rule.to_zones)
    packet = (Space((Box(),)) & REAL).example()
    zones = (
        "" if anywhere else rule.from_zones[0],
        "" if everywhere else rule.to_zones[0],
    )
    yield Finding(
        kind="permits_everything",
        severity=severity,
        message=f"permits everything {where}",
        zones=zones,
        example=packet,
        **about(rule),
    )


def _zone_text(enter: tuple[str, ...], leave: tuple[str, ...]) -> str:
    def some(names: tuple[str, ...]) -> str:
        if ANY in names:
            return "any zone"
        return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")

    return f"from {some(enter)} to {some(leave)}"


# --- objects -------------------------------------------------------------------------------------


def unused_objects(policy: Policy, referenced: frozenset[str]) -> Iterator[Finding]:
    """Yield the objects that no rule names, disabled rules included, itself or by a group.

    `referenced` are names that something else on the device is known to use.
    """
    rules = policy.rules
    groups: tuple[tuple[str, Iterable[AddressGroup | ServiceGroup | ApplicationGroup]], ...] = (
        ("address", policy[AddressGroup]),
        ("service", policy[ServiceGroup]),
        ("application", policy[ApplicationGroup]),
    )
    used = {
        "address": {name for rule in rules for name in (*rule.sources, *rule.destinations)},
        "service": {name for rule in rules for name in rule.services},
        "application": {name for rule in rules for name in rule.applications},
        "schedule": {rule.schedule for rule in rules},
    }
    for space, found in groups:
        members = {group.name: group.members for group in found}
        open_names = [*used[space], *(name for name in referenced if name in members)]
        while open_names:
            for name in members.pop(open_names.pop(), ()):
                if name not in used[space]:
                    used[space].add(name)
                    open_names.append(name)
    filled = any(not group.members and not group.contained for group in policy[AddressGroup])
    kinds = (
        (Address, "address"),
        (AddressGroup, "address"),
        (Service, "service"),
        (ServiceGroup, "service"),
        (ApplicationGroup, "application"),
        (Schedule, "schedule"),
    )
    for kind, space in kinds:
        if kind is Address and filled:
            continue  # a group that the device fills may take it in by its tag
        for item in policy[kind]:
            if item.name not in used[space] and item.name not in referenced:
                yield Finding(
                    kind="unused_object",
                    severity="note",
                    subject=item.name,
                    message=f"no rule uses this {kind.kind_name.replace('-', ' ')}",
                )
