"""A pair is one firewall: what its members saw adds up, what both tell counts once."""

from __future__ import annotations

from segctl.model.site import Device
from segctl.observe.coverage import Witnesses
from segctl.observe.grouping import Count, Groups
from segctl.observe.observation import LOGGED_PACKET, Flow, Group, Observation
from segctl.observe.pairs import Pairs, members_of
from segctl.observe.traffic import volume_of

PAIR = Device(name="fw1", platform="panos", serial="001", ha_peer="fw1b", peer_serial="002")
ALONE = Device(name="fw2", platform="panos", serial="003")
FLOW = Flow("10.0.0.1", "10.0.0.2", "", "tcp", 502)


def seen(witness: str, start: float, port: int = 40_000) -> Observation:
    return Observation(Group(flow=FLOW, witness=witness), start, start + 60, port, 1, 100)


def counted(*found: Observation) -> tuple[dict[str, int], Witnesses]:
    groups, witnesses = Groups(), Witnesses()
    take = Pairs(members_of([PAIR, ALONE]), witnesses).taking(groups.add)
    for one in found:
        take(one)
    held = {
        group.witness: count.sessions for _, all_of in groups.flows() for group, count in all_of
    }
    return held, witnesses


def test_members_are_known_by_all_their_names() -> None:
    assert members_of([PAIR, ALONE]) == dict.fromkeys(("fw1", "001", "fw1b", "002"), "fw1")


def test_sessions_of_members_add_up() -> None:
    held, _ = counted(seen("001", 100.0), seen("001", 900.0), seen("002", 5000.0))
    assert held == {"fw1": 3}


def test_a_session_that_is_handed_over_counts_once() -> None:
    held, witnesses = counted(seen("001", 100.2), seen("002", 99.9), seen("002", 100.2, 40_001))
    assert held == {"fw1": 2}
    assert witnesses["002"].duplicates == 1


def test_one_member_may_see_the_same_ends_again() -> None:
    assert counted(seen("001", 100.0), seen("001", 100.0))[0] == {"fw1": 2}


def test_others_are_left_as_they_are() -> None:
    assert counted(seen("003", 1.0), seen("zeek", 1.0), seen("002", 1.0, 0))[0] == {
        "003": 1,
        "zeek": 1,
        "fw1": 1,
    }


def test_a_gateway_that_logs_packets_and_ends_tells_of_the_same_sessions() -> None:
    ended = Group(flow=FLOW, witness="gw", verdict="allow", reason="ended")
    packet = ended._replace(reason=LOGGED_PACKET)
    other = ended._replace(user="somebody")
    counts = [(ended, Count(sessions=5)), (other, Count(sessions=2)), (packet, Count(sessions=6))]
    assert volume_of(counts).sessions == 7
    denied = packet._replace(verdict="deny")  # of which no end is told
    assert volume_of([(ended, Count(sessions=5)), (denied, Count(sessions=6))]).sessions == 11
