"""Durations: one parser, one writer, and what each takes and gives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segctl.model.durations import UNITS, format_duration, parse_duration


@given(st.integers(min_value=0, max_value=UNITS["d"] * 400))
def test_what_is_written_reads_back_but_for_its_smallest_units(seconds: int) -> None:
    words = format_duration(seconds).split()
    assert 1 <= len(words) <= 2
    told = sum(parse_duration(word) for word in words)
    smallest = UNITS[words[-1][-1]] if len(words) == 2 else UNITS[words[0][-1]]
    assert 0 <= seconds - told < smallest


@pytest.mark.parametrize(
    ("text", "unit", "seconds"),
    [
        ("30s", "h", 30),
        ("5m", "s", 300),
        ("2h", "s", 7200),
        ("7d", "s", 604800),
        ("90", "s", 90),
        ("24", "h", 86400),
        ("0.5", "h", 1800),
        ("1.5h", "s", 5400),
        ("730", "d", 63072000),
    ],
)
def test_a_plain_number_keeps_the_unit_of_its_place(text: str, unit: str, seconds: int) -> None:
    assert parse_duration(text, unit=unit) == seconds


@pytest.mark.parametrize(
    "text", ["", "s", "-1", "5 m", "5min", "1h30m", "1e3", "nan", "٣s", "5m\n"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration such as 30s, 5m, 2h or 7d"):
        parse_duration(text)
