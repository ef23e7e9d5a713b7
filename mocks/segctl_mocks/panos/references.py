"""Who refers to whom: names resolved in virtual system, shared and predefined."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

from segctl_mocks.panos import schema
from segctl_mocks.panos.tree import Element, Path, Tree, arrow_path, path_of, tag_of, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator

Scope: TypeAlias = Path
"""Where objects lie: a virtual system, a device group, or shared, each also inside a template."""

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
    "template": ("template",),
    "template-stack": ("template-stack",),
}
_MANAGED = "managed-device"
_TEMPLATES = frozenset({"template", "template-stack"})
_HOLDERS = frozenset({"vsys", "device-group"})
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


def template_of(path: Path) -> Path:
    """Return where the configuration inside a template begins; () outside of templates."""
    inside = path[:2] == DEVICE and len(path) > _VSYS_DEPTH and path[2][0] in _TEMPLATES
    return path[: _VSYS_DEPTH + 1] if inside and path[4][0] == "config" else ()


def scope_of(path: Path) -> Scope:
    """Return the virtual system or device group a path lies in; shared when it lies in none."""
    prefix = template_of(path)
    inner = path[len(prefix) :]
    if len(inner) >= _VSYS_DEPTH and inner[0][0] == "devices" and inner[2][0] in _HOLDERS:
        return prefix + inner[:_VSYS_DEPTH]
    return prefix + SHARED


def lock_scope(path: Path) -> str:
    """Return the name of what an administrator locks to change a path; "" for shared."""
    kinds = _HOLDERS | _TEMPLATES
    inside = len(path) >= _VSYS_DEPTH and path[:2] == DEVICE and path[2][0] in kinds
    return path[3][1] if inside else ""


def device_of(path: Path) -> Path:
    """Return the device a path lies in: this one, or the one that a template describes."""
    return template_of(path) + DEVICE


def is_of_device(path: Path) -> bool:
    """Say whether a path lies in a section of the device, which names objects of any system."""
    inner = path[len(template_of(path)) :]
    return len(inner) > len(DEVICE) and inner[:2] == DEVICE and inner[2][0] not in _HOLDERS


def scope_path(vsys: str) -> Scope:
    """Return where the objects of a virtual system are, or for "" those of shared."""
    return (*DEVICE, ("vsys", ""), ("entry", vsys)) if vsys else SHARED


def vsys_of(scope: Scope) -> str:
    """Return the name of a scope's virtual system or device group; "" for shared."""
    return scope[-1][1]


def _tags(*tags: str) -> Path:
    return tuple((tag, "") for tag in tags)


@cache
def _container(kind: str) -> Path:
    """Return where, in a scope, objects of a kind are."""
    return _tags(*_CONTAINERS.get(kind, (kind,)))


def _fixed(kind: str, scope: Scope) -> Path | None:
    """Return where objects of a kind are that do not lie in scopes."""
    if kind == _MANAGED:
        return _tags("mgt-config", "devices")
    if kind in _DEVICE_CONTAINERS:
        return (*device_of(scope), *_tags(*_DEVICE_CONTAINERS[kind]))
    return None


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
        *,
        platform: str = schema.FIREWALL,
        beyond: Callable[[Path], Element | None] = lambda _path: None,
    ) -> None:
        self.tree = tree
        self.platform = platform
        self._pushed = pushed
        self._beyond = beyond
        self.predefined = predefined
        self._cache: dict[Path, dict[str, Element]] = {}
        self._predefined: dict[Path, dict[str, Element]] = {}
        self._structure = -1

    def content_changed(self, predefined: Tree) -> None:
        """Resolve names in other predefined content from now on."""
        self.predefined = predefined
        self.forget()

    def forget(self) -> None:
        """Look predefined names up anew."""
        self._predefined.clear()

    def at(self, path: Path) -> Element | None:
        """Return the node at a path, where it is missing that of a template."""
        found = self.tree.at(path)
        return self._beyond(path) if found is None else found

    # -- from a name to the object ------------------------------------------------

    def resolves(self, kinds: Iterable[str], name: str, scope: Scope) -> bool:
        """Say whether a name means an object of one of these kinds, seen from a scope."""
        return any(self._resolves(kind, name, scope) for kind in kinds)

    def _resolves(self, kind: str, name: str, scope: Scope) -> bool:
        if kind.startswith("interface-"):
            return self._is_interface(kind.removeprefix("interface-"), name, device_of(scope))
        if (place := _fixed(kind, scope)) is not None:
            return name in self._names(place)
        if kind == "zone" and self.platform == schema.PANORAMA and not template_of(scope):
            return True  # rules of Panorama may name any zone: only the firewall knows them
        tags = _container(kind)
        if any(name in self._names((*place, *tags)) for place in self.chain(scope)):
            return True
        return name in self._predefined_names(tags) or name in self._pushed(scope, tags)

    def chain(self, scope: Scope) -> tuple[Scope, ...]:
        """Return the scopes in which a name is looked up, the nearest first.

        A device group sees its parents' objects and shared ones (vendor's Panorama guide, "Device
        Group Hierarchy": the lowest level that has the name wins unless ancestors take precedence).
        """
        shared = template_of(scope) + SHARED
        if scope == shared:
            return (shared,)
        above: list[Scope] = []
        current = scope
        while current and current not in above:
            above.append(current)
            current = self._parent(current)
        return (*above, shared)

    def _parent(self, scope: Scope) -> Scope:
        """Return the parent of a device group; () for one that has none, and for other scopes.

        Real configurations hold it in ``readonly`` (exports of 8.0).
        """
        if scope[2][0] != "device-group":
            return ()
        name = text_of(self.tree.at((("readonly", ""), *scope, ("parent-dg", ""))))
        return (*scope[:-1], ("entry", name)) if name else ()

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

    def _is_interface(self, mode: str, name: str, device: Path) -> bool:
        if name in _UNITS:
            return mode in {"layer3", "any"}
        interfaces = self.tree.at((*device, *_tags("network", "interface")))
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
        inside = (*device_of(path), *_tags("network", "interface"))
        if path[: len(inside)] == inside:
            return Named("interface", name, scope_of(path), path)
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
            if self._means(path, kinds, named):
                found.append(leaf)
        return found

    def _means(self, path: Path, kinds: Iterable[str], named: Named) -> bool:
        """Say whether the leaf at a path means this object rather than a nearer one of its name."""
        if is_of_device(path) and named.scope != SHARED:
            return template_of(path) == template_of(named.path)
        chain = self.chain(scope_of(path))
        if named.scope not in chain:
            return False
        nearer = chain[: chain.index(named.scope)]
        return not any(self._shadowed(kinds, named.name, scope) for scope in nearer)

    def still_resolves(self, leaf: Element) -> bool:
        """Say whether what a leaf names is (still) there."""
        path = path_of(leaf)
        name = path[-1][1] if leaf.tag == "entry" else text_of(leaf)
        scopes = self._systems(path) if is_of_device(path) else ()
        return any(
            self.resolves(slot_kinds(path), name, scope) for scope in (scope_of(path), *scopes)
        )

    def _systems(self, path: Path) -> tuple[Scope, ...]:
        place = (*device_of(path), ("vsys", ""))
        container = self.tree.at(place)
        names = () if container is None else tuple(self.tree.entries(container))
        return tuple((*place, ("entry", name)) for name in names)

    def _shadowed(self, kinds: Iterable[str], name: str, scope: Scope) -> bool:
        for kind in kinds:
            if kind.startswith("interface-") or _fixed(kind, scope) is not None:
                continue
            if name in self._names((*scope, *_container(kind))):
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
