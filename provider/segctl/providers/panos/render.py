"""From changes to the script that push sends: configuration steps in the XML API's own form.

A script is an XML document with one step per line::

    <segctl-push vsys="vsys1">
    <set xpath="…/address"><entry name="a">…</entry></set>
    <edit xpath="…/rules/entry[@name='r']"><entry name="r">…</entry></edit>
    <move xpath="…/rules/entry[@name='r']" where="after" dst="q"/>
    <rename xpath="…/rules/entry[@name='old']" newname="new"/>
    <delete xpath="…/address/entry[@name='a']"/>
    </segctl-push>
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Final

from lxml import etree

from segctl.model.diff import Anchor, longest_increasing, renamed
from segctl.model.policy import AddressGroup, Schedule
from segctl.providers.panos import elements, names
from segctl.providers.panos.location import Location

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from segctl.model.diff import Change
    from segctl.model.policy import Item
    from segctl.providers.base import Live
    from segctl.providers.panos.elements import Element

#: Most entries in one ``set``; keeps every step far below the 5 MB limit of a request.
ENTRIES_PER_SET = 250

#: Marks what holds something else than containers of our kinds; and a part of log forwarding.
SHARED: Final = "shared"
_LOGS: Final = "log-settings"
#: Kinds whose items go by another name and stay what they are.
_RENAMED = ("rule", "address", "address-group")
#: Kinds that share one namespace: a name is taken by either.
_SIBLINGS = {"address": "address-group", "address-group": "address"}


def render(changes: Sequence[Change], live: Live) -> str:
    """Return the script for `changes` on a device that holds `live`; empty if there are none."""
    if not changes:
        return ""
    place = Location.of(live.identity.scope)
    lines = [etree.tostring(step, encoding="unicode") for step in _steps(changes, live, place)]
    root = etree.Element("segctl-push", place.attributes)
    head = str(etree.tostring(root, encoding="unicode")).removesuffix("/>") + ">"
    return "\n".join([head, *lines, "</segctl-push>"]) + "\n"


def _steps(changes: Sequence[Change], live: Live, place: Location) -> Iterator[Element]:
    aside = _aside(changes)
    for kind, name in aside:
        yield _step("rename", place.path(kind, name), newname=_aside_name(name))
    for change in changes:
        if change.op == "rename" and change.kind != "rule" and change.before is not None:
            yield _step("rename", place.path(change.kind, change.before.name), newname=change.name)
    objects = [change for change in changes if change.kind != "rule"]
    rules = [change for change in changes if change.kind == "rule"]
    made = [change for change in objects if change.op == "create"]
    for kind in place.containers:
        yield from _sets(place, kind, [c.after for c in made if c.kind == kind and c.after])
    for change in objects:
        if change.op == "update" and change.before is not None and change.after is not None:
            yield from _update(place, change.kind, change.before, change.after)
    yield from _rule_steps(rules, live, place)
    yield from _back_to_names(aside, changes, live, place)
    for change in objects:
        if change.op == "delete":
            moved = (change.kind, change.name) in aside
            name = _aside_name(change.name) if moved else change.name
            yield _step("delete", place.path(change.kind, name))


def _aside(changes: Sequence[Change]) -> list[tuple[str, str]]:
    """Return objects whose name another kind of the same namespace takes over in this script."""
    created = {(change.kind, change.name) for change in changes if change.op == "create"}
    return [
        (change.kind, change.name)
        for change in changes
        if change.op == "delete" and (_SIBLINGS.get(change.kind, ""), change.name) in created
    ]


def _back_to_names(
    aside: Sequence[tuple[str, str]], changes: Sequence[Change], live: Live, place: Location
) -> Iterator[Element]:
    """Rewrite references that followed a renamed object: they mean the name's new owner."""
    taken = {name for _, name in aside}
    if not taken:
        return
    live_policy = renamed(live.policy, changes)
    written = {(change.kind, change.name) for change in changes if change.op != "move"}
    for group in live_policy[AddressGroup]:
        if taken & set(group.members) and ("address-group", group.name) not in written:
            yield _step("edit", place.path("address-group", group.name), elements.write(group))
    for rule in live_policy.rules:
        used = {*rule.sources, *rule.destinations}
        if taken & used and ("rule", rule.name) not in written:
            yield _step("edit", place.path("rule", rule.name), elements.write(rule))


def _aside_name(name: str) -> str:
    return f"{name[: names.MAX_NAME - 11]}.segctl-old"


