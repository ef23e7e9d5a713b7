"""The drawing: nothing overlaps, nothing moves, names of others are only text."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import combinations, pairwise
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segctl.model.site import (
    Asset,
    Conduit,
    Device,
    Flow,
    PortRange,
    ProtocolUse,
    Site,
    Zone,
    ZoneBinding,
)
from segctl.report.drawing import (
    Cells,
    cells_of,
    dot,
    drawio,
    graph_json,
    mermaid,
    page,
    picture_of,
    place,
    svg,
)
from segctl.report.drawing.picture import LEVELS, strength_of, together
from segctl.report.drawing.placing import label_width
from segctl.report.drawing.stamp import drawn_from, stamp_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from segctl.report.drawing.placing import Layout, Placed

TODAY = date(2026, 11, 29)
FORMS: tuple[Callable[[Layout], str], ...] = (svg, page, drawio, mermaid, dot)
KINDS = ("control", "safety", "supervisory", "dmz", "remote-access", "external", "transit", "")


def zone(name: str, level: float | None = 1, kind: str = "control", assets: int = 0) -> Zone:
    return Zone(
        site="mill",
        id=name,
        level=level,
        kind=kind,
        assets=tuple(Asset(name=f"{name}-{number}", addresses=()) for number in range(assets)),
    )


def conduit(name: str, source: str, target: str, flow: Flow | None = None) -> Conduit:
    return Conduit(
        site="mill",
        id=name,
        from_zones=(f"mill/{source}",),
        to_zones=(f"mill/{target}",),
        reason="polling",
        owner="automation",
        flows=(
            flow or Flow(id="f", protocols=(ProtocolUse(protocol="modbus", classes=("read",)),)),
        ),
    )


def wall(name: str, *zones: str) -> Device:
    bindings = tuple(ZoneBinding(zone=f"mill/{one}", name=one) for one in zones)
    return Device(name=name, platform="panos", zones=bindings)


def layout_of(site: Site, cells: Cells | None = None) -> Layout:
    return place(picture_of(site, TODAY, fold="none"), cells)


@st.composite
def sites(draw: st.DrawFn, *, zones: int = 9) -> Site:
    """A plant with zones on any level, firewalls and conduits between any of them."""
    count = draw(st.integers(1, zones))
    names = [f"z{number}" for number in range(count)]
    made = tuple(
        zone(
            name,
            draw(st.sampled_from((*LEVELS, 2.5))),
            draw(st.sampled_from(KINDS)),
            draw(st.integers(0, 7)),
        )
        for name in names
    )
    some = st.lists(st.sampled_from(names), min_size=1, max_size=5, unique=True)
    walls = tuple(wall(f"fw{number}", *draw(some)) for number in range(draw(st.integers(0, 5))))
    ends = st.tuples(st.sampled_from(names), st.sampled_from(names))
    pairs = draw(st.lists(ends, max_size=12))
    conduits = tuple(conduit(f"c{number}", *pair) for number, pair in enumerate(pairs))
    return Site(zones=made, devices=walls, conduits=conduits)


def moved(before: Layout, after: Layout) -> set[object]:
    """Return what stands elsewhere in the second drawing."""
    found: set[object] = set()
    found |= {key for key, at in before.boxes.items() if after.boxes[key] != at}
    found |= {key for key, at in before.walls.items() if after.walls[key] != at}
    found |= {key for key, line in before.arrows.items() if after.arrows[key].points != line.points}
    return found | {key for key, line in before.wires.items() if after.wires[key] != line}


@given(sites())
def test_the_same_inventory_gives_the_same_bytes(site: Site) -> None:
    for form in FORMS:
        assert form(layout_of(site)) == form(layout_of(site))


@given(sites(), st.sampled_from((*LEVELS, 2.5)), st.data())
def test_what_is_appended_moves_nothing(
    site: Site, level: float | None, data: st.DataObject
) -> None:
    before = layout_of(site)
    names = [one.id for one in site.zones]
    more = replace(
        site,
        zones=(*site.zones, zone("later", level)),
        devices=(*site.devices, wall("fw-later", "later", data.draw(st.sampled_from(names)))),
        conduits=(
            *site.conduits,
            conduit("later", data.draw(st.sampled_from(names)), "later"),
        ),
    )
    assert not moved(before, layout_of(more))


@given(sites(), st.data())
def test_with_stored_positions_a_zone_in_between_moves_no_box(
    site: Site, data: st.DataObject
) -> None:
    before = layout_of(site)
    at = data.draw(st.integers(0, len(site.zones)))
    new = zone("between", data.draw(st.sampled_from(LEVELS)))
    more = replace(site, zones=(*site.zones[:at], new, *site.zones[at:]))
    after = layout_of(more, cells_of(before))
    assert all(after.boxes[key] == where for key, where in before.boxes.items())
    assert all(after.walls[key] == where for key, where in before.walls.items())


@given(sites(), st.data())
def test_an_asset_moves_nothing(site: Site, data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(site.zones) - 1))
    chosen = site.zones[number]
    grown = replace(chosen, assets=(*chosen.assets, Asset(name="later", addresses=())))
    more = replace(site, zones=(*site.zones[:number], grown, *site.zones[number + 1 :]))
    assert not moved(layout_of(site), layout_of(more))


def apart(one: Placed, other: Placed) -> bool:
    return (
        one.x + one.width <= other.x
        or other.x + other.width <= one.x
        or one.y + one.height <= other.y
        or other.y + other.height <= one.y
    )


@given(sites())
def test_no_boxes_and_no_labels_overlap(site: Site) -> None:
    layout = layout_of(site)
    placed = (*layout.boxes.values(), *layout.walls.values())
    assert all(apart(one, other) for one, other in combinations(placed, 2))
    labels = [
        (line.at[0], line.at[0] + label_width(line.label), line.at[1])
        for line in layout.arrows.values()
        if line.label
    ]
    for (left, right, y), (other_left, other_right, other_y) in combinations(labels, 2):
        assert abs(y - other_y) >= 12 or right <= other_left or other_right <= left
    for left, right, y in labels:
        assert left >= 0
        assert right <= layout.width
        assert not any(
            at.y < y < at.y + at.height and left < at.x + at.width and at.x < right
            for at in layout.boxes.values()
        )


@given(sites())
def test_arrows_begin_and_end_at_their_boxes(site: Site) -> None:
    layout = layout_of(site)
    for arrow in layout.picture.arrows:
        points = layout.arrows[arrow.key].points
        for key, (x, y) in ((arrow.source, points[0]), (arrow.target, points[-1])):
            box = layout.boxes[key]
            assert box.x < x < box.x + box.width
            assert y in {box.y, box.y + box.height}
        assert all(a[0] == b[0] or a[1] == b[1] for a, b in pairwise(points))


@given(sites())
def test_what_has_no_room_for_a_label_is_listed_below(site: Site) -> None:
    layout = layout_of(site)
    text = svg(layout)
    for arrow in layout.picture.arrows:
        shown = layout.arrows[arrow.key].label
        assert (shown and shown.replace("★ ", "").split(":")[0] in text) or (
            f"{arrow.source} → {arrow.target}:" in text
        )


HOSTILE = "x\x1b[31m\u202e</text><script>alert(1)</script>\"'`|]} -->\n%%{init}\u200b"


def test_names_of_others_are_text_in_every_form() -> None:
    kind = HOSTILE
    zones = (
        zone("a", 2, kind, 0),
        replace(zone("b"), id=HOSTILE, assets=(Asset(name=HOSTILE, addresses=()),)),
    )
    flow = Flow(id="f", applications=(HOSTILE,))
    both = Conduit(
        site="mill",
        id=HOSTILE,
        from_zones=("mill/a",),
        to_zones=(zones[1].key,),
        reason="r",
        owner="o",
        flows=(flow,),
    )
    device = Device(
        name=HOSTILE,
        platform="panos",
        zones=(ZoneBinding(zone="mill/a", name="a"), ZoneBinding(zone=zones[1].key, name="b")),
    )
    layout = layout_of(Site(zones=zones, devices=(device,), conduits=(both,)))
    for form in FORMS:
        text = form(layout)
        assert not {"\x1b", "\u202e", "\u200b"} & set(text), form
        assert form is dot or "<script" not in text, form
    for form in (svg, drawio):
        root = ET.fromstring(form(layout))
        assert root.tag.endswith(("svg", "mxfile"))
        assert not [one for one in root.iter() if one.tag.endswith("script")]
    for line in mermaid(layout).splitlines():
        assert line.count('"') in {0, 2}, line
    for line in dot(layout).splitlines():
        assert len(line.replace("\\\\", "").replace('\\"', "").split('"')) % 2 == 1, line


def test_every_zone_is_in_every_form() -> None:
    names = ("plc", "hmi", "sis")
    site = Site(
        zones=tuple(zone(name) for name in names),
        devices=(wall("fw1", *names),),
        conduits=(conduit("poll", "hmi", "plc"),),
    )
    for form in FORMS:
        text = form(layout_of(site))
        assert all(name in text for name in (*names, "fw1", "modbus: read")), form


def test_drawio_has_shapes_that_belong_to_each_other() -> None:
    site = Site(
        zones=(zone("plc", assets=2), zone("hmi", 2)),
        devices=(wall("fw1", "plc", "hmi"),),
        conduits=(conduit("poll", "hmi", "plc"),),
    )
    root = ET.fromstring(drawio(layout_of(site)))
    cells = {one.attrib["id"]: one.attrib for one in root.iter("mxCell")}
    assert cells["asset mill/plc 0"]["parent"] == "zone mill/plc"
    arrow = cells["arrow mill/hmi → mill/plc"]
    assert (arrow["source"], arrow["target"], arrow["edge"]) == (
        "zone mill/hmi",
        "zone mill/plc",
        "1",
    )
    assert all(one.get("parent", "0") in cells for one in cells.values())


@pytest.mark.parametrize(
    ("flow", "strength"),
    [
        (Flow(id="f", protocols=(ProtocolUse(protocol="modbus", classes=("read",)),)), "read"),
        (
            Flow(id="f", protocols=(ProtocolUse(protocol="modbus", classes=("read", "write")),)),
            "write",
        ),
        (
            Flow(id="f", protocols=(ProtocolUse(protocol="s7comm", classes=("program",)),)),
            "program",
        ),
        (Flow(id="f", services=(PortRange(protocol="tcp", first=502, last=502),)), "any"),
        (Flow(id="f", applications=("ssl",)), "any"),
        (Flow(id="f"), "any"),
    ],
)
def test_how_far_a_flow_goes(flow: Flow, strength: str) -> None:
    assert strength_of(flow) == strength


def test_a_protocol_of_several_flows_is_told_once() -> None:
    reads = Flow(id="r", protocols=(ProtocolUse(protocol="modbus", classes=("read",)),))
    writes = Flow(
        id="w",
        protocols=(ProtocolUse(protocol="modbus", classes=("read", "write")),),
        applications=("ssl",),
    )
    assert together([reads, writes]) == ("modbus: read, write", "ssl")
    assert together([Flow(id="a"), reads]) == ("modbus: read", "any application")


def test_what_is_expired_or_absent_is_not_drawn() -> None:
    site = Site(
        zones=(zone("a", 2), zone("b")),
        devices=(wall("fw1", "a", "b"),),
        conduits=(
            replace(conduit("old", "a", "b"), expires=date(2026, 11, 28)),
            replace(conduit("gone", "b", "a"), mode="absent"),
        ),
    )
    assert not layout_of(site).arrows
    assert layout_of(replace(site, conduits=(conduit("now", "a", "b"),))).arrows


def test_a_large_plant_is_folded_and_counts_what_it_hides() -> None:
    zones = tuple(
        replace(zone(f"z{number}", number % 4), site=f"s{number % 5}") for number in range(100)
    )
    picture = picture_of(Site(zones=zones), TODAY)
    assert picture.fold == "kind"
    assert len(picture.boxes) == 4
    assert sum(len(box.zones) for box in picture.boxes) == 100
    many = tuple(replace(one, site=f"s{number}") for number, one in enumerate(zones))
    assert picture_of(Site(zones=many), TODAY).fold == "site"


def test_a_drawing_says_what_it_was_made_from() -> None:
    digest = "sha256:" + "ab" * 32
    picture = replace(
        picture_of(Site(zones=(zone("a"),)), TODAY), facts=(("inventory", digest), ("fw 1", digest))
    )
    assert stamp_of(drawn_from(picture)) == {"inventory": digest, "fw_1": digest}
    for form in FORMS:
        assert stamp_of(form(place(picture))) == {"inventory": digest, "fw_1": digest}, form
    assert not stamp_of("<svg/>")


def test_a_name_in_the_stamp_is_no_directive_and_no_other_stamp() -> None:
    """Mermaid takes ``%%{…}%%`` for settings wherever it stands, also within a comment."""
    digest = "sha256:" + "0" * 64
    false = f"inventory=sha256:{'1' * 64}"
    hostile = '%%{init:{"themeCSS":"*{display:none}"}}%%'
    picture = replace(
        layout_of(Site(zones=(zone("a"),))).picture,
        facts=(
            ("inventory", digest),
            (hostile, digest),
            (f"x,{false}", digest),
            ("fw-1.a", digest),
        ),
    )
    for form in FORMS:
        text = form(place(picture))
        assert "%{" not in text, form
        assert false not in text, form
        assert stamp_of(text)["inventory"] == digest
        assert stamp_of(text)["fw-1.a"] == digest


def test_no_entity_of_a_name_is_one_of_graphviz() -> None:
    """Graphviz reads HTML's entities in labels: this one would turn the reading direction."""
    hidden = "&#8238;&lt;"
    zones = (replace(zone("a"), id=hidden, assets=(Asset(name=hidden, addresses=()),)), zone("b"))
    device = Device(name=hidden, platform="panos", zones=(ZoneBinding(zone="mill/b", name="b"),))
    text = dot(layout_of(Site(zones=zones, devices=(device,))))
    labels = [line.partition("label=")[2] for line in text.splitlines() if "label=" in line]
    assert "&amp;#8238;&amp;lt;" in "".join(labels)
    assert "&#" not in "".join(labels)


def test_the_document_has_every_part_with_its_place() -> None:
    site = Site(zones=(zone("a", 2), zone("b")), devices=(wall("fw1", "a", "b"),))
    document = graph_json(layout_of(site), {"fw1": "refused"})
    assert [box["key"] for box in document["boxes"]] == ["mill/a", "mill/b"]
    assert document["error"]["message"] == "fw1: refused"
