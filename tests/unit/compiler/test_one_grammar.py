"""Only `segctl.compiler.naming` knows how segctl names, describes and marks things on devices."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import segctl

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(segctl.__file__).parent
CODEC = PACKAGE / "compiler" / "naming"
#: What only the grammar says: marks, descriptions, and the fixed parts of names.
GRAMMAR = re.compile(
    r"\\?\[segctl|conduit=|essential=|; owner |; ticket |; expires "
    r"|denies traffic inside|intrazone-deny|^segctl\.deny$|^\.net\.?$|^segctl-(tcp|udp|icmp)"
)
#: Begins names of ours, in the rooms that deal with them; elsewhere names of files and runs.
PREFIX = re.compile("^segctl-$")
#: How text is taken apart, and the fields that hold what the grammar wrote.
SURGERY = frozenset(
    {"split", "rsplit", "partition", "rpartition", "removeprefix", "removesuffix"}
    | {"startswith", "endswith", "find", "rfind", "index"}
)
FIELDS = frozenset({"name", "description", "conduit", "flow"})
#: Rooms in which `name` is that of a rule or an object.
ROOMS = ("importing", "planning", "providers", "report", "drift", "analysis", "compiler")
#: Names there that are not of the grammar: of a platform's own table, and of providers.
OWN = frozenset({"chain", "held", "line", "entry", "provider", "path", "file", "element"})


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if CODEC not in path.parents)


def sayings(tree: ast.AST) -> Iterator[ast.Constant]:
    """Every string of a module but its docstrings."""
    prose = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node


def surgery(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(attr=how, value=ast.Attribute(attr=what, value=ast.Name(id=of)))
            ) if (
                how in SURGERY
                and what in FIELDS
                and of not in OWN
                and "json" not in ast.unparse(node)
            ):
                yield node
            case _:
                pass


def grammar_of(source: str, *, named: bool = True) -> list[int]:
    """Lines of a module that say something of the grammar."""
    return [
        node.lineno
        for node in sayings(ast.parse(source))
        if isinstance(node.value, str)
        and (GRAMMAR.search(node.value) or (named and PREFIX.search(node.value)))
    ]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_other_module_knows_the_grammar(path: Path) -> None:
    named = path.relative_to(PACKAGE).parts[0] in {*ROOMS} - {"report"}
    assert grammar_of(path.read_text("utf-8"), named=named) == []


@pytest.mark.parametrize("room", ROOMS)
def test_no_other_module_takes_names_apart(room: str) -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{call.lineno}: {ast.unparse(call)}"
        for path in modules()
        if path.is_relative_to(PACKAGE / room)
        for call in surgery(ast.parse(path.read_text("utf-8")))
    ]
    assert found == []


def test_this_test_sees_a_second_grammar() -> None:
    assert grammar_of('_MARK = re.compile(r"^\\[segctl[^\\]]*\\] ?")') == [1]
    assert grammar_of('x = f"segctl-{name}"') == [1]
    assert grammar_of('"""[segctl conduit=a] is prose."""\nx = "segctl"') == []
    assert len(list(surgery(ast.parse('rule.name.removeprefix("a.")')))) == 1
