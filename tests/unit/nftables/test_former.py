"""A table of format 1 is read whole, and becomes one of the present format in one change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from segctl.model.policy import DefaultRule
from segctl.model.site import Flow, PortRange, ProtocolUse
from segctl.planning.make import plan_device
from segctl.providers.nftables import functions
from segctl.providers.nftables.table import Set
from support.nft import PROVIDER, Kernel, asset, desired, tcp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segctl.providers.nftables.parse import NftLive

#: Written by the segctl of that format, of the policy below.
FORMER = (Path(__file__).parent / "data/format-1.nft").read_text(encoding="utf-8")
WANTED = desired(
    Flow(
        id="f1",
        services=(
            *(tcp(22), tcp(23), tcp(25), tcp(80, 90)),
            PortRange(protocol="udp", first=53, last=53),
            PortRange(protocol="icmp", first=0, last=0),
        ),
    ),
    Flow(
        id="f2",
        sources=(asset("supv", "a1"),),
        destinations=(asset("ctrl", "a2"),),
        services=(tcp(443),),
    ),
    Flow(id="m", protocols=(ProtocolUse(protocol="modbus", classes=("read",)),)),
)


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    made = Kernel()
    sets = [item for item in functions.support(["modbus.read"]) if isinstance(item, Set)]
    made.run(
        "nft -f -",
        "add table inet segctl\n"
        + "".join(
            f"add set inet segctl {item.name} {{ {item.made} }}\n"
            f"add element inet segctl {item.name} {{ {', '.join(item.elements)} }}\n"
            for item in sets
        )
        + FORMER,
    )
    yield made
    made.close()


def test_its_policy_is_read_and_the_format_is_all_that_changes(kernel: Kernel) -> None:
    made = plan_device(WANTED, kernel.live(), PROVIDER)
    (change,) = made.changes
    assert (change.kind, change.op) == ("default-rule", "update")
    assert isinstance(change.before, DefaultRule)
    (note,) = change.before.extras
    assert "format 1" in note
    assert "without cutting a permitted connection" in note
    kernel.reach(WANTED)
    assert plan_device(WANTED, kernel.live(), PROVIDER).changes == ()
    assert "back_" not in kernel.run("nft list table inet segctl")


@pytest.mark.parametrize(
    ("edit", "kind"),
    [
        ("add rule inet segctl out_SUPV/CTRL accept", "rule"),
        ("add rule inet segctl back_SUPV/CTRL accept", "rule"),
        ("insert rule inet segctl pair_SUPV/CTRL accept", "default-rule"),
        ("flush chain inet segctl ok_SUPV/CTRL", "default-rule"),
        ("add element inet segctl a4_supv { 192.0.2.0/24 }", "address-group"),
    ],
)
def test_an_edit_by_hand_in_it_is_drift(kernel: Kernel, edit: str, kind: str) -> None:
    kernel.run("nft -f -", edit + "\n")
    found = plan_device(WANTED, kernel.live(), PROVIDER)
    told = [
        change
        for change in found.changes
        if change.kind == kind
        and (kind != "default-rule" or len(getattr(change.before, "extras", ())) > 1)
    ]
    assert told, found.changes
    kernel.reach(WANTED)
    assert plan_device(WANTED, kernel.live(), PROVIDER).changes == ()


def test_marks_of_the_former_table_are_not_given_again(kernel: Kernel) -> None:
    former = cast("NftLive", kernel.live()).names.former
    barred = {value for one in former.values() for value in (one.plain, one.judged)}
    assert barred
    kernel.reach(WANTED)
    marks = cast("NftLive", kernel.live()).names.marks
    assert len(marks) == 3
    assert not barred & set(marks.values())
