"""Which requests go through a proxy: none to this machine, none to what ``no_proxy`` names.

Only what is sent to services (webhooks, a Pushgateway) may use one; the connections to firewalls
are segctl's own and read no such setting.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.request import getproxies

if TYPE_CHECKING:
    from collections.abc import Mapping

    Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def proxies(host: str, port: int, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the proxy for each scheme, as urllib takes them; empty where none may be used.

    Args:
        host: the host of a URL, an IPv6 address without brackets.
        port: its port.
        environment: with ``no_proxy`` and ``NO_PROXY``, of which both count.
    """
    listed = ",".join(environment.get(name, "") for name in ("no_proxy", "NO_PROXY"))
    if is_here(host) or excepted(host, port, listed):
        return {}
    return getproxies()


def is_here(host: str) -> bool:
    """Whether a host is this machine: by a loopback name, its own name or one of its addresses."""
    name = host.rstrip(".").casefold()
    if name == "localhost" or name.endswith(".localhost") or name in _own_names():
        return True
    address = _address(name)
    if address is None:
        return False
    return address.is_loopback or address.is_unspecified or _is_ours(address)


def excepted(host: str, port: int, listed: str) -> bool:
    """Whether a list as in ``no_proxy`` names a host.

    Its entries, between commas or spaces: ``*``; a domain, which stands for its subdomains too,
    with or without a leading ``.`` or ``*.``; an address; a network; each of them with ``:port``
    where only that port is meant.
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
    found = re.fullmatch(r"(?:\[([^\]]*)\]|([^:\[\]]*))(?::(\d{1,5}))?", entry, re.ASCII)
    if found is None:  # an IPv6 address or network
        return entry, None
    return found[1] or found[2] or "", int(found[3]) if found[3] else None


def _address(host: str) -> Address | None:
    """Return the address that a host is, also one written as no standard says: ``127.1``."""
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
