"""The xpaths the API takes: absolute, of tags, names and member texts, or general."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from lxml import etree

from segctl_mocks.panos.tree import Element, Key, Path, Tree, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable

_TAG = re.compile(r"/([A-Za-z_][\w.-]*)")
_LITERAL = r"""(?:'[^']*'|"[^"]*")"""
_TEST = rf"(?:@name|@uuid|text\(\))\s*=\s*{_LITERAL}"
_PREDICATE = re.compile(rf"\[\s*({_TEST}(?:\s+or\s+{_TEST})*)\s*\]")
_ONE_TEST = re.compile(rf"(@name|@uuid|text\(\))\s*=\s*({_LITERAL})")


@dataclass(frozen=True, slots=True)
class Step:
    """One level: a tag, and the values one of which an attribute or the text must have."""

    tag: str
    subject: str = ""
    values: tuple[str, ...] = ()

    @property
    def key(self) -> Key | None:
        """The one child this step means, if it means one."""
        if self.tag == "entry":
            named = self.subject == "@name" and len(self.values) == 1
            return (self.tag, self.values[0]) if named else None
        if self.tag == "member":
            named = self.subject == "text()" and len(self.values) == 1
            return (self.tag, self.values[0]) if named else None
        return None if self.subject else (self.tag, "")


@lru_cache(maxsize=20_000)
def parse(xpath: str) -> tuple[Step, ...] | None:
    """Read an absolute path; None when it needs the general engine (or is malformed)."""
    steps: list[Step] = []
    position = 0
    while position < len(xpath):
        tag = _TAG.match(xpath, position)
        if tag is None:
            return None
        position = tag.end()
        predicate = _PREDICATE.match(xpath, position)
        if predicate is None:
            steps.append(Step(tag[1]))
            continue
        position = predicate.end()
        tests = _ONE_TEST.findall(predicate[1])
        subjects = {subject for subject, _ in tests}
        if len(subjects) != 1:
            return None
        steps.append(Step(tag[1], subjects.pop(), tuple(value[1:-1] for _, value in tests)))
    return tuple(steps)


def place(xpath: str) -> Path:
    """Return the one place that a path means, as far as it means one."""
    keys: list[Key] = []
    for step in (parse(xpath) or ())[1:]:
        if (key := step.key) is None:
            break
        keys.append(key)
    return tuple(keys)


def _matches(node: Element, step: Step) -> bool:
    if step.subject == "text()":
        return text_of(node) in step.values
    if step.subject:
        return node.get(step.subject[1:]) in step.values
    return True


def _step(tree: Tree, nodes: Iterable[Element], step: Step) -> list[Element]:
    found: list[Element] = []
    for node in nodes:
        if step.tag == "entry" and step.subject == "@name":
            entries = tree.entries(node)
            named = (entries.get(name) for name in dict.fromkeys(step.values))
            found.extend(entry for entry in named if entry is not None)
        else:
            found.extend(kid for kid in node.iterchildren(step.tag) if _matches(kid, step))
    return found


def select(tree: Tree, xpath: str) -> list[Element]:
    """Return the nodes an absolute path selects; none for a malformed path.

    A malformed path under /config is answered like one that finds nothing
    (observed on PAN-OS 11.x).
    """
    steps = parse(xpath)
    if steps is None:
        return _general(tree, xpath)
    if not steps or steps[0] != Step("config"):
        return []
    nodes = [tree.root]
    for step in steps[1:]:
        nodes = _step(tree, nodes, step)
    return nodes


def _general(tree: Tree, xpath: str) -> list[Element]:
    names_only = xpath.endswith("/@name")
    try:
        result = tree.root.xpath(xpath.removesuffix("/@name"))
    except (etree.XPathError, ValueError):
        return []
    if not isinstance(result, list):
        return []
    nodes = [item for item in result if isinstance(item, Element)]
    if not names_only:
        return nodes
    # A path that ends in @name is answered with empty entries (pan-os-python, name_only).
    return [etree.Element(str(node.tag), name=node.get("name") or "") for node in nodes]
