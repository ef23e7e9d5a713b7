"""``segctl island`` on a gateway with nftables: timed sets of its own, and addresses above it."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema
import pytest

from cli.test_contain_gateway import REPLICA, SITE, Gateway, gateway

__all__ = ["gateway"]

CONDUIT = """\
        export:
          from: supervisory
          to: dmz
          reason: Reports
          owner: process-data
          flows: {tls: {services: [tcp/9443]}}
"""
DECLARED = CONDUIT + "      segctl_containment: {islands: {zones: [supervisory], sites: [plant]}}\n"
FOR = ("--for", "2h", "--reason", "ransom note")
CUT = ("--from", "scada1", "--to", "replica", "--port", "9443")
BELOW = ("--from", "scada1", "--to", "plc1", "--port", "502")
SUPERVISORY = {"island4_plant.supervisory": ["10.20.2.0/24"]}


@pytest.fixture
def prepared(gateway: Gateway) -> Gateway:
    """The gateway, provisioned with islands."""
    gateway.write(SITE + DECLARED)
    gateway("apply", "--auto-approve")
    return gateway


def begin(gateway: Gateway, name: str, *words: str, code: int = 0) -> Any:
    done = gateway("island", "begin", name, *(words or FOR), "--auto-approve", "--json", code=code)
    jsonschema.validate(done.json, gateway("schema", "island-begin").json)
    return done.json


def members(gateway: Gateway) -> dict[str, dict[str, int]]:
    """Return who is in each set of an island, with the seconds left."""
    found: dict[str, dict[str, int]] = {}
    listed: Any = json.loads(gateway.mock.edit("nft -j list table inet segctl").out)["nftables"]
    for one in listed:
        held = one.get("set", {})
        for element in held.get("elem", []) if held.get("name", "").startswith("island") else ():
            prefix = element["elem"]["val"]["prefix"]
            address = f"{prefix['addr']}/{prefix['len']}"
            found.setdefault(held["name"], {})[address] = element["elem"]["expires"]
    return found


def test_nothing_is_an_island_and_nothing_differs(prepared: Gateway) -> None:
    prepared("plan", "--detailed-exitcode")
    prepared("drift")
    prepared("prove")
    prepared("prove", "--declared")
    prepared("check", *CUT, "--expect", "allow")


def test_it_is_looked_up_before_any_mark_and_with_what_is_above(prepared: Gateway) -> None:
    listed = prepared.mock.edit("nft list chain inet segctl forward").out
    lines = [line.strip() for line in listed.splitlines()]
    first = lines.index("iifname . oifname vmap @pairs")
    cut = [line for line in lines[:first] if "@island" in line]
    assert len(cut) == 4  # two islands, both ways; what is above has no address of IPv6
    assert all(re.search(r"ip [sd]addr @a4\S*dmz\S* ", line) for line in cut)


def test_a_zone_is_cut_from_what_is_above_and_joined_again(prepared: Gateway) -> None:
    before = prepared.mock.config()
    found = begin(prepared, "supervisory")
    assert found["island"]
    assert sorted(found["addresses"]) == ["10.20.2.0/24", "fd00:20:2::/64"]
    held = members(prepared)
    assert {name: list(some) for name, some in held.items()} == {
        **SUPERVISORY,
        "island6_plant.supervisory": ["fd00:20:2::/64"],
    }
    assert all(7000 < left <= 7200 for some in held.values() for left in some.values())
    prepared("check", *CUT, "--expect", "deny")
    prepared("check", *REPLICA, "--expect", "allow")
    prepared("check", *BELOW, "--expect", "allow")
    assert "plant.supervisory is an island until" in prepared("plan", "--detailed-exitcode").out
    prepared("drift")
    prepared("prove")
    prepared("island", "status")
    prepared("island", "end", "supervisory")
    assert members(prepared) == {}
    assert prepared.mock.config() == before
    prepared("check", *CUT, "--expect", "allow")


def test_two_islands_of_which_one_is_in_the_other(prepared: Gateway) -> None:
    begin(prepared, "supervisory")
    begin(prepared, "plant")
    prepared("contain", "zone", "supervisory", *FOR, "--auto-approve")
    assert set(members(prepared)) == {
        f"island{version}_plant{zone}" for version in (4, 6) for zone in ("", ".supervisory")
    }
    prepared("island", "end", "supervisory")
    prepared("check", *CUT, "--expect", "deny")
    prepared("contain", "release", "supervisory")
    prepared("check", *CUT, "--expect", "deny")
    prepared("check", *BELOW, "--expect", "allow")
    prepared("island", "end", "plant")
    prepared("check", *CUT, "--expect", "allow")


def test_an_apply_and_a_table_made_anew_keep_it_with_the_time_that_is_left(
    prepared: Gateway,
) -> None:
    begin(prepared, "supervisory", "--for", "1h", "--reason", "x")
    before = members(prepared)
    prepared.write((SITE + DECLARED).replace("tcp/9443", "tcp/9444"))
    prepared("apply", "--auto-approve")
    assert members(prepared).keys() == before.keys()
    prepared.nft("add chain inet segctl new { type filter hook forward priority 5; }\n")
    assert "delete table inet segctl" in prepared("plan", "--json").out
    prepared("apply", "--auto-approve")
    after = members(prepared)
    assert after.keys() == before.keys()
    for name, some in before.items():
        for address, left in some.items():
            assert left - 600 < after[name][address] <= left
    prepared("island", "status")
    prepared("drift")


def test_taking_it_away_is_said(prepared: Gateway) -> None:
    begin(prepared, "supervisory")
    prepared.write(SITE + CONDUIT)
    done = prepared("plan", code=None)
    assert "this ends island plant.supervisory" in done.out
    prepared("apply", "--auto-approve", "--allow-mass-delete")
    assert "island" not in re.sub(r'"applied .*?"', "", prepared.mock.config())


def test_what_a_host_lost_is_a_gap_and_can_be_healed(prepared: Gateway) -> None:
    begin(prepared, "supervisory")
    prepared.nft("flush set inet segctl island4_plant.supervisory\n")
    done = prepared("island", "status", "--json", code=1)
    (gap,) = done.json["gaps"]
    assert (gap["island"], gap["address"]) == ("plant.supervisory", "10.20.2.0/24")
    prepared("island", "status", "--heal")
    assert set(members(prepared)) >= set(SUPERVISORY)


@pytest.mark.parametrize(
    "change",
    [
        "flush chain inet segctl rule_segctl.island-out.plant.supervisory\n",
        "insert rule inet segctl rule_segctl.island-in.plant.supervisory accept\n",
        "insert rule inet segctl forward ip saddr 10.20.2.5 accept\n",
    ],
)
def test_what_somebody_changed_is_drift_and_no_island(prepared: Gateway, change: str) -> None:
    prepared.nft(change)
    prepared("drift", code=2)
    done = prepared("island", "begin", "supervisory", *FOR, "--auto-approve", code=1)
    assert "Not an island" in done.out or "no firewall can make" in done.err


def test_an_import_gives_islands_back_and_says_what_it_cannot_know(prepared: Gateway) -> None:
    begin(prepared, "supervisory")
    done = prepared("import", "gw1", "-o", "out")
    text = "".join(path.read_text("utf-8") for path in prepared.folder.rglob("out/**/*.yml"))
    assert "segctl_containment" in text
    said = done.out + done.err
    assert "levels of zones are such as make the islands of the device" in said
    assert "plant, plant.supervisory" in said
    assert "planning back changes nothing" in said
    assert "does not name its conduit" not in said
