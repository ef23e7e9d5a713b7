"""What a policy does by what its objects hold now that a device fills between two commits.

A list that is fetched, a group by tags and a name that is looked up can hold something else a
minute later. So nothing here is certain: it stands beside an answer that cannot be told, never in
its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

from segctl.analysis.answer import region_of
from segctl.analysis.effective import permitted
from segctl.analysis.space import (
    ALL_ADDRESSES,
    ALL_NAMES,
    REAL,
    Names,
    Space,
    TooComplexError,
    addresses,
    common,
    ranges,
)
from segctl.model.filled import group_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from segctl.analysis.answer import Answer, Flow
    from segctl.analysis.effective import Chain, Reading
    from segctl.analysis.space import Box, Numbers, Point
    from segctl.model.filled import Filled
    from segctl.model.policy import Rule

#: How many addresses of one object are listed.
_SHOWN: Final = 10
#: What becomes of packets by what objects hold now.
Outcome: TypeAlias = Literal["permitted", "denied", "partly", "cannot tell"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An object that a device fills, as it was read, and what of it was asked about.

    `meeting` are the first of its addresses that have any of those asked about, `more` how many
    there are besides.
    """

    name: str
    what: str
    count: int = 0
    at: str = ""
    unread: str = ""
    meeting: tuple[str, ...] = ()
    more: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """What becomes of a flow by what the objects hold that it depends on; `answer` if known."""

    objects: tuple[Held, ...]
    answer: Answer | None = None


class Chains(Protocol):
    """The rules from zone to zone, in whatever words."""

    def between(self, enter: str, leave: str) -> Chain:
        """Return what each rule matches from one zone to another, the default rule last."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """A reading, and its rules from zone to zone by what objects hold now, None if not known."""

    reading: Reading
    now: Chains | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What becomes of packets by what the objects hold that they depend on."""

    objects: tuple[Held, ...]
    outcome: Outcome


def objects_of_flow(flow: Flow, reading: Reading) -> tuple[Held, ...]:
    """Return the objects on whose content it may depend what becomes of a flow."""
    source, destination = addresses(flow.sources), addresses(flow.destinations)
    places = dict.fromkeys(at for pair in flow.zones for at in reading.rules(*pair))
    region = region_of(flow, ALL_NAMES)
    rules = [
        reading.policy.rules[at]
        for at in places
        for match in [reading.at(at)]
        if match.doubtful and match.can & region
    ]
    return _objects(rules, source, destination, Names(frozenset({flow.user})), reading)


def outlook(
    box: Box, enter: str, leave: str, reading: Reading, why: Iterable[str]
) -> Outlook | None:
    """Return what becomes of packets of which it cannot be told, None if no object is behind that.

    Args:
        box: the packets.
        enter: the zone that they come from.
        leave: the zone that they go to.
        reading: what the device enforces.
        why: the reasons why it cannot be told, each beginning with the name of a rule.
    """
    if not _any(reading):
        return None
    named = tuple(why)
    rules = [
        rule
        for rule in (reading.policy.rules[at] for at in reading.rules(enter, leave))
        if any(one.startswith(f"{rule.name}: ") for one in named)
    ]
    objects = _objects(rules, box.source, box.destination, box.user, reading)
    if not objects:
        return None
    space = Space((box,)) & REAL
    return Outlook(objects=objects, outcome=_outcome(space, enter, leave, reading.now))


def outlook_of(
    packet: Point, pair: tuple[str, str], rules: Sequence[Rule], words: Words
) -> Outlook | None:
    """Return what becomes of a packet of which it cannot be told, None if no object is behind that.

    Args:
        packet: the packet, in the words of a proof.
        pair: the zones that it comes from and goes to.
        rules: those that may decide about it.
        words: the reading, and its rules from zone to zone by what objects hold now.
    """
    box = packet.box
    objects = _objects(rules, box.source, box.destination, box.user, words.reading)
    if not objects:
        return None
    return Outlook(objects=objects, outcome=_outcome(Space((box,)), *pair, words.now))


