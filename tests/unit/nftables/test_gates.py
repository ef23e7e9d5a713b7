"""Chains of others that packets must pass, too: what they may drop is never surely permitted."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING

import pytest

from segctl.analysis.effective import Reading, permitted
from segctl.analysis.space import (
    ALL_ADDRESSES,
    ALL_SERVICES,
    REAL,
    Box,
    Space,
    addresses,
    service,
)
from segctl.analysis.words import Beyond, Literally
from segctl.model.addresses import interval
from segctl.model.gate import Gate, GateRule
from segctl.model.policy import DefaultRule, FirewallZone, Policy
from segctl.model.site import Flow
from segctl.planning.make import plan_device
from segctl.providers.base import reading
from segctl.providers.nftables.gates import lasting_sets
from segctl.providers.state import UNREAD
from segctl_mocks.linux.mock import LinuxMock
from support.nft import PROVIDER, desired, live, tcp

if TYPE_CHECKING:
    from segctl.providers.base import Live

ESTABLISHED = "ct state established,related accept;"
NAT = (
    "table inet theirs {\n chain n {\n type nat hook postrouting priority 100; masquerade;\n }\n}\n"
)
PORTS = Space((Box(service=service("tcp", 443)),))


def chain(rules: str, *, policy: str = "accept", hook: str = "forward", more: str = "") -> str:
    head = f"type filter hook {hook} priority -5; policy {policy};"
    return f"table inet theirs {{\n{more}\n chain c {{ {head} {rules}\n }}\n}}\n"


def with_theirs(text: str) -> Live:
    mock = LinuxMock()
    assert mock.edit("/usr/sbin/nft -f -", text).status == 0, text
    name = f"{text.split()[1]} theirs"
    return live(_ours(), foreign={name: mock.config_json(f"table {name}")})


@cache
def _ours() -> str:
    mock = LinuxMock()
    made = plan_device(desired(Flow(id="web", services=(tcp(443),))), live(), PROVIDER)
    assert mock.edit("/usr/sbin/nft -f -", made.script).status == 0
    return mock.config_json("table inet segctl")


def outcome(found: Live) -> str:
    """Say what becomes of HTTPS from one zone to the other, which a conduit declares."""
    rule = found.policy.rules[0]
    held = reading(PROVIDER, found, gated=True)
    between = held.between(rule.from_zones[0], rule.to_zones[0])
    everything = permitted(reading(PROVIDER, found).between(rule.from_zones[0], rule.to_zones[0]))
    told = permitted(between, PORTS & everything.sure)
    if told.sure:
        assert not told.unknown
        return "passes"
    assert not told.sure
    return "cannot tell" if told.can else "dropped"


@pytest.mark.parametrize(
    "text",
    [
        chain("tcp dport 80 drop;"),
        chain("tcp dport { 1-79, 444 } drop;"),
        chain("meta l4proto udp drop;"),
        chain('iifname "e9" drop;'),
        chain('oifname { "e8", "e9" } drop;'),
        chain("ip saddr 203.0.113.0/24 drop;"),
        chain("ip daddr @s drop;", more=" set s { type ipv4_addr; elements = { 203.0.113.1 }\n }"),
        chain("ct state invalid drop;"),
        chain("ip saddr 203.0.113.1 jump x;", more=" chain x { drop;\n }"),
        chain(f"{ESTABLISHED} tcp dport 443 accept; drop;"),
        chain(f"{ESTABLISHED} ct state new tcp dport 443 counter accept;", policy="drop"),
        chain(f"{ESTABLISHED} jump x;", policy="drop", more=" chain x { tcp dport 443 accept;\n }"),
        chain("accept;", policy="drop", hook="prerouting"),
        chain("tcp dport vmap { 443 : accept };"),
        chain("ct state vmap { invalid : drop, established : accept, related : accept };"),
        chain("jump x;", more=" chain x { return; drop;\n }"),
        chain("jump x;", more=" chain x { counter return;\n }"),
        chain('iifname vmap { "e9" : jump x };', more=" chain x { drop;\n }"),
        chain("ct state established return; return; drop;"),
        chain("drop;").replace("inet", "bridge"),
        chain("ip daddr 10.0.0.0/8 tcp dport 1-100 drop;"),
        chain("ip saddr != 10.0.0.0/8 drop;"),
        chain(f"{ESTABLISHED} tcp dport != 443 drop;"),
        chain("meta l4proto != tcp drop;"),
        chain(f"{ESTABLISHED} tcp dport != {{ 80, 443 }} accept; tcp dport 443 accept; drop;"),
    ],
)
def test_what_surely_passes_them_passes(text: str) -> None:
    assert outcome(with_theirs(text)) == "passes"


@pytest.mark.parametrize(
    "text",
    [
        chain("limit rate over 5/second drop;"),
        chain('iifname != "e9" drop;'),
        chain("tcp flags != syn drop;"),
        chain("ip ttl 5 drop;"),
        chain("ct state established drop;"),
        chain("ct state { established, invalid } drop;"),
        chain("tcp dport 443 accept; drop;"),  # and no answer to it
        chain("jump x;", policy="drop", more=" chain x { tcp dport 443 accept;\n }"),
        chain("tcp dport 443 accept; tcp dport 5000 drop;"),
        chain(f"tcp dport 443 accept; tcp dport 1024-65535 drop; {ESTABLISHED}"),
        chain("ct state new tcp dport 443 accept;", policy="drop"),  # and no answer to it
        chain("tcp dport 443 limit rate 5/second accept;", policy="drop"),
        chain("ip saddr 10.2.0.11 return; drop;"),
        chain("jump x; drop;", more=" chain x { ip ttl 5 accept;\n }"),
        chain("ct state untracked accept; drop;"),
        chain('iifname "e1" drop;', hook="postrouting"),
        chain('oifname "e1" drop;', hook="prerouting"),
        chain("drop;").replace("inet", "bridge").replace("forward", "prerouting"),
        NAT + chain("drop;", hook="prerouting"),
        chain("drop;").replace("{", "{ flags dormant;", 1),
    ],
)
def test_what_they_may_drop_cannot_be_told(text: str) -> None:
    assert outcome(with_theirs(text)) == "cannot tell"


@pytest.mark.parametrize(
    "text",
    [
        chain("", policy="drop"),
        chain("", policy="drop", hook="postrouting"),
        chain("tcp dport 443 drop;"),
        chain("tcp dport 443 reject;"),
        chain("tcp dport 400-500 counter drop;"),
        chain("th dport 443 drop;"),
        chain("limit rate 5/second log; drop;"),
        chain("ct state established,related accept; ct state new drop;"),
        chain("tcp dport vmap { 443 : drop };"),
        chain("tcp dport vmap { 443 : goto x };", more=" chain x { drop;\n }"),
        chain("jump x;", more=" chain x { tcp dport 443 drop;\n }"),
        chain("goto x;", policy="drop", more=" chain x { tcp dport 80 accept;\n }"),
        chain("return; accept;", policy="drop"),
        chain("jump x; drop;", more=" chain x { return; accept;\n }"),
        chain("ip saddr 203.0.113.1 tcp dport 443 accept;", policy="drop"),
        chain('iifname "e9" accept;', policy="drop"),
        chain("tcp dport != 80 drop;"),
        chain("tcp dport != { 80, 500-600 } drop;"),
        chain("meta l4proto != udp drop;"),
        chain("ip saddr != 203.0.113.0/24 drop; ip6 saddr != fd99::/64 drop;"),
        chain("icmp type != 8 accept; icmpv6 type 1 accept;", policy="drop"),
        chain("ip protocol udp accept;", policy="drop"),
    ],
)
def test_what_they_surely_drop_is_dropped(text: str) -> None:
    assert outcome(with_theirs(text)) == "dropped"


#: Sets and maps of others, and what a short listing leaves out of them.
HELD = """
 set s { type ipv4_addr; flags interval; elements = { 10.2.0.0/24, 203.0.113.1 comment "x" }
 }
 set far { type ipv4_addr; elements = { 203.0.113.1 }
 }
 set none { type ipv4_addr; }
 set ports { type inet_service; flags interval; elements = { 1-79, 443 }
 }
 map m { type inet_service : verdict; elements = { 443 : goto x, 80 : accept }
 }
 map away { type inet_service : verdict; elements = { 80 : drop }
 }
 map empty { type inet_service : verdict; }
 set timed { type ipv4_addr; flags timeout; elements = { 203.0.113.1 }
 }
 set pairs { type ipv4_addr . inet_service; elements = { 203.0.113.1 . 80 }
 }
 chain x { drop;
 }
