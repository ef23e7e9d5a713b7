"""What a plan means, on firewalls of both platforms: newly permitted, no longer, and the guard."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from cli_support import POLL, RULES
from segctl.planning.documents import digest_of, schema
from support.cells import cells

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cli_support import Plant
    from support.cells import Cells

CELL = "protocols: {modbus: read}"
#: A rule of others between the zones of the plant.
OTHERS = (
    "<from><member>SUPV</member></from><to><member>{to}</member></to>"
    "<source><member>{source}</member></source><destination><member>any</member></destination>"
    "<source-user><member>any</member></source-user><category><member>any</member></category>"
    "<application><member>any</member></application><service><member>any</member></service>"
    "<negate-source>{negated}</negate-source><action>{action}</action>"
)


@pytest.fixture(params=["fw1", "gw1"])
def cell(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Cells]:
    """One cell, provisioned, behind a firewall of either platform."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")
    with cells(tmp_path, capsys, request.param) as plant:
        assert plant("apply", "--auto-approve").code == 0
        yield plant


def planned(plant: Plant, *words: str) -> tuple[dict[str, Any], dict[str, str]]:
    """What the plan of the first device means, and how its changes are marked, by name."""
    document = plant("plan", "--json", *words).json
    jsonschema.validate(document, schema("plan"))
    device = document["devices"][0]
    marks = {f"{one['kind']} {one['name']}": one["effect"] for one in device["changes"]}
    return device["meaning"], marks


def rule_of(marks: dict[str, str]) -> str:
    (mark,) = (mark for name, mark in marks.items() if name.startswith("rule "))
    return mark


def test_more_functions_widen_and_fewer_narrow(cell: Cells) -> None:
    cell.edit("hosts.yml", CELL, "protocols: {modbus: [read, write]}")
    meant, marks = planned(cell)
    assert meant["newly_permitted"]
    assert not meant["no_longer_permitted"]
    assert not meant["cannot_tell"]
    assert rule_of(marks) == "widens"
    for row in meant["newly_permitted"]:
        assert (row["from_zones"], row["to_zones"]) == (["SUPV"], ["CELL"])
        assert (row["source"], row["destination"]) == (["10.1.0.5"], ["10.2.1.10"])
        assert (row["conduit"], row["rule"]) == ("plant.poll-1", "plant.poll-1.modbus")
        assert row["services"] == ["tcp/502"]
        assert all("write" in name for name in row["applications"])
        assert row["example"].startswith("10.1.0.5 → 10.2.1.10 tcp/502 modbus")
    assert cell("apply", "--auto-approve").code == 0
    cell.edit("hosts.yml", "protocols: {modbus: [read, write]}", CELL)
    back, marks = planned(cell)
    assert back["no_longer_permitted"] == meant["newly_permitted"]
    assert not back["newly_permitted"]
    assert rule_of(marks) == "narrows"


def test_narrowing_any_to_functions_newly_permits_nothing(cell: Cells) -> None:
    cell.edit("hosts.yml", CELL, "services: [tcp/502, tcp/22]")
    assert cell("apply", "--auto-approve").code == 0
    cell.edit("hosts.yml", "services: [tcp/502, tcp/22]", f"{CELL}, services: [tcp/502]")
    meant, marks = planned(cell)
    assert not meant["newly_permitted"]
    assert not meant["cannot_tell"]
    assert rule_of(marks) == "narrows"
    services = {service for row in meant["no_longer_permitted"] for service in row["services"]}
    assert services == {"tcp/22", "tcp/502"}
    done = cell("plan", "--markdown", "plan.md", "--html", "plan.html")
    for text in (
        done.out.lower(),
        (cell.folder / "plan.md").read_text(encoding="utf-8").lower(),
        (cell.folder / "plan.html").read_text(encoding="utf-8").lower(),
    ):
        assert "no longer permitted" in text
        assert "newly permitted" not in text
        assert "narrows" in text
        assert "everything but modbus" in text
    assert cell("apply", "--no-widening", "--auto-approve").code == 0
    assert cell("plan", "--detailed-exitcode").code == 0


def test_what_another_rule_permits_too_is_not_said(cell: Cells) -> None:
    more = f"              modbus: {{source: scada1, destination: plc1, {CELL}}}"
    cell.edit("hosts.yml", more, f"{more}\n{more.replace('modbus:', 'again:', 1)}")
    meant, marks = planned(cell)
    assert meant == {"newly_permitted": [], "no_longer_permitted": [], "cannot_tell": []}
    assert set(marks.values()) == {"neither"}
    assert "it permits exactly what was permitted before" in cell("plan").out
    assert cell("apply", "--no-widening", "--auto-approve").code == 0


def test_no_widening_refuses_whatever_form_the_plan_has(cell: Cells) -> None:
    cell.edit("hosts.yml", CELL, "protocols: {modbus: [read, write]}")
    cell.play("- hosts: all\n")
    assert cell("plan", "-o", "plan.json").code == 0
    with cell.untouched():
        for words in (
            ("apply", "--auto-approve"),
            ("apply", "plan.json"),
            ("apply", "-p", "play.yml", "--auto-approve"),
            ("apply", "-p", "play.yml", "--reviewed", "plan.json"),
        ):
            done = cell(*words, "--no-widening", "--json")
            assert done.code == 1, words
            assert done.json["error"]["code"] == "widens", words
            assert "newly permits 10.1.0.5 → 10.2.1.10 tcp/502" in done.json["error"]["message"]
        assert cell("apply", "--check", "--no-widening").code == 1
        assert cell("apply", "-p", "play.yml", "--check", "--no-widening").code == 1
    assert cell("apply", "plan.json").code == 0


