"""``segctl review``: what is due, with what firewalls count, and a decision as a change."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml

from segctl.operations.loading import today
from segctl.planning.documents import schema

if TYPE_CHECKING:
    from cli_support import Plant

FILE = "group_vars/plant.yml"
WHO = ("--by", "J. Doe, OT", "--reason", "Contract: runs on; see #12")


def day(days: int) -> str:
    return (today() + timedelta(days=days)).isoformat()


@pytest.fixture
def dated(plant: Plant) -> Plant:
    """The plant, of which one conduit was to be reviewed and one ends soon."""
    plant.edit(
        FILE, "    owner: automation\n", f"    owner: automation\n    review_by: {day(-3)}\n"
    )
    plant.edit(
        FILE, "    owner: process-data\n", f"    owner: process-data\n    expires: {day(9)}\n"
    )
    assert plant("fmt", FILE).code == 0
    return plant


def asked(plant: Plant, *words: str, code: int = 0) -> Any:
    with plant.untouched():
        done = plant("review", *words, "--json")
    assert done.code == code, (done.out, done.err)
    jsonschema.validate(done.json, schema("reviews"))
    return done.json


def decided(plant: Plant, *words: str) -> Any:
    """Put a decision into the inventory, and return what this declares of its conduits then."""
    document = asked(plant, *words, "-o", "new")
    ((name, text),) = document["decision"]["files"].items()
    assert name == FILE
    assert (plant.folder / "new" / FILE).read_text() == text
    assert f"+++ b/{FILE}" in document["decision"]["diff"]
    (plant.folder / FILE).write_text(text)
    assert plant("validate").code == 0
    assert plant("fmt", "--check", FILE).code == 0
    return yaml.safe_load(text)["segctl_conduits"]


def test_what_is_due_comes_first_and_what_has_no_day_is_told(dated: Plant) -> None:
    document = asked(dated)
    assert [one["conduit"] for one in document["conduits"]] == [
        "plant/polling",
        "plant/replication",
    ]
    assert [one["overdue"] for one in document["conduits"]] == [True, False]
    assert document["conduits"][0]["deadlines"] == [
        {"what": "review_by", "rule": "", "day": day(-3)}
    ]
    assert document["conduits"][1]["essential"]
    assert document["summary"] == {"due": 2, "overdue": 1, "undated": 0}
    assert asked(dated, "--within", "5d")["summary"]["due"] == 1
    assert asked(dated, "--detailed-exitcode", code=2)["summary"]["overdue"] == 1
    text = dated("review").out
    assert f"plant/polling  overdue: to be reviewed by {day(-3)}" in text
    assert "2 conduits due by" in text
    dated.edit(FILE, f"    review_by: {day(-3)}\n", "")
    assert asked(dated, "--detailed-exitcode")["undated"] == ["plant/polling"]
    assert "neither review_by nor expires: plant/polling" in dated("review").out


def test_a_conduit_that_is_absent_is_never_due_and_can_be_asked_for(dated: Plant) -> None:
    dated.edit(FILE, f"    review_by: {day(-3)}\n", f"    review_by: {day(-3)}\n    mode: absent\n")
    document = asked(dated)
    assert [one["conduit"] for one in document["conduits"]] == ["plant/replication"]
    (one,) = asked(dated, "polling")["conduits"]
    assert (one["mode"], one["deadlines"]) == ("absent", [])


def test_an_exception_has_its_own_day(dated: Plant) -> None:
    exception = f"{{reason: r, owner: o, expires: {day(2)}}}"
    dated.edit(FILE, f"    expires: {day(9)}\n", f"    exceptions: {{skips-level: {exception}}}\n")
    (_, one) = asked(dated)["conduits"]
    assert one["deadlines"] == [{"what": "exception", "rule": "skips-level", "day": day(2)}]
    assert f"its exception from skips-level is accepted until {day(2)}" in dated("review").out


def test_firewalls_say_whether_it_is_used(dated: Plant) -> None:
    assert dated("apply", "--auto-approve").code == 0
    (one, other) = asked(dated, "--usage")["conduits"]
    assert one["usage"] == {"usage": "too_young", "last_hit": None, "not_asked": []}
    assert other["usage"]["usage"] == "too_young"
    (one, other) = asked(dated, "--usage", "-l", "fw1")["conduits"]
    assert one["usage"]["usage"] == "too_young"
    nobody = {"usage": "not_counted", "last_hit": None, "not_asked": ["fw2"]}
    assert other["usage"] == nobody
    assert "not counted (nothing is known of fw2)" in dated("review", "--usage", "-l", "fw1").out
    assert "usage     too young" in dated("review", "--usage").out
    dated.fleet["fw1"].stop()
    document = asked(dated, "--usage", "-l", "fw1", code=1)
    assert document["error"]["code"] == "unreachable"


def test_what_is_kept_is_looked_at_again(dated: Plant) -> None:
    found = decided(dated, "polling", "--keep-until", day(90), *WHO)["polling"]
    assert found["review_by"] == today() + timedelta(days=90)
    assert "expires" not in found
    assert found["reviewed"] == {
        "date": today(),
        "by": "J. Doe, OT",
        "decision": "keep",
        "reason": "Contract: runs on; see #12",
    }
    document = asked(dated)
    assert [one["conduit"] for one in document["conduits"]] == ["plant/replication"]
    said = f"keep, on {today()} by J. Doe, OT: Contract: runs on; see #12"
    assert said in dated("review", "plant/polling").out
    assert "J. Doe, OT" in dated("list", "conduits", "--csv").out


def test_what_ends_by_itself_ends_later_or_at_once(dated: Plant) -> None:
    found = decided(dated, "replication", "--keep-until", day(90), *WHO)["replication"]
    assert found["expires"] == today() + timedelta(days=90)
    assert "review_by" not in found
    (dated.folder / "new" / FILE).unlink()
    found = decided(dated, "replication", "--retire", day(0), "--by", "A", "--reason", "b")
    assert found["replication"]["expires"] == today()
    assert found["replication"]["reviewed"]["decision"] == "retire"


def test_a_decision_changes_no_policy_but_what_it_says(dated: Plant) -> None:
    assert dated("apply", "--auto-approve").code == 0
    decided(dated, "polling", "--keep-until", day(90), *WHO)
    assert dated("plan", "--detailed-exitcode").code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["poling", "--keep-until", day(9), *WHO], "did you mean plant/polling?"),
        (["--keep-until", day(9), *WHO], "name the conduit"),
        (["polling", "--keep-until", day(9)], "--by NAME and --reason TEXT"),
        (["polling", "--keep-until", day(9), "--by", " ", "--reason", "x"], "--by NAME"),
        (["polling", "--keep-until", day(-1), *WHO], "that day has passed"),
        (["polling", "--retire", "soon", *WHO], "must be a date like 2027-01-31"),
        (["polling", "--keep-until", day(9), "--retire", day(9), *WHO], "exclude each other"),
        (["polling", "--keep-until", day(9), "--by", "a\nb", "--reason", "c"], "printable"),
        (["polling", "--narrow", *WHO], "needs records of traffic"),
        (["polling", "-o", "new"], "go with a decision"),
        (["--within", "soon"], "--within"),
        (["--within", "99999999d"], "--within"),
    ],
)
def test_what_cannot_be_decided_is_one_message(dated: Plant, words: list[str], said: str) -> None:
    done = dated("review", *words)
    assert done.code == 1
    assert said in done.err
    assert not (dated.folder / "new").exists()


def test_a_file_that_cannot_be_edited_is_left(dated: Plant) -> None:
    dated.edit(FILE, "segctl_conduits:\n", "segctl_conduits: &all\n")
    dated.edit(FILE, "    from: supervisory\n", "    from: &from supervisory\n")
    assert "decision" in asked(dated, "polling", "--keep-until", day(9), *WHO)
    text = (dated.folder / FILE).read_text()
    start = text.index("  polling:")
    flat = (
        "  polling: {from: supervisory, to: control, reason: r, owner: o, "
        "flows: {f: {services: [icmp]}}}\n"
    )
    (dated.folder / FILE).write_text(text[:start] + flat + text[text.index("  replication:") :])
    done = dated("review", "polling", "--keep-until", day(9), *WHO, "-o", "new")
    assert done.code == 1
    assert "change it by hand" in done.err
    assert not (dated.folder / "new").exists()


def test_a_file_of_an_earlier_decision_is_not_overwritten(dated: Plant) -> None:
    (dated.folder / "new" / "group_vars").mkdir(parents=True)
    (dated.folder / "new" / FILE).write_text("mine")
    done = dated("review", "polling", "--keep-until", day(9), *WHO, "-o", "new")
    assert done.code == 1
    assert (dated.folder / "new" / FILE).read_text() == "mine"
