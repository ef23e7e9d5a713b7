"""What runs leave in the table: written as nft takes it, read as nft lists it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segctl.model.errors import ParseError
from segctl.providers.nftables.line import Clock
from segctl.providers.nftables.records import (
    MAX_PLAN,
    MAX_PROBES,
    REMEMBERED,
    Applied,
    Held,
    Pushed,
    Records,
    fits,
    new_key,
    read_records,
    remembered,
)
from segctl.providers.nftables.standing import standing
from segctl.transports.lock_owner import LockOwner

#: nft keeps no longer comment (NFTNL_UDATA_COMMENT_MAXLEN).
LONGEST = 127
LINE = re.compile(r'add element inet segctl (lock|push) \{ (0x[0-9a-f]{8}) comment "([^"]*)" \}\n')
keys = st.integers(1, 2**32 - 1).map("0x{:08x}".format)
words = st.text(st.sampled_from("abc019._:@-"), min_size=1)
tokens = st.from_regex("[0-9a-f]{8}", fullmatch=True)
pushes = st.builds(
    Pushed,
    key=keys,
    token=tokens,
    since=st.integers(0, 2**31),
    seconds=st.integers(0, 86400 * 7),
    run=words.map(lambda text: text[:40]).filter(lambda text: text != "-"),
    plan=st.from_regex(f"[0-9a-f]{{0,{MAX_PLAN}}}", fullmatch=True),
    probes=st.from_regex(f"[0-9a-f]{{0,{MAX_PROBES}}}", fullmatch=True),
)


def listing(text: str, since: int = 0) -> str:
    """Return the JSON that nft lists after these lines."""
    found: dict[str, list[Any]] = {"lock": [], "push": []}
    for name, key, comment in LINE.findall(text.replace(" since ", f" {since} ")):
        assert len(comment) <= LONGEST
        found[name].append({"elem": {"val": int(key, 16), "comment": comment}})
    sets = [{"set": {"name": name, "type": "mark", "elem": elem}} for name, elem in found.items()]
    return json.dumps({"nftables": [{"metainfo": {}}, *sets]})


@given(pushes)
def test_a_push_is_read_as_it_was_written(push: Pushed) -> None:
    assert LINE.fullmatch(push.line())
    assert read_records(listing(push.line(), push.since)).pushed == (push,)


@given(st.lists(st.tuples(keys, words.map(lambda text: text[:32])), unique_by=lambda one: one[0]))
def test_plans_are_read_with_the_latest_first(given_plans: list[tuple[str, str]]) -> None:
    made = [
        Applied(key=key, number=number, plan=plan)
        for number, (key, plan) in enumerate(given_plans, 1)
    ]
    assert read_records(listing(remembered(made))).applied == tuple(reversed(made))


@given(st.lists(st.sampled_from(["", "a", "b" * MAX_PLAN]), max_size=40))
def test_the_last_plans_are_remembered(plans: list[str]) -> None:
    records = Records()
    for plan in plans:
        records = Records(applied=records.with_plan(plan))
    held = [one.plan for one in records.applied]
    named = [plan for plan in reversed(plans) if plan]
    last = ["-"] if plans and not plans[-1] else []
    assert held == [*last, *named][:REMEMBERED]
    assert len({one.key for one in records.applied}) == len(held)


def test_the_longest_lock_fits_into_a_comment() -> None:
    owner = LockOwner(
        run="r" * 40, process=2**22, began=2**33, token="f" * 8, lease=10**6,
        boot="f" * 16, namespace="4294967295", started="9" * 10,
    )  # fmt: skip
    held = Held(key=new_key(), comment=str(owner))
    assert read_records(listing(held.fence())).locks == (held,)


@pytest.mark.parametrize("element", [7, {"elem": {"val": 7}}, {"elem": {"val": "0x7"}}])
def test_a_push_of_nobody_is_one_that_does_not_go_back(element: object) -> None:
    text = json.dumps({"nftables": [{"set": {"name": "push", "elem": [element]}}]})
    assert read_records(text).pushed == (Pushed(key="0x00000007"),)
    found = standing(read_records(text), Clock(epoch=0, uptime=5, read=0)).unconfirmed
    assert [(one.goes_back_in, one.since, one.alive) for one in found] == [(None, None, False)]


@pytest.mark.parametrize("text", ["", "[]", '{"nftables": 3}', '{"nftables": [{"set": {}}]}', "x"])
def test_what_is_no_listing_is_an_error_or_nothing(text: str) -> None:
    if not text:
        assert read_records(text) == Records()
        return
    with pytest.raises((ValueError, ParseError)):
        read_records(text)


@pytest.mark.parametrize("text", ['a" }', "a b", "a;b", "a" * 33, "ä", "a\nb"])
def test_what_is_no_word_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="plan id"):
        fits("plan id", text, MAX_PLAN)
