"""Rules of three grades: who is together in one, how much they permit, what they never permit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from segctl.importing.proposed import with_assets
from segctl.observe.discover.listing import listing
from segctl.observe.discover.propose import GRADES
from support.plant_traffic import FIREWALL, READ, SENSOR, SITE, Talk, found

if TYPE_CHECKING:
    from segctl.observe.observation import Observation

NEED = Talk(
    source="10.2.0.20", destination="10.1.0.1", port=502, functions=(READ,), witness=SENSOR,
    verdict="unknown",
)  # fmt: skip


def named(ends: object) -> list[str]:
    return [one.asset for one in ends]  # type: ignore[attr-defined] # endpoints


def flows(talks: list[Talk], grade: str = "host") -> list[tuple[list[str], list[str]]]:
    result = found(talks, grade=grade)  # type: ignore[arg-type] # one of GRADES
    return [
        (named(flow.sources), named(flow.destinations))
        for one in result.proposals
        for flow in one.conduit.flows
    ]


def test_hosts_are_together_only_where_each_was_seen_with_each() -> None:
    both = [replace(NEED, destination=plc) for plc in ("10.1.0.1", "10.1.0.2")]
    other = replace(NEED, source="10.2.0.40")
    assert flows(both) == [(["hist1"], ["plc1", "plc2"])]
    assert flows([*both, other, replace(other, destination="10.1.0.2")]) == [
        (["ews1", "hist1"], ["plc1", "plc2"])
    ]
    assert flows([*both, other]) == [(["ews1", "hist1"], ["plc1"]), (["hist1"], ["plc2"])]


def test_a_role_is_all_hosts_of_it_and_a_zone_all_there_is() -> None:
    need = replace(NEED, source="10.2.0.2")
    assert flows([need]) == [(["scada2"], ["plc1"])]
    assert flows([need], "role") == [(["scada1", "scada2"], ["plc1", "plc2"])]
    assert flows([need], "zone") == [([], [])]


@pytest.mark.parametrize("grade", ["role", "zone"])
def test_no_wider_rule_permits_what_is_not_proposed(grade: str) -> None:
    need = replace(NEED, source="10.2.0.2")
    once = replace(need, source="10.2.0.1", destination="10.1.0.2", days=1, daily=1)
    assert flows([need, once], grade) == [(["scada2"], ["plc1"])]
    result = found([need, once], grade=grade)  # type: ignore[arg-type] # one of GRADES
    (notes,) = result.proposals[0].flow_notes.values()
    assert any("would also permit 10.2.0.1 to 10.1.0.2" in note for note in notes)


def test_all_grades_are_counted_side_by_side() -> None:
    need = replace(NEED, source="10.2.0.2")
    permits = {one.grade: one for one in found([need]).permits}
    assert tuple(permits) == GRADES
    assert [(one.rules, one.permitted, one.seen) for one in permits.values()] == [
        (1, 1, 1),
        (1, 4, 1),
        (1, 256 * 256, 1),
    ]
    assert permits["role"].times == 4


def test_a_proposal_is_monitored_for_a_month_and_nobody_answers_for_it_yet() -> None:
    (one,) = found([NEED]).proposals
    conduit = one.conduit
    assert (conduit.mode, str(conduit.review_by), conduit.reason, conduit.owner) == (
        "monitor",
        "2026-12-29",
        "",
        "",
    )
    (notes,) = one.flow_notes.values()
    assert notes[0].startswith("56 sessions; 2800000 bytes; first 2026-11-02 08:00 UTC, last ")
    assert "on 14 days; seen by zeek" in notes[0]


def test_what_may_pass_for_a_time_only_has_an_end() -> None:
    web = Talk(
        source="10.40.8.21", destination="10.35.0.30", port=80, applications=("web-browsing",)
    )
    (one,) = found([web]).proposals
    assert one.conduit.expires is not None
    assert any("HTTP" in note for note in one.notes)


def test_ids_are_none_that_exist() -> None:
    first = found([NEED]).proposals[0].conduit
    taken = replace(SITE.conduits[1], id=first.id)
    again = found([NEED], site=replace(SITE, conduits=(*SITE.conduits, taken))).proposals[0].conduit
    assert again.id == f"{first.id}-2"


def test_applications_of_a_firewall_are_named_and_their_classes_stay_open() -> None:
    need = replace(NEED, functions=(), witness="007000000001", applications=("modbus-read-coils",))
    (flow,) = found([need]).proposals[0].conduit.flows
    assert (flow.applications, flow.protocols) == (("modbus-base", "modbus-read-coils"), ())
    (notes,) = found([need]).proposals[0].flow_notes.values()
    assert any(note.startswith("open: which classes of modbus") for note in notes)


def test_a_port_that_a_sensor_recognised_is_proposed_and_open() -> None:
    need = replace(NEED, source="10.35.0.20", destination="10.40.0.53", port=53, protocol="udp",
                   functions=(), applications=("dns",), bytes=200)  # fmt: skip
    result = found([need])
    (flow,) = result.proposals[0].conduit.flows
    assert [str(one) for one in flow.services] == ["udp/53"]
    assert result.assets == {"plant/office": {"host-10-40-0-53": "10.40.0.53"}}
    assert found([need], names={"10.40.0.53": "dns1"}).assets == {
        "plant/office": {"dns1": "10.40.0.53"}
    }


def test_lists_are_short_and_count_everything() -> None:
    tries = [replace(NEED, destination=f"10.1.0.{n}", completed="no") for n in range(10, 20)]
    result = found(tries)
    (line,) = listing(result.judged, "seen")
    assert (line.flows, line.reason) == (10, "no_answer")
    assert "and 6 more" in line.text


# --- without an inventory ------------------------------------------------------------------------


def test_zones_and_assets_are_drafted_from_what_was_seen() -> None:
    polls = [replace(NEED, source="10.2.0.1", destination=f"10.1.0.{number}") for number in (1, 2)]
    result = found(polls, site=None)
    assert result.draft is not None
    zones = {one.id: one for one in result.site.zones}
    assert {name: [str(net) for net in one.networks] for name, one in zones.items()} == {
        "net-10-1-0-0": ["10.1.0.0/24"],
        "net-10-2-0-0": ["10.2.0.0/24"],
    }
    assert [one.role for one in zones["net-10-1-0-0"].assets] == ["controller (modbus)"] * 2
    assert [one.role for one in zones["net-10-2-0-0"].assets] == ["polls controllers"]
    assert len(result.proposals) == 1


def test_networks_behind_a_gateway_without_zones_are_not_taken_for_a_firewalls_zone() -> None:
    def seen(witness: str, destination: str, zones: tuple[str, str]) -> Observation:
        talk = replace(NEED, witness=witness, destination=destination, verdict="allow")
        one = talk.observations()[0]
        group = one.group._replace(from_zone=zones[0], to_zone=zones[1])
        return one._replace(group=group, sessions=10)

    names = ("SUPERVISORY", "CONTROL")
    logged = [seen(FIREWALL, "10.1.0.1", names), seen(FIREWALL, "10.8.0.5", names)]
    behind = found([*logged, seen("conntrack", "10.8.0.5", ("", ""))], site=None)
    assert {zone.id: [str(one) for one in zone.networks] for zone in behind.site.zones} == {
        "control": ["10.1.0.0/24"],
        "net-10-8-0-0": ["10.8.0.0/24"],
        "supervisory": ["10.2.0.0/24"],
    }
    assert {zone.id for zone in found(logged, site=None).site.zones} == {"control", "supervisory"}


# --- assets in a file of zones -------------------------------------------------------------------

ZONES = """\
segctl_zones:
  office:
    level: 4
    assets:
      # the first
      one: 10.40.0.1   # kept
  empty:
    level: 3
  flow: {level: 2, assets: {a: 10.2.0.1}}
"""


def test_assets_are_added_where_the_layout_allows_it() -> None:
    from segctl.model.site import Asset, Source, Zone

    def zone(name: str, line: int, *assets: tuple[str, int, int]) -> Zone:
        held = tuple(
            Asset(name=one, addresses=(), declared=Source(file="z", line=at, column=column))
            for one, at, column in assets
        )
        return Zone(site="s", id=name, assets=held, declared=Source(file="z", line=line, column=3))

    new = {"two": "10.40.0.2"}
    after = with_assets(ZONES, zone("office", 2, ("one", 6, 7)), new)
    assert after == ZONES.replace("      one:", "      two: 10.40.0.2\n      one:")
    after = with_assets(ZONES, zone("empty", 7), new)
    assert after == ZONES.replace(
        "    level: 3\n", "    assets:\n      two: 10.40.0.2\n    level: 3\n"
    )
    assert with_assets(ZONES, zone("flow", 9, ("a", 9, 29)), new) is None
