"""What a host without our table answers to the reader: by part, its text and exit code."""

from __future__ import annotations

from support.nft import EMPTY

ABSENT = "Error: No such file or directory\nlist table inet segctl\n"
GOOD = {
    "uid": ("0", "0"),
    "nft": ("nftables v1.0.6", "0"),
    "host": ("gw 6.18", "0"),
    "machine": ("m", "0"),
    "clock": ("1764412345", "0"),
    "uptime": ("123.45 67.89", "0"),
    "links": ("[]", "0"),
    "chains": (EMPTY, "0"),
    "table": (ABSENT, "1"),
    "boot": ("cat: /etc/nftables.d/segctl.nft: No such file or directory", "0"),
    "body": ("e3b0c442  -", "0"),
    "loads": ("", "0"),
    "needs": ("ssh 192.0.2.2", "0"),
    "forwarding": ("ipv4/conf/all/forwarding:1", "0"),
}
