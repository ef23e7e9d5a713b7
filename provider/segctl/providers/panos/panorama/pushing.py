"""What one run changes in a device group, and pushes to its firewalls; how it takes that back.

A firewall that is not in sync may lack changes that others have committed and not pushed. Such a
change must not come to it by us. What we change carries none of them: our items are as declared.
What we take back would, where others had changed one of our items: so the group first holds what
the firewall held, is pushed to it, and only then holds again what Panorama ran, which is not pushed
there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from segctl.model.errors import (
    ApplyError,
    DeviceError,
    ForeignChangesError,
    LostLockError,
    ParseError,
    UnknownError,
)
from segctl.providers.panos import refusals, version
from segctl.providers.panos.jobs import Commit
from segctl.providers.panos.panorama import held
from segctl.providers.panos.panorama.delivering import SELECTIVE_SINCE, Pusher
from segctl.providers.panos.panorama.parse import STANDING
from segctl.providers.panos.panorama.reading import firewalls, standing_command
from segctl.providers.panos.pushing import Pushing
from segctl.providers.panos.undo import SHOWN
from segctl.providers.state import Delivery

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from segctl.providers.panos.panorama.members import Firewall
    from segctl.providers.panos.part import Part
    from segctl.providers.panos.place import Place


class GroupPushing(Pushing):
    """What one run changes in a device group, and pushes to its firewalls.

    `went_back` says that its last commit took a change back, `unpushed` why no push was tried.
    `apart` are firewalls that held another version of what is changed, each with that version;
    `away` those that were not connected and whose version was not looked at; `synced` those that
    had everything before the last commit, where Panorama can push nothing less.
    """

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.went_back = False
        self.unpushed = ""
        self.apart: dict[str, str] = {}
        self.away: frozenset[str] = frozenset()
        self.synced: frozenset[str] = frozenset()
        self._places: dict[str, Firewall] = {}
        self._versions = held.Versions(place=place, limit=self._limit)
        self._back = _Back()
        self.pusher = Pusher(
            client=place.member.client,
            target=place.target,
            jobs=place.member.jobs,
            location=place.location,
            progress=place.progress,
        )

    @property
    def _part(self) -> Part:
        """The device group: the only part of its place."""
        (part,) = self._parts
        return part

    @property
    def held(self) -> str:
        """Which firewalls held another version, for the run's record."""
        return held.written(self.apart, self._places) if self.apart else ""

    # --- forward -----------------------------------------------------------------------------

    def push(self, scripts: Sequence[tuple[Part, str]], *, revert_in: float | None = None) -> None:
        """Make a script live in one commit, and push it on; see `Pushing.push`.

        Raises:
            ForeignChangesError: a firewall lacks changes of others, and it cannot be told what it
                holds: the change could not be taken back from it. Nothing was written.
        """
        self._place.member.wire.refuse_write()
        self._place.member.holding.check()
        for _, script in scripts:
            self._look(script)
        super().push(scripts, revert_in=revert_in)

    def _look(self, script: str) -> None:
        """Find the firewalls that hold another version of what `script` changes."""
        self._places = self._found()
        self.apart, behind = {}, held.not_pushed(self._places)
        asked = {one.name for one in self._place.target.managed if one.asked}
        there = {name: one for name, one in behind.items() if one.connected and name in asked}
        self.away = frozenset(behind) - frozenset(there)
        if not there or not self._selective:
            return  # they get nothing where Panorama cannot limit a push to this account
        self._versions.about(script)
        now = self._versions.shown(self._part.before)
        for name, one in there.items():
            try:
                if not self._versions.same(self._versions.of(one.version), now):
                    self.apart[name] = one.version
                    self._versions.take_in(set(self.apart.values()), self._part.before, SHOWN)
            except ParseError as error:
                raise ForeignChangesError(
                    self._place.target.name,
                    f"{name} lacks what was committed after it was last pushed to, and what it "
                    f"holds is unknown, so a change could not be taken back from it: Panorama "
                    f"{error.message}. Push the device group to it first",
                ) from error

    @property
    def _selective(self) -> bool:
        return version.numbers(self._place.member.writer.version) >= SELECTIVE_SINCE

    def commit(self, doing: str) -> None:
        """Commit this account's changes of the group, then push them on.

        A revert is pushed to every firewall that may hold what it takes back, and to no other: one
        that was left out of this run stays as it was.

        Raises:
            LostLockError: this run no longer holds its locks.
            ApplyError: the commit failed, or left changes of ours uncommitted.
        """
        self.went_back = doing == "revert"
        self._back.aside = False
        if not self._selective:
            self.synced = frozenset(name for name, one in self._found().items() if one.in_sync)
        super().commit(doing)
        self._refuse_left_over()
        if self.went_back:
            self._push_on(self._back.rest(), behind=True, doing=doing)
        else:
            self._push_on(self._asked() - self.away, behind=False, doing=doing)
            self._leave_out(self._asked() & self.away)

    def _asked(self) -> frozenset[str]:
        return frozenset(one.name for one in self._place.target.managed if one.asked)

    def _leave_out(self, names: Iterable[str]) -> None:
        for name in names:
            self.pusher.failed([name], "it is not connected to Panorama")

    def deliver(self) -> None:
        """Push to the firewalls asked about that do not enforce what the group holds.

        Raises:
            LostLockError: this run no longer holds its locks.
        """
        self._place.member.wire.refuse_write()
        self._place.member.holding.check()
        self._push_on(self._asked(), behind=True, doing="apply")

    # --- back --------------------------------------------------------------------------------

    def revert(self) -> None:
        """Restore the configuration of the group, and have its firewalls enforce that again.

        Raises:
            LostLockError: this run no longer holds the lock, and changed nothing.
            UnknownError: restoring failed, a firewall may still enforce what was taken back, or it
                cannot be told what one held before.
        """
        self.unpushed, self.went_back, self._back = "", False, _Back()
        super().revert()
        if not self.went_back:
            return
        name, results = self._place.target.name, {**self._back.done, **self.pusher.deliveries}
        bad = [one for one in results.values() if one.result != "pushed"]
        if told := [f"{one.name}: {one.why}" for one in bad] or list(filter(None, [self.unpushed])):
            raise UnknownError(
                name,
                "the change was taken back, but that could not be pushed, and firewalls may still "
                f"enforce the change ({'; '.join(told)}): run segctl apply to push to them",
            )
        if mixed := self._back.unclear & results.keys():
            raise UnknownError(
                name,
                f"the change was taken back; what {', '.join(sorted(mixed))} held before is not "
                "known any more. If it lacked changes that others had committed and not pushed, it "
                "may have got those of the rules and objects that were taken back: run segctl "
                "drift",
            )

    def before_going_back(self) -> None:
        """Bring firewalls that held another version back to it: commit that, and push it to them.

        Its commit is described as a change, so that the next run takes it back if this one dies
        before the configuration from before it runs again.
        """
        if not self._part.push.live:
            return
        if not self._back.known:
            self._find_holders()
        waiting = {
            name: number
            for name, number in self.apart.items()
            if name in self._back.holders and name not in self._back.done
        }
        for number in dict.fromkeys(waiting.values()):
            self._bring_back(number, {name for name, of in waiting.items() if of == number})

    def _find_holders(self) -> None:
        """Find the firewalls that may enforce the change that is committed now.

        This run pushed to them, or the version that they hold bears the record of the run whose
        change it is. That of a change that removed our tag bears none.
        """
        adopted, found = self._part.push.adopted, self._found()
        token = self.token if adopted is None else adopted.push
        holders = {
            name
            for name, one in self.pusher.deliveries.items()
            if adopted is None and one.result in ("pushed", "unknown")
        }
        unclear: set[str] = set()
        if adopted is not None:
            self._versions.about(self._part.push.script)
            self.apart, self._places = {}, found
        for name, one in found.items():
            if name in holders or one.never or (adopted is None and not one.in_sync):
                continue
            try:
                record = self._versions.record(one.version)
            except ParseError:
                if adopted is not None:
                    holders.add(name)
                    unclear.add(name)
                continue
            if record is not None and record.token == token:
                holders.add(name)
                if adopted is not None and not self._remember(name, record.held):
                    unclear.add(name)
            elif record is None and adopted is not None:
                holders.add(name)
        self._back = _Back(known=True, holders=frozenset(holders), unclear=frozenset(unclear))
        if adopted is not None and self.apart:
            numbers = set(self.apart.values())
            self._versions.take_in(numbers, self._part.push.original, self._part.push.where)
        self._part.push.script = self._versions.script(self._part.push.script)

    def _remember(self, name: str, text: str) -> bool:
        """Take over which version a firewall held before a dead run; return whether it is known."""
        if not text:
            return True
        known = held.read(text, self._places)
        if known is None:
            return False
        if name in known:
            try:
                self._versions.of(known[name])
            except ParseError:
                return False
            self.apart[name] = known[name]
        return True

    def _bring_back(self, number: str, names: set[str]) -> None:
        """Have the group hold what a version held of the change, and push that to firewalls."""
        place = self._place
        place.progress(f"back to what {', '.join(sorted(names))} held: version {number}")
        self._back.aside = True
        try:
            self._step_aside(number)
        except (ApplyError, ForeignChangesError) as error:
            self.unpushed = error.message
            place.member.writer.discard(place.member.jobs.deadline())
        else:
            self._push_on(names, behind=False, doing="revert")
            self._back.done |= self.pusher.deliveries
        self._back.aside = False
        for name in sorted(names - self._back.done.keys()):
            why = self.unpushed or "the push did not begin"
            self._back.done[name] = Delivery(name=name, result="failed", why=why)
        self.pusher.deliveries = {}

    def _step_aside(self, number: str) -> None:
        """Commit what a version held of the change.

        Raises:
            ApplyError: Panorama refuses it.
        """
        place, member = self._place, self._place.member
        now = self._versions.shown(place.running(place.location.xpath))
        steps, fewer = self._versions.steps_to(number, self._part.push.script, now)
        try:
            member.writer.write(steps)
        except ApplyError:
            if steps == fewer:
                raise
            member.writer.discard(member.jobs.deadline())
            member.writer.write(fewer)
        if steps:
            self._part.push.before = self._part.push.before or self._part.former
            super().commit("apply")
            self._refuse_left_over()

    def _committed(self, doing: str) -> bool:
        """Whether the running configuration has this run's record; never so for a step aside.

        What runs then may still be the change that is taken back.
        """
        return not self._back.aside and super()._committed(doing)

    # --- pushing on --------------------------------------------------------------------------

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

    def _found(self) -> dict[str, Firewall]:
        """Return the firewalls as Panorama knows them now, by host."""
        command = standing_command(self._place.location.name)
        answer = self._place.member.client.ask({"type": "op", "cmd": command}).body
        return firewalls(self._place.target, self._place.location.name, {STANDING: answer})

    def _push_on(self, names: Collection[str], *, behind: bool, doing: str) -> None:
        """Push to some firewalls, with `behind` only where something is missing.

        What fails is recorded, for the change is committed all the same.

        Raises:
            LostLockError: this run no longer holds its locks.
        """
        text = str(Commit(doing=doing, token=self.token, plan=self.run.plan_id))
        self.pusher.deliveries = {}
        try:
            wanted = {
                name: one
                for name, one in self._found().items()
                if name in names and not (behind and one.in_sync)
            }
            self.pusher.push(wanted, text, selective=self._selective, synced=self.synced)
        except LostLockError:
            raise
        except DeviceError as error:
            self.unpushed = f"pushed to no firewall: {error.message}"
            self._place.progress(f"committed, but {self.unpushed}")


@dataclass(slots=True, kw_only=True)
class _Back:
    """How far a change was taken back.

    `holders` may enforce it, once they are `known`; `aside` is set while the group is to hold what
    only some of them held; `done` were brought back to that; of those that are `unclear` it is not
    known what they held.
    """

    known: bool = False
    aside: bool = False
    holders: frozenset[str] = frozenset()
    unclear: frozenset[str] = frozenset()
    done: dict[str, Delivery] = field(default_factory=dict[str, Delivery])

    def rest(self) -> frozenset[str]:
        """Return the holders that are to get what Panorama ran before."""
        return self.holders - self.done.keys()
