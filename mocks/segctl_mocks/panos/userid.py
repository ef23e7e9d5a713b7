"""User-ID messages: logins and registered addresses, kept in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from segctl_mocks.panos.answers import Answer, ApiError, malformed
from segctl_mocks.panos.tree import MalformedError, parse, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segctl_mocks.panos.tree import Element


@dataclass(slots=True)
class UserId:
    """Mappings of users and tags to addresses."""

    logins: dict[str, str] = field(default_factory=dict[str, str])
    registered: dict[str, set[str]] = field(default_factory=dict[str, set[str]])

    def handle(self, params: Mapping[str, str]) -> Answer:
        """Take one ``uid-message``."""
        try:
            message = parse(params.get("cmd", "").encode())
        except MalformedError as error:
            raise malformed() from error
        payload = message.find("payload")
        if payload is None:
            raise ApiError("17", "payload is missing")
        for node in payload:
            self._take(node)
        return Answer(
            b'<response status="success"><result><uid-response><version>2.0</version>'
            b"<payload></payload></uid-response></result></response>"
        )

    def _take(self, node: Element) -> None:
        for entry in node.iterchildren("entry"):
            address = entry.get("ip") or ""
            tags = {text_of(member) for member in entry.iter("member")}
            match str(node.tag):
                case "login":
                    self.logins[address] = entry.get("name") or ""
                case "logout":
                    self.logins.pop(address, None)
                case "register":
                    self.registered.setdefault(address, set()).update(tags)
                case "unregister":
                    self.registered.get(address, set()).difference_update(tags)
                case _:
                    pass
