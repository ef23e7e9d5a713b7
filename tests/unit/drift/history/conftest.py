from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.postgresql import Cluster, cluster, missing

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Cluster]:
    if reason := missing():
        pytest.skip(reason)
    with cluster() as running:
        yield running
