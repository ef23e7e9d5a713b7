"""The functions of industrial protocols that nft can distinguish, and the chains that do it.

A request passes only if it fills one TCP segment exactly, by the protocol's own length field, so
that nothing precedes or follows the judged request. A request split over segments, a second request
in the same segment, and a false length are all refused. A client that sends several requests in one
segment stops working; a client whose requests are split by the network recovers when TCP resends
them unsplit.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING

from segctl.compiler import naming
from segctl.model.errors import Problem, UnsupportedError
from segctl.protocols import asked_classes, by_function, catalogue
from segctl.providers.nftables.table import Chain, Line, Set

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from segctl.model.policy import DeclaredRule
    from segctl.model.site import ProtocolUse
    from segctl.protocols import Applications, Protocol

#: TCP header lengths in words of 32 bits, in the upper half of their byte.
_OFFSETS = range(5, 16)
_DECLARED = "type integer . integer . integer;"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The form of a protocol's requests; offsets are in bits of the TCP payload.

    `length` is the place of the request's length, `sizes` maps its values to bytes of payload. A
    match in `session` permits what every class needs. Adjacent matches are written as one, as nft
    does.
    """

    length: str
    sizes: tuple[tuple[int, int], ...]
    classes: Mapping[str, tuple[str, ...]]
    session: tuple[str, ...] = ()


