"""Locks of a firewall: who owns them, whether their run is alive, what removes them.

A lock's comment holds its `LockOwner`, and the run whose change the owner still has to settle::

    segctl ops1@runner 77 1700000000 0a1b2c3d 3600 … settles 9f8e7d6c
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from lxml import etree

from segctl.model.durations import format_duration
from segctl.providers.state import DeviceState, Lock, Unconfirmed
from segctl.transports import lock_owner

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from segctl.providers.panos.elements import Element
    from segctl.providers.panos.location import Location
    from segctl.providers.panos.record import Record
    from segctl.transports.lock_owner import LockOwner

KINDS: Final = ("commit", "config")
SHARED: Final = "shared"
KEPT_WHERE: Final = "the running configuration, which a commit keeps"
_SETTLES: Final = re.compile(r" settles ([0-9a-f]{8})\Z")
#: The device's formats for a lock's time (recorded on 11.1) and for ``show system info``.
_CREATED: Final = "%Y/%m/%d %H:%M:%S"
_CLOCK: Final = "%a %b %d %H:%M:%S %Y"


def listing(kind: str, place: Location) -> str:
    """Return the command that lists the locks of a kind.

    A firewall asks which virtual system is meant (from 9.1 on), Panorama has no such word.
    """
    scope = "" if place.rulebase else "<vsys>all</vsys>"
    return f"<show><{kind}-locks>{scope}</{kind}-locks></show>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A lock on the device: kind ``config`` or ``commit``, its scope, who took it, and when.

    `owner` is our run that took it, `settles` the token of a dead run whose change that run has
    to confirm or take back.
    """

    kind: str
    scope: str
    admin: str
    created: str = ""
    comment: str = ""
    owner: LockOwner | None = None
    settles: str = ""

    @property
    def tokens(self) -> tuple[str, ...]:
        """The tokens of the runs that it names."""
        own = (self.owner.token,) if self.owner is not None else ()
        return (*own, *((self.settles,) if self.settles else ()))

    @property
    def command(self) -> str:
        """The command that removes it on the device's command line."""
        if self.kind == "commit":
            return f"request commit-lock remove admin {self.admin}"
        return "request config-lock remove"

    def __str__(self) -> str:
        """Return its kind, holder and time."""
        words = f" ({self.comment})" if self.comment else ""
        return (
            f"{self.kind} lock for {self.scope}: held by {self.admin} since {self.created}{words}"
        )


def read(kind: str, answer: Element) -> list[Held]:
    """Return the locks of one kind that ``show config-locks`` or ``show commit-locks`` lists."""
    locks: list[Held] = []
    for entry in answer.iterfind(f"result/{kind}-locks/entry"):
        comment = (entry.findtext("comment") or "").strip()
        settles = _SETTLES.search(comment)
        locks.append(
            Held(
                kind=kind,
                scope=(entry.findtext("name") or "").strip() or SHARED,
                admin=entry.get("name", ""),
                created=(entry.findtext("created") or "").strip(),
                comment="" if comment == "(null)" else comment,
                owner=lock_owner.read_owner(comment[: settles.start()] if settles else comment),
                settles=settles[1] if settles else "",
            )
        )
    return locks


def comment(owner: LockOwner, settles: str = "") -> str:
    """Return a lock's comment, at most 256 characters."""
    return f"{owner} settles {settles}" if settles else str(owner)


def age(held: Held, clock: str) -> float | None:
    """Return a lock's age in seconds, by the device's own clock; None if unreadable.

    Args:
        held: the lock.
        clock: ``time`` of ``show system info``.
    """
    try:
        now = datetime.strptime(clock.strip(), _CLOCK)  # noqa: DTZ007 - both by one clock
        since = datetime.strptime(held.created, _CREATED)  # noqa: DTZ007 - as above
    except ValueError:
        return None
    return max(0.0, (now - since).total_seconds())


