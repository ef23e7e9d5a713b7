"""A plant of two firewalls behind a mock Panorama, as an inventory and as running mocks."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from subprocess import CompletedProcess, run
from typing import TYPE_CHECKING, Any

from segctl_mocks import PanoramaMock, PanosMock
from support.managed import DEVICE, FIRST, IMPORTS, PORTS, SECOND, VSYS

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping
    from pathlib import Path

USER, PASSWORD = "segctl", "secret"
GROUP = f"{DEVICE}/device-group/entry[@name='OT']"
RULES = f"{GROUP}/pre-rulebase/security/rules"
SERIALS = {"fw1": FIRST, "fw2": SECOND}
#: The other member of the pair that `fw1` is, where it is one.
PEER = {"fw1b": "007000000003"}
#: How a firewall names its Panorama.
SERVER = (
    "<panorama><local-panorama><panorama-server>192.0.2.250</panorama-server></local-panorama>"
    "</panorama>"
)
#: By firewall, its zones with one port each.
ZONES = {"fw1": ("SUPV", "CELL1"), "fw2": ("SUPV", "CELL2")}

INVENTORY = """\
all:
  vars:
    ansible_network_os: panos
    ansible_user: segctl
    ansible_password: secret
    segctl_site: plant
    segctl_timeout: 30
    segctl_commit_timeout: 30
  hosts:
    panorama1: {{ansible_host: 127.0.0.1, ansible_port: {port}, segctl_ca_file: {ca}}}
  children:
    plant:
      hosts:
        fw1:
          segctl_zone_map: {{supervisory: {{zone: SUPV}}, cell-1: {{zone: CELL1}}}}
        fw2:
          segctl_zone_map: {{supervisory: {{zone: SUPV}}, cell-2: {{zone: CELL2}}}}
      vars:
        segctl_panorama: panorama1
        segctl_device_group: OT
        segctl_zones:
          supervisory: {{networks: [10.1.0.0/24], assets: {{scada1: 10.1.0.5}}}}
          cell-1: {{networks: [10.2.1.0/24], assets: {{plc1: 10.2.1.10}}}}
          cell-2: {{networks: [10.2.2.0/24], assets: {{plc2: 10.2.2.10}}}}
        segctl_conduits:
          poll-1: &poll
            from: supervisory
            to: cell-1
            reason: polling
            owner: automation
            threat_prevention: none
            flows:
              modbus: {{source: scada1, protocols: {{modbus: [read]}}}}
          poll-2: {{<<: *poll, to: cell-2}}
