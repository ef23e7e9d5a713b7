"""What a declared flow permits and nobody used for more than a year, by what was seen. Pure.

Silence is evidence only where whoever would have seen it watched all the time: otherwise a flow is
left as it is, with the reason. Whatever a record tells of, even an attempt, is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, Literal

from segctl.observe.standing import on_services, service_match, use_match
from segctl.protocols.catalogue import catalogue

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from segctl.model.site import Conduit, Endpoint, Flow, Network, Site
    from segctl.observe.completeness import Completeness
    from segctl.observe.grouping import Count, Groups
    from segctl.observe.observation import Group

#: Days of records below which nothing is taken out: a year, for what is done once a year, and a
#: month, since it is not done on the same day of each.
SHORTEST: Final = 396
#: Days until somebody looks at what was taken out.
REVIEW_DAYS: Final = 90
#: Comes with every other class.
_WITH_ALL: Final = "session"
#: So many ways to use what is declared are remembered.
_REMEMBERED: Final = 100_000

Kind = Literal["source", "destination", "services", "protocols", "class"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """One entry that is taken out of a flow, in the inventory's words.

    `protocol` is the one of which it is a class.
    """

    kind: Kind
    text: str
    protocol: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowed:
    """What is taken out of one flow; `last` is when any of it was seen last."""

    conduit: str
    flow: str
    cuts: tuple[Cut, ...]
    last: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A flow of which nothing is taken out, and why."""

    conduit: str
    flow: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowing:
    """What is taken out of flows, and which ones are left."""

    narrowed: tuple[Narrowed, ...] = ()
    left: tuple[Left, ...] = ()

    def without(self, conduits: Mapping[str, str]) -> Narrowing:
        """Return it without some conduits, which are left for a reason each."""
        back = (one for one in self.narrowed if one.conduit in conduits)
        left = (Left(conduit=one.conduit, flow=one.flow, why=conduits[one.conduit]) for one in back)
        return Narrowing(
            narrowed=tuple(one for one in self.narrowed if one.conduit not in conduits),
            left=tuple(sorted((*self.left, *left), key=lambda one: (one.conduit, one.flow))),
        )


def narrowing(
    site: Site,
    groups: Groups,
    completeness: Completeness,
    holders: Mapping[tuple[str, str], Collection[str]],
    today: date,
) -> Narrowing:
    """Return what could be taken out of flows.

    Args:
        site: what is declared.
        groups: what was seen.
        completeness: of whom nothing is missing.
        holders: the firewalls that hold rules of a flow, by the conduit's key and the flow's id.
        today: conduits that are absent or have expired permit nothing.
    """
    safety = frozenset(zone.key for zone in site.zones if zone.kind == "safety")
    uses = [
        _Use(site, conduit, flow, completeness)
        for conduit in site.conduits
        if conduit.mode != "absent" and not conduit.expired(today)
        for flow in conduit.flows
    ]
    seen = _Seen(uses)
    for _, held in groups.flows():
        for group, count in held:
            seen.add(group, count)
    narrowed: list[Narrowed] = []
    left: list[Left] = []
    for use in uses:
        conduit, flow = use.conduit.key, use.flow.id
        why = _protected(use.conduit, use.flow, safety)
        why = why or completeness.of(holders.get((conduit, flow), ()))
        why = why or use.unseen()
        cuts = () if why else tuple(use.cuts())
        if cuts:
            narrowed.append(Narrowed(conduit=conduit, flow=flow, cuts=cuts, last=use.last))
        elif why := why or use.open():
            left.append(Left(conduit=conduit, flow=flow, why=why))
    return Narrowing(narrowed=tuple(narrowed), left=tuple(left))


def _protected(conduit: Conduit, flow: Flow, safety: Collection[str]) -> str:
    """Return why nothing is ever taken out of a flow; empty if something may be."""
    if flow.essential:
        return "it is essential"
    if any(zone in safety for zone in (*conduit.from_zones, *conduit.to_zones)):
        return "it is one of a safety zone"
    return "" if flow.log else "its rules do not log"


