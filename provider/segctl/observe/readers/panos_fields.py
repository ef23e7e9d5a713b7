"""What the fields of a PAN-OS record mean, in whatever form it comes.

Source: facts about logs of PAN-OS, checked on genuine records; field names are those of the XML.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from segctl.observe.observation import WITH_PORTS, Flow, Group, protocol_name
from segctl.observe.readers.base import RefusedError, clipped, port_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segctl.observe.observation import Completed, Direction, Side, Verdict
    from segctl.observe.readers.base import Addresses


class Shape(NamedTuple):
    """The fields that many records have in common, as they stand there."""

    serial: str
    subtype: str
    rule: str
    srcuser: str
    app: str
    vsys: str
    from_zone: str
    to_zone: str
    dport: str
    proto: str
    action: str
    session_end_reason: str = ""
    rule_uuid: str = ""


class Ends(NamedTuple):
    """The addresses of a record, as they stand there."""

    src: str
    dst: str
    natsrc: str = ""
    natdst: str = ""


class Common(NamedTuple):
    """What a shape means: protocol and port, and the fields of `Group` from `witness` on."""

    protocol: str
    port: int
    fields: tuple[Any, ...]


#: Applications that say that no conversation took place.
_NO_CONVERSATION: Final = frozenset({"incomplete", "not-applicable"})
#: Applications in the place of one that is not known yet.
_NO_APPLICATION: Final = frozenset({"", "incomplete", "not-applicable", "any", "undecided"})
_ALLOWED: Final = frozenset({"allow", "alert", "continue", "override", "forward"})
_DENIED: Final = ("deny", "drop", "reset", "block", "sinkhole", "random-drop", "syncookie")
_NOWHERE: Final = Flow("", "", "", "", 0)
_NO_NAT: Final = frozenset({"", "0.0.0.0", "::", "0"})  # noqa: S104 - what a record says without NAT


class Said(NamedTuple):
    """What a threat record is about, how severe that is, of which kind, and its direction."""

    threat: str = ""
    severity: str = ""
    category: str = ""
    direction: str = ""


_NO_THREAT: Final = Said()
#: The side that attacks by the direction of a signature: in one that matches what the server sends
#: it is the server.
_ATTACKERS: Final[Mapping[str, Side]] = {
    "client-to-server": "source",
    "server-to-client": "destination",
}


def category_of(subtype: str, category: str) -> str:
    """Return the kind of a threat: its category, but of a scan or a flood that it is one."""
    return subtype if subtype in {"scan", "flood"} or not category else category


def common_of(raw: Shape, said: Said = _NO_THREAT) -> Common:
    """Return what the fields that many records have in common mean.

    Args:
        raw: the fields.
        said: what a threat record says besides.

    Raises:
        RefusedError: a field cannot be what it must be.
    """
    protocol = protocol_name(raw.proto)
    if not protocol or not raw.serial:
        raise RefusedError("a record has no protocol or no serial number")
    verdict = verdict_of(raw.action)
    group = Group(
        flow=_NOWHERE,
        witness=clipped(raw.serial),
        from_zone=clipped(raw.from_zone),
        to_zone=clipped(raw.to_zone),
        applications=() if raw.app in _NO_APPLICATION else (clipped(raw.app),),
        user=clipped(raw.srcuser),
        verdict=verdict,
        reason=_reason(raw),
        completed=_completed(raw, verdict),
        rule=clipped(raw.rule),
        rule_uuid=clipped(raw.rule_uuid),
        direction=_direction(raw.app),
        threat=clipped(said.threat),
        severity=clipped(said.severity),
        category=clipped(said.category),
        attacker=_ATTACKERS.get(said.direction.strip().lower(), ""),
    )
    port = port_of(raw.dport) if protocol in WITH_PORTS else 0
    return Common(protocol, port, tuple(group[2:]))


def group_of(common: Common, ends: Ends, addresses: Addresses) -> Group:
    """Return what a record is of: its addresses, with what it has in common with others.

    Raises:
        RefusedError: an address is not one.
    """
    source, destination = addresses.of(ends.src), addresses.of(ends.dst)
    outer = "" if ends.natsrc in _NO_NAT else addresses.of(ends.natsrc)
    inner = "" if ends.natdst in _NO_NAT else addresses.of(ends.natdst)
    if inner == destination:
        inner = ""
    flow = Flow(source, destination, inner, common.protocol, common.port)
    return Group(flow, "" if outer == source else outer, *common.fields)


def verdict_of(action: str) -> Verdict:
    """Return what an action did: words of several are written with blanks or hyphens."""
    word = action.strip().lower().replace(" ", "-")
    if word in _ALLOWED:
        return "allow"
    return "deny" if word.startswith(_DENIED) else "unknown"


def _reason(raw: Shape) -> str:
    """Return how it ended; of what was no conversation, the word for that."""
    if raw.app in _NO_CONVERSATION:
        return raw.app
    return clipped(raw.session_end_reason or raw.subtype)


def _completed(raw: Shape, verdict: Verdict) -> Completed:
    if raw.app in _NO_CONVERSATION or raw.subtype in {"drop", "deny"} or verdict == "deny":
        return "no"
    return "yes" if raw.subtype == "end" else "unknown"


def _direction(app: str) -> Direction:
    """A session that was joined midway may have begun at the other side."""
    return "inferred" if app == "non-syn-tcp" else "known"
