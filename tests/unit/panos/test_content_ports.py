"""The default ports of applications in rules of others: what the device's own content says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from segctl.analysis.effective import permitted
from segctl.analysis.space import ALL_SERVICES, Box, Names, Space, ranges, service
from segctl.model.errors import ConnectError, ParseError
from segctl.providers import parsed
from segctl.providers.base import provider, reading
from segctl.providers.panos import content_ports
from segctl.providers.panos.parse import PanosLive
from support.panos_documents import answer, live, rule, system

if TYPE_CHECKING:
    from segctl.analysis.space import Numbers

CONTAINERS = (
    b'<response status="success"><result><application-container><entry name="box"><functions>'
    b"<member>box-read</member></functions></entry></application-container></result></response>"
)
TOLD = (
    '<entry name="bacnet-ack-alarm"><default><port><member>udp/47808</member>'
    "<member>tcp/47808,47809</member></port></default></entry>"
    '<entry name="odd"><default><ident-by-ip-protocol>47</ident-by-ip-protocol></default></entry>'
)


def held_to_ports(
    name: str, application: str, *, body: str = "", port: str = "application-default"
) -> str:
    return rule(name, application=application, service=port, body=body)


def asked(rules: str, objects: str = "") -> list[str]:
    sent: list[str] = []

    def config(action: str, xpath: str) -> bytes:
        assert action == "get"
        sent.append(xpath)
        return b""

    content_ports.ask(config, (system(rules, objects),), CONTAINERS)
    return sent


def told_live(rules: str, told: bytes | None = None, wanted: str = "bacnet-ack-alarm") -> PanosLive:
    parts = (
        {content_ports.PORTS: told, content_ports.WANTED: wanted.encode()}
        if told is not None
        else {}
    )
    return live(rules, parts=parts)


def passes(held: PanosLive, application: str) -> tuple[Numbers, Numbers]:
    """Return the ports on which an application can pass, and surely does."""
    found = permitted(
        reading(provider("panos"), held).between("a", "b"),
        Space((Box(application=Names(frozenset({application}))),)),
    )
    can, sure = (
        ranges(part for box in space.boxes for part in box.service)
        for space in (found.can, found.sure)
    )
    return can, sure


def test_nothing_is_asked_without_a_rule_of_others_on_default_ports() -> None:
    assert not asked(held_to_ports("r", "bacnet-ack-alarm", port="any"))
    assert not asked(held_to_ports("r", "any"))
    assert not asked(held_to_ports("r", "bacnet-ack-alarm", body="<disabled>yes</disabled>"))
    assert not asked(
        held_to_ports("r", "bacnet-ack-alarm", body="<tag><member>segctl</member></tag>")
    )


def test_groups_and_containers_are_asked_for_by_their_applications() -> None:
    group = "<application-group><entry name='g'><members><member>odd</member><member>box</member>"
    rules = held_to_ports("r", "g") + held_to_ports("s", "bacnet-ack-alarm")
    (xpath,) = asked(rules, f"{group}</members></entry></application-group>")
    named = " or ".join(f"@name='{one}'" for one in ("bacnet-ack-alarm", "box-read", "odd"))
    assert xpath == f"/config/predefined/application/entry[{named}]"


def test_one_request_however_many_there_are_and_the_others_are_not_known() -> None:
    rules = "".join(
        held_to_ports(f"r{number}", f"application-{number:05}") for number in range(2000)
    )
    (xpath,) = asked(rules)
    assert len(xpath) < 25_000
    found = content_ports.ask(
        lambda _action, _xpath: answer("<result/>"), (system(rules),), CONTAINERS
    )
    assert len(found[content_ports.WANTED].split(b"\n")) == 2000


def test_the_device_says_more_than_the_catalogue() -> None:
    """Without it the rule was taken to deny what it lets through."""
    rules = held_to_ports("r", "bacnet-ack-alarm")
    wider = ranges((*service("tcp", 47808, 47809), *service("udp", 47808, 47808)))
    told = answer(f"<result>{TOLD}</result>")
    assert passes(told_live(rules, told), "bacnet-ack-alarm") == (wider, wider)
    known = service("udp", 47808, 47808)
    assert passes(told_live(rules), "bacnet-ack-alarm") == (known, known)


@pytest.mark.parametrize(
    "told",
    [
        answer("<result/>"),
        b"",
        b'<response status="error" code="16"/>',
        answer('<result><entry name="bacnet-ack-alarm"/></result>'),
        answer(f"<result>{TOLD}</result>").replace(b"udp/47808", b"sctp/1"),
        answer(f"<result>{TOLD}</result>").replace(b"udp/47808", b"udp/99999"),
        answer(f"<result>{TOLD}</result>").replace(b"udp/47808", b"udp/5,-"),
    ],
)
def test_ports_that_the_device_does_not_tell_are_not_known(told: bytes) -> None:
    can, sure = passes(told_live(held_to_ports("r", "bacnet-ack-alarm"), told), "bacnet-ack-alarm")
    assert can == ALL_SERVICES
    assert not sure


def test_an_application_without_ports_is_not_known() -> None:
    told = answer(f"<result>{TOLD}</result>")
    assert not passes(told_live(held_to_ports("r", "odd"), told, "odd"), "odd")[1]


def test_dynamic_is_every_port() -> None:
    assert content_ports.numbers(["tcp/dynamic"]) == service("tcp", 1, 65535)
    assert content_ports.numbers(["tcp/80,443-444"]) == ranges(
        (*service("tcp", 80, 80), *service("tcp", 443, 444))
    )
    assert content_ports.numbers([]) is None


def test_a_lost_connection_ends_the_read_and_a_refusal_does_not() -> None:
    def refuse(*_: str) -> bytes:
        raise ParseError("fw1", "refuses")

    def lose(*_: str) -> bytes:
        raise ConnectError("fw1", "is gone")

    rules = (system(held_to_ports("r", "bacnet-ack-alarm")),)
    found = content_ports.ask(refuse, rules, CONTAINERS)
    held = told_live(held_to_ports("r", "bacnet-ack-alarm"), found[content_ports.PORTS])
    assert held.ports == {"bacnet-ack-alarm": ()}
    with pytest.raises(ConnectError):
        content_ports.ask(lose, rules, CONTAINERS)


def test_a_snapshot_keeps_them() -> None:
    held = told_live(held_to_ports("r", "bacnet-ack-alarm"), answer(f"<result>{TOLD}</result>"))
    assert held.ports == {"bacnet-ack-alarm": ("tcp/47808,47809", "udp/47808")}
    assert parsed.load(parsed.dump(held), PanosLive).ports == held.ports
