"""Changes and findings as lines of text."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, TypeAlias

from segctl.compiler.naming import below
from segctl.model.policy import ApplicationGroup, Rule
from segctl.model.wording import traffic_of
from segctl.planning.plan import OPS
from segctl.report.folding import applications_text
from segctl.report.labels import (
    LABELS,
    SIGNS,
    counted,
    fields_of,
    gist_of,
    has_order,
    label_of,
    left_and_joined,
    listed,
    name_before,
    place_of,
    value_text,
    value_texts,
    zones_of,
)
from segctl.report.lines import Line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from segctl.model.diff import Change
    from segctl.model.errors import Problem
    from segctl.model.policy import Item

Marks: TypeAlias = "Mapping[Change, str]"
NO_MARKS: Final[Marks] = {}
_LABEL_WIDTH = max(map(len, LABELS.values())) + 2


def change_lines(
    changes: Iterable[Change], platform: str, marks: Marks = NO_MARKS
) -> Iterator[Line]:
    """Yield changes by conduit, with what they set; places only where rules have some.

    `marks` says of changes whether they widen or narrow what is permitted.
    """
    placed = has_order(platform)
    for conduit, group in by_conduit(changes).items():
        title = f"  conduit {conduit}" if conduit else "  zones, objects and default rules"
        yield Line(lead=title, style="bold")
        objects = [change for change in group if change.kind != "rule"]
        kinds = max((len(change.kind) for change in objects), default=0)
        names = min(max((len(change.name) for change in objects), default=0), 44)
        for change in group:
            if change.kind == "rule":
                yield from _rule(change, placed=placed)
                if mark := marks.get(change):
                    yield row("effect", mark)
            else:
                yield from _object(change, kinds, names, platform, marks)


def brief_lines(changes: Iterable[Change]) -> Iterator[Line]:
    """Yield a line a rule, one for those that a conduit has between the same zones.

    Objects are counted.
    """
    counts: Counter[tuple[str, str]] = Counter()
    alike: dict[tuple[str, ...], list[Change]] = {}
    for change in changes:
        if change.kind != "rule":
            counts[change.op, change.kind] += 1
            continue
        one = change.op == "rename" or below(change.name, change.conduit) == change.name
        of = change.name if one else change.conduit
        alike.setdefault((change.op, of, gist_of(change.item)), []).append(change)
    for (_, conduit, gist), group in alike.items():
        if len(group) == 1:
            yield _rule_head(group[0], "  ", f"  {gist}")
            continue
        sign, style = SIGNS[group[0].op]
        names = ", ".join(below(change.name, conduit) for change in group)
        yield Line(lead=f"  {sign} ", text=f"rules {conduit}: {names}  {gist}", style=style)
    for op in OPS:
        found = [counted(number, kind) for (one, kind), number in counts.items() if one == op]
        if found:
            sign, style = SIGNS[op]
            yield Line(lead=f"  {sign} ", text=", ".join(found), style=style)


def by_conduit(
    changes: Iterable[Change],
) -> dict[str, list[Change]]:
    """Return changes by conduit; those of no conduit come last."""
    grouped: dict[str, list[Change]] = {}
    for change in changes:
        grouped.setdefault(change.conduit, []).append(change)
    return dict(sorted(grouped.items(), key=lambda item: (not item[0], item[0])))


def _rule(change: Change, *, placed: bool) -> Iterator[Line]:
    yield _rule_head(change, "    ")
    if change.op == "create":
        if isinstance(change.after, Rule):
            yield from rule_rows(change.after)
        if placed:
            yield row("place", place_of(change))
    elif change.op == "move":
        yield row("place", f"moves {place_of(change)}", "cyan")
    elif change.op == "delete":
        yield row("", gist_of(change.before))
    elif change.op == "update":
        for field, before, after in fields_of(change):
            yield from field_lines(field, before, after)


def _rule_head(change: Change, indent: str, note: str = "") -> Line:
    sign, style = SIGNS[change.op]
    name = f"rule {renaming(change) if change.op == 'rename' else change.name}"
    return Line(lead=f"{indent}{sign} ", text=f"{name}{note}", style=style)


def noted(change: Change, marks: Marks) -> str:
    """Return the mark of a change as it stands behind its name, if it has one."""
    mark = marks.get(change)
    return f"  ({mark})" if mark else ""


def renaming(change: Change) -> str:
    """Return what is renamed, and into what."""
    return f"{name_before(change)} → {change.name}"


def _object(change: Change, kinds: int, names: int, platform: str, marks: Marks) -> Iterator[Line]:
    sign, style = SIGNS[change.op]
    text = f"    {sign} {change.kind:<{kinds}}  {change.name:<{names}}"
    if change.op == "update":
        yield Line(lead=f"{text.rstrip()}{noted(change, marks)}", style=style)
        for field in change.fields:
            yield from field_lines(field, *change.values(field))
        return
    if change.op == "rename":
        text = f"    {sign} {change.kind:<{kinds}}  {renaming(change)}"
    gist = f"{object_gist(change.item, platform)}{noted(change, marks)}"
    yield Line(lead=f"{text}  ", text=gist, style=style)


def object_gist(item: Item | None, platform: str) -> str:
    """Say in a few words what an object is; of many applications what they stand for."""
    if isinstance(item, ApplicationGroup):
        return applications_text(item.members, platform)
    return gist_of(item)


def rule_rows(rule: Rule) -> Iterator[Line]:
    """Yield what a rule says, a line a field."""
    yield row(rule.action, zones_of(rule))
    for field, values in traffic_of(rule):
        yield row(LABELS[field], values)
    named = (
        ("threat profile", rule.profile_group),
        ("log to", rule.log_setting),
        ("schedule", rule.schedule),
    )
    profiled = [f"{word} {value}" for word, value in named if value]
    profiled += [] if rule.log else ["not logged"]
    profiled += ["disabled"] if rule.disabled else []
    if profiled:
        yield row("with", ", ".join(profiled))
    if rule.targets:
        yield row(LABELS["targets"], ", ".join(rule.targets))
    if rule.description:
        yield row("reason", value_text("description", rule.description))


def row(label: str, text: str, style: str = "dim") -> Line:
    """Return one line below a rule: what, and its value."""
    return Line(lead=f"        {label:<{_LABEL_WIDTH}}", text=text, style=style)


def field_lines(name: str, before: object, after: object) -> Iterator[Line]:
    """Yield old and new value of one field; of long lists only what goes and what comes."""
    label = label_of(name)
    long = len(listed(before) or ()) + len(listed(after) or ()) > 4
    gone, come = left_and_joined(name, before, after) if long else ([], [])
    if gone or come:
        if gone:
            yield row(label, f"- {', '.join(gone)}", "red")
        if come:
            yield row("" if gone else label, f"+ {', '.join(come)}", "green")
        return
    was, will = value_texts(name, before, after)
    yield row(label, f"{was} → {will}", "yellow")


def held_lines(name: str, before: object, after: object) -> Iterator[Line]:
    """Yield what of one field the device holds, and what the inventory says."""
    label = label_of(name)
    gone, come = left_and_joined(name, before, after)
    if gone:
        yield row(label, f"only on the device: {', '.join(gone)}", "red")
    if come:
        yield row("" if gone else label, f"only in the inventory: {', '.join(come)}", "green")
    if gone or come:
        return
    was, will = value_texts(name, before, after)
    yield row(label, f"on the device: {was}", "red")
    yield row("", f"in the inventory: {will}", "green")


def finding_line(finding: Problem, devices: Sequence[str] = ()) -> Line:
    """Return a finding of a plan, or of several devices of it."""
    style = "bold red" if finding.severity == "error" else "yellow"
    where = f"{finding.where}: " if finding.where else ""
    hint = f" — {finding.hint}" if finding.hint else ""
    of = f" ({counted(len(devices), 'device')}: {', '.join(devices)})" if devices else ""
    return Line(
        lead=f"  ! {finding.severity}: ", text=f"{where}{finding.message}{hint}{of}", style=style
    )
