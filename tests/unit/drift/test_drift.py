"""What has drifted, item by item: the same item whatever the number of its differences."""

from __future__ import annotations

from typing import Any

from segctl.drift.items import fingerprint, items_of
from segctl.model.errors import Problem
from segctl.planning.plan import DevicePlan


def change(op: str, name: str = "a", **values: Any) -> dict[str, Any]:
    base: dict[str, Any] = {"before": {}, "after": {}, "fields": [], "anchor": None}
    return {"op": op, "kind": "rule", "name": name, "conduit": "c"} | base | values


def plan(*changes: dict[str, Any], **values: Any) -> DevicePlan:
    return DevicePlan(name="fw1", platform="panos", changes=changes, **values)


def test_several_differences_of_a_rule_are_one_item() -> None:
    renamed = change("rename", before={"name": "old"})
    moved = change("move", anchor={"where": "top", "rule": ""})
    (item,) = items_of(plan(renamed, change("update", fields=["action"]), moved))
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


def test_a_fingerprint_tells_differences_apart() -> None:
    one, other = change("update", fields=["a"]), change("update", fields=["b"])
    assert fingerprint([one]) == fingerprint([dict(reversed(one.items()))])
    assert fingerprint([one]) != fingerprint([other])
    assert fingerprint([one]) != fingerprint([one, one])
