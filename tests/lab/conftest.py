from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.lab import Lab, refused

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A plant of namespaces of its own for every test module."""
    reason = refused()
    if reason:
        pytest.skip(reason)
    made = Lab(folder=Path(tmp_path_factory.mktemp("lab")))
    try:
        made.start()
        yield made
    finally:
        made.stop()
