"""Changes as the lines of a diff block, and the flows that they permit and cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.model.policy import Rule
from segctl.report.changes import by_conduit, object_gist, renaming, rule_rows
from segctl.report.document import Remark
from segctl.report.labels import (
    has_order,
    label_of,
    left_and_joined,
    place_of,
    traffic_of,
    value_texts,
    zones_of,
)
from segctl.system.inert import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from segctl.model.diff import Change
    from segctl.model.policy import Item

#: The first column of a diff block: ``!`` is what changes or moves and is neither new nor gone.
_MARKS = {"create": "+", "update": "!", "move": "!", "rename": "!", "delete": "-"}
#: Fields of a rule that say which traffic it is about.
_TRAFFIC = (
    "from_zones",
    "to_zones",
    "sources",
    "destinations",
    "users",
    "applications",
    "services",
    "schedule",
    "negate_source",
    "negate_destination",
)


def diff_lines(changes: Iterable[Change], platform: str) -> Iterator[str]:
    """Yield changes by conduit, each line marked in its first column."""
    for conduit, group in by_conduit(changes).items():
        title = f"conduit {conduit}" if conduit else "zones, objects and default rules"
        yield printable(f"@@ {title} @@")
        for change in group:
            yield from map(printable, _change(change, platform))


def _change(change: Change, platform: str) -> Iterator[str]:
    op, kind = change.op, change.kind
    head = f"{_MARKS[op]} {kind} {change.name}"
    if op == "rename":
        yield f"{_MARKS[op]} {kind} {renaming(change)}"
    elif op == "move":
        yield f"{head} moves {place_of(change)}"
    elif op == "update":
        yield head
        for field in change.fields:
            yield from _field(field, *change.values(field))
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


def flows(device: str, changes: Iterable[Change]) -> tuple[list[Remark], list[Remark]]:
    """Return what rules permit after the changes and did not before, and the other way round.

    Rule by rule: what another rule permits just the same is not taken into account.
    """
    opened: list[Remark] = []
    closed: list[Remark] = []
    for change in changes:
        if change.op in {"move", "rename"}:
            continue
        was, will = _permitting(change.before), _permitting(change.after)
        if will and not was:
            opened.append(_flow(device, change.name, _traffic(will)))
        elif was and not will:
            closed.append(_flow(device, change.name, _traffic(was)))
        elif was and will:
            for field in [name for name in change.fields if name in _TRAFFIC]:
                gone, come = _moved(field, *change.values(field))
                opened += [_flow(device, change.name, come)] if come else []
                closed += [_flow(device, change.name, gone)] if gone else []
    return opened, closed


def _permitting(item: Item | None) -> Rule | None:
    """Return an item if it is a rule that permits traffic."""
    if isinstance(item, Rule) and item.action == "allow" and not item.disabled:
        return item
    return None


def _flow(device: str, rule: str, text: str) -> Remark:
    return Remark(severity="note", subject=device, text=f"{rule}: {text}")


def _traffic(rule: Rule) -> str:
    """Say in one line which traffic a rule is about."""
    fields = (f"{label_of(field)} {values}" for field, values in traffic_of(rule))
    return "; ".join((zones_of(rule), *fields))


def _moved(name: str, before: object, after: object) -> tuple[str, str]:
    """Return how a field is narrower and wider; both where that cannot be told."""
    label = label_of(name)
    gone, come = left_and_joined(name, before, after)
    if gone or come:
        return tuple(f"{label} {', '.join(one)}" if one else "" for one in (gone, come))  # type: ignore[return-value] # of two, two
    was, will = value_texts(name, before, after)
    return f"{label} {was}", f"{label} {will}"
