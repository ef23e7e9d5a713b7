"""The two bounds of what a policy permits, against `decide` packet by packet."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from segctl.analysis.decide import Packet, decide
from segctl.analysis.effective import Reading, permitted
from segctl.analysis.space import REAL, Box, Point, Space, addresses, host_of
from segctl.analysis.words import Beyond
from segctl.model.addresses import interval
from segctl.model.policy import (
    ANY,
    Address,
    ApplicationGroup,
    DefaultRule,
    Policy,
    Rule,
    Schedule,
)
from support.policies import (
    APPLICATIONS,
    ENDS,
    OBJECTS,
    PLAIN,
    PORTS,
    SERVICES,
    VALUES,
    host,
    named,
    point,
    rules,
)

USERS = ("", "jane", "joe")
ZONES = ("it", "ot")


def for_users(rule: Rule, users: tuple[str, ...]) -> Rule:
    """Return a rule for these users only."""
    return replace(rule, users=users)


chains = st.lists(
    st.builds(for_users, rules, st.sampled_from([(ANY,), ("jane",)])), max_size=4
).map(named)
defaults = st.sampled_from(
    [(), (DefaultRule(name="interzone-default", action="allow", log=False),)]
)


@settings(deadline=None, max_examples=60)
@given(chains, defaults, st.sampled_from(ZONES), st.data())
def test_what_is_known_is_exact(
    chain: tuple[Rule, ...], default: tuple[DefaultRule, ...], enter: str, data: st.DataObject
) -> None:
    policy = OBJECTS.replace(rules=chain, defaults=default)
    found = permitted(Reading(policy=policy, platform=PLAIN).between(enter, "ot"))
    of_users = any(rule.users != (ANY,) for rule in chain)
    assert of_users or not found.unknown
    for _ in range(25):
        packet = _drawn(data, enter)
        at = point(packet)
        passes = decide(policy, packet).action == "allow"
        assert not passes or at in found.can
        assert passes or at not in found.sure
        if not of_users:
            assert passes is (at in found.can) is (at in found.sure)


@settings(deadline=None, max_examples=60)
@given(chains, st.sampled_from(VALUES), st.sampled_from(APPLICATIONS), st.data())
def test_whatever_unknown_words_stand_for_the_truth_lies_between_the_bounds(
    chain: tuple[Rule, ...], region: str, hidden: str, data: st.DataObject
) -> None:
    """Rules use a region, a name to look up and a filter; the truth is drawn afterwards."""
    words = [
        data.draw(st.sampled_from([("CN",), ("www", "a1")])) if index % 2 else rule.sources
        for index, rule in enumerate(chain)
    ]
    said = tuple(
        replace(rule, sources=sources, negate_source=rule.negate_source and ANY not in sources)
        for rule, sources in zip(chain, words, strict=True)
    )
    chosen = data.draw(st.booleans())
    said = tuple(
        replace(rule, applications=("filter",), services=(ANY,)) if chosen and at == 0 else rule
        for at, rule in enumerate(said)
    )
    fqdn = Address(name="www", value="www.example.com", type="fqdn")
    policy = OBJECTS.replace(addresses=(*OBJECTS[Address], fqdn), rules=said)
    truth = OBJECTS.replace(
        addresses=(
            *OBJECTS[Address],
            Address(name="CN", value=region, type="range" if "-" in region else "network"),
            Address(name="www", value="10.0.0.4"),
        ),
        application_groups=(
            *OBJECTS[ApplicationGroup],
            ApplicationGroup(name="filter", members=(hidden,)),
        ),
        rules=said,
    )

    found = permitted(
        Reading(policy=policy, platform=replace(PLAIN, filters=frozenset({"filter"}))).between(
            "it", "ot"
        )
    )
    for _ in range(25):
        packet = _drawn(data, "it")
        passes = decide(truth, packet).action == "allow"
        assert not passes or point(packet) in found.can
        assert passes or point(packet) not in found.sure


def test_what_cannot_be_told_comes_with_its_reason() -> None:
    rule = Rule(name="theirs", from_zones=("it",), to_zones=("ot",), sources=("CN", "a1"))
    reading = Reading(
        policy=OBJECTS.replace(rules=(rule,)),
        platform=PLAIN,
        beyond=Beyond(implied={"CN": "a region"}),
    )
    found = permitted(reading.between("it", "ot"))
    assert found.why == ("theirs: CN is a region",)
    known = Space((Box(source=addresses([interval("10.0.0.4")])),))
    assert (known & found.sure).within(known)
    assert found.sure.within(known)
    assert found.unknown


def test_a_rule_that_asks_for_what_the_model_has_no_word_for_may_not_match() -> None:
    rule = Rule(name="web", from_zones=("it",), to_zones=("ot",), extras=("category=news",))
    reading = Reading(policy=OBJECTS.replace(rules=(rule,)), platform=PLAIN)
    found = permitted(reading.between("it", "ot"))
    assert found.can
    assert not found.sure
    assert found.why == ("web: it also asks for category=news",)


def test_what_is_not_understood_leaves_all_between_its_zones_open() -> None:
    """Whatever it is may stand before every rule, and permit or refuse."""
    known = Rule(name="known", from_zones=("it",), to_zones=("ot",), destinations=("a1",))
    strange = replace(known, name="strange", extras=("also has: jump elsewhere",))
    odd = DefaultRule(
        name="interzone-default", action="deny", log=False, extras=("also has: a set",)
    )
    for policy, name in (
        (OBJECTS.replace(rules=(known, strange)), "strange"),
        (OBJECTS.replace(rules=(known,), defaults=(odd,)), "interzone-default"),
    ):
        reading = Reading(policy=policy, platform=PLAIN)
        found = permitted(reading.between("it", "ot"))
        assert not found.sure
        assert REAL.within(found.can)
        assert found.why[0].startswith(f"{name}: not understood: also has")
        assert permitted(reading.between("ot", "ot")).sure


def test_a_wildcard_mask_is_exact() -> None:
    """Every address is tried against the vendor's words: bits of the mask are free."""
    held = Address(name="w", value="10.0.0.1/0.0.2.5", type="wildcard")
    rule = Rule(name="r", from_zones=("it",), to_zones=("ot",), sources=("w",))
    policy = Policy(addresses=(held,), rules=(rule,))
    found = permitted(Reading(policy=policy, platform=PLAIN).between("it", "ot"))
    base, free = 0x0A000001, 0x00000205
    for number in range(0x0A000000, 0x0A000400):
        matches = number & ~free == base & ~free
        assert (Point(number, 0, 0) in found.sure) is matches
        assert (Point(number, 0, 0) in found.can) is matches
        packet = Packet(
            from_zone="it",
            to_zone="ot",
            source=host_of(number),
            destination=host_of(0),
            protocol="tcp",
            port=1,
        )
        assert (decide(policy, packet).rule == "r") is matches


