"""What the names in a policy's rules stand for: sets of addresses, services, applications, users.

Rules may use words whose meaning only the device knows: a list it fetches, a region, a group of
users. Such a word *can* stand for much and *surely* stands for little. What lies between the two
is never taken for "no" or "yes".
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TYPE_CHECKING, Generic, Literal, Protocol, TypeVar, runtime_checkable

from segctl.analysis.hours import windows
from segctl.analysis.space import (
    ALL_ADDRESSES,
    ALL_NAMES,
    ALL_SERVICES,
    ECHO,
    NO_NAMES,
    PROTOCOLS,
    WEEK,
    Names,
    addresses,
    ranges,
    service,
    span,
    together,
    without,
)
from segctl.model.addresses import interval, wildcard, wildcard_intervals
from segctl.model.filled import Filled, group_key
from segctl.model.policy import (
    ANY,
    APPLICATION_DEFAULT,
    ECHOES,
    Address,
    AddressGroup,
    ApplicationGroup,
    Schedule,
    Service,
    ServiceGroup,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from segctl.analysis.space import Numbers
    from segctl.model.addresses import Interval
    from segctl.model.gate import Gate
    from segctl.model.override import Override
    from segctl.model.policy import Policy, Rule
    from segctl.model.translation import Translation

_T = TypeVar("_T")

#: What text that the model has no field for may do to the rule that holds it: nothing, keep it
#: from matching what its fields match, or make it match anything between its zones.
Effect = Literal["none", "narrows", "anything"]

#: Groups within groups above which nothing is said of what they hold.
_MAX_DEPTH = 60
_KINDS = {"fqdn": "a name that the device looks up", "dynamic": "filled by the device"}


@dataclass(frozen=True, slots=True)
class Meaning(Generic[_T]):
    """What a word can stand for, and what it surely stands for; `why` says why these differ."""

    can: _T
    sure: _T
    why: tuple[str, ...] = ()


class Vocabulary(Protocol):
    """What every platform says of the words in its rules besides the objects of a policy."""

    def application(self, name: str) -> Meaning[Names] | None:
        """Return the applications that a name stands for, None where it knows no such name."""
        ...

    def default_ports(self) -> Mapping[Numbers, frozenset[str]]:
        """Return all applications of which it knows to which ports a rule may hold them."""
        ...

    def service(self, name: str) -> Numbers | None:
        """Return the ports of a service that the platform brings along."""
        ...

    def effect(self, extra: str) -> Effect:
        """Say what text that the model has no field for does to what holds it."""
        ...


@runtime_checkable
class Platform(Vocabulary, Protocol):
    """A vocabulary with all that reasons need; `as_platform` makes one of any vocabulary."""

    def shown(self, extra: str) -> str:
        """Return text that the model has no field for as reasons have it: as a snapshot keeps it.

        By default it is kept as it is.
        """
        return extra


@runtime_checkable
class TellsTypes(Protocol):
    """A vocabulary that tells ICMP apart by application, besides or in place of types."""

    def spoken_as(self, protocol: str, number: int | None) -> Meaning[Names]:
        """Return the applications that packets of a type of ICMP can count as, and surely do.

        Args:
            protocol: ``icmp`` or ``icmpv6``.
            number: the type; None for any but an echo request.
        """
        ...


@dataclass(frozen=True, slots=True)
class _AsItIs(Platform):
    """The words of a platform that does not say how texts are shown."""

    words: Vocabulary

    def application(self, name: str) -> Meaning[Names] | None:
        """Return what the platform says."""
        return self.words.application(name)

    def default_ports(self) -> Mapping[Numbers, frozenset[str]]:
        """Return what the platform says."""
        return self.words.default_ports()

    def service(self, name: str) -> Numbers | None:
        """Return what the platform says."""
        return self.words.service(name)

    def effect(self, extra: str) -> Effect:
        """Return what the platform says."""
        return self.words.effect(extra)


def as_platform(words: Vocabulary) -> Platform:
    """Return a vocabulary as a platform, its texts shown as they are unless it says otherwise."""
    return words if isinstance(words, Platform) else _AsItIs(words)


def spoken_as(words: Vocabulary, protocol: str, number: int | None) -> Meaning[Names]:
    """Return what a type of ICMP counts as (`TellsTypes`), anything where nobody tells."""
    if isinstance(words, TellsTypes):
        return words.spoken_as(protocol, number)
    return exact(ALL_NAMES)


def exact(found: _T) -> Meaning[_T]:
    """Return the meaning of a word that is known."""
    return Meaning(found, found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beyond:
    """What is known of a device's words besides its policy.

    `implied` are objects that the policy does not have, by name, with what they are; `filled` what
    objects hold that the device fills. With `now`, they mean what they held when it was read; else
    they may hold anything. Rules with wildcard addresses that overlap are taken `in_order` of the
    rules, or else perhaps the narrowest first. `contained` is who is cut off, by group; nobody is
    in one that is missing, as is declared. `overrides` are packets that the device takes for one
    application, `translations` those that it sends on to other destinations; `gates` are to be
    passed, too.
    """

    implied: Mapping[str, str] = field(default_factory=dict[str, str])
    filled: Mapping[str, Filled] = field(default_factory=dict[str, Filled])
    now: bool = False
    in_order: bool = False
    contained: Mapping[str, Filled] = field(default_factory=dict[str, Filled])
    overrides: tuple[Override, ...] = ()
    translations: tuple[Translation, ...] = ()
    gates: tuple[Gate, ...] = ()


class Words:
    """The meanings of the names that one policy's rules use, each worked out once."""

    def __init__(self, policy: Policy, platform: Platform, beyond: Beyond) -> None:
        self._platform = platform
        self._beyond = beyond
        self._rules = [rule for rule in policy.rules if not rule.disabled]
        self._addresses = {item.name: item for item in policy[Address]}
        self._address_groups = {item.name: item for item in policy[AddressGroup]}
        self._services = {item.name: item for item in policy[Service]}
        self._service_groups = {item.name: item for item in policy[ServiceGroup]}
        self._application_groups = {item.name: item for item in policy[ApplicationGroup]}
        self._schedules = {item.name: item for item in policy[Schedule]}
        self._ports = {
            name: ports for ports, names in platform.default_ports().items() for name in names
        }
        self._within: Counter[str] = Counter()
        self.address: Callable[[str], Meaning[Numbers]] = cache(self._address)
        self.service: Callable[[str], Meaning[Numbers]] = cache(self._service)
        self.application: Callable[[str], Meaning[Names]] = cache(self._application)
        self.sides: Callable[[tuple[str, ...]], Meaning[Numbers]] = cache(self._sides)
        self.spoken: Callable[
            [tuple[str, ...], tuple[str, ...]], Meaning[tuple[tuple[Names, Numbers], ...]]
        ] = cache(self._spoken)
        self.time: Callable[[str], Meaning[Numbers]] = cache(self._time)
        self.spans: Callable[[str], tuple[tuple[int, int, str], ...]] = cache(self._spans)

    # --- addresses ---------------------------------------------------------------------------

    def side(self, names: tuple[str, ...], *, negated: bool) -> Meaning[Numbers]:
        """Return the addresses of one side of a rule."""
        found = self.sides(names)
        if not negated:
            return found
        return Meaning(
            without(ALL_ADDRESSES, found.sure), without(ALL_ADDRESSES, found.can), found.why
        )

    def _sides(self, names: tuple[str, ...]) -> Meaning[Numbers]:
        return _union([self.address(name) for name in names])

    def _address(self, name: str) -> Meaning[Numbers]:
        if name == ANY:
            return exact(ALL_ADDRESSES)
        if (group := self._address_groups.get(name)) is not None:
            if group.contained:
                return self._contained(name)
            if not group.members:
                return self._filled(name, f"{name} is a group whose members the device fills in")
            found = self._members(name, group.members, self.address)
            return _unknown_addresses(_nested(name)) if found is None else _union(found)
        if (held := self._addresses.get(name)) is not None:
            return self._held(held)
        if name not in self._beyond.implied:  # what looks like an address may name an object
            with suppress(ValueError):
                return exact(addresses([interval(name)]))
        return self._filled(name, f"{name} is {self._what(name)}")

    def _held(self, held: Address) -> Meaning[Numbers]:
        if held.type == "wildcard":
            return self._wildcard(held)
        if held.type not in {"network", "range"}:
            return self._filled(held.name, f"{held.name} is {_KINDS.get(held.type, held.type)}")
        try:
            return exact(addresses([interval(held.value)]))
        except ValueError:
            return _unknown_addresses(f"the address of {held.name} is {held.value!r}")

    def _filled(self, name: str, why: str) -> Meaning[Numbers]:
        """Return the addresses of an object that the device fills, for the reason why it is so."""
        held = self._beyond.filled.get(name)
        if held is None or not (held.lasting or (self._beyond.now and held.passing)):
            return _unknown_addresses(why)
        try:
            listed = ranges((first, last) for first, last, _ in self.spans(name))
            open_ = addresses(map(interval, held.perhaps))
        except ValueError:
            return _unknown_addresses(why)
        found = Meaning(listed, without(listed, open_), (why,)) if open_ else exact(listed)
        if held.members:
            inside = self._members(name, held.members, self.address)
            if inside is None:
                return _unknown_addresses(_nested(name))
            found = _union([found, *inside])
        return Meaning(ALL_ADDRESSES, found.sure, (why,)) if held.lasting == "at least" else found

    def _contained(self, name: str) -> Meaning[Numbers]:
        """Return who is cut off: for certain, since only segctl and time change it."""
        held = self._beyond.contained.get(name)
        if held is None:
            return exact(addresses(()))
        if held.unread:
            return _unknown_addresses(f"who is in {name} cannot be read: {held.unread}")
        return exact(addresses(map(interval, held.addresses)))

    def members(self, name: str) -> tuple[str, ...]:
        """Return the members of a group of addresses, none for what is no group."""
        group = self._address_groups.get(name)
        return () if group is None else group.members

    def who(self, names: tuple[str, ...]) -> Meaning[Names]:
        """Return who a rule is for; with what is held now, groups are who was in them."""
        if not self._beyond.now or ANY in names:
            return users(names)
        held = {name: self._beyond.filled.get(group_key(name)) for name in names}
        known = {name: one.users for name, one in held.items() if one and one.passing}
        if not known:
            return users(names)
        inside = exact(Names(frozenset({user for within in known.values() for user in within})))
        rest = tuple(name for name in names if name not in known)
        return _together([inside, users(rest)]) if rest else inside

    def _spans(self, name: str) -> tuple[tuple[int, int, str], ...]:
        """Return what an object held, each with its first and last address, as in `Numbers`."""
        texts = self._beyond.filled[name].addresses
        return tuple((*span(interval(text)), text) for text in texts)

    def _wildcard(self, held: Address) -> Meaning[Numbers]:
        """Return the addresses of a wildcard, which are certain but for those of other wildcards.

        Of rules with wildcards that overlap, a firewall matches by default only the one with the
        longest prefix, whatever their order, unless it is told to go by the order of the rules
        ("Security Policy Rule Top-Down Order When Wildcard Masks Overlap", the vendor's new
        features of 10.2).
        """
        try:
            base, free = wildcard(held.value)
        except ValueError:
            return _unknown_addresses(f"{held.name} is not a wildcard address: {held.value}")
        every = wildcard_intervals(base, free)
        if every is None:
            return _unknown_addresses(f"{held.name} stands for too many ranges: {held.value}")
        can = addresses(every)
        if self._beyond.in_order:
            return exact(can)
        also: list[Interval] = []
        for other, open_ in self.wildcards - {(base, free)}:
            if not (base ^ other) & ~free & ~open_:
                also += wildcard_intervals(base | other, free & open_) or every
        if not also:
            return exact(can)
        why = f"{held.name} overlaps with other wildcard addresses, of which the device may take"
        why += " the narrowest first: its Wildcard Top Down Match Mode is not known to be on"
        return Meaning(can, without(can, addresses(also)), (why,))

    @cached_property
    def wildcards(self) -> frozenset[tuple[int, int]]:
        """The addresses and free bits of all wildcards that rules name."""
        named = {name for rule in self._rules for name in (*rule.sources, *rule.destinations)}
        found: set[tuple[int, int]] = set()
        for name in named:
            held = self._addresses.get(name)
            if held is not None and held.type == "wildcard":
                with suppress(ValueError):
                    found.add(wildcard(held.value))
        return frozenset(found)

    def _members(
        self, name: str, members: Iterable[str], meaning: Callable[[str], Meaning[_T]]
    ) -> list[Meaning[_T]] | None:
        """Return what members of a group mean, None where it is within itself or too deep."""
        if self._within[name] or self._within.total() >= _MAX_DEPTH:
            return None
        self._within[name] += 1
        try:
            return [meaning(one) for one in members]
        finally:
            self._within[name] -= 1

    def _what(self, name: str) -> str:
        return self._beyond.implied.get(name, "known to the device only")

    # --- services ----------------------------------------------------------------------------

    def _service(self, name: str) -> Meaning[Numbers]:
        if name == ANY:
            return exact(ALL_SERVICES)
        if (group := self._service_groups.get(name)) is not None:
            found = self._members(name, group.members, self.service)
            return _unknown_services(_nested(name)) if not found else _union(found)
        if (held := self._services.get(name)) is not None:
            return self.held_service(held)
        if (brought := self._platform.service(name)) is not None:
            return exact(brought)
        return _unknown_services(f"{name} is {self._what(name)}")

    def held_service(self, held: Service) -> Meaning[Numbers]:
        """Return the ports of a service object."""
        if (held.protocol, held.ports) == ECHOES:
            return exact(ECHO)
        if held.protocol not in PROTOCOLS:
            return _unknown_services(f"{held.name} is of a protocol {held.protocol!r}")
        try:
            listed = [text.partition("-") for text in held.ports.split(",")]
            found = together(
                [service(held.protocol, int(one), int(last or one)) for one, _, last in listed]
            )
        except ValueError:
            return _unknown_services(f"the ports of {held.name} are {held.ports!r}")
        asks = self.deciding(held.extras)
        if not asks:
            return exact(found)
        told = ", ".join(asks)
        return Meaning(found, (), (f"{held.name} also asks for {told}",))

    # --- applications ------------------------------------------------------------------------

    def _application(self, name: str) -> Meaning[Names]:
        if name == ANY:
            return exact(ALL_NAMES)
        group = self._application_groups.get(name)
        if group is not None:
            found = self._members(name, group.members, self.application)
            if not found:
                return Meaning(ALL_NAMES, NO_NAMES, (_nested(name),))
            return _together(found)
        known = self._platform.application(name)
        if known is None:
            return Meaning(ALL_NAMES, NO_NAMES, (f"{name} is {self._what(name)}",))
        return known

    def _spoken(
        self, applications: tuple[str, ...], services: tuple[str, ...]
    ) -> Meaning[tuple[tuple[Names, Numbers], ...]]:
        """Return applications with the ports they may use."""
        named = _together([self.application(one) for one in applications])
        if APPLICATION_DEFAULT in services:
            return self._on_default_ports(named)
        ports = _union([self.service(one) for one in services])
        if named.can is named.sure and ports.can is ports.sure:
            return exact(((named.can, ports.can),))
        return Meaning(
            ((named.can, ports.can),), ((named.sure, ports.sure),), (*named.why, *ports.why)
        )

    def _on_default_ports(
        self, named: Meaning[Names]
    ) -> Meaning[tuple[tuple[Names, Numbers], ...]]:
        known: Mapping[Numbers, frozenset[str]]
        if named.can.but:
            known = self._platform.default_ports()
        else:
            known = self._ports_of(named.can.listed)
        groups = [(Names(names), ports) for ports, names in known.items()]
        rest = named.can - _names(names for names, _ in groups)
        can, why = _shares(groups, named.can), list(named.why)
        if rest:
            can = (*can, (rest, ALL_SERVICES))
            which = "others" if rest.but else ", ".join(sorted(rest.listed))
            why.append(
                f"it holds applications to their default ports, those of {which} are not known"
            )
        return Meaning(can, _shares(groups, named.sure), tuple(why))

    def _ports_of(self, names: Iterable[str]) -> dict[Numbers, frozenset[str]]:
        """Return names by their default ports, without those that have none that are known."""
        found: dict[Numbers, frozenset[str]] = {}
        for name in names:
            ports = self._ports.get(name)
            if ports is not None:
                found[ports] = found.get(ports, frozenset()) | {name}
        return found

    # --- the rest ----------------------------------------------------------------------------

    def _time(self, name: str) -> Meaning[Numbers]:
        if not name:
            return exact(WEEK)
        schedule = self._schedules.get(name)
        if schedule is None or schedule.extras or not schedule.windows:
            return Meaning(WEEK, (), (f"schedule {name} is not a weekly one",))
        try:
            return exact(ranges(part for one in schedule.windows for part in windows(*one)))
        except ValueError:
            return Meaning(WEEK, (), (f"the hours of schedule {name} are not understood",))

    def effects(self, rule: Rule) -> tuple[Effect, tuple[str, ...]]:
        """Return the strongest effect of what a rule has no field for, and what has it."""
        if not rule.extras:
            return "none", ()
        found = {text: self._platform.effect(text) for text in rule.extras}
        effect: Effect = "none"
        for one in ("anything", "narrows"):
            if one in found.values():
                effect = one
                break
        return effect, tuple(
            self._platform.shown(text) for text, each in found.items() if each != "none"
        )

    def deciding(self, extras: Sequence[str]) -> tuple[str, ...]:
        """Return those of the texts that do something to what holds them."""
        platform = self._platform
        return tuple(platform.shown(text) for text in extras if platform.effect(text) != "none")


