"""The locks of one run on one firewall: taken, checked before every important write, released.

A run that has lost its locks changes nothing more. Sources disagree whether PAN-OS releases a lock
at its owner's commit, so after each of our commits the locks are checked and taken again if needed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from segctl.model.errors import (
    AuthError,
    ConnectError,
    DeviceError,
    LockedError,
    LostLockError,
    ParseError,
)
from segctl.providers.panos import locks

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from segctl.providers.panos.client import Client
    from segctl.providers.panos.jobs import Jobs
    from segctl.providers.panos.location import Location
    from segctl.providers.panos.locks import Held
    from segctl.transports.lock_owner import LockOwner
    from segctl.transports.target import Target

#: Pauses before each retry after the connection dropped.
TRIES: Final = (0.1, 1.0, 5.0, 0.0)


@dataclass(slots=True, kw_only=True)
class Holding:
    """`owner` is None while nothing is held.

    `places` are what is changed: each has a lock of its own, taken in this order after the commit
    lock. `settles` is the token of a dead run whose change this run has to confirm or take back;
    `submitted` says that our commit may have released the locks since the last check.
    """

    client: Client
    target: Target
    jobs: Jobs
    clock: Callable[[], str]
    places: Sequence[Location] = ()
    owner: LockOwner | None = None
    settles: str = ""
    submitted: bool = False
    lost: bool = False

    @property
    def _wanted(self) -> Sequence[tuple[str, str]]:
        # a device group has a commit lock of its own: administrators of others go on
        first = self.places[0]
        committing = first.name if first.rulebase else locks.SHARED
        return (("commit", committing), *(("config", place.name) for place in self.places))

    def held(self) -> list[Held]:
        """Return every lock on the device."""
        return [lock for kind in locks.KINDS for lock in self._of(kind)]

    def _of(self, kind: str) -> list[Held]:
        command = locks.listing(kind, self.places[0])
        return locks.read(kind, self.client.op(command))

    # --- taking ------------------------------------------------------------------------------

    def acquire(
        self,
        owner: LockOwner,
        recover: Callable[[Collection[str]], str],
        elsewhere: Collection[str] = (),
    ) -> None:
        """Take all locks; those of a dead run of ours are taken over.

        Args:
            owner: this run.
            recover: cleans up after the dead runs with these tokens; returns the token of the run
                whose change is live and not confirmed, or nothing.
            elsewhere: tokens of dead runs that left locks on another member of the pair.

        Raises:
            LockedError: another administrator, or a run that may be alive, holds a lock that
                concerns us.
        """
        self.settles, self.submitted, self.lost = "", False, False
        dead = self.dead()
        if dead or elsewhere:
            tokens = dict.fromkeys([token for lock in dead for token in lock.tokens])
            tokens |= dict.fromkeys(elsewhere)
            self.settles = recover(tokens.keys())
            still = self.held()  # a commit in progress may have released some
            dead = [lock for lock in dead if lock in still]
        self.owner = owner
        wanted = self._wanted
        for kind, scope in wanted:  # the record of a dead run's change must never be missing
            now = [
                lock
                for lock in dead
                if lock.kind == kind and (lock.scope == scope or (kind, lock.scope) not in wanted)
            ]
            for lock in now:
                self._remove(lock)
            dead = [lock for lock in dead if lock not in now]
            self._take(kind, scope)

    def dead(self) -> list[Held]:
        """Return the locks that our dead runs left; refuse all others that concern us.

        Raises:
            LockedError: there are others.
        """
        dead: list[Held] = []
        held = self.held()
        ours = {locks.SHARED, *(place.name for place in self.places)}
        clock = self.clock() if any(map(self._by_us, held)) else ""
        for lock in held:
            apart = lock.kind == "config" or self.places[0].rulebase  # groups are committed apart
            if apart and lock.scope not in ours:
                continue
            if not self._by_us(lock):
                raise self._refused(lock, "wait until it is released, or have its owner release it")
            if locks.is_alive(lock, clock) is not False:
                known = "another segctl run" if lock.comment.startswith("segctl ") else "somebody"
                raise self._refused(
                    lock,
                    f"{known} holds it with this account; {locks.until(lock, clock)}: wait for "
                    f"it, or if that run is dead, `{lock.command}`",
                )
            dead.append(lock)
        self._refuse_elsewhere(dead, held)
        return dead

    def _refuse_elsewhere(self, dead: Sequence[Held], held: Sequence[Held]) -> None:
        """Refuse to clean up after a run on another virtual system, whose change is not ours."""
        tokens = {token for lock in dead for token in lock.tokens}
        same = [lock for lock in held if self._by_us(lock) and tokens & set(lock.tokens)]
        for lock in same:
            if lock not in dead:
                scopes = [one.scope for one in same if one.kind == "config"]
                raise self._refused(
                    lock,
                    f"a run on {lock.scope} was cut off: run `segctl apply` for the firewall of "
                    f"{lock.scope} first, or `{lock.command}`"
                    if len(scopes) < 2
                    else f"a run on {' and '.join(scopes)} was cut off: run `segctl apply` for the "
                    "firewalls of all of them at once, so that it is settled as a whole",
                )

    def _refused(self, lock: Held, what: str) -> LockedError:
        return LockedError(self.target.name, f"{lock}; {what}")

    def _by_us(self, lock: Held) -> bool:
        return lock.admin == self.target.user

    def _is_mine(self, lock: Held) -> bool:
        mine = self.owner.token if self.owner is not None else ""
        return self._by_us(lock) and lock.owner is not None and lock.owner.token == mine

    def _take(self, kind: str, scope: str) -> None:
        """Take a lock; if the answer is lost, check whether it was taken.

        Raises:
            LockedError: somebody else has it.
        """
        if self.owner is None:
            return
        words = locks.comment(self.owner, self.settles if kind == "commit" else "")
        command = (
            f"<request><{kind}-lock><add><comment>{words}</comment></add></{kind}-lock></request>"
        )
        deadline = self.jobs.deadline()
        for last in (False, True):
            try:
                self.jobs.patiently(lambda: self.client.op(command, vsys=scope), deadline)
            except AuthError:
                raise
            except DeviceError as error:
                holder = self._at(kind, scope)
                if holder is not None and self._is_mine(holder):
                    return
                lost = isinstance(error, ConnectError | ParseError)
                if holder is None and lost and not last:
                    continue
                if lost and holder is None:
                    raise
                raise LockedError(
                    self.target.name,
                    f"{holder or f'{kind} lock for {scope}: {error.message}'}; "
                    "wait until it is released, or have its owner release it",
                ) from error
            else:
                return

    def _at(self, kind: str, scope: str) -> Held | None:
        return next((lock for lock in self._of(kind) if lock.scope == scope), None)

    # --- checking -----------------------------------------------------------------------------

    def check(self) -> None:
        """Make sure that this run still holds its locks.

        Raises:
            LockedError: it never took them.
            LostLockError: somebody else or nobody holds them: nothing more may be changed.
        """
        if self.owner is None:
            raise LockedError(self.target.name, "is not locked by this run")
        held = {(lock.kind, lock.scope): lock for lock in self.held()}
        gone: list[tuple[str, str]] = []
        for kind, scope in self._wanted:
            holder = held.get((kind, scope))
            if holder is not None and self._is_mine(holder):
                continue
            may_be_gone = self.submitted or (kind == "commit" and self._in_group(held))
            if holder is not None or not may_be_gone or self.lost:
                raise self._lost(
                    f"{holder}" if holder else f"nobody holds the {kind} lock any more"
                )
            gone.append((kind, scope))
        try:
            for kind, scope in gone:
                self._take(kind, scope)
        except LockedError as error:
            raise self._lost(f"the commit released it, and now {error.message}") from error
        self.submitted = False

    def _in_group(self, held: Mapping[tuple[str, str], Held]) -> bool:
        """Whether this run still has the configuration lock of a device group.

        A commit of this account in another group may release the commit lock of ours. Meanwhile
        nobody else could change anything in the group that might have been committed.
        """
        place = self.places[0]
        mine = held.get(("config", place.name))
        return bool(place.rulebase) and mine is not None and self._is_mine(mine)

    def _lost(self, why: str) -> LostLockError:
        self.lost = True
        return LostLockError(
            self.target.name,
            f"this run has lost its lock ({why}): it neither continues nor goes back. Run `segctl "
            "plan` to see what the device holds, and `segctl apply` to settle it",
        )

    # --- releasing ---------------------------------------------------------------------------

    def release(self) -> None:
        """Release this run's locks; if an answer is lost, check whether the lock is gone.

        Raises:
            DeviceError: a lock could not be released, or it is unknown whether it was.
        """

        def remove() -> None:
            for lock in reversed(self.held()):
                if self._is_mine(lock):
                    self._remove(lock)

        _until_answered(remove)
        self.owner = None

    def settled(self) -> None:
        """Remove the dead run from our lock's comment: nothing of it is left to settle.

        If an answer is lost, check what the lock says.

        Raises:
            LostLockError: somebody else took the lock meanwhile.
            DeviceError: it is unknown what the lock says.
        """
        if not self.settles:
            return
        self.settles = ""
        renewed: dict[tuple[str, str], None] = {}

        def renew() -> None:
            for lock in self.held():
                if lock.settles and self._is_mine(lock):
                    renewed[lock.kind, lock.scope] = None
                    self._remove(lock)
            for kind, scope in renewed:
                self._take(kind, scope)

        try:
            _until_answered(renew)
        except LockedError as error:
            raise self._lost(error.message) from error

    def remove(self, held: Sequence[Held]) -> None:
        """Release locks of dead runs, those that are still held."""
        if not held:
            return
        still = self.held()
        for lock in held:
            if lock in still:
                self._remove(lock)

    def _remove(self, lock: Held) -> None:
        self.client.op(
            f"<request><{lock.kind}-lock><remove></remove></{lock.kind}-lock></request>",
            vsys=lock.scope,
        )

    def remains(self) -> str:
        """Return a text: which locks stay on the device, and what removes them."""
        names = " and ".join(f"{kind} lock for {scope}" for kind, scope in self._wanted)
        return (
            f"The {names} stay until the next `segctl apply`, which settles what is left; to "
            "remove them by hand: `request config-lock remove` and "
            f"`request commit-lock remove admin {self.target.user}`"
        )


def _until_answered(ask: Callable[[], None]) -> None:
    """Do something that begins by looking; again if an answer is lost or damaged.

    Raises:
        ConnectError: no answer came.
        ParseError: no answer could be read.
    """
    for pause in TRIES[:-1]:
        try:
            return ask()
        except (ConnectError, ParseError):
            time.sleep(pause)
    return ask()
