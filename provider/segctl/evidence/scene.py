"""A zone as one firewall shows it: what checks look at."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from segctl.model.policy import (
    ANY,
    ApplicationGroup,
    DefaultRule,
    Policy,
    Service,
    ServiceGroup,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from segctl.analysis.proof import Counterexample, Proof
    from segctl.model.policy import Rule
    from segctl.model.site import Conduit, Device, Site, Zone
    from segctl.providers.base import Live

#: Kinds of zones outside of the industrial automation and control system.
OUTSIDE: Final = frozenset({"business", "external", "remote-access"})
#: Kinds of zones from which nothing is trusted.
UNTRUSTED: Final = frozenset({"external", "remote-access"})
#: What a look at one firewall comes to; ``none`` where there is nothing of which to judge.
Verdict: TypeAlias = Literal["ok", "bad", "unknown", "none"]
Side: TypeAlias = Literal["inside", "outside", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a check saw on one firewall, and what it would have to see."""

    verdict: Verdict
    observed: str
    expected: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """What was read of one firewall; without `live` it was not, and `failed` says why.

    `proof` compares what it permits with the conduits; without it `unproved` says why there is
    none. `drifted` is what differs from the inventory, None where that could not be judged.
    `taken` is when it was read (of a snapshot: when that was taken), `raw` the SHA-256 of all
    answers, `requests` those of each; `kept` is what may be kept of them, without secrets.
    """

    device: Device
    source: Literal["device", "snapshot"] = "device"
    live: Live | None = None
    failed: str = ""
    proof: Proof | None = None
    unproved: str = ""
    drifted: tuple[str, ...] | None = None
    taken: str = ""
    raw: str = ""
    requests: Mapping[str, str] = field(default_factory=dict[str, str])
    kept: str = ""
    findings: tuple[str, ...] = ()

    @property
    def names(self) -> dict[str, str]:
        """Its names of our zones, by key."""
        return {one.zone: one.name for one in self.device.zones}


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One zone on one firewall that was read; `witnesses` have the zone, `every` are all."""

    site: Site
    zone: Zone
    witness: Witness
    live: Live
    today: date
    witnesses: Sequence[Witness]
    every: Sequence[Witness] = ()

    @cached_property
    def name(self) -> str:
        """The firewall's name of the zone."""
        return self.witness.names[self.zone.key]

    @cached_property
    def held(self) -> Policy:
        """Everything that the firewall enforces."""
        return self.live.effective()

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """The rules in use that permit something across the boundary of the zone."""
        return tuple(
            rule
            for rule in self.held.rules
            if not rule.disabled
            and rule.action == "allow"
            and (self.enters(rule) or self.leaves(rule))
        )

    def enters(self, rule: Rule) -> bool:
        """Whether a rule is for traffic into the zone from another."""
        return (
            rule.type != "intrazone" and self._of(rule.to_zones) and self._beyond(rule.from_zones)
        )

    def leaves(self, rule: Rule) -> bool:
        """Whether a rule is for traffic out of the zone into another."""
        return (
            rule.type != "intrazone" and self._of(rule.from_zones) and self._beyond(rule.to_zones)
        )

    def _of(self, names: Iterable[str]) -> bool:
        return bool({self.name, ANY} & {*names})

    def _beyond(self, names: Iterable[str]) -> bool:
        return any(name != self.name for name in names)

    def peers(self, rule: Rule) -> tuple[str, ...]:
        """Return the firewall's names of the zones on the other side of a rule."""
        found = (rule.from_zones if self.enters(rule) else ()) + (
            rule.to_zones if self.leaves(rule) else ()
        )
        return tuple(name for name in dict.fromkeys(found) if name != self.name)

    def strangers(self, rule: Rule) -> frozenset[str]:
        """Return the zones on the other side of a rule that are on the firewall only."""
        foreign = {zone.name for zone in self.live.zones} - self.zones.keys()
        peers = {*self.peers(rule)}
        return frozenset(foreign if ANY in peers else peers - self.zones.keys() - {ANY})

    @cached_property
    def zones(self) -> dict[str, Zone]:
        """The zones of the inventory by the firewall's names."""
        declared = {zone.key: zone for zone in self.site.zones}
        names = self.witness.names.items()
        return {name: declared[key] for key, name in names if key in declared}

    def side(self, name: str) -> Side:
        """Return on which side of the industrial system a zone of the firewall lies."""
        zone = self.zones.get(name)
        if name == ANY or zone is None:
            return "outside"
        if not zone.kind:
            return "unknown"
        return "outside" if zone.kind in OUTSIDE else "inside"

    @cached_property
    def default(self) -> DefaultRule | None:
        """What becomes of traffic between zones that no rule matches, None if that is not shown."""
        return next(
            (rule for rule in self.held[DefaultRule] if rule.name == "interzone-default"), None
        )

    @cached_property
    def examples(self) -> tuple[Counterexample, ...]:
        """What shows, or may show, that the firewall does otherwise than declared of the zone."""
        found = () if self.witness.proof is None else self.witness.proof.examples
        return tuple(one for one in found if not one.enter or self.name in (one.enter, one.leave))

    @cached_property
    def conduits(self) -> tuple[Conduit, ...]:
        """The conduits in force of the zone."""
        return tuple(
            one
            for one in self.site.conduits
            if one.mode != "absent" and self.zone.key in (*one.from_zones, *one.to_zones)
        )

    # --- words of rules -----------------------------------------------------------------------

    def applications(self, rule: Rule) -> tuple[str, ...]:
        """Return the applications of a rule, groups resolved."""
        groups = {one.name: one.members for one in self.held[ApplicationGroup]}
        return tuple(sorted(_members(rule.applications, groups)))

    def ports(self, rule: Rule) -> tuple[tuple[str, int, int], ...] | None:
        """Return the ports of a rule's services as ``(protocol, first, last)``.

        None where it is for all ports, or for those that applications have by default.
        """
        groups = {one.name: one.members for one in self.held[ServiceGroup]}
        held = {one.name: one for one in self.held[Service]}
        found: list[tuple[str, int, int]] = []
        for name in _members(rule.services, groups):
            service = held.get(name)
            if service is None:
                return None
            for part in service.ports.split(","):
                first, _, last = part.strip().partition("-")
                if not first.isdigit():
                    return None
                found.append((service.protocol, int(first), int(last or first)))
        return tuple(found)


def _members(names: Iterable[str], groups: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    seen: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in groups:
            waiting += groups[name]
        else:
            yield name


def listed(names: Iterable[str], most: int = 5) -> str:
    """Return some names for a sentence."""
    every = list(dict.fromkeys(names))
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more
