"""Whether plans would cut a way by which a device is managed, there or on another one between.

A firewall's plan says which packets it no longer permits (`meaning`); a way is cut where its
packets are among them. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from ipaddress import ip_address
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from segctl.analysis.ends import end_of, hops_between
from segctl.analysis.space import PROTOCOLS
from segctl.compiler.topology import topology
from segctl.model.addresses import EVERYTHING, interval, meeting, merge, subtract
from segctl.model.errors import Problem, UnsupportedError
from segctl.model.policy import ANY
from segctl.model.site import group_name
from segctl.planning.losses import MANAGEMENT
from segctl.planning.management import Way, literal, loops, ways_of
from segctl.planning.meaning import NARROW
from segctl.providers.base import provider

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from segctl.analysis.rows import Row
    from segctl.compiler.topology import Hop, Topology
    from segctl.model.addresses import Interval
    from segctl.model.site import Device, Site
    from segctl.planning.management import Connection
    from segctl.planning.plan import Allowance, DevicePlan
    from segctl.providers.management import Management

_ANY_PAIR: Final = (None, None)
#: What devices usually ask of others: names, the time, updates, a manager, log servers.
_USUAL: Final = ("udp/53", "tcp/53", "udp/123", "tcp/443", "tcp/3978", "udp/514", "tcp/6514")
#: So many ways are named in one message.
_SHOWN: Final = 8


# --- whether a plan cuts them --------------------------------------------------------------------


def guard(
    plans: Sequence[DevicePlan],
    site: Site,
    connections: Mapping[str, Connection],
    allowed: Sequence[Allowance] = (),
    beside: Mapping[str, Management | None] = MappingProxyType({}),
) -> tuple[DevicePlan, ...]:
    """Return plans with a finding for each way that they would cut, or of which that is not known.

    Args:
        plans: those of one run.
        site: the whole inventory, which says what lies between.
        connections: how segctl reaches the devices.
        allowed: ways that may be cut.
        beside: what other devices said of themselves before, by name.
    """
    read = {**beside, **{plan.name: plan.management for plan in plans}}
    map_ = _Map(site)
    ways = [
        way
        for device in site.devices
        for one in ways_of(device.name, connections.get(device.name), read.get(device.name))
        for way in map_.seen(one)
    ]
    run = _Run(map=map_, ways=ways, read=read, connections=connections, allowed=allowed)
    return tuple(_guarded(plan, run) for plan in plans)


def since(
    plans: Sequence[DevicePlan],
    site: Site,
    connections: Mapping[str, Connection],
    now: Mapping[str, Management | None],
) -> dict[str, tuple[Problem, ...]]:
    """Return what saved plans would cut, or may, that they did not say when they were made.

    What a plan is allowed to cut is left out. Plans of which nothing is found are left out, too.

    Args:
        plans: as they were saved.
        site: the whole inventory.
        connections: how segctl reaches the devices now.
        now: what devices say of themselves now, by name; of others, what their plans say is taken.
    """
    bare = [
        replace(plan, findings=(), management=now.get(plan.name, plan.management)) for plan in plans
    ]
    found: dict[str, tuple[Problem, ...]] = {}
    for plan, judged in zip(plans, guard(bare, site, connections, (), now), strict=True):
        known = {(one.severity, one.about) for one in plan.findings}
        meant = {one.flow for one in plan.allowed}
        new = tuple(
            one
            for one in judged.findings
            if (one.severity, one.about) not in known and one.subject not in meant
        )
        found |= {plan.name: new} if new else {}
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """All that plans of one run are held against."""

    map: _Map
    ways: Sequence[Way]
    read: Mapping[str, Management | None]
    connections: Mapping[str, Connection]
    allowed: Sequence[Allowance]


def _guarded(plan: DevicePlan, run: _Run) -> DevicePlan:
    lost = [_lost(row, sure=True) for row in plan.meaning.less] if plan.meaning else []
    if plan.meaning:
        lost += [_lost(row, sure=False) for row in plan.meaning.unknown if NARROW in row.may]
    if not lost:
        return plan
    found = [*_findings(plan, run, lost), *_unread(plan, run, lost)]
    cut = {one.subject for one in found if one.severity == "error"}
    meant = tuple(one for one in run.allowed if one.flow in cut)
    return replace(plan, findings=(*plan.findings, *found), allowed=(*plan.allowed, *meant))


def _findings(plan: DevicePlan, run: _Run, lost: Sequence[_Lost]) -> Iterator[Problem]:
    """Yield one finding a way: that it is cut, else that it may be, else that it is not known."""
    best: dict[str, tuple[int, Problem]] = {}
    for way in run.ways:
        for one, hit in _hits(plan, run.map, way, lost):
            rank, problem = _problem(plan, way, one, hit)
            if way.name not in best or rank > best[way.name][0]:
                best[way.name] = rank, problem
    yield from (problem for _, problem in best.values())


def _hits(
    plan: DevicePlan, map_: _Map, way: Way, lost: Sequence[_Lost]
) -> Iterator[tuple[_Lost, _Hit]]:
    """Yield what is lost of a way, with how it meets that."""
    pairs: dict[tuple[str, ...], tuple[tuple[str | None, str | None], ...]] = {}
    for one in lost:
        if not _touches(way, one):
            continue
        held = one.row.firewalls
        if held not in pairs:
            pairs[held] = map_.pairs(plan.name, way, held)
        hit = _hit(way, pairs[held], one)
        if hit is not None:
            yield one, hit


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hit:
    """How a way meets what is lost: `certain` where all of that is sure, `placed` where it lies."""

    certain: bool
    placed: bool


def _problem(plan: DevicePlan, way: Way, lost: _Lost, hit: _Hit) -> tuple[int, Problem]:
    where = "" if way.device == plan.name else f" on its way through {plan.name}"
    what = _words(way)
    by = f", now permitted by {lost.row.rule}" if lost.row.rule else ""
    example = f" ({lost.row.example}{by})" if lost.row.example else ""
    if hit.placed:
        would = "would cut" if hit.certain else "may cut, which cannot be told,"
        message = f"this change {would} {what}{where}{example}"
        hint = (
            "keep a conduit that permits it; if it may be cut, plan with --allow-disruption "
            f"{way.name} --reason TEXT"
        )
    else:
        message = f"it cannot be told whether this change cuts {what}{where}{example}"
        hint = (
            "the inventory does not say where one of its ends is: see that what is permitted for "
            "it stays permitted, or name its network in a zone"
        )
    rank = 2 * hit.placed + hit.certain
    verdict = "cut" if hit.certain and hit.placed else "may be cut" if hit.placed else "not told"
    return rank, Problem(
        message=message,
        hint=hint,
        severity="error" if hit.placed else "warning",
        kind=MANAGEMENT,
        subject=way.name,
        about=("management", way.name, verdict),
    )


def _words(way: Way) -> str:
    services = ", ".join(way.services)
    if way.incoming:
        return f"the way by which segctl manages {way.device} ({services})"
    return f"what {way.device} needs for {way.need} ({services})"


def _unread(plan: DevicePlan, run: _Run, lost: Sequence[_Lost]) -> Iterator[Problem]:
    """Yield a finding about what devices need of which nothing is known, where it may be cut."""
    doubtful: list[str] = []
    for name, connection in run.connections.items():
        management = run.read.get(name)
        if management is None or not (management.kept or name == plan.name):
            own = tuple(one for one in literal(connection.host) if not loops(one))
            way = Way(
                device=name,
                need="",
                sources=own,
                destinations=(),
                services=() if own else _USUAL,
                incoming=False,
            )
            if any(_hits(plan, run.map, way, lost)):
                doubtful.append(name)
    if doubtful:
        more = f" and {len(doubtful) - _SHOWN} more" if len(doubtful) > _SHOWN else ""
        listed = f"{', '.join(doubtful[:_SHOWN])}{more}"
        yield Problem(
            message=f"it cannot be told whether this change cuts what {listed} "
            f"{_itself(doubtful)} (time, names, updates, logs): that was not read",
            hint="plan it together with them, or see that this stays permitted",
            severity="warning",
            kind=MANAGEMENT,
            subject=f"{plan.name}:unread",
            about=("management", "unread", *doubtful),
        )
    unread = run.read.get(plan.name)
    if unread is not None and unread.unread:
        yield Problem(
            message="it cannot be told whether this change cuts a way by which the device is "
            f"managed: {'; '.join(unread.unread[:_SHOWN])}",
            hint="see that the way by which you manage it stays permitted",
            severity="warning",
            kind=MANAGEMENT,
            subject=f"{plan.name}:unread",
            about=("management", "unread", plan.name, *unread.unread),
        )


def _itself(names: Sequence[str]) -> str:
    return "needs for itself" if len(names) == 1 else "need for themselves"


# --- through which zones they go -----------------------------------------------------------------


class _Map:
    """Which ways cross which firewall, between which of its zones."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._devices = {device.name: device for device in site.devices}
        self._groups: dict[str, list[str]] = {}
        for device in site.devices:
            if device.group:
                self._groups.setdefault(group_name(device), []).append(device.name)
        self._known: dict[tuple[Interval, ...], str | None] = {}
        self._crossed: dict[tuple[str, str], tuple[Hop, ...]] = {}

    @cached_property
    def _paths(self) -> Topology:
        return topology(self._site.devices)

    def seen(self, way: Way) -> Iterator[Way]:
        """Yield a way as devices may see it.

        An address of ours in no zone may be translated on its way, or be in a network that the
        inventory does not know: then devices may see it come from anywhere.
        """
        yield way
        if way.incoming and way.sources and self._zone(way.sources) is None:
            yield replace(way, sources=())

    def pairs(
        self, name: str, way: Way, firewalls: Sequence[str] = ()
    ) -> tuple[tuple[str | None, str | None], ...]:
        """Return between which zones of a firewall a way goes, None for one that is not known.

        None at all where it does not cross the firewall. Of a device group, those of the
        `firewalls` that are meant, of all without any.
        """
        if name not in self._groups:
            return self._across(name, way)
        meant = firewalls or self._groups[name]
        return tuple(dict.fromkeys(pair for one in meant for pair in self._across(one, way)))

    def _across(self, name: str, way: Way) -> tuple[tuple[str | None, str | None], ...]:
        device = self._devices.get(name)
        if device is None or (way.device == name and self._forwards_only(device)):
            return ()
        names = {binding.zone: binding.name for binding in device.zones}
        if way.device == name and way.zone:
            return self._into(device, names, way)
        source, destination = self._zone(way.sources), self._zone(way.destinations)
        if source is None or destination is None:
            if (source or destination) and (source or destination) not in names:
                return (_ANY_PAIR,)
            return ((names.get(source or ""), names.get(destination or "")),)
        if source == destination and len(_ports(device, source)) == 1:
            return ()  # what stays in a network does not cross a firewall that has one end in it
        crossed = self._hops(source, destination)
        if not crossed and source != destination:
            return (_ANY_PAIR,)
        return tuple((names[hop.enter], names[hop.leave]) for hop in crossed if hop.device == name)

    @staticmethod
    def _forwards_only(device: Device) -> bool:
        """Whether a device's own traffic meets none of its rules."""
        try:
            return provider(device.platform).capabilities.forwards_only
        except UnsupportedError:
            return False

    def _into(
        self, device: Device, names: Mapping[str, str], way: Way
    ) -> tuple[tuple[str | None, str | None], ...]:
        """Return the pairs of zones by which packets come to a device itself, or go from it."""
        other = self._zone(way.sources if way.incoming else way.destinations)
        own = next((zone for zone, called in names.items() if called == way.zone), None)
        far: list[str | None] = [None]
        if other is not None and own is not None:
            crossed = self._hops(other, own)
            beside = [names[hop.enter] for hop in crossed if hop.device == device.name]
            far = [*beside] or [way.zone]
        elif other is not None:
            far = [names.get(other)]
        if way.incoming:
            return tuple((zone, way.zone) for zone in far)
        return tuple((way.zone, zone) for zone in far)

    def _hops(self, source: str, destination: str) -> tuple[Hop, ...]:
        key = source, destination
        if key not in self._crossed:
            self._crossed[key] = hops_between(self._site.devices, *key, self._paths)
        return self._crossed[key]

    def _zone(self, ends: tuple[Interval, ...]) -> str | None:
        """Return the zone in which all of some addresses are, None where that is not known."""
        if ends not in self._known:
            zones = {self._zone_of(end) for end in ends} or {None}
            self._known[ends] = zones.pop() if len(zones) == 1 else None
        return self._known[ends]

    def _zone_of(self, end: Interval) -> str | None:
        version, first, _ = end
        host = ip_address(first) if version == 4 else ip_address(first.to_bytes(16, "big"))
        try:
            return end_of(str(host), self._site, frozenset()).zone
        except LookupError:
            return None


