"""A run killed before each of its requests to a PAN-OS firewall, and every command that may follow.

Policies are compared as traffic meets them: at every moment the old one or a new one.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from cli_support import USER, Plant, serve, write_plant
from support.matrix import Case, cases, killed_while_it_hangs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from segctl_mocks import PanosMock

#: More requests than a run makes; what would be killed later ends by itself.
STEPS = 48
OLD, NEW, OTHER = "source: [scada1]", "source: [scada1, historian1]", "source: [historian1]"
VARIABLES = "group_vars/plant.yml"


@pytest.fixture
def plant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Plant]:
    """The plant, provisioned, with one firewall chosen."""
    write_plant(tmp_path)
    monkeypatch.chdir(tmp_path)
    with serve(tmp_path) as fleet:
        made = Plant(tmp_path, fleet, capsys)
        assert made("-l", "fw1", "apply", "--auto-approve").code == 0
        yield made


def rules(config: bytes) -> bytes:
    """Return what decides traffic of a configuration: its rules."""
    begin, end = config.find(b"<rulebase>"), config.find(b"</rulebase>")
    return config[begin:end]


def killed(plant: Plant, mock: PanosMock, step: int) -> bool:
    """Apply the new plan, and kill the run before its n-th request; say whether it came so far."""
    mock.fail("hang", skip=step - 1, seconds=600, lost=True)
    command = plant.command("-l", "fw1", "apply", "new.json")
    return killed_while_it_hangs(command, plant.folder, mock)


def follow(plant: Plant, case: Case, now: str) -> str:
    """Run the command that comes next; return what the inventory says then."""
    if case.then == "same plan":
        found = plant("-l", "fw1", "apply", "new.json", "--json")
        assert found.code == 0 or found.json["error"]["code"] in {"plan", "stale"}, found.out
    elif case.then == "other plan":
        plant.edit(VARIABLES, now, OTHER)
        found = plant("-l", "fw1", "apply", "--auto-approve", "--json")
        assert found.code == 0, found.out + found.err
        return OTHER
    elif case.then == "plan":
        assert plant("-l", "fw1", "plan").code == 0
    else:
        assert plant("-l", "fw1", "drift", "--no-history").code in {0, 2}
    return now


@pytest.mark.parametrize("case", cases(STEPS, 5), ids=str)
def test_a_killed_run_is_settled_by_the_next(plant: Plant, case: Case) -> None:
    mock = plant.fleet["fw1"]
    old = rules(mock.running())
    plant.edit(VARIABLES, OLD, NEW)
    assert plant("-l", "fw1", "plan", "-o", "new.json").code == 0
    met = len(mock.effective())
    killed(plant, mock, case.step)
    if case.reboot:  # what was not committed is gone, jobs are forgotten
        mock.restart()
        mock.device.committer.revert([USER])
    if case.late:  # the lease of a run that cannot be told to be dead has run out
        mock.device.clock = lambda: time.time() + 7200
    now = follow(plant, case, NEW)
    done = plant("-l", "fw1", "apply", "--auto-approve", "--json")
    assert done.code == 0, done.out + done.err
    check = plant("-l", "fw1", "drift", "--no-history", "--json")
    assert check.code == 0, check.out
    assert plant.locks == 0
    last = rules(mock.running())
    known = {old, last}
    between = [rules(one) for one in mock.effective()[met:]]
    if now == OTHER:  # the new policy may have been live before it was replaced
        assert len(set(between) - known) <= 1
    else:
        assert set(between) <= known
