"""What a drawing was made from, as text inside it, and whether that is still so."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from segctl.system.inert import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from segctl.report.drawing.picture import Picture

_HEAD = "segctl drawing of"
_STAMP = re.compile(rf"{_HEAD} ((?:[^\s=<>\"]{{1,200}}=sha256:[0-9a-f]{{64}}[ ,]*){{1,2000}})")
_ONE = re.compile(r"([^\s=<>\",]{1,200})=(sha256:[0-9a-f]{64})")
#: What stays of a name: the rest could end the line, or be a directive of the form around it.
_ODD = re.compile(r"[^\w./:+-]")
_SHORT = len("sha256:") + 12


def drawn_from(picture: Picture, *, short: bool = False) -> str:
    """Return the digests of the inventory and of the policies that were read, on one line.

    The same inventory and policies give the same line: it has no date.
    """
    return stamp_line(picture.facts, short=short)


def stamp_line(facts: Iterable[tuple[str, str]], *, short: bool = False) -> str:
    """Return facts, names with digests, on one line that `stamp_of` reads back."""
    found = (f"{_name(name)}={value[:_SHORT] if short else value}" for name, value in facts)
    return f"{_HEAD} {', '.join(found)}"


def _name(text: str) -> str:
    plain = "_".join(printable(text).split())
    return _ODD.sub(lambda found: "".join(f"%{one:02X}" for one in found[0].encode()), plain)


def stamp_of(text: str) -> Mapping[str, str]:
    """Return what a stored drawing was made from, digests by name; empty where it does not say."""
    match = _STAMP.search(text)
    return dict(_ONE.findall(match[1])) if match else {}
