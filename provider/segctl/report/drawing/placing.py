"""Where the parts of a picture stand: a grid of Purdue levels and columns that nothing shifts.

Every row of every site has its fixed place, also where it is empty. What is declared later takes
the next free column, port or track. So an element that is appended moves none of the others; with
stored `Cells` neither does one that is declared in between.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from segctl.report.drawing.picture import LEVELS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from segctl.report.drawing.picture import Arrow, Box, Picture, Wall

BOX_WIDTH, BOX_HEIGHT = 264, 128
GUTTER = 76
WALL_WIDTH, WALL_HEIGHT = 126, 38
LEFT, TOP, HEADER = 190, 60, 44
TRACKS, TRACK_HEIGHT = 8, 17
BUSES, BUS_HEIGHT = 4, 7
_TRACKS_TOP = 8
_BUS_TOP = _TRACKS_TOP + TRACKS * TRACK_HEIGHT
_WALL_TOP = _BUS_TOP + BUSES * BUS_HEIGHT + 2
LANE_HEIGHT = _WALL_TOP + WALL_HEIGHT + 12
ROW_HEIGHT = BOX_HEIGHT + LANE_HEIGHT
ROWS = len(LEVELS)
SITE_HEIGHT = HEADER + ROWS * ROW_HEIGHT
#: Where arrows leave and enter a box: right of the firewalls that stand below its left part.
PORTS, _PORT_LEFT, _PORT_STEP = 10, 138, 13
_ARROW_SLOTS, _SLOT_STEP = 5, 7
#: Width of a character of a label, and of the space around it.
CHARACTER, _LABEL_SPACE = 6.3, 12
LABEL_CHARACTERS = 44


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """Columns of boxes, and lanes and columns of firewalls, that were chosen before."""

    boxes: Mapping[str, int] = field(default_factory=dict[str, int])
    walls: Mapping[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A box or a firewall with its place: left, top, width and height in pixels."""

    x: float
    y: float
    width: float
    height: float
    column: int
    #: Of a box its row, of a firewall the row above its lane; counted through all sites.
    row: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """An arrow or a wire: its corners, and where its label begins."""

    points: tuple[tuple[float, float], ...]
    label: str = ""
    at: tuple[float, float] = (0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A picture with the place of everything in it; sizes in pixels.

    `rows` are the first and last rows that hold something; only they are shown.
    """

    picture: Picture
    boxes: Mapping[str, Placed]
    walls: Mapping[str, Placed]
    arrows: Mapping[str, Line]
    wires: Mapping[tuple[str, str], Line]
    width: float
    rows: tuple[int, int]

    @property
    def top(self) -> float:
        """The upper edge of what is shown."""
        return row_top(self.rows[0]) - HEADER - 8

    @property
    def height(self) -> float:
        """How high is what is shown."""
        return row_top(self.rows[1]) + ROW_HEIGHT + 8 - self.top


def row_top(row: int) -> float:
    """Return the upper edge of a row, counted through all sites."""
    site, level = divmod(row, ROWS)
    return TOP + site * SITE_HEIGHT + HEADER + level * ROW_HEIGHT


def column_left(column: int) -> float:
    """Return the left edge of the boxes of a column."""
    return LEFT + column * (BOX_WIDTH + GUTTER)


def place(picture: Picture, cells: Cells | None = None) -> Layout:
    """Return where everything of a picture stands; stored cells win."""
    kept = cells or Cells()
    rows = {site: number * ROWS for number, site in enumerate(picture.sites)}
    boxes = _placed_boxes(picture.boxes, rows, kept)
    walls = _placed_walls(picture.walls, boxes, rows, kept)
    wires = dict(_wires(picture.walls, boxes, walls))
    router = _Router(boxes)
    arrows = {arrow.key: router.line(arrow) for arrow in picture.arrows}
    used = [one.row for one in (*boxes.values(), *walls.values())] or [0]
    return Layout(
        picture=picture,
        boxes=boxes,
        walls=walls,
        arrows=arrows,
        wires=wires,
        width=_right(boxes, walls, arrows) + 24,
        rows=(min(used), max(used)),
    )


def cells_of(layout: Layout) -> Cells:
    """Return the cells that a drawing uses, to be stored for the next one."""
    return Cells(
        boxes={key: one.column for key, one in layout.boxes.items()},
        walls={key: (one.row % ROWS, one.column) for key, one in layout.walls.items()},
    )


def _right(
    boxes: Mapping[str, Placed], walls: Mapping[str, Placed], arrows: Mapping[str, Line]
) -> float:
    edges = [one.x + one.width + GUTTER / 2 for one in (*boxes.values(), *walls.values())]
    for line in arrows.values():
        edges += [x for x, _ in line.points]
        edges.append(line.at[0] + label_width(line.label))
    return max(edges, default=LEFT)


def label_width(label: str) -> float:
    """Return the width of a label in pixels."""
    return len(label) * CHARACTER + _LABEL_SPACE if label else 0


def _placed_boxes(
    boxes: Iterable[Box], rows: Mapping[str, int], kept: Cells
) -> Mapping[str, Placed]:
    taken: dict[int, set[int]] = {}
    rowed = [(box, rows[box.site] + box.row) for box in boxes]
    columns: dict[str, int] = {}
    for box, row in rowed:
        column = kept.boxes.get(box.key)
        if column is not None and column not in taken.setdefault(row, set()):
            taken[row].add(column)
            columns[box.key] = column
    found: dict[str, Placed] = {}
    for box, row in rowed:
        if box.key not in columns:
            columns[box.key] = _free(taken.setdefault(row, set()), 0)
        found[box.key] = Placed(
            x=column_left(columns[box.key]),
            y=row_top(row),
            width=BOX_WIDTH,
            height=BOX_HEIGHT,
            column=columns[box.key],
            row=row,
        )
    return found


def _free(taken: set[int], wanted: int) -> int:
    """Take the wanted column, or the next one that is free."""
    column = wanted
    while column in taken:
        column += 1
    taken.add(column)
    return column


def _placed_walls(
    walls: Iterable[Wall], boxes: Mapping[str, Placed], rows: Mapping[str, int], kept: Cells
) -> Mapping[str, Placed]:
    """Place firewalls below the upper one of the first two boxes that each is attached to."""
    taken: dict[int, set[int]] = {}
    chosen: dict[str, tuple[int, int]] = {}
    ordered = list(walls)
    for wall in ordered:
        if wall.key in kept.walls:
            lane, column = kept.walls[wall.key]
            row = rows[wall.site] + lane
            if column not in taken.setdefault(row, set()):
                taken[row].add(column)
                chosen[wall.key] = row, column
    for wall in ordered:
        if wall.key not in chosen:
            first = min((boxes[key] for key in wall.boxes[:2]), key=lambda one: one.row)
            row = first.row
            chosen[wall.key] = row, _free(taken.setdefault(row, set()), first.column)
    return {
        key: Placed(
            x=column_left(column),
            y=row_top(row) + BOX_HEIGHT + _WALL_TOP,
            width=WALL_WIDTH,
            height=WALL_HEIGHT,
            column=column,
            row=row,
        )
        for key, (row, column) in chosen.items()
    }


def _wires(
    walls: Iterable[Wall], boxes: Mapping[str, Placed], placed: Mapping[str, Placed]
) -> Iterable[tuple[tuple[str, str], Line]]:
    """Yield how firewalls are attached: a bus in the lane, and drops left of the boxes."""
    buses: dict[int, int] = {}
    for number, wall in enumerate(walls):
        own = placed[wall.key]
        slot = buses.get(own.row, 0) % BUSES
        buses[own.row] = slot + 1
        drop = number % BUSES
        stub = own.x + own.width / 2
        bus = row_top(own.row) + BOX_HEIGHT + _BUS_TOP + slot * BUS_HEIGHT + 3
        for key in wall.boxes:
            box = boxes[key]
            down = box.x - 10 - drop * BUS_HEIGHT
            into = box.y + 26 + drop * BUS_HEIGHT
            corners = ((stub, own.y), (stub, bus), (down, bus), (down, into), (box.x, into))
            yield (wall.key, key), Line(points=corners)


class _Router:
    """Leads arrows through lanes and gutters; earlier ones keep their ways."""

    def __init__(self, boxes: Mapping[str, Placed]) -> None:
        self._boxes = boxes
        self._ports: dict[tuple[str, str], set[int]] = {}
        self._tracks: dict[tuple[int, int], list[tuple[float, float]]] = {}
        self._slots: dict[tuple[int, int], list[tuple[float, float]]] = {}

    def line(self, arrow: Arrow) -> Line:
        """Return the way of an arrow, with its label beside the first part that lies level."""
        source, target = self._boxes[arrow.source], self._boxes[arrow.target]
        downward = target.row > source.row
        level = target.row == source.row
        out = "bottom" if downward or level else "top"
        into = "top" if downward else "bottom"
        toward = target.column - source.column
        leave = self._port(arrow.source, out, toward, None)
        straight = leave if toward == 0 else None
        enter = self._port(arrow.target, into, -toward, straight)
        first = source.row if downward or level else source.row - 1
        last = target.row - 1 if downward else target.row
        label = label_of(arrow)
        sx, tx = _port_x(source, leave), _port_x(target, enter)
        sy, ty = _edge(source, out), _edge(target, into)
        if first == last:
            y, shown, at = self._track(first, sx, tx, label)
            corners: tuple[tuple[float, float], ...] = (sx, sy), (sx, y), (tx, y), (tx, ty)
        else:
            gutter = self._gutter(target.column, sy, ty)
            y, shown, at = self._track(first, sx, gutter, label)
            back, _, _ = self._track(last, gutter, tx, "")
            corners = (sx, sy), (sx, y), (gutter, y), (gutter, back), (tx, back), (tx, ty)
        return Line(points=corners, label=shown, at=(at, y))

    def _port(self, key: str, edge: str, toward: int, wanted: int | None) -> int:
        """Take a place on an edge: as wanted, else on the side to which the arrow goes."""
        taken = self._ports.setdefault((key, edge), set())
        ideal = wanted
        if ideal is None:
            ideal = PORTS // 2 if toward == 0 else PORTS - 1 if toward > 0 else 0
        by_distance = sorted(range(PORTS), key=lambda port: (abs(port - ideal), port))
        port = next((port for port in by_distance if port not in taken), ideal)
        taken.add(port)
        return port

    def _track(self, lane: int, start: float, end: float, label: str) -> tuple[float, str, float]:
        """Return the height of a free track, the label if there is room, and its left edge."""
        low, high = min(start, end), max(start, end)
        at = low + 6
        top = row_top(lane) + BOX_HEIGHT + _TRACKS_TOP
        for width in (label_width(label), 0.0):
            wide = max(high, at + width) + 4
            for track in range(TRACKS):
                taken = self._tracks.setdefault((lane, track), [])
                if all(wide <= other_low or low >= other_high for other_low, other_high in taken):
                    taken.append((low, wide))
                    height = top + track * TRACK_HEIGHT + TRACK_HEIGHT / 2
                    return height, label if width else "", at
            if not width:
                break
        return top + (TRACKS - 0.25) * TRACK_HEIGHT, "", at

    def _gutter(self, column: int, start: float, end: float) -> float:
        """Return where an arrow runs upright, right of a column."""
        low, high = min(start, end), max(start, end)
        slot = _ARROW_SLOTS - 1
        for candidate in range(_ARROW_SLOTS):
            taken = self._slots.setdefault((column, candidate), [])
            if all(high <= other_low or low >= other_high for other_low, other_high in taken):
                taken.append((low, high))
                slot = candidate
                break
        return column_left(column) + BOX_WIDTH + 6 + slot * _SLOT_STEP


def _port_x(box: Placed, port: int) -> float:
    return box.x + _PORT_LEFT + port * _PORT_STEP


def _edge(box: Placed, edge: str) -> float:
    return box.y if edge == "top" else box.y + box.height


def label_of(arrow: Arrow) -> str:
    """Return what stands beside an arrow: what it permits, shortened, and what is special."""
    marks = [*(("monitored",) if arrow.monitored else ()), *arrow.marks[:1]]
    tail = f" ({', '.join(marks)})" if marks else ""
    head = "★ " if arrow.essential else ""
    labels = list(arrow.labels)
    text = " · ".join(labels)
    while len(head + text + tail) > LABEL_CHARACTERS and len(labels) > 1:
        labels.pop()
        text = f"{' · '.join(labels)} · +{len(arrow.labels) - len(labels)}"
    if len(head + text + tail) > LABEL_CHARACTERS:
        text = f"{text[: LABEL_CHARACTERS - len(head + tail) - 1]}…"
    return head + text + tail
