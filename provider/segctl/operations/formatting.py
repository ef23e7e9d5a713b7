"""fmt: inventory files and playbooks in their one layout."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from segctl.model.errors import Problem

if TYPE_CHECKING:
    from segctl.formatting.files import Formatted
    from segctl.operations.options import CommonOptions

_PLAYBOOKS = Path("playbooks")


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatOptions:
    """Which files and folders are formatted, else the inventory; with `check` none is written."""

    paths: tuple[Path, ...] = ()
    check: bool = False


def format_files(common: CommonOptions, options: FormatOptions) -> tuple[Formatted, ...]:
    """Give files their one layout; values and comments stay.

    Raises:
        UsageError: a path does not exist.
    """
    from segctl.formatting.files import files_of, formatted

    paths = options.paths or _default(common)
    results = [formatted(path) for path in files_of(paths)]
    if options.check:
        return tuple(results)
    return tuple(_written(one) if one.status == "changed" else one for one in results)


def _default(common: CommonOptions) -> tuple[Path, ...]:
    from segctl.formatting.files import playbooks_of, sources_of

    paths = tuple(sources_of(common.sources))
    return paths if common.inventory else (*paths, *playbooks_of(_PLAYBOOKS))


def _written(changed: Formatted) -> Formatted:
    """Write one file; what goes wrong is its problem alone."""
    from segctl.system import storage

    try:
        mode = changed.path.stat().st_mode & 0o7777
        if not mode & 0o222:
            raise PermissionError(13, "is read-only")
        storage.write(changed.path, changed.after.encode(), mode=mode)
    except OSError as error:
        message = f"cannot be written: {error.strerror}; it is as it was"
        problem = Problem(file=str(changed.path), message=message)
        return replace(changed, status="failed", problems=(problem,))
    return changed
