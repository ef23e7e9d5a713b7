"""Two virtual systems of one mock firewall: two hosts of the inventory that are one device."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import yaml
from lxml import etree

from cli_support import PASSWORD, USER, ZONES, Plant, write_plant
from segctl_mocks import PanosMock, PanosPair
from segctl_mocks.panos.pair import ADDRESSES
from segctl_mocks.panos.provision import provision

if TYPE_CHECKING:
    from collections.abc import Generator
    from contextlib import AbstractContextManager
    from pathlib import Path

    import pytest

#: Which virtual system each host is.
SYSTEMS = {"fw1": "vsys1", "fw2": "vsys2"}
SERIALS = ("007000001222", "007000001333")
DEVICE = "/config/devices/entry[@name='localhost.localdomain']"
REPLICATION = "plant.replication.tls"


class Served:
    """What `Plant` needs of a fleet: one firewall, by the name of either host, and its peer."""

    def __init__(self, mock: PanosMock, peer: PanosMock) -> None:
        self.mocks = {"fw1": mock}
        self.peer = peer

    def __getitem__(self, name: str) -> PanosMock:
        return self.peer if name.endswith("-b") else self.mocks["fw1"]


@contextmanager
def two_systems(
    folder: Path, capsys: pytest.CaptureFixture[str], *, pair: bool = False
) -> Generator[Plant]:
    """Serve the plant with fw1 and fw2 as two virtual systems of one firewall, or of a pair.

    The peers in the inventory are then `fw1-b` and `fw2-b`, which are one firewall as well.
    """
    write_plant(folder)
    mock, peer = (
        PanosMock(
            f"device{suffix}",
            multi_vsys=True,
            job_seconds=0.0,
            users={USER: PASSWORD},
            serial=serial,
            ip_address=address,
        )
        for suffix, serial, address in zip(("", "-b"), SERIALS, ADDRESSES, strict=True)
    )
    _prepare(mock, folder, pair=pair)
    served: AbstractContextManager[object] = mock
    if pair:
        served = PanosPair(mock, peer)
        hosts = folder / "hosts.yml"
        found = yaml.safe_load(hosts.read_text("utf-8"))
        found["all"]["children"]["plant"]["hosts"] |= {f"{host}-b": {} for host in SYSTEMS}
        hosts.write_text(yaml.safe_dump(found), encoding="utf-8")
    with served:
        ways = {"": mock, "-b": peer} if pair else {"": mock}
        entries = "".join(
            f"    {host}{suffix}:\n      ansible_host: {one.host}\n      ansible_port: {one.port}\n"
            f"      segctl_ca_file: {one.ca_file}\n"
            for suffix, one in ways.items()
            for host in SYSTEMS
        )
        (folder / "mocks.yml").write_text(f"all:\n  hosts:\n{entries}", encoding="utf-8")
        yield Plant(folder, Served(mock, peer), capsys)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - it asks for no more


def _prepare(mock: PanosMock, folder: Path, *, pair: bool) -> None:
    """Make the zones of each host in its virtual system, and declare that."""
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
        peer = f"segctl_ha_peer: {host}-b\n" if pair else ""
        own.write_text(f"{text}segctl_vsys: {vsys}\n{peer}", encoding="utf-8")


def rules(config: bytes) -> dict[str, str]:
    """Return what decides traffic in each virtual system: its rules."""
    root = etree.fromstring(config)
    found: dict[str, str] = {}
    for entry in root.iterfind("devices/entry/vsys/entry"):
        base = entry.find("rulebase/security")
        found[entry.get("name", "")] = "" if base is None else etree.tostring(base).decode()
    return found
