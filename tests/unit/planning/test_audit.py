"""What the audit journal and a device's own records say of an apply: bounded, and no secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segctl.model.errors import JournalError
from segctl.planning.audit import (
    COMMENT_MOST,
    NOTE_MOST,
    Origin,
    Record,
    applied,
    comments_of,
    note_of,
)
from segctl.planning.outcome import Outcome
from segctl.planning.plan import DevicePlan, Intent
from segctl.providers.panos.jobs import DESCRIPTION_MOST, Commit, read_commit
from segctl.system import chain
from segctl.system.chain import Head
from support.changes import change

if TYPE_CHECKING:
    from pathlib import Path

HEAD = Head(seq=42, hash="sha256:" + "ab" * 32)
ORIGIN = Origin(by="ops@runner", author="ana", git_commit="3f0d5c2b9a11" + "0" * 28, head=HEAD)


def plan(*tickets: str, comments: bool = True) -> DevicePlan:
    """A plan that changes a rule of a conduit for each ticket."""
    names = [f"c{number}" for number, _ in enumerate(tickets)]
    return DevicePlan(
        name="fw1",
        platform="panos",
        changes=tuple(
            change("create", name=f"{name}.web", conduit=name, after={"action": "allow"})
            for name in names
        ),
        tickets=dict(zip(names, tickets, strict=True)),
        audit_comments=comments,
        held="sha256:1",
        desired="sha256:2",
    )


def test_a_note_says_from_what_by_whom_and_for_which_tickets() -> None:
    assert note_of([plan("CHG-2", "CHG-1", "CHG-2")], ORIGIN) == (
        "commit 3f0d5c2b9a11, by ops@runner, for ana, journal 42:abababababababab, "
        "tickets CHG-1 CHG-2"
    )
    bare = Origin(by="ops@runner", git_commit="3f0d5c2b9a11", dirty=True)
    assert note_of([plan()], bare) == "commit 3f0d5c2b9a11 (edited), by ops@runner"
    assert note_of([plan("CHG-1")], None) == ""


def test_tickets_that_do_not_fit_are_counted() -> None:
    note = note_of([plan(*(f"CHG-{number:06}" for number in range(90)))], ORIGIN)
    assert len(note.encode()) <= NOTE_MOST
    kept = note.count("CHG-")
    assert 10 < kept < 90
    assert note.endswith(f" and {90 - kept} more")
    assert note_of([plan("x" * 400)], ORIGIN).endswith("tickets 1 of them")


@settings(deadline=None)
@given(st.lists(st.text(max_size=80), max_size=6), st.text(max_size=64), st.text(max_size=40))
def test_whatever_tickets_and_authors_are_named_it_is_bounded_and_on_one_line(
    tickets: list[str], author: str, by: str
) -> None:
    origin = Origin(by=by, author=author, git_commit="0" * 40, dirty=True, head=HEAD)
    made = plan(*tickets)
    note = note_of([made], origin)
    assert len(note.encode()) <= NOTE_MOST
    assert note.isprintable()
    found = comments_of(made, "5d1c" * 8, origin)
    assert found.keys() == {one.name for one in made.changes}
    assert all(len(text) <= COMMENT_MOST and text.isprintable() for text in found.values())


def test_comments_are_for_rules_that_are_created_changed_or_renamed() -> None:
    made = DevicePlan(
        name="fw1",
        platform="panos",
        changes=(
            change("create", name="a", conduit="c", after={"action": "allow"}),
            change("update", name="b", conduit="c", after={"action": "deny"}),
            change("move", name="m", conduit="c"),
            change("delete", name="d", conduit="c"),
            change("create", "address", "h", after={"value": "10.0.0.1"}),
        ),
        tickets={"c": "CHG-7"},
        audit_comments=True,
    )
    found = comments_of(made, "5d1c", ORIGIN)
    assert list(found) == ["a", "b"]
    assert found["a"].startswith("segctl plan 5d1c, commit 3f0d5c2b9a11, by ops@runner")
    assert found["a"].endswith("tickets CHG-7")
    assert comments_of(plan("CHG-1", comments=False), "5d1c", ORIGIN) == {}


@settings(deadline=None)
@given(st.text(max_size=600), st.sampled_from(["apply", "revert"]), st.booleans())
def test_a_commit_is_found_again_whatever_its_note_is(note: str, doing: str, full: bool) -> None:  # noqa: FBT001 - drawn
    made = Commit(
        doing=doing,
        token="0a1b2c3d",
        plan="5d1c" * 8 if full else "",
        before="sha256:" + "0" * 64 if full else "",
        note=note,
    )
    text = str(made)
    assert len(text.encode(errors="replace")) <= DESCRIPTION_MOST
    found = read_commit(text)
    assert found is not None
    assert (found.doing, found.token, found.plan, found.before) == (
        made.doing,
        made.token,
        made.plan,
        made.before,
    )


def test_a_commit_of_an_earlier_segctl_is_found_too() -> None:
    found = read_commit("segctl apply plan - before - run 0a1b2c3d")
    assert found == Commit(doing="apply", token="0a1b2c3d")
    assert read_commit("segctl apply plan - before - run 0a1b2c3d and more") is None


# --- the journal ---------------------------------------------------------------------------------


def record(path: Path) -> Record:
    return Record(path=path, run="run1", plan_id="5d1c", origin=ORIGIN)


def test_what_was_recorded_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    made = record(path)
    made.open("apply", Intent(digest="sha256:0"))
    made.began([plan("CHG-1"), DevicePlan(name="calm", platform="panos")])
    made.ended(Outcome(device="calm", status="unchanged"))
    made.ended(
        Outcome(device="fw1", status="applied", changes=1, before="sha256:1", after="sha256:2")
    )
    with path.open("rb") as stream:
        found = chain.read_chain(stream)
    assert str(found.head) == made.head
    (one,) = applied(found.entries)
    assert (one.device, one.outcome, one.changes) == ("fw1", "applied", 1)
    assert (one.by, one.author, one.plan_id, one.kind) == ("ops@runner", "ana", "5d1c", "apply")
    assert (one.before, one.after, one.tickets) == ("sha256:1", "sha256:2", ("CHG-1",))


def test_a_device_that_is_changed_twice_in_a_run_is_shown_twice(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    made = record(path)
    made.open("playbook", Intent())
    made.began([plan("CHG-1")])
    made.ended(Outcome(device="fw1", status="failed", code="busy"))
    made.began([plan("CHG-1")])
    with path.open("rb") as stream:
        rows = applied(chain.read_chain(stream).entries)
    assert [row.outcome for row in rows] == ["failed", "unrecorded"]
    assert rows[1].before == "sha256:1"  # as it was when it was planned


def test_nothing_is_begun_that_cannot_be_recorded_and_nothing_undone(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    made = record(path)
    made.open("apply", Intent())
    made.began([plan("CHG-1")])
    path.rename(tmp_path / "gone")
    path.mkdir()
    with pytest.raises(JournalError, match="cannot be written"):
        made.began([plan("CHG-1")])
    made.ended(Outcome(device="fw1", status="applied"))
    (problem,) = made.problems
    assert problem.startswith("fw1: applied, which is not in the audit journal: ")


def test_entries_that_somebody_edited_are_shown_as_far_as_they_make_sense() -> None:
    odd: dict[str, Any] = {
        "tickets": [{}, "T1"],
        "conduits": "a",
        "firewalls": 7,
        "changes": {"create": "9"},
    }
    entries: list[dict[str, Any]] = [
        {"event": "begin", "run": "r", "device": "fw1", **odd},
        {"event": "end", "run": "r", "device": "fw1", "outcome": ["applied"], "changes": "many",
         "notes": [None, "n"], "members": [[], {"device": {}}, {"device": "fw2"}],
         "audit_comments": {}},
    ]  # fmt: skip
    (row,) = applied(entries)
    assert (row.tickets, row.conduits, row.firewalls) == (("T1",), (), ())
    assert (row.outcome, row.changes, row.audit_comments) == ("", 0, 0)
    assert (row.notes, row.members) == (("n",), ({"device": "fw2"},))
