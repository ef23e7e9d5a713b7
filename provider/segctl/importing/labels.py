"""Which zone each address object of ours belongs to, told from its name.

Ids may hold dots, so a name alone can be read in several ways, and a shortened one says nothing
for certain; whichever reading is taken here, it compiles to the same name again.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from segctl.compiler.groups import name_for
from segctl.compiler.naming import (
    DEFAULT_SITE,
    RuleName,
    below,
    heads,
    read_object,
    shorten,
)
from segctl.importing.words import is_id, make_id
from segctl.model.addresses import interval
from segctl.model.policy import Address, AddressGroup

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from segctl.model.addresses import Interval
    from segctl.model.policy import Policy, Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One address object of ours: of a network (`asset` empty) or of an asset, and its zone."""

    label: str
    part: Interval
    asset: str = ""
    role: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """The address objects and groups of ours, taken apart; `head` begins all their names.

    That is the site's id, or nothing for the default site.
    """

    head: str
    pieces: Mapping[str, Piece]
    groups: Mapping[str, tuple[str, ...]]

    @property
    def site(self) -> str:
        """The site that all zones and conduits are of."""
        return self.head or DEFAULT_SITE

    def zone(self, names: Iterable[str]) -> str:
        """Return the label of the zone that the objects on one side of a rule are of."""
        found = (
            name if name in self.groups else piece.label if piece else ""
            for name in names
            for piece in (self.pieces.get(name),)
        )
        counted = Counter(label for label in found if label)
        return counted.most_common(1)[0][0] if counted else ""

    def id(self, label: str) -> str:
        """Return a label without the site, as an id."""
        plain = below(label, self.head)
        return plain if is_id(plain) else make_id(plain)

    def of(self, label: str, names: Iterable[str]) -> tuple[Piece, ...]:
        """Return the objects of one zone among `names`."""
        found = (self.pieces.get(name) for name in names)
        return tuple(piece for piece in found if piece and piece.label == label)


def read_labels(policy: Policy, intrazone: Iterable[str], hint: str, limit: int) -> Labels:
    """Take the names of our objects apart.

    Args:
        policy: what of a device is ours.
        intrazone: labels of zones that deny traffic inside themselves.
        hint: the site that the inventory gives the host.
        limit: how long names may be on the platform.
    """
    rules = [rule for rule in policy.rules if rule.flow]
    stems = _Stems(policy, tuple(intrazone))
    conduits = [rule.conduit for rule in rules]
    readings = [stems.read(head, rules) for head in _sites(stems, conduits, hint)]
    return max(readings, key=lambda labels: _fitting(labels, rules, limit))


def is_spelled(rule: Rule, source: str, destination: str, limit: int) -> bool:
    """Whether a rule is called as one of a conduit between many zones is."""
    name = RuleName(conduit=rule.conduit, flow=rule.flow, zones=(source, destination))
    return _is_called(rule, shorten(str(name), limit))


def _is_called(rule: Rule, name: str) -> bool:
    """Whether a rule has this name, be it as one of several that go to different firewalls."""
    return rule.name == name or (bool(rule.targets) and rule.name == name_for(name, rule.targets))


def _fitting(labels: Labels, rules: Iterable[Rule], limit: int) -> int:
    """Count the rules whose names are explained by the zones that `labels` finds."""
    pairs = (
        (rule, labels.zone(rule.sources), labels.zone(rule.destinations))
        for rule in rules
        if not _is_called(rule, shorten(str(RuleName(conduit=rule.conduit, flow=rule.flow)), limit))
    )
    return sum(
        is_spelled(rule, labels.id(source), labels.id(destination), limit)
        for rule, source, destination in pairs
    )


def _sites(stems: _Stems, conduits: Sequence[str], hint: str) -> Iterator[str]:
    """Yield what may begin every name for the site, the likeliest first; nothing is the last."""
    every = [*conduits, *stems.known, *stems.assets]
    candidates: list[str] = []
    for possible in zip(*(reversed([*heads(name)]) for name in every), strict=False):
        if len(set(possible)) > 1:
            break
        candidates.append(possible[0])
    if hint == DEFAULT_SITE:
        yield ""
    elif hint and (hint in candidates or not every):
        yield hint
    yield from candidates
    yield ""


