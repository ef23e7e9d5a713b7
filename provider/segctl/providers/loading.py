"""Loading a large document without the cycle collector."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def uncollected() -> Generator[None]:
    """Keep the cycle collector away: loading makes no cycles, and looking for them costs much.

    A fifth of the time for a PAN-OS configuration, two fifths for a listing of nft.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
