"""A plant of several device groups of one firewall each, behind one mock Panorama."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from segctl_mocks import PanoramaMock, PanosMock
from segctl_mocks.panos.provision import provision
from support.managed import DEVICE
from support.panorama import PASSWORD, USER, system, zone

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

HOST = """\
        fw{0}:
          segctl_device_group: G{0}
          segctl_serial: "00700000010{0}"
"""
INVENTORY = """\
all:
  vars:
    ansible_network_os: panos
    ansible_user: segctl
    ansible_password: secret
    segctl_site: plant
  hosts:
    panorama1: {{ansible_host: 127.0.0.1, ansible_port: {port}, segctl_ca_file: {ca}}}
  children:
    plant:
      hosts:
{hosts}
      vars:
        segctl_panorama: panorama1
        segctl_zone_map: {{supervisory: {{zone: SUPV}}, cell: {{zone: CELL}}}}
        segctl_zones:
          supervisory: {{networks: [10.1.0.0/24]}}
          cell: {{networks: [10.2.0.0/24]}}
        segctl_conduits:
          poll:
            from: supervisory
            to: cell
            reason: polling
            owner: automation
            threat_prevention: none
            flows: {{modbus: {{protocols: {{modbus: [read]}}}}}}
"""


@contextmanager
def groups_of(folder: Path, number_of: int) -> Generator[PanoramaMock]:
    """Serve a Panorama with groups ``G0``, ``G1``, … of ``fw0``, ``fw1``, …; all have one template.

    The inventory is written into the folder.
    """
    users = {"admin": "pw", USER: PASSWORD}
    serials = {number: f"00700000010{number}" for number in range(number_of)}
    firewalls = [
        PanosMock(f"fw{number}", serial=serial, users=users, job_seconds=0.0)
        for number, serial in serials.items()
    ]
    for firewall in firewalls:
        provision(firewall.device, zones={"SUPV": ("ethernet1/1",), "CELL": ("ethernet1/2",)})
    mock = PanoramaMock(firewalls=firewalls, users=users, job_seconds=0.0)
    layer = f'<entry name="cells">{system(zone("SUPV"), zone("CELL"))}</entry>'
    mock.edit("set", f"{DEVICE}/template", layer, admin="admin")
    devices = "".join(f'<entry name="{serial}"/>' for serial in serials.values())
    stack = (
        f'<entry name="all"><templates><member>cells</member></templates>'
        f"<devices>{devices}</devices></entry>"
    )
    mock.edit("set", f"{DEVICE}/template-stack", stack, admin="admin")
    groups = "".join(
        f'<entry name="G{number}"><devices><entry name="{serial}"/></devices></entry>'
        for number, serial in serials.items()
    )
    mock.edit("set", f"{DEVICE}/device-group", groups, admin="admin", commit=True)
    with mock:
        ca = folder / "ca.pem"
        ca.write_bytes(mock.ca_pem)
        hosts = "".join(map(HOST.format, serials))
        text = INVENTORY.format(port=mock.port, ca=ca, hosts=hosts)
        (folder / "hosts.yml").write_text(text, encoding="utf-8")
        yield mock
