"""Everything that is permitted between two zones or all of them: rows, states, forms."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from cli_support import POLL, RULES, Plant
from segctl.report import csv_text
from support.cells import cells

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

BETWEEN = ("--from", "supervisory", "--to", "control")


@pytest.fixture
def gateways(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Generator[Plant]:
    """A cell behind a firewall and one behind a Linux gateway, both provisioned."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")
    with cells(tmp_path, capsys, "fw1", "gw2") as plant:
        assert plant("apply", "--auto-approve").code == 0
        yield plant


def asked(plant: Plant, command: str, *words: str, code: int = 0) -> Any:
    with plant.untouched():
        done = plant(command, *words, "--json")
    assert done.code == code, (done.err, done.out[-2000:])
    jsonschema.validate(done.json, plant("schema", command).json)
    return done.json


def add_rule(plant: Plant, host: str = "fw1", name: str = "theirs", **lists: str) -> None:
    """Another administrator permits something, above everything of ours."""
    said = {"from": "SUPV", "to": "CTRL", "source": "any", "destination": "any"}
    said |= {"application": "any", "service": "any"} | lists
    text = "".join(f"<{tag}><member>{one}</member></{tag}>" for tag, one in said.items())
    fleet = plant.fleet[host]
    fleet.edit("set", RULES, f"<entry name='{name}'>{text}<action>allow</action></entry>")
    fleet.edit("move", f"{RULES}/entry[@name='{name}']", where="top", commit=True)


def test_what_is_permitted_and_by_which_rule(applied: Plant) -> None:
    document = asked(applied, "query", *BETWEEN)
    assert (document["side"], document["states"]) == ("live", ["permitted"])
    (device,) = document["devices"]
    assert device["digest"].startswith("sha256:")
    rows = document["rows"]
    assert {(row["rule"], row["firewall"], row["state"]) for row in rows} == {
        (POLL, "fw1", "permitted")
    }
    assert {row["end_to_end"] for row in rows} == {"yes"}
    for row in rows:
        assert (row["source"], row["destination"]) == (["10.20.2.5"], ["10.20.1.11-10.20.1.12"])
        assert "tcp/502" in row["services"][0]
        assert row["users"] == {"all_but": True, "names": []}
    named = {name for row in rows for name in row["applications"]["names"]}
    assert "modbus-read-holding-registers" in named
    assert not any("write" in name for name in named)
    out = applied("query", *BETWEEN).out
    assert "supervisory → control  (plant/supervisory → plant/control)\n" in out
    assert f"by {POLL} on fw1" in out


def test_nothing_is_said_to_be_nothing(plant: Plant) -> None:
    document = asked(plant, "query", *BETWEEN)
    assert (document["rows"], document["states"]) == ([], [])
    assert "nothing is permitted" in plant("query", *BETWEEN).out


def test_a_rule_of_others_is_only_live(applied: Plant) -> None:
    before = asked(applied, "query", *BETWEEN, "--both")
    assert before["states"] == ["permitted"]
    add_rule(applied, destination="10.20.1.11", service="service-http")
    rows = asked(applied, "query", *BETWEEN, "--both")["rows"]
    (more,) = [row for row in rows if row["state"] == "only_live"]
    assert (more["rule"], more["services"]) == ("theirs", ["tcp/80", "8080"]) or more[
        "services"
    ] == ["tcp/80,8080"]
    assert more["destination"] == ["10.20.1.11"]
    assert more["source_text"] == more["application_text"] == "any"
    out = applied("query", *BETWEEN, "--both").out
    assert "  only live      any → 10.20.1.11  any on tcp/80,8080  by theirs on fw1\n" in out


def test_an_address_of_no_zone_counts_as_one_of_the_zone(applied: Plant) -> None:
    """Whoever is attached there can take it."""
    add_rule(applied, source="192.168.77.0/24")
    rows = asked(applied, "query", *BETWEEN, "--both")["rows"]
    assert [row["source"] for row in rows if row["state"] == "only_live"] == [["192.168.77.0/24"]]
    from_asset = asked(applied, "query", "--from", "scada1", "--to", "plc1", "--both")["rows"]
    assert {row["rule"] for row in from_asset} == {POLL}


