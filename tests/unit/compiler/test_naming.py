from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from segctl.compiler.naming import shorten

NAMES = st.text(st.sampled_from("ab.-_ /ü"), min_size=1, max_size=90)


@given(NAMES, st.integers(20, 63))
def test_a_short_name_fits(name: str, limit: int) -> None:
    short = shorten(name, limit)
    assert len(short) <= limit
    assert re.fullmatch(r"[0-9A-Za-z._-]+", short)
    assert shorten(name, limit) == short


@given(NAMES, NAMES)
def test_two_names_stay_two(one: str, two: str) -> None:
    if one != two:
        assert shorten(one, 31) != shorten(two, 31)


def test_a_name_that_fits_stays() -> None:
    assert shorten("c1.poll", 63) == "c1.poll"
    assert shorten("a" * 63, 63) == "a" * 63
    assert shorten("a" * 64, 63).startswith("a" * 54 + "-")