"""


@dataclass(frozen=True, slots=True)
class Managed:
    """The running mocks, and the folder with the inventory."""

    folder: Path
    panorama: PanoramaMock
    firewalls: dict[str, PanosMock]

    def pushed(self, name: str) -> list[str]:
        """Return the names of the rules that a firewall got from Panorama, in order."""
        pushed = self.firewalls[name].device.pushed
        return [rule.get("name", "") for rule in pushed.rules("vsys1", "pre-rulebase")]


def firewall(name: str, zones: Iterable[str], **more: object) -> PanosMock:
    """Return a firewall with its zones."""
    users = {"admin": "pw", USER: PASSWORD}
    serial = {**SERIALS, **PEER}[name]
    mock = PanosMock(name, serial=serial, users=users, job_seconds=0.0, **more)  # type: ignore[arg-type] # settings by name
    mock.edit("set", f"{DEVICE}/network/interface/ethernet", PORTS, admin="admin")
    mock.edit("set", f"{VSYS}/import/network/interface", IMPORTS, admin="admin", commit=True)
    text = "".join(
        f'<entry name="{zone}"><network><layer3><member>ethernet1/{number}</member></layer3>'
        "</network></entry>"
        for number, zone in enumerate(zones, start=1)
    )
    mock.edit("set", f"{DEVICE}/deviceconfig/system", SERVER, admin="admin")
    mock.edit("set", f"{VSYS}/zone", text, admin="admin", commit=True)
    return mock


def zone(name: str, *ports: str) -> str:
    """Return a zone with its interfaces."""
    listed = "".join(f"<member>{port}</member>" for port in ports)
    return f'<entry name="{name}"><network><layer3>{listed}</layer3></network></entry>'


def variable(name: str, value: str) -> str:
    """Return a variable that is an interface."""
    kind = f"<type><interface>{value}</interface></type>"
    return f'<variable><entry name="{name}">{kind}</entry></variable>'


def templates(panorama: PanoramaMock, *layers: str, own: Mapping[str, str] | None = None) -> None:
    """Give all firewalls one stack; each layer is the content of a template, `own` theirs."""
    made = {f"cells-{number}": layer for number, layer in enumerate(layers or (ALL_ZONES,))}
    for name, layer in made.items():
        entry = f'<entry name="{name}">{layer}</entry>'
        panorama.edit("set", f"{DEVICE}/template", entry, admin="admin")
    devices = "".join(
        f'<entry name="{serial}">{(own or {}).get(name, "")}</entry>'
        for name, serial in SERIALS.items()
    )
    members = "".join(f"<member>{name}</member>" for name in made)
    stack = f"<templates>{members}</templates><devices>{devices}</devices>"
    entry = f'<entry name="stack">{stack}</entry>'
    panorama.edit("set", f"{DEVICE}/template-stack", entry, admin="admin", commit=True)


def system(*zones: str, ports: Iterable[str] = ()) -> str:
    """Return the content of a template whose virtual system has these zones, and its ports."""
    entries = "".join(f'<entry name="{port}"><layer3/></entry>' for port in ports)
    network = f"<network><interface><ethernet>{entries}</ethernet></interface></network>"
    held = f'<vsys><entry name="vsys1"><zone>{"".join(zones)}</zone></entry></vsys>'
    inner = (network if entries else "") + held
    return (
        f'<config><devices><entry name="localhost.localdomain">{inner}</entry></devices></config>'
    )


#: What a template holds that gives all firewalls the zones of all.
ALL_ZONES = system(zone("SUPV"), zone("CELL1"), zone("CELL2"))


@contextmanager
def managed(folder: Path, *, inventory: str = INVENTORY, pair: bool = False) -> Generator[Managed]:
    """Serve a Panorama with the device group OT, and write the inventory of its plant.

    With `pair`, the first firewall has a peer, which is passive.
    """
    serials = {**SERIALS, **(PEER if pair else {})}
    ha = {"fw1": "active", "fw1b": "passive"} if pair else {}
    firewalls = {
        name: firewall(name, ZONES[name[:3]], **({"ha": ha[name]} if name in ha else {}))
        for name in serials
    }
    if pair:
        own = "        fw1:\n"
        assert own in inventory
        with_peer = f"        fw1b:\n{own}          segctl_ha_peer: fw1b\n"
        inventory = inventory.replace(own, with_peer)
    users = {"admin": "pw", USER: PASSWORD, "other": "pw"}
    panorama = PanoramaMock(firewalls=firewalls.values(), users=users, job_seconds=0.0)
    devices = "".join(f'<entry name="{serial}"/>' for serial in serials.values())
    entry = f'<entry name="OT"><devices>{devices}</devices></entry>'
    panorama.edit("set", f"{DEVICE}/device-group", entry, admin="admin", commit=True)
    with panorama:
        ca = folder / "ca.pem"
        ca.write_bytes(panorama.ca_pem)
        text = inventory.format(port=panorama.port, ca=ca)
        (folder / "hosts.yml").write_text(text, encoding="utf-8")
        yield Managed(folder, panorama, firewalls)


class Plant:
    """The command line, asked about a plant behind a Panorama."""

    def __init__(self, mocks: Managed) -> None:
        self.mocks = mocks
        self.inventory = "hosts.yml"

    def __call__(self, *words: str, code: int = 0) -> str:
        """Run a command in a process of its own; return what it printed."""
        done = self.run(*words)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def json(self, *words: str, code: int = 0) -> Any:
        """Run a command; return its document."""
        return json.loads(self(*words, "--json", code=code))

    def run(self, *words: str) -> CompletedProcess[str]:
        """Run a command in a process of its own, however it ends."""
        command = [sys.executable, "-m", "segctl.cli", "-i", self.inventory, *words]
        return run(command, cwd=self.mocks.folder, capture_output=True, text=True, check=False)

    def change(self, old: str, new: str) -> None:
        """Change the inventory."""
        hosts = self.mocks.folder / "hosts.yml"
        text = hosts.read_text(encoding="utf-8")
        assert old in text
        hosts.write_text(text.replace(old, new), encoding="utf-8")
