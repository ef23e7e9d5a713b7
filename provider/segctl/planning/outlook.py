"""What a device enforces once changes are made: its policy and theirs in, a policy out. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.model.policy import Policy, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from segctl.model.diff import Anchor, Change
    from segctl.model.policy import Item

#: Stands before the first rule.
_TOP = ""


def outlook(policy: Policy, changes: Iterable[Change]) -> Policy:
    """Return `policy` after changes other than renames (`segctl.model.diff.renamed` has those).

    Args:
        policy: everything that the device enforces, in its order.
        changes: those that would be made, in their order.
    """
    objects: dict[str, dict[str, Item]] = {
        kind: {item.name: item for item in items} for kind, items in policy.objects()
    }
    order = _Order(rule.name for rule in policy.rules)
    rules = {rule.name: rule for rule in policy.rules}
    for change in changes:
        if change.op == "rename":
            continue
        if change.kind != Rule.kind_name:
            if change.after is None:
                objects[change.kind].pop(change.name, None)
            else:
                objects[change.kind][change.name] = change.after
            continue
        if isinstance(change.after, Rule):
            rules[change.name] = change.after
        if change.op == "delete":
            order.remove(change.name)
        elif change.op in {"create", "move"}:
            order.put(change.name, change.anchor)
    items = [item for held in objects.values() for item in held.values()]
    return Policy.of(items).replace(rules=tuple(rules[name] for name in order))


class _Order:
    """Names in their order, each of which is moved in the same time wherever it stands."""

    def __init__(self, names: Iterable[str]) -> None:
        self._next: dict[str, str] = {}
        self._before: dict[str, str] = {}
        self._last = _TOP
        for name in names:
            self._insert(name, self._last)

    def __iter__(self) -> Iterator[str]:
        name = self._next.get(_TOP)
        while name is not None:
            yield name
            name = self._next.get(name)

    def put(self, name: str, anchor: Anchor | None) -> None:
        """Put a name where it belongs; without an anchor, where its place means nothing, last."""
        self.remove(name)
        if anchor is None:
            self._insert(name, self._last)
        elif anchor.where == "top":
            self._insert(name, _TOP)
        elif anchor.where == "before":
            self._insert(name, self._before[anchor.rule])
        else:
            self._insert(name, anchor.rule)

    def remove(self, name: str) -> None:
        """Take a name out, if it is there."""
        if name not in self._before:
            return
        before, following = self._before.pop(name), self._next.pop(name, None)
        if following is None:
            self._next.pop(before, None)
            self._last = before
        else:
            self._next[before] = following
            self._before[following] = before

    def _insert(self, name: str, before: str) -> None:
        following = self._next.get(before)
        self._next[before], self._before[name] = name, before
        if following is None:
            self._last = name
        else:
            self._next[name] = following
            self._before[following] = name
