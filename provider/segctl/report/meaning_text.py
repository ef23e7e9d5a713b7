"""What a plan means, in words: newly permitted, no longer permitted, what cannot be told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.model.policy import ANY
from segctl.model.wording import list_text
from segctl.planning.meaning import NARROW, WIDEN
from segctl.report.folding import applications_text
from segctl.report.labels import label_of
from segctl.report.lines import Line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from segctl.analysis.rows import Row
    from segctl.model.diff import Change
    from segctl.planning.meaning import Mark, Meaning
    from segctl.planning.plan import DevicePlan

#: So many rows under one heading are shown on a screen.
_SHOWN = 40
MORE, LESS, UNKNOWN = "Newly permitted", "No longer permitted", "Cannot tell"
_NOT_COMPUTED = "an older segctl made this plan and did not compute what it permits: plan again"
#: How a change is marked.
MARKS: Mapping[Mark, str] = {
    "widens": "widens",
    "narrows": "narrows",
    "both": "widens and narrows",
    "neither": "neither widens nor narrows",
    "cannot tell": "cannot tell whether it widens or narrows",
}
_MAY: Mapping[tuple[str, ...], str] = {
    (WIDEN,): "may be newly permitted",
    (NARROW,): "may be no longer permitted",
    (WIDEN, NARROW): "may be newly permitted, or no longer",
}


def marks_of(device: DevicePlan) -> dict[Change, str]:
    """Return how each change of a device is marked; of an object only where it is more than none.

    A plan of an older release has no marks.
    """
    if device.meaning is None:
        return {}
    return {
        change: MARKS[mark]
        for change, mark in zip(device.changes, device.meaning.marks, strict=True)
        if change.kind == "rule" or mark != "neither"
    }


def headings(meant: Meaning) -> tuple[tuple[str, str, Sequence[Row]], ...]:
    """Return what there is to say, each with its title and colour."""
    return (
        (MORE, "green", meant.more),
        (LESS, "red", meant.less),
        (UNKNOWN, "yellow", meant.unknown),
    )


def meaning_lines(device: DevicePlan, *, brief: bool = False) -> Iterator[Line]:
    """Yield what a device's plan means, by conduit; `brief` only says how many rows there are."""
    meant = device.meaning
    if not device.changes:
        return
    if meant is None:
        yield Line(text=f"  {_NOT_COMPUTED}", style="yellow")
        return
    if not any(rows for _, _, rows in headings(meant)):
        yield Line(text="  it permits exactly what was permitted before", style="dim")
        return
    for title, style, rows in headings(meant):
        if rows:
            count = f" ({len(rows)})" if brief or len(rows) > _SHOWN else ""
            yield Line(text=f"  {title.lower()}{count}", style="bold")
            yield from () if brief else _rows(rows, device.platform, style)


def _rows(rows: Sequence[Row], platform: str, style: str) -> Iterator[Line]:
    conduit: str | None = None
    for row in rows[:_SHOWN]:
        if row.conduit != conduit:
            conduit = row.conduit
            yield Line(lead=f"    conduit {conduit}" if conduit else "    no conduit")
        yield Line(lead="      ", text=row_text(row, platform), style=style)
    if len(rows) > _SHOWN:
        yield Line(text=f"      … and {len(rows) - _SHOWN} more: --json has them all", style=style)


def row_text(row: Row, platform: str) -> str:
    """Say in one line which packets a row is about, by which rule, and why they are in question."""
    said = (
        ("sources", row.source, "source"),
        ("destinations", row.destination, "destination"),
        ("users", row.users, "users"),
        ("applications", row.applications, "applications"),
        ("services", row.services, "services"),
    )
    parts = [f"{', '.join(row.from_zones)} → {', '.join(row.to_zones)}"]
    for field, values, name in said:
        negated = name in row.negated
        folded = field == "applications" and values != (ANY,)
        shown = (applications_text(values, platform),) if folded else values
        parts.append(f"{label_of(field)} {list_text(shown, negated=negated)}")
    parts += [f"at {', '.join(row.times)}"] if row.times else []
    rule = f"{row.rule}: " if row.rule else ""
    parts += [f"on {', '.join(row.firewalls)}"] if row.firewalls else []
    why = [_MAY.get(row.may, ""), *row.why]
    return rule + "; ".join(parts) + "".join(f" — {one}" for one in why if one)


def sentences(title: str, plans: Iterable[DevicePlan]) -> Iterator[tuple[str, str]]:
    """Yield device and text of every row under one heading."""
    for device in plans:
        if title == UNKNOWN and device.meaning is None and device.changes:
            yield device.name, _NOT_COMPUTED
        for name, _, rows in headings(device.meaning) if device.meaning else ():
            if name == title:
                yield from ((device.name, row_text(row, device.platform)) for row in rows)
