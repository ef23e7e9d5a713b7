from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cli_support import Plant, serve, write_plant
from support.cells import Cells, cells
from support.panorama import Plant as Behind
from support.panorama import managed

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The plant's files, in the working directory."""
    write_plant(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    return tmp_path


@pytest.fixture
def plant(folder: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Plant]:
    """The plant, with firewalls as they came from the factory."""
    with serve(folder) as fleet:
        yield Plant(folder, fleet, capsys)


@pytest.fixture
def applied(plant: Plant) -> Plant:
    """The plant, provisioned."""
    assert plant("apply", "--auto-approve").code == 0
    return plant


@pytest.fixture
def four(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Generator[Cells]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")
    with cells(tmp_path, capsys, "fw1", "fw2", "fw3", "fw4") as plant:
        yield plant


@pytest.fixture
def mixed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Generator[Cells]:
    """Two of PAN-OS and two gateways."""
    monkeypatch.chdir(tmp_path)
    with cells(tmp_path, capsys, "fw1", "fw2", "gw3", "gw4") as plant:
        yield plant


@pytest.fixture
def behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Behind]:
    """Two firewalls behind a Panorama, nothing applied; commands run in processes of their own."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with managed(tmp_path) as mocks:
        yield Behind(mocks)


@pytest.fixture
def paired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Behind]:
    """As `behind`, and the first firewall is a pair."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with managed(tmp_path, pair=True) as mocks:
        yield Behind(mocks)
