"""What a plan means, in words: newly permitted, no longer permitted, what cannot be told."""

from __future__ import annotations

from itertools import permutations, product
from typing import TYPE_CHECKING

from segctl.analysis.compare import OTHER_ZONE
from segctl.analysis.rows import Row, products
from segctl.compiler.naming import below
from segctl.model.policy import ANY
from segctl.model.wording import list_text
from segctl.planning.meaning import NARROW, NO_RULE, WIDEN
from segctl.report.folding import applications_text
from segctl.report.labels import label_of
from segctl.report.lines import Line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

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
    """Yield what a device's plan means; `brief` only says how many lines that would be."""
    meant = device.meaning
    if not device.changes:
        return
    if meant is None:
        yield Line(text=f"  {_NOT_COMPUTED}", style="yellow")
        return
    found = [
        (title.lower(), style, texts)
        for title, style, rows in headings(meant)
        if (texts := texts_of(rows, device.platform))
    ]
    if not found:
        yield Line(text="  it permits exactly what was permitted before", style="dim")
    elif brief:
        counts = (f"  {title} ({len(texts)})" for title, _, texts in found)
        yield Line(text="".join(counts), style="bold")
    for title, style, texts in found if not brief else ():
        count = f" ({len(texts)})" if len(texts) > _SHOWN else ""
        yield Line(text=f"  {title}{count}", style="bold")
        for text in texts[:_SHOWN]:
            yield Line(lead="    ", text=text, style=style)
        if count:
            text = f"    … and {len(texts) - _SHOWN} more: --json has them all"
            yield Line(text=text, style=style)


def texts_of(rows: Iterable[Row], platform: str) -> list[str]:
    """Say which packets rows are about, by which rule, and why they are in question.

    A line for each row, but one only for all that no rule matches, whatever its zones.
    """
    grouped: dict[Row, list[Row]] = {}
    for row in rows:
        key = row
        if row.rest:
            key = Row(from_zones=(), to_zones=(), rule=row.rule, may=row.may, why=row.why)
        grouped.setdefault(key, []).append(row)
    return [
        row_text(key, platform) if key.from_zones else _rest_text(same)
        for key, same in grouped.items()
    ]


def _rest_text(rows: Sequence[Row]) -> str:
    pairs = {pair for row in rows for pair in product(row.from_zones, row.to_zones)}
    named = {zone for pair in pairs for zone in pair}
    if len(named) > 1 and pairs == set(permutations(named, 2)):
        *most, last = sorted(named, key=lambda zone: (zone == OTHER_ZONE, zone))
        zones = f"between {', '.join(most)} and {last}"
    else:
        zones = "; ".join(_zones(*sides) for sides in sorted(products(pairs)))
    above = "above " if rows[0].rule else ""
    return _whole(rows[0], f"{zones}; whatever no rule {above}matches")


def row_text(row: Row, platform: str) -> str:
    """Say in one line which packets a row is about, by which rule, and why they are in question."""
    said = (
        ("sources", row.source, "source"),
        ("destinations", row.destination, "destination"),
        ("users", row.users, "users"),
        ("applications", row.applications, "applications"),
        ("services", row.services, "services"),
    )
    parts = [_zones(row.from_zones, row.to_zones)]
    for field, values, name in said:
        negated = name in row.negated
        folded = field == "applications" and values != (ANY,)
        shown = (applications_text(values, platform),) if folded else values
        parts.append(f"{label_of(field)} {list_text(shown, negated=negated)}")
    parts += [f"at {', '.join(row.times)}"] if row.times else []
    parts += [f"on {', '.join(row.firewalls)}"] if row.firewalls else []
    return _whole(row, "; ".join(parts))


def _zones(enters: Sequence[str], leaves: Sequence[str]) -> str:
    return f"{', '.join(enters)} → {', '.join(leaves)}"


def _whole(row: Row, packets: str) -> str:
    """Put the rule before packets, with its conduit where its name does not say it."""
    where = ""
    if row.rule not in NO_RULE and not row.conduit:
        where = " (no conduit)"
    elif row.conduit and below(row.rule, row.conduit) == row.rule:
        where = f" (conduit {row.conduit})"
    rule = f"{row.rule}{where}: " if row.rule else ""
    why = [_MAY.get(row.may, ""), *row.why]
    return rule + packets + "".join(f" — {one}" for one in why if one)


def sentences(title: str, plans: Iterable[DevicePlan]) -> Iterator[tuple[str, str]]:
    """Yield device and text of every row under one heading."""
    for device in plans:
        if title == UNKNOWN and device.meaning is None and device.changes:
            yield device.name, _NOT_COMPUTED
        for name, _, rows in headings(device.meaning) if device.meaning else ():
            if name == title:
                yield from ((device.name, text) for text in texts_of(rows, device.platform))
