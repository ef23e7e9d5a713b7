"""A fleet of mock firewalls on loopback, and the inventory overlay that leads to them."""

from __future__ import annotations

import contextlib
import json
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lxml import etree

from segctl_mocks import storage
from segctl_mocks.linux.mock import LinuxMock
from segctl_mocks.panos.mock import PanosMock
from segctl_mocks.panos.provision import provision
from segctl_mocks.panos.server import Acceptor
from segctl_mocks.tls import Authority, ServerCertificate

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSpec:
    """One host of a fleet: what it is, and what its administrators prepared on it.

    Of a host of platform ``nftables``, ``config`` is nft text that others loaded.
    """

    platform: str = "panos"
    user: str = "admin"
    password: str = "mock"  # noqa: S105  # of a mock on loopback
    config: bytes | None = None
    vsys: str = "vsys1"
    zones: Mapping[str, Sequence[str]] = field(default_factory=dict[str, tuple[str, ...]])
    profile_groups: Sequence[str] = ()
    log_forwarding: Sequence[str] = ()
    schedules: Sequence[str] = ()
    sw_version: str = "11.1.6"
    content_version: str = "8799-8509"
    serial: str = "007000001222"
    interfaces: Sequence[str] = ()
    sudo: str = "nopasswd"
    nft_version: str = "1.0.6"
    kernel: str = "6.1.0"


def holding(spec: HostSpec, config: bytes) -> HostSpec:
    """Return the host as others left it: their configuration, with nothing prepared.

    A PAN-OS configuration also says which release wrote it.

    Raises:
        ValueError: it is not the configuration of a PAN-OS firewall.

    """
    spec = replace(spec, config=config, zones={}, profile_groups=(), log_forwarding=())
    if spec.platform != "panos":
        return spec
    try:
        root = etree.fromstring(config, etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError as error:
        message = f"not XML: {error.msg}"
        raise ValueError(message) from error
    if root.find("devices/entry/vsys/entry") is None:
        message = "not the configuration of a PAN-OS firewall: it has no virtual system"
        raise ValueError(message)
    written = root.get("detail-version") or root.get("version") or spec.sw_version
    return replace(spec, schedules=(), sw_version=written)


@dataclass(frozen=True, slots=True)
class Fleet:
    """Running mocks by host name: ``mocks`` speak PAN-OS, ``linux`` nftables over SSH.

    The overlay leads the hosts of `nowhere` to an address that never resolves.
    """

    mocks: Mapping[str, PanosMock]
    specs: Mapping[str, HostSpec]
    ca_file: Path
    overlay: Path
    linux: Mapping[str, LinuxMock] = field(default_factory=dict[str, LinuxMock])
    known_hosts: Path = Path("known_hosts")
    nowhere: Sequence[str] = ()

    def __getitem__(self, host: str) -> PanosMock:
        return self.mocks[host]

    @property
    def everything(self) -> Mapping[str, PanosMock | LinuxMock]:
        """All mocks, in the order of the hosts."""
        both: dict[str, PanosMock | LinuxMock] = {**self.mocks, **self.linux}
        return {name: both[name] for name in self.specs}

    @property
    def entries(self) -> Mapping[str, Mapping[str, object]]:
        """Where each host is and how to log in, as inventory variables.

        ``segctl_mock`` makes each entry the only one that says how its host is reached: without
        it, ``host_vars`` would lead to the real firewall.
        """
        hosts: dict[str, Mapping[str, object]] = {
            name: {
                "ansible_host": mock.host,
                "ansible_port": mock.port,
                "ansible_user": self.specs[name].user,
                "ansible_password": self.specs[name].password,
                "segctl_ca_file": str(self.ca_file),
                "segctl_known_hosts": str(self.known_hosts),
                "segctl_mock": True,
            }
            for name, mock in self.everything.items()
        }
        for name in self.nowhere:
            hosts[name] = {"ansible_host": "not-served.invalid", "segctl_mock": True}
        return hosts

    def inventory(self) -> str:
        """Write the overlay: the entries as a hosts file (JSON, which is YAML)."""
        lines = ["all:", "  hosts:"]
        for name, values in self.entries.items():
            lines.append(f"    {json.dumps(name)}:")
            lines.extend(f"      {key}: {json.dumps(value)}" for key, value in values.items())
        return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class Shared:
    """What the firewalls of a fleet have in common, so that many cost little."""

    authority: Authority
    certificate: ServerCertificate
    acceptor: Acceptor


@contextlib.contextmanager
def serve_fleet(
    hosts: Mapping[str, HostSpec],
    *,
    state: Path | None = None,
    overlay: Path | None = None,
    nowhere: Sequence[str] = (),
    latency: float = 0.0,
    job_seconds: float = 0.05,
) -> Generator[Fleet]:
    """Serve a mock for each host until the block ends; with ``state`` it survives restarts.

    The overlay is written to ``overlay``, else to ``overlay.yml`` in the state folder or
    in a temporary one. It leads the hosts of ``nowhere``, which are not served, to no address.
    """
    with contextlib.ExitStack() as stack:
        folder = state or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="segctl-")))
        authority = Authority.load_or_create(folder)
        ports = _read_ports(folder)
        shared = Shared(authority, authority.issue(["segctl-mocks"]), Acceptor())
        mocks: dict[str, PanosMock] = {}
        linux: dict[str, LinuxMock] = {}
        for name, spec in hosts.items():
            if spec.platform == "nftables":
                gateway = _make_linux(name, spec, folder if state else None, latency=latency)
                gateway.prefer_port(ports.get(name, 0))
                linux[name] = stack.enter_context(gateway)
                continue
            mock = _make(
                name,
                spec,
                folder if state else None,
                shared,
                latency=latency,
                job_seconds=job_seconds,
            )
            mocks[name] = stack.enter_context(_listening(mock, ports.get(name, 0)))
        used = {name: mock.port for part in (mocks, linux) for name, mock in part.items()}
        storage.write(folder / "ports.json", json.dumps({**ports, **used}).encode())
        target = (overlay or folder / "overlay.yml").resolve()
        known_hosts = (folder / "known_hosts").resolve()
        lines = [f"{gateway.host_key_line}\n" for gateway in linux.values()]
        storage.write(known_hosts, "".join(lines).encode())
        ca_file = (folder / "ca.pem").resolve()
        fleet = Fleet(mocks, dict(hosts), ca_file, target, linux, known_hosts, nowhere)
        storage.write(target, fleet.inventory().encode())
        yield fleet


