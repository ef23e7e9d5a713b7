"""What a chain of rules permits between two zones: what can pass, and what surely does.

Rules may use words whose meaning only the device knows: a list it fetches, a region, a group of
users. Such a word *can* stand for much and *surely* stands for little. What lies between the two
bounds of an answer is what cannot be told; it is never taken for "no" or "yes".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from segctl.analysis.space import (
    ALL_ADDRESSES,
    ALL_NAMES,
    ALL_SERVICES,
    EVERYTHING,
    NOTHING,
    REAL,
    WEEK,
    Box,
    Names,
    Space,
    addresses,
    ranges,
    service,
    without,
)
from segctl.model.addresses import interval
from segctl.model.policy import (
    ANY,
    APPLICATION_DEFAULT,
    Address,
    AddressGroup,
    ApplicationGroup,
    DefaultRule,
    Schedule,
    Service,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from segctl.analysis.space import Numbers
    from segctl.model.policy import Policy, Rule

_T = TypeVar("_T")

#: Free bits of a wildcard mask above which its addresses are not listed.
_MAX_WILD_BITS = 12
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True, slots=True)
class Meaning(Generic[_T]):
    """What a word can stand for, and what it surely stands for; `why` says why these differ."""

    can: _T
    sure: _T
    why: tuple[str, ...] = ()


class Platform(Protocol):
    """What a platform knows of the words in its rules besides the objects of a policy."""

    def members(self, application: str) -> frozenset[str] | None:
        """Return the applications that a name stands for, None where only the device knows."""
        ...

    def default_ports(self, application: str) -> Numbers | None:
        """Return the ports that ``application-default`` holds an application to, if known."""
        ...

    def service(self, name: str) -> Numbers | None:
        """Return the ports of a service that the platform brings along."""
        ...

    def decides(self, extra: str) -> bool:
        """Whether text that the model has no field for may keep a rule from matching."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """What one rule matches between two zones."""

    rule: str
    allows: bool
    can: Space
    sure: Space
    why: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Permitted:
    """What passes of the packets asked about.

    ``by`` holds what each rule that allows can let through, in the order of the rules; ``why``
    the reasons for which `can` is more than `sure`.
    """

    can: Space
    sure: Space
    by: tuple[tuple[str, Space], ...] = ()
    why: tuple[str, ...] = ()

    @property
    def unknown(self) -> Space:
        """What cannot be told."""
        return self.can - self.sure


def permitted(chain: Iterable[Match], region: Space = REAL) -> Permitted:
    """Return what a chain permits of `region`: the first rule that matches a packet decides.

    Raises:
        TooComplexError: the answer falls into too many pieces.
    """
    undecided = unhindered = region
    sure = NOTHING
    by: list[tuple[str, Space]] = []
    why: list[str] = []
    for match in chain:
        if not undecided:
            break
        can = match.can & undecided
        if not can:
            continue
        why += match.why
        if match.allows:
            by.append((match.rule, can))
            sure = sure | (match.sure & unhindered)
        else:
            unhindered = unhindered - match.can
        if match.sure:
            undecided = undecided - match.sure
    everything = Space(tuple(box for _, part in by for box in part.boxes))
    reasons = tuple(dict.fromkeys(why))
    return Permitted(can=everything, sure=sure, by=tuple(by), why=reasons)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A policy with its words resolved once; `between` gives the chain of a pair of zones.

    The policy holds everything the device enforces, in its order; `implied` are its objects that
    rules refer to without the model having them, by name, with what they are.
    """

    policy: Policy
    platform: Platform
    implied: Mapping[str, str] = field(default_factory=dict[str, str])

    def between(self, enter: str, leave: str) -> tuple[Match, ...]:
        """Return what each rule matches from one zone to another, the default rule last."""
        words = _Words(self)
        inside = enter == leave
        chain = [
            words.match(rule)
            for rule in self.policy.rules
            if not rule.disabled and _joins(rule, enter, leave)
        ]
        name = "intrazone-default" if inside else "interzone-default"
        action = next((one.action for one in self.policy[DefaultRule] if one.name == name), "")
        allows = action == "allow" if action else inside
        chain.append(Match(rule=name, allows=allows, can=EVERYTHING, sure=EVERYTHING))
        return tuple(chain)


def _joins(rule: Rule, enter: str, leave: str) -> bool:
    inside = enter == leave
    if (rule.type == "intrazone" and not inside) or (rule.type == "interzone" and inside):
        return False
    return (ANY in rule.from_zones or enter in rule.from_zones) and (
        ANY in rule.to_zones or leave in rule.to_zones
    )


# --- words ---------------------------------------------------------------------------------------