@dataclass(slots=True)
class _Stems:
    """Object names without their addresses: zones that are sure, assets still to be split."""

    policy: Policy
    intrazone: tuple[str, ...]
    known: set[str] = field(init=False)
    assets: dict[str, list[Address]] = field(init=False)
    networks: dict[str, tuple[str, Interval]] = field(init=False)

    def __post_init__(self) -> None:
        groups = (group.name for group in self.policy[AddressGroup] if not group.contained)
        self.known = {*self.intrazone, *groups}
        self.networks, self.assets = {}, {}
        several: dict[str, list[Address]] = {}
        for address in self.policy[Address]:
            part = _part(address)
            if part is None:
                continue
            stem = read_object(address.name, address.value)
            if stem.kind == "asset":
                self.assets.setdefault(address.name, []).append(address)
            elif stem.kind == "network":
                self.networks[address.name] = (stem.text, part)
            else:
                several.setdefault(stem.text, []).append(address)
        for text, found in several.items():
            self.assets[text if len(found) > 1 else found[0].name] = found
        self.known |= {label for label, _ in self.networks.values()}

    def read(self, head: str, rules: Sequence[Rule]) -> Labels:
        """Return every object with its zone, given what begins all names for the site."""
        split = self._split(head, rules)
        pieces = {
            name: Piece(label=label, part=part) for name, (label, part) in self.networks.items()
        }
        for stem, label in split.items():
            for address in self.assets[stem]:
                part = _part(address)
                if part is not None:
                    asset = below(stem, label)
                    pieces[address.name] = Piece(
                        label=label,
                        part=part,
                        asset=asset if is_id(asset) else make_id(asset),
                        role=address.description,
                    )
        held = self.policy[AddressGroup]
        groups = {group.name: group.members for group in held if not group.contained}
        return Labels(head=head, pieces=pieces, groups=groups)

    def _split(self, head: str, rules: Sequence[Rule]) -> dict[str, str]:
        """Return the zone of each asset: a known one, else the first word after the site.

        Where two zones of the device would come out as one, one word more is taken.
        """
        split: dict[str, str] = {}
        guessed: dict[str, list[str]] = {}
        for stem in self.assets:
            labels = [*heads(stem)]
            fitting = next((label for label in labels if label in self.known), None)
            possible = [label for label in reversed(labels) if len(label) > len(head)]
            if fitting is not None:
                split[stem] = fitting
            elif possible:
                guessed[stem] = possible
        seen = self._seen(rules)
        depth = dict.fromkeys(guessed, 1)
        while True:
            taken = {stem: possible[depth[stem] - 1] for stem, possible in guessed.items()}
            mixed = _mixed(taken, seen)
            deeper = {stem for stem in mixed if depth[stem] < len(guessed[stem])}
            if not deeper:
                return split | taken
            depth |= {stem: depth[stem] + 1 for stem in deeper}

    def _seen(self, rules: Iterable[Rule]) -> dict[str, set[str]]:
        """Return the device zones in which each asset is named by a rule."""
        stem_of = {address.name: stem for stem, found in self.assets.items() for address in found}
        seen: dict[str, set[str]] = {}
        for rule in rules:
            for zones, names in (
                (rule.from_zones, rule.sources),
                (rule.to_zones, rule.destinations),
            ):
                for name in names:
                    if name in stem_of:
                        seen.setdefault(stem_of[name], set()).update(zones)
        return seen


def _mixed(labels: Mapping[str, str], seen: Mapping[str, set[str]]) -> set[str]:
    """Return the assets whose zone would lie in several zones of the device."""
    zones: dict[str, set[str]] = {}
    for stem, label in labels.items():
        zones.setdefault(label, set()).update(seen.get(stem, ()))
    return {stem for stem, label in labels.items() if len(zones[label]) > 1}


def _part(address: Address) -> Interval | None:
    """Return the addresses of an object; None for names and wildcards."""
    if address.type not in {"network", "range"}:
        return None
    try:
        return interval(address.value)
    except ValueError:
        return None
