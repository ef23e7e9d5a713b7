"""Who changed what since the last commit: dirty marks, partial commits, partial reverts."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from segctl_mocks.panos import schema
from segctl_mocks.panos.parts import READONLY, container_of, described
from segctl_mocks.panos.tree import Element, Path, Tree, key_of, xpath_of
from segctl_mocks.panos.units import CREATE, DELETE, MOVE, RENAME, Touch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Change:
    """One change of the candidate by one administrator."""

    dirty_id: int
    admin: str
    time: str
    action: str
    path: Path
    old: Path = ()

    @classmethod
    def load(cls, values: Mapping[str, Any]) -> Change:
        """Read a change as ``asdict`` wrote it to JSON, which knows only lists."""
        path, old = (tuple((tag, key) for tag, key in values[name]) for name in ("path", "old"))
        kept: dict[str, Any] = {**values, "path": path, "old": old}
        return cls(**kept)


class Journal:
    """The changes since the last commit, in order."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.last_id = 0
        self.generation = 0

    def add(self, admin: str, time: str, touched: Iterable[Touch]) -> None:
        """Note what one request changed."""
        self.last_id += 1
        self.generation += 1
        for touch in touched:
            if touch.action == RENAME:
                self._follow(touch)
            change = Change(self.last_id, admin, time, touch.action, touch.path, touch.old)
            self.changes.append(change)

    def _follow(self, touch: Touch) -> None:
        """Let earlier changes of a renamed entry go by its new name."""
        depth = len(touch.old)
        for index, change in enumerate(self.changes):
            if change.path[:depth] == touch.old and change.action not in {DELETE, RENAME}:
                self.changes[index] = replace(change, path=touch.path + change.path[depth:])

    def by(self, admins: Sequence[str] | None) -> list[Change]:
        """Return the changes of some administrators, or of all."""
        if admins is None:
            return list(self.changes)
        return [change for change in self.changes if change.admin in admins]

    def forget(self, changes: Iterable[Change]) -> None:
        """Drop changes that are committed or reverted."""
        gone = set(changes)
        self.generation += 1
        self.changes = [change for change in self.changes if change not in gone]

    @property
    def admins(self) -> list[str]:
        """Those who have changes, in order of their first."""
        return list(dict.fromkeys(change.admin for change in self.changes))

    def list_changes(self, changes: Iterable[Change]) -> str:
        """Write changes as ``show config list changes`` does (observed on 11.1)."""
        entries = [
            f"<entry><xpath>{escape(xpath_of(change.path), {chr(39): '&#39;'})}</xpath>"
            f"<owner>{escape(change.admin)}</owner>"
            f"<action> {change.action}</action>"
            f"<admin-history>{escape(change.admin)}</admin-history>"
            f"<component-type>{_component(change.path)}</component-type></entry>"
            for change in changes
            if not _is_kept(change.path)
        ]
        return f"<journal>{''.join(entries)}</journal>" if entries else ""

    # -- dirty marks --------------------------------------------------------------

    def marked(self, node: Element, path: Path) -> Element:
        """Return a node as ``get`` shows it: a copy with marks if anything in it is dirty."""
        changes = [change for change in self.changes if _related(change.path, path)]
        if not changes:
            return node
        shown = Tree(copy.deepcopy(node))
        for change in changes:
            self._mark(shown, change, path)
        return shown.root

    @staticmethod
    def _mark(shown: Tree, change: Change, path: Path) -> None:
        marks = {"admin": change.admin, "dirtyId": str(change.dirty_id), "time": change.time}
        node: Element | None = shown.root
        for key in change.path[len(path) :]:
            if node is None:
                return
            _set_all(node, marks)
            node = shown.child(node, key)
        if node is None:
            return
        if change.action == MOVE:
            _set_all(node, marks)
            return
        for below in node.iter("*"):
            _set_all(below, marks)


def _set_all(node: Element, marks: dict[str, str]) -> None:
    for name, value in marks.items():
        node.set(name, value)


def _related(one: Path, other: Path) -> bool:
    depth = min(len(one), len(other))
    return one[:depth] == other[:depth]