def narrowed_site(site: Site, found: Narrowing, review_by: date) -> Site:
    """Return a site without what is taken out; those conduits are looked at again by a day."""
    cuts = {(one.conduit, one.flow): frozenset(one.cuts) for one in found.narrowed}
    touched = {conduit for conduit, _ in cuts}
    return replace(
        site,
        conduits=tuple(
            replace(
                conduit,
                review_by=earlier(conduit.review_by, review_by),
                flows=tuple(
                    _without(flow, cuts.get((conduit.key, flow.id), frozenset()))
                    for flow in conduit.flows
                ),
            )
            if conduit.key in touched
            else conduit
            for conduit in site.conduits
        ),
    )


def earlier(declared: date | None, proposed: date) -> date:
    """Return the earlier of two days on which somebody looks at a conduit."""
    return proposed if declared is None else min(declared, proposed)


def _without(flow: Flow, cuts: Collection[Cut]) -> Flow:
    gone = {(one.kind, one.protocol, one.text) for one in cuts}
    return replace(
        flow,
        sources=tuple(one for one in flow.sources if ("source", "", _text(one)) not in gone),
        destinations=tuple(
            one for one in flow.destinations if ("destination", "", _text(one)) not in gone
        ),
        services=tuple(one for one in flow.services if ("services", "", str(one)) not in gone),
        protocols=tuple(
            replace(
                use,
                classes=tuple(
                    name for name in use.classes if ("class", use.protocol, name) not in gone
                ),
            )
            for use in flow.protocols
            if ("protocols", "", use.protocol) not in gone
        ),
    )


def _text(end: Endpoint) -> str:
    return end.asset or str(end.network)


# --- what was seen -------------------------------------------------------------------------------


@dataclass(slots=True)
class _Days:
    """The days on which a pair of hosts was seen, as bits, and of those whose functions were."""

    seen: int = 0
    told: int = 0

    @property
    def whole(self) -> bool:
        """Whether functions are told for each day, or the one beside it: sessions end at night."""
        near = self.told | self.told << 1 | self.told >> 1
        return bool(self.seen) and not self.seen & ~near


