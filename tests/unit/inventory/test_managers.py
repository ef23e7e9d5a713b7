"""Firewalls behind a Panorama: how the inventory says so, and what contradicts itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from segctl.model.errors import InventoryError
from segctl.model.scope import Scope
from segctl.model.site import group_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from segctl.inventory import Loaded

    LoadFiles = Callable[[Mapping[str, str]], Loaded]

HOSTS = """\
    all:
      vars: {ansible_network_os: panos}
      hosts:
        panorama1: {ansible_host: 192.0.2.1}
        fw1:
        fw2:
"""
MANAGED = """\
    segctl_panorama: panorama1
    segctl_device_group: OT
    segctl_zone_map: {control: {zone: CTRL}}
"""
ZONES = """\
    segctl_zones:
      control: {level: 1, networks: [10.0.1.0/24]}
"""


def plant(**changed: str) -> dict[str, str]:
    files = {
        "hosts.yml": HOSTS,
        "group_vars/all.yml": ZONES,
        "host_vars/fw1.yml": MANAGED,
        "host_vars/fw2.yml": MANAGED,
    }
    return files | {name.replace("__", "/") + ".yml": text for name, text in changed.items()}


def test_a_panorama_is_reached_but_is_not_a_firewall(load_files: LoadFiles) -> None:
    loaded = load_files(plant(host_vars__fw2=MANAGED + "    segctl_rulebase: pre\n"))
    assert [device.name for device in loaded.site.devices] == ["fw1", "fw2"]
    assert loaded.connections["panorama1"]["ansible_host"] == "192.0.2.1"
    one = loaded.site.devices[0]
    assert (one.platform, one.manager, str(one.scope)) == ("panos", "panorama1", "vsys1")
    assert one.group == Scope(kind="device-group", name="OT")
    assert group_name(one) == "panorama1:OT"


def test_rules_may_come_after_the_firewalls_own(load_files: LoadFiles) -> None:
    post = MANAGED + "    segctl_rulebase: post\n"
    loaded = load_files(plant(host_vars__fw1=post, host_vars__fw2=post))
    assert loaded.site.devices[0].group == Scope(kind="device-group-post", name="OT")


@pytest.mark.parametrize(
    ("changed", "where", "message"),
    [
        (
            {"host_vars__fw1": MANAGED.replace("panorama1", "panorma1")},
            "fw1.yml:1:18",
            "segctl_panorama names panorma1, which is not a host of the inventory",
        ),
        (
            {"host_vars__fw1": MANAGED.replace("    segctl_device_group: OT\n", "")},
            "fw1.yml:1:1",
            "segctl_panorama of host fw1 needs segctl_device_group",
        ),
        (
            {"host_vars__fw1": MANAGED.replace("    segctl_panorama: panorama1\n", "")},
            "fw1.yml:1:1",
            "segctl_device_group of host fw1 needs segctl_panorama",
        ),
        (
            {"host_vars__panorama1": "    segctl_zone_map: {control: {zone: X}}\n"},
            "panorama1.yml:1:1",
            "host panorama1 is the Panorama of other hosts, and has zones",
        ),
        (
            {"host_vars__panorama1": "    ansible_network_os: nftables\n"},
            "fw1.yml:1:18",
            "segctl_panorama names panorama1, whose ansible_network_os is not PAN-OS",
        ),
        (
            {"host_vars__fw2": MANAGED + "    segctl_unmanaged: purge\n"},
            "fw2.yml:4:1",
            "segctl_unmanaged of host fw2 differs from that of fw1, and both are in",
        ),
        (
            {"host_vars__fw2": MANAGED + "    segctl_rulebase: post\n"},
            "fw2.yml:4:1",
            "segctl_rulebase of host fw2 differs from that of fw1",
        ),
        (
            {
                "host_vars__fw1": MANAGED + '    segctl_serial: "0070"\n',
                "host_vars__fw2": MANAGED + '    segctl_serial: "0070"\n',
            },
            "fw2.yml:4:16",
            "segctl_serial 0070 is the one of host fw1, too",
        ),
    ],
)
def test_what_contradicts_itself_is_told(
    load_files: LoadFiles, changed: dict[str, str], where: str, message: str
) -> None:
    with pytest.raises(InventoryError) as caught:
        load_files(plant(**changed))
    told = [
        f"{one.file.rpartition('/')[2]}:{one.line}:{one.column}" for one in caught.value.problems
    ]
    assert message in str(caught.value)
    assert where in told, told


def test_zones_cannot_be_managed_behind_a_panorama(load_files: LoadFiles) -> None:
    with pytest.raises(InventoryError) as caught:
        load_files(plant(host_vars__fw1=MANAGED + "    segctl_manage_zones: true\n"))
    (problem,) = caught.value.problems
    assert "segctl_manage_zones of host fw1 cannot be true" in problem.message
    load_files(plant(host_vars__fw1=MANAGED + "    segctl_manage_zones: false\n"))
