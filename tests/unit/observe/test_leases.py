"""Lease files of DHCP servers: no range holds an address that is not leased."""

from __future__ import annotations

import pytest

from segctl.observe.leases import leases_of

ISC = """\
# The format of this file is documented in the dhcpd.leases(5) manual page.
authoring-byte-order little-endian;
server-duid "\\000\\001{";
lease 10.1.0.101 {
  starts 3 2026/11/25 08:00:00;
  ends 3 2026/11/25 20:00:00;
  binding state active;
  next binding state free;
  hardware ethernet 52:54:00:00:00:01;
  uid "\\001RT}\\"\\000";
  client-hostname "desk;1}";
}
lease 10.1.0.102 { binding state free; }
lease 10.1.0.103 { binding state abandoned; }
lease 10.1.0.104 { binding state active; on commit { set x = "y"; } }
lease 10.1.0.104 { ends never; binding state active; client-hostname "printer"; }
lease 10.1.0.106 { binding state backup; }
ia-na "\\001\\002" {
  cltt 3 2026/11/25 08:00:00;
  iaaddr 2001:db8::5 {
    binding state active;
    max-life 3600;
  }
}
"""
DNSMASQ = """\
1764060000 52:54:00:00:00:01 10.1.0.101 desk1 01:52:54:00:00:00:01
1764060000 06-52:54:00:00:00:02 10.1.0.102 * *
0 52:54:00:00:00:03 10.1.0.20 printer *
duid 00:01:00:01:2f:00:00:01
1764060000 12345 2001:db8::5 desk1 00:01:00:01
"""


def test_a_file_of_dhcpd() -> None:
    found = leases_of(ISC)
    assert found.ranges == (
        ("10.1.0.101", "10.1.0.102"),
        ("10.1.0.106", "10.1.0.106"),
        ("2001:db8::5", "2001:db8::5"),
    )
    assert found.names == {"10.1.0.104": "printer"}


def test_a_file_of_dnsmasq() -> None:
    found = leases_of(DNSMASQ)
    assert found.ranges == (("10.1.0.101", "10.1.0.102"), ("2001:db8::5", "2001:db8::5"))
    assert found.names == {"10.1.0.20": "printer"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no lease"),
        ("10.1.0.5 desk1\n", "line 1: it is not a lease"),
        (f"{DNSMASQ}1764060000 52:54:00:00:00:01 10.1.0.300 x *\n", "line 6: '10.1.0.300'"),
        (f"{DNSMASQ}1764060000 nobody 10.1.0.30 x *\n", "line 6: it is not a lease"),
        (ISC[:-4], "a block does not end"),
        ("lease 10.1.0.x {\n}\n", "line 1: '10.1.0.x' is not an address"),
        ("lease 10.1.0.1 {\n}\n}\n", "line 3: a block ends"),
        ('lease 10.1.0.1 {\n uid "x;\n}\n', "line 2: a quote is open"),
    ],
)
def test_what_is_not_a_lease_file_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        leases_of(text)
