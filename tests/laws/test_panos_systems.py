"""Two virtual systems of one firewall are one transaction: the laws, others, kills."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume
from hypothesis import strategies as st
from lxml import etree

from segctl.analysis.decide import decider
from segctl.compiler.build import with_closing
from segctl.model.errors import DeviceError, LostLockError, VerifyError
from segctl.planning.apply import Order
from segctl.planning.audit import Origin
from segctl.planning.freshness import managed
from segctl.planning.outcome import Outcome
from segctl.testing import LAWS, read
from segctl.testing.trying import draw_desired, draw_packets, require, trial
from segctl_mocks import PanosMock, PanosPair
from segctl_mocks.panos.jobs import stamp
from segctl_mocks.panos.locks import Lock
from segctl_mocks.panos.pair import ADDRESSES
from support.panos import RULES, canonical, other_rule
from support.panos_systems import (
    PROVIDER,
    SYSTEMS,
    THIRD,
    Alone,
    Systems,
    both,
    messages,
    place,
    statuses,
)
from support.plants import flow
from support.runs import KILLED, STEPS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from hypothesis.strategies import DataObject

    from segctl.compiler.build import Desired
    from segctl.planning.plan import DevicePlan
    from segctl.planning.together import Ended
    from segctl.providers.base import Live, Session
    from segctl_mocks import Authority, ServerCertificate

WEB = flow("web", ports=(443,))
POLL = flow("poll", uses=(("modbus", ("read",)),))
SSH = flow("ssh", ports=(22,))


@pytest.fixture
def served(
    panos_certificate: tuple[Authority, ServerCertificate],
) -> Iterator[Systems]:
    authority, shown = panos_certificate
    with PanosMock(
        "fw1", multi_vsys=True, job_seconds=0.0, authority=authority, certificate=shown
    ) as mock:
        yield Systems(mock)


@pytest.fixture
def systems(served: Systems) -> Systems:
    served.boot()
    return served


def drawn(data: DataObject, systems: Systems, label: str = "desired") -> dict[str, Desired]:
    return {
        host: draw_desired(data, harness, f"{label} of {host}")
        for host, harness in systems.harnesses.items()
    }


def begun(data: DataObject, systems: Systems) -> None:
    """Have a device with others' rules on which both hosts hold something."""
    systems.boot()
    for bench in systems.benches.values():
        bench.bystand(data)
    systems.reach(drawn(data, systems, "desired before"))


# --- the laws, for both at once -------------------------------------------------------------------


def test_both_converge_and_hold_what_was_meant(served: Systems) -> None:
    """Laws 1 and 2, with a commit for both."""

    def law(data: DataObject) -> None:
        begun(data, served)
        for bench in served.benches.values():
            bench.disturb(data)
        wanted = drawn(data, served)
        commits = served.commits
        made = served.reach(wanted)
        changed = any(one.changes for one in made.values())
        require(served.commits == commits + changed, "not one commit")
        for host, again in served.plans(wanted).items():
            require(again.changes == (), made[host].script, again.changes)
            live = read(served.harnesses[host], served.benches[host])
            held = managed(live, made[host].covers)
            require(held.digest == made[host].desired)
            fitted, _ = PROVIDER.fit(wanted[host].policy, wanted[host].device)
            if held.rules != fitted.rules:
                fitted, _ = PROVIDER.fit(with_closing(wanted[host]), wanted[host].device)
            require(held.rules == fitted.rules)
        require(served.locks == 0)

    trial(law)


def test_others_are_left_alone_in_all_virtual_systems(served: Systems) -> None:
    """Law 3, with a second administrator's uncommitted change in the third virtual system."""

    def law(data: DataObject) -> None:
        served.boot()
        for bench in served.benches.values():
            bench.bystand(data)
        served.mock.edit("set", place(RULES, THIRD), other_rule("theirs"), admin="second")
        before, pending = served.others(), list(served.mock.device.journal.changes)
        served.reach(drawn(data, served, "desired before"))
        served.reach(drawn(data, served))
        require(served.others() == before)
        require(list(served.mock.device.journal.changes) == pending)

    trial(law)


