"""What holds for every test: nothing that the user keeps is read or written."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _no_cache_of_the_user(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "caches" / uuid4().hex  # made when it is needed
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))


@pytest.fixture(autouse=True)
def state_home(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state folder of this test alone, with the history of drift, made when it is needed."""
    home = tmp_path_factory.getbasetemp() / "states" / uuid4().hex
    monkeypatch.setenv("XDG_STATE_HOME", str(home))
    for name in ("HISTORY", "WEBHOOK", "PUSHGATEWAY"):
        monkeypatch.delenv(f"SEGCTL_{name}", raising=False)
        monkeypatch.delenv(f"SEGCTL_{name}_FILE", raising=False)
    return home