def objects_of_rule(name: str, reading: Reading) -> tuple[Held, ...]:
    """Return the objects that the rules of a name name."""
    return objects_of([rule for rule in reading.policy.rules if rule.name == name], reading)


def objects_of(rules: Sequence[Rule], reading: Reading) -> tuple[Held, ...]:
    """Return the objects that rules name, whatever is asked about."""
    return _objects(rules, ALL_ADDRESSES, ALL_ADDRESSES, ALL_NAMES, reading)


def _outcome(space: Space, enter: str, leave: str, now: Chains | None) -> Outcome:
    if now is None:
        return "cannot tell"
    try:
        found = permitted(now.between(enter, leave), space)
        if not found.can:
            return "denied"
        if found.unknown:
            return "cannot tell"
        return "partly" if space - found.sure else "permitted"
    except TooComplexError:
        return "cannot tell"


def _objects(
    rules: Sequence[Rule], source: Numbers, destination: Numbers, user: Names, reading: Reading
) -> tuple[Held, ...]:
    """Return the objects that rules name, by themselves or by groups, each once."""
    if not _any(reading):
        return ()
    sides: dict[str, list[Numbers]] = {}
    for rule in rules:
        for names, asked in ((rule.sources, source), (rule.destinations, destination)):
            for name in _behind(names, reading):
                sides.setdefault(name, []).append(asked)
    filled = reading.beyond.filled
    named = sorted({user for rule in rules for user in rule.users})
    groups = ((name, filled.get(group_key(name))) for name in named)
    return (
        *(_held(name, filled[name], sides[name], reading) for name in sorted(sides)),
        *(_group(name, held, user) for name, held in groups if held is not None),
    )


def _group(name: str, held: Filled, asked: Names) -> Held:
    """Return a group of users, with those that were asked about."""
    inside = [user for user in held.users if user in asked]
    return Held(
        name=name,
        what=held.what,
        count=held.count,
        at=held.at,
        unread=held.unread,
        meeting=tuple(inside[:_SHOWN]),
        more=max(0, len(inside) - _SHOWN),
    )


def as_listed(user: str, reading: Reading) -> str | None:
    r"""Return a user as groups of users list him, None where that is not clear.

    A firewall may list ``acme\\bob`` where somebody asks about ``ACME\\bob`` or ``bob@acme``.
    """
    every = {one for held in reading.beyond.filled.values() for one in held.users}
    if not user or user in every:
        return user
    named = {one for rule in reading.policy.rules for one in rule.users}
    same = [one for one in every if one.lower() == user.lower()]
    if len(same) == 1 and user not in named:
        return same[0]
    return None if any(_account(one) == _account(user) for one in every) else user


def _account(user: str) -> str:
    return user.rpartition("\\")[2].partition("@")[0].lower()


def _any(reading: Reading) -> bool:
    """Whether there is any object that a device fills."""
    return any(not one.lasting for one in reading.beyond.filled.values())


def _behind(names: Iterable[str], reading: Reading) -> Iterator[str]:
    """Yield the names of objects that a device fills behind some names, those of groups too."""
    seen: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        waiting += reading.members(name)
        held = reading.beyond.filled.get(name)
        if held is not None and not held.lasting:
            yield name
            waiting += held.members


def _held(name: str, held: Filled, asked: list[Numbers], reading: Reading) -> Held:
    try:
        meeting = list(_meeting(name, held, asked, reading))
    except ValueError:  # a snapshot that somebody wrote
        return Held(name=name, what=held.what, unread="what it held is not understood")
    return Held(
        name=name,
        what=held.what,
        count=held.count,
        at=held.at,
        unread=held.unread,
        meeting=tuple(meeting[:_SHOWN]),
        more=max(0, len(meeting) - _SHOWN),
    )


def _meeting(name: str, held: Filled, asked: list[Numbers], reading: Reading) -> Iterator[str]:
    """Yield what an object holds that has any of the addresses asked about."""
    wanted = ranges(part for numbers in asked for part in numbers)
    now = reading.now
    for first, last, text in (now or reading).spans(name):
        if common(wanted, ((first, last),)):
            yield text
    for member in held.members:
        if now is not None and common(now.address(member).can, wanted):
            yield member
