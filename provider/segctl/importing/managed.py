"""From the rules that carry our mark back to the conduits and flows they were compiled from.

Total: a rule that was edited by hand comes back as near as the inventory can say it. Whether
compiling gives exactly the device's policy is not judged here, but by planning back.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from segctl.compiler import naming
from segctl.importing.contained import containment_of, contains
from segctl.importing.functions import function_uses, protocol_uses
from segctl.importing.islands import Prepared, read_islands
from segctl.importing.labels import Labels, is_spelled, read_labels
from segctl.importing.networks import networks_of
from segctl.importing.services import port_ranges
from segctl.importing.times import declared_schedule
from segctl.importing.words import is_id, is_word, make_id, one_line
from segctl.importing.written import with_objects
from segctl.importing.zones import is_host, read_zones
from segctl.model.errors import Problem
from segctl.model.policy import AHEAD, ANY, ApplicationGroup, Service
from segctl.model.site import Conduit, Endpoint, Flow, Schedule, Zone
from segctl.providers.base import application_names

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from segctl.model.policy import Policy, Rule
    from segctl.model.site import (
        Containment,
        Device,
        Mode,
        PortRange,
        ProtocolUse,
        ThreatPrevention,
    )
    from segctl.providers.base import Live, Provider

UNKNOWN = "unknown"
#: Stands in a conduit for the zones of it that only other firewalls see.
UNSEEN = "unseen"
#: Rules that name all the zones of a device that belong to the inventory.
_OF_ALL_ZONES: Final = frozenset({naming.CLOSING_RULE, naming.UNKNOWN_RULE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Managed:
    """What the marked rules say: the site, its zones and conduits, and the firewall's settings.

    `attached` is the device's zone of each zone id, in the order in which they are to be bound:
    a zone that has the interfaces first, then those that lie behind it.
    """

    site: str
    zones: tuple[Zone, ...] = ()
    attached: tuple[tuple[str, str], ...] = ()
    conduits: tuple[Conduit, ...] = ()
    profiles: tuple[tuple[str, str], ...] = ()
    schedules: tuple[Schedule, ...] = ()
    log_forwarding: str = ""
    containment: Containment | None = None
    islands: tuple[Prepared, ...] = ()
    warnings: tuple[Problem, ...] = ()


def read_managed(live: Live, provider: Provider, device: Device, site: str) -> Managed:
    """Return what the rules of ours on a device were compiled from.

    Args:
        live: the device.
        provider: the platform's.
        device: what the inventory says of the host; its profiles name ``strict`` and ``alert``.
        site: the site the inventory gives the host.
    """
    reader = _Reader(live, provider, device, site)
    return _managed(reader, reader.attached(), reader.profiles)


def read_members(
    live: Live,
    views: Mapping[str, Live],
    provider: Provider,
    group: Device,
    site: str,
) -> tuple[Managed, dict[str, Member]]:
    """Return what the rules of ours in a device group were compiled from, and by firewall.

    Args:
        live: the group, its rules as if all firewalls had them.
        views: what each firewall gets of it, by host.
        provider: the platform's.
        group: what the inventory says of the group.
        site: the site the inventory gives its firewalls.
    """
    reader = _Reader(live, provider, group, site)
    seen = {name: reader.seen(view) for name, view in views.items()}
    alone = {
        name: {labels[0] for labels in one.behind.values() if len(labels) == 1}
        for name, one in seen.items()
    }
    found: dict[str, Member] = {}
    for name, one in seen.items():
        direct = {label for other, labels in alone.items() if other != name for label in labels}
        attached = reader.bound_to(one.without(direct))
        found[name] = Member(attached=attached, profiles=reader.levels(views[name].policy.rules))
    every = dict.fromkeys(pair for one in found.values() for pair in one.attached)
    reader.profiles = tuple(dict.fromkeys(pair for one in found.values() for pair in one.profiles))
    return _managed(reader, tuple(every), reader.profiles), found


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """What the rules say of one firewall of a group: see `Managed`."""

    attached: tuple[tuple[str, str], ...]
    profiles: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """The labels of ours by the device's zone, and those of them that deny traffic inside."""

    behind: Mapping[str, Sequence[str]]
    inside: frozenset[str]

    def without(self, direct: Collection[str]) -> _Seen:
        """Return this without what lies behind and has a firewall of its own in the group."""
        kept = {
            name: (len(labels) > 1 and [one for one in labels if one not in direct]) or labels
            for name, labels in self.behind.items()
        }
        return _Seen(behind=kept, inside=self.inside)


