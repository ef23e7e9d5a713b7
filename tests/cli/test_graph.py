"""The drawing and the register, as users ask for them."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from cli_support import RULES, Plant
from segctl.operations.graph import GraphOptions, graph
from segctl.operations.options import CommonOptions
from segctl.operations.progress import Messages
from support.console import blocks

ROOT = Path(__file__).parents[2]
ENDINGS = (".svg", ".html", ".drawio", ".mmd", ".dot")
NEW_ZONE = """\
  later:
    level: 3
    networks: [10.20.77.0/24]
  control:
"""


THEIRS = (
    "<entry name='theirs'><from><member>DMZ</member></from><to><member>SUPV</member></to>"
    "<source><member>any</member></source><destination><member>any</member></destination>"
    "<application><member>ssh</member></application><service><member>any</member></service>"
    "<action>allow</action></entry>"
)


def drawn(plant: Plant, *words: str, code: int = 0) -> Any:
    with plant.untouched():
        done = plant("graph", "-o", "plant.svg", *words, "--json")
    assert done.code == code, (done.err, done.out[-2000:])
    jsonschema.validate(done.json, plant("schema", "graph").json)
    return done.json


def refused(plant: Plant, *words: str) -> str:
    done = plant(*words)
    assert done.code == 1
    assert "defect" not in done.err
    return done.err


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("ending", ENDINGS)
def test_each_form_shows_what_is_declared(
    plant: Plant, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(plant.folder)
    done = plant("graph", "-o", f"plant{ending}")
    assert done.code == 0, done.err
    text = read(plant.folder / f"plant{ending}")
    assert all(word in text for word in ("supervisory", "control", "fw1", "modbus: read"))
    assert re.search(r"inventory=sha256:[0-9a-f]{64}", text)
    assert "://" not in text.replace("http://www.w3.org/2000/svg", ""), "it loads nothing"
    first = text
    assert plant("graph", "-o", f"plant{ending}").code == 0
    assert read(plant.folder / f"plant{ending}") == first


def test_what_is_open_beyond_and_what_is_blocked(
    applied: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(applied.folder)
    clean = drawn(applied, "--live")
    assert not [arrow for arrow in clean["arrows"] if "beyond" in arrow["marks"]]
    assert set(clean["drawn_from"]) == {"inventory", "fw1", "fw2"}
    rule = (
        "<entry name='theirs'><from><member>CTRL</member></from><to><member>SUPV</member></to>"
        "<source><member>any</member></source><destination><member>any</member></destination>"
        "<application><member>ssh</member></application><service><member>any</member></service>"
        "<action>allow</action></entry>"
    )
    applied.fleet["fw1"].edit("set", RULES, rule)
    applied.fleet["fw1"].edit("move", f"{RULES}/entry[@name='theirs']", where="top", commit=True)
    found = drawn(applied, "--live")
    (beyond,) = [arrow for arrow in found["arrows"] if "beyond" in arrow["marks"]]
    assert (beyond["from"], beyond["to"]) == ("plant/control", "plant/supervisory")
    assert beyond["permitted"][0].startswith("ssh")
    assert beyond["firewalls"] == ["fw1"]
    assert found["drawn_from"]["fw1"] != clean["drawn_from"]["fw1"]
    assert 'class="arrow any beyond' in read(applied.folder / "plant.svg")


def test_a_firewall_that_gives_no_answer_is_said(
    applied: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(applied.folder)
    applied.fleet["fw1"].stop()
    done = applied("graph", "--live", "-o", "plant.svg", "--json")
    assert done.code == 1
    assert done.json["failed"][0]["name"] == "fw1"
    assert done.json["firewalls"][0]["marks"] == ["not read"]
    assert ">not read<" in read(applied.folder / "plant.svg")


def test_one_conduit_is_brought_out(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(plant.folder)
    (arrow, *_) = drawn(plant)["arrows"]
    found = drawn(plant, "--conduit", arrow["conduits"][0])["emphasis"]
    assert set(found) == {
        arrow["from"],
        arrow["to"],
        *arrow["firewalls"],
        f"{arrow['from']} → {arrow['to']}",
    }
    assert drawn(plant, "--from", "supervisory", "--to", "control")["emphasis"]
    assert "fw1" in drawn(plant, "--firewall", "fw1")["emphasis"]


def test_positions_are_kept(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(plant.folder)
    before = drawn(plant, "--positions", "positions.yml")
    kept = read(plant.folder / "positions.yml")
    assert drawn(plant, "--positions", "positions.yml") == before
    assert read(plant.folder / "positions.yml") == kept
    edited = re.sub(r'("plant/control"): \d+', r"\1: 5", kept)
    (plant.folder / "positions.yml").write_text(edited, encoding="utf-8")
    after = drawn(plant, "--positions", "positions.yml")
    places = [{box["key"]: box["x"] for box in one["boxes"]} for one in (before, after)]
    assert places[1]["plant/control"] > places[0]["plant/control"]
    del places[0]["plant/control"], places[1]["plant/control"]
    assert places[0] == places[1]
    for wrong in ("boxes: {a: b}", "boxes: [1]", "walls: {fw1: 3}", "other: 1", "boxes: {a: -1}"):
        (plant.folder / "positions.yml").write_text(wrong, encoding="utf-8")
        said = refused(plant, "graph", "-o", "x.svg", "--positions", "positions.yml")
        assert "positions.yml:1:1" in said


def test_a_drawing_is_stale_once_the_inventory_says_more(
    applied: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(applied.folder)
    drawn(applied)
    fresh = applied("drift", "--drawing", "plant.svg", "--json")
    assert (fresh.code, fresh.json["drawings"]) == (0, [{"file": "plant.svg", "stale": False}])
    jsonschema.validate(fresh.json, applied("schema", "drift").json)
    applied.edit("group_vars/plant.yml", "owner: automation", "owner: process-control")
    stale = applied("drift", "--drawing", "plant.svg", "--json")
    assert stale.json["drawings"] == [{"file": "plant.svg", "stale": True}]
    assert "plant.svg was drawn from another inventory" in stale.err


def test_a_drawing_is_stale_once_a_firewall_holds_something_else(
    applied: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(applied.folder)
    assert applied("graph", "--live", "-o", "plant.svg").code == 0
    assert applied("matrix", "-o", "table.html").code == 0
    both = ("--drawing", "plant.svg", "--drawing", "table.html")
    fresh = applied("drift", *both, "--json")
    assert [one["stale"] for one in fresh.json["drawings"]] == [False, False]
    assert applied("snapshot", "-o", "kept").code == 0
    kept = applied("drift", *both, "--offline", "kept", "--json")
    assert [one["untold"] for one in kept.json["drawings"]] == [["fw1", "fw2"]] * 2
    part = applied("drift", *both, "-l", "fw1", "--json")
    assert part.json["drawings"][0] == {"file": "plant.svg", "stale": False, "untold": ["fw2"]}
    applied.fleet["fw2"].edit("set", RULES, THEIRS, commit=True)
    stale = applied("drift", *both, "--json")
    jsonschema.validate(stale.json, applied("schema", "drift").json)
    assert stale.json["drawings"] == [
        {"file": name, "stale": True, "changed": ["fw2"]} for name in ("plant.svg", "table.html")
    ]
    assert "plant.svg was drawn before something changed on fw2" in " ".join(stale.err.split())
    assert applied("graph", "--offline", "kept", "-o", "kept.svg").code == 0
    same = applied("drift", "--drawing", "kept.svg", "--offline", "kept", "--json")
    assert same.json["drawings"] == [{"file": "kept.svg", "stale": False}]


def test_what_is_no_drawing_of_ours_is_not_held_against_anything(applied: Plant) -> None:
    (applied.folder / "other.svg").write_text("<svg/>", encoding="utf-8")
    assert "does not say" in refused(applied, "drift", "--drawing", "other.svg")
    assert "No such file" in refused(applied, "drift", "--drawing", "gone.svg")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["graph", "-o", "plant.png"], ".drawio"),
        (["graph", "-o", "absent/plant.svg"], "there is no folder absent"),
        (["graph", "-o", "p.svg", "--fold", "colour"], "choose none, kind, level, site"),
        (["graph", "-o", "p.svg", "--site", "elsewhere"], "the inventory has plant"),
        (["graph", "-o", "p.svg", "--conduit", "polling2"], "there is no such conduit"),
        (["graph", "-o", "p.svg", "--firewall", "fw9"], "there is no such firewall"),
        (["graph", "-o", "p.svg", "--from", "contrl"], "there is no such zone"),
        (["graph", "-o", "p.svg", "--from", "control", "--to", "control"], "nothing to bring out"),
        (["matrix", "--declared", "-o", "m.png"], ".svg or .html"),
        (["list", "conduit"], "choose zones, assets, conduits"),
        (["list", "zones", "--due", "30d"], "conduits and flows"),
        (["list", "conduits", "--due", "soon"], "not a duration"),
        (["list", "conduits", "--csv", "--json"], "exclude each other"),
    ],
)
def test_what_cannot_be_drawn_or_listed(
    plant: Plant, words: list[str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(plant.folder)
    before = set(plant.folder.iterdir())
    done = plant(*words)
    assert done.code == 1
    assert told in " ".join((done.err + done.out).split())
    assert set(plant.folder.iterdir()) == before


def test_the_table_as_a_picture(applied: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(applied.folder)
    with applied.untouched():
        assert applied("matrix", "-o", "table.svg").code in {0, 1}
        assert applied("matrix", "-o", "table.html").code in {0, 1}
    root = ET.fromstring(read(applied.folder / "table.svg"))
    titles = [one.text or "" for one in root.iter() if one.tag.endswith("title")]
    (told,) = [one for one in titles if one.startswith("plant/supervisory to plant/control")]
    assert "declared read; live read" in told
    assert "plant.polling" in told
    page = read(applied.folder / "table.html")
    assert "<script" not in page
    assert "plant.polling" in page


def listed(plant: Plant, kind: str, *words: str) -> list[dict[str, str]]:
    done = plant("list", kind, *words, "--json")
    assert done.code == 0, done.err
    jsonschema.validate(done.json, plant("schema", "list").json)
    rows: list[dict[str, str]] = done.json["rows"]
    assert all(set(row) == set(done.json["columns"]) for row in rows)
    table = list(csv.DictReader(io.StringIO(plant("list", kind, *words, "--csv").out)))
    assert len(table) == len(rows)
    text = plant("list", kind, *words).out
    assert all(row[done.json["columns"][0]] in text for row in rows)
    return rows


def test_the_register(plant: Plant) -> None:
    zones = {row["zone"]: row for row in listed(plant, "zones")}
    assert zones["plant/control"]["firewalls"] == "fw1"
    assert listed(plant, "assets")
    (polling,) = [row for row in listed(plant, "conduits") if row["conduit"] == "plant/polling"]
    assert (polling["from"], polling["to"]) == ("plant/supervisory", "plant/control")
    assert polling["permitted"].startswith("modbus: read")
    assert polling["declared"].endswith(".yml:" + polling["declared"].split(":", 1)[1])
    assert any(row["flow"].startswith("plant/polling.") for row in listed(plant, "flows"))
    assert [row["firewall"] for row in listed(plant, "firewalls")]
    assert {row["firewall"] for row in listed(plant, "rules")} >= {"fw1"}
    assert {row["owner"] for row in listed(plant, "conduits", "--owner", "automation")} <= {
        "automation"
    }
    assert not listed(plant, "conduits", "--owner", "nobody")


def test_what_is_due(plant: Plant) -> None:
    assert not listed(plant, "conduits", "--due", "30d")
    plant.edit(
        "group_vars/plant.yml", "owner: automation", "owner: automation\n    review_by: 2020-01-01"
    )
    (due,) = listed(plant, "conduits", "--due", "30d")
    assert due["review_by"] == "2020-01-01"


@pytest.mark.parametrize(("name", "conduit"), [("waterworks", ""), ("path", "scada-polls-dosing")])
def test_drawings_of_the_documentation_are_those_of_the_example(name: str, conduit: str) -> None:
    common = CommonOptions(inventory=(ROOT / "inventory" / "01-waterworks.yml",))
    made = graph(common, GraphOptions(site="waterworks", conduit=conduit), Messages()).text
    again = "segctl graph -i inventory/01-waterworks.yml --site waterworks"
    chosen = f" --conduit {conduit}" if conduit else ""
    place = f"docs/drawings/{name}.svg"
    assert made == read(ROOT / place), f"draw it again: {again}{chosen} -o {place}"


def test_the_drawing_of_the_quick_start_is_of_its_plant(tmp_path: Path) -> None:
    written = dict(blocks(read(ROOT / "docs/quickstart.md")))
    hosts = tmp_path / "hosts.yml"
    mended = str(written["plant/hosts.yml"]).replace("to: plc\n", "to: plcs\n")
    hosts.write_text(mended, encoding="utf-8")
    made = graph(CommonOptions(inventory=(hosts,)), GraphOptions(), Messages()).text
    assert made == read(ROOT / "docs/drawings/mill.svg"), f"draw {hosts} again"
