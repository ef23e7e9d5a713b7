"""Which files are formatted, and the result of each."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from segctl.formatting import NotFormattedError, format_text, is_formattable
from segctl.inventory.files import is_program, read_as_written
from segctl.model.errors import InventoryError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_YAML: Final = (".yml", ".yaml")
_VARIABLES: Final = ("group_vars", "host_vars")

Status = Literal["changed", "unchanged", "left", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Formatted:
    """A file before and after; both are the same for files that were `left` alone or `failed`."""

    path: Path
    status: Status
    before: str = ""
    after: str = ""
    problems: tuple[Problem, ...] = ()


def formatted(path: Path) -> Formatted:
    """Read a file and return it with its formatted text."""
    name = str(path)
    try:
        if not _is_yaml(path) or is_program(name):
            return _left(path, "is not a YAML file of an inventory")
        text = read_as_written(name)
        if not is_formattable(text):
            return _left(path, "is JSON or vaulted")
        made = format_text(text, name)
    except InventoryError as error:
        return Formatted(path=path, status="failed", problems=error.problems)
    except NotFormattedError as error:
        message = str(error).removeprefix(f"{name}: ")
        return _failed(path, message)
    status: Status = "unchanged" if made == text else "changed"
    return Formatted(path=path, status=status, before=text, after=made)


def _left(path: Path, message: str) -> Formatted:
    note = Problem(file=str(path), message=message, severity="note")
    return Formatted(path=path, status="left", problems=(note,))


def _failed(path: Path, message: str) -> Formatted:
    problem = Problem(file=str(path), message=message)
    return Formatted(path=path, status="failed", problems=(problem,))


def _is_yaml(path: Path) -> bool:
    if path.suffix in _YAML:
        return True
    return not path.suffix and any(folder in path.parts[:-1] for folder in _VARIABLES)


def files_of(paths: Iterable[Path]) -> list[Path]:
    """Return the files in `paths` and in the folders among them, each once.

    Raises:
        InventoryError: a path does not exist.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        if not path.exists():
            raise InventoryError((Problem(file=str(path), message="no such file or folder"),))
        for one in _below(path) if path.is_dir() else iter([path]):
            found.setdefault(one.resolve(), one)
    return list(found.values())


def sources_of(sources: Sequence[Path]) -> list[Path]:
    """Return the paths of an inventory's sources, with the variables beside a single file."""
    paths: list[Path] = []
    for source in sources:
        if not source.exists() and "," in str(source):
            continue  # a list of hosts, not a file
        paths.append(source)
        if not source.is_dir():
            beside = (source.parent / name for name in _VARIABLES)
            paths += (folder for folder in beside if folder.is_dir())
    return paths


def playbooks_of(folder: Path) -> list[Path]:
    """Return the playbooks in a folder, without its roles and collections."""
    return sorted(path for path in folder.glob("*") if path.suffix in _YAML and path.is_file())


def _below(folder: Path) -> Iterator[Path]:
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths = (Path(where, name) for name in sorted(names) if not name.startswith("."))
        yield from filter(_is_yaml, paths)
