"""How often a Panorama is asked: once for what is the same for all its device groups."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from segctl.cli import run
from segctl_mocks import PanoramaMock, PanosMock
from segctl_mocks.panos.provision import provision
from support.managed import DEVICE
from support.panorama import PASSWORD, USER, system, zone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MANY = 6
#: Of a plan: the key, the system, shared, applications, containers, the hierarchy, the stacks, and
#: two of the one template.
MOST_IN_COMMON = 9
#: Of each device group: pending changes, the group, what its firewalls have, four counts, two kinds
#: of locks.
MOST_OF_A_GROUP = 9
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


@pytest.fixture
def panorama(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PanoramaMock]:
    """Six device groups of one firewall each, all with one template."""
    monkeypatch.chdir(tmp_path)
    users = {"admin": "pw", USER: PASSWORD}
    serials = {number: f"00700000010{number}" for number in range(MANY)}
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
        ca = tmp_path / "ca.pem"
        ca.write_bytes(mock.ca_pem)
        hosts = "".join(map(HOST.format, serials))
        text = INVENTORY.format(port=mock.port, ca=ca, hosts=hosts)
        (tmp_path / "hosts.yml").write_text(text, encoding="utf-8")
        yield mock


def asked(mock: PanoramaMock, *words: str) -> Counter[str]:
    """Run a command; return what it asked the Panorama, and how often."""
    before = len(mock.requests)
    assert run(["-i", "hosts.yml", *words]) == 0
    return Counter(
        f"{request.type} {request.action} {request.xpath}{request.cmd}"
        for request in mock.requests[before:]
    )


def test_what_belongs_to_panorama_as_a_whole_is_asked_once_for_all_groups(
    panorama: PanoramaMock,
) -> None:
    one = asked(panorama, "plan", "--no-cache", "-l", "fw0")
    many = asked(panorama, "plan", "--no-cache")
    more = many.total() - one.total()
    assert more == (MANY - 1) * MOST_OF_A_GROUP
    assert one.total() <= MOST_IN_COMMON + MOST_OF_A_GROUP
    again = {request: times for request, times in many.items() if times > 1}
    assert len(again) <= 3, "pending changes, and locks: what may change at any moment"
    assert set(again.values()) <= {MANY}


def test_what_is_changed_is_read_by_each_for_itself(
    panorama: PanoramaMock, capsys: pytest.CaptureFixture[str]
) -> None:
    """A change rests on what its own session read, under its lock."""
    found = asked(panorama, "apply", "--auto-approve")
    assert found["config show /config/shared"] > 2 * MANY
    capsys.readouterr()
    assert run(["-i", "hosts.yml", "plan", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [one["changes"] for one in document["devices"]] == [[]] * MANY
