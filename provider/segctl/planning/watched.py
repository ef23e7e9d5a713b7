"""What `segctl watch` did by itself, on record in the audit journal; and when it has to stop.

Each act is on record before it begins. From the journal alone follows who is contained, what was
judged already, and whether it did so much that a person has to look first: a watch that was
restarted, or a second one, knows what the first one did.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from segctl.planning import containments
from segctl.system import chain
from segctl.system.inert import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

WATCH: Final = "watch"
WITHDRAWN: Final = "watch_withdrawn"
ACKNOWLEDGED: Final = "watch_acknowledged"
NOTICE: Final = "watch_notice"
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
#: So many times as many as at once may be contained within a day, and nobody looked.
_UNSEEN: Final = 2
#: Clocks of those who write the journal may differ by this.
_APART: Final = timedelta(seconds=120)
_TEXT_MOST: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One address that was contained by itself, or was about to be."""

    id: str
    address: str
    began: datetime
    until: datetime


class Told(NamedTuple):
    """What a notice was about: an address, the kind of its records, and what became of it."""

    address: str
    sign: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What the journal tells at a moment.

    `acts` are those since a person acknowledged them, `holding` those of all that still contain.
    `contained` are addresses and networks that are contained, whoever did it. `judged` is when an
    address or network was last contained or let go: what was seen before that is done with.
    `ahead` says that an entry is from the future.
    """

    acts: tuple[Act, ...]
    holding: tuple[Act, ...]
    contained: tuple[str, ...]
    judged: Mapping[str, datetime]
    ahead: bool

    def holds(self, address: str) -> bool:
        """Whether an address is contained."""
        return any(_within(address, text) for text in self.contained)

    def settled(self, address: str) -> datetime | None:
        """Return when an address was last contained or let go; None where it never was."""
        return max(
            (when for text, when in self.judged.items() if _within(address, text)), default=None
        )

    def stop(self, at_once: int, now: datetime) -> str:
        """Return why nobody more is to be contained by itself; empty where there is no reason."""
        if self.ahead:
            return "the journal has entries from the future: the clock of this machine has changed"
        if len(self.holding) >= at_once:
            return f"{len(self.holding)} are contained so, at most {at_once} at once"
        if sum(now - one.began < _HOUR for one in self.acts) >= at_once:
            return f"{at_once} were contained so within an hour"
        unseen = sum(now - one.began < _DAY for one in self.acts)
        if unseen >= _UNSEEN * at_once:
            return f"{unseen} were contained so within a day, and nobody has looked at it"
        return ""


def _within(address: str, text: str) -> bool:
    try:
        host, network = ip_address(address), ip_network(text)
    except ValueError:
        return False
    return host.version == network.version and host in network


def memory(entries: Iterable[Mapping[str, Any]], now: datetime) -> Memory:
    """Return what a journal tells at a moment; pure."""
    every = tuple(entries)
    acts: dict[str, Act] = {}
    holding: dict[str, Act] = {}
    judged: dict[str, datetime] = {}
    ahead = False
    for entry in every:
        when = containments.moment(entry.get("time"))
        if when is None:
            continue
        ahead = ahead or when > now + _APART
        match entry.get("event"):
            case event if event == WATCH and (act := _act(entry, when)) is not None:
                acts[act.id] = holding[act.id] = act
                judged[act.address] = when
            case event if event == WITHDRAWN:
                acts.pop(str(entry.get("containment")), None)
                holding.pop(str(entry.get("containment")), None)
            case event if event == ACKNOWLEDGED:
                acts.clear()
            case event if event in {containments.CONTAIN, containments.RELEASE}:
                texts = tuple(_texts(entry))
                judged |= dict.fromkeys(texts, when)
                if event == containments.RELEASE:
                    gone = [
                        one.id
                        for one in holding.values()
                        if any(_within(one.address, text) for text in texts)
                    ]
                    for one in gone:
                        del holding[one]
            case _:
                pass
    return Memory(
        acts=tuple(acts.values()),
        holding=tuple(one for one in holding.values() if one.until > now),
        contained=tuple(
            text for one in containments.standing(every, now) for text in one.addresses
        ),
        judged=judged,
        ahead=ahead,
    )


def _act(entry: Mapping[str, Any], when: datetime) -> Act | None:
    until = containments.moment(entry.get("until"))
    if until is None:
        return None
    return Act(
        id=str(entry.get("containment", "")),
        address=str(entry.get("address", "")),
        began=when,
        until=until,
    )


def _texts(entry: Mapping[str, Any]) -> Iterator[str]:
    held: object = entry.get("addresses")
    yield from map(str, cast("list[object]", held) if isinstance(held, list) else ())


def before(entries: Sequence[Mapping[str, Any]], containment: str) -> tuple[Mapping[str, Any], ...]:
    """Return the entries before the one that puts an act on record: others may have been first."""
    for number, entry in enumerate(entries):
        if entry.get("event") == WATCH and entry.get("containment") == containment:
            return tuple(entries[:number])
    return tuple(entries)


def began(path: Path, act: Act, sign: str, said: str) -> None:
    """Record that an address is about to be contained by itself, and for which records.

    Raises:
        JournalError: it cannot be recorded; it must not begin.
    """
    _add(
        path,
        {
            "event": WATCH,
            "containment": act.id,
            "address": act.address,
            "until": act.until.isoformat(),
            "sign": sign,
            "said": printable(said)[:_TEXT_MOST],
        },
    )


def withdrawn(path: Path, containment: str, why: str) -> None:
    """Record that it was not contained after all.

    Raises:
        JournalError: it cannot be recorded.
    """
    _add(path, {"event": WITHDRAWN, "containment": containment, "why": why})


def acknowledged(path: Path, by: str, reason: str) -> None:
    """Record that a person has looked at what was contained by itself.

    Raises:
        JournalError: it cannot be recorded.
    """
    _add(path, {"event": ACKNOWLEDGED, "by": by, "reason": printable(reason)[:_TEXT_MOST]})


def told(entries: Iterable[Mapping[str, Any]], now: datetime, recipient: str) -> frozenset[Told]:
    """Return what one was told of within a day, and what has not changed since; pure.

    A `recipient` is a digest of its address. Who was contained or let go meanwhile is told of anew,
    and so is everything that a person has acknowledged.
    """
    found: dict[Told, datetime] = {}
    for entry in entries:
        when = containments.moment(entry.get("time"))
        if when is None or when > now + _APART:
            continue
        event = entry.get("event")
        if event == NOTICE and entry.get("to") == recipient and now - when < _DAY:
            found |= dict.fromkeys(_told(entry), when)
        elif event == ACKNOWLEDGED:
            found.clear()
        elif event in {containments.CONTAIN, containments.RELEASE}:
            texts = tuple(_texts(entry))
            found = {
                one: at
                for one, at in found.items()
                if not any(_within(one.address, text) for text in texts)
            }
    return frozenset(found)


def _told(entry: Mapping[str, Any]) -> Iterator[Told]:
    held: object = entry.get("told")
    for one in cast("list[object]", held) if isinstance(held, list) else ():
        if isinstance(one, list) and len(parts := cast("list[object]", one)) == len(Told._fields):
            yield Told(*map(str, parts))


def notified(path: Path, news: Iterable[Told], recipient: str) -> None:
    """Record what one was told of, so that the next look does not repeat it.

    Raises:
        JournalError: it cannot be recorded.
    """
    listed = [list(one) for one in sorted(news)]
    _add(path, {"event": NOTICE, "to": recipient, "told": listed})


def _add(path: Path, entry: Mapping[str, Any]) -> None:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    chain.add(path, [{**entry, "time": now}])
