"""What holds for every test: no cache of the user's is read or written."""

from __future__ import annotations

from uuid import uuid4

import pytest


@pytest.fixture(autouse=True)
def _no_cache_of_the_user(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "caches" / uuid4().hex  # made when it is needed
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
