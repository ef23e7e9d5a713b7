"""Notices: what they say, in which form, and that names in them are only names."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from segctl.drift.items import DriftItem
from segctl.drift.report import DeviceDrift, DriftReport, Unchecked
from segctl.model.errors import UsageError
from segctl.notify import Message, message_of, template
from segctl.providers.logs import Author
from segctl.providers.state import DeviceState, Receiver

if TYPE_CHECKING:
    from pathlib import Path

EVIL = '<!channel> *b* [x](http://evil) "q" \\ $headline\x1b[2J\nnew line'
BY = Author(admin="ana", time="t")
CALM = DriftReport(devices=(DeviceDrift(name="fw1"),))


def item(name: str, state: str = "changed", changed_by: Author | None = None) -> DriftItem:
    return DriftItem(
        kind="rule",
        name=name,
        states=(state,),
        fingerprint="sha256:0",
        names=(name,),
        conduit="c",
        changed_by=changed_by,
    )


def drifted(*items: DriftItem) -> DriftReport:
    failed = Unchecked(name="fw2", code="auth", message=EVIL)
    return DriftReport(devices=(DeviceDrift(name="fw1", items=items), failed))


def message(*items: DriftItem, **values: Any) -> Message:
    return message_of(drifted(*items), environment="plant", time="2026-11-22T12:00", **values)


def test_the_headline_counts() -> None:
    found = message(item("a"), item("b", "missing"), item("c", "hole"))
    assert found.headline == (
        "Drift on 1 of 2 firewalls: 1 hole, 1 missing, 1 changed; "
        "1 of 2 firewalls could not be checked (plant)"
    )
    assert found.status == "error"
    assert message_of(CALM, environment="", time="").headline == "In sync: 1 firewall"


def test_a_device_group_is_counted_as_a_device_and_its_firewall_is_named() -> None:
    members = (Receiver(name="fw2", why="it is not connected to Panorama"),)
    behind = DriftItem(
        kind="firewall",
        name="fw2",
        states=("not_enforced",),
        fingerprint="sha256:0",
        names=(),
    )
    group = DeviceDrift(name="panorama1:OT", items=(behind,), state=DeviceState(members=members))
    report = DriftReport(devices=(group, DeviceDrift(name="fw2")))
    found = message_of(report, environment="plant", time="")
    assert found.headline == "Drift on 1 of 2 devices: 1 not_enforced (plant)"
    assert [note.text for note in found.notes] == ["panorama1:OT: not_enforced firewall fw2"]


def test_what_is_new_comes_first_and_is_said() -> None:
    found = message(item("a"), item("b", changed_by=BY), new={("fw1", "rule", "b")})
    assert [note.text for note in found.notes][:2] == [
        "fw1: new: changed rule b, changed by ana at t",
        "fw1: changed rule a",
    ]
    assert message(item("r", "hole")).notes[0].text == "fw1: open: rule r"


@pytest.mark.parametrize("name", ["slack", "teams", "generic"])
def test_every_form_is_json_and_bounded(name: str) -> None:
    many = [item("n" * 200 + str(number)) for number in range(5000)]
    body = template(name)(message(*many))
    assert len(body) < 28_000  # what Teams takes
    assert json.loads(body)
    assert b"and 4961 more" in body or json.loads(body)["more"] == 4961


def test_slack_gets_plain_text_within_its_limits() -> None:
    made = json.loads(template("slack")(message(item(EVIL), *[item("n" * 290)] * 60)))
    assert len(made["blocks"]) <= 50
    for block in made["blocks"]:
        for text in (block.get("text"), *block.get("elements", ())):
            assert text is None or (text["type"], text["emoji"]) == ("plain_text", False)
    assert len(made["blocks"][0]["text"]["text"]) <= 150
    assert all(len(b["text"]["text"]) <= 3000 for b in made["blocks"] if b["type"] == "section")
    evil = message_of(CALM, environment="<!channel>&", time="")
    assert json.loads(template("slack")(evil))["text"].endswith("(&lt;!channel&gt;&amp;)")


def test_teams_gets_text_runs() -> None:
    made = json.loads(template("teams")(message(item(EVIL))))
    (attachment,) = made["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    for block in card["body"]:
        assert block["type"] == "RichTextBlock"
        assert [run["type"] for run in block["inlines"]] == ["TextRun"]


def test_nothing_in_a_name_steers_a_terminal_or_ends_a_line() -> None:
    for name in ("slack", "teams", "generic"):
        text = json.loads(template(name)(message(item(EVIL))))
        assert "\x1b" not in json.dumps(text, ensure_ascii=False)


def own(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "own.json"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_template_of_the_users_own_stays_json_whatever_names_hold(tmp_path: Path) -> None:
    path = own(
        tmp_path,
        '{"text": "${headline}: $lines", "n": $drifted, "cost": "5 $$", "e": "$environment"}',
    )
    made = json.loads(template(str(path))(message(item(EVIL))))
    assert made["n"] == 1
    assert made["cost"] == "5 $"
    assert made["e"] == "plant"
    assert '"q"' in made["text"]
    assert "$headline" in made["text"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": "$nothing"}', r"unknown \$nothing; the known names are \$headline"),
        ('{"a": "5 $"}', "without a name after it"),
        ('{"a": $headline}', "its output is not JSON"),
        ("<b>$headline</b>", "its output is not JSON"),
    ],
)
def test_a_template_that_cannot_work_is_refused_at_once(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        template(str(own(tmp_path, text)))


def test_a_template_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="slack, teams, generic or a file"):
        template(str(tmp_path / "absent"))
    (tmp_path / "latin").write_bytes(b"\xff")
    with pytest.raises(UsageError, match="UTF-8"):
        template(str(tmp_path / "latin"))
