"""A plan that keeps its rehearsal, and who refuses one that does not: apply, and playbooks."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from segctl.planning.documents import digest_of, schema
from support.records import logged
from support.signatures import ssh_keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from cli_support import Done, Plant

TLS = {
    "src": "10.20.2.20",
    "dst": "10.20.35.10",
    "leave": "DMZ",
    "app": "ssl",
    "dport": "8443",
    "rule": "plant.replication.tls",
    "serial": "007000000002",
    "host": "fw2",
}
PLAY = "- {{hosts: all, replay: {}}}\n"


def records(plant: Plant, *lines: str) -> None:
    numbered = (line.replace(",1005,", f",{number + 2000},") for number, line in enumerate(lines))
    (plant.folder / "fw.log").write_text("".join(numbered))


def rehearse(plant: Plant, *words: str) -> Done:
    with plant.untouched():
        return plant(
            "replay", "plan.json", "fw.log", "--offline", "snapshots", "-o", "kept.json", *words
        )


@pytest.fixture
def planned(applied: Plant) -> Plant:
    """A plan that lets the controllers be written to, on fw1 only, with snapshots and records."""
    assert applied("snapshot", "-o", "snapshots").code == 0
    applied.edit("group_vars/plant.yml", "modbus: [read]", "modbus: [read, write]")
    assert applied("plan", "-o", "plan.json").code == 0
    records(applied, logged(), logged(**TLS))
    return applied


def kept(plant: Plant) -> Any:
    document = json.loads((plant.folder / "kept.json").read_text())
    jsonschema.validate(document, schema("plan"))
    return document["rehearsal"]


def refused(plant: Plant, code: str, message: str, *words: str) -> None:
    with plant.unchanged():
        done = plant("apply", *words, "--json")
    assert done.code == 1, done.out
    assert done.json["error"]["code"] == code
    assert message in done.json["error"]["message"]
    assert "nothing was changed" in done.json["error"]["message"]


def test_a_rehearsed_plan_is_shown_and_applied(planned: Plant) -> None:
    assert rehearse(planned).code == 0
    held = kept(planned)
    assert held["fates"]["still_allowed"] == {"flows": 2, "sessions": 2, "essential": 1}
    assert held["judged"] == {"fw1": 1, "fw2": 1}
    assert [one["name"] for one in held["witnesses"]] == ["007000000001", "007000000002"]
    content = (planned.folder / "fw.log").read_bytes()
    line = f"{hashlib.sha256(content).hexdigest()}\n"
    digest = hashlib.sha256(line.encode()).hexdigest()
    assert held["inputs"] == {"files": 1, "digest": f"sha256:{digest}"}
    shown = planned("show", "kept.json", "--markdown", "plan.md").out
    assert "Rehearsed on real traffic\n  2 records from 2026-" in shown
    assert "  still allowed: 2 flows, 2 sessions, 1 of them essential\n" in shown
    assert "Rehearsed on real traffic" in (planned.folder / "plan.md").read_text()
    done = planned("apply", "kept.json", "--require-replay")
    assert done.code == 0, done.err


def test_the_same_records_in_another_order_give_the_same_plan(planned: Plant) -> None:
    assert rehearse(planned).code == 0
    first = kept(planned)
    again = planned("plan", "-o", "plan.json")
    assert again.code == 0
    lines = (planned.folder / "fw.log").read_text().splitlines(keepends=True)
    (planned.folder / "fw.log").unlink()
    for name, line in zip("ab", reversed(lines), strict=True):
        (planned.folder / f"{name}.log").write_text(line)
    words = ("--offline", "snapshots", "-o", "kept.json")
    for order in (["a.log", "b.log"], ["b.log", "a.log"]):
        assert planned("replay", "plan.json", *order, *words).code == 0
        second = kept(planned)
        assert second["inputs"].pop("files") == 2
        digest = second["inputs"].pop("digest")
        assert digest == kept(planned)["inputs"]["digest"]
        assert second | {"made": "", "inputs": {}} == first | {"made": "", "inputs": {}}


def test_what_was_not_rehearsed_is_refused(planned: Plant) -> None:
    message = "the plan was not rehearsed on real traffic: segctl replay PLAN FILE…"
    refused(planned, "not_rehearsed", message, "plan.json", "--require-replay")
    refused(planned, "not_rehearsed", message, "plan.json", "--require-replay", "--check")
    message = "what is planned only now was not rehearsed"
    refused(planned, "not_rehearsed", message, "--require-replay", "--auto-approve")
    assert planned("apply", "plan.json").code == 0


def test_a_plan_that_drops_essential_traffic_is_refused(applied: Plant) -> None:
    assert applied("snapshot", "-o", "snapshots").code == 0
    name = "group_vars/plant.yml"
    before = (applied.folder / name).read_text()
    applied.edit(name, "tcp/8443", "tcp/8444")
    assert applied("plan", "-o", "plan.json").code == 1
    (applied.folder / name).write_text(before)
    records(applied, logged(), logged(**TLS))
    assert rehearse(applied).code == 2
    (lost,) = kept(applied)["dropped"]
    assert (lost["essential"], lost["by"]) == (True, ["fw2: interzone-default"])
    message = "drops essential traffic: plant/replication.tls (10.20.2.20 → 10.20.35.10 tcp/8443)"
    refused(applied, "drops_traffic", message, "kept.json", "--require-replay")
    shown = applied("show", "kept.json", "--html", "plan.html", "--markdown", "plan.md")
    assert "essential  10.20.2.20 → 10.20.35.10 tcp/8443; ssl; plant/replication.tls" in shown.out
    assert "drops essential traffic that was seen" in (applied.folder / "plan.html").read_text()
    assert "**error** <code>rehearsal</code>" in (applied.folder / "plan.md").read_text()


def test_a_rehearsal_that_could_tell_nothing_is_refused(planned: Plant) -> None:
    records(planned, logged(app="insufficient-data"), logged(app="non-syn-tcp"))
    assert rehearse(planned).code == 1
    message = "rehearsed on 2 records, and of none of them it could be told"
    refused(planned, "cannot_tell", message, "kept.json", "--require-replay")


def test_essential_traffic_of_which_nothing_is_told_is_refused(planned: Plant) -> None:
    records(planned, logged(), logged(**TLS | {"app": "ssl", "natdst": "10.20.35.11"}))
    assert rehearse(planned).code == 0
    assert kept(planned)["untold_essential"] == []  # translated to elsewhere: not what is declared
    nat = {"dst": "192.0.2.1", "natdst": "10.20.35.10"}
    records(planned, logged(), logged(**TLS | nat))
    assert rehearse(planned).code == 0
    assert kept(planned)["untold_essential"] == ["plant/replication.tls"]
    message = "could not tell what becomes of essential traffic: plant/replication.tls"
    refused(planned, "cannot_tell", message, "kept.json", "--require-replay")


def test_a_firewall_that_is_changed_must_have_been_rehearsed(planned: Plant) -> None:
    records(planned, logged(**TLS))
    assert rehearse(planned).code == 0
    message = "says nothing of what the plan changes on fw1 (no record of traffic through it)"
    refused(planned, "not_rehearsed", message, "kept.json", "--require-replay")
    records(planned, logged(), logged(**TLS))
    (snapshot,) = (planned.folder / "snapshots").glob("fw1*")
    snapshot.unlink()
    assert rehearse(planned).code == 0
    message = "changes on fw1 (it has no snapshot (segctl snapshot fw1 takes one) and was not read)"
    refused(planned, "not_rehearsed", message, "kept.json", "--require-replay")


def moved(document: Any, other: Any) -> None:
    document["devices"] = other["devices"]
    document["summary"] = other["summary"]


def elsewhere(document: Any, _other: Any) -> None:
    document["rehearsal"]["inventory"] = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (moved, "the rehearsal in the plan is of another policy"),
        (elsewhere, "rehearsed with another inventory than it was made from"),
    ],
)
def test_a_rehearsal_of_another_policy_is_refused(
    planned: Plant, edit: Callable[[Any, Any], None], message: str
) -> None:
    assert rehearse(planned).code == 0
    planned.edit("group_vars/plant.yml", "modbus: [read, write]", "modbus: [read, write, program]")
    assert planned("plan", "-o", "other.json").code == 0
    document = json.loads((planned.folder / "kept.json").read_text())
    edit(document, json.loads((planned.folder / "other.json").read_text()))
    document["digest"] = digest_of(document)
    (planned.folder / "kept.json").write_text(json.dumps(document))
    refused(planned, "other_policy", message, "kept.json", "--require-replay")


def test_a_rehearsed_plan_is_signed_with_what_was_found_out(planned: Plant) -> None:
    keys = ssh_keys(planned.folder)
    assert planned("plan", "-o", "plan.json", "--sign", str(keys.secret)).code == 0
    done = rehearse(planned, "--sign", str(keys.secret))
    assert "Saved, signed in" in done.err
    verify = ("--verify", str(keys.trusted))
    assert planned("show", "kept.json", *verify).code == 0
    text = (planned.folder / "kept.json").read_text()
    document = json.loads(text)
    document["rehearsal"]["dropped"] = []
    document["rehearsal"]["records"] += 1
    document["digest"] = digest_of(document)
    (planned.folder / "kept.json").write_text(json.dumps(document))
    refusal = planned("apply", "kept.json", *verify, "--require-replay", "--json")
    assert refusal.json["error"]["code"] == "signature"
    (planned.folder / "kept.json").write_text(text)
    assert planned("apply", "kept.json", *verify, "--require-replay").code == 0


def test_a_playbook_asks_for_a_rehearsal(planned: Plant) -> None:
    (planned.folder / "play.yml").write_text(PLAY.format("required"))
    live = ("-p", "play.yml", "--auto-approve")
    refused(planned, "not_rehearsed", "what is planned only now was not rehearsed", *live)
    refused(planned, "not_rehearsed", "what is planned only now", "-p", "play.yml", "--check")
    reviewed = ("-p", "play.yml", "--reviewed")
    assert planned("plan", "-p", "play.yml", "-o", "plan.json").code == 0
    refused(planned, "not_rehearsed", "the plan was not rehearsed", *reviewed, "plan.json")
    assert rehearse(planned).code == 0
    done = planned("apply", *reviewed, "kept.json")
    assert done.code == 0, done.err


def test_the_option_asks_for_a_rehearsal_of_a_playbook_that_does_not(planned: Plant) -> None:
    (planned.folder / "play.yml").write_text("- {hosts: all}\n")
    words = ("-p", "play.yml", "--reviewed", "plan.json", "--require-replay")
    refused(planned, "not_rehearsed", "the plan was not rehearsed", *words)
    assert rehearse(planned).code == 0
    words = ("-p", "play.yml", "--reviewed", "kept.json", "--require-replay")
    assert planned("apply", *words).code == 0


@pytest.mark.parametrize(
    ("said", "code", "message"),
    [
        ("{max_age_days: 1}", "not_rehearsed", "must be at most 1d old"),
        (
            "{may_drop: nothing}",
            "drops_traffic",
            "drops traffic that was seen: (10.20.2.5 → 10.20.1.11 tcp/502)",
        ),
        ("{max_age_days: 366, may_drop: inessential}", "", ""),
    ],
)
def test_a_playbook_says_what_a_rehearsal_must_show(
    applied: Plant, said: str, code: str, message: str
) -> None:
    applied.by_hand()  # which the plan takes back
    assert applied("snapshot", "-o", "snapshots").code == 0
    (applied.folder / "play.yml").write_text(PLAY.format(said))
    assert applied("plan", "-p", "play.yml", "-o", "plan.json").code == 0
    records(applied, logged(), logged(app="modbus-write-single-coil"), logged(**TLS))
    rehearsed = rehearse(applied)
    assert rehearsed.code == 2, rehearsed.out
    words = ("-p", "play.yml", "--reviewed", "kept.json")
    if code:
        refused(applied, code, message, *words)
    else:
        assert applied("apply", *words).code == 0


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("sometimes", "required"),
        ("{max_age_days: soon}", "max_age_days"),
        ("{may_drop: essential}", "may_drop"),
        ("{maxage: 1}", "maxage"),
    ],
)
def test_what_a_playbook_cannot_ask(planned: Plant, said: str, message: str) -> None:
    (planned.folder / "play.yml").write_text(PLAY.format(said))
    done = planned("plan", "-p", "play.yml")
    assert done.code == 1
    assert message in done.err


def test_names_that_mislead_stay_text(planned: Plant) -> None:
    name = "\x1b[2J<x1>|`y`"
    records(planned, logged(), logged(app="ssh", dport="22", rule=name), logged(**TLS))
    rehearse(planned)
    assert any(name in one for one in kept(planned)["contradicted"])
    text = (planned.folder / "kept.json").read_text()
    shown = planned("show", "kept.json", "--markdown", "plan.md", "--html", "plan.html")
    assert "no verdict for fw1: \\x1b[2J<x1>" in shown.out
    for form in ("plan.md", "plan.html"):
        assert "<x1>" not in (planned.folder / form).read_text()
    for said in (text, shown.out, (planned.folder / "plan.html").read_text()):
        assert "\x1b" not in said


def test_a_rehearsal_needs_a_plan(planned: Plant) -> None:
    done = planned("replay", "--declared", "fw.log", "-o", "kept.json")
    assert done.code == 1
    assert "-o keeps a rehearsal in a plan" in done.err
    assert not (planned.folder / "kept.json").exists()
