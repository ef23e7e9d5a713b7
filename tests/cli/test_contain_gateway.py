"""``segctl contain`` on a gateway with nftables: timed sets that every packet meets first."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from cli_support import Done
from segctl.cli import run
from segctl_mocks import LinuxMock
from segctl_mocks.linux.nft.engine import Result
from segctl_mocks.linux.nft.errors import Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SITE = """\
all:
  hosts:
    gw1:
      ansible_network_os: nftables
      ansible_user: plant-automation
      ansible_password: correct-horse-5taple
      segctl_timeout: 60
      segctl_commit_timeout: 120
      segctl_site: plant
      segctl_zone_map:
        control: {zone: CTRL, interfaces: [eth1]}
        supervisory: {zone: SUPV, interfaces: [eth0]}
        dmz: {zone: DMZ, interfaces: [eth2]}
      segctl_zones:
        control: {level: 1, kind: control, networks: [10.20.1.0/24, "fd00:20:1::/64"],
                  assets: {plc1: 10.20.1.11, plc2: 10.20.1.12}}
        supervisory: {level: 2, kind: supervisory, networks: [10.20.2.0/24, "fd00:20:2::/64"],
                      assets: {scada1: {addresses: [10.20.2.5, "fd00:20:2::5"]},
                               historian1: 10.20.2.20}}
        dmz: {level: 3.5, kind: dmz, networks: [10.20.35.0/24], assets: {replica: 10.20.35.10}}
      segctl_conduits:
        polling:
          from: supervisory
          to: control
          reason: SCADA polls the controllers
          owner: automation
          flows:
            modbus:
              source: [scada1]
              destination: [plc1, plc2]
              services: [tcp/502]
        replication:
          from: supervisory
          to: dmz
          reason: Copy of the historian
          owner: process-data
          flows:
            tls:
              source: [historian1]
              destination: [replica]
              services: [tcp/8443]
              essential: true
"""
DECLARED = "      segctl_containment: {longest: 8h, never: [plc2]}\n"
FOR = ("--for", "2h", "--reason", "ransom note")
MODBUS = ("--from", "scada1", "--to", "plc1", "--port", "502")
REPLICA = ("--from", "historian1", "--to", "replica", "--port", "8443")
V4, V6 = "10.20.2.5", "fd00:20:2::5"
SETS = ("contained4", "contained6", "contained4_nets", "contained6_nets")


@dataclass(frozen=True, slots=True)
class Gateway:
    """A site of one gateway, its mock, and the command line called in the site's folder."""

    folder: Path
    mock: LinuxMock
    capsys: pytest.CaptureFixture[str]

    def write(self, text: str) -> None:
        (self.folder / "site.yml").write_text(text, encoding="utf-8")

    def __call__(self, *words: str, code: int | None = 0) -> Done:
        self.capsys.readouterr()
        found = run(["-i", "site.yml", "-i", "where.yml", *words])
        out, err = self.capsys.readouterr()
        assert "Traceback" not in out + err
        assert "defect in segctl" not in out + err
        assert code in (None, found), out + err
        return Done(found, out, err)

    def contain(self, kind: str, name: str, *words: str, code: int = 0) -> Any:
        done = self("contain", kind, name, *(words or FOR), "--auto-approve", "--json", code=code)
        jsonschema.validate(done.json, self("schema", "contain").json)
        return done.json

    def nft(self, text: str) -> None:
        done = self.mock.edit("nft -f -", text)
        assert not done.status, done.err

    def members(self) -> dict[str, int]:
        """Return who is in the sets, with the seconds left."""
        found: dict[str, int] = {}
        for name in SETS:
            text = self.mock.edit(f"nft -j list set inet segctl {name}").out
            if not text:
                continue
            listed: Any = json.loads(text)["nftables"][1]["set"].get("elem", [])
            for one in listed:
                timed = "elem" in one  # one for ever is no object
                inner: Any = one["elem"] if timed else {"val": one}
                value = inner["val"]
                if isinstance(value, dict):
                    value = f"{value['prefix']['addr']}/{value['prefix']['len']}"
                found[value] = inner.get("expires", -1)
        return found


