from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

_numbers = count()


@pytest.fixture(scope="session")
def states(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("states")


@pytest.fixture(autouse=True)
def state_home(states: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state folder of this test alone, which is made when something is kept there."""
    home = states / str(next(_numbers))
    monkeypatch.setenv("XDG_STATE_HOME", str(home))
    for name in ("HISTORY", "WEBHOOK", "PUSHGATEWAY"):
        monkeypatch.delenv(f"SEGCTL_{name}", raising=False)
        monkeypatch.delenv(f"SEGCTL_{name}_FILE", raising=False)
    return home
