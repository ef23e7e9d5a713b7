"""A firewall with nftables as inventories declare it, and a kernel to try its tables on."""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import dataclass, field
from datetime import date
from ipaddress import ip_network
from typing import IO, TYPE_CHECKING

from segctl.compiler.build import compile_site
from segctl.model.site import (
    Asset,
    Conduit,
    Device,
    Endpoint,
    Flow,
    PortRange,
    Site,
    Zone,
    ZoneBinding,
)
from segctl.planning.make import plan_device
from segctl.providers.nftables import NftablesProvider
from segctl.providers.nftables.document import Document
from segctl.providers.nftables.render import transactions
from support.nft_versions import HOST

if TYPE_CHECKING:
    from segctl.compiler.build import Desired
    from segctl.model.site import ThreatPrevention
    from segctl.planning.plan import DevicePlan
    from segctl.providers.base import Live
    from support.nft_versions import Nft

PROVIDER = NftablesProvider()
ZONES = ("ctrl", "supv", "dmz")
EMPTY = '{"nftables": []}'


def firewall() -> Device:
    """Return the firewall: three zones of one interface each."""
    return Device(
        name="fw",
        platform="nftables",
        zones=tuple(
            ZoneBinding(zone=f"site/{zone}", name=zone.upper(), interfaces=(f"e{number}",))
            for number, zone in enumerate(ZONES, 1)
        ),
    )


def zones() -> tuple[Zone, ...]:
    """Return the zones, each with networks and assets of both IP versions."""
    return tuple(
        Zone(
            site="site",
            id=name,
            level=float(number),
            networks=(ip_network(f"10.{number}.0.0/24"), ip_network(f"fd00:{number}::/64")),
            assets=(
                Asset(name="a1", addresses=(ip_network(f"10.{number}.0.11/32"),)),
                Asset(name="a2", addresses=(ip_network(f"10.{number}.0.12/32"),)),
            ),
        )
        for number, name in enumerate(ZONES, 1)
    )


def tcp(first: int, last: int = 0) -> PortRange:
    """Return a TCP service."""
    return PortRange(protocol="tcp", first=first, last=last or first)


def asset(zone: str, name: str) -> Endpoint:
    """Return an asset as an endpoint."""
    return Endpoint(zone=f"site/{zone}", asset=name)


def desired(
    *flows: Flow,
    device: Device | None = None,
    threat_prevention: ThreatPrevention | None = None,
) -> Desired:
    """Return what one conduit from `supv` to `ctrl` compiles to."""
    one = Conduit(
        site="site",
        id="c1",
        from_zones=("site/supv",),
        to_zones=("site/ctrl",),
        reason="r",
        owner="o",
        flows=flows,
        threat_prevention=threat_prevention,
    )
    wanted = device or firewall()
    site = Site(zones=zones(), conduits=(one,) if flows else (), devices=(wanted,))
    return compile_site(site, date(2026, 1, 1))[wanted.name]


def live(
    table: str = "",
    *,
    nft: str = "nftables v1.0.6 (Lester Gooch #5)",
    links: list[dict[str, str]] | None = None,
    foreign: dict[str, str] | None = None,
    unread: dict[str, str] | None = None,
    elements: dict[str, str] | None = None,
) -> Live:
    """Return what a host with these listings holds."""
    document = Document(
        host="fw",
        nft=nft,
        kernel="6.18",
        hostname="fw",
        machine="m",
        table=table,
        chains=EMPTY,
        links=json.dumps(links or [{"ifname": f"e{number}"} for number in range(1, 4)]),
        foreign=foreign or {},
        unread=unread or {},
        elements=elements or {},
    )
    return PROVIDER.parse(document.dump())


@dataclass(slots=True)
class Kernel:
    """nft in a network namespace of its own, through a shell that stays in it."""

    _shell: subprocess.Popen[str] = field(
        default_factory=lambda: subprocess.Popen(
            ["unshare", "-n", "-m", "sh", "-c", "mount -t tmpfs tmpfs /run; exec sh"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
    )

    def run(self, command: str, text: str = "", *, code: int = 0) -> str:
        """Run one command with `text` as its input; fail with what it says unless it ends so."""
        stdin, stdout = self._shell.stdin, self._shell.stdout
        assert stdin is not None
        assert stdout is not None
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir="/tmp") as given:
            given.write(text)
            given.flush()
            stdin.write(f'{command} 2>&1 <{given.name}\necho "== $?"\n')
            stdin.flush()
            return self._answer(stdout, code)

    @staticmethod
    def _answer(stdout: IO[str], code: int) -> str:
        lines: list[str] = []
        for line in stdout:
            if line.startswith("== "):
                assert line == f"== {code}\n", line + "".join(lines)
                return "".join(lines)
            lines.append(line)
        raise AssertionError("the shell ended")

    def use(self, nft: Nft) -> None:
        """Let this nft be the namespace's, in the place where hosts have theirs."""
        self.run(f"while mountpoint -q {HOST}; do umount {HOST}; done")
        if nft.program != HOST:
            self.run(f"mount --bind {nft.program} {HOST}")

    def live(self) -> Live:
        """Return what the kernel holds."""
        there = "inet segctl" in self.run("nft list chains")
        held = self.run("nft -j list table inet segctl") if there else ""
        return live(held, nft=self.run("nft --version"))

    def reach(self, wanted: Desired) -> DevicePlan:
        """Plan, and run the transactions."""
        made = plan_device(wanted, self.live(), PROVIDER)
        for part in transactions(made.script):
            if part:
                self.run("nft -f -", part)
        return made

    def close(self) -> None:
        """End the shell, and with it the namespace."""
        self._shell.kill()
        self._shell.wait()
        for stream in (self._shell.stdin, self._shell.stdout):
            if stream is not None:
                stream.close()
