"""The sessions of a plant, in the order in which they begin: the truth that witnesses see."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_address, ip_network
from itertools import count, product
from typing import TYPE_CHECKING

from segctl_mocks.traffic.plant import Conversation, Pace
from segctl_mocks.traffic.protocols import PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from segctl_mocks.traffic.plant import Host, Plant, Span
    from segctl_mocks.traffic.protocols import Protocol

DAY = 86400.0
_MULTICAST = {"mdns": "224.0.0.251", "ssdp": "239.255.255.250"}
_UNANSWERED = frozenset(("down", "scan"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The days that are made: `start` is the first midnight, in seconds since 1970."""

    seed: int
    start: float
    days: int
    busy: float = 1.0

    @property
    def end(self) -> float:
        """The midnight after the last day."""
        return self.start + self.days * DAY

    def chance(self, *words: object) -> random.Random:
        """Return random numbers of a subject: the same for the same seed and words."""
        return random.Random("/".join(map(str, (self.seed, *words))))  # noqa: S311  # no secret

    def of(self, span: Span) -> tuple[float, float]:
        """Return when a span of the plant is."""
        midnight = self.start + span.day * DAY
        return midnight + span.first, midnight + span.last


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One session as it was, in true time and before any translation.

    Volumes are of the client (`sent`) and of the server (`received`): bytes and packets with their
    headers. `answer` is done, none (nobody answered) or refused. `zones` are those of both ends,
    `assigned` the address that DHCP gave to the client, and the server's own. `repeats` says of
    how many alike sessions within seconds a firewall writes one line, as it does of pings.
    """

    conversation: Conversation
    protocol: Protocol
    ident: int
    start: float
    end: float
    client: str
    server: str
    zones: tuple[str, str]
    source: str
    target: str
    sport: int
    dport: int
    functions: tuple[str, ...]
    applications: tuple[str, ...]
    answer: str
    user: str
    sent: tuple[int, int]
    received: tuple[int, int]
    assigned: str = ""
    repeats: int = 1


def addresses(plant: Plant, window: Window, host: Host) -> Iterator[tuple[float, float, str]]:
    """Yield a host's addresses, each with the time from when until when it has it."""
    if host.address:
        yield window.start, window.end, host.address
        return
    first, last = (ip_address(text) for text in plant.zones[host.zone].leases)
    pool = [str(first + at) for at in range(int(last) - int(first) + 1)]
    window.chance("leases", host.zone).shuffle(pool)
    peers = [one.name for one in plant.hosts.values() if one.lease and one.zone == host.zone]
    rank = peers.index(host.name)
    for number in count():
        since = window.start + number * host.lease
        if since >= window.end:
            return
        until = min(since + host.lease, window.end)
        yield since, until, pool[(rank + number * len(peers)) % len(pool)]


