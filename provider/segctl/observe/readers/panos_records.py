"""Records of PAN-OS by the names of their fields: of exports, and of the log API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from segctl.observe.observation import Observation
from segctl.observe.readers.base import RefusedError, clipped, number, port_of
from segctl.observe.readers.panos_fields import (
    Ends,
    Said,
    Shape,
    category_of,
    common_of,
    group_of,
)
from segctl.observe.times import moment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segctl.observe.readers.base import Context

    Record = Mapping[str, str]

_NOBODY: Final = "a device without a serial number"


class Records:
    """Takes records one after the other."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._sessions = context.sessions

    def observation(self, record: Record) -> Observation | None:
        """Return what a record shows; None where it is not about traffic, or waits for its end.

        Raises:
            RefusedError: a field cannot be what it must be.
        """
        kind, subtype = record.get("type", "").upper(), record.get("subtype", "")
        if kind not in {"TRAFFIC", "THREAT"} or subtype == "url":
            self._context.file.other(f"{kind or 'without a type'} {subtype}".strip())
            return None
        serial = record.get("serial", "") or _NOBODY
        if self._again(kind, serial, record.get("seqno", "")):
            return None
        end = self._moment(serial, record)
        threat = kind == "THREAT"
        common = common_of(
            shape_of(self._context.witness(serial), "threat" if threat else subtype, record),
            _said(subtype, record) if threat else Said(),
        )
        ends = Ends(*(record.get(name, "") for name in Ends._fields))
        group = group_of(common, ends, self._context.addresses)
        port = port_of(record.get("sport", ""))
        if threat:
            return Observation(group, end, end, port, 0, 0)
        one = Observation(
            group,
            end - number(record.get("elapsed", "")),
            end,
            port,
            number(record.get("repeatcnt", "")) or 1,
            number(record.get("bytes", "")),
        )
        key = (serial, record.get("vsys", ""), record.get("sessionid", ""))
        return self._sessions.joined(key, subtype, one)

    def _again(self, kind: str, serial: str, sequence: str) -> bool:
        if not (sequence.isascii() and sequence.isdigit() and len(sequence) > 1):
            return False
        name = serial if kind == "TRAFFIC" else f"\0threat {serial}"
        if not self._context.seen.again(name, int(sequence)):
            return False
        self._context.file.duplicates += 1
        self._context.witnesses[self._context.witness(serial)].duplicates += 1
        return True

    def _moment(self, serial: str, record: Record) -> float:
        exact = record.get("high_res_timestamp", "")
        local = record.get("time_generated") or record.get("receive_time", "")
        witness = self._context.witnesses[self._context.witness(serial)]
        witness.assumed_zone |= not exact and self._context.answer is None
        if name := record.get("device_name"):
            witness.hosts.add(clipped(name))
        try:
            return moment(exact or local, self._context.clock.zone)
        except ValueError:
            raise RefusedError("the time of a record is not one") from None


def shape_of(serial: str, subtype: str, record: Record) -> Shape:
    """Return the fields of a record that many have in common, as seen by `serial`."""
    return Shape(
        serial=serial,
        subtype=subtype,
        rule=record.get("rule", ""),
        srcuser=record.get("srcuser", ""),
        app=record.get("app", ""),
        vsys=record.get("vsys", ""),
        from_zone=record.get("from", ""),
        to_zone=record.get("to", ""),
        dport=record.get("dport", ""),
        proto=record.get("proto", ""),
        action=record.get("action", ""),
        session_end_reason=record.get("session_end_reason", ""),
        rule_uuid=record.get("rule_uuid", ""),
    )


def _said(subtype: str, record: Record) -> Said:
    return Said(
        threat=record.get("threatid") or record.get("tid") or subtype,
        severity=record.get("severity", ""),
        category=category_of(subtype, record.get("thr_category", "")),
        direction=record.get("direction", ""),
    )
