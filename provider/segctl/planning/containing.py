"""Containing on one device: put into the group, sessions ended, and verified step by step.

Beside `apply` and `together` this is the only place that changes what a device does. It changes no
configuration: who is in a group that a plan has prepared, and which sessions are open. So it takes
no lock, and one of others does not stop it.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Final

from segctl.analysis.compare import zones as zones_of
from segctl.analysis.effective import permitted
from segctl.analysis.space import Box, Space, TooComplexError, addresses
from segctl.compiler import naming
from segctl.model.addresses import EVERYTHING, covers, interval_text
from segctl.model.errors import DeviceError
from segctl.model.policy import ANY, AddressGroup, Service, resolver
from segctl.providers.base import reading
from segctl.providers.pushed import name_on_device
from segctl.providers.state import BYPASS, UNREAD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from segctl.compiler.naming import ContainedNote
    from segctl.model.addresses import Interval
    from segctl.model.policy import Policy, Rule
    from segctl.providers.base import Live, Provider
    from segctl.providers.containing import Cell, Containing, Held, Host, LiveSession

#: How often a device is asked whether its group has an address, and seconds in between.
_TRIES: Final = 6
_PAUSE: Final = 0.5
#: How many of what is still open one message names.
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Who is cut off by being in a group, and from whom: by default from everybody."""

    parts: tuple[Interval, ...]
    group: str = naming.CONTAINED
    against: tuple[Interval, ...] = EVERYTHING

    @property
    def texts(self) -> tuple[str, ...]:
        """The addresses as devices list them."""
        return tuple(interval_text(part) for part in self.parts)

    @property
    def region(self) -> Space:
        """The packets that are to be cut, in both directions."""
        own, other = addresses(self.parts), addresses(self.against)
        return Space((Box(source=own, destination=other), Box(source=other, destination=own)))

    def crossed(self, own: Host, other: Host) -> bool:
        """Whether what passes between two addresses is to be cut."""
        return _within(own, self.parts) and _within(other, self.against)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order(Cut):
    """Who is to be cut off, for how long, and what is noted of it."""

    note: ContainedNote
    seconds: int
    persistent: bool = True


@dataclass(slots=True, kw_only=True)
class Contained:
    """What was done on one device; without anything `open` it contains.

    `kept` are sessions of flows that go on.
    """

    device: str
    open: list[str] = field(default_factory=list[str])
    notes: list[str] = field(default_factory=list[str])
    ended: int = 0
    kept: int = 0


class Surviving:
    """What goes on for who is contained: the rules that stand above those that deny."""

    def __init__(self, policy: Policy) -> None:
        """Take the rules of ours on a device, see `prepared`."""
        self.rules = tuple(rule for rule in policy.rules if rule.leading and rule.action == "allow")
        self.names = frozenset(rule.name for rule in self.rules)
        self._on_device = frozenset(map(name_on_device, self.names))
        self._resolve = resolver(policy)
        self._services = {item.name: item for item in policy[Service]}

    def keeps(self, session: LiveSession) -> bool:
        """Whether a session is, or may be, one of a flow that goes on.

        Where its application decides, it may: no essential flow is ever cut by mistake.
        """
        return session.rule in self._on_device or any(
            self._matches(rule, session) for rule in self.rules
        )

    def _matches(self, rule: Rule, session: LiveSession) -> bool:
        return (
            _within(session.source, self._resolve(rule.sources))
            and _within(session.destination, self._resolve(rule.destinations))
            and any(self._serves(name, session) for name in rule.services)
        )

    def _serves(self, name: str, session: LiveSession) -> bool:
        held = self._services.get(name)
        if held is None:
            return True  # any port, or that of the application
        number = {"tcp": 6, "udp": 17}.get(held.protocol)
        spans = (part.partition("-") for part in held.ports.split(","))
        return session.protocol == number and any(
            int(first) <= session.destination_port <= int(last or first) for first, _, last in spans
        )


def _within(host: Host, parts: Iterable[Interval]) -> bool:
    return any(
        version == host.version and first <= int(host) <= last for version, first, last in parts
    )


def prepared(live: Live, *, managed: bool) -> Policy:
    """Return the rules of ours on a device, with the objects that they name.

    On a firewall that is `managed` they are those of the first block that its manager pushed to it:
    what its device group holds and the firewall does not have yet prepares nothing. The others are
    not among them.
    """
    if not managed:
        return live.policy
    pushed = tuple(rule for rule in live.pushed.rules if rule.leading)
    return live.effective().replace(rules=pushed)


