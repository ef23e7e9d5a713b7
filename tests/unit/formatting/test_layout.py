"""The canonical layout by example: what moves, what never does, and what is left alone."""

from __future__ import annotations

from textwrap import dedent

import pytest
import yaml

from segctl.errors import InventoryError
from segctl.formatting import NotFormattedError, format_text, is_formattable, same
from segctl.formatting.files import files_of, playbooks_of, sources_of

CASES = {
    "indentation, spaces at line ends, empty lines": (
        "a:\n      b:   1  \n\n\n\n      c:\n      -   x\n      -  y:  2\n         z: 3\n\n\n",
        "a:\n  b: 1\n\n  c:\n    - x\n    - y: 2\n      z: 3\n",
    ),
    "comments go with what they are about": (
        "# top\n\na: # at a\n    # above b\n    b: 1     # behind b\n       # below b, further right\n"
        "    # closes a\n# above c\nc: 2\n# end\n",
        "# top\n\na:  # at a\n  # above b\n  b: 1       # behind b\n    # below b, further right\n"
        "  # closes a\n# above c\nc: 2\n# end\n",
    ),
    "comments in one column stay in one": (
        "a: 1     # one\nbb: 2    # two\nlonger_than_that: 3 # three\n",
        "a: 1     # one\nbb: 2    # two\nlonger_than_that: 3  # three\n",
    ),
    "quotes and YAML 1.1 stay as they are": (
        "a:  'no'\nb: no\nc: 22:22\nd: \"22:22\"\ne: 010\nf: '010'\n",
        "a: 'no'\nb: no\nc: 22:22\nd: \"22:22\"\ne: 010\nf: '010'\n",
    ),
    "a vault value is not moved by a byte": (
        "all:\n    password: !vault |\n          $ANSIBLE_VAULT;1.1;AES256\n          6231\n    b: 1\n",
        "all:\n  password: !vault |\n          $ANSIBLE_VAULT;1.1;AES256\n          6231\n  b: 1\n",
    ),
    "a block scalar moves as a whole": (
        "a:\n    b: |\n            one\n              two  \n\n            # three\n    c: >2-\n       four\n",
        "a:\n  b: |\n    one\n      two  \n\n    # three\n  c: >2-\n     four\n",
    ),
    "anchors, aliases, merge keys, tags": (
        "base: &base\n    a: 1\nuse:\n    <<:   *base\n    b: !unsafe  '{{ x }}'\n*base : 2\n"[:-10],
        "base: &base\n  a: 1\nuse:\n  <<: *base\n  b: !unsafe '{{ x }}'\n",
    ),
    "short brackets on one line": (
        "a: [ x,y ,\n   z ]\nb: { k: v,\n  l: [ ] }\n",
        "a: [x, y, z]\nb: {k: v, l: []}\n",
    ),
    "long ones and those with comments one item a line": (
        f"a: [{'x' * 60}, {'y' * 60}]\nb: [1, # one\n 2\n # end\n ]\n",
        f"a: [\n  {'x' * 60},\n  {'y' * 60}\n  ]\nb: [\n  1,  # one\n  2\n  # end\n  ]\n",
    ),
    "the start of a document": ("# x\n--- # y\na: 1\n", "# x\n---  # y\na: 1\n"),
    "a comment that nothing follows": (
        "a:\n    # nothing here yet\nb: 1\n",
        "a:\n  # nothing here yet\nb: 1\n",
    ),
    "lines of a long text": (
        'a: "one \\\n       two\n\n       three"\nb: some\n      words\n',
        'a: "one \\\n  two\n\n  three"\nb: some\n  words\n',
    ),
    "known keys of zones, conduits and flows": (
        "segctl_conduits_more:\n  c:\n    flows:\n      f:\n        # about log\n        log: true\n"
        "        source: [a]\n\n    # who\n    owner: me  # him\n    to: b\n    from: a\n    reason: r\n",
        "segctl_conduits_more:\n  c:\n    from: a\n    to: b\n    reason: r\n\n    # who\n"
        "    owner: me  # him\n    flows:\n      f:\n        source: [a]\n        # about log\n"
        "        log: true\n",
    ),
    "users' own keys": ("zeta: 1\nalpha: 2\n", "zeta: 1\nalpha: 2\n"),
    "a zone with an unknown key keeps its order": (
        "segctl_zones:\n  z:\n    networks: []\n    nmae: x\n    level: 1\n",
        "segctl_zones:\n  z:\n    networks: []\n    nmae: x\n    level: 1\n",
    ),
    "a sentence over two lines keeps them together": (
        "segctl_zones:\n  z:\n    networks: []   # a sentence\n    level: 1       # goes on\n",
        "segctl_zones:\n  z:\n    networks: []   # a sentence\n    level: 1       # goes on\n",
    ),
    "only comments": ("\n\n# a\n\n\n# b\n\n", "# a\n\n# b\n"),
    "nothing": ("\n \n", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_layout(name: str) -> None:
    before, after = CASES[name]
    assert format_text(before, "f.yml") == after
    assert format_text(after, "f.yml") == after


@pytest.mark.parametrize("name", CASES)
def test_another_parser_reads_the_same(name: str) -> None:
    class Loader(yaml.SafeLoader):
        """Keeps values with a tag as text."""

    Loader.add_multi_constructor("!", lambda _loader, _tag, node: node.value)
    before, after = (yaml.load(text, Loader) for text in CASES[name])
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
        ("a: 1\nb: [1\n", "f.yml:3:1"),
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


def test_files_of_an_inventory(tmp_path: object) -> None:
    from pathlib import Path

    top = Path(str(tmp_path))
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
