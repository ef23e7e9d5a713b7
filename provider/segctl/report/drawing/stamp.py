"""What a drawing was made from, as text inside it, and whether that is still so."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from segctl.system.inert import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from segctl.report.drawing.picture import Picture

_HEAD = "segctl drawing of"
#: What the digest of the inventory is called, among those of firewalls.
INVENTORY = "inventory"
_STAMP = re.compile(rf"{_HEAD} ((?:[^\s=<>\"]{{1,200}}=sha256:[0-9a-f]{{64}}[ ,]*){{1,2000}})")
_ONE = re.compile(r"([^\s=<>\",]{1,200})=(sha256:[0-9a-f]{64})")
#: What stays of a name: the rest could end the line, or be a directive of the form around it.
_ODD = re.compile(r"[^\w./:+-]")
_SHORT = len("sha256:") + 12


#: Follows the name of a firewall of which a snapshot was read: its digest is another one.
_KEPT = ":snapshot"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What has changed since a drawing was made.

    `inventory` says whether the inventory has. `changed` are firewalls that hold something else
    now, `untold` those of which nobody can tell.
    """

    inventory: bool = False
    changed: tuple[str, ...] = ()
    untold: tuple[str, ...] = ()

    @property
    def stale(self) -> bool:
        """Whether it shows something that is no longer so."""
        return self.inventory or bool(self.changed)

    def gaps(self) -> dict[str, list[str]]:
        """Return the firewalls that have changed, and those of which nobody can tell, if any."""
        named = {"changed": list(self.changed), "untold": list(self.untold)}
        return {name: found for name, found in named.items() if found}


def read_facts(
    digests: Iterable[tuple[str, str]], *, snapshots: bool
) -> tuple[tuple[str, str], ...]:
    """Return digests of what was read of devices, with their names, as facts of a drawing."""
    kept = _KEPT if snapshots else ""
    return tuple((f"{name}{kept}", digest) for name, digest in digests if digest)


def standing(
    made: Mapping[str, str], inventory: str, read: Mapping[str, str], *, snapshots: bool
) -> Standing:
    """Return what has changed since a drawing was made.

    Args:
        made: what it was made from, from `stamp_of`.
        inventory: the digest of the inventory now.
        read: digests of what firewalls hold now, by their names.
        snapshots: whether snapshots were read for it, not firewalls.
    """
    kept = _KEPT if snapshots else ""
    now = {_name(f"{name}{kept}"): (name, digest) for name, digest in read.items() if digest}
    drawn = {name: digest for name, digest in made.items() if name != INVENTORY}
    return Standing(
        inventory=made[INVENTORY] != inventory,
        changed=tuple(
            now[name][0] for name, digest in drawn.items() if name in now and now[name][1] != digest
        ),
        untold=tuple(name for name in drawn if name not in now),
    )


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
