"""Law 9: a device that was imported and is planned back does not change."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, replace
from datetime import date
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from segctl.compiler.build import compile_site
from segctl.importing import Imported, import_device, write_files
from segctl.inventory import load
from segctl.model.errors import InventoryError
from segctl.model.site import (
    Asset,
    Conduit,
    Device,
    Endpoint,
    Flow,
    PortRange,
    Position,
    ProtocolUse,
    Schedule,
    Site,
    Zone,
    ZoneBinding,
)
from segctl.operations.demo import example_inventory
from segctl.planning.make import plan_device
from segctl.providers.panos import PanosProvider
from segctl.testing import TODAY, reach, read, sites
from segctl_mocks import PanosMock
from support.nft import desired as one_conduit
from support.panos import PanosBench, PanosHarness, boot, firewall, target_of

if TYPE_CHECKING:
    from hypothesis.strategies import DataObject, DrawFn

    from segctl.compiler.build import Desired
    from segctl.model.site import Mode, Network, ThreatPrevention
    from segctl.providers.base import Live
    from support.nft_harness import NftHarness

PROVIDER = PanosProvider()
CONNECTION = {"ansible_host": "127.0.0.1", "ansible_network_os": "panos"}
PROFILES = (("alert", "ot-alert"), ("strict", "ot-strict"))


@dataclass(frozen=True)
class Back:
    """A device's inventory, written, read again, and planned against the same device."""

    found: Imported
    changes: tuple[object, ...]
    site: Site


def back(live: Live, *, name: str = "fw1", today: date = TODAY, site: str = "") -> Back:
    bare = Device(name=name, platform="panos")
    found = import_device(live, PROVIDER, bare, site=site, connection=CONNECTION, today=today)
    with tempfile.TemporaryDirectory() as folder:
        write_files(Path(folder), found.files)
        loaded = load([Path(folder)], today=today)
    desired = compile_site(loaded.site, today)[name]
    return Back(found, plan_device(desired, live, PROVIDER).changes, loaded.site)


def held(harness: PanosHarness, bench: PanosBench, wanted: Desired) -> Live:
    """What the device holds once the policy was applied."""
    reach(harness, bench, wanted)
    return read(harness, bench)


# --- what segctl wrote ---------------------------------------------------------------------------


@given(data=st.data())
def test_sites_of_the_laws_come_back(panos: PanosHarness, data: DataObject) -> None:
    position = data.draw(positions(panos.anchor))
    device = replace(panos.device, position=position)
    wanted = data.draw(sites(device, PROVIDER.capabilities))
    with panos.workbench() as bench:
        bench.bystand(data)
        live = held(panos, bench, compile_site(wanted, TODAY)[device.name])
        before = len(bench.mock.requests)
    again = back(live)
    assert again.changes == ()
    assert again.found.changes == 0
    assert len(bench.mock.requests) == before


@given(data=st.data())
def test_any_site_comes_back(panos: PanosHarness, data: DataObject) -> None:
    device, site = data.draw(wide_sites(panos.anchor))
    try:
        wanted = compile_site(site, TODAY)[device.name]
    except InventoryError:  # a zone that owns no address, or no IP version in common
        reject()
    with panos.workbench() as bench:
        live = held(panos, bench, wanted)
    again = back(live)
    assert again.changes == (), (again.changes, again.found.files)
    assert again.found.changes == 0


@given(data=st.data())
@settings(max_examples=8)
def test_a_device_edited_by_hand_is_imported_all_the_same(
    panos: PanosHarness, data: DataObject
) -> None:
    wanted = data.draw(sites(panos.device, PROVIDER.capabilities))
    with panos.workbench() as bench:
        bench.bystand(data)
        reach(panos, bench, compile_site(wanted, TODAY)[panos.device.name])
        bench.disturb(data)
        live = read(panos, bench)
    again = back(live)
    assert len(again.changes) == again.found.changes
    if again.changes:
        assert again.found.warnings


def test_functions_that_a_gateway_judges_come_back(nft_mock: NftHarness) -> None:
    """nftables has no applications: a rule of it names protocol and class."""
    one = one_conduit(
        Flow(
            id="f",
            protocols=(ProtocolUse(protocol="modbus", classes=("write", "read")),),
            essential=True,
        )
    )
    with nft_mock.workbench() as bench:
        reach(nft_mock, bench, one)
        live = read(nft_mock, bench)
    connection = {"ansible_network_os": "nftables"}
    bare = Device(name=one.device.name, platform="nftables")
    found = import_device(
        live, nft_mock.provider, bare, site="", connection=connection, today=TODAY
    )
    assert found.changes == 0, found.warnings
    (conduit,) = found.site.conduits
    (flow,) = conduit.flows
    assert flow.protocols == (ProtocolUse(protocol="modbus", classes=("read", "write")),)
    assert flow.essential


