"""Expected outputs kept as files, to be read by people.

``pytest --refresh-golden`` writes those that differ anew and fails each test whose file it wrote:
the change is then read as a diff, and a second run passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Golden:
    """Compares a text with a file; with `refresh` writes the file where they differ."""

    refresh: bool = False

    def __call__(self, path: Path, text: str) -> None:
        expected = path.read_text(encoding="utf-8") if path.is_file() else None
        if self.refresh and text != expected:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            pytest.fail(f"{path} is written anew: read it with git diff", pytrace=False)
        if expected is None:
            pytest.fail(f"{path} is missing: --refresh-golden writes it", pytrace=False)
        assert text == expected, f"--refresh-golden writes {path} anew"
