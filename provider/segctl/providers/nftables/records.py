"""The records of runs in our table: who holds it, which push is unconfirmed, recent plans.

Two sets of the table hold them, keyed by random numbers: ``lock`` has one element, ``push`` one for
each unconfirmed push and one for each of the last confirmed plans. The comment says the rest.
Deleting a missing element fails the entire transaction, so a transaction that begins with such a
delete is a compare-and-swap by the kernel.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

from segctl.providers.nftables import names
from segctl.providers.nftables.listing import shaped
from segctl.system.json_text import read_listing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

#: How many plans a table remembers.
REMEMBERED = 16
#: Stands for the missing plan of a push.
NO_PLAN = "-"
#: The host replaces this word by its own clock.
SINCE = "since"
#: Longest digest of probes and longest plan id that fit into a comment of 127 bytes.
MAX_PROBES, MAX_PLAN = 24, 32
_WORD = re.compile(r"[0-9A-Za-z._:@-]+", re.ASCII)
_PUSH = re.compile(
    r"push (?P<token>\S+) (?P<since>[0-9]+) (?P<seconds>[0-9]+) (?P<run>\S+) (?P<plan>\S+)"
    r" (?P<probes>\S+)",
    re.ASCII,
)
_APPLIED = re.compile(r"applied (?P<number>[0-9]+) (?P<plan>\S+)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The lock's element: its key, which changes must name, and its owner."""

    key: str
    comment: str

    def fence(self) -> str:
        """Return lines that fail a transaction unless this lock is there."""
        return f"delete element {names.TABLE} {names.LOCK} {{ {self.key} }}\n{self.again()}"

    def again(self) -> str:
        """Return the line that puts the element into the set."""
        return f'add element {names.TABLE} {names.LOCK} {{ {self.key} comment "{self.comment}" }}\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """An unconfirmed push.

    `token` is that of its run's lock; `since` is by the host's uptime, `seconds` the time until it
    goes back by itself, 0 for never; both in seconds.
    """

    key: str
    token: str = ""
    since: int = 0
    seconds: int = 0
    run: str = ""
    plan: str = ""
    probes: str = ""

    def line(self) -> str:
        """Return the line that adds it; the host fills in the clock."""
        words = (self.token, SINCE, self.seconds, self.run, self.plan, self.probes)
        comment = " ".join(["push", *(str(word) or NO_PLAN for word in words)])
        return f'add element {names.TABLE} {names.PUSH} {{ {self.key} comment "{comment}" }}\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """A confirmed plan and its sequence number."""

    key: str
    number: int
    plan: str

    def line(self) -> str:
        """Return the line that adds it."""
        return (
            f"add element {names.TABLE} {names.PUSH} "
            f'{{ {self.key} comment "applied {self.number} {self.plan}" }}\n'
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """Everything that the two sets hold; `lock_set` says whether the lock's set exists."""

    locks: tuple[Held, ...] = ()
    lock_set: bool = False
    pushed: tuple[Pushed, ...] = ()
    applied: tuple[Applied, ...] = ()

    def pending(self, key: str) -> Pushed | None:
        """Return the unconfirmed push with this key."""
        return next((one for one in self.pushed if one.key == key), None)

    def locked_by(self, key: str) -> bool:
        """Whether the lock with this key is held."""
        return any(one.key == key for one in self.locks)

    def with_plan(self, plan: str) -> tuple[Applied, ...]:
        """Return the plans to remember when `plan` is confirmed, latest first.

        A push without a plan is remembered until the next one, to show that it was confirmed.
        """
        number = max((one.number for one in self.applied), default=0) + 1
        before = (one for one in self.applied if one.plan != NO_PLAN)
        return (Applied(key=new_key(), number=number, plan=plan or NO_PLAN), *before)[:REMEMBERED]


def new_key() -> str:
    """Return a key that nothing else has."""
    return f"0x{(uuid4().int % 0xFFFFFFFF) + 1:08x}"


def fits(kind: str, text: str, limit: int) -> str:
    """Return `text` if a record can hold it as a word.

    Raises:
        ValueError: it is too long, or not a word.
    """
    if text and (len(text) > limit or not _WORD.fullmatch(text)):
        message = f"{kind} {text!r} is not a word of at most {limit} letters and digits"
        raise ValueError(message)
    return text


def remembered(applied: Iterable[Applied]) -> str:
    """Return the lines that create the set of pushes with these plans."""
    lines = "".join(one.line() for one in applied)
    return f"add set {names.TABLE} {names.PUSH} {{ {names.LOCK_MADE} }}\n{lines}"


def read_records(table: str) -> Records:
    """Read the sets from a listing of our table; empty if there is no table.

    Raises:
        ValueError: it is not an nft listing.
    """
    if not table:
        return Records()
    with shaped():
        elements_by_set = dict(_sets(cast("Any", read_listing(table))["nftables"]))
        locks = tuple(
            Held(key=key, comment=text) for key, text in elements_by_set.get(names.LOCK, ())
        )
        pushes = elements_by_set.get(names.PUSH, ())
        applied = [
            Applied(key=key, number=int(match["number"]), plan=match["plan"])
            for key, text in pushes
            if (match := _APPLIED.fullmatch(text))
        ]
    return Records(
        locks=locks,
        lock_set=names.LOCK in elements_by_set,
        pushed=tuple(_pushed(key, text) for key, text in pushes if not _APPLIED.fullmatch(text)),
        applied=tuple(sorted(applied, key=lambda one: -one.number)),
    )


def _pushed(key: str, text: str) -> Pushed:
    """Read a push; an element with a comment of others counts as a push of an unknown run."""
    match = _PUSH.fullmatch(text)
    if match is None:
        return Pushed(key=key)
    run, plan, probes = ("" if match[word] == NO_PLAN else match[word] for word in _NAMED)
    return Pushed(
        key=key,
        token=match["token"],
        since=int(match["since"]),
        seconds=int(match["seconds"]),
        run=run,
        plan=plan,
        probes=probes,
    )


_NAMED = ("run", "plan", "probes")


def _sets(entries: Sequence[dict[str, Any]]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    for entry in entries:
        found = entry.get("set")
        if found is not None and found["name"] in (names.LOCK, names.PUSH):
            yield found["name"], [_element(one) for one in found.get("elem", [])]


def _element(element: Any) -> tuple[str, str]:
    if isinstance(element, dict):
        inner = cast("dict[str, Any]", element["elem"])
        return _key(inner["val"]), str(inner.get("comment", ""))
    return _key(element), ""


def _key(value: int | str) -> str:
    return f"0x{int(value) if isinstance(value, int) else int(value, 0):08x}"