class _Words:
    """The meanings of the names that one policy's rules use, each worked out once."""

    def __init__(self, reading: Reading) -> None:
        policy = reading.policy
        self._platform = reading.platform
        self._implied = reading.implied
        self._addresses = {item.name: item for item in policy[Address]}
        self._address_groups = {item.name: item for item in policy[AddressGroup]}
        self._services = {item.name: item for item in policy[Service]}
        self._application_groups = {item.name: item for item in policy[ApplicationGroup]}
        self._schedules = {item.name: item for item in policy[Schedule]}
        self.address = cache(self._address)
        self.service = cache(self._service)
        self.application = cache(self._application)
        self.sides = cache(self._sides)

    def match(self, rule: Rule) -> Match:
        """Return what a rule matches, its zones apart."""
        source = self._side(rule.sources, negated=rule.negate_source)
        destination = self._side(rule.destinations, negated=rule.negate_destination)
        users = _users(rule.users)
        time = self._time(rule.schedule)
        deciding = tuple(
            f"it also asks for {extra}" for extra in rule.extras if self._platform.decides(extra)
        )
        spoken = self._spoken(rule.applications, rule.services)
        why = (*source.why, *destination.why, *spoken.why, *users.why, *time.why, *deciding)
        return Match(
            rule=rule.name,
            allows=rule.action == "allow",
            can=_product(source.can, destination.can, spoken.can, users.can, time.can),
            sure=NOTHING
            if deciding
            else _product(source.sure, destination.sure, spoken.sure, users.sure, time.sure),
            why=tuple(f"{rule.name}: {one}" for one in dict.fromkeys(why)),
        )

    def _side(self, names: tuple[str, ...], *, negated: bool) -> Meaning[Numbers]:
        found = self.sides(names)
        if not negated:
            return found
        return Meaning(
            without(ALL_ADDRESSES, found.sure), without(ALL_ADDRESSES, found.can), found.why
        )

    def _sides(self, names: tuple[str, ...]) -> Meaning[Numbers]:
        return _union([self.address(name) for name in names])

    def _address(self, name: str, above: frozenset[str] = frozenset()) -> Meaning[Numbers]:
        if name == ANY:
            return Meaning(ALL_ADDRESSES, ALL_ADDRESSES)
        if (group := self._address_groups.get(name)) is not None and name not in above:
            if group.extras and not group.members:
                return _unknown_addresses(f"the members of {name} are the device's")
            return _union([self._address(one, above | {name}) for one in group.members])
        if (address := self._addresses.get(name)) is not None:
            if address.type in {"network", "range"}:
                return _exact(addresses([interval(address.value)]))
            if address.type == "wildcard":
                return _wildcard(name, address.value)
            return _unknown_addresses(f"{name} is {_KINDS.get(address.type, address.type)}")
        try:
            return _exact(addresses([interval(name)]))
        except ValueError:
            what = self._implied.get(name, "only known to the device")
            return _unknown_addresses(f"{name} is {what}")

    def _service(self, name: str) -> Meaning[Numbers]:
        if (held := self._services.get(name)) is not None:
            parts = [part.partition("-") for part in held.ports.split(",")]
            each = (
                service(held.protocol, int(first), int(last or first)) for first, _, last in parts
            )
            return _exact(ranges(part for one in each for part in one))
        if (brought := self._platform.service(name)) is not None:
            return _exact(brought)
        what = self._implied.get(name, "only known to the device")
        return Meaning(ALL_SERVICES, (), (f"{name} is {what}",))

    def _application(self, name: str, above: frozenset[str] = frozenset()) -> Meaning[Names]:
        group = self._application_groups.get(name)
        if group is not None and name not in above:
            parts = [self._application(one, above | {name}) for one in group.members]
            return Meaning(
                _names(part.can for part in parts),
                _names(part.sure for part in parts),
                tuple(why for part in parts for why in part.why),
            )
        members = self._platform.members(name)
        if members is None:
            what = self._implied.get(name, "an application that only the device knows")
            return Meaning(ALL_NAMES, Names(frozenset({name})), (f"{name} is {what}",))
        found = Names(members)
        return Meaning(found, found)

    def _spoken(
        self, applications: tuple[str, ...], services: tuple[str, ...]
    ) -> Meaning[tuple[tuple[Names, Numbers], ...]]:
        """Return applications with the ports they may use."""
        whole = ANY in applications
        named = (
            Meaning(ALL_NAMES, ALL_NAMES)
            if whole
            else Meaning(
                _names(self.application(one).can for one in applications),
                _names(self.application(one).sure for one in applications),
                tuple(why for one in applications for why in self.application(one).why),
            )
        )
        if ANY in services:
            return Meaning(((named.can, ALL_SERVICES),), ((named.sure, ALL_SERVICES),), named.why)
        if APPLICATION_DEFAULT not in services:
            ports = _union([self.service(one) for one in services])
            return Meaning(
                ((named.can, ports.can),), ((named.sure, ports.sure),), (*named.why, *ports.why)
            )
        return self._on_default_ports(named)

    def _on_default_ports(
        self, named: Meaning[Names]
    ) -> Meaning[tuple[tuple[Names, Numbers], ...]]:
        can: dict[Numbers, set[str]] = {}
        sure: dict[Numbers, set[str]] = {}
        why = list(named.why)
        for name in sorted(named.can.listed if not named.can.but else named.sure.listed):
            ports = self._platform.default_ports(name)
            if ports is None:
                why.append(f"the default ports of {name} are the device's")
                can.setdefault(ALL_SERVICES, set()).add(name)
                continue
            can.setdefault(ports, set()).add(name)
            if name in named.sure:
                sure.setdefault(ports, set()).add(name)
        pieces = [(Names(frozenset(names)), ports) for ports, names in can.items()]
        if named.can.but:
            known = frozenset(name for names in can.values() for name in names)
            pieces.append((named.can - Names(known), ALL_SERVICES))
            why.append("the default ports of applications that it does not name are the device's")
        return Meaning(
            tuple(pieces),
            tuple((Names(frozenset(names)), ports) for ports, names in sure.items()),
            tuple(why),
        )

    def _time(self, name: str) -> Meaning[Numbers]:
        if not name:
            return Meaning(WEEK, WEEK)
        schedule = self._schedules.get(name)
        if schedule is None or schedule.extras:
            return Meaning(WEEK, (), (f"schedule {name} is not a weekly one",))
        return _exact(ranges(part for one in schedule.windows for part in _windows(*one)))


