"""What is noted of who is contained: a word that a device keeps beside the address.

``segctl-note.20261129T180000Z.3f9a12c4.alice.ransomware_on_hmi``: until when, which containment,
by whom, and why, of which only letters, digits, hyphens and underscores are kept. An address may be
in several groups: the note about an island has the hash of its group, ``segctl-note-0f1e2d3c.…``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from segctl.compiler.naming.rules import CONTAINED
from segctl.compiler.naming.short import digest

#: So that the longest note is a tag of at most 127 characters (the vendor's schema of 10.0).
_MOST_BY, _MOST_WHY, _MOST_WHY_ISLAND = 24, 60, 52
_TIME = "%Y%m%dT%H%M%SZ"
_NOTE = re.compile(
    r"segctl-note(?:-(?P<group>[0-9a-f]{8}))?\.(?P<until>[0-9]{8}T[0-9]{6}Z)\.(?P<id>[0-9a-f]{8})"
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


def encode_contained(note: ContainedNote, group: str = CONTAINED) -> str:
    """Return a note as a word of at most 127 characters; what does not fit is left out."""
    of = _of(group)
    by = _OTHER.sub("_", note.by)[:_MOST_BY]
    why = _OTHER.sub("_", note.why)[: _MOST_WHY_ISLAND if of else _MOST_WHY]
    head = f"segctl-note-{of}" if of else "segctl-note"
    return f"{head}.{note.until.astimezone(UTC):{_TIME}}.{note.id}.{by}.{why}"


def _of(group: str) -> str:
    return "" if group == CONTAINED else digest(group)


def decode_contained(word: str, group: str = CONTAINED) -> ContainedNote | None:
    """Return what a word notes of the members of a group, None where it is not one of ours."""
    match = _NOTE.fullmatch(word)
    if match is None or (match["group"] or "") != _of(group):
        return None
    try:
        until = datetime.strptime(match["until"], _TIME).replace(tzinfo=UTC)
    except ValueError:
        return None
    return ContainedNote(until=until, id=match["id"], by=match["by"], why=match["why"])