class Leases:
    """Which address each host has at a time; times are asked in any order."""

    def __init__(self, plant: Plant, window: Window) -> None:
        self._of = {
            host.name: list(addresses(plant, window, host)) for host in plant.hosts.values()
        }
        self._start = window.start

    def at(self, host: Host, time: float) -> str:
        """Return the address of a host at a time of the window."""
        held = self._of[host.name]
        if not host.lease:
            return host.address
        number = min(max(int((time - self._start) // host.lease), 0), len(held) - 1)
        return held[number][2]


def sessions(plant: Plant, window: Window) -> Iterator[Session]:
    """Yield every session, in the order of their beginnings; memory does not grow with time."""
    leases = Leases(plant, window)
    streams = [
        stream
        for one in plant.conversations
        if one.kind != "silent"
        for stream in _streams(plant, window, leases, one)
    ]
    streams += [_leases(plant, window, host) for host in plant.hosts.values() if host.lease]
    return heapq.merge(*streams, key=lambda session: (session.start, session.ident))


def _streams(
    plant: Plant, window: Window, leases: Leases, one: Conversation
) -> Iterator[Iterator[Session]]:
    if one.sweep:
        for client in one.clients:
            yield _sweep(plant, window, leases, one, plant.hosts[client])
        return
    servers: Sequence[str] = one.servers or ("",)
    for client, server in product(one.clients, servers):
        ends = plant.hosts[client], plant.hosts.get(server)
        yield _pair(plant, window, leases, one, ends)


LEASES = Conversation(
    name="leases", kind="broadcast", clients=(), servers=(), protocol="dhcp", pace=Pace()
)


def _leases(plant: Plant, window: Window, host: Host) -> Iterator[Session]:
    """Yield how a host gets each of its addresses."""
    chance = window.chance("dhcp", host.name)
    network = ip_network(plant.zones[host.zone].networks[0])
    for since, _until, address in addresses(plant, window, host):
        yield Session(
            conversation=LEASES,
            protocol=PROTOCOLS["dhcp"],
            ident=chance.getrandbits(52),
            start=since + 0.01 * chance.random(),
            end=since + 0.02,
            client=host.name,
            server="",
            zones=(host.zone, host.zone),
            source="0.0.0.0",  # noqa: S104  # what a client without an address sends from
            target="255.255.255.255",
            sport=68,
            dport=67,
            functions=(),
            applications=("dhcp",),
            answer="done",
            user="",
            sent=(656, 2),
            received=(656, 2),
            assigned=f"{address} {network[1]}",
        )


def _pair(
    plant: Plant,
    window: Window,
    leases: Leases,
    one: Conversation,
    ends: tuple[Host, Host | None],
) -> Iterator[Session]:
    client, server = ends
    chance = window.chance(one.name, client.name, server.name if server else "")
    protocol = PROTOCOLS[one.protocol]
    for start in _beginnings(one, window, chance):
        duration = one.lasts * chance.uniform(0.8, 1.2)
        if one.kind == "long":
            duration = window.end - start + DAY
        zone = server.zone if server else client.zone
        target = leases.at(server, start) if server else _everybody(plant, one, client)
        yield _session(
            one,
            protocol,
            chance,
            start=start,
            end=start + duration,
            client=client.name,
            server=server.name if server else "",
            zones=(client.zone, zone),
            source=leases.at(client, start),
            target=target,
            dport=one.port or protocol.port,
            user=client.user,
        )


def _everybody(plant: Plant, one: Conversation, client: Host) -> str:
    """Return the address that a broadcast or a multicast goes to."""
    if one.protocol in _MULTICAST:
        return _MULTICAST[one.protocol]
    network = ip_network(plant.zones[client.zone].networks[0])
    return str(network.broadcast_address)


def _sweep(
    plant: Plant, window: Window, leases: Leases, one: Conversation, client: Host
) -> Iterator[Session]:
    """Yield the attempts of a scan, evenly over its span, in an order of its own."""
    if one.pace.at is None:
        return
    first, last = window.of(one.pace.at)
    chance = window.chance(one.name, client.name)
    network = ip_network(plant.zones[one.sweep].networks[0])
    hosts = network if isinstance(network, IPv4Network) else ()
    targets = [str(each) for each in hosts][1:255]
    tries = list(product(targets, one.ports or (PROTOCOLS[one.protocol].port,)))
    chance.shuffle(tries)
    names = {host.address: host.name for host in plant.hosts.values() if host.address}
    for number, (target, port) in enumerate(tries):
        start = first + (last - first) * number / len(tries)
        if start >= window.end:
            return
        yield _session(
            one,
            PROTOCOLS[one.protocol],
            chance,
            start=start,
            end=start + 3.0,
            client=client.name,
            server=names.get(target, ""),
            zones=(client.zone, one.sweep),
            source=leases.at(client, start),
            target=target,
            dport=port,
            user=client.user,
        )


def _beginnings(one: Conversation, window: Window, chance: random.Random) -> Iterator[float]:
    pace = one.pace
    if one.kind == "long":
        yield window.start - chance.uniform(20, 60) * DAY
    elif pace.at is not None:
        first, last = window.of(pace.at)
        moments = sorted(chance.uniform(first, last) for _ in range(pace.times or 1))
        yield from (moment for moment in moments if moment < window.end)
    elif pace.times:
        yield from sorted(chance.uniform(window.start, window.end) for _ in range(pace.times))
    elif pace.every:
        yield from _regular(pace, window, chance)


def _regular(pace: Pace, window: Window, chance: random.Random) -> Iterator[float]:
    every = pace.every / window.busy
    time = window.start + chance.uniform(0, every)
    while time < window.end:
        if _at_work(pace, time - window.start, window):
            yield time
        time += every * (1 + pace.jitter * chance.uniform(-1, 1))


def _at_work(pace: Pace, since: float, window: Window) -> bool:
    """Whether a time is within working hours; 1970 began on a Thursday."""
    if not pace.hours:
        return True
    opens, closes = pace.hours
    weekday = (round(window.start / DAY) + int(since // DAY) + 3) % 7
    return weekday < 5 and opens <= since % DAY < closes


def _volume(
    one: Conversation, protocol: Protocol, chance: random.Random, server: str
) -> tuple[str, tuple[int, int], tuple[int, int]]:
    """Return how a session was answered, and what each end sent: bytes and packets."""
    if one.kind in _UNANSWERED:
        if server and one.kind == "scan":
            return "refused", (60, 1), (40, 1)
        return "none", (180, 3), (0, 0)
    if not server:
        return "none", (max(one.size, 60), 1), (0, 0)
    there = int(one.size * chance.uniform(0.7, 1.3)) + 120
    back = int(one.size * chance.uniform(1.2, 2.4)) + 120
    if protocol.one_way:
        return "done", (there, there // 300 + 1), (0, 0)
    return "done", (there, there // 300 + 4), (back, back // 700 + 4)


def _session(  # a session's facts
    one: Conversation,
    protocol: Protocol,
    chance: random.Random,
    *,
    start: float,
    end: float,
    client: str,
    server: str,
    zones: tuple[str, str],
    source: str,
    target: str,
    dport: int,
    user: str,
) -> Session:
    answer, sent, received = _volume(one, protocol, chance, server)
    if one.kind in _UNANSWERED:
        end = start + (0.002 if answer == "refused" else 3.0)
    return Session(
        conversation=one,
        protocol=protocol,
        ident=chance.getrandbits(52),
        start=round(start, 6),
        end=round(end, 6),
        client=client,
        server=server,
        zones=zones,
        source=source,
        target=target,
        sport=chance.randrange(49152, 65536) if protocol.transport != "icmp" else 0,
        dport=dport,
        functions=one.functions,
        applications=protocol.applications(one.functions),
        answer=answer,
        user=user,
        sent=sent,
        received=received,
        repeats=chance.randrange(1, 7) if protocol.transport == "icmp" else 1,
    )
