"""What the segctl variables mean: zones, conduits, firewalls, and how they are united."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from segctl.inventory import Loaded, VaultSecrets, encrypt, json_schema, load
from segctl.model.errors import InventoryError
from segctl.model.scope import Scope
from segctl.model.site import (
    Asset,
    Device,
    Endpoint,
    PortRange,
    Position,
    ProtocolUse,
    Schedule,
    SecurityLevel,
    Source,
    ZoneBinding,
)
from segctl.transports.credentials import Sealed, Secret

TODAY = date(2026, 11, 22)
LoadFiles = Callable[[Mapping[str, str]], Loaded]
Write = Callable[[Mapping[str, str]], None]

CONDUITS = """\
    segctl_conduits:
      c:
        from: {source}
        to: {to}
        reason: r
        owner: o
        flows:
          f: {flow}
    """


def one_flow(flow: str, source: str = "supervisory", to: str = "control") -> dict[str, str]:
    """Replace the plant's conduits by one with one flow."""
    text = CONDUITS.format(flow=flow, source=source, to=to)
    return {"group_vars/all.yml": text.replace("segctl_conduits", "segctl_conduits_more")}


def test_a_plant_without_mistakes(load_files: LoadFiles) -> None:
    loaded = load_files({})
    control, supervisory = loaded.site.zones
    assert (control.key, control.level, control.kind) == ("site/control", 1.0, "control")
    assert control.networks == (ip_network("10.20.1.0/24"),)
    assert control.assets[0] == Asset(name="plc1", addresses=(ip_network("10.20.1.11/32"),))
    assert control.declared == Source(file="group_vars/plant.yml", line=2, column=3)
    assert supervisory.intrazone == "allow"
    (conduit,) = loaded.site.conduits
    assert conduit.from_zones == ("site/supervisory",)
    (flow,) = conduit.flows
    assert flow.sources == (Endpoint(zone="site/supervisory", asset="scada1"),)
    assert [one.asset for one in flow.destinations] == ["plc1", "plc2"]
    assert flow.protocols == (ProtocolUse(protocol="modbus", classes=("read",)),)
    assert flow.declared == Source(file="group_vars/plant.yml", line=19, column=7)
    assert loaded.hosts == ("fw1",)
    assert loaded.warnings == ()
    assert [str(path) for path in loaded.files] == [
        "hosts.yml",
        "group_vars/plant.yml",
        "host_vars/fw1.yml",
    ]


def test_a_firewall(load_files: LoadFiles) -> None:
    loaded = load_files(
        {
            "host_vars/fw1.yml": """\
                segctl_zone_map:
                  control: {zone: CTRL, interfaces: ethernet1/2}
                  site/supervisory: {interfaces: [ethernet1/3, ethernet1/4]}
                segctl_position: {after: allow-mgmt}
                segctl_unmanaged: purge
                segctl_vsys: vsys2
                segctl_manage_zones: yes
                segctl_threat_profiles: {strict: s, alert: a}
                segctl_log_forwarding: to-siem
                segctl_schedules:
                  day: {daily: "08:00-17:00"}
                  week: {weekly: {tuesday: ["08:00-12:00", "13:00-17:00"], monday: ["00:00-23:59"]}}
                """
        }
    )
    assert loaded.site.devices == (
        Device(
            name="fw1",
            platform="panos",
            zones=(
                ZoneBinding(zone="site/control", name="CTRL", interfaces=("ethernet1/2",)),
                ZoneBinding(
                    zone="site/supervisory",
                    name="supervisory",
                    interfaces=("ethernet1/3", "ethernet1/4"),
                ),
            ),
            position=Position(where="after", rule="allow-mgmt"),
            unmanaged="purge",
            scope=Scope(name="vsys2"),
            manage_zones=True,
            threat_profiles=(("alert", "a"), ("strict", "s")),
            log_forwarding="to-siem",
            schedules=(
                Schedule(name="day", daily=("08:00-17:00",)),
                Schedule(
                    name="week",
                    weekly=(
                        ("monday", ("00:00-23:59",)),
                        ("tuesday", ("08:00-12:00", "13:00-17:00")),
                    ),
                ),
            ),
        ),
    )


