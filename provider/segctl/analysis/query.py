"""The ``check`` probes: what a device's policy does with a flow.

A zone stands for all of its addresses; the query covers one address of each set that the rules
treat alike.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Literal

from segctl.analysis.decide import Packet, decider
from segctl.compiler.topology import topology
from segctl.model.addresses import merge, network_interval
from segctl.model.errors import Problem, nearest
from segctl.model.policy import ANY, ApplicationGroup, Service, resolver
from segctl.model.site import ACCESS_CLASSES, Source
from segctl.protocols import catalogue, default_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from segctl.analysis.decide import Decision
    from segctl.compiler.topology import Hop
    from segctl.model.addresses import Interval
    from segctl.model.policy import Policy, Rule
    from segctl.model.site import Device, Host, Site, Zone
    from segctl.protocols import Naming

Verdict = Literal["allow", "deny", "partly"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A question about a flow, to the policy that a device holds."""

    source: str
    destination: str
    protocol: str = "tcp"
    port: int = 0
    application: str = ""
    user: str = ""
    allow: bool = True
    timeout: int = 0
    retries: int = 0
    declared: Source = field(default=Source(), compare=False)

    def __str__(self) -> str:
        """``check scada1 → plc1 tcp/502``."""
        what = self.protocol + (f"/{self.port}" if self.port else "")
        what += f" {self.application}" if self.application else ""
        return f"check {self.source} → {self.destination} {what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """One end of a flow: a zone and some of its addresses."""

    zone: str
    addresses: tuple[Interval, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A check with its names resolved, and the firewalls that can answer it."""

    check: Check
    source: End
    destination: End
    hops: tuple[Hop, ...] = ()

    @property
    def devices(self) -> frozenset[str]:
        """The firewalls that can answer."""
        return frozenset(hop.device for hop in self.hops)

    def on(self, device: Device) -> Iterator[Hop]:
        """Yield the ways through one of them."""
        return (hop for hop in self.hops if hop.device == device.name)


def questions(
    checks: Iterable[Check], site: Site, sites: Iterable[str]
) -> tuple[tuple[Question, ...], tuple[Problem, ...]]:
    """Resolve checks against a site; return the questions, and problems for the others.

    A name without a site refers to a zone of one of `sites`.
    """
    found: list[Question] = []
    problems: list[Problem] = []
    near = frozenset(sites)
    for check in checks:
        try:
            found.append(_question(check, site, near))
        except LookupError as error:
            problems.append(_problem(check, *error.args))
    return tuple(found), tuple(problems)


def unanswerable(asked: Iterable[Question], devices: Iterable[Device]) -> tuple[Problem, ...]:
    """Return a problem for each question that none of the firewalls can answer."""
    names = {device.name for device in devices}
    return tuple(
        _problem(
            question.check,
            "no selected firewall stands between its ends",
            f"include {', '.join(sorted(question.devices))} in -l",
        )
        for question in asked
        if not question.devices & names
    )


def _problem(check: Check, message: str, hint: str) -> Problem:
    where = check.declared
    return Problem(
        message=f"{check}: {message}",
        hint=hint,
        file=where.file,
        line=where.line,
        column=where.column,
    )


def _question(check: Check, site: Site, near: frozenset[str]) -> Question:
    protocol, word = _function(check.application)
    if protocol and word not in ACCESS_CLASSES:
        known = ", ".join(ACCESS_CLASSES)
        raise LookupError(f"{protocol} has no access class {word!r}", f"use one of {known}")
    source, destination = _end(check.source, site, near), _end(check.destination, site, near)
    if not {part[0] for part in source.addresses} & {part[0] for part in destination.addresses}:
        raise LookupError("its ends have no IP version in common", "use addresses of one version")
    hops = _hops(site.devices, source.zone, destination.zone)
    if not hops:
        gap = topology(site.devices).gap(source.zone, destination.zone)
        raise LookupError("no firewall stands between its ends", gap)
    return Question(check=check, source=source, destination=destination, hops=hops)


def _hops(devices: Sequence[Device], source: str, destination: str) -> tuple[Hop, ...]:
    from segctl.compiler.topology import Hop

    if source != destination:
        return topology(devices).hops(source, destination)
    return tuple(
        Hop(device=device.name, enter=source, leave=source)
        for device in devices
        if any(binding.zone == source for binding in device.zones)
    )


def sites_of(devices: Iterable[Device]) -> frozenset[str]:
    """Return the sites whose zones the firewalls are attached to."""
    return frozenset(binding.zone.partition("/")[0] for one in devices for binding in one.zones)


# --- names ---------------------------------------------------------------------------------------


def _end(word: str, site: Site, near: frozenset[str]) -> End:
    try:
        return _at(ip_address(word), site)
    except ValueError:
        pass
    named = list(_named(word, site))
    close = [(zone, end) for zone, end in named if zone.site in near] or named
    if not close:
        known = {name for zone in site.zones for name in (zone.id, *(a.name for a in zone.assets))}
        raise LookupError(f"{word!r} is not a zone, asset or address", nearest(word, known))
    if len(close) > 1:
        listed = ", ".join(sorted({zone.key for zone, _ in close}))
        hint = "write zone/asset or site/zone"
        raise LookupError(f"{word!r} is ambiguous, it may be in {listed}", hint)
    return close[0][1]


