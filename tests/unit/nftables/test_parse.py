from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from segctl.errors import ParseError, UnsupportedError
from segctl.intent import Flow, ProtocolUse
from segctl.plan import plan_device
from segctl.providers.nftables.listing import spell
from segctl.providers.nftables.render import transactions
from support.nft import PROVIDER, desired, live

if TYPE_CHECKING:
    from collections.abc import Mapping


def listing(*objects: Mapping[str, object]) -> str:
    return json.dumps({"nftables": [{"metainfo": {}}, *objects]})


CHAIN = {"chain": {"family": "inet", "table": "segctl", "name": "x", "handle": 1}}


def test_a_table_that_is_not_ours_is_refused() -> None:
    with pytest.raises(ParseError, match="segctl did not make"):
        live(listing(CHAIN))


def test_a_table_of_another_format_is_refused() -> None:
    mark = {"counter": {"name": "segctl", "comment": "made by segctl, format 9"}}
    with pytest.raises(ParseError, match="format 9"):
        live(listing(CHAIN, mark))


@pytest.mark.parametrize("text", ["", "[]", "{", '{"nftables": 1}', '{"nftables": [3]}'])
def test_what_is_no_listing_is_an_error(text: str) -> None:
    with pytest.raises(ParseError):
        live(text or "null")


def test_an_unknown_statement_is_never_silent() -> None:
    assert spell({"queue": {"num": 3}}).startswith("?")
    assert spell({"match": {"op": "<", "left": {"meta": {"key": "mark"}}, "right": 1}})[0] == "?"


@pytest.mark.parametrize(
    ("chain", "statement", "words"),
    [
        ({"policy": "drop"}, {"accept": None}, "by policy"),
        ({"policy": "accept"}, {"drop": None}, "in a rule"),
        ({"policy": "accept"}, {"accept": None}, "still judges"),
    ],
)
def test_chains_of_others_are_findings(
    chain: dict[str, object], statement: dict[str, object], words: str
) -> None:
    theirs = listing(
        {"chain": {"name": "f", "hook": "forward", "prio": -5, **chain}},
        {"rule": {"chain": "f", "expr": [statement]}},
    )
    found = live(foreign={"ip theirs": theirs})
    assert words in "".join(str(finding) for finding in found.findings)


def test_a_port_of_a_bridge_is_said() -> None:
    links = [{"ifname": "e1", "master": "br0"}, {"ifname": "e2"}, {"ifname": "e3"}]
    made = plan_device(desired(), live(links=links), PROVIDER)
    assert any("e1 is a port of br0" in finding.message for finding in made.findings)


def test_an_interface_that_is_not_there_is_an_error() -> None:
    links = [{"ifname": "e1"}, {"ifname": "e2"}]
    made = plan_device(desired(), live(links=links), PROVIDER)
    assert any("no interface e3" in finding.message for finding in made.findings)
    assert not made.applyable


def test_functions_need_a_newer_nft() -> None:
    wanted = desired(Flow(id="f", protocols=(ProtocolUse(protocol="modbus", classes=("read",)),)))
    with pytest.raises(UnsupportedError, match=r"needs nft 1\.0\.6"):
        plan_device(wanted, live(nft="nftables v0.9.8 (E.D.S.)"), PROVIDER)


@pytest.mark.parametrize(
    "line",
    [
        "add rule ip filter FORWARD accept",
        "flush ruleset",
        "add rule inet segctl2 x accept",
        'include "/etc/shadow"',
        "list table inet segctl",
    ],
)
def test_a_script_speaks_of_our_table_only(line: str) -> None:
    with pytest.raises(ValueError, match="not a command"):
        transactions(f"# segctl switch\n{line}\n")
