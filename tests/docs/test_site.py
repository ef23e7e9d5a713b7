"""The documentation site: built strictly, complete, and without anything from elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from html import unescape
from typing import TYPE_CHECKING

import pytest

from cli_support import ROOT, environment
from segctl.cli.commands import tree
from segctl.model import errors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site; a page that no navigation has, a dead link or anchor would fail its build."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=environment(NO_MKDOCS_2_WARNING="1"),
    )
    assert done.returncode == 0, done.stderr
    return folder


def text_of(page: Path) -> str:
    return unescape(re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8")))


def test_it_loads_nothing_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        html = page.read_text(encoding="utf-8")
        loads = re.findall(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="([^"]*)"', html)
        assert [one for one in loads if re.match(r"(https?:)?//", one)] == [], page.name
    for style in site.rglob("*.css"):
        assert "url(http" not in style.read_text(encoding="utf-8")


def test_every_command_and_option_has_its_line(site: Path) -> None:
    html = (site / "reference" / "commands.html").read_text(encoding="utf-8")
    found = dict(_commands(tree(), "segctl"))
    assert len(found) > 8
    for name, options in found.items():
        head = f'<h2 id="{name.replace(" ", "-")}">'
        assert head in html
        section = html.partition(head)[2].partition("<h2 ")[0]
        assert [one for one in options if f"<code>{one}</code>" not in section] == [], name


def _commands(group: object, name: str) -> Iterator[tuple[str, list[str]]]:
    for word, command in getattr(group, "commands", {}).items():
        path = f"{name} {word}"
        yield from _commands(command, path)
        if command.params:
            yield path, [one for param in command.params for one in param.opts if one[:1] == "-"]


def test_every_error_code_has_a_runbook(site: Path) -> None:
    html = (site / "reference" / "errors.html").read_text(encoding="utf-8")
    codes = {one.code for one in vars(errors).values() if hasattr(one, "code")}
    runbooks = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    for code in codes - {"error", "device"}:
        assert f"<code>{code}</code>" in html
        assert f"## `{code}`\n" in runbooks, f"docs/operations.md has no section for {code}"


def test_every_variable_of_the_schema_is_explained(site: Path) -> None:
    text = text_of(site / "reference" / "inventory.html")
    for words in (
        "segctl_conduits.<id>.flows.<id>",
        "Catalogue protocols and what may be done with each.",
        "owner (required)",
        "true or false",
    ):
        assert words in text
    assert "{'" not in text


def test_drawings_are_in_their_pages(site: Path) -> None:
    html = (site / "concepts.html").read_text(encoding="utf-8")
    assert html.count('<svg class="d"') == 2
    assert html.count('<svg class="plant"') == 2
    ids = re.findall(r' id="([^"]*)"', html)
    assert len(ids) == len(set(ids)), "two drawings of one plant have no id in common"
    for drawing in (ROOT / "docs" / "drawings").glob("*.svg"):
        used = [page for page in (ROOT / "docs").glob("*.md") if drawing.name in page.read_text()]
        assert used, f"{drawing.name} is in no page"


def test_every_change_is_in_the_changelog(site: Path) -> None:
    text = re.sub(r"\s+", " ", text_of(site / "changelog.html"))
    for fragment in (ROOT / "changelog.d").glob("*.md"):
        words = re.sub(r"[`*]", "", fragment.read_text(encoding="utf-8")).split()
        assert " ".join(words[1:6]) in text, fragment.name