class _Use:
    """What was seen of one flow."""

    def __init__(
        self, site: Site, conduit: Conduit, flow: Flow, completeness: Completeness
    ) -> None:
        self.conduit, self.flow = conduit, flow
        self.last: float | None = None
        self._complete = completeness.witnesses
        self._sources = _networks(site, flow.sources)
        self._destinations = _networks(site, flow.destinations)
        self._kept: set[tuple[Kind, str]] = set()
        self._classes: dict[str, set[str]] = {}
        self._days: dict[str, dict[tuple[str, str], _Days]] = {}

    def fits(self, group: Group) -> bool:
        """Whether what was spoken is what the flow is about, or may be, whoever the ends are."""
        match = service_match(self.flow, group)
        return bool(match.rank or match.why) or on_services(self.flow.services, group)

    def add(self, group: Group, count: Count, *, turned: bool = False) -> None:
        """Take down which entries a group uses."""
        flow = group.flow
        begins, answers = (flow.source, group.outer), (flow.destination, flow.inner)
        if turned:
            begins, answers = answers, begins
        sources = _holding(self._sources, begins)
        destinations = _holding(self._destinations, answers)
        if sources is None or destinations is None:
            return
        if count.last is not None and (self.last is None or count.last > self.last):
            self.last = count.last
        self._kept |= {("source", text) for text in sources}
        self._kept |= {("destination", text) for text in destinations}
        for one in self.flow.services:
            if on_services((one,), group):
                self._kept.add(("services", str(one)))
        for use in self.flow.protocols:
            match = use_match(self.flow, use.protocol, use.classes, group)
            if match.rank or match.why:
                self._kept.add(("protocols", use.protocol))
                self._functions(use.protocol, group, count)

    def _functions(self, protocol: str, group: Group, count: Count) -> None:
        flow = group.flow
        pair = (flow.source, flow.inner or flow.destination)
        days = self._days.setdefault(protocol, {}).setdefault(pair, _Days())
        bits = count.days << count.day
        days.seen |= bits
        classes = self._classes.setdefault(protocol, set())
        told = [one.access_class for one in group.functions if one.protocol == protocol]
        if told and not self._complete.get(group.witness, "unknown"):
            days.told |= bits
        classes.update(told)
        known = catalogue()
        for name in group.applications:
            owner, application = known.protocol_of(name), known.application(name)
            if owner is not None and owner.id == protocol and application is not None:
                classes.add(application.access_class)

    def unseen(self) -> str:
        """Return why nothing is taken out of what is not used at all; empty if it is used."""
        if self._kept or self.last is not None:
            return ""
        return "no record is about it: whether it is needed is for its owner to say"

    def cuts(self) -> Iterator[Cut]:
        """Yield what nobody used; of each list something stays, since none would mean any."""
        sides: tuple[tuple[Kind, Iterable[str]], ...] = (
            ("source", self._sources),
            ("destination", self._destinations),
            ("services", map(str, self.flow.services)),
            ("protocols", (use.protocol for use in self.flow.protocols)),
        )
        for kind, texts in sides:
            held = list(dict.fromkeys(texts))
            gone = [text for text in held if (kind, text) not in self._kept]
            if len(gone) < len(held):
                yield from (Cut(kind=kind, text=text) for text in gone)
        for use in self.flow.protocols:
            seen = self._classes.get(use.protocol, set())
            gone = [name for name in use.classes if name not in seen | {_WITH_ALL}]
            stays = {*use.classes} - {*gone, _WITH_ALL}
            if gone and stays and self._told(use.protocol):
                yield from (Cut(kind="class", text=name, protocol=use.protocol) for name in gone)

    def _told(self, protocol: str) -> bool:
        """Whether every function is known that any pair of hosts used."""
        days = self._days.get(protocol, {})
        return "" not in self._classes.get(protocol, {""}) and all(
            one.whole for one in days.values()
        )

    def open(self) -> str:
        """Return which classes nobody can tell the use of; empty if it is told of all."""
        names = [
            use.protocol
            for use in self.flow.protocols
            if len({*use.classes} - {_WITH_ALL}) > 1 and not self._told(use.protocol)
        ]
        if not names:
            return ""
        return (
            f"no sensor shows every function of {', '.join(names)} on all days, between all hosts"
        )


class _Seen:
    """Brings groups to the flows that they may be of."""

    def __init__(self, uses: Sequence[_Use]) -> None:
        self._uses = uses
        self._known: dict[tuple[object, ...], list[_Use]] = {}

    def add(self, group: Group, count: Count) -> None:
        flow = group.flow
        key = (flow.protocol, flow.port, group.applications, group.functions)
        fitting = self._known.get(key)
        if fitting is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            fitting = self._known[key] = [use for use in self._uses if use.fits(group)]
        for use in fitting:
            use.add(group, count)
            if group.direction == "inferred":
                use.add(group, count, turned=True)


def _networks(site: Site, ends: Iterable[Endpoint]) -> dict[str, list[Network]]:
    """Return the networks of each end, by its name in the inventory."""
    assets = {(zone.key, one.name): one for zone in site.zones for one in zone.assets}
    found: dict[str, list[Network]] = {}
    for end in ends:
        held = found.setdefault(_text(end), [])
        if end.asset:
            held += assets[end.zone, end.asset].addresses
        elif end.network is not None:
            held.append(end.network)
    return found


def _holding(ends: Mapping[str, Sequence[Network]], addresses: Iterable[str]) -> list[str] | None:
    """Return the ends that addresses are of; None where they are of none, and some are named."""
    if not ends:
        return []
    hosts = [_host(one) for one in addresses if one]
    found = [
        text
        for text, networks in ends.items()
        if any(host in network for network in networks for host in hosts)
    ]
    return found or None


@lru_cache(maxsize=_REMEMBERED)
def _host(text: str) -> object:
    return ip_address(text)
