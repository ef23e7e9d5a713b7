"""Each form is what the device writes: columns, headers and keys of genuine records."""

from __future__ import annotations

import csv
import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from segctl_mocks.traffic.forms.panos import WIDTHS, names
from segctl_mocks.traffic.forms.zeek import LOGS
from segctl_mocks.traffic.generate import generate
from segctl_mocks.traffic.protocols import PROTOCOLS
from segctl_mocks.traffic.reading import read
from traffic_support import SMALL, window

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from traffic_support import Made

#: A line of a PAN-OS log behind whatever header: its release and the line itself.
_LINE = re.compile(r"(?:^|[ >])(1,[^,]*,[0-9A-Za-z]+,(TRAFFIC|THREAT),.*)$")
#: Column 6 of genuine lines by our release; releases before 8.1 write 1.
_NUMBERS = {
    "6.0": {"1"},
    "8.1": {"2049"},
    "9.1": {"2304", "2305"},
    "10.2": {"2560", "2561", "2562"},
    "11.1": {"2816", "2817"},
}


def genuine(samples: Path, kind: str) -> Iterator[list[str]]:
    """Yield the fields of every genuine line of a log that was not cut or mangled."""
    for name in (
        "sekoia/panos_csv.log",
        "sc4s/panos_syslog.log",
        "panos-csv/elastic_pa220_81_excerpt.log",
        "panos-csv/curtin_101_excerpt.log",
    ):
        for line in (samples / name).read_text("utf-8", "replace").splitlines():
            found = _LINE.search(line.replace('\\"', '"'))
            if found and found[2] == kind:
                yield next(csv.reader([found[1]]))


@pytest.mark.parametrize("release", WIDTHS)
@pytest.mark.parametrize(("kind", "at"), [("TRAFFIC", 0), ("THREAT", 1)])
def test_lines_are_as_wide_as_genuine_ones(samples: Path, release: str, kind: str, at: int) -> None:
    widths = {
        len(row)
        for row in genuine(samples, kind)
        if row[5] in _NUMBERS[release] and row[1][:4].isdigit()
    }
    if not widths:
        pytest.skip(f"no genuine line of {kind} of {release}")
    assert WIDTHS[release][at] in widths


def test_fields_are_where_genuine_lines_have_them(samples: Path) -> None:
    order = json.loads((samples / "panos-csv/field_order.json").read_text("utf-8"))
    theirs = {"future_use1": "domain", "time_logged": "time_received", "future_use4": "padding"}
    theirs |= {"future_use5": "cpadding"}
    assert list(names("traffic")) == [theirs.get(name, name) for name in order["TRAFFIC"]]
    other = {"future_use4": "cpadding", "future_use5": "file_url", "future_use6": "sig_flags"}
    wanted = [(theirs | other).get(name, name) for name in order["THREAT"][:121]]
    assert list(names("threat")[:121]) == wanted
    assert set(names("threat")[121:]) == {"flow_type", "cluster_name"}


def test_the_header_of_the_export_is_the_genuine_one(samples: Path, made: Made) -> None:
    header = (samples / "panos-csv/ui_export_header_6x.csv").read_text("utf-8").strip()
    assert made.text("edge-fw/export.csv").startswith(f"{header},session_end_reason,")


@pytest.mark.parametrize("release", WIDTHS)
def test_every_release_writes_its_columns(tmp_path: Path, release: str) -> None:
    threat = 'threat: "Odd, \\"quoted\\"(4)"'
    text = SMALL.replace("fw:", f'fw:\n    release: "{release}"').replace(
        "every: 1h", f"every: 1h, {threat}"
    )
    generate(read(text), window(1), tmp_path, forms=["panos-syslog", "panos-export"])
    for name, log, width in zip(
        ("traffic.log", "threat.log"), ("traffic", "threat"), WIDTHS[release], strict=True
    ):
        lines = (tmp_path / "fw" / name).read_text("utf-8").splitlines()
        rows = list(csv.reader(line[line.index(" 1,20") + 1 :] for line in lines))
        assert rows
        assert {len(row) for row in rows} == {width}
        row = dict(zip(names(log), rows[0], strict=False))
        assert (row["app"], row["dport"], row["proto"]) == ("modbus-read-coils", "502", "tcp")
        assert (row["src"][:7], row["dst"], row["rule"]) == ("10.1.0.", "10.2.0.5", "all")
        assert row["config_ver"] in _NUMBERS[release]
        assert row.get("threatid", 'Odd, "quoted"(4)') == 'Odd, "quoted"(4)'
    head, *rows = csv.reader((tmp_path / "fw/export.csv").read_text("utf-8").splitlines())
    assert len(head) == WIDTHS[release][0]
    assert {len(row) for row in rows} == {len(head)}


