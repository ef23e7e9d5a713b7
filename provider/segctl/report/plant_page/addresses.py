"""Addresses in the page: every zone, asset, conduit, flow, firewall, rule and pair has one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

from segctl.report.escape import html_text

if TYPE_CHECKING:
    from collections.abc import Container

Kind = Literal["zone", "asset", "conduit", "flow", "firewall", "rule", "pair"]


def address(kind: Kind, key: str) -> str:
    """Return the id of a thing, which is what stands after ``#``: ``conduit:plant/polling``.

    What an id cannot hold is written with ``%``, so that no two keys have the same id.
    """
    return f"{kind}:{quote(key, safe='/.-_~')}"


def pair_key(source: str, target: str) -> str:
    """Return the key of a pair of zones; no name of a zone has a space."""
    return f"{source} {target}"


def linked(kind: Kind, key: str, text: str, known: Container[str]) -> str:
    """Return a text as HTML, a link where the page has what it is about."""
    name = address(kind, key)
    shown = html_text(text)
    return f'<a href="#{html_text(name)}">{shown}</a>' if name in known else shown
