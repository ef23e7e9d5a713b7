"""A small plant on mock firewalls over HTTPS, and the command line as its users meet it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

from segctl.cli import run
from segctl_mocks import HostSpec, serve_fleet

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    import pytest

    from segctl_mocks import Fleet, PanosMock

USER, PASSWORD = "plant-automation", "correct-horse-5taple"
ROOT = Path(__file__).parents[1]
VSYS = "/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys1']"
RULES = f"{VSYS}/rulebase/security/rules"
POLL = "plant.polling.modbus"

#: supervisory ── fw1 ── control, supervisory ── fw2 ── dmz
PLANT: Mapping[str, str] = {
    "hosts.yml": f"""\
        all:
          children:
            plant:
              hosts:
                fw1: {{}}
                fw2: {{}}
              vars:
                ansible_network_os: panos
                ansible_user: {USER}
                ansible_password: {PASSWORD}
                segctl_timeout: 60
                segctl_commit_timeout: 120
        """,
    "group_vars/plant.yml": """\
        segctl_site: plant
        segctl_zones:
          control:
            level: 1
            kind: control
            networks: [10.20.1.0/24]
            assets: {plc1: 10.20.1.11, plc2: 10.20.1.12}
          supervisory:
            level: 2
            kind: supervisory
            networks: [10.20.2.0/24]
            assets: {scada1: 10.20.2.5, historian1: 10.20.2.20}
          dmz:
            level: 3.5
            kind: dmz
            networks: [10.20.35.0/24]
            assets: {replica: 10.20.35.10}
        """,
    "host_vars/fw1.yml": """\
        segctl_zone_map:
          control: {zone: CTRL, interfaces: [ethernet1/2]}
          supervisory: {zone: SUPV, interfaces: [ethernet1/3]}
        """,
    "host_vars/fw2.yml": """\
        segctl_zone_map:
          dmz: {zone: DMZ, interfaces: [ethernet1/2]}
          supervisory: {zone: SUPV, interfaces: [ethernet1/3]}
        """,
}
CONDUITS = """\
segctl_conduits:
  polling:
    from: supervisory
    to: control
    reason: SCADA polls the controllers
    owner: automation
    flows:
      modbus:
        source: [scada1]
        destination: [plc1, plc2]
        protocols: {modbus: [read]}
  replication:
    from: supervisory
    to: dmz
    reason: Copy of the historian
    owner: process-data
    flows:
      tls:
        source: [historian1]
        destination: [replica]
        applications: [ssl]
        services: [tcp/8443]
        essential: true
"""
ZONES = {
    "fw1": {"CTRL": ["ethernet1/2"], "SUPV": ["ethernet1/3"]},
    "fw2": {"DMZ": ["ethernet1/2"], "SUPV": ["ethernet1/3"]},
}


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on standard output."""
        return json.loads(self.out)


def write_plant(folder: Path) -> None:
    for name, text in PLANT.items():
        if name.endswith(".yml"):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text), encoding="utf-8")
    file = folder / "group_vars/plant.yml"
    file.write_text(file.read_text(encoding="utf-8") + CONDUITS, encoding="utf-8")


@contextmanager
def serve(folder: Path, *, job_seconds: float = 0.0, state: Path | None = None) -> Generator[Fleet]:
    specs = {
        name: HostSpec(user=USER, password=PASSWORD, zones=zones, serial=f"00700000000{name[-1]}")
        for name, zones in ZONES.items()
    }
    overlay = folder / "mocks.yml"
    with serve_fleet(specs, overlay=overlay, job_seconds=job_seconds, state=state) as fleet:
        yield fleet


@dataclass(frozen=True, slots=True)
class Plant:
    """The plant's files, its firewalls, and the command line called in its folder."""

    folder: Path
    fleet: Fleet
    capsys: pytest.CaptureFixture[str]

    @property
    def where(self) -> list[str]:
        return ["-i", "hosts.yml", "-i", "mocks.yml"]

    def __call__(self, *words: str) -> Done:
        """Run a command in this process."""
        self.capsys.readouterr()
        code = run([*self.where, *words])
        out, err = self.capsys.readouterr()
        return self._judged(Done(code, out, err), words)

    def process(self, *words: str, **values: Any) -> Done:
        """Run a command in a process of its own."""
        found = subprocess.run(
            self.command(*words),
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            timeout=60,
            stdin=subprocess.DEVNULL,
            **values,
        )
        return self._judged(Done(found.returncode, found.stdout, found.stderr), words)

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "segctl.cli", *self.where, *words]

    def _judged(self, done: Done, words: tuple[str, ...]) -> Done:
        """What holds for every command: no traceback, no secret, one JSON document."""
        for text in (done.out, done.err):
            assert "Traceback" not in text
            self.assert_no_secret(text)
        assert done.code in {0, 1, 2}
        if "--json" in words:
            assert isinstance(done.json, dict)
        return done

    def assert_no_secret(self, text: str) -> None:
        assert PASSWORD not in text
        for mock in self.fleet.mocks.values():
            assert mock.key(USER) not in text

    def edit(self, name: str, old: str, new: str) -> None:
        """Change one of the plant's files."""
        path = self.folder / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    def by_hand(self, host: str = "fw1", rule: str = POLL) -> None:
        """Open a rule of ours to any application, as another administrator would."""
        self.fleet[host].edit(
            "edit",
            f"{RULES}/entry[@name='{rule}']/application",
            "<application><member>any</member></application>",
            commit=True,
        )

    @contextmanager
    def untouched(self) -> Generator[None]:
        """Nothing changes on any device meanwhile, and nobody asks for it."""
        before = {name: _state(mock) for name, mock in self.fleet.mocks.items()}
        writes = {name: mock.writes for name, mock in self.fleet.mocks.items()}
        yield
        assert {name: _state(mock) for name, mock in self.fleet.mocks.items()} == before
        assert {name: mock.writes for name, mock in self.fleet.mocks.items()} == writes

    @contextmanager
    def unchanged(self) -> Generator[None]:
        """Every device holds afterwards what it held before, and no lock is left."""
        before = {name: _state(mock) for name, mock in self.fleet.mocks.items()}
        yield
        assert {name: _state(mock) for name, mock in self.fleet.mocks.items()} == before
        assert self.locks == 0

    @property
    def locks(self) -> int:
        return sum(len(mock.device.locks.held) for mock in self.fleet.mocks.values())


def _state(mock: PanosMock) -> tuple[bytes, bytes]:
    return mock.running(), mock.config()


def environment(**values: str) -> dict[str, str]:
    """The environment without what would change the output."""
    # make tells the makes below it what to print
    left_out = {"NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TERM", "MAKELEVEL", "MAKEFLAGS"}
    return {name: value for name, value in os.environ.items() if name not in left_out} | values
