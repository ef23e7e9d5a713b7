"""What a reboot loads: the boot file against the table, and who loads the file."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from segctl.model.errors import ParseError
from segctl.providers.nftables.document import Document, load
from segctl.providers.nftables.kept import Boot, digest, kept, loading, table_digest
from segctl.providers.nftables.parse import parse
from segctl.providers.nftables.table import Chain, Counter, Line, Set, Table
from support.nft import EMPTY

BOOT = "/etc/nftables.d/segctl.nft"
TABLE = Table(
    chains={
        "forward": Chain(name="forward", hook="x", lines=(Line("accept", handle=7), Line("drop"))),
        "deny": Chain(name="deny"),
    },
    sets={"a4_x": Set(name="a4_x", declaration="d", elements=frozenset({"1", "2"}))},
    counters={"segctl": Counter(name="segctl", comment="made by segctl, format 1", packets=9)},
)
HEAD = "# Written by segctl; loaded at boot.\n# segctl boot 1 table={table} body={body}\ntable i"
SYSTEMD = "/run/systemd/system\n"
UNITS = "/etc/systemd/system/sysinit.target.wants/"


def document(**more: object) -> Document:
    """Return a document with these answers about the boot file."""
    made = Document(
        host="gw", nft="nftables v1.0.6", kernel="6", hostname="gw", machine="m",
        table="", chains=EMPTY, links="[]", foreign={},
    )  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - fields by name


def written(table: Table, body: str = "b" * 64) -> str:
    return HEAD.format(table=digest(table), body=body)


def test_what_segctl_wrote_of_this_table_is_kept() -> None:
    assert kept(document(boot=written(TABLE), body="b" * 64), TABLE) == Boot("same")


@pytest.mark.parametrize(
    ("boot", "body", "said", "why"),
    [
        (written(TABLE), "c" * 64, "differs", "edited"),
        (written(TABLE), "", "differs", "edited"),
        (written(Table()), "b" * 64, "differs", "was changed"),
        ("#!/usr/sbin/nft -f\n", "b" * 64, "differs", "somebody else"),
        ("table inet x {}\n", "b" * 64, "differs", "somebody else"),
        ("", "b" * 64, "differs", "somebody else"),
        ("# Written by segctl; loaded at boot.\ntable i", "", "unknown", "earlier segctl"),
        (f"cat: {BOOT}: Permission denied\n", "", "unknown", "may not read it"),
        ("sudo: a password is required\n", "", "unknown", "may not read it"),
        (f"cat: {BOOT}: No such file or directory\n", "", "missing", "there is no"),
        (None, "", "unknown", "was not read"),
    ],
)
def test_anything_else_is_never_taken_for_the_same(
    boot: str | None, body: str, said: str, why: str
) -> None:
    found, words, cause = kept(document(boot=boot, body=body), TABLE)
    assert found == said
    assert why in words
    assert cause.isalpha()  # accepted drift is bound to it, not to the words


def test_a_host_without_policy_needs_no_boot_file() -> None:
    assert kept(document(boot=f"cat: {BOOT}: No such file or directory"), Table())[0] == "same"
    assert kept(document(boot=written(TABLE), body="b" * 64), Table())[0] == "differs"


def test_the_digest_is_of_what_decides_and_of_nothing_else() -> None:
    forward, deny = TABLE.chains["forward"], TABLE.chains["deny"]
    same = replace(
        TABLE,
        chains={
            "deny": deny,
            "forward": replace(forward, lines=(Line("accept", handle=9), *forward.lines[1:])),
        },
        counters={"segctl": replace(TABLE.counters["segctl"], packets=1)},
        sets={
            **TABLE.sets,
            "lock": Set(name="lock", declaration="type mark;", elements=frozenset({"7"})),
            "push": Set(name="push", declaration="type mark;", elements=frozenset({"8"})),
        },
    )
    assert digest(same) == digest(TABLE)
    others = (
        replace(TABLE, chains={"forward": replace(forward, lines=forward.lines[::-1])}),
        replace(TABLE, chains={"forward": forward}),
        replace(TABLE, chains={**TABLE.chains, "forward": replace(forward, hook="y")}),
        replace(TABLE, sets={}),
        replace(TABLE, sets={"a4_x": replace(TABLE.sets["a4_x"], elements=frozenset({"1"}))}),
        replace(TABLE, counters={}),
        replace(TABLE, strange=("quota q",)),
    )
    assert len({digest(TABLE), *map(digest, others)}) == 1 + len(others)
    assert table_digest("") == digest(Table())


LOADED = {
    "an include that a unit's file has": (
        f"{UNITS}nftables.service:ExecStart=/usr/sbin/nft -f /etc/nftables.conf\n"
        '/etc/nftables.conf:include "/etc/nftables.d/*.nft"\n'
    ),
    "a relative include": (
        f"{UNITS}nftables.service:ExecStart=/sbin/nft 'flush ruleset; include \"x\"'\n"
        '/etc/sysconfig/nftables.conf:  include "nftables.d/*.nft"\n'
    ),
    "a unit of its own": f"{UNITS}segctl-nftables.service:ExecStart=/usr/sbin/nft -f {BOOT}\n",
    "a whole folder": (
        f"{UNITS}nftables.service:ExecStart=nft -f /etc/nftables.conf\n"
        "/etc/nftables.conf:include '/etc/nftables.d/'\n"
    ),
}
NOT_LOADED = {
    "nothing": "",
    "a unit that is not enabled": '/etc/nftables.conf:include "/etc/nftables.d/*.nft"\n',
    "a service without an include": (
        f"{UNITS}nftables.service:ExecStart=/usr/sbin/nft -f /etc/nftables.conf\n"
    ),
    "a remark": f"{UNITS}other.service:# nft -f {BOOT}\n",
}
NOT_TOLD = {
    "an include of something else": (
        f"{UNITS}nftables.service:ExecStart=/usr/sbin/nft -f /etc/nftables.conf\n"
        '/etc/nftables.conf:include "/etc/nftables/*.nft"\n'
    ),
}


@pytest.mark.parametrize("case", LOADED)
def test_a_file_that_is_loaded_is_no_finding(case: str) -> None:
    assert [*loading(document(loads=SYSTEMD + LOADED[case]), TABLE)] == []


@pytest.mark.parametrize("case", NOT_LOADED)
def test_a_file_that_nothing_loads_is_a_warning(case: str) -> None:
    (found,) = loading(document(loads=SYSTEMD + NOT_LOADED[case]), TABLE)
    assert found.severity == "warning"
    assert f"nothing loads {BOOT}" in found.message


@pytest.mark.parametrize("text", [*(SYSTEMD + text for text in NOT_TOLD.values()), ""])
def test_what_cannot_be_told_is_said(text: str) -> None:
    (found,) = loading(document(loads=text), TABLE)
    assert found.severity == "note"
    assert "cannot be told" in found.message


def test_a_host_without_policy_needs_nobody_to_load_it() -> None:
    assert [*loading(document(loads=SYSTEMD), Table())] == []


def test_a_document_of_before_tells_nothing_of_it() -> None:
    known = json.loads(document().dump())
    for name in ("state", "body", "loads"):
        del known[name]
    for boot in (True, False):
        found = load(json.dumps(known | {"boot": boot}).encode())
        assert found.boot is None
        assert parse(found.dump()).state.kept == "unknown"


@pytest.mark.parametrize("state", [{"locks": [{"what": 1}]}, {"strange": 1}, {"locks": 3}, []])
def test_a_state_that_is_none_is_refused(state: object) -> None:
    with pytest.raises(ParseError):
        parse(document(state=state).dump())
