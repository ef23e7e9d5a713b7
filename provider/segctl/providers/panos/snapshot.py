"""Everything one read of a device returned, in one document of named parts.

A header line of JSON, then the parts' bytes one after the other: it can be hashed, saved, sent to
a process that parses, and no part can reach into another.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from segctl.errors import ParseError
from segctl.providers.panos.budget import MAX_ANSWER

if TYPE_CHECKING:
    from collections.abc import Mapping

MAGIC = b"segctl-panos-snapshot "
FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The device's answers by part, with the scope that was read and who read it.

    `limit` is ``segctl_max_answer_mb`` in bytes: `parse` takes no more than about that.
    """

    host: str
    user: str
    vsys: str
    parts: Mapping[str, bytes | memoryview]
    limit: int = MAX_ANSWER

    def dump(self) -> bytes:
        """Return the document."""
        header = {
            "format": FORMAT,
            "host": self.host,
            "user": self.user,
            "vsys": self.vsys,
            "limit": self.limit,
            "parts": [[name, len(part)] for name, part in self.parts.items()],
        }
        head = MAGIC + json.dumps(header).encode() + b"\n"
        return b"".join([head, *self.parts.values()])


def load(document: bytes) -> Snapshot:
    """Take a document apart; the parts are views of it, not copies.

    Raises:
        ParseError: it is not one of ours, or damaged.
    """
    line, _, _ = document[:65536].partition(b"\n")
    try:
        if not line.startswith(MAGIC):
            raise ValueError  # noqa: TRY301 - one place says what a damaged document is
        header = json.loads(line[len(MAGIC) :])
        offset = len(line) + 1
        view = memoryview(document)
        parts: dict[str, memoryview] = {}
        for name, size in header["parts"]:
            parts[name] = view[offset : offset + size]
            offset += size
        if offset != len(document) or header["format"] != FORMAT:
            raise ValueError  # noqa: TRY301 - as above
        return Snapshot(
            host=header["host"],
            user=header["user"],
            vsys=header["vsys"],
            parts=parts,
            limit=int(header.get("limit", MAX_ANSWER)),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ParseError("snapshot", "not a PAN-OS snapshot of this version, or damaged") from error
