"""Names of numbers: protocols, ports, ICMP types and flags, as on Debian 12."""

from __future__ import annotations

#: Protocol names as getprotobynumber gives them.
PROTOCOLS: dict[int, str] = {
    0: "ip", 1: "icmp", 2: "igmp", 3: "ggp", 4: "ipencap", 5: "st", 6: "tcp", 8: "egp", 9: "igp",
    12: "pup", 17: "udp", 20: "hmp", 22: "xns-idp", 27: "rdp", 29: "iso-tp4", 33: "dccp", 36:
    "xtp", 37: "ddp", 38: "idpr-cmtp", 41: "ipv6", 43: "ipv6-route", 44: "ipv6-frag", 45: "idrp",
    46: "rsvp", 47: "gre", 50: "esp", 51: "ah", 57: "skip", 58: "ipv6-icmp", 59: "ipv6-nonxt", 60:
    "ipv6-opts", 73: "rspf", 81: "vmtp", 88: "eigrp", 89: "ospf", 93: "ax.25", 94: "ipip", 97:
    "etherip", 98: "encap", 103: "pim", 108: "ipcomp", 112: "vrrp", 115: "l2tp", 124: "isis", 132:
    "sctp", 133: "fc", 135: "mobility-header", 136: "udplite", 137: "mpls-in-ip", 138: "manet",
    139: "hip", 140: "shim6", 141: "wesp", 142: "rohc", 143: "ethernet",
}  # fmt: skip

PROTOCOL_NUMBERS: dict[str, int] = {
    "icmpv6": 58,
    **{name: number for number, name in PROTOCOLS.items()},
    "AX.25": 93, "CPHB": 73, "DCCP": 33, "DDP": 37, "EGP": 8, "EIGRP": 88, "ENCAP": 98, "ETHERIP":
    97, "Ethernet": 143, "FC": 133, "GGP": 3, "GRE": 47, "HIP": 139, "HMP": 20, "HOPOPT": 0,
    "ICMP": 1, "IDPR-CMTP": 38, "IDRP": 45, "IGMP": 2, "IGP": 9, "IP": 0, "IP-ENCAP": 4, "IPCOMP":
    108, "IPIP": 94, "IPSEC-AH": 51, "IPSEC-ESP": 50, "IPv6": 41, "IPv6-Frag": 44, "IPv6-ICMP":
    58, "IPv6-NoNxt": 59, "IPv6-Opts": 60, "IPv6-Route": 43, "ISIS": 124, "ISO-TP4": 29, "L2TP":
    115, "MPLS-in-IP": 137, "Mobility-Header": 135, "OSPFIGP": 89, "PIM": 103, "PUP": 12, "RDP":
    27, "ROHC": 142, "RSPF": 73, "RSVP": 46, "SCTP": 132, "SKIP": 57, "ST": 5, "Shim6": 140,
    "TCP": 6, "UDP": 17, "UDPLite": 136, "VMTP": 81, "VRRP": 112, "WESP": 141, "XNS-IDP": 22,
    "XTP": 36, "cphb": 73, "hopopt": 0, "ip-encap": 4, "ipsec-ah": 51, "ipsec-esp": 50, "ospfigp":
    89,
}  # fmt: skip

#: The services people name most; others are not resolved.
SERVICES: dict[str, int] = {
    "auth": 113, "bgp": 179, "bootpc": 68, "bootps": 67, "discard": 9, "domain": 53, "echo": 7,
    "epmd": 4369, "finger": 79, "ftp": 21, "ftp-data": 20, "gopher": 70, "http": 80, "https": 443,
    "imap2": 143, "imaps": 993, "ipp": 631, "isakmp": 500, "iso-tsap": 102, "kerberos": 88, "l2f":
    1701, "ldap": 389, "ldaps": 636, "ms-sql-s": 1433, "mysql": 3306, "nfs": 2049, "nntp": 119,
    "ntp": 123, "openvpn": 1194, "pop3": 110, "pop3s": 995, "postgresql": 5432, "radius": 1812,
    "radius-acct": 1813, "rtsp": 554, "sip": 5060, "sip-tls": 5061, "smtp": 25, "snmp": 161,
    "snmp-trap": 162, "ssh": 22, "submission": 587, "sunrpc": 111, "syslog": 514, "telnet": 23,
    "tftp": 69, "time": 37, "www": 80, "x11": 6000,
}  # fmt: skip

#: `nft describe` of 1.0.6.
ICMP_TYPES: dict[str, int] = {
    "echo-reply": 0, "destination-unreachable": 3, "source-quench": 4, "redirect": 5,
    "echo-request": 8, "router-advertisement": 9, "router-solicitation": 10, "time-exceeded": 11,
    "parameter-problem": 12, "timestamp-request": 13, "timestamp-reply": 14, "info-request": 15,
    "info-reply": 16, "address-mask-request": 17, "address-mask-reply": 18,
}  # fmt: skip

