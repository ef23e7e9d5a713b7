from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from segctl_mocks import PanosMock

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def mock() -> Iterator[PanosMock]:
    """A firewall fresh from the factory."""
    with PanosMock("fw1", job_seconds=0.0) as made:
        yield made
