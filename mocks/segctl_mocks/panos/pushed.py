"""What a Panorama pushed to a firewall, and the answers in which the firewall shows it.

Sources: an answer of ``show config pushed-shared-policy`` recorded on 11.1.6 (a ``policy`` with the
children ``shared`` and ``panorama``, rules with ``panorama``, and ``loc`` on everything in them);
for devices with several virtual systems notes measured on 11.1 (the answer without a system has
``shared`` alone, a system without a device group has a sentence instead of a policy).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

from lxml import etree

from segctl_mocks.panos.references import scope_path
from segctl_mocks.panos.tree import Element, MalformedError, Tree, parse, serialize, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from segctl_mocks.panos.receive import Delivery
    from segctl_mocks.panos.tree import Path

NOTHING = "No shared policy pushed to device"
#: Where a firewall names its Panorama, by release: an element of its own since 10.0.
_SERVER = "192.0.2.250"
_NESTED_SINCE = (10, 0)
_SHARED = "shared"
_FIRST = "vsys1"
_CONTEXT = "11"  # the first group that a Panorama makes
_KINDS = (
    "policy, shared or config of an answer to show config pushed-shared-policy or pushed-template"
)


@dataclass(slots=True)
class Pushed:
    """What was pushed: to each virtual system, to all of them, and by templates."""

    systems: dict[str, Element] = field(default_factory=dict[str, Element])
    shared: list[Element] = field(default_factory=list[Element])
    template: Element | None = None
    stamps: dict[str, str] = field(default_factory=dict[str, str])
    contexts: dict[str, str] = field(default_factory=dict[str, str])
    _names: dict[tuple[str, Path], frozenset[str]] = field(
        default_factory=dict[tuple[str, "Path"], frozenset[str]]
    )

    @classmethod
    def read(cls, documents: Iterable[bytes]) -> Pushed:
        """Read recorded answers, or what is in one; a policy is that of the first system.

        Raises:
            ValueError: a document is no such answer.
        """
        found = cls()
        for document in documents:
            try:
                root = parse(document)
            except MalformedError as error:
                message = f"not XML: {error}"
                raise ValueError(message) from error
            parts = list(root.iterfind("result/*")) if root.tag == "response" else [root]
            if root.tag == "pushed":
                parts = list(root)
            if not parts:
                message = f"nothing in it: it should have the {_KINDS}"
                raise ValueError(message)
            for part in parts:
                found.add(part)
        return found

    def add(self, part: Element) -> None:
        """Take what was pushed from one node.

        Raises:
            ValueError: it is none that a firewall shows.
        """
        match part.tag:
            case "policy":
                self.shared += part.iterfind(_SHARED)
                for node in part.iterfind("panorama"):
                    self._system(_FIRST, node)
            case "shared":
                self.shared.append(part)
            case "panorama":
                for entry in part.iterfind("vsys/entry"):
                    self._system(entry.get("name") or _FIRST, entry)
                self.shared += part.iterfind(_SHARED)
            case "config":
                for node in part.iterfind("panorama"):
                    self.add(node)
                if part.find("panorama") is None:
                    self.template = part
            case other:
                message = f"it has {other}, not the {_KINDS}"
                raise ValueError(message)

    def after(self, delivery: Delivery) -> Pushed:
        """Return what is pushed once a delivery is in effect."""
        return Pushed(
            systems={**self.systems, **(delivery.systems or {})},
            shared=list(self.shared if delivery.shared is None else delivery.shared),
            template=self.template if delivery.template is None else delivery.template,
            stamps={**self.stamps, **delivery.stamps},
            contexts={**self.contexts, **delivery.contexts},
        )

    @property
    def parts(self) -> tuple[bytes, ...]:
        """All of it as text, part by part: what is equal here means the same."""
        roots = [*self.shared, *([] if self.template is None else [self.template])]
        return (
            *(name.encode() + serialize(node) for name, node in self.systems.items()),
            *(serialize(root) for root in roots),
        )

    def all_names(self) -> frozenset[str]:
        """Return the names of everything that was pushed."""
        roots = [*self.systems.values(), *self.shared]
        roots += [self.template] if self.template is not None else []
        return frozenset(
            entry.get("name") or "" for root in roots for entry in root.iterdescendants("entry")
        )

    def _system(self, name: str, node: Element) -> None:
        for rules in node.iterfind("*/security/rules"):
            for rule in list(rules):
                if text_of(rule.find("disabled")) == "yes":  # Panorama keeps those to itself
                    rules.remove(rule)
                else:
                    rule.set("panorama", "true")
        _mark(node, _SHARED)
        self.systems[name] = node

    @property
    def documents(self) -> bytes:
        """All of it as one document that `read` takes."""
        root = etree.Element("pushed")
        panorama = etree.SubElement(root, "panorama")
        systems = etree.SubElement(panorama, "vsys")
        for name, node in self.systems.items():
            entry = etree.SubElement(systems, "entry", name=name)
            entry.extend(parse(serialize(node)))
        root.extend(parse(serialize(node)) for node in self.shared)
        if self.template is not None:
            root.append(parse(serialize(self.template)))
        return serialize(root)

    def __bool__(self) -> bool:
        """Whether there is anything, so that the device names its Panorama."""
        return bool(self.systems or self.shared) or self.template is not None

    # -- what the device shows ----------------------------------------------------

    def of_system(self, name: str, version: str) -> bytes:
        """Return what ``show config pushed-shared-policy`` says of a virtual system."""
        node = self.systems.get(name)
        if node is None:
            return NOTHING.encode()
        release = ".".join(version.split(".")[:2])
        common = b"".join(serialize(child) for part in self.shared for child in part)
        inner = b"".join(serialize(child) for child in node)
        head = (
            f"<policy cfg-version={quoteattr(f'{release}.0')} "
            f'detail-version={quoteattr(version)} urldb="paloaltonetworks" '
            f"dg-ctxt={quoteattr(self.contexts.get(name, _CONTEXT))}>"
        )
        return (
            head.encode()
            + (b"<shared>" + common + b"</shared>" if common else b"<shared/>")
            + b"<panorama>"
            + inner
            + b"</panorama></policy>"
        )

    def of_all(self) -> bytes:
        """Return what it says without a system on a device that has several."""
        if not self.systems and not self.shared:
            return NOTHING.encode()
        inner = b"".join(serialize(child) for part in self.shared for child in part)
        return b"<shared>" + inner + b"</shared>"

    def of_template(self) -> bytes:
        """Return what ``show config pushed-template`` says."""
        return b"" if self.template is None else serialize(self.template)

    def tree(self) -> Tree:
        """Return what ``get`` finds under ``/config/panorama``."""
        root = etree.Element("config")
        systems = etree.SubElement(etree.SubElement(root, "panorama"), "vsys")
        for name, node in self.systems.items():
            entry = etree.SubElement(systems, "entry", name=name)
            entry.extend(parse(serialize(node)))
        return Tree(root)

    # -- what it means ------------------------------------------------------------

    def rules(self, vsys: str, base: str) -> list[Element]:
        """Return the rules of ``pre-rulebase`` or ``post-rulebase``, in order.

        Shared ones are outermost.
        """
        node = self.systems.get(vsys)
        if node is None:
            return []
        inner, *outer = (
            list(root.iterfind(f"{base}/security/rules/entry")) for root in (node, *self.shared)
        )
        common = [rule for rules in outer for rule in rules]
        return [*common, *inner] if base == "pre-rulebase" else [*inner, *common]

    def objects(self, vsys: str, kind: str, name: str) -> Iterator[tuple[bool, Element]]:
        """Yield the objects of a name, and whether each is of Panorama's shared location."""
        for root in self._roots(vsys):
            for entry in root.iterfind(f"{kind}/entry"):
                if entry.get("name") == name:
                    yield entry.get("loc", _SHARED) == _SHARED, entry

    def names(self, vsys: str, tags: Path) -> frozenset[str]:
        """Return the names that a container has, seen from a virtual system."""
        key = (vsys, tags)
        if key not in self._names:
            path = "/".join(tag for tag, _ in tags)
            self._names[key] = frozenset(
                entry.get("name") or ""
                for root in self._roots(vsys)
                for entry in root.iterfind(f"{path}/entry")
            )
        return self._names[key]

    def _roots(self, vsys: str) -> Iterator[Element]:
        if vsys in self.systems:
            yield self.systems[vsys]
        yield from self.shared
        if self.template is not None:
            yield from self.template.iterfind(f"devices/entry/vsys/entry[@name='{vsys}']")
            yield from self.template.iterfind(_SHARED)