@pytest.mark.parametrize(
    ("header", "pattern"),
    [
        ("none", r"1,2026/"),
        ("bsd", r"<14>Nov  2 \d\d:\d\d:\d\d fw 1,2026/"),
        ("ietf", r"<14>1 2026-11-0[12]T\S+Z fw - - - - 1,2026/"),
        ("relay", r"<13>Nov  2 \S+ relay1 Nov  2 \S+ fw 1,2026/"),
    ],
)
def test_every_header_of_syslog(tmp_path: Path, header: str, pattern: str) -> None:
    text = SMALL.replace("fw:", f"fw:\n    header: {header}")
    generate(read(text), window(1), tmp_path, forms=["panos-syslog"])
    for line in (tmp_path / "fw/traffic.log").read_text("utf-8").splitlines():
        assert re.match(pattern, line), line


def header_of(path: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in path.read_text("utf-8").splitlines():
        key, _, rest = line.partition("\t")
        if key in {"#fields", "#types"}:
            found[key] = rest.split("\t")
    return found


@pytest.mark.parametrize("name", sorted(LOGS))
def test_zeek_has_the_fields_of_genuine_logs(samples: Path, made: Made, name: str) -> None:
    fields = [field for field, _ in LOGS[name]]
    kinds = [kind for _, kind in LOGS[name]]
    found = [header_of(path) for path in samples.glob(f"**/{name}.log") if path.is_file()]
    known = [one for one in found if one]
    if name == "dhcp":  # the samples have the log of old releases, and the new one as JSON
        rows = (samples / "zeek/zat-json/dhcp.log").read_text("utf-8").splitlines()
        assert {key for row in rows for key in json.loads(row)} <= {*fields}
    elif not known:  # cut by zeek-cut: only the number of columns is left
        listed = json.loads((samples / "icsnpp/FIELDS_from_malcolm.json").read_text("utf-8"))
        assert fields == listed[name]
    else:
        newest = max(known, key=lambda one: len(one["#fields"]))
        assert (fields, kinds) == (newest["#fields"], newest["#types"])
    ours = list(made.folder.glob(f"tap-*/zeek/{name}.log"))
    assert ours
    for path in ours:
        assert header_of(path) == {"#fields": fields, "#types": kinds}


def test_zeeks_tables_have_as_many_cells_as_fields(made: Made) -> None:
    for path in (made.folder / "tap-control/zeek").glob("*.log"):
        lines = path.read_text("utf-8").splitlines()
        assert lines[0] == "#separator \\x09"
        assert lines[-1].startswith("#close\t")
        width = len(LOGS[path.stem])
        assert {line.count("\t") + 1 for line in lines if line[0] != "#"} == {width}


def test_zeeks_two_forms_say_the_same(made: Made) -> None:
    for path in (made.folder / "tap-control/zeek").glob("*.log"):
        rows = [
            line.split("\t")
            for line in path.read_text("utf-8").splitlines()
            if not line.startswith("#")
        ]
        objects = made.text(f"tap-control/zeek-json/{path.name}").splitlines()
        assert len(rows) == len(objects)
        for row, text in zip(rows[:200], objects[:200], strict=True):
            named = json.loads(text)
            for (field, _), cell in zip(LOGS[path.stem], row, strict=True):
                assert (cell == "-") == (field not in named)
            assert (named["uid"], named["id.resp_h"]) == (row[1], row[4])


def test_what_is_said_joins_with_its_connection(made: Made) -> None:
    """Functions are under the uid of their connection, a request before its reply."""
    conns = {
        line.split("\t")[1]: line.split("\t")
        for line in made.text("tap-control/zeek/conn.log").splitlines()
        if not line.startswith("#")
    }
    rows = [line.split("\t") for line in made.text("tap-control/zeek/modbus.log").splitlines()]
    said = [row for row in rows if row[0][0] != "#" and row[1] in conns]
    assert len(said) > 500
    for row in said:
        assert conns[row[1]][2:6] == row[2:6]
        assert conns[row[1]][7] == "modbus"
        assert row[9] in {"REQ", "RESP"}
    by_client = {row[2]: set[str]() for row in said}
    for row in said:
        by_client[row[2]].add(row[8])
    assert by_client["10.20.2.20"] >= {"READ_INPUT_REGISTERS", "WRITE_SINGLE_REGISTER"}
    assert by_client["10.20.1.31"] == {"READ_HOLDING_REGISTERS"}


def test_the_words_of_zeek_are_genuine(samples: Path) -> None:
    """Functions that the samples know are written as there."""
    modbus = (samples / "icsnpp/modbus/analyzer.basic/modbus_detailed.log").read_text("utf-8")
    for function in PROTOCOLS["modbus"].functions.values():
        assert f"\t{function.zeek}\t" in modbus
    bacnet = "".join(path.read_text("utf-8") for path in samples.glob("icsnpp/bacnet/*/bacnet.log"))
    for function in PROTOCOLS["bacnet"].functions.values():
        assert f"\t{function.zeek}\t" in bacnet
    s7comm = "".join(path.read_text("utf-8") for path in samples.glob("icsnpp/s7comm/*/s7comm.log"))
    for words in ("\t1\tJob-Request\t", "\t3\tACK-Data\t", "\t0x04\tRead Variable\t"):
        assert words in s7comm
    dnp3 = "".join(path.read_text("utf-8") for path in samples.glob("**/dnp3.log"))
    for function in PROTOCOLS["dnp3"].functions.values():
        if function.name not in {"direct-operate", "cold-restart"}:  # in no sample
            assert f"\t{function.zeek}\t" in dnp3


def events(text: str) -> list[dict[str, Any]]:
    """Read objects that are pretty-printed one after the other."""
    reader, at = json.JSONDecoder(), 0
    found: list[dict[str, Any]] = []
    while at < len(text.rstrip()):
        value, at = reader.raw_decode(text, at)
        found.append(value)
        at += len(text[at:]) - len(text[at:].lstrip())
    return found


def test_suricata_has_the_keys_of_genuine_events(samples: Path, made: Made) -> None:
    ours = [json.loads(line) for line in made.text("tap-control/eve.json").splitlines()]
    theirs = events((samples / "suricata/tenzir_flow.json").read_text("utf-8"))
    flows = [event for event in ours if event["event_type"] == "flow"]
    known = {key for event in theirs for key in event} | {"icmp_type", "icmp_code"}
    assert {key for event in flows for key in event} <= known
    for part in ("flow", "tcp"):
        known = {key for event in theirs for key in event.get(part, ())}
        known |= {"fin", "rst", "psh", "ack"} if part == "tcp" else set()  # its other flags
        assert {key for event in flows for key in event.get(part, ())} <= known
    states = {event["flow"]["state"] for event in flows}
    assert states == {"new", "established", "closed"}
    kinds = {event["event_type"] for event in ours}
    assert kinds >= {"flow", "modbus", "enip"}
    by_flow = {event["flow_id"] for event in flows}
    said = [event["flow_id"] in by_flow for event in ours if event["event_type"] == "modbus"]
    assert sum(said) > 0.95 * len(said)


def test_nfdumps_csv_is_the_genuine_one(samples: Path, made: Made) -> None:
    theirs = (samples / "nfdump/modbus_example.csv").read_text("utf-8").splitlines()
    ours = made.text("flows-dmz/nfdump.csv").splitlines()
    assert ours[0] == theirs[0]
    assert ours[-3:-1] == theirs[-3:-1]
    width = theirs[1].count(",")
    assert {line.count(",") for line in ours[1:-3]} == {width}
    flows, volume, packets = map(int, ours[-1].split(",")[:3])
    rows = [line.split(",") for line in ours[1:-3]]
    assert flows == len(rows)
    assert volume == sum(int(row[12]) for row in rows)
    assert packets == sum(int(row[11]) for row in rows)


def test_nfdumps_json_is_the_genuine_one(samples: Path, made: Made) -> None:
    theirs = (samples / "nfdump/modbus_example.json").read_text("utf-8")
    ours = made.text("flows-dmz/nfdump.json")
    records = json.loads(ours)
    assert {tuple(one) for one in records} == {tuple(one) for one in json.loads(theirs)}
    keys = [line.split(" : ")[0] for line in theirs.splitlines()[:18]]
    assert [line.split(" : ")[0] for line in ours.splitlines()[:18]] == keys
    assert len(records) == made.lines["flows-dmz/nfdump.json"]


def spoken(line: str) -> list[str]:
    """Return a line's words with every value taken out."""
    return re.sub(r"=\S*", "=", re.sub(r"^\[[\d.]+\]", "[]", line)).split()


def test_conntracks_lines_are_genuine(samples: Path, made: Made) -> None:
    theirs = (samples / "linux/conntrack_E_timestamp_extended_id.txt").read_text("utf-8")
    first = next(line for line in theirs.splitlines() if "[NEW]" in line and " tcp " in line)
    lines = made.text("cell-fw/conntrack.log").splitlines()
    new = [line for line in lines if "[NEW]" in line and " tcp " in line]
    assert {tuple(spoken(line)) for line in new} == {tuple(spoken(first))}
    assert new[0].index("ipv4") == first.index("ipv4")
    # the sample's were deleted by hand: they had time left, and name who did it
    gone = next(spoken(line) for line in theirs.splitlines() if "DESTROY" in line and "tcp" in line)
    assert gone.pop(6) == "112"
    ours = [line for line in lines if "[DESTROY]" in line and " tcp " in line]
    answered = [spoken(line) for line in ours if "UNREPLIED" not in line]
    assert len(answered) > 50
    assert {tuple(words) for words in answered} == {tuple(gone[: gone.index("[USERSPACE]")])}
    listed = (samples / "linux/conntrack_L_plain.txt").read_text("utf-8").splitlines()
    wanted = next(spoken(line) for line in listed if "ESTABLISHED" in line)
    for line in made.text("cell-fw/conntrack-list.txt").splitlines():
        assert spoken(line)[4:] == wanted[4:]
        assert line.startswith("tcp      6 ")


def test_kernel_lines_and_ulogd_are_genuine(samples: Path, made: Made) -> None:
    theirs = (samples / "linux/ulogd2_nflog_logemu.log").read_text("utf-8").splitlines()[0]
    known = set(re.findall(r"\b([A-Z]+)=", theirs))
    for line in made.text("cell-fw/kernel.log").splitlines()[:500]:
        found = set(re.findall(r"\b([A-Z]+)=", line))
        assert found >= {"IN", "OUT", "MAC", "SRC", "DST", "LEN", "PROTO", "SPT", "DPT"}
        assert found <= known | {"RES"}  # what the kernel writes and ulogd leaves out
        assert re.search(r" segctl:\S+:(allow|drop) IN=", line)
    for name, sample in (("nflog", "ulogd2_nflog"), ("nfct", "ulogd2_nfct")):
        rows = [
            json.loads(line)
            for line in (samples / f"linux/{sample}.json").read_text("utf-8").splitlines()
        ]
        known = {key for row in rows for key in row}
        ours = [json.loads(line) for line in made.text(f"cell-fw/ulogd-{name}.json").splitlines()]
        assert {key for row in ours for key in row} <= known | {"icmp.type", "icmp.code"}
        assert {row["dvc"] for row in ours} == {"Netfilter"}


def test_a_dropped_packet_is_logged_for_each_attempt(tmp_path: Path) -> None:
    text = SMALL.replace("fw:", "fw:\n    platform: nftables")
    text = text.replace("{name: all, from: OFFICE, to: CELL}", "{name: nothing, action: deny}")
    generate(read(text), window(1), tmp_path)
    lines = (tmp_path / "fw/kernel.log").read_text("utf-8").splitlines()
    truth = json.loads((tmp_path / "truth.json").read_text("utf-8"))
    sessions = truth["conversations"][0]["sessions"]
    assert sessions > 20
    assert 3 * sessions - 2 <= len(lines) <= 3 * sessions
    assert all(":nothing:drop IN=" in line for line in lines)
    assert not (tmp_path / "fw/conntrack.log").exists()


@pytest.mark.parametrize(("logs", "written"), [("true", True), ("false", False)])
def test_what_no_rule_of_a_gateway_allows(tmp_path: Path, logs: str, *, written: bool) -> None:
    text = SMALL.replace("fw:", f"fw:\n    platform: nftables\n    log_defaults: {logs}")
    text = text.replace("rules: [{name: all, from: OFFICE, to: CELL}]", "rules: []")
    generate(read(text), window(1), tmp_path)
    path = tmp_path / "fw/kernel.log"
    assert path.exists() is written
    if written:
        assert " segctl:default:drop IN=ethernet1/1 " in path.read_text("utf-8")


def test_a_session_that_is_denied(tmp_path: Path) -> None:
    """By port it is dropped before anybody knows what it is; by application after that."""
    deny = "{name: nothing, action: deny}"
    only = "{name: some, applications: [modbus-base]}, {name: nothing, action: deny}"
    for number, rules in enumerate((deny, only)):
        text = SMALL.replace("{name: all, from: OFFICE, to: CELL}", rules)
        folder = tmp_path / str(number)
        generate(read(text), window(1), folder, forms=["panos-syslog"])
        line = (folder / "fw/traffic.log").read_text("utf-8").splitlines()[0]
        row = dict(zip(names("traffic"), line[line.index(" 1,20") + 1 :].split(","), strict=False))
        wanted = [("drop", "not-applicable"), ("deny", "modbus-read-coils")][number]
        assert (row["subtype"], row["app"]) == wanted
        assert (row["action"], row["session_end_reason"]) == ("deny", "policy-deny")
        assert row["rule"] == "nothing"


def test_times_of_suricata_and_nflog_have_micros(made: Made) -> None:
    event = json.loads(made.text("tap-control/eve.json").splitlines()[0])
    assert datetime.fromisoformat(event["timestamp"]).utcoffset() is not None
    packet = json.loads(made.text("cell-fw/ulogd-nflog.json").splitlines()[0])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}", packet["timestamp"])


