"""Names and texts that are not ours, made safe to stand in Markdown and in HTML."""

from __future__ import annotations

import re
from html import escape

from segctl.system.inert import printable

#: What Markdown or HTML could take for structure, written as entities: those are only ever text.
_ENTITIES = {ord(mark): f"&#{ord(mark)};" for mark in "\\`*_{}[]|~$!&<>\"'^"}
#: Nothing to see, and no mention, reference or link any more (a text that Git forges scan again).
_BREAK = "&#8203;"
_REFERENCE = re.compile(r"([@#]|://|(?i:www\.))")
_RUN = re.compile(r"`+")


def markdown_text(text: str) -> str:
    """Return a text that shows as it is, wherever in a line of Markdown it stands."""
    parts = _REFERENCE.split(printable(text))
    shown = [part.translate(_ENTITIES) for part in parts]
    shown[1::2] = [f"{part}{_BREAK}" for part in shown[1::2]]
    return "".join(shown)


def html_text(text: str) -> str:
    """Return a text that shows as it is in HTML."""
    return escape(printable(text))


def fence(lines: list[str]) -> str:
    """Return a fence of backticks that none of the lines can close."""
    longest = max((len(run) for line in lines for run in _RUN.findall(line)), default=0)
    return "`" * max(3, longest + 1)


def clipped(text: str, limit: int) -> str:
    """Return a text, shortened in its middle where it is longer than `limit`."""
    if len(text) <= limit:
        return text
    half = (limit - 3) // 2
    return f"{text[:half]} … {text[-half:]}"
