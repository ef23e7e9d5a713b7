"""What nobody used, where it is certain: one doubt, and a flow is left as it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest

from segctl.model.site import (
    Asset,
    Conduit,
    Endpoint,
    PortRange,
    ProtocolUse,
    Site,
    Zone,
)
from segctl.model.site import Flow as Declared
from segctl.observe.completeness import Completeness, Window
from segctl.observe.coverage import (
    AskedCoverage,
    Coverage,
    FileCoverage,
    Refusal,
    Unheard,
    WitnessCoverage,
)
from segctl.observe.functions import function_of
from segctl.observe.grouping import Groups
from segctl.observe.narrowing import SHORTEST, Cut, narrowed_site, narrowing
from segctl.observe.observation import Flow, Group, Observation

if TYPE_CHECKING:
    from segctl.observe.narrowing import Narrowing

DAY = 86400.0
NOW = 20_000 * DAY
FIRST = NOW - SHORTEST * DAY
TODAY = date(2026, 11, 3)
HEARD: dict[str, Any] = {"formats": ("PAN-OS syslog",), "records": 9, "first": FIRST, "last": NOW}
TABLE: dict[str, Any] = {
    "device": "fw",
    "member": "fw",
    "way": "session table",
    "serial": "1",
    "first": FIRST,
    "last": NOW,
    "requests": 1,
    "records": 0,
}
WHOLE = Coverage(
    files=(FileCoverage(name="fw.log"),),
    witnesses=(
        WitnessCoverage(name="fw", **HEARD),
        WitnessCoverage(name="zeek", **HEARD),
    ),
    timezone="UTC",
    asked=(AskedCoverage(**TABLE),),
)
ZONES = (
    Zone(
        site="p",
        id="supv",
        networks=(ip_network("10.2.0.0/24"),),
        assets=(
            Asset(name="scada", addresses=(ip_network("10.2.0.5/32"),)),
            Asset(name="spare", addresses=(ip_network("10.2.0.6/32"), ip_network("10.2.0.7/32"))),
        ),
    ),
    Zone(
        site="p",
        id="cell",
        networks=(ip_network("10.1.0.0/24"),),
        assets=(Asset(name="plc", addresses=(ip_network("10.1.0.5/32"),)),),
    ),
)
FLOW = Declared(
    id="poll",
    sources=(Endpoint(zone="p/supv", asset="scada"), Endpoint(zone="p/supv", asset="spare")),
    destinations=(Endpoint(zone="p/cell", asset="plc"),),
    protocols=(ProtocolUse(protocol="modbus", classes=("read", "write")),),
)
READ, WRITE = (function_of("modbus", name) for name in ("READ_COILS", "WRITE_SINGLE_COIL"))
BOTH = [("source", "spare"), ("class", "write")]


def seen(day: int = 10, **said: Any) -> Observation:
    """A poll that the firewall logged on some day before now, but for what is said."""
    ends: dict[str, Any] = {
        "source": "10.2.0.5",
        "destination": "10.1.0.5",
        "inner": "",
        "protocol": "tcp",
    }
    ends |= {"port": 502} | {name: said.pop(name) for name in [*said] if name in Flow._fields}
    group: dict[str, Any] = {
        "flow": Flow(**ends),
        "witness": "fw",
        "verdict": "allow",
        "completed": "yes",
    }
    when = NOW - day * DAY + 3600
    return Observation(Group(**group | said), when - 60, when, 0, 1, 100)


def watched(*days: int, **said: Any) -> list[Observation]:
    """The same by the firewall and by a sensor, which shows functions."""
    sensed = {"witness": "zeek", "verdict": "unknown", "functions": (READ,), **said}
    return [one for day in days or (10, 20) for one in (seen(day), seen(day, **sensed))]


def found(
    *observations: Observation,
    flow: Declared = FLOW,
    coverage: Coverage = WHOLE,
    zones: tuple[Zone, ...] = ZONES,
    holders: frozenset[str] = frozenset({"fw"}),
    **conduit: Any,
) -> Narrowing:
    groups = Groups()
    for one in observations:
        groups.add(one)
    made: dict[str, Any] = {
        "from_zones": ("p/supv",),
        "to_zones": ("p/cell",),
        "reason": "r",
        "owner": "o",
    }
    declared = Conduit(site="p", id="c", flows=(flow,), **made | conduit)
    whole = Completeness(coverage, Window(first=FIRST, last=NOW), {})
    site = Site(zones=zones, conduits=(declared,))
    result = narrowing(site, groups, whole, {("p/c", "poll"): holders}, TODAY)
    narrowed = narrowed_site(site, result, TODAY)  # every proposal can be made a site
    assert (narrowed == site) == (not result.narrowed)
    gone = {(cut.kind, cut.protocol, cut.text) for one in result.narrowed for cut in one.cuts}
    assert gone <= entries(flow)
    without = {one for one in entries(flow) - gone if ("protocols", "", one[1]) not in gone}
    assert entries(narrowed.conduits[0].flows[0]) == without
    return result


def entries(flow: Declared) -> set[tuple[str, str, str]]:
    """Return everything in a flow that can be taken out, as kind, protocol and text."""
    found = {("services", "", str(one)) for one in flow.services}
    for kind, ends in (("source", flow.sources), ("destination", flow.destinations)):
        found |= {(kind, "", one.asset or f"{one.network}") for one in ends}
    for use in flow.protocols:
        found.add(("protocols", "", use.protocol))
        found |= {("class", use.protocol, name) for name in use.classes}
    return found


def cuts(result: Narrowing) -> list[tuple[str, str]]:
    return [(cut.kind, cut.text) for one in result.narrowed for cut in one.cuts]


def why(result: Narrowing) -> str:
    assert not result.narrowed
    (left,) = result.left
    return left.why


def test_clients_and_classes_that_nobody_used_go() -> None:
    assert cuts(found(*watched())) == BOTH


@pytest.mark.parametrize(
    "said",
    [
        {"source": "10.2.0.7"},
        {"source": "10.2.0.7", "verdict": "deny", "completed": "no"},
        {"source": "10.2.0.99", "outer": "10.2.0.7"},
        {"source": "10.2.0.7", "threat": "made-up", "severity": "high"},
        {"source": "10.2.0.7", "functions": (WRITE,)},
    ],
)
def test_whatever_a_client_tried_keeps_it(said: dict[str, Any]) -> None:
    assert ("source", "spare") not in cuts(found(*watched(), seen(**said)))


def test_a_client_of_another_service_or_server_is_none() -> None:
    other = [
        seen(source="10.2.0.7", port=22),
        seen(source="10.2.0.7", destination="10.1.0.99"),
    ]
    assert cuts(found(*watched(), *other)) == BOTH


def test_who_began_may_be_the_other_one() -> None:
    turned = seen(source="10.1.0.5", destination="10.2.0.7", direction="inferred")
    assert ("source", "spare") not in cuts(found(*watched(), turned))


@pytest.mark.parametrize(
    "others",
    [
        [seen(30)],  # on that day no sensor told what it was
        [seen(source="10.2.0.7")],  # nor of that pair
        watched(functions=(WRITE,)),
        watched(functions=(READ._replace(access_class=""),)),
        [seen(applications=("modbus-write-single-coil",))],
    ],
)
def test_a_class_goes_only_where_all_functions_are_known(others: list[Observation]) -> None:
    assert ("class", "write") not in cuts(found(*watched(), *others))


def test_without_a_sensor_a_class_is_left_with_the_reason() -> None:
    flow = replace(FLOW, sources=FLOW.sources[:1])
    assert "no sensor shows every function of modbus" in why(found(seen(), flow=flow))
    gone = replace(WHOLE, witnesses=(WHOLE.witnesses[0],))
    sampled = replace(
        WHOLE, witnesses=(WHOLE.witnesses[0], replace(WHOLE.witnesses[1], sampled=True))
    )
    for coverage in (gone, sampled):
        assert "no sensor shows" in why(found(*watched(), flow=flow, coverage=coverage))


def test_sessions_that_end_past_midnight_are_the_same() -> None:
    late = [seen(10), seen(11, witness="zeek", functions=(READ,))]
    assert ("class", "write") in cuts(found(*late))


def test_ports_and_protocols_go_and_one_stays() -> None:
    web = (
        PortRange(protocol="tcp", first=80, last=80),
        PortRange(protocol="tcp", first=8000, last=8100),
    )
    flow = Declared(id="poll", services=web)
    assert cuts(found(seen(port=8050), flow=flow)) == [("services", "tcp/80")]
    assert "no record is about it" in why(found(seen(port=22), flow=flow))
    uses = (FLOW.protocols[0], ProtocolUse(protocol="s7comm", classes=("read",)))
    flow = replace(FLOW, protocols=uses, sources=())
    assert ("protocols", "s7comm") in cuts(found(*watched(), flow=flow))
    assert ("protocols", "s7comm") not in cuts(found(*watched(), seen(port=102), flow=flow))


def test_what_is_essential_or_of_safety_is_left() -> None:
    assert "essential" in why(found(*watched(), flow=replace(FLOW, essential=True)))
    for number in (0, 1):
        zones = [*ZONES]
        zones[number] = replace(zones[number], kind="safety")
        assert "safety" in why(found(*watched(), zones=tuple(zones)))
    assert "do not log" in why(found(*watched(), flow=replace(FLOW, log=False)))


def test_what_is_absent_or_expired_is_not_looked_at() -> None:
    gone: list[dict[str, Any]] = [{"mode": "absent"}, {"expires": date(2026, 11, 2)}]
    for said in gone:
        result = found(*watched(), **said)
        assert (result.narrowed, result.left) == ((), ())


def witness(**said: Any) -> Coverage:
    return replace(WHOLE, witnesses=(replace(WHOLE.witnesses[0], **said),))


def files(**said: Any) -> Coverage:
    return replace(WHOLE, files=(FileCoverage(name="fw.log", **said),))


def asked(**said: Any) -> Coverage:
    return replace(WHOLE, asked=(AskedCoverage(**TABLE | said),))


@pytest.mark.parametrize(
    ("coverage", "said"),
    [
        (witness(name="other"), "no record of fw"),
        (witness(first=FIRST + 2 * DAY), "too late"),
        (witness(last=NOW - 2 * DAY), "too early"),
        (witness(first=None), "no time"),
        (witness(sampled=True), "some packets only"),
        (witness(limited=True), "some records only"),
        (witness(gaps=((FIRST, FIRST + DAY + 1),)), "24 hours at once"),
        (witness(gap_seconds=4 * DAY), "96 hours in all"),
        (files(refusals=(Refusal(why="w", count=1, line=7, example="x"),)), "could not be read"),
        (files(cut="truncated"), "truncated"),
        (files(problem="none of the formats"), "none of the formats"),
        (files(future=1), "no time that can be"),
        (files(undated=1), "no time that can be"),
        (replace(WHOLE, asked=()), "did not tell which sessions are open"),
        (asked(way="traffic log"), "did not tell which sessions are open"),
        (asked(device="other"), "did not tell which sessions are open"),
        (asked(cut="too many"), "did not tell all sessions that are open: too many"),
        (asked(unread="refused"), "did not tell all sessions that are open: refused"),
        (
            replace(WHOLE, failed=(Unheard(device="fw", code="auth", why="no key"),)),
            "told nothing: no key",
        ),
    ],
)
def test_records_with_a_hole_show_nothing(coverage: Coverage, said: str) -> None:
    assert said in why(found(*watched(), coverage=coverage))


def undated(**said: Any) -> Observation:
    """A record that does not tell when it was."""
    return seen(**said)._replace(start=None, end=None)


def test_servers_go_too_and_networks_are_ends_like_others() -> None:
    spare = Asset(name="spare-plc", addresses=(ip_network("10.1.0.6/32"),))
    zones = (ZONES[0], replace(ZONES[1], assets=(*ZONES[1].assets, spare)))
    near = Endpoint(zone="p/cell", network=ip_network("10.1.0.16/28"))
    far = Endpoint(zone="p/cell", network=ip_network("10.1.0.32/28"))
    ends = (*FLOW.destinations, Endpoint(zone="p/cell", asset="spare-plc"), near, far)
    flow = replace(FLOW, destinations=ends)
    polled = [*watched(), *watched(destination="10.1.0.17")]
    expected = [("source", "spare"), ("destination", "spare-plc"), ("destination", "10.1.0.32/28")]
    assert cuts(found(*polled, flow=flow, zones=zones)) == [*expected, ("class", "write")]
    assert cuts(found(*polled, seen(destination="10.1.0.6"), flow=flow, zones=zones)) == [
        *(expected[0], expected[2])
    ]


def test_who_is_none_of_the_clients_uses_nothing() -> None:
    stranger = seen(source="10.2.0.99", functions=(WRITE,))
    assert cuts(found(*watched(), stranger)) == BOTH


@pytest.mark.parametrize(
    "said",
    [
        {"functions": (function_of("s7comm", "Read Var"),)},
        {"applications": ("siemens-s7-read-var",)},
        {"functions": (WRITE,), "witness": "zeek"},
    ],
)
def test_what_is_no_part_of_the_flow_keeps_its_client_all_the_same(said: dict[str, Any]) -> None:
    flow = replace(FLOW, protocols=(ProtocolUse(protocol="modbus", classes=("read",)),))
    assert ("source", "spare") in cuts(found(*watched(), flow=flow))
    assert not found(*watched(), seen(source="10.2.0.7", **said), flow=flow).narrowed


def test_functions_of_another_protocol_tell_nothing_of_this_one() -> None:
    other = seen(30, witness="zeek", functions=(function_of("s7comm", "Read Var"),))
    assert ("class", "write") not in cuts(found(*watched(), seen(30), other))


def test_a_record_without_a_time_is_of_no_day_on_which_functions_are_told() -> None:
    assert ("class", "write") not in cuts(found(*watched(), undated(source="10.2.0.7")))
    result = found(*watched(20), undated())
    assert [one.last for one in result.narrowed] == [seen(20).end]


def test_what_was_used_last_is_the_latest_in_any_order() -> None:
    for days in ((10, 20), (20, 10)):
        (one,) = found(*watched(*days)).narrowed
        assert one.last == seen(10).end
    assert [one.last for one in found(undated()).narrowed] == [None]


def test_each_pair_has_to_be_told_also_behind_nat() -> None:
    spare = Asset(name="spare-plc", addresses=(ip_network("10.1.0.6/32"),))
    zones = (ZONES[0], replace(ZONES[1], assets=(*ZONES[1].assets, spare)))
    flow = replace(
        FLOW, destinations=(*FLOW.destinations, Endpoint(zone="p/cell", asset="spare-plc"))
    )
    outside = [seen(day, destination="192.0.2.1", inner="10.1.0.5") for day in (10, 20)]
    inside = [one for one in watched() if one.group.witness == "zeek"]
    assert ("class", "write") in cuts(found(*outside, *inside, flow=flow, zones=zones))
    silent = [seen(day, destination="192.0.2.2", inner="10.1.0.6") for day in (10, 20)]
    several = found(*outside, *inside, *silent, flow=flow, zones=zones)
    assert ("class", "write") not in cuts(several)


def test_no_list_is_emptied() -> None:
    services = (PortRange(protocol="tcp", first=502, last=502),)
    only = (ProtocolUse(protocol="modbus", classes=("write", "control")),)
    session = READ._replace(access_class="session")
    result = found(*watched(functions=(session,)), flow=replace(FLOW, protocols=only))
    assert cuts(result) == [("source", "spare")], "no class of the two that nobody used"
    mute = [seen(day, witness="flows", protocol="udp", port=502) for day in (10, 20)]
    result = found(*watched(), *mute, flow=replace(FLOW, services=services))
    assert ("services", "tcp/502") not in cuts(result)


def test_what_has_one_class_needs_no_sensor() -> None:
    flow = replace(
        FLOW,
        sources=FLOW.sources[:1],
        protocols=(ProtocolUse(protocol="modbus", classes=("session", "read")),),
    )
    result = found(seen(), flow=flow)
    assert (result.narrowed, result.left) == ((), ())


def test_a_flow_that_no_firewall_holds_is_left() -> None:
    assert "no firewall holds its rules" in why(found(*watched(), holders=frozenset()))


def test_a_site_without_what_is_taken_out() -> None:
    narrowed = found(*watched())
    made = Conduit(
        site="p",
        id="c",
        flows=(FLOW,),
        reason="r",
        owner="o",
        from_zones=("p/supv",),
        to_zones=("p/cell",),
        review_by=date(2026, 12, 1),
    )
    site = narrowed_site(Site(zones=ZONES, conduits=(made,)), narrowed, date(2027, 2, 1))
    (conduit,) = site.conduits
    assert conduit.review_by == date(2026, 12, 1)  # whoever wanted it earlier still does
    assert [one.asset for one in conduit.flows[0].sources] == ["scada"]
    assert conduit.flows[0].protocols == (ProtocolUse(protocol="modbus", classes=("read",)),)
    back = narrowed.without({"p/c": "for a reason"})
    assert why(back) == "for a reason"
    assert Cut(kind="source", text="spare") in narrowed.narrowed[0].cuts
