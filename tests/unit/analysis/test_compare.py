"""Where doubts are the same on both sides, nothing differs; where they are not, it may."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from segctl.analysis import pieces
from segctl.analysis.compare import (
    OTHER_ZONE,
    Difference,
    compare,
    disjoint,
    equivalent,
    implies,
    zones,
)
from segctl.analysis.effective import Reading
from segctl.analysis.space import Names, Space
from segctl.analysis.words import Beyond
from segctl.model.policy import (
    ANY,
    Address,
    AddressGroup,
    ApplicationGroup,
    DefaultRule,
    FirewallZone,
    Policy,
    Rule,
    Schedule,
    Service,
)
from support.words import Plain

PLAIN = Plain(ports={"ssh": 22, "web": 80}, filters=frozenset({"filter"}))
OBJECTS = Policy(
    services=(
        Service(name="ssh", protocol="tcp", ports="22"),
        Service(name="web", protocol="tcp", ports="80"),
    )
)
PAIR = [("it", "ot")]
BASE = Rule(name="base", from_zones=("it",), to_zones=("ot",))
OURS = replace(BASE, name="ours", sources=("10.0.0.1",), services=("ssh",))
MORE = replace(OURS, services=("ssh", "web"))
REGION = replace(BASE, name="theirs", sources=("CN",))


def reading(*rules: Rule, policy: Policy = OBJECTS) -> Reading:
    return Reading(policy=policy.replace(rules=rules), platform=PLAIN)


def changed(left: Reading, right: Reading, *, alike: bool = True) -> Difference:
    found = compare(left, right, PAIR, alike=alike)
    return next(iter(found), Difference(enter="it", leave="ot"))


def texts(found: Space) -> list[str]:
    """Return the first packet of each box."""
    return [str(Space((box,)).example()) for box in found.least().boxes]


def test_a_doubt_at_the_end_counts_where_one_side_does_not_reach_it() -> None:
    refuse = replace(REGION, action="deny")
    found = changed(reading(OURS, refuse), reading(MORE, refuse))
    assert texts(found.more) == ["10.0.0.1 → 0.0.0.0 tcp/80"]
    assert not found.unknown
    found = changed(reading(OURS, REGION), reading(MORE, REGION))
    assert not found.more  # the region may have passed before
    assert texts(found.unknown) == ["10.0.0.1 → 0.0.0.0 tcp/80"]


def test_a_doubt_at_the_end_is_none_about_what_reaches_it_in_both() -> None:
    """Rules that others may match change places, all they can match goes on to the region."""
    one, other = (replace(REGION, name=name, sources=(name,)) for name in ("US", "FR"))
    assert not changed(reading(one, other, OURS, REGION), reading(other, one, OURS, REGION))


def test_a_doubt_between_rules_that_changed_is_the_same_on_both_sides() -> None:
    first = replace(OURS, name="first", sources=("10.0.0.1",), destinations=("10.1.0.1",))
    last = replace(OURS, name="last", sources=("10.0.0.2",), destinations=("10.1.0.2",))
    theirs = replace(REGION, services=("web",))
    before = reading(first, theirs, last)
    after = reading(
        replace(first, destinations=("10.1.0.3",)), theirs, replace(last, sources=("10.0.0.3",))
    )
    found = changed(before, after)
    assert not found.unknown
    assert texts(found.more) == ["10.0.0.1 → 10.1.0.3 tcp/22", "10.0.0.3 → 10.1.0.2 tcp/22"]
    assert texts(found.less) == ["10.0.0.1 → 10.1.0.1 tcp/22", "10.0.0.2 → 10.1.0.2 tcp/22"]


def test_what_may_be_decided_before_the_change_may_not_change() -> None:
    """A region is refused first: who is in it sees nothing of the rule that was added."""
    refuse = replace(REGION, action="deny")
    found = changed(reading(refuse), reading(refuse, OURS))
    assert not found.more
    assert texts(found.unknown) == ["10.0.0.1 → 0.0.0.0 tcp/22"]
    assert found.why == ("theirs: CN is known to the device only",)


def test_a_rule_of_others_may_have_another_name() -> None:
    assert not changed(reading(REGION, OURS), reading(replace(REGION, name="else"), OURS))
    assert changed(reading(REGION), reading(replace(REGION, name="else")), alike=False).unknown


def test_the_order_of_rules_that_may_match_and_do_the_same_does_not_matter() -> None:
    other = replace(REGION, name="other", sources=("US",))
    deny = replace(other, action="deny")
    assert not changed(reading(REGION, other), reading(other, REGION))
    assert changed(reading(REGION, deny), reading(deny, REGION)).unknown
    assert not changed(reading(REGION, REGION, deny), reading(REGION, deny, REGION))
    refuse = replace(REGION, name="last", action="deny")
    assert not changed(reading(REGION), reading(REGION, refuse))  # nothing is left to refuse
    assert not changed(reading(other, refuse), reading(other))  # the default refuses it anyway


@pytest.mark.parametrize(
    ("rule", "other"),
    [
        (replace(BASE, sources=("CN",)), replace(BASE, destinations=("CN",))),
        (replace(BASE, sources=("CN",)), replace(BASE, sources=("US",))),
        (
            replace(BASE, sources=("CN",), negate_source=True),
            replace(BASE, sources=("CN",)),
        ),
        (replace(BASE, applications=("filter",)), replace(BASE, sources=("CN",))),
        (replace(BASE, users=("ops",)), replace(BASE, users=("dev",))),
        (replace(BASE, schedule="once"), replace(BASE, schedule="twice")),
        (
            replace(BASE, extras=("category=news",)),
            replace(BASE, extras=("category=games",)),
        ),
        (
            replace(BASE, extras=("also has: a",)),
            replace(BASE, extras=("also has: b",)),
        ),
        (
            replace(BASE, sources=("CN", "10.0.0.1"), applications=("filter",)),
            replace(BASE, sources=("CN", "10.0.0.2"), applications=("filter",)),
        ),
        (replace(BASE, services=("odd",)), replace(BASE, services=("even",))),
        (replace(BASE, services=("asks",)), replace(BASE, services=("wants",))),
        (
            replace(BASE, applications=("filter",), services=("application-default",)),
            replace(BASE, applications=("filter", "web"), services=("application-default",)),
        ),
        (replace(BASE, sources=("www",)), replace(BASE, sources=("www2",))),
        (replace(BASE, sources=("ring",)), replace(BASE, sources=("ring2",))),
        (replace(BASE, applications=("none",)), replace(BASE, applications=("filter",))),
    ],
)
def test_doubts_that_hang_on_different_things_may_differ(rule: Rule, other: Rule) -> None:
    policy = OBJECTS.replace(
        addresses=(
            Address(name="www", value="a.example", type="fqdn"),
            Address(name="www2", value="b.example", type="fqdn"),
        ),
        address_groups=(
            AddressGroup(name="ring", members=("ring",)),
            AddressGroup(name="ring2", members=("ring2",)),
        ),
        application_groups=(ApplicationGroup(name="none", members=()),),
        services=(
            *OBJECTS[Service],
            Service(name="asks", protocol="tcp", ports="22", extras=("category=x",)),
            Service(name="wants", protocol="tcp", ports="22", extras=("category=y",)),
        ),
    )
    left, right = reading(rule, policy=policy), reading(other, policy=policy)
    assert changed(left, right).unknown
    assert equivalent(left, right, PAIR) == "cannot tell"
    for side in (rule, other):
        after = reading(replace(side, name="else"), OURS, policy=policy)
        before = reading(side, OURS, policy=policy)
        assert not changed(before, after)


def test_an_object_of_which_only_the_value_is_new_is_another() -> None:
    rule = replace(BASE, sources=("www",))
    one, other = (
        OBJECTS.replace(addresses=(Address(name="www", value=value, type="fqdn"),))
        for value in ("a.example", "b.example")
    )
    assert changed(reading(rule, policy=one), reading(rule, policy=other)).unknown
    named = OBJECTS.replace(addresses=(Address(name="host", value="a.example", type="fqdn"),))
    renamed = replace(rule, sources=("host",))
    assert not changed(reading(rule, policy=one), reading(renamed, policy=named))


def test_a_change_within_groups_of_groups_is_a_change() -> None:
    groups = (AddressGroup(name="outer", members=("inner",)),)
    sides = [
        OBJECTS.replace(
            addresses=(Address(name="host", value=value),),
            address_groups=(*groups, AddressGroup(name="inner", members=("host",))),
        )
        for value in ("10.0.0.1", "10.0.0.2")
    ]
    rule = replace(BASE, sources=("outer",))
    before, after = (reading(rule, policy=policy) for policy in sides)
    found = changed(before, after)
    assert texts(found.more) == ["10.0.0.2 → 0.0.0.0 protocol 0"]
    assert texts(found.less) == ["10.0.0.1 → 0.0.0.0 protocol 0"]


def test_a_schedule_or_a_platform_that_is_another_is_looked_at() -> None:
    rule = replace(BASE, schedule="shift")
    one, other = (
        OBJECTS.replace(schedules=(Schedule(name="shift", windows=(("monday", (hours,)),)),))
        for hours in ("08:00-16:00", "08:00-17:00")
    )
    assert changed(reading(rule, policy=one), reading(rule, policy=other)).more
    ports = replace(PLAIN, services={"brought": 1})
    asked = replace(BASE, services=("brought",))
    left = Reading(policy=OBJECTS.replace(rules=(asked,)), platform=ports)
    right = Reading(policy=left.policy, platform=replace(PLAIN, services={"brought": 2}))
    assert changed(left, right).more


def test_what_a_name_is_said_to_be_counts() -> None:
    policy = OBJECTS.replace(rules=(REGION,))
    before, after = (
        Reading(policy=policy, platform=PLAIN, beyond=Beyond(implied={"CN": said}))
        for said in ("a list", "a set")
    )
    assert changed(before, after).unknown


def test_every_pair_of_zones_that_differs_is_told() -> None:
    zone = FirewallZone(name="cell", interfaces=())
    policy = OBJECTS.replace(zones=(zone,))
    before, after = reading(OURS, policy=policy), reading(MORE, policy=policy)
    assert zones(before, after) == ("cell", "it", "ot", OTHER_ZONE)
    assert [(one.enter, one.leave) for one in compare(before, after)] == PAIR
    wide = replace(MORE, from_zones=(ANY,))
    found = {(one.enter, one.leave) for one in compare(before, reading(wide, policy=policy))}
    # within a zone all passes anyway
    assert found == {("cell", "ot"), ("it", "ot"), (OTHER_ZONE, "ot")}
    default = DefaultRule(name="interzone-default", action="allow", log=False)
    opened = reading(OURS, policy=policy.replace(defaults=(default,)))
    pairs = [(one.enter, one.leave) for one in compare(before, opened)]
    assert len(pairs) == len(set(pairs)) == 12


def test_rules_for_very_many_zones_are_for_each_of_them() -> None:
    many = tuple(f"z{n}" for n in range(40))
    wide = replace(MORE, from_zones=many, to_zones=many, type="interzone")
    found = list(compare(reading(), reading(wide)))
    assert len(found) == 40 * 39
    assert {one.more for one in found} == {found[0].more}
    assert not list(compare(reading(wide), reading(replace(wide, name="else"))))


def test_a_difference_that_is_too_complex_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "MAX_PIECES", 20)
    deny = [
        replace(
            BASE,
            name=f"d{n}",
            action="deny",
            sources=(f"10.0.{n}.1",),
            destinations=(f"10.1.{n}.1",),
        )
        for n in range(60)
    ]
    (found,) = compare(reading(*deny), reading(*deny, BASE))
    assert not found.more
    assert found.unknown
    assert found.why == ("too complex: the question falls into more than 20 pieces",)
    assert equivalent(reading(*deny), reading(*deny, BASE)) == "cannot tell"


def test_a_question_that_takes_too_many_comparisons_is_not_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pieces, "_MAX_LOOKS", 20)
    deny = [replace(BASE, name=f"d{n}", action="deny", sources=(f"10.0.0.{n}",)) for n in range(9)]
    (found,) = compare(reading(*deny), reading(*deny, BASE))
    assert not found.more
    assert found.why == ("too complex: the question takes more than 20 comparisons",)


def test_verbs_of_two_policies() -> None:
    one, other = reading(OURS), reading(MORE)
    assert implies(one, other) == "yes"
    assert implies(other, one) == "no"
    assert implies(reading(REGION), one, PAIR) == "cannot tell"
    assert equivalent(one, reading(replace(OURS, name="else"))) == "yes"
    assert equivalent(one, other) == "no"
    web = reading(replace(OURS, services=("web",)))
    assert disjoint(one, web, PAIR) == "yes"
    assert disjoint(one, other, PAIR) == "no"
    assert disjoint(reading(REGION), one, PAIR) == "cannot tell"


def test_a_group_of_a_hundred_thousand_members_is_compared_member_by_member() -> None:
    held = tuple(
        Address(name=f"h{n}", value=f"10.{n >> 15}.{n >> 7 & 255}.{n % 128 * 2}")
        for n in range(100_000)
    )
    names = tuple(one.name for one in held)
    before, after = (
        OBJECTS.replace(addresses=held, address_groups=(AddressGroup(name="big", members=members),))
        for members in (names, (*names[:500], *names[501:]))
    )
    rule = replace(OURS, sources=("big",), destinations=("10.9.0.0",))
    found = changed(reading(rule, policy=before), reading(rule, policy=after))
    assert not found.more
    assert texts(found.less) == ["10.0.3.232 → 10.9.0.0 tcp/22"]


def test_groups_that_hold_each_other_leave_it_open_and_are_named() -> None:
    ring = tuple(
        AddressGroup(name=f"g{n}", members=(f"g{(n + 1) % 20_000}",)) for n in range(20_000)
    )
    policy = OBJECTS.replace(address_groups=ring)
    found = changed(reading(policy=policy), reading(replace(BASE, sources=("g0",)), policy=policy))
    assert not found.more
    assert found.unknown
    (why,) = found.why
    assert why.startswith("base: g")
    assert "is a group within itself" in why


def test_ten_thousand_pairs_of_zones_share_their_answers() -> None:
    """Where rules name few of the pairs, all others are one and the same question."""
    names = [f"z{n:03}" for n in range(100)]
    rules = [
        replace(OURS, name=one, from_zones=(one,), to_zones=(other,))
        for one, other in pairwise(names)
    ]
    default = DefaultRule(name="interzone-default", action="allow", log=False)
    opened = reading(*rules, policy=OBJECTS.replace(defaults=(default,)))
    found = list(compare(reading(*rules), opened))
    assert len(found) == 101 * 100
    assert len({id(one.more) for one in found}) == 99 + 1  # those with a rule, and all others


# --- told by the names of groups -----------------------------------------------------------------

STAFF = replace(OURS, users=("staff",))


def test_a_new_rule_for_a_group_permits_its_members_and_nobody_else() -> None:
    exact = changed(reading(), reading(STAFF))
    assert exact.unknown
    told = exact.by_groups()
    assert not told.unknown
    assert not told.why
    assert {box.user for box in told.more.boxes} == {Names(frozenset({"staff"}))}
    assert told.more == exact.more


def test_a_rule_that_is_narrowed_to_a_group_cuts_all_others() -> None:
    told = changed(reading(OURS), reading(STAFF)).by_groups()
    assert not told.unknown
    assert not told.more
    (box,) = told.less.least().boxes
    assert box.user == Names(frozenset({"staff"}), but=True)


def test_it_cannot_be_told_where_it_matters_who_is_in_two_groups() -> None:
    both = replace(STAFF, users=("staff", "vendor"))
    told = changed(reading(STAFF), reading(both)).by_groups()
    assert told.unknown
    assert told.why == (
        "ours: who is in staff only the device knows",
        "ours: who is in vendor only the device knows",
    )
    assert not told.less


def test_another_doubt_beside_a_group_stays() -> None:
    """Nobody knows who is in the group, nor what the region is."""
    told = changed(reading(), reading(replace(STAFF, sources=("CN",)))).by_groups()
    assert told.unknown
    assert not told.more
    assert any("CN" in why for why in told.why)


def test_groups_of_two_devices_are_not_the_same() -> None:
    other = replace(STAFF, action="deny")
    told = changed(reading(STAFF), reading(other, BASE), alike=False).by_groups()
    assert told.unknown
