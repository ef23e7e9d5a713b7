from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cli_support import Plant, serve, write_plant
from support.playbooks import Playbooks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def playbooks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Playbooks]:
    write_plant(tmp_path)
    monkeypatch.chdir(tmp_path)
    with serve(tmp_path) as fleet:
        yield Playbooks(Plant(tmp_path, fleet, capsys))