def test_traffic_meets_the_old_of_both_or_the_new_of_both(served: Systems) -> None:
    """Law 4: nothing in between, neither within a virtual system nor across them."""

    def law(data: DataObject) -> None:
        begun(data, served)
        made = served.plans(drawn(data, served))
        start = len(served.mock.effective()) - 1
        served.apply(made)
        met = served.digests(made)[start:]
        require(set(met) <= {met[0], tuple(one.desired for one in made.values())}, met)
        for bench in served.benches.values():
            policies = [PROVIDER.parse(document).effective() for document in bench.met()[start:]]
            old, new = decider(policies[0]), decider(policies[-1])
            for packet in draw_packets(data, *policies):
                known = old(packet).action, new(packet).action
                require(all(decider(one)(packet).action in known for one in policies), packet)

    trial(law)


def test_a_refused_change_restores_what_is_printed(served: Systems) -> None:
    """Law 5: both go back in one commit if the change of either is not accepted."""

    def law(data: DataObject) -> None:
        begun(data, served)
        before, commits = served.printed(), served.commits
        made = served.plans(drawn(data, served))
        assume(all(one.changes for one in made.values()))
        refused = data.draw(st.sampled_from(list(SYSTEMS)), "refused")
        changed: list[bool] = []

        def judge(held: Mapping[str, tuple[Session, Live]]) -> dict[str, DeviceError]:
            changed.append(served.printed() != before)
            return {refused: VerifyError(refused, "is denied: reverted")} if refused in held else {}

        found = served.apply(made, judge=judge)
        require(changed == [True])
        require(set(statuses(found).values()) == {"failed"}, found)
        require(served.printed() == before)
        require(served.commits == commits + 2)
        require(served.locks == 0)

    trial(law)


def test_a_dropped_line_leaves_the_old_of_both_or_the_new_of_both(served: Systems) -> None:
    """Law 6; a rerun converges, and no lock stays."""

    def law(data: DataObject) -> None:
        begun(data, served)
        wanted = drawn(data, served)
        made = served.plans(wanted)
        assume(any(one.changes for one in made.values()))
        start = len(served.mock.effective()) - 1
        bench = served.benches["fw1"]
        bench.sever(
            data.draw(st.integers(0, 160), "request"),
            data.draw(st.sampled_from(("before", "after", "within")), "how"),
        )
        found = served.apply(made)
        met = served.digests(made)[start:]
        new = tuple(one.desired for one in made.values())
        require(set(met) <= {met[0], new}, "a mixture was live")
        if all(isinstance(one, Outcome) for one in found.values()):
            require(met[-1] == new)
        bench.mend()
        served.reach(wanted)
        require(served.digests(made)[-1] == new)
        require(served.locks == 0)

    trial(law)


@pytest.mark.parametrize("law", LAWS)
def test_law_for_one_of_them(law: str, systems: Systems) -> None:
    """Laws 1 to 10, with somebody's uncommitted change in the other virtual system."""
    device = systems.harnesses["fw2"].device
    LAWS[law](Alone(systems.mock, device=device, systems=systems))


# --- a second administrator at each moment --------------------------------------------------------

#: What a run says before each step, at which somebody else does something.
MOMENTS = ("reading", "locking", "reading again", "writing", "validating", "committing", "commit ")


def acting(step: str, act: Callable[[], None]) -> Callable[[str], None]:
    """Return what acts once, when a run says that it begins a step."""
    seen: list[str] = []
    done: list[str] = []

    def progress(text: str) -> None:
        seen.append(text)
        if text.startswith("reading") and "locking" in seen:
            text = "reading again"
        if text.startswith(step) and not done:
            done.append(text)
            act()

    return progress


def slow(systems: Systems, step: str) -> None:
    """Let jobs take long enough for one to be seen running, where that matters."""
    if step == "commit ":
        device = systems.mock.device
        device.settings = replace(device.settings, job_seconds=0.3)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("hosts", [("fw1",), ("fw1", "fw2")], ids=" and ".join)
def test_what_somebody_does_in_another_virtual_system_stays_out_of_the_commit(
    hosts: tuple[str, ...], moment: str, systems: Systems
) -> None:
    elsewhere = "vsys2" if len(hosts) == 1 else THIRD
    slow(systems, moment)
    made = systems.plans({host: both((WEB,), (POLL,))[host] for host in hosts})

    def act() -> None:
        xpath = place(RULES, elsewhere)
        systems.mock.edit("set", xpath, other_rule("o-pending"), admin="second")

    if hosts == ("fw1",):
        found = systems.apply_alone("fw1", made["fw1"], progress=acting(moment, act))
    else:
        found = systems.apply(made, progress=acting(moment, act))
    assert set(statuses(found).values()) == {"applied"}, list(messages(found))
    assert b"o-pending" not in systems.mock.running()
    assert b"o-pending" in systems.mock.config()
    assert [one.admin for one in systems.mock.device.journal.changes] == ["second"]
    assert systems.digests(made)[-1] == tuple(one.desired for one in made.values())
    assert systems.locks == 0