def test_of_wildcards_that_overlap_the_device_alone_knows_which_counts() -> None:
    """PAN-OS takes the longest prefix among them, or the first rule, as it is set up."""
    wide = Address(name="wide", value="10.0.0.1/0.0.3.0", type="wildcard")
    long = Address(name="long", value="10.0.0.1/0.0.1.0", type="wildcard")
    idle = Address(name="idle", value="10.0.0.0/0.0.0.255", type="wildcard")
    deny = Rule(name="d", from_zones=("it",), to_zones=("ot",), sources=("wide",), action="deny")
    allow = Rule(name="a", from_zones=("it",), to_zones=("ot",), sources=("long",))
    policy = Policy(addresses=(wide, long, idle), rules=(deny, allow))
    chain = Reading(policy=policy, platform=PLAIN).between("it", "ot")
    both = {0x0A000001, 0x0A000101}
    for number in range(0x0A000000, 0x0A000400):
        packet = Point(number, 0, 0)
        assert (packet in chain[0].can) is (number & 0xFF == 1)
        assert (packet in chain[0].sure) is (number & 0xFF == 1 and number not in both)
        assert (packet in permitted(chain).unknown) is (number in both)
    (why,) = chain[0].why
    assert why.startswith("d: wide overlaps with other wildcard addresses, of which the device")
    alone = replace(policy.rules[0], name="one")
    kept = Reading(policy=policy.replace(rules=(alone,)), platform=PLAIN).between("it", "ot")
    assert kept[0].sure == kept[0].can
    assert kept[0].basis == ()


def test_the_hours_of_a_schedule_are_minutes_of_the_week() -> None:
    nights = Schedule(name="nights", windows=(("friday", ("22:00-06:00",)),))
    rule = Rule(name="r", from_zones=("it",), to_zones=("ot",), schedule="nights")
    policy = Policy(schedules=(nights,), rules=(rule,))
    found = permitted(Reading(policy=policy, platform=PLAIN).between("it", "ot"))
    friday = 4 * 1440
    for minute, passes in (
        (friday + 22 * 60, True),
        (friday + 22 * 60 - 1, False),
        (friday + 1440 + 6 * 60, True),
        (friday + 1440 + 6 * 60 + 1, False),
    ):
        assert (Point(0, 0, 0, time=minute) in found.sure) is passes


def _drawn(data: st.DataObject, enter: str) -> Packet:
    source, destination = data.draw(st.sampled_from(ENDS))
    protocol, port = data.draw(st.sampled_from(SERVICES))
    application = data.draw(st.sampled_from(APPLICATIONS))
    return Packet(
        from_zone=enter,
        to_zone="ot",
        source=host(source),
        destination=host(destination),
        protocol=protocol,
        port=port,
        application=application,
        user=data.draw(st.sampled_from(USERS)),
        default_port=protocol == "tcp" and port == PORTS[application],
    )
