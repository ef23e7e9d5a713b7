"""Reads untrusted JSON completely, or refuses it with the place and the reason.

Python's reader alone is not enough: on a thousand levels of nesting it raises `RecursionError`,
or whoever walks the result does; half of a surrogate pair passes and cannot be written again;
numbers of any size, ``NaN`` and ``Infinity`` pass; of two equal keys the last one wins.
"""

from __future__ import annotations

import json
import math
import re
from typing import Final

#: Deeper nesting is an error: segctl's own documents have fewer than twenty levels.
MAX_DEPTH: Final = 100
#: More values (texts, numbers, lists, objects) are an error: each takes a hundred bytes or more.
MAX_VALUES: Final = 12 << 20
#: Numbers with more digits are an error: JSON readers agree on no more (RFC 8259, 6).
MAX_DIGITS: Final = 18
_HALF: Final = "half of a surrogate pair is not a character"
#: What is left of a string; one without an end takes all the rest.
_STRING: Final = re.compile(rb'"[^"]*+"?')
_BRACKETS: Final = bytes.maketrans(b"{}", b"[]")
_OTHERS: Final = bytes(set(range(256)) - set(b'[]{},"'))
_ESCAPE: Final = re.compile(r"\\(?:u(?P<high>[dD][89abAB])|u(?P<low>[dD][c-fC-F])|.)", re.DOTALL)
_LOW: Final = re.compile(r"[0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_LONG: Final = re.compile(rf"(?<![0-9.eE+-])-?[0-9]{{{MAX_DIGITS + 1}}}")


class JsonError(ValueError):
    """Text that is not JSON, or not JSON that segctl accepts; says where and why."""


def read_json(data: bytes | str) -> object:
    """Return the value of a JSON text.

    Raises:
        JsonError: it is not UTF-8, not JSON, nested too deep, or has a number, a text or equal
            keys that segctl does not accept.
    """
    text = _decoded(data)
    check_text(text)
    try:
        return json.loads(
            text,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_constant,
            object_pairs_hook=_object,
        )
    except json.JSONDecodeError as error:
        raise JsonError(f"{_place(text, error.pos)}: {error.msg}") from error
    except _LongError as error:
        match = _LONG.search(text)
        where = f"{_place(text, match.start())}: " if match else ""
        raise JsonError(f"{where}{error}") from error


def read_listing(data: bytes | str) -> object:
    """Return the value of a device's JSON, with numbers of any length: counters have 64 bits.

    It does not check every number, key and bracket, of which a listing has millions; callers
    treat a `RecursionError` as a listing of the wrong shape.

    Raises:
        JsonError: it is not UTF-8, not JSON, nested too deep to be read, or has half a character.
    """
    text = _decoded(data)
    if (at := _half_a_pair(text)) is not None:
        raise JsonError(f"{_place(text, at)}: {_HALF}")
    try:
        return json.loads(text)
    except RecursionError as error:
        raise JsonError("it is nested too deep") from error
    except json.JSONDecodeError as error:
        raise JsonError(f"{_place(text, error.pos)}: {error.msg}") from error
    except ValueError as error:
        raise JsonError("it has a number with thousands of digits") from error


def _decoded(data: bytes | str) -> str:
    try:
        return data.decode("utf-8-sig") if isinstance(data, bytes) else data
    except UnicodeDecodeError as error:
        raise JsonError(f"it is not UTF-8 text: {error.reason}") from error


def check_text(text: str) -> None:
    """Refuse what JSON's grammar allows but readers cannot handle.

    Raises:
        JsonError: the text is nested too deep, has too many values, or half a character.
    """
    try:
        marks = _structure(text.encode())
    except UnicodeEncodeError as error:
        raise JsonError(f"{_place(text, error.start)}: {_HALF}") from error
    if marks.count(b"[") + marks.count(b",") > MAX_VALUES:
        raise JsonError(f"it has more than {MAX_VALUES >> 20} million values")
    if _deep(marks):
        raise JsonError(f"it is nested deeper than {MAX_DEPTH} levels")
    if (at := _half_a_pair(text)) is not None:
        raise JsonError(f"{_place(text, at)}: {_HALF}")


class _LongError(ValueError):
    pass


def _structure(raw: bytes) -> bytes:
    """Return the brackets and commas of a JSON text, braces as brackets.

    Two quotes side by side go without changing what is within quotes and what is not: few strings
    are left to be searched for.
    """
    raw = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    return _STRING.sub(b"", raw.translate(_BRACKETS, _OTHERS).replace(b'""', b""))


def _deep(marks: bytes) -> bool:
    """Whether brackets are nested too deep: each pass removes the innermost ones."""
    rest = marks.replace(b",", b"")
    for _ in range(MAX_DEPTH):
        if not rest:
            return False
        rest = rest.replace(b"[]", b"")
    # what is left for another reason is not JSON: the reader says where
    return b"[" * (MAX_DEPTH + 1) in rest or b"[]" in rest


def _half_a_pair(text: str) -> int | None:
    """Return the position of an escape for half of a character, or None."""
    if "\\ud" not in text and "\\uD" not in text:
        return None
    skip = 0
    for found in _ESCAPE.finditer(text):
        if found.start() < skip:
            continue
        if found["high"]:
            pair = _LOW.match(text, found.end())
            if pair is None:
                return found.start()
            skip = pair.end()
        elif found["low"]:
            return found.start()
    return None


def _integer(text: str) -> int:
    if len(text.lstrip("-")) > MAX_DIGITS:
        raise _LongError(f"a number has more than {MAX_DIGITS} digits")
    return int(text)


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise JsonError(f"the number {text[:40]} is too large")
    return value


def _constant(text: str) -> object:
    raise JsonError(f"{text} is not a JSON number")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        places = {key: at for at, (key, _) in reversed([*enumerate(pairs)])}
        twice = next(key for at, (key, _) in enumerate(pairs) if places[key] != at)
        raise JsonError(f"the key {twice[:80]!r} occurs twice in one object")
    return found


def _place(text: str, at: int) -> str:
    line = text.count("\n", 0, at) + 1
    column = at - text.rfind("\n", 0, at)
    return f"line {line}, column {column}"
