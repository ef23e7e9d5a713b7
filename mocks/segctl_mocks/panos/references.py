"""Who refers to whom: names resolved in virtual system, shared and predefined."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

from segctl_mocks.panos import schema
from segctl_mocks.panos.tree import Element, Path, Tree, arrow_path, path_of, tag_of, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator

Scope: TypeAlias = str
"""The name of a virtual system, or "" for shared."""

DEVICE: Path = (("devices", ""), ("entry", "localhost.localdomain"))
SHARED: Path = (("shared", ""),)

_CONTAINERS = {
    "log-setting": ("log-settings", "profiles"),
    "snmptrap": ("log-settings", "snmptrap"),
    "email": ("log-settings", "email"),
    "syslog": ("log-settings", "syslog"),
    "http": ("log-settings", "http"),
} | {
    kind: ("profiles", kind)
    for kind in (
        "virus",
        "spyware",
        "vulnerability",
        "url-filtering",
        "file-blocking",
        "wildfire-analysis",
        "data-filtering",
        "custom-url-category",
        "dos",
        "hip-profiles",
    )
}
_DEVICE_CONTAINERS = {
    "zone-protection-profile": ("network", "profiles", "zone-protection-profile"),
}
_UNITS = ("loopback", "tunnel", "vlan", "sdwan")
_VSYS_DEPTH = 4


def is_slot(leaf: Element) -> bool:
    """Say whether a leaf may name an object, judged by tags; some entries do by their name."""
    lists, leaves, containers = schema.slot_tags()
    parent = leaf.getparent()
    if leaf.tag in {"member", "entry"}:
        tags = lists if leaf.tag == "member" else containers
        return parent is not None and parent.tag in tags
    return leaf.tag in leaves


def scope_of(path: Path) -> Scope:
    """Return the virtual system a path lies in; "" when it lies in none."""
    if len(path) >= _VSYS_DEPTH and path[0][0] == "devices" and path[2][0] == "vsys":
        return path[3][1]
    return ""


def is_of_device(path: Path) -> bool:
    """Say whether a path lies in a section of the device, which names objects of any system."""
    return len(path) > len(DEVICE) and path[:2] == DEVICE and path[2][0] != "vsys"


def scope_path(scope: Scope) -> Path:
    """Return where the objects of a scope are."""
    return (*DEVICE, ("vsys", ""), ("entry", scope)) if scope else SHARED


def _tags(*tags: str) -> Path:
    return tuple((tag, "") for tag in tags)


@cache
def _container(kind: str) -> Path:
    """Return where, in a scope, objects of a kind are."""
    return _tags(*_CONTAINERS.get(kind, (kind,)))


@dataclass(frozen=True, slots=True)
class Named:
    """An object others may refer to."""

    kind: str
    name: str
    scope: Scope
    path: Path


class References:
    """Resolves names in one configuration."""

    def __init__(
        self,
        tree: Tree,
        predefined: Tree,
        pushed: Callable[[Scope, Path], Container[str]] = lambda _scope, _tags: (),
    ) -> None:
        self.tree = tree
        self._pushed = pushed
        self.predefined = predefined
        self._cache: dict[Path, dict[str, Element]] = {}
        self._predefined: dict[Path, dict[str, Element]] = {}
        self._structure = -1

    # -- from a name to the object ------------------------------------------------

    def resolves(self, kinds: Iterable[str], name: str, scope: Scope) -> bool:
        """Say whether a name means an object of one of these kinds, seen from a scope."""
        return any(self._resolves(kind, name, scope) for kind in kinds)

    def _resolves(self, kind: str, name: str, scope: Scope) -> bool:
        if kind.startswith("interface-"):
            return self._is_interface(kind.removeprefix("interface-"), name)
        if kind in _DEVICE_CONTAINERS:
            return name in self._names((*DEVICE, *_tags(*_DEVICE_CONTAINERS[kind])))
        tags = _container(kind)
        if scope and name in self._names((*scope_path(scope), *tags)):
            return True
        if name in self._names((*SHARED, *tags)):
            return True
        return name in self._predefined_names(tags) or name in self._pushed(scope, tags)

    def _names(self, path: Path) -> dict[str, Element]:
        if self._structure != self.tree.structure:
            self._cache.clear()
            self._structure = self.tree.structure
        found = self._cache.get(path)
        if found is None:
            container = self.tree.at(path)
            found = {} if container is None else self.tree.entries(container)
            self._cache[path] = found
        return found

    def _predefined_names(self, tags: Path) -> dict[str, Element]:
        found = self._predefined.get(tags)
        if found is None:
            container = self.predefined.at((("predefined", ""), *tags))
            found = {} if container is None else self.predefined.entries(container)
            self._predefined[tags] = found
        return found

    def is_predefined(self, kind: str, name: str) -> bool:
        """Say whether content brings an object of this name."""
        return name in self._predefined_names(_container(kind))

    def _is_interface(self, mode: str, name: str) -> bool:
        if name in _UNITS:
            return mode in {"layer3", "any"}
        interfaces = self.tree.at((*DEVICE, *_tags("network", "interface")))
        if interfaces is None:
            return False
        if name.split(".", maxsplit=1)[0] in _UNITS:
            units = self.tree.at(
                (*path_of(interfaces), *_tags(name.split(".", maxsplit=1)[0], "units"))
            )
            return units is not None and name in self.tree.entries(units)
        return self._is_port(interfaces, mode, name)

    def _is_port(self, interfaces: Element, mode: str, name: str) -> bool:
        parent = name.partition(".")[0]
        for kind in ("ethernet", "aggregate-ethernet"):
            container = interfaces.find(kind)
            port = None if container is None else self.tree.entries(container).get(parent)
            if port is None:
                continue
            if mode == "any":
                modes = [tag_of(child) for child in port]
            else:
                modes = [mode] if port.find(mode) is not None else []
            if parent == name:
                return bool(modes) or mode == "any"
            units = [port.find(f"{each}/units") for each in modes]
            return any(unit is not None and name in self.tree.entries(unit) for unit in units)
        return False

    # -- from the object to those who name it -------------------------------------

    def named(self, node: Element) -> Named | None:
        """Say what object a node is, if it is one."""
        return self.named_at(path_of(node)) if node.tag == "entry" else None

    def named_at(self, path: Path) -> Named | None:
        """Say what object a path means, whether or not it is there."""
        if not path or path[-1][0] != "entry":
            return None
        name = path[-1][1]
        if path[:4] == (*DEVICE, *_tags("network", "interface")):
            return Named("interface", name, "", path)
        container = schema.at(path[:-1])
        if container is None or not container.kind_of_object:
            return None
        return Named(container.kind_of_object, name, scope_of(path), path)

    def objects_in(self, node: Element) -> Iterator[Named]:
        """Yield the objects at and below a node."""
        for entry in node.iter("entry"):
            named = self.named(entry)
            if named is not None:
                yield named

    def referrers(self, named: Named) -> list[Element]:
        """Return the leaves that name this object, and mean it."""
        found: list[Element] = []
        for leaf in self.tree.slots(named.name):
            path = path_of(leaf)
            kinds = slot_kinds(path)
            if not any(_same_kind(named.kind, kind) for kind in kinds):
                continue
            seen_from = scope_of(path)
            if named.scope and seen_from != named.scope and not is_of_device(path):
                continue
            if not named.scope and seen_from and self._shadowed(kinds, named.name, seen_from):
                continue
            found.append(leaf)
        return found

    def still_resolves(self, leaf: Element) -> bool:
        """Say whether what a leaf names is (still) there."""
        path = path_of(leaf)
        name = path[-1][1] if leaf.tag == "entry" else text_of(leaf)
        scopes = self._systems() if is_of_device(path) else (scope_of(path),)
        return any(self.resolves(slot_kinds(path), name, scope) for scope in ("", *scopes))

    def _systems(self) -> tuple[Scope, ...]:
        container = self.tree.at((*DEVICE, ("vsys", "")))
        return () if container is None else tuple(self.tree.entries(container))

    def _shadowed(self, kinds: Iterable[str], name: str, scope: Scope) -> bool:
        for kind in kinds:
            if kind.startswith("interface-") or kind in _DEVICE_CONTAINERS:
                continue
            tags = _container(kind)
            if name in self._names((*scope_path(scope), *tags)):
                return True
        return False


def slot_kinds(path: Path) -> tuple[str, ...]:
    """Return the kinds of object the leaf at a path may name."""
    node = schema.at(path[:-1] if path[-1][0] in {"member", "entry"} else path)
    if node is None:
        return ()
    return node.named if path[-1][0] == "entry" else node.refs


def _same_kind(kind: str, accepted: str) -> bool:
    if kind == "interface":
        return accepted.startswith("interface-")
    return kind == accepted


def referrer_line(leaf: Element) -> str:
    """Name a referrer the way a refused delete does, ending at the referring leaf."""
    path = path_of(leaf)
    return arrow_path(_below_devices(path))


def _below_devices(path: Path) -> Path:
    return path[2:] if path[:2] == DEVICE else path


def label_of(path: Path) -> str:
    """Name a node the way messages of a job do."""
    return arrow_path(_below_devices(path))
