"""A run on a device group, killed at every request: each firewall has the old or the new.

The first firewall is a pair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from segctl.planning.apply import Order, apply_device
from segctl.testing import apply, plan, reach
from support.lengths import firsts
from support.panorama_bench import GroupBench, plant_of
from support.plants import flow
from support.runs import killed_at, silent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segctl.compiler.build import Desired
    from support.panorama_bench import GroupHarness

WEB = flow("web", ports=(443,))
SSH = flow("ssh", ports=(22,))


@pytest.fixture
def panorama(panorama_pair: GroupHarness) -> GroupHarness:
    return panorama_pair


@pytest.fixture
def bench(panorama: GroupHarness) -> Iterator[GroupBench]:
    with panorama.workbench() as made:
        yield made


def whole(bench: GroupBench) -> None:
    """Require that all is in sync and nothing of a run is left."""
    assert bench.locks == 0
    assert not [one for one in bench.mock.device.journal.changes if one.admin == "segctl"]
    for name in bench.firewalls:
        assert bench.pushed(name) == bench.due(name), name


def settled(panorama: GroupHarness, bench: GroupBench, wanted: Desired) -> None:
    """Do what one more `segctl apply` does."""
    made = plan(panorama, bench, wanted)
    if made.state.unconfirmed:
        order = Order(settle_only=True, plan_id="next", allow_mass_delete=True)
        apply_device(made, panorama.provider, bench.target, order=order, progress=silent)
        made = plan(panorama, bench, wanted)
    outcome = apply(panorama, bench, made)
    assert outcome.status in ("applied", "unchanged"), outcome


@pytest.mark.parametrize("first", firsts(3))
def test_a_run_killed_at_any_request_leaves_old_or_new_and_the_next_finishes(
    first: int, panorama: GroupHarness, bench: GroupBench
) -> None:
    """What others changed meanwhile, in shared and in another group, is not committed or lost."""
    old, new = plant_of(WEB), plant_of(WEB, SSH)
    number, died = first, True
    while died:
        panorama.boot()
        reach(panorama, bench, old)
        bench.disturb_others()
        made = plan(panorama, bench, new)
        before = {name: bench.pushed(name) for name in bench.firewalls}
        died = killed_at(panorama, bench, made, number)
        seen = {name: bench.pushed(name) for name in bench.firewalls}
        settled(panorama, bench, new)
        whole(bench)
        for name in bench.firewalls:
            assert "c1.ssh" in bench.pushed(name)
            assert seen[name] in (before[name], bench.pushed(name)), (number, name)
        assert b"o-pending" not in bench.mock.running()
        assert b"o-pending" in bench.mock.config()
        assert b"o-group" not in bench.mock.running()
        assert b"o-group" in bench.mock.config()
        number += 3
    assert number > 30, "it asks more than that"