@st.composite
def positions(draw: DrawFn, anchor: str) -> Position:
    where: Literal["first", "last", "before", "after"] = draw(
        st.sampled_from(("first", "last", "before", "after"))
    )
    return Position(where=where, rule=anchor if where in {"before", "after"} else "")


@st.composite
def wide_zones(draw: DrawFn, site: str) -> tuple[Zone, ...]:
    """Zones with all that makes reading back hard: overlaps, roles, dots, several addresses."""
    dotted = draw(st.booleans())
    zones: list[Zone] = []
    for number, name in enumerate(("ctrl", "supv", "dmz", "far"), 1):
        networks: list[Network] = [ip_network(f"10.{number}.0.0/24")]
        if draw(st.booleans()):
            networks.append(ip_network(f"fd00:{number}::/64"))
        first = ip_network(f"10.{number}.0.10/32")
        assets = [
            Asset(name="plc1", addresses=(first,), role=draw(st.sampled_from(("", "plc", "a: b")))),
            Asset(
                name="pair.x" if dotted else "pair",
                addresses=(ip_network(f"10.{number}.0.20/32"), ip_network(f"10.{number}.0.21/32")),
            ),
        ]
        zones.append(
            Zone(
                site=site,
                id=name,
                networks=tuple(networks),
                assets=tuple(assets),
                intrazone=draw(st.sampled_from(("allow", "allow", "deny"))),
            )
        )
    overlap = draw(st.sampled_from(("", "", "nested", "hole", "same")))
    if overlap == "nested":
        zones[2] = replace(zones[2], networks=(*zones[2].networks, ip_network("10.0.0.0/8")))
    elif overlap == "hole":
        hole = Asset(name="hole", addresses=(ip_network("10.1.0.77/32"),))
        network = ip_network("10.1.0.64/28")
        more = (*zones[1].networks, network)
        zones[1] = replace(zones[1], assets=(*zones[1].assets, hole), networks=more)
    elif overlap == "same":
        zones[1] = replace(zones[1], networks=(*zones[1].networks, ip_network("10.1.0.0/24")))
    return tuple(zones)


@st.composite
def wide_flows(draw: DrawFn, name: str, sides: tuple[list[Zone], list[Zone]]) -> Flow:
    def ends(zones: list[Zone]) -> tuple[Endpoint, ...]:
        some = [
            Endpoint(zone=zone.key, asset=asset.name) for zone in zones for asset in zone.assets
        ]
        some += [Endpoint(zone=zone.key, network=zone.networks[0]) for zone in zones]
        if draw(st.booleans()):
            return ()
        chosen = draw(st.lists(st.sampled_from(some), min_size=1, max_size=3, unique=True))
        names = {end.asset for end in chosen if end.asset}
        # An asset's name means that asset in every zone of the side.
        return (*(end for end in chosen if not end.asset), *(e for e in some if e.asset in names))

    kind = draw(st.sampled_from(("services", "protocols", "applications", "mixed", "many")))
    uses = {
        "protocols": (ProtocolUse(protocol="modbus", classes=draw(classes())),),
        "many": (
            ProtocolUse(protocol="dnp3", classes=("write", "read", "control")),
            ProtocolUse(protocol="iec-60870-5-104", classes=("control", "read")),
        ),
        "mixed": (ProtocolUse(protocol="s7comm", classes=("read",)),),
    }
    ports = (
        PortRange(protocol="tcp", first=502, last=502),
        PortRange(protocol="udp", first=1000, last=2000),
    )
    return Flow(
        id=name,
        sources=ends(sides[0]),
        destinations=ends(sides[1]),
        protocols=uses.get(kind, ()),
        services=ports if kind == "services" or draw(st.booleans()) else (),
        applications={"applications": ("ping", "ssl"), "mixed": ("ntp-base", "ssl")}.get(kind, ()),
        users=draw(st.sampled_from(((), ("plant\\engineers", "plant\\y")))),
        schedule=draw(st.sampled_from(("", "", "workdays", "nights"))),
        essential=draw(st.booleans()),
        log=draw(st.booleans()),
    )


def classes() -> st.SearchStrategy[tuple[str, ...]]:
    words = st.sampled_from(("read", "write", "diagnostic", "session"))
    return st.lists(words, min_size=1, unique=True).map(tuple)


