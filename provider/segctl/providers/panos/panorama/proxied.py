"""A session with a managed firewall by way of its Panorama: to read what it enforces, to contain.

Panorama passes a request on to the firewall that ``target`` names. Source: vendor's API guide, also
for the registration of addresses; measured on 11.x of configuration and operational requests.
Others, such as for logs, it answers itself: those of configuration are refused here, those of
traffic are asked of Panorama, for this firewall alone. Whether a registration has reached the
firewall is read back there.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from segctl.compiler import naming
from segctl.model.errors import ParseError, UnsupportedError
from segctl.providers.panos import watching
from segctl.providers.panos.location import Location
from segctl.providers.panos.member import Member
from segctl.providers.panos.panorama.managed_cell import ManagedCell
from segctl.providers.panos.panorama.parse import STANDING
from segctl.providers.panos.panorama.reading import firewalls, standing_command
from segctl.providers.panos.session import PanosSession
from segctl.providers.panos.small import small
from segctl.providers.panos.snapshot import load
from segctl.providers.panos.wire import only_contains
from segctl.providers.watching import Answer
from segctl.transports.answers import Answers

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

    from segctl.analysis.decide import Packet
    from segctl.model.scope import Scope
    from segctl.providers.containing import Cell
    from segctl.providers.logs import Author
    from segctl.providers.panos.panorama.members import Firewall
    from segctl.providers.watching import Watch
    from segctl.transports.target import Target

_WHY: Final = "is managed by Panorama: its policy is changed in its device group"


def _in_order(members: Iterable[Firewall]) -> list[Firewall]:
    """Return those first that are connected, and of these the one that carries traffic."""
    return sorted(members, key=lambda one: (not one.connected, one.follows))


class ProxiedSession(PanosSession):
    """One managed firewall, or both members of a pair; its configuration is never changed.

    Opened for writing, all it may do is contain.
    """

    def __init__(
        self, target: Target, via: Scope, *, read_only: bool, progress: Callable[[str], None]
    ) -> None:
        if target.common is None:  # the members of a pair share the key of their Panorama
            target = replace(target, common=Answers())
        super().__init__(target, read_only=read_only, progress=progress)
        self._place.member.wire.allows = only_contains
        self._read_only = read_only
        self._group = Location.of(via).name
        self._there: tuple[str, ...] = ()
        self._cells: tuple[ManagedCell, ...] = ()

    def close(self) -> None:
        """Close the connections."""
        for cell in self._cells:
            cell.member.wire.close()
        super().close()

    def read(self) -> bytes:
        """Return what the firewall holds, what was pushed to it included.

        Raises:
            ParseError: it is not in its device group, or not connected to Panorama, or another
                device has answered for it.
        """
        self._find()
        document = super().read()
        self._refuse_another(document)
        return document

    def _refuse_another(self, document: bytes) -> None:
        """Refuse what another device has answered, such as Panorama itself.

        Measured on 11.x: of some requests Panorama passes over ``target``.
        """
        name, wanted = self._place.target.name, self._place.member.client.passed_on
        system = small(name, "system", load(document).parts["system"])
        told = (system.findtext("result/system/serial") or "").strip()
        if told != wanted:
            raise ParseError(
                name,
                f"was asked for by way of Panorama ({wanted}), and {told or 'another'} answered",
            )

    def _find(self) -> None:
        """Find the firewall's serial number, to which everything further is passed on.

        Of a pair, the member that carries traffic is asked.
        """
        client, target = self._place.member.client, self._place.target
        if client.passed_on:
            return
        there = [one for one in _in_order(self._known().values()) if one.connected]
        if not there:
            raise ParseError(
                target.name, "is not connected to its Panorama: what it enforces is unknown"
            )
        client.passed_on = there[0].serial
        self._there = tuple(one.serial for one in there)

    def _known(self) -> dict[str, Firewall]:
        """Return the firewall, or both members of a pair, as Panorama knows them now, by host."""
        client, target = self._place.member.client, self._place.target
        asked = {"type": "op", "cmd": standing_command(self._group)}
        passed_on, client.passed_on = client.passed_on, ""
        try:
            answer = client.ask(asked).body
        finally:
            client.passed_on = passed_on
        return firewalls(target, self._group, {STANDING: answer})

    def show(self, command: str) -> str:
        """Return the answer to an operational ``<show>`` command, as XML."""
        self._find()
        return super().show(command)

    def decided_by(self, packet: Packet) -> str:
        """Return the rule that the firewall says decides about a packet."""
        self._find()
        return super().decided_by(packet)

    def seen(self, watch: Watch) -> Sequence[Answer]:
        """Return the firewall's open sessions, and what Panorama's logs have of it.

        Of a pair, of each member that is connected. Entries one by one: there are releases that
        refuse reports where a firewall is named (PAN-194812).
        """
        self._find()
        self._progress("reading its traffic")
        member, leader = self._place.member, self._place.member.client.passed_on
        asked, found = replace(watch, each=True), list[Answer]()
        try:
            for serial in self._there:  # each member of a pair logs what it carried
                member.client.passed_on = serial
                found += watching.seen(member, self.part.location.name, asked, serial)
        finally:
            member.client.passed_on = leader
        return found

    def changed_by(self, items: Sequence[tuple[str, Sequence[str]]]) -> Sequence[Author | None]:
        """Name nobody: Panorama does not pass requests for logs on."""
        return [None] * len(items)

    # --- containing --------------------------------------------------------------------------

    def cells(self, group: str = naming.CONTAINED) -> Sequence[Cell]:
        """Return the firewall, or both members of a pair, also one that is not connected.

        Which these are is asked once in a session.
        """
        if not self._cells:
            known = self._known()
            read = _in_order(known.values())[0]
            self._cells = tuple(self._cell(name, one, read) for name, one in known.items())
        return [replace(cell, group=group) for cell in self._cells]

    def _cell(self, name: str, firewall: Firewall, read: Firewall) -> ManagedCell:
        member = Member.of(
            replace(self._place.target, name=name),
            read_only=self._read_only,
            progress=self._progress,
        )
        member.wire.allows = only_contains
        member.client.passed_on = firewall.serial
        return ManagedCell(
            member=member, vsys=self.part.location.name, firewall=firewall, read=read
        )

    # --- changing ----------------------------------------------------------------------------

    @contextmanager
    def lock(self) -> Generator[None]:
        """Refuse.

        Raises:
            UnsupportedError: always.
        """
        raise UnsupportedError(f"{self._place.target.name}: {_WHY}")
        yield

    def push(self, script: str, *, revert_in: float | None = None) -> None:
        """Refuse.

        Raises:
            UnsupportedError: always.
        """
        del script, revert_in
        raise UnsupportedError(f"{self._place.target.name}: {_WHY}")
