"""An open session with a Panorama about one device group: read, change and commit, push on.

A change is two steps: it is committed on Panorama, then pushed to firewalls. What is committed and
not pushed is told by the state that `read` finds, and the next run pushes it or takes it back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.model.errors import (
    ApplyError,
    DeviceError,
    LostLockError,
    UnknownError,
    UnsupportedError,
)
from segctl.providers.panos import refusals, version
from segctl.providers.panos.jobs import Commit
from segctl.providers.panos.panorama.delivering import Pusher
from segctl.providers.panos.panorama.parse import STANDING
from segctl.providers.panos.panorama.reading import GroupReader, firewalls, standing_command
from segctl.providers.panos.pushing import Pushing
from segctl.providers.panos.session import PanosSession

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from segctl.analysis.decide import Packet
    from segctl.providers.panos.panorama.members import Firewall
    from segctl.providers.panos.place import Place
    from segctl.providers.state import Delivery
    from segctl.transports.target import Target


class GroupPushing(Pushing):
    """What one run changes in a device group, and pushes to its firewalls.

    `went_back` says that its last commit took a change back, `unpushed` why no push was tried,
    `lacking` which firewalls lacked changes of others before its first commit.
    """

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.went_back = False
        self.unpushed = ""
        self.lacking: frozenset[str] = frozenset()
        self.pusher = Pusher(
            client=place.member.client,
            target=place.target,
            jobs=place.member.jobs,
            location=place.location,
            progress=place.progress,
        )

    def commit(self, doing: str) -> None:
        """Commit this account's changes of the group, then push them on.

        A revert is pushed to every firewall that may hold what it takes back, and to no other: one
        that was left out of this run stays as it was.

        Raises:
            LostLockError: this run no longer holds its locks.
            ApplyError: the commit failed, or left changes of ours uncommitted.
        """
        self.went_back = back = doing == "revert"
        holders = self._holders() if back else None
        if not back:
            found = self._found().items()
            self.lacking = frozenset(n for n, one in found if not (one.in_sync or one.never))
        super().commit(doing)
        self._refuse_left_over()
        self._push_on(holders, behind=back, doing=doing)

    def revert(self) -> None:
        """Restore the configuration of the group, and have its firewalls enforce that again.

        Raises:
            LostLockError: this run no longer holds the lock, and changed nothing.
            UnknownError: restoring failed, a firewall may still enforce what was taken back, or one
                that lacked changes of others may have got some with it.
        """
        self.unpushed = ""
        super().revert()
        bad = [one for one in self.pusher.deliveries.values() if one.result != "pushed"]
        told = [f"{one.name}: {one.why}" for one in bad] or list(filter(None, [self.unpushed]))
        if self.went_back and told:
            raise UnknownError(
                self._place.target.name,
                "the change was taken back, but that could not be pushed, and firewalls may still "
                f"enforce the change ({'; '.join(told)}): run segctl apply to push to them",
            )
        if self.went_back and (mixed := self.lacking & self.pusher.deliveries.keys()):
            raise UnknownError(
                self._place.target.name,
                f"the change was taken back; {', '.join(sorted(mixed))} lacked changes that others "
                "had committed and not pushed, and may have got those of the rules and objects "
                "that were taken back: run segctl drift",
            )

    def deliver(self) -> None:
        """Push to the firewalls asked about that do not enforce what the group holds.

        Raises:
            LostLockError: this run no longer holds its locks.
        """
        self._place.member.wire.refuse_write()
        self._place.member.holding.check()
        self._push_on(None, behind=True, doing="apply")

    def _refuse_left_over(self) -> None:
        """Refuse a commit that is said to have succeeded and left changes of ours uncommitted.

        Raises:
            ApplyError: some are left in the group.
        """
        target, location = self._place.target, self._place.location
        for owner, xpath in refusals.pending(self._place.member.client):
            if owner == target.user and xpath.startswith(location.xpath):
                raise ApplyError(
                    target.name,
                    "says that the commit succeeded, and still has a change of this account that "
                    f"is not committed ({xpath})",
                )

    def _holders(self) -> frozenset[str]:
        """Return the firewalls that may enforce the change that is committed now.

        Those are in sync with it, or this run pushed to them. Of a dead run's change it is not
        known whom it was pushed to: it may be any.
        """
        if self.adopted:
            return frozenset(one.name for one in self._place.target.managed)
        tried = {
            name
            for name, one in self.pusher.deliveries.items()
            if one.result in ("pushed", "unknown")
        }
        return frozenset(tried | {name for name, one in self._found().items() if one.in_sync})

    def _found(self) -> dict[str, Firewall]:
        """Return the firewalls as Panorama knows them now, by host."""
        command = standing_command(self._place.location.name)
        answer = self._place.member.client.ask({"type": "op", "cmd": command}).body
        return firewalls(self._place.target, self._place.location.name, {STANDING: answer})

    def _push_on(self, holders: frozenset[str] | None, *, behind: bool, doing: str) -> None:
        """Push to `holders`, or else to those asked about, with `behind` only where it is missing.

        What fails is recorded, for the change is committed all the same.

        Raises:
            LostLockError: this run no longer holds its locks.
        """
        target, member = self._place.target, self._place.member
        text = str(Commit(doing=doing, token=self.token, plan=self.run.plan_id))
        asked = {one.name for one in target.managed if one.asked} if holders is None else holders
        self.pusher.deliveries = {}
        try:
            wanted = {
                name: one
                for name, one in self._found().items()
                if name in asked and not (behind and one.in_sync)
            }
            self.pusher.push(wanted, text, version.numbers(member.writer.version))
        except LostLockError:
            raise
        except DeviceError as error:
            self.unpushed = f"pushed to no firewall: {error.message}"
            self._place.progress(f"committed, but {self.unpushed}")


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

    @property
    def deliveries(self) -> Sequence[Delivery]:
        """What became of the latest push to each firewall."""
        return tuple(self._pushing.pusher.deliveries.values())

    def deliver(self) -> None:
        """Push on what the group holds; see `GroupPushing.deliver`."""
        self._pushing.deliver()
