"""A factory configuration: one virtual system, no port configured, no rule."""

from __future__ import annotations

from xml.sax.saxutils import escape


def factory(hostname: str, sw_version: str, users: tuple[str, ...] = ("admin",)) -> bytes:
    """Write the configuration a new device boots with."""
    return (
        f'<config version="{release_of(sw_version)}" urldb="paloaltonetworks" '
        f'detail-version="{sw_version}">'
        f"<mgt-config><users>{administrators(users)}</users></mgt-config>"
        "<shared><application/><application-group/><service/><service-group/>"
        "<botnet><report><topn>100</topn><scheduled>yes</scheduled></report></botnet></shared>"
        '<devices><entry name="localhost.localdomain">'
        "<network><interface><ethernet/>"
        "<loopback><units/></loopback><vlan><units/></vlan><tunnel><units/></tunnel></interface>"
        '<vlan/><virtual-wire/><profiles><monitor-profile><entry name="default">'
        "<interval>3</interval><threshold>5</threshold><action>wait-recover</action></entry>"
        '</monitor-profile></profiles><virtual-router><entry name="default"><interface/>'
        "</entry></virtual-router></network>"
        f"<deviceconfig><system><type><static/></type><hostname>{escape(hostname)}</hostname>"
        "<ip-address>127.0.0.1</ip-address><netmask>255.0.0.0</netmask>"
        "<timezone>UTC</timezone></system><setting><config><rematch>yes</rematch></config>"
        "<management><hostname-type-in-syslog>FQDN</hostname-type-in-syslog></management>"
        "</setting></deviceconfig>"
        '<vsys><entry name="vsys1"><application/><application-group/><zone/><service/>'
        "<service-group/><schedule/><rulebase/>"
        "<import><network><interface/></network></import></entry></vsys>"
        "</entry></devices></config>"
    ).encode()


def release_of(sw_version: str) -> str:
    """Return the release that a configuration of a version names."""
    return ".".join(sw_version.split("-", maxsplit=1)[0].split(".")[:2]) + ".0"


def administrators(users: tuple[str, ...]) -> str:
    """Write superusers."""
    return "".join(_admin(user) for user in users)


def _admin(user: str) -> str:
    return (
        f'<entry name="{escape(user, {chr(34): "&quot;"})}"><permissions><role-based>'
        "<superuser>yes</superuser></role-based></permissions></entry>"
    )