@pytest.fixture
def gateway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Gateway]:
    """A gateway of three zones that holds nothing of ours yet."""
    monkeypatch.chdir(tmp_path)
    users = {"plant-automation": "correct-horse-5taple"}
    with LinuxMock("gw1", interfaces=("eth0", "eth1", "eth2"), users=users) as mock:
        found = Gateway(tmp_path, mock, capsys)
        found.write(SITE)
        where = {
            "ansible_host": mock.host,
            "ansible_port": mock.port,
            "segctl_known_hosts": str(mock.known_hosts),
        }
        text = json.dumps({"all": {"hosts": {"gw1": where}}})
        (tmp_path / "where.yml").write_text(text, encoding="utf-8")
        yield found


@pytest.fixture
def prepared(gateway: Gateway) -> Gateway:
    """The gateway, provisioned with what containing needs."""
    gateway.write(SITE + DECLARED)
    gateway("apply", "--auto-approve")
    return gateway


# --- prepared ------------------------------------------------------------------------------------


def test_without_a_declaration_the_table_is_what_it_was(gateway: Gateway) -> None:
    gateway("apply", "--auto-approve")
    text = gateway.mock.config()
    assert "contained" not in text
    assert "keep" not in text
    done = gateway("contain", "asset", "scada1", *FOR, "--auto-approve", code=1)
    assert "declare segctl_containment" in done.err
    gateway.write(SITE + DECLARED)
    gateway("apply", "--auto-approve")
    assert gateway.mock.config() != text
    gateway.write(SITE)
    gateway("apply", "--auto-approve")
    assert re.sub(r'"applied .*?"', "", gateway.mock.config()).count("contained") == 0
    gateway("drift")


def test_nobody_contained_means_nothing_to_prove_check_and_lint(gateway: Gateway) -> None:
    gateway("apply", "--auto-approve")
    before = gateway("lint", "--json", code=None).json
    gateway.write(SITE + DECLARED)
    gateway("apply", "--auto-approve")
    gateway("plan", "--detailed-exitcode")
    gateway("drift")
    gateway("prove")
    gateway("prove", "--declared")
    gateway("check", *MODBUS, "--expect", "allow")
    after = gateway("lint", "--json", code=None).json
    assert [one["kind"] for one in after.get("findings", [])] == [
        one["kind"] for one in before.get("findings", [])
    ]


def test_it_is_looked_up_before_any_mark(prepared: Gateway) -> None:
    listed = prepared.mock.edit("nft list chain inet segctl forward").out
    lines = [line.strip() for line in listed.splitlines()]
    first = lines.index("iifname . oifname vmap @pairs")
    assert sum("@contained" in line for line in lines[:first]) == 8
    assert not any("@contained" in line for line in lines[first:])
    kept = prepared.mock.edit("nft list ruleset").out
    for block in re.findall(r"\tchain keep.*?\t\}", kept, re.DOTALL):
        assert "mark" not in block


def test_what_was_prepared_is_imported_again(prepared: Gateway) -> None:
    prepared.contain("asset", "scada1")
    prepared("import", "gw1", "-o", "out")
    assert any(
        "segctl_containment" in path.read_text("utf-8")
        for path in (prepared.folder / "out").rglob("*.yml")
    )


@pytest.mark.parametrize(
    "edit",
    [
        "flush chain inet segctl rule_segctl.contained-source",
        "insert rule inet segctl rule_segctl.contained-source accept",
        "insert rule inet segctl forward accept",
        'insert rule inet segctl forward ip saddr 10.20.2.5 accept comment "by hand"',
        "add table inet segctl { flags dormant; }",
    ],
)
def test_rules_that_no_longer_deny_are_drift_and_nobody_is_contained(
    prepared: Gateway, edit: str
) -> None:
    prepared.nft(edit)
    assert prepared("drift", code=None).code in (1, 2)
    done = prepared("contain", "asset", "scada1", *FOR, "--auto-approve", code=1)
    assert "Contained: " not in done.out


@pytest.mark.parametrize("said", ["", "past every forward chain"])
def test_what_passes_beside_all_rules_is_still_open(prepared: Gateway, said: str) -> None:
    flowtable = {"family": "inet", "table": "o", "name": "f"}
    listing = json.dumps({"nftables": [{"flowtable": flowtable}]})
    prepared.nft(
        "table inet o { chain c { type filter hook forward priority 5; policy accept;\n}\n}\n"
    )
    host = prepared.mock.host_device
    faults = host.refuse

    def listed(words: Sequence[str], stdin: str) -> Result | None:
        if said and "list table inet o" in " ".join(words):
            return Result(0, listing)
        return faults(words, stdin) if faults else None

    host.refuse = listed
    found = prepared.contain("asset", "scada1", code=1 if said else 0)
    assert said in " ".join(found["devices"][0]["open"])


