from __future__ import annotations

import copy
import json
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segctl.drift.items import items_of
from segctl.model.errors import ParseError, SegctlError, UnsupportedError
from segctl.model.site import Flow, ProtocolUse
from segctl.planning.make import plan_device
from segctl.providers.nftables.document import EVERY
from segctl.providers.nftables.listing import read_table, spell
from segctl.providers.nftables.render import transactions
from segctl.providers.state import UNREAD
from segctl_mocks.linux.mock import LinuxMock
from support.nft import PROVIDER, asset, desired, live, tcp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping


def listing(*objects: Mapping[str, object]) -> str:
    return json.dumps({"nftables": [{"metainfo": {}}, *objects]})


CHAIN = {"chain": {"family": "inet", "table": "segctl", "name": "x", "handle": 1}}


def test_a_table_that_is_not_ours_is_refused() -> None:
    with pytest.raises(ParseError, match="segctl did not create"):
        live(listing(CHAIN))


def test_a_table_of_another_format_is_refused() -> None:
    mark = {"counter": {"name": "segctl", "comment": "made by segctl, format 9"}}
    with pytest.raises(ParseError, match="format 9"):
        live(listing(CHAIN, mark))


@pytest.mark.parametrize("text", ["", "[]", "{", '{"nftables": 1}', '{"nftables": [3]}'])
def test_what_is_no_listing_is_an_error(text: str) -> None:
    with pytest.raises(ParseError):
        live(text or "null")


WANTED = desired(
    Flow(id="f1", sources=(asset("supv", "a1"),), services=(tcp(502), tcp(80, 90))),
    Flow(id="f2", services=(tcp(443),), log=False),
    Flow(id="f3", protocols=(ProtocolUse(protocol="modbus", classes=("read",)),)),
)
THEIRS = """table inet theirs {
  chain f { type filter hook forward priority -5; ct state new drop; }
}"""
_ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=4,
)


@cache
def _answers() -> dict[str, Any]:
    """Return the listings of a gateway that holds our table, and beside it one of others."""
    mock = LinuxMock()
    for script in (plan_device(WANTED, live(), PROVIDER).script, THEIRS):
        assert mock.edit("/usr/sbin/nft -f -", script).status == 0
    return {
        "ours": json.loads(mock.config_json("table inet segctl")),
        "theirs": json.loads(mock.config_json("table inet theirs")),
        "links": [{"ifname": f"e{number}"} for number in range(1, 4)],
    }


_KEYED: Mapping[type, Callable[[Any], Iterable[tuple[Any, Any]]]] = {
    dict: lambda tree: tree.items(),
    list: enumerate,
}


