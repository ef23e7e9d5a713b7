"""Answers of the PAN-OS API saved as files: logs of traffic and threats, and session tables."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from segctl.observe.observation import Observation
from segctl.observe.readers.base import Reader, RefusedError, number, port_of
from segctl.observe.readers.panos_fields import Ends, Shape, common_of, group_of
from segctl.observe.readers.panos_records import Records
from segctl.observe.readers.xml_elements import elements, line_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from segctl.observe.readers.base import Context
    from segctl.observe.sources import Text

#: A query of logs ends here.
LOGS_AT_MOST: Final = 5000
_TABLE: Final = "a session table"


def _claims(head: str) -> int:
    if not head.lstrip().startswith(("<response", "<?xml")) or "<response" not in head:
        return 0
    logs = "<logs" in head or "<log>" in head
    return 100 if logs or ("<entry" in head and "<security-rule>" in head) else 0


def _read(text: Text, context: Context) -> Iterator[Observation]:
    records, count, logs, told = Records(context), 0, 0, ""
    for entry in elements(text, context, "entry"):
        parent = entry.getparent()
        kind = parent.tag if parent is not None else ""
        if kind not in {"logs", "result"}:
            continue
        count += 1
        if parent is not None and kind == "logs":
            logs, told = logs + 1, told or parent.get("count", "")
        fields = {str(one.tag): one.text or "" for one in entry}
        try:
            found = records.observation(fields) if kind == "logs" else session_of(fields, context)
        except RefusedError as error:
            shown = " ".join(f"{name}={value}" for name, value in fields.items())
            context.file.refuse(str(error), line_of(entry), shown)
            continue
        if found is not None:
            yield found
    context.file.lines += count
    if logs == LOGS_AT_MOST:
        context.file.cut = f"it has {logs:,} records, where a query of logs ends"
    elif told.isdigit() and int(told) != logs and not context.file.cut:
        context.file.cut = f"it says that it has {told} records, and has {logs:,}"


READER: Final = Reader(name="PAN-OS XML", claims=_claims, read=_read)


def session_of(fields: Mapping[str, str], context: Context) -> Observation | None:
    """Return a session that is open: the log tells of it only when it ends.

    When a file was made is not known, so that in one a session was last seen when it began.

    Raises:
        RefusedError: a field cannot be what it must be.
    """
    denied = fields.get("state", "").upper() in {"DISCARD", "DISC"}
    answer = context.answer
    common = common_of(
        Shape(
            serial=context.witness(_TABLE),
            subtype="end",
            rule=fields.get("security-rule", ""),
            srcuser=fields.get("src-user", ""),
            app=fields.get("application", ""),
            vsys=fields.get("vsys", ""),
            from_zone=fields.get("from", ""),
            to_zone=fields.get("to", ""),
            dport=fields.get("dport", ""),
            proto=fields.get("proto", ""),
            action="deny" if denied else "allow",
            session_end_reason="open",
        )
    )
    ends = Ends(
        src=fields.get("source", ""),
        dst=fields.get("dst", ""),
        natsrc=fields.get("xsource", ""),
        natdst=fields.get("xdst", ""),
    )
    group = group_of(common, ends, context.addresses)
    start = _start(fields.get("start-time", ""), context)
    size = number(fields.get("total-byte-count", ""))
    end = start if answer is None else max(start, answer.last)
    one = Observation(group, start, end, port_of(fields.get("sport", "")), 1, size)
    if answer is None or not fields.get("idx"):
        return one
    # it may have been logged when it began
    return context.sessions.joined(
        (answer.serial, fields.get("vsys", ""), fields["idx"]), "end", one
    )


def _start(text: str, context: Context) -> float:
    context.witnesses[context.witness(_TABLE)].assumed_zone |= context.answer is None
    try:
        when = datetime.strptime(f"{' '.join(text.split())} +0000", "%a %b %d %H:%M:%S %Y %z")
    except ValueError:
        raise RefusedError("the time of a record is not one") from None
    return when.replace(tzinfo=context.clock.zone).timestamp()
