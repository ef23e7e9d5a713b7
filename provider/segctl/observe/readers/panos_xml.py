"""Answers of the PAN-OS API saved as files: logs of traffic and threats, and session tables."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from segctl.observe.observation import Observation
from segctl.observe.readers.base import Reader, RefusedError, number, port_of
from segctl.observe.readers.panos_fields import Ends, Shape, common_of, group_of
from segctl.observe.readers.panos_records import Records

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    from lxml import etree

    parser = etree.XMLPullParser(events=("end",), tag="entry", resolve_entities=False)
    records, count, logs = Records(context), 0, 0
    try:
        for block in text.bytes():
            parser.feed(block)
            for _, entry in parser.read_events():
                parent = entry.getparent()
                if parent is None or parent.tag not in {"logs", "result"}:
                    continue
                count += 1
                logs += parent.tag == "logs"
                try:
                    found = _observation(entry, parent.tag, records, context)
                except RefusedError as error:
                    context.file.refuse(str(error), entry.sourceline or 0, _told(entry))
                else:
                    if found is not None:
                        yield found
                entry.clear(keep_tail=False)
                while entry.getprevious() is not None:
                    del parent[0]
    except etree.XMLSyntaxError as error:
        context.file.cut = f"the XML is cut off or broken: {error.msg}"
    context.file.lines += count
    if logs == LOGS_AT_MOST:
        context.file.cut = f"it has {logs:,} records, where a query of logs ends"
    yield from records.rest()


READER: Final = Reader(name="PAN-OS XML", claims=_claims, read=_read)


def _told(entry: Any) -> str:
    return " ".join(f"{one.tag}={one.text or ''}" for one in list(entry)[:12])


def _observation(entry: Any, parent: str, records: Records, context: Context) -> Observation | None:
    fields = {one.tag: one.text or "" for one in entry if isinstance(one.tag, str)}
    return records.observation(fields) if parent == "logs" else _session(fields, context)


def _session(fields: dict[str, str], context: Context) -> Observation:
    """Return a session that is open: the log tells of it only when it ends."""
    denied = fields.get("state", "").upper() in {"DISCARD", "DISC"}
    common = common_of(
        Shape(
            serial=_TABLE,
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
    return Observation(group, start, start, port_of(fields.get("sport", "")), 1, size)


def _start(text: str, context: Context) -> float:
    context.witnesses[_TABLE].assumed_zone = True
    try:
        when = datetime.strptime(" ".join(text.split()), "%a %b %d %H:%M:%S %Y")
    except ValueError:
        raise RefusedError("the time of a record is not one") from None
    return when.replace(tzinfo=context.clock.zone).timestamp()
