"""When a plan takes too much of our policy away, and what the finding says of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from segctl.model.diff import diff
from segctl.model.policy import Policy, Rule
from segctl.model.site import Position
from segctl.planning.losses import MASS_DELETE, mass_delete
from segctl.planning.plan import DevicePlan


def policy(*flows: str) -> Policy:
    """A policy with one rule a flow, each named ``conduit.flow``."""
    return Policy(
        rules=tuple(
            Rule(
                name=name,
                from_zones=("A",),
                to_zones=("B",),
                conduit=name.partition(".")[0],
                flow=name.partition(".")[2],
            )
            for name in flows
        )
    )


def found(before: Policy, after: Policy, *, attached: bool = True) -> DevicePlan:
    order = [rule.name for rule in before.rules]
    changes = diff(after, before, order=order, position=Position())
    problems = tuple(mass_delete(changes, before, after, attached=attached))
    return DevicePlan(name="fw", platform="panos", findings=problems)


@given(
    held=st.integers(0, 30), gone=st.integers(0, 30), new=st.integers(0, 30), attached=st.booleans()
)
def test_more_than_half_and_more_than_five_or_all_of_a_retired_firewall(
    *, held: int, gone: int, new: int, attached: bool
) -> None:
    gone = min(held, gone)
    before = policy(*(f"c{number}.f" for number in range(held)))
    after = policy(
        *(f"c{number}.f" for number in range(gone, held)), *(f"n{n}.f" for n in range(new))
    )
    made = found(before, after, attached=attached)
    most = gone > 5 and gone > held / 2
    retired = not attached and gone == held > 0
    assert [one.kind for one in made.findings] == [MASS_DELETE] * (most or retired)
    assert made.applyable is not (most or retired)
    assert not made.barring(allow_mass_delete=True)


def test_it_names_conduits_then_flows_that_are_lacking() -> None:
    before = policy(*(f"a.f{number}" for number in range(6)), "b.f0")
    (conduits,) = found(before, policy("b.f0")).findings
    assert "delete 6 of the 7 rules" in conduits.message
    assert conduits.message.endswith("the inventory lacks, for this device, conduit a")
    (flows,) = found(policy(*(f"a.f{number}" for number in range(7))), policy("a.f0")).findings
    assert flows.message.endswith("flows a.f1, a.f2, a.f3, a.f4, a.f5, a.f6")


def test_a_long_list_is_cut() -> None:
    (problem,) = found(policy(*(f"c{number:02}.f" for number in range(20))), Policy()).findings
    assert "conduits c00, c01" in problem.message
    assert problem.message.endswith("c11 and 8 more")


def test_a_rename_takes_nothing_away() -> None:
    before = policy(*(f"c{number}.f" for number in range(8)))
    renamed = Policy(
        rules=tuple(
            Rule(
                name=f"new-{rule.name}",
                from_zones=("A",),
                to_zones=("B",),
                conduit=rule.conduit,
                flow="f",
            )
            for rule in before.rules
        )
    )
    assert not found(before, renamed).findings
