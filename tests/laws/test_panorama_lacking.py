"""Firewalls that lack what others have committed on Panorama and not pushed: it stays theirs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from segctl.model.errors import ForeignChangesError, UnknownError, VerifyError
from segctl.planning.apply import Order, apply_device
from segctl.testing import plan, reach
from support.lengths import firsts
from support.panorama import GROUP
from support.panorama_bench import RULES, SERIALS, GroupBench, plant_of
from support.panos import other_rule
from support.plants import flow
from support.runs import killed_at, look, settled, silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from segctl.planning.outcome import Outcome
    from support.panorama_bench import GroupHarness

WEB = flow("web", ports=(443,))
SSH = flow("ssh", ports=(22,))
OLD, NEW = plant_of(WEB), plant_of(WEB, SSH)


@pytest.fixture
def bench(panorama: GroupHarness) -> Iterator[GroupBench]:
    """A group that holds the old policy, and so do its firewalls."""
    with panorama.workbench() as made:
        reach(panorama, made, OLD)
        yield made


def by_hand(bench: GroupBench, what: str = "rule") -> None:
    """Commit a change of ours as somebody else, who does not push it."""
    rule = f"{RULES}/entry[@name='c1.web']"
    match what:
        case "rule":
            bench.mock.edit("set", rule, "<log-end>no</log-end>", admin="other", commit=True)
        case "opened":
            member = "<source><member>any</member></source>"
            bench.mock.edit("edit", f"{rule}/source", member, admin="other", commit=True)
        case "renamed":
            bench.mock.edit("rename", rule, newname="theirs", admin="other", commit=True)
        case "deleted":
            bench.mock.edit("delete", rule, admin="other", commit=True)
        case "moved":
            bench.mock.edit("move", rule, where="bottom", admin="other", commit=True)
        case _:
            tag = f"{GROUP}/tag/entry[@name='segctl']"
            bench.mock.edit("set", tag, "<color>color3</color>", admin="other", commit=True)


EDITS = ("rule", "opened", "renamed", "deleted", "moved", "tag")


def refuse(*_words: object) -> None:
    raise VerifyError("fw1", "a probe failed")


def accept(*_words: object) -> None:
    """Judge that the change is good."""


def opened(bench: GroupBench) -> list[str]:
    """Return the firewalls that got what somebody opened by hand."""
    found = {
        name: firewall.device.pushed.rules("vsys1", "pre-rulebase")
        for name, firewall in bench.firewalls.items()
    }
    return [
        name
        for name, rules in found.items()
        for rule in rules
        if rule.get("name") == "c1.web" and rule.findtext("source/member") == "any"
    ]


def tried(
    panorama: GroupHarness,
    bench: GroupBench,
    progress: Callable[[str], None] = silent,
    **values: object,
) -> Outcome:
    order = Order(allow_mass_delete=True, plan_id="tried", **values)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - options of an order
    made = plan(panorama, bench, NEW)
    return apply_device(made, panorama.provider, bench.target, order=order, progress=progress)


@pytest.mark.parametrize("what", EDITS)
def test_what_is_taken_back_leaves_every_firewall_as_it_was(
    what: str, panorama: GroupHarness, bench: GroupBench
) -> None:
    """One of ours that somebody changed and did not push is changed again, on Panorama alone."""
    by_hand(bench, what)
    bench.disturb_others()
    before = bench.printed()
    with pytest.raises(VerifyError):
        tried(panorama, bench, judge=refuse)
    assert bench.printed() == before
    assert b"o-pending" in bench.mock.config()
    assert bench.locks == 0


@pytest.mark.parametrize("what", EDITS)
def test_a_change_puts_ours_right_and_brings_nothing_of_others(
    what: str, panorama: GroupHarness, bench: GroupBench
) -> None:
    by_hand(bench, what)
    bench.mock.edit("set", RULES, other_rule("o-later", action="allow"), commit=True)
    tried(panorama, bench)
    assert not opened(bench)
    assert not plan(panorama, bench, NEW).changes
    for name in SERIALS:
        assert "c1.ssh" in bench.pushed(name)
        assert "o-later" not in bench.pushed(name)
        assert "theirs" not in bench.pushed(name)
    assert b"o-later" in bench.mock.running()


def test_each_firewall_goes_back_to_what_it_held_itself(
    panorama: GroupHarness, bench: GroupBench
) -> None:
    """One was away when the others got the last two changes: it had an older policy."""
    bench.asked = ("fw1",)
    by_hand(bench, "opened")
    reach(panorama, bench, plant_of(WEB, flow("dns", ports=(53,))))
    assert "c1.dns" in bench.pushed("fw1")
    by_hand(bench)
    bench.asked = ("fw1", "fw2")
    before = bench.printed()
    with pytest.raises(VerifyError):
        tried(panorama, bench, judge=refuse)
    assert bench.printed() == before


def test_a_firewall_that_this_run_did_not_push_to_is_left_alone(
    panorama: GroupHarness, bench: GroupBench
) -> None:
    """What it holds is what the change makes of the group, so for a while it is in sync."""
    bench.asked = ("fw1",)
    by_hand(bench, "opened")
    before = bench.printed()
    made = plan(panorama, bench, OLD)
    assert made.changes
    with pytest.raises(VerifyError):
        apply_device(
            made, panorama.provider, bench.target, order=Order(judge=refuse), progress=silent
        )
    assert bench.printed() == before


def test_a_firewall_of_which_it_is_unknown_what_it_holds_is_refused_before_anything_is_written(
    panorama: GroupHarness, bench: GroupBench
) -> None:
    by_hand(bench)
    held = [one.number for one in bench.mock.device.versions]
    bench.mock.device.versions = bench.mock.device.versions[-1:]
    before = bench.printed()
    steps: list[str] = []
    with pytest.raises(ForeignChangesError) as told:
        tried(panorama, bench, progress=steps.append)
    assert told.value.message == (
        "fw1 lacks what was committed after it was last pushed to, and what it holds is unknown, "
        "so a change could not be taken back from it: Panorama does not show version "
        f"{held[-2]} of its configuration. Push the device group to it first"
    )
    assert bench.printed() == before
    assert not [step for step in steps if step.startswith(("writing", "committing", "push"))]
    assert not [one for one in bench.mock.device.journal.changes if one.admin == "segctl"]
    bench.panorama.push("OT")
    tried(panorama, bench)
    assert bench.holds("c1.ssh") == {"fw1": True, "fw2": True}


def test_a_firewall_that_is_away_holds_nobody_up_and_gets_nothing_when_it_comes_back_midway(
    panorama: GroupHarness, bench: GroupBench
) -> None:
    by_hand(bench)
    bench.panorama.disconnect(SERIALS["fw2"])

    def back(step: str) -> None:
        if step == "committing":
            bench.panorama.reconnect(SERIALS["fw2"])

    outcome = tried(panorama, bench, progress=back)
    assert bench.holds("c1.ssh") == {"fw1": True, "fw2": False}
    assert [(one.device, one.status) for one in outcome.members][1] == ("fw2", "failed")
    tried(panorama, bench)
    assert bench.holds("c1.ssh")["fw2"]


# --- runs that died ------------------------------------------------------------------------------


@pytest.mark.parametrize("what", EDITS)
def test_the_change_of_a_dead_run_is_taken_back_from_those_that_have_it(
    what: str, panorama: GroupHarness, bench: GroupBench
) -> None:
    """The second firewall was not asked about; the next run asks about both."""
    by_hand(bench, what)
    bench.asked = ("fw1",)
    before = bench.printed()
    assert killed_at(panorama, bench, plan(panorama, bench, NEW), 0, judge=accept)
    assert bench.holds("c1.ssh") == {"fw1": True, "fw2": False}
    bench.asked = ("fw1", "fw2")
    settled(panorama, bench, "revert")
    assert bench.printed() == before
    assert bench.locks == 0


@pytest.mark.parametrize("first", firsts(3))
def test_a_run_killed_while_it_takes_a_change_back_is_settled_by_the_next(
    first: int, panorama: GroupHarness, bench: GroupBench
) -> None:
    """Wherever it was: what somebody changed and did not push is on Panorama, and only there."""
    number, died = first, True
    while died:
        panorama.boot()
        reach(panorama, bench, OLD)
        by_hand(bench, "opened")
        before = bench.printed()
        made = plan(panorama, bench, NEW)
        died = killed_at(panorama, bench, made, number, judge=refuse)
        while (live := look(panorama, bench)).state.unconfirmed:
            settled(panorama, bench, "revert")
        if live.state.behind and any("c1.ssh" in bench.pushed(name) for name in SERIALS):
            reach(panorama, bench, OLD)  # its revert was committed and not pushed
            assert not any(bench.holds("c1.ssh").values()), number
        else:
            assert bench.printed() == before, number
        assert not opened(bench), number
        number += 3
    assert number > 12, "it asks more than that"


def test_what_a_dead_run_could_not_record_is_said(
    panorama: GroupHarness, bench: GroupBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_hand(bench)
    monkeypatch.setattr("segctl.providers.panos.panorama.held._MOST", 3)
    assert killed_at(panorama, bench, plan(panorama, bench, NEW), 0, judge=accept)
    with pytest.raises(UnknownError) as told:
        settled(panorama, bench, "revert")
    assert told.value.message == (
        "the change was taken back; what fw1, fw2 held before is not known any more. If it lacked "
        "changes that others had committed and not pushed, it may have got those of the rules and "
        "objects that were taken back: run segctl drift"
    )


# --- a Panorama that cannot limit a push ---------------------------------------------------------


def test_before_10_2_only_those_in_sync_get_a_change(
    panorama: GroupHarness, bench: GroupBench
) -> None:
    bench.panorama.device.settings = replace(bench.panorama.device.settings, sw_version="10.1.9")
    for mock in bench.firewalls.values():
        mock.device.settings = mock.settings = replace(mock.settings, sw_version="10.1.9")
    reach(panorama, bench, OLD)
    before = bench.printed()
    with pytest.raises(VerifyError):
        tried(panorama, bench, judge=refuse)
    assert bench.printed() == before
    by_hand(bench)
    outcome = tried(panorama, bench)
    assert bench.holds("c1.ssh") == {"fw1": False, "fw2": False}
    assert "cannot leave them out" in outcome.message


def test_what_a_firewall_held_and_the_group_cannot_hold_any_more_is_said(
    panorama: GroupHarness, bench: GroupBench
) -> None:
    """Somebody has deleted what a rule of ours referred to: Panorama takes no such rule."""
    source, entry = (
        f"{RULES}/entry[@name='c1.web']/source",
        "<entry name='o-net'><fqdn>o.example.com</fqdn></entry>",
    )
    text = "<source><member>{}</member></source>"
    bench.mock.edit("set", f"{GROUP}/address", entry, admin="other")
    bench.mock.edit("edit", source, text.format("o-net"), admin="other", commit=True)
    bench.panorama.push("OT")
    bench.mock.edit("edit", source, text.format("any"), admin="other")
    where = f"{GROUP}/address/entry[@name='o-net']"
    bench.mock.edit("delete", where, admin="other", commit=True)
    running = bench.mock.running()
    with pytest.raises(UnknownError) as told:
        tried(panorama, bench, judge=refuse)
    assert "firewalls may still enforce the change (fw1: " in told.value.message
    assert "o-net" in told.value.message
    assert bench.mock.running() == running
    assert not bench.mock.device.journal.changes
    assert bench.locks == 0
    tried(panorama, bench)
    assert bench.holds("c1.ssh") == {"fw1": True, "fw2": True}


def test_an_object_of_ours_that_somebody_renamed_is_there_again_while_it_is_pushed(
    panorama: GroupHarness, bench: GroupBench
) -> None:
    """The rule that each firewall held named it as it was called then."""
    service = f"{GROUP}/service/entry[@name='segctl-tcp-443']"
    bench.mock.edit("rename", service, newname="theirs-443", admin="other")
    rule = f"{RULES}/entry[@name='c1.web']"
    bench.mock.edit("set", rule, "<log-end>no</log-end>", admin="other", commit=True)
    before = bench.printed()
    with pytest.raises(VerifyError):
        tried(panorama, bench, judge=refuse)
    assert bench.printed() == before
    assert bench.locks == 0
