"""Objects of JSON, one after the other: one a line, many lines each, or in an array."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from segctl.system.json_text import JsonError, read_listing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segctl.observe.readers.base import Context
    from segctl.observe.sources import Text

#: An object of more characters is not a record.
_LONGEST: Final = 1 << 20
_BETWEEN: Final = frozenset({"", "[", "]", ",", "],"})


def objects(text: Text, context: Context) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Yield each object with the number of its first line and its text.

    What is not an object is refused.
    """
    tally, held, size, depth, count, first = context.file, list[str](), 0, 0, 0, 0
    for line in text.lines():
        count += 1
        part = line.strip()
        if not held:
            part = part.removeprefix("[").lstrip() if part.startswith("[{") else part
            if part in _BETWEEN:
                continue
            first = count
        held.append(part)
        size += len(part)
        depth += part.count("{") - part.count("}")
        if depth > 0 and size < _LONGEST:
            continue
        whole, held, size, depth = "\n".join(held), [], 0, 0
        found = _object(whole)
        if found is None:
            tally.refuse("it is not an object of JSON", first, whole)
        else:
            yield first, whole, found
    tally.lines += count
    if held:
        tally.refuse("the last object of JSON is cut off", first, "\n".join(held))
        tally.cut = tally.cut or "the last object of JSON is cut off"


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
