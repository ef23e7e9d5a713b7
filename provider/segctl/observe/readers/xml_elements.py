"""Elements of an XML file, one after the other, each forgotten once it was looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml.etree import _Element  # pyright: ignore[reportPrivateUsage] - no public name

    from segctl.observe.readers.base import Context
    from segctl.observe.sources import Text


def elements(text: Text, context: Context, tag: str) -> Iterator[_Element]:
    """Yield every element with a tag; where the XML ends too early, those before.

    Entities are not resolved, and nothing that the file names is fetched.
    """
    from lxml import etree

    parser = etree.XMLPullParser(events=("end",), tag=tag, resolve_entities=False)
    try:
        for block in text.blocks():
            parser.feed(block)
            for _, found in parser.read_events():
                if isinstance(found, etree._Element):  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - lxml has no public name for it
                    yield found
                    _forget(found)
        parser.close()
    except etree.XMLSyntaxError as error:
        context.file.cut = f"the XML is cut off or broken: {error.msg}"


def line_of(element: _Element) -> int:
    """Return the line of an element, 0 where it is not known."""
    line = element.sourceline
    return line if isinstance(line, int) else 0


def _forget(element: _Element) -> None:
    parent = element.getparent()
    element.clear()
    if parent is not None:
        while element.getprevious() is not None:
            del parent[0]
