"""How a firewall is managed and what it needs, as its own configuration says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from lxml import etree

from segctl.model.policy import FirewallZone
from segctl.providers.management import Management, Need, Plane
from segctl.providers.panos.management import management
from segctl.providers.panos.snapshot import Snapshot

ELSEWHERE = Path(__file__).resolve().parents[3].parent / "shared" / "third-party"
SAMPLES = Path(os.environ.get("SEGCTL_THIRD_PARTY", ELSEWHERE)) / "panos-samples"
SYSTEM = "<response status='success'><result><system>{}</system></result></response>"


def answer(inner: str) -> bytes:
    return f'<response status="success"><result>{inner}</result></response>'.encode()


def read(
    deviceconfig: str,
    network: str = "<network/>",
    *,
    system: str = "",
    template: str = "",
    zones: tuple[FirewallZone, ...] = (),
    logs: str = "",
) -> Management:
    parts = {
        "deviceconfig": answer(f"<deviceconfig>{deviceconfig}</deviceconfig>"),
        "network": answer(network),
    }
    if template:
        parts["pushed template"] = answer(template)
    snapshot = Snapshot(host="fw", user="u", scope="vsys1", parts=parts)
    scope = etree.fromstring(f"<entry>{logs}</entry>") if logs else None
    return management(snapshot, etree.fromstring(SYSTEM.format(system)), zones, (None, scope))


NETWORK = """<network><profiles><interface-management-profile>
<entry name="admins"><https>yes</https><permitted-ip><entry name="10.9.0.0/24"/></permitted-ip>
</entry><entry name="pings"><ping>yes</ping></entry></interface-management-profile></profiles>
<interface><ethernet><entry name="ethernet1/1"><layer3><ip><entry name="10.1.0.1/24"/></ip>
<interface-management-profile>admins</interface-management-profile>
<units><entry name="ethernet1/1.7"><ip><entry name="10.7.0.1/24"/></ip>
<interface-management-profile>pings</interface-management-profile></entry></units></layer3></entry>
<entry name="ethernet1/9"><layer3><ip><entry name="10.8.0.1/24"/></ip></layer3></entry></ethernet>
<loopback><units><entry name="loopback.1"><ip><entry name="10.255.0.1"/></ip>
<interface-management-profile>admins</interface-management-profile></entry></units></loopback>
</interface></network>"""
INSIDE = (FirewallZone(name="IN", interfaces=("ethernet1/1", "ethernet1/1.7", "loopback.1")),)


def test_interfaces_in_zones_and_the_one_for_management_are_found() -> None:
    found = read("<system/>", NETWORK, zones=INSIDE, system="<ip-address>10.9.0.7</ip-address>")
    assert found.planes == (
        Plane(address="10.9.0.7", interface="management", manages=True),
        Plane(address="10.1.0.1", interface="ethernet1/1", zone="IN", manages=True),
        Plane(address="10.7.0.1", interface="ethernet1/1.7", zone="IN"),
        Plane(address="10.255.0.1", interface="loopback.1", zone="IN", manages=True),
    )
    assert found.unread == ()


@pytest.mark.parametrize(
    ("layer", "told"),
    [
        ("<dhcp-client/>", "the address of ethernet1/1, which DHCP gives it"),
        ('<ip><entry name="object"/></ip>', "the address object of ethernet1/1 is an object"),
    ],
)
def test_an_address_that_is_not_known_is_told(layer: str, told: str) -> None:
    network = NETWORK.replace('<ip><entry name="10.1.0.1/24"/></ip>', layer)
    assert read("<system/>", network, zones=INSIDE).unread == (told,)


def test_a_profile_that_is_not_known_may_permit_management() -> None:
    network = NETWORK.replace(
        "<interface-management-profile>admins</", "<interface-management-profile>tpl</"
    )
    found = read("<system/>", network, zones=INSIDE)
    assert found.unread[0] == "the management profile tpl of ethernet1/1 is not known"
    assert found.planes[0].manages


ROUTE = """<system><ntp-servers><primary-ntp-server><ntp-server-address>10.2.0.9
</ntp-server-address></primary-ntp-server></ntp-servers><route>{}</route></system>"""
OWN, IN_BAND = ("10.9.0.7", ""), ("10.255.0.1", "IN")


def routed(kind: str, name: str, inner: str) -> str:
    return f'<{kind}><entry name="{name}">{inner}</entry></{kind}>'


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        ("", OWN),
        (routed("service", "ntp", "<source><interface>loopback.1</interface></source>"), IN_BAND),
        (routed("service", "ntp", "<source><address>10.255.0.1/32</address></source>"), IN_BAND),
        (routed("service", "ntp", "<source-address>10.255.0.1</source-address>"), IN_BAND),
        (
            routed("destination", "10.2.0.9", "<source><interface>loopback.1</interface></source>"),
            IN_BAND,
        ),
        (routed("service", "dns", "<source><interface>loopback.1</interface></source>"), OWN),
    ],
)
def test_service_routes_say_from_where_it_asks(route: str, expected: tuple[str, str]) -> None:
    found = read(
        ROUTE.format(route), NETWORK, zones=INSIDE, system="<ip-address>10.9.0.7</ip-address>"
    )
    source, zone = expected
    assert found.needs == (
        Need(name="ntp", hosts=("10.2.0.9",), services=("udp/123",), source=source, zone=zone),
    )


def test_what_panoramas_template_says_counts_too() -> None:
    template = """<config><devices><entry name="localhost.localdomain"><deviceconfig><system>
    <panorama><local-panorama><panorama-server>10.9.0.2</panorama-server><panorama-server-2>
    10.9.0.3</panorama-server-2></local-panorama></panorama></system></deviceconfig></entry>
    </devices></config>"""
    found = read("<system/>", template=template)
    assert [(one.name, one.hosts) for one in found.needs] == [
        ("panorama", ("10.9.0.2",)),
        ("panorama", ("10.9.0.3",)),
    ]


def test_log_servers_and_the_peer_are_needed() -> None:
    logs = """<log-settings><syslog><entry name="s"><server><entry name="a"><server>10.3.0.1
    </server><transport>SSL</transport></entry><entry name="b"><server>siem.example</server>
    </entry></server></entry></syslog></log-settings>"""
    high = """<high-availability><enabled>yes</enabled><interface><ha1><port>management</port></ha1>
    </interface><group><peer-ip>10.9.0.8</peer-ip></group></high-availability>"""
    found = read(high, logs=logs, system="<ip-address>10.9.0.7</ip-address>")
    assert [(one.name, one.hosts, one.services, one.source) for one in found.needs] == [
        ("syslog", ("10.3.0.1",), ("tcp/6514",), "10.9.0.7"),
        ("syslog", ("siem.example",), ("udp/514",), "10.9.0.7"),
        ("ha", ("10.9.0.8",), ("tcp/28769", "tcp/28260", "tcp/28"), "10.9.0.7"),
    ]
    assert read(high.replace(">yes<", ">no<")).needs == ()
    link = "<port>ha1-a</port><ip-address>10.9.0.1</ip-address><netmask>255.255.255.0</netmask>"
    direct = high.replace("<port>management</port>", link)
    assert read(direct).needs == ()  # it is a cable
    (far,) = read(direct.replace("255.255.255.0", "255.255.255.252")).needs
    assert (far.name, far.source) == ("ha", "10.9.0.1")


def test_settings_that_are_refused_are_told() -> None:
    parts = {
        "deviceconfig": b'<response status="error"><msg><line>Permission denied</line></msg>'
        b"</response>",
        "network": b'<response status="error"><msg><line>No such node</line></msg></response>',
    }
    snapshot = Snapshot(host="fw", user="u", scope="vsys1", parts=parts)
    found = management(snapshot, etree.fromstring(SYSTEM.format("")), (), ())
    (told,) = found.unread
    assert "Permission denied" in told


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the recorded configurations are not here")
@pytest.mark.parametrize(
    ("file", "needs"),
    [
        (
            "device-firewall-paloalto/pa.localdomain.xml",
            {("dns", "8.8.8.8"), ("updates", "updates.paloaltonetworks.com")},
        ),
        (
            "configs/pan_multicloud-lab_bootstrap.xml",
            {("updates", "updates.paloaltonetworks.com")},
        ),
    ],
)
def test_real_configurations_are_read(file: str, needs: set[tuple[str, str]]) -> None:
    root = etree.parse(SAMPLES / file).getroot()
    device = root.find("devices/entry")
    assert device is not None
    held = {tag: device.find(tag) for tag in ("deviceconfig", "network")}
    parts = {
        tag: answer(etree.tostring(node, encoding="unicode"))
        for tag, node in held.items()
        if node is not None
    }
    zones = tuple(
        FirewallZone(
            name=entry.get("name", ""),
            interfaces=tuple(one.text or "" for one in entry.iterfind("network/*/member")),
        )
        for entry in device.iterfind("vsys/entry/zone/entry")
    )
    snapshot = Snapshot(host="fw", user="u", scope="vsys1", parts=parts)
    found = management(snapshot, etree.fromstring(SYSTEM.format("")), zones, ())
    assert {(one.name, host) for one in found.needs for host in one.hosts} >= needs
    assert found.unread == ()
