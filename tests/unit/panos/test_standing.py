"""What members of a pair say of themselves, and what is made of it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from segctl.model.errors import HaStateError
from segctl.providers.panos.standing import (
    FOLLOWING,
    LEADING,
    Standing,
    doubts,
    findings,
    from_part,
    leader,
    read_standing,
    refuse_unready,
    to_part,
)
from segctl.providers.state import NOT_KEPT

FIRST = Standing(
    name="a",
    serial="1",
    content="8799-8509",
    enabled=True,
    state="active",
    address="192.0.2.1",
    peer_state="passive",
    peer_address="192.0.2.2",
    linked=True,
    sync="synchronized",
    syncs=True,
)
SECOND = replace(
    FIRST,
    name="b",
    serial="2",
    state="passive",
    address="192.0.2.2",
    peer_state="active",
    peer_address="192.0.2.1",
)
#: The vendor's names of states besides those of a sound pair.
OTHERS = ("initial", "tentative", "non-functional", "suspended", "unknown", "")
states = st.sampled_from((*LEADING, *FOLLOWING, *OTHERS))
standings = st.builds(
    Standing,
    name=st.sampled_from("ab"),
    silent=st.sampled_from(("", "no answer <&>")),
    serial=st.sampled_from(("", "1", "2")),
    content=st.sampled_from(("", "8799-8509")),
    enabled=st.booleans(),
    state=states,
    address=st.sampled_from(("", "192.0.2.1")),
    peer_state=states,
    peer_address=st.sampled_from(("", "192.0.2.1")),
    linked=st.booleans(),
    sync=st.sampled_from(("synchronized", "not synchronized", "synchronization in progress", "")),
    syncs=st.booleans(),
)


def test_a_recorded_answer() -> None:
    default = Path(__file__).resolve().parents[4] / "shared" / "third-party"
    folder = Path(os.environ.get("SEGCTL_THIRD_PARTY", default)) / "panos-samples/demisto"
    if not folder.is_dir():
        pytest.skip("recorded answers are not here: set SEGCTL_THIRD_PARTY")
    system = etree.fromstring(
        "<response status='success'><result><system><serial>7</serial></system></result></response>"
    )
    on, off = (
        read_standing("fw", system, etree.parse(folder / f"show_ha_state_{word}.xml").getroot())
        for word in ("enabled", "disabled")
    )
    assert on == Standing(
        name="fw",
        serial="7",
        enabled=True,
        state="passive",
        address="1.1.1.140",
        peer_state="active",
        peer_address="1.1.1.141",
        linked=True,
        sync="not synchronized",
        syncs=True,
    )
    assert off == Standing(name="fw", serial="7")


def test_a_sound_pair_raises_no_doubt() -> None:
    assert leader("fw", (SECOND, FIRST)) is FIRST
    assert list(doubts((SECOND, FIRST), FIRST)) == []
    assert list(findings((FIRST, SECOND), "a")) == []
    refuse_unready("fw", (FIRST, SECOND), FIRST)
    both = replace(FIRST, state="active-primary", peer_state="active-secondary")
    other = replace(SECOND, state="active-secondary", peer_state="active-primary")
    assert leader("fw", (other, both)) is both
    assert list(doubts((both, other), both)) == []


@pytest.mark.parametrize("state", OTHERS)
def test_a_peer_in_any_other_state_holds_a_change_back(state: str) -> None:
    told = replace(FIRST, peer_state=state)
    with pytest.raises(HaStateError, match="a stands alone"):
        refuse_unready("fw", (told, replace(SECOND, state=state)), told)
    with pytest.raises(HaStateError, match="a stands alone"):
        refuse_unready("fw", (FIRST, replace(SECOND, state=state)), FIRST)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (replace(SECOND, serial="1"), "a and b are the same device"),
        (replace(SECOND, address="192.0.2.9"), "the peer of a is 192.0.2.2, and b is 192.0.2.9"),
        (replace(SECOND, enabled=False), "high availability is off on b"),
        (replace(SECOND, state="active"), "both members say that they lead"),
    ],
)
def test_what_is_not_a_pair_has_no_leader(second: Standing, message: str) -> None:
    with pytest.raises(HaStateError, match=message):
        leader("fw", (FIRST, second))


def test_a_passive_member_alone_does_not_lead() -> None:
    silent = Standing(name="a", silent="refuses connections")
    with pytest.raises(
        HaStateError, match=r"a is silent, b is passive.*a gives no answer: refuses"
    ):
        leader("fw", (silent, SECOND))


def test_other_content_is_told() -> None:
    (finding,) = findings((FIRST, replace(SECOND, content="8800-1")), "a")
    assert "a 8799-8509, b 8800-1" in finding.message


@given(standings, standings)
def test_a_document_has_everything(one: Standing, other: Standing) -> None:
    members = (replace(one, name="a"), replace(other, name="b"))
    assert from_part(etree.fromstring(to_part(members, members[1]))) == (members, "b")


@given(standings, standings)
def test_only_a_sound_pair_is_changed(one: Standing, other: Standing) -> None:
    members = (replace(one, name="a"), replace(other, name="b"))
    try:
        first = leader("fw", members)
        refuse_unready("fw", members, first)
    except HaStateError:
        return
    (second,) = (each for each in members if each is not first)
    assert first.leads
    assert not any(each.silent for each in members)
    assert second.state in FOLLOWING
    assert first.peer_state in FOLLOWING
    assert first.linked
    assert all(each.syncs for each in members)
    assert first.sync == "synchronized"
    assert not any(finding.kind == NOT_KEPT for finding in findings(members, first.name))


def test_an_error_may_hold_anything() -> None:
    odd = Standing(name="b", silent="says \x00\x1b[31m\ud800")
    ((_, told), _) = from_part(etree.fromstring(to_part((FIRST, odd), FIRST)))
    assert told.silent == "says   [31m "
