"""``segctl import`` against a mock firewall over HTTPS."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING

import pytest

from segctl.cli import run
from segctl.inventory import load
from segctl.operations.demo import PLANT, example_inventory, fleet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from segctl_mocks import Fleet

HOST = "edge-fw"


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[tuple[list[str], Fleet]]:
    """The example plant applied, and an inventory that knows no more than how to reach it."""
    plant = example_inventory() / PLANT
    loaded = load([plant], today=date(2026, 1, 1))
    bare = tmp_path / "bare.yml"
    bare.write_text(f"all: {{hosts: {{{HOST}: {{ansible_network_os: panos}}}}}}")
    with fleet(loaded, date(2026, 1, 1), overlay=tmp_path / "mocks.yml") as running:
        mocks = ["-i", str(running.overlay)]
        assert run(["-i", str(plant), *mocks, "-l", HOST, "apply", "--auto-approve"]) == 0
        yield ["-i", str(bare), *mocks], running


def test_import_then_plan_is_empty(
    plant: tuple[list[str], Fleet], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where, running = plant
    running[HOST].reject_writes = True
    before = running[HOST].writes
    capsys.readouterr()
    out = tmp_path / "imported"
    assert run([*where, "import", HOST, "-o", str(out)]) == 0
    said = capsys.readouterr().out
    assert "planning back changes nothing" in said
    assert f"wrote {out / 'hosts.yml'}" in said
    assert running[HOST].writes == before
    text = "".join(path.read_text() for path in out.rglob("*.yml"))
    assert "ansible_password:" not in text
    assert running.specs[HOST].password not in text
    overlay = ["-i", str(running.overlay)]
    again = ["-i", str(out), *overlay, "plan", "-l", HOST, "--detailed-exitcode"]
    assert run(again) == 0
    assert run([*where, "import", HOST, "-o", str(out)]) == 1
    assert "nothing is overwritten" in capsys.readouterr().err


def test_json_says_what_was_written(
    plant: tuple[list[str], Fleet],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    where, _ = plant
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    assert run([*where, "--json", "import", HOST]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["host"] == HOST
    assert document["changes"] == 0
    assert sorted(document["files"]) == [
        f"imported/{HOST}/group_vars/waterworks/conduits.yml",
        f"imported/{HOST}/group_vars/waterworks/zones.yml",
        f"imported/{HOST}/host_vars/{HOST}.yml",
        f"imported/{HOST}/hosts.yml",
    ]
    assert all((tmp_path / name).is_file() for name in document["files"])


def test_an_unknown_host_is_named(
    plant: tuple[list[str], Fleet], capsys: pytest.CaptureFixture[str]
) -> None:
    where, _ = plant
    assert run([*where, "import", "nobody"]) == 1
    assert "'nobody' is not a firewall of the inventory" in capsys.readouterr().err
