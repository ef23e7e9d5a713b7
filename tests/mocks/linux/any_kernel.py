"""Random rules and commands for the mock's nftables and the real one.

The gate tries the same few each time: test_kernel.py starts this in a process of its own.
`make fuzz` tries others every time, and more of them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


class Kernel(Protocol):
    """See conftest."""

    def compare(self, *scripts: str, places: bool = True) -> None: ...
    def compare_rules(self, start: str, rules: list[str]) -> None: ...


QUIET = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]
FEW = settings(
    max_examples=40,
    derandomize=True,
    phases=[Phase.generate],
    deadline=None,
    database=None,
    suppress_health_check=QUIET,
)
MANY = settings(
    max_examples=600,
    derandomize=False,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=QUIET,
)
LENGTH = MANY if os.environ.get("SEGCTL_HYPOTHESIS") == "thorough" else FEW

ADDRESSES = st.builds(
    "10.{}.{}.{}".format, st.integers(0, 2), st.integers(0, 3), st.integers(0, 255)
)
PREFIXES = st.builds("{}/{}".format, ADDRESSES, st.integers(8, 32))
PORTS = st.integers(0, 65535).map(str)


def ranges(values: SearchStrategy[int], form: str = "{}-{}") -> SearchStrategy[str]:
    return st.tuples(values, values).map(lambda pair: form.format(min(pair), max(pair)))


NETWORKS = st.one_of(
    ADDRESSES,
    PREFIXES,
    ranges(st.integers(0, 255), "10.0.1.{}-10.0.1.{}"),
)
PORT_RANGES = st.one_of(PORTS, ranges(st.integers(0, 65535)), ranges(st.integers(500, 510)))
SIXES = st.one_of(
    st.builds("fd00:{:x}::{:x}".format, st.integers(0, 3), st.integers(0, 65535)),
    st.builds("fd00:{:x}::/{}".format, st.integers(0, 65535), st.integers(8, 128)),
)
PROTOCOLS = st.sampled_from(["tcp", "udp", "icmp", "6", "ipv6-icmp", "sctp", "250"])
INTERFACES = st.sampled_from(["eth0", "eth1", "z_ent", "z_cell", "a", "veth12345"])
MARKS = st.one_of(st.integers(0, 20), st.sampled_from([0x10000, 0xFFFF0000, 0x20001]))
COMMENTS = st.text("abc XYZ=-_:./()äß", min_size=1, max_size=20).map(lambda text: f'"{text}"')


def braces(values: SearchStrategy[str], most: int = 5) -> SearchStrategy[str]:
    return st.lists(values, min_size=1, max_size=most, unique=True).map(
        lambda each: f"{{ {', '.join(each)} }}"
    )


def field(name: str, values: SearchStrategy[str]) -> SearchStrategy[str]:
    signs = st.sampled_from(["", "", "== ", "!= "])
    several = st.builds("{} {}{}".format, st.just(name), signs, braces(values))
    return st.builds("{} {}{}".format, st.just(name), signs, values) | several


STATES = st.lists(
    st.sampled_from(["new", "established", "related", "invalid", "untracked"]),
    min_size=1,
    max_size=3,
    unique=True,
)
RAW = st.builds(
    "@ih,{},{} {}".format,
    st.integers(0, 12).map(lambda number: number * 8),
    st.sampled_from([8, 16, 24, 32]),
    st.integers(0, 255).map(hex),
)
MATCHES = st.one_of(
    field("ip saddr", NETWORKS),
    field("ip daddr", NETWORKS),
    field("ip6 saddr", SIXES),
    field("tcp dport", PORT_RANGES),
    field("tcp sport", PORTS),
    field("udp dport", PORT_RANGES),
    field("meta l4proto", PROTOCOLS),
    field("th dport", PORT_RANGES),
    field("iifname", INTERFACES.map(lambda name: f'"{name}"')),
    field("ip protocol", PROTOCOLS),
    field("ip ttl", st.integers(0, 255).map(str)),
    field("ct mark", MARKS.map(str)),
    field("meta nfproto", st.sampled_from(["ipv4", "ipv6"])),
    field("icmp type", st.sampled_from(["echo-request", "echo-reply", "3", "200"])),
    field("icmpv6 type", st.sampled_from(["echo-request", "nd-neighbor-solicit", "1"])),
    field("ct direction", st.sampled_from(["original", "reply"])),
    field("ct original ip saddr", NETWORKS),
    field("tcp flags", st.sampled_from(["syn", "ack", "syn,ack", "fin"])),
    STATES.map(lambda states: f"ct state {','.join(states)}"),
    st.builds("ct mark & 0x{:x} == 0x{:x}".format, MARKS, MARKS),
    st.builds("ct mark & 0xffff0000 {} 0x00010000".format, st.sampled_from(["==", "!="])),
    RAW,
    st.sampled_from(
        [
            "ip saddr @net",
            "ip daddr != @net",
            "ip saddr . tcp dport @pair",
            "ip saddr . ip daddr . meta l4proto . th dport @quad",
            "tcp flags & (fin|syn|rst|ack) == syn",
            "tcp flags & (syn|ack) != 0",
            "meta mark 5",
        ]
    ),
)
MIDDLES = st.one_of(
    st.just("counter"),
    st.just("counter name c0"),
    st.builds("ct mark set 0x{:x}".format, MARKS),
    st.builds("ct mark set ct mark & 0x0000ffff | 0x{:x}".format, MARKS),
    st.builds(
        "limit rate {}/second burst {} packets".format, st.integers(1, 99), st.integers(1, 9)
    ),
    st.builds('log prefix "p{}: " group {}'.format, st.integers(0, 9), st.integers(0, 9)),
)
ENDS = st.sampled_from(
    [
        "accept",
        "drop",
        "return",
        "jump k0",
        "goto k1",
        "jump k2",
        "reject",
        "continue",
        "reject with tcp reset",
        "iifname . oifname vmap @pairs",
        "ct mark vmap { 1 : accept, 2 : jump k1 }",
        "ct mark & 0xffff0000 vmap { 0x10000 : accept, 0x20000 : jump k1 }",
        "ct direction reply ct mark & 0xffff0000 vmap @marks",
    ]
)


def one_rule(matches: list[str], middles: list[str], end: str, comment: str | None) -> str:
    return " ".join([*matches, *middles, end, *([f"comment {comment}"] if comment else [])])


RULES = st.builds(
    one_rule,
    st.lists(MATCHES, max_size=4),
    st.lists(MIDDLES, max_size=2),
    ENDS,
    st.none() | COMMENTS,
)
PAIRS = st.builds('"{}" . "{}"'.format, INTERFACES, INTERFACES)
VERDICTS = st.sampled_from(["accept", "drop", "jump k0", "jump k1", "goto k2"])
QUADS = st.builds("{} . {} . {} . {}".format, NETWORKS, NETWORKS, PROTOCOLS, PORT_RANGES)
ELEMENTS = st.one_of(
    braces(NETWORKS).map(lambda body: f"net {body}"),
    braces(st.builds("{} . {}".format, ADDRESSES, PORTS)).map(lambda body: f"pair {body}"),
    braces(QUADS).map(lambda body: f"quad {body}"),
    braces(st.builds("{} : {}".format, PAIRS, VERDICTS)).map(lambda body: f"pairs {body}"),
    braces(st.builds("{} comment {}".format, PORTS, COMMENTS)).map(lambda body: f"ports {body}"),
)
CHAINS = st.sampled_from(["k0", "k1", "k2", "base"])
OBJECTS = st.one_of(
    CHAINS.map(lambda name: f"chain inet t {name}"),
    st.sampled_from(["net", "pair", "quad", "ports"]).map(lambda name: f"set inet t {name}"),
    st.just("map inet t pairs"),
    st.sampled_from(["c0", "c1"]).map(lambda name: f"counter inet t {name}"),
)
COMMANDS = st.one_of(
    st.builds("add rule inet t {} {}".format, CHAINS, RULES),
    st.builds("add rule inet t {} {}".format, CHAINS, RULES),
    st.builds("insert rule inet t {} {}".format, CHAINS, RULES),
    ELEMENTS.map(lambda body: f"add element inet t {body}"),
    ELEMENTS.map(lambda body: f"add element inet t {body}"),
    ELEMENTS.map(lambda body: f"create element inet t {body}"),
    ELEMENTS.map(lambda body: f"delete element inet t {body}"),
    CHAINS.map(lambda name: f"flush chain inet t {name}"),
    st.sampled_from(["flush set inet t net", "flush map inet t pairs", "add table inet u"]),
    OBJECTS.map(lambda body: f"delete {body}"),
    CHAINS.map(lambda name: f"add chain inet t {name}"),
    st.sampled_from(["add counter inet t c1", "create counter inet t c0", "delete table inet u"]),
)
START = """table inet t {
	counter c0 { }
	counter c1 { packets 5 bytes 6; comment "x"; }
	set net { type ipv4_addr; flags interval; }
	set pair { type ipv4_addr . inet_service; }
	set quad { type ipv4_addr . ipv4_addr . inet_proto . inet_service; flags interval; counter; }
	set ports { type inet_service; comment "named"; }
	map pairs { type ifname . ifname : verdict; }
	map marks { type mark : verdict; }
	chain base { type filter hook forward priority filter; policy drop; }
	chain k0 { comment "first"; }
	chain k1 { }
	chain k2 { }
}
"""


@settings(LENGTH)
@given(st.lists(RULES, min_size=1, max_size=12))
def test_any_rule(kernel: Kernel, rules: list[str]) -> None:
    kernel.compare_rules(START, [f"add rule inet t base {rule}" for rule in rules])


@settings(LENGTH)
@given(st.lists(st.lists(COMMANDS, min_size=1, max_size=3), min_size=1, max_size=10))
def test_any_commands(kernel: Kernel, steps: list[list[str]]) -> None:
    kernel.compare(START, *("\n".join(step) for step in steps), places=False)
