"""Every place of the mock's schema where others may name an object of ours, planted by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from segctl_mocks.panos import schema
from support.panos import DEVICE, VSYS, other_rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segctl_mocks.panos.schema import Node

KINDS = ("address", "address-group", "service", "application-group", "schedule", "tag")
#: What an entry needs besides the reference: by its container, and by the name it must have.
_NEEDS = {
    "address": "<ip-netmask>10.99.0.1</ip-netmask>",
    "address-group": "<static><member>o-host</member></static>",
    "service": "<protocol><tcp><port>7</port></tcp></protocol>",
    "service-group": "<members><member>o-port</member></members>",
    "application-group": "<members><member>ssl</member></members>",
    "match-list": "<log-type>traffic</log-type>",
    "security": other_rule("")[len('<entry name="">') : -len("</entry>")],
}
_NAMES = {"default-security-rules": "interzone-default"}


@dataclass(frozen=True, slots=True)
class Spot:
    """A place: its tags below a virtual system or the device, and the kinds it may name."""

    path: tuple[str, ...]
    kinds: tuple[str, ...]
    in_system: bool
    how: str  # members | leaf | entries

    def __str__(self) -> str:
        return "/".join(self.path)

    @property
    def arrows(self) -> str:
        """Return it the way the device prints it."""
        return " -> ".join(
            self._entry(depth) if tag == "entry" else tag for depth, tag in enumerate(self.path)
        )

    @property
    def container(self) -> str:
        """Return the xpath from which the path leads on."""
        return VSYS if self.in_system else DEVICE

    def element(self, name: str) -> str:
        """Return what an administrator sets to name an object here."""
        text = escape(name)
        inner = {
            "members": f"<member>{text}</member>",
            "leaf": text,
            "entries": f'<entry name="{text}"/>',
        }[self.how]
        for depth in range(len(self.path) - 1, -1, -1):
            tag = self.path[depth]
            if tag == "entry":
                inner = f'<entry name="{self._entry(depth)}">{inner}{self._needs(depth)}</entry>'
            else:
                inner = f"<{tag}>{inner}</{tag}>"
        return inner

    def _entry(self, depth: int) -> str:
        return next((_NAMES[tag] for tag in self.path[:depth] if tag in _NAMES), "o-ref")

    def _needs(self, depth: int) -> str:
        """Return what else an entry has to hold, without what the path leads to."""
        kind = self.path[depth - 2] if self.path[depth - 1] == "rules" else self.path[depth - 1]
        needs = _NEEDS.get(kind, "")
        tag = self.path[depth + 1]
        start = needs.find(f"<{tag}>")
        if start < 0:
            return needs
        end = needs.index(f"</{tag}>") + len(tag) + 3
        return needs[:start] + needs[end:]


def spots() -> Iterator[Spot]:
    """Yield every place of virtual systems and of the device's sections."""
    device = schema.load().child("devices")
    assert device is not None
    for tag, node in device.children.items():
        if not node.is_of(schema.FIREWALL):
            continue
        if tag == "vsys":
            for child in node.children.values():
                yield from _below(child, (child.tag,), in_system=True)
        else:
            yield from _below(node, (tag,), in_system=False)


def _below(node: Node, path: tuple[str, ...], *, in_system: bool) -> Iterator[Spot]:
    refs = tuple(kind for kind in KINDS if kind in (*node.refs, *node.named))
    if refs:
        yield Spot(path, refs, in_system, node.kind)
    below = (*path, "entry") if node.kind == "entries" else path
    for child in node.children.values():
        if child.is_of(schema.FIREWALL):
            yield from _below(child, (*below, child.tag), in_system=in_system)