def _named(word: str, site: Site) -> Iterator[tuple[Zone, End]]:
    first, _, last = word.rpartition("/")
    for zone in site.zones:
        if word in (zone.id, zone.key):
            yield zone, End(zone=zone.key, addresses=_all_of(zone))
        for asset in zone.assets:
            if asset.name == last and first in ("", zone.id, zone.key):
                parts = merge(network_interval(one) for one in asset.addresses)
                yield zone, End(zone=zone.key, addresses=parts)


def _at(host: Host, site: Site) -> End:
    """Return the zone of an address: the zone of its asset, else that of the smallest network."""
    part = (host.version, int(host), int(host))
    best: tuple[int, str] | None = None
    for zone in site.zones:
        owned = [address for asset in zone.assets for address in asset.addresses]
        for number, networks in ((1, owned), (0, zone.networks)):
            for network in networks:
                if network.version == host.version and host in network:
                    rank = (number * 1000 + network.prefixlen, zone.key)
                    best = max(best or rank, rank)
    if best is None:
        raise LookupError(f"{host} is in no zone", "add it to a zone of the inventory")
    return End(zone=best[1], addresses=(part,))


def _all_of(zone: Zone) -> tuple[Interval, ...]:
    owned = (address for asset in zone.assets for address in asset.addresses)
    return merge(network_interval(one) for one in (*zone.networks, *owned))


# --- answers -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A packet that shows what a policy does with a flow, and the rule that decides."""

    source: Host
    destination: Host
    rule: str
    port: int = 0
    application: str = ""

    def __str__(self) -> str:
        """``10.20.2.5 → 10.20.1.11 modbus-read-coils``."""
        spoken = f" {self.application}" if self.application else ""
        return f"{self.source} → {self.destination}{spoken}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a policy does with a flow: the first packet allowed, and the first denied."""

    allowed: Example | None = None
    denied: Example | None = None

    @property
    def verdict(self) -> Verdict:
        """Whether all of the flow is allowed, none of it, or part of it."""
        if self.denied is None:
            return "allow"
        return "deny" if self.allowed is None else "partly"


def answer(question: Question, device: Device, policy: Policy, *, applications: Naming) -> Answer:
    """Return what a device's policy does with a flow.

    Args:
        question: a question that the device can answer.
        device: the device, with the names of its zones.
        policy: everything that the device enforces.
        applications: maps uses of protocols to the names in its rules (`providers.naming`).

    Raises:
        UnsupportedError: the vendor's applications cannot distinguish the access class.
    """
    allowed = denied = None
    for part in _parts(question, device, policy, applications=applications):
        allowed, denied = allowed or part.allowed, denied or part.denied
        if allowed and denied:
            break
    return Answer(allowed=allowed, denied=denied)


def wrong(question: Question, device: Device, policy: Policy, *, applications: Naming) -> str:
    """Return how a device's policy differs from what the check expects; empty if it does not."""
    found = answer(question, device, policy, applications=applications)
    if question.check.allow:
        other, verb = found.denied, "is denied"
    else:
        other, verb = found.allowed, "is allowed"
    return f"{other} {verb} by {other.rule}" if other else ""


def answers_by_user(
    question: Question, device: Device, policy: Policy, *, applications: Naming
) -> dict[str, Answer]:
    """Return what rules for certain users allow in addition, if the check names no user."""
    if question.check.user:
        return {}
    names = {binding.zone: binding.name for binding in device.zones}
    zones = [(names[hop.enter], names[hop.leave]) for hop in question.on(device)]
    named = {
        user
        for rule in policy.rules
        if rule.action == "allow" and any(_between(rule, *pair) for pair in zones)
        for user in rule.users
        if user != ANY
    }
    if not named:
        return {}
    nobody = answer(question, device, policy, applications=applications)
    found: dict[str, Answer] = {}
    for user in sorted(named):
        asked = replace(question, check=replace(question.check, user=user))
        theirs = answer(asked, device, policy, applications=applications)
        if theirs.verdict not in {nobody.verdict, "deny"}:
            found[user] = theirs
    return found


def _parts(
    question: Question, device: Device, policy: Policy, *, applications: Naming
) -> Iterator[Answer]:
    """Yield the answer for one pair of addresses of each kind that the rules distinguish."""
    names = {binding.zone: binding.name for binding in device.zones}
    check = question.check
    for hop in question.on(device):
        zones = names[hop.enter], names[hop.leave]
        rules = tuple(rule for rule in policy.rules if _between(rule, *zones))
        spoken = _spoken(check, policy, rules, applications=applications)
        ports = _asked_ports(check, policy, rules)
        decide = decider(policy.replace(rules=rules))
        for pair in _pairs(question, policy, rules):
            yield _part(
                {
                    one: _decided(decide, _packets(check, zones, pair, one, ports))
                    for one in spoken.needed
                },
                spoken,
            )