def test_a_connection_without_its_beginning_may_be_turned_round(tmp_path: Path) -> None:
    """Zeek turns the direction of a known port; else it may take the server for the client."""
    text = SMALL + "sensors: {tap: {zones: [cell], midstream: 1.0}}\n"
    odd = text.replace("protocol: modbus, functions: [read-coils],", "protocol: iec104,")
    for name, plant_text in (("known", text), ("odd", odd)):
        generate(read(plant_text), window(3), tmp_path / name, forms=["zeek"])
        lines = (tmp_path / name / "tap/zeek/conn.log").read_text("utf-8").splitlines()
        rows = [line.split("\t") for line in lines if not line.startswith("#")]
        assert {row[11] for row in rows} == {"OTH"}
        servers = {row[4] for row in rows}
        if name == "known":
            assert servers == {"10.2.0.5"}
            assert {row[15] for row in rows} == {"^dDaA", "DdAa"}
        else:
            assert len(servers) > 1
            turned = [row for row in rows if row[2] == "10.2.0.5"]
            assert {row[3] for row in turned} == {"2404"}
            assert all(int(row[9]) > int(row[10]) for row in turned)  # a server sends more


def events_of(made: Made, kind: str) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in made.text("tap-office/eve.json").splitlines()]
    return [event for event in rows if event["event_type"] == kind]


