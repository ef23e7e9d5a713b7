"""Containing on a Linux host: elements of timed sets, which every packet meets before all else.

Measured with nft 1.0.6 on a kernel 6.18: ``create element`` refuses an address that is there, while
``add element`` gives it another time and keeps its comment; a network that overlaps another one of
the same set is refused; an element leaves the set when its time is over, without anybody's doing.

The host keeps connections of those who are contained in its table until they time out. Nothing of
them passes: every packet is judged by the rules as they are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final, cast

from segctl.compiler import naming
from segctl.model.addresses import interval, interval_text
from segctl.model.errors import ApplyError, DeviceError, ParseError
from segctl.providers.containing import Held, LiveSession
from segctl.providers.nftables import agent, names, watching
from segctl.providers.nftables.listing import address_key, entries, shaped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from segctl.compiler.naming import ContainedNote
    from segctl.model.addresses import Interval
    from segctl.transports.ssh_exec import Answer

#: Seconds that an element may last: what PAN-OS keeps, too.
LONGEST: Final = 2_592_000
#: A set without a size takes as many elements as there is memory: so many are surely nothing.
_SURE_ROOM: Final = 65_536
_LINE: Final = re.compile(
    r"(?P<name>[a-z][a-z0-9-]*|unknown)\s+(?P<protocol>\d{1,3})\s.*?"
    r"\bsrc=(?P<source>\S+) dst=(?P<target>\S+)(?: sport=(?P<sport>\d+) dport=(?P<dport>\d+))?"
    r".*?\bsrc=(?P<asked>\S+) dst=(?P<asking>\S+)",
    re.ASCII,
)


def set_of(address: str, group: str = naming.CONTAINED) -> str:
    """Return the set of a group that takes an address or a network."""
    version, first, last = interval(address)
    found = names.timed_sets(group)[version]
    return found[-1] if first != last else found[0]


def members(listing: str, group: str = naming.CONTAINED) -> tuple[Held, ...]:
    """Return who is in the sets of a group in a listing.

    Raises:
        ValueError: it is not a listing.
    """
    with shaped():
        return tuple(
            _member(element, group)
            for kind, values in entries(listing)
            if kind == "set" and values["name"] in _sets(group)
            for element in cast("list[Any]", values.get("elem", []))
        )


def _sets(group: str) -> tuple[str, ...]:
    return tuple(name for found in names.timed_sets(group).values() for name in found)


def _member(element: Any, group: str) -> Held:
    inner: Mapping[str, Any] = {"val": element}
    if isinstance(element, dict) and "elem" in element:
        inner = cast("dict[str, Any]", element)["elem"]
    return Held(
        address=interval_text(interval(address_key(inner["val"]))),
        note=naming.decode_contained(str(inner.get("comment", "")), group),
        enforced=True,
    )


def added(address: str, note: ContainedNote, seconds: int, group: str = naming.CONTAINED) -> str:
    """Return the command that contains an address that is not contained yet.

    Raises:
        ValueError: the time is none, or longer than a host keeps it.
    """
    if not 0 < seconds <= LONGEST:
        raise ValueError(seconds)
    comment = naming.encode_contained(note, group)
    return (
        f"create element {names.TABLE} {set_of(address, group)} "
        f'{{ {address} timeout {seconds}s comment "{comment}" }}\n'
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HostCell:
    """One Linux host, by how it runs nft's transactions and what root gets to see of commands."""

    name: str
    shown: Callable[[str], Answer]
    write: Callable[[str], Answer]
    failed: Callable[[str, Answer], DeviceError]
    group: str = naming.CONTAINED

    @property
    def judges_all(self) -> bool:
        """Every packet is judged by the rules as they are."""
        return True

    @property
    def unread(self) -> str:
        """It has one policy."""
        return ""

    def held(self) -> Sequence[Held]:
        """Return who is in the sets.

        Raises:
            DeviceError: a set is not there, or its listing is not understood.
        """
        found: list[Held] = []
        for name in _sets(self.group):
            answer = self.shown(f"/usr/sbin/nft -j list set {names.TABLE} {name}")
            if answer.code != 0 and agent.ABSENT in answer.err:
                message = "nothing is prepared there to contain anybody: run segctl apply"
                raise ParseError(self.name, message)
            if answer.code != 0:
                raise self.failed(f"listing set {name}", answer)
            try:
                found += members(answer.out, self.group)
            except ValueError as error:
                message = f"its listing of set {name} is not understood"
                raise ParseError(self.name, message) from error
        return found

    def room(self) -> int:
        """Return for how many more addresses there is surely room."""
        return _SURE_ROOM

    def hold(
        self, addresses: Sequence[str], note: ContainedNote, seconds: int, *, persistent: bool
    ) -> None:
        """Put addresses into their sets, all or none; after a restart they are not there."""
        del persistent
        answer = self.write("".join(added(one, note, seconds, self.group) for one in addresses))
        if answer.code != 0 and ("overlaps" in answer.err or "File exists" in answer.err):
            raise ApplyError(
                self.name,
                f"somebody contains {', '.join(addresses)} already, or a network that overlaps it "
                f"({answer.reason})",
            )
        if answer.code != 0:
            raise self.failed("containing", answer)

    def release(self, addresses: Sequence[str]) -> None:
        """Take addresses out of their sets; those that somebody else put there stay."""
        for one in self.held():
            if one.note is not None and one.address in addresses:
                where = f"{names.TABLE} {set_of(one.address, self.group)}"
                answer = self.write(f"delete element {where} {{ {one.address} }}\n")
                if answer.code != 0 and not any(word in answer.err for word in _GONE):
                    raise self.failed("releasing", answer)

    def sessions(self, part: Interval) -> Sequence[LiveSession]:
        """Return the connections of addresses that the host keeps.

        Raises:
            ParseError: it does not list them, or not in a form that is understood.
        """
        version, first, last = part
        answer = self.shown(watching.CONNTRACK.format(f"ipv{version}"))
        if answer.code != 0:
            raise ParseError(self.name, f"does not list its connections: {answer.reason}")
        lines = (line for line in answer.out.split("\n") if line.strip())
        return [
            one
            for one in map(self._session, lines)
            if any(end.version == version and first <= int(end) <= last for end in one.ends)
        ]

    def end(self, session: LiveSession) -> None:
        """Do nothing: a connection whose packets do not pass is none, and times out."""

    def _session(self, line: str) -> LiveSession:
        """Read a connection, by the addresses of its packets where they are forwarded."""
        match = _LINE.match(line.strip())
        try:
            if match is None:
                raise ValueError  # noqa: TRY301 - one place says what is not understood
            return LiveSession(
                source=ip_address(match["source"]),
                destination=ip_address(match["asked"]),
                protocol=int(match["protocol"]),
                source_port=int(match["sport"] or 0),
                destination_port=int(match["dport"] or 0),
            )
        except ValueError as error:
            message = "its list of connections is not understood"
            raise ParseError(self.name, message) from error


#: What nft says where an element that is to go is no longer there.
_GONE: Final = ("No such file or directory", "element does not exist")