@pytest.mark.parametrize("moment", MOMENTS)
def test_what_somebody_does_in_one_of_ours_is_neither_committed_nor_lost(
    moment: str, systems: Systems
) -> None:
    """Before the lock it stops both hosts, under the lock the device refuses it."""
    slow(systems, moment)
    made = systems.plans(both((WEB,), (POLL,)))
    old = systems.printed()
    refused: list[bool] = []

    def act() -> None:
        refused.append(not systems.benches["fw2"].try_edit("set", RULES, other_rule("o-theirs")))

    found = systems.apply(made, progress=acting(moment, act))
    assert refused == [moment not in ("reading", "locking")]
    assert b"o-theirs" not in systems.mock.running()
    assert (b"o-theirs" in systems.mock.config()) is not refused[0]
    if refused[0]:
        assert set(statuses(found).values()) == {"applied"}
    else:
        assert set(statuses(found).values()) == {"failed"}
        assert all("uncommitted changes in vsys2" in text for text in messages(found))
        assert systems.printed() == old
    assert systems.locks == 0


@pytest.mark.parametrize("system", ["vsys2", THIRD])
@pytest.mark.parametrize("moment", ["writing", "validating"])
def test_what_somebody_does_with_our_account_is_not_committed(
    moment: str, system: str, systems: Systems
) -> None:
    """A commit takes all of our account, wherever it is."""
    made = systems.plans(both((WEB,), (POLL,)))
    old = systems.printed()

    def act() -> None:
        systems.mock.edit("set", place(RULES, system), other_rule("o-ours"), admin="admin")

    found = systems.apply(made, progress=acting(moment, act))
    assert set(statuses(found).values()) == {"failed"}
    assert all("a commit would take it along" in text for text in messages(found))
    assert systems.printed() == old
    assert systems.locks == 0


def hold(systems: Systems, system: str) -> None:
    """Have somebody hold the configuration lock of a virtual system."""
    device = systems.mock.device
    device.locks.held.append(Lock("config", system, "second", stamp(device.clock()), "mine"))


def stuck(systems: Systems) -> None:
    """Have the firewall release no lock."""
    systems.mock.fail("error", code="", message="Not now", contains="-lock><remove", times=999)


def named(found: Mapping[str, Ended]) -> Iterator[str]:
    """Yield what each host says of the locks, as a warning or at the end of its error."""
    for ended in found.values():
        text = "; ".join(ended.warnings) if isinstance(ended, Outcome) else str(ended)
        yield text
        assert "could not release its locks: " in text
        assert "Not now" in text
        assert "config lock for vsys1 and config lock for vsys2 stay" in text
        assert "`request config-lock remove`" in text


def test_locks_that_could_not_be_released_are_named_by_the_errors_of_both(
    systems: Systems,
) -> None:
    made = systems.plans(both((WEB,), (POLL,)))
    systems.mock.fail("commit_invalid", lines=("vsys1 -> something is wrong",))
    stuck(systems)
    found = systems.apply(made)
    assert set(statuses(found).values()) == {"failed"}
    for text in named(found):
        assert text.index("something is wrong") < text.index("could not release")
    assert systems.locks == 3
    systems.benches["fw1"].mend()
    systems.reach(both((WEB,), (POLL,)))
    assert systems.locks == 0


def test_locks_that_could_not_be_released_are_warnings_of_the_outcomes_of_both(
    systems: Systems,
) -> None:
    """Another run makes the change while this one waits for the locks."""
    wanted = both((WEB,), (POLL,))
    made = systems.plans(wanted)

    def act() -> None:
        systems.reach(wanted)
        stuck(systems)

    found = systems.apply(made, progress=acting("locking", act))
    assert statuses(found) == {"fw1": "unchanged", "fw2": "unchanged"}
    assert len(list(named(found))) == 2
    assert systems.locks == 3
    systems.benches["fw1"].mend()


