"""Known drift: what a baseline file accepts, and what is wrong with one."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from segctl.baseline import read_baseline
from segctl.errors import InventoryError

if TYPE_CHECKING:
    from pathlib import Path

TODAY = date(2026, 11, 22)
GOOD = "- {device: fw1, kind: rule, name: allow-mgmt, owner: ops, expires: 2026-11-22}\n"


def read(tmp_path: Path, text: str) -> tuple[tuple[str, str, str], ...]:
    path = tmp_path / "known.yml"
    path.write_text(text, encoding="utf-8")
    return read_baseline(path, TODAY)


def test_an_entry_counts_through_its_last_day(tmp_path: Path) -> None:
    assert read(tmp_path, GOOD) == (("fw1", "rule", "allow-mgmt"),)
    assert read(tmp_path, GOOD.replace("11-22", "11-21")) == ()
    assert read(tmp_path, "") == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fw1: rule\n", "not a list"),
        ("- fw1\n", "entry 1: is not a mapping"),
        (GOOD.replace("owner: ops, ", ""), "entry 1: lacks owner"),
        (GOOD.replace("2026-11-22", "soon"), "entry 1: expires is 'soon'"),
        (GOOD.replace("2026-11-22", "2026-11-22 10:00:00"), "entry 1: expires"),
        (GOOD.replace("owner", "onwer"), "entry 1"),
        (GOOD.replace("owner: ops", "owner: ops, why: x"), "does not know why"),
        (GOOD + "- {device: fw1}\n", "entry 2: lacks kind"),
        ("- {device: [\n", "known.yml"),
        ("- !!python/object:os.system {}\n", "known.yml"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InventoryError) as caught:
        read(tmp_path, text)
    assert message in str(caught.value)
    assert "known.yml" in str(caught.value)


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(InventoryError) as caught:
        read(tmp_path, "- {device: fw1}\n- x\n" + GOOD)
    assert len(caught.value.problems) == 2


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match=r"absent\.yml"):
        read_baseline(tmp_path / "absent.yml", TODAY)
    (tmp_path / "latin.yml").write_bytes(b"- \xff\n")
    with pytest.raises(InventoryError, match=r"latin\.yml"):
        read_baseline(tmp_path / "latin.yml", TODAY)
