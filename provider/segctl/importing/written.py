"""A policy with addresses written out, as one that names address objects.

Some platforms have no address objects: a rule holds addresses, or a group of them that is called
after the objects they came from. What the names still say is taken from them; what they do not
say becomes networks.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from segctl.compiler.naming import (
    DEFAULT_SITE,
    below,
    decode_network,
    decode_several,
    heads,
    labelled,
    network_object,
    same_intrazone,
    split_group,
)
from segctl.importing.networks import as_networks
from segctl.importing.words import make_id
from segctl.model.addresses import interval, interval_text, merge
from segctl.model.policy import ANY, Address, AddressGroup

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from segctl.model.addresses import Interval
    from segctl.model.policy import Policy, Rule


def with_objects(policy: Policy, site: str, limit: int) -> Policy:
    """Return `policy` with address objects, as it is where it has them.

    Args:
        policy: what of a device is ours.
        site: the site that the inventory gives the host.
        limit: how long names of groups may be on the platform.
    """
    if policy[Address] or not policy.rules:
        return policy
    groups = {
        group.name: parts for group in policy[AddressGroup] if (parts := _parts(group.members))
    }
    reader = _Reader(groups=groups, limit=limit)
    reader.learn(policy.rules, site)
    rules = tuple(map(reader.rule, policy.rules))
    return policy.replace(
        addresses=tuple(reader.addresses.values()),
        address_groups=tuple(reader.zones.values()),
        rules=rules,
    )


def _parts(members: Iterable[str]) -> tuple[Interval, ...]:
    try:
        return merge(map(interval, members))
    except ValueError:
        return ()


@dataclass(slots=True)
class _Reader:
    """What the names of groups say, and the objects that rules come to name."""

    groups: Mapping[str, tuple[Interval, ...]]
    limit: int
    known: dict[str, tuple[Interval, ...]] = field(
        default_factory=dict[str, "tuple[Interval, ...]"]
    )
    labels: dict[str, str] = field(default_factory=dict[str, str])
    addresses: dict[str, Address] = field(default_factory=dict[str, Address])
    zones: dict[str, AddressGroup] = field(default_factory=dict[str, AddressGroup])
    _wholes: set[str] = field(default_factory=set[str])

    def learn(self, rules: Sequence[Rule], site: str) -> None:
        """Find out which names are zones, and what the zones of the device are called."""
        names = [name for group in self.groups for name in split_group(group, self.limit)]
        above = {head for name in names for head in heads(name)}
        for group, parts in self.groups.items():
            if split_group(group, self.limit) != (group,):
                continue
            self.known[group] = parts
            one_host = len(parts) == 1 and parts[0][1] == parts[0][2]
            asset = one_host and group not in above and any(heads(group))
            if not asset and not self._spelled(group):
                self._wholes.add(group)
        counted: dict[str, Counter[str]] = {}
        for rule in rules:
            for zone, label in self._seen(rule):
                counted.setdefault(zone, Counter())[label] += 1
        self.labels = {zone: seen.most_common(1)[0][0] for zone, seen in counted.items()}
        self._make_up(rules, site)

    def _seen(self, rule: Rule) -> Iterator[tuple[str, str]]:
        """Yield the zones of the device that a rule joins, with labels that it has for them."""
        if rule.type == "intrazone" and (label := same_intrazone(rule.name)):
            yield rule.from_zones[0], label
        for zones, listed in _sides(rule):
            for label in filter(None, map(self._zone_of, listed)):
                yield zones[0], label

    def _make_up(self, rules: Sequence[Rule], site: str) -> None:
        """Give a label to every other zone of the device."""
        if any(below(rule.conduit, site) == rule.conduit for rule in rules if rule.flow):
            site = DEFAULT_SITE
        taken = {below(label, site) for label in self.labels.values()}
        for zone in sorted({zone for rule in rules for zone in (*rule.from_zones, *rule.to_zones)}):
            if zone not in self.labels:
                name = make_id(zone, taken, lower=True)
                taken.add(name)
                self.labels[zone] = labelled(site or DEFAULT_SITE, name)

    def _zone_of(self, group: str) -> str:
        """Return the label of the zone that a group says it is of, if it does."""
        for name in split_group(group, self.limit) if group in self.groups else ():
            if name in self._wholes:
                return name
            network = decode_network(name)
            if network is not None:
                return network[0]
            head = next((head for head in heads(name) if head in self._wholes), "")
            if head:
                return head
        return ""

    def _spelled(self, name: str) -> tuple[Interval, ...]:
        """Return the addresses that an object's name spells."""
        found = decode_network(name) or decode_several(name)
        return _parts((found[1],)) if found else ()

    def rule(self, rule: Rule) -> Rule:
        """Return a rule that names objects."""
        if not rule.flow:
            return rule
        return replace(
            rule,
            sources=tuple(self._objects(rule.from_zones[0], rule.sources)),
            destinations=tuple(self._objects(rule.to_zones[0], rule.destinations)),
        )

    def _objects(self, zone: str, listed: Iterable[str]) -> Iterator[str]:
        for name in listed:
            parts = self.groups[name] if name in self.groups else _parts((name,))
            if name == ANY or not parts:
                yield name
            elif name in self._wholes:
                yield self._whole(name, parts)
            else:
                yield from self._named(name, parts) or self._networks(
                    self._zone_of(name) or self.labels[zone], parts
                )

    def _whole(self, label: str, parts: Iterable[Interval]) -> str:
        members = tuple(
            self._keep(network_object(label, text), text) for text in map(interval_text, parts)
        )
        self.zones[label] = AddressGroup(name=label, members=members)
        return label

    def _named(self, group: str, parts: tuple[Interval, ...]) -> list[str]:
        """Return the objects that a group's name names, where it says what each of them holds."""
        names = split_group(group, self.limit) if group in self.groups else ()
        held = {name: self._spelled(name) or self.known.get(name, ()) for name in names}
        if not all(len(one) == 1 for one in held.values()):
            return []
        if merge(part for one in held.values() for part in one) != parts:
            return []
        return [self._keep(name, interval_text(one[0])) for name, one in held.items()]

    def _networks(self, label: str, parts: Iterable[Interval]) -> list[str]:
        texts = [str(network) for part in parts for network in as_networks(part)]
        plain = [interval_text(_parts((text,))[0]) for text in texts]
        return [self._keep(network_object(label, text), text) for text in plain]

    def _keep(self, name: str, text: str) -> str:
        self.addresses[name] = Address(
            name=name, value=text, type="range" if "-" in text else "network"
        )
        return name


def _sides(rule: Rule) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    if not rule.flow:
        return ()
    return (rule.from_zones, rule.sources), (rule.to_zones, rule.destinations)
