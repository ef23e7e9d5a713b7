"""Containing on a firewall: addresses registered with our tag, and sessions ended one by one.

Sources: the vendor's API usage guide of 9.1 (``type=user-id``, ``register`` with ``persistent`` and
``timeout`` in seconds, at most 2,592,000); pan-os-python (entries that are refused, repeats that
end in ``already exists, ignore`` and ``does not exist, ignore unreg``); the vendor's CLI reference
(words of the session filter). Whether an answer of success means that an address is registered is
never taken for granted (PAN-197935, PAN-193733): the caller reads it back.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from lxml import etree

from segctl.compiler import naming
from segctl.model.addresses import interval_text
from segctl.model.errors import ApplyError, ParseError
from segctl.providers.containing import Held, LiveSession
from segctl.providers.panos import answers, contained
from segctl.providers.panos.wire import xml

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from segctl.compiler.naming import ContainedNote
    from segctl.model.addresses import Interval
    from segctl.providers.panos.elements import Element
    from segctl.providers.panos.member import Member

#: Seconds that a tag may last.
LONGEST: Final = 2_592_000
#: The smallest table that the vendor names for any model.
_SURE_ROOM: Final = 1000
_LAST_PORT: Final = 65535
_REPEATED: Final = ("already exists, ignore", "does not exist, ignore unreg")
_GROUP: Final = (
    "<show><object><dynamic-address-group><all></all></dynamic-address-group></object></show>"
)
_ALL: Final = (
    "<show><object><registered-ip><limit>500</limit><start-point>{}</start-point><all/>"
    "</registered-ip></object></show>"
)


def clear_command(session: LiveSession) -> str:
    """Return the command that ends one session, by all that tells it from others.

    There is no way to write it without its filter, which names both addresses, the protocol and
    both ports: the number of a session may have passed on to another one meanwhile.

    Raises:
        ValueError: a number is not that of a protocol or port, so that a filter cannot name it.
    """
    for number, most in (
        (session.protocol, 255),
        (session.source_port, _LAST_PORT),
        (session.destination_port, _LAST_PORT),
    ):
        if not 0 < number <= most:
            raise ValueError(number)
    words = {
        "source": session.source,
        "destination": session.destination,
        "protocol": session.protocol,
        "source-port": session.source_port,
        "destination-port": session.destination_port,
    }
    clear = etree.Element("clear")
    every = etree.SubElement(etree.SubElement(clear, "session"), "all")
    filled = etree.SubElement(every, "filter")
    for word, value in words.items():
        etree.SubElement(filled, word).text = str(value)
    return etree.tostring(clear, encoding="unicode")


def message(
    kind: str,
    addresses: Iterable[str],
    tags: Iterable[str],
    *,
    seconds: int = 0,
    persistent: bool = True,
) -> str:
    """Return the message that registers or unregisters tags of addresses.

    Raises:
        ValueError: what is registered would last for ever, or longer than a device keeps it.
    """
    if kind == "register" and not 0 < seconds <= LONGEST:
        raise ValueError(seconds)
    words = tuple(tags)
    root = etree.Element("uid-message")
    etree.SubElement(root, "version").text = "1.0"
    etree.SubElement(root, "type").text = "update"
    done = etree.SubElement(etree.SubElement(root, "payload"), kind)
    for address in addresses:
        entry = etree.SubElement(done, "entry", ip=address)
        if kind == "register":
            entry.set("persistent", str(int(persistent)))
        held = etree.SubElement(entry, "tag")
        for word in words:
            member = etree.SubElement(held, "member")
            member.text = word
            if kind == "register":
                member.set("timeout", str(seconds))
    return etree.tostring(root, encoding="unicode")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FirewallCell:
    """One firewall, in one virtual system."""

    member: Member
    vsys: str
    group: str = naming.CONTAINED

    @property
    def name(self) -> str:
        """Its host in the inventory."""
        return self.member.target.name

    @property
    def judges_all(self) -> bool:
        """An open session goes on, whatever the rules say: it is to be ended."""
        return False

    @property
    def unread(self) -> str:
        """Both members of a pair have one policy, which they synchronise."""
        return ""

    def held(self) -> Sequence[Held]:
        """Return the addresses with our tag, and whether each is in the group."""
        inside = self._inside()
        return [one.held(self.group, enforced=one.address in inside) for one in self._registered()]

    def room(self) -> int:
        """Return how many more addresses every model surely takes; negative: not known."""
        counted = 0
        for _ in range(2):
            page = self._op(_ALL.format(counted + 1)).findall("result/entry")
            counted += len(page)
            if len(page) < contained.PAGE:
                break
        return _SURE_ROOM - counted if counted < _SURE_ROOM else -1

    def hold(
        self, addresses: Sequence[str], note: ContainedNote, seconds: int, *, persistent: bool
    ) -> None:
        """Register addresses with our tag and the note, all for the same time."""
        tags = (self.group, naming.encode_contained(note, self.group))
        self._tell(message("register", addresses, tags, seconds=seconds, persistent=persistent))

    def release(self, addresses: Sequence[str]) -> None:
        """Take our tag and notes from addresses; those of others stay."""
        for one in self._registered():
            if one.address in addresses:
                self._tell(message("unregister", (one.address,), one.ours(self.group)))

    def sessions(self, part: Interval) -> Sequence[LiveSession]:
        """Return the sessions that addresses asked for, and those that others did with them.

        Those of one address are asked for by a filter, those of more are selected here.
        """
        version, first, last = part
        shown: tuple[str, ...] = ("",)
        if first == last:
            host = interval_text(part)
            shown = tuple(
                f"<filter><{side}>{host}</{side}></filter>" for side in ("source", "destination")
            )
        found: dict[LiveSession, None] = {}
        for words in shown:
            answer = self._op(f"<show><session><all>{words}</all></session></show>")
            found |= dict.fromkeys(map(self._session, answer.iterfind("result/entry")))
        return tuple(
            one
            for one in found
            if any(end.version == version and first <= int(end) <= last for end in one.ends)
        )

    def end(self, session: LiveSession) -> None:
        """End one session."""
        self._op(clear_command(session))

    def _op(self, command: str) -> Element:
        return self.member.client.op(command, vsys=self.vsys)

    def _registered(self) -> tuple[contained.Registered, ...]:
        return contained.pages(self._op, self.name, self.group)

    def _inside(self) -> frozenset[str]:
        for entry in self._op(_GROUP).iterfind("result/dyn-addr-grp/entry"):
            named = (entry.findtext("group-name") or "").strip()
            if named == self.group and (entry.findtext("vsys") or self.vsys) == self.vsys:
                return frozenset(one.get("name", "") for one in entry.iterfind("member-list/entry"))
        return frozenset()

    def _tell(self, text: str) -> None:
        """Send a message.

        Raises:
            ApplyError: the firewall refuses an entry otherwise than as one that is there already.
        """
        self.member.wire.refuse_write()
        asked = {"type": "user-id", "action": "set", "vsys": self.vsys, "cmd": text}
        root = xml(self.member.target, self.member.ask(asked))
        if answers.is_success(root):
            return
        entries = [one for one in root.iter("entry") if one.get("message")]
        wrong = [
            f"{one.get('ip', '')}: {one.get('message')}".strip(": ")
            for one in entries
            if not str(one.get("message")).endswith(_REPEATED)
        ]
        if not entries:
            raise answers.refusal(self.name, root)
        if wrong:
            raise ApplyError(self.name, f"does not register {'; '.join(wrong[:5])}")

    def _session(self, entry: Element) -> LiveSession:
        def text(tag: str) -> str:
            return (entry.findtext(tag) or "").strip()

        try:
            return LiveSession(
                source=ip_address(text("source")),
                destination=ip_address(text("dst")),
                protocol=int(text("proto")),
                source_port=int(text("sport")),
                destination_port=int(text("dport")),
                application=text("application"),
                rule=text("security-rule"),
            )
        except ValueError as error:
            raise ParseError(self.name, "its list of sessions is not understood") from error
