"""Changes that are proposed of an inventory's files: which file is meant, and how it differs."""

from __future__ import annotations

from difflib import unified_diff
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


def below(file: Path, sources: Sequence[Path]) -> str:
    """Return the path of a file below the inventory it is of; empty if it is of none."""
    for source in sources:
        root = source if source.is_dir() else source.parent
        try:
            return file.resolve().relative_to(root.resolve()).as_posix()
        except ValueError:
            continue
    return ""


def text_of(file: Path) -> str | None:
    """Return what a file holds; None if it cannot be read as text."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def diff_of(before: Mapping[str, str], files: Mapping[str, str]) -> Iterator[str]:
    """Yield how files differ from what there is, by path; one that there is not is new."""
    for path, text in sorted(files.items()):
        old = before.get(path)
        yield from unified_diff(
            (old or "").splitlines(keepends=True),
            text.splitlines(keepends=True),
            f"a/{path}" if old is not None else "/dev/null",
            f"b/{path}",
        )
