"""The marks, paths and limits by which PAN-OS and segctl know things.

Lengths and characters: configuration schema of PAN-OS 10.0 (rule, address, service names 63;
zones, application groups, schedules, profile groups 31; rule descriptions 1024).
"""

from __future__ import annotations

import re

#: Tag on everything of ours that PAN-OS can tag; its kinds without tags are known by `PREFIX`.
TAG = "segctl"
PREFIX = "segctl-"
MAX_NAME = 63
MAX_SHORT_NAME = 31
MAX_DESCRIPTION = 1023
#: More applications than this in a rule are written as an application group.
MAX_LISTED_APPLICATIONS = 32

_MARK = re.compile(r"^\[segctl(?: conduit=(\S+) flow=(\S+))?( essential)?\] ?")
_PLAIN = re.compile(r"^[0-9A-Za-z_][ 0-9A-Za-z._-]*$")

DEVICE = "/config/devices/entry[@name='localhost.localdomain']"
SHARED = "/config/shared"


def mark(conduit: str, flow: str, *, essential: bool) -> str:
    """Return the beginning of a rule's description that says whose it is."""
    flows = f" conduit={conduit} flow={flow}" if flow else ""
    return f"[segctl{flows}{' essential' if essential else ''}] "


def read_mark(description: str) -> tuple[str, str, bool] | None:
    """Return conduit, flow and whether it is essential from a description of ours, else None."""
    found = _MARK.match(description)
    if found is None:
        return None
    return found[1] or "", found[2] or "", bool(found[3])


def vsys_path(vsys: str) -> str:
    """Return the xpath of a virtual system."""
    return f"{DEVICE}/vsys/entry[@name={quote(vsys)}]"


def quote(text: str) -> str:
    """Return `text` as an XPath string literal.

    Raises:
        ValueError: it holds both kinds of quotes, which XPath 1.0 cannot write.
    """
    if "'" not in text:
        return f"'{text}'"
    if '"' not in text:
        return f'"{text}"'
    message = f"a name with both kinds of quotes cannot be addressed: {text!r}"
    raise ValueError(message)


def plain(name: str) -> bool:
    """Whether PAN-OS takes `name` for an object."""
    return bool(_PLAIN.match(name))
