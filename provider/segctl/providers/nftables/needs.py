"""How a Linux host is managed and what it asks of others, from its own configuration files.

Read are the address that segctl's own session came to (sshd sets ``SSH_CONNECTION``, ssh(1)), the
servers of names (resolv.conf(5)), of the time (timesyncd.conf(5), chrony.conf(5), ntp.conf(5)) and
of logs (rsyslog.conf(5), its omfwd module). Where a host gets its updates from is not read.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, NamedTuple

from segctl.providers.management import Management, Need, Plane

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: The most characters of these lines that are read from a host.
MOST: Final = 20000
#: Files that name servers, in the words of a shell.
FILES: Final = (
    "/etc/resolv.conf",
    "/run/systemd/resolve/resolv.conf",
    "/etc/systemd/timesyncd.conf",
    "/etc/systemd/timesyncd.conf.d/*.conf",
    "/etc/chrony.conf",
    "/etc/chrony/chrony.conf",
    "/etc/chrony/conf.d/*.conf",
    "/etc/chrony/sources.d/*.sources",
    "/etc/ntp.conf",
    "/etc/ntpsec/ntp.conf",
    "/etc/rsyslog.conf",
    "/etc/rsyslog.d/*.conf",
)
#: Lines of them that do, for ``grep -E``.
LINES: Final = r"^[[:space:]]*(nameserver|server|pool|peer|NTP=|[^#]*(@|omfwd|[Tt]arget=))"

_GREP: Final = re.compile(r"(?P<file>/[^:\s]+):(?P<line>.*)")
_CLOSED: Final = re.compile(r"closed (?P<file>/\S+)")
_CONNECTION: Final = re.compile(r"ssh (?P<address>\S+)", re.ASCII)
_TIME: Final = re.compile(r"\s*(?:server|pool|peer)\s+(\S+)")
_TIMESYNCD: Final = re.compile(r"\s*NTP=(.*)")
#: A selector and where its messages go: ``*.* @@host:6514``, ``*.* @(o)[2001:db8::1]:514``.
_FORWARD: Final = re.compile(
    r"[^#@]*\s-?(?P<twice>@@?)(?:\([^)]*\))?(?:\[(?P<six>[^\]]+)\]|(?P<host>[^\s:;\[(]+))"
    r"(?::(?P<port>\d+))?(?:;\S+)?\s*",
    re.ASCII,
)
_ACTION: Final = re.compile(r"\baction\s*\([^()]*\)")
_PARAMETER: Final = re.compile(
    r'\b(?P<name>type|target|port|protocol)\s*=\s*"(?P<value>[^"]*)"', re.IGNORECASE
)


class _Asked(NamedTuple):
    name: str
    host: str
    services: tuple[str, ...]


def management(text: str) -> Management:
    """Return what a host's lines say; what they leave open is in `unread`.

    Args:
        text: ``ssh`` and the address that the session came to, ``closed FILE`` for each file that
            may not be read, and ``FILE:LINE`` for each line that names a server, at most `MOST`
            characters.
    """
    planes: list[Plane] = []
    asked: list[_Asked] = []
    unread: list[str] = []
    for line in text.splitlines():
        if found := _CONNECTION.fullmatch(line.strip()):
            planes.append(Plane(address=found["address"], interface="", manages=True))
        elif found := _CLOSED.fullmatch(line.strip()):
            unread.append(f"{found['file']} may not be read by the account")
        elif found := _GREP.fullmatch(line):
            try:
                asked += _asked(found["file"], found["line"])
            except ValueError:
                unread.append(f"a line of {found['file']} is not understood")
    if len(text) >= MOST:
        unread.append("its configuration files name more servers than are read")
    return Management(
        planes=tuple(planes), needs=tuple(_needs(asked)), unread=tuple(dict.fromkeys(unread))
    )


def _needs(asked: Iterable[_Asked]) -> Iterator[Need]:
    """Yield one need for each name and service, but not what the host asks of itself."""
    hosts: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for one in dict.fromkeys(asked):
        if not _itself(one.host):
            hosts.setdefault((one.name, one.services), []).append(one.host)
    for (name, services), found in hosts.items():
        yield Need(name=name, hosts=tuple(found), services=services)


def _itself(host: str) -> bool:
    """Whether a server is the host itself, such as systemd-resolved at 127.0.0.53."""
    try:
        return ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host == "localhost"


def _asked(file: str, line: str) -> Iterator[_Asked]:
    """Yield the servers that a line of a file names.

    Raises:
        ValueError: it names one in a way that is not understood.
    """
    if file.endswith("resolv.conf"):
        words = line.split()
        if words[:1] == ["nameserver"]:
            yield _Asked("dns", words[1].partition("%")[0], ("udp/53", "tcp/53"))
    elif "rsyslog" in file:
        yield from _logs(line)
    elif found := _TIMESYNCD.fullmatch(line):
        yield from (_Asked("ntp", host, ("udp/123",)) for host in found[1].split())
    elif found := _TIME.match(line):
        yield _Asked("ntp", found[1], ("udp/123",))


def _logs(line: str) -> Iterator[_Asked]:
    given = {one["name"].lower(): one["value"] for one in _PARAMETER.finditer(line)}
    if given.get("type") == "omfwd" or "target" in given:
        host, port = given.get("target", ""), given.get("port", "514")
        over = given.get("protocol", "udp").lower()
        whole = _ACTION.search(line)  # one of several lines may say more on the next
        if not whole or not host or not port.isdecimal() or over not in ("udp", "tcp"):
            raise ValueError(line)
        yield _Asked("syslog", host, (f"{over}/{port}",))
    elif found := _FORWARD.fullmatch(line):
        over = "tcp" if found["twice"] == "@@" else "udp"
        yield _Asked("syslog", found["six"] or found["host"], (f"{over}/{found['port'] or 514}",))
    elif re.match(r"[^#]*\s@", line) or re.match(r"[^#]*omfwd", line):
        raise ValueError(line)
