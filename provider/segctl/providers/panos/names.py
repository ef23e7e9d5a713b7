"""Marks, paths and limits of names on PAN-OS.

Lengths and characters: configuration schema of PAN-OS 10.0 (rule, address, service names 63;
zones, application groups, schedules, profile groups 31; rule descriptions 1024).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from segctl.model.errors import UnsupportedError

if TYPE_CHECKING:
    from segctl.model.scope import Scope

#: Tag on everything of ours that PAN-OS can tag; other kinds are known by `PREFIX`.
TAG = "segctl"
PREFIX = "segctl-"
MAX_NAME = 63
MAX_SHORT_NAME = 31
MAX_DESCRIPTION = 1023
#: More applications than this in a rule are written as an application group.
MAX_LISTED_APPLICATIONS = 32

_MARK = re.compile(r"^\[segctl(?: conduit=(\S+) flow=(\S+))?(?: essential=(\w*))?\] ?")
_PLAIN = re.compile(r"^[0-9A-Za-z_][ 0-9A-Za-z._-]*$")

DEVICE = "/config/devices/entry[@name='localhost.localdomain']"
SHARED = "/config/shared"


def mark(conduit: str, flow: str, seal: str | None = None) -> str:
    """Return the prefix of a rule's description that marks it as ours.

    `flow` is empty for a rule without a flow; `seal` is None for a rule that is not essential.
    """
    of_flow = f" conduit={conduit} flow={flow}" if flow else ""
    essential = "" if seal is None else f" essential={seal}"
    return f"[segctl{of_flow}{essential}] "


def read_mark(description: str) -> dict[str, Any] | None:
    """Return the fields that one of our descriptions holds; None for any other."""
    match = _MARK.match(description)
    if match is None:
        return None
    conduit, flow, seal = match.groups()
    return {
        "conduit": conduit or "",
        "flow": flow or "",
        "essential": seal is not None,
        "seal": seal or "",
    }


def vsys_of(device: str, scope: Scope) -> str:
    """Return the virtual system of a scope; by default the first.

    Raises:
        UnsupportedError: the scope belongs to Panorama.
    """
    if scope.kind:
        message = (
            f"{device}: segctl_device_group is for Panorama, which segctl does not support yet: "
            "name the firewalls themselves"
        )
        raise UnsupportedError(message)
    return scope.name or "vsys1"


def vsys_path(vsys: str) -> str:
    """Return the xpath of a virtual system."""
    return f"{DEVICE}/vsys/entry[@name={quote(vsys)}]"


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
