"""The README shows what a newcomer really sees."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from segctl.cli import run
from segctl.inventory import load
from segctl.operations.demo import fleet

if TYPE_CHECKING:
    import pytest

TOP = Path(__file__).parents[2]
PLANT = TOP / "inventory" / "01-waterworks.yml"


def test_the_first_plan_is_what_the_readme_shows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    readme = (TOP / "README.md").read_text(encoding="utf-8")
    today = datetime.now(UTC).date()
    with fleet(load([PLANT], today=today), today, overlay=tmp_path / "mocks.yml") as running:
        where = ["-i", str(PLANT), "-i", str(running.overlay)]
        assert run(["plan", *where, "-l", "edge-fw", "--brief"]) == 0
    shown = capsys.readouterr().out.strip()
    assert len(shown.splitlines()) > 5
    assert shown in readme


def test_every_document_the_readme_names_is_there() -> None:
    for page in [TOP / "README.md", *sorted((TOP / "docs").glob("*.md"))]:
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.name} → {link}"