# --- contained -----------------------------------------------------------------------------------


def test_an_asset_is_contained_with_all_its_addresses(prepared: Gateway) -> None:
    found = prepared.contain("asset", "scada1")
    assert found["contained"]
    assert found["addresses"] == [V4, V6]
    assert all(7000 < left <= 7200 for left in prepared.members().values())
    assert set(prepared.members()) == {V4, V6}
    prepared("check", *MODBUS, "--expect", "deny")
    prepared("check", *REPLICA, "--expect", "allow")
    listed = prepared("contain", "list", "--json").json["items"]
    assert [one["address"] for one in listed] == [V4, V6]
    assert all("ransom note" in one["words"] for one in listed)
    prepared("contain", "status")


def test_essential_flows_go_on(prepared: Gateway) -> None:
    found = prepared.contain("asset", "historian1")
    assert [one["survives"] for one in found["flows"] if one["essential"]] == [True]
    prepared("check", *REPLICA, "--expect", "allow")
    prepared("check", *REPLICA[:-1], "8444", "--expect", "deny")


def test_a_zone_is_contained_over_a_host_of_it(prepared: Gateway) -> None:
    prepared.contain("host", V4)
    assert prepared.contain("zone", "supervisory")["contained"]
    assert set(prepared.members()) == {V4, "10.20.2.0/24", "fd00:20:2::/64"}
    prepared("contain", "release", "supervisory", "--reason", "only one of them")
    assert set(prepared.members()) == {V4}


def test_plan_drift_and_prove_tell_of_it_and_nothing_differs(prepared: Gateway) -> None:
    before = prepared("plan", "--json").json["devices"][0]
    prepared.contain("asset", "scada1")
    done = prepared("plan", "--detailed-exitcode")
    assert f"{V4} is contained until" in done.out
    assert "ransom note" in done.out
    after = prepared("plan", "--json").json["devices"][0]
    for key in ("fingerprint", "desired", "held", "changes", "script"):
        assert after.get(key) == before.get(key), key
    prepared("drift")
    prepared("prove")


def test_connections_that_are_still_listed_do_not_matter(prepared: Gateway) -> None:
    line = (
        "tcp      6 431999 ESTABLISHED src={} dst={} sport=40001 dport={} src={} dst={} "
        "sport={} dport=40001 [ASSURED] mark=65536 use=1"
    )
    prepared.mock.host_device.connections += [
        line.format(V4, "10.20.1.11", 502, "10.20.1.11", V4, 502),
        line.format("10.20.2.20", "10.20.35.10", 8443, "10.20.35.10", "10.20.2.20", 8443),
        line.format("10.20.2.99", "10.20.1.11", 502, "10.20.1.11", "10.20.2.99", 502),
    ]
    found = prepared.contain("zone", "supervisory")
    (device,) = found["devices"]
    assert (device["sessions_ended"], device["sessions_kept"]) == (2, 1)
    assert "its table lists 2 sessions" in device["notes"][0]
    assert not any("conntrack -D" in one.command for one in prepared.mock.requests)


@pytest.mark.parametrize("lines", [None, ["this is not a connection"]])
def test_a_host_that_does_not_list_connections_contains_all_the_same(
    prepared: Gateway, lines: list[str] | None
) -> None:
    prepared.mock.host_device.tracks = lines is not None
    prepared.mock.host_device.connections += lines or []
    found = prepared.contain("asset", "scada1")
    assert found["contained"]
    assert "nothing of them passes: it judges every packet" in found["devices"][0]["notes"][0]


def test_the_host_ends_it_by_itself(prepared: Gateway) -> None:
    prepared.contain("host", V4, "--for", "30m", "--reason", "x")
    prepared.mock.advance(29 * 60)
    assert set(prepared.members()) == {V4}
    prepared.mock.advance(90)
    assert prepared.members() == {}
    prepared("check", *MODBUS, "--expect", "allow")


