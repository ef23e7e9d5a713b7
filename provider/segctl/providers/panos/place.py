"""Where a session is: on a firewall, or on the member of a pair that leads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.providers.panos import answers, names, record
from segctl.providers.panos.location import Location
from segctl.providers.panos.member import Member
from segctl.providers.panos.pair import Pair
from segctl.providers.panos.part import Part
from segctl.providers.panos.wire import xml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from segctl.providers.panos.record import Record
    from segctl.transports.lock_owner import LockOwner
    from segctl.transports.target import Target


class Place:
    """`member` is the firewall that is talked to, one of `pair` if there is one.

    `parts` are the virtual systems that are changed together there, one for each host of the
    inventory; `target` and `location` are those of the first. `left` are members of the pair on
    which this run has locks, and from which it has moved on after a failover. `unreleased` says
    which locks it could not release.
    """

    def __init__(
        self,
        target: Target,
        *more: Target,
        read_only: bool,
        progress: Callable[[str], None],
    ) -> None:
        self.target = target
        self.progress = progress
        self.pair: Pair | None = None
        if target.members:
            self.pair = Pair(target, read_only=read_only, progress=progress)
            self.member = self.pair.leader
        else:
            self.member = Member.of(target, read_only=read_only, progress=progress)
        self.location = Location.of(target.scope)
        self.left: list[Member] = []
        self.unreleased = ""
        self._found = False
        self.parts: Sequence[Part] = ()
        self.narrow([Part(target=one) for one in (target, *more)])

    def narrow(self, parts: Iterable[Part]) -> None:
        """Have only these parts be locked and changed, in the order of their names."""
        self.parts = sorted(parts, key=lambda part: part.location.name)
        for member in self.members:
            member.holding.places = tuple(part.location for part in self.parts)

    @property
    def members(self) -> Sequence[Member]:
        """All firewalls it may be on."""
        return (self.member,) if self.pair is None else self.pair.members

    def close(self) -> None:
        """Close the connections."""
        for member in self.members:
            member.wire.close()

    # --- the members of a pair -----------------------------------------------------------------

    @property
    def others(self) -> list[Member]:
        """The other members of a pair that answered."""
        return [] if self.pair is None else self.pair.others()

    @property
    def where(self) -> str:
        """Which firewall it is, in a sentence."""
        return "the device" if self.pair is None else self.member.target.name

    def open(self) -> None:
        """Find the leading member of a pair; the next `find_leader` need not ask again.

        Raises:
            DeviceError: no member answers, one refuses the account, or none leads.
        """
        self.find_leader()
        self._found = True

    def find_leader(self) -> None:
        """Have the leading member of a pair be the one that is talked to.

        Raises:
            HaStateError: another one leads than the one that this run is changing, or none.
        """
        found, self._found = self._found, False
        if self.pair is None or found:
            return
        if self.member.holding.owner is not None:
            self.pair.refuse_led_by_another(self.member)
        else:
            self.member = self.pair.look()

    def refuse_unready(self) -> None:
        """Refuse a pair that has failed over, or whose peer would not follow a change.

        Raises:
            HaStateError: that is so.
        """
        if self.pair is not None:
            self.pair.refuse_led_by_another(self.member)
            self.pair.refuse_unready()

    def follow(self, owner: LockOwner, deadline: float) -> None:
        """Go on with the member of a pair that leads now, under locks on it, if it is another one.

        Raises:
            DeviceError: it cannot be told which one leads, or the locks there cannot be taken.
        """
        if self.pair is None:
            return
        before, leader = self.member, self.pair.look()
        if leader is not before:
            self.progress(f"{leader.target.name} leads now: going on there")
            self.pair.leave(before, owner.token, deadline)
            if leader in self.left:  # it has failed over twice: our locks are there
                self.left.remove(leader)
            else:
                leader.holding.acquire(owner, lambda _tokens: "")
            self.left.append(before)
            leader.writer.version = before.writer.version
            self.member = leader
        self.pair.await_still(deadline)

    def await_alike(self, deadline: float, *, ready: bool = False) -> None:
        """Wait until the other member of a pair holds the record that this one holds.

        The record tells each change from every other, and a retired policy from any.

        Raises:
            VerifyError: it does not, at `deadline`.
            HaStateError: another member leads.
        """
        if self.pair is not None:
            own = self._comments(self.member)
            self.pair.await_alike(lambda other: self._comments(other) == own, deadline, ready=ready)

    def _comments(self, member: Member) -> list[str]:
        return [self.comment(member, part.location) for part in self.parts]

    # --- what runs leave there -----------------------------------------------------------------

    def running(self, xpath: str) -> bytes:
        """Return a part of the running configuration, as the device answers."""
        return self.member.ask({"type": "config", "action": "show", "xpath": xpath})

    def record(self, part: Part) -> Record | None:
        """Return the last run's record in the running configuration of a part."""
        return record.read(self.comment(self.member, part.location))[1]

    def comment(self, member: Member, location: Location) -> str:
        """Return the comment of our tag in a member's running configuration."""
        where = location.path("tag", names.TAG)
        asked = {"type": "config", "action": "show", "xpath": where}
        root = xml(member.target, member.ask(asked))
        if not answers.is_success(root) and "No such node" not in answers.lines(root):
            raise answers.refusal(member.target.name, root)
        return root.findtext("result/entry/comments") or ""
