"""Inventories written into a temporary folder that is also the working directory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from textwrap import dedent

import pytest

from segctl.inventory import Loaded, load
from segctl.model.errors import InventoryError, Problem

Write = Callable[[Mapping[str, str]], None]
LoadFiles = Callable[[Mapping[str, str]], Loaded]
ProblemsOf = Callable[[Mapping[str, str]], tuple[Problem, ...]]

TODAY = date(2026, 11, 22)

#: A complete small plant; cases change one file of it.
PLANT: Mapping[str, str] = {
    "hosts.yml": """\
        all:
          children:
            plant:
              hosts:
                fw1: {ansible_host: 192.0.2.1, ansible_network_os: panos}
        """,
    "group_vars/plant.yml": """\
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
            assets: {scada1: 10.20.2.5}
        segctl_conduits:
          polling:
            from: supervisory
            to: control
            reason: SCADA polling
            owner: automation
            flows:
              poll:
                source: scada1
                destination: [plc1, plc2]
                protocols: {modbus: [read]}
        """,
    "host_vars/fw1.yml": """\
        segctl_zone_map:
          control: {zone: CTRL, interfaces: [ethernet1/2]}
          supervisory: {zone: SUPV, interfaces: [ethernet1/3]}
        """,
}


@pytest.fixture
def plant() -> Mapping[str, str]:
    return {name: dedent(text) for name, text in PLANT.items()}


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    monkeypatch.chdir(tmp_path)

    def _write(files: Mapping[str, str]) -> None:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text), encoding="utf-8")

    return _write


@pytest.fixture
def load_files(write: Write) -> LoadFiles:
    def _load(files: Mapping[str, str]) -> Loaded:
        write({**PLANT, **files})
        return load([Path("hosts.yml")], today=TODAY)

    return _load


@pytest.fixture
def problems_of(write: Write) -> ProblemsOf:
    """Return the problems of the plant with some of its files replaced."""

    def _problems(files: Mapping[str, str]) -> tuple[Problem, ...]:
        write({**PLANT, **files})
        with pytest.raises(InventoryError) as caught:
            load([Path("hosts.yml")], today=TODAY)
        return caught.value.problems

    return _problems
