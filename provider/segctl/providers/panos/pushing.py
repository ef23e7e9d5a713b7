"""One change of a firewall: written, committed, kept or taken back.

The running configuration changes only by a commit of this account's own changes: wherever a run
ends, it leaves that configuration either as it was or as intended.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from lxml import etree

from segctl.model.errors import (
    ApplyError,
    ConnectError,
    DeviceError,
    HaStateError,
    LockedError,
    LostLockError,
    ParseError,
    UnknownError,
    UnsupportedError,
)
from segctl.providers.panos import jobs, names, record, refusals, undo
from segctl.providers.panos.holding import TRIES
from segctl.providers.panos.jobs import Commit, JobLostError
from segctl.providers.panos.undo import Push
from segctl.providers.panos.writing import saved_name
from segctl.providers.state import Run
from segctl.transports import lock_owner

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from segctl.providers.panos.elements import Element
    from segctl.providers.panos.member import Member
    from segctl.providers.panos.part import Part
    from segctl.providers.panos.place import Place
    from segctl.providers.state import Unconfirmed


class Pushing:
    """What one run changes in the parts of its place, all of it or nothing.

    `last_check` is called when a change is written and validated, just before its commit.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self.run = Run()
        self.last_check: Callable[[], None] | None = None
        self._saved_on = "the device"

    @property
    def _parts(self) -> Sequence[Part]:
        return self._place.parts

    @property
    def _changing(self) -> Sequence[Part]:
        return [part for part in self._parts if part.changing]

    @property
    def _member(self) -> Member:
        return self._place.member

    @property
    def adopted(self) -> bool:
        """Whether it is a dead run's change that is confirmed or taken back."""
        return any(part.push.adopted is not None for part in self._parts)

    @property
    def _saved(self) -> str:
        return saved_name(self._place.location)

    @property
    def token(self) -> str:
        """The token of this run while it holds its locks."""
        owner = self._member.holding.owner
        return owner.token if owner is not None else ""

    @property
    def written(self) -> bool:
        """Whether something was written that may have to be discarded."""
        return any(part.push.script for part in self._parts)

    @property
    def live(self) -> bool:
        """Whether a change that nobody judged is live, or may be."""
        return any(part.push.live for part in self._parts)

    @property
    def held(self) -> str:
        """What the run records of firewalls that get the change from here; see `record.Record`."""
        return ""

    def begin(self) -> None:
        """Forget an earlier change."""
        self._become(live=False)

    def _become(self, *, live: bool) -> None:
        """Have nothing more to undo; what is or may be `live` is left to the next run."""
        for part in self._parts:
            part.push = Push(live=live)

    # --- settling ----------------------------------------------------------------------------

    def recover(self, tokens: Collection[str], commit: Commit | None) -> str:
        """Find what dead runs replaced; return the token of the one whose change is not confirmed.

        Args:
            tokens: of the dead runs.
            commit: the last of their commits that succeeded.

        Raises:
            LockedError: a part of that change is where this run has nothing to do.
        """
        found: dict[str, list[int]] = {}
        for part in self._parts:
            kept = self._place.record(part)
            if kept is not None:
                part.former = kept.before
                if kept.token in tokens:
                    found.setdefault(kept.token, []).append(kept.places)
                continue
            part.former = commit.replaced(part.location) if commit is not None else ""
            if part.former and commit is not None and commit.doing == "apply":
                found.setdefault(commit.token, []).append(1)
        for token, places in found.items():
            if len(places) < max(places):
                raise LockedError(
                    self._place.target.name,
                    f"run {token}, which was cut off, changed {max(places)} virtual systems of "
                    "this device in one commit: run `segctl apply` for the firewalls of all of "
                    "them at once, so that it is settled as a whole",
                )
        return next(iter(found), "")

    def adopt(self, part: Part, change: Unconfirmed) -> None:
        """Make `confirm` and `revert` apply to the change of a dead run whose lock was taken over.

        Raises:
            LockedError: the lock is not held.
            ApplyError: the change no longer exists.
        """
        self._member.holding.check()
        if not change.push or change.push != self._member.holding.settles:
            raise ApplyError(
                self._place.target.name,
                f"the unconfirmed change of run {change.push} no longer exists: run the command "
                "again",
            )
        part.push = Push(adopted=change, live=True)

    # --- pushing -----------------------------------------------------------------------------

    def push(self, scripts: Sequence[tuple[Part, str]], *, revert_in: float | None = None) -> None:
        """Make the scripts of some parts live in one commit; on any failure go back and raise.

        Requires an earlier `read` in the same session: a revert goes back to it.
        """
        self._member.wire.refuse_write()
        if revert_in is not None:
            message = f"{self._place.target.name}: PAN-OS has no timed revert of a commit"
            raise UnsupportedError(message)
        self._member.holding.check()
        if self._member.holding.settles:
            raise ApplyError(
                self._place.target.name,
                f"the change of the interrupted run {self._member.holding.settles} must be "
                "confirmed or taken back before another change is made",
            )
        pushes = [(part, self._with_record(part, one, len(scripts))) for part, one in scripts]
        for part, push in pushes:
            part.push = push
        try:
            self._member.writer.save()
            self._saved_on = self._place.where
            self._member.writer.write(
                [step for _, push in pushes for step in etree.fromstring(push.script.encode())]
            )
            self._member.writer.validate()
            for part, _ in pushes:
                part.comments.write(self._member.client, part.location, self._place.progress)
            if self.last_check is not None:
                self.last_check()
            written = [(part.target, push.script) for part, push in pushes]
            refusals.refuse_joined(self._member.client, written)
            self.commit("apply")
        except LostLockError:
            raise
        except BaseException as first:
            with suppress(KeyboardInterrupt):
                self._place.progress("going back")
            try:
                self.revert()
            except DeviceError as second:
                raise _both(first, second) from first
            raise

    def _with_record(self, part: Part, script: str, places: int) -> Push:
        """Return the push of a script that also records its run in our tag's comment."""
        own = ("tag", names.TAG)
        scope = undo.read_scope(
            part.target.name,
            part.before,
            part.location,
            limit=self._limit,
            keep=lambda key: key == own,
        )
        former = record.of_entry(scope.entry)
        plans = former.plans if former is not None else ()
        made = record.Record(
            token=self.token,
            by=lock_owner.this_run(),
            before=scope.digest,
            probes=self.run.probes,
            plans=(self.run.plan_id, *plans) if self.run.plan_id else plans,
            places=places,
            held=self.held,
        )
        recording = record.with_record(script, scope.entry, made)
        return Push(
            script=recording,
            original=part.before,
            before=scope.digest,
            recorded=recording != script,
        )

    @property
    def _limit(self) -> int:
        """The limit for going back: what was small enough to read can always be restored."""
        return 2 * max(part.target.max_answer for part in self._parts)

    def confirm(self) -> None:
        """Keep what was pushed or adopted: releasing the run's lock marks it as confirmed.

        Raises:
            HaStateError: another member of the pair leads now: nothing was confirmed.
            LostLockError: this run no longer holds the lock.
            UnknownError: the lock could not be released, or it is unknown whether it was.
        """
        if not self._changing:
            return
        self._place.find_leader()
        self._member.holding.check()
        try:
            if self.adopted:
                self._member.holding.settled()
            else:
                self._member.holding.release()
        except LostLockError:
            raise
        except DeviceError as error:
            self._become(live=True)
            raise UnknownError(
                self._place.target.name,
                "holds the new policy, but it is unknown whether that was confirmed "
                f"({error.message}). {self._member.holding.remains()}",
            ) from error
        self._become(live=False)

    def revert(self) -> None:
        """Restore the running and candidate configuration from before the push.

        Raises:
            LostLockError: this run no longer holds the lock, and changed nothing.
            UnknownError: restoring failed; the message says what stays.
        """
        if not self._changing:
            return
        problem: DeviceError | None = None
        deadline = self._member.jobs.deadline()
        for pause in TRIES:
            try:
                if self._went_back(deadline):
                    self._place.await_alike(deadline)
                    self._member.holding.settled()
                    self._become(live=False)
                    return
            except LostLockError:
                raise
            except (ConnectError, ParseError, HaStateError) as error:  # a failover takes seconds
                problem = error
                time.sleep(pause)
            except DeviceError as error:
                problem = error
                break
        self._become(live=True)
        raise UnknownError(
            self._place.target.name,
            "could not go back by itself "
            f"({problem.message if problem else 'it has changed again'}). "
            f"The configuration before this run is saved on {self._saved_on} as {self._saved}; "
            f"run `segctl plan` to see what it holds now. {self._member.holding.remains()}",
        ) from problem

    def _went_back(self, deadline: float) -> bool:
        """Try once to go back; return whether the device was already there."""
        if (owner := self._member.holding.owner) is not None:
            self._place.follow(owner, deadline)
        self._member.jobs.settle([self.token], deadline)
        self._member.holding.check()
        self._member.writer.discard(deadline)
        for part in self._changing:
            if part.push.adopted is not None and not part.push.script:
                part.push = self._of_dead_run(part, part.push.adopted)
        self.before_going_back()
        steps = [step for part in self._changing for step in self._undoing(part)]
        if steps:
            self._member.writer.write(steps)
            self.commit("revert")
        return not steps

    def before_going_back(self) -> None:
        """Do what must be done before the configuration goes back; nothing on a firewall."""

    def _undoing(self, part: Part) -> Sequence[Element]:
        """Return the steps that undo the change of a part, as it is now."""
        push = part.push
        return undo.steps(
            part.target.name,
            push.script,
            push.original,
            self._place.running(part.location.xpath),
            limit=self._limit,
            where=push.where,
        )

    def _of_dead_run(self, part: Part, change: Unconfirmed) -> Push:
        """Return what a dead run pushed, from the configuration it saved and the present one.

        Raises:
            ApplyError: the saved configuration is not the one from before its push.
        """
        name, location = part.target.name, part.location
        before, saved = None, b""
        command = f"<show><config><saved>{self._saved}</saved></config></show>"
        for member in (self._member, *self._place.others):  # the run may have been on either
            saved = member.ask({"type": "op", "cmd": command})
            with suppress(ParseError):
                before = undo.read_scope(
                    name, saved, location, where=location.saved, limit=self._limit
                )
            if before is not None and before.digest == part.former:
                break
        if before is None or not part.former or before.digest != part.former:
            raise ApplyError(
                name,
                f"{self._saved} on the device is not the configuration from before the change of "
                f"run {change.push}, so the change cannot be taken back. To keep the change, "
                "apply with its playbook, or release the locks; to undo it, load an older version "
                "with `load config version N` and commit",
            )
        held = self._place.running(location.xpath)
        now = undo.read_scope(name, held, location, limit=self._limit)
        script = undo.difference(location, before, now)
        return Push(script=script, original=saved, where=location.saved, adopted=change, live=True)

    # --- committing --------------------------------------------------------------------------

    def commit(self, doing: str) -> None:
        """Commit this account's changes and wait; check the locks before and after.

        If the commit's answer is lost, its outcome is taken from its job or the configuration.

        Raises:
            LostLockError: this run no longer holds its locks.
            DeviceError: the commit failed, did not end, or never appeared.
        """
        self._place.progress("committing")
        deadline = self._member.jobs.deadline()
        self._member.holding.check()
        if doing == "apply":
            self._place.refuse_unready()
        text = str(
            Commit(
                doing=doing,
                token=self.token,
                plan=self.run.plan_id,
                before=jobs.befores(
                    [(part.location, part.push) for part in self._parts if part.push.script]
                ),
                note=self.run.note,
            )
        )
        self._member.holding.submitted = True
        for part in self._changing:
            part.push.live = True
        try:
            answer = self._member.jobs.patiently(lambda: self._member.client.commit(text), deadline)
            job = answer.findtext("result/job") or ""
        except (ConnectError, ParseError):
            job = self._member.jobs.turned_up(self.token, deadline)
            if not job and not self._committed(doing):
                raise
        try:
            if job:
                self._member.jobs.wait(job, "Commit", deadline)
        except JobLostError:
            if not self._committed(doing):
                raise
        self._member.holding.check()
        if doing == "apply":
            self._place.await_alike(self._member.jobs.deadline(), ready=True)

    def _committed(self, doing: str) -> bool:
        """Whether the running configuration has this run's record."""
        records = [self._place.record(part) for part in self._changing]
        return doing == "apply" and any(one and one.token == self.token for one in records)


def _both(first: BaseException, second: DeviceError) -> DeviceError:
    """Return an error that says why the push failed and why going back failed."""
    if not isinstance(first, DeviceError):
        return second
    return type(second)(second.device, f"{first.message}. {second.message}")
