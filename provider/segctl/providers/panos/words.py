"""What names in PAN-OS rules stand for besides the objects of a configuration.

Sources: vendor's administrator guide (containers take in every application of theirs, an
application not seen on its default ports does not match ``application-default``); what a device
lists under ``/config/predefined``; the catalogue of industrial applications where no device was
asked, or one that does not tell.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final

from segctl.analysis.space import ALL_NAMES, NO_NAMES, Names, common, ranges, service
from segctl.analysis.words import Meaning, exact
from segctl.compiler.unknown import UNKNOWN_APPLICATIONS
from segctl.model.filled import Selection
from segctl.protocols import catalogue, default_ports
from segctl.providers.panos.content_ports import numbers
from segctl.providers.panos.parse import PanosLive

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segctl.analysis.space import Numbers
    from segctl.analysis.words import Effect
    from segctl.protocols import Catalogue
    from segctl.providers.base import Live

#: Services that every device has.
_SERVICES: Final[Mapping[str, tuple[int, ...]]] = {
    "service-http": (80, 8080),
    "service-https": (443,),
}
#: Applications that have no ports but are a protocol, as in the vendor's Applipedia.
_ICMP: Final = {"icmp": "icmp", "ping": "icmp", "ipv6-icmp": "icmpv6", "ping6": "icmpv6"}
#: An echo request by its type, and what it is called and other types are.
_ECHO: Final = {"icmp": 8, "icmpv6": 128}
_NAMED: Final = {"icmp": ("ping", "icmp"), "icmpv6": ("ping6", "ipv6-icmp")}
#: What stands at a rule or a service and has no part in what it matches.
_HARMLESS: Final = frozenset(
    {
        "description",
        "disable-inspect",
        "disable-override",
        "group-tag",
        "icmp-unreachable",
        "log-start",
        "option",
        "override",
        "profile-setting",
        "qos",
        "tag",
    }
)
#: Lists of names of objects: of web sites, and of what a host must be like. Ports of sources.
_NAMES: Final = re.compile(
    r"(category|source-hip|destination-hip|hip-profiles)\{member=[^{}=]*( member=[^{}=]*)*\}"
    r"|source-port=[0-9,-]+"
)
_TAG: Final = re.compile("[a-z0-9-]+")
#: A list that holds this word asks for nothing.
_ANYTHING: Final = re.compile(r"[a-z0-9-]+(\{member=any\}|=any|\{negate=no\}|)")


@dataclass(frozen=True, slots=True, kw_only=True)
class PanosWords:
    """The words of one device, or of a declared policy.

    ``containers`` are those that the device tells, None where none was asked or it does not tell;
    ``listed`` the names of its applications, its own among them.
    """

    containers: Mapping[str, frozenset[str]] | None = None
    listed: frozenset[str] | None = None
    #: what filters in use select
    filters: Mapping[str, Selection] = field(default_factory=dict[str, Selection])
    #: default ports by what the device's content says; None where it was not asked for any
    ports: Mapping[Numbers, frozenset[str]] | None = None
    #: what stands for rules that could not be read
    unread: frozenset[str] = frozenset()

    def application(self, name: str) -> Meaning[Names] | None:
        """Return an application, or those of a container or filter; None of an unknown name."""
        if name in self.filters:
            return _selected(name, self.filters[name])
        if self.containers is not None:
            if name in self.containers:
                return exact(Names(self.containers[name]))
            if self.listed is None or name in self.listed:
                return exact(Names(frozenset({name})))
        known = catalogue()
        if name in known.containers:  # one that no rule names is not among those of the device
            return _catalogued(name, known)
        if self.containers is not None:
            return None
        itself = Names(frozenset({name}))
        if name in known.applications or name in UNKNOWN_APPLICATIONS:
            return exact(itself)
        if self.listed is not None and name not in self.listed:
            return None
        why = f"whether {name} stands for other applications the device was not asked"
        return Meaning(ALL_NAMES, itself, (why,))

    def default_ports(self) -> Mapping[Numbers, frozenset[str]]:
        """Return the applications by their default ports: the device's, else the catalogue's."""
        return _default_ports() if self.ports is None else self.ports

    def service(self, name: str) -> Numbers | None:
        """Return the ports of ``service-http`` and ``service-https``."""
        ports = _SERVICES.get(name)
        if ports is None:
            return None
        return ranges(part for port in ports for part in service("tcp", port, port))

    def spoken_as(self, protocol: str, number: int | None) -> Meaning[Names]:
        """Return the applications that packets of a type of ICMP can count as, and surely do.

        An echo request is a ``ping``. What else a type counts as, no document says; it is none of
        the applications that are known to be spoken on ports.
        """
        elsewhere = frozenset[str]().union(
            *(
                names
                for ports, names in self.default_ports().items()
                if not any(common(ports, service(one)) for one in _ECHO)
            )
        )
        can = Names(elsewhere, but=True)
        if number is not None and number != _ECHO[protocol]:
            why = f"which application {protocol}/{number} counts as is not known"
            return Meaning(can, NO_NAMES, (why,))
        name = _NAMED[protocol][number is None]
        why = f"what besides {name} such packets count as is not known"
        return Meaning(can, Names(frozenset({name})), (why,))

    @property
    def multicast_zone(self) -> str:
        """The predefined zone that routed multicast leaves by.

        Source: vendor's networking guide, Configure IPv4 Multicast, on security policy rules.
        """
        return "multicast"

    def shown(self, extra: str) -> str:
        """Return what reasons say of such a text: what a snapshot keeps of it."""
        return extra if extra in self.unread else kept(extra)

    def effect(self, extra: str) -> Effect:
        """Return whether a rule or a service is narrower for it; nothing makes one wider.

        Of rules that could not be read nothing is known.
        """
        if extra in self.unread:
            return "anything"
        tag = _TAG.match(extra)
        if _ANYTHING.fullmatch(extra) or (tag is not None and tag[0] in _HARMLESS):
            return "none"
        return "narrows"


def words(live: Live | None) -> PanosWords:
    """Return the words of a device, or of what is only declared."""
    if live is None:
        return PanosWords()
    told = live.containers if isinstance(live, PanosLive) else None
    return PanosWords(
        containers=None if told is None else {name: frozenset(of) for name, of in told.items()},
        listed=live.known.get("application", frozenset()) | frozenset(told or ()),
        filters=live.filters if isinstance(live, PanosLive) else {},
        unread=frozenset(live.pushed.unread),
        ports=_told_ports(live.ports) if isinstance(live, PanosLive) and live.ports else None,
    )


def _selected(name: str, held: Selection) -> Meaning[Names]:
    """Return the applications that a filter takes in, and may take in."""
    if held.unread:
        why = f"{name} is an application filter, and what it selects was not read: {held.unread}"
        return Meaning(ALL_NAMES, NO_NAMES, (why,))
    surely = Names(frozenset(held.surely))
    if not held.perhaps:
        return exact(surely)
    why = f"{name} is an application filter: {held.why}"
    return Meaning(surely | Names(frozenset(held.perhaps)), surely, (why,))


def _told_ports(told: Mapping[str, tuple[str, ...]]) -> dict[Numbers, frozenset[str]]:
    """Return the ports of the catalogue, but for those that a device tells or does not know."""
    names = frozenset(told)
    known = _default_ports().items()
    found = {ports: left for ports, named in known if (left := named - names)}
    for name, texts in told.items():
        ports = numbers(texts)
        if ports is None and name in _ICMP:
            ports = service(_ICMP[name])
        if ports is not None:
            found[ports] = found.get(ports, frozenset()) | {name}
    return found


def kept(extra: str) -> str:
    """Return what a snapshot keeps of what stands at a rule or a service: what narrows it.

    Of lists of names these stay; of everything else only what it is called, so that no secret of
    a later release stays. Nothing of what has no part in what is matched.
    """
    if PanosWords().effect(extra) == "none":
        return ""
    if _NAMES.fullmatch(extra):
        return extra
    tag = _TAG.match(extra)
    return f"{tag[0] if tag else ''}=…"


@cache
def _default_ports() -> Mapping[Numbers, frozenset[str]]:
    found: dict[Numbers, set[str]] = {}
    for name, protocol in _ICMP.items():
        found.setdefault(service(protocol), set()).add(name)
    for name in catalogue().applications:
        ports = ranges(
            part
            for one in default_ports(name)
            for part in service(one.protocol, one.first, one.last)
        )
        if ports:
            found.setdefault(ports, set()).add(name)
    return {ports: frozenset(names) for ports, names in found.items()}


def _catalogued(name: str, known: Catalogue) -> Meaning[Names]:
    """Return what is known to be in a container; content may have added others since.

    An application is in one container at most. One that two containers may hold is surely in
    neither; one that is in none of those we know may be in this.
    """
    held = {one: _may_hold(one, known) for one in known.containers}
    elsewhere = frozenset[str]().union(*(names for one, names in held.items() if one != name))
    inside = held[name] - (elsewhere - {*known.containers[name].members})
    outside = frozenset({""}) | (elsewhere - held[name])
    why = f"{name} is a container: which applications it takes in besides the device was not asked"
    return Meaning(ALL_NAMES - Names(outside), Names(inside), (why,))


def _may_hold(name: str, known: Catalogue) -> frozenset[str]:
    container = known.containers[name]
    members = frozenset(container.members)
    if not container.protocol:
        return members
    return members | {one.name for one in known.protocols[container.protocol].applications}