def test_a_lock_of_somebody_on_either_stops_both(systems: Systems) -> None:
    made = systems.plans(both((WEB,), (POLL,)))
    old = systems.printed()
    hold(systems, "vsys2")
    found = systems.apply(made)
    assert set(statuses(found).values()) == {"failed"}
    assert all("config lock for vsys2: held by second" in text for text in messages(found))
    assert systems.printed() == old
    systems.mock.device.locks.held.clear()
    hold(systems, THIRD)
    assert set(statuses(systems.apply(made)).values()) == {"applied"}
    assert systems.locks == 1


@pytest.mark.parametrize("moment", MOMENTS)
def test_an_interrupt_leaves_the_old_of_both(moment: str, systems: Systems) -> None:
    systems.reach(both((WEB,), (POLL,)))
    old = systems.printed()
    slow(systems, moment)
    made = systems.plans(both((WEB, SSH), (POLL, SSH)))

    def act() -> None:
        raise KeyboardInterrupt

    found = systems.apply(made, progress=acting(moment, act))
    assert all(isinstance(one, KeyboardInterrupt) for one in found.values()), found
    assert systems.printed() == old
    assert systems.locks == 0


@pytest.mark.parametrize("lost", ["commit", "vsys1", "vsys2"])
@pytest.mark.parametrize("moment", ["writing", "validating", "committing"])
def test_a_run_that_loses_one_of_its_locks_changes_nothing_more(
    moment: str, lost: str, systems: Systems
) -> None:
    systems.reach(both((WEB,), (POLL,)))
    old, commits = systems.printed(), systems.commits
    made = systems.plans(both((WEB, SSH), (POLL, SSH)))

    def act() -> None:
        held = systems.mock.device.locks.held
        held[:] = [one for one in held if lost not in (one.kind, one.scope)]

    found = systems.apply(made, progress=acting(moment, act))
    assert all(isinstance(one, LostLockError) for one in found.values()), found
    assert {str(one).partition(":")[0] for one in found.values()} == set(SYSTEMS)
    assert systems.printed() == old
    assert systems.commits == commits


# --- runs that are killed -------------------------------------------------------------------------


def killed(systems: Systems, made: Mapping[str, DevicePlan], step: str) -> None:
    """Let a run of another process begin to apply plans, and kill it at a step."""
    child = os.fork()
    if child == 0:
        try:
            last = step == "judging"
            die = acting(step, lambda: os._exit(KILLED))
            systems.apply(
                made,
                order=Order(allow_mass_delete=True, plan_id="first"),
                judge=(lambda _held: os._exit(KILLED)) if last else None,
                progress=die,
            )
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == KILLED, f"it ended before {step!r}"


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("retired", [False, True], ids=["changed", "one retired"])
def test_a_killed_run_is_settled_as_a_whole(step: str, systems: Systems, *, retired: bool) -> None:
    systems.reach(both((WEB,), (POLL,)))
    old, start = systems.printed(), len(systems.mock.effective()) - 1
    first = both((WEB, SSH), () if retired else (POLL, SSH))
    made = systems.plans(first)
    slow(systems, step)
    killed(systems, made, step)
    # one alone cannot settle it
    wanted = both((WEB,), (POLL,))
    alone = systems.plans({"fw2": wanted["fw2"]})
    found = systems.apply_alone("fw2", alone["fw2"])
    assert ("all of them at once" in next(messages(found))) is (step != "locking")
    # another plan for both takes it back first
    again = systems.plans(wanted)
    if step == "judging":
        left = {host: one.state.unconfirmed for host, one in again.items()}
        assert [change.plan_id for change in left["fw1"]] == ["first"]
        assert [change.plan_id for change in left["fw2"]] == ["" if retired else "first"]
    found = systems.apply(again)
    assert set(statuses(found).values()) <= {"applied", "unchanged"}, list(messages(found))
    assert systems.printed() == old
    assert systems.locks == 0
    assert not systems.mock.device.journal.changes
    pairs = systems.digests(made)[start:]
    assert set(pairs) <= {pairs[0], tuple(one.desired for one in made.values())}


def test_the_change_of_a_killed_run_that_is_as_desired_is_confirmed_for_both(
    systems: Systems,
) -> None:
    wanted = both((WEB,), (POLL,))
    made = systems.plans(wanted)
    killed(systems, made, "judging")
    commits = systems.commits
    found = systems.apply(systems.plans(wanted))
    assert statuses(found) == {"fw1": "applied", "fw2": "applied"}
    assert all(text.startswith("confirmed the change of") for text in messages(found))
    assert systems.commits == commits
    assert systems.locks == 0