def _mark(node: Element, loc: str) -> None:
    """Write where each entry and everything in it comes from, as the device does."""
    for child in node:
        inside = child.get("loc", loc)
        if child.get("loc") is not None or child.tag == "entry" or node.get("loc") is not None:
            child.set("loc", inside)
        _mark(child, inside)


def taken_from(root: Element, documents: Sequence[bytes], release: tuple[int, ...]) -> Pushed:
    """Return what was pushed, also what stands in an exported configuration, without it there.

    A device to which anything was pushed names its Panorama.

    Raises:
        ValueError: a document is no answer of a managed firewall.
    """
    found = Pushed.read(documents)
    node = root.find("panorama")
    if node is not None:
        root.remove(node)
        found.add(node)
    system = root.find("devices/entry/deviceconfig/system")
    named = system is None or system.find("panorama-server") is not None
    if found and system is not None and not named and system.find("panorama") is None:
        system.append(parse(server(release).encode()))
    return found


def server(release: tuple[int, ...]) -> str:
    """Return the setting in which a firewall names its Panorama."""
    text = f"<panorama-server>{_SERVER}</panorama-server>"
    nested = f"<panorama><local-panorama>{text}</local-panorama></panorama>"
    return nested if release >= _NESTED_SINCE else text


def object_of(tree: Tree, pushed: Pushed, vsys: str, kind: str, name: str) -> Element | None:
    """Return what a name means in the rules of a virtual system: its own objects come first."""
    theirs = list(pushed.objects(vsys, kind, name))
    for place, common in ((scope_path(vsys), False), (scope_path(""), True)):
        found = tree.at((*place, (kind, ""), ("entry", name)))
        if found is not None:
            return found
        for shared, entry in theirs:
            if shared == common:
                return entry
    return None
