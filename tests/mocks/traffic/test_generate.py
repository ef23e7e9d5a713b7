"""Made traffic: the same bytes each time, bounded memory, and a truth that its logs bear out."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import os
import subprocess
import sys
import tracemalloc
from collections import Counter
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from segctl_mocks.traffic.generate import FORMS, generate
from segctl_mocks.traffic.plants import plant
from segctl_mocks.traffic.reading import read
from traffic_support import SMALL, window

if TYPE_CHECKING:
    from pathlib import Path

    from traffic_support import Made

LOCAL = timezone(timedelta(hours=1))


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def traffic_rows(made: Made, witness: str) -> list[list[str]]:
    """Return the rows of a firewall's syslog, without its headers."""
    lines = made.text(f"{witness}/traffic.log").splitlines()
    return list(csv.reader(line[line.index(" 1,20") + 1 :] for line in lines))


@pytest.mark.parametrize("compress", [False, True])
def test_the_same_seed_makes_the_same_bytes(tmp_path: Path, *, compress: bool) -> None:
    found: list[dict[str, str]] = []
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        days = window(1, seed=seed, busy=0.3)
        generate(plant("waterworks"), days, tmp_path / name, compress=compress)
        found.append(digests(tmp_path / name))
    assert found[0] == found[1]
    assert len(found[0].keys() & found[2].keys()) > 20
    same = {name for name, _ in found[0].items() & found[2].items()}
    assert same == {"core-fw/running-config.xml", "edge-fw/running-config.xml"}  # no traffic


def test_the_bytes_do_not_depend_on_how_python_hashes(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from segctl_mocks.traffic.generate import generate;"
        "from segctl_mocks.traffic.plants import plant;"
        "from segctl_mocks.traffic.sessions import Window;"
        "generate(plant('waterworks'), Window(seed=1, start=1793574000, days=1, busy=0.2),"
        "Path(sys.argv[1]))"
    )
    for number in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": number}
        command = [sys.executable, "-c", code, str(tmp_path / number)]
        subprocess.run(command, check=True, env=environment)
    assert digests(tmp_path / "1") == digests(tmp_path / "2")


def test_a_form_is_the_same_whatever_else_is_made(tmp_path: Path, made: Made) -> None:
    generate(plant("waterworks"), window(7, busy=0.4), tmp_path, forms=["panos-syslog"])
    assert {path.name for path in tmp_path.rglob("*.*")} == {
        "traffic.log",
        "threat.log",
        "truth.json",
    }
    for name in ("edge-fw/traffic.log", "core-fw/traffic.log", "core-fw/threat.log"):
        assert (tmp_path / name).read_bytes() == (made.folder / name).read_bytes()


def test_compressed_files_hold_the_same(tmp_path: Path) -> None:
    for name, compress in (("plain", False), ("packed", True)):
        days = window(1, busy=0.3)
        generate(plant("waterworks"), days, tmp_path / name, compress=compress)
    plain = tmp_path / "plain/core-fw/traffic.log"
    assert (
        gzip.decompress((tmp_path / "packed/core-fw/traffic.log.gz").read_bytes())
        == plain.read_bytes()
    )
    assert (tmp_path / "packed/traffic.jsonl").exists()  # the mock seeks in it


def test_memory_does_not_grow_with_the_days(tmp_path: Path) -> None:
    peaks: list[int] = []
    for days in (1, 6):
        tracemalloc.start()
        folder = tmp_path / str(days)
        generate(plant("waterworks"), window(days, busy=0.4), folder, forms=["panos-syslog"])
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 2 * peaks[0]
    assert peaks[1] < 30 * 2**20


def test_an_unknown_form_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no form odd; there are panos-syslog"):
        generate(plant("waterworks"), window(1), tmp_path, forms=["odd"])


