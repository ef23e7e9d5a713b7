"""What a ``commit-all`` asks for: which firewalls get what, and how (vendor's API guide 9.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from segctl_mocks.panos.answers import Answer, ApiError
from segctl_mocks.panos.panorama import groups, templates
from segctl_mocks.panos.tree import tag_of, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segctl_mocks.panos.tree import Element, Path, Tree

POLICY = "shared-policy"
_STYLES = frozenset({POLICY, templates.TEMPLATE, templates.STACK})


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """One firewall of a push: its systems with their groups; none where only templates go."""

    serial: str
    systems: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One push."""

    style: str
    names: tuple[str, ...]
    recipients: tuple[Recipient, ...]
    admins: tuple[str, ...] | None
    with_templates: bool
    merge: bool
    force: bool
    validate_only: bool
    description: str


def read(command: Element, tree: Tree) -> Order:
    """Read a ``commit-all`` about the running configuration.

    Raises:
        ApiError: it is not understood, or names what is not there; unsure: wording.
    """
    body = next(iter(command), None)
    if body is None or tag_of(body) not in _STYLES:
        word = "" if body is None else f" -> {tag_of(body)}"
        raise ApiError("17", f" commit-all{word}  is unexpected", cdata=True)
    style = tag_of(body)
    read_recipients = _of_groups if style == POLICY else _of_templates
    names, recipients = read_recipients(body, tree, style)
    admins = body.find("admin")
    return Order(
        style=style,
        names=names,
        recipients=recipients,
        admins=None if admins is None else tuple(text_of(each) for each in admins),
        with_templates=style != POLICY or text_of(body.find("include-template")) != "no",
        merge=text_of(body.find("merge-with-candidate-cfg")) != "no",
        force=text_of(body.find("force-template-values")) == "yes",
        validate_only=body.find("validate-only") is not None,
        description=text_of(body.find("description")),
    )


def sent_to_collectors(group: str) -> Answer:
    """Answer a push to log collectors, which has no job (a client in the wild)."""
    line = f"Generated config and committed to connected collectors in group {escape(group)}"
    return Answer(f'<response status="success"><msg><line>{line}</line></msg></response>'.encode())


def _unknown(path: str, name: str) -> ApiError:
    return ApiError("17", f" commit-all -> {path} '{name}' is not a valid reference", cdata=True)


# -- device groups ----------------------------------------------------------------------------


def _of_groups(
    body: Element, tree: Tree, _style: str
) -> tuple[tuple[str, ...], tuple[Recipient, ...]]:
    names: list[str] = []
    systems: dict[str, list[tuple[str, str]]] = {}
    for entry in body.iterfind("device-group/entry"):
        group = entry.get("name") or ""
        if group not in groups.names(tree):
            raise _unknown(f"{POLICY} -> device-group", group)
        names.append(group)
        for member in _chosen(entry, group, tree):
            systems.setdefault(member.serial, []).append((member.vsys, group))
    if not names:
        raise ApiError("17", f" commit-all -> {POLICY} is missing 'device-group'", cdata=True)
    found = (Recipient(serial=serial, systems=tuple(each)) for serial, each in systems.items())
    return tuple(names), tuple(found)


def _chosen(entry: Element, group: str, tree: Tree) -> Iterator[groups.Member]:
    """Yield the members of a group that an order names; all if it names none."""
    members = [member for member in groups.members(tree) if member.group == group]
    devices = entry.find("devices")
    if devices is None:
        yield from members
        return
    for device in devices:
        serial = device.get("name") or ""
        wanted = [text_of(member) for member in device.iterfind("vsys/member")]
        mine = [member for member in members if member.serial == serial]
        if not mine:
            raise _unknown(f"{POLICY} -> device-group -> {group} -> devices", serial)
        for vsys in wanted:
            if vsys not in {member.vsys for member in mine}:
                raise _unknown(f"{POLICY} -> device-group -> {group} -> {serial} -> vsys", vsys)
        yield from (member for member in mine if not wanted or member.vsys in wanted)


# -- templates --------------------------------------------------------------------------------


def _of_templates(
    body: Element, tree: Tree, style: str
) -> tuple[tuple[str, ...], tuple[Recipient, ...]]:
    name = text_of(body.find("name"))
    if name not in groups.names(tree, style):
        raise _unknown(style, name)
    held = [serial for serial in serials(tree) if holds(tree, style, name, serial)]
    wanted = [text_of(member) for member in body.iterfind("device/member")]
    for serial in wanted:
        if serial not in held:
            raise _unknown(f"{style} -> {name} -> device", serial)
    return (name,), tuple(Recipient(serial=each, systems=()) for each in wanted or held)


def holds(tree: Tree, style: str, name: str, serial: str) -> bool:
    """Say whether a firewall gets values from a template (also by a stack) or a stack."""
    found = templates.holder(tree, serial)
    if found is None:
        return False
    inside = [layer for layer, _ in templates.layers(tree, *found)]
    return found == (style, name) or (style == templates.TEMPLATE and name in inside[1:])


def serials(tree: Tree) -> tuple[str, ...]:
    """Return the serial numbers of the managed firewalls."""
    place: Path = (("mgt-config", ""), ("devices", ""))
    container = tree.at(place)
    return () if container is None else tuple(tree.entries(container))
