"""Device groups, templates and stacks of a Panorama: their tree, their numbers, their members.

Sources: exports of 8.0 (``readonly/devices/entry/device-group/entry`` with ``parent-dg``, ``id``;
templates and stacks with ``id``, ``readonly/max-internal-id``); pan-os-python's panorama.py for
``show dg-hierarchy`` and ``request move-dg``; notes measured on 11.x (members with their systems,
none for a device that has one).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

from segctl_mocks.panos.answers import ApiError
from segctl_mocks.panos.parts import READONLY, container_of
from segctl_mocks.panos.references import DEVICE
from segctl_mocks.panos.tree import text_of
from segctl_mocks.panos.units import CREATE, DELETE, EDIT, RENAME, Touch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from segctl_mocks.panos.tree import Path, Tree

GROUP = "device-group"
KINDS = (GROUP, "template", "template-stack")
FIRST_SYSTEM = "vsys1"
_FIRST_ID = 10  # the first group of an export has 11


def place(kind: str, name: str) -> Path:
    """Return where a group, template or stack is."""
    return (*DEVICE, (kind, ""), ("entry", name))


def kept(kind: str, name: str) -> Path:
    """Return where what Panorama itself notes of one is."""
    return ((READONLY, ""), *place(kind, name))


def names(tree: Tree, kind: str = GROUP) -> tuple[str, ...]:
    """Return the names of all groups (templates, stacks), in the order of the configuration."""
    container = tree.at((*DEVICE, (kind, "")))
    return () if container is None else tuple(tree.entries(container))


def parent(tree: Tree, group: str) -> str:
    """Return the parent of a group; blank for one right below shared."""
    return text_of(tree.at((*kept(GROUP, group), ("parent-dg", ""))))


def lineage(tree: Tree, group: str) -> tuple[str, ...]:
    """Return a group, its parent, and so on up."""
    found: list[str] = []
    while group and group not in found:
        found.append(group)
        group = parent(tree, group)
    return tuple(found)


def number(tree: Tree, kind: str, name: str) -> str:
    """Return the number Panorama gave a group, template or stack."""
    return text_of(tree.at((*kept(kind, name), ("id", ""))))


def hierarchy(tree: Tree) -> str:
    """Write ``show dg-hierarchy``."""
    below: dict[str, list[str]] = {}
    for name in names(tree):
        below.setdefault(parent(tree, name), []).append(name)

    def branch(name: str) -> str:
        inner = "".join(branch(child) for child in below.get(name, ()))
        head = f"<dg name={quoteattr(name)} dg_id={quoteattr(number(tree, GROUP, name))}"
        return f"{head}>{inner}</dg>" if inner else f"{head}/>"

    return f"<dg-hierarchy>{''.join(branch(name) for name in below.get('', ()))}</dg-hierarchy>"


@dataclass(frozen=True, slots=True)
class Member:
    """One virtual system of a firewall that a device group holds."""

    serial: str
    vsys: str
    group: str


def members(tree: Tree) -> Iterator[Member]:
    """Yield the members of all groups; a device without systems there has one."""
    for group in names(tree):
        for device in _entries(tree, (*place(GROUP, group), ("devices", ""))):
            systems = tree.at((*place(GROUP, group), ("devices", ""), ("entry", device)))
            listed = [] if systems is None else systems.findall("vsys/entry")
            for vsys in [entry.get("name") or "" for entry in listed] or [FIRST_SYSTEM]:
                yield Member(device, vsys, group)


def _entries(tree: Tree, path: Path) -> tuple[str, ...]:
    container = tree.at(path)
    return () if container is None else tuple(tree.entries(container))


def twice(tree: Tree) -> tuple[str, ...]:
    """Return the lines of the first firewall that two groups hold; unsure: wording."""
    seen: dict[tuple[str, str], str] = {}
    for member in members(tree):
        known = seen.setdefault((member.serial, member.vsys), member.group)
        if known != member.group:
            label = f"device-group -> {member.group} -> devices"
            return (
                f"{label} -> {member.serial} '{member.serial}' is already in use",
                f"{label} is invalid",
            )
    return ()


# -- what Panorama notes itself ---------------------------------------------------------------


def follow(tree: Tree, touched: Iterable[Touch]) -> list[Touch]:
    """Keep the notes up to date after a change: numbers of what is new, no notes of what is gone.

    Raises:
        ApiError: a group that is a parent would go; unsure: wording.
    """
    done: list[Touch] = []
    for touch in touched:
        kind, name = container_of(touch.path)
        if touch.action == RENAME and len(touch.path) == 4 and kind in KINDS:
            done += _rename(tree, kind, touch.old[-1][1], name)
        elif kind in KINDS and name:
            done += _note(tree, kind, [name])
        elif len(touch.path) <= len(DEVICE) + 1:
            done += [each for kind in KINDS for each in _note(tree, kind, _known(tree, kind))]
    return done


def _known(tree: Tree, kind: str) -> list[str]:
    noted = _entries(tree, kept(kind, "")[:-1])
    return list(dict.fromkeys([*names(tree, kind), *noted]))


def _note(tree: Tree, kind: str, wanted: Sequence[str]) -> Iterator[Touch]:
    for name in wanted:
        exists, noted = tree.at(place(kind, name)), tree.at(kept(kind, name))
        if exists is None and noted is not None:
            _refuse_parent(tree, kind, name)
            tree.detach(noted)
            yield Touch(DELETE, kept(kind, name))
        elif exists is not None and (noted is None or noted.find("id") is None):
            _put(tree, (*kept(kind, name), ("id", "")), str(_next_id(tree)))
            yield Touch(CREATE, kept(kind, name))


def _refuse_parent(tree: Tree, kind: str, name: str) -> None:
    below = [each for each in names(tree) if kind == GROUP and parent(tree, each) == name]
    if below:
        raise ApiError(
            "10",
            f" {name} cannot be deleted because of references from:",
            *(f" device-group -> {each} -> parent-dg" for each in below),
        )


def manage(tree: Tree, serials: Iterable[str]) -> None:
    """Let Panorama manage firewalls, where it does not yet."""
    for serial in serials:
        path: Path = (("mgt-config", ""), ("devices", ""), ("entry", serial))
        node = tree.root
        for key in path:
            found = tree.child(node, key)
            node = found if found is not None else tree.new_child(node, key)


def _rename(tree: Tree, kind: str, old: str, new: str) -> Iterator[Touch]:
    noted = tree.at(kept(kind, old))
    if noted is None:
        return
    tree.rename(noted, new)
    yield Touch(RENAME, kept(kind, new), kept(kind, old))
    for each in names(tree) if kind == GROUP else ():
        leaf = tree.at((*kept(GROUP, each), ("parent-dg", "")))
        if leaf is not None and text_of(leaf) == old:
            tree.set_text(leaf, new)
            yield Touch(EDIT, (*kept(GROUP, each), ("parent-dg", "")))


def _next_id(tree: Tree) -> int:
    path: Path = ((READONLY, ""), ("max-internal-id", ""))
    noted = tree.at(((READONLY, ""), *DEVICE))
    taken = [] if noted is None else [text_of(leaf) for leaf in noted.iterfind("*/entry/id")]
    numbers = [int(text) for text in (text_of(tree.at(path)), *taken) if text.isdecimal()]
    highest = max([_FIRST_ID, *numbers]) + 1
    _put(tree, path, str(highest))
    return highest


def _put(tree: Tree, path: Path, text: str) -> None:
    node = tree.root
    for key in path:
        found = tree.child(node, key)
        node = found if found is not None else tree.new_child(node, key)
    tree.set_text(node, text)


# -- moving a group ---------------------------------------------------------------------------


def refuse_move(tree: Tree, group: str, above: str) -> None:
    """Refuse to move a group that is not there, below one that is not, or below itself.

    Raises:
        ApiError: unsure: wording.
    """
    for name in (group, above):
        if name and name not in names(tree):
            raise ApiError("7", f"device group {name} not found")
    if above and group in lineage(tree, above):
        raise ApiError("13", f"device group {group} cannot be moved below {above}: it is above it")


def move(tree: Tree, group: str, above: str) -> Touch:
    """Put a group below another, or right below shared."""
    path = (*kept(GROUP, group), ("parent-dg", ""))
    leaf = tree.at(path)
    if above:
        _put(tree, path, above)
        return Touch(EDIT if leaf is not None else CREATE, path)
    if leaf is not None:
        tree.detach(leaf)
    return Touch(DELETE, path)
