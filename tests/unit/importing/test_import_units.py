from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import date
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from segctl.compiler.build import compile_site
from segctl.importing import import_device, write_files
from segctl.importing.functions import protocol_uses
from segctl.importing.managed import read_description
from segctl.importing.networks import as_networks, cover, networks_of
from segctl.importing.services import port_ranges
from segctl.importing.suggest import FLOW
from segctl.importing.times import declared_schedule
from segctl.importing.words import group_name, is_id, make_id, one_line
from segctl.importing.yaml import flow, listed, mapping, scalar
from segctl.inventory import host_json, load, read_inventory
from segctl.model.addresses import interval, network_interval, subtract
from segctl.model.errors import InventoryError, UsageError
from segctl.model.policy import (
    Address,
    AddressGroup,
    ApplicationGroup,
    DefaultRule,
    FirewallZone,
    Policy,
    Rule,
    Schedule,
    Service,
)
from segctl.model.scope import Scope
from segctl.model.site import Conduit, Device, Site
from segctl.protocols import catalogue
from segctl.providers.base import Identity, Live
from segctl.providers.panos import PanosProvider
from segctl.providers.panos.app_id import applications as panos_applications
from segctl.providers.panos.fit import TAG

if TYPE_CHECKING:
    from pathlib import Path

TODAY = date(2026, 1, 1)
ADDRESSES = (
    Address(name="plc 1", value="10.1.0.11"),
    Address(name="plc_2", value="10.1.0.12/32"),
    Address(name="net", value="10.1.0.0/24"),
    Address(name="hmi", value="10.2.0.9"),
    Address(name="range", value="10.1.0.1-10.1.0.9", type="range"),
    Address(name="name", value="plant.example.com", type="fqdn"),
)
GROUPS = (
    AddressGroup(name="plcs", members=("plc 1", "plc_2")),
    AddressGroup(name="dynamic", members=(), extras=("dynamic",)),
    AddressGroup(name="itself", members=("itself",)),
)
SERVICES = (
    Service(name="web", protocol="tcp", ports="80,8000-8010"),
    Service(name="odd", protocol="sctp", ports="7"),
)


def rule(values: dict[str, object] | None = None, /, name: str = "old", **more: object) -> Rule:
    base = Rule(
        name=name,
        from_zones=("SUPV",),
        to_zones=("CTRL",),
        sources=("hmi",),
        destinations=("plc 1",),
        applications=("ssl",),
        services=("application-default",),
    )
    fields = {**(values or {}), **more}
    return replace(base, **fields)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - any field


NOTHING = Policy()


def live(*others: Rule, ours: Policy = NOTHING) -> Live:
    return Live(
        identity=Identity(
            serial="1", os_version="11.1.6", content_version="8", scope=Scope(name="vsys1")
        ),
        policy=ours,
        others=Policy(
            addresses=ADDRESSES,
            address_groups=GROUPS,
            services=SERVICES,
            application_groups=(
                ApplicationGroup(name="apps", members=("ssl", "ping")),
                ApplicationGroup(name="round", members=("around",)),
                ApplicationGroup(name="around", members=("round",)),
            ),
            schedules=(Schedule(name="late", windows=(("daily", ("20:00-23:00",)),)),),
            rules=others,
        ),
        order=tuple(one.name for one in (*others, *ours.rules)),
        zones=(
            FirewallZone(name="CTRL", interfaces=("ethernet1/1",)),
            FirewallZone(name="SUPV", interfaces=("ethernet1/2",)),
            FirewallZone(name="DMZ 1", interfaces=()),
        ),
        known={"application": frozenset({"ssl", "ping"})},
    )


def suggested(one: Rule) -> tuple[Conduit | None, str, list[str]]:
    """The conduit a rule of others becomes, the conduits file, and the warnings."""
    found = import_device(
        live(one),
        PanosProvider(),
        Device(name="fw1", platform="panos"),
        site="",
        connection={},
        today=TODAY,
    )
    assert found.changes == 0
    conduits = found.site.conduits
    text = found.files["group_vars/site/conduits.yml"]
    return (conduits[0] if conduits else None), text, [str(one) for one in found.warnings]


