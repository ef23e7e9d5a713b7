"""Protocols of made traffic: ports, the functions on the wire, how witnesses name them.

Sources. Modbus function codes and Zeek's words: Zeek ``base/protocols/modbus/consts.zeek``. DNP3:
Zeek ``base/protocols/dnp3/consts.zeek``. S7comm: ``icsnpp-s7comm`` ``scripts/consts.zeek``. CIP:
``icsnpp-enip`` ``scripts/consts.zeek``. BACnet: ``icsnpp-bacnet`` ``scripts/consts.zeek``.
Applications of PAN-OS: the vendor content in ``data/applications.txt``. Ports: IANA. Suricata's
names of applications: ``src/app-layer-protos.c``; of Modbus functions: ``rust/src/modbus``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Function:
    """One function: our name, what it does to a process, its code, and the words of witnesses."""

    name: str
    access: str
    code: int
    application: str
    zeek: str
    suricata: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """A protocol; `application` is what PAN-OS calls a session without a function.

    `before` are the applications that a session is on its way to that, and `service`,
    `suricata` what the sensors call it (empty: they do not know it). Who is sent something in a
    protocol that goes `one_way` never answers.
    """

    name: str
    transport: str
    port: int
    application: str
    before: tuple[str, ...] = ()
    service: str = ""
    suricata: str = ""
    container: str = ""
    access: str = "session"
    one_way: bool = False
    functions: Mapping[str, Function] = field(default_factory=dict[str, Function])

    def applications(self, functions: Iterable[str]) -> tuple[str, ...]:
        """Return what PAN-OS calls a session as it goes on, the last name last."""
        found = [*self.before]
        found += [self.functions[name].application for name in functions] or [self.application]
        return tuple(dict.fromkeys(found))

    def classes(self, functions: Iterable[str]) -> list[str]:
        """Return what a session does to a process, sorted: read, write, control, program."""
        return sorted({self.functions[name].access for name in functions}) or [self.access]


def _named(*rows: tuple[str, ...]) -> dict[str, Function]:
    """Return functions by their names; a row has the code as a number in hexadecimal."""
    found: dict[str, Function] = {}
    for name, access, code, application, zeek, *rest in rows:
        number = int(code, 16)
        found[name] = Function(name, access, number, application, zeek, rest[0] if rest else "")
    return found


MODBUS = _named(
    ("read-coils", "read", "01", "modbus-read-coils", "READ_COILS", "RdCoils"),
    (
        "read-discrete-inputs",
        "read",
        "02",
        "modbus-read-discrete-inputs",
        "READ_DISCRETE_INPUTS",
        "RdDiscreteInputs",
    ),
    (
        "read-holding-registers",
        "read",
        "03",
        "modbus-read-holding-registers",
        "READ_HOLDING_REGISTERS",
        "RdHoldRegs",
    ),
    (
        "read-input-registers",
        "read",
        "04",
        "modbus-read-input-registers",
        "READ_INPUT_REGISTERS",
        "RdInputRegs",
    ),
    (
        "write-single-coil",
        "write",
        "05",
        "modbus-write-single-coil",
        "WRITE_SINGLE_COIL",
        "WrSingleCoil",
    ),
    (
        "write-single-register",
        "write",
        "06",
        "modbus-write-single-register",
        "WRITE_SINGLE_REGISTER",
        "WrSingleReg",
    ),
    ("diagnostics", "diagnostic", "08", "modbus-diagnostics", "DIAGNOSTICS", "Diagnostic"),
    (
        "write-multiple-registers",
        "write",
        "10",
        "modbus-write-multiple-registers",
        "WRITE_MULTIPLE_REGISTERS",
        "WrMultRegs",
    ),
)
DNP3 = _named(
    ("read", "read", "01", "dnp3-read", "READ"),
    ("write", "write", "02", "dnp3-write", "WRITE"),
    ("select", "control", "03", "dnp3-select", "SELECT"),
    ("operate", "control", "04", "dnp3-operate", "OPERATE"),
    ("direct-operate", "control", "05", "dnp3-direct-operate", "DIRECT_OPERATE"),
    ("cold-restart", "control", "0d", "dnp3-cold-restart", "COLD_RESTART"),
)
S7COMM = _named(
    ("read", "read", "04", "siemens-s7-read", "Read Variable"),
    ("write", "write", "05", "siemens-s7-write", "Write Variable"),
    ("download", "program", "1a", "siemens-s7-download-program", "Request Download"),
    ("upload", "program", "1d", "siemens-s7-upload-program", "Start Upload"),
    ("stop", "control", "29", "siemens-s7-stop", "PLC Stop"),
)
CIP = _named(
    ("read-tag", "read", "4c", "cip-ethernet-ip-read-tag", "Read Data"),
    ("write-tag", "write", "4d", "cip-ethernet-ip-write-tag", "Write Data"),
    ("stop", "control", "07", "cip-ethernet-ip-stop", "Stop"),
)
BACNET = _named(
    ("read-property", "read", "0c", "bacnet-read-property", "read_property"),
    ("write-property", "write", "0f", "bacnet-write-property", "write_property"),
    ("reinitialize", "control", "14", "bacnet-reinitialize-device", "reinitialize_device"),
)
# No sensor here tells the functions of these two; PAN-OS tells those of MMS only.
IEC104 = _named(
    ("interrogate", "read", "64", "iec-60870-5-104-base", "C_IC_NA_1"),
    ("command", "control", "2d", "iec-60870-5-104-base", "C_SC_NA_1"),
)
MMS = _named(
    ("read", "read", "04", "mms-ics-read", "read"),
    ("write", "write", "05", "mms-ics-write", "write"),
    ("read-file", "file", "49", "mms-ics-file-read", "fileRead"),
)

PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            name="modbus",
            transport="tcp",
            port=502,
            application="modbus-base",
            before=("modbus-base",),
            service="modbus",
            suricata="modbus",
            container="modbus",
            functions=MODBUS,
        ),
        Protocol(
            name="dnp3",
            transport="tcp",
            port=20000,
            application="dnp3-base",
            before=("dnp3-base",),
            service="dnp3_tcp",
            suricata="dnp3",
            container="dnp3",
            functions=DNP3,
        ),
        Protocol(
            name="s7comm",
            transport="tcp",
            port=102,
            application="siemens-s7-base",
            before=("cotp", "siemens-s7-base"),
            service="cotp,s7comm",
            container="siemens-s7",
            functions=S7COMM,
        ),
        Protocol(
            name="cip",
            transport="tcp",
            port=44818,
            application="cip-ethernet-ip-base",
            before=("cip-ethernet-ip-reg-session", "cip-ethernet-ip-base"),
            service="enip",
            suricata="enip",
            container="cip-ethernet-ip",
            functions=CIP,
        ),
        Protocol(
            name="bacnet",
            transport="udp",
            port=47808,
            application="bacnet-base",
            before=("bacnet-base",),
            service="bacnet",
            container="bacnet",
            functions=BACNET,
        ),
        Protocol(
            name="iec104",
            transport="tcp",
            port=2404,
            application="iec-60870-5-104-base",
            container="iec-60870-5-104",
            functions=IEC104,
        ),
        Protocol(
            name="mms",
            transport="tcp",
            port=102,
            application="mms-ics-base",
            before=("cotp", "iec-61850-base", "mms-ics-base"),
            container="mms-ics",
            functions=MMS,
        ),
        Protocol(
            name="synchrophasor",
            transport="tcp",
            port=4712,
            application="ieee-c37.118-synchrophasor-base",
            container="ieee-c37.118-synchrophasor",
            access="read",
        ),
        Protocol(
            name="ntp",
            transport="udp",
            port=123,
            application="ntp-base",
            service="ntp",
            suricata="ntp",
            container="ntp",
        ),
        Protocol(
            name="dns",
            transport="udp",
            port=53,
            application="dns-base",
            service="dns",
            suricata="dns",
            container="dns",
        ),
        Protocol(
            name="syslog",
            transport="udp",
            port=514,
            application="syslog",
            service="syslog",
            one_way=True,
        ),
        Protocol(
            name="dhcp",
            transport="udp",
            port=67,
            application="dhcp",
            service="dhcp",
            suricata="dhcp",
        ),
        Protocol(
            name="snmp",
            transport="udp",
            port=161,
            application="snmpv2-get-request",
            before=("snmp-base",),
            service="snmp",
            suricata="snmp",
            container="snmp",
        ),
        Protocol(
            name="ssl",
            transport="tcp",
            port=443,
            application="ssl",
            service="ssl",
            suricata="tls",
        ),
        Protocol(
            name="http",
            transport="tcp",
            port=80,
            application="web-browsing",
            service="http",
            suricata="http",
        ),
        Protocol(
            name="ssh", transport="tcp", port=22, application="ssh", service="ssh", suricata="ssh"
        ),
        Protocol(
            name="rdp",
            transport="tcp",
            port=3389,
            application="ms-rdp",
            before=("cotp", "t.120"),
            service="rdp,ssl",
            suricata="rdp",
        ),
        Protocol(
            name="smb",
            transport="tcp",
            port=445,
            application="ms-ds-smbv3",
            before=("ms-ds-smb-base",),
            service="smb",
            suricata="smb",
            container="ms-ds-smb",
            access="file",
        ),
        Protocol(name="pi", transport="tcp", port=5450, application="osisoft-pi"),
        Protocol(
            name="mssql",
            transport="tcp",
            port=1433,
            application="mssql-db-unencrypted",
            before=("mssql-db-base",),
            container="mssql-db",
        ),
        Protocol(name="ping", transport="icmp", port=0, application="ping"),
        Protocol(name="unknown-tcp", transport="tcp", port=0, application="unknown-tcp"),
        Protocol(
            name="netbios-ns",
            transport="udp",
            port=137,
            application="netbios-ns",
            service="dns",
        ),
        Protocol(
            name="mdns",
            transport="udp",
            port=5353,
            application="mdns",
            service="dns",
            suricata="dns",
        ),
        Protocol(name="ssdp", transport="udp", port=1900, application="ssdp"),
    )
}
NUMBERS = {"tcp": 6, "udp": 17, "icmp": 1}
