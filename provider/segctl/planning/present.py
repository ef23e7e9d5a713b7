"""What rules of which it cannot be told do by what objects hold now that a device fills: in words.

It stands beside what cannot be told, in a hint: what an object holds changes without a commit, so
neither the message nor what accepts it depends on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.analysis.deviations import deviations
from segctl.analysis.present import objects_of_rule

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from segctl.analysis.deviations import Deviation
    from segctl.analysis.effective import Reading
    from segctl.analysis.present import Held

_DOES = {"open": "permits more than is declared", "blocked": "denies what is declared"}


def by_now(
    doubted: Sequence[Deviation], declared: Reading, held: Reading, ours: frozenset[str]
) -> Mapping[str, str]:
    """Return for rules what they do by what their objects hold now, as the beginning of a hint.

    Args:
        doubted: the rules of which it cannot be told, each with the zones that it is about.
        declared: everything that is to be permitted between the zones.
        held: what the device enforces.
        ours: the names of the rules that are ours.
    """
    objects = {one.rule: objects_of_rule(one.rule, held) for one in doubted}
    asked = [one for one in doubted if objects[one.rule]]
    if not asked:
        return {}
    effects: dict[str, set[str]] = {}
    if held.now is not None and declared.now is not None:
        pairs = dict.fromkeys(pair for one in asked for pair in one.pairs)
        for one in deviations(declared.now, held.now, pairs, ours):
            effects.setdefault(one.rule, set()).add(one.effect)
    known = held.now is not None
    return {
        one.rule: _said(objects[one.rule], effects.get(one.rule, set()), known=known)
        for one in asked
    }


def _said(objects: Sequence[Held], effects: set[str], *, known: bool) -> str:
    held = ", ".join(map(_held, objects))
    if not known or any(one.unread for one in objects) or "cannot tell" in effects:
        return f"{held}; "
    does = " and ".join(text for effect, text in _DOES.items() if effect in effects)
    return f"by what is held now it {does or 'does as is declared'} ({held}); "


def _held(one: Held) -> str:
    if one.unread:
        return f"{one.name} was not read: {one.unread}"
    at = f", read at {one.at}" if one.at else ""
    return f"{one.name}: {one.count} member{'' if one.count == 1 else 's'}{at}"