# --- words and YAML ------------------------------------------------------------------------------


@given(st.text())
def test_any_text_makes_an_id(text: str) -> None:
    first = make_id(text)
    assert is_id(first)
    second = make_id(text, {first})
    assert is_id(second)
    assert second != first


@given(st.text())
def test_any_line_reads_back_from_yaml(text: str) -> None:
    plain = one_line(text)
    assert yaml.safe_load(scalar(plain)) == plain
    assert yaml.safe_load(f"{{a: {flow([plain])}}}") == {"a": [plain]}


@pytest.mark.parametrize("text", ["no", "y", "22:22", "010", "1.5", "~", "2027-01-01", "", " a"])
def test_surprises_are_quoted(text: str) -> None:
    assert scalar(text) == f'"{text}"'


def test_long_lists_are_broken() -> None:
    assert listed(2, "k", ["a", "b"]) == ["  k: [a, b]"]
    assert listed(2, "k", ["a" * 60, "b" * 60]) == [
        "  k:",
        f"    - {'a' * 60}",
        f"    - {'b' * 60}",
    ]


def test_an_empty_mapping_keeps_its_comments() -> None:
    assert mapping(2, "z", ["    # level: ?"]) == ["  # level: ?", "  z: {}"]


@pytest.mark.parametrize(
    ("site", "host", "group"),
    [("plant-a", "fw1", "plant_a"), ("7up", "fw1", "site_7up"), ("fw1", "fw1", "site_fw1")],
)
def test_groups_are_python_identifiers(site: str, host: str, group: str) -> None:
    assert group_name(site, host) == group


# --- networks, services, schedules, descriptions -------------------------------------------------


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**12))
def test_a_range_is_its_cover_less_the_gaps(first: int, size: int) -> None:
    part = (4, first, min(first + size, 2**32 - 1))
    networks = networks_of([part])
    whole = [network_interval(network) for network in networks]
    missing = subtract(whole, [part])
    assert networks == (cover(part),)
    assert subtract(whole, [*missing, part]) == ()
    assert [network_interval(one) for hole in missing for one in as_networks(hole)] or not missing


def test_pieces_of_one_network_come_together() -> None:
    pieces = [interval("10.0.0.0-10.0.0.4"), interval("10.0.0.6-10.0.0.255")]
    assert networks_of(pieces) == (ip_network("10.0.0.0/24"),)
    assert networks_of([interval("fd00::/64")]) == (ip_network("fd00::/64"),)


def test_services_that_cannot_be_said_are_named() -> None:
    found, unknown = port_ranges(
        ("web", "odd", "missing", "any"), {one.name: one for one in SERVICES}
    )
    assert [str(one) for one in found] == ["tcp/80", "tcp/8000-8010"]
    assert unknown == ("odd", "missing")


def test_schedules_lose_our_prefix() -> None:
    ours = Policy(schedules=(Schedule(name="segctl-w", windows=(("monday", ("07:00-17:00",)),)),))
    found = declared_schedule("segctl-w", ours, Policy())
    assert found is not None
    assert (found.name, found.weekly) == ("w", (("monday", ("07:00-17:00",)),))
    once = Policy(schedules=(Schedule(name="once", windows=(), extras=("non-recurring",)),))
    assert declared_schedule("once", Policy(), once) is None
    assert declared_schedule("none", Policy(), once) is None


@pytest.mark.parametrize(
    ("text", "reason", "owner", "ticket", "monitor"),
    [
        ("[segctl conduit=a flow=b] why; owner me", "why", "me", "", False),
        ("why; owner x; owner me; ticket T; monitor", "why; owner x", "me", "T", True),
        ("[segctl conduit=a flow=b essential] by hand", "by hand", "unknown", "", False),
        ("", "unknown", "unknown", "", False),
        (
            "a; owner b; expires 2026-99-99",
            "a; owner b; expires 2026-99-99",
            "unknown",
            "",
            False,
        ),
    ],
)
def test_descriptions(text: str, reason: str, owner: str, ticket: str, *, monitor: bool) -> None:
    found = read_description(text)
    assert (found.reason, found.owner, found.ticket, found.monitor) == (
        reason,
        owner,
        ticket,
        monitor,
    )


