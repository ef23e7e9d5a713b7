"""Checks the device makes at commit and validate: what must be there, what fits together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl_mocks.panos import schema
from segctl_mocks.panos.check import Checker, InvalidError
from segctl_mocks.panos.references import label_of, referrer_line, scope_of, vsys_of
from segctl_mocks.panos.tree import Element, Path, path_of, tag_of, text_of
from segctl_mocks.panos.units import top_entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from segctl_mocks.panos.schema import Node

_ROUTED = {"layer3", "external", "tunnel"}
_ZONE_TYPES = ("tap", "virtual-wire", "layer2", "layer3", "external", "tunnel")
FINE: tuple[str, ...] = ()


def problems(checker: Checker, paths: Iterable[Path], *, removals: bool = True) -> tuple[str, ...]:
    """Return the lines of the first problem of a configuration, or nothing.

    Only what changed is looked at: the rest was checked when it was written. A whole
    candidate needs no check of ``removals``: each was checked against it.
    """
    units = list(dict.fromkeys(top_entry(path) or path for path in paths))
    try:
        for path in units:
            element = checker.tree.at(path)
            if element is None:
                if removals:
                    _refuse_dangling(checker, path)
                continue
            for unit in _objects(checker, element):
                _check_unit(checker, unit)
    except InvalidError as error:
        return error.lines
    return FINE


def of_elements(checker: Checker, elements: Iterable[Element]) -> tuple[str, ...]:
    """Return the lines of the first problem of objects and rules; their names were compared."""
    try:
        for element in elements:
            _check_unit(checker, element, duplicates=False)
    except InvalidError as error:
        return error.lines
    return FINE


def everything(checker: Checker) -> tuple[str, ...]:
    """Return the lines of the first problem anywhere in a configuration."""
    return problems(checker, [()])


def _objects(checker: Checker, element: Element) -> Iterator[Element]:
    path = path_of(element)
    if top_entry(path) is not None:
        yield element
        return
    named = [checker.tree.at(each.path) for each in checker.references.objects_in(element)]
    yield from (node for node in named if node is not None and top_entry(path_of(node)))


def _check_unit(checker: Checker, element: Element, *, duplicates: bool = True) -> None:
    path = path_of(element)
    *_, container, node = schema.walk(path)
    if node is None or container is None:
        return
    try:
        checker.check(element, duplicates=duplicates)
    except InvalidError as error:
        raise _with_place(error, path) from error
    _required(element, node, path)
    if container.kind_of_object == "security-rule":
        _security_rule(checker, element, path)
    if container.kind_of_object == "external-list":
        _external_list(checker, element, path)


def _with_place(error: InvalidError, path: Path) -> InvalidError:
    """Put the place before the lines: at commit they are relative to the document."""
    container = label_of(path[:-1])
    first, *rest = error.lines
    place = f"{container} -> {first}" if container else first
    return InvalidError(place, *rest, f"{container} is invalid")


def _required(element: Element, node: Node, path: Path) -> None:
    """Refuse a missing mandatory child (observed on 11.x: two blanks before "is missing")."""
    present = {tag_of(child) for child in element}
    missing = [tag for tag, child in node.children.items() if child.required]
    for tag in missing:
        if tag not in present:
            raise InvalidError(
                f"{label_of(path)}  is missing '{tag}'", f"{label_of(path[:-1])} is invalid"
            )
    for group in node.required_choices:
        if not group & present:
            raise InvalidError(
                f"{label_of(path)}  is missing one of {', '.join(sorted(group))}",
                f"{label_of(path[:-1])} is invalid",
            )
    for child in element:
        inner = node.children.get(tag_of(child))
        if inner is not None and inner.kind == "sequence":
            _required(child, inner, (*path, (tag_of(child), "")))
        if inner is not None and inner.kind == "members" and inner.required and not len(child):
            raise InvalidError(
                f"{label_of(path)} -> {tag_of(child)}  is missing 'member'",
                f"{label_of(path[:-1])} is invalid",
            )


def _refuse_dangling(checker: Checker, path: Path) -> None:
    """Refuse a partial commit that removes what the rest still uses."""
    named = checker.references.named_at(path)
    if named is None:
        return
    for leaf in checker.references.referrers(named):
        if not checker.references.still_resolves(leaf):
            place = referrer_line(leaf)
            raise InvalidError(
                f"{place} '{named.name}' is not a valid reference", f"{place} is invalid"
            )


# -- rules ------------------------------------------------------------------------------


def members(element: Element, tag: str) -> list[str]:
    """Return the texts of a member list."""
    found = element.find(tag)
    return [] if found is None else [text_of(member) for member in found]


def _security_rule(checker: Checker, rule: Element, path: Path) -> None:
    name = path[-1][1]
    for side in ("source", "destination"):
        if text_of(rule.find(f"negate-{side}")) == "yes" and "any" in members(rule, side):
            raise InvalidError(
                f"Negate cannot be enabled for security rule {name} with {side} address as 'any'",
                "Configuration is invalid",
            )
    action, unreachable = text_of(rule.find("action")), text_of(rule.find("icmp-unreachable"))
    if unreachable == "yes" and action in {"allow", "deny"}:
        raise InvalidError(f"{label_of(path)} not valid for policy's action {action}")
    pairs = set(members(rule, "from")), set(members(rule, "to"))
    if text_of(rule.find("rule-type")) == "intrazone" and pairs[0] != pairs[1]:
        raise InvalidError(
            f"{label_of(path)} different set of source and destination for intrazone rule"
        )
    _zones_fit(checker, rule, path)


def _zones_fit(checker: Checker, rule: Element, path: Path) -> None:
    if checker.references.platform == schema.PANORAMA:  # it does not know which zones there are
        return
    scope = scope_of(path)
    vsys = vsys_of(scope)
    types = {name: _zone_type(checker, scope, name) for name in members(rule, "from")}
    for to in members(rule, "to"):
        to_type = _zone_type(checker, scope, to)
        for name, from_type in types.items():
            if "any" in {from_type, to_type} or _compatible(from_type, to_type):
                continue
            raise InvalidError(
                f"In VSYS {vsys} from zone {name} of type {from_type} and to zone {to} of type "
                f"{to_type} are incompatible in security rule {path[-1][1]}"
            )


def _compatible(one: str, other: str) -> bool:
    if "unknown" in {one, other}:
        return False
    return one == other or {one, other} <= _ROUTED


def _zone_type(checker: Checker, scope: Path, name: str) -> str:
    if name in {"any", "multicast"}:
        return "any"
    zone = checker.references.at((*scope, ("zone", ""), ("entry", name)))
    network = None if zone is None else zone.find("network")
    if network is None:
        return "unknown"
    return next((each for each in _ZONE_TYPES if network.find(each) is not None), "unknown")


def _external_list(checker: Checker, element: Element, path: Path) -> None:
    """A list of the name of an address is only found here (observed on 11.x)."""
    scope = element.getparent()
    above = None if scope is None else scope.getparent()
    name = path[-1][1]
    for tag in ("address", "address-group"):
        other = None if above is None else above.find(tag)
        if other is not None and name in checker.tree.entries(other):
            raise InvalidError(
                f"{label_of(path)} '{name}' is already in use",
                f"{label_of(path[:-1])} is invalid",
            )
