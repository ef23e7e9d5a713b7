"""The register and the table of zones as rows of HTML that lead to each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.report.drawing.table import told_states
from segctl.report.escape import html_text
from segctl.report.plant_page.addresses import address, linked, pair_key
from segctl.report.register import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

    from segctl.report.drawing.table import Cell, Table
    from segctl.report.plant_page.addresses import Kind as Thing
    from segctl.report.register import Kind, Register

#: What the rows of a register are.
THINGS: Mapping[Kind, Thing] = {
    "zones": "zone",
    "assets": "asset",
    "conduits": "conduit",
    "flows": "flow",
    "firewalls": "firewall",
    "rules": "rule",
}
#: Which columns lead to what; a column of rules holds zones by their names on the firewall.
_LEADS: Mapping[tuple[Kind, str], Thing] = {
    ("zones", "firewalls"): "firewall",
    ("assets", "zone"): "zone",
    ("conduits", "from"): "zone",
    ("conduits", "to"): "zone",
    ("conduits", "firewalls"): "firewall",
    ("firewalls", "zones"): "zone",
    ("rules", "firewall"): "firewall",
}
_HEADS = ("From", "To", "Declared", "Live", "Differs", "Conduits", "Rules")


def key_of(kind: Kind, row: Mapping[str, str]) -> str:
    """Return the key of a row: an asset is called by its zone, a rule by its firewall."""
    first = row[COLUMNS[kind][0]]
    if kind == "rules":
        return f"{row['firewall']}/{first}"
    return f"{row['zone']}/{first.partition('/')[2]}" if kind == "assets" else first


def register_table(
    register: Register, known: Container[str], labels: Mapping[str, str]
) -> Iterator[str]:
    """Yield a register as a table.

    Args:
        register: what is listed; columns that are empty in every row are left out.
        known: the ids of the page.
        labels: the keys of conduits by what these are called on firewalls.
    """
    kind = register.kind
    first, *others = COLUMNS[kind]
    columns = [first, *(name for name in others if any(row[name] for row in register.rows))]
    yield from _opened([name.replace("_", " ").capitalize() for name in columns])
    seen: set[str] = set()
    for row in register.rows:
        name = address(THINGS[kind], key_of(kind, row))
        mark = "" if name in seen else f' id="{html_text(name)}"'
        seen.add(name)
        cells = [f'<th scope="row">{_first(kind, row, known)}</th>']
        cells += [
            f"<td>{_cell(kind, column, row[column], known, labels)}</td>"
            for column in others
            if column in columns
        ]
        yield f"<tr{mark}>{''.join(cells)}</tr>"
    yield _CLOSED


def _first(kind: Kind, row: Mapping[str, str], known: Container[str]) -> str:
    """Return the name of a row; a flow's leads to its conduit."""
    name = row[COLUMNS[kind][0]]
    if kind == "flows":
        conduit, _, flow = name.rpartition(".")
        return f"{linked('conduit', conduit, conduit, known)}.{html_text(flow)}"
    return html_text(name)


def _cell(
    kind: Kind, column: str, value: str, known: Container[str], labels: Mapping[str, str]
) -> str:
    if kind == "rules" and column == "conduit":
        return linked("conduit", labels.get(value, value), value, known)
    thing = _LEADS.get((kind, column))
    if thing is None:
        return html_text(value)
    return ", ".join(linked(thing, one, one, known) for one in value.split(", ") if one)


def pairs_table(table: Table, known: Container[str]) -> Iterator[str]:
    """Yield what may pass from zone to zone, a row for each pair that has anything to say."""
    yield from _opened(_HEADS)
    for (source, target), cell in in_order(table):
        name = html_text(address("pair", pair_key(source, target)))
        yield f'<tr id="{name}">{"".join(_pair(source, target, cell, known))}</tr>'
    yield _CLOSED


def in_order(table: Table) -> list[tuple[tuple[str, str], Cell]]:
    """Return the cells of a table by the order of its zones."""
    place = {zone: number for number, zone in enumerate(table.zones)}
    last = len(place)
    return sorted(
        table.cells.items(),
        key=lambda item: tuple((place.get(zone, last), zone) for zone in item[0]),
    )


def _pair(source: str, target: str, cell: Cell, known: Container[str]) -> Iterator[str]:
    yield f'<th scope="row">{linked("zone", source, source, known)}</th>'
    yield f"<td>{linked('zone', target, target, known)}</td>"
    yield f"<td>{cell.declared}</td><td>{cell.live or 'not asked'}</td>"
    yield f"<td>{told_states(cell)}</td>"
    conduits = ", ".join(linked("conduit", one, one, known) for one in cell.conduits)
    yield f"<td>{conduits}</td><td>{'<br>'.join(map(html_text, cell.rules))}</td>"


def plain_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield rows of text as a table."""
    yield from _opened(heads)
    for row in rows:
        yield f"<tr>{''.join(f'<td>{html_text(cell)}</td>' for cell in row)}</tr>"
    yield _CLOSED


_CLOSED = "</tbody></table></div>"


def _opened(heads: Iterable[str]) -> Iterator[str]:
    cells = "".join(f'<th scope="col">{html_text(head)}</th>' for head in heads)
    yield f'<div class="wide" tabindex="0"><table><thead><tr>{cells}</tr></thead><tbody>'
