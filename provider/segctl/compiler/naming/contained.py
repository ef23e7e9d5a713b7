"""What is noted of who is contained: a word that a device keeps beside the address.

``segctl-note.20261129T180000Z.3f9a12c4.alice.ransomware_on_hmi``: until when, which containment,
by whom, and why, of which only letters, digits, hyphens and underscores are kept.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

#: Longest name of a tag (the vendor's configuration schema of 10.0).
_MOST_BY, _MOST_WHY = 24, 60
_TIME = "%Y%m%dT%H%M%SZ"
_NOTE = re.compile(
    r"segctl-note\.(?P<until>[0-9]{8}T[0-9]{6}Z)\.(?P<id>[0-9a-f]{8})"
    r"\.(?P<by>[0-9A-Za-z_-]{0,24})\.(?P<why>[0-9A-Za-z_-]{0,60})",
    re.ASCII,
)
_OTHER = re.compile(r"[^0-9A-Za-z_-]+", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainedNote:
    """Until when an address is contained, by which containment, by whom and why."""

    until: datetime
    id: str
    by: str = ""
    why: str = ""

    @property
    def words(self) -> str:
        """It in words, as far as it is known: ``until 2026-11-29 18:00 UTC by alice: …``."""
        by = f" by {self.by}" if self.by else ""
        why = f": {self.why.replace('_', ' ')}" if self.why else ""
        return f"until {self.until:%Y-%m-%d %H:%M} UTC{by}{why}"


def encode_contained(note: ContainedNote) -> str:
    """Return a note as a word of at most 127 characters; what does not fit is left out."""
    by = _OTHER.sub("_", note.by)[:_MOST_BY]
    why = _OTHER.sub("_", note.why)[:_MOST_WHY]
    return f"segctl-note.{note.until.astimezone(UTC):{_TIME}}.{note.id}.{by}.{why}"


def decode_contained(word: str) -> ContainedNote | None:
    """Return what a word notes, None where it is not one of ours."""
    match = _NOTE.fullmatch(word)
    if match is None:
        return None
    try:
        until = datetime.strptime(match["until"], _TIME).replace(tzinfo=UTC)
    except ValueError:
        return None
    return ContainedNote(until=until, id=match["id"], by=match["by"], why=match["why"])
