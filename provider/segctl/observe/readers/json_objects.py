"""Objects of JSON, one after the other: one a line, many lines each, or in an array."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, cast

from segctl.system.json_text import JsonError, read_listing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segctl.observe.readers.base import Context
    from segctl.observe.sources import Text

#: An object of more characters is not a record.
_LONGEST: Final = 1 << 20
_WHY: Final = "it is not an object of JSON"
_ENDS: Final = ("}", "},", "}]")
#: A string; one without an end takes all the rest, so that no quote in it begins another search.
_STRING: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?')
_BETWEEN: Final = frozenset({"", "[", "]", ",", "],"})


def objects(text: Text, context: Context) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Yield each object with the number of its first line and its text.

    What is not an object is refused; a line that is cut off takes no other with it.
    """
    held, count = _Held(), 0
    for line in text.lines():
        count += 1
        part = line.strip().removeprefix("[").lstrip() if line[:1] == "[" else line.strip()
        if part in _BETWEEN and not held.parts:
            continue
        whole = part.startswith("{") and part.endswith(_ENDS)
        if whole and (not held.parts or held.cut_off):
            found = _object(part)
            if found is not None:
                held.refuse(context)
                held.one_a_line = True
                yield count, part, found
                continue
            if not held.parts:
                context.file.refuse(_WHY, count, part)
                continue
        if held.add(part, count):
            continue
        number, joined = held.first, held.taken()
        found = _object(joined)
        if found is None:
            context.file.refuse(_WHY, number, joined)
        else:
            yield number, joined, found
    context.file.lines += count
    if held.parts:
        context.file.cut = context.file.cut or "the last object of JSON is cut off"
        held.refuse(context)


class _Held:
    """The lines of an object that goes over several.

    `cut_off` says that it may be a line that was cut off, `one_a_line` that the file has had an
    object on one line.
    """

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.first, self.cut_off, self.one_a_line = 0, False, False
        self._size = self._depth = 0

    def add(self, part: str, number: int) -> bool:
        """Take a line in; return whether the object goes on."""
        if not self.parts:
            self.first, self.cut_off = number, self.one_a_line or part != "{"
        self.parts.append(part)
        plain = _STRING.sub("", part)
        self._size += len(part)
        self._depth += plain.count("{") - plain.count("}")
        return self._depth > 0 and self._size < _LONGEST

    def taken(self) -> str:
        """Return what was held, and hold nothing any more."""
        joined = "\n".join(self.parts)
        self.parts, self._size, self._depth = [], 0, 0
        return joined

    def refuse(self, context: Context) -> None:
        """Refuse what is held, if anything is."""
        if self.parts:
            context.file.refuse(_WHY, self.first, self.taken())


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = read_listing(text.rstrip(",]") if text.endswith((",", "]")) else text)
    except (JsonError, RecursionError):
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def text_of(value: object) -> str:
    """Return a value of a record as text; nothing for what is none."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or value is None:
        return ""
    return str(value) if isinstance(value, int) else repr(value) if isinstance(value, float) else ""
