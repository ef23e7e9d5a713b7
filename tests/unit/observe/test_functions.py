"""Function evidence: classes exactly as the catalogue has them, and none for what it has not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from segctl.observe import functions as of
from segctl.observe.functions import MOST_FUNCTIONS, function_of, functions_of
from segctl.observe.observation import Function
from segctl.observe.readers.zeek_functions import LOGS, is_request
from segctl.protocols.catalogue import catalogue

if TYPE_CHECKING:
    from collections.abc import Mapping

#: A request of each log, with what it asks for and the application of the catalogue.
REQUESTS: list[tuple[str, dict[str, str], str, str]] = [
    ("modbus", {"func": "READ_COILS"}, "modbus", "modbus-read-coils"),
    ("modbus", {"func": "WRITE_SINGLE_COIL_EXCEPTION"}, "modbus", "modbus-write-single-coil"),
    ("modbus", {"func": "unknown-131"}, "modbus", "modbus-read-holding-registers"),
    ("modbus_detailed", {"func": "DIAGNOSTICS"}, "modbus", "modbus-diagnostics"),
    ("dnp3", {"fc_request": "OPERATE", "fc_reply": "RESPONSE"}, "dnp3", "dnp3-operate"),
    ("dnp3_control", {"function_code": "SELECT", "is_orig": "T"}, "dnp3", "dnp3-select"),
    ("dnp3_objects", {"function_code": "READ", "is_orig": "T"}, "dnp3", "dnp3-read"),
    ("iec104", {"asdu_type": "45"}, "iec-60870-5-104", "104asdu-process-control-type45"),
    ("iec104", {"asdu_type": "100"}, "iec-60870-5-104", "104asdu-system-control-type100"),
    (
        "s7comm",
        {"rosctr_name": "Job-Request", "function_name": "Read Variable"},
        "s7comm",
        "siemens-s7-read",
    ),
    (
        "s7comm",
        {
            "rosctr_name": "Job-Request",
            "function_name": "PLC Control",
            "subfunction_code": "P_PROGRAM",
        },
        "s7comm",
        "siemens-s7-start",
    ),
    (
        "s7comm",
        {
            "rosctr_name": "User-Data",
            "function_name": "Request: Time Functions",
            "subfunction_name": "Set Clock",
        },
        "s7comm",
        "siemens-s7-set-clock",
    ),
    (
        "s7comm_plus",
        {"opcode_name": "Request", "function_name": "Set Variable"},
        "s7comm-plus",
        "siemens-s7-comm-plus-set-var",
    ),
    (
        "cip",
        {"direction": "request", "cip_service": "Write Data", "class_name": "unknown"},
        "cip-ethernet-ip",
        "cip-ethernet-ip-write-tag",
    ),
    (
        "enip",
        {"enip_command": "Register Session"},
        "cip-ethernet-ip",
        "cip-ethernet-ip-reg-session",
    ),
    (
        "bacnet",
        {"pdu_type": "CONFIRMED_REQUEST", "pdu_service": "reinitialize_device"},
        "bacnet-ip",
        "bacnet-reinitialize-device",
    ),
    (
        "bacnet",
        {"pdu_type": "CONFIRMED_REQUEST", "pdu_service": "write_property_multiple"},
        "bacnet-ip",
        "bacnet-write-prop-multiple",
    ),
    ("opcua_binary", {"req_identifier_str": "WriteRequest"}, "opc-ua", "opc-ua-write-req"),
    (
        "opcua_binary",
        {"req_identifier_str": "BrowseNextRequest"},
        "opc-ua",
        "opc-ua-browse-next-req",
    ),
]


@pytest.mark.parametrize(("log", "row", "protocol", "application"), REQUESTS)
def test_a_request_has_the_class_of_its_application(
    log: str, row: dict[str, str], protocol: str, application: str
) -> None:
    assert is_request(row)
    asked = LOGS[log].function(row)
    assert asked is not None
    found = function_of(*asked)
    known = catalogue().application(application)
    assert known is not None
    assert (found.protocol, found.access_class) == (protocol, known.access_class)


@pytest.mark.parametrize(
    ("log", "row"),
    [
        ("modbus", {"func": "unknown-100"}),
        ("modbus", {"func": "unknown-90"}),  # UMAS, whose function is in a code of its own
        ("modbus", {"func": "READ_EXCEPTION_STATUS"}),
        ("dnp3", {"fc_request": "ACTIVATE_CONFIG"}),
        ("iec104", {"asdu_type": "200"}),
        ("s7comm", {"rosctr_name": "Job-Request", "function_name": "PLC Control"}),
        ("cip", {"cip_service": "Set Attributes Single", "class_name": "Identity"}),
        ("cip", {"cip_service": "unknown", "cip_service_code": "0x5c"}),
        ("bacnet", {"pdu_type": "UNCONFIRMED_REQUEST", "pdu_service": "you_are"}),
        ("opcua_binary", {"req_identifier_str": "CreateMonitoredItemsRequest"}),
    ],
)
def test_what_the_catalogue_does_not_have_is_open(log: str, row: dict[str, str]) -> None:
    asked = LOGS[log].function(row)
    assert asked is not None
    assert not function_of(*asked).access_class


@pytest.mark.parametrize(
    ("log", "row"),
    [
        ("modbus", {"func": "READ_COILS", "pdu_type": "RESP"}),
        ("modbus_detailed", {"func": "READ_COILS", "request_response": "RESPONSE"}),
        ("cip", {"direction": "response", "cip_service": "Write Data"}),
        ("dnp3", {"fc_reply": "UNSOLICITED_RESPONSE"}),
        ("dnp3_control", {"function_code": "RESPONSE"}),
        ("s7comm", {"rosctr_name": "ACK-Data", "function_name": "Write Variable"}),
        ("s7comm", {"rosctr_name": "User-Data", "function_name": "Response: Time Functions"}),
        ("s7comm_plus", {"opcode_name": "Response", "function_name": "Set Variable"}),
        ("bacnet", {"pdu_type": "COMPLEX_ACK", "pdu_service": "read_property"}),
        ("opcua_binary", {"res_identifier_str": "WriteResponse"}),
        ("enip", {"enip_command": "Send Unit Data"}),  # what it carries has a row of its own
        ("cip", {"cip_service": "Multiple Service Packet", "direction": "request"}),
    ],
)
def test_replies_and_carriers_are_no_evidence(log: str, row: dict[str, str]) -> None:
    assert not is_request(row) or LOGS[log].function(row) is None


def test_one_code_is_two_services() -> None:
    assert of.cip_service("Read Write Modify Data", "Connection Manager") == "Forward Close"
    assert function_of(of.CIP, "Read Write Modify Data").access_class == "write"
    assert not function_of(of.CIP, "Forward Close").access_class


def test_every_application_that_functions_are_looked_up_by_is_in_the_catalogue() -> None:
    tables: Mapping[str, Mapping[str, Any]] = of.TABLES
    known = catalogue()
    for protocol, table in tables.items():
        for name, application in table.items():
            owner = known.protocol_of(application)
            assert owner is not None, application
            assert owner.id == protocol
            assert function_of(protocol, name).access_class


def test_of_very_many_functions_the_rest_is_open() -> None:
    many = [Function("modbus", f"f{number:03d}", "read") for number in range(200)]
    kept = functions_of(many)
    assert len(kept) == MOST_FUNCTIONS + 1
    assert not kept[-1].access_class
