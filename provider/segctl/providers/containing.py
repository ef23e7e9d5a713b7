"""The capability to contain addresses at once, without a change of the configuration.

What is prepared by a plan is filled here: a group of addresses that the device keeps beside its
configuration, each for a time, after which it lets them go by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, runtime_checkable

from segctl.compiler import naming
from segctl.model.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from segctl.compiler.naming import ContainedNote
    from segctl.model.addresses import Interval

Host: TypeAlias = IPv4Address | IPv6Address
#: Kind of the note that an address is contained.
CONTAINED: Final = "contained"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An address that a device is told to contain.

    `note` is None where it was not segctl that told it. `enforced` says whether the group that the
    rules deny has it, `automatic` that the device contains it by itself.
    """

    address: str
    note: ContainedNote | None
    enforced: bool
    automatic: bool = False

    @property
    def words(self) -> str:
        """Until when, by whom and why, as far as it is known."""
        if self.automatic and self.note is None:
            return "by the firewall itself, for what it logged, for an hour at most"
        return self.note.words if self.note else "by somebody else, until when is not known"


def contained_notes(group: str, members: Iterable[Held]) -> Iterator[Problem]:
    """Say who is cut off until when, by whom and why; that is no drift.

    Of those who are contained each address counts, of an island the first one speaks for all.
    """
    label = naming.island_label(group)
    if not label:
        yield from map(_contained_note, members)
        return
    every = list(members)
    if every:
        yield Problem(
            message=f"{label} is an island {every[0].words}",
            hint="segctl island end ends it",
            severity="note",
            kind=CONTAINED,
            subject=label,
        )


def _contained_note(held: Held) -> Problem:
    return Problem(
        message=f"{held.address} is contained {held.words}",
        hint="segctl contain release ends it",
        severity="note",
        kind=CONTAINED,
        subject=held.address,
    )


def not_by_itself(name: str, where: str) -> Problem:
    """Say of a firewall that it does not contain by itself, though the inventory declares `on`."""
    return Problem(
        message=f"{name} contains nobody by itself: segctl cannot prepare that {where}",
        hint="segctl watch judges what it records, and proposes or contains",
        severity="note",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSession:
    """An open session: who asks whom, for what, and the rule that let it pass.

    `protocol` is the number of the Internet protocol, `application` and `rule` are the device's
    words.
    """

    source: Host
    destination: Host
    protocol: int
    source_port: int
    destination_port: int
    application: str = ""
    rule: str = ""

    def __str__(self) -> str:
        """``10.20.2.11:40001 → 10.20.1.11:502 (modbus)``."""
        source, target = (f"[{one}]" if one.version == 6 else str(one) for one in self.ends)
        what = f" ({self.application})" if self.application else ""
        return f"{source}:{self.source_port} → {target}:{self.destination_port}{what}"

    @property
    def ends(self) -> tuple[Host, Host]:
        """Who asks, and who is asked."""
        return self.source, self.destination


class Cell(Protocol):
    """One device that can contain, alone or a member of a pair; each keeps its own list."""

    @property
    def name(self) -> str:
        """Its host in the inventory."""
        ...

    @property
    def judges_all(self) -> bool:
        """Whether its rules judge every packet: then no session of who is contained is open.

        What its table of sessions still lists needs not be ended, and `end` does nothing.
        """
        ...

    @property
    def unread(self) -> str:
        """Why it may enforce another policy than the one that was read; empty where it does not."""
        ...

    def held(self) -> Sequence[Held]:
        """Return who is to be contained, whoever told it so."""
        ...

    def room(self) -> int:
        """Return for how many more addresses there is surely room; negative: not known."""
        ...

    def hold(
        self, addresses: Sequence[str], note: ContainedNote, seconds: int, *, persistent: bool
    ) -> None:
        """Contain addresses from now on, for a time that is never without end.

        Raises:
            DeviceError: the device refuses any of them.
            ValueError: the time is none, or longer than the device keeps it.
        """
        ...

    def release(self, addresses: Sequence[str]) -> None:
        """Let addresses go; what others have noted of them stays."""
        ...

    def sessions(self, part: Interval) -> Sequence[LiveSession]:
        """Return the open sessions of addresses, those that they asked for and the others."""
        ...

    def end(self, session: LiveSession) -> None:
        """End one session, and no other.

        Raises:
            ValueError: it cannot be told from others.
        """
        ...


@runtime_checkable
class Containing(Protocol):
    """A session with a device that can contain; to change anything it must not be read-only."""

    def cells(self, group: str = naming.CONTAINED) -> Sequence[Cell]:
        """Return the device, or every member of a pair, also those that may not answer.

        What they tell and do is about the members of one group, of those who are contained or of
        an island.
        """
        ...