def _managed(
    reader: _Reader,
    attached: tuple[tuple[str, str], ...],
    profiles: tuple[tuple[str, str], ...],
) -> Managed:
    zones = reader.zones(attached)
    conduits = reader.conduits()
    if any(UNSEEN in {*one.from_zones, *one.to_zones} for one in conduits):
        zones = (*zones, Zone(site=reader.labels.site, id=UNSEEN))
    site_id = reader.labels.site
    return Managed(
        site=site_id,
        zones=zones,
        attached=attached,
        conduits=tuple(_keyed(conduit) for conduit in conduits),
        profiles=profiles,
        schedules=tuple(reader.schedules[name] for name in sorted(reader.schedules)),
        log_forwarding=_most(rule.log_setting for rule in reader.rules if not contains(rule)),
        containment=containment_of(reader.rules),
        islands=read_islands(reader.rules, reader.labels),
        warnings=tuple(reader.warnings),
    )


def _keyed(conduit: Conduit) -> Conduit:
    """Return the conduit with zone keys where it has zone ids."""

    def keys(zones: Iterable[str]) -> tuple[str, ...]:
        return tuple(f"{conduit.site}/{zone}" for zone in zones)

    def ends(endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
        return tuple(replace(end, zone=f"{conduit.site}/{end.zone}") for end in endpoints)

    return replace(
        conduit,
        from_zones=keys(conduit.from_zones),
        to_zones=keys(conduit.to_zones),
        flows=tuple(
            replace(flow, sources=ends(flow.sources), destinations=ends(flow.destinations))
            for flow in conduit.flows
        ),
    )


def _most(words: Iterable[str]) -> str:
    counted = Counter(word for word in words if word)
    return counted.most_common(1)[0][0] if counted else ""


def read_description(description: str) -> naming.Description:
    """Return what the description of a rule of ours says; all of it is a reason if it was cut."""
    text = one_line(naming.without_mark(description))
    described = None if naming.is_cut(description) else naming.decode_description(text)
    if described is None:
        return naming.Description(reason=text if text.strip() else UNKNOWN, owner=UNKNOWN)
    return described


def _mode(described: naming.Description) -> Mode:
    return "monitor" if described.monitor else "enforce"


def _bound(view: Live) -> list[str]:
    """Return the zones of a device that belong to the inventory.

    The rule that closes our block names them all, and so does the one that denies what is not
    recognised; without either they are all of the device's.
    """
    held = [zone.name for zone in view.zones]
    for rule in view.policy.rules:
        if rule.name in _OF_ALL_ZONES and not rule.flow:
            named = frozenset(rule.from_zones)
            return [name for name in held if name in named]
    return held


def _intrazone(rules: Iterable[Rule]) -> dict[str, str]:
    """Return the zones that deny traffic inside themselves, with the device's zone."""
    found: dict[str, str] = {}
    for rule in rules:
        if rule.flow or rule.type != "intrazone" or len(rule.from_zones) != 1:
            continue
        text = naming.without_mark(rule.description)
        label = naming.decode_intrazone_description(text) or naming.same_intrazone(rule.name)
        if label:
            found[label] = rule.from_zones[0]
    return found


class _Reader:
    """Holds what is known of one device while its rules are read."""

    def __init__(self, live: Live, provider: Provider, device: Device, site: str) -> None:
        self._live = live
        self._device = device
        self._limit = provider.capabilities.max_name
        self._application_names = application_names(provider)
        self._policy: Policy = with_objects(live.policy, site, self._limit)
        self.warnings: list[Problem] = []
        self.schedules: dict[str, Schedule] = {}
        self._flows = [rule for rule in self._policy.rules if rule.conduit and rule.flow]
        self._inside = _intrazone(self._policy.rules)
        self.labels: Labels = read_labels(self._policy, self._inside, site, self._limit)
        self._groups = {group.name: group for group in self._policy[ApplicationGroup]}
        services = (*live.others[Service], *self._policy[Service])
        self._services = {service.name: service for service in services}
        self.profiles = self.levels(self._policy.rules)

    def _warn(self, message: str, rule: Rule, hint: str = "") -> None:
        self.warnings.append(
            Problem(
                message=message, hint=hint, severity="warning", kind="import", subject=rule.name
            )
        )

    # --- zones -------------------------------------------------------------------------------

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules of ours on the device."""
        return self._policy.rules

    def _sides(self, flows: Iterable[Rule]) -> Iterable[tuple[str, Sequence[str], Sequence[str]]]:
        """Yield the zone, the device's zones and the objects of each side of each rule."""
        for rule in flows:
            yield self.labels.zone(rule.sources), rule.from_zones, rule.sources
            yield self.labels.zone(rule.destinations), rule.to_zones, rule.destinations

    def zones(self, attached: Iterable[tuple[str, str]]) -> tuple[Zone, ...]:
        """Return the zones of the site, those that are attached without any address included."""
        used: dict[str, set[str]] = {label: set() for label in self._inside}
        for label, _, names in self._sides(self._flows):
            if label:
                used.setdefault(label, set()).update(names)
        for island in read_islands(self.rules, self.labels):
            for label in island.above:
                used.setdefault(label, set())
        zones = read_zones(self.labels, dict(used), frozenset(self._inside))
        known = {zone.id for zone in zones}
        more = tuple(
            Zone(site=self.labels.site, id=zone_id)
            for zone_id in dict.fromkeys(zone_id for zone_id, _ in attached)
            if zone_id not in known
        )
        return (*zones, *more)

    def attached(self) -> tuple[tuple[str, str], ...]:
        """Return where each zone is attached; see `bound_to`."""
        return self.bound_to(self.seen(replace(self._live, policy=self._policy)))

    def seen(self, view: Live) -> _Seen:
        """Return the device's zones that belong to the inventory, with ours that are seen there."""
        rules = view.policy.rules
        flows = [rule for rule in rules if rule.conduit and rule.flow]
        inside = _intrazone(rules)
        places: dict[str, Counter[str]] = {
            label: Counter({zone: len(flows) + 1}) for label, zone in inside.items()
        }
        for label, seen_in, _ in self._sides(flows):
            if label:
                places.setdefault(label, Counter()).update(seen_in)
        behind: dict[str, list[str]] = {name: [] for name in _bound(view)}
        for label, counted in sorted(places.items()):
            behind.setdefault(counted.most_common(1)[0][0], []).append(label)
        return _Seen(behind=behind, inside=frozenset(inside))

    def bound_to(self, seen: _Seen) -> tuple[tuple[str, str], ...]:
        """Return the device's zone of every zone, those that have its interfaces first.

        Where rules of one device zone name several zones of ours, all but one lie behind it: that
        is the one called like it, or one of which nothing is known but that it is there.
        """
        taken = {self.labels.id(label) for labels in seen.behind.values() for label in labels}
        result: list[tuple[str, str]] = []
        for name, labels in sorted(seen.behind.items()):
            ids = [self.labels.id(label) for label in labels]
            denying = [self.labels.id(label) for label in labels if label in seen.inside]
            like = make_id(name, lower=True)
            if denying or like in ids or len(ids) == 1:
                direct = (denying or [like] if like in ids or denying else ids)[0]
            else:
                direct = make_id(name, taken, lower=True)
                taken.add(direct)
            result += [(one, name) for one in dict.fromkeys((direct, *ids))]
        return tuple(result)

    # --- conduits ----------------------------------------------------------------------------

    def conduits(self) -> tuple[Conduit, ...]:
        """Return the conduits, by id; zones and endpoints by zone id."""
        by_label: dict[str, list[Rule]] = {}
        for rule in self._flows:
            if not (self.labels.zone(rule.sources) and self.labels.zone(rule.destinations)):
                self._warn(f"rule {rule.name}: its addresses are not those of any zone", rule)
                continue
            by_label.setdefault(rule.conduit, []).append(rule)
        for rule in self._policy.rules:
            known = rule.name in _OF_ALL_ZONES or contains(rule)
            if not rule.flow and not known and rule.type != "intrazone":
                self._warn(f"rule {rule.name} has our tag but does not name its conduit", rule)
        found = [self._conduit(label, rules) for label, rules in sorted(by_label.items())]
        return tuple(conduit for conduit in found if conduit.flows)

    def _conduit(self, label: str, rules: list[Rule]) -> Conduit:
        texts = [rule.description for rule in rules]
        longest = max(texts, key=lambda text: len(naming.without_mark(text)))  # others may be cut
        described = read_description(longest)
        mode = _mode(described)
        by_flow: dict[str, list[Rule]] = {}
        for rule in rules:
            by_flow.setdefault(rule.flow, []).append(rule)
        flows = [
            flow
            for flow_id, found in sorted(by_flow.items())
            if (flow := self._flow(flow_id, found, mode)) is not None
        ]
        labels = self.labels
        sources = list(dict.fromkeys(labels.id(labels.zone(rule.sources)) for rule in rules))
        targets = list(dict.fromkeys(labels.id(labels.zone(rule.destinations)) for rule in rules))
        if len(sources) == len(targets) == 1 and self._one_of_many(rules, sources[0], targets[0]):
            if all(flow.destinations for flow in flows):
                targets.append(UNSEEN)
            elif all(flow.sources for flow in flows):
                sources.append(UNSEEN)
        profile = _most(rule.profile_group for rule in rules)
        return Conduit(
            site=labels.site,
            id=labels.id(label),
            from_zones=tuple(sources),
            to_zones=tuple(zone for zone in targets if zone not in sources),
            reason=described.reason,
            owner=described.owner,
            flows=tuple(flows),
            ticket=described.ticket,
            expires=described.expires,
            mode=mode,
            threat_prevention=self._threat(profile, mode),
        )

    def _one_of_many(self, rules: Iterable[Rule], source: str, target: str) -> bool:
        """Whether the rules' names say that the conduit joins more zones than are seen here."""
        return any(is_spelled(rule, source, target, self._limit) for rule in rules)

    def _flow(self, flow_id: str, rules: list[Rule], mode: Mode) -> Flow | None:
        first = rules[0]
        sources = self._endpoints([rule.sources for rule in rules])
        targets = self._endpoints([rule.destinations for rule in rules])
        if sources is None or targets is None:
            self._warn(f"rule {first.name}: segctl cannot tell its addresses", first)
            return None
        services, unknown = port_ranges(first.services, self._services)
        if unknown:
            self._warn(f"rule {first.name}: {', '.join(unknown)} is not a service of ours", first)
        uses, applications = self._permitted(first, services)
        if not (uses or applications or services):
            return None
        return Flow(
            id=flow_id if is_id(flow_id) else make_id(flow_id),
            sources=sources,
            destinations=targets,
            protocols=uses,
            services=services,
            applications=applications,
            users=tuple(user for user in first.users if user != ANY and is_word(user)),
            schedule=self._schedule(first),
            essential=first.essential,
            log=first.log or mode == "monitor",
        )

    def _endpoints(self, sides: Iterable[Sequence[str]]) -> tuple[Endpoint, ...] | None:
        """Return the endpoints of one side of a flow: () is whole zones, None not endpoints."""
        found: dict[Endpoint, None] = {}
        for names in sides:
            label = self.labels.zone(names)
            if label in names:
                return ()
            zone = self.labels.id(label)
            pieces = self.labels.of(label, names)
            networks = networks_of(piece.part for piece in pieces if not piece.asset)
            ends = [Endpoint(zone=zone, network=network) for network in networks]
            ends += [
                Endpoint(zone=zone, asset=piece.asset)
                for piece in pieces
                if piece.asset and is_host(piece.part)
            ]
            if not ends:
                return None
            found.update(dict.fromkeys(ends))
        return tuple(found)

    def _permitted(
        self, rule: Rule, services: Sequence[PortRange]
    ) -> tuple[tuple[ProtocolUse, ...], tuple[str, ...]]:
        """Return the protocols and applications that a rule permits."""
        if rule.applications == (ANY,):
            return (), () if services else (ANY,)
        names: set[str] = set()
        for name in rule.applications:
            group = self._groups.get(name)
            names.update(group.members if group is not None else (name,))
        if functions := function_uses(names, self._application_names):
            return functions, ()
        uses, applications = protocol_uses(names, self._application_names)
        if AHEAD in rule.tags and not applications:
            # it may carry what nobody recognises: protocols of the catalogue would move it down
            uses, applications = (), tuple(sorted(names))
        return uses, tuple(name for name in applications if is_word(name))

    def _schedule(self, rule: Rule) -> str:
        if not rule.schedule:
            return ""
        schedule = declared_schedule(rule.schedule, self._policy, self._live.others)
        if schedule is None:
            self._warn(
                f"rule {rule.name}: the inventory cannot express schedule {rule.schedule}",
                rule,
            )
            return ""
        self.schedules[schedule.name] = schedule
        return schedule.name

    # --- threat prevention -------------------------------------------------------------------

    def levels(self, rules: Iterable[Rule]) -> tuple[tuple[str, str], ...]:
        """Return which profile groups of the device the words strict and alert mean."""
        profiled = [rule for rule in rules if rule.conduit and rule.flow and rule.profile_group]
        used = Counter(rule.profile_group for rule in profiled)
        declared = {level: name for level, name in self._device.threat_profiles if name in used}
        watching = Counter(
            rule.profile_group for rule in profiled if read_description(rule.description).monitor
        )
        names = [name for name, _ in sorted(used.items(), key=lambda item: (-item[1], item[0]))]
        levels = dict(declared)
        for name in names:
            if name in levels.values():
                continue
            mild = name in watching or "alert" in name.lower()
            for level in ("alert", "strict") if mild else ("strict", "alert"):
                if level not in levels:
                    levels[level] = name
                    break
        return tuple(sorted(levels.items()))

    def _threat(self, profile: str, mode: Mode) -> ThreatPrevention | None:
        for level, name in self.profiles:
            if name == profile and mode != "monitor":
                return "strict" if level == "strict" else "alert"
        return None if mode == "monitor" else "none"
