"""What a PAN-OS session does and does not do to others: locks, pending changes, refusals."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import pytest
from lxml import etree

from segctl.model.errors import (
    ApplyError,
    ConnectError,
    ForeignChangesError,
    LockedError,
    PlanError,
    StalePlanError,
    UnknownError,
    UnsupportedError,
    VerifyError,
)
from segctl.model.policy import Address, AddressGroup
from segctl.model.site import Position
from segctl.planning.apply import Order, apply_device
from segctl.planning.outcome import outcome_of
from segctl.testing import apply, plan, reach
from segctl.transports.lock_owner import new_owner
from segctl_mocks import PanosMock
from support.panos import ANCHOR, DEVICE, RULES, VSYS, PanosBench, other_rule
from support.plants import flow, plant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segctl.compiler.build import Desired
    from support.panos import PanosHarness

SHARED = "/config/shared/address"
WEB = flow("web", ports=(443,))
POLL = flow("poll", uses=(("modbus", ("read",)),))


@pytest.fixture
def bench(panos: PanosHarness) -> Iterator[PanosBench]:
    with panos.workbench() as made:
        yield made


def test_another_administrators_change_stays_pending(
    panos: PanosHarness, bench: PanosBench
) -> None:
    entry = '<entry name="o-late"><ip-netmask>10.9.9.9</ip-netmask></entry>'
    bench.mock.edit("set", SHARED, entry)
    reach(panos, bench, plant(WEB))
    assert b"o-late" in bench.mock.config()
    assert b"o-late" not in bench.mock.running()
    assert b"c1.web" in bench.mock.running()


def test_a_failed_push_leaves_others_pending_changes(
    panos: PanosHarness, bench: PanosBench
) -> None:
    entry = '<entry name="o-late"><ip-netmask>10.9.9.9</ip-netmask></entry>'
    bench.mock.edit("set", SHARED, entry)
    bench.mock.fail("commit_invalid", lines=("vsys1 -> something is wrong",))
    before = bench.printed()
    with pytest.raises(ApplyError, match="something is wrong"):
        reach(panos, bench, plant(WEB))
    assert b"o-late" in bench.mock.config()
    assert b"c1.web" not in bench.mock.config()
    assert bench.printed() == before
    assert bench.locks == 0


@pytest.mark.parametrize("admin", ["other", "admin"])
def test_pending_changes_in_our_place_are_refused(
    admin: str, panos: PanosHarness, bench: PanosBench
) -> None:
    made = plan(panos, bench, plant(WEB))
    bench.mock.edit("set", RULES, other_rule("o-pending"), admin=admin)
    with pytest.raises(ForeignChangesError, match="o-pending"):
        apply(panos, bench, made)
    assert bench.locks == 0
    assert b"o-pending" in bench.mock.config()


def test_own_pending_changes_elsewhere_are_refused(panos: PanosHarness, bench: PanosBench) -> None:
    made = plan(panos, bench, plant(WEB))
    entry = '<entry name="o-mine"><ip-netmask>10.9.9.9</ip-netmask></entry>'
    bench.mock.edit("set", SHARED, entry, admin="admin")
    with pytest.raises(ForeignChangesError, match="account"):
        apply(panos, bench, made)
    assert b"o-mine" in bench.mock.config()


@pytest.mark.parametrize(
    ("place", "entry"),
    [
        (SHARED, '<entry name="o-mine"><ip-netmask>10.9.9.9</ip-netmask></entry>'),
        (f"{VSYS}/address", '<entry name="o-mine"><ip-netmask>10.9.9.9</ip-netmask></entry>'),
        (RULES, other_rule("o-mine", action="allow")),
    ],
)
def test_what_somebody_does_with_our_account_meanwhile_is_not_committed(
    place: str, entry: str, panos: PanosHarness, bench: PanosBench
) -> None:
    made = plan(panos, bench, plant(WEB))
    before = bench.printed()

    def meddle(step: str) -> None:
        if step == "validating":
            bench.mock.edit("set", place, entry, admin="admin")

    with pytest.raises(ForeignChangesError, match=r"with the account 'admin' meanwhile .*o-mine"):
        apply_device(made, panos.provider, bench.target, progress=meddle)
    assert bench.printed() == before
    assert bench.locks == 0
    apply(panos, bench, made)


@pytest.mark.parametrize(
    ("kind", "scope"),
    [("config", "shared"), ("config", "vsys1"), ("commit", "shared"), ("commit", "vsys1")],
)
def test_foreign_locks_are_respected(
    kind: str, scope: str, panos: PanosHarness, bench: PanosBench
) -> None:
    made = plan(panos, bench, plant(WEB))
    bench.mock.hold_lock(kind, "operator", scope)
    with pytest.raises(LockedError, match="operator"):
        apply(panos, bench, made)
    assert bench.locks == 1
    assert not bench.mock.device.journal.changes
    bench.mock.release_lock(kind, "operator", scope)
    apply(panos, bench, made)


def test_a_config_lock_of_another_virtual_system_does_not_concern_us(
    panos: PanosHarness, bench: PanosBench
) -> None:
    bench.mock.hold_lock("config", "operator", "vsys2")
    reach(panos, bench, plant(WEB))
    assert bench.locks == 1


def test_reading_sends_no_write(panos: PanosHarness, bench: PanosBench) -> None:
    bench.mock.reject_writes = True
    plan(panos, bench, plant(WEB))
    assert bench.mock.writes == 0
    assert bench.mock.requests


def test_a_read_only_session_cannot_write(panos: PanosHarness, bench: PanosBench) -> None:
    made = plan(panos, bench, plant(WEB))
    with panos.provider.connect(bench.target, read_only=True) as session:
        session.read()
        with pytest.raises(ApplyError, match="read-only"), session.lock():
            pytest.fail("locked")
        with pytest.raises(ApplyError, match="read-only"):
            session.push(made.script)
    assert bench.mock.writes == 0


def test_locks_of_a_run_that_died_are_cleaned_up(panos: PanosHarness, bench: PanosBench) -> None:
    made = plan(panos, bench, plant(WEB))
    comment = str(replace(new_owner(), process=_free_pid(), token="0a1b2c3d"))
    _lock(bench, "commit", "shared", comment)
    _lock(bench, "config", "vsys1", comment)
    bench.mock.edit("set", RULES, other_rule("half-done"), admin="admin")
    apply(panos, bench, made)
    assert b"half-done" not in bench.mock.config()
    assert b"c1.web" in bench.mock.running()
    assert bench.locks == 0


@pytest.mark.parametrize(
    "comment",
    [
        f"segctl {os.uname().nodename} 1 1700000000 0a1b2c3d",  # as an earlier version wrote it
        "segctl ops@elsewhere 77 1700000000 0a1b2c3d 3600 ffff 1 1",  # another machine, just now
        "segctl something else",
    ],
)
def test_locks_of_a_run_that_may_live_are_left(
    comment: str, panos: PanosHarness, bench: PanosBench
) -> None:
    made = plan(panos, bench, plant(WEB))
    _lock(bench, "config", "vsys1", comment)
    with pytest.raises(LockedError, match="another segctl run"):
        apply(panos, bench, made)
    assert bench.locks == 1


def test_two_runs_in_one_process_do_not_take_each_others_lock(
    panos: PanosHarness, bench: PanosBench
) -> None:
    made = plan(panos, bench, plant(WEB))
    with panos.provider.connect(bench.target, read_only=False) as session, session.lock():
        with pytest.raises(LockedError, match="another segctl run"):
            apply(panos, bench, made)
        assert bench.locks == 2
    assert bench.locks == 0


def test_a_passive_peer_is_refused(panos: PanosHarness) -> None:
    with PanosMock("fw1", ha="passive", job_seconds=0.0) as mock:
        bench = _on(panos, mock)
        with pytest.raises(ApplyError, match="passive member"):
            reach(panos, bench, plant(WEB))
        assert mock.writes == 0


def test_before_10_1_every_step_is_a_request(panos: PanosHarness) -> None:
    with PanosMock("fw1", sw_version="9.1.0", job_seconds=0.0) as mock:
        bench = _on(panos, mock)
        reach(panos, bench, plant(WEB, POLL))
        made = reach(panos, bench, plant(flow("web", ports=(8443,))))
        assert made.summary["update"]
        assert not plan(panos, bench, plant(flow("web", ports=(8443,)))).changes
        assert not any(request.action == "multi-config" for request in mock.requests)
        before = bench.printed()
        mock.fail("drop_after", action="edit")
        with pytest.raises(ConnectError):
            reach(panos, bench, plant(WEB))
        assert bench.printed() == before
        assert not mock.device.journal.changes


def test_a_lost_job_leaves_what_was(panos: PanosHarness, bench: PanosBench) -> None:
    before = bench.printed()
    for applied in (False, True):
        bench.mock.fail("commit_lost", applied=applied)
        with pytest.raises(ApplyError, match="configd restart"):
            reach(panos, bench, plant(WEB))
        assert bench.printed() == before
    reach(panos, bench, plant(WEB))


def test_a_commit_that_never_ends_is_given_up(panos: PanosHarness, bench: PanosBench) -> None:
    made = plan(panos, bench, plant(WEB))
    bench.mock.fail("commit_stuck")
    target = replace(bench.target, commit_timeout=0.5)
    with pytest.raises(UnknownError, match="could not go back by itself") as told:
        apply_device(made, panos.provider, target, progress=print)
    assert b"c1.web" not in bench.mock.running()
    assert "commit job 3 did not end within 0.5s" in told.value.message
    assert "may still go live" in told.value.message
    assert "commit lock for shared and config lock for vsys1 stay" in told.value.message
    assert "request commit-lock remove admin admin" in told.value.message
    assert bench.locks == 2


def test_a_device_that_holds_something_else_is_reverted(
    panos: PanosHarness, bench: PanosBench
) -> None:
    """The commit succeeds, but a rule of others changed under the lock."""
    made = plan(panos, bench, plant(WEB))
    before = bench.printed()

    def meddle(step: str) -> None:
        if step == "committing" and not meddled:
            meddled.append(step)
            held, bench.mock.device.locks.held = bench.mock.device.locks.held, []
            bench.mock.edit("set", f"{RULES}/entry[@name='{ANCHOR}']", "<disabled>yes</disabled>")
            bench.mock.edit("set", RULES, "", commit=True)
            bench.mock.device.locks.held = held

    meddled: list[str] = []
    with pytest.raises(VerifyError, match=ANCHOR):
        apply_device(made, panos.provider, bench.target, progress=meddle)
    assert meddled
    assert b"c1.web" not in bench.mock.running()
    assert bench.printed() == before.replace(
        "<action>deny</action></entry>", "<action>deny</action><disabled>yes</disabled></entry>", 1
    )


# --- lines that drop -----------------------------------------------------------------------------

STEPS = ("commit-lock><add", "config-lock><add", "<save>", "multi-config", "<validate>", "<commit>")


@pytest.mark.parametrize("how", ["drop_before", "drop_after", "drop_at"])
@pytest.mark.parametrize("step", STEPS)
def test_a_line_that_drops_at_a_write(
    step: str, how: str, panos: PanosHarness, bench: PanosBench
) -> None:
    made = plan(panos, bench, plant(WEB))
    before = bench.printed()
    bench.mock.fail(how, contains=step)
    if "lock" in step or (step == "<commit>" and how != "drop_before"):
        apply(panos, bench, made)
        assert b"c1.web" in bench.mock.running()
    else:
        with pytest.raises((ConnectError, VerifyError)):
            apply(panos, bench, made)
        assert bench.printed() == before
    assert bench.locks == 0
    assert not bench.mock.device.journal.changes
    assert not bench.mock.device.faults.waiting
    reach(panos, bench, plant(WEB))
    assert b"c1.web" in bench.mock.running()


@pytest.mark.parametrize("how", ["drop_before", "drop_after", "drop_at", "truncate", "html"])
@pytest.mark.parametrize("step", ["<revert>", "multi-config", "<commit>", "<remove>"])
def test_a_line_that_drops_while_going_back(
    step: str, how: str, panos: PanosHarness, bench: PanosBench
) -> None:
    made = plan(panos, bench, plant(WEB))
    before = bench.printed()
    with panos.provider.connect(bench.target, read_only=False) as session:
        session.read()
        with session.lock():
            session.push(made.script)
            bench.mock.fail(how, contains=step)
            session.revert()
    assert not bench.mock.device.faults.waiting
    assert bench.printed() == before
    assert not bench.mock.device.journal.changes
    assert bench.locks == 0


def test_what_moves_before_the_lock_is_seen(panos: PanosHarness, bench: PanosBench) -> None:
    made = plan(panos, bench, plant(WEB))

    def meddle(step: str) -> None:
        if step == "locking":
            bench.mock.edit("set", RULE, DISABLED, commit=True)

    with pytest.raises(StalePlanError, match=ANCHOR):
        apply_device(made, panos.provider, bench.target, progress=meddle)
    assert b"c1.web" not in bench.mock.running()


# --- interrupts ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "when", ["reading", "locking", "writing", "validating", "committing", "commit ", "verifying"]
)
def test_an_interrupt_leaves_the_old_state(
    when: str, panos: PanosHarness, bench: PanosBench
) -> None:
    bench.mock.device.settings = replace(bench.mock.settings, job_seconds=0.3)
    reads: list[str] = []

    def interrupt(step: str) -> None:
        reads.append(step)
        third = when == "verifying" and reads.count("reading") == 3
        if third or step.startswith(when):
            done.append(step)
            if len(done) == 1:
                raise KeyboardInterrupt

    done: list[str] = []
    made = plan(panos, bench, plant(WEB))
    before = bench.printed()
    with pytest.raises(KeyboardInterrupt):
        apply_device(made, panos.provider, bench.target, progress=interrupt)
    assert bench.printed() == before
    assert not bench.mock.device.journal.changes
    assert bench.locks == 0
    apply(panos, bench, made)


def test_an_interrupt_while_going_back_still_cleans_up(
    panos: PanosHarness, bench: PanosBench
) -> None:
    def interrupt(step: str) -> None:
        if step.startswith(("validating", "going back")):
            raise KeyboardInterrupt

    made = plan(panos, bench, plant(WEB))
    before = bench.printed()
    with pytest.raises(KeyboardInterrupt):
        apply_device(made, panos.provider, bench.target, progress=interrupt)
    assert bench.printed() == before
    assert not bench.mock.device.journal.changes
    assert bench.locks == 0


# --- plans that no longer fit --------------------------------------------------------------------

RULE = f"{RULES}/entry[@name='{ANCHOR}']"
AFTER = Position(where="after", rule=ANCHOR)


POLL_RULE = f"{RULES}/entry[@name='c1.poll']"
DISABLED = "<disabled>yes</disabled>"
PROFILE = f"{VSYS}/profile-group/entry[@name='ot-strict']"
WILDFIRE = "<wildfire-analysis><member>default</member></wildfire-analysis>"
MOVED: dict[str, tuple[tuple[str, str, dict[str, str]], ...]] = {
    "rule of others o-anchor changed": (("set", RULE, {"element": DISABLED}),),
    "rule of others o-anchor is gone": (("rename", RULE, {"newname": "x"}),),
    "rule of others o-new is new": (
        ("set", RULES, {"element": other_rule("o-new")}),
        ("move", f"{RULES}/entry[@name='o-new']", {"where": "top"}),
    ),
    "rule c1.poll changed": (("set", POLL_RULE, {"element": DISABLED}),),
    "rule c1.poll is gone": (("delete", POLL_RULE, {}),),
    "address dmz.a0 changed": (
        (
            "set",
            f"{VSYS}/address/entry[@name='dmz.a0']",
            {"element": "<description>x</description>"},
        ),
    ),
    "profile-group ot-strict changed": (("set", PROFILE, {"element": WILDFIRE}),),
    "whether rules of others follow": (("set", RULES, {"element": other_rule("o-late")}),),
    "content version": (),
}


@pytest.mark.parametrize("named", MOVED)
def test_a_plan_is_stale_when_what_it_rests_on_moved(
    named: str, panos: PanosHarness, bench: PanosBench
) -> None:
    old = plant(POLL, flow("dual", ports=(22,), to_asset="a0"), position=AFTER, profile="strict")
    reach(panos, bench, old)
    made = plan(panos, bench, plant(POLL, WEB, position=AFTER, profile="strict"))
    for action, xpath, values in MOVED[named]:
        bench.mock.edit(
            action,
            xpath,
            values.get("element", ""),
            newname=values.get("newname", ""),
            where=values.get("where", ""),
        )
    if MOVED[named]:
        bench.mock.edit("set", RULES, "", commit=True)
    else:
        bench.mock.device.settings = replace(bench.mock.settings, content_version="9000-1")
    before = bench.printed()
    with pytest.raises(StalePlanError, match=re.escape(named)):
        apply(panos, bench, made)
    assert bench.printed() == before


@pytest.mark.parametrize(
    ("xpath", "element"),
    [
        (RULES, other_rule("o-below")),
        (f"{VSYS}/address", '<entry name="o-x"><ip-netmask>10.0.0.1</ip-netmask></entry>'),
        (SHARED, '<entry name="o-y"><ip-netmask>10.0.0.1</ip-netmask></entry>'),
        (f"{DEVICE}/deviceconfig/system", "<timezone>Europe/Berlin</timezone>"),
        (f"{VSYS}/tag", '<entry name="o-tag"><color>color1</color></entry>'),
    ],
)
def test_edits_elsewhere_do_not_make_a_plan_stale(
    xpath: str, element: str, panos: PanosHarness, bench: PanosBench
) -> None:
    bench.mock.edit("set", RULES, other_rule("o-last"), commit=True)
    made = plan(panos, bench, plant(WEB, position=AFTER))
    bench.mock.edit("set", xpath, element, commit=True)
    apply(panos, bench, made)
    assert b"c1.web" in bench.mock.running()


@pytest.mark.parametrize("stands", ["top", "before"])
@pytest.mark.parametrize("where", ["first", "last", "before", "after"])
def test_a_rule_above_our_block_makes_a_plan_stale(
    where: Literal["first", "last", "before", "after"],
    stands: str,
    panos: PanosHarness,
    bench: PanosBench,
) -> None:
    """Whether it stands above all, or between the rule that the position names and our block."""
    position = Position(where=where, rule=ANCHOR if where in ("before", "after") else "")
    reach(panos, bench, plant(POLL, position=position))
    made = plan(panos, bench, plant(POLL, WEB, position=position))
    bench.mock.edit("set", RULES, other_rule("o-new"))
    dst = bench.rules()[0 if where in ("first", "before") else 1]
    to = {"where": "top"} if stands == "top" else {"where": "before", "dst": dst}
    bench.mock.edit("move", f"{RULES}/entry[@name='o-new']", **to, commit=True)
    before = bench.printed()
    with pytest.raises(StalePlanError, match="rule of others o-new is new"):
        apply(panos, bench, made)
    assert bench.printed() == before


def test_a_rule_put_on_top_before_the_lock_is_seen(panos: PanosHarness, bench: PanosBench) -> None:
    first = Position(where="first")
    reach(panos, bench, plant(POLL, position=first))
    made = plan(panos, bench, plant(POLL, WEB, position=first))

    def meddle(step: str) -> None:
        if step == "locking":
            bench.mock.edit("set", RULES, other_rule("o-new"))
            bench.mock.edit("move", f"{RULES}/entry[@name='o-new']", where="top", commit=True)

    versions = len(bench.mock.effective())
    with pytest.raises(StalePlanError, match="rule of others o-new is new"):
        apply_device(made, panos.provider, bench.target, progress=meddle)
    assert len(bench.mock.effective()) == versions + 1  # theirs
    assert b"c1.web" not in bench.mock.config()


def test_a_plan_is_used_once(panos: PanosHarness, bench: PanosBench) -> None:
    made = plan(panos, bench, plant(WEB))
    assert apply(panos, bench, made).status == "applied"
    versions = len(bench.mock.effective())
    assert apply(panos, bench, made).status == "unchanged"
    assert len(bench.mock.effective()) == versions


# --- what planning refuses -----------------------------------------------------------------------


def test_essential_flows_are_not_cut(panos: PanosHarness, bench: PanosBench) -> None:
    keep = flow("keep", ports=(443,), essential=True)
    reach(panos, bench, plant(keep))
    for wanted in (
        plant(),
        plant(flow("keep", ports=(8443,), essential=True)),
        plant(flow("keep", ports=(443,), from_asset="a0", essential=True)),
    ):
        made = plan(panos, bench, wanted)
        assert not made.applyable
        with pytest.raises(PlanError, match="essential"):
            apply(panos, bench, made)
    wider = plan(panos, bench, plant(flow("keep", ports=(443, 8443), essential=True)))
    assert wider.applyable
    reach(panos, bench, plant(flow("keep", ports=(443,))))
    reach(panos, bench, plant())
    assert b"c1.keep" not in bench.mock.running()


def test_essential_flows_are_not_cut_through_their_objects(
    panos: PanosHarness, bench: PanosBench
) -> None:
    keep = flow("keep", ports=(443,), essential=True)
    reach(panos, bench, plant(keep))
    made = plan(panos, bench, plant(keep, networks={"site/dmz": ("10.3.0.0/25",)}))
    assert made.changes
    with pytest.raises(PlanError, match="essential"):
        apply(panos, bench, made)


def test_an_essential_flow_widened_by_hand_is_repaired(
    panos: PanosHarness, bench: PanosBench
) -> None:
    keep = flow("keep", ports=(443,), essential=True)
    reach(panos, bench, plant(keep))
    rule = f"{RULES}/entry[@name='c1.keep']"
    anything = "<service><member>any</member></service>"
    bench.mock.edit("edit", f"{rule}/service", anything, commit=True)
    bench.mock.edit("edit", f"{rule}/disabled", "<disabled>yes</disabled>", commit=True)
    reach(panos, bench, plant(keep))
    assert plan(panos, bench, plant(keep)).changes == ()
    bench.mock.edit("edit", f"{rule}/service", anything, commit=True)
    with pytest.raises(PlanError, match="essential"):
        reach(panos, bench, plant(flow("keep", ports=(8443,), essential=True)))


def test_the_default_rule_is_written_in_full(panos: PanosHarness, bench: PanosBench) -> None:
    path = f"{VSYS}/rulebase/default-security-rules/rules"
    opened = (
        '<entry name="interzone-default"><action>allow</action><log-end>no</log-end>'
        "<log-setting>to-siem</log-setting><log-start>yes</log-start></entry>"
    )
    bench.mock.edit("set", path, opened, commit=True)
    reach(panos, bench, plant(WEB))
    assert plan(panos, bench, plant(WEB)).changes == ()
    (entry,) = etree.fromstring(bench.mock.running()).findall(
        ".//default-security-rules/rules/entry"
    )
    assert entry.findtext("action") == "deny"
    assert entry.findtext("log-end") == "yes"
    assert entry.findtext("log-setting") == "to-siem"
    assert entry.findtext("log-start") == "yes"


def test_a_default_rule_that_refuses_and_logs_stays(panos: PanosHarness, bench: PanosBench) -> None:
    path = f"{VSYS}/rulebase/default-security-rules/rules"
    strict = (
        '<entry name="interzone-default"><action>drop</action><log-end>yes</log-end>'
        "<log-setting>to-siem</log-setting></entry>"
    )
    bench.mock.edit("set", path, strict, commit=True)
    made = plan(panos, bench, plant(WEB))
    assert "default-rule" not in {change.kind for change in made.changes}
    reach(panos, bench, plant(WEB))
    (entry,) = etree.fromstring(bench.mock.running()).findall(
        ".//default-security-rules/rules/entry"
    )
    assert [(part.tag, part.text) for part in entry] == [
        ("action", "drop"),
        ("log-end", "yes"),
        ("log-setting", "to-siem"),
    ]


def test_a_name_may_pass_from_an_address_to_a_group(panos: PanosHarness, bench: PanosBench) -> None:
    wanted = plant(flow("web", ports=(443,), from_asset="a0"))
    asset = Address(name="ctrl.a0", value="10.1.0.10")
    assert asset in wanted.policy[Address]
    other = replace(asset, name="other")
    grouped = replace(
        wanted,
        policy=wanted.policy.replace(
            addresses=(
                *(item for item in wanted.policy[Address] if item != asset),
                other,
            ),
            address_groups=(
                *wanted.policy[AddressGroup],
                AddressGroup(name=asset.name, members=("other",)),
            ),
        ),
    )
    for one in (wanted, grouped, wanted):
        reach(panos, bench, one)
        assert plan(panos, bench, one).changes == ()


def test_names_that_others_hold_are_refused(panos: PanosHarness, bench: PanosBench) -> None:
    bench.mock.edit("set", RULES, other_rule("c1.web"), commit=True)
    with pytest.raises(PlanError, match=r"rule c1\.web"):
        plan(panos, bench, plant(WEB))
    address = '<entry name="ctrl"><ip-netmask>10.0.0.1</ip-netmask></entry>'
    bench.mock.edit("delete", f"{RULES}/entry[@name='c1.web']")
    bench.mock.edit("set", f"{VSYS}/address", address, commit=True)
    with pytest.raises(PlanError, match="address-group ctrl"):
        plan(panos, bench, plant(WEB))


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (plant(flow("x", applications=("no-such-app",))), r"content 8799-8509.*no-such-app"),
        (plant(flow("x", ports=(1,), schedule="weekends")), "schedule weekends"),
        (plant(WEB, log_forwarding="siem-2"), "siem-2"),
        (plant(WEB, profile="strict", profiles=(("strict", "ot-none"),)), "ot-none"),
    ],
)
def test_what_the_device_lacks_is_named(
    wanted: Desired, message: str, panos: PanosHarness, bench: PanosBench
) -> None:
    with pytest.raises(UnsupportedError, match=message):
        plan(panos, bench, wanted)


def test_a_missing_anchor_is_named(panos: PanosHarness, bench: PanosBench) -> None:
    with pytest.raises(PlanError, match="o-gone"):
        plan(panos, bench, plant(WEB, position=Position(where="after", rule="o-gone")))


def test_objects_that_others_use_stay(panos: PanosHarness, bench: PanosBench) -> None:
    reach(panos, bench, plant(WEB))
    bench.mock.edit(
        "set",
        RULES,
        other_rule("o-user", "<source><member>ctrl</member></source>"),
        commit=True,
    )
    made = reach(panos, bench, plant())
    running = bench.mock.running()
    assert b"c1.web" not in running
    assert b'<entry name="ctrl">' in running
    assert b'<entry name="dmz">' not in running
    assert any("'ctrl' is no longer needed" in item.message for item in made.findings)
    assert not plan(panos, bench, plant()).changes


def test_purge_needs_permission(panos: PanosHarness, bench: PanosBench) -> None:
    wanted = plant(WEB, unmanaged="purge")
    made = plan(panos, bench, wanted)
    assert made.purge == 1
    with pytest.raises(PlanError, match="--allow-purge"):
        apply(panos, bench, made)
    before, purging = bench.printed(), Order(allow_purge=True)
    bench.mock.fail("commit_dies")
    with pytest.raises(ApplyError):
        apply_device(made, panos.provider, bench.target, order=purging, progress=print)
    assert bench.printed() == before
    apply_device(made, panos.provider, bench.target, order=purging, progress=print)
    assert ANCHOR.encode() not in bench.mock.running()
    assert not plan(panos, bench, wanted).changes


def test_outcomes_say_why() -> None:
    assert outcome_of("fw1", LockedError("fw1", "held")).code == "locked"
    assert outcome_of("fw1", KeyboardInterrupt()).code == "interrupted"
    assert outcome_of("fw1", ApplyError("fw1", "refused")).message == "refused"


# --- helpers -------------------------------------------------------------------------------------


def _on(panos: PanosHarness, mock: PanosMock) -> PanosBench:
    harness = replace(panos, mock=mock, parts={})
    with harness.workbench() as bench:
        return bench


def _lock(bench: PanosBench, kind: str, scope: str, comment: str) -> None:
    answer = bench.mock.handle(
        {
            "type": "op",
            "key": bench.mock.key(),
            "vsys": scope,
            "cmd": f"<request><{kind}-lock><add><comment>{comment}</comment></add></{kind}-lock>"
            "</request>",
        }
    )
    assert b"success" in answer.content()


def _free_pid() -> int:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return child
