"""Elements of an XML file, one after the other, each forgotten once it was looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml.etree import DocInfo, _Element  # pyright: ignore[reportPrivateUsage] - no public name

    from segctl.observe.readers.base import Context
    from segctl.observe.sources import Text

#: So many bytes without the end of an element are no records: a parsed byte takes 30 in memory.
MOST_BETWEEN: Final = 4 << 20


def elements(text: Text, context: Context, tag: str) -> Iterator[_Element]:
    """Yield every element with a tag; where the XML ends too early, those before.

    Entities are not resolved, and nothing that the file names is fetched. Nothing is kept of what
    was looked at, and a file whose next element does not come is not read any further.
    """
    from lxml import etree

    parser = etree.XMLPullParser(events=("end",), tag=tag, resolve_entities=False)
    known, between = False, 0
    try:
        for block in text.blocks():
            parser.feed(block)
            between += len(block)
            for _, found in parser.read_events():
                if not isinstance(found, etree._Element):  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - lxml has no public name for it
                    continue
                if not known and _has_dtd(found):
                    context.file.problem = "it has a DTD, as no records of a device do"
                    return
                known, between = True, 0
                yield found
                _forget(found)
            if between > MOST_BETWEEN:
                context.file.problem = (
                    f"it has {MOST_BETWEEN:,} bytes of XML without a whole <{tag}>: not records"
                )
                return
        parser.close()
    except etree.XMLSyntaxError as error:
        context.file.cut = f"the XML is cut off or broken: {error.msg}"


def _has_dtd(element: _Element) -> bool:
    document: DocInfo = element.getroottree().docinfo
    return bool(document.internalDTD)


def line_of(element: _Element) -> int:
    """Return the line of an element, 0 where it is not known."""
    line = element.sourceline
    return line if isinstance(line, int) else 0


def _forget(element: _Element) -> None:
    """Empty an element, and remove all that stands before it, also before those around it."""
    element.clear()
    parent = element.getparent()
    while parent is not None:
        while element.getprevious() is not None:
            del parent[0]
        element, parent = parent, parent.getparent()
