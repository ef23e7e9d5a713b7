"""What a PAN-OS firewall told when it was asked: entries of logs, rows of reports, open sessions.

Each line is an entry, with the names of the XML API (`segctl.providers.watching`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from segctl.observe.observation import Observation
from segctl.observe.readers.base import Reader, RefusedError, number
from segctl.observe.readers.json_objects import objects
from segctl.observe.readers.panos_fields import Ends, common_of, group_of
from segctl.observe.readers.panos_records import Records, shape_of
from segctl.observe.readers.panos_xml import session_of
from segctl.observe.times import STEP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from segctl.observe.readers.base import Context
    from segctl.observe.sources import Text

    Entry = Mapping[str, str]


def _nowhere(_head: str) -> int:
    """Claim no file: only devices tell in this form."""
    return 0


def _each(
    text: Text, context: Context, make: Callable[[Entry], Observation | None]
) -> Iterator[Observation]:
    for count, line, entry in objects(text, context):
        told = {name: value for name, value in entry.items() if isinstance(value, str)}
        try:
            found = make(told)
        except RefusedError as error:
            context.file.refuse(str(error), count, line)
            continue
        if found is not None:
            yield found


def _log(text: Text, context: Context) -> Iterator[Observation]:
    return _each(text, context, Records(context).observation)


def _table(text: Text, context: Context) -> Iterator[Observation]:
    return _each(text, context, lambda entry: session_of(entry, context))


def _report(text: Text, context: Context) -> Iterator[Observation]:
    heard: set[tuple[int, int]] = set()

    def row(entry: Entry) -> Observation:
        serial = context.witness(entry.get("serial", ""))
        allowed = entry.get("action", "") == "allow"
        common = common_of(shape_of(serial, "end" if allowed else "deny", entry))
        ends = Ends(*(entry.get(name, "") for name in Ends._fields))
        group = group_of(common, ends, context.addresses)
        first, last = number(entry.get("first", "")), number(entry.get("last", ""))
        if (first, last) not in heard:
            heard.add((first, last))
            for moment in range(first, last, STEP):
                context.witnesses[serial].heard(float(moment))
        sessions, size = number(entry.get("repeatcnt", "")), number(entry.get("bytes", ""))
        return Observation(group, float(first), float(last), 0, sessions or 1, size)

    return _each(text, context, row)


LOG: Final = Reader(name="PAN-OS log API", claims=_nowhere, read=_log)
REPORT: Final = Reader(name="PAN-OS report", claims=_nowhere, read=_report)
TABLE: Final = Reader(name="PAN-OS session table", claims=_nowhere, read=_table)
