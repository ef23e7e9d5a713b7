"""The lock of a Linux host: in our table, taken, proved and released by compare-and-swap."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from segctl.model.durations import format_duration
from segctl.model.errors import ConnectError, DeviceError, LockedError, LostLockError
from segctl.providers.nftables import agent, names
from segctl.providers.nftables.line import SHARE, Clock, Line
from segctl.providers.nftables.records import MAX_PLAN, MAX_PROBES, Held, Records, fits, new_key
from segctl.providers.state import Run
from segctl.transports import lock_owner

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from segctl.transports.lock_owner import LockOwner
    from segctl.transports.ssh_exec import Answer
    from segctl.transports.target import Target

#: Anything in a table besides our two sets, as ``nft list table`` prints it.
_FILLED = re.compile(rf"^\t(?!set (?:{names.LOCK}|{names.PUSH}) \{{)[a-z]", re.MULTILINE)


class Locking(Line):
    """A connection that can lock the host."""

    def __init__(self, target: Target, *, read_only: bool, progress: Callable[[str], None]) -> None:
        super().__init__(target, read_only=read_only, progress=progress)
        self._run = Run()
        self._lock: Held | None = None
        self._clock: Clock | None = None
        self._unreleased = ""

    @property
    def unreleased(self) -> str:
        """Why this run could not release its lock, and what removes it; empty if it did."""
        return self._unreleased

    def begin(self, run: Run) -> None:
        """Set which run this is: its lock and its push record it.

        Raises:
            ValueError: its plan id or digest of probes does not fit into a record.
        """
        fits("plan id", run.plan_id, MAX_PLAN)
        fits("digest of probes", run.probes, MAX_PROBES)
        self._run = run

    @contextmanager
    def lock(self) -> Generator[None]:
        """Take the lock, a set in our table that only one run can create.

        The lock of a dead run is taken over.

        Raises:
            LockedError: another run holds it.
        """
        self._progress("locking")
        owner = lock_owner.new_owner(self._run.lease)
        if self._clock is not None:  # by the host's clock, all runs agree on a lock's age
            owner = replace(owner, began=int(self._clock.now()))
        mine = Held(key=f"0x{int(owner.token, 16):08x}", comment=str(owner))
        try:
            self._take(mine)
            self._lock = mine
            try:
                yield
            finally:
                self._unlock()
        finally:
            self._lock = None
            lock_owner.release(owner)

    @property
    def _mine(self) -> Held:
        """The lock that this session holds.

        Raises:
            LockedError: it does not hold one.
        """
        if self._lock is None:
            raise LockedError(self._target.name, "this session has not locked it: nothing was sent")
        return self._lock

    def _take(self, mine: Held) -> None:
        # without the table at first: adding one that is asleep would wake it before it is judged
        fresh = f"create set {names.TABLE} {names.LOCK} {{ {names.LOCK_MADE} }}\n{mine.again()}"
        text, lost, problem = fresh, False, ""
        until = time.monotonic() + 2 * self._target.timeout
        for _ in self._tries(until):
            try:
                if lost:
                    self._again(until)
                    if self._look().locked_by(mine.key):
                        return
                lost = True
                answer = self._write_nft(text)
                lost = False
                if answer.code == 0:
                    return
                if text == fresh and agent.ABSENT in answer.err:  # there is no table
                    text = f"add table {names.TABLE}\n{fresh}"
                else:
                    text = self._next_try(answer, fresh, mine)
            except ConnectError as error:
                problem = error.message
                if not lost:
                    raise
        if lost:
            raise ConnectError(
                self._target.name,
                f"no answer to the request for the lock ({problem}): if it was taken, the next "
                "run sees that this one is dead, and removes it",
            )
        raise LockedError(self._target.name, "the lock keeps appearing and disappearing: try again")

    def _next_try(self, answer: Answer, fresh: str, mine: Held) -> str:
        """Return the transaction that takes the lock from its present state.

        Raises:
            LockedError: a run that is not known to be dead holds it.
        """
        if "File exists" not in answer.err and agent.ABSENT not in answer.err:
            raise self._failed("lock", answer)
        records = self._look()
        if not records.lock_set:
            return fresh
        for held in records.locks:
            owner = lock_owner.read_owner(held.comment)
            if owner is None or lock_owner.is_alive(owner, age=self._age(owner)) is not False:
                raise self._locked(held, owner)
        if not records.locks:
            raise LockedError(
                self._target.name, f"there is a lock without an owner: remove it with `{REMOVE}`"
            )
        self._progress("cleaning up after an interrupted run")
        gone = "".join(
            f"delete element {names.TABLE} {names.LOCK} {{ {held.key} }}\n"
            for held in records.locks
        )
        return gone + mine.again()

    def _age(self, owner: LockOwner) -> float | None:
        return None if self._clock is None else max(0.0, self._clock.now() - owner.began)

    def _locked(self, held: Held, owner: LockOwner | None) -> LockedError:
        if owner is None:
            who = f"somebody holds the lock ({held.comment or 'without a name'})"
            return LockedError(self._target.name, f"{who}; if nobody does: `{REMOVE}`")
        left = round(lock_owner.remaining(owner, age=self._age(owner)))
        alive = lock_owner.is_alive(owner, age=self._age(owner))
        until = (
            "that run is alive"
            if alive
            else "whether it lives cannot be told from here, its lease runs out in "
            f"{format_duration(left)}"
        )
        return LockedError(
            self._target.name,
            f"a run of {owner.run} has held the lock since {spell_time(owner.began)} ({until}): "
            "wait "
            f"for it; if it is dead: `{REMOVE}`",
        )

    def _sure_of_lock(self) -> None:
        """After a lost answer, give our lock another key, so that a late request has no effect.

        Raises:
            LostLockError: it is not ours any more.
        """
        mine = self._mine
        held = next((one for one in self._look().locks if one.comment == mine.comment), None)
        fresh = new_lock(mine)
        if held is not None:
            answer = self._write_nft(
                f"delete element {names.TABLE} {names.LOCK} {{ {held.key} }}\n{fresh.again()}"
            )
            if answer.code == 0:
                self._lock = fresh
                return
        raise self._lost()

    def _lost(self, what: str = "it neither continues nor goes back") -> LostLockError:
        try:
            held = self._look().locks
        except DeviceError:
            held = ()
        owners = [lock_owner.read_owner(one.comment) for one in held]
        now = ", ".join(owner.run for owner in owners if owner) or "somebody unknown"
        return LostLockError(
            self._target.name,
            f"this run no longer holds the lock ({now} does): {what}; run `segctl plan` to see "
            "what the host holds",
        )

    # --- releasing ---------------------------------------------------------------------------

    def _unlock(self) -> None:
        """Release the lock if it still is this run's; on failure the next run cleans up."""
        mine = self._mine
        self._unreleased = problem = ""
        until = time.monotonic() + 2 * self._target.timeout
        for number in self._tries(until):
            try:
                if number:
                    self._again(until)
                records = self._look()
                held = next((one for one in records.locks if one.comment == mine.comment), None)
                if held is None:
                    if not number:
                        self._unreleased = self._lost("it does not unlock").message
                        self._progress(self._unreleased)
                    return
                answer = self._write_nft(self._release(held, records))
            except DeviceError as error:
                problem = error.message
                continue
            if answer.code == 0:
                return
            problem = answer.reason
        self._unreleased = (
            f"could not release its lock: {problem}. It stays until the next `segctl apply`, which "
            f"settles what is left; to remove it by hand: `{REMOVE}`"
        )
        self._progress(self._unreleased)

    def _release(self, held: Held, records: Records) -> str:
        """Return the transaction that unlocks; it deletes a table that holds nothing else."""
        begin = f"delete element {names.TABLE} {names.LOCK} {{ {held.key} }}\n"
        if not records.pushed and self._is_empty():
            return f"{begin}delete table {names.TABLE}\n"
        return f"{begin}delete set {names.TABLE} {names.LOCK}\n"

    def _is_empty(self) -> bool:
        limit = self._target.max_answer // SHARE
        answer = self._ssh.run(
            f"{self._nft} list table {names.TABLE}", label="list table", limit=limit
        )
        return answer.code == 0 and bool(answer.out) and not _FILLED.search(answer.out)


REMOVE = f"nft delete set {names.TABLE} {names.LOCK}"


def new_lock(held: Held) -> Held:
    """Return the same lock under another key."""
    return replace(held, key=new_key())


def spell_time(seconds: float) -> str:
    """Return a time since 1970 in readable form, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
