"""A fleet of mock firewalls on loopback, and the inventory overlay that leads to them."""

from __future__ import annotations

import contextlib
import json
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from segctl_mocks import storage
from segctl_mocks.linux.mock import LinuxMock
from segctl_mocks.panos.mock import PanosMock
from segctl_mocks.panos.panorama.mock import PanoramaMock
from segctl_mocks.platforms import Surroundings, platform
from segctl_mocks.tls import Authority

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    from segctl_mocks.platforms import Mock
    from segctl_mocks.spec import HostSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Running mocks by host name, in the order of the hosts, of any platform.

    The overlay gives the hosts of `nowhere` an address that never resolves.
    """

    everything: Mapping[str, Mock]
    specs: Mapping[str, HostSpec]
    ca_file: Path
    overlay: Path
    known_hosts: Path
    nowhere: Sequence[str] = ()

    def __getitem__(self, host: str) -> PanosMock:
        return self.mocks[host]

    @property
    def mocks(self) -> Mapping[str, PanosMock]:
        """The firewalls of PAN-OS."""
        return {name: one for name, one in self.everything.items() if isinstance(one, PanosMock)}

    @property
    def panoramas(self) -> Mapping[str, PanoramaMock]:
        """Those of Panorama."""
        return {name: one for name, one in self.everything.items() if isinstance(one, PanoramaMock)}

    @property
    def linux(self) -> Mapping[str, LinuxMock]:
        """Those of Linux."""
        return {name: one for name, one in self.everything.items() if isinstance(one, LinuxMock)}

    @property
    def entries(self) -> Mapping[str, Mapping[str, object]]:
        """Where each host is and how to log in, as inventory variables.

        ``segctl_mock`` makes each entry the only source for how its host is reached: without
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

    Raises:
        ValueError: no installed package provides mocks of a host's platform.
    """
    with contextlib.ExitStack() as stack:
        folder = state or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="segctl-")))
        ports = _read_ports(folder)
        surroundings = Surroundings(
            authority=Authority.load_or_create(folder),
            state=folder if state else None,
            latency=latency,
            job_seconds=job_seconds,
        )
        platforms = {name: platform(name) for name in {spec.platform for spec in hosts.values()}}
        made: dict[str, Mock] = {}
        for name, spec in _managed_first(hosts):
            mock = platforms[spec.platform].make(name, spec, surroundings)
            mock.prefer_port(ports.get(name, 0))
            made[name] = stack.enter_context(mock)
        mocks = {name: made[name] for name in hosts}
        used = {name: mock.port for name, mock in mocks.items()}
        storage.write(folder / "ports.json", json.dumps({**ports, **used}).encode())
        fleet = Fleet(
            everything=mocks,
            specs=dict(hosts),
            ca_file=(folder / "ca.pem").resolve(),
            overlay=(overlay or folder / "overlay.yml").resolve(),
            known_hosts=(folder / "known_hosts").resolve(),
            nowhere=nowhere,
        )
        lines = [f"{line}\n" for mock in mocks.values() if (line := mock.host_key_line)]
        storage.write(fleet.known_hosts, "".join(lines).encode())
        storage.write(fleet.overlay, fleet.inventory().encode())
        yield fleet


def _managed_first(hosts: Mapping[str, HostSpec]) -> Iterator[tuple[str, HostSpec]]:
    """Yield the hosts, each manager after what it manages and with its names.

    A host whose manager is none of them is nobody's.
    """
    managed: dict[str, list[str]] = {}
    for name, spec in hosts.items():
        if spec.panorama in hosts:
            managed.setdefault(spec.panorama, []).append(name)
    for name, spec in hosts.items():
        if name not in managed:
            known = spec.panorama in hosts
            yield name, spec if known else replace(spec, panorama="", device_group="")
    for name, names in managed.items():
        yield name, replace(hosts[name], manages=tuple(names))


def _read_ports(folder: Path) -> dict[str, int]:
    path = folder / "ports.json"
    if not path.exists():
        return {}
    values: dict[str, int] = json.loads(path.read_text("utf-8"))
    return values
