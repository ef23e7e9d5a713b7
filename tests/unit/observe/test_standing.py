"""Whether what was seen is declared: never more than a record shows."""

from __future__ import annotations

from datetime import date
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest

from segctl.model.site import (
    Asset,
    Conduit,
    Device,
    Endpoint,
    PortRange,
    ProtocolUse,
    Site,
    Zone,
    ZoneBinding,
)
from segctl.model.site import Flow as Declared
from segctl.observe.functions import function_of
from segctl.observe.observation import Flow, Group
from segctl.observe.places import Place, Places
from segctl.observe.standing import Standings

if TYPE_CHECKING:
    from segctl.observe.standing import Standing

TODAY = date(2026, 11, 3)
ZONES = (
    Zone(
        site="p",
        id="control",
        networks=(ip_network("10.20.1.0/24"),),
        assets=(Asset(name="plc1", addresses=(ip_network("10.20.1.11/32"),)),),
    ),
    Zone(
        site="p",
        id="supervisory",
        networks=(ip_network("10.20.2.0/24"), ip_network("fd00:2::/64")),
        assets=(Asset(name="scada1", addresses=(ip_network("10.20.2.5/32"),)),),
        intrazone="deny",
    ),
    Zone(site="p", id="internet"),
    Zone(site="q", id="control", networks=(ip_network("10.20.1.0/24"),)),
)
DEVICE = Device(
    name="fw1",
    platform="panos",
    serial="0123TEST01",
    zones=(
        ZoneBinding(zone="p/control", name="CTRL"),
        ZoneBinding(zone="p/supervisory", name="SUPV"),
        ZoneBinding(zone="p/internet", name="OUTSIDE"),
    ),
)


def judged(*declared: Declared, conduit: dict[str, Any] | None = None, **seen: Any) -> Standing:
    """How a Modbus poll from scada1 to plc1, or what differs from it, stands to flows."""
    polling: dict[str, Any] = {
        "site": "p",
        "id": "polling",
        "from_zones": ("p/supervisory",),
        "to_zones": ("p/control",),
        "reason": "r",
        "owner": "o",
        "flows": declared,
    }
    made = Conduit(**polling | (conduit or {}))
    site = Site(zones=ZONES, devices=(DEVICE,), conduits=(made,))
    flow: dict[str, Any] = {
        "source": "10.20.2.5",
        "destination": "10.20.1.11",
        "inner": "",
        "protocol": "tcp",
        "port": 502,
    }
    flow |= {name: seen.pop(name) for name in list(seen) if name in flow}
    more: dict[str, Any] = {"witness": "0123TEST01", "from_zone": "SUPV", "to_zone": "CTRL"}
    group = Group(flow=Flow(**flow), **more | seen)
    return Standings(site, Places(site), TODAY).of(group)


MODBUS = Declared(id="poll", protocols=(ProtocolUse(protocol="modbus", classes=("read",)),))
READ = function_of("modbus", "READ_COILS")
WRITE = function_of("modbus", "WRITE_SINGLE_COIL")
OPEN = function_of("modbus", "unknown-100")


@pytest.mark.parametrize(
    ("seen", "status", "why"),
    [
        ({"functions": (READ,)}, "declared", ""),
        ({"applications": ("modbus-base", "modbus-read-coils")}, "declared", ""),
        ({}, "unproven", "does not show every function"),
        ({"applications": ("modbus",)}, "unproven", "does not show every function"),
        ({"applications": ("modbus-base",)}, "unproven", "shows no function"),
        ({"functions": (READ, OPEN)}, "unproven", "does not show every function"),
        ({"functions": (READ, WRITE)}, "undeclared", "modbus: write is not declared"),
        ({"applications": ("modbus-write-single-coil",)}, "undeclared", "write is not declared"),
        ({"applications": ("ssh",)}, "undeclared", "it is ssh, not modbus"),
        ({"port": 503}, "undeclared", "no conduit is about it"),
        ({"protocol": "udp"}, "undeclared", "no conduit is about it"),
        ({"source": "10.20.9.9", "from_zone": "?"}, "no_zone", "in no zone"),
        ({"source": "10.20.1.11", "destination": "10.20.2.5"}, "undeclared", "no conduit"),
        ({"source": "10.20.1.12", "from_zone": "CTRL"}, "within_zone", ""),
        ({"source": "10.20.2.6", "destination": "10.20.2.7"}, "undeclared", "no conduit"),
    ],
)
def test_how_traffic_stands_to_a_protocol(seen: dict[str, Any], status: str, why: str) -> None:
    found = judged(MODBUS, **seen)
    assert (found.status, why in found.why) == (status, True), found.why


