"""The catalogue as data: every entry can be used, every name is found, every trap answers."""

from __future__ import annotations

import pytest

from segctl.model.errors import UsageError
from segctl.model.site import ACCESS_CLASSES
from segctl.protocols import Protocol, catalogue

CATALOGUE = catalogue()
PROTOCOLS = [CATALOGUE.protocols[one] for one in CATALOGUE.ids]


def protocol_id(protocol: Protocol) -> str:
    """Name the test case."""
    return protocol.id


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=protocol_id)
def test_every_entry_is_usable(protocol: Protocol) -> None:
    """Classes, ports and dependencies of every protocol are well formed."""
    assert protocol.name
    assert protocol.sources
    assert {one.access_class for one in protocol.applications} <= set(ACCESS_CLASSES)
    assert all(0 < one.first <= one.last <= 65535 for one in protocol.ports)
    assert protocol.applications or protocol.no_app_id
    assert not set(protocol.must_also_allow) & set(protocol.implicit)
    assert protocol.routable or not protocol.ports


def test_an_application_belongs_to_one_protocol() -> None:
    """No name is listed twice, so that its class is never ambiguous."""
    names = [one.name for protocol in PROTOCOLS for one in protocol.applications]
    assert len(names) == len(set(names)) == len(CATALOGUE.owners)
    assert set(names) <= set(CATALOGUE.applications)


def test_size() -> None:
    """All protocols and applications that were collected are there."""
    assert len(CATALOGUE.ids) == 108
    assert sum(len(one.applications) for one in PROTOCOLS) == 1121


def test_no_application_is_a_container_or_a_trap() -> None:
    """A compiled name can be neither a container nor a name that means something else."""
    offered = {one.name for protocol in PROTOCOLS for one in protocol.applications}
    needed = {name for protocol in PROTOCOLS for name in protocol.must_also_allow}
    assert not (offered | needed) & set(CATALOGUE.containers)
    assert [name for name in offered | needed if CATALOGUE.trap(name)] == []


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("mms", "mms-ics"),
        ("ptp", "ieee-ptp"),
        ("mcp", "mitsubishi-melsec"),
        ("opc-ua", "opc-base"),
        ("opc-ua-base", "opc-base"),
        ("ms-sql-db", "mssql-db"),
        ("iec-60870-5-104-asdu-process-control", "104asdu-*"),
        ("iec-60870-5-104-apci-supervisory", "104apci-*"),
        ("s7comm", "siemens-s7-base"),
        ("s7comm-plus", "siemens-s7-comm-plus-base"),
        ("crestron-cip", "cip-ethernet-ip"),
        ("ethernet-ip", "cip-ethernet-ip"),
        ("melsec", "mitsubishi-melsec"),
        ("slmp", "mitsubishi-melsec"),
        ("ads", "twincat"),
        ("knx", "knxnet-ip"),
        ("synchrophasor", "ieee-c37.118-synchrophasor-base"),
    ],
)
def test_traps_name_the_right_application(wrong: str, right: str) -> None:
    """Every listed trap is refused with the right name in the hint."""
    assert right in (CATALOGUE.trap(wrong) or "")


def test_every_trap_answers() -> None:
    """What a trap recommends is itself no trap, and its protocol exists."""
    for trap in CATALOGUE.traps:
        assert trap.right in (CATALOGUE.trap(trap.wrong) or "")
        assert not trap.protocol or trap.protocol in CATALOGUE
        assert CATALOGUE.trap(trap.right.split()[0]) is None


@pytest.mark.parametrize(
    ("container", "instead"),
    [
        ("modbus", "protocols: {modbus: [read]}, or name modbus-base"),
        ("iec-61850", "protocols: {iec-61850-mms: [read]}"),
        ("lontalk", "protocols: {lontalk: [control]}"),
        ("ms-ds-smb", "protocols: {smb: [file]}, or name ms-ds-smb-base"),
    ],
)
def test_containers_are_refused(container: str, instead: str) -> None:
    """A container would permit every function: the hint says what to declare."""
    assert instead in (CATALOGUE.trap(container) or "")