def test_a_plan_that_does_not_say_what_it_means_is_refused(cell: Cells) -> None:
    """One of an older segctl: nothing tells whether it widens."""
    cell.edit("hosts.yml", CELL, "services: [tcp/502]")
    assert cell("plan", "-o", "plan.json").code == 0
    file = cell.folder / "plan.json"
    document = json.loads(file.read_text(encoding="utf-8"))
    for device in document["devices"]:
        del device["meaning"]
        for change in device["changes"]:
            del change["effect"]
    file.write_text(json.dumps(document | {"digest": digest_of(document)}), encoding="utf-8")
    assert "did not compute what it permits" in cell("show", "plan.json").out
    with cell.untouched():
        refused = cell("apply", "plan.json", "--no-widening", "--json")
    assert refused.json["error"]["code"] == "widens"


def test_the_first_apply_on_a_gateway_only_narrows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a table of ours a host forwards everything that others let pass."""
    monkeypatch.chdir(tmp_path)
    with cells(tmp_path, capsys, "gw1") as plant:
        meant, marks = planned(plant)
        assert not meant["newly_permitted"]
        assert not meant["cannot_tell"]
        assert meant["no_longer_permitted"]
        assert marks["zone CELL"] == "narrows"
        assert plant("apply", "--auto-approve", "--no-widening").code == 0


@pytest.mark.parametrize("words", [(), ("-p", "play.yml", "--reviewed")])
def test_what_the_device_holds_then_is_judged(cell: Cells, words: tuple[str, ...]) -> None:
    """A plan that claims to mean nothing is refused by what it would do."""
    cell.edit("hosts.yml", CELL, "protocols: {modbus: [read, write]}")
    cell.play("- hosts: all\n")
    assert cell("plan", "-o", "plan.json").code == 0
    file = cell.folder / "plan.json"
    document = json.loads(file.read_text(encoding="utf-8"))
    for device in document["devices"]:
        device["meaning"]["newly_permitted"] = []
    file.write_text(json.dumps(document | {"digest": digest_of(document)}), encoding="utf-8")
    with cell.untouched():
        refused = cell("apply", *words, "plan.json", "--no-widening", "--json")
    assert refused.code == 1
    assert '"code": "widens"' in refused.out
    assert "newly permits 10.1.0.5" in refused.out


# --- among rules of others -----------------------------------------------------------------------


@pytest.fixture
def among(plant: Plant) -> Plant:
    """The plant, provisioned."""
    assert plant("apply", "--auto-approve").code == 0
    return plant


def put(plant: Plant, host: str, name: str, **values: str) -> None:
    """Let another administrator put a rule below all others."""
    fields = {"to": "CTRL", "source": "any", "negated": "no", "action": "allow"} | values
    plant.fleet[host].edit(
        "set", f"{RULES}/entry[@name='{name}']", OTHERS.format(**fields), commit=True
    )


def test_a_move_below_a_deny_of_others_would_cut_an_essential_flow(among: Plant) -> None:
    put(among, "fw2", "block", to="DMZ", action="deny")
    with among.untouched():
        refused = among("plan", "-l", "fw2", "--json")
        assert among("apply", "-l", "fw2", "--auto-approve").code == 1
    assert refused.code == 1
    (error,) = [one for one in refused.json["devices"][0]["findings"] if one["severity"] == "error"]
    assert "the essential flow plant.replication.tls; this change would cut it" in error["message"]
    assert "10.20.2.20 → 10.20.35.10 tcp/8443 ssl" in error["message"]


def test_an_essential_flow_may_go_on_by_another_rule(among: Plant) -> None:
    """Others permit the same below: nothing is cut, and a move cuts nothing either."""
    put(among, "fw2", "same", to="DMZ", source="10.20.2.20")
    meant, marks = planned(among, "-l", "fw2")
    assert not meant["no_longer_permitted"]
    assert marks["rule plant.replication.tls"] in {"neither", "widens"}
    assert among("plan", "-l", "fw2").code == 0


def test_a_negated_source_is_everything_but_that(among: Plant) -> None:
    put(among, "fw1", "most", source="10.0.0.0/8", negated="yes")
    said = "any from SUPV (everything but 10.0.0.0/8) to CTRL (any)"
    assert f"permits {said}, which no conduit declares" in among("plan", "-l", "fw1").out
    words = ("--markdown", "r.md", "--html", "r.html")
    done = among("drift", "-l", "fw1", *words)
    assert said in done.out
    assert said in (among.folder / "r.html").read_text(encoding="utf-8")
    assert "everything but 10.0.0.0/8" in (among.folder / "r.md").read_text(encoding="utf-8")
    assert said in among("drift", "-l", "fw1", "--json").out
    imported = among("import", "fw1", "-o", "imported")
    assert imported.code == 0, imported.err
    assert "everything but 10.0.0.0/8" in imported.out + imported.err


def test_a_rule_of_ours_negated_by_hand_reads_as_it_is(among: Plant) -> None:
    rule = f"{RULES}/entry[@name='{POLL}']"
    among.fleet["fw1"].edit("set", rule, "<negate-source>yes</negate-source>", commit=True)
    was = "everything but plant.supervisory.scada1"
    planned_text = among("plan", "-l", "fw1", "--markdown", "r.md").out
    assert f"{was} → plant.supervisory.scada1" in planned_text
    assert "negate" not in planned_text
    assert f"-   source  {was}\n" in (among.folder / "r.md").read_text(encoding="utf-8")
    assert f"on the device: {was}" in among("drift", "-l", "fw1").out
    meant, marks = planned(among, "-l", "fw1")
    assert marks[f"rule {POLL}"] == "both"
    assert {tuple(row["source"]) for row in meant["newly_permitted"]} == {("10.20.2.5",)}
    assert all(row["negated"] == ["source"] for row in meant["no_longer_permitted"])
