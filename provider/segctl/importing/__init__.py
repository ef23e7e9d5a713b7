"""A device's configuration as inventory files; planning them back changes nothing.

What carries our mark comes back as the zones and conduits it was compiled from. Rules of others
become conduits of mode `absent`, for an operator to take over one by one.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from segctl.importing.build import Imported, import_device
from segctl.importing.grouped import import_group
from segctl.model.errors import UsageError
from segctl.system.folders import is_file_name
from segctl.system.storage import create, remove

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = [
    "Imported",
    "import_device",
    "import_group",
    "refuse_existing",
    "refuse_name",
    "write_files",
]


def refuse_name(host: str) -> None:
    """Refuse a host whose variables no file could hold: Ansible finds them by the file's name.

    Raises:
        UsageError: its name is more or less than one plain part of a path.
    """
    if not is_file_name(host):
        raise UsageError(
            f"{host!r} cannot be the name of a file in host_vars: give the host a name of letters, "
            "digits, dots, dashes and underscores in the inventory, and import it again"
        )


def refuse_existing(folder: Path, paths: Iterable[str] = ("hosts.yml",)) -> None:
    """Refuse to write over files.

    Raises:
        UsageError: one of them exists.
    """
    existing = [path for path in paths if (folder / path).exists()]
    if existing:
        raise UsageError(
            f"{folder} has {', '.join(existing)} already: nothing is overwritten; "
            "give another folder with -o"
        )


def write_files(folder: Path, files: Mapping[str, str]) -> tuple[Path, ...]:
    """Write new files below `folder`: all of them, or none.

    Raises:
        UsageError: one of them exists or leads out of the folder, or the folder cannot hold them.
    """
    for part in {part for path in files for part in path.split("/")}:
        refuse_name(part)
    refuse_existing(folder, files)
    written: list[Path] = []
    try:
        for path, text in files.items():
            written.append(folder / path)  # before it is there: Ctrl-C may come right after
            _create(written, text)
    except OSError as error:
        _remove(written)
        raise UsageError(f"cannot write to {folder}: {error.strerror}; no file is left") from error
    except BaseException:  # an interrupt included
        _remove(written)
        raise
    return tuple(written)


def _create(written: list[Path], text: str) -> None:
    """Write the last of the files; what somebody else put there meanwhile is not one of ours."""
    try:
        create(written[-1], text.encode())
    except FileExistsError:
        written.pop()
        raise


def _remove(written: Iterable[Path]) -> None:
    for target in written:
        with suppress(OSError):
            remove(target)
