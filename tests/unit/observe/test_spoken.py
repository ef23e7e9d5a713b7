"""What was spoken, in the words of the platform that judges it."""

from __future__ import annotations

import pytest

from segctl.observe.functions import function_of
from segctl.observe.observation import Flow, Group
from segctl.observe.sensors import sensed
from segctl.observe.spoken import Spoken, spoken_of
from segctl.protocols.catalogue import catalogue
from segctl.providers.base import provider

FLOW = Flow("10.0.0.1", "10.0.0.2", "", "tcp", 502)
PANOS, NFTABLES = provider("panos"), provider("nftables")


def group(*names: str, zone: str = "") -> Group:
    return Group(flow=FLOW, applications=names, from_zone=zone)


@pytest.mark.parametrize(
    ("words", "protocols", "applications"),
    [
        (("dnp3_tcp",), ("dnp3",), ()),
        (("cotp", "s7comm"), ("s7comm",), ()),
        (("enip", "cip"), ("cip-ethernet-ip",), ()),
        (("rdp", "ssl"), ("rdp",), ()),
        (("ssl",), (), ("ssl",)),
        (("http", "ntp"), ("ntp",), ("web-browsing",)),
        (("modbus", "somethingelse"), (), ()),
    ],
)
def test_words_of_sensors(
    words: tuple[str, ...], protocols: tuple[str, ...], applications: tuple[str, ...]
) -> None:
    assert sensed(words) == (protocols, applications)
    known = catalogue()
    assert all(name in known for name in protocols)
    assert all(known.application(name) is not None for name in applications)


def test_a_sensor_names_a_protocol_of_which_any_function_may_have_been_used() -> None:
    found = spoken_of(group("dnp3_tcp"), PANOS)
    assert found.names == ("dnp3-base",)
    assert {"dnp3-read", "dnp3-operate", "dnp3-cold-restart"} <= {*found.among}
    assert spoken_of(group("modbus"), NFTABLES).among == (
        *("modbus.diagnostic", "modbus.file", "modbus.program"),
        *("modbus.read", "modbus.session", "modbus.write"),
    )


def test_a_firewall_names_applications_that_are_meant_even_where_nobody_knows_them() -> None:
    assert spoken_of(group("their-own-app", zone="A"), PANOS).names == ("their-own-app",)
    assert spoken_of(group("insufficient-data", zone="A"), PANOS).names == ()
    assert spoken_of(group("their-own-app"), PANOS).why


def test_what_a_firewall_permits_by_itself_is_not_asked_for() -> None:
    on_the_way = group("cotp", "iec-61850-base", "mms-ics-base", "mms-ics-read", zone="A")
    assert spoken_of(on_the_way, PANOS).names == ("iec-61850-base", "mms-ics-base", "mms-ics-read")
    needed = spoken_of(group("cotp", "siemens-s7-read", zone="A"), PANOS)
    assert "cotp" in needed.names  # S7 does not bring it along
    assert spoken_of(group("cotp", zone="A"), PANOS) == Spoken(names=("cotp",))


def test_functions_are_the_very_applications_where_a_platform_knows_them() -> None:
    seen = group("modbus")._replace(functions=(function_of("modbus", "READ_COILS"),))
    assert spoken_of(seen, PANOS).names == ("modbus-base", "modbus-read-coils")
    assert spoken_of(seen, NFTABLES).names == ("modbus.read",)


@pytest.mark.parametrize("name", ["read_data", "Read Data", "read_tag_fragmented"])
def test_underscores_are_blanks(name: str) -> None:
    known = function_of("cip-ethernet-ip", name).access_class
    assert known == ("read" if "ata" in name else "")