@pytest.mark.parametrize(
    ("network_os", "platform"),
    [
        ("paloaltonetworks.panos.panos", "panos"),
        ("nftables", "nftables"),
        ("cisco.asa.asa", "asa"),
        ("fortinet.fortios.fortios", "fortios"),
        ("junipernetworks.junos.junos", "junos"),
    ],
)
def test_platforms(network_os: str, platform: str, load_files: LoadFiles) -> None:
    hosts = f"plant: {{hosts: {{fw1: {{ansible_network_os: {network_os}}}, server: }}}}\n"
    (device,) = load_files({"hosts.yml": hosts}).site.devices
    assert device.platform == platform


def test_services_users_and_the_rest_of_a_flow(load_files: LoadFiles) -> None:
    flow = (
        "{services: ['tcp/80,443', udp/1000-2000], applications: [ssl], log: false, "
        'users: ["plant\\\\engineers", "cn=eng,ou=x"], essential: true, functions: not-enforced}'
    )
    found = load_files(one_flow(flow)).site.conduits[0].flows[0]
    assert found.services == (
        PortRange(protocol="tcp", first=80, last=80),
        PortRange(protocol="tcp", first=443, last=443),
        PortRange(protocol="udp", first=1000, last=2000),
    )
    assert found.users == ("plant\\engineers", "cn=eng,ou=x")
    assert (found.essential, found.log, found.functions) == (True, False, "not-enforced")


def test_an_asset_in_two_zones_is_both(load_files: LoadFiles) -> None:
    zones = """\
        segctl_zones_2:
          cell: {level: 1, networks: [10.30.0.0/16], assets: {plc1: 10.30.0.1}}
        """
    flow = "{source: 10.20.2.128/25, destination: [plc1, 10.20.1.12], services: tcp/1}"
    files = one_flow(flow, to="[control, cell]")
    files["group_vars/plant2.yml"] = zones
    files["hosts.yml"] = (
        "plant: {hosts: {fw1: {ansible_network_os: panos}}}\nplant2: {hosts: {fw1: }}\n"
    )
    found = load_files(files).site.conduits[0].flows[0]
    assert found.sources == (
        Endpoint(zone="site/supervisory", network=ip_network("10.20.2.128/25")),
    )
    assert found.destinations == (
        Endpoint(zone="site/control", asset="plc1"),
        Endpoint(zone="site/cell", asset="plc1"),
        Endpoint(zone="site/control", network=ip_network("10.20.1.12/32")),
    )


def test_sites_scope_ids_and_conduits_may_join_them(load_files: LoadFiles) -> None:
    files = {
        "hosts.yml": """\
            a: {hosts: {fw1: {ansible_network_os: panos}}}
            b: {hosts: {fw2: {ansible_network_os: panos}}}
            """,
        "group_vars/a.yml": "segctl_site: a\nsegctl_zones: {control: {level: 1}}\n",
        "group_vars/b.yml": "segctl_site: b\nsegctl_zones: {control: {level: 2}}\n"
        "segctl_conduits: {c: {from: control, to: a/control, reason: r, owner: o,"
        " flows: {f: {services: tcp/1}}}}\n",
        "host_vars/fw1.yml": "segctl_zone_map: {control: {}, b/control: {zone: other}}\n",
    }
    site = load_files(files).site
    assert [zone.key for zone in site.zones] == ["a/control", "b/control"]
    assert site.conduits[0].key == "b/c"
    assert (site.conduits[0].from_zones, site.conduits[0].to_zones) == (
        ("b/control",),
        ("a/control",),
    )
    assert [one.zone for one in site.devices[0].zones] == ["a/control", "b/control"]


def test_the_same_zone_with_the_same_content_twice_is_one(load_files: LoadFiles) -> None:
    zone = "{level: 4, networks: [192.0.2.0/24]}"
    files = {
        "hosts.yml": """\
            plant:
              hosts:
                fw1: {ansible_network_os: panos, segctl_zones_x: {office: ZONE}}
                fw2: {ansible_network_os: panos, segctl_zones_y: {office: ZONE}}
            """.replace("ZONE", zone)
    }
    assert [one.id for one in load_files(files).site.zones].count("office") == 1


