"""User-ID messages: logins, registered addresses and registered users, kept in memory.

Source of ``register-user``: the vendor's User-ID API lab (entries have ``user`` and tags; a repeat
is complained about as for addresses, which it does not say).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

from segctl_mocks.panos.answers import Answer, ApiError, malformed
from segctl_mocks.panos.tree import MalformedError, parse, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from segctl_mocks.panos.tree import Element


@dataclass(frozen=True, slots=True)
class Complaint:
    """An entry that was refused."""

    kind: str
    address: str
    message: str


@dataclass(slots=True)
class UserId:
    """Mappings of users and tags to addresses."""

    logins: dict[str, str] = field(default_factory=dict[str, str])
    registered: dict[str, dict[str, None]] = field(default_factory=dict[str, dict[str, None]])
    users: dict[str, dict[str, None]] = field(default_factory=dict[str, dict[str, None]])

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
                tags = [text_of(member) for member in entry.iter("member")]
                yield from self._register(kind, address, tags, self.registered)
            elif kind in {"register-user", "unregister-user"}:
                tags = [text_of(member) for member in entry.iter("member")]
                kind_of = kind.removesuffix("-user")
                yield from self._register(kind_of, entry.get("user") or "", tags, self.users)

    def _register(
        self, kind: str, address: str, tags: list[str], held: dict[str, dict[str, None]]
    ) -> Iterator[Complaint]:
        """Repeats are complained about; pan-os-python knows their endings."""
        have = held.setdefault(address, {})
        for tag in tags or list(have):
            if kind == "register" and tag in have:
                yield Complaint(kind, address, f"tag {tag} already exists, ignore")
            elif kind == "unregister" and tag not in have:
                yield Complaint(kind, address, f"tag {tag} does not exist, ignore unreg")
            elif kind == "register":
                have[tag] = None
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
