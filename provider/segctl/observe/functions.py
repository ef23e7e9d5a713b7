"""Functions of industrial protocols, as sensors name them, with the catalogue's access class.

Each function is looked up as the application that the catalogue has for it, and its class is that
application's: no class is decided here. What the catalogue does not have is open.

Sources of names: Zeek base/protocols/{modbus,dnp3}/consts.zeek; cisagov/icsnpp-{s7comm,enip,bacnet,
opcua-binary} scripts/consts.zeek; codes of DNP3 from IEEE 1815, table 4-1; types of IEC 104 from
IEC 60870-5-101, 7.2.1.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final

from segctl.observe.observation import Function
from segctl.protocols.catalogue import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MODBUS, UMAS, DNP3, IEC104 = "modbus", "umas", "dnp3", "iec-60870-5-104"
S7, S7PLUS, CIP, BACNET, OPCUA = "s7comm", "s7comm-plus", "cip-ethernet-ip", "bacnet-ip", "opc-ua"
#: Messages that only carry others, which have rows of their own.
CARRIERS: Final = frozenset({(CIP, "MULTIPLE SERVICE PACKET")})

_MODBUS: Final = {
    "READ_COILS": "modbus-read-coils",
    "READ_DISCRETE_INPUTS": "modbus-read-discrete-inputs",
    "READ_HOLDING_REGISTERS": "modbus-read-holding-registers",
    "READ_INPUT_REGISTERS": "modbus-read-input-registers",
    "READ_FIFO_QUEUE": "modbus-read-fifo-queue",
    "WRITE_SINGLE_COIL": "modbus-write-single-coil",
    "WRITE_SINGLE_REGISTER": "modbus-write-single-register",
    "WRITE_MULTIPLE_COILS": "modbus-write-multiple-coils",
    "WRITE_MULTIPLE_REGISTERS": "modbus-write-multiple-registers",
    "MASK_WRITE_REGISTER": "modbus-mask-write-register",
    "READ_WRITE_MULTIPLE_REGISTERS": "modbus-read-write-register",
    "READ_FILE_RECORD": "modbus-read-file-record",
    "WRITE_FILE_RECORD": "modbus-write-file-record",
    "DIAGNOSTICS": "modbus-diagnostics",
    "REPORT_SLAVE_ID": "modbus-report-slave-id",
    "ENCAP_INTERFACE_TRANSPORT": "modbus-encapsulated-transport",
    "PROGRAM_584_984": "modbus-func-code-13",
}
#: Modbus functions by code, for sensors that give the code.
MODBUS_CODES: Final = {
    1: "READ_COILS",
    2: "READ_DISCRETE_INPUTS",
    3: "READ_HOLDING_REGISTERS",
    4: "READ_INPUT_REGISTERS",
    5: "WRITE_SINGLE_COIL",
    6: "WRITE_SINGLE_REGISTER",
    7: "READ_EXCEPTION_STATUS",
    8: "DIAGNOSTICS",
    11: "GET_COMM_EVENT_COUNTER",
    12: "GET_COMM_EVENT_LOG",
    13: "PROGRAM_584_984",
    15: "WRITE_MULTIPLE_COILS",
    16: "WRITE_MULTIPLE_REGISTERS",
    17: "REPORT_SLAVE_ID",
    20: "READ_FILE_RECORD",
    21: "WRITE_FILE_RECORD",
    22: "MASK_WRITE_REGISTER",
    23: "READ_WRITE_MULTIPLE_REGISTERS",
    24: "READ_FIFO_QUEUE",
    43: "ENCAP_INTERFACE_TRANSPORT",
}
#: DNP3 functions in the order of their codes, from 0, with their application.
_DNP3_ORDER: Final = (
    ("CONFIRM", "dnp3-confirm"),
    ("READ", "dnp3-read"),
    ("WRITE", "dnp3-write"),
    ("SELECT", "dnp3-select"),
    ("OPERATE", "dnp3-operate"),
    ("DIRECT_OPERATE", "dnp3-direct-operate"),
    ("DIRECT_OPERATE_NR", "dnp3-direct-operate-no-resp"),
    ("IMMED_FREEZE", "dnp3-freeze"),
    ("IMMED_FREEZE_NR", "dnp3-freeze-no-resp"),
    ("FREEZE_CLEAR", "dnp3-freeze-clear"),
    ("FREEZE_CLEAR_NR", "dnp3-freeze-clear-no-resp"),
    ("FREEZE_AT_TIME", "dnp3-freeze-at-time"),
    ("FREEZE_AT_TIME_NR", "dnp3-freeze-at-time-no-resp"),
    ("COLD_RESTART", "dnp3-cold-restart"),
    ("WARM_RESTART", "dnp3-warm-restart"),
    ("INITIALIZE_DATA", "dnp3-initialize-data"),
    ("INITIALIZE_APPL", "dnp3-initialize-application"),
    ("START_APPL", "dnp3-start-application"),
    ("STOP_APPL", "dnp3-stop-application"),
    ("SAVE_CONFIG", "dnp3-save-configuration"),
    ("ENABLE_UNSOLICITED", "dnp3-enable-unsolicited"),
    ("DISABLE_UNSOLICITED", "dnp3-disable-unsolicited"),
    ("ASSIGN_CLASS", "dnp3-assign-class"),
    ("DELAY_MEASURE", "dnp3-delay-measurement"),
    ("RECORD_CURRENT_TIME", "dnp3-record-current-time"),
    ("OPEN_FILE", "dnp3-open-file"),
    ("CLOSE_FILE", "dnp3-close-file"),
    ("DELETE_FILE", "dnp3-delete-file"),
    ("GET_FILE_INFO", "dnp3-get-file-information"),
    ("AUTHENTICATE_FILE", "dnp3-authenticate-file"),
    ("ABORT_FILE", "dnp3-abort-file"),
)
DNP3_CODES: Final = {code: name for code, (name, _) in enumerate(_DNP3_ORDER)}
_S7: Final = {
    "SETUP COMMUNICATION": "siemens-s7-setup-communication",
    "READ VARIABLE": "siemens-s7-read",
    "WRITE VARIABLE": "siemens-s7-write",
    "REQUEST DOWNLOAD": "siemens-s7-download-program",
    "DOWNLOAD BLOCK": "siemens-s7-download-program",
    "DOWNLOAD ENDED": "siemens-s7-download-program",
    "START UPLOAD": "siemens-s7-upload-program",
    "UPLOAD": "siemens-s7-upload-program",
    "END UPLOAD": "siemens-s7-upload-program",
    "PLC STOP": "siemens-s7-stop",
    "PLC CONTROL: P_PROGRAM": "siemens-s7-start",
    "PROGRAMMER CONTROLS: MODIFY VARIABLE": "siemens-s7-modify-variable",
    "PROGRAMMER CONTROLS: FORCE": "siemens-s7-force",
    "PROGRAMMER CONTROLS: BREAKPOINT": "siemens-s7-breakpoint",
    "PROGRAMMER CONTROLS: MEMORY RESET": "siemens-s7-memory-reset",
    "PROGRAMMER CONTROLS: BLOCK STATUS V2": "siemens-s7-block-status-v2",
    "BLOCK FUNCTIONS: LIST BLOCKS": "siemens-s7-list-blocks",
    "BLOCK FUNCTIONS: LIST BLOCKS OF TYPE": "siemens-s7-list-blocks-type",
    "BLOCK FUNCTIONS: GET BLOCK INFO": "siemens-s7-get-block-info",
    "CPU FUNCTIONS: MESSAGE SERVICE": "siemens-s7-message-service",
    "TIME FUNCTIONS: SET CLOCK": "siemens-s7-set-clock",
    "TIME FUNCTIONS: SET CLOCK (2)": "siemens-s7-set-clock",
    "MODE-TRANSITION: WARM RESTART": "siemens-s7-warm-restart",
    **{
        f"MODE-TRANSITION: {word}": "siemens-s7-mode-transition"
        for word in ("STOP", "RUN", "HOT RESTART", "HOLD", "COLD RESTART", "RUN_R", "UPDATE")
    },
}
_S7PLUS: Final = {
    "EXPLORE": "siemens-s7-comm-plus-explore",
    "CREATE OBJECT": "siemens-s7-comm-plus-create-ob",
    "DELETE OBJECT": "siemens-s7-comm-plus-delete-ob",
    "SET VARIABLE": "siemens-s7-comm-plus-set-var",
    "SET MULTI VARIABLES": "siemens-s7-comm-plus-set-mtvar",
    "GET LINK": "siemens-s7-comm-plus-get-link",
    "GET MULTI VARIABLES": "siemens-s7-comm-plus-get-mtvar",
    "GET VARIABLE SUB STREAMED": "siemens-s7-comm-plus-get-vsstr",
    "BEGIN SEQUENCE": "siemens-s7-comm-plus-begin-seq",
    "END SEQUENCE": "siemens-s7-comm-plus-end-seq",
    "INVOKE": "siemens-s7-comm-plus-invoke",
}
#: Services with an application of their own. Others travel in the same messages without one.
_CIP: Final = {
    "READ DATA": "cip-ethernet-ip-read-tag",
    "READ DATA FRAGMENTED": "cip-ethernet-ip-read-tag-frag",
    "WRITE DATA": "cip-ethernet-ip-write-tag",
    "WRITE DATA FRAGMENTED": "cip-ethernet-ip-write-tag-frag",
    "READ WRITE MODIFY DATA": "cip-ethernet-ip-read-mod-write",
    "LIST IDENTITY": "cip-ethernet-ip-list-identity",
    "REGISTER SESSION": "cip-ethernet-ip-reg-session",
}
#: Names of ICSNPP and of Suricata that are not those of the application with hyphens.
_BACNET_SHORT: Final = {
    "acknowledge-alarm": "ack-alarm",
    "confirmed-cov-notification": "confirmed-cov-notify",
    "confirmed-event-notification": "confirmed-event-notify",
    "confirmed-private-transfer": "confirmed-private-xfer",
    "device-communication-control": "device-comm-control",
    "read-property-conditional": "read-prop-conditional",
    "read-property-multiple": "read-prop-multiple",
    "unconfirmed-cov-notification": "unconfirmed-cov-notif",
    "unconfirmed-event-notification": "unconfirmed-event-notif",
    "unconfirmed-private-transfer": "unconfirmed-private-txfr",
    "write-property-multiple": "write-prop-multiple",
}
_OPCUA_OTHER: Final = {
    "find-servers": "find-server",
    "register-server": "register-servers",
    "unregister-nodes": "unregister-node",
}
#: Applications of the catalogue by the names of functions, for protocols with names of their own.
TABLES: Final[Mapping[str, Mapping[str, str]]] = {
    MODBUS: _MODBUS,
    DNP3: dict(_DNP3_ORDER),
    S7: _S7,
    S7PLUS: _S7PLUS,
    CIP: _CIP,
}
_WORD: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
#: So many different functions of one conversation are kept apart.
MOST_FUNCTIONS: Final = 64


@cache
def function_of(protocol: str, name: str) -> Function:
    """Return a function with the access class of the catalogue, none where it has none.

    Args:
        protocol: an id of the catalogue.
        name: as the sensor writes it.
    """
    known = catalogue()
    application = known.application(application_of(protocol, name))
    owner = known.protocol_of(application.name) if application is not None else None
    of_it = application is not None and owner is not None and owner.id == protocol
    access_class = application.access_class if application is not None and of_it else ""
    return Function(protocol, name[:80], access_class)


def functions_of(found: Iterable[Function]) -> tuple[Function, ...]:
    """Return functions in one order, each once; of very many, those beyond a bound are open."""
    kept = sorted(set(found))
    if len(kept) <= MOST_FUNCTIONS:
        return tuple(kept)
    protocol = kept[0].protocol
    return (*kept[:MOST_FUNCTIONS], Function(protocol, "more functions than are kept", ""))


def cip_service(name: str, class_name: str) -> str:
    """Return the name of a CIP service: one code means another one to the connection manager."""
    closes = class_name == "Connection Manager" and name == "Read Write Modify Data"
    return "Forward Close" if closes else name


def application_of(protocol: str, name: str) -> str:
    """Return the application that the catalogue would have for a function.

    Some sensors write the words of a name with underscores, as those of Suricata for CIP.
    """
    word = name.strip()
    if protocol == BACNET:
        plain = word.lower().replace("_", "-")
        return f"bacnet-{_BACNET_SHORT.get(plain, plain)}"
    if protocol == OPCUA:
        plain = _WORD.sub("-", word.removesuffix("Request")).lower()
        return f"opc-ua-{_OPCUA_OTHER.get(plain, plain)}-req"
    if protocol == IEC104:
        return _iec104(word)
    table, word = TABLES.get(protocol, {}), word.upper()
    return table.get(word) or table.get(word.replace("_", " "), "")


def _iec104(kind: str) -> str:
    """Return the application of a type of ASDU, by its number."""
    suffix = f"-type{int(kind)}" if kind.isascii() and kind.isdigit() and len(kind) < 4 else ""
    names = catalogue().protocols[IEC104].applications
    return next((one.name for one in names if suffix and one.name.endswith(suffix)), "")
