"""What is looked up by place or by name is what going through everything finds.

Each law holds a fast way against the plain one it replaced, which is written out here.
"""

from __future__ import annotations

import json
import textwrap
from dataclasses import replace
from datetime import date
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any

import jsonschema
from deepdiff import DeepDiff
from hypothesis import example, given, settings
from hypothesis import strategies as st

from segctl.compiler.build import compile_site
from segctl.compiler.ownership import Listed
from segctl.compiler.topology import Hop, Topology, make_topology
from segctl.importing.networks import cover, inside, is_network, networks_of
from segctl.model.addresses import covers, meeting, merge, network_interval, subtract
from segctl.model.errors import Problem
from segctl.model.policy import resolver
from segctl.model.site import (
    Asset,
    Conduit,
    Device,
    Endpoint,
    Flow,
    PortRange,
    Site,
    Zone,
    ZoneBinding,
)
from segctl.planning.documents import plan_json, schema
from segctl.planning.make import make_plan
from segctl.planning.plan import DevicePlan, Intent, Unmanaged
from segctl.report import Line, laid_out, list_changes, plain_lines
from segctl.system.inert import printable
from segctl.system.json_schema import fault
from support.changes import change

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from segctl.model.addresses import Interval

#: These are quick, and what they look for is rare.
many = settings(max_examples=300)

# --- paths ---------------------------------------------------------------------------------------

_ZONES = [f"z{number}" for number in range(9)]
graphs = st.dictionaries(
    st.sampled_from([f"fw{number}" for number in range(7)]),
    st.lists(st.sampled_from(_ZONES), max_size=4, unique=True),
    max_size=7,
).map(lambda attached: make_topology(attached.items()))


def distances(graph: Topology, start: str, without: str = "") -> dict[str, int]:
    """Return how many firewalls lie before each zone, by looking at all of them every time."""
    found = {start: 0}
    while True:
        more = {
            other: found[zone] + 1
            for device, zones in graph.zones_of.items()
            for zone in zones
            for other in zones
            if device != without and zone in found and other not in found
        }
        if not more:
            return found
        nearest = min(more.values())
        found |= {zone: distance for zone, distance in more.items() if distance == nearest}


#: Two ways into fw1, which a search from z0 crosses, since that from z4 has more to look at.
_TWO_WAYS = make_topology(
    [
        ("fw0", ["z0", "z1", "z2"]),
        ("fw1", ["z1", "z2", "z3"]),
        ("fw2", ["z3", "z4"]),
        *((f"fw{number}", ["z4", f"z{number}"]) for number in range(5, 9)),
    ]
)


@many
@example(_TWO_WAYS, "z0", "z4")
@given(graphs, st.sampled_from(_ZONES), st.sampled_from(_ZONES))
def test_hops_are_all_firewalls_on_all_shortest_paths(graph: Topology, a: str, b: str) -> None:
    near, far = distances(graph, a), distances(graph, b)
    expected = tuple(
        Hop(device=device, enter=enter, leave=leave)
        for device, zones in sorted(graph.zones_of.items())
        for enter in sorted(zones)
        for leave in sorted(zones)
        if enter != leave
        and enter in near
        and leave in far
        and near[enter] + 1 + far[leave] == near.get(b)
    )
    assert graph.hops(a, b) == expected
    assert graph.distances(a) == near


@many
@given(graphs, st.sampled_from(_ZONES), st.sampled_from(_ZONES), st.integers(0, 6))
def test_hops_via_enter_and_leave_nearest(graph: Topology, a: str, b: str, number: int) -> None:
    device = f"fw{number}"
    near, far = distances(graph, a, device), distances(graph, b, device)
    zones = sorted(graph.zones_of.get(device, ()))
    pairs = [
        (near[enter] + far[leave], enter, leave)
        for enter in zones
        for leave in zones
        if enter in near and leave in far and enter != leave
    ]
    best = min((cost for cost, _, _ in pairs), default=0)
    assert graph.hops_via(a, b, device) == tuple(
        Hop(device=device, enter=enter, leave=leave) for cost, enter, leave in pairs if cost == best
    )


# --- intervals -----------------------------------------------------------------------------------

#: Few addresses, so that intervals meet, touch and hold each other; two versions.
intervals = st.tuples(st.sampled_from([4, 6]), st.integers(0, 31), st.integers(0, 9)).map(
    lambda found: (found[0], found[1], found[1] + found[2])
)
several = st.lists(intervals, max_size=8)


def addresses(parts: Iterable[Interval]) -> set[tuple[int, int]]:
    """Return every single address."""
    return {(version, at) for version, first, last in parts for at in range(first, last + 1)}


@many
@given(several, several)
def test_subtract_leaves_the_fewest_intervals_of_what_is_left(
    held: list[Interval], gone: list[Interval]
) -> None:
    left = subtract(held, gone)
    assert addresses(left) == addresses(held) - addresses(gone)
    assert left == merge(left)
    assert covers(gone, held) is (addresses(held) <= addresses(gone))


