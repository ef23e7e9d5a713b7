"""What a plant declares, in IEC 62443 terms: zones, assets, conduits, flows.

Only values, made by `segctl.inventory` and read by `segctl.compiler.build`. Past the inventory,
networks and dates are typed values, never strings.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING, Final, Literal

from segctl.model.scope import DEFAULT_SCOPE, Scope

if TYPE_CHECKING:
    from datetime import date

Network = IPv4Network | IPv6Network
Host = IPv4Address | IPv6Address
Mode = Literal["enforce", "monitor", "absent"]
Decision = Literal["keep", "narrow", "retire"]
ThreatPrevention = Literal["strict", "alert", "none"]

#: Access classes of a protocol's functions, as in the protocol catalogue.
#: Every other class includes ``session`` (set-up, keep-alive, base application).
ACCESS_CLASSES = ("read", "write", "control", "program", "diagnostic", "file", "session")

ZONE_KINDS = (
    "control",
    "safety",
    "supervisory",
    "operations",
    "dmz",
    "business",
    "external",
    "wireless",
    "remote-access",
    "management",
    "transit",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where in the inventory something was declared (line and column from 1; 0: unknown)."""

    file: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """``file:line:column``."""
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityLevel:
    """SL-T as a vector over the seven foundational requirements, each 0-4 (IEC 62443-3-3)."""

    iac: int = 0
    uc: int = 0
    si: int = 0
    dc: int = 0
    rdf: int = 0
    tre: int = 0
    ra: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One device of the plant, with every address it has in its zone.

    ``shared`` says that other assets of the site have the same addresses too: a pair that takes
    over from each other. ``renamed_from`` are names it had before, the latest first.
    """

    name: str
    addresses: tuple[Network, ...]
    role: str = ""
    shared: bool = False
    renamed_from: tuple[str, ...] = ()
    declared: Source = field(default=Source(), compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """Assets with common security requirements."""

    site: str
    id: str
    name: str = ""
    level: float | None = None
    kind: str = ""
    security_level: SecurityLevel | None = None
    networks: tuple[Network, ...] = ()
    assets: tuple[Asset, ...] = ()
    intrazone: Literal["allow", "deny"] = "allow"
    renamed_from: tuple[str, ...] = ()
    declared: Source = field(default=Source(), compare=False)

    @property
    def key(self) -> str:
        """The zone's id with its site, unique in the system under consideration."""
        return f"{self.site}/{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PortRange:
    """A plain service: ``tcp`` or ``udp`` with an inclusive port range, or ``icmp`` (echo)."""

    protocol: Literal["tcp", "udp", "icmp"]
    first: int
    last: int

    def __str__(self) -> str:
        """``tcp/502``, ``tcp/1000-2000`` or ``icmp``."""
        if self.protocol == "icmp":
            return self.protocol
        ports = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        return f"{self.protocol}/{ports}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolUse:
    """A catalogue protocol with the access classes that a flow may use."""

    protocol: str
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A source or destination of a flow: an asset or a network of one zone."""

    zone: str
    asset: str = ""
    network: Network | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """One need inside a conduit, from initiator to responder.

    Empty ``sources`` or ``destinations`` mean all of the zones on that side.
    """

    id: str
    sources: tuple[Endpoint, ...] = ()
    destinations: tuple[Endpoint, ...] = ()
    protocols: tuple[ProtocolUse, ...] = ()
    services: tuple[PortRange, ...] = ()
    applications: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    schedule: str = ""
    essential: bool = False
    log: bool = True
    functions: Literal["enforced", "not-enforced"] = "enforced"
    renamed_from: tuple[str, ...] = ()
    declared: Source = field(default=Source(), compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleException:
    """A segmentation rule that a conduit need not keep until a day, and who answers for it."""

    rule: str
    reason: str
    owner: str
    expires: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What was decided about a conduit when it was reviewed, by whom and why."""

    day: date
    by: str
    decision: Decision
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Conduit:
    """The communication permitted between zones, with its owner and expiry date."""

    site: str
    id: str
    from_zones: tuple[str, ...]
    to_zones: tuple[str, ...]
    reason: str
    owner: str
    flows: tuple[Flow, ...]
    ticket: str = ""
    expires: date | None = None
    review_by: date | None = None
    reviewed: Review | None = None
    mode: Mode = "enforce"
    threat_prevention: ThreatPrevention | None = None
    via: tuple[str, ...] = ()
    renamed_from: tuple[str, ...] = ()
    exceptions: tuple[RuleException, ...] = ()
    declared: Source = field(default=Source(), compare=False)

    @property
    def key(self) -> str:
        """The conduit's id with its site, unique in the system under consideration."""
        return f"{self.site}/{self.id}"

    def expired(self, today: date) -> bool:
        """Whether its last day lies before `today`."""
        return self.expires is not None and self.expires < today


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneBinding:
    """How a firewall is attached to one of our zones."""

    zone: str
    name: str
    interfaces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where our block of rules stands among the rules of others."""

    where: Literal["first", "last", "before", "after"] = "last"
    rule: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When a rule applies: ``daily`` or ``weekly`` windows ``HH:MM-HH:MM``, in device time."""

    name: str
    daily: tuple[str, ...] = ()
    weekly: tuple[tuple[str, tuple[str, ...]], ...] = ()


