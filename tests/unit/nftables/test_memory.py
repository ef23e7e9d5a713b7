"""What a hostile host may send, and how much memory a run takes to read it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from segctl.model.errors import ParseError
from segctl.providers.nftables import NftablesProvider
from segctl.providers.nftables.session import NftSession
from segctl.providers.nftables.watching import connections
from segctl.providers.state import UNREAD
from segctl.system.loading import weight
from segctl.transports.ssh_exec import Answer
from support.nft_answers import GOOD
from support.ssh_server import Manners, Visit, serving

if TYPE_CHECKING:
    from segctl.transports.target import Target

MB = 2**20
#: Memory of a process that reads one device, at most.
LIMIT = 512
READS = """
import sys
from segctl.transports.credentials import Secret
from segctl.model.errors import SegctlError
from segctl.transports.target import Target
from segctl.providers.nftables import NftablesProvider
from segctl.providers.nftables.session import NftSession
target = Target(name="gw1", host="127.0.0.1", port=int(sys.argv[1]), user="operator",
                password=Secret("secret"), ssh_fingerprint=sys.argv[2], timeout=300)
said = "it was read"
try:
    session = NftSession(target, read_only=True, progress=lambda _: None)
    NftablesProvider().parse(session.read())
except SegctlError as error:
    said = str(error)
(most,) = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(int(most) // 1024, said)
"""
#: What the listing of our table repeats, how many MB of it, and what becomes of it.
SENT = {
    "lists": ("[],", 31, "to read"),
    "dictionaries": ("{},", 31, "to read"),
    "strings": ('"ab",', 31, "to read"),
    "numbers": ("1.5,", 31, "to read"),
    "rules": ('{"rule":{"chain":"c"}},', 14, "to read"),
    "deep": ('{"a":', 31, "to read"),
    "control characters": ('"\x01",', 4, "control characters"),
    "wide characters": ("\N{GRINNING FACE}" * 4000 + "x" * 40000, 30, "to read"),
    "text": ("x" * 4000, 31, ""),
    "rules that pass": ('{"rule":{"chain":"c"}},', 7, ""),
    "elements that pass": ('"10.0.0.1",', 18, ""),
}


def _table(unit: str, size: int) -> str:
    many = unit * (size * MB // len(unit.encode()))
    if unit.startswith(("[", "{", '"', "1")):
        return f'{{"nftables": [{many}{{"metainfo": {{}}}}]}}'
    return f'{{"nftables": [{{"metainfo": {{"a": "{many}"}}}}]}}'


def _peak(target: Target) -> tuple[int, str]:
    words = [sys.executable, "-c", READS, str(target.port), target.ssh_fingerprint]
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    peak, _, said = told.partition(" ")
    return int(peak), said


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
@pytest.mark.parametrize("case", SENT)
def test_memory_is_bounded_whatever_is_sent(case: str) -> None:
    unit, size, refused = SENT[case]
    table = _table(unit, size)

    def behave(visit: Visit) -> None:
        found = re.search(r"'([0-9a-f]{32})'", visit.command)
        assert found is not None
        for name, (text, code) in (GOOD | {"table": (table, "0")}).items():
            visit.data(f"\n{found[1]} begin {name}\n{text}\n{found[1]} end {code}\n".encode())
        visit.status()
        visit.eof()
        visit.close()

    with serving(Manners(behave)) as target:
        peak, said = _peak(target)
    assert refused in said
    assert peak < LIMIT, said


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_memory_is_bounded_of_an_answer_without_end() -> None:
    def behave(visit: Visit) -> None:
        while True:
            visit.data(b"x" * 65536)

    with serving(Manners(behave)) as target:
        peak, said = _peak(target)
    assert "more than 32 MB (segctl_max_answer_mb)" in said
    assert peak < LIMIT


def test_a_listing_of_ten_thousand_rules_is_light_enough() -> None:
    rule = (
        '{"rule": {"family": "inet", "table": "segctl", "chain": "rule_conduit.flow", '
        '"handle": 4711, "expr": [{"counter": "rule_conduit.flow"}, {"goto": {"target": '
        '"ok_SUPV/CTRL"}}]}}, '
    )
    lines = rule * (15 * MB // len(rule))
    assert 15 * MB // len(rule) > 60_000
    assert weight(lines) < 2.5 * 128 * MB


def _of_marks(number: int) -> str:
    """Return a table of others with rules that set marks by so many maps."""
    whole = {"family": "inet", "table": "theirs"}
    base = {"hook": "forward", "type": "filter", "prio": 0, "policy": "accept"}
    maps = [{"map": {**whole, "name": f"m{n}", "type": "ipv4_addr"}} for n in range(number)]
    marks = [
        {"mangle": {"key": {"ct": {"key": "mark"}}, "value": {"map": {"data": f"@m{n}"}}}}
        for n in range(number)
    ]
    rule = {"rule": {**whole, "chain": "c", "expr": marks}}
    return json.dumps({"nftables": [{"chain": {**whole, "name": "c", **base}}, *maps, rule]})


@pytest.mark.parametrize(("number", "size"), [(5, 300_000), (300, 10)])
def test_all_sets_of_others_are_bounded_together(number: int, size: int) -> None:
    """One by one each may be small enough; all of them are kept until the table is judged."""
    listing = _of_marks(number)

    def behave(visit: Visit) -> None:
        found = re.search(r"'([0-9a-f]{32})'( 'inet theirs')?", visit.command)
        if found is None:
            visit.data(json.dumps({"nftables": [{"metainfo": {"a": "x" * size}}]}).encode())
        else:
            said = GOOD | {"chains": (listing, "0")}
            said = {"inet theirs": (listing, "0")} if found[2] else said
            for name, (text, code) in said.items():
                visit.data(f"\n{found[1]} begin {name}\n{text}\n{found[1]} end {code}\n".encode())
        visit.status()
        visit.eof()
        visit.close()

    with serving(Manners(behave)) as target:
        session = NftSession(
            replace(target, max_answer=3 * MB), read_only=True, progress=lambda _: None
        )
        with closing(session):
            if number == 5:
                with pytest.raises(ParseError, match="segctl_max_answer_mb"):
                    session.read()
                return
            live = NftablesProvider().parse(session.read())
    (found,) = [one for one in live.findings if one.kind == UNREAD]
    assert "more than 200 sets" in found.message


def test_a_list_of_connections_with_a_million_lines_is_not_taken_apart() -> None:
    many = "ab\n" * 1_000_000
    with pytest.raises(ParseError, match="more than 400000 lines"):
        connections("gw1", lambda _: Answer(code=0, out=many, err=""), datetime.now(UTC))
