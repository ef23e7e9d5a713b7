"""The plant on one page, as users ask for it."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from html import unescape
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from cli_support import RULES, Plant

if TYPE_CHECKING:
    from pathlib import Path

CHECKS = """\
- check: {from: scada1, to: plc1, application: modbus.read, port: 502}
  expect: allow
- check: {from: control, to: supervisory, application: ssh}
  expect: deny
"""
THEIRS = (
    "<entry name='theirs'><from><member>CTRL</member></from><to><member>SUPV</member></to>"
    "<source><member>any</member></source><destination><member>any</member></destination>"
    "<application><member>ssh</member></application><service><member>any</member></service>"
    "<action>allow</action></entry>"
)
DECLARED = (
    *("Drawing", "Matrix", "Zones", "Assets", "Conduits", "Flows", "Firewalls", "Rules"),
    "Findings",
)


def page(plant: Plant, *words: str, code: int = 0) -> tuple[str, Any]:
    with plant.untouched():
        done = plant("site", "-o", "plant.html", *words, "--json")
    assert done.code == code, (done.err, done.out[-2000:])
    jsonschema.validate(done.json, plant("schema", "site").json)
    return (plant.folder / "plant.html").read_text(encoding="utf-8"), done.json


def part(text: str, name: str) -> str:
    """Return one part of a page."""
    return text.split(f'<section id="{name}"', 1)[1].split("</section>", 1)[0]


def row(text: str, name: str) -> str:
    """Return the row with an address."""
    return text.split(f'<tr id="{name}">', 1)[1].split("</tr>", 1)[0]


def test_everything_declared_has_an_address_and_leads_on(plant: Plant) -> None:
    text, document = page(plant)
    assert tuple(document["parts"]) == DECLARED
    assert document["provenance"]["devices"] == []
    ids = [unescape(one) for one in re.findall(r'\bid="([^"]*)"', text)]
    assert len(ids) == len(set(ids)), "each address is of one thing"
    leads = [unescape(one) for one in re.findall(r'href="#([^"]*)"', text)]
    assert leads
    assert set(leads) <= set(ids), "every link leads somewhere"
    rules = plant("list", "rules", "--json").json["rows"]
    for one in rules:
        assert f"rule:{one['firewall']}/{one['rule']}" in ids
    assert {"zone:plant/control", "asset:plant/control/plc1", "firewall:fw1"} <= set(ids)
    assert "conduit:plant/polling" in ids
    drawing = part(text, "drawing")
    assert '<a href="#zone:plant/control">' in drawing
    assert '<a href="#firewall:fw1">' in drawing
    pair = row(text, "pair:plant/supervisory%20plant/control")
    assert 'href="#conduit:plant/polling"' in pair
    assert 'href="#conduit:plant/polling"' in part(text, "rules")


def test_the_page_loads_nothing_and_heeds_only_its_own_script(plant: Plant) -> None:
    text, _ = page(plant)
    assert "://" not in text.replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"\b(src|action|formaction|srcset|data)=", text)
    assert not re.search(r"\bon[a-z]+=|style=\"", text), "nothing that the policy would stop"
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy
    directives = dict(one.split(" ", 1) for one in policy[1].split("; "))
    assert directives["default-src"] == "'none'"
    for tag in ("style", "script"):
        found = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        hashes = {f"'sha256-{b64encode(sha256(one.encode()).digest()).decode()}'" for one in found}
        assert hashes == set(directives[f"{tag}-src"].split()), tag


def test_what_firewalls_do_besides_is_shown_with_what_was_read(applied: Plant) -> None:
    clean, document = page(applied, "--live")
    assert document["parts"][-1] == "Drift"
    assert document["provenance"]["devices"] == ["fw1", "fw2"]
    assert "0 drifted, 2 in sync" in part(clean, "drift")
    assert len(set(re.findall(r"read of fw\d <code>(sha256:[0-9a-f]{64})</code>", clean))) == 2
    applied.fleet["fw1"].edit("set", RULES, THEIRS)
    applied.fleet["fw1"].edit("move", f"{RULES}/entry[@name='theirs']", where="top", commit=True)
    text, _ = page(applied, "--live")
    assert "beyond" in row(text, "pair:plant/control%20plant/supervisory")
    assert "theirs" in row(text, "pair:plant/control%20plant/supervisory")
    assert "1 drifted, 1 in sync" in part(text, "drift")
    assert "ssh" in part(text, "drawing")


def test_a_firewall_that_does_not_answer_is_said(applied: Plant) -> None:
    applied.fleet["fw2"].stop()
    text, document = page(applied, "--live", code=1)
    assert [one["name"] for one in document["failed"]] == ["fw2"]
    assert document["error"]["code"] == "cannot_tell"
    assert "not read" in part(text, "drawing")
    assert "could not be checked" in part(text, "drift")


def test_each_firewall_is_read_once_for_all_parts(applied: Plant) -> None:
    """What the parts of a page say of a firewall is of one moment."""
    (applied.folder / "checks.yml").write_text(CHECKS, encoding="utf-8")
    mocks = applied.fleet.mocks

    def asked(*words: str) -> dict[str, int]:
        before = {name: len(mock.requests) for name, mock in mocks.items()}
        assert applied(*words).code == 0
        return {name: len(mock.requests) - before[name] for name, mock in mocks.items()}

    once = asked("matrix", "--live")
    assert all(once.values())
    assert asked("site", "-o", "plant.html", "--live", "--checks", "checks.yml") == once


def test_what_was_read_is_named_by_what_the_firewall_answered(applied: Plant) -> None:
    text, _ = page(applied, "--live")
    devices = applied("matrix", "--live", "--json").json["devices"]
    assert [one["name"] for one in devices] == ["fw1", "fw2"]
    for one in devices:
        assert f"read of {one['name']} <code>{one['digest']}</code>" in text


def test_a_firewall_that_stops_answering_meanwhile_is_not_half_shown(applied: Plant) -> None:
    """What was read of it until then is in no part."""
    mock = applied.fleet["fw2"]
    before = len(mock.requests)
    assert applied("matrix", "--live").code == 0
    mock.fail("status", code=503, skip=len(mock.requests) - before - 1, times=1000)
    text, document = page(applied, "--live", code=1)
    assert [one["name"] for one in document["failed"]] == ["fw2"]
    assert "503" in document["error"]["message"]
    assert document["provenance"]["devices"] == ["fw1"]
    assert "not read" in part(text, "drawing")
    assert "1 could not be checked" in part(text, "drift")


def test_snapshots_tell_what_was_held_without_any_device(applied: Plant) -> None:
    assert applied("snapshot", "-o", "kept").code == 0
    before = {name: len(mock.requests) for name, mock in applied.fleet.mocks.items()}
    text, document = page(applied, "--offline", "kept")
    assert document["parts"][-1] == "Drift"
    assert "2 in sync" in part(text, "drift")
    assert {name: len(mock.requests) for name, mock in applied.fleet.mocks.items()} == before


def test_what_was_found_out_is_on_the_page_where_it_is_given(
    applied: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGCTL_HISTORY", str(applied.folder / "history.db"))
    (applied.folder / "checks.yml").write_text(CHECKS, encoding="utf-8")
    applied.fleet["fw1"].edit("set", RULES, THEIRS, commit=True)
    assert applied("plan", "-o", "plan.json").code == 0
    assert applied("drift").code == 2
    assert applied("evidence", "-o", "proof").code == 0
    words = ("--plan", "plan.json", "--checks", "checks.yml", "--evidence", "proof")
    text, document = page(applied, *words, "--history", str(applied.folder / "history.db"))
    assert document["parts"][-4:] == ["Plan", "Checks", "History", "Evidence"]
    assert "2 as expected" in part(text, "checks")
    assert "theirs" in part(text, "history")
    assert "open" in part(text, "history")
    assert "SL-T" in part(text, "evidence")
    ids = re.findall(r'\bid="([^"]*)"', text)
    assert len(ids) == len(set(ids)), "reports do not share their addresses"


def test_a_history_that_is_not_there_is_not_an_empty_one(applied: Plant) -> None:
    """A mistyped path would say that nothing has ever drifted, and leave a database behind."""
    path = applied.folder / "elsewhere" / "histroy.db"
    for address in (str(path), f"sqlite:///{path}"):
        done = applied("site", "-o", "plant.html", "--history", address)
        assert done.code == 1
        assert f"there is no {path}" in " ".join(done.err.split())
    assert not path.parent.exists()
    assert not (applied.folder / "plant.html").exists()


def test_evidence_that_somebody_edited_is_refused(applied: Plant) -> None:
    assert applied("evidence", "-o", "proof").code == 0
    file = applied.folder / "proof/evidence.json"
    file.write_text(file.read_text(encoding="utf-8").replace("not_satisfied", "satisfied"))
    done = applied("site", "-o", "plant.html", "--evidence", "proof")
    assert done.code == 1
    assert "not as it was written" in done.err
    assert not (applied.folder / "plant.html").exists()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("-o", "plant.svg"), ".html"),
        (("-o", "plant.html", "--live", "--offline", "kept"), "--offline"),
        (("-o", "plant.html", "--site", "nowhere"), "the inventory has plant"),
        (("-o", "nowhere/plant.html"), "nowhere"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_one_line(
    plant: Plant, words: tuple[str, ...], why: str
) -> None:
    with plant.untouched():
        done = plant("site", *words)
    assert done.code == 1
    assert why in done.err
    assert "defect" not in done.err
    assert not list(plant.folder.glob("*.html"))


def test_a_name_that_would_be_html_is_text(plant: Plant) -> None:
    file = next(plant.folder.rglob("conduits*.yml"), None) or _holder(plant.folder)
    text = file.read_text(encoding="utf-8")
    assert "owner: " in text
    hostile = "</style><script>alert(1)</script>"
    file.write_text(re.sub(r"owner: [^,}\n]+", f'owner: "{hostile}"', text), encoding="utf-8")
    shown, _ = page(plant)
    assert hostile not in shown
    assert "&lt;/style&gt;&lt;script&gt;alert(1)" in shown


def _holder(folder: Path) -> Path:
    return next(one for one in folder.rglob("*.yml") if "owner: " in one.read_text())
