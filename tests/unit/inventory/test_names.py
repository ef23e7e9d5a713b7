"""Host ranges and ports stand for what they stand for in Ansible."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from segctl.inventory.names import HostPatternError, expand, split_port

ADDRESSES: Any = import_module("ansible.parsing.utils.addresses")

PIECES = st.sampled_from(
    ["fw", "a", "-", ".", ":", "::", "1", "01", "22", ":22", "[", "]", "[1:3]", "[01:10]",
     "[a:c]", "[1:9:4]", "[x:z]-[0:1]", "fe80::", "ffff", "10.0.0.", "255", "256", "_", "é",
     "[::1]", "[fe80::2]:22", "0:0:0:0:0:0:0:", "[A:c]", "|"]
)  # fmt: skip
PATTERNS = st.lists(PIECES, min_size=1, max_size=5).map("".join)


@given(PATTERNS)
@settings(max_examples=500)
@example("[fe80::[1:3]]:22")
@example("::ffff:1.2.3.4")
def test_ports_are_split_as_ansible_splits_them(pattern: str) -> None:
    try:
        expected: tuple[str, int | None] | None = ADDRESSES.parse_address(
            pattern, allow_ranges=True
        )
    except ADDRESSES.AnsibleError:
        expected = None
    assert split_port(pattern) == expected


@pytest.mark.parametrize(
    ("pattern", "names", "port"),
    [
        ("fw[01:03]", ["fw01", "fw02", "fw03"], None),
        ("fw[1:7:3].ex.com:830", ["fw1.ex.com", "fw4.ex.com", "fw7.ex.com"], 830),
        ("[a:c]-[x:y]", ["a-x", "a-y", "b-x", "b-y", "c-x", "c-y"], None),
        ("fw[:2]", ["fw0", "fw1", "fw2"], None),
        ("[fe80::1]:22", ["fe80::1"], 22),
        ("fe80::1", ["fe80::1"], None),
        ("10.0.0.[9:10]", ["10.0.0.9", "10.0.0.10"], None),
        ("x-", ["x-"], None),
        ("[Y:b]", [], None),
        ("[y:B]", ["y", "z", "A", "B"], None),
    ],
)  # fmt: skip
def test_ranges(pattern: str, names: list[str], port: int | None) -> None:
    if not names:
        with pytest.raises(HostPatternError):
            expand(pattern)
    else:
        assert expand(pattern) == (names, port)


@pytest.mark.parametrize(
    "pattern", ["a[", "a[1]", "a[1:]", "a[01:2]", "a[3:x]", "a[z:a]", "a[1:2:0]", "a|b[1:2]"]
)
def test_what_is_no_range(pattern: str) -> None:
    with pytest.raises(HostPatternError):
        expand(pattern)


def test_a_range_is_bounded() -> None:
    for pattern in ("a[1:2000000]", "a[1:2000]-[1:2000]"):
        with pytest.raises(HostPatternError, match="more than"):
            expand(pattern)
