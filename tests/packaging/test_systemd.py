"""The systemd units: what systemd says of them, and their command line run for real."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cli_support import PASSWORD, POLL, ROOT, Plant, serve, write_plant
from support.metrics import samples

if TYPE_CHECKING:
    from collections.abc import Iterator

UNITS = ROOT / "packaging/systemd"
SEGCTL = Path(sys.executable).with_name("segctl")
ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed here")
#: Makes memory that is written never executable, as MemoryDenyWriteExecute does (Linux 6.3).
CONFINED = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(65, 1, 0, 0, 0); os.execv(sys.argv[1], "
    "sys.argv[1:])"
)


def settings(unit: str, section: str = "Service") -> dict[str, list[str]]:
    """Return a section's settings; what is said twice, twice."""
    found: dict[str, list[str]] = {}
    inside = ""
    for line in (UNITS / unit).read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            inside = line.strip("[]")
        elif inside == section and line and line[0] not in "#;":
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, with segctl where it is here."""
    for path in UNITS.iterdir():
        text = path.read_text(encoding="utf-8").replace("/opt/segctl/bin/segctl", str(SEGCTL))
        (tmp_path / path.name).write_text(text, encoding="utf-8")
    return tmp_path


@needs_systemd
def test_systemd_finds_nothing_wrong(units: Path) -> None:
    assert ANALYZE is not None
    files = [units / name for name in ("segctl-drift.service", "segctl-drift.timer")]
    files.append(units / "segctl-serve.service")
    done = subprocess.run(
        [ANALYZE, "verify", "--man=no", *files], capture_output=True, text=True, check=False
    )
    ours = [line for line in done.stderr.splitlines() if "segctl-" in line]
    assert ours == []


@needs_systemd
@pytest.mark.parametrize(
    ("name", "most"),
    # the second one may be told by which account somebody connects, so it sees accounts
    [("segctl-drift.service", 15), ("segctl-serve.service", 18)],
)
def test_the_service_is_confined(units: Path, name: str, most: int) -> None:
    assert ANALYZE is not None
    done = subprocess.run(
        [ANALYZE, "security", "--offline=true", f"--threshold={most}", units / name],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-400:] + done.stderr


def test_what_keeps_the_service_confined() -> None:
    service = settings("segctl-drift.service")
    for name, value in {
        "DynamicUser": "yes",
        "ProtectSystem": "strict",
        "NoNewPrivileges": "yes",
        "StateDirectory": "segctl",
        "LoadCredential": "password:/etc/segctl/password",
        "CapabilityBoundingSet": "",
    }.items():
        assert service[name] == [value]
    assert "SuccessExitStatus" not in service  # drift is to be seen
    assert settings("segctl-drift.timer", "Timer")["Persistent"] == ["yes"]


def test_what_keeps_the_server_confined() -> None:
    service = settings("segctl-serve.service")
    drift = settings("segctl-drift.service")
    assert service["Type"] == ["exec"]
    assert service["MemoryMax"]
    assert "PrivateUsers" not in service, "else the account of a proxy is nobody"
    own = {"Type", "ExecStart", "StateDirectory", "CacheDirectory", "EnvironmentFile"}
    left_out = {"PrivateUsers", "TimeoutStartSec"}
    for name, value in drift.items():
        if name not in own | left_out:
            assert service[name] == value, name


@pytest.fixture
def plant(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Plant]:
    inventory = tmp_path / "inventory"
    inventory.mkdir()
    write_plant(inventory)
    with serve(inventory) as fleet:
        yield Plant(inventory, fleet, capsys)


def service_run(plant: Plant, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the service's command line with nothing but the environment the unit makes."""
    service = settings("segctl-drift.service")
    credentials, state, cache = folder / "credentials", folder / "state", folder / "cache"
    for path in (credentials, state / "segctl", cache / "segctl"):
        path.mkdir(parents=True, mode=0o700, exist_ok=True)
    name, _, _ = service["LoadCredential"][0].partition(":")
    (credentials / name).write_text(PASSWORD, encoding="utf-8")
    (credentials / name).chmod(0o400)
    places = {"%d": str(credentials), "%S": str(state), "%C": str(cache)}
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
    for line in service["Environment"]:
        key, _, value = line.partition("=")
        env[key] = re.sub("%[dSC]", lambda found: places[found[0]], value)
    env |= more
    (command,) = service["ExecStart"]
    assert command.startswith("/opt/segctl/bin/segctl ")
    words: list[str] = []
    for word in shlex.split(command):
        words += env.get(word[1:], "").split() if word.startswith("$") else [word]
    words[words.index("/etc/segctl/inventory")] = str(plant.folder)
    return subprocess.run(
        [sys.executable, "-c", CONFINED, str(SEGCTL), *words[1:]],
        env=env,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=120,
    )


def test_the_command_line_checks_a_fleet(plant: Plant, tmp_path: Path) -> None:
    # the password comes as a credential, not with the inventory
    hosts = plant.folder / "hosts.yml"
    text = hosts.read_text(encoding="utf-8")
    hosts.write_text(
        "\n".join(line for line in text.splitlines() if "ansible_password" not in line),
        encoding="utf-8",
    )
    overlay = plant.folder / "mocks.yml"
    text = overlay.read_text(encoding="utf-8")
    overlay.write_text(
        "\n".join(line for line in text.splitlines() if "ansible_password" not in line),
        encoding="utf-8",
    )
    before = service_run(plant, tmp_path)
    assert before.returncode == 2, before.stderr
    assert "missing: rule plant.polling.modbus" in before.stdout
    assert (tmp_path / "state/segctl/history.db").is_file()
    options = f"--metrics {tmp_path / 'segctl.prom'}"
    more = service_run(plant, tmp_path, DRIFT_OPTIONS=options)
    assert more.returncode == 2, more.stderr
    found = samples((tmp_path / "segctl.prom").read_text(encoding="utf-8"))
    assert found["segctl_in_sync", ("fw1", "plant")] == 0
    plant.fleet["fw1"].stop()
    assert service_run(plant, tmp_path).returncode == 1
    for done in (before, more):
        assert PASSWORD not in done.stdout + done.stderr
        assert "warning" not in done.stderr
    assert POLL in more.stdout
