"""One managed firewall that can contain: what is asked of it and done there passes its Panorama."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from segctl.model.errors import ConnectError, ParseError
from segctl.providers.panos.containing import FirewallCell
from segctl.providers.panos.member import SYSTEM

if TYPE_CHECKING:
    from segctl.providers.panos.elements import Element
    from segctl.providers.panos.panorama.members import Firewall


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ManagedCell(FirewallCell):
    """One firewall behind a Panorama, in one virtual system; `firewall` is what Panorama says.

    `read` is the one of a pair whose policy is read. `told` is which serial number has answered,
    once it was asked.
    """

    firewall: Firewall
    read: Firewall
    told: list[str] = field(default_factory=list[str])

    @property
    def unread(self) -> str:
        """Each member of a pair has what Panorama pushed to it last."""
        if self.firewall.version == self.read.version:
            return ""
        return (
            "Panorama pushed another version of the policy to it than to the other member, which "
            "was read: push the device group to both"
        )

    def _op(self, command: str) -> Element:
        self._refuse_another()
        return FirewallCell._op(self, command)  # noqa: SLF001 - its own base

    def _tell(self, text: str) -> None:
        self._refuse_another()
        FirewallCell._tell(self, text)  # noqa: SLF001 - its own base

    def _refuse_another(self) -> None:
        """Refuse where it is not the firewall itself that answers.

        Measured on 11.x: of some requests Panorama passes over ``target``.

        Raises:
            ConnectError: Panorama has no connection to it.
            ParseError: another device answers.
        """
        if not self.firewall.connected:
            raise ConnectError(self.name, "is not connected to its Panorama")
        if not self.told:
            serial = self.member.client.op(SYSTEM).findtext("result/system/serial") or ""
            self.told.append(serial.strip())
        if self.told != [self.firewall.serial]:
            raise ParseError(
                self.name,
                f"was asked for by way of Panorama ({self.firewall.serial}), and "
                f"{self.told[0] or 'another'} answered",
            )