# --- a pair that has two virtual systems ----------------------------------------------------------


@pytest.fixture
def pair(panos_certificate: tuple[Authority, ServerCertificate]) -> Iterator[Systems]:
    authority, shown = panos_certificate
    first, second = (
        PanosMock(
            name,
            serial=serial,
            ip_address=address,
            multi_vsys=True,
            job_seconds=0.0,
            authority=authority,
            certificate=shown,
        )
        for name, serial, address in (
            ("fw1", "007000001222", ADDRESSES[0]),
            ("fw1-b", "007000001333", ADDRESSES[1]),
        )
    )
    with PanosPair(first, second) as served:
        found = Systems(first, served)
        found.boot()
        yield found


def whole(pair: Systems) -> str:
    """Return the virtual systems that enforce on both members, which are the same."""
    assert pair.pair is not None
    assert pair.pair.synchronized
    one, other = (shown_systems(mock) for mock in pair.mocks)
    assert one == other
    return one


def shown_systems(mock: PanosMock) -> str:
    """Return what each virtual system of a firewall enforces."""
    held = etree.fromstring(mock.running()).find("devices/entry/vsys")
    assert held is not None
    return canonical(etree.tostring(held))


@pytest.mark.parametrize("led", ["first", "second"])
def test_a_pair_holds_both_on_both_members_after_one_commit(led: str, pair: Systems) -> None:
    if led == "second":
        pair.failover()
    commits, wanted = pair.commits, both((WEB,), (POLL,))
    pair.reach(wanted)
    assert pair.commits == commits + 1
    for mock in pair.mocks:
        assert b"c1.web" in mock.running()
        assert b"c1.poll" in mock.running()
    whole(pair)
    assert not any(one.changes for one in pair.plans(wanted).values())
    assert pair.locks == 0


@pytest.mark.parametrize("moment", ["locking", "reading again", "writing", "validating", "commit "])
def test_a_failover_leaves_the_old_of_both_or_the_new_of_both_on_both_members(
    moment: str, pair: Systems
) -> None:
    pair.reach(both((WEB,), (POLL,)))
    old = whole(pair)
    wanted = both((WEB, SSH), (POLL, SSH))
    made = pair.plans(wanted)
    slow(pair, moment)
    found = pair.apply(made, progress=acting(moment, pair.failover))
    assert len(set(statuses(found).values())) == 1
    if set(statuses(found).values()) == {"failed"}:
        assert whole(pair) == old
    assert pair.locks == 0
    pair.reach(wanted)
    assert whole(pair) != old
    assert pair.locks == 0


def test_a_killed_run_on_a_pair_is_settled_for_both_hosts_after_a_failover(pair: Systems) -> None:
    pair.reach(both((WEB,), (POLL,)))
    old = whole(pair)
    killed(pair, pair.plans(both((WEB, SSH), (POLL, SSH))), "judging")
    pair.failover()
    wanted = both((WEB,), (POLL,))
    alone = pair.apply_alone("fw1", pair.plans({"fw1": wanted["fw1"]})["fw1"])
    assert "all of them at once" in next(messages(alone))
    found = pair.apply(pair.plans(wanted))
    assert statuses(found) == {"fw1": "applied", "fw2": "applied"}, list(messages(found))
    assert whole(pair) == old
    assert pair.locks == 0


@pytest.mark.parametrize("led", ["first", "second"])
def test_audit_comments_are_written_where_the_change_is_made(led: str, pair: Systems) -> None:
    if led == "second":
        pair.failover()
    wanted = both((WEB,), (POLL,))
    made = {host: replace(one, audit_comments=True) for host, one in pair.plans(wanted).items()}
    order = Order(plan_id="p1", origin=Origin(by="ops@runner"))
    found = pair.apply(made, order=order)
    assert statuses(found) == {"fw1": "applied", "fw2": "applied"}, list(messages(found))
    for host, rule in (("fw1", "c1.web"), ("fw2", "c1.poll")):
        outcome = found[host]
        assert isinstance(outcome, Outcome)
        assert (outcome.audit_comments, outcome.notes) == (1, ())
        asked = [
            one.cmd
            for one in pair.mock.requests
            if "audit-comment" in one.cmd and SYSTEMS[host] in one.cmd
        ]
        assert len(asked) == 1
        assert rule in asked[0]
