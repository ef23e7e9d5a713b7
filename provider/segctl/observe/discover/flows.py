"""What all witnesses say of one flow, put together: its ends, its parts, and what speaks for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Literal, NamedTuple

from segctl.observe.discover.services import COMMANDS, doubtful, shown_classes
from segctl.observe.grouping import Count
from segctl.observe.observation import counted_by

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from segctl.observe.discover.evidence import Evidence
    from segctl.observe.observation import Flow, Function, Group
    from segctl.observe.places import Place
    from segctl.observe.standing import Standing, Standings

#: What a part of a flow is, before anything is judged.
Nature = Literal["declared", "within_zone", "conversation", "attempt", "denied", "threat"]
DAY = 86400


class Ends(NamedTuple):
    """A flow as it is where it is served: the destination is the address after NAT."""

    source: str
    destination: str
    protocol: str
    port: int


@dataclass(slots=True, kw_only=True)
class Volume:
    """What a part adds up to: the most that one witness saw, since others saw the same.

    `days` is on how many days something ended, `lasted` the seconds between first and last.
    """

    groups: int = 0
    sessions: int = 0
    bytes: int = 0
    first: float | None = None
    last: float | None = None
    days: int = 0

    @property
    def lasted(self) -> float:
        """Seconds from the first to the last."""
        return 0.0 if self.first is None or self.last is None else self.last - self.first


@dataclass(slots=True, kw_only=True)
class Part:
    """What was seen of a flow that is of one nature and stands alike.

    `standing` is that of its best group. `names` are addresses before NAT that stood for the
    destination, `outer` those after NAT that stood for the source.
    """

    ends: Ends
    nature: Nature
    standing: Standing
    why: str = ""
    groups: list[tuple[Group, Count]] = field(default_factory=list["tuple[Group, Count]"])
    _whole: Volume | None = None

    def volume(self) -> Volume:
        """Return what it adds up to, once it is put together."""
        if self._whole is None:
            self._whole = volume_of(self.groups)
        return self._whole

    @property
    def witnesses(self) -> tuple[str, ...]:
        """Who saw it."""
        return tuple(sorted({group.witness for group, _ in self.groups}))

    @property
    def users(self) -> tuple[str, ...]:
        """Users that records name."""
        return tuple(sorted({group.user for group, _ in self.groups if group.user}))

    @property
    def known(self) -> bool:
        """Whether a witness saw who began."""
        return any(group.direction == "known" for group, _ in self.groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """All parts of all flows, in one order, and what is known of addresses.

    `excluded` are parts within windows that do not count. `translated` maps an address that stands
    for another one, on the side of a NAT, to that other one: (client, server) as they appear
    beyond the NAT to the client or server that they stand for. `users` are the users that were
    seen at each address.
    """

    parts: tuple[Part, ...]
    excluded: tuple[Part, ...]
    translated_clients: Mapping[tuple[str, str], str]
    translated_servers: Mapping[str, str]
    users: Mapping[str, frozenset[str]]


def volume_of(groups: Iterable[tuple[Group, Count]]) -> Volume:
    """Return what groups of one flow add up to; most flows have one group only."""
    groups = [*groups]
    if len(groups) == 1:
        count = groups[0][1]
        return Volume(
            groups=1,
            sessions=count.sessions,
            bytes=count.bytes,
            first=count.first,
            last=count.last,
            days=count.days.bit_count(),
        )
    by_witness: dict[str, Count] = {}
    for group, count in groups:
        by_witness.setdefault(counted_by(group), Count()).merge(count)
    whole, days = Volume(groups=len(groups)), Count()
    for count in by_witness.values():
        whole.sessions = max(whole.sessions, count.sessions)
        whole.bytes = max(whole.bytes, count.bytes)
        days.merge(count)
    whole.first, whole.last = days.first, days.last
    whole.days = days.days.bit_count()
    return whole


def seen(evidence: Evidence, standings: Standings) -> Seen:
    """Put groups together by flow; nothing is left out."""
    held = _by_ends(evidence.flows())
    clients: dict[tuple[str, str], str] = {}
    servers: dict[str, str] = {}
    users: dict[str, set[str]] = {}
    for ends, groups in held.items():
        for group, _ in groups:
            if group.outer and group.outer != ends.source:
                key = (group.outer, ends.destination)
                clients[key] = min(ends.source, clients.get(key, ends.source))
            if group.flow.inner:
                name = group.flow.destination
                servers[name] = min(ends.destination, servers.get(name, ends.destination))
            if group.user:
                users.setdefault(ends.source, set()).add(group.user)
    mapped = _Mapped(
        standings=standings,
        zones=frozenset(
            standings.of(group).source.zone
            for groups in held.values()
            for group, _ in groups[:1]
            if group.flow.source in users
        ),
        users=users,
    )
    return Seen(
        parts=_parts(held, mapped),
        excluded=_parts(_by_ends(evidence.excluded.flows()), mapped),
        translated_clients=clients,
        translated_servers=servers,
        users={address: frozenset(names) for address, names in users.items()},
    )


def _by_ends(
    flows: Iterator[tuple[Flow, list[tuple[Group, Count]]]],
) -> dict[Ends, list[tuple[Group, Count]]]:
    held: dict[Ends, list[tuple[Group, Count]]] = {}
    for flow, groups in flows:
        ends = Ends(flow.source, flow.inner or flow.destination, flow.protocol, flow.port)
        held.setdefault(ends, []).extend(groups)
    return held


def _parts(held: dict[Ends, list[tuple[Group, Count]]], mapped: _Mapped) -> tuple[Part, ...]:
    """Return the parts of flows, of which nothing is held any more afterwards."""
    found: list[Part] = []
    for ends in sorted(held):
        parts: dict[_Key, Part] = {}
        groups = held.pop(ends)
        if len(groups) > 1:
            groups.sort(key=itemgetter(0))
        for group, count in groups:
            standing, nature, why = mapped.of(group)
            talks = nature == "conversation"
            apart = _apart(group.applications, group.functions) if talks else frozenset[str]()
            key = _Key(nature, standing.conduit if nature == "declared" else "", why, apart)
            part = parts.get(key)
            if part is None:
                part = parts[key] = Part(ends=ends, nature=nature, standing=standing, why=why)
            part.groups.append((group, count))
        found += _proven(parts)
    return tuple(found)


class _Key(NamedTuple):
    """What is of one part: commands are judged apart from what only reads."""

    nature: Nature
    conduit: str
    why: str
    commands: frozenset[str]


@lru_cache(maxsize=100_000)
def _apart(applications: tuple[str, ...], functions: tuple[Function, ...]) -> frozenset[str]:
    """Return what a group that speaks so is judged by apart from others."""
    return (shown_classes(applications, functions) & COMMANDS) | doubtful(functions)


def _proven(parts: Mapping[_Key, Part]) -> Iterator[Part]:
    """Yield parts; a sensor that names no application sees what another one shows to be declared.

    What shows nothing but ends and port is then no conversation of its own.
    """
    declared = [part for part in parts.values() if part.nature == "declared"]
    for part in parts.values():
        if part.nature == "conversation" and declared and not part.why:
            mute = [item for item in part.groups if not (item[0].applications or item[0].functions)]
            declared[0].groups += mute
            part.groups = [item for item in part.groups if item not in mute]
        if part.groups:
            yield part


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mapped:
    """What a group is; `zones` are those in which witnesses know users, `users` by address."""

    standings: Standings
    zones: frozenset[str]
    users: Mapping[str, set[str]]

    def of(self, group: Group) -> tuple[Standing, Nature, str]:
        """Return how a group stands, its nature, and what a person should know about it."""
        standing = self.standings.of(group)
        if group.threat:
            return standing, "threat", ""
        if group.verdict == "deny":
            return standing, "denied", ""
        if group.completed == "no":
            return standing, "attempt", ""
        if standing.status == "within_zone":
            return standing, "within_zone", ""
        if standing.status in {"declared", "unproven"}:
            if standing.status == "unproven" and self._nobody(group, standing.source):
                return standing, "conversation", ""
            return standing, "declared", standing.why
        if standing.status == "undeclared":
            return self._beside(group, standing)
        return standing, "conversation", ""

    def _nobody(self, group: Group, source: Place) -> bool:
        """Whether a conduit asks for users, and this client is known to have none.

        It is where others of its zone have users, and it never had one.
        """
        if group.user or source.zone not in self.zones or group.flow.source in self.users:
            return False
        anybody = self.standings.of(group._replace(user="\0"))
        return anybody.status == "undeclared"

    def _beside(self, group: Group, standing: Standing) -> tuple[Standing, Nature, str]:
        """Return what a group is that no conduit permits, though one may be about its ends."""
        if group.user:
            bare = self.standings.of(group._replace(user=""))
            if bare.status in {"unproven", "declared"}:
                said = f"{bare.conduit} declares it for users; whether this is one is not known"
                return bare, "declared", said
        if group.functions or group.applications:
            bare = self.standings.of(group._replace(functions=(), applications=(), user=""))
            if bare.status == "unproven":
                return standing, "conversation", f"beside {bare.conduit}: {standing.why}"
        return standing, "conversation", ""
