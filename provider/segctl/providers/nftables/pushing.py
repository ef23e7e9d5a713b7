"""Changing a Linux host: push with a guard, confirm, go back, and settle what dead runs left."""

from __future__ import annotations

import time
from abc import abstractmethod
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from segctl.model.durations import format_duration
from segctl.model.errors import (
    ApplyError,
    ConnectError,
    DeviceError,
    LostLockError,
    StalePlanError,
    UnknownError,
)
from segctl.providers.nftables import agent, names
from segctl.providers.nftables.kept import table_digest
from segctl.providers.nftables.line import SHORT
from segctl.providers.nftables.listing import read_table
from segctl.providers.nftables.locking import Locking
from segctl.providers.nftables.records import (
    Applied,
    Held,
    Pushed,
    Records,
    new_key,
    remembered,
)
from segctl.providers.nftables.render import CLEAN, PREPARE, SWITCH, numbered, transactions
from segctl.transports import lock_owner

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import LiteralString

    from segctl.providers.state import Unconfirmed
    from segctl.transports.ssh_exec import Answer
    from segctl.transports.target import Target

#: Seconds that the guard may take after its deadline.
_MARGIN = 15.0


class Pushing(Locking):
    """A connection that can change the host while it holds the lock."""

    def __init__(self, target: Target, *, read_only: bool, progress: Callable[[str], None]) -> None:
        super().__init__(target, read_only=read_only, progress=progress)
        #: the result of the last reading, and whether that was after the push
        self._table_text = ""
        self._records = Records()
        self._read_back = False
        self._warnings: list[str] = []
        self._before_live: Callable[[], None] = _nothing
        self._pushed: Pushed | None = None
        #: when the host goes back by itself, by our monotonic clock; None if it does not
        self._goes_back_at: float | None = None
        #: whether the push was answered
        self._answered = True
        #: the records that a confirmation leaves
        self._kept: Applied | None = None

    @abstractmethod
    def read(self) -> bytes:
        """Return what the host holds, and remember what a change needs."""

    @property
    def warnings(self) -> Sequence[str]:
        """Nft's warnings while it accepted the change."""
        return tuple(self._warnings)

    # --- pushing -----------------------------------------------------------------------------

    def before_live(self, check: Callable[[], None]) -> None:
        """Have `check` called once a push is ready, before anything of it is sent."""
        self._before_live = check

    def push(self, script: str, *, revert_in: float | None = None) -> None:
        """Check and run the transactions of `script`; the guard goes back after `revert_in` s.

        Raises:
            ApplyError: nft refuses it, or another push is pending; nothing of it is live.
            StalePlanError: the table has no such line as it deletes; nothing of it is live.
            LostLockError: another run holds the lock by now; nothing of it is live.
            ConnectError: the connection ended; what had begun was taken back.
            UnknownError: the connection ended, and it is unknown whether the push is live.
        """
        mine = self._mine
        seconds = 0 if revert_in is None else max(1, round(revert_in))
        push = Pushed(
            key=new_key(),
            token=lock_owner.token_of(mine.comment),
            seconds=seconds,
            run=lock_owner.this_run(),
            plan=self._run.plan_id,
            probes=self._run.probes,
        )
        self._before_live()
        data = self._composed(script, mine, push).encode()
        if self._records.pushed:
            raise ApplyError(
                self._target.name,
                "holds an unconfirmed push: nothing was pushed over it",
            )
        words = (push.key, mine.key, push.token, str(seconds), str(len(data)))
        self._pushed, self._answered, self._read_back = push, False, False
        self._goes_back_at = time.monotonic() + seconds if seconds else None
        try:
            self._progress("pushing")
            command = agent.command(self._sudo, "go", *words)
            timeout = self._push_timeout(seconds)
            answer = self._ssh.run(command, data, label="go", timeout=timeout, limit=SHORT)
        except ConnectError as error:
            raise self._called_off(error) from error
        except BaseException:
            self._progress("going back")
            with suppress(DeviceError):
                self.revert()
            raise
        self._answered = True
        if answer.code != 0:
            self._pushed = None
            raise self._failed("push", answer)
        self._warn(answer)

    def _push_timeout(self, seconds: int) -> float:
        """Return how long the answer to a push may take: at most until the guard undoes it."""
        if not seconds:
            return self._target.commit_timeout
        return min(self._target.commit_timeout, 2 * self._target.timeout + seconds + _MARGIN)

    def _composed(self, script: str, mine: Held, push: Pushed) -> str:
        """Return the script with the lines that prove the lock and record the push."""
        try:
            here = numbered(script, lambda: read_table(self._table_text))
            prepare, switch, clean = transactions(here)
        except LookupError as error:
            raise StalePlanError(
                f"{self._target.name}: table {names.TABLE} lacks lines that the plan deletes: "
                "run segctl plan again"
            ) from error
        except ValueError as error:
            raise ApplyError(
                self._target.name, f"the script was not written by segctl: {error}"
            ) from error
        bears = f"add set {names.TABLE} {names.PUSH} {{ {names.LOCK_MADE} }}\n"
        if f"delete table {names.TABLE}\n" in switch:
            bears = (
                f"add table {names.TABLE}\n"
                f"add set {names.TABLE} {names.LOCK} {{ {names.LOCK_MADE} }}\n"
                f"{mine.again()}{remembered(self._records.applied)}"
            )
        parts = {"# segctl fence": mine.fence(), PREPARE: prepare}
        parts |= {SWITCH: f"{switch}{bears}{push.line()}", CLEAN: clean}
        return "".join(f"{head}\n{text}" for head, text in parts.items() if text)

    def _warn(self, answer: Answer) -> None:
        if answer.err.strip():
            self._warnings.append(answer.reason)
            self._progress(answer.reason)

    def _warn_of_freed(self, answer: Answer) -> None:
        """Say that going back let go who is contained; whatever else the host says is its own."""
        if agent.FREED in answer.err:
            self._warnings.append(agent.FREED)
            self._progress(agent.FREED)

    def _called_off(self, error: ConnectError) -> DeviceError:
        """Go back after the answer to a push was lost; return the error to raise."""
        self._progress("going back")
        try:
            self.revert()
        except LostLockError as lost:
            return lost
        except DeviceError as failed:
            left = self._seconds_left()
            when = (
                ""
                if left is None
                else f"; if it is, it goes back by itself in {format_duration(left)}"
            )
            return UnknownError(
                self._target.name,
                f"{error.message}; it is unknown whether the change is live "
                f"({failed.message}){when}: then run `segctl plan`",
            )
        return ConnectError(
            self._target.name, f"{error.message}; the host holds what it held before"
        )

    # --- settling ----------------------------------------------------------------------------

    def adopt(self, change: Unconfirmed) -> None:
        """Take over a dead run's push, to confirm or revert it.

        Raises:
            LockedError: this session does not hold the lock.
            ApplyError: the push no longer exists.
        """
        _ = self._mine
        push = self._look().pending(change.push)
        if push is None:
            raise ApplyError(
                self._target.name,
                "the unconfirmed change no longer exists: plan and apply again",
            )
        self._pushed, self._answered = push, True
        left = change.goes_back_in
        self._goes_back_at = None if left is None else time.monotonic() + left

    def _seconds_left(self) -> float | None:
        """Return the seconds until the host goes back by itself; None if it does not."""
        at = self._goes_back_at
        return None if at is None else max(0.0, at - time.monotonic())

    def _until(self) -> float:
        """Return how long to try to finish a push: after its deadline, the guard has decided."""
        left = self._seconds_left()
        seconds = 2 * self._target.timeout
        return time.monotonic() + max(seconds, 0.0 if left is None else left + _MARGIN)

    def confirm(self) -> None:
        """Keep what was pushed, now and after a restart, if a new login still succeeds.

        Raises:
            ConnectError: nobody can log in any more.
            ApplyError: the guard has already gone back, or the boot file cannot be written.
            LostLockError: another run holds the lock.
            UnknownError: no answer came, and checking did not help either.
        """
        push = self._pushed
        if push is None:
            return
        self._progress("logging in again")
        self._again()
        if not self._read_back:
            self.read()
        kept = self._records.with_plan(push.plan)
        self._kept = kept[0]
        text = (
            f"{self._mine.fence()}delete element {names.TABLE} {names.PUSH} {{ {push.key} }}\n"
            f"flush set {names.TABLE} {names.PUSH}\n{''.join(one.line() for one in kept)}"
        )
        answer = self._written("confirm", push.key, text)
        if answer is None or answer.code == 0:
            self._pushed = self._kept = None
        elif answer.code == agent.NOT_PENDING:
            raise ApplyError(self._target.name, self._gone())
        else:
            raise self._unwritten("confirm", answer)

    def keep(self) -> None:
        """Make the host load at boot what it enforces now.

        Raises:
            ApplyError: the boot file cannot be written; it is unchanged.
            LostLockError: another run holds the lock.
        """
        self._progress(f"writing {agent.BOOT_FILE}")
        if not self._table_text:
            self.read()
        if self._records.pushed:
            raise ApplyError(
                self._target.name,
                f"holds an unconfirmed push: {agent.BOOT_FILE} stays as it is",
            )
        text = self._mine.fence() + remembered(self._records.applied)
        answer = self._written("keep", new_key(), text)
        if answer is not None and answer.code != 0:
            raise self._unwritten("keep", answer)

    def _written(self, verb: LiteralString, key: str, text: str) -> Answer | None:
        """Run a verb that writes the boot file; None if its answer was lost but it was done.

        Raises:
            ConnectError: no answer; it was not done.
            UnknownError: no answer, and checking did not help.
        """
        data, digest = text.encode(), table_digest(self._table_text)
        until, problem = self._until(), ""
        for number in self._tries(until):
            try:
                if number:
                    self._again(until)
                    if verb == "confirm" and self._is_confirmed():
                        return None
                words = (key, self._mine.key, digest, str(len(data)))
                answer = self._ssh.run(
                    agent.command(self._sudo, verb, *words),
                    data,
                    label=verb,
                    timeout=min(self._target.commit_timeout, max(1.0, until - time.monotonic())),
                    limit=SHORT,
                )
            except ConnectError as error:
                problem = error.message
                continue
            if answer.code not in (agent.BUSY, agent.INCOMPLETE):
                return answer
            problem = "the last try has not ended"
        self._undecided(verb, problem)
        return None

    def _undecided(self, verb: str, problem: str) -> None:
        """Check once more what became of a verb without an answer.

        Raises:
            ApplyError: the push no longer exists.
            ConnectError: it exists and is not confirmed.
            UnknownError: no answer again.
        """
        name = self._target.name
        try:
            self._again()
            if verb == "confirm" and self._is_confirmed():
                return
            push = self._pushed
            gone = push is not None and self._look().pending(push.key) is None
        except DeviceError as error:
            left = self._seconds_left()
            when = (
                f"unless it was kept, it goes back in {format_duration(left)}: "
                "run `segctl plan` then"
                if left is not None and verb == "confirm"
                else "run `segctl plan`"
            )
            raise UnknownError(
                name, f"no answer to {verb} ({problem}), nor to the check of its outcome: {when}"
            ) from error
        if gone:
            raise ApplyError(name, self._gone())
        raise ConnectError(name, f"no answer to {verb}: {problem}; nothing was kept")

    def _is_confirmed(self) -> bool:
        kept = self._kept
        return kept is not None and any(one.key == kept.key for one in self._look().applied)

    def _unwritten(self, verb: str, answer: Answer) -> DeviceError:
        if answer.code == agent.LOST_LOCK:
            return self._lost()
        if answer.code != agent.NO_BOOT_FILE:
            return self._failed(verb, answer)
        return ApplyError(
            self._target.name,
            f"{agent.BOOT_FILE} could not be written ({answer.reason}): a reboot would bring back "
            "the earlier policy, so the change is not kept; make room, or give the account its "
            "lines in sudoers (docs/nftables.md), and apply again",
        )

    @property
    def _time_is_up(self) -> bool:
        left = self._seconds_left()
        return left is not None and left <= 1

    def _gone(self) -> str:
        if self._time_is_up:
            return "the time to confirm had run out: the host has gone back"
        return (
            "the push no longer exists: somebody took it back or recreated the table; run `segctl "
            "plan` to see what the host holds"
        )

    # --- going back --------------------------------------------------------------------------

    def revert(self) -> None:
        """Restore the table and the boot file from before `push`.

        Raises:
            ApplyError: restoring failed, or the push was confirmed.
            LostLockError: another run holds the lock.
            ConnectError: the host cannot be reached; its guard goes back by itself.
        """
        push = self._pushed
        if push is None:
            return
        problem: DeviceError | None = None
        until = self._until()
        for number in self._tries(until):
            try:
                if number:
                    self._again(until)
                if (number or not self._answered) and not self._can_go_back(push):
                    return
                answer = self._ssh.run(
                    agent.command(self._sudo, "revert", push.key, self._mine.key, push.token),
                    label="revert",
                    timeout=min(self._target.commit_timeout, max(1.0, until - time.monotonic())),
                    limit=SHORT,
                )
            except ConnectError as error:
                problem = error
                continue
            if answer.code == agent.NOT_SAVED:
                self._await_guard(push)
                answer = replace(answer, code=0)
            if answer.code == agent.NOT_PENDING:
                self._say_gone()
                answer = replace(answer, code=0)
            if answer.code == 0:
                self._warn_of_freed(answer)
                self._pushed = self._kept = None
                return
            if answer.code == agent.LOST_LOCK:
                raise self._lost()
            problem = self._failed("going back", answer)
        raise self._stuck(push, problem)

    def _can_go_back(self, push: Pushed) -> bool:
        """After a lost answer, make sure that the lock is ours, so that no other push comes late.

        False if the guard was first and removed the push and the lock.

        Raises:
            LostLockError: the lock is not ours, and the push exists.
        """
        try:
            self._sure_of_lock()
        except LostLockError:
            if self._look().pending(push.key) is not None:
                raise
            self._say_gone()
            self._pushed = self._kept = None
            return False
        return True

    def _say_gone(self) -> None:
        """Report why there is no push left to take back.

        Raises:
            ApplyError: it was confirmed, or somebody else removed it.
        """
        if self._is_confirmed():
            self._pushed = self._kept = None
            raise ApplyError(self._target.name, "the change was already confirmed: it stays")
        if not self._answered:
            return
        if self._goes_back_at is None or self._time_is_up:
            self._progress(self._gone())
            return
        self._pushed = self._kept = None
        raise ApplyError(self._target.name, self._gone())

    def _await_guard(self, push: Pushed) -> None:
        """Wait until the host has gone back by itself.

        Raises:
            ApplyError: it does not.
        """
        left = self._seconds_left()
        if left is not None:
            self._progress(
                f"waiting {format_duration(left)}: the change of {push.run} goes back by itself"
            )
            until = time.monotonic() + left + _MARGIN
            while time.monotonic() < until:
                if self._look().pending(push.key) is None:
                    return
                time.sleep(min(1.0, max(0.1, until - time.monotonic())))
        raise ApplyError(
            self._target.name,
            f"the change of {push.run or 'a run'} is not confirmed, the earlier table is not "
            "saved where this account can read it, and nothing takes the change back: keep what "
            f"is live with `nft delete element {names.TABLE} {names.PUSH} {{ {push.key} }}`, then "
            "apply",
        )

    def _stuck(self, push: Pushed, problem: DeviceError | None) -> DeviceError:
        left = self._seconds_left()
        when = (
            "nothing takes the change back by itself"
            if left is None
            else f"the host goes back by itself in {format_duration(left)}"
        )
        kind = ConnectError if isinstance(problem, ConnectError) else ApplyError
        return kind(
            self._target.name,
            f"could not go back ({problem.message if problem else ''}); unless it is confirmed, "
            f"{when}: run `segctl plan` to see what it holds (push {push.key})",
        )


def _nothing() -> None:
    """Check nothing before a push."""
