"""Changes as the lines of a diff block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.model.policy import Rule
from segctl.report.changes import (
    NO_MARKS,
    by_conduit,
    noted,
    object_gist,
    renaming,
    rule_rows,
)
from segctl.report.labels import (
    fields_of,
    has_order,
    label_of,
    left_and_joined,
    place_of,
    value_texts,
)
from segctl.system.inert import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from segctl.model.diff import Change
    from segctl.report.changes import Marks

#: The first column of a diff block: ``!`` is what changes or moves and is neither new nor gone.
_MARKS = {"create": "+", "update": "!", "move": "!", "rename": "!", "delete": "-"}


def diff_lines(changes: Iterable[Change], platform: str, marks: Marks = NO_MARKS) -> Iterator[str]:
    """Yield changes by conduit, each line marked in its first column.

    `marks` says of changes whether they widen or narrow what is permitted.
    """
    for conduit, group in by_conduit(changes).items():
        title = f"conduit {conduit}" if conduit else "zones, objects and default rules"
        yield printable(f"@@ {title} @@")
        for change in group:
            yield from map(printable, _change(change, platform, noted(change, marks)))


def _change(change: Change, platform: str, note: str) -> Iterator[str]:
    op, kind = change.op, change.kind
    head = f"{_MARKS[op]} {kind} {change.name}{note}"
    if op == "rename":
        yield f"{_MARKS[op]} {kind} {renaming(change)}{note}"
    elif op == "move":
        yield f"{_MARKS[op]} {kind} {change.name} moves {place_of(change)}{note}"
    elif op == "update":
        yield head
        for field, before, after in fields_of(change):
            yield from _field(field, before, after)
    elif isinstance(change.after, Rule) and op == "create":
        yield head
        for line in rule_rows(change.after):
            yield f"+   {line.lead.lstrip()}{line.text}"
        if has_order(platform):
            yield f"+   place {place_of(change)}"
    else:
        yield f"{head}  {object_gist(change.item, platform)}".rstrip()


def _field(name: str, before: object, after: object) -> Iterator[str]:
    label = label_of(name)
    gone, come = left_and_joined(name, before, after)
    if not gone and not come:
        was, will = value_texts(name, before, after)
        gone, come = [was], [will]
    if gone:
        yield f"-   {label}  {', '.join(gone)}"
    if come:
        yield f"+   {label}  {', '.join(come)}"