_KINDS = {"fqdn": "a name that the device looks up", "dynamic": "filled by the device"}


def _product(
    source: Numbers,
    destination: Numbers,
    spoken: Sequence[tuple[Names, Numbers]],
    users: Names,
    time: Numbers,
) -> Space:
    if not (source and destination and users and time):
        return NOTHING
    return Space(
        tuple(
            Box(source, destination, ports, names, users, time)
            for names, ports in spoken
            if names and ports
        )
    )


def _exact(numbers: Numbers) -> Meaning[Numbers]:
    return Meaning(numbers, numbers)


def _unknown_addresses(why: str) -> Meaning[Numbers]:
    return Meaning(ALL_ADDRESSES, (), (why,))


def _union(parts: Sequence[Meaning[Numbers]]) -> Meaning[Numbers]:
    if len(parts) == 1:
        return parts[0]
    return Meaning(
        ranges(span for part in parts for span in part.can),
        ranges(span for part in parts for span in part.sure),
        tuple(why for part in parts for why in part.why),
    )


def _names(parts: Iterable[Names]) -> Names:
    found = Names()
    for part in parts:
        found = found | part
    return found


def _users(names: tuple[str, ...]) -> Meaning[Names]:
    """Return who a rule is for; a packet of nobody known has the user ``""``.

    A name may be that of a group, whose members only the device knows.
    """
    if ANY in names:
        return Meaning(ALL_NAMES, ALL_NAMES)
    can, sure, why = Names(), Names(), list[str]()
    for name in names:
        if name == "known-user":
            found = Names(frozenset({""}), but=True)
            can, sure = can | found, sure | found
        elif name == "unknown":
            can, sure = can | Names(frozenset({""})), sure | Names(frozenset({""}))
        else:
            can = can | Names(frozenset({""}), but=True)
            sure = sure | Names(frozenset({name}))
            why.append(f"who is in {name} only the device knows")
    return Meaning(can, sure, tuple(why))


def _wildcard(name: str, value: str) -> Meaning[Numbers]:
    """Return the addresses of ``10.0.0.1/0.0.2.255``: bits that are set in the mask are free."""
    text, _, mask_text = value.partition("/")
    try:
        (_, base, _), (_, mask, _) = interval(text), interval(mask_text)
    except ValueError:
        return _unknown_addresses(f"{name} is not a wildcard address: {value}")
    low = 0
    while mask >> low & 1:
        low += 1
    free = [bit for bit in range(low, 32) if mask >> bit & 1]
    if len(free) > _MAX_WILD_BITS:
        return _unknown_addresses(f"{name} stands for too many ranges: {value}")
    base &= ~mask
    starts = [base]
    for bit in free:
        starts += [start | 1 << bit for start in starts]
    return _exact(ranges((start, start + (1 << low) - 1) for start in starts))


def _windows(day: str, times: Iterable[str]) -> Iterable[tuple[int, int]]:
    """Return ``08:00-16:00`` of one day, or of every day if it is ``daily``, in minutes of a week.

    An end before its beginning is on the next day.
    """
    for number in range(7) if day == "daily" else (_DAYS.index(day),):
        for text in times:
            first, _, last = text.partition("-")
            begin, end, start = _minute(first), _minute(last), number * 1440
            if begin <= end:
                yield start + begin, start + end
            else:
                following = (number + 1) % 7 * 1440
                yield from ((start + begin, start + 1439), (following, following + end))


def _minute(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)