def _decided(
    decide: Callable[[Packet], Decision], packets: Iterable[Packet]
) -> tuple[bool, Example]:
    """Return how an application passes on any of its ports, or else how it is denied."""
    answers = [(packet, decide(packet)) for packet in packets]
    packet, decision = next((pair for pair in answers if pair[1].action == "allow"), answers[0])
    example = Example(
        source=packet.source,
        destination=packet.destination,
        rule=decision.rule,
        port=packet.port,
        application=packet.application,
    )
    return decision.action == "allow", example


def _part(decided: Mapping[str, tuple[bool, Example]], spoken: _Spoken) -> Answer:
    passing = [decided[one][1] for one in spoken.own if decided[one][0]]
    refused = [example for passes, example in decided.values() if not passes]
    return Answer(
        allowed=passing[0] if passing else None,
        denied=refused[0] if refused and (spoken.together or not passing) else None,
    )


def _between(rule: Rule, source: str, destination: str) -> bool:
    return (ANY in rule.from_zones or source in rule.from_zones) and (
        ANY in rule.to_zones or destination in rule.to_zones
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spoken:
    """The applications to ask about.

    A use passes if all that it needs pass (`together`), or any of them. Nothing of it passes if
    none of its `own` applications does.
    """

    needed: tuple[str, ...]
    own: tuple[str, ...]
    together: bool


def _spoken(
    check: Check, policy: Policy, rules: Iterable[Rule], *, applications: Naming
) -> _Spoken:
    """Return the application in the check, or else every application in a rule."""
    if check.application:
        return _named_application(check, applications=applications)
    groups = {group.name: group.members for group in policy[ApplicationGroup]}
    named = {one for rule in rules for one in rule.applications if one != ANY}
    known = ("", *sorted({member for one in named for member in groups.get(one, (one,))}))
    return _Spoken(needed=known, own=known, together=False)


def _named_application(check: Check, *, applications: Naming) -> _Spoken:
    protocol, word = _function(check.application)
    if not protocol:
        return _Spoken(needed=(check.application,), own=(check.application,), together=True)
    used = applications(catalogue().get(protocol), (word,))
    return _Spoken(needed=used.names, own=used.own, together=True)


def vendor_applications(check: Check, applications: Naming) -> tuple[str, ...]:
    """Return the vendor's applications that a check names, directly or by an access class.

    Raises:
        UnsupportedError: they cannot distinguish the access class.
    """
    return _named_application(check, applications=applications).needed if check.application else ()


def _function(application: str) -> tuple[str, str]:
    """Return protocol and access class, if the application is written as ``modbus.read``."""
    protocol, _, word = application.partition(".")
    return (protocol, word) if word and protocol in catalogue() else ("", "")


def _asked_ports(check: Check, policy: Policy, rules: Iterable[Rule]) -> tuple[int, ...]:
    """Return the port of the check, or one port of each set that the rules treat alike."""
    if check.port:
        return (check.port,)
    named = {name for rule in rules for name in rule.services}
    borders = {0}
    for service in policy[Service]:
        if service.name in named and service.protocol == check.protocol:
            for part in service.ports.split(","):
                first, _, last = part.partition("-")
                borders |= {int(first), int(last or first) + 1}
    return tuple(sorted(borders - {65536}))


def _packets(
    check: Check,
    zones: tuple[str, str],
    ends: tuple[Host, Host],
    application: str,
    ports: Iterable[int],
) -> Iterator[Packet]:
    for port in ports:
        yield Packet(
            from_zone=zones[0],
            to_zone=zones[1],
            source=ends[0],
            destination=ends[1],
            protocol=check.protocol,
            port=port,
            application=application,
            user=check.user,
            default_port=_own_port(application, check),
        )


def _own_port(application: str, check: Check) -> bool:
    """Whether the port is a default port of the application, as far as the catalogue knows."""
    ports = default_ports(application) if application else ()
    return (
        not check.port
        or not ports
        or any(
            port.protocol == check.protocol and port.first <= check.port <= port.last
            for port in ports
        )
    )


def _pairs(
    question: Question, policy: Policy, rules: Sequence[Rule]
) -> Iterator[tuple[Host, Host]]:
    resolve = resolver(policy)
    sources = _told_apart(question.source, (resolve(rule.sources) for rule in rules))
    destinations = _told_apart(question.destination, (resolve(rule.destinations) for rule in rules))
    for source in sources:
        for destination in destinations:
            if source.version == destination.version:
                yield source, destination


def _told_apart(end: End, parts: Iterable[Sequence[Interval]]) -> list[Host]:
    """Return one address of each set that the rules treat alike."""
    borders = {
        (version, number)
        for listed in parts
        for version, first, last in listed
        for number in (first, last + 1)
    }
    return [
        IPv4Address(number) if version == 4 else IPv6Address(number)
        for version, first, last in end.addresses
        for number in sorted(
            {first} | {at for kind, at in borders if kind == version and first < at <= last}
        )
    ]
