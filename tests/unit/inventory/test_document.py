"""The builder over parser events reads what PyYAML's safe loader reads, and knows the places."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, cast

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from segctl.inventory import dump
from segctl.inventory.document import parse
from segctl.inventory.scalars import ScalarError, resolve
from segctl.inventory.values import Encrypted, Place, Unsafe

if TYPE_CHECKING:
    from collections.abc import Iterator


def parse_events(text: str) -> Iterator[object]:
    return cast("Any", yaml).parse(text)  # type: ignore[no-any-return] # untyped there


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(allow_nan=False)
    | TEXT
    | st.dates()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)
#: What plain scalars with a meaning of their own are made of.
TRICKY = st.text("0123456789+-.:_eExXboyYnNtTrRuUeEsSfFaAlLiInN~ =<TZ", min_size=1, max_size=12)


@given(VALUES, st.booleans())
@settings(max_examples=200)
def test_reads_what_the_safe_loader_reads(value: object, flow: bool) -> None:  # noqa: FBT001 - drawn
    text = yaml.safe_dump(value, default_flow_style=flow, allow_unicode=True)
    for places in (False, True):
        document = parse(text, "f", places=places)
        assert not document.problems
        assert document.value == yaml.safe_load(text)


@given(TRICKY)
@settings(max_examples=500)
def test_plain_scalars_resolve_as_in_yaml_1_1(text: str) -> None:
    try:
        events = [one for one in parse_events(text) if isinstance(one, yaml.ScalarEvent)]
        expected = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, OverflowError):
        return
    if len(events) != 1 or not events[0].implicit[0] or isinstance(expected, (list, dict)):
        return
    found = resolve(events[0].value)
    assert (found, type(found)) == (expected, type(expected)) or found != found  # noqa: PLR0124 - NaN


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", False),
        ("On", True),
        ("12:30:45", 45045),
        ("010", 8),
        ("0x1F", 31),
        ("0b11", 3),
        ("1_000", 1000),
        ("-12", -12),
        ("+1", 1),
        ("1e3", "1e3"),
        ("1.5e+3", 1500.0),
        ("190:20:30.15", 685230.15),
        ("-.inf", float("-inf")),
        (".5", 0.5),
        ("2027-03-31", date(2027, 3, 31)),
        ("2027-3-1", "2027-3-1"),
        ("2001-12-14 21:59:43", datetime(2001, 12, 14, 21, 59, 43)),  # noqa: DTZ001 - without a zone
        ("y", "y"),
        ("~", None),
        ("", None),
        ("10.20.1.11", "10.20.1.11"),
    ],
)
def test_yaml_1_1_surprises(text: str, value: object) -> None:
    assert resolve(text) == value


@pytest.mark.parametrize("text", ["2027-13-01", "=", "<<", "0b_"])
def test_what_looks_like_a_value_and_is_none(text: str) -> None:
    with pytest.raises(ScalarError):
        resolve(text)


def test_places_are_those_of_key_and_value() -> None:
    document = parse("a:\n  b: [x, no]\n  010: y\n", "f.yml", places=True)
    root = cast("dict[str, Any]", document.value)
    inner = root["a"]
    assert document.places[id(root)]["a"] == Place("f.yml", 1, 1, 2, 3)
    assert document.places[id(inner)]["b"] == Place("f.yml", 2, 3, 2, 6)
    assert document.places[id(inner["b"])][1] == Place("f.yml", 2, 10, 2, 10, "no")
    assert document.places[id(inner)][8] == Place("f.yml", 3, 3, 3, 8, "y", "010")


def test_tags_of_ansible() -> None:
    document = parse(
        "a: !unsafe '{{ x }}'\nb: !unsafe [p, {q: r}]\nc: !vault |\n  $ANSIBLE_VAULT\n", "f"
    )
    assert document.value == {
        "a": "{{ x }}",
        "b": ["p", {"q": "r"}],
        "c": Encrypted("$ANSIBLE_VAULT\n"),
    }
    value = document.value
    assert isinstance(value, dict)
    assert isinstance(value["a"], Unsafe)
    assert isinstance(value["b"][1]["q"], Unsafe)


def test_merge_keys_as_yaml_1_1_has_them() -> None:
    text = "x: &x {a: 1, b: 2}\ny: &y {a: 3, c: 4}\nz: {<<: [*x, *y], b: 9}\n"
    assert parse(text, "f").value == yaml.safe_load(text)
    assert list(parse(text, "f").value["z"]) == list(yaml.safe_load(text)["z"])  # type: ignore[index] # a mapping


@given(VALUES)
def test_json_is_read_as_json(value: object) -> None:
    text = json.dumps({"v": value}, default=str)
    assert parse(text, "f").value == json.loads(text)


def test_json_numbers_are_not_yaml_numbers() -> None:
    assert parse('{"a": 1e5}', "f").value == {"a": 100000.0}
    assert parse("a: 1e5", "f").value == {"a": "1e5"}
    assert parse('{"a": 1e5}', "f", places=True).value == {"a": 100000.0}


@given(VALUES)
def test_the_dump_is_that_of_json(value: object) -> None:
    loaded = json.loads(json.dumps({"v": value}, default=str))
    assert dump(loaded) == json.dumps(loaded, sort_keys=True, indent=4, ensure_ascii=False)