@st.composite
def wide_sites(draw: DrawFn, anchor: str) -> tuple[Device, Site]:
    """A firewall with everything the inventory can say, three zones on it and one behind."""
    site = draw(st.sampled_from(("site", "plant-a", "plant.a")))
    zones = draw(wide_zones(site))
    bindings = tuple(
        replace(binding, zone=f"{site}/{binding.zone.rpartition('/')[2]}")
        for binding in firewall().zones
    )
    behind = (ZoneBinding(zone=f"{site}/far", name=bindings[2].name),)
    device = replace(
        firewall(),
        zones=bindings + behind,
        position=draw(positions(anchor)),
        threat_profiles=draw(st.sampled_from((PROFILES, PROFILES[:1], PROFILES[1:], ()))),
        log_forwarding=draw(st.sampled_from(("", "to-siem"))),
        schedules=(
            Schedule(name="nights", daily=("20:00-23:00",)),
            Schedule(name="workdays", weekly=(("monday", ("07:00-17:00",)),)),
        ),
    )
    near = list(zones[:3])
    conduits: list[Conduit] = []
    for name in draw(st.lists(st.sampled_from("abcd"), max_size=3, unique=True)):
        order = draw(st.permutations(near))
        sources, targets = list(order[:1]), list(order[1:2])
        if draw(st.booleans()):
            targets = list(order[1:])
        elif draw(st.booleans()) and zones[2] not in sources:
            targets = [zones[3]]
        held = dict(device.threat_profiles)
        levels: list[ThreatPrevention | None] = [None, "none"]
        if "strict" in held:
            levels.append("strict")
        if "alert" in held:
            levels.append("alert")
        modes: tuple[Mode, ...] = ("enforce", "enforce", "monitor")
        mode = draw(st.sampled_from(modes))
        if mode == "monitor" and "alert" not in held:
            levels = [None]
        conduits.append(
            Conduit(
                site=site,
                id=f"c-{name}",
                from_zones=tuple(zone.key for zone in sources),
                to_zones=tuple(zone.key for zone in targets),
                reason=draw(st.sampled_from(("polling", "a; owner b: 'c'", "# no", "ü" * 1100))),
                owner=draw(st.sampled_from(("process-automation", "no", "x; ticket 7"))),
                ticket=draw(st.sampled_from(("", "CHG-1", "0123"))),
                expires=draw(st.sampled_from((None, date(2099, 1, 31)))),
                mode=mode,
                threat_prevention=draw(st.sampled_from(levels)),
                flows=tuple(
                    draw(wide_flows(f"f{number}", (sources, targets)))
                    for number in range(draw(st.integers(1, 2)))
                ),
            )
        )
    return device, Site(zones=zones, conduits=tuple(conduits), devices=(device,))


# --- the example plants: several firewalls in a row ----------------------------------------------


def _example() -> list[tuple[str, str]]:
    plants = sorted(example_inventory().glob("[0-9]*.yml"))
    return [
        (plant.name, device.name)
        for plant in plants
        for device in load([plant], today=TODAY).site.devices
        if device.platform == "panos"
    ]


@pytest.mark.parametrize(("plant", "name"), _example())
def test_the_example_plants_come_back(panos: PanosHarness, plant: str, name: str) -> None:
    site = load([example_inventory() / plant], today=TODAY).site
    wanted = compile_site(site, TODAY)[name]
    ports = {zone.name: zone.interfaces for zone in wanted.bindings}
    with panos.workbench() as bench:
        boot(bench.mock, zones=ports)
        live = held(panos, bench, wanted)
    again = back(live, name=name)
    assert again.changes == ()
    assert {zone.site for zone in again.site.zones} == {wanted.device.zones[0].zone.split("/")[0]}


# --- what others wrote ---------------------------------------------------------------------------

FIREWALLS = (
    "BadAsh99_running-config",
    "ansible-pan_running-config_sample",
    "iron-skillet_panos_full",
    "jasonmeurer_bootstrap",
    "joyy367_running-config",
    "pan-os-php_appid-toolbox_tests_orig_stage00",
    "pan-os-php_appid_stage05",
    "pan-os-php_appid_stage10",
    "pan-os-php_examples_sample-configs_panos-example-2",
    "pan-os-php_migration_parser_panos_baseconfig",
    "pan_multicloud-lab_bootstrap",
    "skilletlib_after_config",
    "skilletlib_before_config",
    "skilletlib_panos_baseline_91_baseline_91",
)


@pytest.fixture
def configurations() -> Path:
    default = Path(__file__).resolve().parents[3] / "shared" / "third-party"
    folder = Path(os.environ.get("SEGCTL_THIRD_PARTY", default)) / "panos-samples" / "configs"
    if not folder.is_dir():
        pytest.skip("configurations of real firewalls are not here: set SEGCTL_THIRD_PARTY")
    return folder


@pytest.mark.parametrize("name", FIREWALLS)
def test_real_firewalls_come_back(configurations: Path, name: str) -> None:
    with PanosMock("fw1", (configurations / f"{name}.xml").read_bytes()) as mock:
        mock.reject_writes = True
        before = mock.config()
        with PROVIDER.connect(target_of(mock), read_only=True) as session:
            live = PROVIDER.parse(session.read())
        again = back(live)
        assert again.changes == ()
        assert again.found.changes == 0
        assert mock.writes == 0
        assert mock.config() == before
    assert all(conduit.mode == "absent" for conduit in again.site.conduits)
    allowing = {
        rule.name for rule in live.others.rules if rule.action == "allow" and not rule.disabled
    }
    said = "\n".join(again.found.files.values())
    assert all(rule in said for rule in allowing)
