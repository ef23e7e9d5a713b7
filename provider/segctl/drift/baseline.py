"""Baselines: known drift with an owner and an expiry date, which ``drift --baseline`` accepts.

A baseline is a YAML list; every entry names what is accepted, by whom and until when::

    - {device: core-fw, kind: rule, name: allow-mgmt, owner: it-ops, expires: 2027-01-31}

With a `key` an entry accepts the difference as it was seen, and no other, however it is worded.
The `fingerprint` is of the wording; it counts where there is no key, as segctl 0.1 wrote entries.
"""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, cast

from segctl.drift.acceptance import Accepted
from segctl.inventory.document import parse
from segctl.inventory.values import Place
from segctl.model.errors import InventoryError, Problem
from segctl.system.handed import read_bytes
from segctl.system.inert import yaml_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import Any

    from segctl.drift.items import DriftItem
    from segctl.drift.report import DriftReport

_NEEDED = ("device", "kind", "name", "owner", "expires")
_ALLOWED = (*_NEEDED, "reason", "fingerprint", "key")
_FINGERPRINT = re.compile(r"sha256:[0-9a-f]{16}")


def read_baseline(path: Path) -> tuple[Accepted, ...]:
    """Return the entries of a baseline, expired ones included.

    Raises:
        InventoryError: the file cannot be read, or entries are wrong; lists every reason.
    """
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except OSError as error:
        message = error.strerror or str(error)
        raise InventoryError((Problem(file=str(path), message=message),)) from error
    except ValueError as error:
        raise InventoryError((Problem(file=str(path), message="is not UTF-8 text"),)) from error
    document = parse(text, str(path), places=True)
    if document.problems:
        raise InventoryError(document.problems)
    entries: object = [] if document.value is None else document.value
    if not isinstance(entries, list):
        problem = Problem(file=str(path), line=1, column=1, message="must be a list of entries")
        raise InventoryError((problem,))
    listed = cast("list[object]", entries)
    where = document.places.get(id(listed), {})
    problems: list[Problem] = []
    accepted: list[Accepted] = []
    for number, entry in enumerate(listed):
        inside = document.places.get(id(entry), {})
        at = where.get(number, Place(str(path)))  # JSON that is not YAML has no places
        found = list(_problems(entry, at, inside))
        problems += found
        if not found:
            accepted.append(_entry(cast("dict[str, Any]", entry), at))
    if problems:
        raise InventoryError(tuple(problems))
    return tuple(accepted)


def _problems(entry: object, at: Place, inside: Mapping[object, Place]) -> Iterator[Problem]:
    if not isinstance(entry, dict):
        yield _problem(at, "must be a mapping", f"it needs {', '.join(_NEEDED)}")
        return
    values = cast("dict[object, object]", entry)
    for key in values:
        if key not in _ALLOWED:
            yield _problem(
                inside.get(key, at), f"unknown key {key!r}", f"known: {', '.join(_ALLOWED)}"
            )
    if missing := [key for key in _NEEDED if values.get(key) is None or values[key] == ""]:
        yield _problem(at, f"lacks {', '.join(missing)}", f"it needs {', '.join(_NEEDED)}")
        return
    for key in _ALLOWED:
        if key != "expires" and isinstance(values.get(key), dict | list):
            yield _problem(inside.get(key, at), f"{key} must be text", "")
    if _day(values["expires"]) is None:
        shown = str(values["expires"])
        yield _problem(
            inside.get("expires", at), f"expires must be a date like 2027-01-31, not {shown!r}", ""
        )
    for key in ("fingerprint", "key"):
        mark = values.get(key)
        if mark is not None and not _FINGERPRINT.fullmatch(str(mark)):
            yield _problem(
                inside.get(key, at),
                f"{key} must be like sha256:0123456789abcdef, not {str(mark)!r}",
                "copy it from `segctl drift --json`, or remove it",
            )


def _problem(at: Place, message: str, hint: str) -> Problem:
    line, column = at.line, at.column
    return Problem(file=at.file, line=line, column=column, message=message, hint=hint)


def _day(value: object) -> date | None:
    if type(value) is date:  # a datetime is also a date, but does not compare with one
        return value
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _entry(values: Mapping[str, Any], at: Place) -> Accepted:
    return Accepted(
        device=str(values["device"]),
        kind=str(values["kind"]),
        name=str(values["name"]),
        owner=str(values["owner"]),
        expires=_day(values["expires"]) or date.min,
        reason=str(values.get("reason") or ""),
        fingerprint=str(values.get("fingerprint") or ""),
        key=str(values.get("key") or ""),
        file=at.file,
        line=at.line,
        column=at.column,
    )


def baseline_text(report: DriftReport, owner: str, expires: date) -> str:
    """Return a baseline that accepts the drift of a report, counted or accepted already.

    Values are quoted, so that any value reads back as it is.
    """
    lines = [
        *(
            _line(device.name, known.item, known.by.owner, known.by.expires, known.by.reason)
            for device in report.checked
            for known in device.accepted
        ),
        *(
            _line(device.name, item, owner, expires)
            for device in report.checked
            for item in device.items
        ),
    ]
    head = "# Known drift, each as it was seen, with who answers for it and until when.\n"
    return head + ("\n".join(lines) or "[]") + "\n"


def _line(device: str, item: DriftItem, owner: str, expires: date, reason: str = "") -> str:
    values = {"device": device, "kind": item.kind, "name": item.name, "owner": owner}
    values |= {"reason": reason} if reason else {}
    values |= {"fingerprint": item.fingerprint} if item.fingerprint else {}
    values |= {"key": item.key} if item.key else {}
    written = [f"{key}: {yaml_text(value)}" for key, value in values.items()]
    return f"- {{{', '.join([*written, f'expires: {expires.isoformat()}'])}}}"
