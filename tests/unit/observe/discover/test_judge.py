"""What may be proposed, what is asked about, and what is only listed: one trap after the other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from segctl.observe.discover.evidence import Evidence, Window
from segctl.observe.discover.judge import ASK, SEEN
from segctl.observe.observation import Function
from support.plant_traffic import (
    DAY,
    FIREWALL,
    HOUR,
    PROGRAM,
    READ,
    SAMPLER,
    SENSOR,
    SITE,
    START,
    WRITE,
    Talk,
    found,
    of,
    verdict,
)

#: A need that nobody has declared: what every trap is a variation of.
NEED = Talk(
    source="10.2.0.20", destination="10.1.0.1", port=502, functions=(READ,), witness=SENSOR,
    verdict="unknown",
)  # fmt: skip
SYSLOG = Talk(
    source="10.2.0.40", destination="10.35.0.30", port=514, protocol="udp", applications=("syslog",)
)
WEB = Talk(
    source="10.35.0.20", destination="10.40.0.9", port=443, applications=("ssl",), bytes=90_000
)


def single(one: Talk) -> tuple[str, str]:
    return verdict(found([one]), one.source, one.port, one.inner or one.destination)


def test_a_need_is_proposed() -> None:
    assert single(NEED) == ("proposed", "proposed")
    assert single(SYSLOG) == ("proposed", "proposed")
    assert single(WEB) == ("proposed", "proposed")


def test_what_is_declared_is_neither_proposed_nor_listed() -> None:
    result = found([replace(NEED, source="10.2.0.1")])
    assert [one.outcome for one in result.judged] == ["declared"]
    assert not result.proposals


TRAPS = {
    "denied": (replace(NEED, verdict="deny", completed="no"), "denied"),
    "nobody answered": (replace(NEED, completed="no"), "no_answer"),
    "within a zone": (replace(NEED, source="10.1.0.2"), "within_zone"),
    "broadcast": (replace(SYSLOG, destination="10.35.0.255"), "noise"),
    "multicast": (replace(SYSLOG, destination="224.0.0.251"), "noise"),
    "direction is a guess": (replace(NEED, direction="inferred"), "inferred"),
    "only a sample": (replace(NEED, witness=SAMPLER), "sample"),
    "through a proxy": (replace(WEB, applications=("http-proxy",)), "proxy"),
    "an unknown application": (replace(WEB, applications=("unknown-tcp",)), "unknown_application"),
    "an external server": (replace(WEB, destination="203.0.113.9"), "external"),
    "an external client": (
        replace(WEB, source="203.0.113.9", destination="10.35.0.20"),
        "external",
    ),
    "programming": (replace(NEED, functions=(PROGRAM, READ)), "program"),
    "Modbus from an office": (replace(NEED, source="10.40.8.21"), "boundary"),
    "writes into a safety zone": (
        replace(NEED, source="10.2.0.40", destination="10.9.0.1", functions=(WRITE,)),
        "boundary",
    ),
    "what was declared to be gone": (
        replace(WEB, destination="10.2.0.40", port=445, applications=("ms-ds-smbv3",)),
        "absent",
    ),
    "another IP protocol": (replace(NEED, protocol="gre", port=0, functions=()), "inexpressible"),
    "a port that nobody knows": (replace(NEED, port=4711, functions=()), "no_support"),
    "a tunnel in names": (
        replace(WEB, port=53, protocol="udp", applications=("dns-base",), bytes=4000),
        "name_tunnel",
    ),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_what_nobody_should_need_is_only_listed(trap: str) -> None:
    talk, reason = TRAPS[trap]
    assert single(talk) == ("seen", reason)
    assert reason in SEEN
    assert not found([talk]).proposals


QUESTIONS = {
    "once": (replace(NEED, days=1, daily=1), "rare"),
    "twice": (replace(NEED, days=2, daily=1), "rare"),
    "nobody says that it was answered": (replace(NEED, completed="unknown"), "unanswered"),
    "commands now and then": (
        replace(NEED, source="10.2.0.40", functions=(WRITE,), days=5, daily=1),
        "command",
    ),
    "commands from a historian": (replace(NEED, functions=(READ, WRITE)), "unlikely_command"),
    "desktops now and then": (
        replace(WEB, destination="10.2.0.40", port=3389, applications=("ms-rdp",), days=3, daily=1),
        "spreading",
    ),
    "a function that nobody knows": (
        replace(NEED, functions=(READ, Function("modbus", "unknown-100", ""))),
        "open_function",
    ),
    "logs that nobody sees arrive": (replace(SYSLOG, completed="no"), "one_way"),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_what_is_doubtful_is_asked(question: str) -> None:
    talk, reason = QUESTIONS[question]
    result = found([talk, SYSLOG] if talk.port != 514 else [talk, WEB])
    assert verdict(result, talk.source, talk.port, talk.destination) == ("ask", reason)
    assert reason in ASK


def test_one_day_of_many_is_asked_about_and_one_of_one_is_not() -> None:
    short = replace(NEED, days=1, daily=8)
    assert verdict(found([short, SYSLOG]), NEED.source, 502) == ("ask", "one_day")
    assert single(short) == ("proposed", "proposed")


def test_commands_that_are_given_all_the_time_are_proposed() -> None:
    steady = replace(NEED, source="10.2.0.40", functions=(READ, WRITE))
    (proposal,) = found([steady]).proposals
    (flow,) = proposal.conduit.flows
    assert [(use.protocol, use.classes) for use in flow.protocols] == [
        ("modbus", ("read", "write"))
    ]


def test_few_writes_among_many_reads_of_one_pair_are_not_proposed() -> None:
    reads = replace(NEED, source="10.2.0.40")
    writes = replace(reads, functions=(READ, WRITE), days=4, daily=1)
    result = found([reads, writes])
    assert sorted(one.outcome for one in of(result, reads.source, 502)) == ["ask", "proposed"]
    (proposal,) = result.proposals
    assert proposal.conduit.flows[0].protocols[0].classes == ("read",)


def test_a_witness_that_shows_less_does_not_turn_a_refused_session_into_a_need() -> None:
    writes = replace(NEED, functions=(WRITE,), days=4, daily=1)
    less = replace(writes, witness=FIREWALL, functions=(), applications=("modbus-read-coils",))
    assert {one.outcome for one in of(found([writes, less, SYSLOG]), NEED.source, 502)} == {"ask"}


def test_functions_beyond_a_declared_conduit_are_asked_about_however_often() -> None:
    beyond = replace(NEED, source="10.2.0.1", functions=(READ, WRITE))
    assert single(beyond) == ("ask", "beside")


def test_a_controller_that_begins_something_else_is_asked_about() -> None:
    begins = replace(WEB, source="10.1.0.1", destination="10.35.0.30")
    assert verdict(found([NEED, begins]), "10.1.0.1", 443) == ("ask", "controller_begins")
    logs = replace(SYSLOG, source="10.1.0.1")
    assert verdict(found([NEED, logs]), "10.1.0.1", 514) == ("proposed", "proposed")


def test_a_window_that_does_not_count() -> None:
    contractor = replace(NEED, source="10.2.0.77", functions=(PROGRAM,), days=1)
    window = Window(START + 7 * HOUR, START + DAY)
    result = found([contractor, NEED], windows=[window])
    assert verdict(result, "10.2.0.77", 502) == ("seen", "excluded")
    outcomes = {(one.outcome, one.reason) for one in of(result, NEED.source, 502)}
    assert outcomes == {("seen", "excluded"), ("proposed", "proposed")}


# --- scans and what follows ----------------------------------------------------------------------


def scan(source: str, hosts: int, *, over: float, answered: int = 0) -> list[Talk]:
    return [
        Talk(
            source=source,
            destination=f"10.2.0.{number + 1}",
            port=445,
            completed="yes" if number < answered else "no",
            applications=("ms-ds-smbv3",) if number < answered else (),
            days=1,
            daily=1,
            first=START + 2 * DAY + over * number / hosts,
        )
        for number in range(hosts)
    ]


@pytest.mark.parametrize("over", [600.0, 10 * DAY])
def test_a_scan_fast_or_slow(over: float) -> None:
    result = found([*scan("10.35.0.66", 30, over=over), WEB])
    assert {one.reason for one in of(result, "10.35.0.66", 445)} == {"scan"}
    assert verdict(result, WEB.source, 443) == ("proposed", "proposed")


def test_the_few_that_answered_a_scan_are_part_of_it() -> None:
    result = found(scan("10.35.0.66", 30, over=600, answered=5))
    assert {one.reason for one in of(result, "10.35.0.66", 445)} == {"scan"}


def test_a_client_of_many_servers_is_no_scan() -> None:
    many = [
        replace(NEED, destination=f"10.1.0.{number}", days=3, daily=1) for number in range(1, 30)
    ]
    result = found([*many, SYSLOG])
    assert {one.outcome for one in of(result, NEED.source, 502)} == {"proposed"}


def test_who_scanned_a_host_and_then_talks_to_it_is_asked_about() -> None:
    follows = Talk(
        source="10.35.0.66", destination="10.2.0.2", port=3389, applications=("ms-rdp",),
        first=START + 3 * DAY, days=10,
    )  # fmt: skip
    before = replace(follows, first=START)
    assert (
        verdict(found([*scan("10.35.0.66", 30, over=600), follows]), "10.35.0.66", 3389)[0] == "ask"
    )
    assert verdict(found([*scan("10.35.0.66", 30, over=600), before]), "10.35.0.66", 3389) == (
        "proposed",
        "proposed",
    )


@pytest.mark.parametrize(("first", "outcome"), [(START, "proposed"), (START + 3 * DAY, "ask")])
def test_a_service_that_a_host_scanned_for_is_asked_about(first: float, outcome: str) -> None:
    uses = Talk(
        source="10.35.0.66", destination="10.2.0.12", port=445, applications=("ssl",),
        first=first, days=10,
    )  # fmt: skip
    result = found([*scan("10.35.0.66", 11, over=9 * DAY), *scan("10.35.0.66", 30, over=600), uses])
    assert uses.source not in {"", WEB.source}
    held = [one for one in of(result, uses.source, 445) if one.part.ends.destination == "10.2.0.12"]
    assert outcome in {one.outcome for one in held}
    assert ("scanner" in {one.reason for one in held}) is (outcome == "ask")


def test_commands_of_working_days_are_asked_about() -> None:
    fortnight = replace(NEED, source="10.2.0.40", functions=(READ, WRITE))
    weekly = [replace(fortnight, days=5), replace(fortnight, days=5, first=START + 7 * DAY)]
    assert {one.reason for one in of(found([*weekly, SYSLOG]), "10.2.0.40", 502)} == {"command"}
    nightly = replace(fortnight, daily=1)
    assert {one.reason for one in of(found([nightly, SYSLOG]), "10.2.0.40", 502)} == {"command"}


def test_threat_records_speak_against_all_that_two_hosts_do() -> None:
    threat = replace(WEB, destination="10.2.0.40", port=445, threat="Something(1)", days=1, daily=1)
    steady = replace(WEB, destination="10.2.0.40")
    result = found([threat, steady])
    assert verdict(result, WEB.source, 443) == ("seen", "threat_peer")
    assert verdict(result, WEB.source, 445) == ("seen", "threat_record")
    assert verdict(found([steady]), WEB.source, 443) == ("proposed", "proposed")


# --- beacons -------------------------------------------------------------------------------------


def beacon(**more: object) -> Talk:
    return replace(WEB, jitter=3.0, daily=90, days=7, bytes=400, **more)  # type: ignore[arg-type] # fields


def test_a_beacon_is_regular_small_and_goes_to_a_host_nobody_declared() -> None:
    assert single(beacon()) == ("seen", "beacon")


def test_polls_are_as_regular_and_no_beacons() -> None:
    assert single(replace(NEED, jitter=0.0, daily=90))[0] == "proposed"
    assert single(beacon(destination="10.40.8.21"))[0] == "proposed"
    assert single(beacon(port=123, protocol="udp", applications=("ntp-base",)))[0] == "proposed"


def test_what_is_large_or_irregular_is_no_beacon() -> None:
    assert single(replace(beacon(), bytes=90_000))[0] == "proposed"
    assert single(replace(beacon(), jitter=400.0))[0] == "proposed"


def test_moments_are_kept_in_bounded_memory_and_that_is_told() -> None:
    evidence = Evidence(most_times=10)
    for one in WEB.observations():
        evidence.add(one)
    assert evidence.untimed
    assert not evidence.times


# --- NAT, leases, ports --------------------------------------------------------------------------


def test_the_host_behind_a_translation_is_proposed_and_its_mask_is_not() -> None:
    real = Talk(
        source="10.40.0.7", destination="10.40.250.1", inner="10.35.0.30", outer="10.35.0.2",
        port=443, applications=("ssl",),
    )  # fmt: skip
    inside = Talk(
        source="10.35.0.2", destination="10.35.0.30", port=443, witness=SENSOR,
        applications=("ssl",), verdict="unknown",
    )  # fmt: skip
    outside = replace(inside, source="10.2.0.40", destination="10.40.250.1")
    result = found([real, inside, outside])
    assert verdict(result, "10.40.0.7", 443) == ("proposed", "proposed")
    assert of(result, "10.35.0.2", 443)[0].outcome == "seen"
    assert verdict(result, "10.2.0.40", 443) == ("seen", "nat")


def leased(users: tuple[str, ...]) -> list[Talk]:
    """Return hosts that have another address every second day."""
    return [
        Talk(
            source=f"10.40.9.{100 + 7 * turn + 3 * number}",
            destination="10.35.0.30",
            port=443,
            applications=("ssl",),
            user=user,
            days=2,
            first=START + 2 * turn * DAY + 8 * HOUR,
        )
        for turn in range(7)
        for number, user in enumerate(users)
    ]


@pytest.mark.parametrize("users", [("ana", "ben"), ("", "")])
def test_addresses_that_are_leased_are_a_range(users: tuple[str, ...]) -> None:
    result = found([*leased(users), SYSLOG])
    (pool,) = result.pools
    assert (pool.first, pool.last) == ("10.40.9.100", "10.40.9.145")
    (proposal,) = [one for one in result.proposals if "ssl" in one.conduit.id]
    (flow,) = proposal.conduit.flows
    networks = [end.network for end in flow.sources if end.network is not None]
    assert len(networks) == len(flow.sources)
    assert sum(one.num_addresses for one in networks) == 46
    assert "plant/office" not in result.assets


def test_a_range_of_leases_may_be_given() -> None:
    one = replace(leased(("",))[0], days=3)
    assert not found([one, SYSLOG]).pools
    (pool,) = found([one, SYSLOG], leases=(("10.40.9.100", "10.40.9.180"),)).pools
    assert pool.why == "given"


def test_ports_that_move_are_not_listed_one_by_one() -> None:
    talks = [replace(NEED, port=50_000 + number, applications=("modbus",)) for number in range(12)]
    result = found(talks)
    assert {one.reason for one in result.judged} == {"moving_ports"}


def test_a_user_that_no_conduit_names_is_not_proposed_beside_it() -> None:
    declared = SITE.conduits[0]
    flow = replace(declared.flows[0], users=("plant\\operators",))
    site = replace(SITE, conduits=(replace(declared, flows=(flow,)),))
    talk = replace(NEED, source="10.2.0.1", user="plant\\ana")
    result = found([talk], site=site)
    assert [one.outcome for one in result.judged] == ["declared"]
