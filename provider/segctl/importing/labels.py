"""Which zone each address object of ours belongs to, told from its name.

Objects are called ``zone.asset``, ``zone.asset.address`` or ``zone.net.network``, groups ``zone``;
``site.`` stands before all of them unless the site is the default one. Ids may hold dots, so a name
alone can be read in several ways; whichever is taken, it compiles to the same name again.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from segctl.compiler.build import spell
from segctl.compiler.former import DEFAULT_SITE
from segctl.compiler.naming import shorten
from segctl.importing.words import is_id, make_id
from segctl.model.addresses import interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from segctl.model.addresses import Interval
    from segctl.model.policy import Address, Policy, Rule

_NET = ".net"


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One address object of ours: of a network (`asset` empty) or of an asset, and its zone."""

    label: str
    part: Interval
    asset: str = ""
    role: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """The address objects and groups of ours, taken apart; `prefix` is the site's."""

    prefix: str
    pieces: Mapping[str, Piece]
    groups: Mapping[str, tuple[str, ...]]

    @property
    def site(self) -> str:
        """The site that all zones and conduits are of."""
        return self.prefix.removesuffix(".") or DEFAULT_SITE

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
        plain = label.removeprefix(self.prefix)
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
    readings = [stems.read(prefix, rules) for prefix in _prefixes(stems, conduits, hint)]
    return max(readings, key=lambda labels: _fitting(labels, rules, limit))


def spelled(rule: Rule, source: str, destination: str, limit: int) -> str:
    """Return what a rule of a conduit between many zones is called."""
    return shorten(f"{rule.conduit}.{rule.flow}.{source}-{destination}", limit)


def _fitting(labels: Labels, rules: Iterable[Rule], limit: int) -> int:
    """Count the rules whose names are explained by the zones that `labels` finds."""
    pairs = (
        (rule, labels.zone(rule.sources), labels.zone(rule.destinations))
        for rule in rules
        if rule.name != shorten(f"{rule.conduit}.{rule.flow}", limit)
    )
    return sum(
        rule.name == spelled(rule, labels.id(source), labels.id(destination), limit)
        for rule, source, destination in pairs
    )


def _prefixes(stems: _Stems, conduits: Sequence[str], hint: str) -> Iterator[str]:
    """Yield what may stand before every name for the site, the likeliest first."""
    every = [*conduits, *stems.known, *stems.assets]
    heads = [name.split(".")[:-1] for name in every]
    common: list[str] = []
    for words in zip(*heads, strict=False):
        if len(set(words)) > 1:
            break
        common.append(words[0])
    candidates = [".".join(common[:size]) + "." for size in range(1, len(common) + 1)]
    if hint == DEFAULT_SITE:
        yield ""
    elif hint and (f"{hint}." in candidates or not every):
        yield f"{hint}."
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
        self.known = {*self.intrazone, *(group.name for group in self.policy.address_groups)}
        self.networks, self.assets = {}, {}
        several: dict[str, list[Address]] = {}
        for address in self.policy.addresses:
            part = _part(address)
            if part is None:
                continue
            stem = address.name.removesuffix(f".{spell(address.value)}")
            if stem == address.name:
                self.assets.setdefault(address.name, []).append(address)
            elif stem.endswith(_NET):
                self.networks[address.name] = (stem.removesuffix(_NET), part)
            else:
                several.setdefault(stem, []).append(address)
        for stem, found in several.items():
            self.assets[stem if len(found) > 1 else found[0].name] = found
        self.known |= {label for label, _ in self.networks.values()}

    def read(self, prefix: str, rules: Sequence[Rule]) -> Labels:
        """Return every object with its zone, given the site's prefix."""
        split = self._split(prefix, rules)
        pieces = {
            name: Piece(label=label, part=part) for name, (label, part) in self.networks.items()
        }
        for stem, label in split.items():
            for address in self.assets[stem]:
                part = _part(address)
                if part is not None:
                    asset = stem.removeprefix(f"{label}.")
                    pieces[address.name] = Piece(
                        label=label,
                        part=part,
                        asset=asset if is_id(asset) else make_id(asset),
                        role=address.description,
                    )
        groups = {group.name: group.members for group in self.policy.address_groups}
        return Labels(prefix=prefix, pieces=pieces, groups=groups)

    def _split(self, prefix: str, rules: Sequence[Rule]) -> dict[str, str]:
        """Return the zone of each asset: a known one, else the first word after the site.

        Where two zones of the device would come out as one, one word more is taken.
        """
        split: dict[str, str] = {}
        guessed: dict[str, list[str]] = {}
        for stem in self.assets:
            fitting = next((head for head in _heads(stem) if head in self.known), None)
            words = stem.removeprefix(prefix).split(".")
            if fitting is not None:
                split[stem] = fitting
            elif len(words) > 1:
                guessed[stem] = words
        seen = self._seen(rules)
        depth = dict.fromkeys(guessed, 1)
        while True:
            labels = {
                stem: prefix + ".".join(words[: depth[stem]]) for stem, words in guessed.items()
            }
            deeper = _mixed(labels, seen, {stem: len(words) for stem, words in guessed.items()})
            deeper = {stem for stem in deeper if depth[stem] < len(guessed[stem]) - 1}
            if not deeper:
                return split | labels
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


def _heads(stem: str) -> Iterator[str]:
    """Yield what stands before each dot, the longest first."""
    end = len(stem)
    while (end := stem.rfind(".", 0, end)) >= 0:
        yield stem[:end]


def _mixed(
    labels: Mapping[str, str], seen: Mapping[str, set[str]], sizes: Mapping[str, int]
) -> set[str]:
    """Return the assets whose zone would lie in several zones of the device."""
    zones: dict[str, set[str]] = {}
    for stem, label in labels.items():
        zones.setdefault(label, set()).update(seen.get(stem, ()))
    return {stem for stem, label in labels.items() if len(zones[label]) > 1 and sizes[stem] > 2}


def _part(address: Address) -> Interval | None:
    """Return the addresses of an object; None for names and wildcards."""
    if address.type not in {"network", "range"}:
        return None
    try:
        return interval(address.value)
    except ValueError:
        return None
