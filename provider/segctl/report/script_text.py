"""Scripts as people read them: XML indented, long sets of nftables on several lines."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml import etree

#: An element or a statement of no more characters stays on one line.
_WIDTH = 96
_SET = re.compile(r"^(?P<head>[^{}\"]*\{ )(?P<items>[^{}\"]*)(?P<tail> \}.*)$")


def script_lines(script: str) -> Iterator[str]:
    """Yield a script laid out for reading; only white space is another than in what is sent."""
    if script.lstrip().startswith("<"):
        yield from _xml_lines(script)
        return
    for line in script.splitlines():
        yield from _statement(line)


def _xml_lines(script: str) -> Iterator[str]:
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(script.encode(), parser)
    except etree.XMLSyntaxError:
        yield from script.splitlines()
        return
    yield from _element(root, "")


def _element(element: etree._Element, indent: str) -> Iterator[str]:  # pyright: ignore[reportPrivateUsage] - lxml has no public name for it
    from lxml import etree

    text = etree.tostring(element, encoding="unicode", with_tail=False)
    bare = not (element.text or "").strip() and not any((one.tail or "").strip() for one in element)
    if not len(element) or not bare or (len(text) <= _WIDTH and "\n" not in text):
        yield from (f"{indent}{line}" for line in text.splitlines())
        return
    yield f"{indent}{text[: text.index('>') + 1]}"  # in an attribute it is written &gt;
    for child in element:
        yield from _element(child, f"{indent}  ")
    yield f"{indent}</{element.tag}>"


def _statement(line: str) -> Iterator[str]:
    """Yield one statement of nftables, the elements of a long set on lines of their own."""
    found = _SET.match(line) if len(line) > _WIDTH else None
    if found is None or "," not in found.group("items"):
        yield line
        return
    yield found.group("head").rstrip()
    shown = " "
    for item in found.group("items").split(", "):
        if len(shown) + len(item) + 2 > _WIDTH:
            yield f"{shown},"
            shown = " "
        shown += f" {item}" if shown == " " else f", {item}"
    yield shown
    yield found.group("tail").strip()