def _places(tree: object, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield place
    for key, inner in _KEYED.get(type(tree), lambda _: ())(tree):
        yield from _places(inner, (*place, key))


def _planned(answers: Mapping[str, Any]) -> int:
    found = live(
        json.dumps(answers["ours"]),
        links=answers["links"],
        foreign={"inet theirs": json.dumps(answers["theirs"])},
    )
    return len(plan_device(WANTED, found, PROVIDER).changes)


def test_what_a_gateway_answers_is_understood() -> None:
    assert _planned(_answers()) == 0


@settings(max_examples=25, deadline=None)  # each one plans
@given(data=st.data())
def test_what_is_not_understood_is_a_clear_error_or_a_difference(data: st.DataObject) -> None:
    changed = copy.deepcopy(_answers())
    _, *places = _places(changed)
    *above, last = places[data.draw(st.integers(0, len(places) - 1))]
    inner: Any = changed
    for key in above:
        inner = inner[key]
    inner[last] = data.draw(_ANY)
    with suppress(SegctlError):
        _planned(changed)


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


def test_an_interface_that_is_not_there_is_a_warning() -> None:
    links = [{"ifname": "e1"}, {"ifname": "e2"}]
    made = plan_device(desired(), live(links=links), PROVIDER)
    (found,) = (one for one in made.findings if "does not have interface e3" in one.message)
    assert found.severity == "warning"
    assert made.applyable
    assert '"e3"' in made.script


@pytest.mark.parametrize(
    ("said", "holds"),
    [
        ("nftables v0.9.8 (E.D.S.)", "nft 0.9.8"),
        ("nftables v1.0.5 (Lester Gooch #4)", "nft 1.0.5"),
        ("nftables v0.10 (?)", "nft 0.10"),
        ("", "unknown version"),
        ("nft from vendor", "unknown version"),
    ],
)
def test_an_old_nft_is_refused(said: str, holds: str) -> None:
    with pytest.raises(UnsupportedError) as found:
        live(nft=said)
    assert holds in str(found.value)
    assert "cannot comment objects" in str(found.value)
    assert "1.0.6 or newer" in str(found.value)


def test_a_newer_nft_is_taken() -> None:
    assert live(nft="nftables v1.10 (?)").identity.os_version == "1.10"


@pytest.mark.parametrize("table", ["ip other", EVERY])
def test_a_table_that_could_not_be_read_is_drift_and_bars_nothing(table: str) -> None:
    made = plan_device(desired(), live(unread={table: "nft crashed (Aborted)"}), PROVIDER)
    (found,) = (one for one in made.findings if one.kind == UNREAD)
    assert found.message.startswith("cannot tell what table")
    assert "nft crashed (Aborted)" in found.message
    assert ("ip other" in found.message) is (table == "ip other")
    assert made.applyable
    (item,) = (one for one in items_of(made) if one.finding is found)
    assert (item.state, item.kind, item.name) == ("unread", "table", table)


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


RAW = {"base": "ih", "offset": 28, "len": 4}


@pytest.mark.parametrize(
    ("left", "right", "words"),
    [
        ({"payload": RAW}, 4, "@ih,24,8 & 0xf == 0x4"),
        ({"payload": RAW | {"offset": 23, "len": 1}}, 0, "@ih,16,8 & 0x1 == 0x0"),
        ({"payload": RAW | {"offset": 80, "len": 2}}, 3, "@ih,80,8 & 0xc0 == 0xc0"),
        ({"payload": RAW | {"offset": 12, "len": 8}}, 1, "@ih,8,16 & 0xff0 == 0x10"),
        ({"payload": RAW}, {"set": [1, 2]}, "@ih,24,8 & 0xf == { 0x1, 0x2 }"),
        ({"&": [{"payload": RAW | {"offset": 24, "len": 8}}, 15]}, 4, "@ih,24,8 & 0xf == 0x4"),
        ({"payload": RAW | {"offset": 24, "len": 8}}, 4, "@ih,24,8 0x4"),
    ],
)
def test_bits_of_a_payload_are_spelled_one_way(left: object, right: object, words: str) -> None:
    assert spell({"match": {"op": "==", "left": left, "right": right}}) == words


def field(protocol: str, name: str) -> dict[str, object]:
    return {"payload": {"protocol": protocol, "field": name}}


@pytest.mark.parametrize(
    ("made", "declaration"),
    [
        ("ipv4_addr", "type ipv4_addr;"),
        (["ifname", "ifname"], "type ifname . ifname;"),
        ({"typeof": field("ip", "saddr")}, "type ipv4_addr;"),
        ({"typeof": field("ip6", "daddr")}, "type ipv6_addr;"),
        ({"typeof": {"meta": {"key": "iifname"}}}, "type ifname;"),
        ({"typeof": {"meta": {"key": "mark"}}}, "type mark;"),
        (
            {"typeof": {"concat": [{"payload": RAW}, field("ip", "length")]}},
            "type integer . integer;",
        ),
        ({"typeof": field("tcp", "dport")}, 'type ?{"typeof":'),
        ({"typeof": {"concat": [field("ip", "saddr"), {"ct": {"key": "id"}}]}}, "type ?"),
        ({"other": 1}, "type ?"),
    ],
)
def test_what_a_set_is_made_by_is_its_type(made: object, declaration: str) -> None:
    listed = listing({"set": {"name": "s", "type": made, "handle": 1}})
    held = read_table(listed).sets["s"].declaration
    assert held.startswith(declaration)
