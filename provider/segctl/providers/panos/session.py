"""An open session with one firewall: read, lock, push through candidate and commit, revert.

The running configuration changes only by a commit of this account's own changes: wherever a session
ends, it leaves that configuration either as it was or as intended.
"""

from __future__ import annotations

import re
import time
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lxml import etree

from segctl.model.errors import (
    ApplyError,
    ConnectError,
    DeviceError,
    LostLockError,
    ParseError,
    UnknownError,
    UnsupportedError,
)
from segctl.providers.panos import (
    answers,
    commands,
    configlog,
    locks,
    matching,
    names,
    pushed,
    record,
    references,
    refusals,
    undo,
    version,
)
from segctl.providers.panos.client import Client
from segctl.providers.panos.comments import Comments
from segctl.providers.panos.holding import TRIES, Holding
from segctl.providers.panos.jobs import Commit, JobLostError, Jobs, last_commit
from segctl.providers.panos.parse import COUNTED_KINDS
from segctl.providers.panos.render import CONTAINERS, path
from segctl.providers.panos.snapshot import Snapshot, load
from segctl.providers.panos.undo import Push
from segctl.providers.panos.wire import Wire, xml
from segctl.providers.panos.writing import SAVED_NAME, Writer, text_of
from segctl.providers.state import Run
from segctl.transports import lock_owner

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Mapping, Sequence

    from segctl.analysis.decide import Packet
    from segctl.providers.base import Author, DeviceLog
    from segctl.providers.panos.record import Record
    from segctl.providers.state import Unconfirmed
    from segctl.transports.target import Target

_SYSTEM = "<show><system><info></info></system></show>"
_SAVED = f"<show><config><saved>{SAVED_NAME}</saved></config></show>"
#: Values that change by themselves: clocks, and content that no plan depends on.
_MOVING = re.compile(
    rb"<(time|uptime|(?:av|threat|wildfire|url|logdb|device-dictionary)[\w-]*)>[^<]*</\1>"
)
_CLOCK = re.compile(rb"<time>([^<]*)</time>")


