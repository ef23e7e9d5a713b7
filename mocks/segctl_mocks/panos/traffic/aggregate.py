"""Dynamic reports: the device groups its logs and answers rows, as many as it was asked for.

Sources. Request and job: pan-os-php ``SecurityRule.php``; the message of the queue: a client in the
wild. Tables, what each groups by and counts, and the limits: the configuration schema of a PA-220
with 10.0. The summary table has neither protocol nor source port nor end reason nor translation.
Rows beyond ``topn`` are cut without a word; rows come with the greatest first value first.
Of the names of periods those with a number of minutes, hours or days are known here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from segctl_mocks.panos.answers import ApiError
from segctl_mocks.panos.traffic.query import Query, compile_query
from segctl_mocks.panos.tree import MalformedError, parse, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segctl_mocks.panos.traffic.store import Traffic
    from segctl_mocks.panos.tree import Element

#: Rows a report has at most, and where nobody says how many.
MOST, USUAL = 10_000, 10
_COMMON = frozenset(
    [
        "serial",
        "src",
        "dst",
        "rule",
        "rule_uuid",
        "srcuser",
        "dstuser",
        "app",
        "vsys",
        "from",
        "to",
        "inbound_if",
        "outbound_if",
        "dport",
        "action",
        "category",
        "device_name",
    ]
)
_DETAIL = _COMMON | frozenset(
    [
        "natsrc",
        "natdst",
        "sport",
        "proto",
        "session_end_reason",
        "action_source",
        "flag-nat",
        "day-of-receive_time",
        "hour-of-receive_time",
    ]
)
_VALUES = frozenset(
    ["bytes", "bytes_sent", "bytes_received", "packets", "pkts_sent", "pkts_received", "elapsed"]
)
#: Of each table: the log, what it groups by, what it counts.
TABLES = {
    "traffic": ("traffic", _DETAIL, _VALUES | {"repeatcnt", "nunique-of-users"}),
    "trsum": ("traffic", _COMMON, _VALUES - {"elapsed"} | {"sessions", "nunique-of-apps"}),
    "threat": ("threat", _DETAIL | {"threatid", "severity", "direction"}, frozenset({"repeatcnt"})),
    "thsum": (
        "threat",
        _COMMON | {"threatid", "severity", "direction"},
        frozenset({"sessions", "count"}),
    ),
}
_COUNTS = frozenset(("repeatcnt", "sessions", "count"))
_UNIQUE = {"nunique-of-users": "srcuser", "nunique-of-apps": "app"}
_PERIOD = re.compile(r"last-(?:(\d+)-)?(minute|hour|hrs|day|calendar-day|calendar-month)s?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a report is asked for."""

    table: str
    by: tuple[str, ...]
    values: tuple[str, ...]
    rows: int
    query: Query


def read(cmd: str, release: tuple[int, ...], now: datetime, tables: str = "") -> Order:
    """Read the command of a dynamic report; `now` is the device's own time.

    The names of a Panorama's tables begin with ``panorama-``: that is `tables`.

    Raises:
        ApiError: it asks for what the device does not have.
    """
    try:
        root = parse(f"<report>{cmd}</report>".encode())
    except MalformedError as error:
        raise ApiError("18", "Malformed Request") from error
    table = next(iter(root.iterfind("type/*")), None)
    tag = "" if table is None else str(table.tag)
    name = tag.removeprefix(tables)
    if table is None or name not in TABLES or tag != tables + name:
        raise ApiError("17", f"type is one of {', '.join(tables + one for one in TABLES)}")
    _, known, counted = TABLES[name]
    by, values = (_members(table, part) for part in ("aggregate-by", "values"))
    unknown = [one for one in by if one not in known]
    unknown += [one for one in values if one not in counted]
    if unknown:
        raise ApiError("17", f" type -> {name} -> '{unknown[0]}' is invalid")
    text = text_of(root.find("topn")) or str(USUAL)
    if not text.isdigit() or not 1 <= int(text) <= MOST:
        raise ApiError("17", f" topn '{text}' is invalid. Must be between 1 and {MOST}")
    terms = [text_of(root.find("query")), *_window(root, now)]
    query = compile_query(" and ".join(f"({term})" for term in terms if term), release)
    return Order(table=name, by=by, values=values, rows=int(text), query=query)


def _members(table: Element, part: str) -> tuple[str, ...]:
    return tuple(text_of(member) for member in table.iterfind(f"{part}/member"))


def _window(root: Element, now: datetime) -> list[str]:
    """Return the times that a report is about, as terms of a query."""
    first, last = (text_of(root.find(f"{end}-time")) for end in ("start", "end"))
    period = text_of(root.find("period"))
    if period:
        found = _PERIOD.fullmatch(period)
        if found is None:
            raise ApiError("17", f" period '{period}' is invalid")
        count = int(found[1] or 1)
        match found[2]:
            case "minute":
                since = now - timedelta(minutes=count)
            case "hour" | "hrs":
                since = now - timedelta(hours=count)
            case "day":
                since = now - timedelta(days=count)
            case _:
                days = count if found[2] == "calendar-day" else 31
                since = now.replace(hour=0, minute=0, second=0) - timedelta(days=days)
        first = since.strftime("%Y/%m/%d %H:%M:%S")
    terms = [f"receive_time geq '{first}'"] if first else []
    return [*terms, f"receive_time leq '{last}'"] if last else terms


def rows(traffic: Traffic, order: Order) -> str:
    """Write the rows of a report, cut where it was asked to be."""
    log, _, _ = TABLES[order.table]
    groups: dict[tuple[str, ...], list[int | set[str]]] = {}
    for entry in traffic.entries(log, order.query, newest_first=False):
        if order.table in {"trsum", "thsum"} and entry.get("subtype") == "start":
            continue  # summaries are of sessions
        key = tuple(_value(entry, name) for name in order.by)
        totals = groups.get(key)
        if totals is None:
            totals = groups[key] = [set[str]() if v in _UNIQUE else 0 for v in order.values]
        for at, name in enumerate(order.values):
            total = totals[at]
            if isinstance(total, set):
                total.add(entry.get(_UNIQUE[name], ""))
            else:
                field = "repeatcnt" if name in _COUNTS else name
                totals[at] = total + int(entry.get(field, "1" if name in _COUNTS else "0") or 0)
    found = [
        (key, [len(total) if isinstance(total, set) else total for total in totals])
        for key, totals in groups.items()
    ]
    found.sort(key=lambda row: ([-total for total in row[1][:1]], row[0]))
    return "".join(_row(order, key, totals) for key, totals in found[: order.rows])


def _value(entry: Mapping[str, str], name: str) -> str:
    match name:
        case "flag-nat":
            return "no" if entry.get("natsrc", "") in {"", "0.0.0.0"} else "yes"  # noqa: S104  # what stands for no address
        case "day-of-receive_time":
            return entry.get("receive_time", "")[:10]
        case "hour-of-receive_time":
            return entry.get("receive_time", "")[:13]
        case _:
            return entry.get(name, "")


def _row(order: Order, key: tuple[str, ...], totals: list[int]) -> str:
    texts = [*zip(order.by, key, strict=True), *zip(order.values, map(str, totals), strict=True)]
    inner = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in texts)
    return f"<entry>{inner}</entry>"
