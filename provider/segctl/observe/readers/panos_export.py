"""CSV as the web interface of PAN-OS exports it: found by its header, in any release's words.

Source: the header of an export of PAN-OS 6; later releases add columns, some with their raw names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from segctl.observe.readers.base import Reader, RefusedError, fields_of
from segctl.observe.readers.panos_records import Records

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from segctl.observe.observation import Observation
    from segctl.observe.readers.base import Context
    from segctl.observe.sources import Text

#: Names in the header, in lower case, by the names of the fields.
_WORDS: Final[Mapping[str, str]] = {
    "receive time": "receive_time",
    "serial #": "serial",
    "serial": "serial",
    "serial number": "serial",
    "type": "type",
    "threat/content type": "subtype",
    "config version": "config_ver",
    "generate time": "time_generated",
    "source address": "src",
    "destination address": "dst",
    "nat source ip": "natsrc",
    "nat destination ip": "natdst",
    "rule": "rule",
    "source user": "srcuser",
    "application": "app",
    "virtual system": "vsys",
    "source zone": "from",
    "destination zone": "to",
    "session id": "sessionid",
    "repeat count": "repeatcnt",
    "source port": "sport",
    "destination port": "dport",
    "ip protocol": "proto",
    "action": "action",
    "bytes": "bytes",
    "start time": "start",
    "elapsed time (sec)": "elapsed",
    "session end reason": "session_end_reason",
    "rule uuid": "rule_uuid",
    "threat/content name": "threatid",
    "threat id": "threatid",
    "severity": "severity",
    "direction": "direction",
    "threat category": "thr_category",
    "device name": "device_name",
    "high resolution timestamp": "high_res_timestamp",
}
#: Raw names, as the log API and later exports have them.
_RAW: Final = frozenset({*_WORDS.values(), "threatid", "tid", "seqno"})
#: An export ends here without a word. Source: max-rows-in-csv-export of the schema: what it is by
#: itself, and at most.
CUT_AT: Final = (65_535, 1_048_576)


def _claims(head: str) -> int:
    lines = head.splitlines()
    names = set(_names(lines[0])) if lines else set[str]()
    return len(lines) + 1 if {"src", "dst", "type", "subtype"} <= names else 0


def _names(line: str) -> list[str]:
    try:
        parts = fields_of(line)
    except RefusedError:
        return []
    words = (part.strip().lower() for part in parts)
    return [_WORDS.get(word, word if word in _RAW else "") for word in words]


def _read(text: Text, context: Context) -> Iterator[Observation]:
    records, count, rows, names = Records(context), 0, 0, list[str]()
    for line in text.lines():
        count += 1
        if not names:
            names = _names(line)
            continue
        if not line:
            continue
        rows += 1
        try:
            found = records.observation(_record(names, line))
        except RefusedError as error:
            context.file.refuse(str(error), count, line)
            continue
        if found is not None:
            yield found
    context.file.lines += count
    if rows in CUT_AT:
        context.file.cut = f"it has {rows:,} rows, where an export ends without a word"


def _record(names: list[str], line: str) -> dict[str, str]:
    values = fields_of(line)
    if len(values) != len(names):
        raise RefusedError("a row has not as many fields as its header")
    return dict(zip(names, values, strict=True))


READER: Final = Reader(name="PAN-OS export", claims=_claims, read=_read)