def test_every_container_answers() -> None:
    """A container is a trap or a caution, never both and never nothing."""
    for name in CATALOGUE.containers:
        assert (CATALOGUE.trap(name) is None) != (CATALOGUE.caution(name) is None)


@pytest.mark.parametrize("name", ["ntp", "dns", "ipsec"])
def test_containers_of_variants_pass_with_a_caution(name: str) -> None:
    """Containers that hold no other function than the one meant may be used."""
    assert CATALOGUE.trap(name) is None
    assert "container" in (CATALOGUE.caution(name) or "")


def test_names_to_avoid_carry_a_caution() -> None:
    """An application that the catalogue never compiles says so."""
    assert "best avoided" in (CATALOGUE.caution("ssh-tunnel") or "")
    assert "ms-ds-smbv1" in (CATALOGUE.caution("ms-ds-smbv1") or "")


@pytest.mark.parametrize(
    "name", ["ssl", "modbus-base", "mms-ics-base", "my-own-app", "opc-ua-read-req"]
)
def test_ordinary_names_pass(name: str) -> None:
    """Names that are right, and names the catalogue does not know, raise no alarm."""
    assert CATALOGUE.trap(name) is None
    assert CATALOGUE.caution(name) is None


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("modbus", "modbus"),
        ("modbsu", "modbus"),
        ("s7", "s7comm"),
        ("Ethernet IP", "cip-ethernet-ip"),
        ("IEC104", "iec-60870-5-104"),
        ("mms", "iec-61850-mms"),
        ("opc_ua", "opc-ua"),
        ("profinet", "profinet-cm"),
        ("xyzzy", None),
    ],
)
def test_nearest(word: str, meant: str | None) -> None:
    """Other names and near spellings lead to the id."""
    assert CATALOGUE.nearest(word) == meant


def test_aliases_lead_to_protocols() -> None:
    """Every other name is of a protocol there is."""
    assert set(CATALOGUE.aliases.values()) <= set(CATALOGUE.ids)


def test_get() -> None:
    """A known id gives its protocol; another raises and says what may have been meant."""
    assert CATALOGUE.get("modbus").name == "Modbus/TCP"
    assert "modbus" in CATALOGUE
    with pytest.raises(UsageError, match="did you mean modbus"):
        CATALOGUE.get("modbsu")
    with pytest.raises(UsageError, match="segctl protocols"):
        CATALOGUE.get("xyzzy")


def test_protocol_summary() -> None:
    """What a protocol offers is in the words the inventory uses."""
    modbus = CATALOGUE.get("modbus")
    assert modbus.base == ("modbus-base",)
    assert modbus.classes == ("read", "write", "program", "diagnostic", "file", "session")
    assert modbus.single is None
    assert str(modbus.ports[0]) == "tcp/502"
    assert CATALOGUE.get("ntp").single == CATALOGUE.application("ntp-base")
    assert str(CATALOGUE.get("df1").unusable_ports[0]) == "tcp/site-specific"
    assert CATALOGUE.get("goose").classes == ()


def test_who_owns_an_application() -> None:
    """Functions know their protocol; shared applications have none."""
    assert CATALOGUE.protocol_of("modbus-read-coils") == CATALOGUE.get("modbus")
    assert CATALOGUE.protocol_of("cotp") is None
    assert CATALOGUE.application("cotp") is not None
    assert CATALOGUE.application("my-own-app") is None


def test_closure_of_plain_applications() -> None:
    """Applications that no protocol owns bring what they depend on, too."""
    assert CATALOGUE.requires(["paloalto-updates"]) == ("paloalto-updates",)
    assert CATALOGUE.requires(["siemens-s7-read"]) == ("cotp", "siemens-s7-base", "siemens-s7-read")
    assert CATALOGUE.requires(["my-own-app"]) == ("my-own-app",)
    assert CATALOGUE.requires([]) == ()
