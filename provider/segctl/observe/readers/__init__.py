"""One module a format; each streams, by header or width, and counts what it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from segctl.observe.readers import panos_csv

if TYPE_CHECKING:
    from segctl.observe.readers.base import Reader

#: Every format, the most certain to recognise first.
READERS: Final[tuple[Reader, ...]] = (panos_csv.READER,)


def reader_of(head: str) -> Reader | None:
    """Return the reader of a text that begins so: by what it says, never by its name."""
    best = max(READERS, key=lambda reader: reader.claims(head))
    return best if best.claims(head) else None