def test_what_is_declared_and_not_on_the_device_is_only_declared(applied: Plant) -> None:
    applied.fleet["fw1"].edit(
        "set", f"{RULES}/entry[@name='{POLL}']", "<disabled>yes</disabled>", commit=True
    )
    document = asked(applied, "query", *BETWEEN, "--both")
    assert document["states"] == ["only_declared"]
    assert asked(applied, "query", *BETWEEN)["rows"] == []
    declared = asked(applied, "query", *BETWEEN, "--declared")
    assert declared["states"] == ["permitted"]
    assert declared["devices"][0]["digest"] == ""


def test_what_cannot_be_told_has_its_reason_and_exit_1(applied: Plant) -> None:
    add_rule(applied, destination="CN")
    document = asked(applied, "query", *BETWEEN, "--both", code=1)
    assert document["error"]["code"] == "cannot_tell"
    unknown = [row for row in document["rows"] if row["state"] == "cannot_tell"]
    assert {row["rule"] for row in unknown} == {"theirs"}
    assert all("theirs: CN is known to the device only" in row["why"] for row in unknown)
    done = applied("query", *BETWEEN)
    assert done.code == 1
    assert "perhaps by theirs on fw1\n" in done.out
    assert "because theirs: CN is" in done.out


def test_no_device_is_asked_for_what_is_declared(plant: Plant) -> None:
    document = asked(plant, "query", *BETWEEN, "--declared")
    assert document["states"] == ["permitted"]
    asked(plant, "matrix", "--declared")
    assert not any(mock.requests for mock in plant.fleet.mocks.values())


def test_one_firewall_that_was_opened_is_shown_with_the_other_that_blocks(applied: Plant) -> None:
    add_rule(applied, "fw1", **{"from": "CTRL", "to": "SUPV"})
    document = asked(applied, "query", "--from", "plc1", "--to", "replica")
    (row,) = document["rows"]
    assert (row["firewall"], row["end_to_end"]) == ("fw1", "no")
    assert document["states"] == []
    out = applied("query", "--from", "plc1", "--to", "replica").out
    assert "another firewall blocks it" in out
    limited = asked(applied, "query", "--from", "plc1", "--to", "replica", "-l", "fw1", code=1)
    assert (limited["not_asked"], limited["states"]) == (["fw2"], ["cannot_tell"])
    assert [row["end_to_end"] for row in limited["rows"]] == ["cannot_tell"]


def test_both_firewalls_open_let_it_through_as_far_as_they_agree(applied: Plant) -> None:
    add_rule(applied, "fw1", **{"from": "CTRL", "to": "SUPV", "service": "service-http"})
    add_rule(applied, "fw2", **{"from": "SUPV", "to": "DMZ", "application": "ssh"})
    rows = asked(applied, "query", "--from", "plc1", "--to", "replica")["rows"]
    assert {(row["firewall"], row["end_to_end"]) for row in rows} == {
        ("fw1", "partly"),
        ("fw2", "partly"),
    }


def test_third_zones(applied: Plant) -> None:
    """Nothing passes from control to the DMZ, but a way leads over the supervisory zone."""
    add_rule(applied, "fw1", **{"from": "CTRL", "to": "SUPV", "destination": "10.20.2.20"})
    words = ("--from", "plc1", "--to", "dmz")
    assert asked(applied, "query", *words)["ways"] == []
    (way,) = asked(applied, "query", *words, "--pivot", "1")["ways"]
    assert way["state"] == "permitted"
    assert [(step["from_zone"], step["to_zone"]) for step in way["steps"]] == [
        ("plant/control", "plant/supervisory"),
        ("plant/supervisory", "plant/dmz"),
    ]
    assert {row["rule"] for row in way["steps"][1]["rows"]} == {"plant.replication.tls"}
    out = applied("query", *words, "--pivot", "1").out
    assert "by way of plant/control → plant/supervisory → plant/dmz: permitted\n" in out
    assert out.endswith("0 rows, 1 way through other zones\n")


def test_snapshots_answer_for_devices(applied: Plant) -> None:
    assert applied("snapshot", "-o", "kept").code == 0
    add_rule(applied)
    document = asked(applied, "query", *BETWEEN, "--offline", "kept", "--both")
    assert (document["offline"], document["states"]) == (True, ["permitted"])
    assert applied("snapshot", "-o", "kept").code == 0
    later = asked(applied, "query", *BETWEEN, "--offline", "kept", "--both")
    assert later["states"] == ["permitted", "only_live"]
    assert {row["rule"] for row in later["rows"] if row["state"] == "only_live"} == {"theirs"}


