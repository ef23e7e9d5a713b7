from __future__ import annotations

from segctl.compiler.topology import Hop, make_topology


def hops(*found: tuple[str, str, str]) -> tuple[Hop, ...]:
    return tuple(Hop(device=device, enter=enter, leave=leave) for device, enter, leave in found)


def test_two_firewalls_in_a_row_with_a_transit_zone() -> None:
    graph = make_topology([("edge", ["office", "transit"]), ("plant", ["transit", "control"])])
    assert graph.hops("office", "control") == hops(
        ("edge", "office", "transit"), ("plant", "transit", "control")
    )
    assert graph.hops("control", "office") == hops(
        ("edge", "transit", "office"), ("plant", "control", "transit")
    )
    assert graph.hops("transit", "control") == hops(("plant", "transit", "control"))


def test_parallel_firewalls_both_enforce() -> None:
    graph = make_topology([("fw-a", ["office", "control"]), ("fw-b", ["office", "control"])])
    assert [hop.device for hop in graph.hops("office", "control")] == ["fw-a", "fw-b"]


def test_a_detour_does_not_enforce() -> None:
    graph = make_topology(
        [("direct", ["office", "control"]), ("a", ["office", "dmz"]), ("b", ["dmz", "control"])]
    )
    assert [hop.device for hop in graph.hops("office", "control")] == ["direct"]


def test_via_makes_traffic_take_the_detour() -> None:
    graph = make_topology(
        [("direct", ["office", "control"]), ("a", ["office", "dmz"]), ("b", ["dmz", "control"])]
    )
    assert graph.hops_via("office", "control", "a") == hops(("a", "office", "dmz"))
    assert graph.hops_via("office", "control", "b") == hops(("b", "dmz", "control"))
    assert graph.hops_via("office", "control", "nowhere") == ()


def test_no_path_is_explained() -> None:
    graph = make_topology([("edge", ["office", "dmz"]), ("plant", ["control", "safety"])])
    assert graph.hops("office", "control") == ()
    assert graph.gap("office", "control") == "the firewalls connect office only to dmz, office"
    assert graph.gap("office", "lab") == "no firewall is attached to zone lab"


def test_a_zone_to_itself_crosses_nothing() -> None:
    graph = make_topology([("edge", ["office", "dmz"])])
    assert graph.hops("office", "office") == ()
