"""Marks that tables of others set, as a kernel lists them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from segctl.model.site import Flow
from segctl.planning.make import plan_device
from segctl.providers.nftables.foreign import hooked_tables
from support.nft import PROVIDER, Kernel, desired, live, tcp

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from segctl.model.errors import Problem

OURS = "bits of the connection mark that are segctl's"


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    made = Kernel()
    yield made
    made.close()


def findings(kernel: Kernel, rule: str, hook: str = "prerouting") -> Sequence[Problem]:
    """Return what is found on a host where others have this rule."""
    kernel.run(
        "nft -f -",
        f"table inet theirs\ndelete table inet theirs\ntable inet theirs {{\n chain marks {{\n"
        f"  {rule}\n }}\n chain base {{ type filter hook {hook} priority -150;\n jump marks\n"
        " }\n}\n",
    )
    tables = hooked_tables(kernel.run("nft -j list chains"))
    return live(
        foreign={table: kernel.run(f"nft -j -t list table {table}") for table in tables}
    ).findings


@pytest.mark.parametrize(
    "rule",
    [
        "ct mark set 0x1",
        "ct mark set 0x10000",
        "ct mark set meta mark",
        "tcp dport 502 ct mark set ct mark or 0x10000",
        "ct mark set ct mark and 0x0000ffff",
        "ct mark set ct mark xor 0x80000000",
        "ct mark set ct mark and 0x00ffffff or 0x1",
        "ct mark set ip saddr map { 10.0.0.1 : 0x1 }",
    ],
)
@pytest.mark.parametrize("hook", ["prerouting", "forward", "output"])
def test_a_foreign_rule_that_writes_our_half_is_an_error(
    kernel: Kernel, rule: str, hook: str
) -> None:
    (found,) = [one for one in findings(kernel, rule, hook) if OURS in one.message]
    assert found.severity == "error"
    assert "chain marks of table inet theirs" in found.message
    assert "0xffff0000" in found.hint


@pytest.mark.parametrize(
    "rule",
    [
        "ct mark set ct mark and 0xffff0000 or 0x1",
        "ct mark set ct mark or 0x1",
        "ct mark set ct mark xor 0xff",
        "meta mark set ct mark",
        "ct mark 0x10000 accept",
    ],
)
def test_one_that_keeps_to_its_own_half_is_none(kernel: Kernel, rule: str) -> None:
    assert not [one for one in findings(kernel, rule) if one.severity == "error"]


def test_a_foreign_mark_is_in_the_way_of_apply(kernel: Kernel) -> None:
    findings(kernel, "ct mark set meta mark")
    text = kernel.run("nft -j -t list table inet theirs")
    made = plan_device(
        desired(Flow(id="f", services=(tcp(22),))), live(foreign={"inet theirs": text}), PROVIDER
    )
    assert not made.applyable


def test_rules_of_iptables_are_not_taken_for_harmless() -> None:
    def of(statement: object) -> list[str]:
        rule = {"family": "ip", "table": "mangle", "chain": "PREROUTING", "expr": [statement]}
        found = live(foreign={"ip mangle": json.dumps({"nftables": [{"rule": rule}]})})
        return [one.severity for one in found.findings]

    assert of({"xt": {"type": "target", "name": "CONNMARK"}}) == ["error"]
    assert of({"xt": {"type": "match", "name": "connmark"}}) == []
    assert of({"xt": None}) == ["note"]


def _chains(number: int, last: str) -> str:
    """Return a table of many chains that set marks, each of which leads to the next."""
    base = {"hook": "forward", "type": "filter", "prio": 0, "policy": "accept"}
    mark = {"mangle": {"key": {"ct": {"key": "mark"}}, "value": 1}}
    whole = {"family": "inet", "table": "theirs"}
    chains = [
        {"chain": {**whole, "name": f"c{n}", **(base if n == 0 else {})}} for n in range(number)
    ]
    rules = [
        {"rule": {**whole, "chain": f"c{n}", "expr": [mark, {"goto": {"target": f"c{n + 1}"}}]}}
        for n in range(number)
    ]
    other = {"rule": {**whole, "chain": "other", "expr": [{last: None}]}}
    return json.dumps({"nftables": [*chains, *rules, other]})


def test_a_table_of_thousands_of_chains_is_judged() -> None:
    """Each has one finding; the time must not grow with the cube of their number."""
    before, after = (
        [
            one
            for one in live(foreign={"inet theirs": _chains(3000, last)}).findings
            if OURS in one.message
        ]
        for last in ("accept", "drop")
    )
    assert len({one.subject for one in before}) == 3000
    assert not {one.about for one in before} & {one.about for one in after}


def test_chains_that_lead_elsewhere_do_not_count_where_there_are_few() -> None:
    before, after = (
        [
            one
            for one in live(foreign={"inet theirs": _chains(5, last)}).findings
            if OURS in one.message
        ]
        for last in ("accept", "drop")
    )
    assert len(before) == 5
    assert [one.about for one in before] == [one.about for one in after]
