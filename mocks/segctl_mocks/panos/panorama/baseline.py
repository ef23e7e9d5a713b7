"""The configuration that a new Panorama boots with, and how it names its firewalls."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

from segctl_mocks.panos.baseline import administrators, release_of


def factory(hostname: str, sw_version: str, users: tuple[str, ...] = ("admin",)) -> bytes:
    """Write the configuration of a new Panorama (a vendor's baseline of 9.0)."""
    return (
        f'<config version="{release_of(sw_version)}" urldb="paloaltonetworks" '
        f'detail-version="{sw_version}"><mgt-config><devices/>'
        f"<users>{administrators(users)}</users></mgt-config><shared/>"
        '<devices><entry name="localhost.localdomain"><deviceconfig><system>'
        f"<hostname>{escape(hostname)}</hostname><ip-address>127.0.0.1</ip-address>"
        "<netmask>255.0.0.0</netmask><timezone>UTC</timezone></system><setting><management>"
        "<storage-partition><internal/></storage-partition>"
        "<hostname-type-in-syslog>FQDN</hostname-type-in-syslog></management></setting>"
        "</deviceconfig></entry></devices></config>"
    ).encode()


def managed(serials: tuple[str, ...]) -> str:
    """Write the list of managed firewalls."""
    return "".join(f"<entry name={quoteattr(serial)}/>" for serial in serials)
