"""Whether a host's kernel hands packets on from one interface to another.

For IPv4 the interface by which a packet enters says so; `net.ipv4.ip_forward` sets all of them. For
IPv6 one setting says so for all, but interfaces may be forced to (ip-sysctl, kernel.org).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from segctl.analysis.space import ALL_SERVICES, addresses
from segctl.model.addresses import interval
from segctl.model.errors import Problem
from segctl.model.gate import Gate, GateRule
from segctl.providers.state import GATED

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The most characters that are read of a host: some thousand interfaces.
MOST: Final = 400_000
_LINE: Final = re.compile(r"ipv([46])/conf/([^/]+)/(force_)?forwarding:([0-9]+)")
_GENERAL: Final = frozenset({"all", "default", "lo"})


_HINT: Final = "sysctl -w {}=1, and a line in /etc/sysctl.d to keep it"


def gates(text: str) -> Iterator[Gate]:
    """Yield what a kernel that forwards nothing stops, by version of IP.

    Args:
        text: lines such as ``ipv4/conf/eth0/forwarding:1`` and ``ipv6/conf/all/forwarding:0``.
    """
    off, forced = _read(text)
    if names := tuple(sorted(off["4"] - _GENERAL)):
        general = "net.ipv4.ip_forward" if "all" in off["4"] else ""
        yield _gate("4", general or f"net.ipv4.conf.{names[0]}.forwarding", names)
    if "all" in off["6"]:
        yield _gate("6", "net.ipv6.conf.all.forwarding", (), certain=not forced)


def findings(text: str) -> Iterator[Problem]:
    """Yield what is worth a warning before anything is applied: no interface forwards IPv4."""
    off, _ = _read(text)
    known = {found[2] for found in _LINE.finditer(text) if found[1] == "4"} - _GENERAL
    if known and known <= off["4"]:
        yield Problem(
            message="the host forwards no IPv4 packet (net.ipv4.ip_forward is 0): nothing passes "
            "between zones, whatever the rules permit",
            hint=_HINT.format("net.ipv4.ip_forward"),
            severity="warning",
            kind=GATED,
        )


def _read(text: str) -> tuple[dict[str, set[str]], bool]:
    """Return the interfaces that forward nothing, by version, and whether some are forced to."""
    off: dict[str, set[str]] = {"4": set(), "6": set()}
    forced = False
    for found in map(_LINE.fullmatch, text.splitlines()):
        if found is not None and found[3]:
            forced = forced or found[4] != "0"
        elif found is not None and found[4] == "0":
            off[found[1]].add(found[2])
    return off, forced


def _gate(version: str, name: str, enters: tuple[str, ...], *, certain: bool = True) -> Gate:
    met = addresses([interval("0.0.0.0/0" if version == "4" else "::/0")])
    rule = GateRule(
        action="drop",
        certain=certain,
        enters=enters,
        leaves=(),
        sources=met,
        destinations=met,
        services=ALL_SERVICES,
    )
    return Gate(
        name=f"the kernel ({name} is 0)",
        why="it may forward nothing",
        hint=_HINT.format(name),
        rules=(rule,),
        kind="kernel",
        subject=f"IPv{version} forwarding",
        digest=f"{version} {' '.join(enters)}",
    )