def _make(  # what a mock is made of
    name: str,
    spec: HostSpec,
    state: Path | None,
    shared: Shared,
    *,
    latency: float,
    job_seconds: float,
) -> PanosMock:
    if spec.platform != "panos":
        message = f"{name}: no mock for platform {spec.platform!r}"
        raise ValueError(message)
    mock = PanosMock(
        name,
        spec.config,
        serial=spec.serial,
        sw_version=spec.sw_version,
        content_version=spec.content_version,
        users={spec.user: spec.password},
        latency=latency,
        job_seconds=job_seconds,
        state_dir=state,
        authority=shared.authority,
        certificate=shared.certificate,
        acceptor=shared.acceptor,
    )
    if not mock.restored:
        provision(
            mock.device,
            vsys=spec.vsys,
            zones=spec.zones,
            profile_groups=spec.profile_groups,
            log_forwarding=spec.log_forwarding,
            schedules=spec.schedules,
        )
        mock.save()
    return mock


def _make_linux(name: str, spec: HostSpec, state: Path | None, *, latency: float) -> LinuxMock:
    return LinuxMock(
        name,
        interfaces=spec.interfaces,
        users={spec.user: spec.password},
        sudo=spec.sudo,
        nft_version=spec.nft_version,
        kernel=spec.kernel,
        ruleset=(spec.config or b"").decode(),
        latency=latency,
        state_dir=state,
    )


@contextlib.contextmanager
def _listening(mock: PanosMock, port: int) -> Generator[PanosMock]:
    """Serve on the port of last time if it is free, else on any."""
    mock.prefer_port(port)
    with mock:
        yield mock


def _read_ports(folder: Path) -> dict[str, int]:
    path = folder / "ports.json"
    if not path.exists():
        return {}
    values: dict[str, int] = json.loads(path.read_text("utf-8"))
    return values