@many
@given(intervals, several)
def test_meeting_finds_whatever_has_an_address_in_common(
    part: Interval, others: list[Interval]
) -> None:
    merged = merge(others)
    assert list(meeting(part, merged)) == [
        one for one in merged if addresses([one]) & addresses([part])
    ]


# --- zones ---------------------------------------------------------------------------------------

#: Networks of a few sizes close together.
networks = st.tuples(st.integers(0, 31), st.integers(26, 32)).map(
    lambda found: IPv4Network(f"10.0.0.{found[0] * 8}/{found[1]}", strict=False)
)
hosts = st.integers(0, 63).map(lambda number: IPv4Network(f"10.0.0.{number * 4}"))
listings = st.dictionaries(
    st.sampled_from("abcd"), st.lists(st.one_of(networks, hosts), max_size=5), max_size=4
)


@many
@given(listings, networks, st.sampled_from("abcd"))
def test_what_others_list_in_a_network_is_found(
    lists: dict[str, list[IPv4Network]], network: IPv4Network, but: str
) -> None:
    part = network_interval(network)
    listed = Listed()
    known: list[tuple[str, Interval]] = []
    for zone, found in lists.items():
        parts = [network_interval(one) for one in found]
        listed.add(zone, parts)
        known += [(zone, one) for one in parts]
    others = [one for zone, one in known if zone != but and inside(one, part)]
    assert addresses(listed.inside(part, but)) == addresses(others)
    holders = {zone for zones in listed.holding(part) for zone in zones}
    assert holders == {zone for zone, one in known if inside(part, one)}


def owned(site: Site, zone: Zone) -> set[tuple[int, int]]:
    """Return what a zone owns of its networks: an address is its own unless a part of it is not."""

    def listed_by(one: Zone) -> list[Interval]:
        hosts = [address for asset in one.assets for address in asset.addresses]
        return [network_interval(network) for network in (*one.networks, *hosts)]

    own = [network_interval(network) for network in zone.networks]
    joined = _joined(site, zone)
    foreign = [
        part
        for other in site.zones
        if other is not zone and (other.site == zone.site or other.key in joined)
        for part in listed_by(other)
        if any(inside(part, network) for network in own)
    ]
    return addresses(own) - addresses(foreign)


def _joined(site: Site, zone: Zone) -> set[str]:
    attached = {device.name: [one.zone for one in device.zones] for device in site.devices}
    if not any(zone.key in zones for zones in attached.values()):
        return set()
    return set(distances(make_topology(attached.items()), zone.key))


@st.composite
def sites(draw: st.DrawFn) -> Site:
    """Overlapping zones at one to three firewalls, each reached from a zone of its own."""
    zones: list[Zone] = []
    for number in range(draw(st.integers(1, 5))):
        assets = draw(st.lists(hosts, max_size=3, unique=True))
        zones.append(
            Zone(
                site=draw(st.sampled_from(["p", "q"])),
                id=f"z{number}",
                networks=tuple(draw(st.lists(networks, min_size=1, max_size=3, unique=True))),
                assets=tuple(
                    Asset(name=f"h{at}", addresses=(address,)) for at, address in enumerate(assets)
                ),
            )
        )
    far = IPv4Network("192.0.2.1")
    devices: list[Device] = []
    conduits: list[Conduit] = []
    behind: list[Zone] = []
    for number, zone in enumerate(zones):
        name = f"fw{draw(st.integers(0, 2))}"
        target = Zone(
            site=zone.site, id=f"t{number}", assets=(Asset(name="far", addresses=(far,)),)
        )
        behind.append(target)
        bindings = (
            ZoneBinding(zone=zone.key, name=f"Z{number}"),
            ZoneBinding(zone=target.key, name=f"T{number}"),
        )
        same = next((one for one in devices if one.name == name), None)
        if same is not None:
            devices.remove(same)
        held = same.zones if same is not None else ()
        devices.append(Device(name=name, platform="panos", zones=(*held, *bindings)))
        conduits.append(
            Conduit(
                site=zone.site,
                id=f"c{number}",
                from_zones=(target.key,),
                to_zones=(zone.key,),
                reason="r",
                owner="o",
                flows=(
                    Flow(
                        id="f",
                        sources=(Endpoint(zone=target.key, asset="far"),),
                        services=(PortRange(protocol="tcp", first=443, last=443),),
                    ),
                ),
            )
        )
    return Site(zones=(*zones, *behind), conduits=tuple(conduits), devices=tuple(devices))


