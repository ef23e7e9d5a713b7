"""Which rules are called used: never unused where that is not certain of every firewall."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segctl.model.policy import Rule
from segctl.observe.usage import CLASSES, RuleUsage, by_conduit, totals, usage
from segctl.providers.counting import Counts, Hits

NOW = datetime(2026, 11, 22, tzinfo=UTC)
SINCE = NOW - timedelta(days=90)
OLD = SINCE - timedelta(days=200)
RULE = Rule(name="r", from_zones=("A",), to_zones=("B",), conduit="c", action="allow")
IDLE = Hits(rule="r", count=0, counted_from=OLD)


def judged(*counted: Counts, shadowed: frozenset[str] = frozenset()) -> RuleUsage:
    (found,) = usage("fw", [RULE], counted, SINCE, shadowed)
    return found


def told(hits: Hits | None, sessions: int | None = 0, *, member: str = "fw") -> Counts:
    asked = {} if sessions is None else {"r": sessions}
    return Counts(member=member, hits=(hits,) if hits else (), sessions=asked)


@pytest.mark.parametrize(
    ("counted", "used", "why"),
    [
        (told(Hits(rule="r", count=3, last=NOW)), "used", ""),
        (told(Hits(rule="r", count=3)), "used", "fw does not tell when"),
        (told(IDLE, 1), "long_session", "a session is open on fw"),
        (told(IDLE), "unused", "never used, counted since 2026-02-05"),
        (
            told(Hits(rule="r", count=3, last=OLD, counted_from=OLD)),
            "unused",
            "last used 2026-0",
        ),
        (told(IDLE, None), "not_counted", "fw was not asked for its open sessions"),
        (told(None), "not_counted", "fw tells no count of it"),
        (told(Hits(rule="r", count=None, counted_from=OLD)), "not_counted", "not current"),
        (told(Hits(rule="r", count=0)), "not_counted", "does not tell since when"),
        (
            told(Hits(rule="r", count=0, doubt="d", not_before=NOW - timedelta(days=3)), None),
            "too_young",
            "counted since 2026-11-19 at the earliest on fw",
        ),
        (told(Hits(rule="r", count=0, doubt="d", not_before=OLD)), "not_counted", "fw: d"),
        (told(Hits(rule="r", count=3, doubt="d", not_before=NOW)), "used", "fw does not tell"),
        (
            told(Hits(rule="r", count=0, counted_from=OLD, doubt="PAN-1")),
            "not_counted",
            "fw: PAN-1",
        ),
        (
            told(Hits(rule="r", count=0, counted_from=NOW - timedelta(days=3))),
            "too_young",
            "counted since 2026-11-19 on fw",
        ),
        (Counts(member="fw", unknown="is silent"), "not_counted", "fw: is silent"),
        (
            Counts(member="fw", hits=(IDLE, IDLE), sessions={"r": 0}),
            "not_counted",
            "fw tells no count of it",
        ),
    ],
)
def test_each_class_rests_on_what_is_told(counted: Counts, used: str, why: str) -> None:
    found = judged(counted)
    assert found.used == used
    assert why in found.why


def test_a_pair_counts_together() -> None:
    one = told(Hits(rule="r", count=2, last=OLD, counted_from=OLD), member="a")
    other = told(Hits(rule="r", count=5, last=NOW, counted_from=OLD), member="b")
    found = judged(one, other)
    assert (found.used, found.count, found.last) == ("used", 7, NOW)


@pytest.mark.parametrize(
    "other",
    [
        Counts(member="b", unknown="is silent"),
        told(Hits(rule="r", count=0, counted_from=NOW), member="b"),
        told(IDLE, 2, member="b"),
        told(None, member="b"),
    ],
)
def test_a_rule_is_unused_only_where_all_members_say_so(other: Counts) -> None:
    assert judged(told(IDLE, member="a")).used == "unused"
    assert judged(told(IDLE, member="a"), other).used != "unused"
    assert judged(other, told(IDLE, member="a")).used != "unused"


def test_a_shadowed_rule_is_called_so_where_nobody_uses_it() -> None:
    shadowed = frozenset({"r"})
    assert judged(told(IDLE), shadowed=shadowed).used == "shadowed"
    assert judged(told(Hits(rule="r", count=3, last=NOW)), shadowed=shadowed).used == "used"


def test_nobody_asked_is_not_unused() -> None:
    assert judged().used == "not_counted"


@pytest.mark.parametrize(
    "hits",
    [
        Hits(rule="r", count=None, counted_from=OLD),
        Hits(rule="r", count=0, counted_from=OLD, doubt="PAN-1"),
        Hits(rule="r", count=0, counted_from=NOW),
        Hits(rule="r", count=0),
    ],
)
def test_an_open_session_is_a_use_where_counts_do_not_say_when_it_began(hits: Hits) -> None:
    found = judged(told(hits, 2))
    assert (found.used, found.why) == ("used", "2 sessions are open on fw")


def test_a_conduit_is_not_unused_where_a_device_was_not_asked() -> None:
    idle = judged(told(IDLE))
    (conduit,) = by_conduit([idle], lambda name: ["fw2"] if name == "c" else [])
    assert (conduit.used, conduit.unasked) == ("not_counted", ("fw2",))
    busy = judged(told(Hits(rule="r", count=3, last=NOW)))
    (conduit,) = by_conduit([busy], lambda _: ["fw2"])
    assert (conduit.used, conduit.unasked) == ("used", ("fw2",)), (
        "it is used, whoever was not asked"
    )
    (conduit,) = by_conduit([idle], lambda _: ())
    assert conduit.used == "unused"


TIMES = st.none() | st.sampled_from([OLD, SINCE - timedelta(seconds=1), SINCE, NOW])
HITS = st.none() | st.builds(
    Hits,
    rule=st.just("r"),
    count=st.none() | st.integers(0, 3),
    last=TIMES,
    counted_from=TIMES,
    doubt=st.sampled_from(["", "x"]),
)
COUNTS = st.builds(told, HITS, st.none() | st.integers(0, 2)) | st.just(
    Counts(member="fw", unknown="x")
)


@given(st.lists(COUNTS, max_size=3))
def test_unused_is_certain(counted: list[Counts]) -> None:
    """By a second reading: unused is what every witness denies, with the right to."""
    found = judged(*counted)
    denied = [
        not one.unknown
        and len(one.hits) == 1
        and not one.hits[0].doubt
        and one.sessions.get("r") == 0
        and one.hits[0].count is not None
        and (not one.hits[0].count or one.hits[0].last is not None)
        and (one.hits[0].last is None or one.hits[0].last < SINCE)
        and one.hits[0].counted_from is not None
        and one.hits[0].counted_from <= SINCE
        for one in counted
    ]
    assert (found.used == "unused") is (bool(denied) and all(denied))


@given(st.lists(st.lists(COUNTS, min_size=1, max_size=2), min_size=1, max_size=4))
def test_a_conduit_is_what_its_most_used_rule_is(devices: list[list[Counts]]) -> None:
    rules = [judged(*counted) for counted in devices]
    (conduit,) = by_conduit(rules, lambda _: ())
    assert conduit.used == min((one.used for one in rules), key=CLASSES.index)
    assert sum(totals(rules).values()) == len(rules)
    assert conduit.last == max((one.last for one in rules if one.last), default=None)
