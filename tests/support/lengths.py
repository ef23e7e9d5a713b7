"""How long the tests run: `make test` in minutes, `.ci/run` with more of the same."""

from __future__ import annotations

import os


def full() -> bool:
    """Whether longer runs of the same were asked for (``SEGCTL_TESTS=full``, as in `.ci/run`)."""
    return os.environ.get("SEGCTL_TESTS") == "full"