def test_release_leaves_those_of_others(prepared: Gateway) -> None:
    prepared.nft("add element inet segctl contained4 { 10.20.2.20, 10.20.2.21 timeout 1h }\n")
    prepared.contain("asset", "scada1")
    listed = prepared("contain", "list", "--json").json["items"]
    assert len(listed) == 4
    prepared("contain", "release", "scada1", "--reason", "clean")
    assert set(prepared.members()) == {"10.20.2.20", "10.20.2.21"}
    prepared("contain", "release", "scada1", code=1)
    done = prepared("contain", "release", "historian1", "--reason", "clean", code=1)
    assert "10.20.2.20 is still registered" in done.out
    assert "10.20.2.20" in prepared.members()
    prepared("drift")


def test_who_was_first_stays_and_the_second_is_told(prepared: Gateway) -> None:
    prepared.contain("host", V4, "--for", "10m", "--reason", "first")
    left = prepared.members()[V4]
    found = prepared.contain("host", V4, code=1)
    assert "is contained already, until" in found["devices"][0]["open"][0]
    assert prepared.members()[V4] <= left
    assert prepared.contain("host", V4, "--for", "5m", "--reason", "shorter")["contained"]


def test_two_at_the_same_moment_are_not_both_told_that_all_is_theirs(
    prepared: Gateway,
) -> None:
    host = prepared.mock.host_device
    faults, others = host.refuse, iter(["add element inet segctl contained4 { 10.20.2.5 }\n"])

    def first(words: Sequence[str], stdin: str) -> Result | None:
        if "create element" in stdin and (text := next(others, "")):
            assert not host.nft.script(Source("", text)).status
        return faults(words, stdin) if faults else None

    host.refuse = first
    found = prepared.contain("host", V4, code=1)
    assert next(others, "done") == "done"
    assert not found["contained"]


# --- what an apply, a revert and a restart do ----------------------------------------------------


def test_an_apply_of_a_colleague_leaves_it(prepared: Gateway) -> None:
    prepared.contain("asset", "scada1")
    prepared.mock.advance(600)
    prepared.write((SITE + DECLARED).replace("tcp/502", "tcp/503"))
    prepared("apply", "--auto-approve")
    assert {one: 6500 < left < 6601 for one, left in prepared.members().items()} == {
        V4: True,
        V6: True,
    }
    prepared("drift")


def test_a_table_that_is_made_anew_takes_them_over(prepared: Gateway) -> None:
    prepared.contain("asset", "scada1")
    prepared.contain("zone", "dmz", "--for", "1h", "--reason", "two words")
    prepared.contain("host", "10.20.1.11", "--for", "5m", "--reason", "short")
    prepared.mock.advance(400)
    prepared.nft("add chain inet segctl new { type filter hook forward priority 5; }\n")
    made = prepared("plan", "--json").json["devices"][0]
    assert "delete table inet segctl" in made["script"]
    prepared("apply", "--auto-approve")
    held = prepared.members()
    assert set(held) == {V4, V6, "10.20.35.0/24"}
    assert 6700 < held[V4] < 6801
    assert 3100 < held["10.20.35.0/24"] < 3201
    listed = prepared("contain", "list", "--json").json["items"]
    assert {one["words"].rpartition(": ")[2] for one in listed} == {"ransom note", "two words"}
    prepared("drift")


def test_a_table_that_is_made_anew_is_not_where_they_cannot_be_read(prepared: Gateway) -> None:
    prepared.contain("host", V4)
    prepared.nft("add chain inet segctl new { type filter hook forward priority 5; }\n")
    held = prepared.mock.config()
    prepared.mock.fail("refuse", contains="list set inet segctl contained4_nets", message="broken")
    done = prepared("apply", "--auto-approve", code=1)
    assert "broken" in done.err
    assert "chain new" in held
    assert set(prepared.members()) == {V4}


def test_a_push_that_is_taken_back_leaves_who_is_contained_now(prepared: Gateway) -> None:
    prepared.contain("host", V4)
    prepared.contain("host", "10.20.2.20", "--for", "10m", "--reason", "short")
    prepared.write((SITE + DECLARED).replace("tcp/502", "tcp/503"))
    prepared.mock.fail("refuse", contains="-c -f", skip=2, message="no room for a boot file")
    host = prepared.mock.host_device
    faults = host.refuse

    def meanwhile(words: Sequence[str], stdin: str) -> Result | None:
        refused = faults(words, stdin) if faults else None
        if refused is not None:
            prepared.mock.advance(900)
        return refused

    host.refuse = meanwhile
    done = prepared("apply", "--auto-approve", code=1)
    assert "no room for a boot file" in done.err
    text = prepared.mock.config()
    assert "proto-src 502" in text
    assert "proto-src 503" not in text
    held = prepared.members()
    assert set(held) == {V4}
    assert 6200 < held[V4] < 6301


