"""A plant of many cells, each behind a firewall of its own, on mocks of two platforms."""

from __future__ import annotations

from contextlib import contextmanager
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import jsonschema

from cli_support import PASSWORD, USER, Plant
from segctl.planning.documents import schema
from segctl_mocks import HostSpec, serve_fleet

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    import pytest

    from segctl_mocks import Fleet

MODBUS = "protocols: {modbus: read}"
#: The one rule of each firewall, by the number of its cell.
RULE = "plant.poll-{}.modbus"


def number_of(host: str) -> int:
    return int(host.lstrip("fgw"))


def write_cells(folder: Path, hosts: Sequence[str]) -> None:
    """Write an inventory: hosts are ``fw1`` (PAN-OS) or ``gw1`` (nftables), and so on."""
    lines = ["all:", "  children:", "    plant:", "      hosts:"]
    for host in hosts:
        number = number_of(host)
        inside, outside = _ports(host)
        system = "nftables" if host.startswith("gw") else "panos"
        lines += [
            f"        {host}:",
            f"          ansible_network_os: {system}",
            "          segctl_zone_map:",
            f"            cell-{number}: {{zone: CELL, interfaces: [{inside}]}}",
            f"            supervisory: {{zone: SUPV, interfaces: [{outside}]}}",
        ]
    lines += [
        "      vars:",
        f"        ansible_user: {USER}",
        f"        ansible_password: {PASSWORD}",
        "        segctl_site: plant",
        "        segctl_timeout: 30",
        "        segctl_commit_timeout: 60",
        "        segctl_zones:",
        "          supervisory:",
        "            networks: [10.1.0.0/24]",
        "            assets: {scada1: 10.1.0.5}",
    ]
    for host in hosts:
        number = number_of(host)
        lines += [
            f"          cell-{number}:",
            f"            networks: [10.2.{number}.0/24]",
            f"            assets: {{plc{number}: 10.2.{number}.10}}",
        ]
    lines.append("        segctl_conduits:")
    for host in hosts:
        number = number_of(host)
        lines += [
            f"          poll-{number}:",
            "            from: supervisory",
            f"            to: cell-{number}",
            "            reason: polling",
            "            owner: automation",
            "            threat_prevention: none",
            "            flows:",
            f"              modbus: {{source: scada1, destination: plc{number}, {MODBUS}}}",
        ]
    (folder / "hosts.yml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _ports(host: str) -> tuple[str, str]:
    return ("eth1", "eth2") if host.startswith("gw") else ("ethernet1/2", "ethernet1/3")


@contextmanager
def serve_cells(
    folder: Path, hosts: Sequence[str], *, job_seconds: float = 0.0
) -> Generator[Fleet]:
    specs = {host: spec_of(host) for host in hosts}
    with serve_fleet(specs, overlay=folder / "mocks.yml", job_seconds=job_seconds) as fleet:
        yield fleet


def spec_of(host: str) -> HostSpec:
    """Return how the mock of a host is made."""
    inside, outside = _ports(host)
    if host.startswith("gw"):
        return HostSpec(
            platform="nftables", user=USER, password=PASSWORD, interfaces=[inside, outside]
        )
    zones = {"CELL": [inside], "SUPV": [outside]}
    serial = f"{7 * 10**11 + number_of(host)}"
    return HostSpec(user=USER, password=PASSWORD, zones=zones, serial=serial)


class Cells(Plant):
    """A plant of cells, and what its firewalls hold."""

    def play(self, text: str) -> None:
        (self.folder / "play.yml").write_text(dedent(text), encoding="utf-8")

    def apply(self, *words: str, code: int = 0) -> Any:
        done = self("apply", "-p", "play.yml", "--auto-approve", "--json", *words)
        jsonschema.validate(done.json, schema("rollout"))
        assert done.code == code, done.err
        return done.json

    @property
    def holding(self) -> set[str]:
        """The firewalls that hold their rule."""
        texts: dict[str, bytes] = {
            name: mock.running() for name, mock in self.fleet.mocks.items()
        } | {name: mock.config().encode() for name, mock in self.fleet.linux.items()}
        return {
            name for name, text in texts.items() if RULE.format(number_of(name)).encode() in text
        }

    @property
    def states(self) -> list[Path]:
        return sorted(self.folder.glob("rollout-*.json"))


@contextmanager
def cells(folder: Path, capsys: pytest.CaptureFixture[str], *hosts: str) -> Generator[Cells]:
    write_cells(folder, hosts)
    with serve_cells(folder, hosts) as fleet:
        yield Cells(folder, fleet, capsys)


def statuses(document: Any) -> dict[str, str]:
    return {
        one["device"]: one["status"]
        for play in document["plays"]
        for wave in play["waves"]
        for one in wave["devices"]
    }


def waves(document: Any) -> list[tuple[str, list[str]]]:
    return [
        (wave["status"], [one["device"] for one in wave["devices"]])
        for play in document["plays"]
        for wave in play["waves"]
    ]
