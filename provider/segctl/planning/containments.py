"""Containments on record: each in the audit journal before its first step, and how it went.

What was asked for and has neither ended nor been released is what devices must hold: the device
that asked may be gone, and a device may have lost its list.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast

from segctl.compiler import naming
from segctl.system import chain
from segctl.system.inert import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

CONTAIN: Final = "contain"
ENDED: Final = "contain_end"
RELEASE: Final = "release"
_TEXT_MOST: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A containment that holds: of whom, on which firewalls, until when, by whom and why.

    An island has a `group` of its own, and is cut off only from the addresses `against` it.
    `held` is when every firewall was last seen to hold it, None where that is not on record.
    """

    id: str
    name: str
    addresses: tuple[str, ...]
    devices: tuple[str, ...]
    until: datetime
    by: str
    reason: str
    persistent: bool = True
    group: str = naming.CONTAINED
    against: tuple[str, ...] = ()
    held: datetime | None = None


def began(path: Path, wanted: Standing) -> None:
    """Record a containment that is about to begin.

    Raises:
        JournalError: it cannot be recorded; it must not begin.
    """
    _add(
        path,
        {
            "event": CONTAIN,
            "containment": wanted.id,
            "name": wanted.name,
            "addresses": list(wanted.addresses),
            "devices": list(wanted.devices),
            "until": wanted.until.isoformat(),
            "by": wanted.by,
            "reason": printable(wanted.reason)[:_TEXT_MOST],
            "persistent": wanted.persistent,
            **_of_island(wanted.group, wanted.against),
        },
    )


def ended(path: Path, containment: str, still_open: Sequence[str]) -> None:
    """Record how the steps of a containment went; without anything open it holds.

    Raises:
        JournalError: it cannot be recorded.
    """
    texts = [printable(text)[:_TEXT_MOST] for text in still_open]
    _add(path, {"event": ENDED, "containment": containment, "open": texts})


def _of_island(group: str, against: Sequence[str] = ()) -> dict[str, Any]:
    """Return what an entry says besides, where it is not of those who are contained."""
    if group == naming.CONTAINED:
        return {}
    return {"group": group, **({"against": list(against)} if against else {})}


def released(
    path: Path,
    addresses: Sequence[str],
    by: str,
    reason: str,
    group: str = naming.CONTAINED,
) -> None:
    """Record that members of a group are about to be let go.

    Raises:
        JournalError: it cannot be recorded; they must not be let go.
    """
    text = printable(reason)[:_TEXT_MOST]
    entry = {"event": RELEASE, "addresses": list(addresses), "by": by, "reason": text}
    _add(path, {**entry, **_of_island(group)})


def _add(path: Path, entry: Mapping[str, Any]) -> None:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    chain.add(path, [{**entry, "time": now}])


def standing(entries: Iterable[Mapping[str, Any]], now: datetime) -> tuple[Standing, ...]:
    """Return what holds at a moment, in the order in which it began; pure.

    What an entry holds that is not understood is passed over: the chain's own check tells of it.
    """
    found: dict[str, Standing] = {}
    for entry in entries:
        event = entry.get("event")
        if event == CONTAIN and (one := _standing(entry)) is not None:
            found[one.id] = one
        elif event == ENDED and entry.get("open") == []:
            name = str(entry.get("containment", ""))
            if name in found and (when := moment(entry.get("time"))) is not None:
                found[name] = replace(found[name], held=when)
        elif event == RELEASE:
            gone, group = set(_texts(entry, "addresses")), _group(entry)
            found = {
                name: kept
                for name, one in found.items()
                if (kept := one if one.group != group else _without(one, gone)) is not None
            }
    return tuple(one for one in found.values() if one.until > now)


def _without(one: Standing, gone: set[str]) -> Standing | None:
    left = tuple(text for text in one.addresses if text not in gone)
    if not left:
        return None
    return replace(one, addresses=left)


def _standing(entry: Mapping[str, Any]) -> Standing | None:
    until = moment(entry.get("until"))
    if until is None:
        return None
    return Standing(
        id=str(entry.get("containment", "")),
        name=str(entry.get("name", "")),
        addresses=_texts(entry, "addresses"),
        devices=_texts(entry, "devices"),
        until=until,
        by=str(entry.get("by", "")),
        reason=str(entry.get("reason", "")),
        persistent=entry.get("persistent") is not False,
        group=_group(entry),
        against=_texts(entry, "against"),
    )


def moment(value: object) -> datetime | None:
    """Return the moment that an entry names, None where it names none."""
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def _group(entry: Mapping[str, Any]) -> str:
    return str(entry.get("group") or naming.CONTAINED)


def _texts(entry: Mapping[str, Any], name: str) -> tuple[str, ...]:
    held: object = entry.get(name)
    return tuple(map(str, cast("list[object]", held))) if isinstance(held, list) else ()