@dataclass(frozen=True, slots=True)
class Literally(Platform):
    """The words of a platform of which nothing is known: every name stands for itself.

    Whatever it notes beside the fields of a rule may change anything.
    """

    def application(self, name: str) -> Meaning[Names]:
        """Return the name itself."""
        return exact(Names(frozenset({name})))

    def default_ports(self) -> Mapping[Numbers, frozenset[str]]:
        """Return none: nothing is known of them."""
        return {}

    def service(self, name: str) -> Numbers | None:
        """Return None: it brings none along."""
        del name
        return None

    def effect(self, extra: str) -> Effect:
        """Whatever it is may change anything."""
        del extra
        return "anything"


def _shares(
    groups: Iterable[tuple[Names, Numbers]], named: Names
) -> tuple[tuple[Names, Numbers], ...]:
    """Return of each group the names that are named, with the ports of the group."""
    shares = ((names & named, ports) for names, ports in groups)
    return tuple((names, ports) for names, ports in shares if names)


def _nested(name: str) -> str:
    return f"{name} is a group within itself, without members, or too many groups deep"


def _unknown_addresses(why: str) -> Meaning[Numbers]:
    return Meaning(ALL_ADDRESSES, (), (why,))


def _unknown_services(why: str) -> Meaning[Numbers]:
    return Meaning(ALL_SERVICES, (), (why,))


