"""The canonical layout by example: what moves, what never does, and what is left alone."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any, cast

import pytest
import yaml

from segctl.formatting import NotFormattedError, format_text, is_formattable, same
from segctl.formatting.files import files_of, playbooks_of, sources_of
from segctl.model.errors import InventoryError

if TYPE_CHECKING:
    from support.golden import Golden

CASES = Path(__file__).parent / "cases"
NAMES = sorted(path.name.removesuffix(".before.yml") for path in CASES.glob("*.before.yml"))


def case(name: str) -> tuple[str, str]:
    """A file as somebody wrote it, and as it is formatted."""
    before, after = (CASES / f"{name}.{when}.yml" for when in ("before", "after"))
    return before.read_text(encoding="utf-8"), after.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_layout(name: str, golden: Golden) -> None:
    before, after = case(name)
    golden(CASES / f"{name}.after.yml", format_text(before, "f.yml"))
    assert format_text(after, "f.yml") == after


class Loader(yaml.SafeLoader):
    """Reads values with a tag as their text."""


def text_of(_loader: yaml.SafeLoader, _tag: str, node: yaml.ScalarNode) -> str:
    return str(node.value)


cast("Any", Loader).add_multi_constructor("!", text_of)


@pytest.mark.parametrize("name", NAMES)
def test_another_parser_reads_the_same(name: str) -> None:
    before, after = (yaml.load(text, Loader) for text in case(name))
    assert same(before, after)


def test_line_ends_of_windows_and_a_byte_order_mark() -> None:
    assert format_text("\ufeffa:   1\r\nb: |\r\n    x\r\n", "f.yml") == "a: 1\r\nb: |\r\n  x\r\n"


def test_a_last_line_without_end_is_ended_unless_it_is_content() -> None:
    assert format_text("a:   1", "f.yml") == "a: 1\n"
    assert format_text("a:   |\n   x", "f.yml") == "a: |\n  x"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("%YAML 1.1\n---\na: 1\n", "line 1: a directive"),
        ("a: 1\n...\n", "a document end"),
        ("? a\n: 1\n", "an explicit key"),
        ("only words\n", "only a mapping or a list"),
        ("a: 1\rb: 2\n", "line ends other than"),
        ("a: [1]\n--- # again"[:7] + "\u2028# b\n", "line ends other than"),
    ],
)
def test_what_is_not_understood_is_left_alone_and_told(text: str, why: str) -> None:
    with pytest.raises(NotFormattedError, match=why):
        format_text(text, "f.yml")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("a: 1\nb: [1\n", "f.yml:2:4"),
        ("a: 1\na: 2\n", "f.yml:2:1"),
        ("a: 1\n  b: 2\n", "f.yml:2:4"),
        ("a: !mine 1\n", "f.yml:1:4"),
        ("a: 1\n---\nb: 2\n", "f.yml:2:1"),
    ],
)
def test_what_the_inventory_refuses_is_an_error_with_its_place(text: str, where: str) -> None:
    with pytest.raises(InventoryError, match=where):
        format_text(text, "f.yml")


def test_json_and_vaulted_files_are_no_matter_of_layout() -> None:
    assert is_formattable("a: 1\n")
    assert not is_formattable('{"a": 1}')
    assert not is_formattable("\n [1]")
    assert not is_formattable("$ANSIBLE_VAULT;1.1;AES256\n6231\n")


def test_values_differ_by_their_last_type() -> None:
    assert same({"a": [1, float("nan")]}, {"a": [1, float("nan")]})
    for one, other in ((1, True), (1, 1.0), ("1", 1), ({"a": 1}, {"a": 1, "b": 1}), ([1], [1, 2])):
        assert not same(one, other)


def test_files_of_an_inventory(tmp_path: Path) -> None:
    top = tmp_path
    names = ("hosts.yml", "group_vars/all", "group_vars/x/a.yaml", "host_vars/h.yml", "notes.txt",
             ".git/x.yml", "playbooks/roll.yml", "playbooks/roles/r.yml")  # fmt: skip
    for name in names:
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent("a: 1\n"), encoding="utf-8")
    (top / "again.yml").symlink_to(top / "hosts.yml")
    found = files_of(sources_of([top / "hosts.yml", Path("a,b")]))
    assert [str(path.relative_to(top)) for path in found] == [
        "hosts.yml",
        "group_vars/all",
        "group_vars/x/a.yaml",
        "host_vars/h.yml",
    ]
    assert len(files_of([top])) == 6
    assert [path.name for path in playbooks_of(top / "playbooks")] == ["roll.yml"]
    with pytest.raises(InventoryError, match="no such file"):
        files_of([top / "missing.yml"])
