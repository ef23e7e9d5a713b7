"""Whoever accepts what others wrote into our table accepts it with all that decides about it."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from segctl.drift.baseline import baseline_text, read_baseline
from segctl.drift.report import drift_of
from segctl.model.site import Flow
from segctl.planning.make import plan_device
from support.nft import PROVIDER, Kernel, asset, desired, tcp

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from segctl.drift.report import DriftReport
    from segctl.planning.plan import DevicePlan

TODAY = date(2026, 11, 22)
FLOW = Flow(id="f", services=(tcp(22),))
OUT = "out_SUPV/CTRL"


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    made = Kernel()
    made.reach(desired(FLOW))
    yield made
    made.close()


def planned(kernel: Kernel, *flows: Flow) -> DevicePlan:
    return plan_device(desired(*(flows or (FLOW,))), kernel.live(), PROVIDER)


def written(kernel: Kernel) -> str:
    """Return the baseline that accepts what is found now."""
    report = drift_of([planned(kernel)], today=TODAY)
    assert not report.in_sync
    return baseline_text(report, "ops", TODAY)


def judged(folder: Path, baseline: str, plan: DevicePlan) -> DriftReport:
    path = folder / "accepted.yml"
    path.write_text(baseline, encoding="utf-8")
    return drift_of([plan], read_baseline(path), today=TODAY)


def nft(kernel: Kernel, *commands: str) -> None:
    for command in commands:
        kernel.run("nft -f -", command.replace(" OUR ", " inet segctl ") + "\n")


SETS = "add set OUR theirs { type ipv4_addr; }", "add element OUR theirs { 10.2.0.9 }"
MAPS = "add map OUR ways { type ipv4_addr : verdict; }", "add element OUR ways { 10.2.0.9 : drop }"
CHAIN = "add chain OUR elsewhere", "add rule OUR elsewhere tcp dport 22 accept"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            (*SETS, f"add rule OUR {OUT} ip saddr @theirs accept"),
            "add element OUR theirs { 10.2.0.10 }",
        ),
        (
            (*SETS, f"add rule OUR {OUT} ip saddr @theirs accept"),
            "flush set OUR theirs",
        ),
        (
            (*MAPS, f"add rule OUR {OUT} ip saddr vmap @ways"),
            "add element OUR ways { 10.2.0.10 : accept }",
        ),
        (
            (*CHAIN, f"add rule OUR {OUT} ip saddr 10.2.0.9 jump elsewhere"),
            "add rule OUR elsewhere tcp dport 23 accept",
        ),
        (
            (
                *SETS,
                "add chain OUR elsewhere",
                "add rule OUR elsewhere ip saddr @theirs accept",
                f"add rule OUR {OUT} ip saddr 10.2.0.9 jump elsewhere",
            ),
            "add element OUR theirs { 10.2.0.10 }",
        ),
        (
            (*SETS, "add rule OUR forward ip saddr @theirs accept"),
            "add element OUR theirs { 10.2.0.10 }",
        ),
        (
            ("add rule OUR forward ip saddr 10.2.0.9 accept",),
            "add rule OUR forward ip saddr 10.2.0.10 accept",
        ),
        (
            (
                "add chain OUR first { type filter hook forward priority -300; policy accept; }",
                "add rule OUR first ip saddr 10.2.0.9 accept",
            ),
            "add chain OUR first { policy drop; }",
        ),
    ],
)  # fmt: skip
def test_an_accepted_line_is_open_again_when_what_decides_about_it_changes(
    kernel: Kernel, tmp_path: Path, before: tuple[str, ...], after: str
) -> None:
    nft(kernel, *before)
    baseline = written(kernel)
    assert judged(tmp_path, baseline, planned(kernel)).in_sync
    nft(kernel, after)
    assert not judged(tmp_path, baseline, planned(kernel)).in_sync


@pytest.mark.parametrize(
    "after",
    [
        "add set OUR other { type ipv4_addr; }",
        f"add rule OUR {OUT} ip saddr 10.2.0.77 accept",
    ],
)
def test_what_it_does_not_rest_on_leaves_it_accepted(
    kernel: Kernel, tmp_path: Path, after: str
) -> None:
    nft(kernel, *SETS, f"add rule OUR {OUT} ip saddr @theirs accept")
    (before,) = drift_of([planned(kernel)], today=TODAY).checked
    baseline = written(kernel)
    nft(kernel, after)
    (now,) = judged(tmp_path, baseline, planned(kernel)).checked
    assert {one.item.key for one in now.accepted} == {item.key for item in before.items}


def test_a_line_stays_accepted_when_the_inventory_changes(kernel: Kernel, tmp_path: Path) -> None:
    nft(kernel, *SETS, f"add rule OUR {OUT} ip saddr @theirs accept")
    baseline = written(kernel)
    more = Flow(id="g", sources=(asset("supv", "a1"),), services=(tcp(23),))
    now = planned(kernel, FLOW, more)
    (device,) = judged(tmp_path, baseline, now).checked
    assert device.accepted
    assert all(not item.name.startswith("unknown.") for item in device.items)
