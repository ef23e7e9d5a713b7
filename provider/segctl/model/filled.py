"""What objects of a device hold that it fills by itself, and what its filters select."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

#: Whether what an object holds stays until a commit: no, all of it, or at least what is listed.
Lasting: TypeAlias = Literal["", "all", "at least"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What one object held: a list of addresses, a group by tags, a name, a group of users.

    `what` says what it is. `addresses` are single ones, networks or ranges as text; of those in
    `perhaps` the device may not take them. `members` are names of other objects that it holds.
    `users` are those of a group of users.
    `at` is when it was read by the device's clock, as that writes it. `unread` says why nothing is
    known of what it holds.
    """

    what: str
    addresses: tuple[str, ...] = ()
    perhaps: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    at: str = ""
    unread: str = ""
    lasting: Lasting = ""

    @property
    def count(self) -> int:
        """How many addresses, objects and users it held."""
        return len(self.addresses) + len(self.members) + len(self.users)

    @property
    def passing(self) -> bool:
        """Whether something is known of what it held, which may be otherwise by now."""
        return not self.lasting and not self.unread


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The applications that a filter selects by the content that was read.

    It takes in `surely` what is listed there; of those `perhaps` it may take in, `why` says for
    what reason that is open. `unread` says why nothing is known of what it selects.
    """

    surely: tuple[str, ...] = ()
    perhaps: tuple[str, ...] = ()
    why: str = ""
    unread: str = ""


def group_key(name: str) -> str:
    """Return the key of a group of users among objects: no object's name has a colon."""
    return f"user:{name}"
