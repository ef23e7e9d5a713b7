"""Marks, paths and limits of names on PAN-OS.

Lengths and characters: configuration schema of PAN-OS 10.0 (rule, address, service names 63;
zones, application groups, schedules, profile groups 31; rule descriptions 1024).
"""

from __future__ import annotations

import re
from typing import Any

from segctl.compiler import naming
from segctl.model.policy import AHEAD, CONTAINMENT

#: Tag on everything of ours that PAN-OS can tag; its kinds without tags are known by their names.
TAG = "segctl"
#: Tag objects of ours: the mark, and those of the block that stands before all else.
TAGS = frozenset({TAG, CONTAINMENT, AHEAD})
MAX_NAME = 63
MAX_SHORT_NAME = 31
MAX_DESCRIPTION = naming.LONGEST
#: More applications than this in a rule are written as an application group.
MAX_LISTED_APPLICATIONS = 32

_PLAIN = re.compile(r"^[0-9A-Za-z_][ 0-9A-Za-z._-]*$")

DEVICE = "/config/devices/entry[@name='localhost.localdomain']"
SHARED = "/config/shared"


def filled_by(group: str) -> str:
    """Return what fills a group of those who are cut off: addresses with a tag of its name."""
    return f"'{group}'"


def is_filled(group: str) -> bool:
    """Whether a name is that of a group of ours that is filled so."""
    return group == naming.CONTAINED or bool(naming.island_label(group))


def mark(conduit: str, flow: str, seal: str | None = None) -> str:
    """Return the prefix of a rule's description that marks it as ours.

    `flow` is empty for a rule without a flow; `seal` is None for a rule that is not essential.
    """
    return naming.encode_mark(naming.Mark(conduit=conduit, flow=flow, seal=seal))


def read_mark(description: str) -> dict[str, Any] | None:
    """Return the fields of a rule that a description of ours tells, None for any other."""
    found = naming.decode_mark(description)
    if found is None:
        return None
    return {
        "conduit": found.conduit,
        "flow": found.flow,
        "essential": found.seal is not None,
        "seal": found.seal or "",
    }


def quote(text: str) -> str:
    """Return `text` as an XPath string literal.

    Raises:
        ValueError: it has both kinds of quotes, which XPath 1.0 cannot express.
    """
    if "'" not in text:
        return f"'{text}'"
    if '"' not in text:
        return f'"{text}"'
    message = f"a name with both kinds of quotes cannot be addressed: {text!r}"
    raise ValueError(message)


def plain(name: str) -> bool:
    """Whether PAN-OS accepts `name` for an object."""
    return bool(_PLAIN.match(name))