def unprepared(
    policy: Policy, group: str = naming.CONTAINED, against: tuple[Interval, ...] = EVERYTHING
) -> tuple[str, ...]:
    """Return what a device lacks to cut the members of a group off; each as a sentence.

    Args:
        policy: the rules of ours on the device, see `prepared`.
        group: of those who are contained, or of an island.
        against: whom the rules have to cut them off from.
    """
    resolve = resolver(policy)

    def denies(rule: Rule, side: str) -> bool:
        if rule.disabled or rule.action == "allow" or rule.extras:
            return False
        sides = (rule.sources, rule.destinations)
        asked, other = sides if side == "source" else reversed(sides)
        wide = all(ANY in names for names in (rule.from_zones, rule.to_zones, rule.services))
        plain = not (rule.negate_source or rule.negate_destination or rule.schedule)
        whole = covers(resolve(other), against)
        return wide and plain and whole and group in asked and ANY in rule.applications

    found = [
        f"rule {name} is not there, or does not deny"
        for name, side in naming.denying_rules(group).items()
        # a device group may call it otherwise, where firewalls have different ones
        if not any(denies(rule, side) for rule in policy.rules)
    ]
    if not any(one.contained and one.name == group for one in policy[AddressGroup]):
        found.append(f"group {group} is not there")
    return tuple(found)


def sessions_of(
    cell: Cell, cut: Cut, surviving: Surviving
) -> tuple[list[LiveSession], list[LiveSession]]:
    """Return the open sessions that are to be cut: those that are to end, and those that go on.

    Raises:
        DeviceError: the device does not list them.
    """
    listed = dict.fromkeys(one for part in cut.parts for one in cell.sessions(part))
    found = [one for one in listed if cut.crossed(*one.ends) or cut.crossed(*one.ends[::-1])]
    ending = [one for one in found if not surviving.keeps(one)]
    return ending, [one for one in found if surviving.keeps(one)]


def contain(
    session: Containing,
    policy: Policy,
    order: Order,
    progress: Callable[[str], None],
    *,
    pause: Callable[[float], None] = time.sleep,
) -> tuple[Contained, ...]:
    """Contain addresses on a device or every member of a pair; what fails is in what is open.

    Args:
        session: opened for writing.
        policy: the rules of ours on the device, just read; see `prepared`.
        order: who, for how long.
        progress: is told each step.
        pause: waits a number of seconds.
    """
    surviving = Surviving(policy)
    cells = session.cells(order.group)
    begun = [_registered(cell, order, progress) for cell in cells]
    for cell, (done, refused) in zip(cells, begun, strict=True):
        try:
            _read_back(cell, order, done, pause)
            if refused and done.open:
                done.open.append(refused)
            elif refused:
                done.notes.append(f"{refused}; it has them from the other member")
            _end_sessions(cell, order, surviving, done, progress)
            if cell.unread:
                done.open.append(cell.unread)
        except DeviceError as error:
            done.open.append(error.message)
    return tuple(done for done, _ in begun)


def _registered(cell: Cell, order: Order, progress: Callable[[str], None]) -> tuple[Contained, str]:
    """Register on one device; also return why it refuses, which only the reading back judges.

    A member of a pair that is passive may refuse, and have everything from the active one.
    """
    done = Contained(device=cell.name)
    try:
        _register(cell, order, done, progress)
    except DeviceError as error:
        return done, error.message
    return done, ""


def _register(cell: Cell, order: Order, done: Contained, progress: Callable[[str], None]) -> None:
    progress("registering")
    held = cell.held()
    # what a firewall did by itself ends too soon, and nobody put it on record
    own = [
        one.address
        for one in held
        if one.automatic and one.note is None and one.address in order.texts
    ]
    if own:
        cell.release(own)
    before = {one.address for one in held} - {*own}
    missing = [text for text in order.texts if text not in before]
    room = cell.room()
    if 0 <= room < len(missing):
        done.open.append(f"its table of registered addresses has room for {room} more")
        return
    if room < 0:
        done.notes.append("whether its table has room is not known: it is read back")
    if missing:
        cell.hold(missing, order.note, order.seconds, persistent=order.persistent)


def _lasts(held: Held, order: Order) -> bool:
    """Whether what is registered already lasts as long as is asked."""
    if held.note is None:
        return False
    return held.note.id == order.note.id or held.note.until >= order.note.until


def _already(group: str, held: Held) -> str:
    label = naming.island_label(group)
    if label:
        return f"part of island {label} already, {held.words}: end it first"
    return f"contained already, {held.words}: release it first"


def _read_back(cell: Cell, order: Order, done: Contained, pause: Callable[[float], None]) -> None:
    """Verify that addresses are registered, in the group, which may take a moment, and last.

    Somebody else may have been first, also in this moment.
    """
    held: dict[str, Held] = {}
    for attempt in range(_TRIES):
        held = {one.address: one for one in cell.held()}
        if all(text in held and held[text].enforced for text in order.texts):
            break
        if attempt < _TRIES - 1 and all(text in held for text in order.texts):
            pause(_PAUSE)
        elif attempt:
            break
    for text in order.texts:
        if text not in held:
            done.open.append(f"{text} is not registered, whatever it answered")
        elif not held[text].enforced:
            done.open.append(f"{text} is registered and not in the group {order.group}")
        if text in held and not _lasts(held[text], order):
            done.open.append(f"{text} is {_already(order.group, held[text])}")