def _ports(device: Device, zone: str) -> tuple[str, ...]:
    """Return the interfaces that the inventory binds to a zone on a device."""
    return tuple(
        port for binding in device.zones if binding.zone == zone for port in binding.interfaces
    )


# --- whether packets are among those that are lost -----------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lost:
    """Packets that a plan no longer permits, or may not: a row with its addresses as intervals."""

    row: Row
    sure: bool
    sources: tuple[Interval, ...]
    destinations: tuple[Interval, ...]


def _lost(row: Row, *, sure: bool) -> _Lost:
    return _Lost(
        row=row,
        sure=sure,
        sources=_listed(row.source, negated="source" in row.negated),
        destinations=_listed(row.destination, negated="destination" in row.negated),
    )


def _listed(listed: Iterable[str], *, negated: bool) -> tuple[Interval, ...]:
    """Return the addresses that a field of a row holds."""
    parts: list[Interval] = []
    for text in listed:
        word, _, version = text.partition(" IPv")
        if word == ANY:
            parts += [one for one in EVERYTHING if version in ("", str(one[0]))]
        else:
            parts.append(interval(text))
    return subtract(EVERYTHING, parts) if negated else merge(parts)


def _touches(way: Way, lost: _Lost) -> bool:
    """Whether packets of a way may be among those that are lost, whatever their zones are."""
    ends = (way.sources, lost.sources), (way.destinations, lost.destinations)
    for held, gone in ends:
        if held and not any(meeting(one, gone) for one in held):
            return False
    return not way.services or _served(way.services, lost.row)


