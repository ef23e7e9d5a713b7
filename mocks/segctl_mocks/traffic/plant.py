"""A plant for made traffic: its zones, hosts, firewalls, sensors and who talks to whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What a conversation is, and what a person who learns the plant's traffic should do with it.
KINDS = {
    "declared": "is in the inventory",
    "silent": "is in the inventory, and never happens",
    "long": "is in the inventory, in one session that begins before and ends after",
    "undeclared": "propose",
    "dhcp": "propose for a role or a lease range, never for one address",
    "translated": "propose for the host behind the translation",
    "rare": "ask: too seldom to be sure",
    "maintenance": "list: programming in a maintenance window",
    "down": "list: tried, never answered",
    "unknown": "list: no signature knows it",
    "broadcast": "list: noise",
    "multicast": "list: noise",
    "misuse": "list: a function or a service that nobody needs there",
    "scan": "list: a scan",
    "beacon": "list: a beacon",
    "tunnel": "list: a tunnel through names",
    "lateral": "list: lateral movement",
}
#: Those that people need for their work.
LEGITIMATE = frozenset(
    ("declared", "silent", "long", "undeclared", "dhcp", "translated", "rare", "maintenance")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """A zone: its networks as text, the first and last address of its DHCP leases (or empty)."""

    name: str
    networks: tuple[str, ...]
    leases: tuple[str, str] | tuple[()] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A host; without an address it leases one, another one every `lease` seconds."""

    name: str
    zone: str
    address: str = ""
    user: str = ""
    lease: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A security rule of a firewall, in the firewall's own names; an empty list is any.

    `log` says at which moments of a session it writes a line: start, end.
    """

    name: str
    sources: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    source_networks: tuple[str, ...] = ()
    target_networks: tuple[str, ...] = ()
    applications: tuple[str, ...] = ()
    allow: bool = True
    log: frozenset[str] = frozenset(("end",))


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A span of one day: the day counted from 0, seconds after midnight."""

    day: int
    first: float
    last: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """What writes records.

    `clock` is how many seconds its clock is ahead, `duplicates` the share of records that arrive
    twice, `gaps` the spans from which no record arrived.
    """

    name: str
    clock: float = 0.0
    duplicates: float = 0.0
    gaps: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Firewall(Witness):
    """A firewall: `zones` are the device's name and interface of each of our zones on it."""

    platform: str
    zones: Mapping[str, tuple[str, str]]
    rules: tuple[Rule, ...]
    release: str = "10.2"
    serial: str = "007000000000"
    vsys: str = "vsys1"
    header: str = "bsd"
    log_defaults: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensor(Witness):
    """What sees the packets of some zones: a Zeek and a Suricata, or an exporter of flows.

    `midstream` is the share of TCP connections of which Zeek missed the beginning.
    """

    zones: frozenset[str]
    exports_flows: bool = False
    midstream: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """When sessions begin.

    Either every so many seconds, give or take the share `jitter`, within the hours of working days
    where `hours` are given; or so many `times` in the window; or at a moment of one day.
    """

    every: float = 0.0
    jitter: float = 0.2
    hours: tuple[float, float] | tuple[()] = ()
    times: int = 0
    at: Span | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """An address that a firewall translates: of the client, or of the server as clients know it."""

    firewall: str
    source: str = ""
    target: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """Who talks to whom, how and how often; each client talks to each server.

    `functions` are those that every session uses, in order. `threat` is the signature that a
    firewall finds in it, as ``name(number)``. A scan tries `ports` on each address of zone `sweep`.
    """

    name: str
    kind: str
    clients: tuple[str, ...]
    servers: tuple[str, ...]
    protocol: str
    pace: Pace
    port: int = 0
    functions: tuple[str, ...] = ()
    lasts: float = 30.0
    size: int = 2000
    conduit: str = ""
    threat: str = ""
    note: str = ""
    sweep: str = ""
    ports: tuple[int, ...] = ()
    translation: Translation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """A whole plant; `offset` is its time zone, in seconds east of UTC."""

    name: str
    zones: Mapping[str, Zone]
    hosts: Mapping[str, Host]
    firewalls: Mapping[str, Firewall]
    sensors: Mapping[str, Sensor]
    conversations: tuple[Conversation, ...]
    offset: int = 0
    maintenance: tuple[Span, ...] = ()