# --- applications --------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["modbus", "dnp3", "s7comm", "umas", "iec-61850-mms", "ntp"])
def test_every_class_of_a_protocol_comes_back(protocol: str) -> None:
    one = catalogue().get(protocol)
    for words in (*((word,) for word in one.classes), one.classes):
        names = panos_applications(one, words).names
        uses, left = protocol_uses(names, panos_applications)
        assert left == ()
        again = {
            name
            for use in uses
            for name in panos_applications(catalogue().get(use.protocol), use.classes).names
        }
        assert again == set(names)


def test_a_part_of_a_class_stays_applications() -> None:
    uses, left = protocol_uses(["modbus-base", "modbus-read-coils", "ssl"], panos_applications)
    assert uses == ()
    assert left == ("modbus-base", "modbus-read-coils", "ssl")


# --- rules of others -----------------------------------------------------------------------------


def test_a_rule_becomes_an_absent_conduit() -> None:
    conduit, text, _ = suggested(
        rule(name="Old Rule", destinations=("plcs",), services=("web",), description="from 2009")
    )
    assert conduit is not None
    assert (conduit.id, conduit.mode, conduit.owner) == ("old-rule", "absent", "unknown")
    assert conduit.reason == "imported from rule Old Rule"
    (only,) = conduit.flows
    assert only.id == FLOW
    assert [end.asset for end in only.destinations] == ["plc-1", "plc_2"]
    assert [str(port) for port in only.services] == ["tcp/80", "tcp/8000-8010"]
    assert "# from 2009" in text


def test_containers_become_protocols() -> None:
    conduit, _, _ = suggested(rule(applications=("modbus",)))
    assert conduit is not None
    assert [use.protocol for use in conduit.flows[0].protocols] == ["modbus"]


def test_groups_of_applications_are_opened() -> None:
    conduit, _, _ = suggested(rule(applications=("apps",)))
    assert conduit is not None
    assert conduit.flows[0].applications == ("ping", "ssl")


def test_any_address_is_the_whole_zone() -> None:
    conduit, _, _ = suggested(rule(sources=("any",)))
    assert conduit is not None
    assert conduit.flows[0].sources == ()


def test_a_zone_on_both_sides_is_not_joined_with_itself() -> None:
    conduit, _, _ = suggested(rule(from_zones=("CTRL", "SUPV"), to_zones=("CTRL",)))
    assert conduit is not None
    assert (conduit.from_zones, conduit.to_zones) == (("site/supv",), ("site/ctrl",))


def test_from_any_zone_is_from_all_others() -> None:
    conduit, _, _ = suggested(rule(from_zones=("any",), sources=("any",)))
    assert conduit is not None
    assert conduit.from_zones == ("site/supv", "site/dmz-1")


def test_a_schedule_is_taken_over() -> None:
    conduit, _, _ = suggested(rule(schedule="late", log=False))
    assert conduit is not None
    assert (conduit.flows[0].schedule, conduit.flows[0].log) == ("late", False)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"sources": ("range", "hmi")}, "range (a range)"),
        ({"sources": ("name", "hmi")}, "name (fqdn plant.example.com)"),
        ({"sources": ("hmi", "dynamic")}, "a dynamic group"),
        ({"sources": ("hmi", "US")}, "neither an address nor a network"),
        ({"services": ("odd", "web")}, "service odd"),
        ({"services": ("any",)}, "on any port"),
        ({"applications": ("any",), "services": ("any",)}, "permits every application"),
        ({"extras": ("category{member=x}",)}, "category"),
        ({"schedule": "never"}, "schedule never"),
    ],
)
def test_what_is_lost_is_said(changed: dict[str, object], said: str) -> None:
    conduit, text, warnings = suggested(rule(changed))
    assert conduit is not None
    assert said in text
    assert any(said in warning for warning in warnings)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"sources": ("range",)}, "cannot express range"),
        ({"sources": ("itself",)}, "cannot express itself (holds nothing, or itself)"),
        ({"applications": ("round",)}, "cannot express application round (holds nothing"),
        ({"negate_source": True}, "cannot express source everything but"),
        ({"from_zones": ("any",), "to_zones": ("any",)}, "any zone to any zone"),
        ({"from_zones": ("gone",)}, "no zone gone"),
        ({"type": "intrazone"}, "inside a zone"),
        ({"from_zones": ("CTRL",)}, "inside a zone"),
        ({"applications": ("any",), "services": ("odd",)}, "cannot express service odd"),
        ({"users": ('a"b',)}, "cannot express user"),
    ],
)
def test_what_cannot_be_said_is_only_listed(changed: dict[str, object], said: str) -> None:
    conduit, text, warnings = suggested(rule(changed))
    assert conduit is None
    assert "# old: allow; " in text
    assert said in text
    assert any(said in warning for warning in warnings)


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"action": "deny"}, "# old: deny"), ({"disabled": True}, "# old: allow, disabled")],
)
def test_denies_and_disabled_rules_are_listed(changed: dict[str, object], said: str) -> None:
    conduit, text, warnings = suggested(rule(changed))
    assert conduit is None
    assert said in text
    assert warnings == []