#: What asks for containment by itself, the gravest first.
SIGNS: Final = ("critical-threat", "command-and-control", "scan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Containment:
    """Who may be contained at a firewall, who never, what goes on meanwhile, and for how long.

    Of the `zones` (keys; empty: all) an asset or address may be contained, never the assets of
    `never`. Of flows, as ``conduit/flow``, those of `survives` go on; None: all that are essential.
    `longest` is in seconds. `islands` are zones (keys) and sites that can be cut from what is above
    them, for at most `island_longest` seconds; the same flows go on.

    Signs of the kinds in `on` ask for it by themselves, those of `act` may be acted upon; at most
    `at_once` addresses are contained so at a time.
    """

    zones: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    survives: tuple[str, ...] | None = None
    longest: int = 28_800
    log_forwarding: str = ""
    islands: tuple[str, ...] = ()
    island_longest: int = 28_800
    on: tuple[str, ...] = ()
    act: tuple[str, ...] = ()
    at_once: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A firewall that enforces conduits, or a group of firewalls that one manager gives rules.

    ``ha_peer`` is the host that may stand in for it. ``manager`` is the host that manages it and
    ``group`` the part of that host that holds its policy; ``serial`` is its number there and
    ``peer_serial`` that of its ``ha_peer``, empty where they are to be found by address or name.
    Only a group has ``members``; its ``name`` is `group_name`.
    """

    name: str
    platform: str
    zones: tuple[ZoneBinding, ...] = ()
    position: Position = Position()
    unmanaged: Literal["report", "purge"] = "report"
    scope: Scope = DEFAULT_SCOPE
    manage_zones: bool = False
    default_rules: Literal["manage", "leave"] = "manage"
    unknown_applications: Literal["", "deny"] = ""
    threat_profiles: tuple[tuple[str, str], ...] = ()
    log_forwarding: str = ""
    audit_comments: bool = False
    schedules: tuple[Schedule, ...] = ()
    ha_peer: str = ""
    manager: str = ""
    group: Scope = DEFAULT_SCOPE
    serial: str = ""
    peer_serial: str = ""
    members: tuple[Device, ...] = ()
    containment: Containment | None = None
    declared: Source = field(default=Source(), compare=False)


def group_name(device: Device) -> str:
    """Return the name under which the group of a managed firewall is planned: ``panorama1:OT``."""
    return f"{device.manager}:{device.group.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The system under consideration: everything one inventory declares.

    Zone references inside (`Conduit.from_zones`, `Endpoint.zone`, `ZoneBinding.zone`) are
    zone keys, ``site/id``.
    """

    zones: tuple[Zone, ...] = ()
    conduits: tuple[Conduit, ...] = ()
    devices: tuple[Device, ...] = ()
