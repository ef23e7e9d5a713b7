"""Two virtual systems of one firewall are one transaction: the laws, others, kills."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import assume
from hypothesis import strategies as st

from segctl.analysis.decide import decider
from segctl.compiler.build import with_closing
from segctl.model.errors import DeviceError, VerifyError
from segctl.planning.freshness import managed
from segctl.planning.outcome import Outcome
from segctl.testing import LAWS, read
from segctl.testing.trying import draw_desired, draw_packets, require, trial
from segctl_mocks import PanosMock
from support.panos import RULES, other_rule
from support.panos_systems import (
    PROVIDER,
    SYSTEMS,
    THIRD,
    Alone,
    Systems,
    place,
    statuses,
)
from support.plants import flow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hypothesis.strategies import DataObject

    from segctl.compiler.build import Desired
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
