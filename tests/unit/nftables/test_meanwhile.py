"""What others do on a gateway while a change of ours is probed."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from segctl.model.errors import ApplyError, StalePlanError, VerifyError
from segctl.model.site import Flow
from segctl.planning.apply import Order, apply_device
from segctl.planning.make import plan_device
from segctl.transports.credentials import Secret
from segctl.transports.target import Target
from segctl_mocks import LinuxMock
from support.nft import PROVIDER, desired, tcp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from segctl.planning.apply import Judge
    from segctl.planning.outcome import Outcome
    from segctl.providers.base import Live, Session

FIRST = Flow(id="f", services=(tcp(22),))
SECOND = Flow(id="g", services=(tcp(23),))


@pytest.fixture
def mock() -> Iterator[LinuxMock]:
    with LinuxMock("gw1", users={"ops": "pw"}) as made:
        apply(made, FIRST)
        yield made


def target_of(mock: LinuxMock) -> Target:
    return Target(
        name="gw1",
        host=mock.host,
        port=mock.port,
        user="ops",
        password=Secret("pw"),
        known_hosts=(mock.known_hosts,),
        timeout=60,
        commit_timeout=60,
    )


def live(mock: LinuxMock) -> Live:
    with PROVIDER.connect(target_of(mock), read_only=True) as session:
        return PROVIDER.parse(session.read())


def apply(mock: LinuxMock, *flows: Flow, judge: Judge | None = None) -> Outcome:
    made = plan_device(desired(*flows), live(mock), PROVIDER)
    order = Order(judge=judge, probes="p1" if judge else "")
    return apply_device(made, PROVIDER, target_of(mock), order=order, progress=lambda _step: None)


def rules(mock: LinuxMock) -> list[str]:
    return [rule.name for rule in live(mock).policy.rules]


def doing(act: Callable[[], object], *, failing: bool = False) -> Judge:
    def judge(session: Session, found: Live) -> None:
        del session, found
        act()
        if failing:
            raise VerifyError("gw1", "the probe fails: reverted")

    return judge


def test_what_is_changed_while_it_is_probed_is_not_confirmed(mock: LinuxMock) -> None:
    def widen() -> None:
        done = mock.edit("nft add element inet segctl a4_supv { 10.99.0.1 }")
        assert done.status == 0

    with pytest.raises(VerifyError, match="after it was probed the device does not hold"):
        apply(mock, FIRST, SECOND, judge=doing(widen))
    assert rules(mock) == ["c1.f"]
    assert "10.99.0.1" not in mock.config()
    assert live(mock).state.kept == "same"


def test_a_table_that_is_gone_is_not_called_reverted(mock: LinuxMock) -> None:
    def remove() -> None:
        assert mock.edit("nft delete table inet segctl").status == 0

    with pytest.raises(ApplyError, match=r"the probe fails. the push no longer exists") as failed:
        apply(mock, FIRST, SECOND, judge=doing(remove, failing=True))
    assert "reverted" not in str(failed.value)
    assert "segctl plan" in str(failed.value)
    assert apply(mock, FIRST, SECOND).status == "applied"
    assert rules(mock) == ["c1.f", "c1.g"]


def test_a_host_that_restarts_while_it_is_probed_holds_the_earlier_policy(mock: LinuxMock) -> None:
    with pytest.raises(ApplyError, match="the push no longer exists"):
        apply(mock, FIRST, SECOND, judge=doing(mock.reboot))
    assert rules(mock) == ["c1.f"]
    assert live(mock).state.kept == "same"
    assert apply(mock, FIRST, SECOND).status == "applied"


@pytest.mark.parametrize("again", ["reboot", "reload"])
def test_a_plan_holds_when_the_host_numbers_its_lines_anew(mock: LinuxMock, again: str) -> None:
    """A number of then may be another line's: lines are deleted by what they say."""
    other = Flow(id="f", services=(tcp(2222),))
    apply(mock, SECOND, FIRST)
    made = plan_device(desired(other), live(mock), PROVIDER)
    assert re.findall(r"^delete rule .* handle [0-9]+ # .*th,", made.script, re.MULTILINE)
    before = mock.config_json()
    if again == "reboot":
        mock.reboot()
    else:
        text = mock.config()
        assert mock.edit("nft -f -", f"flush ruleset\n{text}").status == 0
    assert mock.config_json() != before
    assert apply_device(made, PROVIDER, target_of(mock), progress=print).status == "applied"
    assert mock.config().count("0x8ae") == 4
    assert rules(mock) == ["c1.f"]
    assert plan_device(desired(other), live(mock), PROVIDER).changes == ()


def test_a_plan_that_does_not_say_what_it_deletes_is_stale(mock: LinuxMock) -> None:
    """As segctl 0.1 saved them."""
    made = plan_device(desired(SECOND), live(mock), PROVIDER)
    former = replace(made, script=re.sub(r" # .*", "", made.script))
    assert former.script != made.script
    before = mock.config()
    with pytest.raises(StalePlanError, match="lacks lines that the plan deletes: run segctl plan"):
        apply_device(former, PROVIDER, target_of(mock), progress=print)
    assert mock.config() == before


def test_a_clock_that_jumps_lets_the_guard_go_back_and_is_no_success(mock: LinuxMock) -> None:
    with pytest.raises(ApplyError, match="the push no longer exists"):
        apply(mock, FIRST, SECOND, judge=doing(lambda: mock.advance(100_000)))
    assert rules(mock) == ["c1.f"]


def test_a_table_of_others_that_appears_meanwhile_stays(mock: LinuxMock) -> None:
    theirs = "table inet theirs {\n\tchain c {\n\t}\n}\n"

    def add() -> None:
        assert mock.edit("nft -f -", theirs).status == 0

    with pytest.raises(VerifyError, match="the probe fails: reverted"):
        apply(mock, FIRST, SECOND, judge=doing(add, failing=True))
    assert rules(mock) == ["c1.f"]
    assert theirs in mock.config()