# --- files ---------------------------------------------------------------------------------------


def imported() -> dict[str, str]:
    return dict(
        import_device(
            live(rule(name="a"), rule(name="b", destinations=("net", "plc 1"))),
            PanosProvider(),
            Device(name="fw1", platform="panos", scope=Scope(name="vsys2")),
            site="plant-a",
            connection={
                "ansible_host": "192.0.2.1",
                "ansible_network_os": "panos",
                "ansible_password": object(),
            },
            today=TODAY,
        ).files
    )


def test_the_same_device_gives_the_same_files() -> None:
    assert imported() == imported()


def test_no_secret_is_written() -> None:
    assert "ansible_password:" not in "".join(imported().values())


def test_files_are_read_by_the_inventory(tmp_path: Path) -> None:
    write_files(tmp_path / "out", imported())
    loaded = load([tmp_path / "out"], today=TODAY)
    (device,) = loaded.site.devices
    assert (str(device.scope), device.default_rules) == ("vsys2", "leave")
    assert [binding.name for binding in device.zones] == ["CTRL", "DMZ 1", "SUPV"]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "host_vars").mkdir()
    (tmp_path / "host_vars" / "fw1.yml").write_text("mine")
    with pytest.raises(UsageError, match=r"host_vars/fw1.yml already"):
        write_files(tmp_path, imported())
    assert [path.name for path in tmp_path.rglob("*.yml")] == ["fw1.yml"]


class _Interrupted(dict[str, str]):
    """Files of which the second is never written: Ctrl-C comes before."""

    def items(self) -> Any:
        yield from list(super().items())[:1]
        raise KeyboardInterrupt


