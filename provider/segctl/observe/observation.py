"""One observation of traffic: what a witness saw between two addresses."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

#: What the witness did with the traffic. `unknown`: it only watched, or did not say.
Verdict = Literal["allow", "deny", "unknown"]
#: Whether the source is known to have begun, or only taken for it.
Direction = Literal["known", "inferred"]
#: Whether both sides took part: a handshake and data, or an answer.
Completed = Literal["yes", "no", "unknown"]
#: A side of a flow; empty where it is not known which.
Side = Literal["", "source", "destination"]


class Function(NamedTuple):
    """One function of an industrial protocol that a request asked for.

    `protocol` is an id of the catalogue, `name` the name of the function as the witness wrote it.
    `access_class` is the catalogue's, empty where the catalogue does not have this function: then
    it is open what it does.
    """

    protocol: str
    name: str
    access_class: str


#: How a record of a single packet ends, which a rule logged and others may tell the end of.
LOGGED_PACKET: Final = "logged packet"


class Flow(NamedTuple):
    """Who talks to whom: an address is text in its canonical form, a port is 0 without ports.

    `protocol` is a name in lower case (``tcp``) or a number as text. The destination is the address
    before NAT, `inner` the address after it where the two differ, else empty.
    """

    source: str
    destination: str
    inner: str
    protocol: str
    port: int


class Group(NamedTuple):
    """All that observations of one kind have in common.

    `witness` is the serial number or the name of who saw it. Zones are the device's own names.
    `outer` is the source after NAT where it differs, else empty. `applications` are those on the
    way, the final one last. `reason` is the witness's word for how it ended. `threat` names what
    a threat record is about, with `severity` and `category`, the witness's word for its kind; all
    are empty in records of traffic. `attacker` says which side a threat record speaks against, by
    the direction of its signature; empty where it does not say.
    """

    flow: Flow
    outer: str = ""
    witness: str = ""
    from_zone: str = ""
    to_zone: str = ""
    applications: tuple[str, ...] = ()
    functions: tuple[Function, ...] = ()
    user: str = ""
    verdict: Verdict = "unknown"
    reason: str = ""
    completed: Completed = "unknown"
    rule: str = ""
    rule_uuid: str = ""
    direction: Direction = "known"
    threat: str = ""
    severity: str = ""
    category: str = ""
    attacker: Side = ""


class Observation(NamedTuple):
    """One record, in a form that all formats share.

    Values are immutable; they are tuples rather than dataclasses since a million of them are made
    in a run, at a fifth of the time. `start` and `end` are seconds since 1970 in UTC, None where
    the record does not say. `sessions` is 0 for a record that tells more of a session that another
    one counts. `source_port` is 0 where it is unknown.
    """

    group: Group
    start: float | None
    end: float | None
    source_port: int
    sessions: int
    bytes: int


def counted_by(group: Group) -> str:
    """Return who counts the sessions of a group: those of one counter are different ones.

    A gateway that logs the first packet of what it lets pass, and its end as well, tells of the
    same sessions twice.
    """
    if group.reason == LOGGED_PACKET and group.verdict != "deny":
        return f"{group.witness} {LOGGED_PACKET}"
    return group.witness


#: IP protocols by number, as far as firewalls name them.
#: Source: IANA, Assigned Internet Protocol Numbers.
PROTOCOLS: Final = {
    1: "icmp",
    2: "igmp",
    4: "ipip",
    6: "tcp",
    17: "udp",
    41: "ipv6",
    47: "gre",
    50: "esp",
    51: "ah",
    58: "ipv6-icmp",
    88: "eigrp",
    89: "ospf",
    103: "pim",
    112: "vrrp",
    132: "sctp",
}
_NUMBERS: Final = {str(number): name for number, name in PROTOCOLS.items()}
#: Protocols with ports.
WITH_PORTS: Final = frozenset({"tcp", "udp", "sctp"})


def protocol_name(text: str) -> str:
    """Return the name of an IP protocol that a record gives by name or by number."""
    word = text.strip().lower()
    word = _NUMBERS.get(word, word)
    return "ipv6-icmp" if word in {"icmp6", "icmpv6", "ipv6-icmp"} else word
