"""Whoever silences a tool says which rule, and why, on the same line."""

from __future__ import annotations

import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("provider", "mocks", "playbooks", "tests", "bench", "docs/hooks", "typings")
#: What silences one of the tools, with the rules it names.
_SILENCES = re.compile(
    r"(?P<tool>noqa|ruff: noqa|type: ignore|pyright: ignore|pragma: no cover|nosec|mypy: [\w-]+"
    r"|pyright: basic)(?P<rules>:[ ]?[A-Z]+\d+(?:,[ ]?[A-Z]+\d+)*|\[[\w\-, ]+\])?"
)
#: A reason is a word at least.
_REASON = re.compile(r"[A-Za-z]{2,}")


def objection(comment: str) -> str:
    """Return what is wrong with a comment that silences a tool; empty for any other."""
    found = list(_SILENCES.finditer(comment))
    if not found:
        return ""
    if any(one["rules"] is None and one["tool"] != "pragma: no cover" for one in found):
        return "names no rule"
    return "" if _REASON.search(_SILENCES.sub("", comment)) else "gives no reason"


def comments(path: Path) -> list[tuple[int, str]]:
    with path.open("rb") as file:
        return [
            (token.start[0], token.string)
            for token in tokenize.tokenize(file.readline)
            if token.type == tokenize.COMMENT
        ]


def test_each_suppression_names_its_rule_and_its_reason() -> None:
    paths = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py*"))]
    sources = [path for path in paths if path.suffix in {".py", ".pyi"}]
    assert len(sources) > 500
    found = [
        f"{path.relative_to(ROOT)}:{line}: {wrong}: {comment}"
        for path in sources
        for line, comment in comments(path)
        if (wrong := objection(comment))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("comment", "wrong"),
    [
        ("# noqa: S311", "gives no reason"),
        ("# noqa: FBT001, FBT002", "gives no reason"),
        ("# type: ignore[arg-type]", "gives no reason"),
        ("# type: ignore[arg-type] # pyright: ignore[reportArgumentType]", "gives no reason"),
        ("# pragma: no cover", "gives no reason"),
        ("# noqa", "names no rule"),
        ("# type: ignore # untyped", "names no rule"),
        ("# pyright: ignore - the former way", "names no rule"),
        ("# ruff: noqa", "names no rule"),
        ("# noqa: S311 - an order is no secret", ""),
        ("# type: ignore[misc] # the base is untyped", ""),
        ("# pragma: no cover - the tests have it", ""),
        ("# what a rule permits", ""),
    ],
)
def test_the_search_finds_what_is_missing(comment: str, wrong: str) -> None:
    assert objection(comment) == wrong
