"""Everything that one read of a device returned, as a document of named parts.

A header line of JSON, then the bytes of the parts in sequence: the document can be hashed, saved
or sent to a parsing process, and no part can reach into another.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from segctl.model.errors import ParseError
from segctl.providers.panos.budget import MAX_ANSWER
from segctl.system.json_text import read_json

if TYPE_CHECKING:
    from collections.abc import Mapping

MAGIC = b"segctl-panos-snapshot "
FORMAT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The device's answers by part, with the scope that was read and the account.

    `limit` is ``segctl_max_answer_mb`` in bytes: `parse` takes no more than about that.
    """

    host: str
    user: str
    scope: str
    parts: Mapping[str, bytes | memoryview]
    limit: int = MAX_ANSWER

    def dump(self) -> bytes:
        """Return the document."""
        header = {
            "format": FORMAT,
            "host": self.host,
            "user": self.user,
            "vsys": self.scope,
            "limit": self.limit,
            "parts": [[name, len(part)] for name, part in self.parts.items()],
        }
        head = MAGIC + json.dumps(header).encode() + b"\n"
        return b"".join([head, *self.parts.values()])


class _Parts(dict[str, memoryview]):
    """Answers by name; a missing one is an error in the document."""

    def __missing__(self, name: str) -> memoryview:
        raise ParseError("snapshot", f"it lacks the answer to {name}")


def load(document: bytes) -> Snapshot:
    """Split a document into its parts, which are views of it, not copies.

    Raises:
        ParseError: it is not ours, or damaged.
    """
    line, _, _ = document[:65536].partition(b"\n")
    try:
        if not line.startswith(MAGIC):
            raise ValueError  # noqa: TRY301 - one place says what a damaged document is
        header = cast("dict[str, Any]", read_json(line[len(MAGIC) :]))
        offset = len(line) + 1
        view = memoryview(document)
        parts = _Parts()
        for name, size in header["parts"]:
            if not (isinstance(name, str) and isinstance(size, int) and size >= 0):
                raise TypeError  # noqa: TRY301 - as above
            parts[name] = view[offset : offset + size]
            offset += size
        if offset != len(document) or header["format"] != FORMAT:
            raise ValueError  # noqa: TRY301 - as above
        host, user, scope = (str(header[name]) for name in ("host", "user", "vsys"))
        limit = int(header.get("limit", MAX_ANSWER))
        return Snapshot(host=host, user=user, scope=scope, parts=parts, limit=limit)
    except (ValueError, KeyError, TypeError) as error:
        raise ParseError("snapshot", "not a PAN-OS snapshot of this version, or damaged") from error
