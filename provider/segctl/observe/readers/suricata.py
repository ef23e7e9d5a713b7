"""Suricata's eve: flows, alerts, and requests of industrial protocols, joined by flow_id.

Fields as in Suricata 7 and 8, whose records of DNP3 and EtherNet/IP differ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from segctl.observe import functions as of
from segctl.observe.functions import function_of
from segctl.observe.observation import WITH_PORTS, Flow, Group, Observation, protocol_name
from segctl.observe.readers.base import Reader, RefusedError, clipped, number, port_of
from segctl.observe.readers.json_objects import objects, text_of
from segctl.observe.times import moment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from segctl.observe.observation import Completed, Side, Verdict
    from segctl.observe.readers.base import Context
    from segctl.observe.sources import Text

    Event = Mapping[str, Any]

_SENSOR: Final = "suricata"
_SYN: Final = 0x02
_STATES: Final[Mapping[str, Completed]] = {"new": "no", "established": "yes", "closed": "yes"}
_SEVERITIES: Final = {1: "high", 2: "medium", 3: "low"}
_NO_APPLICATION: Final = frozenset({"", "failed", "unknown"})


def _claims(head: str) -> int:
    return head.count('"event_type"') if '"timestamp"' in head else 0


def _read(text: Text, context: Context) -> Iterator[Observation]:
    for count, whole, event in objects(text, context):
        try:
            yield from _event(event, context)
        except RefusedError as error:
            context.file.refuse(str(error), count, whole)


READER: Final = Reader(name="Suricata eve", claims=_claims, read=_read)


def _event(event: Event, context: Context) -> Iterator[Observation]:
    kind = text_of(event.get("event_type"))
    match kind:
        case "flow":
            found = _flow_event(event, context)
        case "alert":
            found = _alert(event, context)
        case "modbus" | "dnp3" | "enip":
            yield from _functions(kind, event, context)
            return
        case _:
            context.file.other(kind or "no event_type")
            return
    if found is not None:
        yield found


def _part(event: Event, name: str) -> Event:
    found = event.get(name)
    return cast("Event", found) if isinstance(found, dict) else {}


def _flow(event: Event, context: Context, *, reverse: bool = False) -> Flow:
    protocol = protocol_name(text_of(event.get("proto")))
    if not protocol:
        raise RefusedError("a record has no protocol")
    ends = ("src", "dest") if not reverse else ("dest", "src")
    source, destination = (context.addresses.of(text_of(event.get(f"{end}_ip"))) for end in ends)
    port = port_of(text_of(event.get(f"{ends[1]}_port"))) if protocol in WITH_PORTS else 0
    return Flow(source, destination, "", protocol, port)


def _moment(value: object, context: Context) -> float:
    try:
        return moment(text_of(value), context.clock.zone)
    except ValueError:
        raise RefusedError("the time of a record is not one") from None


def _witness(event: Event) -> str:
    return clipped(text_of(event.get("host")) or _SENSOR)


def _applications(event: Event) -> tuple[str, ...]:
    name = text_of(event.get("app_proto"))
    return () if name in _NO_APPLICATION else (clipped(name),)


def _flow_event(event: Event, context: Context) -> Observation | None:
    key, told = text_of(event.get("flow_id")), _part(event, "flow")
    start, end = (_moment(told.get(name), context) for name in ("start", "end"))
    if key and context.named.again(("suricata", key, start)):
        context.file.duplicates += 1
        context.witnesses[_witness(event)].duplicates += 1
        return None
    flow = _flow(event, context)
    state = text_of(told.get("state"))
    group = Group(
        flow=flow,
        witness=_witness(event),
        applications=_applications(event),
        functions=context.conversations.take(key, flow.source),
        verdict=_verdict(text_of(told.get("action"))),
        reason=clipped(text_of(told.get("reason"))),
        completed=_STATES.get(state, "unknown"),
        direction="known" if flow.protocol != "tcp" or _began(event) else "inferred",
    )
    size = sum(number(text_of(told.get(f"bytes_to{side}"))) for side in ("server", "client"))
    return Observation(group, start, end, port_of(text_of(event.get("src_port"))), 1, size)


def _began(event: Event) -> bool:
    """Whether the side that is called the client was seen to begin."""
    flags = text_of(_part(event, "tcp").get("tcp_flags_ts"))
    try:
        return bool(int(flags, 16) & _SYN)
    except ValueError:
        return False


def _verdict(action: str) -> Verdict:
    return "deny" if action in {"drop", "blocked", "reject"} else "unknown"


def _alert(event: Event, context: Context) -> Observation | None:
    if "src_ip" not in event:
        context.file.other("alert without addresses")
        return None
    alert, when = _part(event, "alert"), _moment(event.get("timestamp"), context)
    level = alert.get("severity")
    severity = _SEVERITIES.get(level, "low") if isinstance(level, int) else "low"
    if "critical" in _metadata(alert, "signature_severity"):
        severity = "critical"
    flow = _flow(event, context)
    group = Group(
        flow=flow,
        witness=_witness(event),
        applications=_applications(event),
        verdict=_verdict(text_of(alert.get("action"))),
        reason="alert",
        completed="yes" if _answered(event, flow) else "unknown",
        threat=clipped(text_of(alert.get("signature"))) or "alert",
        severity=severity,
        category=_category(text_of(alert.get("category"))),
        attacker=_attacker(event, alert, flow, context),
    )
    return Observation(group, when, when, port_of(text_of(event.get("src_port"))), 0, 0)


def _metadata(alert: Event, name: str) -> frozenset[str]:
    """Return what a rule says of itself, in lower case."""
    found: object = _part(alert, "metadata").get(name)
    return (
        frozenset(one.lower() for one in cast("list[object]", found or ()) if isinstance(one, str))
        if isinstance(found, list)
        else frozenset()
    )


def _answered(event: Event, flow: Flow) -> bool:
    """Whether the alert is of a conversation: its protocol was recognised, and both sides spoke.

    A packet with a forged source is answered at most by what opens a connection.
    """
    told = _part(event, "flow")
    both = all(number(text_of(told.get(f"pkts_to{side}"))) > 1 for side in ("server", "client"))
    return flow.protocol == "tcp" and both and bool(_applications(event))


def _category(text: str) -> str:
    """Return the kind of an alert as firewalls call it.

    Source: Suricata, ``etc/classification.config``.
    """
    word = text.lower()
    if "command and control" in word:
        return "command-and-control"
    return "scan" if word == "detection of a network scan" else clipped(word)


def _attacker(event: Event, alert: Event, flow: Flow, context: Context) -> Side:
    """Return the side that attacks: as the rule's ``target`` says, else who sent the packet.

    Without the direction of the packet, which Suricata 7 added, that may be the victim's answer.
    """
    source = text_of(_part(alert, "source").get("ip"))
    if source:
        asked = context.addresses.of(source)
        sides: dict[str, Side] = {flow.destination: "destination", flow.source: "source"}
        return sides.get(asked, "")
    return "source" if event.get("direction") in {"to_server", "to_client"} else ""


def _functions(kind: str, event: Event, context: Context) -> Iterator[Observation]:
    asked = [*_ASKED[kind](_part(event, kind))]
    if not asked:
        context.file.other(f"{kind}: no function")
        return
    flow, when = _flow(event, context), _moment(event.get("timestamp"), context)
    for protocol, name in asked:
        context.file.evidence += 1
        old = context.conversations.add(
            text_of(event.get("flow_id")),
            flow,
            _witness(event),
            port_of(text_of(event.get("src_port"))),
            when,
            function_of(protocol, name),
        )
        if old is not None:
            yield old


def _modbus(told: Event) -> Iterator[tuple[str, str]]:
    code = _part(told, "request").get("function_raw")
    if isinstance(code, int):
        name = of.MODBUS_CODES.get(code, f"unknown-{code}")
        yield (of.UMAS if code == 90 else of.MODBUS), name


def _dnp3(told: Event) -> Iterator[tuple[str, str]]:
    request = _part(told, "request") or (told if told.get("type") == "request" else {})
    code = _part(request, "application").get("function_code")
    if isinstance(code, int):
        yield of.DNP3, of.DNP3_CODES.get(code, f"unknown-{code}")


def _enip(told: Event) -> Iterator[tuple[str, str]]:
    request = _part(told, "request")
    command = text_of(request.get("command")).replace("_", " ")
    cip = _part(request, "cip")
    inner = cip.get("multiple")
    services: list[object] = [
        cip,
        *(cast("list[object]", inner) if isinstance(inner, list) else []),
    ]
    for one in services:
        service: Event = cast("Event", one) if isinstance(one, dict) else {}
        name = of.cip_service(text_of(service.get("service")), text_of(service.get("class_name")))
        if name and (of.CIP, name.upper()) not in of.CARRIERS:
            yield of.CIP, name
    if command and not command.lower().startswith("send"):
        yield of.CIP, command


_ASKED: Final = {"modbus": _modbus, "dnp3": _dnp3, "enip": _enip}