@given(sites())
def test_a_zone_owns_what_no_other_lists_more_closely(site: Site) -> None:
    expected = {
        zone.key: owned(site, zone)
        | addresses(network_interval(one) for asset in zone.assets for one in asset.addresses)
        for zone in site.zones
    }
    conduits = tuple(one for one in site.conduits if expected[one.to_zones[0]])
    compiled = compile_site(replace(site, conduits=conduits), date(2027, 1, 1))
    found = {
        rule.conduit: addresses(resolver(item.policy)(rule.destinations))
        for item in compiled.values()
        for rule in item.policy.rules
    }
    assert found == {f"{one.site}.{one.id}": expected[one.to_zones[0]] for one in conduits}


# --- importing and reporting ---------------------------------------------------------------------


@many
@given(st.lists(intervals, max_size=7))
def test_networks_of_pieces(parts: list[Interval]) -> None:
    def in_another(part: Interval, others: Iterable[Interval]) -> bool:
        return any(part != other and inside(part, other) for other in others)

    covering = {network_interval(cover(part)) for part in parts if not is_network(part)}
    largest = {one for one in covering if not in_another(one, covering)}
    whole = {
        part
        for part in parts
        if is_network(part)
        and (in_another(part, parts) or not any(inside(part, one) for one in largest))
    }
    assert networks_of(parts) == tuple(cover(part) for part in sorted(largest | whole))


words = st.lists(st.sampled_from(["a", "b", "ab", "ba", "abc", "10.0.0.1", "10.0.0.2"]), max_size=6)


@many
@given(words, words)
def test_changes_of_lists(before: list[str], after: list[str]) -> None:
    found: Any = DeepDiff(before, after, ignore_order=True, view="tree")

    def items(what: str, side: str) -> list[str]:
        levels: list[Any] = [
            *found.get(f"iterable_item_{what}", ()),
            *found.get("values_changed", ()),
        ]
        return sorted(str(getattr(level, side)) for level in levels)

    assert list_changes(before, after) == (items("removed", "t1"), items("added", "t2"))


reports = st.builds(
    Line,
    lead=st.text(st.sampled_from("  ab·\t"), max_size=6),
    text=st.text(st.sampled_from("    abc-é\u202e\x1b\t"), max_size=80),
)


@many
@given(st.lists(reports, max_size=4), st.integers(20, 70))
def test_lines_without_colour_are_those_with_colour(lines: list[Line], width: int) -> None:
    assert list(plain_lines(lines, width)) == [one.plain for one in laid_out(lines, width)]


@many
@given(reports)
def test_a_line_with_room_is_not_wrapped(line: Line) -> None:
    (shown,) = laid_out([line], 10_000)
    parts = textwrap.wrap(printable(line.text), 10_000) or [""]
    assert shown.plain == f"{printable(line.lead)}{parts[0]}".rstrip()


# --- documents -----------------------------------------------------------------------------------

_NONE = f"sha256:{'0' * 64}"
_PLAN = plan_json(
    make_plan(
        [
            DevicePlan(
                name="fw1",
                platform="panos",
                os_version="11.1.6",
                fingerprint=_NONE,
                desired=_NONE,
                changes=(
                    change("create", "rule", "a.poll", after={"from_zones": ["A"]}),
                    change("create", "address", "h", after={"value": "192.0.2.1"}),
                ),
                unmanaged=(Unmanaged(name="r", action="allow", above=True),),
                findings=(Problem(message="odd", severity="warning"),),
            )
        ],
        Intent(digest=_NONE),
    )
)
_PLAN["devices"][0]["state"] = {
    "locks": [{"kind": "config", "owner": "alice", "alive": None}, {"kind": "commit", "owner": "b"}]
}


def test_the_document_that_is_broken_here_is_whole() -> None:
    assert fault(_PLAN, schema()) is None


#: Little that is right and much that is nearly so.
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-1, 2), st.sampled_from(["", "sha256:x"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["name", "op", "kind", "alive"]), inner, max_size=3),
    ),
    max_leaves=6,
)


def places(value: Any, above: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path to each value below one."""
    kind = type(value).__name__
    if kind not in ("dict", "list"):
        return
    names: Iterable[Any] = value if kind == "dict" else range(len(value))
    for name in names:
        yield (*above, name)
        yield from places(value[name], (*above, name))


@many
@given(st.data())
def test_a_document_has_the_faults_that_jsonschema_finds(data: st.DataObject) -> None:
    document: Any = json.loads(json.dumps(_PLAN))
    for _ in range(data.draw(st.integers(0, 2))):
        *way, last = data.draw(st.sampled_from(list(places(document))))
        inside: Any = document
        for name in way:
            inside = inside[name]
        inside[last] = data.draw(values)
    asked = schema()
    whole: Any = jsonschema
    judge = whole.Draft202012Validator(asked)
    expected = whole.exceptions.best_match(judge.iter_errors(document))
    found = fault(document, asked)
    assert (found and (found.message, found.absolute_path)) == (
        expected and (expected.message, expected.absolute_path)
    )
