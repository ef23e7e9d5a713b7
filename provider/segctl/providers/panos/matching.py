"""What a device itself says about a packet: ``test security-policy-match``.

Sources: vendor's API guide and recorded answers for the forms of the answer, which changed with
release 9.0. A packet that no rule meets has no rule in the answer, or the default rule.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from segctl.model.errors import UnsupportedError

if TYPE_CHECKING:
    from segctl.analysis.decide import Packet
    from segctl.providers.panos.elements import Element

_NUMBERS = {"icmp": 1, "tcp": 6, "udp": 17, "icmpv6": 58, "sctp": 132}
_WITH_PORTS = frozenset({"tcp", "udp", "sctp"})
_QUOTED = re.compile(r'^"?([^";]+)"?; index: \d+')


def question(packet: Packet) -> str:
    """Return the command that asks which rule decides about a packet.

    Raises:
        UnsupportedError: the device has no words for it.
    """
    number = _NUMBERS.get(packet.protocol)
    ported = packet.protocol in _WITH_PORTS
    if number is None or (ported and not packet.port):
        message = f"a packet of {packet.protocol or 'no protocol'} without a port"
        raise UnsupportedError(message)
    fields = {
        "from": packet.from_zone,
        "to": packet.to_zone,
        "source": str(packet.source),
        "destination": str(packet.destination),
        "protocol": str(number),
        "destination-port": str(packet.port) if ported else "",
        "application": packet.application,
        "source-user": packet.user,
    }
    inside = "".join(f"<{tag}>{escape(text)}</{tag}>" for tag, text in fields.items() if text)
    return f"<test><security-policy-match>{inside}</security-policy-match></test>"


def rule(answer: Element) -> str:
    """Return the rule that an answer names, empty where it names none."""
    entry = answer.find("result/rules/entry")
    if entry is None:
        found = answer.findtext("result/msg/line") or ""
    else:
        found = entry.get("name") or entry.text or ""
    listed = _QUOTED.match(found.strip())
    return listed[1] if listed else found.strip()
