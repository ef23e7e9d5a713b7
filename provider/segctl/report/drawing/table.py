"""The table of all zones as a picture: what may pass from each to each, declared and live."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from segctl.report.drawing.picture import STRENGTHS, picture_of, strongest
from segctl.report.drawing.stamp import stamp_line
from segctl.report.drawing.svg import px
from segctl.report.escape import html_text
from segctl.report.html import framed
from segctl.report.query import island_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date

    from segctl.model.site import Site
    from segctl.report.drawing.picture import Arrow, Strength

State = Literal["same", "beyond", "blocked", "cannot_tell"]
_STATES: Mapping[str, State] = {
    "only_live": "beyond",
    "only_declared": "blocked",
    "cannot_tell": "cannot_tell",
}
#: The letter of each class in a cell, so that nothing depends on colour alone.
_LETTERS: Mapping[Strength, str] = {
    "none": "·",
    "read": "R",
    "write": "W",
    "control": "C",
    "program": "P",
    "any": "A",
}
_SIGNS: Mapping[State, str] = {"same": "", "beyond": "+", "blocked": "-", "cannot_tell": "?"}
_ISLAND = "i"
_SIZE, _LEFT, _TOP = 30, 280, 230
_STYLE = """\
.m{--ink:#1f2933;--soft:#51606b;--paper:#fff;--line:#c9d2d8;--read:#e8f5f2;--write:#b7e0d6;\
--control:#7cc4b4;--program:#3f9f8c;--any:#f6d9a8;--bad:#b3261e}
@media (prefers-color-scheme:dark){.m{--ink:#e6edf3;--soft:#a9b4be;--paper:#12171b;--line:#39444c;\
--read:#163632;--write:#1d4f47;--control:#26695e;--program:#2f8375;--any:#5a4218;--bad:#ff8a80}}
.m text{font:12px ui-sans-serif,system-ui,"Segoe UI","Noto Sans",sans-serif;fill:var(--ink)}
.m .s{fill:var(--soft)}.m .c{text-anchor:middle;font-weight:600}.m .e{text-anchor:end}
.m .paper{fill:var(--paper)}.m rect.none{fill:var(--paper)}.m rect.read{fill:var(--read)}
.m rect.write{fill:var(--write)}.m rect.control{fill:var(--control)}
.m rect.program{fill:var(--program)}.m rect.any{fill:var(--any)}
.m rect{stroke:var(--line);stroke-width:1}.m rect.odd{stroke:var(--bad);stroke-width:2.5}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What may pass from one zone to another.

    `declared` and `live` are the most that it may do; `live` is None where no firewall was asked.
    `states` say where the two differ, `rules` are those behind it, as ``rule on firewall: what``.
    `islands` say what cuts the two off from each other for now, but for the flows that go on.
    """

    declared: Strength
    live: Strength | None = None
    states: tuple[State, ...] = ()
    conduits: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    islands: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """All zones, and the cells of those pairs between which something is permitted or differs."""

    zones: tuple[str, ...]
    cells: Mapping[tuple[str, str], Cell]
    facts: tuple[tuple[str, str], ...] = ()


def table_of(
    site: Site, today: date, document: Mapping[str, Any], facts: Sequence[tuple[str, str]]
) -> Table:
    """Return the table of what is declared, beside what the document of a matrix says.

    What only firewalls permit counts as *any*: nothing says how far it goes.

    Args:
        site: what is declared.
        today: the day on which conduits may have expired.
        document: of ``segctl matrix``.
        facts: what was read, with its digests.
    """
    arrows = {
        (arrow.source, arrow.target): arrow for arrow in picture_of(site, today, fold="none").arrows
    }
    listed = {
        (cell["from_zone"], cell["to_zone"]): cell
        for cell in document["cells"]
        if cell["from_zone"] != cell["to_zone"]
    }
    asked = document["side"] != "declared"
    cells = {
        ends: _cell(arrows.get(ends), listed.get(ends), asked=asked)
        for ends in (*arrows, *(one for one in listed if one not in arrows))
    }
    return Table(
        zones=tuple(zone.key for zone in site.zones),
        cells={ends: cell for ends, cell in cells.items() if _says(cell)},
        facts=tuple(facts),
    )


def _says(cell: Cell) -> bool:
    return bool(cell.declared != "none" or cell.states or cell.rules or cell.islands)


def _cell(arrow: Arrow | None, listed: Mapping[str, Any] | None, *, asked: bool) -> Cell:
    declared: Strength = arrow.strength if arrow is not None else "none"
    rows = () if listed is None else listed["rows"]
    names = () if listed is None else listed["states"]
    states: tuple[State, ...] = ()
    if asked:
        states = tuple(_STATES[name] for name in names if name in _STATES)
    live: Strength | None = None
    if asked and listed is not None:
        live = strongest(
            "any" if row["state"] == "only_live" else declared
            for row in rows
            if row["state"] != "only_declared" and row["end_to_end"] != "no"
        )
    return Cell(
        declared=declared,
        live=live,
        states=states,
        conduits=arrow.conduits if arrow is not None else (),
        rules=tuple(dict.fromkeys(map(_rule, rows))),
        islands=tuple(map(island_text, listed["islands"])) if asked and listed is not None else (),
    )


def _rule(row: Mapping[str, Any]) -> str:
    passes = f"{row['application_text']} on {', '.join(row['services'])}"
    return f"{row['rule']} on {row['firewall']}: {passes}"


def table_svg(table: Table) -> str:
    """Return a table as SVG, the same bytes for the same table."""
    return "\n".join(_svg(table)) + "\n"


def _svg(table: Table) -> Iterator[str]:
    count = len(table.zones)
    width, height = _LEFT + count * _SIZE + 40, _TOP + count * _SIZE + 70
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    yield f'<svg class="m" xmlns="http://www.w3.org/2000/svg" role="img" {size}>'
    yield "<title>What may pass between zones</title>"
    yield f"<desc>{html_text(stamp_line(table.facts))}</desc>\n<style>\n{_STYLE}</style>"
    yield f'<rect class="paper" width="{width}" height="{height}"/>'
    yield '<text class="s" x="12" y="24">from the zone on the left to the zone above</text>'
    for number, zone in enumerate(table.zones):
        x, y = _LEFT + number * _SIZE + 20, _TOP + number * _SIZE + 20
        shown = html_text(_short(zone))
        yield f'<text class="e" x="{_LEFT - 10}" y="{y}">{shown}</text>'
        yield f'<text transform="translate({x} {_TOP - 10}) rotate(-60)">{shown}</text>'
    for down, source in enumerate(table.zones):
        for right, target in enumerate(table.zones):
            at = _LEFT + right * _SIZE, _TOP + down * _SIZE
            yield from _square(table, source, target, at)
    legend = ", ".join(f"{_LETTERS[one]} {one}" for one in STRENGTHS)
    foot = _TOP + count * _SIZE + 28
    yield f'<text class="s" x="12" y="{foot}">{legend}</text>'
    signs = "+ open beyond what is declared, - declared but blocked, ? cannot tell"
    if any(cell.islands for cell in table.cells.values()):
        signs += f", {_ISLAND} cut off as an island, but for flows that go on"
    yield f'<text class="s" x="12" y="{foot + 20}">{signs}</text>'
    yield "</svg>"


def _short(zone: str, room: int = 34) -> str:
    return zone if len(zone) <= room else f"…{zone[1 - room :]}"


def _square(table: Table, source: str, target: str, at: tuple[int, int]) -> Iterator[str]:
    cell = table.cells.get((source, target), Cell(declared="none"))
    shown = shown_strength(cell)
    odd = " odd" if cell.states else ""
    x, y = at
    place = f'x="{x}" y="{y}" width="{_SIZE}" height="{_SIZE}"'
    if source == target:
        yield f'<rect class="none" {place}/><text class="c s" x="{x + 15}" y="{y + 20}">\\</text>'
        return
    yield f"<g><title>{html_text(told(source, target, cell))}</title>"
    yield f'<rect class="{shown}{odd}" {place}/>'
    yield f'<text class="c" x="{px(x + _SIZE / 2)}" y="{y + 20}">{letters(cell)}</text></g>'


def shown_strength(cell: Cell) -> Strength:
    """Return the class in whose colour a cell is shown: the most of declared and live."""
    return strongest((cell.declared, cell.live or "none"))


def letters(cell: Cell) -> str:
    """Return what stands in a cell: the letter of its class, and signs of what else there is."""
    signs = "".join(_SIGNS[state] for state in cell.states)
    return _LETTERS[shown_strength(cell)] + signs + _ISLAND * bool(cell.islands)


def told(source: str, target: str, cell: Cell) -> str:
    """Return what a cell says, in words."""
    parts = [f"{source} to {target}: declared {cell.declared}"]
    if cell.live is not None:
        parts.append(f"live {cell.live}")
    parts += [state.replace("_", " ") for state in cell.states if state != "same"]
    parts += [f"conduits {', '.join(cell.conduits)}"] if cell.conduits else []
    return "; ".join((*parts, *cell.islands, *cell.rules))


def told_states(cell: Cell) -> str:
    """Return where declared and live differ, and what is an island, in words."""
    said = ", ".join(state.replace("_", " ") for state in cell.states)
    return "; ".join((*((said,) if said else ()), *cell.islands))


def table_page(table: Table) -> str:
    """Return a table as one HTML page that loads nothing, with the rules behind each cell."""
    return "\n".join(_page(table)) + "\n"


def _page(table: Table) -> Iterator[str]:
    title, wide = "segctl · Matrix", "body { max-width: none } .wide { overflow: auto }\n"
    facts = (("drawing", stamp_line(table.facts)),)
    yield from framed(title, "What may pass between zones", _body(table), facts, style=wide)


def _body(table: Table) -> Iterator[str]:
    yield '<div class="wide" tabindex="0" role="region" aria-label="Matrix">'
    yield f"{table_svg(table)}</div>"
    heading = "The rules behind each cell"
    yield f"<h2>{heading}</h2>"
    head = ("From", "To", "Declared", "Live", "Differs", "Conduits", "Rules")
    titles = "".join(f'<th scope="col">{title}</th>' for title in head)
    yield f'<div class="wide" tabindex="0" role="region" aria-label="{heading}">'
    yield f"<table><thead><tr>{titles}</tr></thead><tbody>"
    by_source: dict[str, list[tuple[str, Cell]]] = defaultdict(list)
    for (source, target), cell in table.cells.items():
        by_source[source].append((target, cell))
    for source in table.zones:
        for target, cell in by_source[source]:
            yield _row(source, target, cell)
    yield "</tbody></table></div>"


def _row(source: str, target: str, cell: Cell) -> str:
    values = (
        source,
        target,
        cell.declared,
        cell.live or "not asked",
        told_states(cell),
        ", ".join(cell.conduits),
    )
    cells = "".join(f"<td>{html_text(value)}</td>" for value in values)
    rules = "<br>".join(map(html_text, cell.rules))
    return f"<tr>{cells}<td>{rules}</td></tr>"
