"""What the page of a plant is made of: its parts, each with a title and lines of HTML."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from segctl.report.drawing import svg, table_svg
from segctl.report.escape import html_text
from segctl.report.html import report_body
from segctl.report.labels import counted
from segctl.report.plant_page.addresses import address, pair_key
from segctl.report.plant_page.tables import (
    THINGS,
    key_of,
    pairs_table,
    plain_table,
    register_table,
)

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence

    from segctl.report.document import Report
    from segctl.report.drawing import Layout
    from segctl.report.drawing.table import Table
    from segctl.report.provenance import Provenance
    from segctl.report.register import Register

#: More zones than this make a table that nobody can read, nor a telephone show.
MOST_SQUARES = 60
_PAST = ("Firewall", "State", "Kind", "Name", "First seen", "Resolved", "Changed by", "Accepted by")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of the page; `name` is its id, `lines` are HTML."""

    name: str
    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """Everything that a page shows.

    `labels` are the keys of conduits by what these are called on firewalls. `reports` are by the
    titles of their parts. `past` are rows of what has drifted, None where nobody asked for it.
    `evidence` are lines of HTML. `digests` are of what was read of each firewall.
    """

    title: str
    layout: Layout
    table: Table
    registers: tuple[Register, ...]
    labels: Mapping[str, str]
    provenance: Provenance
    reports: Mapping[str, Report] = field(default_factory=dict[str, "Report"])
    past: Sequence[Sequence[str]] | None = None
    evidence: Sequence[str] | None = None
    digests: tuple[tuple[str, str], ...] = ()


def parts_of(plant: Plant) -> tuple[Part, ...]:
    """Return the parts of a page, in the order in which they stand there."""
    known = _addresses(plant)
    parts = [
        Part(name="drawing", title="Drawing", lines=tuple(_drawing(plant.layout, known))),
        Part(name="matrix", title="Matrix", lines=tuple(_matrix(plant.table, known))),
    ]
    parts += [
        Part(
            name=name,
            title=name.capitalize(),
            lines=tuple(_register(one, known, plant.labels)),
        )
        for name, one in ((one.kind, one) for one in plant.registers)
    ]
    parts += [
        Part(
            name=title.lower(),
            title=title,
            lines=(
                f'<p class="headline">{html_text(one.headline)}</p>',
                *report_body(one, f"{title.lower()}-"),
            ),
        )
        for title, one in plant.reports.items()
    ]
    if plant.past is not None:
        parts.append(Part(name="history", title="History", lines=tuple(_past(plant.past))))
    if plant.evidence is not None:
        parts.append(Part(name="evidence", title="Evidence", lines=tuple(plant.evidence)))
    return tuple(parts)


def _addresses(plant: Plant) -> frozenset[str]:
    """Return the ids that the page has."""
    things = {
        address(THINGS[one.kind], key_of(one.kind, row))
        for one in plant.registers
        for row in one.rows
    }
    return frozenset(things | {address("pair", pair_key(*ends)) for ends in plant.table.cells})


def _drawing(layout: Layout, known: Container[str]) -> Iterator[str]:
    yield '<div class="drawing" tabindex="0" role="region" aria-label="The drawing itself">'
    yield f"{svg(layout, _leads(layout, known))}</div>"


def _leads(layout: Layout, known: Container[str]) -> dict[str, str]:
    """Return where the parts of a drawing lead, by their ids; what is folded leads nowhere."""
    picture = layout.picture
    alone = {box.key: box.zones[0] for box in picture.boxes if len(box.zones) == 1}
    found = {f"zone {key}": address("zone", zone) for key, zone in alone.items()}
    found |= {f"firewall {wall.key}": address("firewall", wall.key) for wall in picture.walls}
    found |= {
        f"arrow {arrow.key}": address("pair", pair_key(alone[arrow.source], alone[arrow.target]))
        for arrow in picture.arrows
        if arrow.source in alone and arrow.target in alone
    }
    return {name: place for name, place in found.items() if place in known}


def _matrix(table: Table, known: Container[str]) -> Iterator[str]:
    if len(table.zones) <= MOST_SQUARES:
        yield '<div class="wide" tabindex="0" role="region" aria-label="The matrix as a picture">'
        yield f"{table_svg(table)}</div>"
    else:
        zones = counted(len(table.zones), "zone")
        yield f"<p>{zones}: too many to draw. The rows say the same.</p>"
    yield from pairs_table(table, known)


def _register(
    register: Register, known: Container[str], labels: Mapping[str, str]
) -> Iterator[str]:
    yield f'<p class="facts">{counted(len(register.rows), register.kind.removesuffix("s"))}</p>'
    if register.rows:
        yield from register_table(register, known, labels)


def _past(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    if not rows:
        yield "<p>Nothing is on record.</p>"
        return
    yield from plain_table(_PAST, rows)