def test_every_form_is_written(made: Made) -> None:
    names = {path.name for path in made.folder.rglob("*") if path.is_file()}
    assert names >= {
        "traffic.log",
        "threat.log",
        "export.csv",
        "traffic.jsonl",
        "running-config.xml",
        "conntrack.log",
        "conntrack-list.txt",
        "kernel.log",
        "ulogd-nflog.json",
        "ulogd-nfct.json",
        "conn.log",
        "modbus.log",
        "s7comm.log",
        "cip.log",
        "dnp3.log",
        "bacnet.log",
        "dhcp.log",
        "eve.json",
        "nfdump.csv",
        "nfdump.json",
    }
    assert len(FORMS) == 12
    for name, count in made.lines.items():
        if not name.endswith((".csv", ".json", ".log")):
            continue
        body = [line for line in made.text(name).splitlines() if not line.startswith("#")]
        if name.endswith(".log"):
            assert len(body) == count


def test_the_log_of_a_firewall_bears_out_the_truth(made: Made) -> None:
    """Each session that edge-fw logs is in the truth, and the other way round."""
    seen = {row[39]: row for row in traffic_rows(made, "edge-fw")}
    ended = Counter(
        (row[7], row[8], int(row[25])) for row in seen.values() if row[4] in {"end", "drop", "deny"}
    )
    wanted: Counter[tuple[str, str, int]] = Counter()
    for one in made.truth["conversations"]:
        if "edge-fw" in one["witnesses"] and one["kind"] not in {"scan", "long", "translated"}:
            for pair in one["pairs"]:
                wanted[pair["source"], pair["destination"], pair["port"]] += pair["sessions"]
    assert wanted
    missing = {pair: (count, ended[pair]) for pair, count in wanted.items() if ended[pair] != count}
    # what goes on when the window ends is in no log
    assert all(0 < wanted - found <= 1 for wanted, found in missing.values()), missing


def test_duplicates_are_alike_and_counted(made: Made) -> None:
    rows = traffic_rows(made, "edge-fw")
    witness = made.witness("edge-fw")
    assert len(rows) - len({row[39] for row in rows}) == witness["arrived_twice"] > 0
    by_number: dict[str, list[str]] = {}
    for row in rows:
        assert by_number.setdefault(row[39], row) == row


def test_a_gap_holds_no_record(made: Made) -> None:
    witness = made.witness("core-fw")
    ((first, last),) = witness["gaps"]
    assert witness["lost_in_gaps"] > 0
    ahead = witness["clock_ahead"]
    assert ahead == 37
    times = [
        datetime.strptime(row[6], "%Y/%m/%d %H:%M:%S").replace(tzinfo=LOCAL).timestamp() - ahead
        for row in traffic_rows(made, "core-fw")
    ]
    assert not [time for time in times if first <= time < last - 1]
    assert [time for time in times if time < first]
    assert [time for time in times if time >= last]


