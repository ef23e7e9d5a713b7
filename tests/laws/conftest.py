from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, settings

from segctl_mocks import PanosMock
from support.panos import PanosHarness

if TYPE_CHECKING:
    from collections.abc import Iterator

QUIET = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]
settings.register_profile(
    "ci",
    max_examples=10,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],  # shrinking is for SEGCTL_HYPOTHESIS=thorough
    suppress_health_check=QUIET,
)
settings.register_profile(
    "thorough",
    max_examples=int(os.environ.get("SEGCTL_EXAMPLES", "400")),
    deadline=None,
    print_blob=True,
    suppress_health_check=QUIET,
)
settings.load_profile(os.environ.get("SEGCTL_HYPOTHESIS", "ci"))


@pytest.fixture
def panos() -> Iterator[PanosHarness]:
    """A PAN-OS provider with mocks to try it on."""
    with PanosMock("fw1", job_seconds=0.0) as mock:
        yield PanosHarness(mock)