class PanosSession:
    """One firewall, one virtual system; read-only unless opened for writing."""

    def __init__(self, target: Target, *, read_only: bool, progress: Callable[[str], None]) -> None:
        self._target = target
        self._progress = progress
        self._wire = Wire(target, read_only=read_only, progress=progress)
        self._client = Client(self._wire, target)
        self._jobs = Jobs(self._client, target, progress)
        self._holding = Holding(
            client=self._client, target=target, jobs=self._jobs, clock=self._clock
        )
        self._writer = Writer(
            client=self._client, target=target, jobs=self._jobs, progress=progress
        )
        self._comments = Comments(client=self._client, progress=progress)
        self._vsys = names.vsys_of(target.name, target.scope)
        self._base = names.vsys_path(self._vsys)
        self._run = Run()
        self._before: bytes | memoryview = b""
        self._push = Push()
        self._former = ""
        self._room = target.max_answer
        self._last_check: Callable[[], None] | None = None

    def close(self) -> None:
        """Close the connection."""
        self._wire.close()

    @property
    def warnings(self) -> Sequence[str]:
        """The device's warnings at validations and commits, in its own words."""
        return tuple(self._jobs.warnings)

    @property
    def commented(self) -> int:
        """How many audit comments were written."""
        return self._comments.written

    @property
    def uncommented(self) -> Sequence[str]:
        """Why rules have no audit comment."""
        return tuple(self._comments.missing)

    def begin(self, run: Run) -> None:
        """Set which run this is: its lock and its push record it."""
        self._run = run

    def before_live(self, check: Callable[[], None]) -> None:
        """Have `check` called once a push is written and validated, just before its commit."""
        self._last_check = check

    # --- reading -----------------------------------------------------------------------------

    def read(self) -> bytes:
        """Return the running configuration and what is needed to judge it, in one document.

        The number of requests is constant, however large the configuration is. As long as nobody
        changes the device, the document stays the same, byte for byte.
        """
        self._progress("reading")
        self._room, self._before = self._target.max_answer, b""
        system = self._get({"type": "op", "cmd": _SYSTEM})
        told = xml(self._target, system)
        self._writer.version = told.findtext("result/system/sw-version") or ""
        if told.get("status") == "success":  # the parser refuses what is not an answer
            version.check(self._target, self._writer.version)
        parts = {
            "system": _MOVING.sub(b"", system),
            "pending": self._get({"type": "op", "cmd": refusals.CHANGES}),
            "vsys": self._config("show", self._base),
            "shared": self._config("show", names.SHARED),
            "applications": self._config("get", "/config/predefined/application/entry/@name"),
            "containers": self._config("get", "/config/predefined/application-container"),
        }
        parts |= self._elsewhere(parts)
        parts |= pushed.ask(self._get, parts, self._vsys)
        for kind in COUNTED_KINDS:
            counted = f"{self._base}/{CONTAINERS[kind]}/entry/@name"
            parts[f"count {kind}"] = self._config("get", counted)
        parts["locks"] = self._locks(system)
        document = Snapshot(
            host=self._target.name,
            user=self._target.user,
            vsys=self._vsys,
            parts=parts,
            limit=self._target.max_answer,
        ).dump()
        self._before = load(document).parts["vsys"]
        return document

    def _elsewhere(self, parts: Mapping[str, bytes]) -> dict[str, bytes]:
        """Return the other parts of the configuration that may refer to our objects.

        A delete is judged against the candidate, so if somebody has uncommitted changes, the
        candidate is read as well. Accounts (``mgt-config``) name no objects and are not read.
        """
        actions = {"": "show"}
        if b"<entry" in parts["pending"]:
            actions[" candidate"] = "get"
        found = {
            section + which: self._config(action, f"{names.DEVICE}/{section}")
            for section in references.SECTIONS
            for which, action in actions.items()
        }
        if b"<multi-vsys>off</multi-vsys>" not in parts["system"]:
            others = f"{names.DEVICE}/vsys/entry[@name!={names.quote(self._vsys)}]"
            found[references.SYSTEMS] = self._config("get", others)
        return found

    def _config(self, action: str, xpath: str) -> bytes:
        return self._get({"type": "config", "action": action, "xpath": xpath})

    def _get(self, params: Mapping[str, str]) -> bytes:
        answer = self._client.ask(params, limit=self._room)
        self._room -= len(answer.body)
        return answer.body

    def _ask(self, params: Mapping[str, str]) -> bytes:
        """Send a request whose answer is not part of the document that `read` returns."""
        return self._client.ask(params).body

    def _running(self, xpath: str) -> bytes:
        return self._ask({"type": "config", "action": "show", "xpath": xpath})

    def _locks(self, system: bytes) -> bytes:
        """Return the locks as a part of the document, and whether our runs are alive.

        Remaining leases are included only if there are such locks.
        """
        match = _CLOCK.search(system)
        clock = match[1].decode(errors="replace") if match else ""
        try:
            held = self._holding.held()
        except ApplyError as error:
            message = f"refuses to list its locks: {error.message}"
            raise ParseError(self._target.name, message) from error
        tokens = {token for lock in held for token in lock.tokens} - {self._token}
        commit = last_commit(self._jobs.ours(tokens)) if tokens else None
        pushed = commit.token if commit is not None and commit.doing == "apply" else ""
        return locks.to_part(held, clock, account=self._target.user, pushed=pushed)

    def changed_by(self, items: Sequence[tuple[str, Sequence[str]]]) -> Sequence[Author | None]:
        """Return who last changed each item, by the configuration log; None if it does not say."""
        return configlog.authors(
            configlog.read_log(self._target, self._ask),
            [configlog.wanted(self._vsys, kind, called) for kind, called in items],
            user=self._target.user,
            pending=refusals.pending(self._client),
        )

    def log(self, since: datetime | None) -> DeviceLog:
        """Return the configuration log since a moment by our clock."""
        self._progress("reading its log")
        asked = datetime.now(UTC)
        clock = self._clock()
        now = asked + (datetime.now(UTC) - asked) / 2
        return configlog.whole(self._target, self._ask, now=now, clock=clock, since=since)

    def show(self, command: str) -> str:
        """Return the answer to an operational ``<show>`` command, as XML.

        Raises:
            UnsupportedError: it is not a ``<show>`` command, or not XML.
        """
        if why := commands.refusal(command):
            raise UnsupportedError(f"{self._target.name}: {why}")
        self._progress("asking")
        return text_of(self._client.op(commands.bare(command)))

    def decided_by(self, packet: Packet) -> str:
        """Return the rule that the device says decides about a packet, empty for the default.

        Raises:
            UnsupportedError: the device has no words for the packet.
        """
        command = matching.question(packet)
        self._progress("asking")
        return matching.rule(self._client.op(command, vsys=self._vsys))

    # --- locking -----------------------------------------------------------------------------

    @contextmanager
    def lock(self) -> Generator[None]:
        """Take the configuration and commit locks; refuse if changes of others are in the way.

        The locks of our dead run are taken over, and what it left in the candidate is discarded.

        Raises:
            LockedError: somebody else holds one of them.
            ForeignChangesError: uncommitted changes in our virtual system, or of our own account.
            ApplyError: this is the passive peer of a pair.
        """
        self._wire.refuse_write()
        refusals.refuse_passive(self._client, self._target)
        self._progress("locking")
        owner = lock_owner.new_owner(self._run.lease)
        self._push = Push()
        try:
            self._holding.acquire(owner, self._recover)
            refusals.refuse_pending(self._client, self._target)
            yield
        finally:
            try:
                self._unlock()
            finally:
                lock_owner.release(owner)

    def _recover(self, tokens: Collection[str]) -> str:
        """Clean up after dead runs; return the token of the run whose change is not confirmed."""
        self._progress("cleaning up after an interrupted run")
        deadline = self._jobs.deadline()
        commit = last_commit(self._jobs.settle(tokens, deadline))
        self._writer.discard(deadline)
        record = self._record()
        if record is not None:
            self._former = record.before
            return record.token if record.token in tokens else ""
        self._former = commit.before if commit is not None else ""
        return commit.token if commit is not None and commit.doing == "apply" else ""

    def _unlock(self) -> None:
        """Release this run's locks, after discarding uncommitted changes.

        The locks stay if a change that nobody judged is or may be live, this run's or a dead
        run's: the next run settles it.
        """
        holding = self._holding
        if holding.lost or holding.owner is None or holding.settles or self._push.live:
            holding.owner = None
            return
        try:
            if self._push.script:
                holding.check()
                self._writer.discard(self._jobs.deadline())
            holding.release()
        except DeviceError as error:
            self._progress(f"could not release the locks; the next run will: {error.message}")

    def _clock(self) -> str:
        time_text = self._client.op(_SYSTEM).findtext("result/system/time")
        return (time_text or "").strip()

    # --- settling ----------------------------------------------------------------------------

    def adopt(self, change: Unconfirmed) -> None:
        """Make `confirm` and `revert` apply to the change of a dead run whose lock was taken over.

        Raises:
            LockedError: the lock is not held.
            ApplyError: the change no longer exists.
        """
        self._holding.check()
        if not change.push or change.push != self._holding.settles:
            raise ApplyError(
                self._target.name,
                f"the unconfirmed change of run {change.push} no longer exists: run the command "
                "again",
            )
        self._push = Push(adopted=change, live=True)

    def keep(self) -> None:
        """Do nothing: the device loads the committed configuration at boot."""

    # --- pushing -----------------------------------------------------------------------------

    def push(self, script: str, *, revert_in: float | None = None) -> None:
        """Make `script` live in one commit; on any failure go back and raise.

        Requires an earlier `read` in the same session: a revert goes back to it.
        """
        self._wire.refuse_write()
        if revert_in is not None:
            message = f"{self._target.name}: PAN-OS has no timed revert of a commit"
            raise UnsupportedError(message)
        self._holding.check()
        if self._holding.settles:
            raise ApplyError(
                self._target.name,
                f"the change of the interrupted run {self._holding.settles} must be confirmed or "
                "taken back before another change is made",
            )
        self._push = self._with_record(script)
        try:
            self._writer.save()
            self._writer.write(list(etree.fromstring(self._push.script.encode())))
            self._writer.validate()
            self._comments.write(self._base, self._run.comments)
            if self._last_check is not None:
                self._last_check()
            self._commit("apply")
        except LostLockError:
            raise
        except BaseException as first:
            with suppress(KeyboardInterrupt):
                self._progress("going back")
            try:
                self.revert()
            except DeviceError as second:
                raise _both(first, second) from first
            raise

    def _with_record(self, script: str) -> Push:
        """Return the push of a script that also records its run in our tag's comment."""
        own = ("tag", names.TAG)
        scope = undo.read_scope(
            self._target.name,
            self._before,
            undo.SHOWN,
            limit=self._limit,
            keep=lambda key: key == own,
        )
        former = record.of_vsys(scope.entry)
        plans = former.plans if former is not None else ()
        made = record.Record(
            token=self._token,
            by=lock_owner.this_run(),
            before=scope.digest,
            probes=self._run.probes,
            plans=(self._run.plan_id, *plans) if self._run.plan_id else plans,
        )
        return Push(
            script=record.with_record(script, scope.entry, made),
            original=self._before,
            before=scope.digest,
        )

    @property
    def _limit(self) -> int:
        """The limit for going back: what was small enough to read can always be restored."""
        return 2 * self._target.max_answer

    @property
    def _token(self) -> str:
        return self._holding.owner.token if self._holding.owner is not None else ""

    def confirm(self) -> None:
        """Keep what was pushed or adopted: releasing the run's lock marks it as confirmed.

        Raises:
            LostLockError: this run no longer holds the lock.
            UnknownError: the lock could not be released, or it is unknown whether it was.
        """
        if not self._push.script and self._push.adopted is None:
            return
        self._holding.check()
        try:
            if self._push.adopted is not None:
                self._holding.settled()
            else:
                self._holding.release()
        except LostLockError:
            raise
        except DeviceError as error:
            self._push = Push(live=True)
            raise UnknownError(
                self._target.name,
                "holds the new policy, but it is unknown whether that was confirmed "
                f"({error.message}). {self._holding.remains()}",
            ) from error
        self._push = Push()

    def revert(self) -> None:
        """Restore the running and candidate configuration from before the push.

        Raises:
            LostLockError: this run no longer holds the lock, and changed nothing.
            UnknownError: restoring failed; the message says what stays.
        """
        if not self._push.script and self._push.adopted is None:
            return
        problem: DeviceError | None = None
        deadline = self._jobs.deadline()
        for pause in TRIES:
            try:
                if self._went_back(deadline):
                    self._holding.settled()
                    self._push = Push()
                    return
            except LostLockError:
                raise
            except ConnectError as error:
                problem = error
                time.sleep(pause)
            except DeviceError as error:
                problem = error
                break
        self._push = Push(live=True)
        raise UnknownError(
            self._target.name,
            "could not go back by itself "
            f"({problem.message if problem else 'it has changed again'}). "
            f"The configuration before this run is saved on the device as {SAVED_NAME}; "
            f"run `segctl plan` to see what it holds now. {self._holding.remains()}",
        ) from problem

    def _went_back(self, deadline: float) -> bool:
        """Try once to go back; return whether the device was already there."""
        self._jobs.settle([self._token], deadline)
        self._holding.check()
        self._writer.discard(deadline)
        if self._push.adopted is not None and not self._push.script:
            self._push = self._of_dead_run(self._push.adopted)
        now = self._running(self._base)
        push = self._push
        steps = undo.steps(
            self._target.name,
            push.script,
            push.original,
            now,
            limit=self._limit,
            where=push.where,
        )
        if steps:
            self._writer.write(steps)
            self._commit("revert")
        return not steps

    def _of_dead_run(self, change: Unconfirmed) -> Push:
        """Return what a dead run pushed, from the configuration it saved and the present one.

        Raises:
            ApplyError: the saved configuration is not the one from before its push.
        """
        name, scope = self._target.name, self._vsys
        where = undo.SAVED.format(names.quote(scope))
        saved = self._ask({"type": "op", "cmd": _SAVED})
        before = None
        with suppress(ParseError):
            before = undo.read_scope(name, saved, where, limit=self._limit)
        if before is None or not self._former or before.digest != self._former:
            raise ApplyError(
                name,
                f"{SAVED_NAME} on the device is not the configuration from before the change of "
                f"run {change.push}, so the change cannot be taken back. To keep the change, "
                "apply with its playbook, or release the locks; to undo it, load an older version "
                "with `load config version N` and commit",
            )
        now = undo.read_scope(name, self._running(self._base), undo.SHOWN, limit=self._limit)
        script = undo.difference(scope, before, now)
        return Push(script=script, original=saved, where=where, adopted=change, live=True)

    # --- committing --------------------------------------------------------------------------

    def _commit(self, doing: str) -> None:
        """Commit this account's changes and wait; check the locks before and after.

        If the commit's answer is lost, its outcome is taken from its job or the configuration.

        Raises:
            LostLockError: this run no longer holds its locks.
            DeviceError: the commit failed, did not end, or never appeared.
        """
        self._progress("committing")
        deadline = self._jobs.deadline()
        self._holding.check()
        text = str(
            Commit(
                doing=doing,
                token=self._token,
                plan=self._run.plan_id,
                before=self._push.before,
                note=self._run.note,
            )
        )
        self._holding.submitted = self._push.live = True
        try:
            answer = self._jobs.patiently(lambda: self._client.commit(text), deadline)
            job = answer.findtext("result/job") or ""
        except (ConnectError, ParseError):
            job = self._jobs.turned_up(self._token, deadline)
            if not job and not self._committed(doing):
                raise
        try:
            if job:
                self._jobs.wait(job, "Commit", deadline)
        except JobLostError:
            if not self._committed(doing):
                raise
        self._holding.check()

    def _committed(self, doing: str) -> bool:
        """Whether the running configuration has this run's record."""
        record = self._record()
        return doing == "apply" and record is not None and record.token == self._token

    def _record(self) -> Record | None:
        """Return the last run's record in the running configuration."""
        where = path(self._base, "tag", names.TAG)
        root = xml(self._target, self._running(where))
        comment = root.findtext("result/entry/comments") or ""
        if not answers.is_success(root) and "No such node" not in answers.lines(root):
            raise answers.refusal(self._target.name, root)
        return record.read(comment)[1]


def _both(first: BaseException, second: DeviceError) -> DeviceError:
    """Return an error that says why the push failed and why going back failed."""
    if not isinstance(first, DeviceError):
        return second
    return type(second)(second.device, f"{first.message}. {second.message}")
