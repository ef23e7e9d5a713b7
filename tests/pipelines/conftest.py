from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from cli_support import PASSWORD, Plant, serve
from segctl.cli import run
from support.forge import serve_forge
from support.pipeline import Pipeline, write_repository

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["github", "gitlab"])
def pipeline(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Pipeline]:
    """A provisioned plant and its repository on a forge."""
    kind: Any = request.param
    for program in ("git", *(("gh",) if kind == "github" else ("curl", "jq"))):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed here")
    for name in ("mocks", "clone", "forge", "job"):
        (tmp_path / name).mkdir()
    clone = tmp_path / "clone"
    monkeypatch.chdir(clone)
    monkeypatch.setenv("SEGCTL_PASSWORD", PASSWORD)
    with serve(tmp_path / "mocks") as fleet, serve_forge(tmp_path / "forge") as forge:
        write_repository(clone, tmp_path / "firewalls.git", tmp_path / "mocks/mocks.yml")
        assert run(["apply", "--auto-approve"]) == 0
        plant = Plant(tmp_path / "mocks", fleet, capsys)
        yield Pipeline(
            kind, plant, forge, tmp_path / "firewalls.git", clone, tmp_path / "job/workspace"
        )
