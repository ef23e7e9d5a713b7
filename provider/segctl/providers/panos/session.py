"""An open session with one firewall, or with a pair that is one: read, lock, push, settle.

A change is made by `Pushing`, on the firewall where `Place` is; the document is read by `Reader`.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from heapq import merge
from typing import TYPE_CHECKING

from segctl.compiler import naming
from segctl.model.errors import DeviceError, UnsupportedError
from segctl.providers.panos import commands, configlog, hits, matching, refusals, watching
from segctl.providers.panos.containing import FirewallCell
from segctl.providers.panos.jobs import last_commit
from segctl.providers.panos.member import clock
from segctl.providers.panos.place import Place
from segctl.providers.panos.pushing import Pushing
from segctl.providers.panos.reading import Reader
from segctl.providers.panos.snapshot import load
from segctl.providers.panos.writing import text_of
from segctl.transports import lock_owner

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Sequence
    from datetime import timedelta

    from segctl.analysis.decide import Packet
    from segctl.providers.containing import Cell
    from segctl.providers.counting import Counts
    from segctl.providers.logs import Author, DeviceLog
    from segctl.providers.panos.part import Part
    from segctl.providers.state import Run, Unconfirmed
    from segctl.providers.watching import Answer, Watch
    from segctl.transports.lock_owner import LockOwner
    from segctl.transports.target import Target


class PanosSession:
    """One firewall, one virtual system; read-only unless opened for writing.

    Of several that are changed together, each has a session: `along` is what they share.
    """

    def __init__(
        self,
        target: Target,
        *,
        read_only: bool,
        progress: Callable[[str], None],
        along: tuple[Place, Pushing, Part] | None = None,
    ) -> None:
        if along is None:
            place = Place(target, read_only=read_only, progress=progress)
            along = place, Pushing(place), place.parts[0]
        self._place, self._pushing, self.part = along
        self._progress = progress
        self._reader: type[Reader] = Reader

    def open(self) -> None:
        """Find the leading member of a pair; of a single firewall nothing is asked.

        Raises:
            DeviceError: no member answers, one refuses the account, or none leads.
        """
        self._place.open()

    def close(self) -> None:
        """Close the connections."""
        self._place.close()

    @property
    def warnings(self) -> Sequence[str]:
        """The device's warnings at validations and commits, in its own words."""
        members = (*self._place.left, self._place.member)
        return tuple(line for member in members for line in member.jobs.warnings)

    @property
    def unreleased(self) -> str:
        """Which locks this run could not release, why, and what removes them."""
        return self._place.unreleased

    def begin(self, run: Run) -> None:
        """Set which run this is: its lock and its push record it."""
        self._pushing.run = run
        self.part.comments.wanted = run.comments

    def before_live(self, check: Callable[[], None]) -> None:
        """Have `check` called once a push is written and validated, just before its commit."""
        self._pushing.last_check = check

    @property
    def commented(self) -> int:
        """How many audit comments were written."""
        return self.part.comments.written

    @property
    def uncommented(self) -> Sequence[str]:
        """Why rules have no audit comment."""
        return tuple(self.part.comments.missing)

    # --- reading -----------------------------------------------------------------------------

    def read(self) -> bytes:
        """Return the running configuration and what is needed to judge it, in one document.

        Of a pair, the member that leads is read; see `Reader.read`.
        """
        place = self._place
        self.part.before = b""
        place.find_leader()
        self._progress("reading" if place.pair is None else f"reading {place.where}")
        document = self._reader(
            target=self.part.target,
            member=place.member,
            pair=place.pair,
            location=self.part.location,
            token=self._pushing.token,
        ).read()
        self.part.before = load(document).parts["vsys"]
        return document

    def changed_by(self, items: Sequence[tuple[str, Sequence[str]]]) -> Sequence[Author | None]:
        """Return who last changed each item, by the configuration log; None if it does not say.

        The members of a pair have a log each, of what was done there.
        """
        member = self._place.member
        logs = [configlog.read_log(one.target, one.ask) for one in (member, *self._place.others)]
        return configlog.authors(
            merge(*logs, key=lambda line: line.time, reverse=True),
            [configlog.wanted(self.part.location, kind, called) for kind, called in items],
            user=member.target.user,
            pending=refusals.pending(member.client),
        )

    def log(self, since: datetime | None) -> DeviceLog:
        """Return the configuration log since a moment by our clock; of a pair, the leader's."""
        self._place.progress("reading its log")
        client, target = self._place.member.client, self._place.member.target
        asked = datetime.now(UTC)
        told = clock(client)
        now = asked + (datetime.now(UTC) - asked) / 2
        return configlog.whole(
            target, lambda params: client.ask(params).body, now=now, clock=told, since=since
        )

    def show(self, command: str) -> str:
        """Return the answer to an operational ``<show>`` command, as XML.

        Raises:
            UnsupportedError: it is not a ``<show>`` command, or not XML.
        """
        if why := commands.refusal(command):
            raise UnsupportedError(f"{self.part.target.name}: {why}")
        self._progress("asking")
        return text_of(self._place.member.client.op(commands.bare(command)))

    def decided_by(self, packet: Packet) -> str:
        """Return the rule that the device says decides about a packet, empty for the default.

        Raises:
            UnsupportedError: the device has no words for the packet.
        """
        command = matching.question(packet)
        self._progress("asking")
        return matching.rule(self._place.member.client.op(command, vsys=self.part.location.name))

    def counts(
        self, rules: Sequence[str], window: timedelta, *, risky: bool = False
    ) -> Sequence[Counts]:
        """Return what the firewall counted of its rules; of a pair, what each member did.

        Raises:
            UnsupportedError: asking can hang one of them, and `risky` is not given.
        """
        place = self._place
        self._progress("reading hit counts")
        found = [] if place.pair is None else place.pair.others(silent=True)
        return [
            hits.counts(one, self.part.location.name, rules, window, risky=risky)
            for one in (place.member, *found)
        ]

    # --- containing --------------------------------------------------------------------------

    def cells(self, group: str = naming.CONTAINED) -> Sequence[Cell]:
        """Return the firewall, or both members of a pair: each has a list of its own."""
        vsys = self.part.location.name
        members = self._place.members
        return [FirewallCell(member=one, vsys=vsys, group=group) for one in members]

    def seen(self, watch: Watch) -> Sequence[Answer]:
        """Return what the firewall tells of its traffic; of a pair, what each member does.

        The members have a log each, of what they carried themselves.
        """
        place = self._place
        self._progress("reading its traffic")
        vsys = self.part.location.name
        if place.pair is None:
            return [*watching.seen(place.member, vsys, watch)]
        members = (place.member, *place.pair.others(silent=True))
        return [answer for one in members for answer in watching.tried(one, vsys, watch)]

    # --- locking -----------------------------------------------------------------------------

    @contextmanager
    def lock(self) -> Generator[None]:
        """Take the configuration and commit locks; refuse if changes of others are in the way.

        The locks of our dead run are taken over, and what it left in the candidate is discarded.

        Raises:
            LockedError: somebody else holds one of them.
            ForeignChangesError: uncommitted changes in our virtual systems, or of our own account,
                or any on the other member of a pair.
            HaStateError: the peer of a pair would not follow a change.
            ApplyError: this is a passive member, and no pair is declared.
        """
        place = self._place
        place.member.wire.refuse_write()
        place.find_leader()
        if place.pair is None:
            refusals.refuse_passive(place.member.client, place.target)
        else:
            if place.pair.await_still(place.member.jobs.deadline()):
                place.find_leader()
            place.pair.refuse_unready()
        place.progress("locking")
        owner = lock_owner.new_owner(self._pushing.run.lease)
        self._pushing.begin()
        place.left.clear()
        try:
            self._acquire(owner)
            yield
        finally:
            try:
                self._unlock()
            finally:
                lock_owner.release(owner)

    def _acquire(self, owner: LockOwner) -> None:
        """Take the locks, and tidy up what dead runs left, on both members of a pair."""
        member, pair = self._place.member, self._place.pair
        elsewhere = pair.dead_tokens() if pair is not None else ()
        member.holding.acquire(owner, self._recover, elsewhere)
        refusals.refuse_pending(member.client, [part.target for part in self._place.parts])
        if pair is not None:
            pair.release_dead()
            pair.refuse_pending()

    def _recover(self, tokens: Collection[str]) -> str:
        """Clean up after dead runs; return the token of the run whose change is not confirmed."""
        place, member = self._place, self._place.member
        place.progress("cleaning up after an interrupted run")
        deadline = member.jobs.deadline()
        commit = last_commit(member.jobs.settle(tokens, deadline))
        member.writer.discard(deadline)
        if place.pair is not None:
            commit = place.pair.settle(tokens) or commit
        return self._pushing.recover(tokens, commit)

    def _unlock(self) -> None:
        """Release this run's locks, after discarding uncommitted changes.

        The locks stay if a change that nobody judged is or may be live, this run's or a dead
        run's: the next run settles it.
        """
        place, member = self._place, self._place.member
        holding = member.holding
        place.unreleased = ""
        if holding.lost or holding.owner is None or holding.settles or self._pushing.live:
            if holding.owner is not None and not holding.lost:
                place.unreleased = holding.remains()
            for each in (member, *place.left):
                each.holding.owner = None
            return
        if place.pair is not None:
            place.pair.release(place.left)
        try:
            if self._pushing.written:
                holding.check()
                member.writer.discard(member.jobs.deadline())
            holding.release()
        except DeviceError as error:
            place.unreleased = f"could not release its locks: {error.message}. {holding.remains()}"
            place.progress(place.unreleased)

    # --- changing ----------------------------------------------------------------------------

    def push(self, script: str, *, revert_in: float | None = None) -> None:
        """Make `script` live in one commit; on any failure go back and raise.

        Requires an earlier `read` in the same session: a revert goes back to it.
        """
        self._pushing.push([(self.part, script)], revert_in=revert_in)

    def confirm(self) -> None:
        """Keep what was pushed or adopted; see `Pushing.confirm`."""
        self._pushing.confirm()

    def revert(self) -> None:
        """Go back to before the push; see `Pushing.revert`."""
        self._pushing.revert()

    def adopt(self, change: Unconfirmed) -> None:
        """Make `confirm` and `revert` apply to the change of a dead run; see `Pushing.adopt`."""
        self._pushing.adopt(self.part, change)

    def keep(self) -> None:
        """Do nothing: the device loads the committed configuration at boot."""
