"""Who records speak against, and which of them count."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import date
from typing import TYPE_CHECKING

import pytest

from cli_support import write_plant
from segctl.inventory import load
from segctl.observe.places import Places
from segctl.observe.reading import ReadOptions, read
from segctl.observe.standing import Standings
from segctl.observe.suspects import Sightings, suspects
from support.alarms import alarm, alert, notice, tries

if TYPE_CHECKING:
    from pathlib import Path

    from segctl.observe.suspects import Suspect

NOW = time.time()
CHILD = "10.20.2.77"  # an address of the supervisory zone that is no asset


def judged(folder: Path, *texts: str) -> tuple[Suspect, ...]:
    """Return the suspects by records of the last hour, one file for each text."""
    write_plant(folder)
    site = load([folder / "hosts.yml"], today=date(2026, 11, 30)).site
    for number, text in enumerate(texts):
        (folder / f"{number}.log").write_text(text)
    files = [str(folder / f"{number}.log") for number in range(len(texts))]
    with closing(Sightings(NOW)) as sightings:
        reading = read(files, ReadOptions(now=NOW, since=NOW - 3600), groups=sightings)
        assert not reading.coverage.refused
        called = reading.coverage.called([one.name for one in site.devices])
        places = Places(site, called)
        standings = Standings(site, places, date(2026, 11, 30))
        return suspects(sightings, standings, places, reading.coverage)


@pytest.mark.parametrize(
    ("direction", "attacker"),
    [("client-to-server", "10.20.2.5"), ("server-to-client", "10.20.1.11")],
)
def test_who_attacks_is_said_by_the_direction(
    tmp_path: Path, direction: str, attacker: str
) -> None:
    (one,) = judged(tmp_path, alarm(NOW - 60, direction=direction))
    assert (one.address, one.sign, one.doubts) == (attacker, "critical-threat", ())
    assert (one.zone, one.asset) == {
        "10.20.2.5": ("plant/supervisory", "scada1"),
        "10.20.1.11": ("plant/control", "plc1"),
    }[attacker]


def test_behind_a_translation_the_attacker_is_who_has_the_address(tmp_path: Path) -> None:
    said = alarm(NOW - 60, direction="server-to-client", dst="192.0.2.9", natdst="10.20.1.11")
    (one,) = judged(tmp_path, said)
    assert (one.address, one.doubts) == ("10.20.1.11", ())


def test_without_a_direction_nobody_attacks_for_certain(tmp_path: Path) -> None:
    (one,) = judged(tmp_path, alarm(NOW - 60, direction=""))
    assert one.doubts == ("the record does not say which side attacks",)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"src": "192.0.2.1"}, "in no zone's networks"),
        ({"enter": "CTRL"}, "may be forged"),
        ({"enter": "elsewhere"}, "may be forged"),
        ({"host": "", "serial": "STRANGER1"}, "is not a firewall of the inventory"),
    ],
)
def test_what_may_be_forged_is_doubted(tmp_path: Path, said: dict[str, str], why: str) -> None:
    (one,) = judged(tmp_path, alarm(NOW - 60, **said))
    assert why in one.doubts[0]


def test_one_record_that_is_sound_is_enough(tmp_path: Path) -> None:
    (one,) = judged(tmp_path, alarm(NOW - 60, enter="CTRL") + alarm(NOW - 50))
    assert (one.doubts, one.records) == ((), 1)


def test_records_that_are_old_from_the_future_or_repeated_do_not_count(tmp_path: Path) -> None:
    old, future = alarm(NOW - 7200), alarm(NOW + 600, src="10.20.2.6")
    assert judged(tmp_path, old + future) == ()
    same = alarm(NOW - 60, seqno="4711", src="10.20.2.8")
    (one,) = judged(tmp_path, same + same, same)
    assert one.records == 1


def test_a_witness_whose_clock_is_ahead_is_doubted(tmp_path: Path) -> None:
    (one,) = judged(tmp_path, alarm(NOW - 60) + alarm(NOW + 1800, src="10.20.2.6"))
    assert "clock" in one.doubts[0]


def test_kinds_are_told_apart(tmp_path: Path) -> None:
    spoken = alarm(NOW - 60, severity="high", category="command-and-control")
    scan = alarm(NOW - 50, severity="low", subtype="scan", category="any", src=CHILD)
    other = alarm(NOW - 40, severity="high", src="10.20.2.9")
    found = judged(tmp_path, spoken + scan + other)
    assert {(one.sign, one.address) for one in found} == {
        ("command-and-control", "10.20.2.5"),
        ("scan", CHILD),
    }
    both = judged(tmp_path, alarm(NOW - 60, category="command-and-control"))
    assert [one.sign for one in both] == ["critical-threat", "command-and-control"]


def test_a_scan_is_seen_in_records_of_traffic(tmp_path: Path) -> None:
    (one,) = judged(tmp_path, tries(NOW - 600, CHILD))
    assert (one.sign, one.address, one.doubts, one.unproven) == ("scan", CHILD, (), "")
    assert one.what == "tries 20 targets on 20 hosts"
    assert judged(tmp_path, tries(NOW - 600, CHILD, many=5)) == ()


def test_forged_tries_make_no_scan_of_a_few_true_ones(tmp_path: Path) -> None:
    few = tries(NOW - 600, CHILD, many=3)
    assert judged(tmp_path, few + tries(NOW - 500, CHILD, enter="CTRL")) == ()


@pytest.mark.parametrize("name", ["segctl.contained-source", "segctl.contained-source_fw1-d21f"])
def test_what_our_own_rules_cut_is_no_scan(tmp_path: Path, name: str) -> None:
    cut = tries(NOW - 600, CHILD, rule=name, action="drop")
    assert judged(tmp_path, cut) == ()


def test_alerts_of_a_sensor_count_by_what_they_prove(tmp_path: Path) -> None:
    (one,) = judged(tmp_path, alert(NOW - 60))
    assert (one.address, one.sign, one.unproven) == ("10.20.2.5", "critical-threat", "")
    silent = {"pkts_toserver": 1, "pkts_toclient": 0}
    (one,) = judged(tmp_path, alert(NOW - 60, flow=silent))
    assert "does not say from which zone" in one.unproven
    (one,) = judged(tmp_path, alert(NOW - 60, direction=None))
    assert one.doubts == ("the record does not say which side attacks",)


def test_the_target_of_a_rule_says_who_attacks(tmp_path: Path) -> None:
    told = {
        "signature": "x", "severity": 1, "category": "y",
        "metadata": {"signature_severity": ["Critical"]},
        "source": {"ip": "10.20.1.11", "port": 502}, "target": {"ip": "10.20.2.5", "port": 40001},
    }  # fmt: skip
    (one,) = judged(tmp_path, alert(NOW - 60, alert=told))
    assert one.address == "10.20.1.11"


def test_notices_of_scans_are_looked_at_by_a_person(tmp_path: Path) -> None:
    (one,) = judged(tmp_path, notice(NOW - 60, CHILD) + notice(NOW - 50, CHILD, "SSL::Expired"))
    assert (one.sign, one.address, one.doubts) == ("scan", CHILD, ())
    assert "does not say from which zone" in one.unproven