def test_names_and_a_tunnel_through_them(samples: Path, made: Made) -> None:
    rows = [json.loads(line) for line in made.text("tap-office/zeek-json/dns.log").splitlines()]
    tunnel = [row for row in rows if row["id.resp_h"] == "203.0.113.66"]
    plain = [row for row in rows if row["id.resp_h"] == "10.40.0.53"]
    assert len({row["query"] for row in tunnel}) == len(tunnel) > 50
    assert min(len(row["query"]) for row in tunnel) > 100
    assert {row["query"].partition(".")[2] for row in plain} == {"plant.example"}
    asked = [event["dns"] for event in events_of(made, "dns")]
    assert {one["queries"][0]["rrname"] for one in asked} == {row["query"] for row in rows}
    assert {one["type"] for one in asked} == {"request", "response"}
    theirs = events((samples / "suricata/tenzir_dns.json").read_text("utf-8"))
    known = {key for event in theirs for key in event["dns"]}
    assert {key for one in asked for key in one} <= known
    replies = [event for event in events_of(made, "dhcp") if event["dhcp"]["type"] == "reply"]
    assert {(one["src_ip"], one["src_port"]) for one in replies} == {("10.40.0.1", 67)}
    assert {one["dest_ip"] == one["dhcp"]["assigned_ip"] for one in replies} == {True}


