"""The quick start does what it shows, in a fresh copy, from its first line to its last."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cli_support import ROOT, environment
from support.console import Step, Terminal, blocks, fits


def test_the_quick_start_does_what_it_shows(tmp_path: Path) -> None:
    copy = tmp_path / "segctl"
    _copy(copy)
    path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
    terminal = Terminal(copy, environment(COLUMNS="100", PATH=path, HOME=str(tmp_path)))
    ran = 0
    try:
        for name, content in blocks((ROOT / "docs/quickstart.md").read_text(encoding="utf-8")):
            if isinstance(content, str):
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                (copy / name).write_text(content, encoding="utf-8")
                continue
            for step in content:
                terminal.run(step)
                ran += 1
    finally:
        terminal.close()
    assert ran > 15


def _copy(target: Path) -> None:
    """Lay a fresh copy of the repository, with this environment as its own."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    venv = target / ".venv"
    venv.mkdir()
    (venv / "bin").symlink_to(Path(sys.executable).parent)
    (venv / ".demo").touch()


@pytest.mark.parametrize(
    ("shown", "printed", "right"),
    [
        ("a\n…\nb", "a\nx\ny\nb\n", True),
        ("a\n…\nb", "a\nb\n", True),
        ("port …, up", "port 12, up", True),
        ("port …", "port 12\nmore", False),
        ("a", "a\nb", False),
        ("…\nDone.", "x\nNot Done.", False),
    ],
)
def test_what_fits(shown: str, printed: str, right: bool) -> None:  # noqa: FBT001 - a table's column
    assert fits(shown, printed) == right


def test_a_step_that_prints_something_else_fails(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, environment())
    with pytest.raises(AssertionError):
        terminal.run(Step(command="echo b", shown="a\n", code=0))
    with pytest.raises(AssertionError):
        terminal.run(Step(command="false", shown="", code=0))
