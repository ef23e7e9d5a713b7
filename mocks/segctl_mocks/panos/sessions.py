"""The session table: all that match a filter, or the details of one.

Shape of the list: recorded by pan-os-upgrade-assurance. Words of the filter: the vendor's CLI
reference. Shape of the details: a client in the wild (two directions ``c2s`` and ``s2c``, then what
both have in common); the vendor's words for a number that no session has are not recorded.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from segctl_mocks.panos.answers import Answer, ApiError, result
from segctl_mocks.panos.tree import text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segctl_mocks.panos.device import PanosDevice
    from segctl_mocks.panos.showings import Call
    from segctl_mocks.panos.tree import Element

#: Words of a filter that name a field otherwise than a session does.
_FIELDS = {
    "destination": "dst",
    "destination-port": "dport",
    "egress-interface": "egress",
    "ingress-interface": "ingress",
    "protocol": "proto",
    "rule": "security-rule",
    "source-port": "sport",
    "vsys-name": "vsys",
}
_EXACT = frozenset(
    [
        "source",
        "dst",
        "sport",
        "dport",
        "proto",
        "from",
        "to",
        "application",
        "security-rule",
        "state",
        "type",
        "vsys",
        "ingress",
        "egress",
    ]
)
_START = "%a %b %d %H:%M:%S %Y"


def listed(device: PanosDevice, node: Element, _call: Call) -> Answer:
    """Show the sessions that match every word of a filter, or how many they are."""
    wanted = {
        _FIELDS.get(str(word.tag), str(word.tag)): text_of(word)
        for word in node.iterfind("filter/*")
    }
    counting = wanted.pop("count", "no") == "yes"
    now = device.clock()
    shown = [one for one in device.sessions if _matches(one, wanted, now)]
    if counting:
        return result(f"<member>{len(shown)}</member>")
    return result("".join(f"<entry>{_texts(session)}</entry>" for session in shown))


def _matches(session: Mapping[str, str], wanted: Mapping[str, str], now: float) -> bool:
    for field, value in wanted.items():
        if field in _EXACT:
            if session.get(field) != value:
                return False
        elif field == "nat" and value in {"none", "source", "destination", "both"}:
            source, target = (session.get(name) == "True" for name in ("srcnat", "dstnat"))
            if {"none": not (source or target), "source": source, "destination": target}.get(
                value, source and target
            ) is False:
                return False
        elif field == "min-age" and value.isdigit():
            if _age(session, now) < int(value):
                return False
        elif field == "min-kb" and value.isdigit():
            if int(session.get("total-byte-count", "0")) < int(value) * 1024:
                return False
        else:
            raise ApiError("17", f" show -> session -> all -> filter -> {field}  is unexpected")
    return True


def _age(session: Mapping[str, str], now: float) -> float:
    try:
        return now - datetime.strptime(session["start-time"], _START).astimezone().timestamp()
    except (KeyError, ValueError):
        return 0.0


def clear(device: PanosDevice, node: Element, _call: Call) -> Answer:
    """End the sessions that match every word of a filter; without one, all of them.

    No test may do the latter: it would be the outage of a plant (`PanosMock` fails then).
    """
    wanted = {
        _FIELDS.get(str(word.tag), str(word.tag)): text_of(word)
        for word in node.iterfind("filter/*")
    }
    if not any(wanted.values()):
        device.cleared_all += 1
    now = device.clock()
    ended = [one for one in device.sessions if _matches(one, wanted, now)]
    device.sessions = [one for one in device.sessions if one not in ended]
    return result("<member>sessions cleared</member>")


def clear_one(device: PanosDevice, node: Element, _call: Call) -> Answer:
    """End a session by its number."""
    number = text_of(node)
    device.sessions = [one for one in device.sessions if one.get("idx") != number]
    return result(f"<member>session {escape(number)} cleared</member>")


def one(device: PanosDevice, node: Element, _call: Call) -> Answer:
    """Show the details of a session by its number."""
    number = text_of(node)
    for session in device.sessions:
        if number and session.get("idx") == number:
            return result(_details(session))
    raise ApiError("", f"session {number} not found")


def _details(session: Mapping[str, str]) -> str:
    common = {"proto": session.get("proto", ""), "state": session.get("state", "")}
    common |= {"type": session.get("type", ""), "ipver": "ipv4"}
    client = {
        "source": session.get("source", ""),
        "dst": session.get("dst", ""),
        "sport": session.get("sport", ""),
        "dport": session.get("dport", ""),
        "source-zone": session.get("from", ""),
    }
    server = {
        "source": session.get("xdst", ""),
        "dst": session.get("xsource", ""),
        "sport": session.get("xdport", ""),
        "dport": session.get("xsport", ""),
        "source-zone": session.get("to", ""),
    }
    rest = {
        "start-time": session.get("start-time", ""),
        "timeout": "3600",
        "total-byte-count": session.get("total-byte-count", ""),
        "vsys": session.get("vsys", ""),
        "application": session.get("application", ""),
        "rule": session.get("security-rule", ""),
        "ingress": session.get("ingress", ""),
        "egress": session.get("egress", ""),
    }
    ways = f"<c2s>{_texts(client | common)}</c2s><s2c>{_texts(server | common)}</s2c>"
    return f"<slot>1</slot><cpu>0</cpu>{ways}{_texts(rest)}"


def _texts(values: Mapping[str, str]) -> str:
    return "".join(f"<{name}>{escape(value)}</{name}>" for name, value in values.items())
