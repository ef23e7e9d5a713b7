"""Whether a text is an address, a range, a port list and so on, as the device judges it."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from segctl_mocks.panos.traffic.query import is_filter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_FQDN = re.compile(r"[a-zA-Z0-9_]([a-zA-Z0-9._-])+[a-zA-Z0-9]")
_OBJECT_NAME = re.compile(r"[0-9A-Za-z_][ 0-9A-Za-z._-]*")
_TAG_NAME = re.compile(r"[^\]'\[]+")
_TIMES = re.compile(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d")
_DATE = r"\d{4}/(0[1-9]|1[0-2])/([0-2]\d|3[01])@([01]\d|2[0-3]):[0-5]\d"
_DATES = re.compile(f"{_DATE}-{_DATE}")
_MAX_PORT = 65535


def is_ip(text: str) -> bool:
    """An address or network, IPv4 or IPv6; host bits are allowed."""
    try:
        ipaddress.ip_interface(text)
    except ValueError:
        return False
    return "/" not in text or text.rpartition("/")[2].isdigit()


def is_range(text: str) -> bool:
    """Two addresses of one version with a hyphen between, in order."""
    low, hyphen, high = text.partition("-")
    if not hyphen:
        return False
    try:
        first, last = ipaddress.ip_address(low), ipaddress.ip_address(high)
    except ValueError:
        return False
    return first.version == last.version and int(first) <= int(last)


def _is_wildcard(text: str) -> bool:
    address, slash, mask = text.partition("/")
    try:
        ipaddress.IPv4Address(address)
        ipaddress.IPv4Address(mask)
    except ValueError:
        return False
    return bool(slash)


def _is_ports(text: str) -> bool:
    for part in text.split(","):
        low, hyphen, high = part.partition("-")
        numbers = (low, high) if hyphen else (low,)
        if not all(number.isdigit() and int(number) <= _MAX_PORT for number in numbers):
            return False
        if hyphen and int(low) > int(high):
            return False
    return True


def _is_query(text: str) -> bool:
    """A filter of a match list, which is a query of a log, or all of it."""
    return is_filter(text)


CHECKS: Mapping[str, Callable[[str], bool]] = {
    "text": lambda _: True,
    "bool": lambda text: text in {"yes", "no"},
    "ip": is_ip,
    "range": is_range,
    "wildcard": _is_wildcard,
    "fqdn": lambda text: _FQDN.fullmatch(text) is not None,
    "ports": _is_ports,
    "times": lambda text: _TIMES.fullmatch(text) is not None,
    "dates": lambda text: _DATES.fullmatch(text) is not None,
    "query": _is_query,
}

NAMES: Mapping[str, Callable[[str], bool]] = {
    "": bool,
    "object": lambda text: _OBJECT_NAME.fullmatch(text) is not None,
    "tag": lambda text: _TAG_NAME.fullmatch(text) is not None,
    "number": str.isdigit,
    "default-rules": lambda text: text in {"intrazone-default", "interzone-default"},
}
