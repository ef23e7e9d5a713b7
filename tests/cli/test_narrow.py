"""``segctl usage --narrow``: what nobody used goes, where it is certain and replay agrees."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from cli_support import POLL
from segctl.observe.narrowing import Cut, Narrowed, Narrowing
from segctl.operations.loading import load_inventory
from segctl.operations.narrow import proven, recorded
from segctl.operations.options import CommonOptions
from segctl.operations.progress import Messages
from segctl.operations.usage import UsageOptions
from segctl.planning.documents import schema
from support.records import RECORDS, logged
from support.witnessed import give, session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli_support import Plant

HOUR = 3600
DAYS = 400
FILE = "group_vars/plant.yml"


@lru_cache
def hourly(days: int = DAYS) -> str:
    """Return a session an hour, to the present."""
    line = logged(time="{when}", seqno="{seqno}")
    now = time.time()

    def lines() -> Iterator[str]:
        for hour in range(days * 24):
            when = datetime.fromtimestamp(now - 120 - hour * HOUR, UTC)
            text = line.replace("{when}", f"{when:%Y/%m/%d %H:%M:%S}")
            yield text.replace("{seqno}", str(10_000_000 + hour))

    return "".join(lines())


@pytest.fixture
def wide(plant: Plant) -> Plant:
    """The plant, which permits more than is used; its firewalls have seen what is of late."""
    plant.edit(FILE, "source: [scada1]", "source: [scada1, historian1]  # who polls")
    plant.edit(
        FILE,
        "        protocols: {modbus: [read]}",
        "        protocols: {modbus: [read], s7comm: [read]}",
    )
    give(plant)
    return plant


def narrowed(plant: Plant, text: str, *words: str, code: int = 0) -> Any:
    (plant.folder / "fw.log").write_text(text)
    with plant.untouched():
        done = plant("usage", "--narrow", "fw.log", *words, "--json")
    assert done.code == code, (done.out, done.err)
    jsonschema.validate(done.json, schema("usage"))
    return done.json["narrow"]


def why(document: Any, conduit: str = "plant/polling") -> str:
    (found,) = (one["why"] for one in document["left"] if one["conduit"] == conduit)
    return str(found)


def cuts(document: Any) -> list[tuple[str, str]]:
    return [(cut["kind"], cut["entry"]) for one in document["narrowed"] for cut in one["taken_out"]]


def test_what_nobody_used_is_taken_out_and_nothing_else(wide: Plant) -> None:
    before = (wide.folder / FILE).read_text()
    document = narrowed(wide, hourly(), "-o", "narrower")
    assert cuts(document) == [
        ("source", "historian1"),
        ("destination", "plc2"),
        ("protocols", "s7comm"),
    ]
    assert "essential" in why(document, "plant/replication")
    assert document["replayed"] == 1
    after = (wide.folder / "narrower" / FILE).read_text()
    day = (date.today() + timedelta(days=90)).isoformat()  # noqa: DTZ011 - as the plant's clock
    for old, new in (
        ("source: [scada1, historian1]  # who polls", "source: [scada1]  # who polls"),
        ("destination: [plc1, plc2]", "destination: [plc1]"),
        ("protocols: {modbus: [read], s7comm: [read]}", "protocols: {modbus: [read]}"),
        ("    owner: automation\n", f"    owner: automation\n    review_by: {day}\n"),
    ):
        before = before.replace(old, new)
    assert after == before
    assert document["diff"].count("\n+ ") == 4
    (wide.folder / FILE).write_text(after)
    assert wide("validate").code == 0


@pytest.mark.parametrize(
    ("days", "tail", "said"),
    [
        (300, "", "fw1: its records begin on 20"),
        (DAYS, "not a record\n", "fw.log: 1 lines could not be read"),
    ],
)
def test_records_with_a_hole_show_nothing(wide: Plant, days: int, tail: str, said: str) -> None:
    document = narrowed(wide, hourly(days) + tail, "-o", "narrower")
    assert said in why(document)
    assert (document["files"], document["diff"]) == ({}, "")
    assert not (wide.folder / "narrower").exists()


def test_a_session_that_is_still_open_counts(wide: Plant) -> None:
    give(wide, session(7, 3 * 365 * 86400, source="10.20.2.20", xsource="10.20.2.20"))
    assert ("source", "historian1") not in cuts(narrowed(wide, hourly()))


def test_a_window_that_is_too_short_is_refused(wide: Plant) -> None:
    (wide.folder / "fw.log").write_text(hourly(1))
    done = wide("usage", "--narrow", "--since", "90d", "fw.log")
    assert done.code == 1
    assert "--narrow looks at 396 days at least" in done.err
    assert "name files or folders" in wide("usage", "--narrow").err
    assert "give --narrow too" in wide("usage", "-o", "somewhere").err


def test_replay_takes_back_what_would_cut_what_was_seen(wide: Plant) -> None:
    (wide.folder / "fw.log").write_text(hourly(2))
    common = CommonOptions(inventory=(Path("hosts.yml"), Path("mocks.yml")))
    loaded = load_inventory(common)
    options = UsageOptions(now=time.time(), files=("fw.log",))
    records = recorded(common, options, loaded, Messages())
    for text, kept in (("scada1", 0), ("historian1", 1)):
        cut = Cut(kind="source", text=text)
        one = Narrowed(conduit="plant/polling", flow="modbus", cuts=(cut,))
        found, flows = proven(loaded.site, records, Narrowing(narrowed=(one,)), date(2027, 1, 1))
        assert (len(found.narrowed), flows) == (kept, 1)
        assert [left.why[:20] for left in found.left] == ["replay does not show"] * (1 - kept)


def test_a_rule_that_only_attacks_used_is_called_so(wide: Plant) -> None:
    assert wide("apply", "--auto-approve").code == 0
    for mock in wide.fleet.mocks.values():
        mock.device.booted -= 2 * 365 * 86400
    wide.fleet["fw1"].set_hits(POLL, 240)
    threat = (RECORDS / "panos-threat.log").read_text().splitlines()[0]
    day = f"{datetime.now(UTC) - timedelta(days=2):%Y-%m-%d}"
    threat = threat.replace("0123TEST01", "007000000001").replace("2026-11-02", day)
    threat = threat.replace("2026/11/02", day.replace("-", "/"))
    threats = "".join(threat.replace("4001", str(5000 + one)) + "\n" for one in range(240))
    for text, used in ((hourly(10), "used"), (hourly(10) + threats, "only_attacks")):
        (wide.folder / "fw.log").write_text(text)
        with wide.untouched():
            done = wide("usage", "--since", "10d", "fw.log", "--json")
        jsonschema.validate(done.json, schema("usage"))
        (found,) = (
            one for device in done.json["devices"] for one in device["rules"] if one["rule"] == POLL
        )
        assert found["usage"] == used
    assert done.json["summary"]["only_attacks"] == 1
    assert "only by attacks" in wide("usage", "--since", "10d", "fw.log").out


def test_a_decision_to_narrow_is_on_record_with_what_it_takes_out(wide: Plant) -> None:
    (wide.folder / "fw.log").write_text(hourly())
    words = ("polling", "--narrow", "--records", "fw.log", "--by", "Ann", "--reason", "not used")
    with wide.untouched():
        done = wide("review", *words, "-o", "new", "--json")
    assert done.code == 0, (done.out, done.err)
    jsonschema.validate(done.json, schema("reviews"))
    after = (wide.folder / "new" / FILE).read_text()
    assert "source: [scada1]  # who polls" in after
    assert "      decision: narrow\n      reason: not used\n" in after
    assert "review_by: 20" in after
    (wide.folder / FILE).write_text(after)
    done = wide("review", *words)
    assert done.code == 1
    assert "is not narrowed" in done.err
