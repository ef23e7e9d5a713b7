"""Several virtual systems of one firewall on the command line: one transaction, two outcomes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.systems import two_systems

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cli_support import Plant


@pytest.fixture
def plant(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Plant]:
    monkeypatch.chdir(tmp_path)
    with two_systems(tmp_path, capsys) as made:
        yield made


def commits(plant: Plant) -> int:
    return sum(one.type == "commit" for one in plant.fleet["fw1"].requests)


def test_two_hosts_of_one_device_are_changed_in_one_commit(plant: Plant) -> None:
    done = plant("apply", "--auto-approve", "--json")
    assert done.code == 0, done.out + done.err
    print(done.out)
    assert commits(plant) == 1
    assert plant.locks == 0
    assert plant("drift", "--no-history").code == 0
