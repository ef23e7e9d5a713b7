"""The address from which this machine would reach a host, by its own routes; sends nothing."""

from __future__ import annotations

import socket
from contextlib import suppress
from ipaddress import ip_address


def source_towards(host: str) -> str:
    """Return this machine's address on the way to an address, empty where there is none.

    A datagram socket that is connected sends nothing: the system only picks the address
    (connect(2)). Names are not looked up.
    """
    try:
        version = ip_address(host).version
    except ValueError:
        return ""
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((host, 9))
        return str(probe.getsockname()[0])
    return ""