def _component(path: Path) -> str:
    """Name what a change belongs to (recorded on 11.1.6: a template, whatever is inside)."""
    kind, _ = container_of(described(path))
    return kind or ("shared" if path[:1] == (("shared", ""),) else "device-and-network")


def _is_kept(path: Path) -> bool:
    """Say whether a path is what a Panorama notes for itself of a group or template: its number."""
    return path[:1] == ((READONLY, ""),) and path[-1][0] in {"entry", "id"}


# -- partial commit and revert ------------------------------------------------------------


def transplant(
    source: Tree, target: Tree, mine: Sequence[Change], others: Iterable[Change]
) -> None:
    """Make the target hold what the source holds, at the places one side changed.

    Committing puts the candidate's nodes of some administrators into running;
    reverting puts running's nodes back into the candidate.
    """
    if any(not change.path for change in mine):
        target.replace_root(copy.deepcopy(source.root))
        return
    paths: dict[Path, None] = {}
    placed: set[Path] = set()
    for change in mine:
        for path in (change.path, *([change.old] if change.old else [])):
            paths[path] = None
        if change.action in {MOVE, CREATE, DELETE, RENAME}:
            placed.add(change.path)
    _follow_renames(source, target, mine)
    unplaced = {change.path for change in others if change.action in {MOVE, CREATE}}
    for path in _in_order(source, paths):
        _copy_unit(source, target, path, place=path in placed, avoid=unplaced - placed)


def _follow_renames(source: Tree, target: Tree, mine: Iterable[Change]) -> None:
    """Rename in place, so that position and attributes stay."""
    for change in mine:
        if change.action != RENAME:
            continue
        for old, new in ((change.old, change.path), (change.path, change.old)):
            node = target.at(old)
            gone = source.at(old) is None and source.at(new) is not None
            if node is not None and gone and target.at(new) is None:
                target.rename(node, new[-1][1])


def _in_order(source: Tree, paths: Iterable[Path]) -> list[Path]:
    """Sort siblings as the source has them, so that each finds its neighbour placed."""
    by_parent: dict[Path, list[Path]] = {}
    for path in paths:
        by_parent.setdefault(path[:-1], []).append(path)
    ordered: list[Path] = []
    for parent_path, group in by_parent.items():
        parent = source.at(parent_path)
        if parent is None or len(group) == 1:
            ordered.extend(group)
            continue
        rank = {key_of(child): place for place, child in enumerate(parent)}
        ordered.extend(sorted(group, key=_ranker(rank)))
    return ordered


def _ranker(rank: dict[tuple[str, str], int]) -> Callable[[Path], int]:
    return lambda path: rank.get(path[-1], -1)


def _copy_unit(source: Tree, target: Tree, path: Path, *, place: bool, avoid: set[Path]) -> None:
    wanted = source.at(path)
    present = target.at(path)
    if wanted is None:
        if present is not None:
            target.detach(present)
        return
    duplicate = copy.deepcopy(wanted)
    if present is not None:
        present = target.replace(present, duplicate)
        if place and _is_ordered(path):
            target.detach(present)
            _insert(source, target, path, present, avoid)
        return
    _insert(source, target, path, duplicate, avoid)


def _is_ordered(path: Path) -> bool:
    container = schema.at(path[:-1])
    return container is not None and container.moveable


def _insert(source: Tree, target: Tree, path: Path, node: Element, avoid: set[Path]) -> None:
    parent = _parents(source, target, path[:-1])
    sibling = source.at(path)
    sibling = None if sibling is None else sibling.getprevious()
    while sibling is not None:
        key = key_of(sibling)
        neighbour = target.child(parent, key)
        if neighbour is not None and (*path[:-1], key) not in avoid:
            target.attach(parent, node, neighbour)
            return
        sibling = sibling.getprevious()
    target.attach_first(parent, node)


def _parents(source: Tree, target: Tree, path: Path) -> Element:
    """Return the node at a path in the target; missing levels are made, empty."""
    node = target.root
    for depth, key in enumerate(path):
        found = target.child(node, key)
        if found is None:
            found = target.new_child(node, key)
            model = source.at(path[: depth + 1])
            if model is not None:
                for name, value in model.attrib.items():
                    found.set(str(name), str(value))
        node = found
    return node