def _union(parts: Sequence[Meaning[Numbers]]) -> Meaning[Numbers]:
    if len(parts) == 1:
        return parts[0]
    if all(part.can is part.sure for part in parts):
        return exact(together([part.can for part in parts]))
    return Meaning(
        together([part.can for part in parts]),
        together([part.sure for part in parts]),
        _reasons(parts),
    )


def _together(parts: Sequence[Meaning[Names]]) -> Meaning[Names]:
    if len(parts) == 1:
        return parts[0]
    return Meaning(
        _names(part.can for part in parts), _names(part.sure for part in parts), _reasons(parts)
    )


def _reasons(parts: Sequence[Meaning[_T]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(why for part in parts for why in part.why))


def _names(parts: Iterable[Names]) -> Names:
    """Return the names that are in any of some sets."""
    listed: set[str] = set()
    excluded: Names | None = None
    for part in parts:
        if part.but:
            excluded = part if excluded is None else excluded | part
        else:
            listed |= part.listed
    found = Names(frozenset(listed))
    return found if excluded is None else excluded | found


_EVERYBODY = exact(ALL_NAMES)


def users(names: tuple[str, ...]) -> Meaning[Names]:
    """Return who a rule is for; a packet of nobody known has the user ``""``.

    A name may be that of a group, whose members only the device knows.
    """
    if ANY in names:
        return _EVERYBODY
    can, sure, why = NO_NAMES, NO_NAMES, list[str]()
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
