"""What reading remembers from record to record, and how two memories of it become one.

A piece that was read without knowing what came before it counts only if nothing in it would have
been read differently. Each part of a memory says so for itself (`apart`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.observe.coverage import Signs, Witnesses
from segctl.observe.duplicates import Named, Seen
from segctl.observe.pairs import Pairs
from segctl.observe.readers.conversations import Conversations
from segctl.observe.readers.panos_sessions import Sessions
from segctl.observe.times import Clock

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo


class Memory:
    """What is remembered of all records so far; each part of it is bounded."""

    def __init__(self, zone: tzinfo, members: Mapping[str, str], *, alone: bool = False) -> None:
        """Begin to remember; `alone`, a piece by itself that is to be joined."""
        self.clock, self.seen, self.named = Clock(zone), Seen(), Named()
        self.conversations, self.sessions = Conversations(alone=alone), Sessions()
        self.witnesses = Witnesses()
        self.signs = Signs(self.witnesses, alone=alone)
        self.pairs = Pairs(members, self.witnesses, alone=alone)

    def apart(self, other: Memory) -> bool:
        """Whether what follows would have been read the same, knowing all that is known here."""
        serials = {serial for serial, _ in other.clock.minutes}
        return (
            self.witnesses.apart(other.witnesses)
            and self.seen.apart(other.seen)
            and self.named.apart(other.named)
            and self.clock.apart(other.clock)
            and self.conversations.apart(other.conversations)
            and self.sessions.apart(other.sessions, serials)
            and self.pairs.apart(other.pairs)
        )

    def join(self, other: Memory) -> None:
        """Remember what was remembered of a piece that follows."""
        self.witnesses.join(other.witnesses)
        self.seen.join(other.seen)
        self.named.join(other.named)
        self.signs.join(other.signs, self.clock.minutes)
        self.clock.join(other.clock)
        self.conversations.join(other.conversations)
        self.sessions.join(other.sessions)
        self.pairs.join(other.pairs)
