"""An open session with a Panorama about one device group: read, change and commit, push on.

A change is two steps: it is committed on Panorama, then pushed to firewalls. What is committed and
not pushed is told by the state that `read` finds, and the next run pushes it or takes it back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.compiler import naming
from segctl.model.errors import UnsupportedError
from segctl.providers.panos.jobs import last_commit
from segctl.providers.panos.panorama.pushing import GroupPushing
from segctl.providers.panos.panorama.reading import GroupReader
from segctl.providers.panos.session import PanosSession

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from segctl.analysis.decide import Packet
    from segctl.providers.containing import Cell
    from segctl.providers.state import Delivery
    from segctl.providers.watching import Answer, Watch
    from segctl.transports.target import Target


class PanoramaSession(PanosSession):
    """One device group of one Panorama; read-only unless opened for writing."""

    def __init__(self, target: Target, *, read_only: bool, progress: Callable[[str], None]) -> None:
        super().__init__(target, read_only=read_only, progress=progress)
        self._pushing: GroupPushing = GroupPushing(self._place)
        self._reader = GroupReader

    def decided_by(self, packet: Packet) -> str:
        """Refuse: only a firewall decides about packets.

        Raises:
            UnsupportedError: always.
        """
        del packet
        raise UnsupportedError(f"{self._place.target.name}: Panorama decides about no packet")

    def seen(self, watch: Watch) -> Sequence[Answer]:
        """Refuse: its firewalls see traffic.

        Raises:
            UnsupportedError: always.
        """
        del watch
        raise UnsupportedError(f"{self._place.target.name}: Panorama sees no traffic")

    def cells(self, group: str = naming.CONTAINED) -> Sequence[Cell]:
        """Refuse: who is contained is in its firewalls.

        Raises:
            UnsupportedError: always.
        """
        del group
        raise UnsupportedError(f"{self._place.target.name}: Panorama contains nobody itself")

    @property
    def deliveries(self) -> Sequence[Delivery]:
        """What became of the latest push to each firewall."""
        return tuple(self._pushing.pusher.deliveries.values())

    def deliver(self) -> None:
        """Push on what the group holds; see `GroupPushing.deliver`."""
        self._pushing.deliver()

    def _recover(self, tokens: Collection[str]) -> str:
        """Clean up after dead runs; return the token of the run whose change is not confirmed.

        One that died while it took its change back in two steps has left the first one, whose
        record is that of an earlier run.
        """
        if token := super()._recover(tokens):
            return token
        commit = last_commit(self._place.member.jobs.ours(tokens))
        if commit is None or commit.doing != "apply":
            return ""
        for part in self._place.parts:
            part.former = commit.replaced(part.location)
        return commit.token
