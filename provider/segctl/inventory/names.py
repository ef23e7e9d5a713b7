"""Host names as inventories write them: ports, IPv6 in brackets, ranges such as `fw[01:20]`."""

from __future__ import annotations

import re
import string
from functools import cache
from typing import Final

#: More hosts than this in one range is taken for a mistake.
MAX_RANGE: Final = 1_000_000

_BRACKETED: Final = re.compile(r"\[(.+)\]:([0-9]+)$")
_WITH_PORT: Final = re.compile(r"((?:[^:\[\]]|\[[^\]]*\])*):([0-9]+)$")

_NUMBERS: Final = r"\[[0-9]+:[0-9]+(?::[0-9]+)?\]"
_HEX: Final = r"\[[0-9a-f]+:[0-9a-f]+(?::[0-9]+)?\]"
_LETTERS: Final = r"\[(?:[a-z]:[a-z]|[0-9]+:[0-9]+)(?::[0-9]+)?\]"
_OCTET: Final = rf"(?:[01]?[0-9]{{1,2}}|2[0-4][0-9]|25[0-5]|{_NUMBERS})"
_HEXTET: Final = rf"(?:[0-9a-f]{{1,4}}|{_HEX})"
_LABEL: Final = rf"(?:\w|{_LETTERS})(?:[\w-]|{_LETTERS})*(?<![_-])"


def _ipv6_pattern() -> str:
    """Return every way to write an IPv6 address, a range allowed for each part."""
    h = _HEXTET
    left_right = [rf"(?:{h}:){{{left}}}(?::{h}){{1,{7 - left}}}" for left in range(1, 7)]
    forms = [
        rf"(?:{h}:){{7}}{h}",
        rf"(?:{h}:){{1,6}}:",
        *left_right,
        rf":(?::{h}){{1,6}}",
        rf"{h}?::",
        rf"(?:0:){{6}}(?:{h}\.){{3}}{h}",
        rf"::(?:ffff:)?(?:{h}\.){{3}}{h}",
        rf"(?:0:){{5}}ffff:(?:{h}\.){{3}}{h}",
    ]
    return "(?:" + "|".join(forms) + ")$"


@cache
def _addresses() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Compile the address patterns, at the first name that is not a simple one."""
    ipv4 = rf"(?:{_OCTET}\.){{3}}{_OCTET}$"
    return re.compile(ipv4, re.IGNORECASE), re.compile(_ipv6_pattern(), re.IGNORECASE)


@cache
def _hostname() -> re.Pattern[str]:
    return re.compile(rf"{_LABEL}(?:\.{_LABEL})*$", re.IGNORECASE)


_SIMPLE: Final = re.compile(r"[A-Za-z0-9]+(?:[-_.][A-Za-z0-9]+)*$", re.ASCII)


class HostPatternError(ValueError):
    """A host pattern that is not one."""


def split_port(pattern: str) -> tuple[str, int | None] | None:
    """Return host pattern and port, None when `pattern` is neither an address nor a name."""
    host, port = pattern, None
    for form in (_BRACKETED, _WITH_PORT):
        if match := form.match(host):
            host, port = match[1], int(match[2])
    if any(form.match(host) for form in (*_addresses(), _hostname())):
        return host, port
    return None


def expand(pattern: str) -> tuple[list[str], int | None]:
    """Return the host names a pattern stands for, and the port written with it.

    Raises:
        HostPatternError: the range in the pattern is not one.

    """
    if _SIMPLE.match(pattern):
        return [pattern], None
    host, port = split_port(pattern) or (pattern, None)
    return (_expand_range(host), port) if "[" in host else ([host], port)


def _expand_range(pattern: str) -> list[str]:
    expanded: list[str] = []
    pending = [pattern]
    while pending:
        current = pending.pop(0)
        if "[" not in current:
            expanded.append(current)
            continue
        pending[:0] = _expand_first(current)
        if len(pending) + len(expanded) > MAX_RANGE:
            msg = f"the range stands for more than {MAX_RANGE} hosts"
            raise HostPatternError(msg)
    return expanded


def _expand_first(pattern: str) -> list[str]:
    head, _, rest = pattern.partition("[")
    body, closed, tail = rest.partition("]")
    if not closed or "|" in pattern or "]" in head:
        msg = "a range is written [begin:end] or [begin:end:step]"
        raise HostPatternError(msg)
    bounds = body.split(":")
    if len(bounds) not in {2, 3} or not bounds[1]:
        msg = "a range is written [begin:end] or [begin:end:step]"
        raise HostPatternError(msg)
    begin, end = bounds[0] or "0", bounds[1]
    width = 0
    if begin[0] == "0" and len(begin) > 1:
        width = len(begin)
        if width != len(end):
            msg = "begin and end of a padded range must be of equal length"
            raise HostPatternError(msg)
    steps = _steps(begin, end, bounds[2] if len(bounds) > len(("begin", "end")) else "1")
    return [f"{head}{step.zfill(width)}{tail}" for step in steps]


def _steps(begin: str, end: str, step: str) -> list[str]:
    letters = string.ascii_letters
    first, last = letters.find(begin), letters.find(end)
    if first >= 0 and last >= 0 and first > last:
        msg = "begin must not come after end"
        raise HostPatternError(msg)
    try:
        stride = int(step)
        if first >= 0 and last >= 0 and stride:
            return list(letters[first : last + 1 : stride])
        numbers = range(int(begin), int(end) + 1, stride)
    except ValueError as error:
        msg = f"[{begin}:{end}:{step}] is neither a range of numbers nor of letters"
        raise HostPatternError(msg) from error
    if numbers[MAX_RANGE:]:  # its length may be more than a length can be
        msg = f"the range stands for more than {MAX_RANGE} hosts"
        raise HostPatternError(msg)
    return [str(number) for number in numbers]