def test_the_matrix_has_every_pair_of_zones(applied: Plant) -> None:
    add_rule(applied, destination="10.20.1.77")
    add_rule(applied, "fw2", **{"from": "DMZ", "to": "SUPV", "source": "CN"})
    document = asked(applied, "matrix", code=1)
    assert (document["side"], document["error"]["code"]) == ("both", "cannot_tell")
    zones = ["plant/control", "plant/dmz", "plant/supervisory"]
    assert document["zones"] == zones
    assert {(one["from_zone"], one["to_zone"]) for one in document["cells"]} == {
        (one, other) for one in zones for other in zones
    }
    states = {(one["from_zone"], one["to_zone"]): one["states"] for one in document["cells"]}
    assert states["plant/supervisory", "plant/control"] == ["permitted", "only_live"]
    assert states["plant/supervisory", "plant/dmz"] == ["permitted"]
    assert states["plant/dmz", "plant/supervisory"] == ["cannot_tell"]
    assert states["plant/control", "plant/supervisory"] == []
    assert states["plant/control", "plant/control"] == ["permitted"]
    assert states["plant/dmz", "plant/control"] == ["cannot_tell"]  # through both new rules
    assert (document["summary"]["only_live"], document["summary"]["cannot_tell"]) == (1, 2)
    out = applied("matrix").out
    assert " 3 plant/supervisory    =+    =    =\n" in out
    assert "= permitted, - only declared, + only live, ? cannot tell, · nothing\n" in out


def test_a_reason_why_nothing_is_told_is_said_once(applied: Plant) -> None:
    for name in ("fw1", "fw2"):
        applied.fleet[name].stop()
    done = applied("matrix")
    assert done.code == 1
    untold = [line for line in done.out.splitlines() if "cannot tell    fw" in line]
    between = [line for line in done.out.splitlines() if line.startswith("    between")]
    assert (len(untold), len(between)) == (4, 3), "each alone, and both where a way has both"
    listed = ", ".join(line.split("between", 1)[1].strip() for line in between).split(", ")
    document = asked(applied, "matrix", code=1)
    pairs = {f"{one['from_zone']} → {one['to_zone']}" for one in document["cells"]}
    assert len(listed) == len(set(listed))
    assert set(listed) == pairs, "of every pair it is said"


def test_a_device_that_does_not_answer_leaves_its_cells_open(applied: Plant) -> None:
    applied.fleet["fw1"].stop()
    document = asked(applied, "matrix", code=1)
    assert document["error"]["code"] == "unreachable"
    states = {(one["from_zone"], one["to_zone"]): one["states"] for one in document["cells"]}
    assert states["plant/supervisory", "plant/control"] == ["cannot_tell"]
    assert states["plant/supervisory", "plant/dmz"] == ["permitted"]
    assert "unreachable" in asked(applied, "query", *BETWEEN, code=1)["errors"][0]["code"]


def test_csv_has_a_line_for_each_row(applied: Plant) -> None:
    add_rule(applied)
    done = applied("matrix", "--csv")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert len(rows) == sum(len(one["rows"]) for one in asked(applied, "matrix")["cells"])
    assert {row["rule"] for row in rows if row["state"] == "only_live"} == {"theirs"}
    assert applied("matrix", "--csv", "--json").code == 1
    applied.fleet["fw1"].stop()
    lines = applied("query", *BETWEEN, "--csv").out.splitlines()
    assert lines[1].startswith("plant/supervisory,plant/control,cannot_tell,")


def test_no_cell_of_csv_is_a_formula() -> None:
    row = {"state": "permitted", "rule": "=1+1", "firewall": "@fw\x1b", "why": ["+x", "-y"]}
    pair = {"from_zone": "-a", "to_zone": "b,c", "rows": [row], "errors": [], "not_asked": []}
    (read,) = csv.DictReader(io.StringIO(csv_text([pair])))
    assert (read["from_zone"], read["to_zone"]) == ("'-a", "b,c")
    assert (read["rule"], read["firewall"], read["why"]) == ("'=1+1", "'@fw\\x1b", "'+x; '-y")