def _end_sessions(
    cell: Cell,
    order: Order,
    surviving: Surviving,
    done: Contained,
    progress: Callable[[str], None],
) -> None:
    """End the sessions that do not go on, and verify that none is left."""
    if cell.judges_all:
        _nothing_passes(cell, order, surviving, done)
        return
    progress("ending sessions")
    ending, _ = sessions_of(cell, order, surviving)
    for one in ending:
        try:
            cell.end(one)
        except ValueError:
            done.open.append(f"session {one} cannot be told from others, and is left open")
    left, kept = sessions_of(cell, order, surviving)
    done.ended, done.kept = len(ending) - len(left), len(kept)
    done.open += [f"session {one} is still open" for one in left[:_SHOWN]]
    if len(left) > _SHOWN:
        done.open.append(f"{len(left) - _SHOWN} more sessions are still open")


def _nothing_passes(cell: Cell, order: Order, surviving: Surviving, done: Contained) -> None:
    """Say what a table of sessions still lists, where the rules let no packet of it pass."""
    try:
        ending, kept = sessions_of(cell, order, surviving)
    except DeviceError as error:
        done.notes.append(f"{error.message}; nothing of them passes: it judges every packet")
        return
    done.ended, done.kept = len(ending), len(kept)
    if ending:
        done.notes.append(
            f"its table lists {len(ending)} sessions of them until they time out; nothing of "
            "them passes: it judges every packet"
        )


def let_go(
    session: Containing, addresses: Sequence[str], group: str = naming.CONTAINED
) -> list[tuple[str, str, str]]:
    """Let members of a group go on a device or every member of a pair.

    Return what is left: the member, an address that is still contained, or why it cannot be told.
    """
    cells = session.cells(group)
    for cell in cells:
        with suppress(DeviceError):  # whether it is done, only reading back tells
            cell.release(addresses)
    left: list[tuple[str, str, str]] = []
    for cell in cells:
        try:
            held = [one.address for one in cell.held() if one.address in addresses]
        except DeviceError as error:
            left.append((cell.name, "", error.message))
        else:
            left += [(cell.name, address, "is still registered") for address in held]
    return left


def still_passing(
    live: Live, provider: Provider, cut: Cut, *, managed: bool = False
) -> tuple[str, ...]:
    """Return what a device still permits, or may, of what is to be cut; flows that go on apart.

    Everything it enforces counts: rules of others and of its manager that stand above ours, too,
    and what is beside all rules, or cannot be read.
    """
    held = reading(provider, live, contained=True)
    surviving = Surviving(prepared(live, managed=managed)).names
    region = cut.region
    beside = (one.message for one in live.findings if one.kind in (BYPASS, UNREAD))
    found: dict[str, None] = dict.fromkeys(beside)
    for enter, leave in product(zones_of(held, held), repeat=2):
        chain = held.between(enter, leave)
        goes_on = (box for match in chain if match.rule in surviving for box in match.can.boxes)
        try:
            left = permitted(chain, region).can - Space(tuple(goes_on))
        except TooComplexError as error:
            found.setdefault(f"from {enter} to {leave} it cannot be told: {error}")
            continue
        if left:
            rule = next(chain.meeting(left.example())).rule
            found.setdefault(f"{rule} may still permit it, from {enter} to {leave}")
    return tuple(found)


def no_longer_passing(
    live: Live, provider: Provider, cut: Cut, *, managed: bool = False
) -> tuple[str, ...]:
    """Return the flows that should go on, and do not since others are cut off.

    What passes while nobody is cut off has to pass now, too, as far as it is of their rules.
    """
    before, after = reading(provider, live), reading(provider, live, contained=True)
    region, surviving = cut.region, Surviving(prepared(live, managed=managed)).names
    found: dict[str, None] = {}
    for enter, leave in product(zones_of(before, after), repeat=2):
        chain, now = before.between(enter, leave), after.between(enter, leave)
        for match in chain:
            if match.rule not in surviving or not match.can:
                continue
            try:
                kept = permitted(chain, Space(match.can.boxes)).sure & region
                lost = kept - permitted(now, region).can
            except TooComplexError as error:
                found.setdefault(f"whether {match.rule} still passes cannot be told: {error}")
                continue
            if lost:
                found.setdefault(f"{match.rule} is to go on, and no longer passes everywhere")
    return tuple(found)