def _dnp3_size(length: int) -> int:
    """Return the size of a frame: a checksum of 2 bytes after the header and each 16 bytes."""
    data = length - 5
    return 10 + data + 2 * ((data + 15) // 16)


def _codes(where: str, *codes: int) -> str:
    listed = [f"0x{code:x}" for code in sorted(codes)]
    return f"{where} {listed[0]}" if len(listed) == 1 else f"{where} {{ {', '.join(listed)} }}"


def _dnp3(*codes: int) -> tuple[str, ...]:
    """Match an application function in a user data frame that is the only fragment."""
    return (f"@ih,0,16 0x564 @ih,80,8 & 0xc0 == 0xc0 {_codes('@ih,96,8', *codes)}",)


def _iec104(*types: int) -> tuple[str, ...]:
    return (f"@ih,0,8 0x68 @ih,16,8 & 0x1 == 0x0 {_codes('@ih,48,8', *types)}",)


def _s7_job(*codes: int) -> str:
    return f"@ih,0,16 0x300 @ih,32,40 0x2f0803201 {_codes('@ih,136,8', *codes)}"


def _s7_data(*codes: int) -> str:
    """Match user data requests by group and sub-function."""
    return f"@ih,0,16 0x300 @ih,32,40 0x2f0803207 {_codes('@ih,176,16', *codes)}"


SHAPES: Mapping[str, Shape] = {
    "modbus": Shape(
        length="@ih,32,16",
        sizes=tuple((length, length + 6) for length in range(2, 255)),
        classes={
            "read": (
                f"@ih,16,32 0x6 {_codes('@ih,56,8', 1, 2, 3, 4)}",
                f"@ih,16,32 0x4 {_codes('@ih,56,8', 24)}",
            ),
            "write": (
                f"@ih,16,32 0x6 {_codes('@ih,56,8', 5, 6)}",
                f"@ih,16,32 0x8 {_codes('@ih,56,8', 22)}",
                f"@ih,16,16 0x0 {_codes('@ih,56,8', 15, 16, 23)}",
            ),
            "diagnostic": (
                f"@ih,16,32 0x2 {_codes('@ih,56,8', 7, 11, 12, 17)}",
                f"@ih,16,32 0x6 {_codes('@ih,56,8', 8)}",
                f"@ih,16,32 0x5 {_codes('@ih,56,24', 0x2B0E01, 0x2B0E02, 0x2B0E03, 0x2B0E04)}",
            ),
            "file": (f"@ih,16,16 0x0 {_codes('@ih,56,8', 20, 21)}",),
        },
    ),
    "dnp3": Shape(
        length="@ih,16,8",
        sizes=tuple((length, _dnp3_size(length)) for length in range(5, 256)),
        # frames of the link layer alone; confirm, delay measurement, record current time
        session=("@ih,0,24 0x56405 @ih,24,8 & 0xf != 0x4", *_dnp3(0, 23, 24)),
        classes={
            "read": _dnp3(1),
            "write": _dnp3(2, 7, 8, 9, 10, 11, 12, 20, 21, 22),
            "control": _dnp3(3, 4, 5, 6),
            "program": _dnp3(13, 14, 15, 16, 17, 18, 19),
            "file": _dnp3(25, 26, 27, 28, 29, 30),
        },
    ),
    "iec-60870-5-104": Shape(
        length="@ih,8,8",
        sizes=tuple((length, length + 2) for length in range(4, 254)),
        session=("@ih,0,16 0x6804 @ih,16,8 & 0x1 == 0x1",),  # frames of type U and S
        classes={
            "read": _iec104(100, 101, 102),
            "write": _iec104(110, 111, 112, 113),
            "control": _iec104(*range(45, 52), *range(58, 65), 103),
            "program": _iec104(105),
            "diagnostic": _iec104(104, 106, 107),
            "file": _iec104(*range(120, 128)),
        },
    ),
    "s7comm": Shape(
        length="@ih,16,16",
        sizes=tuple((length, length) for length in range(7, 1025)),
        session=("@ih,0,16 0x300 @ih,40,8 0xe0", _s7_job(0xF0)),  # COTP connect, setup
        classes={
            "read": (_s7_job(0x04), _s7_data(0x4401)),
            "write": (_s7_job(0x05),),
            "program": (_s7_job(*range(0x1A, 0x20), 0x28, 0x29),),
            "diagnostic": (_s7_data(0x4401, 0x4301, 0x4302, 0x4303),),
        },
    ),
}


def applications(protocol: Protocol, classes: Sequence[str]) -> Applications:
    """Return the functions of a protocol by the names our rules use.

    Functions that nft cannot judge are included: only a rule for all of the ports permits them.

    Raises:
        UnsupportedError: an access class is unknown.
    """
    asked = asked_classes(protocol, classes)
    shape = SHAPES.get(protocol.id)
    blind = [word for word in asked if shape is None or word not in ("session", *shape.classes)]
    note = (
        f"{protocol.id}: nft cannot judge {', '.join(blind)}: the protocol's ports permit all of it"
    )
    return replace(by_function(protocol, asked), notes=(note,) if blind else ())


NAMES: tuple[str, ...] = tuple(
    naming.function_name(protocol, word)
    for protocol, shape in SHAPES.items()
    for word in ("session", *shape.classes)
)


# --- the protocols of a rule -------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Uses:
    """The result for a rule's protocols: names of functions to judge (none: ports), and notes."""

    names: tuple[str, ...] = ()
    notes: tuple[Problem, ...] = field(default=())


def uses(rule: DeclaredRule, where: str) -> Uses:
    """Return the functions and notes for a rule's protocols.

    Raises:
        UnsupportedError: nft cannot distinguish these functions from others of the protocol.
    """
    if not rule.enforce_functions:
        listed = ", ".join(use.protocol for use in rule.protocols)
        note = Problem(
            message=f"{where}: functions of {listed} are NOT enforced: every function passes on "
            "the protocol's ports",
            hint="the flow says functions: not-enforced; enforce them on another firewall",
            severity="warning",
            kind="functions",
        )
        return Uses(notes=(note,))
    judged = [use for use in rule.protocols if not _whole(use)]
    if not judged:
        return Uses(notes=tuple(_by_port(use) for use in rule.protocols))
    if len(rule.protocols) > 1:
        message = (
            f"{where}: nftables judges the functions of only one protocol per flow: split the flow"
        )
        raise UnsupportedError(message)
    (use,) = judged
    return Uses(names=tuple(_named(use, where)), notes=(_limits(use.protocol),))


def _whole(use: ProtocolUse) -> bool:
    """Whether a flow may use everything the protocol can do."""
    classes = set(catalogue().get(use.protocol).classes) - {"session"}
    return classes <= set(use.classes)


def _named(use: ProtocolUse, where: str) -> Iterator[str]:
    shape = SHAPES.get(use.protocol)
    if shape is None:
        known = ", ".join(SHAPES)
        message = (
            f"{where}: nftables cannot distinguish functions of {use.protocol} (it can for "
            f"{known}); permit all of its classes, put functions: not-enforced on the flow, or "
            "enforce it on another firewall"
        )
        raise UnsupportedError(message)
    asked = set(use.classes) - {"session"}
    missing = sorted(asked - set(shape.classes))
    if missing:
        message = (
            f"{where}: nftables cannot judge class {', '.join(missing)} of {use.protocol}; it can "
            f"judge {', '.join(shape.classes)}"
        )
        raise UnsupportedError(message)
    yield from (naming.function_name(use.protocol, word) for word in sorted(asked) or ["session"])


def _by_port(use: ProtocolUse) -> Problem:
    return Problem(
        message=f"protocol {use.protocol} is permitted by its ports: nftables does not check "
        "whether another protocol uses them",
        severity="note",
        kind="doubt",
    )


def _limits(protocol: str) -> Problem:
    return Problem(
        message=f"functions of {protocol} are judged packet by packet: a client that sends several "
        "requests in one segment stops working, and a hostile host that is permitted can "
        "still smuggle other functions past with overlapping segments",
        hint="this protects against faulty software, not against an attacker on a permitted host",
        severity="note",
        kind="functions",
    )


# --- chains and sets -----------------------------------------------------------------------------


def chain(name: str) -> str:
    """Return the chain that judges a function."""
    return f"fn_{name}"


def support(used: Iterable[str]) -> Iterator[Set | Chain]:
    """Yield the sets and chains that the functions in use need; unknown ones need none."""
    known = sorted(set(used) & set(NAMES))
    for name in known:
        protocol, word = naming.decode_function(name) or (name, "")
        shape = SHAPES[protocol]
        yield _entry(name, protocol, shape)
        matches = (*shape.session, *shape.classes.get(word, ()))
        yield Chain(name=f"is_{name}", lines=tuple(Line(f"{one} accept") for one in matches))
    for protocol in sorted({found[0] for name in known if (found := naming.decode_function(name))}):
        yield from (_exact(protocol, version) for version in (4, 6))


def _entry(name: str, protocol: str, shape: Shape) -> Chain:
    """Let packets without payload pass, and pass on packets that are one complete request."""
    head, go = "@th,96,8", f"goto is_{name}"
    return Chain(
        name=chain(name),
        lines=(
            Line(
                f"ip version 4 ip hdrlength 5 {head} . ip length . {shape.length} "
                f"@x4_{protocol} {go}"
            ),
            Line(f"ip6 nexthdr tcp {head} . ip6 length . {shape.length} @x6_{protocol} {go}"),
            Line("@ih,0,8 0x0-0xff return"),
            Line("tcp flags fin,syn,rst,ack accept"),
        ),
    )


@cache
def _exact(protocol: str, version: int) -> Set:
    """Return all (TCP header, IP length, protocol length) for which one request fills a packet."""
    shape = SHAPES[protocol]
    length = "ip length" if version == 4 else "ip6 length"
    more = 20 if version == 4 else 0
    return Set(
        name=f"x{version}_{protocol}",
        declaration=_DECLARED,
        made=f"typeof @th,96,8 . {length} . {shape.length};",
        elements=frozenset(
            f"{offset << 4} . {offset * 4 + size + more} . {value}"
            for value, size in shape.sizes
            for offset in _OFFSETS
        ),
    )
