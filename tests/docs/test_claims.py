"""Pages that name tests as evidence name tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_TEST = re.compile(r"`(tests/[0-9A-Za-z_/]+\.py)`")


@pytest.mark.parametrize("page", ["security.md", "crash-matrix.md"])
def test_the_tests_that_a_page_names_are_there(page: str) -> None:
    named = _TEST.findall((ROOT / "docs" / page).read_text(encoding="utf-8"))
    assert len(named) > 10
    missing = [name for name in named if "def test_" not in _text(ROOT / name)]
    assert not missing


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def test_every_threat_but_one_has_a_test() -> None:
    text = (ROOT / "docs/security.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and line.count("|") == 5]
    table = [row for row in rows if "what can reach" not in row and "who or what" not in row]
    without = [row for row in table if not _TEST.search(row)]
    assert len(table) > 10
    assert [row.split("|")[1].strip() for row in without] == ["whoever holds the write account"]