def test_rows_of_a_linux_gateway(gateways: Plant) -> None:
    document = asked(gateways, "query", "--from", "supervisory", "--to", "cell-2", "--both")
    (row,) = [one for one in document["rows"] if one["state"] == "permitted"]
    assert (row["firewall"], row["rule"]) == ("gw2", "plant.poll-2.modbus")
    assert (row["application_text"], row["services"]) == ("modbus.read", ["tcp/502"])
    matrix = asked(gateways, "matrix")
    assert {state for cell in matrix["cells"] for state in cell["states"]} == {"permitted"}


def test_a_way_across_both_platforms_speaks_two_languages(gateways: Plant) -> None:
    document = asked(gateways, "query", "--from", "cell-1", "--to", "cell-2", "--declared")
    assert {row["end_to_end"] for row in document["rows"]} <= {"no"}


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("query", "--from", "scada1"), "give --from and --to"),
        (("query", *BETWEEN, "--declared", "--live"), "exclude each other"),
        (("query", *BETWEEN, "--both", "--pivot", "1"), "--pivot follows one policy"),
        (("query", *BETWEEN, "--declared", "--offline", "x"), "--declared asks no device"),
        (("query", "--from", "scada9", "--to", "control"), "'scada9' is not a zone, asset"),
        (("query", *BETWEEN, "-l", "fw2"), "include fw1 in -l"),
    ],
)
def test_what_cannot_be_asked_is_refused(plant: Plant, words: tuple[str, ...], text: str) -> None:
    done = plant(*words)
    assert done.code == 1
    assert text in done.err
    assert not any(mock.requests for mock in plant.fleet.mocks.values())


def test_a_zone_of_two_names_at_one_binding_keeps_its_addresses(applied: Plant) -> None:
    """A rule of the other zone's addresses is not in the rows of this one."""
    more = "  spare: {level: 1, kind: control, networks: [10.20.8.0/24]}\n  dmz:\n"
    applied.edit("group_vars/plant.yml", "  dmz:\n", more)
    applied.edit(
        "host_vars/fw1.yml",
        "  control:",
        "  spare: {zone: CTRL}\n  control:",
    )
    add_rule(applied, destination="10.20.8.9")
    rows = asked(applied, "query", *BETWEEN, "--live")["rows"]
    assert "theirs" not in {row["rule"] for row in rows}
    rows = asked(applied, "query", "--from", "supervisory", "--to", "spare")["rows"]
    assert {row["rule"] for row in rows} == {"theirs"}


# --- claims --------------------------------------------------------------------------------------


def claimed(plant: Plant, *words: str, code: int = 0) -> Any:
    with plant.untouched():
        done = plant("query", *words, "--json")
    assert done.code == code, (done.err, done.out[-2000:])
    jsonschema.validate(done.json, plant("schema", "claim").json)
    return done.json


def test_claims_hold_or_have_an_example(applied: Plant) -> None:
    assert claimed(applied, "live", "equivalent", "declared")["holds"] == "yes"
    add_rule(applied, destination="10.20.1.12", service="service-https")
    document = claimed(applied, "live", "implies", "declared", code=1)
    assert (document["holds"], document["error"]["code"]) == ("no", "check_failed")
    (exception,) = document["exceptions"]
    assert exception["rules"] == ["theirs", "interzone-default"]
    assert "→ 10.20.1.12 tcp/443" in exception["example"]
    assert claimed(applied, "declared", "implies", "live")["holds"] == "yes"
    out = applied("query", "live", "implies", "declared").out
    assert "    live: decided by theirs\n    declared: decided by interzone-default\n" in out
    assert out.endswith("live implies declared: does not hold (8 places asked)\n")


def test_a_plan_is_what_the_device_will_enforce(plant: Plant) -> None:
    assert claimed(plant, "live", "implies", "plan")["holds"] == "yes"
    assert claimed(plant, "plan", "equivalent", "declared")["holds"] == "yes"
    assert claimed(plant, "plan", "implies", "live", code=1)["holds"] == "no"
    assert plant("apply", "--auto-approve").code == 0
    add_rule(plant, destination="10.20.1.12")
    assert claimed(plant, "plan", "implies", "declared", code=1)["holds"] == "no"
    assert claimed(plant, "plan", "equivalent", "live")["holds"] == "yes"


