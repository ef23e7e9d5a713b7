"""Lease files of DHCP servers: which addresses are leased, and who keeps an address. Pure.

Source: dhcpd.leases(5) of ISC DHCP; dnsmasq(8), ``--dhcp-leasefile``, and its ``lease.c``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from segctl.model.site import Host

_TOKEN: Final = re.compile(r'"(?:\\.|[^"\\])*"|#[^\n]*|[{};]|[^\s{};"#]+|"')
#: How a block of ISC's files begins, up to its brace.
_BEGUN: Final = re.compile(r"^[^\S\n]*+(?:lease|ia-na|ia-ta|ia-pd)\s", re.MULTILINE)
#: Blocks of ISC's files that are about one address.
_BLOCKS: Final = frozenset({"lease", "iaaddr"})
#: Where somebody else was found at an address: it is not leased to anybody.
_ABANDONED: Final = ["binding", "state", "abandoned"]
_NEVER: Final = ["ends", "never"]
_HARDWARE: Final = re.compile(
    r"(?:[0-9a-fA-F]{2}-)?[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5,19}|\d+|T\d+"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leases:
    """What a file says: ranges of leased addresses from and to, and names by address.

    A range has no address in it that the file does not lease. Hosts with names keep their addresses
    for good.
    """

    ranges: tuple[tuple[str, str], ...] = ()
    names: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(slots=True, kw_only=True)
class _Lease:
    address: Host
    name: str = ""
    kept: bool = False
    gone: bool = False


def leases_of(text: str) -> Leases:
    """Return what a lease file of ISC's dhcpd or of dnsmasq says; the last lease of one counts.

    Raises:
        ValueError: it is neither; the message says where.
    """
    begun = _BEGUN.search(text)
    isc = begun is not None and "{" in text[begun.end() :]
    held = {one.address: one for one in (_isc(text) if isc else _dnsmasq(text))}
    if not held:
        raise ValueError("it has no lease")
    leased = (one.address for one in held.values() if not (one.kept or one.gone))
    return Leases(
        ranges=tuple(_ranges(leased)),
        names={str(one.address): one.name for one in held.values() if one.kept and one.name},
    )


def _ranges(addresses: Iterable[Host]) -> Iterator[tuple[str, str]]:
    """Yield runs of addresses without a gap."""
    ordered = sorted(addresses, key=lambda one: (one.version, int(one)))
    first = 0
    for place, one in enumerate(ordered):
        if place and ordered[place - 1] + 1 != one:
            first = place
        if place + 1 == len(ordered) or one + 1 != ordered[place + 1]:
            yield str(ordered[first]), str(one)


def _isc(text: str) -> Iterator[_Lease]:
    """Yield the leases of a file of blocks; what is not about an address is passed over."""
    words: list[str] = []
    blocks: list[_Lease | None] = []
    for part, match in _parts(text):
        if part == "{":
            about = len(words) == 2 and words[0] in _BLOCKS
            blocks.append(_Lease(address=_address(words[1], text, match)) if about else None)
            words = []
        elif part == ";":
            if blocks and (lease := blocks[-1]) is not None:
                _say(lease, words)
            words = []
        elif part == "}":
            if not blocks:
                raise ValueError(
                    f"line {_line(text, match.start())}: a block ends that did not begin"
                )
            if (lease := blocks.pop()) is not None:
                yield lease
            words = []
        else:
            words.append(part)
    if blocks:
        raise ValueError("it is cut: a block does not end")


def _parts(text: str) -> Iterator[tuple[str, re.Match[str]]]:
    """Yield words and signs of a file of blocks, without comments."""
    for match in _TOKEN.finditer(text):
        part = match.group()
        if part == '"':
            raise ValueError(f"line {_line(text, match.start())}: a quote is open")
        if not part.startswith("#"):
            yield part, match


def _say(lease: _Lease, words: list[str]) -> None:
    """Take down what a statement says of a lease."""
    lease.gone = lease.gone or words == _ABANDONED
    lease.kept = lease.kept or words == _NEVER
    if words[:1] == ["client-hostname"] and words[1:]:
        lease.name = words[1].strip('"')


def _dnsmasq(text: str) -> Iterator[_Lease]:
    """Yield the leases of a file of lines: expiry, hardware, address, name, client."""
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0] == "duid":
            continue
        whole = len(words) >= 4 and words[0].isdigit()
        if not whole or not _HARDWARE.fullmatch(words[1]):
            raise ValueError(f"line {number}: it is not a lease of dhcpd or dnsmasq")
        try:
            address = ip_address(words[2])
        except ValueError:
            raise ValueError(f"line {number}: {words[2]!r} is not an address") from None
        name = "" if words[3] == "*" else words[3]
        yield _Lease(address=address, name=name, kept=words[0] == "0")


def _address(word: str, text: str, match: re.Match[str]) -> Host:
    try:
        return ip_address(word)
    except ValueError:
        line = _line(text, match.start())
        raise ValueError(f"line {line}: {word!r} is not an address") from None


def _line(text: str, place: int) -> int:
    return text.count("\n", 0, place) + 1
