"""Sets of packets as the rows that people read: from where to where, which services, who, when."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from segctl.analysis.extents import address_texts, days_of, name_list, port_texts
from segctl.analysis.space import (
    ALL_ADDRESSES,
    ALL_NAMES,
    ALL_SERVICES,
    WEEK,
    Box,
    Names,
    Space,
    common,
    ranges,
    without,
)
from segctl.model.policy import ANY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from segctl.analysis.space import Numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Packets from some zones to others, all of them or none.

    Each field lists what it holds, as text; a field named in `negated` holds everything but that.
    A name in `users` stands for that user, and for the members of the group of that name. `times`
    is empty where they pass at any time. `rule` decides about them, for `conduit`; `example` is
    one of them. Of packets in question, `why` has the reasons, and `may` says what the question
    is: whether they ``widen`` what is permitted, whether they ``narrow`` it. Rows with `rest` come
    together to all that no rule matches between their zones. `firewalls` are those of a group that
    it is about; empty: all of them.
    """

    from_zones: tuple[str, ...]
    to_zones: tuple[str, ...]
    source: tuple[str, ...] = (ANY,)
    destination: tuple[str, ...] = (ANY,)
    services: tuple[str, ...] = (ANY,)
    applications: tuple[str, ...] = (ANY,)
    users: tuple[str, ...] = (ANY,)
    times: tuple[str, ...] = ()
    negated: tuple[str, ...] = ()
    rule: str = ""
    conduit: str = ""
    example: str = ""
    why: tuple[str, ...] = ()
    may: tuple[str, ...] = ()
    rest: bool = False
    firewalls: tuple[str, ...] = ()


def rows_of(
    space: Space,
    enter: str,
    leave: str,
    *,
    rule: str = "",
    conduit: str = "",
    rest: bool = False,
) -> Iterator[Row]:
    """Yield a set of packets between two zones as few rows."""
    for box in _versions_together(space.least().boxes):
        found = {
            "source": _hosts(box.source, box.destination),
            "destination": _hosts(box.destination, box.source),
            "services": _services(box.service),
            "applications": _names(box.application, nobody="not identified"),
            "users": _users(box.user),
        }
        yield Row(
            from_zones=(enter,),
            to_zones=(leave,),
            source=found["source"][0],
            destination=found["destination"][0],
            services=found["services"][0],
            applications=found["applications"][0],
            users=found["users"][0],
            times=tuple(_times(box.time)),
            negated=tuple(name for name, (_, negated) in found.items() if negated),
            rule=rule,
            conduit=conduit,
            example=str(Space((box,)).example()),
            rest=rest,
        )


def joined(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Return rows by conduit and rule, those that differ in their zones only as one."""
    alike: dict[Row, set[tuple[str, str]]] = defaultdict(set)
    examples: dict[Row, str] = {}
    for row in rows:
        key = replace(row, from_zones=(), to_zones=(), example="")
        examples.setdefault(key, row.example)
        alike[key] |= {(enter, leave) for enter in row.from_zones for leave in row.to_zones}
    found = [
        replace(key, from_zones=enters, to_zones=leaves, example=examples[key])
        for key, pairs in alike.items()
        for enters, leaves in products(pairs)
    ]
    return tuple(sorted(found, key=_order))


def _order(row: Row) -> tuple[object, ...]:
    return (not row.conduit, row.conduit, row.from_zones, row.to_zones, row.rule, row.example)


def products(
    pairs: set[tuple[str, str]],
) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Yield pairs of zones as sets of zones to sets of zones."""
    leaving: dict[str, set[str]] = defaultdict(set)
    for enter, leave in pairs:
        leaving[enter].add(leave)
    entering: dict[frozenset[str], list[str]] = defaultdict(list)
    for enter, found in leaving.items():
        entering[frozenset(found)].append(enter)
    for leaves, enters in entering.items():
        yield tuple(sorted(enters)), tuple(sorted(leaves))


def _versions_together(boxes: Iterable[Box]) -> Iterator[Box]:
    """Join the IPv4 and the IPv6 part of the same: no packet goes from one to the other."""
    waiting: dict[object, dict[int, list[Box]]] = {}
    for box in boxes:
        waiting.setdefault(box[2:], defaultdict(list))[_version(box)].append(box)
    for by_version in waiting.values():
        yield from by_version[0]
        old, new = by_version[4], by_version[6]
        for index in range(max(len(old), len(new))):
            parts = [*old[index : index + 1], *new[index : index + 1]]
            first = parts[0]
            yield first._replace(
                source=ranges(span for part in parts for span in part.source),
                destination=ranges(span for part in parts for span in part.destination),
            )


def _version(box: Box) -> int:
    """Return the IP version of a box's packets, 0 where they are of both."""
    (_, last_of_four), (first_of_six, _) = ALL_ADDRESSES
    ends = (*box.source, *box.destination)
    if all(last <= last_of_four for _, last in ends):
        return 4
    return 6 if all(first >= first_of_six for first, _ in ends) else 0


# --- fields --------------------------------------------------------------------------------------


def _hosts(numbers: Numbers, other_end: Numbers) -> tuple[tuple[str, ...], bool]:
    """Return the addresses of one end; those of a version that the other end has not are none."""
    whole = tuple(one for one in ALL_ADDRESSES if common(other_end, (one,)))
    inside, outside = common(numbers, whole), without(whole, numbers)
    if outside:
        return _shorter(address_texts(inside), address_texts(outside))
    if len(whole) == len(ALL_ADDRESSES):
        return (ANY,), False
    return (f"{ANY} IPv{_version(Box(source=whole, destination=whole))}",), False


def _shorter(inside: tuple[str, ...], outside: tuple[str, ...]) -> tuple[tuple[str, ...], bool]:
    """Return what is listed, or what is not where that is less to read."""
    return (outside, True) if len(outside) < len(inside) else (inside, False)


def _services(numbers: Numbers) -> tuple[tuple[str, ...], bool]:
    outside = without(ALL_SERVICES, numbers)
    if not outside:
        return (ANY,), False
    most = 2 * sum(last - first + 1 for first, last in numbers) > ALL_SERVICES[0][1]
    return tuple(port_texts(outside if most else numbers)), most


def _names(names: Names, *, nobody: str) -> tuple[tuple[str, ...], bool]:
    return tuple(name_list(names, nobody)), names.but and names != ALL_NAMES


def _users(names: Names) -> tuple[tuple[str, ...], bool]:
    """Return users as rules name them; a packet of nobody known has the user ``""``."""
    if names == Names(frozenset({""}), but=True):
        return ("known-user",), False
    return _names(names, nobody="unknown")


def _times(minutes: Numbers) -> Iterator[str]:
    """Yield ``monday 08:00-16:00``, or ``daily …`` for what is so on every day."""
    if minutes == WEEK:
        return
    days = list(days_of(minutes))
    _, monday = days[0]
    if all(parts == monday for _, parts in days):
        yield from (f"daily {part}" for part in monday)
        return
    for name, parts in days:
        yield from (f"{name} {part}" for part in parts)
