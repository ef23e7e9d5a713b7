"""A host that answers what it likes when it is read."""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from segctl.model.errors import ParseError, SegctlError
from segctl.providers.nftables.document import load
from segctl.providers.nftables.session import NftSession
from support.nft import EMPTY
from support.nft_answers import GOOD
from support.ssh_server import Manners, Visit, serving

if TYPE_CHECKING:
    from collections.abc import Mapping


def _read(parts: Mapping[str, tuple[str, str]]) -> bytes:
    def behave(visit: Visit) -> None:
        found = re.search(r"'([0-9a-f]{32})'", visit.command)
        assert found is not None
        for name, (text, code) in parts.items():
            visit.data(f"\n{found[1]} begin {name}\n{text}\n{found[1]} end {code}\n".encode())
        visit.status()
        visit.eof()
        visit.close()

    with serving(Manners(behave)) as target:
        opened = NftSession(target, read_only=True, progress=lambda _: None)
        with closing(opened):
            return opened.read()


def test_a_host_without_our_table() -> None:
    assert load(_read(GOOD)).table == ""


@pytest.mark.parametrize("part", ["boot", "body", "loads"])
def test_a_host_without_the_tools_to_tell_what_a_reboot_loads(part: str) -> None:
    found = load(_read(GOOD | {part: ("", "127")}))
    assert (found.loads is None) if part == "loads" else (found.boot is None)


def test_a_host_with_a_table() -> None:
    assert load(_read(GOOD | {"table": (EMPTY, "0")})).table == EMPTY


@pytest.mark.parametrize("code", ["", "x", "-1", "1e3", "99999999999999999999", "0x1"])
@pytest.mark.parametrize("part", ["uid", "table"])
def test_an_exit_code_that_is_none(part: str, code: str) -> None:
    with pytest.raises(ParseError, match=f"ends in the middle of '{part}'"):
        _read(GOOD | {part: (GOOD[part][0], code)})


@pytest.mark.parametrize("part", [name for name in GOOD if name != "machine"])
def test_a_part_that_is_not_there(part: str) -> None:
    with pytest.raises(ParseError, match=f"no answer for '{part}'"):
        _read({name: answer for name, answer in GOOD.items() if name != part})


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("Error: Resource busy", "1"),
        ("sh: line 1: /usr/sbin/nft: No such file or directory", "127"),
        ("nft: error while loading shared libraries: No such file or directory", "127"),
    ],
)
def test_a_table_that_could_not_be_listed_is_not_taken_for_none(said: str, code: str) -> None:
    with pytest.raises(SegctlError, match=re.escape(said)):
        _read(GOOD | {"table": (said, code)})


@pytest.mark.parametrize("chains", ["", "[]", "3", '{"nftables": [{"chain": {"hook": {}}}]}'])
def test_chains_that_are_no_listing(chains: str) -> None:
    with pytest.raises(ParseError, match="not an nft listing"):
        _read(GOOD | {"chains": (chains, "0")})