def test_clocks_differ_by_what_the_truth_says(made: Made) -> None:
    """One session, seen by two witnesses: their stamps differ as their clocks do."""
    rows = {
        (row[7], row[8], row[24]): row[35]
        for row in traffic_rows(made, "core-fw")
        if row[25] == "502"
    }
    differences: list[int] = []
    for line in made.text("tap-control/zeek/conn.log").splitlines():
        cells = line.split("\t")
        key = (cells[2], cells[4], cells[3]) if len(cells) > 5 else ("", "", "")
        if key in rows:
            stamp = datetime.strptime(rows[key], "%Y/%m/%d %H:%M:%S").replace(tzinfo=LOCAL)
            differences.append(round(stamp.timestamp() - int(float(cells[0]) // 1)))
    # 37 ahead and 4 behind, each cut to the second; few ports are used twice in a week
    assert len(differences) > 300
    assert sum(40 <= one <= 42 for one in differences) > 0.95 * len(differences)


def test_a_long_session_is_in_the_table_and_in_no_log(made: Made) -> None:
    assert made.conversation("replicate")["sessions"] == 1
    assert ",osisoft-pi," not in made.text("core-fw/traffic.log")
    entries = [json.loads(line) for line in made.text("traffic.jsonl").splitlines()]
    (one,) = [each for each in entries if each.get("application") == "osisoft-pi"]
    assert one["kind"] == "session"
    assert one["security-rule"] == "plant-to-dmz"


def test_what_is_silent_is_silent(made: Made) -> None:
    one = made.conversation("vendor-comes")
    assert (one["sessions"], one["pairs"], one["declared"]) == (0, [], True)


def test_addresses_of_leases_change_and_are_told(made: Made) -> None:
    held = made.truth["hosts"]["office-ana"]["addresses"]
    assert len({one["address"] for one in held}) == len(held) == 4
    sources = {pair["source"] for pair in made.conversation("old-web-page")["pairs"]}
    assert len(sources) > 2
    given = {
        one["address"]
        for host in made.truth["hosts"].values()
        for one in host["addresses"]
        if host["zone"] == "enterprise"
    }
    assert sources <= given
    leased = [json.loads(line) for line in made.text("tap-office/zeek-json/dhcp.log").splitlines()]
    told = {(row["host_name"], row["assigned_addr"]) for row in leased}
    assert told == {
        (name, one["address"])
        for name, host in made.truth["hosts"].items()
        for one in host["addresses"]
        if name.startswith("office-")
    }


def test_two_hosts_never_hold_one_address(made: Made) -> None:
    spans = [
        (one["address"], one["from"], one["to"])
        for host in made.truth["hosts"].values()
        for one in host["addresses"]
    ]
    for at, (address, since, until) in enumerate(spans):
        for other, start, end in spans[at + 1 :]:
            assert address != other or end <= since or until <= start


def test_what_a_rule_denies_goes_no_further(made: Made) -> None:
    """The jump host's scan of the SCADA zone passes; the office's beacon leaves by one firewall."""
    scan = made.conversation("jump-host-scan")
    assert set(scan["witnesses"]) == {"core-fw", "flows-dmz", "tap-control"}
    assert set(scan["witnesses"].values()) == {scan["sessions"]}
    beacon = made.conversation("beacon")
    assert set(beacon["witnesses"]) == {"edge-fw", "flows-dmz", "tap-office"}


def test_a_translated_session_is_told_before_and_after(made: Made) -> None:
    rows = [row for row in traffic_rows(made, "edge-fw") if row[7] == "10.40.200.7"]
    assert rows
    assert {tuple(row[8:11]) for row in rows} == {("10.40.0.250", "10.20.35.2", "10.20.35.10")}
    flows = made.text("flows-dmz/nfdump.csv")
    assert "10.20.35.2,10.20.35.10" in flows
    assert "10.40.200.7" not in flows


def test_every_kind_says_what_to_expect(made: Made) -> None:
    kinds = {one["kind"]: one["expected"] for one in made.truth["conversations"]}
    assert kinds["undeclared"] == "propose"
    assert kinds["scan"] == "list: a scan"
    assert all(
        one["legitimate"] or one["expected"].startswith("list")
        for one in made.truth["conversations"]
    )


def test_working_hours_are_kept(made: Made) -> None:
    one = made.conversation("business-reports")
    assert one["sessions"] > 10
    for row in traffic_rows(made, "edge-fw"):
        if row[11] == "office-to-dmz" and row[25] == "443" and row[7].startswith("10.40.9."):
            start = datetime.strptime(row[35], "%Y/%m/%d %H:%M:%S").replace(tzinfo=LOCAL)
            assert start.weekday() < 5
            assert 7.5 <= start.hour + start.minute / 60 < 17


def test_a_plant_of_ones_own_is_made(tmp_path: Path) -> None:
    lines = generate(read(SMALL), window(2), tmp_path, forms=["panos-syslog"])
    assert 45 <= lines["fw/traffic.log"] <= 49
    truth = json.loads((tmp_path / "truth.json").read_text("utf-8"))
    assert truth["conversations"][0]["access"] == ["read"]