def test_pings_are_counted_in_one_line(made: Made) -> None:
    lines = made.text("core-fw/traffic.log").splitlines()
    rows = [
        next(csv.reader([line[line.index(" 1,20") + 1 :]])) for line in lines if ",ping," in line
    ]
    counts = [int(row[23]) for row in rows]
    assert max(counts) > 1
    assert {(row[24], row[25], row[29]) for row in rows} == {("0", "0", "icmp")}
    one = made.conversation("alive")
    assert one["sessions"] < one["sessions_with_repeats"]
    assert sum(counts) <= one["sessions_with_repeats"] <= sum(counts) + 30  # core-fw has a gap


def test_an_exporter_tells_of_a_long_flow_part_by_part(made: Made) -> None:
    records = json.loads(made.text("flows-dmz/nfdump.json"))
    long = [one for one in records if 5450 in {one["src_port"], one["dst_port"]}]
    assert len(long) == 2 * 24 * made.truth["days"]
    assert {one["tcp_flags"] for one in long} == {"...AP..."}
    spans = [
        datetime.fromisoformat(one["last"]) - datetime.fromisoformat(one["first"]) for one in long
    ]
    assert {round(span.total_seconds()) for span in spans} == {3600}
    assert sum(one["in_bytes"] for one in long) < made.conversation("replicate")["bytes"]
