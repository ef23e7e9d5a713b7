"""A device's configuration as inventory files; planning them back changes nothing.

What carries our mark comes back as the zones and conduits it was compiled from. Rules of others
become conduits of mode `absent`, for an operator to take over one by one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.errors import UsageError
from segctl.importing.build import Imported, import_device

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ["Imported", "import_device", "refuse_existing", "write_files"]


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
        UsageError: one of them exists, or the folder cannot hold them.
    """
    refuse_existing(folder, files)
    written: list[Path] = []
    try:
        for path, text in files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("x", encoding="utf-8") as stream:
                written.append(target)
                stream.write(text)
    except OSError as error:
        for target in written:
            target.unlink(missing_ok=True)
        raise UsageError(f"cannot write to {folder}: {error.strerror}; no file is left") from error
    return tuple(written)
