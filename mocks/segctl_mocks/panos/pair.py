"""A pair of mock firewalls with high availability, each on a port of its own."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from segctl_mocks.panos.ha import ACTIVE_PASSIVE, Room, equip
from segctl_mocks.panos.mock import PanosMock

if TYPE_CHECKING:
    from types import TracebackType

    from segctl_mocks.panos.device import PanosDevice
    from segctl_mocks.tls import Authority, ServerCertificate

#: Addresses of the two members' management interfaces, as they tell them (RFC 5737).
ADDRESSES = ("192.0.2.11", "192.0.2.12")


class PanosPair:
    """Two firewalls that hold one configuration; use it as a context manager.

    The first is active, or primary, until something happens. Keys, jobs, locks, hit counts, saved
    files and logs are each member's own.
    """

    def __init__(self, first: PanosMock, second: PanosMock, mode: str = ACTIVE_PASSIVE) -> None:
        self.first, self.second = first, second
        self.mode = mode
        second.join(first)
        self.room = self._meet()

    @classmethod
    def of_two(
        cls,
        names: tuple[str, str] = ("fw1", "fw1-b"),
        config: bytes | None = None,
        *,
        mode: str = ACTIVE_PASSIVE,
        serials: tuple[str, str] = ("007000001222", "007000001333"),
        job_seconds: float = 0.05,
        authority: Authority | None = None,
        certificate: ServerCertificate | None = None,
    ) -> Self:
        """Make two firewalls and join them: the first with this configuration."""
        mocks = [
            PanosMock(
                name,
                config,
                serial=serial,
                ip_address=address,
                job_seconds=job_seconds,
                authority=authority,
                certificate=certificate,
            )
            for name, serial, address in zip(names, serials, ADDRESSES, strict=True)
        ]
        return cls(mocks[0], mocks[1], mode)

    def _meet(self) -> Room:
        """Join the devices that the mocks have now: the second takes what the first holds.

        Mocks that were restored from a folder stay as they were kept.
        """
        one, other = self.first.device, self.second.device
        if self.first.restored and self.second.restored:
            return Room(one, other, self.mode)
        if one.settings.ip_address == other.settings.ip_address:
            message = "two members of a pair need two management addresses"
            raise ValueError(message)
        equip(one, other, self.mode)
        equip(other, one, self.mode)
        room = Room(one, other, self.mode)
        room.align()
        return room

    def boot(self, first: PanosDevice, second: PanosDevice) -> None:
        """Put other devices in the mocks' places, and join them."""
        with self.first.exclusive():
            self.first.device, self.second.device = first, second
            self.room = self._meet()

    # -- life ---------------------------------------------------------------------

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for mock in self.mocks:
                stack.enter_context(mock)
            stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        for mock in self.mocks:
            mock.stop()

    # -- who ----------------------------------------------------------------------

    @property
    def mocks(self) -> tuple[PanosMock, PanosMock]:
        """Both members, the first one first."""
        return self.first, self.second

    @property
    def active(self) -> PanosMock:
        """The member that is active, or primary.

        Raises:
            ValueError: none is, or both are.
        """
        leading = [member.device for member in self.room.leading]
        if len(leading) != 1:
            message = f"{len(leading)} members are active"
            raise ValueError(message)
        return self.first if leading[0] is self.first.device else self.second

    @property
    def passive(self) -> PanosMock:
        """The other member."""
        return self.second if self.active is self.first else self.first

    @property
    def synchronized(self) -> bool:
        """Whether the members hold the same, as they tell it."""
        with self.first.exclusive():
            self.room.settle()
            return self.room.running_sync() == "synchronized"

    # -- what happens to it ---------------------------------------------------------

    def failover(self) -> None:
        """Let the members change places, as after a failed link of the active one."""
        with self.first.exclusive():
            self.room.settle()
            self.room.fail_over()

    def fail_over_after(self, requests: int) -> None:
        """Fail over once, after so many more requests to either member."""
        self.room.requests_left = requests

    def suspend(self, mock: PanosMock) -> None:
        """Take a member out of service by hand."""
        with self.first.exclusive():
            self.room.suspend(mock.device)

    def make_functional(self, mock: PanosMock) -> None:
        """Put a suspended member back into service."""
        with self.first.exclusive():
            self.room.make_functional(mock.device)

    def cut(self) -> None:
        """Cut the links between the members: both are active then."""
        with self.first.exclusive():
            self.room.settle()
            self.room.cut()

    def mend(self) -> None:
        """Mend the links."""
        with self.first.exclusive():
            self.room.join()

    def power_off(self, mock: PanosMock) -> None:
        """Turn a member off: nobody answers at its address, and its peer takes over."""
        with self.first.exclusive():
            self.room.settle()
            self.room.lose(mock.device)
        mock.stop()

    def power_on(self, mock: PanosMock) -> None:
        """Turn a member on again: its jobs are forgotten, what it holds is not."""
        mock.restart()
        with self.first.exclusive():
            self.room.regain(mock.device)
        mock.start()

    def reboot(self, mock: PanosMock) -> None:
        """Turn a member off and on."""
        self.power_off(mock)
        self.power_on(mock)

    def turn_sync(self, *, on: bool) -> None:
        """Turn configuration synchronization on or off, on both members."""
        word = "yes" if on else "no"
        place = (
            "/config/devices/entry[@name='localhost.localdomain']/deviceconfig/high-availability"
            "/group/configuration-synchronization"
        )
        for mock in self.mocks:
            mock.edit("set", place, f"<enabled>{word}</enabled>", commit=True)

    def part(self) -> None:
        """Let the passive member's rules have identities of its own, as before a first sync."""
        with self.first.exclusive():
            self.room.part(self.passive.device)
