"""The members that a session may talk to: who leads, whether the peer can follow, and has followed.

A firewall that is alone is its own leader. Of a pair, only the leading member is written to; its
peer is asked, tidied after dead runs, and waited for. A member that refuses the account is never
taken for a dead one.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from segctl.model.durations import format_duration
from segctl.model.errors import (
    ConnectError,
    DeviceError,
    ForeignChangesError,
    HaStateError,
    ParseError,
    VerifyError,
)
from segctl.providers.panos import refusals, standing
from segctl.providers.panos.jobs import POLL_FIRST, POLL_MOST, last_commit
from segctl.providers.panos.member import Member

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from segctl.providers.panos.jobs import Commit
    from segctl.providers.panos.locks import Held
    from segctl.providers.panos.standing import Standing
    from segctl.transports.target import Target


class Pair:
    """Two firewalls that are one; `leader` and `standings` are as of the last `look`."""

    def __init__(self, target: Target, *, read_only: bool, progress: Callable[[str], None]) -> None:
        self.name = target.name
        self._progress = progress
        ways = (target, *(target.of(member) for member in target.members))
        self.members = tuple(Member.of(way, read_only=read_only, progress=progress) for way in ways)
        self.standings: Sequence[Standing] = ()
        self.leader = self.members[0]
        self._dead: dict[Member, Sequence[Held]] = {}

    def close(self) -> None:
        """Close the connections."""
        for member in self.members:
            member.wire.close()

    # --- who leads -----------------------------------------------------------------------------

    def look(self) -> Member:
        """Ask all members, and return the one that leads.

        Raises:
            AuthError: a member refuses the account.
            ConnectError: no member answers.
            HaStateError: they are not a pair, or it is not clear which of them leads.
        """
        self._progress("finding the active member")
        self.standings = [member.standing() for member in self.members]
        if all(one.silent for one in self.standings):
            told = "; ".join(f"{one.name}: {one.silent}" for one in self.standings)
            raise ConnectError(self.name, f"no member of the pair gives an answer ({told})")
        self.leader = self._called(standing.leader(self.name, self.standings).name)
        return self.leader

    def _called(self, name: str) -> Member:
        return next(member for member in self.members if member.target.name == name)

    @property
    def first(self) -> Standing:
        """The standing of the leading member."""
        name = self.leader.target.name
        return next(one for one in self.standings if one.name == name)

    def others(self, *, silent: bool = False) -> list[Member]:
        """Return the members that follow: those that answer, or with `silent` all."""
        quiet = {one.name for one in self.standings if one.silent}
        return [
            member
            for member in self.members
            if member is not self.leader and (silent or member.target.name not in quiet)
        ]

    def part(self) -> bytes:
        """Return the pair as a part of the device's document."""
        return standing.to_part(self.standings, self.first)

    def refuse_unready(self) -> None:
        """Refuse a pair whose peer would not follow a change.

        Raises:
            HaStateError: it would not; the message says why, and what to do.
        """
        standing.refuse_unready(self.name, self.standings, self.first)

    def refuse_led_by_another(self, member: Member) -> None:
        """Look again, and refuse if another member leads than the one that is being changed.

        Raises:
            HaStateError: another one does.
        """
        if self.look() is not member:
            raise HaStateError(
                self.name,
                f"failed over during the change: {self.leader.target.name} leads now, and "
                f"{member.target.name} is {self._word(member)}",
            )

    def _word(self, member: Member) -> str:
        return next(one.word for one in self.standings if one.name == member.target.name)

    # --- what dead runs left on the members that follow ----------------------------------------

    def dead_tokens(self) -> list[str]:
        """Return the runs of ours that died and left locks on members that follow.

        Raises:
            LockedError: somebody else, or a run that may be alive, holds a lock there: what is
                being changed there would be overwritten.
        """
        self._dead = {member: member.holding.dead() for member in self.others()}
        return [token for held in self._dead.values() for lock in held for token in lock.tokens]

    def settle(self, tokens: Collection[str]) -> Commit | None:
        """Wait for commits of dead runs on members that follow, and discard what they left there.

        Return the last commit of these runs there that succeeded.

        Raises:
            DeviceError: that failed.
        """
        last: Commit | None = None
        for member, held in self._dead.items():
            if held:
                deadline = member.jobs.deadline()
                last = last_commit(member.jobs.settle(tokens, deadline)) or last
                member.writer.discard(deadline)
        self.await_still(self.leader.jobs.deadline())
        return last

    def release_dead(self) -> None:
        """Release the locks of dead runs there; our own run's locks now tell of what they left."""
        for member, held in self._dead.items():
            member.holding.remove(held)
        self._dead = {}

    def refuse_pending(self) -> None:
        """Refuse uncommitted changes on a member that follows: a synchronization overwrites them.

        Raises:
            ForeignChangesError: there are some; the message says whose they are and where.
        """
        for member in self.others():
            for owner, xpath in refusals.pending(member.client):
                raise ForeignChangesError(
                    self.name,
                    f"{owner or 'somebody'} has uncommitted changes on {member.target.name} "
                    f"({xpath or 'place unknown'}), which a synchronization would overwrite: have "
                    "them made on the active member, or reverted",
                )

    # --- leaving a member, and whether the others followed -------------------------------------

    def leave(self, member: Member, token: str, deadline: float) -> None:
        """Wait for this run's commit on a member that leads no more, and discard the rest there.

        What is silent is left as it is: this run's locks there tell the next run.

        Raises:
            DeviceError: that failed.
        """
        if member in self.others():
            member.jobs.settle([token], deadline)
            member.writer.discard(deadline)

    def release(self, left: Sequence[Member]) -> None:
        """Release this run's locks on members that it has left; say where that is not possible."""
        for member in left:
            try:
                member.holding.release()
            except DeviceError as error:
                self._progress(
                    f"could not release the locks on {member.target.name}; the next run will: "
                    f"{error.message}"
                )

    def await_still(self, deadline: float) -> bool:
        """Wait until no synchronization runs, or time is over; return whether there was one."""
        pause, ran = POLL_FIRST, self.first.syncing
        while self.first.syncing and time.monotonic() < deadline:
            self._progress("waiting for a synchronization to end")
            time.sleep(pause)
            pause = min(pause * 2, POLL_MOST)
            self.look()
        return ran

    def await_alike(
        self, alike: Callable[[Member], bool], deadline: float, *, ready: bool = False
    ) -> None:
        """Wait until the members that follow hold what the leading one holds.

        Args:
            alike: whether a member holds what was committed.
            deadline: when to give up, by the monotonic clock.
            ready: whether they must also be able to take over. Else those that do not answer are
                left out.

        Raises:
            VerifyError: they do not, at `deadline`.
            HaStateError: another member leads, or none.
        """
        member, pause = self.leader, POLL_FIRST
        while why := self._not_followed(member, alike, ready=ready):
            who = " and ".join(one.target.name for one in self.others(silent=True))
            if time.monotonic() > deadline:
                limit = format_duration(member.target.commit_timeout)
                raise VerifyError(
                    self.name,
                    f"{who} did not follow {member.target.name} within {limit} "
                    f"(segctl_commit_timeout): {why}",
                )
            self._progress(f"waiting for {who} to follow: {why}")
            time.sleep(pause)
            pause = min(pause * 2, POLL_MOST)

    def _not_followed(self, member: Member, alike: Callable[[Member], bool], *, ready: bool) -> str:
        """Return why the others do not hold what a member holds; empty if they do."""
        self.refuse_led_by_another(member)
        if ready:
            for doubt in standing.doubts(self.standings, self.first):
                return doubt.message
        if self.first.syncing:
            return f"the configurations are `{self.first.sync}`"
        for other in self.others():
            try:
                if not alike(other):
                    return f"{other.target.name} holds another configuration"
            except (ConnectError, ParseError) as error:
                return f"{other.target.name} {error.message}"
        return ""