"""


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("ip saddr @s drop; meta nfproto ipv6 drop;", "dropped"),
        ("ip saddr @far drop;", "passes"),
        ("ip saddr @none drop;", "passes"),
        ("tcp dport @ports drop;", "dropped"),
        ("tcp dport vmap @m;", "dropped"),
        ("tcp dport vmap @away;", "passes"),
        ("tcp dport vmap @empty;", "passes"),
        ("ip saddr @timed drop;", "cannot tell"),
        ("ip saddr . tcp dport @pairs drop;", "cannot tell"),
    ],
)
def test_what_sets_of_others_hold_that_last_is_known(rule: str, told: str) -> None:
    mock = LinuxMock()
    assert mock.edit("/usr/sbin/nft -f -", chain(rule, more=HELD)).status == 0
    listing = mock.edit("nft -j -t list table inet theirs").out
    assert "203.0.113.1" not in listing
    elements = {
        f"inet theirs {name}": mock.edit(f"nft -j list {kind} inet theirs {name}").out
        for kind, name in lasting_sets(listing)
    }
    assert len(elements) == (0 if "timed" in rule else 1)
    found = live(_ours(), foreign={"inet theirs": listing}, elements=elements)
    assert outcome(found) == told


def test_a_set_that_packets_are_added_to_does_not_last() -> None:
    rules: list[object] = [
        {"rule": {"chain": "c", "expr": [{"match": {"op": "==", "left": {}, "right": "@s"}}]}},
        {"rule": {"chain": "c", "expr": [{"set": {"op": "add", "elem": {}, "set": "@t"}}]}},
        {"rule": {"chain": "c", "expr": [{"match": {"op": "==", "left": {}, "right": "@t"}}]}},
        {"rule": {"chain": "c", "expr": ["add @m { ip saddr : tcp dport }"]}},
        {"rule": {"chain": "c", "expr": [{"vmap": {"key": {}, "data": "@m"}}]}},
    ]
    sets: list[object] = [{"set": {"name": name}} for name in "stu"]
    sets += [{"set": {"name": "v", "flags": "interval"}}, {"map": {"name": "m"}}]
    assert lasting_sets(json.dumps({"nftables": [*sets, *rules]})) == (("set", "s"),)


def test_a_listing_of_a_set_that_was_cut_off_says_nothing() -> None:
    mock = LinuxMock()
    text = chain("ip saddr @s drop;", more=HELD)
    assert mock.edit("/usr/sbin/nft -f -", text).status == 0
    listing = mock.edit("nft -j -t list table inet theirs").out
    held = mock.edit("nft -j list set inet theirs s").out
    for cut in ("", held[:-3], held[:40]):
        elements = {"inet theirs s": cut}
        found = live(_ours(), foreign={"inet theirs": listing}, elements=elements)
        assert outcome(found) == "cannot tell"


def test_zones_with_spaces_in_their_names_are_told_apart() -> None:
    """`a b` to `c` is not `a` to `b c`."""
    zones = [FirewallZone(name=name, interfaces=(name,), type="") for name in ("a b", "c", "b c")]
    rule = GateRule(
        action="drop",
        certain=True,
        enters=("a b",),
        leaves=("c",),
        sources=ALL_ADDRESSES,
        destinations=ALL_ADDRESSES,
        services=ALL_SERVICES,
    )
    gates = (Gate(name="gate", why="it drops", rules=(rule,)),)
    opened = Policy(
        zones=(*zones, FirewallZone(name="a", interfaces=("a",), type="")),
        defaults=(DefaultRule(name="interzone-default", action="allow", log=False),),
    )
    held = Reading(policy=opened, platform=Literally(), beyond=Beyond(gates=gates))
    assert not permitted(held.between("a b", "c")).sure
    assert permitted(held.between("a", "b c")).sure


def test_more_rules_than_are_looked_at_may_drop_everything() -> None:
    rules = "".join(f"tcp dport {port} drop; " for port in range(1, 300))
    assert outcome(with_theirs(chain(rules))) == "cannot tell"


def test_a_table_that_cannot_be_read_may_do_anything() -> None:
    unread = live(_ours(), unread={"inet theirs": "nft crashed"})
    assert outcome(unread) == "cannot tell"
    rule = unread.policy.rules[0]
    held = reading(PROVIDER, unread, gated=True)
    ssh = Space((Box(service=service("tcp", 22)),)) & REAL
    found = permitted(held.between(rule.from_zones[0], rule.to_zones[0]), ssh)
    assert found.can
    assert not found.sure
    assert "table inet theirs: what it does is not known: nft crashed" in found.why


def test_packets_that_are_handed_on_pass_everything() -> None:
    theirs = json.dumps(
        {
            "nftables": [
                {"metainfo": {}},
                {"chain": {"name": "x"}},
                {"chain": {"name": "c", "hook": "ingress", "prio": 0, "policy": "accept"}},
                {"rule": {"chain": "c", "expr": [{"jump": {"target": "x"}}]}},
                {"rule": {"chain": "x", "expr": [{"fwd": {"dev": "e1"}}]}},
            ]
        }
    )
    found = live(_ours(), foreign={"netdev theirs": theirs})
    (finding,) = found.findings
    assert (finding.kind, finding.severity) == (UNREAD, "warning")
    assert "hands packets on to an interface, past every forward chain" in finding.message
    rule = found.policy.rules[0]
    held = reading(PROVIDER, found, gated=True)
    anybody = Space((Box(source=addresses([interval("203.0.113.1")])),)) & REAL
    told = permitted(held.between(rule.from_zones[0], rule.to_zones[0]), anybody)
    assert told.can
    assert not told.sure


def listed(chain: dict[str, object], *statements: object) -> str:
    said = {"name": "c", "prio": 0, "policy": "accept", **chain}
    return json.dumps({"nftables": [{"chain": said}, {"rule": {"chain": "c", "expr": statements}}]})


METER = {"set": {"op": "add", "elem": "x", "set": "@m", "stmt": [{"limit": {"rate": 5}}]}}
DROP: dict[str, object] = {"drop": None}


@pytest.mark.parametrize(
    ("table", "listing", "told"),
    [
        ("inet theirs", listed({"hook": "forward"}, METER, DROP), "cannot tell"),
        ("inet theirs", listed({"hook": "forward"}, {"queue": None}, DROP), "cannot tell"),
        ("inet theirs", listed({"hook": "forward"}, {"xt": None}, DROP), "cannot tell"),
        ("netdev theirs", listed({"hook": "ingress", "dev": "e2"}, DROP), "dropped"),
        ("netdev theirs", listed({"hook": "ingress", "dev": ["e2", "e9"]}, DROP), "dropped"),
        ("netdev theirs", listed({"hook": "ingress", "dev": "e9"}, DROP), "passes"),
        ("netdev theirs", listed({"hook": "egress", "dev": "e1"}, DROP), "dropped"),
        ("netdev theirs", listed({"hook": "egress", "dev": "e3"}, DROP), "passes"),
        ("netdev theirs", listed({"hook": "ingress", "dev": "e2", "policy": "drop"}), "dropped"),
        ("netdev theirs", listed({"hook": "ingress", "dev": "p0"}, DROP), "cannot tell"),
    ],
)
def test_a_chain_of_one_interface_counts_there_only(table: str, listing: str, told: str) -> None:
    links = [{"ifname": "e1"}, {"ifname": "e2", "link": "p0"}, {"ifname": "e3"}, {"ifname": "p0"}]
    assert outcome(live(_ours(), foreign={table: listing}, links=links)) == told


def test_a_protocol_of_one_version_of_ip_says_nothing_of_the_other() -> None:
    """`ip protocol tcp` matches no packet of IPv6."""
    found = with_theirs(chain(f"{ESTABLISHED} ip protocol tcp accept;", policy="drop"))
    rule = found.policy.rules[0]
    pair = rule.from_zones[0], rule.to_zones[0]
    sides = permitted(reading(PROVIDER, found, gated=True).between(*pair)).sure
    assert {first < 2**32 for box in sides.boxes for first, _ in box.source} == {True}
    other = with_theirs(chain(f"{ESTABLISHED} ip6 nexthdr tcp accept;", policy="drop"))
    sides = permitted(reading(PROVIDER, other, gated=True).between(*pair)).sure
    assert {first < 2**32 for box in sides.boxes for first, _ in box.source} == {False}


def test_a_statement_that_nft_writes_as_text_only_may_do_anything_with_what_its_rule_matches() -> (
    None
):
    """A map that packets are added to, in nft 1.0."""
    listing = with_text("tcp dport 80", "add @m { ip saddr : tcp dport }")
    assert outcome(live(_ours(), foreign={"inet theirs": listing})) == "passes"
    listing = with_text("tcp dport 443", "add @m { ip saddr : tcp dport }")
    assert outcome(live(_ours(), foreign={"inet theirs": listing})) == "cannot tell"


def with_text(match: str, text: str) -> str:
    mock = LinuxMock()
    assert mock.edit("/usr/sbin/nft -f -", chain(f"{match} counter;")).status == 0
    found = json.loads(mock.config_json("table inet theirs"))
    (rule,) = [one["rule"] for one in found["nftables"] if "rule" in one]
    rule["expr"][-1] = text
    return json.dumps(found)
