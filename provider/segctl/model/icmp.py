"""The types of ICMP by their names, as nft has them, which are those of IANA in other spellings."""

from __future__ import annotations

from typing import Final

#: Names by protocol; ``icmp`` is that of IPv4.
TYPES: Final[dict[str, dict[str, int]]] = {
    "icmp": {
        "echo-reply": 0,
        "destination-unreachable": 3,
        "source-quench": 4,
        "redirect": 5,
        "echo-request": 8,
        "router-advertisement": 9,
        "router-solicitation": 10,
        "time-exceeded": 11,
        "parameter-problem": 12,
        "timestamp-request": 13,
        "timestamp-reply": 14,
        "info-request": 15,
        "info-reply": 16,
        "address-mask-request": 17,
        "address-mask-reply": 18,
    },
    "icmpv6": {
        "destination-unreachable": 1,
        "packet-too-big": 2,
        "time-exceeded": 3,
        "parameter-problem": 4,
        "echo-request": 128,
        "echo-reply": 129,
        "mld-listener-query": 130,
        "mld-listener-report": 131,
        "mld-listener-done": 132,
        "mld-listener-reduction": 132,
        "nd-router-solicit": 133,
        "nd-router-advert": 134,
        "nd-neighbor-solicit": 135,
        "nd-neighbor-advert": 136,
        "nd-redirect": 137,
        "router-renumbering": 138,
        "ind-neighbor-solicit": 141,
        "ind-neighbor-advert": 142,
        "mld2-listener-report": 143,
    },
}
_LAST: Final = 255


def numbered(protocol: str, text: str) -> dict[str, int]:
    """Return the types that a text means, by protocol.

    A name asked of ``icmp`` means that type in each version of IP that has it; a number is one of
    the protocol itself.

    Raises:
        ValueError: the protocol has no such type.
    """
    if text.isascii() and text.isdigit() and int(text) <= _LAST:
        return {protocol: int(text)}
    asked = tuple(TYPES) if protocol == "icmp" else (protocol,)
    found = {one: TYPES[one][text] for one in asked if text in TYPES[one]}
    if not found:
        raise ValueError(f"{protocol} has no type {text!r}")
    return found


def refusal(protocol: str, text: str, application: str) -> str:
    """Say why a question cannot be about a type of ICMP, with what to do; nothing if it can."""
    if protocol not in TYPES:
        return "only ICMP has types: use the protocol icmp or icmpv6"
    if application:
        return "firewalls tell ICMP apart by its type or by an application: leave one out"
    try:
        numbered(protocol, text)
    except ValueError as error:
        return f"{error}: use a number from 0 to {_LAST}, or one of {', '.join(TYPES[protocol])}"
    return ""
