"""What has drifted, item by item: the same item whatever the number of its differences."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from segctl.drift.acceptance import Accepted
from segctl.drift.items import items_of
from segctl.drift.report import Counts, Unchecked, drift_of
from segctl.fleet import Failure
from segctl.model.diff import Anchor, Change
from segctl.model.errors import Problem
from segctl.model.policy import Rule
from segctl.planning.documents import device_json, device_of
from segctl.planning.plan import DevicePlan, Told
from segctl.providers.logs import Author
from support.changes import change


def plan(*changes: Change, **values: Any) -> DevicePlan:
    return DevicePlan(name="fw1", platform="panos", changes=changes, **values)


def test_several_differences_of_a_rule_are_one_item() -> None:
    renamed = change("rename", conduit="c", before={"name": "old"})
    moved = change("move", conduit="c", anchor={"where": "top", "rule": ""})
    edited = change("update", conduit="c", before={"action": "deny"}, after={"action": "allow"})
    (item,) = items_of(plan(renamed, edited, moved))
    assert item.states == ("changed", "moved")
    assert item.state == "changed"
    assert item.names == ("a", "old")
    assert len(item.changes) == 3
    assert item.conduit == "c"


def test_a_hole_is_an_item() -> None:
    hole = Problem(message="permits all", kind="hole", subject="r", severity="warning")
    first, second = items_of(plan(change("create"), findings=(hole,)))
    assert (first.state, second.state) == ("missing", "hole")
    assert (second.kind, second.name, second.finding) == ("rule", "r", hole)


#: A rule, and what was made of it on the device.
DECLARED = Rule(
    name="c.r",
    from_zones=("A",),
    to_zones=("B",),
    conduit="c",
    flow="r",
    applications=("modbus",),
    essential=True,
    seal="12345678",
)
EDITED = replace(DECLARED, applications=("any",), essential=False, seal="", disabled=True)


def test_a_fingerprint_tells_differences_apart() -> None:
    edited = Change(op="update", kind="rule", name="c.r", before=EDITED, after=DECLARED)
    moved = Change(
        op="move",
        kind="rule",
        name="c.r",
        before=DECLARED,
        after=DECLARED,
        anchor=Anchor(where="after", rule="x"),
    )
    marks = [items_of(plan(*made))[0].fingerprint for made in ([edited], [moved], [edited, moved])]
    assert len(set(marks)) == 3
    # a baseline and a history on record hold it as segctl 0.1 wrote it
    assert marks[2] == "sha256:a591824b04711813"


def test_who_changed_an_item_and_what_is_accepted() -> None:
    author = Author(admin="ana", time="12:00")
    day = date(2026, 11, 22)
    known = Accepted(device="fw1", kind="rule", name="b", owner="ops", expires=day)
    found = drift_of(
        [plan(change("create"), change("create", name="b"))],
        [known],
        today=day,
        authors={("fw1", "rule", "a"): author},
    )
    (device,) = found.checked
    assert [(item.name, item.changed_by) for item in device.items] == [("a", author)]
    assert [(one.item.name, one.by) for one in device.accepted] == [("b", known)]
    assert [change.name for change in device.changes("missing")] == ["a"]
    assert found.counts == Counts(drift=1)
    assert not found.in_sync


def test_a_device_that_could_not_be_read_is_never_in_sync() -> None:
    found = drift_of([plan(), Failure(device="fw2", code="auth", message="no")])
    assert found.unchecked == (Unchecked(name="fw2", code="auth", message="no"),)
    assert found.counts == Counts(in_sync=1, error=1)
    assert not found.in_sync
    assert drift_of([plan()]).in_sync


# --- what is enforced ----------------------------------------------------------------------------


def told(state: str, name: str = "a", kind: str = "rule", **values: Any) -> Told:
    finding = Problem(message=f"{name} {state}", kind=state, subject=name, severity="warning")
    return Told(
        kind=kind, name=name, state=state, finding=finding, example=f"{state} packet", **values
    )


def test_what_a_changed_rule_does_is_told_with_its_change() -> None:
    edited = change("update", before={"action": "deny"}, after={"action": "allow"})
    alone = items_of(plan(edited))[0].fingerprint
    made = plan(edited, enforced=(told("hole"), told("blocked"), told("hole", "b")))
    one, other = items_of(made)
    assert (one.state, one.states, one.gravest) == (
        "changed",
        ("changed", "hole", "blocked"),
        "hole",
    )
    assert one.fingerprint == alone  # what a baseline accepts stays what it was
    assert one.example == "hole packet"
    assert (other.state, other.names) == ("hole", ("b",))
    (device,) = drift_of([made]).checked
    assert [finding.subject for finding in device.told("hole")] == ["a", "b"]
    assert [finding.subject for finding in device.told("blocked")] == ["a"]


def test_what_a_renamed_rule_does_is_told_with_its_renaming() -> None:
    renamed = change("rename", before={"name": "old"})
    (item,) = items_of(plan(renamed, enforced=(told("hole", "old"),)))
    assert (item.name, item.states) == ("a", ("changed", "hole"))


def test_nobody_is_asked_about_a_rule_of_ours_that_is_as_declared() -> None:
    (item,) = items_of(plan(enforced=(told("hole", own=True),)))
    assert item.names == ()


def test_what_cannot_be_told_is_accepted_by_its_content_only() -> None:
    made = plan(enforced=(told("cannot_tell", content="sha256:0123456789abcdef"),))
    day = date(2026, 11, 22)
    loose = Accepted(device="fw1", kind="rule", name="a", owner="ops", expires=day)
    bound = replace(loose, fingerprint="sha256:0123456789abcdef")
    other = replace(loose, fingerprint="sha256:0000000000000000")
    assert [drift_of([made], [one], today=day).in_sync for one in (loose, bound, other)] == [
        False,
        True,
        False,
    ]
    found = drift_of([made])
    assert [item.name for _, item in found.untold] == ["a"]
    assert drift_of([made], [bound], today=day).untold == ()


def test_what_is_enforced_comes_back_from_its_document() -> None:
    made = plan(enforced=(told("cannot_tell", content="sha256:0123456789abcdef"),))
    assert device_of(device_json(made)) == made
    assert "enforced" not in device_json(plan())
