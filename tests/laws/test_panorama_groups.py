"""Two device groups of one Panorama, changed by one account at the same time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from segctl.model.scope import Scope
from segctl.planning.apply import Order, apply_device
from segctl.testing import plan
from segctl.transports.target import Managed
from support.panorama_bench import GROUPS, SERIALS, GroupBench, group, plant_of
from support.plants import flow
from support.runs import killed, settled, silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from segctl.compiler.build import Desired
    from segctl.planning.outcome import Outcome
    from segctl.transports.target import Target
    from support.panorama_bench import GroupHarness

WEB = flow("web", ports=(443,))
HOSTS = {"OT": "fw1", "IT": "fw2"}


class OneOf(GroupBench):
    """One of two groups with one firewall each."""

    group_of = "OT"

    @property
    def target(self) -> Target:
        name = HOSTS[self.group_of]
        return replace(
            super().target,
            name=f"panorama1:{self.group_of}",
            scope=Scope(kind="device-group", name=self.group_of),
            managed=(Managed(name=name, host="192.0.2.1", serial=SERIALS[name]),),
        )


class Other(OneOf):
    """The other one."""

    group_of = "IT"


def wanted(bench: OneOf) -> Desired:
    """Return what a group is to hold: rules that both have, so that names are the same."""
    found = replace(
        group((HOSTS[bench.group_of],), all_zones=True),
        name=bench.target.name,
        scope=bench.target.scope,
    )
    return plant_of(WEB, group_of=found)


@pytest.fixture
def benches(panorama: GroupHarness) -> Iterator[tuple[OneOf, Other]]:
    with panorama.workbench() as made:
        panorama.mock.edit("delete", f"{GROUPS}/entry[@name='OT']", admin="admin")
        profiles = "<entry name='ot-strict'><virus><member>default</member></virus></entry>"
        for name, host in HOSTS.items():
            device = f"<devices><entry name='{SERIALS[host]}'/></devices>"
            entry = (
                f"<entry name='{name}'>{device}<profile-group>{profiles}</profile-group></entry>"
            )
            panorama.mock.edit("set", GROUPS, entry, admin="admin")
        panorama.mock.edit("set", GROUPS, "<entry name='empty'/>", admin="admin", commit=True)
        settings = panorama.mock.device.settings
        panorama.mock.device.settings = replace(settings, job_seconds=0.2)
        yield (
            OneOf(panorama.mock, made.parts, firewalls=panorama.firewalls),
            Other(panorama.mock, made.parts, firewalls=panorama.firewalls),
        )


def applied(
    panorama: GroupHarness, bench: OneOf, progress: Callable[[str], None] = silent
) -> Outcome:
    made = plan(panorama, bench, wanted(bench))
    order = Order(allow_mass_delete=True, plan_id=bench.group_of)
    return apply_device(made, panorama.provider, bench.target, order=order, progress=progress)


def test_both_at_once(panorama: GroupHarness, benches: tuple[OneOf, Other]) -> None:
    """Both write before either commits, and both hold their locks meanwhile."""
    meet = threading.Barrier(2, timeout=60)

    def progress() -> Callable[[str], None]:
        seen: list[str] = []

        def said(text: str) -> None:
            if text in ("validating", "committing") and text not in seen:
                seen.append(text)
                meet.wait()

        return said

    def one(bench: OneOf) -> Outcome:
        try:
            return applied(panorama, bench, progress())
        except BaseException:
            meet.abort()
            raise

    with ThreadPoolExecutor(2) as pool:
        ended = [pool.submit(one, bench) for bench in benches]
    assert [str(each.exception()) for each in ended] == ["None", "None"]
    found = [each.result() for each in ended]
    assert [one.status for one in found] == ["applied", "applied"], found
    for name in SERIALS:
        assert "c1.web" in benches[0].pushed(name)
    assert benches[0].locks == 0
    assert not benches[0].mock.device.journal.changes
    for bench in benches:
        assert not plan(panorama, bench, wanted(bench)).changes


def test_a_group_that_fails_takes_nothing_of_the_other_with_it(
    panorama: GroupHarness, benches: tuple[OneOf, Other]
) -> None:
    """It discards what it wrote while the other has written and not committed."""
    first, second = benches
    done: list[Outcome] = []

    def between(text: str) -> None:
        if text == "validating" and not done:
            panorama.mock.fail("commit_invalid", contains="<member>IT</member>")
            try:
                applied(panorama, second)
            except Exception as error:  # noqa: BLE001 - what it is is asserted below
                assert "failed, nothing changed" in str(error)  # noqa: PT017 - in a callback
            done.append(found := plan(panorama, second, wanted(second)))  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - kept to be looked at
            assert found.changes

    assert applied(panorama, first, between).status == "applied"
    assert done
    assert "c1.web" in first.pushed("fw1")
    assert "c1.web" not in first.pushed("fw2")
    assert applied(panorama, second).status == "applied"
    assert first.locks == 0


def test_a_run_that_died_on_one_group_is_settled_after_one_on_the_other(
    panorama: GroupHarness, benches: tuple[OneOf, Other]
) -> None:
    """The configuration from before is saved for each group by itself."""
    first, second = benches
    before = panorama.mock.running()
    killed(panorama, first, plan(panorama, first, wanted(first)), "judging")
    assert applied(panorama, second).status == "applied"
    live = settled(panorama, first, "revert")
    assert [one.alive for one in live.state.unconfirmed] == [False]
    assert b"c1.web" in panorama.mock.running()
    assert "c1.web" in second.pushed("fw2")
    assert "c1.web" not in first.pushed("fw1")
    assert before != panorama.mock.running()
    assert first.locks == 0