def _rule_steps(changes: Sequence[Change], live: Live, place: Location) -> Iterator[Element]:
    order = _Order(live.order)
    for change in changes:
        if change.op == "rename" and change.before is not None:
            yield _step("rename", place.path("rule", change.before.name), newname=change.name)
            order.rename(change.before.name, change.name)
        elif change.op == "delete":
            yield _step("delete", place.path("rule", change.name))
            order.remove(change.name)
    created = [c.after for c in changes if c.op == "create" and c.after is not None]
    yield from _sets(place, "rule", created)
    for item in created:
        order.append(item.name)
    for change in changes:
        if change.op == "update" and change.after is not None:
            yield _step("edit", place.path("rule", change.name), elements.write(change.after))
    for change in changes:
        if change.anchor is not None and not order.stands(change.name, change.anchor):
            order.move(change.name, change.anchor)
            yield _move(place, change.name, change.anchor)


def _move(place: Location, name: str, anchor: Anchor) -> Element:
    step = _step("move", place.path("rule", name), where=anchor.where)
    if anchor.rule:
        step.set("dst", anchor.rule)
    return step


def _sets(place: Location, kind: str, items: Sequence[Item]) -> Iterator[Element]:
    for start in range(0, len(items), ENTRIES_PER_SET):
        step = _step("set", place.all_of(kind))
        step.extend(elements.write(item) for item in items[start : start + ENTRIES_PER_SET])
        yield step


def _update(place: Location, kind: str, before: Item, item: Item) -> Iterator[Element]:
    """Rewrite an object; for zones, default rules and tags only segctl's part."""
    entry = elements.write(item)
    if kind == "zone":
        network = entry[0]
        yield _step("edit", f"{place.path(kind, item.name)}/network/{network[0].tag}", network[0])
    elif kind in ("default-rule", "tag"):
        wanted = {str(leaf.tag) for leaf in entry}
        for leaf in elements.write(before):
            if leaf.tag not in wanted:
                yield _step("delete", f"{place.path(kind, item.name)}/{leaf.tag}")
        for leaf in list(entry):
            yield _step("edit", f"{place.path(kind, item.name)}/{leaf.tag}", leaf)
    elif isinstance(item, Schedule):
        yield _step("edit", f"{place.path(kind, item.name)}/schedule-type", entry[0])
    else:
        yield _step("edit", place.path(kind, item.name), entry)


def _step(action: str, xpath: str, content: Element | None = None, **attributes: str) -> Element:
    step = etree.Element(action, {"xpath": xpath, **attributes})
    if content is not None:
        step.append(content)
    return step


class _Order:
    """The order of a rulebase while a script runs: a linked list, constant time per step."""

    def __init__(self, rules: Iterable[str]) -> None:
        self._next: dict[str, str] = {}
        self._previous: dict[str, str] = {}
        self._last = ""
        for name in rules:
            self.append(name)

    def names(self) -> Iterator[str]:
        name = self._next.get("", "")
        while name:
            yield name
            name = self._next.get(name, "")

    def append(self, name: str) -> None:
        self._link(self._last, name)
        self._last = name
        self._link(name, "")

    def _link(self, left: str, right: str) -> None:
        self._next[left] = right
        if right:
            self._previous[right] = left

    def change(self, gone: Iterable[str], made: Iterable[str]) -> None:
        for name in gone:
            self.remove(name)
        for name in made:
            self.append(name)

    def remove(self, name: str) -> None:
        before, after = self._previous.pop(name, ""), self._next.pop(name, "")
        self._link(before, after)
        if self._last == name:
            self._last = before

    def rename(self, old: str, new: str) -> None:
        before, after = self._previous.pop(old, ""), self._next.pop(old, "")
        self._link(before, new)
        self._link(new, after)
        if self._last == old:
            self._last = new

    def stands(self, name: str, anchor: Anchor) -> bool:
        if anchor.where == "before":
            return self._next.get(name, "") == anchor.rule
        return self._previous.get(name, "") == anchor.rule

    def move(self, name: str, anchor: Anchor) -> None:
        self.remove(name)
        before = self._previous.get(anchor.rule, "") if anchor.where == "before" else anchor.rule
        after = self._next.get(before, "")
        self._link(before, name)
        self._link(name, after)
        if not after:
            self._last = name


# --- going back ----------------------------------------------------------------------------------


