"""No change of a policy that decides about a packet passes a proof (mutation score 100 %)."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from segctl.inventory import load
from support.lengths import full
from support.proofs import firewalls

if TYPE_CHECKING:
    from support.proofs import Firewall

ROOT = Path(__file__).resolve().parents[3]
TODAY = date(2026, 11, 29)
#: One mutant of so many is tried, unless all are asked for.
STEP = 1 if full() else 7
FIREWALLS = (
    *("edge-fw", "core-fw", "cell-fw", "substation-fw", "centre-fw", "station-fw"),
    *("north-fw", "south-fw", "jetty-fw"),
)


@pytest.fixture(scope="module")
def plants() -> dict[str, Firewall]:
    """The firewalls of the example plants."""
    return firewalls(load([ROOT / "inventory"], today=TODAY).site, TODAY)


@pytest.mark.parametrize("name", FIREWALLS)
def test_every_mutant_is_refused_with_a_packet_or_is_the_same(
    plants: dict[str, Firewall], name: str
) -> None:
    firewall = plants[name]
    assert firewall.proof().verdict == "proved"
    tried = firewall.mutants()[::STEP]
    refused = sum(bool(firewall.refusal(mutant)) for mutant in tried)
    # the rest is equivalent: `refusal` has looked for a packet by another comparison
    assert refused > len(tried) * 0.7


def test_no_firewall_is_left_out(plants: dict[str, Firewall]) -> None:
    assert {*FIREWALLS} == {*plants}
