"""One text of a segctl variable into the type it stands for, or why it cannot be."""

from __future__ import annotations

import re
from datetime import date
from difflib import get_close_matches
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Final, Literal, cast

from segctl.intent import Network, PortRange
from segctl.inventory.schema import ID_PATTERN

if TYPE_CHECKING:
    from collections.abc import Iterable

_ID: Final = re.compile(ID_PATTERN)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_QUOTES: Final = re.compile(r"[\"'`]")
_ISO: Final = re.compile(r"\d{4}-\d{2}-\d{2}$", re.ASCII)
_WINDOW: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$", re.ASCII)
_PORTS: Final = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?$", re.ASCII)
_MAX_PORT: Final = 65535


class BadValueError(ValueError):
    """A value that is not what it should be; `hint` says what to write."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint


def nearest(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return a hint that names the closest of the `known` words."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else otherwise


def identifier(text: str) -> str:
    """Return an id of a zone, conduit, flow, asset or site."""
    if not _ID.match(text) or text.endswith("\n"):
        msg = f"{text!r} is not a valid id"
        hint = "letters, digits, dot, underscore and hyphen, at most 63, the first no sign"
        raise BadValueError(msg, hint)
    return text


def free_text(text: str) -> str:
    """Return text for people: one line, no control characters."""
    if _CONTROL.search(text):
        msg = "must not hold line breaks or control characters"
        raise BadValueError(msg, "write it on one line")
    if not text.strip():
        msg = "must not be empty"
        raise BadValueError(msg)
    return text


def device_word(text: str) -> str:
    """Return a name that is given to devices: also no quotes."""
    free_text(text)
    if _QUOTES.search(text):
        msg = "must not hold quotes: it is a name on the device"
        raise BadValueError(msg)
    return text


def network(text: str) -> Network:
    """Return a network in CIDR notation; host bits must be zero."""
    try:
        return ip_network(text)
    except ValueError:
        pass
    try:
        loose = ip_network(text, strict=False)
    except ValueError as error:
        msg = f"{text!r} is not a network"
        raise BadValueError(msg, "write it as 10.20.1.0/24 or fd00:20::/64") from error
    msg = f"{text} has host bits set"
    raise BadValueError(msg, f"write {loose}")


def address(text: str) -> Network:
    """Return a single address, as a network of one host."""
    try:
        return ip_network(ip_address(text.partition("%")[0] if "%" in text else text))
    except ValueError:
        pass
    found = network(text)
    if found.num_addresses != 1:
        msg = f"{text} is a network, not the address of one asset"
        raise BadValueError(msg, "put it under networks, or give each asset its address")
    return found


def services(text: str) -> tuple[PortRange, ...]:
    """Return the port ranges of a service such as ``tcp/80,443`` or ``udp/1000-2000``."""
    if text == "icmp":
        return (PortRange(protocol="icmp", first=0, last=0),)
    protocol, slash, ports = text.partition("/")
    if not slash or protocol not in {"tcp", "udp"}:
        msg = f"{text!r} is not a service"
        raise BadValueError(msg, "write tcp/8443, udp/1000-2000 or tcp/80,443")
    kind = cast("Literal['tcp', 'udp']", protocol)
    return tuple(_port_range(kind, part.strip(), text) for part in ports.split(","))


def _port_range(protocol: Literal["tcp", "udp"], part: str, text: str) -> PortRange:
    match = _PORTS.match(part)
    if match is None:
        msg = f"{text!r} is not a service: {part!r} is no port"
        raise BadValueError(msg, "write tcp/8443, udp/1000-2000 or tcp/80,443")
    first, last = int(match[1]), int(match[2] or match[1])
    if not 1 <= first <= _MAX_PORT or not 1 <= last <= _MAX_PORT:
        msg = f"{text!r}: a port is between 1 and {_MAX_PORT}"
        raise BadValueError(msg)
    if first > last:
        msg = f"{text!r}: the range runs backwards"
        raise BadValueError(msg, f"write {protocol}/{last}-{first}")
    return PortRange(protocol=protocol, first=first, last=last)


def iso_date(text: str) -> date:
    """Return a date written YYYY-MM-DD."""
    try:
        if _ISO.match(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    msg = f"{text!r} is not a date"
    raise BadValueError(msg, "write it as 2027-03-31")


def window(text: str) -> str:
    """Return a time window ``HH:MM-HH:MM``."""
    if not _WINDOW.match(text):
        msg = f"{text!r} is not a time window"
        raise BadValueError(msg, 'write "08:00-17:00", in quotes')
    return text


def choice(text: str, choices: tuple[str, ...]) -> str:
    """Return one of the `choices`."""
    if text not in choices:
        listed = ", ".join(choices)
        msg = f"{text!r} is not one of {listed}"
        raise BadValueError(msg, nearest(text.lower(), choices))
    return text
