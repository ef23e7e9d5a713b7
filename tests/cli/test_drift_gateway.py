"""Drift on gateways: what stands in segctl's table and is not understood is never called shut."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from support.cells import RULE

if TYPE_CHECKING:
    from segctl_mocks import LinuxMock
    from support.cells import Cells


@pytest.fixture
def gateway(mixed: Cells) -> LinuxMock:
    """One gateway of four firewalls, provisioned."""
    assert mixed("apply", "--auto-approve", "-l", "gw3").code == 0
    return mixed.fleet.linux["gw3"]


def drift(plant: Cells) -> tuple[int, Any]:
    done = plant("drift", "--json", "-l", "gw3")
    jsonschema.validate(done.json, plant("schema", "drift").json)
    return done.code, done.json["devices"][0]


def states(device: Any) -> dict[tuple[str, str], list[str]]:
    return {(one["kind"], one["name"]): one["states"] for one in device["items"]}


def test_a_provisioned_gateway_is_in_sync(mixed: Cells, gateway: LinuxMock) -> None:
    assert gateway.config()
    code, device = drift(mixed)
    assert (code, device["items"]) == (0, [])


@pytest.mark.parametrize(
    "rule",
    [
        "accept",
        'iifname "eth2" oifname "eth1" tcp dport 22 accept',
    ],
)
def test_a_line_of_others_in_our_table_may_permit_more(
    mixed: Cells, gateway: LinuxMock, rule: str
) -> None:
    assert gateway.edit(f"nft insert rule inet segctl forward {rule}").status == 0
    code, device = drift(mixed)
    assert code == 2
    assert states(device)["default-rule", "interzone-default"] == ["changed", "cannot_tell"]
    (finding,) = device["cannot_tell"]
    assert "chain forward is not as segctl writes it" in finding["message"]
    text = mixed("drift", "-l", "gw3").out
    assert "! cannot tell: the default rule interzone-default may permit more" in text


def test_an_address_that_is_added_to_a_set_of_ours_is_open(
    mixed: Cells, gateway: LinuxMock
) -> None:
    done = gateway.edit("nft add element inet segctl a4_plant.supervisory.scada1 { 10.1.0.77 }")
    assert done.status == 0
    code, device = drift(mixed)
    assert code == 2
    found = next(one for one in device["items"] if one["kind"] == "rule")
    assert (found["name"], found["states"]) == (RULE.format(3), ["hole"])
    assert "10.1.0.77 → 10.2.3.10 tcp/502" in found["example"]


def test_an_address_that_is_exchanged_in_a_set_of_ours_opens_and_blocks(
    mixed: Cells, gateway: LinuxMock
) -> None:
    name = "inet segctl a4_plant.supervisory.scada1"
    assert gateway.edit(f"nft flush set {name}").status == 0
    code, device = drift(mixed)
    assert code == 2  # what an empty set stands for is not guessed
    assert gateway.edit(f"nft add element {name} {{ 10.1.0.6 }}").status == 0
    code, device = drift(mixed)
    assert code == 2
    found = next(one for one in device["items"] if one["kind"] == "rule")
    assert set(found["states"]) == {"hole", "blocked"}
    assert "10.1.0.5 → 10.2.3.10 tcp/502" in str(device["blocked"])


def test_an_interface_that_joins_a_zone_is_drift(mixed: Cells, gateway: LinuxMock) -> None:
    done = gateway.edit(
        'nft add element inet segctl pairs { "eth2" . "eth9" : goto pair_SUPV/CELL }'
    )
    assert done.status == 0
    code, device = drift(mixed)
    assert code == 2
    assert device["items"]


def test_a_table_that_somebody_has_put_to_sleep_is_said_and_woken(
    mixed: Cells, gateway: LinuxMock
) -> None:
    """None of its rules is in force then, and all are listed as before."""
    ssh = ("check", "--from", "scada1", "--to", "plc3", "--port", "22", "--expect", "deny")
    assert mixed(*ssh, "-l", "gw3").code == 0
    assert gateway.edit("nft -f -", "add table inet segctl { flags dormant; }\n").status == 0
    code, device = drift(mixed)
    assert code == 2
    assert states(device)["default-rule", "interzone-default"] == ["changed", "cannot_tell"]
    assert "may be dormant" in mixed("drift", "-l", "gw3").out
    done = mixed(*ssh, "-l", "gw3")
    assert done.code == 1, done.out
    assert mixed("prove", "-l", "gw3").code == 1
    assert mixed("apply", "--auto-approve", "-l", "gw3").code == 0
    assert mixed(*ssh, "-l", "gw3").code == 0
    assert drift(mixed)[0] == 0


# --- chains of others -----------------------------------------------------------------------------

CHAIN = (
    "table inet fw {\n chain x {\n return; drop;\n }\n"
    " chain c {\n type filter hook HOOK priority 10; policy POLICY; RULES\n }\n}\n"
)
#: As iptables-nft leaves it where Docker has been and the policy is to accept.
DOCKER = """\
table ip filter {
  chain DOCKER-USER { counter return; }
  chain DOCKER-ISOLATION-STAGE-2 { oifname "docker0" counter drop; counter return; }
  chain DOCKER-ISOLATION-STAGE-1 {
    iifname "docker0" oifname != "docker0" counter jump DOCKER-ISOLATION-STAGE-2;
    counter return;
  }
  chain DOCKER { iifname != "docker0" oifname "docker0" counter drop; }
  chain FORWARD {
    type filter hook forward priority 0; policy accept;
    counter jump DOCKER-USER; counter jump DOCKER-ISOLATION-STAGE-1;
    oifname "docker0" ct state related,established counter accept;
    oifname "docker0" counter jump DOCKER;
    iifname "docker0" oifname != "docker0" counter accept;
  }
  chain INPUT { type filter hook input priority 0; policy drop; }
}
"""


def chain(rules: str, *, policy: str = "accept", hook: str = "forward") -> str:
    return CHAIN.replace("HOOK", hook).replace("POLICY", policy).replace("RULES", rules)


@pytest.mark.parametrize(
    "text",
    [
        chain(""),
        chain("", policy="drop", hook="input"),
        chain("accept;", policy="drop"),
        chain("ct state vmap { established : accept, related : accept, invalid : drop };"),
        chain("tcp dport 22 drop;"),
        chain('iifname "eth9" drop;'),
        chain("jump x;"),
        chain("drop;").replace("inet", "ip6"),
        DOCKER,
    ],
)
def test_chains_of_others_that_let_what_is_declared_pass_are_no_drift(
    mixed: Cells, gateway: LinuxMock, text: str
) -> None:
    assert gateway.edit("nft -f -", text).status == 0, text
    code, device = drift(mixed)
    assert (code, device["items"], device["findings"]) == (0, [], device["findings"])
    assert "may drop" not in str(device)
    assert "can drop" not in str(device)


@pytest.mark.parametrize(
    ("text", "code", "state"),
    [
        (chain("", policy="drop"), 2, "blocked"),
        (chain("ct state established,related accept; tcp dport 1-1000 drop;"), 2, "blocked"),
        (chain("tcp dport 502 reject;", hook="prerouting"), 2, "blocked"),
        (chain("ct state established accept; ip ttl 1 drop;"), 1, "cannot_tell"),
        (chain("tcp dport 502 limit rate over 5/second drop;"), 1, "cannot_tell"),
    ],
)
def test_what_a_chain_of_others_drops_of_what_is_declared_is_drift(
    mixed: Cells, gateway: LinuxMock, text: str, code: int, state: str
) -> None:
    assert gateway.edit("nft -f -", text).status == 0, text
    found, device = drift(mixed)
    assert found == code, device
    assert states(device) == {("chain", "inet fw c"): [state]}
    (item,) = device["items"]
    assert "tcp/502" in item["example"]
    assert (device[state][0]["message"]).startswith("chain c of table inet fw ")
    kept = ("--write-baseline", "known.yml", "--owner", "ops", "--expires", "2099-01-01")
    assert mixed("drift", "-l", "gw3", *kept).code == code
    accept = ("drift", "-l", "gw3", "--baseline", "known.yml")
    assert mixed(*accept).code == 0
    assert gateway.edit("nft add rule inet fw c tcp dport 503 drop").status == 0
    assert mixed(*accept).code == code
    assert mixed("snapshot", "-o", "kept", "-l", "gw3").code == 0
    offline = mixed("drift", "--offline", "kept", "-l", "gw3", "--json")
    assert offline.json["devices"][0]["items"][0]["states"] == [state]


def test_a_gateway_that_forwards_nothing_blocks_what_is_declared(
    mixed: Cells, gateway: LinuxMock
) -> None:
    ends = ("-l", "gw3", "--from", "scada1", "--to", "plc3", "--port", "502", "--json")
    poll = ("check", *ends, "--application", "modbus.read", "--expect")
    assert mixed(*poll, "allow").code == 0
    assert gateway.edit("sysctl -w net.ipv6.conf.all.forwarding=0").status == 0
    assert (drift(mixed)[0], mixed("prove", "-l", "gw3").code) == (0, 0)  # nothing has IPv6 here
    assert gateway.edit("sysctl -w net.ipv4.ip_forward=0").status == 0
    code, device = drift(mixed)
    assert (code, states(device)) == (2, {("kernel", "IPv4 forwarding"): ["blocked"]})
    (told,) = device["blocked"]
    assert told["message"].startswith(
        "the kernel (net.ipv4.ip_forward is 0) drops what is declared"
    )
    assert "sysctl -w net.ipv4.ip_forward=1" in told["hint"]
    assert mixed(*poll, "allow").code == 1
    done = mixed(*poll, "deny")
    assert done.code == 0, done.out
    (row,) = done.json["checks"][0]["devices"]
    assert (row["answer"], row["denied"]["rule"]) == (
        "deny",
        "the kernel (net.ipv4.ip_forward is 0)",
    )
    (proved,) = mixed("prove", "-l", "gw3", "--json").json["devices"]
    assert proved["status"] == "not_proved"
    assert "forwards no IPv4 packet" in mixed("plan", "-l", "gw3").out
    edit = "sh -c 'echo 1 > /proc/sys/net/ipv4/conf/eth2/forwarding'"
    assert gateway.edit(edit).status == 0  # by that interface they enter
    code, device = drift(mixed)  # and the answers do not come back
    assert (code, states(device)) == (1, {("kernel", "IPv4 forwarding"): ["cannot_tell"]})
    assert gateway.edit("sysctl -w net.ipv4.ip_forward=1").status == 0
    assert drift(mixed)[0] == 0


SETS = """\
table inet fw {
  set s { type ipv4_addr; FLAGS elements = { 203.0.113.1 }; }
  map m { type inet_service : verdict; elements = { 22 : drop }; }
  chain c { type filter hook forward priority 10; policy accept; ip saddr @s drop;
    tcp dport vmap @m; }
}
"""


def test_what_sets_of_others_hold_is_read_with_one_request(
    mixed: Cells, gateway: LinuxMock
) -> None:
    """A short listing leaves out what a set holds; it may be large."""
    assert gateway.edit("nft -f -", SETS.replace("FLAGS", "")).status == 0
    assert drift(mixed)[0] == 0
    edit = "nft add element inet fw s { 10.1.0.5, 10.1.0.6 }"
    assert gateway.edit(edit).status == 0
    code, device = drift(mixed)
    assert (code, states(device)) == (2, {("chain", "inet fw c"): ["blocked"]})
    words = ("--write-baseline", "known.yml", "--owner", "ops", "--expires", "2099-01-01")
    assert mixed("drift", "-l", "gw3", *words).code == 2
    accept = ("drift", "-l", "gw3", "--baseline", "known.yml")
    assert mixed(*accept).code == 0
    assert gateway.edit("nft add element inet fw m { 23 : drop }").status == 0
    assert mixed(*accept).code == 2


def test_what_sets_of_others_hold_for_a_time_only_cannot_be_told(
    mixed: Cells, gateway: LinuxMock
) -> None:
    assert gateway.edit("nft -f -", SETS.replace("FLAGS", "flags timeout;")).status == 0
    code, device = drift(mixed)
    assert (code, states(device)) == (1, {("chain", "inet fw c"): ["cannot_tell"]})


def test_sets_of_others_that_are_too_many_or_too_large_may_hold_anybody(
    mixed: Cells, gateway: LinuxMock
) -> None:
    sets = "".join(
        f" set s{n:02} {{ type ipv4_addr; elements = {{ 203.0.113.1 }}; }}\n" for n in range(33)
    )
    rules = " ".join(f"ip saddr @s{n:02} drop;" for n in range(33))
    assert (
        gateway.edit("nft -f -", chain(rules).replace(" chain x", f"{sets} chain x", 1)).status == 0
    )
    code, device = drift(mixed)
    assert (code, states(device)) == (1, {("chain", "inet fw c"): ["cannot_tell"]})
    assert gateway.edit("nft delete table inet fw").status == 0
    many = ", ".join(f"203.0.{n // 250}.{n % 250}" for n in range(40_000))
    assert (
        gateway.edit("nft -f -", SETS.replace("FLAGS", "").replace("203.0.113.1", many)).status == 0
    )
    code, device = drift(mixed)
    assert (code, states(device)) == (1, {("chain", "inet fw c"): ["cannot_tell"]})


MARKING = """\
table inet theirs {
  set some { type ipv4_addr; elements = { 10.1.0.5 }; }
  set other { type ipv4_addr; elements = { 10.1.0.5 }; }
  chain marks { ip saddr @some ct mark set 0x10000; }
  chain base { type filter hook prerouting priority -150; policy accept; jump marks; }
  chain apart { ip saddr @other accept; }
}
"""


@pytest.mark.parametrize(
    ("edit", "accepted"),
    [
        ("add element inet theirs other { 10.1.0.6 }", True),
        ("add rule inet theirs apart tcp dport 22 accept", True),
        ("add element inet theirs some { 10.1.0.6 }", False),
        ("insert rule inet theirs base tcp dport 22 return", False),
        ("add rule inet theirs marks ct mark set 0x20000", False),
        ("add chain inet theirs base { policy drop; }", False),
        ("add chain inet theirs b2 { type filter hook forward priority 9; }", True),
    ],
)
def test_a_marking_rule_of_others_is_accepted_with_all_that_decides_about_it(
    mixed: Cells,
    gateway: LinuxMock,
    edit: str,
    accepted: bool,  # noqa: FBT001 - a row of a table
) -> None:
    assert gateway.edit("nft -f -", MARKING).status == 0
    words = ("--write-baseline", "known.yml", "--owner", "ops", "--expires", "2099-01-01")
    assert mixed("drift", "-l", "gw3", *words).code == 2
    accept = ("drift", "-l", "gw3", "--baseline", "known.yml")
    done = mixed(*accept)
    assert done.code == 0, done.out + done.err
    assert gateway.edit("nft -f -", f"{edit}\n").status == 0
    done = mixed(*accept)
    assert done.code == (0 if accepted else 2), done.out


def test_a_set_that_cannot_be_listed_makes_its_table_unread(
    mixed: Cells, gateway: LinuxMock
) -> None:
    assert gateway.edit("nft -f -", MARKING).status == 0
    gateway.fail("exit", contains="list set inet theirs some", times=9, code=1)
    code, device = drift(mixed)
    assert code == 2
    found = states(device)
    assert found["table", "inet theirs"] == ["unread"]
    assert "its set some cannot be listed" in str(device)
