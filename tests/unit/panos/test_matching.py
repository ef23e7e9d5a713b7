"""What a device is asked about a packet, and the forms of its answer over the releases."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest
from lxml import etree

from segctl.analysis.decide import Packet
from segctl.model.errors import UnsupportedError
from segctl.providers.panos.matching import question, rule

PACKET = Packet(
    from_zone="A",
    to_zone="B & C",
    source=ip_address("10.1.0.1"),
    destination=ip_address("10.2.0.1"),
    protocol="tcp",
    port=502,
    application="modbus-base",
)


def test_a_packet_is_asked_about_by_all_that_is_known_of_it() -> None:
    assert question(PACKET) == (
        "<test><security-policy-match><from>A</from><to>B &amp; C</to><source>10.1.0.1</source>"
        "<destination>10.2.0.1</destination><protocol>6</protocol>"
        "<destination-port>502</destination-port><application>modbus-base</application>"
        "</security-policy-match></test>"
    )
    assert "<source-user>s\\ops</source-user>" in question(replace(PACKET, user="s\\ops"))
    assert "<protocol>1</protocol></sec" in question(
        replace(PACKET, protocol="icmp", port=8, application="")  # a type is no port
    )


@pytest.mark.parametrize("changes", [{"port": 0}, {"protocol": "", "port": 0}])
def test_what_the_device_has_no_words_for_is_not_asked(changes: dict[str, object]) -> None:
    with pytest.raises(UnsupportedError, match="without a port"):
        question(replace(PACKET, **changes))  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - fields of a packet


@pytest.mark.parametrize(
    ("result", "name"),
    [
        ("<rules><entry name='r 1'><index>3</index><action>allow</action></entry></rules>", "r 1"),
        ("<rules><entry>deny all and log; index: 3</entry></rules>", "deny all and log"),
        ('<msg><line><![CDATA["r1; index: 1" { action allow; }]]></line></msg>', "r1"),
        ("<rules><entry name='interzone-default'/></rules>", "interzone-default"),
        ("<rules/>", ""),
        ("", ""),
    ],
)
def test_the_rule_is_read_from_every_form(result: str, name: str) -> None:
    answer = etree.fromstring(f"<response status='success'><result>{result}</result></response>")
    assert rule(answer) == name
