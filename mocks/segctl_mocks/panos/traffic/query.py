"""Queries of logs: ``(addr.src in 10.0.0.0/8) and (time_generated geq '2026/11/02 00:00:00')``.

Sources: the vendor's API guide 9.1 (terms in parentheses, and, or, not; eq, neq, in, notin, geq,
leq, contains), clients in the wild (lt, gt), and real configurations (match lists of verdicts and
events). Times are the device's own, without zone. Releases
before 10.1.12 take a day of more digits than two without an error (release note PAN-217123), and
read the first two. What a device says to a query it does not understand is not recorded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, TypeAlias

from segctl_mocks.panos.answers import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Entry: TypeAlias = Mapping[str, str]
    Test: TypeAlias = Callable[[Entry], bool]

_TOKEN = re.compile(r"\s*(\(|\)|!|'[^']*'|\"[^\"]*\"|[^\s()'\"!]+)")
_TIME = re.compile(r"(\d{4})/(\d\d)/(\d\d)(\d*) (\d\d):(\d\d):(\d\d)")
_FORM = "%Y/%m/%d %H:%M:%S"
_LENIENT_UNTIL = (10, 1, 12)
#: The fields that may be asked about, and those of an entry that each means.
FIELDS = {
    "addr": ("src", "dst"),
    "addr.src": ("src",),
    "addr.dst": ("dst",),
    "port": ("sport", "dport"),
    "port.src": ("sport",),
    "port.dst": ("dport",),
    "zone": ("from", "to"),
    "zone.src": ("from",),
    "zone.dst": ("to",),
    "user.src": ("srcuser",),
    "user.dst": ("dstuser",),
    "category-of-threatid": ("thr_category",),
} | {
    name: (name,)
    for name in [
        "src",
        "dst",
        "sport",
        "dport",
        "natsrc",
        "natdst",
        "from",
        "to",
        "srcuser",
        "dstuser",
        "app",
        "rule",
        "rule_uuid",
        "action",
        "proto",
        "subtype",
        "serial",
        "device_name",
        "vsys",
        "sessionid",
        "session_end_reason",
        "severity",
        "threatid",
        "direction",
        "bytes",
        "bytes_sent",
        "bytes_received",
        "elapsed",
        "repeatcnt",
        "category",
        "verdict",
        "eventid",
        "receive_time",
        "time_generated",
        "time_received",
        "inbound_if",
        "outbound_if",
        "seqno",
    ]
}
_ADDRESSES = frozenset(("src", "dst", "natsrc", "natdst"))
_TIMES = frozenset(("receive_time", "time_generated", "time_received"))
_NUMBERS = frozenset(
    ("sport", "dport", "bytes", "bytes_sent", "bytes_received", "elapsed", "repeatcnt", "sessionid")
)
#: What a match list of all logs says instead of a query.
ALL_LOGS = "All Logs"
_NOW = (11, 1)
_SEVERITIES = ("informational", "low", "medium", "high", "critical")
_OPPOSITES = {"neq": "eq", "notin": "in"}


@dataclass(frozen=True, slots=True)
class Query:
    """A query; `low` and `high` bound the times of what it can match, as ``YYYYMMDDhhmmss``."""

    matches: Test
    low: int = 0
    high: int = 99999999999999


def compile_query(text: str, release: tuple[int, ...]) -> Query:
    """Read a query; without text it matches everything.

    Raises:
        ApiError: it is not understood.
    """
    if not text.strip():
        return Query(lambda _entry: True)
    parser = _Parser(text, lenient=release < _LENIENT_UNTIL)
    found = parser.either()
    parser.end()
    return found


def is_filter(text: str) -> bool:
    """Whether a text is the filter of a match list: a query, or all logs."""
    if text == ALL_LOGS:
        return True
    try:
        compile_query(text, _NOW)
    except ApiError:
        return False
    return True


class _Parser:
    def __init__(self, text: str, *, lenient: bool) -> None:
        self._text = text
        self._lenient = lenient
        self._tokens = _TOKEN.findall(text)
        if "".join(self._tokens).replace(" ", "") != re.sub(r"\s", "", text):
            raise self._refused()
        self._at = 0

    def _refused(self) -> ApiError:
        return ApiError("17", f"Invalid query: {self._text}")

    def _next(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self, *wanted: str) -> str:
        token = self._next()
        if not token or (wanted and token.lower() not in wanted):
            raise self._refused()
        self._at += 1
        return token

    def end(self) -> None:
        if self._next():
            raise self._refused()

    def either(self) -> Query:
        found = self._both()
        while self._next().lower() == "or":
            self._take("or")
            other = self._both()
            first, second = found.matches, other.matches
            low, high = min(found.low, other.low), max(found.high, other.high)
            found = Query(_or(first, second), low, high)
        return found

    def _both(self) -> Query:
        found = self._one()
        while self._next().lower() == "and":
            self._take("and")
            other = self._one()
            low, high = max(found.low, other.low), min(found.high, other.high)
            found = Query(_and(found.matches, other.matches), low, high)
        return found

    def _one(self) -> Query:
        if self._next().lower() in {"not", "!"}:
            self._at += 1
            inner = self._one().matches
            return Query(lambda entry: not inner(entry))
        self._take("(")
        if self._next() == "(" or self._next().lower() in {"not", "!"}:
            found = self.either()
        else:
            found = self._term()
        self._take(")")
        return found

    def _term(self) -> Query:
        field, op = self._take().lower(), self._take().lower()
        words: list[str] = []
        while self._next() not in {"", ")"}:
            words.append(self._take().strip("'\""))
        names = FIELDS.get(field, ())
        value = " ".join(words)
        if not names or not words:
            raise self._refused()
        opposite = op in _OPPOSITES
        plain = _OPPOSITES.get(op, op)
        if names[0] in _TIMES:
            return self._time(names[0], op, value)
        tests = [self._test(name, plain, value) for name in names]
        if opposite:
            return Query(lambda entry: not any(test(entry) for test in tests))
        return Query(lambda entry: any(test(entry) for test in tests))

    def _test(self, name: str, op: str, value: str) -> Test:
        if name in _ADDRESSES and op in {"in", "eq"}:
            try:
                network = str(ip_network(value, strict=False))
            except ValueError as error:
                raise self._refused() from error
            return lambda entry: _within(entry.get(name, ""), network)
        if op in {"geq", "leq", "gt", "lt"} and name in _NUMBERS and value.isdigit():
            number = int(value)
            return lambda entry: _compare(op, int(entry.get(name, "0") or 0), number)
        if op in {"geq", "leq"} and name == "severity" and value in _SEVERITIES:
            rank = _SEVERITIES.index(value)
            return lambda entry: _compare(op, _severity(entry.get(name, "")), rank)
        match op:
            case "eq":
                return lambda entry: entry.get(name, "") == value
            case "in":
                return lambda entry: entry.get(name, "") in value.split()
            case "contains":
                return lambda entry: value in entry.get(name, "")
            case _:
                raise self._refused()

    def _time(self, name: str, op: str, value: str) -> Query:
        found = _TIME.fullmatch(value)
        if found is None or (found[4] and not self._lenient):
            raise self._refused()
        wanted = int("".join(part for at, part in enumerate(found.groups()) if at != 3))

        def test(entry: Entry) -> bool:
            return _compare(op, digits(entry.get(name, "")), wanted)

        low, high = _near(value) if name != "time_generated" else (wanted, wanted)
        match op:
            case "geq" | "gt":
                return Query(test, low=low)
            case "leq" | "lt":
                return Query(test, high=high)
            case "eq":
                return Query(test, low, high)
            case _:
                raise self._refused()


def _near(stamp: str) -> tuple[int, int]:
    """Return between which times an entry was generated that was received at a time: a day."""
    try:
        time = datetime.strptime(stamp, _FORM).replace(tzinfo=UTC)
    except ValueError:  # no such day: it compares as text does
        return 0, 99999999999999
    ends = (time - timedelta(days=1), time + timedelta(days=1))
    return digits(ends[0].strftime(_FORM)), digits(ends[1].strftime(_FORM))


def digits(stamp: str) -> int:
    """Return a stamp such as ``2026/11/02 00:01:17`` as a number that compares."""
    return int(re.sub(r"\D", "", stamp) or 0)


def _and(first: Test, second: Test) -> Test:
    return lambda entry: first(entry) and second(entry)


def _or(first: Test, second: Test) -> Test:
    return lambda entry: first(entry) or second(entry)


def _severity(word: str) -> int:
    return _SEVERITIES.index(word) if word in _SEVERITIES else -1


def _compare(op: str, left: int, right: int) -> bool:
    match op:
        case "geq":
            return left >= right
        case "leq":
            return left <= right
        case "gt":
            return left > right
        case "lt":
            return left < right
        case _:
            return left == right


@lru_cache(maxsize=65536)
def _within(address: str, network: str) -> bool:
    try:
        return ip_address(address) in ip_network(network)
    except ValueError:
        return False