def is_alive(held: Held, clock: str) -> bool | None:
    """Return whether the run that owns our lock is alive; None if unknown."""
    if held.owner is None:
        return None
    return lock_owner.is_alive(held.owner, age=age(held, clock))


def until(held: Held, clock: str) -> str:
    """Return a text: how long a lock counts if its run cannot be observed from here."""
    if held.owner is None:
        return "no lease is known"
    left = lock_owner.remaining(held.owner, age=age(held, clock))
    return f"its lease runs out in {format_duration(round(left))}"


# --- in the document of a device ---------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A lock, the clock of the device that holds it, and which member of a pair that is."""

    lock: Held
    clock: str
    where: str = ""


def to_part(rows: Iterable[Row], *, accounts: Collection[str], pushed: str = "") -> bytes:
    """Return locks as the part of a document that `state` reads.

    Args:
        rows: all locks, each with ``time`` of its device's ``show system info``.
        accounts: the accounts that read them.
        pushed: the token of the run that made our last commit, if known.
    """
    root = etree.Element("response", status="success")
    result = etree.SubElement(root, "result")
    for row in rows:
        lock, clock = row.lock, row.clock
        entry = etree.SubElement(
            result,
            "lock",
            kind=lock.kind,
            scope=f"{lock.scope}{row.where}",
            admin=lock.admin,
            since=lock.created,
            command=lock.command,
        )
        if lock.owner is None or lock.admin not in accounts:
            continue
        alive, seconds = is_alive(lock, clock), age(lock, clock)
        left = lock_owner.remaining(lock.owner, age=seconds)
        entry.set("run", lock.owner.run)
        entry.set("token", lock.owner.token)
        entry.set("settles", lock.settles)
        entry.set("alive", {True: "yes", False: "no", None: ""}[alive])
        entry.set("left", f"{left:.0f}")
        entry.set("age", "" if seconds is None else f"{seconds:.0f}")
        if pushed and pushed in lock.tokens:
            entry.set("pushed", pushed)
    return etree.tostring(root)


def state(part: Element | None, record: Record | None) -> DeviceState:
    """Return a device's state from its locks and our tag's record.

    Args:
        part: what `to_part` wrote; None in a document without it.
        record: of the running configuration.
    """
    entries = [] if part is None else part.findall("result/lock")
    plans = () if record is None else record.plans
    unconfirmed = _unconfirmed(entries, record)
    return DeviceState(
        unconfirmed=unconfirmed,
        locks=tuple(map(_lock, entries)),
        kept="same",
        kept_where=KEPT_WHERE,
        applied=plans[1:] if unconfirmed and record is not None else plans,
    )


def _lock(entry: Element) -> Lock:
    run, left = entry.get("run", ""), entry.get("left", "")
    return Lock(
        kind=entry.get("kind", ""),
        owner=f"run of {run}" if run else entry.get("admin", ""),
        scope=entry.get("scope", ""),
        ours=bool(run),
        alive=_ALIVE.get(entry.get("alive", "")),
        lease_left=float(left) if left else None,
        since=entry.get("since", ""),
        command=entry.get("command", ""),
    )


_ALIVE: Final = {"yes": True, "no": False}


def _unconfirmed(entries: Sequence[Element], record: Record | None) -> tuple[Unconfirmed, ...]:
    """Return the change of a run that committed it and still holds its lock.

    A change that removed our tag has no record; then the device's jobs identify it (`pushed`).
    """
    for entry in entries:
        own, settles = entry.get("token", ""), entry.get("settles", "")
        token = entry.get("pushed", "") if record is None else record.token
        if not token or token not in (own, settles):
            continue
        seconds = entry.get("age", "")
        return (
            Unconfirmed(
                push=token,
                run=record.by if record is not None and record.by else entry.get("run", ""),
                plan_id=record.plans[0] if record is not None and record.plans else "",
                probes=record.probes if record is not None else "",
                since=float(seconds) if seconds else None,
                alive=_ALIVE.get(entry.get("alive", "")) if token == own else False,
            ),
        )
    return ()
