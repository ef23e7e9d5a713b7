"""Plain YAML 1.1 scalars as Ansible reads them: `no` is false, `12:30:45` a number."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone

_CONSTANTS: dict[str, bool | None] = {
    spelling: value
    for words, value in (
        (("yes", "true", "on"), True),
        (("no", "false", "off"), False),
        (("null",), None),
    )
    for word in words
    for spelling in (word, word.capitalize(), word.upper())
} | {"~": None, "": None}

_NUMBER = re.compile(
    r"""
    (?P<float>
        [-+]?(?:[0-9][0-9_]*)\.[0-9_]*(?:[eE][-+][0-9]+)?
      | \.[0-9][0-9_]*(?:[eE][-+][0-9]+)?
      | [-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*
      | [-+]?\.(?:inf|Inf|INF)
      | \.(?:nan|NaN|NAN)
    )$
  | (?P<int>
        [-+]?0b[0-1_]+
      | [-+]?0[0-7_]+
      | [-+]?(?:0|[1-9][0-9_]*)
      | [-+]?0x[0-9a-fA-F_]+
      | [-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+
    )$
  | (?P<time>
        (?P<year>[0-9]{4})-(?P<month>[0-9][0-9]?)-(?P<day>[0-9][0-9]?)
        (?:
            (?:[Tt]|[ \t]+)
            (?P<hour>[0-9][0-9]?):(?P<minute>[0-9][0-9]):(?P<second>[0-9][0-9])
            (?:\.(?P<fraction>[0-9]*))?
            (?:[ \t]*(?P<zone>Z|(?P<sign>[-+])(?P<zhour>[0-9][0-9]?)(?::(?P<zminute>[0-9][0-9]))?))?
        )?
    )$
    """,
    re.VERBOSE,
)
#: Python takes no longer numbers apart, in either direction (sys.int_info): a hexadecimal digit
#: is 1.2 decimal ones.
_LONGEST = 3500
_FULL_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}$")
_NUMERIC_START = frozenset("+-.0123456789")


class ScalarError(ValueError):
    """A plain scalar that YAML 1.1 gives a type to which it then cannot be converted."""


def resolve(text: str) -> object:
    """Return the value of the plain (unquoted, untagged) scalar `text`.

    Raises:
        ScalarError: the scalar looks like a number or date and is none.

    """
    if not text:
        return None
    if text[0] in _NUMERIC_START:
        return _number(text)
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text in {"=", "<<"}:
        msg = f"a plain {text} has a meaning of its own in YAML 1.1"
        raise ScalarError(msg)
    return text


def _number(text: str) -> object:
    if len(text) > _LONGEST and _NUMBER.match(text):
        msg = f"a number of more than {_LONGEST} characters"
        raise ScalarError(msg)
    if text.isdecimal() and text.isascii() and (text[0] != "0" or len(text) == 1):
        return int(text)
    match = _NUMBER.match(text)
    if match is None:
        return text
    try:
        if match["float"]:
            return _float(text)
        if match["int"]:
            return _integer(text)
        return _time(match) if match["hour"] or _FULL_DATE.match(text) else text
    except (ValueError, OverflowError) as error:
        raise ScalarError(str(error)) from error


def _sexagesimal(text: str) -> list[str]:
    return text.split(":")[::-1]


def _integer(text: str) -> int:
    digits = text.replace("_", "")
    sign = -1 if digits[0] == "-" else 1
    digits = digits.lstrip("+-") if digits[0] in "+-" else digits
    if digits == "0":
        return 0
    if digits.startswith(("0b", "0x")):
        return sign * int(digits[2:], 2 if digits[1] == "b" else 16)
    if digits[0] == "0":
        return sign * int(digits, 8)
    if ":" in digits:
        total = 0
        for part in digits.split(":"):
            total = total * 60 + int(part)
        return sign * total
    return sign * int(digits)


def _float(text: str) -> float:
    digits = text.replace("_", "").lower()
    sign = -1.0 if digits[0] == "-" else 1.0
    digits = digits[1:] if digits[0] in "+-" else digits
    if digits == ".inf":
        return sign * float("inf")
    if digits == ".nan":
        return float("nan")
    if ":" in digits:
        total = 0.0
        for power, part in enumerate(_sexagesimal(digits)):
            total += float(part) * 60**power
        return sign * total
    return sign * float(digits)


def _time(match: re.Match[str]) -> date:
    year, month, day = int(match["year"]), int(match["month"]), int(match["day"])
    if match["hour"] is None:
        return date(year, month, day)
    fraction = int((match["fraction"] or "")[:6].ljust(6, "0"))
    return datetime(
        year,
        month,
        day,
        int(match["hour"]),
        int(match["minute"]),
        int(match["second"]),
        fraction,
        tzinfo=_zone(match),
    )


def _zone(match: re.Match[str]) -> timezone | None:
    if not match["zone"]:
        return None
    if not match["sign"]:
        return UTC
    delta = timedelta(hours=int(match["zhour"]), minutes=int(match["zminute"] or 0))
    return timezone(-delta if match["sign"] == "-" else delta)
