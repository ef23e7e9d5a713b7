"""What is above an island, and how it is called on devices."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segctl.compiler import naming
from segctl.compiler.islands import island_of
from segctl.compiler.topology import topology
from segctl.model.site import Device, Site, Zone, ZoneBinding

LEVELS = st.sampled_from((None, 0.0, 1.0, 2.0, 3.0, 3.5, 4.0, 5.0))
LABELS = st.text("abcxyz019._-", min_size=1, max_size=80)


@st.composite
def plants(draw: st.DrawFn) -> Site:
    """Zones of two sites with any levels, and firewalls that join some of them."""
    zones = tuple(
        Zone(
            site=site,
            id=f"z{number}",
            level=draw(LEVELS),
            networks=(ip_network(f"10.{at}.{number}.0/24"),),
        )
        for at, site in enumerate(("north", "south"))
        for number in range(draw(st.integers(1, 4)))
    )
    keys = [zone.key for zone in zones]
    joined = st.lists(st.sampled_from(keys), unique=True, max_size=4)
    devices = tuple(
        Device(
            name=f"fw{number}",
            platform="panos",
            zones=tuple(ZoneBinding(zone=key, name=key[-2:]) for key in draw(joined)),
        )
        for number in range(draw(st.integers(0, 3)))
    )
    return Site(zones=zones, devices=devices)


@given(plant=plants(), data=st.data())
def test_above_a_zone_is_what_has_a_higher_level_and_nothing_else(
    plant: Site, data: st.DataObject
) -> None:
    zone = data.draw(st.sampled_from(plant.zones))
    graph = topology(plant.devices)
    island = island_of(plant, zone.key, graph)
    assert island.inside == (zone,)
    assert zone not in island.above
    reached = {zone.key, *graph.distances(zone.key)}
    near = {one for one in plant.zones if one.site == zone.site or one.key in reached} - {zone}
    if zone.level is not None:
        least = zone.level
        higher = {one for one in near if one.level is not None and one.level > least}
        assert set(island.above) == higher
    assert set(island.unclear) == {one for one in {zone, *near} if one.level is None}


@given(plant=plants())
def test_a_site_is_cut_from_others_and_from_its_own_zones_from_the_dmz_up(plant: Site) -> None:
    graph = topology(plant.devices)
    island = island_of(plant, "north", graph)
    own = [one for one in plant.zones if one.site == "north"]
    assert set(island.inside) == {one for one in own if one.level is not None and one.level < 3.5}
    assert not {*island.inside} & {*island.above}
    reached = {key for one in own for key in graph.distances(one.key)}
    others = {one for one in plant.zones if one.site != "north" and one.key in reached}
    upper = {one for one in own if one.level is not None and one.level >= 3.5}
    assert set(island.above) == others | upper
    assert set(island.unclear) == {one for one in own if one.level is None}


def test_there_has_to_be_such_a_zone_or_site() -> None:
    with pytest.raises(LookupError):
        island_of(Site(), "nowhere", topology(()))


@given(LABELS, LABELS)
def test_rules_and_groups_are_told_apart_and_read_back(label: str, other: str) -> None:
    group = naming.island_group(label)
    assert len(group) <= 63
    rules = naming.denying_rules(group)
    assert all(len(name) <= 63 for name in rules)
    assert {naming.denied_group(name) for name in rules} == {
        (group, "source"),
        (group, "destination"),
    }
    assert naming.island_label(group) in (label, group.removeprefix(naming.ISLAND))
    if label != other:
        assert naming.island_group(other) != group


@given(LABELS, st.text(max_size=60), st.text(max_size=200))
def test_a_note_is_read_for_its_own_group_only(label: str, by: str, why: str) -> None:
    group = naming.island_group(label)
    note = naming.ContainedNote(
        until=datetime(2026, 11, 30, 18, tzinfo=UTC), id="3f9a12c4", by=by, why=why
    )
    word = naming.encode_contained(note, group)
    assert len(word) <= 127
    found = naming.decode_contained(word, group)
    assert found is not None
    assert (found.until, found.id) == (note.until, note.id)
    assert naming.encode_contained(found, group) == word
    assert naming.decode_contained(word) is None
    assert naming.decode_contained(naming.encode_contained(note), group) is None
