"""A managed firewall with two virtual systems: two hosts, whose zones come from one template."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from segctl_mocks import PanoramaMock, PanosMock
from support.managed import DEVICE, FIRST, PORTS
from support.panorama import INVENTORY, PASSWORD, SERVER, USER, Managed, Plant, variable, zone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: The virtual systems by host: their names and what people call them.
SYSTEMS = {"fw1": ("vsys1", "process"), "fw2": ("vsys2", "safety")}
HELD = {"fw1": ("SUPV", "CELL1"), "fw2": ("SUPV", "CELL2")}
OWN = "        fw{}:\n"
MORE = f"{OWN}          segctl_vsys: vsys{{}}\n          segctl_serial: '{FIRST}'\n"
WITH = "cell-2: {zone: CELL2, interfaces: [ethernet1/4]}"


def firewall() -> PanosMock:
    """Return the firewall; its second virtual system has the port of its own."""
    mock = PanosMock(
        "fw1",
        serial=FIRST,
        multi_vsys=True,
        users={"admin": "pw", USER: PASSWORD},
        job_seconds=0.0,
    )
    mock.edit("set", f"{DEVICE}/network/interface/ethernet", PORTS, admin="admin")
    mock.edit("set", f"{DEVICE}/deviceconfig/system", SERVER, admin="admin")
    for host, (system, shown) in SYSTEMS.items():
        entry = f'<entry name="{system}"><display-name>{shown}</display-name></entry>'
        mock.edit("set", f"{DEVICE}/vsys", entry, admin="admin")
        first = 1 if host == "fw1" else 3
        ports = [f"ethernet1/{first + number}" for number in range(2)]
        where = f"{DEVICE}/vsys/entry[@name='{system}']"
        listed = "".join(f"<member>{port}</member>" for port in ports)
        mock.edit("set", f"{where}/import/network/interface", listed, admin="admin")
        zones = "".join(zone(name, port) for name, port in zip(HELD[host], ports, strict=True))
        mock.edit("set", f"{where}/zone", zones, admin="admin")
    mock.edit("set", f"{DEVICE}/vsys", "", admin="admin", commit=True)
    return mock


def template(*, by: int, ports: tuple[str, str] = ("ethernet1/2", "$cell")) -> str:
    """Return a template in which each virtual system goes by its name (0) or what it is called."""
    held = "".join(
        f'<entry name="{SYSTEMS[host][by]}"><zone>{zone("SUPV")}{zone(HELD[host][1], port)}</zone>'
        "</entry>"
        for host, port in zip(SYSTEMS, ports, strict=True)
    )
    known = "".join(f'<entry name="{port}"><layer3/></entry>' for port in ports)
    network = f"<network><interface><ethernet>{known}</ethernet></interface></network>"
    entry = f'<entry name="localhost.localdomain">{network}<vsys>{held}</vsys></entry>'
    return f"<config><devices>{entry}</devices></config>{variable('$cell', 'ethernet1/4')}"


def give(panorama: PanoramaMock, layer: str) -> None:
    entry = f'<entry name="cells">{layer}</entry>'
    panorama.edit("set", f"{DEVICE}/template", entry, admin="admin")
    stack = (
        f'<entry name="stack"><templates><member>cells</member></templates><devices>'
        f'<entry name="{FIRST}"/></devices></entry>'
    )
    panorama.edit("set", f"{DEVICE}/template-stack", stack, admin="admin", commit=True)


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plant]:
    """Both virtual systems are in one device group."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    mock = firewall()
    users = {"admin": "pw", USER: PASSWORD}
    panorama = PanoramaMock(firewalls=[mock], users=users, job_seconds=0.0)
    systems = "".join(f'<entry name="{system}"/>' for system, _ in SYSTEMS.values())
    devices = f'<devices><entry name="{FIRST}"><vsys>{systems}</vsys></entry></devices>'
    group = f'<entry name="OT">{devices}</entry>'
    panorama.edit("set", f"{DEVICE}/device-group", group, admin="admin", commit=True)
    inventory = INVENTORY
    for number in (1, 2):
        inventory = inventory.replace(OWN.format(number), MORE.format(number, number))
    with panorama:
        ca = tmp_path / "ca.pem"
        ca.write_bytes(panorama.ca_pem)
        text = inventory.format(port=panorama.port, ca=ca)
        (tmp_path / "hosts.yml").write_text(text, encoding="utf-8")
        yield Plant(Managed(tmp_path, panorama, {"fw1": mock}))


@pytest.mark.parametrize("by", [0, 1], ids=["name", "display name"])
def test_zones_of_each_virtual_system_are_those_of_its_entry(by: int, plant: Plant) -> None:
    give(plant.mocks.panorama, template(by=by))
    plant.change("cell-2: {zone: CELL2}", WITH)
    assert "Plan: " in plant("plan")
    plant.change("[ethernet1/4]", "[ethernet1/2]")  # that is a port of the other virtual system
    done = plant.run("plan")
    assert "zone CELL2 of fw2 is bound to ethernet1/4 by its templates, to ethernet1/2" in (
        done.stdout + done.stderr
    )


@pytest.mark.parametrize("by", [0, 1], ids=["name", "display name"])
def test_a_zone_of_the_other_virtual_system_does_not_count(by: int, plant: Plant) -> None:
    give(plant.mocks.panorama, template(by=by))
    plant.change("cell-2: {zone: CELL2}", "cell-2: {zone: CELL1}")
    done = plant.run("plan")
    assert "fw2 has no zone CELL1" in done.stdout + done.stderr


def test_an_entry_of_another_name_gives_no_zone(plant: Plant) -> None:
    give(plant.mocks.panorama, template(by=1).replace('name="safety"', 'name="utilities"'))
    done = plant.run("plan")
    assert "fw2 has no zone CELL2" in done.stdout + done.stderr


def test_both_virtual_systems_get_their_rules_and_drift_is_read_from_each(plant: Plant) -> None:
    give(plant.mocks.panorama, template(by=1))
    plant("apply", "--auto-approve")
    pushed = plant.mocks.firewalls["fw1"].device.pushed
    for host, (system, _) in SYSTEMS.items():
        names = [rule.get("name", "") for rule in pushed.rules(system, "pre-rulebase")]
        assert f"plant.poll-{host[-1]}.modbus" in names
        assert f"plant.poll-{3 - int(host[-1])}.modbus" not in names
    assert plant.run("drift", "--no-history").returncode == 0