def _hit(way: Way, pairs: Iterable[tuple[str | None, str | None]], lost: _Lost) -> _Hit | None:
    """Return how packets of a way meet those that they may be among; None where they do not."""
    row = lost.row
    zones = [pair for pair in pairs if _between(pair, row)]
    if not zones:
        return None
    whole = row.applications == (ANY,) and row.users == (ANY,) and not row.times
    placed = way.known and any(pair != _ANY_PAIR for pair in zones)
    exact = any(None not in pair for pair in zones)
    return _Hit(certain=lost.sure and whole and exact, placed=placed)


def _between(pair: tuple[str | None, str | None], row: Row) -> bool:
    return all(
        zone is None or zone in listed or ANY in listed
        for zone, listed in zip(pair, (row.from_zones, row.to_zones), strict=True)
    )


def _served(services: Iterable[str], row: Row) -> bool:
    """Whether any of some services, such as ``tcp/443``, is among those that a row lists."""
    negated = "services" in row.negated
    for service in services:
        word, _, port = service.partition("/")
        among = any(_serves(text, word, int(port)) for text in row.services)
        if among is not negated:
            return True
    return False


def _serves(text: str, protocol: str, port: int) -> bool:
    if text == ANY:
        return True
    word, _, ports = text.partition("/")
    if word in PROTOCOLS:
        first, _, last = ports.partition("-")
        return word == protocol and (not ports or int(first) <= port <= int(last or first))
    first, _, last = word.rpartition(" ")[2].partition("-")
    return int(first) <= PROTOCOLS[protocol] <= int(last or first)