def test_the_conduit_and_the_flow_are_named() -> None:
    found = judged(MODBUS, functions=(READ,))
    assert (found.conduit, found.flow) == ("p/polling", "poll")
    assert (found.source.asset, found.destination.asset) == ("scada1", "plc1")


def test_a_guessed_direction_is_no_proof() -> None:
    turned: dict[str, Any] = {
        "source": "10.20.1.11",
        "destination": "10.20.2.5",
        "from_zone": "",
        "to_zone": "",
    }
    service = Declared(id="web", services=(PortRange(protocol="tcp", first=502, last=502),))
    assert judged(service, direction="inferred").status == "declared"
    found = judged(service, direction="inferred", witness="", **turned)
    assert (found.status, found.why) == ("unproven", "which side began is a guess")
    assert judged(service, witness="", **turned).status == "undeclared"


def test_the_address_after_nat_says_what_the_asset_is() -> None:
    service = Declared(
        id="web",
        destinations=(Endpoint(zone="p/control", asset="plc1"),),
        services=(PortRange(protocol="tcp", first=502, last=502),),
    )
    assert judged(service, destination="192.0.2.1", inner="10.20.1.11").status == "declared"
    assert judged(service, destination="192.0.2.1", inner="10.20.1.12").status == "undeclared"
    assert judged(service, destination="10.20.1.12").status == "undeclared"


def test_ends_may_be_networks() -> None:
    part = Endpoint(zone="p/supervisory", network=ip_network("10.20.2.0/30"))
    service = Declared(
        id="web", sources=(part,), services=(PortRange(protocol="tcp", first=1, last=600),)
    )
    assert judged(service, source="10.20.2.2").status == "declared"
    assert judged(service, source="10.20.2.5").status == "undeclared"
    assert judged(service, source="fd00:2::2").status == "undeclared"


def test_users_and_times_are_proven_or_not() -> None:
    service = (PortRange(protocol="tcp", first=502, last=502),)
    for_some = Declared(id="u", services=service, users=("plant\\ann",))
    assert judged(for_some, user="plant\\ann").status == "declared"
    assert judged(for_some, user="plant\\bob").status == "undeclared"
    assert judged(for_some).status == "unproven"
    at_times = Declared(id="t", services=service, schedule="nights")
    assert judged(at_times).status == "unproven"


def test_applications() -> None:
    ssh = Declared(id="a", applications=("ssh",))
    assert judged(ssh, port=22, applications=("ssh",)).status == "declared"
    assert judged(ssh, port=22).status == "unproven"
    assert judged(ssh, port=22, applications=("modbus-base",)).status == "undeclared"
    assert judged(ssh, port=2222, applications=("ssh",)).status == "undeclared"


@pytest.mark.parametrize(
    "conduit", [{"mode": "absent"}, {"expires": date(2026, 11, 2)}, {"from_zones": ("p/internet",)}]
)
def test_conduits_that_do_not_count(conduit: dict[str, Any]) -> None:
    assert judged(MODBUS, conduit=conduit, functions=(READ,)).status == "undeclared"


def test_places() -> None:
    places = Places(Site(zones=ZONES, devices=(DEVICE,)))
    assert places.of("10.20.2.5") == Place(zone="p/supervisory", asset="scada1")
    assert places.of("10.20.2.6") == Place(zone="p/supervisory")
    assert places.of("fd00:2::1") == Place(zone="p/supervisory")
    assert places.of("10.20.1.12") == Place(several=True)  # two sites have this network
    assert places.of("10.20.1.12", "0123TEST01", "CTRL") == Place(zone="p/control")
    assert places.of("10.20.1.12", "fw1", "CTRL") == Place(zone="p/control")
    assert places.of("198.51.100.1", "fw1", "OUTSIDE") == Place(zone="p/internet")
    assert places.of("198.51.100.1", "other", "OUTSIDE") == Place()