def test_snapshots_are_held_against_devices(applied: Plant) -> None:
    assert applied("snapshot", "-o", "kept").code == 0
    words = ("snapshot", "equivalent", "live", "--offline", "kept")
    assert claimed(applied, *words)["holds"] == "yes"
    assert claimed(applied, "plan", "equivalent", "snapshot", "--offline", "kept")["holds"] == "yes"
    add_rule(applied)
    assert claimed(applied, *words, code=1)["holds"] == "no"


def test_a_claim_that_cannot_be_told_is_not_said_to_hold(applied: Plant) -> None:
    add_rule(applied, source="CN")
    document = claimed(applied, "live", "implies", "declared", code=1)
    assert (document["holds"], document["error"]["code"]) == ("cannot_tell", "cannot_tell")
    assert any("CN is known" in why for why in document["exceptions"][0]["why"])


def test_claims_about_the_packets_between_two_ends(applied: Plant) -> None:
    ends = ("--from", "dmz", "--to", "control")
    assert claimed(applied, "live", "never-matches", *ends)["holds"] == "yes"
    assert claimed(applied, "live", "never-matches", *BETWEEN, code=1)["holds"] == "no"
    assert claimed(applied, "live", "always-matches", *BETWEEN, code=1)["holds"] == "no"
    applied.fleet["fw1"].stop()
    document = claimed(applied, "live", "never-matches", *BETWEEN, code=1)
    assert (document["holds"], document["error"]["code"]) == ("cannot_tell", "unreachable")


def test_a_claim_of_the_inventory_asks_no_device(plant: Plant) -> None:
    words = ("declared", "never-matches", "--from", "control", "--to", "dmz")
    assert claimed(plant, *words)["holds"] == "yes"
    assert not any(mock.requests for mock in plant.fleet.mocks.values())


def test_claims_of_a_linux_gateway(gateways: Plant) -> None:
    assert claimed(gateways, "live", "equivalent", "declared")["holds"] == "yes"
    gateways.edit(
        "hosts.yml",
        "destination: plc2, protocols: {modbus: read}",
        "destination: plc2, protocols: {modbus: [read, write]}",
    )
    document = claimed(gateways, "live", "equivalent", "declared", code=1)
    assert {one["firewall"] for one in document["exceptions"]} == {"gw2"}
    assert "modbus.write" in document["exceptions"][0]["example"]
    assert claimed(gateways, "plan", "equivalent", "declared")["holds"] == "yes"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("live", "implies"), "name the second one"),
        (("live", "covers", "declared"), "verbs are implies, equivalent, disjoint"),
        (("alive", "implies", "declared"), "'alive' is not a policy: use declared, live"),
        (("live", "implies", "snapshot"), "needs --offline FILE"),
        (("live", "implies", "declared", "--offline", "x"), "--offline goes with a claim about"),
        (("live", "never-matches"), "say of what"),
        (("live", "implies", "declared", "--both"), "names its policies itself"),
        (("live", "implies", "declared", "--from", "control"), "both --from and --to"),
    ],
)
def test_claims_that_mean_nothing_are_refused(
    plant: Plant, words: tuple[str, ...], text: str
) -> None:
    done = plant("query", *words)
    assert done.code == 1
    assert text in done.err


def test_what_a_table_of_others_may_drop_is_not_surely_permitted(gateways: Plant) -> None:
    name = next(iter(gateways.fleet.linux))
    number = name.removeprefix("gw")
    words = ("query", "--from", "scada1", "--to", f"plc{number}")
    assert gateways(*words).code == 0
    gateway = gateways.fleet.linux[name]
    chain = "chain c { type filter hook forward priority 10; policy drop;"
    gateway.load(f"table inet fw {{\n {chain}\n }}\n}}\n")
    done = gateways(*words)
    assert (done.code, "nothing is permitted" in done.out) == (0, True)
    rule = "tcp dport 502 limit rate 5/second accept"
    assert gateway.edit(f"nft add rule inet fw c {rule}").status == 0
    done = gateways(*words)
    assert done.code == 1
    assert "because chain c of table inet fw: it may drop what our rules permit\n" in done.out
