"""Names of what cuts a group of addresses off: the group, and the rules that deny it.

One group holds whoever is contained. Each island has a group of its own, ``segctl-island.NAME``,
and the rules ``segctl.island-out.NAME`` and ``segctl.island-in.NAME``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from segctl.compiler.naming.rules import CONTAINED, CONTAINING_RULES
from segctl.compiler.naming.short import shorten

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What the name of an island's group begins with; also the tag by which an address is in it.
ISLAND: Final = "segctl-island."
#: What the names of the rules begin with: what leaves the island, what enters it.
_RULES: Final = {"segctl.island-out.": "source", "segctl.island-in.": "destination"}
#: Longest name of an island in a rule of at most 63 characters.
_LONGEST: Final = 45


def island_group(label: str) -> str:
    """Return the group of an island, by the label of its zone or the name of its site."""
    return f"{ISLAND}{shorten(label, _LONGEST)}"


def island_label(group: str) -> str:
    """Return the name of the island that a group is of, nothing for another group."""
    label = group.removeprefix(ISLAND)
    return "" if label == group else label


def denying_rules(group: str) -> Mapping[str, str]:
    """Return the rules that deny a group, each with the side on which it names the group."""
    if group == CONTAINED:
        return CONTAINING_RULES
    return {f"{begin}{island_label(group)}": side for begin, side in _RULES.items()}


def denied_group(rule: str) -> tuple[str, str] | None:
    """Return the group that a rule of this name denies, and on which side; None of another rule."""
    if rule in CONTAINING_RULES:
        return CONTAINED, CONTAINING_RULES[rule]
    for begin, side in _RULES.items():
        if rule.startswith(begin) and len(rule) > len(begin):
            return f"{ISLAND}{rule.removeprefix(begin)}", side
    return None