def restore(script: str, before: Element, now: Element) -> list[Element]:
    """Return the steps that undo `script`, only for what it touched.

    Args:
        script: what was pushed.
        before: the virtual system's entry before (``show`` answer, running).
        now: the same entry now.
    """
    root = etree.fromstring(script.encode())
    place = Location.of_script(root)
    back_names = {kind: _back_names(root, place, kind, before, now) for kind in _RENAMED}
    undo = [
        _step("rename", place.path(kind, name), newname=former)
        for kind, renames in back_names.items()
        for name, former in renames.items()
    ]
    order = _Order(_rules(now, place))
    for name, former in back_names["rule"].items():
        order.rename(name, former)
    back: list[Element] = []
    gone: list[Element] = []
    for kind, container in place.containers.items():
        old, new = _entries(before, container), _entries(now, container)
        if kind in _RENAMED:
            new = _under_former_names(new, back_names[kind])
        touched = _touched(root, f"{place.xpath}/{container}")
        lost = [
            name
            for name in touched
            if name in old and not (name in new and _same(old[name], new[name]))
        ]
        made = [name for name in touched if name not in old and name in new]
        back += [_step("edit", place.path(kind, name), deepcopy(old[name])) for name in lost]
        if made and len(made) == len(new) and before.find(container) is None:
            gone.append(_step("delete", f"{place.xpath}/{_first_missing(before, now, container)}"))
        else:
            gone += [_step("delete", place.path(kind, name)) for name in reversed(made)]
        if kind == "rule":
            order.change(made, [name for name in lost if name not in new])
    return [*undo, *back, *reversed(gone), *_reorder(place, list(_rules(before, place)), order)]


def touched(script: str) -> dict[str, frozenset[str]]:
    """Return the names of the entries that a script changes, by kind."""
    root = etree.fromstring(script.encode())
    place = Location.of_script(root)
    return {
        kind: frozenset(_touched(root, f"{place.xpath}/{container}"))
        for kind, container in place.containers.items()
    }


def _under_former_names(
    entries: Mapping[str, Element], renames: Mapping[str, str]
) -> dict[str, Element]:
    found = {renames.get(name, name): entry for name, entry in entries.items()}
    for name, entry in found.items():
        entry.set("name", name)
    return found


def _rules(entry: Element, place: Location) -> dict[str, Element]:
    return _entries(entry, place.containers["rule"])


def _back_names(
    root: Element, place: Location, kind: str, before: Element, now: Element
) -> dict[str, str]:
    """Return what of a kind the script renamed and still has the new name, last first."""
    old, new = _entries(before, place.containers[kind]), _entries(now, place.containers[kind])
    renamed: dict[str, str] = {}
    container = place.all_of(kind)
    for step in reversed(root):
        if step.tag == "rename" and step.get("xpath", "").startswith(f"{container}/"):
            name, newname = _named(step, container), step.get("newname", "")
            if name in old and name not in new and newname in new and newname not in old:
                renamed[newname] = name
    return renamed


def _first_missing(before: Element, now: Element, container: str) -> str:
    """Return the topmost part of `container` that was not there and holds nothing else now.

    A rulebase stays in any case.
    """
    parts = container.split("/")
    for length in range(1 if parts[0] == _LOGS else min(2, len(parts)), len(parts)):
        part = "/".join(parts[:length])
        held = now.find(part)
        shared = held is not None and held.get(SHARED) is not None
        if before.find(part) is None and not shared:
            return part
    return container


def _entries(vsys: Element, container: str) -> dict[str, Element]:
    return {entry.get("name", ""): entry for entry in vsys.findall(f"{container}/entry")}


def _same(left: Element, right: Element) -> bool:
    return etree.tostring(left, method="c14n") == etree.tostring(right, method="c14n")


def _touched(root: Element, container: str) -> list[str]:
    """Return the names of one container's entries that a script changes."""
    touched_names: dict[str, None] = {}
    for step in root:
        xpath = step.get("xpath", "")
        if xpath == container:
            touched_names.update(dict.fromkeys(entry.get("name", "") for entry in step))
        elif xpath.startswith(f"{container}/entry[@name="):
            touched_names[_named(step, container)] = None
            if step.get("newname"):
                touched_names[step.get("newname", "")] = None
    return list(touched_names)


def _named(step: Element, container: str) -> str:
    """Return the name of the entry in `container` that a step is about."""
    rest = step.get("xpath", "")[len(container) + len("/entry[@name=") :]
    return rest[1 : rest.index(rest[0], 1)]


def _reorder(place: Location, wanted: Sequence[str], order: _Order) -> Iterator[Element]:
    """Move rules back into their former order, with as few moves as possible."""
    rank = {name: index for index, name in enumerate(wanted)}
    held = [name for name in order.names() if name in rank]
    stay = {held[index] for index in longest_increasing([rank[name] for name in held])}
    previous = ""
    for name in wanted:
        where = Anchor(where="after", rule=previous) if previous else Anchor(where="top")
        if name not in stay and not order.stands(name, where):
            order.move(name, where)
            yield _move(place, name, where)
        previous = name
