"""How long the tests run: `make test` in minutes, or more of the same where it is asked for."""

from __future__ import annotations

import os


def full() -> bool:
    """Whether longer runs of the same were asked for (``SEGCTL_TESTS=full``)."""
    return os.environ.get("SEGCTL_TESTS") == "full"


def firsts(step: int) -> range:
    """Return where walks in steps of `step` begin: everywhere in a full run, else at the first.

    Each walk is a test of its own, so that workers share them.
    """
    return range(step if full() else 1)