def test_no_file_is_left_after_ctrl_c(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        write_files(tmp_path / "out", _Interrupted(imported()))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_ansible_reads_the_same_files(tmp_path: Path) -> None:
    write_files(tmp_path / "out", imported())
    command = [sys.executable, "-m", "ansible.cli.inventory", "-i", str(tmp_path / "out"), "--list"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    found = json.loads(done.stdout)
    assert found["plant_a"]["hosts"] == ["fw1"]
    assert set(found["_meta"]["hostvars"]["fw1"]["segctl_conduits"]) == {"a", "b"}
    ours = host_json(read_inventory([tmp_path / "out"]), "fw1")
    assert found["_meta"]["hostvars"]["fw1"] == ours


# --- what import relies on in the inventory ------------------------------------------------------


def site_with(tmp_path: Path, zone_map: str) -> Site:
    (tmp_path / "hosts.yml").write_text(
        "all: {hosts: {fw1: {ansible_network_os: panos, segctl_default_rules: leave, "
        "segctl_zones: {near: {networks: [10.1.0.0/24]}, far: {networks: [10.2.0.0/24]}}, "
        f"segctl_zone_map: {zone_map}}}}}}}"
    )
    return load([tmp_path], today=TODAY).site


def test_default_rules_can_be_left(tmp_path: Path) -> None:
    site = site_with(tmp_path, "{near: {zone: NEAR, interfaces: [e1]}, far: {zone: FAR}}")
    (device,) = site.devices
    assert device.default_rules == "leave"
    assert compile_site(site, TODAY)["fw1"].policy[DefaultRule] == ()
    managed = replace(site, devices=(replace(device, default_rules="manage"),))
    assert compile_site(managed, TODAY)["fw1"].policy[DefaultRule] != ()


def test_a_zone_behind_shares_the_name_of_one_with_interfaces(tmp_path: Path) -> None:
    site = site_with(tmp_path, "{far: {zone: NEAR}, near: {zone: NEAR, interfaces: [e1]}}")
    assert [binding.name for binding in site.devices[0].zones] == ["NEAR", "NEAR"]
    assert compile_site(site, TODAY)["fw1"].findings == ()


@pytest.mark.parametrize(
    "zone_map",
    [
        "{far: {zone: NEAR}, near: {zone: NEAR}}",
        "{far: {zone: NEAR, interfaces: [e2]}, near: {zone: NEAR, interfaces: [e1]}}",
    ],
)
def test_two_zones_else_need_two_names(tmp_path: Path, zone_map: str) -> None:
    with pytest.raises(InventoryError, match="already used for zone far"):
        site_with(tmp_path, zone_map)


# --- both on one device --------------------------------------------------------------------------


def test_ours_keep_what_others_name_apart() -> None:
    """A rule of others must not change the zones that rules of ours name."""
    mark = "[segctl conduit=c flow=f] r; owner o"
    ours = Policy(
        addresses=(
            Address(name="ctrl.net.10.1.0.0-24", value="10.1.0.0/24"),
            Address(name="supv.hmi", value="10.2.0.9"),
        ),
        address_groups=(AddressGroup(name="ctrl", members=("ctrl.net.10.1.0.0-24",)),),
        rules=(
            rule(
                name="c.f",
                sources=("supv.hmi",),
                destinations=("ctrl",),
                conduit="c",
                flow="f",
                description=mark,
                tags=("segctl",),
            ),
        ),
    )
    others = rule(destinations=("plc 1", "10.9.0.0/16"), sources=("10.1.0.77", "hmi"))
    found = import_device(
        live(others, ours=ours),
        PanosProvider(),
        Device(name="fw1", platform="panos"),
        site="",
        connection={},
        today=TODAY,
    )
    zones = {zone.id: zone for zone in found.site.zones}
    assert zones["ctrl"].networks == (ip_network("10.1.0.0/24"),)
    assert zones["ctrl-others"].networks == (ip_network("10.9.0.0/16"),)
    assert [asset.name for asset in zones["ctrl"].assets] == ["plc-1"]
    assert any("10.1.0.77 (in the networks of another zone)" in str(one) for one in found.warnings)
    bound = [(binding.zone, binding.name) for binding in found.site.devices[0].zones]
    assert ("site/ctrl-others", "CTRL") in bound
    # only the tag object that this device lacks
    assert {str(w.subject) for w in found.warnings if "our mark" in w.message} <= {"segctl"}


def test_a_conduit_of_more_zones_than_are_seen_keeps_its_names() -> None:
    """The other zones lie at other firewalls; the rule's name says that there are some."""
    mine = rule(
        name="c.f.supv-ctrl",
        sources=("supv.hmi",),
        destinations=("ctrl.plc",),
        conduit="c",
        flow="f",
        description="[segctl conduit=c flow=f] r; owner o",
        tags=("segctl",),
    )
    ours = Policy(
        tags=(TAG,),
        addresses=(
            Address(name="ctrl.plc", value="10.1.0.11"),
            Address(name="supv.hmi", value="10.2.0.9"),
        ),
        rules=(mine,),
    )
    found = import_device(
        live(ours=ours),
        PanosProvider(),
        Device(name="fw1", platform="panos"),
        site="",
        connection={},
        today=TODAY,
    )
    assert found.changes == 0
    assert found.site.conduits[0].to_zones == ("site/ctrl", "site/unseen")
