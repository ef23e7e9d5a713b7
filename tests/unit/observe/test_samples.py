"""Real records of devices and sensors, where they are at hand: what was counted there by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from segctl.observe.functions import function_of
from support.records import NOW, SAMPLES, groups, look

if TYPE_CHECKING:
    from pathlib import Path

    from segctl.observe.observation import Group
    from segctl.observe.reading import Reading

OBSERVED = SAMPLES / "observe-samples"
PANOS = SAMPLES / "panos-samples"
#: Baselines of test suites have no times; any will do.
STAMP = "1793606400.000000"


def sample(path: str, top: Path = OBSERVED) -> Path:
    """A sample, or a skip where it is not at hand."""
    found = top / path
    if not found.exists():
        pytest.skip(f"no sample {path} beside the checkout")
    return found


def with_times(folder: Path, target: Path) -> Path:
    """Return a copy of a folder of baselines with times in the place of those that are masked."""
    for path in folder.glob("*.log"):
        text = path.read_text().replace("XXXXXXXXXX.XXXXXX", STAMP)
        (target / path.name).write_text(text)
    return target


def classes(reading: Reading) -> set[str]:
    """The access classes of all functions that were seen, "" for open ones."""
    return {one.access_class for group, _ in groups(reading) for one in group.functions}


def named(reading: Reading) -> set[str]:
    return {one.name for group, _ in groups(reading) for one in group.functions}


def test_syslog_lines_of_many_releases() -> None:
    reading = look(sample("sekoia/panos_csv.log"), sample("sc4s/panos_syslog.log"))
    traffic = [group for group, _ in groups(reading) if not group.threat]
    threats = [group for group, _ in groups(reading) if group.threat]
    assert len(traffic) == 6
    assert len(threats) == 3
    refused = {one.why for file in reading.coverage.files for one in file.refusals}
    assert refused == {
        "the time of a record is not one",  # a date that whoever masked the line wrote
        "it is not a record of PAN-OS in its default format",
    }
    uuids = {group.rule_uuid for group in traffic}
    assert "5e7eca5b-f585-4633-bbd4-9ed431f7f95b" in uuids


def test_a_small_firewall_with_nat() -> None:
    reading = look(sample("panos-csv/elastic_pa220_81_excerpt.log"))
    by_application = {group.applications: (group, count) for group, count in groups(reading)}
    ping, count = by_application["ping",]
    assert (count.sessions, ping.outer) == (6, "192.168.1.63")
    assert reading.coverage.witnesses[0].versions == ("8.1",)


def test_answers_of_the_api() -> None:
    logs = look(sample("cimpress-6.x/traffic_logs.xml", PANOS))
    assert (logs.coverage.records, logs.coverage.refused) == (2, 0)
    assert logs.coverage.files[0].cut == "it says that it has 20 records, and has 2"
    none = look(sample("cimpress-6.x/blank_traffic_logs.xml", PANOS))
    assert (none.coverage.records, none.coverage.files[0].problem) == (0, "")
    sessions = look(sample("upgrade-assurance/030_get_sessions.xml", PANOS))
    ((ping, count),) = groups(sessions)
    assert (ping.applications, ping.rule, count.bytes) == (("ping",), "aqll", 196)


def test_a_day_of_an_internet_host() -> None:
    reading = look(sample("zeek/rita-missing_host"))
    assert len(reading.coverage.files) == 24
    assert reading.coverage.records == 39073
    states: dict[str, int] = {}
    for group, count in groups(reading):
        states[group.reason] = states.get(group.reason, 0) + count.sessions
    assert (states["REJ"], states["OTH"], states["SF"]) == (18603, 10749, 8435)
    attempts = sum(count.sessions for group, count in groups(reading) if group.completed == "no")
    assert attempts >= 18603 + 532


def test_old_and_pretty_zeek_logs() -> None:
    old = look(sample("zeek/zat/conn.log"))
    assert (old.coverage.records, old.coverage.refused) == (360, 0)
    pretty = look(sample("zeek/tenzir/conn.log"))
    assert pretty.coverage.records == 1
    lines = look(sample("zeek/zat-json/conn.log"))
    assert (lines.coverage.records, lines.coverage.refused) == (50, 0)


def test_modbus_of_icsnpp(tmp_path: Path) -> None:
    reading = look(with_times(sample("icsnpp/modbus/analyzer.basic"), tmp_path))
    assert {"READ_COILS", "WRITE_MULTIPLE_REGISTERS", "MASK_WRITE_REGISTER"} <= named(reading)
    assert {"read", "write"} <= classes(reading)
    functions = [one for group, _ in groups(reading) for one in group.functions]
    assert all(one == function_of(one.protocol, one.name) for one in functions)
    joined = [group for group, _ in groups(reading) if group.functions and group.completed == "yes"]
    assert joined  # with the connection that they belong to


def test_dnp3_of_zeek_and_icsnpp(tmp_path: Path) -> None:
    reading = look(with_times(sample("icsnpp/dnp3/analyzer.basic"), tmp_path))
    assert {"SELECT", "OPERATE"} <= named(reading)
    assert "RESPONSE" not in named(reading)
    assert "control" in classes(reading)


def test_s7_of_icsnpp(tmp_path: Path) -> None:
    reading = look(with_times(sample("icsnpp/s7comm/analyzer.snap7"), tmp_path))
    assert {"Read Variable", "Write Variable", "PLC Stop", "Start Upload"} <= named(reading)
    assert {"read", "write", "program", "diagnostic", "session"} <= classes(reading)
    plus = look(with_times(sample("icsnpp/s7comm/analyzer.s7comm_plus"), tmp_path))
    assert {"Set Variable", "Get Multi Variables"} <= named(plus)


def test_bacnet_of_icsnpp(tmp_path: Path) -> None:
    reading = look(with_times(sample("icsnpp/bacnet/analyzer.services"), tmp_path))
    assert {"device_communication_control"} <= named(reading)
    assert "program" in classes(reading)
    other = tmp_path / "other"
    other.mkdir()
    basic = look(with_times(sample("icsnpp/bacnet/analyzer.basic"), other))
    assert "read_property" in named(basic)
    assert {group.flow.protocol for group, _ in groups(basic)} == {"udp"}


def test_baselines_of_zeek(tmp_path: Path) -> None:
    for number, folder in enumerate(sorted(sample("zeek/baseline").iterdir())):
        target = tmp_path / str(number)
        target.mkdir()
        reading = look(with_times(folder, target))
        assert reading.coverage.refused == 0, folder.name
        for group, _ in groups(reading):
            for one in group.functions:
                assert one == function_of(one.protocol, one.name)


def test_suricata_events() -> None:
    flows = look(sample("suricata/tenzir_flow.json"))
    assert (flows.coverage.records, flows.coverage.refused) == (10, 0)
    alerts = look(sample("suricata/wrccdc-2017_alerts-only.json"))
    assert alerts.coverage.records == 161
    assert all(group.threat for group, _ in groups(alerts))


@pytest.mark.parametrize("name", ["modbus_example", "dnp3_example", "snap7", "enip_cip_example"])
def test_nfdump_says_the_same_as_csv_and_json(name: str) -> None:
    def flows(suffix: str) -> dict[Group, tuple[int, int]]:
        reading = look(sample(f"nfdump/{name}.{suffix}"))
        return {group: (count.sessions, count.bytes) for group, count in groups(reading)}

    assert flows("csv") == flows("json")
    aggregated = look(sample(f"nfdump/{name}.agg_csv"))
    assert (aggregated.coverage.records, aggregated.coverage.refused > 0) == (0, True)


def test_linux_gateways_say_the_same_in_every_form() -> None:
    names = [
        "conntrack_L_extended.txt",
        "conntrack_L_extended_id_timestamp.txt",
        "conntrack_L_plain.txt",
        "conntrack_L_xml.txt",
        "conntrack_D.txt",
        "proc_net_nf_conntrack.txt",
    ]
    said = [
        [
            (group, count.sessions, count.bytes)
            for group, count in groups(look(sample(f"linux/{one}")))
        ]
        for one in names
    ]
    assert all(one == said[0] for one in said)
    assert sum(sessions for _, sessions, _ in said[0]) == 3
    kernel, json = (
        look(sample(f"linux/ulogd2_nflog{suffix}"), now=NOW + 30 * 86400)
        for suffix in ("_logemu.log", ".json")
    )
    told = [
        sorted(
            (group.flow, group.verdict, group.rule, count.sessions) for group, count in groups(one)
        )
        for one in (kernel, json)
    ]
    assert told[0] == told[1]
    assert {verdict for _, verdict, _, _ in told[0]} == {"allow", "deny"}
