"""Which function a row of one of Zeek's or ICSNPP's protocol logs asks for: requests only.

Replies are no evidence: a device may answer what it never does. Source of the fields: the logs of
the packages' own test traces.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from segctl.observe import functions as of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    #: A row by the names of its fields; unset ones are not there.
    Row = Mapping[str, str]

_REPLIES: Final = frozenset({"RESP", "RESPONSE", "REPLY", "UNSOLICITED_RESPONSE"})
_EXCEPTION: Final = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolLog:
    """A log of requests: the fields that only it has, its transport, and a row's function.

    `function` returns the id of a protocol and the name of the function, or None where the row
    asks for none. With `peers` either side may ask.
    """

    marks: frozenset[str]
    transport: str
    function: Callable[[Row], tuple[str, str] | None]
    peers: bool = False


def _modbus(row: Row) -> tuple[str, str] | None:
    name = row.get("func", "").removesuffix("_EXCEPTION")
    word, _, code = name.rpartition("-")
    if word == "unknown" and code.isdigit():
        number = int(code) - _EXCEPTION if int(code) >= _EXCEPTION else int(code)
        name = of.MODBUS_CODES.get(number, f"unknown-{number}")
        if number == 90:  # Schneider's UMAS, which says in its own code what it does
            return of.UMAS, name
    return (of.MODBUS, name) if name else None


def _dnp3(row: Row) -> tuple[str, str] | None:
    name = row.get("fc_request") or row.get("function_code", "")
    return (of.DNP3, name) if name and name not in _REPLIES else None


def _enip(row: Row) -> tuple[str, str] | None:
    name = row.get("enip_command", "")
    carries = name.upper().startswith("SEND ")  # what it carries has rows in cip.log
    return (of.CIP, name) if name and not carries else None


def _cip(row: Row) -> tuple[str, str] | None:
    name = of.cip_service(row.get("cip_service", ""), row.get("class_name", ""))
    if name == "unknown":
        name = f"unknown-{row.get('cip_service_code', '')}"
    return (of.CIP, name) if name and (of.CIP, name.upper()) not in of.CARRIERS else None


def _s7comm(row: Row) -> tuple[str, str] | None:
    kind, name = row.get("rosctr_name") or row.get("rosctr", ""), row.get("function_name", "")
    if kind == "Job-Request":
        if name == "PLC Control":
            name = f"{name}: {row.get('subfunction_code', '')}"
        return (of.S7, name) if name else None
    if kind == "User-Data" and name.startswith("Request: "):
        inner = row.get("subfunction_name", "unknown")
        return of.S7, f"{name.removeprefix('Request: ')}: {inner}"
    return None


def _s7plus(row: Row) -> tuple[str, str] | None:
    name = row.get("function_name", "")
    return (of.S7PLUS, name) if name and row.get("opcode_name") == "Request" else None


def _bacnet(row: Row) -> tuple[str, str] | None:
    kind, name = row.get("pdu_type", "CONFIRMED_REQUEST"), row.get("pdu_service", "")
    return (of.BACNET, name) if name and kind.endswith("_REQUEST") else None


def _opcua(row: Row) -> tuple[str, str] | None:
    name = row.get("req_identifier_str", "")
    return (of.OPCUA, name) if name.endswith("Request") else None


def _iec104(row: Row) -> tuple[str, str] | None:
    kind = row.get("asdu_type") or row.get("type_id") or row.get("typeid", "")
    return (of.IEC104, kind) if kind else None


#: Logs by their name. Others tell nothing of functions, and are left out.
LOGS: Final[Mapping[str, ProtocolLog]] = {
    "modbus": ProtocolLog(marks=frozenset({"func"}), transport="tcp", function=_modbus),
    "modbus_detailed": ProtocolLog(
        marks=frozenset({"func", "matched"}), transport="tcp", function=_modbus
    ),
    "dnp3": ProtocolLog(marks=frozenset({"fc_request"}), transport="tcp", function=_dnp3),
    "dnp3_control": ProtocolLog(
        marks=frozenset({"trip_control_code", "function_code"}), transport="tcp", function=_dnp3
    ),
    "dnp3_objects": ProtocolLog(
        marks=frozenset({"object_type", "function_code"}), transport="tcp", function=_dnp3
    ),
    "enip": ProtocolLog(marks=frozenset({"enip_command"}), transport="tcp", function=_enip),
    "cip": ProtocolLog(marks=frozenset({"cip_service"}), transport="tcp", function=_cip),
    "s7comm": ProtocolLog(marks=frozenset({"rosctr_name"}), transport="tcp", function=_s7comm),
    "s7comm_upload_download": ProtocolLog(
        marks=frozenset({"blocklength", "function_name"}), transport="tcp", function=_s7comm
    ),
    "s7comm_plus": ProtocolLog(marks=frozenset({"opcode_name"}), transport="tcp", function=_s7plus),
    "bacnet": ProtocolLog(
        marks=frozenset({"pdu_service", "bvlc_function"}),
        transport="udp",
        function=_bacnet,
        peers=True,
    ),
    "bacnet_device_control": ProtocolLog(
        marks=frozenset({"pdu_service", "device_state"}), transport="udp", function=_bacnet
    ),
    "opcua_binary": ProtocolLog(
        marks=frozenset({"req_identifier_str"}), transport="tcp", function=_opcua
    ),
    "iec104": ProtocolLog(marks=frozenset({"asdu_type"}), transport="tcp", function=_iec104),
    "iec60870_5_104": ProtocolLog(
        marks=frozenset({"asdu_type"}), transport="tcp", function=_iec104
    ),
}
#: Log of IEC 104 have the type of what either side sends: monitored values are what is read.
EITHER_SIDE: Final = frozenset({"iec104", "iec60870_5_104"})
_DIRECTIONS: Final = ("pdu_type", "request_response", "network_direction", "direction")


def is_request(row: Row) -> bool:
    """Whether a row says nothing that makes it a reply."""
    return not any(row.get(name, "").upper() in _REPLIES for name in _DIRECTIONS)
