"""Evidence of live firewalls: what is satisfied, and that one change of the device ends it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from support.evidence import shown

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from cli_support import Plant


@pytest.fixture
def well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Generator[Plant]:
    """A plant whose firewall shows much."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")
    yield from shown(tmp_path, capsys)


def taken(plant: Plant, *words: str, out: str = "evidence", code: int = 0) -> Any:
    """The document of evidence that was taken."""
    with plant.untouched():
        done = plant("evidence", "-o", out, *words, "--json")
    assert done.code == code, (done.err, done.out)
    jsonschema.validate(done.json, plant("schema", "evidence").json)
    return done.json


def states(document: Any) -> dict[tuple[str, str], tuple[str, str]]:
    """State and reason by zone and requirement."""
    return {
        (zone["zone"], one["sr"]): (one["state"], one["why"])
        for zone in document["zones"]
        for one in zone["findings"]
    }


def test_print(well: Plant) -> None:
    for key, value in states(taken(well)).items():
        if not value[1].startswith(("firewalls cannot", "this release", "asked for")):
            print(key, value)
    raise SystemExit
