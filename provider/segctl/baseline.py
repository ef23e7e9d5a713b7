"""Known drift that somebody answers for until a day: what ``drift --baseline`` leaves out.

A file is a YAML list; every entry names what, who and until when::

    - {device: core-fw, kind: rule, name: allow-mgmt, owner: it-ops, expires: 2027-01-31}
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, cast

import yaml

from segctl.errors import InventoryError, Problem

if TYPE_CHECKING:
    from pathlib import Path

_NEEDED = ("device", "kind", "name", "owner", "expires")
_ALLOWED = (*_NEEDED, "reason")


def read_baseline(path: Path, today: date) -> tuple[tuple[str, str, str], ...]:
    """Return (device, kind, name) of what is accepted as of `today`; expired entries are not.

    Raises:
        InventoryError: the file cannot be read or an entry lacks something.
    """
    try:
        entries: object = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    except OSError as error:
        message = error.strerror or str(error)
        raise InventoryError((Problem(file=str(path), message=message),)) from error
    except (ValueError, yaml.YAMLError) as error:
        message = " ".join(str(error).split())
        raise InventoryError((Problem(file=str(path), message=message),)) from error
    entries = [] if entries is None else entries
    if not isinstance(entries, list):
        raise InventoryError((Problem(file=str(path), message="is not a list of entries"),))
    listed = cast("list[dict[str, Any]]", entries)
    problems: list[Problem] = []
    accepted: list[tuple[str, str, str]] = []
    for number, entry in enumerate(listed, 1):
        problem = _problem(entry)
        if problem:
            problems.append(Problem(file=str(path), path=f"entry {number}", message=problem))
        elif entry["expires"] >= today:
            accepted.append((str(entry["device"]), str(entry["kind"]), str(entry["name"])))
    if problems:
        raise InventoryError(tuple(problems))
    return tuple(accepted)


def _problem(entry: dict[str, Any]) -> str:
    if not isinstance(entry, dict):  # pyright: ignore[reportUnnecessaryIsInstance] - of a file
        return "is not a mapping"
    missing = [key for key in _NEEDED if not entry.get(key)]
    if missing:
        return f"lacks {', '.join(missing)}"
    unknown = [str(key) for key in entry if key not in _ALLOWED]
    if unknown:
        return f"does not know {', '.join(unknown)}; it knows {', '.join(_ALLOWED)}"
    if type(entry["expires"]) is not date:  # a datetime is one too, and does not compare
        return f"expires is {entry['expires']!r}, not a day such as 2027-01-31"
    return ""
