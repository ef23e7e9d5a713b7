"""A drawing as one HTML page: the drawing, and below it in words what it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.report.drawing.document import summary
from segctl.report.drawing.stamp import drawn_from
from segctl.report.drawing.svg import notes_of, svg
from segctl.report.escape import html_text
from segctl.report.html import framed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from segctl.report.drawing.placing import Layout

_STYLE = """\
body { max-width: none }
th, td { overflow-wrap: normal }
.wide { overflow: auto }
.drawing { overflow: auto; border: 1px solid var(--line); margin: 1rem 0 }
.drawing svg { display: block; height: auto; min-width: 60rem; max-width: none }
@media print { .drawing { overflow: visible; border: 0 }
  .drawing svg { min-width: 0; max-width: 100% } @page { size: landscape } }
"""


def page(layout: Layout) -> str:
    """Return a drawing as one HTML page that loads nothing."""
    return "\n".join(_page(layout)) + "\n"


def _page(layout: Layout) -> Iterator[str]:
    picture = layout.picture
    title = html_text(f"segctl · Zones and conduits · {picture.title}")
    facts = (("drawing", drawn_from(picture)),)
    yield from framed(title, summary(layout), _body(layout), facts, style=_STYLE)


def _body(layout: Layout) -> Iterator[str]:
    picture = layout.picture
    yield '<div class="drawing" tabindex="0" role="region" aria-label="Drawing">'
    yield f"{svg(layout)}</div>"
    title = "What is permitted between zones"
    yield f"<h2>{title}</h2>"
    yield from _table(
        title,
        ("From", "To", "Permitted", "At most", "Conduits", "Firewalls", "Marks"),
        (
            (
                arrow.source,
                arrow.target,
                ", ".join(arrow.labels),
                arrow.strength,
                ", ".join(arrow.conduits),
                ", ".join(arrow.walls),
                ", ".join(
                    (
                        *(("essential",) if arrow.essential else ()),
                        *(("monitored",) if arrow.monitored else ()),
                        *arrow.marks,
                    )
                ),
            )
            for arrow in picture.arrows
        ),
    )
    yield "<h2>Zones</h2>"
    yield from _table(
        "Zones",
        ("Zone", "What it is", "Assets"),
        ((box.key, " · ".join(notes_of(box)), ", ".join(box.chips)) for box in picture.boxes),
    )


def _table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    cells = "".join(f'<th scope="col">{html_text(cell)}</th>' for cell in head)
    label = f"Table: {html_text(title)}"
    yield f'<div class="wide" tabindex="0" role="region" aria-label="{label}">'
    yield f"<table><thead><tr>{cells}</tr></thead><tbody>"
    for row in rows:
        yield f"<tr>{''.join(f'<td>{html_text(cell)}</td>' for cell in row)}</tr>"
    yield "</tbody></table></div>"
