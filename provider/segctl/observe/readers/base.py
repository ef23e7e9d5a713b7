"""What every reader of records stands on."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from segctl.observe.coverage import FileTally, Signs, Witnesses
    from segctl.observe.duplicates import Named, Seen
    from segctl.observe.observation import Observation
    from segctl.observe.readers.conversations import Conversations
    from segctl.observe.readers.panos_sessions import Sessions
    from segctl.observe.sources import Text
    from segctl.observe.times import Clock
    from segctl.providers.watching import Answer

#: So many addresses are remembered in their canonical form.
_REMEMBERED: Final = 300_000
#: Longer names are no names: PAN-OS has rules of 63 characters, users of a few hundred.
LONGEST_NAME: Final = 512
#: A counter of 64 bits has no more digits; more are not a number of this world.
_DIGITS: Final = 20


class RefusedError(ValueError):
    """A record cannot be used; the message is the reason, the same for all of its kind."""


class Sign(NamedTuple):
    """What a record tells of its witness besides; `delay` is until another clock received it."""

    witness: str
    assumed_zone: bool
    version: str
    host: str
    delay: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a reader is given besides the text: who counts, and what was seen before.

    `conversations` are functions that wait for the record of their connection, `sessions` those of
    PAN-OS that wait for their end: both may come in another file. `answer` is what a device told
    of which this is the text, and `device` the host that it is. `called` are the hosts that have
    serial numbers.
    """

    file: FileTally
    witnesses: Witnesses
    signs: Signs
    clock: Clock
    seen: Seen
    named: Named
    addresses: Addresses
    conversations: Conversations
    sessions: Sessions
    answer: Answer | None = None
    device: str = ""
    called: Mapping[str, str] = field(default_factory=dict[str, str])

    def witness(self, serial: str) -> str:
        """Return who saw what bears a serial number: the device that was asked, if one was."""
        return self.device or self.called.get(serial) or clipped(serial)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A format: its name, how much of the first lines look like it, and how to read it.

    `claims` returns how many of the lines of a head are records of the format, 0 if it is another.
    `apart` says that each line is read by itself, so that a file may be cut between any two.
    """

    name: str
    claims: Callable[[str], int]
    read: Callable[[Text, Context], Iterator[Observation]]
    apart: bool = False


class Addresses:
    """Addresses in their canonical form, each looked at once."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def of(self, text: str) -> str:
        """Return an address in its canonical form; an IPv4 address within IPv6 is IPv4.

        Raises:
            RefusedError: it is not an address.
        """
        found = self._known.get(text)
        if found is None:
            found = canonical(text)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[text] = found
        return found


def canonical(text: str) -> str:
    """Return an address in its canonical form; an IPv4 address within IPv6 is IPv4.

    Raises:
        RefusedError: it is not an address.
    """
    try:
        address = ip_address(text.strip())
    except ValueError:
        raise RefusedError("an address is not one") from None
    if address.version == 6:
        if address.scope_id:
            return str(address).partition("%")[0]
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
    return str(address)


def number(text: str) -> int:
    """Return a count; nothing and ``-`` are 0.

    Raises:
        RefusedError: it is not a count.
    """
    if text in {"", "-"}:
        return 0
    if not text.isascii() or not text.isdigit() or len(text) > _DIGITS:
        raise RefusedError("a number is not one")
    return int(text)


def port_of(text: str) -> int:
    """Return a port; nothing is 0.

    Raises:
        RefusedError: it is not a port.
    """
    found = number(text)
    if found > 65535:
        raise RefusedError("a port is above 65535")
    return found


def fields_of(line: str) -> list[str]:
    """Return the fields of a line of CSV.

    Raises:
        RefusedError: it is not one.
    """
    try:
        return next(csv.reader([line]), list[str]())
    except csv.Error:
        raise RefusedError("a record of CSV is broken") from None


def clipped(name: str) -> str:
    """Return a name, cut where it is longer than names are."""
    return name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…"
