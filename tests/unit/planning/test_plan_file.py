from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from segctl.model.diff import Anchor, Change
from segctl.model.errors import PlanFormatError, Problem
from segctl.model.policy import Rule
from segctl.model.site import Position
from segctl.planning.documents import digest_of, load_plan, plan_file, plan_json
from segctl.planning.make import make_plan
from segctl.planning.plan import Basis, DevicePlan, Intent, Plan

if TYPE_CHECKING:
    from pathlib import Path

DEVICE = DevicePlan(
    name="fw1",
    platform="panos",
    serial="007",
    os_version="11.1.6",
    content_version="8799-8509",
    scope="vsys1",
    fingerprint="sha256:" + "0" * 64,
    desired="sha256:" + "1" * 64,
    rule_count=3,
    changes=(
        Change(
            op="create",
            kind="rule",
            name="c1.web",
            after=Rule(name="c1.web", conduit="c1", from_zones=("SUPV",), to_zones=("CTRL",)),
            anchor=Anchor(where="after", rule="o-anchor"),
        ),
    ),
    script='<segctl-push vsys="vsys1">\n</segctl-push>\n',
    findings=(Problem(message="look", severity="warning"),),
    position=Position(where="after", rule="o-anchor"),
    covers={"zone": (), "default-rule": ("interzone-default",)},
    basis=Basis(serial="007", managed={"rule c1.poll": "0123"}, order=("c1.poll",)),
)
INTENT = Intent(digest="sha256:" + "2" * 64)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def plan() -> Plan:
    return make_plan([DEVICE], INTENT, now=NOW)


def save(path: Path, document: dict[str, Any]) -> Path:
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_a_plan_reads_back(plan: Plan, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(plan_file(plan), encoding="utf-8")
    found = load_plan(path)
    assert found == plan
    assert plan_file(found) == plan_file(plan)
    assert found.summary == {"create": 1, "update": 0, "move": 0, "delete": 0, "rename": 0}
    assert found.changes == 1


def test_only_id_and_times_differ(plan: Plan) -> None:
    again = plan_json(make_plan([DEVICE], INTENT, now=NOW))
    first = plan_json(plan)
    differing = {key for key in first if first[key] != again[key]}
    assert differing == {"plan_id", "digest"}


def test_an_edited_plan_is_refused(plan: Plan, tmp_path: Path) -> None:
    document = plan_json(plan)
    document["devices"][0]["script"] = "<other/>"
    with pytest.raises(PlanFormatError, match="was changed after it was made"):
        load_plan(save(tmp_path / "p.json", document))


def test_another_version_is_refused(plan: Plan, tmp_path: Path) -> None:
    document = plan_json(plan) | {"format_version": "2.0"}
    with pytest.raises(PlanFormatError, match="run segctl plan again"):
        load_plan(save(tmp_path / "p.json", document | {"digest": digest_of(document)}))


def test_what_the_schema_does_not_know_is_refused(plan: Plan, tmp_path: Path) -> None:
    document = plan_json(plan)
    document["devices"][0]["rule_count"] = "many"
    document["digest"] = digest_of(document)
    with pytest.raises(PlanFormatError, match="rule_count"):
        load_plan(save(tmp_path / "p.json", document))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format_version": 1}', "\x00"])
def test_what_is_no_plan_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PlanFormatError, match=r"p\.json"):
        load_plan(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PlanFormatError, match="No such file"):
        load_plan(tmp_path / "gone.json")


def test_an_error_forbids_applying() -> None:
    bad = DevicePlan(name="fw1", platform="panos", findings=(Problem(message="no"),))
    assert not make_plan([bad], INTENT).applyable
    assert make_plan([DEVICE], INTENT).applyable
