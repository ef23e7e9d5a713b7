"""Islands in tables and drawings: what is one, until when, by whom, from what it is cut, where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from cli.test_island import DECLARED, EXPORT, begin, declare
from support.served import serving

if TYPE_CHECKING:
    from cli_support import Plant

SAID = "plant.supervisory is an island until "


@pytest.fixture
def island(plant: Plant) -> Plant:
    """The plant, with the supervisory zone an island."""
    declare(plant, DECLARED + EXPORT)
    assert plant("apply", "--auto-approve").code == 0
    begin(plant, "supervisory")
    return plant


def matrix(plant: Plant, *words: str) -> Any:
    done = plant("matrix", "--json", *words)
    jsonschema.validate(done.json, plant("schema", "matrix").json)
    return done.json


def cells(document: Any) -> dict[tuple[str, str], Any]:
    return {
        tuple(cell[end].partition("/")[2] for end in ("from_zone", "to_zone")): cell["islands"]
        for cell in document["cells"]
        if cell["islands"]
    }


def test_the_table_says_what_is_cut_from_what(island: Plant) -> None:
    document = matrix(island, "--live")
    (one,) = document["islands"]
    assert one["said"].startswith(SAID)
    assert "ransom note" in one["said"]
    assert (one["zones"], one["cut_from"]) == (["plant/supervisory"], ["plant/dmz"])
    assert one["firewalls"] == ["fw1", "fw2"]
    assert one["lacking"] == []
    found = cells(document)
    assert {ends: [each["end"] for each in held] for ends, held in found.items()} == {
        ("supervisory", "dmz"): ["from"],
        ("dmz", "supervisory"): ["to"],
    }
    text = " ".join(island("matrix", "--live").out.split())
    assert f"! {SAID}" in text
    assert "cut from plant/dmz on fw1, fw2" in text
    assert "i cut off as an island, but for flows that go on" in text
    assert "=i" in text  # in the cell


def test_what_one_firewall_lost_is_said(island: Plant) -> None:
    island.fleet["fw2"].device.userid.registered.clear()
    (one,) = matrix(island)["islands"]
    assert one["firewalls"] == ["fw1"]
    assert one["lacking"] == [{"firewall": "fw2", "why": "it does not hold it"}]
    text = " ".join(island("matrix").out.split())
    assert "not everywhere: fw2: it does not hold it" in text
    (one,) = matrix(island, "-l", "fw1")["islands"]
    assert one["lacking"] == [{"firewall": "fw2", "why": "it was not read"}]


def test_drawings_say_it_in_words(island: Plant) -> None:
    for form in ("svg", "html", "mmd", "dot", "drawio"):
        path = island.folder / f"plant.{form}"
        assert island("graph", "--live", "-o", str(path)).code == 0
        text = path.read_text(encoding="utf-8")
        assert "ISLAND" in text, form
        assert SAID in text, form
    page = (island.folder / "plant.html").read_text(encoding="utf-8")
    assert f"<td>ISLAND · {SAID}" in page
    assert "cut from plant/dmz on fw1, fw2" in page
    document = island("graph", "--live", "--json", "-o", "plant.svg").json
    jsonschema.validate(document, island("schema", "graph").json)
    marks = {box["key"]: box["marks"] for box in document["boxes"]}
    assert marks["plant/supervisory"][0] == "ISLAND"
    assert marks["plant/dmz"] == []
    cut = {(one["from"], one["to"]) for one in document["arrows"] if "island" in one["marks"]}
    assert cut == {("plant/supervisory", "plant/dmz")}


def test_the_table_as_a_picture_has_it(island: Plant) -> None:
    for name in ("matrix.svg", "matrix.html"):
        path = island.folder / name
        assert island("matrix", "--live", "-o", str(path)).code == 0
        text = path.read_text(encoding="utf-8")
        assert ">Ai</text>" in text
        assert "i cut off as an island, but for flows that go on" in text
        assert SAID in text


def test_without_one_nothing_is_said(island: Plant) -> None:
    done = island("island", "end", "supervisory", "--reason", "all clear")
    assert done.code == 0, done.err
    assert matrix(island)["islands"] == []
    text = island("matrix").out
    assert "island" not in text
    assert matrix(island, "--declared")["islands"] == []


def test_the_page_of_the_plant_has_it_through_the_same_parts(island: Plant) -> None:
    done = island("site", "--live", "-o", "plant-page.html")
    assert done.code in {0, 2}, done.err
    text = (island.folder / "plant-page.html").read_text(encoding="utf-8")
    assert f"ISLAND · {SAID}" in text
    assert ">Ai</text>" in text


def test_a_list_of_what_passes_says_that_it_is_cut_off(island: Plant) -> None:
    """Rows are what passes while nobody is cut off, as `segctl check` and the firewall disagree."""
    ends = ("--from", "supervisory", "--to", "dmz")
    found = island("query", *ends, "--json").json
    jsonschema.validate(found, island("schema", "query").json)
    assert found["rows"]
    notes = [one for device in found["devices"] for one in device["findings"]]
    assert [(one["kind"], one["severity"]) for one in notes] == [("contained", "note")]
    assert notes[0]["message"].startswith(SAID)
    text = " ".join(island("query", *ends).out.split())
    assert f"note: fw2: {SAID}" in text
    assert "What follows is what firewalls permit while nobody is cut off." in text
    assert "cut off" not in island("query", *ends, "--declared").out
    with serving(island.folder, island.where, "--every", "1h") as served:
        said = served.query("answer", from_="supervisory", to="dmz").text
        assert "supervisory → dmz: while nobody is cut off, permitted" in said
        assert SAID in said
        assert SAID in served.ask("/now").text
        status = served.ask("/status.json").json
        assert {one["state"] for one in status["firewalls"]} == {"in_sync"}
        assert all(one["message"].startswith(SAID) for one in status["firewalls"])
