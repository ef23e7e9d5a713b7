"""Two virtual systems of one mock firewall: two hosts of the inventory that are one device."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lxml import etree

from cli_support import PASSWORD, USER, ZONES, Plant, write_plant
from segctl_mocks import PanosMock
from segctl_mocks.panos.provision import provision

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    import pytest

#: Which virtual system each host is.
SYSTEMS = {"fw1": "vsys1", "fw2": "vsys2"}
DEVICE = "/config/devices/entry[@name='localhost.localdomain']"
REPLICATION = "plant.replication.tls"


class Served:
    """What `Plant` needs of a fleet: one firewall, by the name of either host."""

    def __init__(self, mock: PanosMock) -> None:
        self.mocks = {"fw1": mock}

    def __getitem__(self, name: str) -> PanosMock:
        del name
        return self.mocks["fw1"]


@contextmanager
def two_systems(folder: Path, capsys: pytest.CaptureFixture[str]) -> Generator[Plant]:
    """Serve the plant with fw1 and fw2 as two virtual systems of one firewall."""
    write_plant(folder)
    mock = PanosMock(
        "device",
        multi_vsys=True,
        job_seconds=0.0,
        users={USER: PASSWORD},
    )
    for host, vsys in SYSTEMS.items():
        zones = {
            name: [f"ethernet1/{5 if vsys == 'vsys2' else 2}.{number}"]
            for number, name in enumerate(ZONES[host], 1)
        }
        provision(mock.device, vsys=vsys, zones=zones, profile_groups=(), log_forwarding=())
        own = folder / f"host_vars/{host}.yml"
        text = own.read_text("utf-8")
        for name, ports in zones.items():
            text = re.sub(rf"(zone: {name}, interfaces: )\[.*?\]", rf"\1[{ports[0]}]", text)
        own.write_text(f"{text}segctl_vsys: {vsys}\n", encoding="utf-8")
    with mock:
        entries = "".join(
            f"    {host}:\n      ansible_host: {mock.host}\n      ansible_port: {mock.port}\n"
            f"      segctl_ca_file: {mock.ca_file}\n"
            for host in SYSTEMS
        )
        (folder / "mocks.yml").write_text(f"all:\n  hosts:\n{entries}", encoding="utf-8")
        yield Plant(folder, Served(mock), capsys)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - it asks for no more


def rules(config: bytes) -> dict[str, str]:
    """Return what decides traffic in each virtual system: its rules."""
    root = etree.fromstring(config)
    found: dict[str, str] = {}
    for entry in root.iterfind("devices/entry/vsys/entry"):
        base = entry.find("rulebase/security")
        found[entry.get("name", "")] = "" if base is None else etree.tostring(base).decode()
    return found
