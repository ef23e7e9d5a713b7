"""The mock's nftables beside the real one: same exit codes, same errors, same listings."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segctl_mocks import LinuxMock
from support.lab import refused
from support.nft_versions import nft_of

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


class Kernel(Protocol):
    """See conftest."""

    def compare(self, *scripts: str, places: bool = True) -> None: ...
    def compare_rules(self, start: str, rules: list[str]) -> None: ...


#: A table that holds what the single rules refer to.
BASE = """table inet t {
	counter c1 { }
	set s4 { type ipv4_addr; flags interval; }
	set s6 { type ipv6_addr; flags interval; }
	set t4 { type ipv4_addr . ipv4_addr . inet_proto . inet_service; flags interval; }
	set x4 { typeof @th,96,8 . ip length . @ih,32,16; }
	set r2 { typeof @ih,64,16 . @ih,80,16; }
	set dyn { type ipv4_addr; flags dynamic,timeout; size 100; timeout 1m; }
	map zp { type ifname . ifname : verdict; }
	map mm { type mark : verdict; }
	map pm { type inet_service : mark; }
	map vv { type ipv4_addr . inet_service : verdict; }
	chain other { }
	chain c { }
}
"""
DATA = Path(__file__).parent / "data"
THOROUGH = os.environ.get("SEGCTL_HYPOTHESIS") == "thorough"
RANDOM = pytest.mark.skipif(
    not THOROUGH, reason="`make fuzz` looks for new differences; the gate checks the known ones"
)
QUIET = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]


def lines(name: str) -> list[str]:
    text = (DATA / name).read_text("utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_rules_that_nft_takes(kernel: Kernel) -> None:
    rules = lines("rules.txt")
    assert len(rules) > 350
    kernel.compare(BASE, *(_rules(rules[start : start + 40]) for start in range(0, len(rules), 40)))


def _rules(bodies: list[str]) -> str:
    return "".join(f"add rule inet t c {body}\n" for body in bodies)


def test_rules_that_nft_refuses(kernel: Kernel) -> None:
    kernel.compare(BASE, *(f"add rule inet t c {body}" for body in lines("refused.txt")))


def scripts() -> list[str]:
    return (DATA / "scripts.txt").read_text("utf-8").split("\n===\n")


@pytest.mark.parametrize("number", range(len(scripts())))
def test_scripts(kernel: Kernel, number: int) -> None:
    kernel.compare(*scripts()[number].strip("\n").split("\n---\n"))


MADE = """
	set a { typeof ip saddr; flags interval; }
	set b { typeof iifname; }
	set d { typeof meta mark; }
	map e { typeof iifname . oifname : verdict; }
}
"""


@pytest.mark.parametrize("suite", ["trixie", "sid"])
def test_types_of_sets_as_a_newer_nft_lists_them(suite: str) -> None:
    if reason := refused():
        pytest.skip(reason)
    nft = nft_of(suite)
    script = BASE.removesuffix("}\n") + MADE.lstrip("\n")
    real = subprocess.run(
        ["unshare", "-n", "sh", "-c", '"$0" -f - && "$0" -j list ruleset', str(nft.program)],
        input=script, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    mock = LinuxMock("gw1", nft_version=nft.version)
    assert mock.edit("nft -f -", script).status == 0
    assert _types(mock.edit("nft -j list ruleset").out) == _types(real)


def _types(listing: str) -> dict[str, object]:
    objects = json.loads(listing)["nftables"]
    return {
        one["name"]: one["type"]
        for found in objects
        for kind, one in found.items()
        if kind in ("set", "map")
    }


def test_reference_rulesets(kernel: Kernel) -> None:
    folder = Path(__file__).resolve().parents[4] / "shared" / "facts" / "nft-reference"
    if not folder.is_dir():
        pytest.skip("the reference rulesets are not here")
    for name in ("base.nft", "doc_sample.nft", "modbus_ro.nft"):
        kernel.compare((folder / name).read_text("utf-8"))
    kernel.compare(
        *((folder / name).read_text("utf-8") for name in ("base.nft", "flush_readd.nft"))
    )


ROWS = [(doff << 4, doff * 4 + size, size) for size in range(2, 40) for doff in range(5, 16)]
LONG = [f"{one} . {two} . {three}" for one, two, three in ROWS]
#: Long lists that are read at once, and those in which something is not as it should be.
LISTS = {
    "right": LONG,
    "in hexadecimal": [" . ".join(map(hex, row)) for row in ROWS],
    "twice the same": [*LONG, LONG[7]],
    "too large": [*LONG[:100], "112 . 70000 . 1", *LONG[100:]],
    "one component": [*LONG[:100], "112", *LONG[100:]],
    "two components": [*LONG[:100], "112 . 7", *LONG[100:]],
    "four components": [*LONG[:100], "112 . 7 . 8 . 9", *LONG[100:]],
    "a word": [*LONG[:100], "112 . seven . 7", *LONG[100:]],
    "octal": [*LONG[:100], "112 . 010 . 7", *LONG[100:]],
    "a range": [*LONG[:100], "112 . 1-2 . 7", *LONG[100:]],
}


@pytest.mark.parametrize("name", LISTS)
def test_long_lists_of_numbers(kernel: Kernel, name: str) -> None:
    plain, lines_ = ", ".join(LISTS[name]), ",\n\t\t".join(LISTS[name])
    kernel.compare(
        BASE,
        *[f"add element inet t x4 {{ {plain} }}\n"] * 2,
        f"create element inet t x4 {{ {plain} }}\n",
        f"table inet t {{\n\tset x5 {{\n\t\ttypeof @th,96,8 . ip length . @ih,32,16\n"
        f"\t\telements = {{ {lines_} }}\n\t}}\n}}\nadd rule inet t nowhere accept\n",
        f"delete element inet t x4 {{ {', '.join(LISTS[name][50:])} }}\n",
    )


@pytest.mark.parametrize("kind", ["inet_service", "mark", "inet_proto", "ether_type"])
def test_long_lists_of_one_component(kernel: Kernel, kind: str) -> None:
    numbers = [str(number) for number in range(1, 90)]
    kernel.compare(
        f"table inet t {{ set s {{ type {kind}; }}; set i {{ type {kind}; flags interval; }}; }}",
        *(
            f"add element inet t {name} {{ {', '.join([*numbers, more])} }}\n"
            for name in "si"
            for more in ("100", "300", "70000", "0x2bad", "5")
        ),
    )


# -- generated -----------------------------------------------------------------------

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


def is_plain(rule: str) -> bool:
    """Leave out rules that say the protocol twice, or a set of protocols and then one of them.

    nft forgets in its listing what it knew when it read them; the mock does not follow there.
    """
    said = re.findall(r"meta nfproto|ip protocol|meta l4proto", rule)
    several = re.search(r"(?:meta nfproto|ip protocol|meta l4proto) (?:[!=]= )?{[^}]*,", rule)
    return len(said) <= 1 and several is None


RULES = st.builds(
    one_rule,
    st.lists(MATCHES, max_size=4),
    st.lists(MIDDLES, max_size=2),
    ENDS,
    st.none() | COMMENTS,
).filter(is_plain)
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


@RANDOM
@settings(
    max_examples=600,
    deadline=None,
    database=None,
    suppress_health_check=QUIET,
)
@given(st.lists(RULES, min_size=1, max_size=12))
def test_any_rule(kernel: Kernel, rules: list[str]) -> None:
    kernel.compare_rules(START, [f"add rule inet t base {rule}" for rule in rules])


@RANDOM
@settings(
    max_examples=600,
    deadline=None,
    database=None,
    suppress_health_check=QUIET,
)
@given(st.lists(st.lists(COMMANDS, min_size=1, max_size=3), min_size=1, max_size=10))
def test_any_commands(kernel: Kernel, steps: list[list[str]]) -> None:
    kernel.compare(START, *("\n".join(step) for step in steps), places=False)
