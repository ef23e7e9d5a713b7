"""Graph: the drawing of what an inventory declares, with `live` of what firewalls enforce."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, cast

from segctl.model.errors import InventoryError, Problem, UsageError
from segctl.operations.loading import load_inventory, today
from segctl.report.drawing import (
    Cells,
    Layout,
    cells_of,
    dot,
    drawio,
    highlighted,
    mermaid,
    overlaid,
    page,
    picture_of,
    place,
    svg,
)
from segctl.report.drawing.stamp import INVENTORY, read_facts
from segctl.system.handed import read_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from segctl.inventory import Loaded
    from segctl.model.site import Site
    from segctl.operations.options import CommonOptions
    from segctl.operations.progress import Progress
    from segctl.report.drawing import Arrow, Fold, Picture

#: Each form by the ending of its file.
FORMS: Mapping[str, Callable[[Layout], str]] = {
    ".svg": svg,
    ".html": page,
    ".drawio": drawio,
    ".mmd": mermaid,
    ".dot": dot,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphOptions:
    """What is drawn, and what of it is brought out.

    `site` draws one site, `fold` None chooses what stays readable. `conduit`, `source` with
    `destination` and `firewall` bring out what concerns them. `positions` is a file of columns
    that is kept up to date. With `live` firewalls are asked, with `offline` snapshots are read.
    """

    form: str = ".svg"
    site: str = ""
    fold: Fold | None = None
    conduit: str = ""
    source: str = ""
    destination: str = ""
    firewall: str = ""
    positions: Path | None = None
    live: bool = False
    offline: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphResult:
    """A drawing, the positions to keep, and the devices that gave no answer with the reasons."""

    text: str
    layout: Layout
    positions: str
    failed: Mapping[str, str]


def graph(common: CommonOptions, options: GraphOptions, progress: Progress) -> GraphResult:
    """Draw the plant; never writes to a device.

    Raises:
        InventoryError: the inventory or the file of positions cannot be used.
        UsageError: there is nothing to draw, or what is to be brought out does not exist.
    """
    loaded = load_inventory(common, progress)
    site = chosen_site(loaded.site, options.site)
    picture = picture_of(site, today(), fold=options.fold)
    facts = [(INVENTORY, loaded.digest)]
    failed: Mapping[str, str] = {}
    if options.live or options.offline is not None:
        picture, read, failed = _with_live(common, options, picture, progress)
        facts += read
    picture = replace(picture, facts=tuple(facts), emphasis=_emphasis(picture, options, loaded))
    kept = _read_positions(options.positions)
    layout = place(picture, kept)
    return GraphResult(
        text=FORMS[options.form](layout),
        layout=layout,
        positions=_positions_text(cells_of(layout), kept),
        failed=failed,
    )


def chosen_site(site: Site, name: str) -> Site:
    """Return what concerns one site: its zones, and those of others that its conduits reach.

    Raises:
        UsageError: there is no zone, or no such site.
    """
    sites = list(dict.fromkeys(zone.site for zone in site.zones))
    if not sites:
        raise UsageError("the inventory declares no zone: there is nothing to draw")
    if not name:
        return site
    if name not in sites:
        raise UsageError(f"--site {name!r}: the inventory has {', '.join(sites)}")
    conduits = tuple(one for one in site.conduits if _touches(one.from_zones, one.to_zones, name))
    near = {zone for one in conduits for zone in (*one.from_zones, *one.to_zones)}
    zones = tuple(zone for zone in site.zones if zone.site == name or zone.key in near)
    keys = {zone.key for zone in zones}
    devices = tuple(
        one
        for one in site.devices
        if any(binding.zone in keys and _of(binding.zone, name) for binding in one.zones)
    )
    return replace(site, zones=zones, conduits=conduits, devices=devices)


def _of(zone: str, site: str) -> bool:
    return zone.partition("/")[0] == site


def _touches(sources: tuple[str, ...], targets: tuple[str, ...], site: str) -> bool:
    return any(_of(zone, site) for zone in (*sources, *targets))


def _emphasis(picture: Picture, options: GraphOptions, loaded: Loaded) -> frozenset[str]:
    """Return what is brought out; empty for everything.

    Raises:
        UsageError: it does not exist.
    """
    tests: list[Callable[[Arrow], bool]] = []
    if options.conduit:
        key = _conduit_key(options.conduit, loaded.site)
        tests.append(partial(_has_conduit, key))
    if options.firewall:
        if options.firewall not in {device.name for device in loaded.site.devices}:
            raise UsageError(f"--firewall {options.firewall!r}: there is no such firewall")
        tests.append(partial(_has_wall, options.firewall))
    for end, word, test in (
        ("from", options.source, _leaves),
        ("to", options.destination, _reaches),
    ):
        if word:
            tests.append(partial(test, _box_key(end, word, picture)))
    if not tests:
        return frozenset()
    found = highlighted(picture, lambda arrow: all(test(arrow) for test in tests))
    if options.firewall:
        found |= {options.firewall}
    if not found:
        raise UsageError("no conduit is declared there: there is nothing to bring out")
    return found


def _has_conduit(key: str, arrow: Arrow) -> bool:
    return key in arrow.conduits


def _has_wall(name: str, arrow: Arrow) -> bool:
    return name in arrow.walls


def _leaves(key: str, arrow: Arrow) -> bool:
    return arrow.source == key


def _reaches(key: str, arrow: Arrow) -> bool:
    return arrow.target == key


def _conduit_key(word: str, site: Site) -> str:
    keys = [one.key for one in site.conduits if word in {one.key, one.id}]
    if len(keys) != 1:
        several = f"; say which: {', '.join(keys)}" if keys else ": there is no such conduit"
        raise UsageError(f"--conduit {word!r}{several}")
    return keys[0]


def _box_key(end: str, word: str, picture: Picture) -> str:
    keys = [
        box.key
        for box in picture.boxes
        if word in box.zones or word in {zone.partition("/")[2] for zone in box.zones}
    ]
    if len(keys) != 1:
        several = f"; say which: {', '.join(keys)}" if keys else ": there is no such zone"
        raise UsageError(f"--{end} {word!r}{several}")
    return keys[0]


def _with_live(
    common: CommonOptions, options: GraphOptions, picture: Picture, progress: Progress
) -> tuple[Picture, tuple[tuple[str, str], ...], dict[str, str]]:
    """Return the picture with what firewalls enforce, the digests of what was read, and gaps."""
    from segctl.operations.query import QueryOptions, matrix
    from segctl.report.query import matrix_json

    side = QueryOptions(side="both", offline=options.offline)
    document = matrix_json(matrix(common, side, progress))
    digests = ((one["name"], one["digest"]) for one in document["devices"])
    read = read_facts(digests, snapshots=options.offline is not None)
    failed = {one["name"]: one["error"]["message"] for one in document["devices"] if "error" in one}
    return overlaid(picture, document["cells"], failed), read, failed


_WHERE = "a positions file maps `boxes` to columns and `walls` to a lane and a column"


def _read_positions(path: Path | None) -> Cells:
    """Read stored columns; a file that does not exist yet holds none.

    Raises:
        InventoryError: it cannot be read.
    """
    from segctl.inventory.document import parse

    if path is None or not path.exists():
        return Cells()
    try:
        document = parse(read_bytes(path).decode("utf-8-sig"), str(path), places=True)
    except (OSError, ValueError) as error:
        raise InventoryError((Problem(file=str(path), message=str(error)),)) from error
    if document.problems:
        raise InventoryError(document.problems)
    found_at: object = document.value
    value = cast("dict[str, object]", found_at) if isinstance(found_at, dict) else {}
    boxes, walls = value.get("boxes", {}), value.get("walls", {})
    if (
        set(value) - {"boxes", "walls"}
        or not isinstance(boxes, dict)
        or not isinstance(walls, dict)
    ):
        raise _bad_positions(path, "it has something else")
    found: dict[str, int] = {}
    for key, column in cast("dict[object, object]", boxes).items():
        found[str(key)] = _column(path, str(key), column)
    lanes: dict[str, tuple[int, int]] = {}
    for key, at in cast("dict[object, object]", walls).items():
        pair = cast("list[object]", at) if isinstance(at, list) else []
        if len(pair) != 2:
            raise _bad_positions(path, f"of {key} it has {at!r}")
        lanes[str(key)] = _column(path, str(key), pair[0], 7), _column(path, str(key), pair[1])
    return Cells(boxes=found, walls=lanes)


def _column(path: Path, key: str, value: object, most: int = 999) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise _bad_positions(path, f"of {key} it has {value!r}, not a number from 0 to {most}")
    return value


def _bad_positions(path: Path, why: str) -> InventoryError:
    return InventoryError((Problem(file=str(path), line=1, column=1, message=f"{_WHERE}; {why}"),))


def _positions_text(cells: Cells, kept: Cells) -> str:
    """Return the file of positions; what another drawing needs stays in it."""
    from segctl.system.inert import yaml_text

    boxes = {**kept.boxes, **cells.boxes}
    walls = {**kept.walls, **cells.walls}
    lines = [
        "# Columns of zones, and lanes and columns of firewalls; edit them as you like.",
        "boxes:",
    ]
    lines += [f"  {yaml_text(key)}: {boxes[key]}" for key in sorted(boxes)] or ["  {}"]
    lines += ["walls:"]
    lines += [f"  {yaml_text(key)}: [{lane}, {at}]" for key, (lane, at) in sorted(walls.items())]
    return "\n".join(lines if walls else [*lines, "  {}"]) + "\n"
