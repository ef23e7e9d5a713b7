"""The page about programs: its example runs, and its table names what there is."""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING, Any

from cli_support import ROOT
from support.cells import serve_cells, write_cells

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

PAGE = (ROOT / "docs/program.md").read_text("utf-8")


def test_the_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "inventory"
    folder.mkdir()
    write_cells(folder, ["fw1", "fw2"])
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    with serve_cells(folder, ["fw1", "fw2"]):
        exec(compile(example, "docs/program.md", "exec"), {"__name__": "program"})
    said, err = capsys.readouterr()
    assert re.search(r"^fw1 [1-9]\d* changes$", said, re.MULTILINE)
    assert "ended [('fw1', 'applied')]\nin sync: True\n[]\n" in said
    assert not err


def test_the_table_names_what_there_is() -> None:
    rows: list[Any] = re.findall(r"^\| `(\w+)` \| (`\w+`(?:, `\w+`)*) \|", PAGE, re.MULTILINE)
    assert len(rows) > 10
    for module, functions in rows:
        home = import_module(f"segctl.operations.{module}")
        assert all(callable(getattr(home, name)) for name in re.findall(r"\w+", functions))