def test_what_goes_back_to_a_table_without_room_for_them_says_so(gateway: Gateway) -> None:
    gateway("apply", "--auto-approve")
    gateway.write(SITE + DECLARED)
    host = gateway.mock.host_device
    faults, others = host.refuse, iter(["add element inet segctl contained4 { 10.20.2.5 }\n"])

    def meanwhile(words: Sequence[str], stdin: str) -> Result | None:
        pushed = ("inet", "segctl") in host.nft.live.tables and "push {" in host.nft.text()
        prepared = "contained4" in host.nft.text()
        if pushed and prepared and "-c" in words and (text := next(others, "")):
            assert not host.nft.script(Source("", text)).status
            return Result(1, "", "Error: no room for a boot file\n")
        return faults(words, stdin) if faults else None

    host.refuse = meanwhile
    done = gateway("apply", "--auto-approve", "-v", code=1)
    assert "whoever is contained there is let go" in done.out + done.err
    assert "contained4" not in gateway.mock.config()


def test_a_restart_loses_them_and_they_can_be_healed(prepared: Gateway) -> None:
    prepared.contain("asset", "scada1")
    prepared.write((SITE + DECLARED).replace("tcp/502", "tcp/503"))
    prepared("apply", "--auto-approve")
    boot = prepared.mock.edit("cat /etc/nftables.d/segctl.nft").out
    assert "set contained4 {" in boot
    assert "segctl-note" not in boot
    prepared.mock.reboot()
    assert prepared.members() == {}
    prepared("drift")
    done = prepared("contain", "status", "--json", code=1)
    jsonschema.validate(done.json, prepared("schema", "contain-status").json)
    assert {one["address"] for one in done.json["gaps"]} == {V4, V6}
    prepared("contain", "status", "--heal")
    assert all(0 < left <= 7200 for left in prepared.members().values())
    assert set(prepared.members()) == {V4, V6}


def test_taking_the_declaration_away_says_who_is_let_go(prepared: Gateway) -> None:
    prepared.contain("asset", "scada1")
    prepared.write(SITE)
    done = prepared("plan")
    assert f"this lets go who is contained: {V4}, {V6}" in " ".join(done.out.split())
    prepared("apply", "--auto-approve")
    assert prepared.members() == {}


# --- not contained -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("host", "192.0.2.7", *FOR), "is in no zone"),
        (("asset", "plc2", *FOR), "must never be contained"),
        (("asset", "scada1", "--for", "9h", "--reason", "x"), "longer than the inventory allows"),
    ],
)
def test_refusals_touch_nothing(prepared: Gateway, words: tuple[str, ...], said: str) -> None:
    before = prepared.mock.writes
    done = prepared("contain", *words, "--auto-approve", code=1)
    assert said in done.err
    assert prepared.mock.writes == before


def test_an_answer_that_is_damaged_is_a_gap(prepared: Gateway) -> None:
    prepared.contain("asset", "scada1")
    prepared.mock.fail("body", contains="list set inet segctl contained6", body=b"{")
    done = prepared("contain", "list", code=1)
    assert "not understood" in done.out or "failed" in done.out


def test_a_set_that_refuses_is_not_contained(prepared: Gateway) -> None:
    prepared.mock.fail("refuse", contains="create element", message="Set is full")
    found = prepared.contain("asset", "scada1", code=1)
    assert "Set is full" in " ".join(found["devices"][0]["open"])


def test_killed_after_registering_it_is_on_record_and_can_be_healed(
    prepared: Gateway,
) -> None:
    prepared.mock.fail("drop_after", contains="nft -f - || exit")
    found = prepared.contain("asset", "scada1", code=1)
    assert not found["contained"]
    assert set(prepared.members()) == {V4, V6}
    prepared("contain", "status")
    again = prepared.contain("asset", "scada1", "--for", "1h", "--reason", "again")
    assert again["contained"]
