"""Known drift: what a baseline file accepts, and what is wrong with one."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import pytest

from segctl.drift.acceptance import Accepted, AcceptedItem, judge
from segctl.drift.baseline import baseline_text, read_baseline
from segctl.drift.items import DriftItem
from segctl.drift.report import DeviceDrift, DriftReport, Unchecked
from segctl.model.errors import InventoryError

if TYPE_CHECKING:
    from pathlib import Path

TODAY = date(2026, 11, 22)
GOOD = "- {device: fw1, kind: rule, name: allow-mgmt, owner: ops, expires: 2026-11-22}\n"
MARK = "sha256:0123456789abcdef"
ITEM = DriftItem(
    kind="rule",
    name="allow-mgmt",
    states=("hole",),
    fingerprint=MARK,
    names=("allow-mgmt",),
)


def read(tmp_path: Path, text: str) -> tuple[Accepted, ...]:
    path = tmp_path / "known.yml"
    path.write_text(text, encoding="utf-8")
    return read_baseline(path)


def accepted(tmp_path: Path, text: str, today: date = TODAY) -> bool:
    return bool(judge("fw1", [ITEM], read(tmp_path, text), today).accepted)


def test_an_entry_counts_through_its_last_day(tmp_path: Path) -> None:
    assert accepted(tmp_path, GOOD)
    assert not accepted(tmp_path, GOOD.replace("11-22", "11-21"))
    assert not accepted(tmp_path, "")
    (entry,) = read(tmp_path, "\n" + GOOD)
    assert (entry.file, entry.line, entry.column) == (str(tmp_path / "known.yml"), 2, 3)


def test_an_entry_with_a_fingerprint_accepts_only_what_was_seen(tmp_path: Path) -> None:
    marked = GOOD.replace("owner", f"fingerprint: '{MARK}', owner")
    assert accepted(tmp_path, marked)
    other = marked.replace("0123", "ffff")
    judged = judge("fw1", [ITEM], read(tmp_path, other), TODAY)
    assert judged.counted == (ITEM,)
    assert "differs from what ops accepted" in judged.findings[0].message


def test_one_of_several_entries_is_enough(tmp_path: Path) -> None:
    judged = judge("fw1", [ITEM], read(tmp_path, GOOD.replace("11-22", "01-01") + GOOD), TODAY)
    assert judged.counted == ()
    assert judged.findings == ()


def test_entries_of_other_devices_say_nothing(tmp_path: Path) -> None:
    judged = judge("fw2", [ITEM], read(tmp_path, GOOD), TODAY)
    assert judged.counted == (ITEM,)
    assert judged.findings == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fw1: rule\n", "known.yml:1:1: must be a list"),
        ("- fw1\n", "known.yml:1:3: must be a mapping"),
        (GOOD.replace("owner: ops, ", ""), "known.yml:1:3: lacks owner"),
        (GOOD.replace("2026-11-22", "soon"), "known.yml:1:59: expires must be a date"),
        (GOOD.replace("2026-11-22", "2026-11-22 10:00:00"), "known.yml:1:59: expires"),
        (GOOD.replace("owner", "onwer"), "unknown key 'onwer'"),
        (GOOD.replace("owner: ops", "owner: ops, why: x"), "unknown key 'why'"),
        (GOOD.replace("owner: ops", "owner: [ops]"), "owner must be text"),
        (GOOD.replace("owner", "fingerprint: abc, owner"), "fingerprint must be like sha256:"),
        (GOOD + "- {device: fw1}\n", "known.yml:2:3: lacks kind"),
        (GOOD.replace("owner", "name: x, owner"), "duplicate key 'name'"),
        ("- {device: [\n", "known.yml:2:1: not valid YAML"),
        ("- !!python/object:os.system {}\n", "the tag"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InventoryError) as caught:
        read(tmp_path, text)
    assert message in str(caught.value)
    assert "known.yml:" in str(caught.value)


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(InventoryError) as caught:
        read(tmp_path, "- {device: fw1}\n- x\n" + GOOD)
    assert len(caught.value.problems) == 2


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match=r"absent\.yml"):
        read_baseline(tmp_path / "absent.yml")
    (tmp_path / "latin.yml").write_bytes(b"- \xff\n")
    with pytest.raises(InventoryError, match=r"latin\.yml"):
        read_baseline(tmp_path / "latin.yml")


def test_what_is_written_reads_back_whatever_things_are_called(tmp_path: Path) -> None:
    names = ['a "b"', "yes", "010", "a: b # c", "[x]", "new\nline", "é → ü", "'"]
    known = Accepted(
        device="fw2",
        kind="rule",
        name="old",
        owner="it",
        expires=date(2026, 12, 1),
        reason="CHG: 1",
    )
    report = DriftReport(
        devices=(
            DeviceDrift(name="fw1", items=tuple(replace(ITEM, name=name) for name in names)),
            DeviceDrift(
                name="fw2", accepted=(AcceptedItem(item=replace(ITEM, name="old"), by=known),)
            ),
            Unchecked(name="fw3", code="auth", message="no"),
        )
    )
    old, *new = read(tmp_path, baseline_text(report, "o: x", TODAY))
    assert [entry.name for entry in new] == names
    assert {(e.device, e.owner, e.expires, e.fingerprint) for e in new} == {
        ("fw1", "o: x", TODAY, MARK)
    }
    assert (old.device, old.owner, old.expires, old.reason) == (
        "fw2",
        "it",
        date(2026, 12, 1),
        "CHG: 1",
    )
    assert read(tmp_path, baseline_text(DriftReport(devices=()), "x", TODAY)) == ()
