"""Which requests go through a proxy: none to this machine, none to what ``no_proxy`` names.

Only requests to services (webhooks, a Pushgateway) may use one; connections to firewalls
ignore these settings.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.request import getproxies

from segctl.system.handed import read_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Address = ipaddress.IPv4Address | ipaddress.IPv6Address


#: Where this machine gives names to addresses.
HOSTS: Final = Path("/etc/hosts")


def proxies(host: str, port: int, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the proxy for each scheme, as urllib expects them; empty if none may be used.

    Args:
        host: the host of a URL, an IPv6 address without brackets.
        port: its port.
        environment: with ``no_proxy`` and ``NO_PROXY``; both count.
    """
    listed = ",".join(environment.get(name, "") for name in ("no_proxy", "NO_PROXY"))
    if is_here(host) or excepted(host, port, listed):
        return {}
    return getproxies()


def is_here(host: str, hosts: Path = HOSTS) -> bool:
    """Whether a host is this machine: by a loopback name, its own name or one of its addresses.

    A name is also this machine's if the file `hosts` gives it such an address. No name server is
    asked: a name that only one of them knows counts as another machine's.
    """
    name = host.rstrip(".").casefold()
    if name == "localhost" or name.endswith(".localhost") or name in _own_names():
        return True
    address = _address(name)
    addresses = _listed(name, hosts) if address is None else (address,)
    return any(one.is_loopback or one.is_unspecified or _is_ours(one) for one in addresses)


def _listed(name: str, hosts: Path) -> Iterator[Address]:
    """Yield the addresses that a file like ``/etc/hosts`` gives to a name."""
    try:
        text = read_bytes(hosts).decode(errors="replace").casefold()
    except OSError:
        return
    for line in text.splitlines() if name and name in text else ():
        first, *names = line.partition("#")[0].split() or ("",)
        if name in {one.rstrip(".") for one in names} and (address := _address(first)):
            yield address


def excepted(host: str, port: int, listed: str) -> bool:
    """Whether a list in the form of ``no_proxy`` names a host.

    Entries are separated by commas or spaces: ``*``; a domain, which includes its subdomains,
    with or without a leading ``.`` or ``*.``; an address; a network; each with ``:port`` if only
    that port is meant.
    """
    return any(_names(entry, host, port) for entry in re.split(r"[,\s]+", listed) if entry)


def _names(entry: str, host: str, port: int) -> bool:
    text, wanted = _port(entry)
    if wanted is not None and wanted != port:
        return False
    if text == "*":
        return True
    address = _address(host)
    if address is not None:
        with suppress(ValueError):
            return address in ipaddress.ip_network(text, strict=False)
        return False
    domain = text.removeprefix("*").strip(".").casefold()
    name = host.rstrip(".").casefold()
    return bool(domain) and (name == domain or name.endswith(f".{domain}"))


def _port(entry: str) -> tuple[str, int | None]:
    """Return an entry without its port, and the port."""
    match = re.fullmatch(r"(?:\[([^\]]*)\]|([^:\[\]]*))(?::(\d{1,5}))?", entry, re.ASCII)
    if match is None:  # an IPv6 address or network
        return entry, None
    return match[1] or match[2] or "", int(match[3]) if match[3] else None


def _address(host: str) -> Address | None:
    """Return the address that a host is, even in a non-standard form such as ``127.1``."""
    address: Address | None = None
    with suppress(ValueError):
        address = ipaddress.ip_address(host.partition("%")[0])
    if address is None:
        with suppress(OSError, ValueError):
            address = ipaddress.IPv4Address(socket.inet_aton(host))
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def _own_names() -> set[str]:
    return {name.rstrip(".").casefold() for name in (socket.gethostname(),) if name}


def _is_ours(address: Address) -> bool:
    """Whether an interface of this machine has an address: only then can a socket be bound."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.bind((str(address), 0))
        return True
    return False
