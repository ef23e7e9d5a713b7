"""A drawing as SVG: colours follow the reader's screen, every meaning is also a shape or a word."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

from segctl.report.drawing.picture import LEVELS
from segctl.report.drawing.placing import (
    CHARACTER,
    ROW_HEIGHT,
    ROWS,
    label_width,
    row_top,
)
from segctl.report.drawing.stamp import drawn_from
from segctl.report.escape import html_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from segctl.report.drawing.picture import Arrow, Box, Wall
    from segctl.report.drawing.placing import Layout, Line, Placed

#: What the rows are called, from the top.
ROW_NAMES = (
    "Enterprise",
    "Business",
    "Demilitarised zone",
    "Operations",
    "Supervision",
    "Control",
    "Process",
    "No level",
)
_STYLE = """\
.plant{--ink:#1f2933;--soft:#51606b;--paper:#fff;--band:#f4f6f8;--line:#00695c;--fill:#e8f5f2;\
--wall:#8a4500;--wallfill:#fdf0d5;--bad:#b3261e;--safe:#7b1fa2;--safefill:#f7ecfa}
@media (prefers-color-scheme:dark){.plant{--ink:#e6edf3;--soft:#a9b4be;--paper:#12171b;\
--band:#1a2126;--line:#4db6ac;--fill:#163632;--wall:#f0a04b;--wallfill:#3b2a12;--bad:#ff8a80;--safe:#d59be8;\
--safefill:#2d1b33}}
.plant text{font:12px ui-sans-serif,system-ui,"Segoe UI","Noto Sans",sans-serif;fill:var(--ink)}
.plant .t{font-size:14px;font-weight:600}.plant .h{font-size:19px;font-weight:650}
.plant .s{fill:var(--soft);font-size:11.5px}.plant .l{font-size:11px;paint-order:stroke;\
stroke:var(--paper);stroke-width:4px;stroke-linejoin:round}
.plant .paper{fill:var(--paper)}.plant .band{fill:var(--band)}
.plant .zone{fill:var(--fill);stroke:var(--line);stroke-width:1.5}
.plant .safety{fill:var(--safefill);stroke:var(--safe);stroke-width:4}
.plant .remote-access{fill:var(--fill);stroke:var(--bad);stroke-width:2;stroke-dasharray:9 4}
.plant .external{fill:var(--paper);stroke:var(--bad);stroke-width:2;stroke-dasharray:2 3}
.plant .transit{fill:var(--paper);stroke:var(--soft);stroke-width:1.5;stroke-dasharray:6 3}
.plant .group{fill:var(--fill);stroke:var(--line);stroke-width:3}
.plant .wall{fill:var(--wallfill);stroke:var(--wall);stroke-width:2}
.plant .wire{fill:none;stroke:var(--wall);stroke-width:1;opacity:.75}
.plant .arrow{fill:none;stroke:var(--line);stroke-width:1.4}
.plant .arrow.write{stroke-width:2.2}.plant .arrow.control{stroke-width:3}
.plant .arrow.program{stroke-width:3.6}.plant .arrow.any{stroke-width:2.2;stroke:var(--wall)}
.plant .arrow.monitored{stroke-dasharray:7 4}
.plant .arrow.beyond,.plant .arrow.blocked{stroke:var(--bad)}
.plant .arrow.blocked{stroke-dasharray:2 4}.plant .tip{fill:var(--line)}
.plant .tip.any{fill:var(--wall)}
.plant .tip.beyond,.plant .tip.blocked{fill:var(--bad)}
.plant .mark{fill:var(--bad);font-weight:600}
.plant .faded{opacity:.18}
"""
_CHIPS = 4
_LEGEND = (
    ("read", "reads"),
    ("write", "also writes"),
    ("control", "also controls"),
    ("program", "also programs"),
    ("any", "anything that passes on the port"),
    ("", "★ essential"),
    ("", "dashed: monitored"),
)
_SAMPLE = 34
_LEGEND_WIDTH = 48 + sum(
    (_SAMPLE if look else 0) + label_width(words) + 10 for look, words in _LEGEND
)


_NOWHERE: Mapping[str, str] = {}


def svg(layout: Layout, leads: Mapping[str, str] = _NOWHERE) -> str:
    """Return a drawing as SVG text, the same bytes for the same layout.

    `leads` are ids of the page around it to which parts lead, by the ids of those parts.
    """
    return "\n".join(_svg(layout, leads)) + "\n"


def _svg(layout: Layout, leads: Mapping[str, str]) -> Iterator[str]:
    width = max(layout.width, _LEGEND_WIDTH)
    foot = list(_foot_lines(layout, int((width - 48) / CHARACTER)))
    height = layout.height + 26 + 18 * len(foot)
    role = "group" if leads else "img"  # an image has nothing inside that one can reach
    yield (
        f'<svg class="plant" xmlns="http://www.w3.org/2000/svg" role="{role}" '
        f'viewBox="0 {px(layout.top)} {px(width)} {px(height)}" '
        f'width="{px(width)}" height="{px(height)}">'
    )
    picture = layout.picture
    yield f"<title>{html_text(picture.title or 'segctl')}: zones and conduits</title>"
    yield f"<desc>{html_text(drawn_from(picture))}</desc>"
    yield f"<style>\n{_STYLE}</style>"
    whole = f'x="0" y="{px(layout.top)}" width="{px(width)}" height="{px(height)}"'
    yield f'<rect class="paper" {whole}/>'
    yield from _bands(layout, width)
    yield from _wires(layout)
    for arrow in picture.arrows:
        drawn = _arrow(arrow, layout.arrows[arrow.key], faded=_faded(layout, arrow.key))
        yield from _leading(leads.get(f"arrow {arrow.key}"), drawn)
    for wall in picture.walls:
        drawn = _wall(wall, layout.walls[wall.key], faded=_faded(layout, wall.key))
        yield from _leading(leads.get(f"firewall {wall.key}"), drawn)
    for box in picture.boxes:
        drawn = _box(box, layout.boxes[box.key], faded=_faded(layout, box.key))
        yield from _leading(leads.get(f"zone {box.key}"), drawn)
    for arrow in picture.arrows:
        yield from _label(layout.arrows[arrow.key], faded=_faded(layout, arrow.key))
    yield from _foot(foot, layout.top + layout.height)
    yield "</svg>"


def _leading(place: str | None, drawn: Iterator[str]) -> Iterator[str]:
    """Yield a part of the drawing, as a link where it leads somewhere."""
    if place is None:
        yield from drawn
    else:
        yield f'<a href="#{html_text(place)}">'
        yield from drawn
        yield "</a>"


def px(value: float) -> str:
    """Return a number as short as it goes."""
    return f"{value:.1f}".removesuffix(".0")


def _faded(layout: Layout, key: str) -> str:
    emphasis = layout.picture.emphasis
    return " faded" if emphasis and key not in emphasis else ""


def _bands(layout: Layout, width: float) -> Iterator[str]:
    first, last = layout.rows
    filled = {one.row for one in (*layout.boxes.values(), *layout.walls.values())}
    for row in range(first, last + 1):
        site, level = divmod(row, ROWS)
        if row == first or not level:
            name = layout.picture.sites[site]
            title = name or "all sites"
            top = px(row_top(row) - 22)
            yield f'<text class="h" x="24" y="{top}">{html_text(title)}</text>'
        if level % 2 == 0:
            yield (
                f'<rect class="band" x="0" y="{px(row_top(row) - 8)}" width="{px(width)}" '
                f'height="{ROW_HEIGHT}"/>'
            )
        if row in filled and layout.picture.fold != "site":
            at = LEVELS[level]
            middle = row_top(row) + 28
            if at is not None:
                yield f'<text class="t" x="24" y="{px(middle)}">Level {at:g}</text>'
            yield f'<text class="s" x="24" y="{px(middle + 18)}">{ROW_NAMES[level]}</text>'


def _wires(layout: Layout) -> Iterator[str]:
    emphasis = layout.picture.emphasis
    for (wall, box), line in layout.wires.items():
        away = emphasis and not (wall in emphasis and box in emphasis)
        yield f'<path class="wire{" faded" if away else ""}" d="{_path(line)}"/>'


def _path(line: Line) -> str:
    return "M" + "L".join(f"{px(x)} {px(y)}" for x, y in line.points)


def _looks(arrow: Arrow) -> str:
    return " ".join((arrow.strength, *(("monitored",) if arrow.monitored else ()), *_states(arrow)))


def _states(arrow: Arrow) -> Sequence[str]:
    return [mark for mark in ("beyond", "blocked") if mark in arrow.marks]


def _arrow(arrow: Arrow, line: Line, *, faded: str) -> Iterator[str]:
    looks = _looks(arrow)
    told = f"{arrow.source} to {arrow.target}: {', '.join(arrow.labels)}"
    if arrow.conduits:
        told += f"; conduits {', '.join(arrow.conduits)}"
    if arrow.walls:
        told += f"; by {', '.join(arrow.walls)}"
    yield f'<g id="{html_text(f"arrow {arrow.key}")}" class="{faded.strip()}">'
    yield f"<title>{html_text(told)}</title>"
    yield f'<path class="arrow {looks}" d="{_path(line)}"/>'
    x, y = line.points[-1]
    way = 1 if line.points[-1][1] > line.points[-2][1] else -1
    back = px(y - 10 * way)
    corners = f"{px(x)},{px(y)} {px(x - 5)},{back} {px(x + 5)},{back}"
    yield f'<polygon class="tip {looks}" points="{corners}"/>'
    yield "</g>"


def _label(line: Line, *, faded: str) -> Iterator[str]:
    if line.label:
        x, y = line.at
        yield f'<text class="l{faded}" x="{px(x)}" y="{px(y - 3)}">{html_text(line.label)}</text>'


def _wall(wall: Wall, at: Placed, *, faded: str) -> Iterator[str]:
    yield f'<g id="{html_text(f"firewall {wall.key}")}" class="{faded.strip()}">'
    yield f"<title>{html_text(' · '.join((wall.title, *wall.notes, *wall.marks)))}</title>"
    yield _rectangle("wall", at, radius=2)
    yield (
        f'<text class="t" x="{px(at.x + 8)}" y="{px(at.y + 16)}">'
        f"{html_text(_fit(wall.title, at.width - 14, 7.9))}</text>"
    )
    note = " · ".join(wall.marks or wall.notes)
    look = "mark" if wall.marks else "s"
    yield (
        f'<text class="{look}" x="{px(at.x + 8)}" y="{px(at.y + 31)}">'
        f"{html_text(_fit(note, at.width - 14, CHARACTER))}</text>"
    )
    yield "</g>"


def _box(box: Box, at: Placed, *, faded: str) -> Iterator[str]:
    notes = notes_of(box)
    yield f'<g id="{html_text(f"zone {box.key}")}" class="{faded.strip()}">'
    yield f"<title>{html_text(' · '.join((box.title, *notes, *box.chips)))}</title>"
    yield _rectangle(box.look, at, radius=8)
    inside = at.width - 24
    yield (
        f'<text class="t" x="{px(at.x + 12)}" y="{px(at.y + 20)}">'
        f"{html_text(_fit(box.title, inside, 7.8))}</text>"
    )
    yield (
        f'<text class="s" x="{px(at.x + 12)}" y="{px(at.y + 36)}">'
        f"{html_text(_fit(' · '.join(notes), inside, CHARACTER))}</text>"
    )
    shown = list(box.chips[:_CHIPS])
    if len(box.chips) > _CHIPS:
        shown[-1] = f"+{len(box.chips) - _CHIPS + 1} more"
    for place, chip in enumerate(shown):
        text = html_text(_fit(chip, inside, CHARACTER))
        yield f'<text x="{px(at.x + 12)}" y="{px(at.y + 58 + 18 * place)}">{text}</text>'
    yield "</g>"


def notes_of(box: Box) -> tuple[str, ...]:
    """Return what a box is; what its border means comes first, in capitals."""
    named = {"safety": "SAFETY", "remote-access": "REMOTE ACCESS", "external": "EXTERNAL"}
    word = named.get(box.look)
    rest = [note for note in box.notes if not word or note != box.look]
    return ((word,) if word else ()) + (*box.marks, *rest)


def _rectangle(look: str, at: Placed, *, radius: int) -> str:
    return (
        f'<rect class="{look}" x="{px(at.x)}" y="{px(at.y)}" width="{px(at.width)}" '
        f'height="{px(at.height)}" rx="{radius}"/>'
    )


def _fit(text: str, width: float, character: float) -> str:
    """Return a text that fits into a width; what is cut off is in the title."""
    room = int(width / character)
    return text if len(text) <= room else f"{text[: room - 1]}…"


def _foot_lines(layout: Layout, room: int) -> Iterator[str]:
    """Yield what stands below a drawing, in lines of at most `room` characters."""
    unlabelled = [
        f"{arrow.key}: {', '.join(arrow.labels)}"
        for arrow in layout.picture.arrows
        if not layout.arrows[arrow.key].label
    ]
    for line in (*unlabelled, *layout.picture.legend, drawn_from(layout.picture, short=True)):
        yield from wrap(line, room)


def _foot(lines: Sequence[str], top: float) -> Iterator[str]:
    x = 24.0
    for look, words in _LEGEND:
        if look:
            sample = f"M{px(x)} {px(top + 8)}L{px(x + 28)} {px(top + 8)}"
            yield f'<path class="arrow {look}" d="{sample}"/>'
            x += _SAMPLE
        yield f'<text class="s" x="{px(x)}" y="{px(top + 12)}">{words}</text>'
        x += label_width(words) + 10
    for place, line in enumerate(lines):
        y = top + 34 + 18 * place
        yield f'<text class="s" x="24" y="{px(y)}">{html_text(line)}</text>'
