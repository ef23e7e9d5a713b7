"""Answers of a firewall that are read as one tree, and what no answer may contain."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from lxml import etree

from segctl.model.errors import ParseError
from segctl.providers.panos import elements
from segctl.providers.panos.budget import refuse_swarm

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TypeAlias

    from segctl.providers.panos.elements import Element

    Events: TypeAlias = Iterable[tuple[str, Element]]
    Part: TypeAlias = bytes | memoryview

_HEAD = 1 << 12
_ERROR = re.compile(rb"\s*(?:<\?xml[^>]*\?>\s*)?<response\b[^>]*?\sstatus\s*=\s*[\"']error")
_ENCODING = re.compile(rb"""(?:\xef\xbb\xbf)?<\?xml[^>]*?\sencoding\s*=\s*["']([^"']*)""")
_DECLARATION = re.compile(rb"(?:\xef\xbb\xbf)?<\?xml\s")
_PROLOG = re.compile(rb"(?:\xef\xbb\xbf)?(?:\s+|<\?.*?\?>|<!--.*?-->)*", re.DOTALL)
_DOCTYPE = b"<!DOCTYPE"
#: The first bytes of UTF-16, with its mark, and of EBCDIC.
_ELSEWISE = (b"\xfe\xff", b"\xff\xfe", b"\x4c\x6f")


def refuse_dtd(host: str, part: Part) -> None:
    """Raise ParseError for an answer that declares entities, which devices never send.

    An answer must be in UTF-8, as devices send it, so that no declaration can hide.
    """
    head = bytes(part[:_HEAD])
    if _DECLARATION.match(head) and b"?>" not in head:
        raise ParseError(
            host,
            f"the answer's XML declaration does not end within {_HEAD} bytes: something other "
            "than a firewall answers at this address",
        )
    declared = _ENCODING.match(head)
    encoding = declared[1].lower() if declared else b"utf-8"
    if b"\x00" in head[:4] or head.startswith(_ELSEWISE) or encoding != b"utf-8":
        raise ParseError(
            host,
            "the answer is not in UTF-8: something other than a firewall answers at this address",
        )
    prolog = _PROLOG.match(head)
    end = prolog.end() if prolog else 0
    if bytes(part[end : end + len(_DOCTYPE)]) == _DOCTYPE:
        raise ParseError(
            host,
            "the answer declares XML entities, so something other than a firewall answers at this "
            "address",
        )
    if len(part) > _HEAD and (end + 1 >= _HEAD or head[end : end + 2] in (b"<!", b"<?")):
        raise ParseError(
            host,
            f"the answer's XML does not begin within {_HEAD} bytes: something other than a "
            "firewall answers at this address",
        )


def small(host: str, name: str, part: Part) -> Element:
    """Return the root of an answer that is not a configuration.

    Raises:
        ParseError: it is not complete XML, too large a tree, or an error.
    """
    refuse_dtd(host, part)
    refuse_swarm(host, part)
    try:
        root = etree.fromstring(bytes(part), etree.XMLParser(resolve_entities=False))
    except etree.XMLSyntaxError as error:
        raise ParseError(host, f"the answer to {name} is not complete XML: {error}") from error
    if root.get("status") != "success":
        raise ParseError(host, f"refuses the request for {name}: {elements.reason(root)}")
    return root


def is_missing(part: Part) -> bool:
    """Whether an answer is an error that says that the configuration has no such place."""
    head = bytes(part[:_HEAD])
    return _ERROR.match(head) is not None and b"No such node" in head


def count(host: str, kind: str, part: Part) -> int:
    """Return the count at the head of an answer; the names after it are not needed."""
    parser = etree.XMLPullParser(events=("start",), tag="result", resolve_entities=False)
    try:
        parser.feed(bytes(part[:_HEAD]))
        events = cast("Events", parser.read_events())
        return next((int(result.get("total-count", "0")) for _, result in events), 0)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise ParseError(
            host, f"the answer with the count of {kind} entries is not understood: {error}"
        ) from error
