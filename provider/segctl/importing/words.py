"""Names and texts of a device in the characters that the inventory takes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from segctl.inventory.schema import ID_PATTERN

if TYPE_CHECKING:
    from collections.abc import Container

_ID = re.compile(ID_PATTERN)
_LONGEST_ID = 63
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]+")


def is_id(text: str) -> bool:
    """Whether `text` can be an id as it stands."""
    return bool(_ID.fullmatch(text))


def make_id(text: str, taken: Container[str] = (), *, lower: bool = False) -> str:
    """Return `text` as an id that is not `taken`: other characters become hyphens."""
    if lower:
        text = text.lower()
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("._-")[:_LONGEST_ID] or "unnamed"
    name, number = plain, 1
    while name in taken:
        number += 1
        suffix = f"-{number}"
        name = plain[: _LONGEST_ID - len(suffix)] + suffix
    return name


def one_line(text: str) -> str:
    """Return `text` on one line, without control characters and without template braces."""
    plain = _CONTROL.sub(" ", text)
    return plain.replace("{{", "{ {").replace("{%", "{ %")


def is_word(text: str) -> bool:
    """Whether the inventory takes `text` as a name on the device."""
    return bool(text.strip()) and one_line(text) == text and not re.search("[\"'`]", text)


def group_name(site: str, host: str) -> str:
    """Return the Ansible group for a site: a Python identifier, and no host's name."""
    name = re.sub(r"[^A-Za-z0-9_]", "_", site)
    if not re.match("[A-Za-z_]", name) or name in {host, "all", "ungrouped"}:
        name = f"site_{name}"
    return name