#: `nft describe` of 1.0.6.
ICMP_CODES: dict[str, int] = {
    "net-unreachable": 0, "host-unreachable": 1, "prot-unreachable": 2, "port-unreachable": 3,
    "net-prohibited": 9, "host-prohibited": 10, "admin-prohibited": 13, "frag-needed": 4,
}  # fmt: skip

#: `nft describe` of 1.0.6.
ICMPV6_TYPES: dict[str, int] = {
    "destination-unreachable": 1, "packet-too-big": 2, "time-exceeded": 3, "parameter-problem": 4,
    "echo-request": 128, "echo-reply": 129, "mld-listener-query": 130, "mld-listener-report": 131,
    "mld-listener-done": 132, "mld-listener-reduction": 132, "nd-router-solicit": 133,
    "nd-router-advert": 134, "nd-neighbor-solicit": 135, "nd-neighbor-advert": 136, "nd-redirect":
    137, "router-renumbering": 138, "ind-neighbor-solicit": 141, "ind-neighbor-advert": 142,
    "mld2-listener-report": 143,
}  # fmt: skip

#: `nft describe` of 1.0.6.
ICMPV6_CODES: dict[str, int] = {
    "no-route": 0, "admin-prohibited": 1, "addr-unreachable": 3, "port-unreachable": 4,
    "policy-fail": 5, "reject-route": 6,
}  # fmt: skip

#: `nft describe` of 1.0.6.
ICMPX_CODES: dict[str, int] = {
    "no-route": 0, "port-unreachable": 1, "host-unreachable": 2, "admin-prohibited": 3,
}  # fmt: skip

#: `nft describe` of 1.0.6.
DSCP: dict[str, int] = {
    "cs0": 0, "cs1": 8, "cs2": 16, "cs3": 24, "cs4": 32, "cs5": 40, "cs6": 48, "cs7": 56, "df": 0,
    "be": 0, "lephb": 1, "af11": 10, "af12": 12, "af13": 14, "af21": 18, "af22": 20, "af23": 22,
    "af31": 26, "af32": 28, "af33": 30, "af41": 34, "af42": 36, "af43": 38, "va": 44, "ef": 46,
}  # fmt: skip

#: `nft describe` of 1.0.6.
CT_STATES: dict[str, int] = {
    "invalid": 1, "established": 2, "related": 4, "new": 8, "untracked": 64,
}  # fmt: skip

#: `nft describe` of 1.0.6.
CT_STATUS: dict[str, int] = {
    "expected": 1, "seen-reply": 2, "assured": 4, "confirmed": 8, "snat": 16, "dnat": 32, "dying":
    512,
}  # fmt: skip

#: `nft describe` of 1.0.6.
CT_DIRECTIONS: dict[str, int] = {
    "original": 0, "reply": 1,
}  # fmt: skip

#: `nft describe` of 1.0.6.
TCP_FLAGS: dict[str, int] = {
    "fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32, "ecn": 64, "cwr": 128,
}  # fmt: skip

#: `nft describe` of 1.0.6.
ETHER_TYPES: dict[str, int] = {
    "ip": 2048, "arp": 2054, "ip6": 34525, "8021q": 33024, "8021ad": 34984, "vlan": 33024,
}  # fmt: skip

#: `nft describe` of 1.0.6.
PACKET_TYPES: dict[str, int] = {
    "host": 0, "unicast": 0, "broadcast": 1, "multicast": 2, "other": 3,
}  # fmt: skip

#: `nft describe` of 1.0.6.
ADDRESS_TYPES: dict[str, int] = {
    "unspec": 0, "unicast": 1, "local": 2, "broadcast": 3, "anycast": 4, "multicast": 5,
    "blackhole": 6, "unreachable": 7, "prohibit": 8,
}  # fmt: skip

#: `nft describe` of 1.0.6.
NFPROTOS: dict[str, int] = {
    "ipv4": 2, "ipv6": 10,
}  # fmt: skip

#: `nft describe` of 1.0.6.
DAYS: dict[str, int] = {
    "Sunday": 0, "Monday": 1, "Tuesday": 2, "Wednesday": 3, "Thursday": 4, "Friday": 5,
    "Saturday": 6,
}  # fmt: skip

#: `nft describe` of 1.0.6.
LOG_LEVELS: dict[str, int] = {
    "emerg": 0, "alert": 1, "crit": 2, "err": 3, "warn": 4, "notice": 5, "info": 6, "debug": 7,
    "audit": 8,
}  # fmt: skip
