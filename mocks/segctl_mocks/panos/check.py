"""Checks the device makes at the write: schema, lengths, references, duplicates, limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl_mocks.panos import schema, values
from segctl_mocks.panos.references import References, Scope, label_of, scope_of
from segctl_mocks.panos.tree import Element, Path, Tree, path_of, tag_of, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segctl_mocks.panos.schema import Node

_LIMIT_TEXTS = {
    "max-address": "Maximum number of addresses exceeded",
    "max-address-group": "Maximum number of address groups exceeded",
    "max-address-per-group": "Maximum number of address per group exceeded for this platform",
    "max-service": "Maximum number of services exceeded",
    "max-service-group": "Maximum number of service groups exceeded",
    "max-service-per-group": "Maximum number of service per group exceeded for this platform",
    "max-zone": "Maximum number of zones exceeded",
    "max-policy-rule": "Maximum number of security rules exceeded",
}
#: Whose entries have objects of their own, or are the device that a template describes.
_SCOPED = frozenset({"device-group", "devices", "vsys"})
_RESERVED_TEXTS = {
    ("address", "0.0.0.0"): "0.0.0.0 is reserved and not allowed as the name of an address object",  # noqa: S104 - a name, no address to listen at
    ("address", "any"): "name 'any' is disallowed",
    ("rules", "any"): "name 'any' is disallowed",
    ("zone", "multicast"): "'multicast' is reserved zone name",
    ("rules", "intrazone-default"): "'intrazone-default' is a reserved name",
    ("rules", "interzone-default"): "'interzone-default' is a reserved name",
}
_NAMESPACES_WITH_CONTENT = {"application", "application-group", "application-filter"}


class InvalidError(Exception):
    """The first thing found wrong, as the lines the device prints."""

    def __init__(self, *lines: str) -> None:
        super().__init__(*lines)
        self.lines = lines


class Checker:
    """Checks nodes of one configuration; raises :class:`InvalidError`."""

    def __init__(
        self, references: References, release: tuple[int, ...], limits: Mapping[str, int]
    ) -> None:
        self.references = references
        self.tree: Tree = references.tree
        self.release = release
        self.limits = limits

    def check(self, element: Element, *, duplicates: bool = True) -> None:
        """Check a node that was written, with everything below it."""
        path = path_of(element)
        *above, node = schema.walk(path)
        if node is None:
            raise InvalidError(f"{label_of(path)} unexpected here")
        container = above[-1] if above else None
        if path and path[-1][0] == "entry" and container is not None:
            self._name(element, container)
            self._known(path[-1][1], container, container.tag, scope_of(path))
            if duplicates:
                self._duplicate(element, container)
            self._limit(element, container, path)
            if container.kind_of_object == "zone":
                self._one_zone_each(element)
        label = path[-1][1] or path[-1][0] if path else "config"
        if path and path[-1][0] == "member" and container is not None:
            self._member(element, container, path[-2][0], scope_of(path))
            return
        self._node(element, node, label, scope_of(path))

    # -- names --------------------------------------------------------------------

    def _name(self, entry: Element, container: Node) -> None:
        name = entry.get("name")
        if not name:
            raise InvalidError(f"{container.tag} is missing 'name'")
        if container.maxlen and len(name) > container.maxlen:
            raise InvalidError(
                f"name can be at most {container.maxlen} characters, "
                f"but current length: {len(name)}"
            )
        if name in container.reserved:
            text = _RESERVED_TEXTS.get((container.tag, name), f"'{name}' is not allowed")
            raise InvalidError(f"{container.tag} -> {name} {text}", f"{container.tag} is invalid")
        if not values.NAMES[container.names](name):
            raise InvalidError(f"{container.tag} -> {name} is invalid")

    def _known(self, name: str, container: Node, label: str, scope: Scope) -> None:
        """Refuse an entry that is to be named as an object; unsure: wording on Panorama."""
        if container.known and not self.references.resolves(container.named, name, scope):
            raise InvalidError(
                f"{label} -> {name} '{name}' is not a valid reference", f"{label} is invalid"
            )

    def _duplicate(self, entry: Element, container: Node) -> None:
        name = entry.get("name") or ""
        parent = entry.getparent()
        scope = parent.getparent() if parent is not None else None
        if parent is None or scope is None or not container.unique:
            return
        if self.tree.entries(parent).get(name) is not entry:
            raise self._in_use(container, name)
        for sibling in container.unique:
            other = scope.find(sibling) if sibling != container.tag else None
            if other is not None and name in self.tree.entries(other):
                raise self._in_use(container, name)
        if container.tag in _NAMESPACES_WITH_CONTENT and any(
            self.references.is_predefined(kind, name)
            for kind in ("application", "application-container")
        ):
            raise self._in_use(container, name)

    @staticmethod
    def _in_use(container: Node, name: str) -> InvalidError:
        return InvalidError(
            f"{container.tag} -> {name} '{name}' is already in use", f"{container.tag} is invalid"
        )

    def _limit(self, entry: Element, container: Node, path: Path) -> None:
        parent = entry.getparent()
        limit = self.limits.get(container.limit)
        if limit is None or parent is None or len(self.tree.entries(parent)) <= limit:
            return
        raise InvalidError(f"{label_of(path[:-1])} {_limit_text(container.limit)}")

    def _one_zone_each(self, zone: Element) -> None:
        """An interface is in one zone only."""
        mine = {text_of(member) for member in zone.iterfind("network/*/member")}
        zones = zone.getparent()
        for other in zones if zones is not None and mine else ():
            for member in other.iterfind("network/*/member"):
                if other is not zone and text_of(member) in mine:
                    parent = member.getparent()
                    tag = "" if parent is None else tag_of(parent)
                    raise InvalidError(
                        f"{zone.get('name')} -> network -> {tag} '{text_of(member)}' "
                        "is already in use",
                        f"{zone.get('name')} -> network -> {tag} is invalid",
                    )

    # -- nodes --------------------------------------------------------------------

    def _node(self, element: Element, node: Node, label: str, scope: Scope) -> None:
        if node.kind == "opaque":
            return
        if node.kind == "leaf":
            self._leaf(element, node, label, scope)
            return
        if text_of(element):
            raise InvalidError(f"{label} has unexpected text.", f"{label} is invalid")
        if node.kind == "members":
            self._members(element, node, label, scope)
        elif node.kind == "entries":
            self._entries(element, node, label, scope)
        else:
            self._sequence(element, node, label, scope)

    def _entries(self, element: Element, node: Node, label: str, scope: Scope) -> None:
        for entry in element:
            if entry.tag != "entry":
                raise InvalidError(f"{label} -> {tag_of(entry)} unexpected here")
            self._name(entry, node)
            self._known(entry.get("name") or "", node, label, scope)
            inside = scope_of(path_of(entry)) if node.tag in _SCOPED else scope
            self._node(entry, node.entry, f"{label} -> {entry.get('name')}", inside)

    def _sequence(self, element: Element, node: Node, label: str, scope: Scope) -> None:
        seen: set[str] = set()
        for child in element:
            tag = tag_of(child)
            known = node.child(tag)
            if known is None or not self._has(known):
                raise InvalidError(f"{label} -> {tag} unexpected here", f"{label} is invalid")
            if tag in seen and known.kind != "opaque":
                raise InvalidError(f"{label} -> {tag} is a duplicate node")
            seen.add(tag)
            if known.kind == "leaf":
                self._leaf(child, known, f"{label} -> {tag}", scope)
            else:
                self._node(child, known, f"{label} -> {tag}", scope)
        for group in node.choices:
            both = [child for child in element if child.tag in group]
            if len(both) > 1:
                first, second = both[:2]
                raise InvalidError(
                    f"{label} Node {tag_of(first)}(line {first.sourceline}) and "
                    f"{tag_of(second)}(line {second.sourceline}) are mutually exclusive",
                    f"{label} is invalid",
                )

    def _has(self, node: Node) -> bool:
        return node.known_in(self.release) and node.is_of(self.references.platform)

    def _leaf(self, element: Element, node: Node, label: str, scope: Scope) -> None:
        if len(element):
            raise InvalidError(f"{label} -> {tag_of(element[0])} unexpected here")
        self._value(node, element.text or "", label, scope)

    # -- members ------------------------------------------------------------------

    def _members(self, element: Element, node: Node, label: str, scope: Scope) -> None:
        texts: list[str] = []
        for member in element:
            if member.tag != "member":
                if node.loose:
                    return
                raise InvalidError(
                    f"{label} -> {tag_of(member)} unexpected here", f"{label} is invalid"
                )
            texts.append(text_of(member))
        for text in texts:
            self._value(node, text, label, scope)
        self._together(node, texts, label)

    def _member(self, member: Element, node: Node, tag: str, scope: Scope) -> None:
        self._value(node, text_of(member), tag, scope)

    def _together(self, node: Node, texts: list[str], label: str) -> None:
        if node.max_count and len(texts) > node.max_count:
            raise InvalidError(f"{label} can have at most {node.max_count} member(s)")
        limit = self.limits.get(node.limit)
        if limit is not None and len(texts) > limit:
            raise InvalidError(f"{label} {_limit_text(node.limit)}", f"{label} is invalid")
        if node.distinct and len(set(texts)) != len(texts):
            twice = next(text for text in texts if texts.count(text) > 1)
            raise InvalidError(f"{label} '{twice}' is already in use", f"{label} is invalid")
        for word in node.alone:
            if word in texts and len(set(texts)) > 1:
                raise InvalidError(
                    f"{label}  is invalid. '{word}' should not be used with another service",
                    f"{label} is invalid",
                )

    # -- values -------------------------------------------------------------------

    def _value(self, node: Node, text: str, label: str, scope: Scope) -> None:
        if node.maxlen and len(text) > node.maxlen:
            raise InvalidError(
                f"{label} can be at most {node.maxlen} characters, but current length: {len(text)}",
                f"{label} is invalid",
            )
        if node.enum and text not in node.enum:
            raise InvalidError(f"{label} '{text}' is not an allowed keyword", f"{label} is invalid")
        if node.bounds is not None:
            low, high = node.bounds
            if not text.isdigit() or not low <= int(text) <= high:
                raise InvalidError(
                    f"{label} {text} is invalid. Valid range is {low} - {high}",
                    f"{label} is invalid",
                )
        if node.refs and not node.free:
            self._reference(node, text, label, scope)
        elif node.types and not any(values.CHECKS[each](text) for each in node.types):
            raise InvalidError(f"{label} {_complaint(node.types[0], text)}", f"{label} is invalid")

    def _reference(self, node: Node, text: str, label: str, scope: Scope) -> None:
        if text in node.keywords:
            return
        if self.references.resolves(node.refs, text, scope):
            return
        typed = [each for each in node.types if each != "text"]
        if any(values.CHECKS[each](text) for each in typed):
            return
        lines: list[str] = []
        if node.keywords:
            lines.append(f"{label} '{text}' is not an allowed keyword")
        if "ip" in typed:
            lines.append(f"{label} '{text}' is an invalid ipv4/v6 address")
        lines.append(f"{label} '{text}' is not a valid reference")
        if "range" in typed:
            lines.append(f"{label} '{text}' range separator('-') not found")
        raise InvalidError(*lines, f"{label} is invalid")


def _complaint(kind: str, text: str) -> str:
    match kind:
        case "ip":
            return f"'{text}' is an invalid ipv4/v6 address"
        case "range":
            return f"'{text}' range separator('-') not found"
        case "bool":
            return f"'{text}' is not an allowed keyword"
        case _:
            return f"'{text}' is invalid"


def _limit_text(limit: str) -> str:
    return _LIMIT_TEXTS.get(limit, f"Maximum number of {limit.removeprefix('max-')} exceeded")
