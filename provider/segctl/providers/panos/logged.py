"""A firewall's logs of traffic and threats: entries one by one, or added up by a dynamic report.

Sources: the vendor's API guide 9.1 and a recorded answer of 10.2 for log entries; pan-os-php
``SecurityRule.php`` and the configuration schema of 10.0 for reports: at most 10,000 rows, the rest
cut without a word.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

from segctl.model.errors import ParseError
from segctl.providers.panos.asking import FORM
from segctl.providers.panos.windows import DAY, Page, Steps, Walked, walked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from segctl.providers.panos.asking import Asking
    from segctl.providers.panos.elements import Element

#: Entries of one query. The vendor's most is 5,000; those may be 20 MB, more than an answer may be.
PAGE: Final = 2000
#: Rows of one report: the vendor's most.
ROWS: Final = 10_000
#: The fields of an entry that are kept; the others are of no use here.
_KEPT: Final = (
    *("type", "subtype", "serial", "seqno", "time_generated", "receive_time"),
    *("high_res_timestamp", "src", "dst", "natsrc", "natdst", "rule", "rule_uuid", "srcuser"),
    *("app", "vsys", "from", "to", "sport", "dport", "proto", "action", "session_end_reason"),
    *("bytes", "elapsed", "repeatcnt", "sessionid", "device_name", "threatid", "tid", "severity"),
    *("direction", "thr_category"),
)
_GROUPED: Final = (
    *("serial", "vsys", "src", "dst", "natsrc", "natdst", "proto", "dport", "app", "from", "to"),
    *("rule", "rule_uuid", "action", "session_end_reason", "srcuser"),
)
_COUNTED: Final = ("repeatcnt", "bytes")
#: A log is read in windows of a month at most, and of a second at least; a report in windows of a
#: day, and of a quarter of an hour at least: in less there is little left to add up.
_LOG: Final = Steps(most=PAGE, widest=30 * DAY)
_REPORT: Final = Steps(most=ROWS, widest=DAY, narrowest=900, daily=True)


def entries(asking: Asking, log: str, first: int, last: int) -> Walked:
    """Read the entries of a log, in seconds since 1970, both ends included."""

    def page(begin: int, end: int) -> Page:
        low, high = asking.stamp(begin), asking.stamp(end)
        terms = [
            *asking.terms(),
            f"(time_generated geq '{low}')",
            f"(time_generated leq '{high}')",
            *(["(subtype neq url)"] if log == "threat" else []),
        ]
        answer = asking.log(
            {
                "log-type": log,
                "query": " and ".join(terms),
                "nlogs": str(PAGE),
                "skip": "0",
                "dir": "backward",
            }
        )
        return _page(asking, answer, (low, high))

    return walked(first, last, _LOG, page, asking.until)


def _page(asking: Asking, answer: Element, window: tuple[str, str]) -> Page:
    """Return what an answer holds; entries that nobody asked for are left out.

    Raises:
        ParseError: it says of itself that it is not whole.
    """
    logs = answer.find("result/log/logs")
    found = [] if logs is None else logs.findall("entry")
    told = None if logs is None else logs.get("count")
    if told is None or not told.isdigit() or int(told) != len(found):
        raise ParseError(
            asking.target.name,
            f"an answer says that it has {told or 'no number of'} log entries, and has "
            f"{len(found)}: it is not whole",
        )
    kept: list[Mapping[str, str]] = []
    strange: list[str] = []
    for entry in reversed(found):
        fields = _fields(entry, _KEPT)
        why = _foreign(asking, fields) or _elsewhen(fields.get("time_generated", ""), window)
        if why:
            strange.append(why)
        else:
            kept.append(fields)
    oldest = min((fields["time_generated"] for fields in kept), default="")
    return Page(
        lines=[_line(fields) for fields in kept],
        full=len(found) >= PAGE,
        strange=strange,
        span=_seconds(oldest, window[1]) if oldest else None,
    )


def _seconds(first: str, last: str) -> int:
    """Return how many seconds are from one stamp to another."""
    ends = (datetime.strptime(one, FORM).replace(tzinfo=UTC) for one in (last, first))
    return int((next(ends) - next(ends)).total_seconds())


def sums(asking: Asking, first: int, last: int) -> Walked:
    """Let the firewall add up its log of traffic by who talked to whom, by windows of a day."""

    def page(begin: int, end: int) -> Page:
        answer = asking.report(_command(asking, begin, end))
        report = answer.find("result/report")
        if report is None:
            raise ParseError(asking.target.name, "its report has no rows and is none")
        found = report.findall(".//entry")
        lines: list[str] = []
        strange: list[str] = []
        for entry in found:
            fields = _fields(entry, (*_GROUPED, *_COUNTED))
            if why := _foreign(asking, fields):
                strange.append(why)
            else:
                lines.append(_line({**fields, "first": str(begin), "last": str(end)}))
        return Page(lines=lines, full=len(found) >= ROWS, strange=strange)

    return walked(first, last, _REPORT, page, asking.until)


def _command(asking: Asking, begin: int, end: int) -> str:
    """Return the command of a report; sessions that begin are left out, as they count twice."""
    query = " and ".join([*asking.terms(), "(subtype neq start)"])
    return (
        f"<type><traffic><aggregate-by>{_members(_GROUPED)}</aggregate-by>"
        f"<values>{_members(_COUNTED)}</values></traffic></type>"
        f"<topn>{ROWS}</topn><topm>50</topm><caption>segctl</caption>"
        f"<start-time>{asking.stamp(begin)}</start-time><end-time>{asking.stamp(end)}</end-time>"
        f"<query>{escape(query)}</query>"
    )


def _members(names: Sequence[str]) -> str:
    return "".join(f"<member>{name}</member>" for name in names)


def _fields(entry: Element, names: Sequence[str]) -> dict[str, str]:
    return {name: text for name, text in _texts(entry) if name in names}


def _texts(entry: Element) -> Iterator[tuple[str, str]]:
    for child in entry:
        if child.text:
            yield str(child.tag), child.text


def _line(fields: Mapping[str, str]) -> str:
    return json.dumps(fields, separators=(",", ":"))


def _foreign(asking: Asking, fields: Mapping[str, str]) -> str:
    """Return why an entry is not of what was asked for, empty if it is."""
    if fields.get("vsys", asking.vsys) != asking.vsys:
        return "they are of another virtual system than was asked for"
    if asking.serial and fields.get("serial", asking.serial) != asking.serial:
        return "they bear the serial number of another firewall"
    return ""


def _elsewhen(stamp: str, window: tuple[str, str]) -> str:
    try:
        datetime.strptime(stamp, FORM).replace(tzinfo=UTC)
    except ValueError:
        return "they have no time"
    if len(stamp) != len(window[0]):
        return "they have no time"
    low, high = window
    return "" if low <= stamp <= high else "they are of another time than was asked for"
