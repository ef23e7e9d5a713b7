"""Rows of what a chain permits, as people read them."""

from __future__ import annotations

import pytest

from segctl.analysis.by_rule import rows
from segctl.analysis.effective import Match
from segctl.analysis.space import ALL_ADDRESSES, EVERYTHING, Box, Space, addresses
from segctl.model.addresses import interval

FOUR, SIX = "10.1.0.0/16", "fd00:1::/64"


@pytest.mark.parametrize(
    ("source", "destination", "shown"),
    [
        ((FOUR,), (FOUR, SIX), ((FOUR,), (FOUR,))),
        ((FOUR, SIX), (SIX,), ((SIX,), (SIX,))),
        ((FOUR, SIX), (FOUR, SIX), ((FOUR, SIX), (FOUR, SIX))),
        (("any",), (FOUR,), (("any",), (FOUR,))),
    ],
)
def test_a_row_has_no_address_that_has_no_packet(
    source: tuple[str, ...],
    destination: tuple[str, ...],
    shown: tuple[tuple[str, ...], tuple[str, ...]],
) -> None:
    box = Box(source=numbers(source), destination=numbers(destination))
    match = Match(rule="r", allows=True, can=Space((box,)), sure=Space((box,)))
    (row,) = rows([match], EVERYTHING)
    (found,) = row.space.boxes
    assert (found.source, found.destination) == tuple(map(numbers, shown))


def numbers(texts: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    return ALL_ADDRESSES if texts == ("any",) else addresses(map(interval, texts))
