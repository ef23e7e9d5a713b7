"""User-ID messages: logins, registered addresses and registered users, kept in memory.

Sources: the vendor's API usage guide (``persistent`` on an address, by default kept over a restart;
``timeout`` of a tag in seconds, 0 never, at most 2,592,000), recorded requests and answers of
pan-os-python and minemeld (what is answered to repeats). What a device does that has no room is not
recorded: the words of the refusal are assumed. Release notes name the faults: PAN-197935 and
PAN-193733 (registered with success and not there), PAN-195661 (there, and not in the group).
Source of ``register-user``: the vendor's User-ID API lab (entries have ``user`` and tags; a repeat
is complained about as for addresses, which it does not say).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

from segctl_mocks.panos.answers import Answer, ApiError, malformed
from segctl_mocks.panos.tree import MalformedError, parse, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from segctl_mocks.panos.tree import Element


#: Seconds that a tag may last.
_LONGEST = 2_592_000


@dataclass(frozen=True, slots=True)
class Complaint:
    """An entry that was refused."""

    kind: str
    address: str
    message: str


@dataclass(slots=True)
class UserId:
    """Mappings of users and tags to addresses.

    `registered` says when each tag of an address ends, None for never. `forgotten` has the
    addresses that a restart forgets. `room` is for how many addresses there is any. With `deaf`
    success is answered and nothing registered; with `late` groups hold what they held.
    """

    clock: Callable[[], float] = time.time
    logins: dict[str, str] = field(default_factory=dict[str, str])
    registered: dict[str, dict[str, float | None]] = field(
        default_factory=dict[str, "dict[str, float | None]"]
    )
    users: dict[str, dict[str, float | None]] = field(
        default_factory=dict[str, "dict[str, float | None]"]
    )
    forgotten: set[str] = field(default_factory=set[str])
    room: int = 1000
    deaf: bool = False
    late: frozenset[str] | None = None

    def held(self) -> dict[str, tuple[str, ...]]:
        """Return the tags of each address that has any, those that have ended taken away."""
        now = self.clock()
        for address, tags in tuple(self.registered.items()):
            for tag, ends in tuple(tags.items()):
                if ends is not None and ends <= now:
                    del tags[tag]
            if not tags:
                del self.registered[address]
                self.forgotten.discard(address)
        return {address: tuple(tags) for address, tags in self.registered.items()}

    def in_groups(self) -> dict[str, tuple[str, ...]]:
        """Return what groups are filled from."""
        held = self.held()
        if self.late is None:
            return held
        return {address: tags for address, tags in held.items() if address in self.late}

    def restart(self) -> None:
        """Forget what is not persistent."""
        for address in self.forgotten:
            self.registered.pop(address, None)
        self.forgotten.clear()

    def handle(self, params: Mapping[str, str]) -> Answer:
        """Take one ``uid-message``."""
        try:
            message = parse(params.get("cmd", "").encode())
        except MalformedError as error:
            raise malformed() from error
        payload = message.find("payload")
        if payload is None:
            raise ApiError("17", "payload is missing")
        complaints = [each for node in payload for each in self._take(node)]
        if complaints:
            raise _RefusedError(complaints)
        return Answer(
            b'<response status="success"><result><uid-response><version>2.0</version>'
            b"<payload></payload></uid-response></result></response>"
        )

    def _take(self, node: Element) -> Iterator[Complaint]:
        kind = str(node.tag)
        if kind == "clear":
            cleared = [str(each.tag) for each in node]
            if "registered-user" in cleared:
                self.users.clear()
            if cleared != ["registered-user"]:
                self.registered.clear()
        for entry in node.iterchildren("entry"):
            address = entry.get("ip") or ""
            if kind == "login":
                self.logins[address] = entry.get("name") or ""
            elif kind == "logout":
                self.logins.pop(address, None)
            elif kind in {"register", "unregister"}:
                yield from self._register(kind, address, entry)
            elif kind in {"register-user", "unregister-user"}:
                user = entry.get("user") or ""
                have = self.users.setdefault(user, {})
                yield from self._tag(kind.removesuffix("-user"), user, entry, have)

    def _register(self, kind: str, address: str, entry: Element) -> Iterator[Complaint]:
        """Register or unregister tags of an address, as far as there is room."""
        if kind == "register" and self.deaf:
            return
        held = self.held()
        if kind == "register" and address not in held and len(held) >= self.room:
            yield Complaint(kind, address, "registered ip table is full")
            return
        if kind == "register" and entry.get("persistent", "1") == "0":
            self.forgotten.add(address)
        yield from self._tag(kind, address, entry, self.registered.setdefault(address, {}))

    def _tag(
        self, kind: str, name: str, entry: Element, have: dict[str, float | None]
    ) -> Iterator[Complaint]:
        """Repeats are complained about; pan-os-python knows their endings."""
        now = self.clock()
        tags = [(text_of(one), one.get("timeout") or "0") for one in entry.iter("member")]
        for tag, timeout in tags or [(tag, "0") for tag in have]:
            if not timeout.isdigit() or int(timeout) > _LONGEST:
                yield Complaint(kind, name, f"timeout {timeout} is invalid")
            elif kind == "register" and tag in have:
                yield Complaint(kind, name, f"tag {tag} already exists, ignore")
            elif kind == "unregister" and tag not in have:
                yield Complaint(kind, name, f"tag {tag} does not exist, ignore unreg")
            elif kind == "register":
                have[tag] = now + int(timeout) if int(timeout) else None
            else:
                del have[tag]


class _RefusedError(ApiError):
    """Each entry that was refused, as attributes."""

    def __init__(self, complaints: list[Complaint]) -> None:
        super().__init__("")
        self.complaints = complaints

    def inner(self) -> str:
        entries = "".join(
            f"<{each.kind}><entry ip={quoteattr(each.address)} "
            f"message={quoteattr(each.message)}/></{each.kind}>"
            for each in self.complaints
        )
        return (
            "<msg><line><uid-response><version>2.0</version>"
            f"<payload>{entries}</payload></uid-response></line></msg>"
        )
