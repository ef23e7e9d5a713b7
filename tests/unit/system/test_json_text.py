"""JSON of others: what is read, what is refused, and where it says that it is wrong."""

from __future__ import annotations

import ast
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli_support import ROOT
from segctl.system.json_text import (
    MAX_DEPTH,
    MAX_VALUES,
    JsonError,
    check_text,
    read_json,
    read_listing,
)

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18) + 1, 10**18 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(deadline=None)
@given(VALUES.filter(lambda value: "\\ud" not in json.dumps(value).lower()), st.booleans())
def test_what_json_writes_is_read(value: object, ascii_only: bool) -> None:  # noqa: FBT001 - drawn
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert read_json(text) == read_json(text.encode()) == read_listing(text) == value


@settings(deadline=None)
@given(st.text())
def test_every_character_that_is_one_passes(text: str) -> None:
    assert read_json(json.dumps(text)) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1, column 1"),
        ('{"a": 1,\n "b": }', "line 2, column 7"),
        ('["a",\n "\\ud800"]', "line 2, column 3: half of a surrogate pair"),
        ('["\\ud83d\\ude00", "\\udc00"]', "line 1, column 19: half"),
        ('["\\ud800\\ud800\\udc00"]', "line 1, column 3: half"),
        ('["\\uD800x"]', "line 1, column 3: half"),
        ('["a\ud800"]', "line 1, column 4: half"),
        ("[1,\n" + "9" * 19 + "]", "line 2, column 1: a number has more than 18 digits"),
        ("[" + "9" * 5000 + "]", "line 1, column 2: a number"),
        ("[1e999]", "too large"),
        ("[NaN]", "NaN is not a JSON number"),
        ("[-Infinity]", "Infinity is not a JSON number"),
        ('{"a": 1, "b": {"c": 1, "c": 2}}', "'c' occurs twice"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "deeper than 100"),
        ("[" * 1_000_000, "deeper than 100"),
        ('{"a":' * 101 + "1" + "}" * 101, "deeper than 100"),
        ('[[{"a":' * 40 + "1" + "}]]" * 40, "deeper than 100"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(JsonError, match=message):
        read_json(text)


def test_bytes_that_are_no_text() -> None:
    with pytest.raises(JsonError, match="not UTF-8"):
        read_json(b'["\xed\xa0\x80"]')
    assert read_json(b"\xef\xbb\xbf[1]") == [1]


def test_brackets_in_texts_are_no_depth() -> None:
    for text in ("[" * 500, '"' * 500 + "[" * 500, "\\" * 499 + '"' + "{" * 500):
        assert read_json(json.dumps([text])) == [text]


@settings(deadline=None)
@given(st.lists(st.text(st.sampled_from('\\"[]{}, \n')), max_size=9))
def test_texts_of_marks_are_neither_depth_nor_its_end(texts: list[str]) -> None:
    words = json.dumps(texts).removesuffix("]")
    around = ", " if texts else ""
    for depth in (MAX_DEPTH - 1, MAX_DEPTH):
        text = words + around + "[" * depth + "]" * depth + "]"
        if depth < MAX_DEPTH:
            check_text(text)
        else:
            with pytest.raises(JsonError, match="deeper than 100"):
                check_text(text)


def test_as_many_values_as_fit_into_memory() -> None:
    check_text('["' + "," * (MAX_VALUES + 1) + '"]')
    check_text("[" + "0," * (MAX_VALUES - 1) + "0]")
    with pytest.raises(JsonError, match="it has more than 12 million values"):
        read_json("[" + "0," * MAX_VALUES + "0]")
    with pytest.raises(JsonError, match="it has more than 12 million values"):
        read_json("[" + "{}" * MAX_VALUES + "]")


def test_as_deep_as_is_allowed() -> None:
    text = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    check_text(text)
    assert read_json(f"[{text[1:-1]}]")


def test_a_listing_has_counters_of_64_bits() -> None:
    assert read_listing(f"[{2**64 - 1}]") == [2**64 - 1]
    for text, message in (
        ("[" + "9" * 5000 + "]", "thousands of digits"),
        ("[" * 100_000, "nested too deep"),
        ('["\\ud800"]', "half of a surrogate pair"),
        ("[1,", "line 1, column 4"),
    ):
        with pytest.raises(JsonError, match=message):
            read_listing(text)


def test_json_of_others_is_read_nowhere_else() -> None:
    """What segctl ships, or has sealed itself, may be read by Python's own reader."""
    own = {
        "system/json_text.py",
        "inventory/document.py",  # checked by `check_text` first
        "planning/documents.py",  # its schemas
        "protocols/catalogue.py",
        "fleet/plan_cache.py",  # sealed entries
    }
    found = set[str]()
    for path in (ROOT / "provider/segctl").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in {
                "json.load",
                "json.loads",
                "json.JSONDecoder",
            }:
                found.add(str(path.relative_to(ROOT / "provider/segctl")))
    assert found == own
