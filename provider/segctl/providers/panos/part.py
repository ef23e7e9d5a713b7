"""What one run changes in one virtual system or device group, and what it read there before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from segctl.providers.panos.comments import Comments
from segctl.providers.panos.location import Location
from segctl.providers.panos.undo import Push

if TYPE_CHECKING:
    from segctl.providers.panos.undo import Body
    from segctl.transports.target import Target


@dataclass(slots=True, kw_only=True, eq=False)
class Part:
    """One host of the inventory: where its policy is on the device, and its change there.

    `before` is what was read before the change, `former` a dead run's digest of that. `comments`
    are the audit comments of its rules.
    """

    target: Target
    before: Body = b""
    former: str = ""
    push: Push = field(default_factory=Push)
    comments: Comments = field(default_factory=Comments)

    @property
    def location(self) -> Location:
        """Where its policy is."""
        return Location.of(self.target.scope)

    @property
    def changing(self) -> bool:
        """Whether there is something to confirm or to take back."""
        return bool(self.push.script) or self.push.adopted is not None
