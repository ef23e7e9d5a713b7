"""One text of a segctl variable into the type it stands for, or why it cannot be."""

from __future__ import annotations

import re
from datetime import date, time
from ipaddress import ip_address, ip_network
from typing import Final, Literal, cast

from segctl.inventory.schema import (
    BATCH_PATTERN,
    CLOCK_PATTERN,
    ID_PATTERN,
)
from segctl.model.durations import WHOLE_PATTERN, parse_duration
from segctl.model.errors import nearest
from segctl.model.site import Network, PortRange

_ID: Final = re.compile(ID_PATTERN)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_QUOTES: Final = re.compile(r"[\"'`]")
_ISO: Final = re.compile(r"\d{4}-\d{2}-\d{2}$", re.ASCII)
_WINDOW: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$", re.ASCII)
_PORTS: Final = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?$", re.ASCII)
_DURATION: Final = re.compile(WHOLE_PATTERN, re.ASCII)
_CLOCK: Final = re.compile(CLOCK_PATTERN, re.ASCII)
_BATCH: Final = re.compile(BATCH_PATTERN, re.ASCII)
_ENDPOINT: Final = re.compile(r"(?:\[([^\[\]\s]+)\]|([^\[\]\s:]+)):(\d{1,5})", re.ASCII)
_HOST: Final = re.compile(r"(?!-)[^\[\]\s/@]+")
PERCENT: Final = re.compile(r"\d{1,3}(?:\.\d+)?", re.ASCII)
_MAX_PORT: Final = 65535
_MAX_SECONDS: Final = 7 * 86400


class BadValueError(ValueError):
    """A value that is not what it should be; `hint` says what to write."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint


def identifier(text: str) -> str:
    """Return an id of a zone, conduit, flow, asset or site."""
    if not _ID.match(text) or text.endswith("\n"):
        msg = f"{text!r} is not a valid id"
        hint = (
            "use up to 63 letters, digits, dots, underscores, hyphens; begin with letter or digit"
        )
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
        msg = f"{text!r} is not a service: {part!r} is not a port"
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


def duration(text: str) -> int:
    """Return the seconds of ``90``, ``30s``, ``10m``, ``2h`` or ``1d``."""
    if not _DURATION.fullmatch(text):
        msg = f"{text!r} is not a duration"
        raise BadValueError(msg, "write seconds, or 30s, 10m, 2h")
    seconds = int(parse_duration(text))
    if seconds > _MAX_SECONDS:
        msg = f"{text} is longer than 7 days"
        raise BadValueError(msg)
    return seconds


def clock(text: str) -> time | None:
    """Return a time of day ``HH:MM``; None for ``24:00``, the end of the day."""
    if not _CLOCK.fullmatch(text):
        msg = f"{text!r} is not a time of day"
        raise BadValueError(msg, 'write it as "22:00", in quotes')
    return None if text == "24:00" else time.fromisoformat(text)


def timezone(text: str) -> str:
    """Return the name of a time zone that this machine knows."""
    from zoneinfo import ZoneInfo, available_timezones

    known = available_timezones()
    if not known:
        msg = "this machine has no time zone data"
        raise BadValueError(msg, "install the tzdata package")
    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError) as error:
        msg = f"{text!r} is not a time zone"
        raise BadValueError(msg, nearest(text, known, "write it as Europe/Berlin")) from error
    return text


def batch(text: str) -> str | int:
    """Return a size of a wave: a number of hosts, or a percentage such as ``30%``."""
    if not _BATCH.fullmatch(text):
        msg = f"{text!r} is not a number of hosts or a percentage"
        raise BadValueError(msg, 'write 5 or "30%"')
    return text if text.endswith("%") else int(text)


def host(text: str) -> str:
    """Return the name or address of a host."""
    if not _HOST.fullmatch(text):
        msg = f"{text!r} is not a host name or address"
        raise BadValueError(msg)
    return text


def endpoint(text: str) -> tuple[str, int]:
    """Return host and port of ``host:port``; an IPv6 address stands in brackets."""
    match = _ENDPOINT.fullmatch(text)
    if match is None:
        msg = f"{text!r} is not host:port"
        raise BadValueError(msg, 'write "10.20.1.11:502", an IPv6 address as "[fd00::1]:502"')
    if not 1 <= int(match[3]) <= _MAX_PORT:
        msg = f"{text!r}: a port is between 1 and {_MAX_PORT}"
        raise BadValueError(msg)
    return match[1] or match[2], int(match[3])


def tags(text: str) -> tuple[str, ...]:
    """Return the tags of a text, which commas may part."""
    found = tuple(part.strip() for part in free_text(text).split(","))
    if not all(found):
        msg = f"{text!r} has an empty tag"
        raise BadValueError(msg, "write a list of tags")
    return found


def answer(text: str) -> str:
    """Return a text that an answer must hold, or ``~`` and a regular expression."""
    free_text(text)
    try:
        re.compile(text.removeprefix("~") if text.startswith("~") else "")
    except re.error as error:
        msg = f"is not a regular expression: {error}"
        raise BadValueError(msg) from error
    return text
