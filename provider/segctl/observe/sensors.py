"""What sensors call protocols, as the catalogue has them.

Sources of names: Zeek, the analyzers of ``src/analyzer/protocol`` as conn.log's `service` has them;
cisagov/icsnpp-*, their ``spicy_id`` and ``add_analyzer`` names; Suricata,
``src/app-layer-protos.c``.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from segctl.protocols.catalogue import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Ids of the catalogue by a sensor's word, where the two differ.
_PROTOCOLS: Final[Mapping[str, str]] = {
    "bacnet": "bacnet-ip",
    "cip": "cip-ethernet-ip",
    "dnp3_tcp": "dnp3",
    "dnp3_udp": "dnp3",
    "enip": "cip-ethernet-ip",
    "enip_tcp": "cip-ethernet-ip",
    "enip_udp": "cip-ethernet-ip",
    "ftp": "ftp-tftp",
    "ge_srtp": "ge-srtp",
    "hart_ip": "hart-ip",
    "hart_ip_tcp": "hart-ip",
    "hart_ip_udp": "hart-ip",
    "iec104": "iec-60870-5-104",
    "iec60870_5_104": "iec-60870-5-104",
    "mms": "iec-61850-mms",
    "modbus_tcp": "modbus",
    "omron_fins": "omron-fins",
    "omron_fins_tcp": "omron-fins",
    "omron_fins_udp": "omron-fins",
    "opcua": "opc-ua",
    "opcua_binary": "opc-ua",
    "profinet_io_cm": "profinet-cm",
    "rfb": "vnc",
    "roc_plus": "roc",
    "s7comm_plus": "s7comm-plus",
    "smb1": "smb",
    "smb2": "smb",
    "synchrophasor_tcp": "synchrophasor",
    "synchrophasor_udp": "synchrophasor",
    "tftp": "ftp-tftp",
}
#: Applications of the catalogue by a sensor's word, for services of no protocol of its own.
_APPLICATIONS: Final[Mapping[str, str]] = {
    "dns": "dns-base",
    "http": "web-browsing",
    "http2": "web-browsing",
    "krb": "kerberos",
    "krb5": "kerberos",
    "krb_tcp": "kerberos",
    "krb_udp": "kerberos",
    "ldap": "ldap",
    "ldap_tcp": "ldap",
    "ldap_udp": "ldap",
    "mysql": "mysql",
    "radius": "radius",
    "smtp": "smtp-base",
    "ssl": "ssl",
    "telnet": "telnet",
    "tls": "ssl",
}
#: Words that only say how something else is carried or signed in to.
CARRIERS: Final = frozenset(
    ("cotp", "tpkt", "cotp_tcp", "dce_rpc", "gssapi", "ntlm", "spnego", "ssl", "tls", "xmpp_tls")
)


def sensed(names: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the protocols (ids) and applications that a sensor's names stand for.

    What carries something else counts only where there is nothing else. A name that stands for
    nothing makes all of them stand for nothing: it is not known what was spoken besides.
    """
    held = tuple(sorted({name.lower() for name in names}))
    return _sensed(tuple(one for one in held if one not in CARRIERS) or held)


@cache
def _sensed(names: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    known = catalogue()
    protocols: set[str] = set()
    applications: set[str] = set()
    for name in names:
        protocol = _PROTOCOLS.get(name, name)
        application = _APPLICATIONS.get(name, "")
        if protocol in known.protocols:
            protocols.add(protocol)
        elif application:
            applications.add(application)
        else:
            return (), ()
    return tuple(sorted(protocols)), tuple(sorted(applications))
