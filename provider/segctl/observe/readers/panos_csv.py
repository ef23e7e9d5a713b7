"""PAN-OS syslog CSV of every release, traffic and threat, with or without a syslog header.

Columns 1 to 46 have not moved since 2012, those up to 66 only been added to: what is read here is
found by its place. Links of SD-WAN stand in braces from column 70 on and move what follows, so the
exact time is found by its form.
"""

from __future__ import annotations

import re
from datetime import UTC
from operator import itemgetter
from sys import intern
from typing import TYPE_CHECKING, Final, NamedTuple

from segctl.observe.observation import Observation
from segctl.observe.readers.base import (
    Reader,
    RefusedError,
    Sign,
    clipped,
    fields_of,
    number,
    port_of,
)
from segctl.observe.readers.panos_fields import (
    Ends,
    Said,
    Shape,
    category_of,
    common_of,
    group_of,
)
from segctl.observe.times import SECONDS, moment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segctl.observe.observation import Group
    from segctl.observe.readers.base import Context
    from segctl.observe.readers.panos_fields import Common
    from segctl.observe.sources import Text

#: Types of records; all but the first two are not about traffic that a rule judged.
_TYPES: Final = (
    *("TRAFFIC", "THREAT", "SYSTEM", "CONFIG", "USERID", "HIPMATCH", "GLOBALPROTECT", "AUTH"),
    *("DECRYPTION", "IPTAG", "CORRELATION", "GTP", "SCTP", "TUNNEL", "URL", "DATA", "WILDFIRE"),
)
_START: Final = re.compile(
    rf"(\d{{4}}/\d\d/\d\d \d\d:\d\d:\d\d),([^,]*),({'|'.join(_TYPES)}),", re.ASCII
)
_LOCAL: Final = re.compile(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d", re.ASCII)
_EXACT: Final = re.compile(
    r",(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(?:[+-]\d\d:\d\d|Z))(?:,|$)", re.ASCII
)
#: Columns from the type (4) to how the session ended (47); the rest stays in one piece, in which
#: the rule's UUID (66) is after so many others.
_SPLIT: Final = 44
_BEFORE_UUID: Final = 18
_NEEDED: Final = 43
_FIRST: Final = 4


def _at(column: int) -> int:
    return column - _FIRST


#: Addresses, and what many records have in common.
_ADDRESSES: Final = itemgetter(*map(_at, (8, 9, 10, 11)))
_SHAPE: Final = itemgetter(*map(_at, (5, 12, 13, 15, 16, 17, 18, 26, 30, 31)))
_GENERATED, _SESSION, _REPEAT, _SPORT = _at(7), _at(23), _at(24), _at(25)
_BYTES, _ELAPSED, _SEQNO, _REASON = _at(32), _at(37), _at(40), _at(47)
_VERSION, _VSYS, _SUBTYPE, _APP = _at(6), _at(16), _at(5), _at(15)
#: Of threat records.
_THREATID, _SEVERITY, _THREAT_SEQNO, _THREAT_UUID = _at(33), _at(35), _at(37), _at(77)
_DIRECTION, _CATEGORY = _at(36), _at(70)
_REMEMBERED: Final = 300_000


def _claims(head: str) -> int:
    return sum(1 for line in head.splitlines()[:200] if _START.search(line))


def _read(text: Text, context: Context) -> Iterator[Observation]:
    return _Lines(context).read(text)


READER: Final = Reader(name="PAN-OS syslog", claims=_claims, read=_read, apart=True)


class _Known(NamedTuple):
    """What records of one shape and rule have in common, and their groups by their addresses."""

    uuid: str
    common: Common
    groups: dict[tuple[str, ...], Group]


class _Lines:
    """Reads lines one after the other; what many lines have in common is made once.

    A million lines have to pass here: names are looked up once, and what can wait does.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._file = context.file
        self._shapes: dict[tuple[str, ...], _Known] = {}
        self._groups = 0
        self._sessions = context.sessions
        self._seen = context.seen.again
        self._minutes = context.clock.minutes

    def read(self, text: Text) -> Iterator[Observation]:
        """Yield what the lines say."""
        count = 0
        try:
            for line in text.lines():
                count += 1
                try:
                    found = self._traffic(line)
                except (IndexError, ValueError) as error:
                    self._file.refuse(_why(error), count, line)
                    continue
                if found is not None:
                    yield found
        finally:
            self._file.lines += count

    def _traffic(self, line: str) -> Observation | None:
        at = line.find(",TRAFFIC,")
        if at < 0:
            return self._other(line)
        comma = line.rfind(",", 0, at)
        serial = line[comma + 1 : at]
        columns = line[at + 1 :].split(",", _SPLIT)
        rest = columns[_SPLIT] if len(columns) > _SPLIT else ""
        if line.find('"', at, len(line) - len(rest)) >= 0:
            columns = _quoted(line[at + 1 :])
            rest = ",".join(columns[_SPLIT:])
        if len(columns) < _NEEDED:
            raise RefusedError("a record of traffic has fewer than 46 columns")
        shape = (serial, columns[_REASON] if len(columns) > _NEEDED else "", *_SHAPE(columns))
        ends = _ADDRESSES(columns)
        known = self._shapes.get(shape)
        if known is None or not _has(rest, known.uuid):
            known = self._known(shape, _uuid(rest))
        group = known.groups.get(ends)
        if group is None:
            group = self._group(known, ends)
        generated = columns[_GENERATED]
        base = self._minutes.get((serial, generated[:16]))
        second = SECONDS.get(generated[16:])
        if base is None or second is None:
            end = self._moment(serial, generated, line, comma)
        else:
            end = base + second
        sequence = columns[_SEQNO]  # 0 where the device did not count
        if len(sequence) > 1 and sequence.isdigit() and self._seen(serial, int(sequence)):
            self._file.duplicates += 1
            self._context.witnesses[group.witness].duplicates += 1
            return None
        return self._observation(group, end, serial, columns)

    def _observation(
        self, group: Group, end: float, serial: str, columns: list[str]
    ) -> Observation | None:
        elapsed, port, size = columns[_ELAPSED], columns[_SPORT], columns[_BYTES]
        repeat, subtype = columns[_REPEAT], columns[_SUBTYPE]
        observation = Observation(
            group,
            end - int(elapsed) if elapsed.isdigit() else end,
            end,
            int(port) if port < "6" and len(port) < 6 and port.isdigit() else port_of(port),
            1 if repeat == "1" else number(repeat) or 1,
            int(size) if len(size) < 20 and size.isdigit() else number(size),
        )
        if subtype == "start" or self._sessions:
            session = (serial, columns[_VSYS], columns[_SESSION])
            return self._sessions.joined(session, subtype, observation)
        return observation

    def _known(self, shape: tuple[str, ...], uuid: str) -> _Known:
        """Return what records of a shape have in common, remembered for those that follow."""
        shape = tuple(map(intern, shape))
        serial, reason, *others = shape
        common = common_of(Shape._make((self._context.witness(serial), *others, reason, uuid)))
        known = self._shapes[shape] = _Known(intern(uuid), common, {})
        return known

    def _group(self, known: _Known, ends: tuple[str, ...]) -> Group:
        """Return the group of a record, and remember it for records like it."""
        if self._groups >= _REMEMBERED:
            self._shapes.clear()
            self._groups = 0
        self._groups += 1
        ends = tuple(map(intern, ends))
        group = known.groups[ends] = group_of(known.common, Ends(*ends), self._context.addresses)
        return group

    def _moment(self, serial: str, generated: str, line: str, comma: int) -> float:
        """Return when a record was made, by the clock of its device."""
        end = self._context.clock.known(serial, generated)
        if end is None:
            exact = _EXACT.search(line)
            if not _LOCAL.fullmatch(generated):
                raise RefusedError("the time of a record is not one")
            end = self._context.clock.set(serial, generated, exact[1] if exact else "")
            self._told(serial, generated, line, comma, exact=exact is not None)
        return end

    def _told(self, serial: str, generated: str, line: str, comma: int, *, exact: bool) -> None:
        """Take down what a record tells of its device, once a minute of its clock."""
        told = line[comma + 1 :]
        columns = (_quoted(told) if '"' in told else told.split(","))[1:]
        host = _at(60) if columns[0] == "THREAT" else _at(53)
        sign = Sign(
            witness=self._context.witness(serial),
            assumed_zone=not exact,
            version=_release(columns[_VERSION]),
            host=clipped(columns[host]) if len(columns) > host else "",
            delay=_delay(generated, line[comma - 19 : comma]),
        )
        self._context.signs.take((serial, generated[:16]), sign)

    def _other(self, line: str) -> Observation | None:
        """Return what a line says that is not about traffic; None where that is nothing."""
        if not line.strip():
            return None
        found = _START.search(line)
        if found is None:
            raise RefusedError(_unknown(line))
        serial, kind = found[2], found[3]
        if kind != "THREAT":
            self._file.other(kind)
            return None
        columns = _quoted(line[found.start(3) :])
        if columns[_SUBTYPE] == "url":
            self._file.other("THREAT url")
            return None
        sequence, name = columns[_THREAT_SEQNO], f"\0threat {serial}"
        if len(sequence) > 1 and sequence.isdigit() and self._seen(name, int(sequence)):
            self._file.duplicates += 1
            return None
        uuid = columns[_THREAT_UUID] if len(columns) > _THREAT_UUID else ""
        category = columns[_CATEGORY] if len(columns) > _CATEGORY else ""
        common = common_of(
            Shape._make((serial, *_SHAPE(columns), "threat", uuid)),
            Said(
                threat=columns[_THREATID] or columns[_SUBTYPE],
                severity=columns[_SEVERITY],
                category=category_of(columns[_SUBTYPE], category),
                direction=columns[_DIRECTION],
            ),
        )
        group = group_of(common, Ends(*_ADDRESSES(columns)), self._context.addresses)
        end = self._moment(serial, columns[_GENERATED], line, found.start(2) - 1)
        return Observation(group, end, end, port_of(columns[_SPORT]), 0, 0)


def _delay(generated: str, received: str) -> float | None:
    """Return by how many seconds a record was received later; None where that is not told."""
    if not _LOCAL.fullmatch(received):
        return None
    try:
        return moment(received, UTC) - moment(generated, UTC)
    except ValueError:
        return None


def _has(rest: str, uuid: str) -> bool:
    """Whether the UUID of a rule stands in its place; without one, whether nothing does."""
    at = rest.find(f",{uuid},") if uuid else -1
    if at >= 0 and rest.count(",", 0, at) == _BEFORE_UUID - 1:
        return True
    return _uuid(rest) == uuid


def _uuid(rest: str) -> str:
    """Return the UUID of a rule, from the columns after how the session ended."""
    columns = rest.split(",", _BEFORE_UUID + 1)
    return columns[_BEFORE_UUID] if len(columns) > _BEFORE_UUID else ""


def _quoted(text: str) -> list[str]:
    """Return the columns of a line with quotes; collectors may have escaped them for JSON."""
    plain = text.replace('\\"', '"') if '\\"' in text else text
    return fields_of(plain)


def _release(version: str) -> str:
    """Return the release that column 6 stands for: 2562 is 10.2; empty for older and masked ones.

    Source: seen on genuine records; not documented.
    """
    value = int(version) if version.isdigit() and len(version) == 4 else 0
    major, minor = divmod(value, 256)
    return f"{major}.{minor}" if 8 <= major <= 13 and minor <= 2 else ""


def _unknown(line: str) -> str:
    if "CEF:" in line or "LEEF:" in line:
        return "it is CEF or LEEF: configure the default format, or export CSV"
    if line.startswith("{"):
        return "it is a record of the logging service in JSON, which segctl does not read"
    return "it is not a record of PAN-OS in its default format"


def _why(error: Exception) -> str:
    match error:
        case RefusedError():
            return str(error)
        case IndexError():
            return "a record has too few columns"
        case _:
            return "a time or a number of a record is not one"