def test_security_levels(load_files: LoadFiles) -> None:
    extra = "segctl_zones_x: {p: {security_level: 2}, q: {security_level: {iac: 1, ra: 3}}}\n"
    zones = {zone.id: zone for zone in load_files({"group_vars/all.yml": extra}).site.zones}
    assert zones["p"].security_level == SecurityLevel(iac=2, uc=2, si=2, dc=2, rdf=2, tre=2, ra=2)
    assert zones["q"].security_level == SecurityLevel(iac=1, ra=3)


def test_the_limit_selects_hosts_and_keeps_the_site(write: Write, plant: Mapping[str, str]) -> None:
    hosts = "plant: {hosts: {fw1: {ansible_network_os: panos}, fw2: {ansible_network_os: asa}}}\n"
    write({**plant, "hosts.yml": hosts})
    loaded = load([Path("hosts.yml")], limit="fw2", today=TODAY)
    assert loaded.hosts == ("fw2",)
    assert [device.name for device in loaded.site.devices] == ["fw1", "fw2"]
    assert set(loaded.connections) == {"fw1", "fw2"}


def test_connections_hold_secrets_that_do_not_show(
    write: Write, plant: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    sealed = encrypt("hunter2", Secret("pa55")).replace("\n", "\n  ")
    extra = f"ansible_password: !vault |\n  {sealed}\nansible_become_password: plain\n"
    extra += "segctl_ca_file: ~/ca.pem\nsegctl_timeout: 60\nsegctl_tls_verify: true\n"
    write({**plant, "group_vars/all.yml": extra})

    loaded = load([Path("hosts.yml")], vault=VaultSecrets.of("pa55"), today=TODAY)

    connection = loaded.connections["fw1"]
    assert connection["ansible_password"] == Secret("hunter2")
    assert connection["segctl_ca_file"] == f"{tmp_path}/ca.pem"
    assert (connection["segctl_timeout"], connection["ansible_host"]) == (60, "192.0.2.1")
    assert "hunter2" not in repr(loaded)
    assert "plain" not in repr(connection)
    unopened = load([Path("hosts.yml")], today=TODAY)
    assert isinstance(unopened.connections["fw1"]["ansible_password"], Sealed)
    assert "is vaulted" in unopened.warnings[0].message


def test_numbers_and_booleans_on_the_command_line(write: Write, plant: Mapping[str, str]) -> None:
    write(plant)
    given = ["segctl_timeout=5 segctl_tls_verify=false", "segctl_manage_zones=yes"]
    loaded = load([Path("hosts.yml")], extra_vars=given, today=TODAY)
    connection = loaded.connections["fw1"]
    assert (connection["segctl_timeout"], connection["segctl_tls_verify"]) == ("5", False)
    assert loaded.site.devices[0].manage_zones
    for wrong in ("segctl_timeout=soon", "segctl_timeout=0", "segctl_tls_verify=2"):
        with pytest.raises(InventoryError, match=r"--extra-vars"):
            load([Path("hosts.yml")], extra_vars=[wrong], today=TODAY)


def test_the_digest_is_of_what_is_declared_not_of_where(load_files: LoadFiles) -> None:
    before = load_files({}).digest
    bindings = """\
        # moved

        segctl_zone_map:
          control: {zone: CTRL, interfaces: [ethernet1/2]}
          supervisory: {zone: SUPV, interfaces: [ethernet1/3]}
        """
    moved = load_files({"host_vars/fw1.yml": bindings}).digest
    changed = load_files(one_flow("{services: tcp/1}")).digest
    assert before.startswith("sha256:")
    assert before == moved != changed


WARNINGS = (
    ("segctl_zones_x: {lab: {networks: [10.20.1.128/25]}}", "shared-network", "site/control"),
    ("segctl_zones_x: {lab: {}}", "unattached-zone", "site/lab"),
    ("review_by: 2026-11-21", "review-overdue", "site/c"),
    ("expires: 2026-11-21, ticket: T", "expired", "site/c"),
    ("expires: 2026-12-22, ticket: T", "expires-soon", "site/c"),
    ("expires: 2030-01-01", "no-ticket", "site/c"),
    ("flow: {functions: not-enforced, services: tcp/1}", "functions-not-enforced", "site/c.f"),
    ("flow: {services: tcp/23}", "cleartext", "site/c.f"),
    ("flow: {services: tcp/1-65535}", "wide-service", "site/c.f"),
    ("flow: {applications: any}", "any-application", "site/c.f"),
    ("flow: {services: tcp/8443}", "any-application", "site/c.f"),
    ("from: office", "skips-dmz", "site/c"),
    ("from: internet", "skips-dmz", "site/c"),
)


@pytest.mark.parametrize(("change", "kind", "subject"), WARNINGS)
def test_findings(change: str, kind: str, subject: str, load_files: LoadFiles) -> None:
    zones = "segctl_zones_y: {office: {level: 4}, internet: {level: 5, kind: external}}\n"
    conduit = {"from": "supervisory", "to": "control", "reason": "r", "owner": "o"}
    flow: object = {"services": "tcp/1"}
    text = zones
    if change.startswith("segctl_"):
        text += f"{change}\n"
    else:
        changed = yaml.safe_load(f"{{{change}}}")
        flow = changed.pop("flow", flow)
        conduit |= changed
    text += yaml.safe_dump({"segctl_conduits_x": {"c": {**conduit, "flows": {"f": flow}}}})

    warnings = load_files({"group_vars/all.yml": text}).warnings

    found = [one for one in warnings if (one.kind, one.subject) == (kind, subject)]
    assert found
    assert all(one.severity == "warning" and one.file and one.line for one in found)


def test_an_absent_conduit_has_no_findings(load_files: LoadFiles) -> None:
    text = (
        "segctl_conduits_x: {c: {from: supervisory, to: control, reason: r, owner: o, "
        "mode: absent, expires: 2020-01-01, flows: {f: {services: tcp/23}}}}\n"
    )
    assert load_files({"group_vars/all.yml": text}).warnings == ()


def test_the_schema_accepts_the_plant_and_refuses_mistakes(plant: Mapping[str, str]) -> None:
    validator: Any = jsonschema.Draft202012Validator(json_schema())
    validator.check_schema(json_schema())
    for name in ("group_vars/plant.yml", "host_vars/fw1.yml"):
        validator.validate(yaml.safe_load(plant[name]))
    validator.validate({"ansible_user": 1, "segctl_zones_more": {}, "other": [1]})
    mistakes: tuple[dict[str, object], ...] = (
        {"segctl_zonemap": {}},
        {"segctl_zones": {"a": {"levell": 1}}},
        {"segctl_zones": {"a": {"level": 6}}},
        {"segctl_conduits": {"c": {"from": "a"}}},
        {"segctl_unmanaged": "delete"},
        {"segctl_timeout": 0},
    )
    for wrong in mistakes:
        assert list(validator.iter_errors(wrong)), wrong


def test_templates_and_vaulted_values_in_segctl_variables(
    write: Write, plant: Mapping[str, str]
) -> None:
    sealed = encrypt("vsys3", Secret("pa55")).replace("\n", "\n  ")
    write({**plant, "group_vars/all.yml": f"segctl_vsys: !vault |\n  {sealed}\n"})
    loaded = load([Path("hosts.yml")], vault=VaultSecrets.of("pa55"), today=TODAY)
    assert loaded.site.devices[0].scope == Scope(name="vsys3")
    with pytest.raises(InventoryError, match="is vaulted and cannot be opened"):
        load([Path("hosts.yml")], today=TODAY)


def test_files_and_groups_that_nothing_reads_are_findings(load_files: LoadFiles) -> None:
    loaded = load_files(
        {
            "hosts.yml": """\
                plant: {hosts: {fw1: {ansible_network_os: panos}}}
                empty: {vars: {segctl_zones_x: {lost: {level: 1}}}}
                """,
            "group_vars/plnat.yml": "segctl_zones: {}\n",
            "group_vars/others/vars.yml": "no: concern\n",
            "host_vars/fw2/segctl.yml": "segctl_site: x\n",
        }
    )
    found: dict[str, list[tuple[str, str]]] = {one.kind: [] for one in loaded.warnings}
    for one in loaded.warnings:
        found[one.kind].append((one.where, one.hint))
    assert found == {
        "unread-file": [
            ("group_vars/plnat.yml", "did you mean plant?"),
            ("host_vars/fw2", "did you mean fw1?"),
        ],
        "empty-group": [("hosts.yml:2:16", "add the firewalls of the site to the group")],
    }
