"""A mock firewall answers from a traffic file as the devices do: cut, paged, by its rules."""

from __future__ import annotations

import json
import ssl
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from lxml import etree

from segctl_mocks import PanoramaMock, PanosMock, load_traffic
from segctl_mocks.panos.device import deadlocks
from segctl_mocks.panos.traffic.query import compile_query
from segctl_mocks.traffic.plants import plant
from segctl_mocks.traffic.routes import judge

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from traffic_support import Made

NAME = "core-fw"
VSYS = "/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys1']"
HITS = (
    "<show><rule-hit-count><vsys><vsys-name><entry name='vsys1'><rule-base>"
    "<entry name='security'><rules><all/></rules></entry></rule-base></entry></vsys-name></vsys>"
    "</rule-hit-count></show>"
)


def firewall(made: Made, name: str = NAME, **options: Any) -> PanosMock:
    """Return a mock of a firewall with its own rules and its traffic."""
    config = (made.folder / name / "running-config.xml").read_bytes()
    traffic = load_traffic(made.folder / "traffic.jsonl")[name]
    return PanosMock(name, config, traffic=traffic, job_seconds=0.0, **options)


def logs_of(made: Made, name: str) -> list[dict[str, str]]:
    """Return what the traffic file says that a firewall logged as traffic."""
    entries = [json.loads(line) for line in made.text("traffic.jsonl").splitlines()]
    return [
        entry
        for entry in entries
        if entry["kind"] == "log" and entry["device"] == name and entry["type"] == "TRAFFIC"
    ]


class Asked:
    """Sends requests without sockets."""

    def __init__(self, mock: PanosMock | PanoramaMock) -> None:
        self.mock = mock

    def __call__(self, **params: str) -> Any:
        names = {"kind": "type", "log_type": "log-type", "job_id": "job-id"}
        sent = {names.get(name, name): value for name, value in params.items()}
        return etree.fromstring(self.mock.handle({**sent, "key": self.mock.key()}).content())

    def log(self, **params: str) -> list[dict[str, str]]:
        """Ask for a log, and fetch the job when it is done."""
        number = self(kind="log", **params).findtext("result/job")
        assert number
        first = self(kind="log", action="get", job_id=number)
        assert first.findtext("result/job/status") == "ACT"
        assert first.find("result/log") is None
        done = self(kind="log", action="get", job_id=number)
        assert done.findtext("result/job/status") == "FIN"
        logs = done.find("result/log/logs")
        assert int(logs.get("count")) == len(logs)
        return [{child.tag: child.text or "" for child in entry} for entry in logs]

    def report(self, body: str, top: int = 10_000, rest: str = "") -> list[dict[str, str]]:
        """Ask for a dynamic report, and fetch it when it is done."""
        cmd = f"<type>{body}</type><topn>{top}</topn><topm>50</topm>{rest}"
        asked = {"reporttype": "dynamic", "reportname": "custom-dynamic-report", "async": "yes"}
        number = self(kind="report", cmd=cmd, **asked).findtext("result/job")
        assert self(kind="report", action="get", job_id=number).findtext("result/job/percent") == (
            "0"
        )
        done = self(kind="report", action="get", job_id=number)
        assert done.findtext("result/job/percent") == "100"
        return [
            {child.tag: child.text or "" for child in entry}
            for entry in done.iterfind("result/report/entry")
        ]

    def op(self, cmd: str) -> Any:
        return self(kind="op", cmd=cmd)


@pytest.fixture
def ask(made: Made) -> Asked:
    return Asked(firewall(made))


@pytest.fixture(scope="session")
def logged(made: Made) -> list[dict[str, str]]:
    """What the traffic file says that core-fw logged as traffic."""
    return logs_of(made, NAME)


def test_a_query_answers_the_newest_first_and_few(ask: Asked, logged: list[dict[str, str]]) -> None:
    found = ask.log(log_type="traffic")
    assert [entry["seqno"] for entry in found] == [one["seqno"] for one in logged[:-21:-1]]
    forward = ask.log(log_type="traffic", dir="forward", nlogs="3")
    assert [entry["seqno"] for entry in forward] == [one["seqno"] for one in logged[:3]]
    first = logged[0]
    for name in ("src", "dst", "rule", "app", "from", "to", "dport", "bytes", "start", "proto"):
        assert forward[0][name] == first[name]
    assert "natsrc" not in forward[0]


def test_no_more_than_5000_at_once(ask: Asked, logged: list[dict[str, str]]) -> None:
    assert len(ask.log(log_type="traffic", nlogs="5000")) == 5000 < len(logged)
    refused = ask(kind="log", log_type="traffic", nlogs="5001")
    assert refused.get("status") == "error"
    second = ask.log(log_type="traffic", nlogs="5000", skip="5000")
    assert second[0]["seqno"] == logged[-5001]["seqno"]


def test_pages_shift_while_logs_arrive(ask: Asked, made: Made) -> None:
    """Who pages from the newest on meets an entry twice when another one is logged meanwhile."""
    other = Asked(firewall(made))
    first = ask.log(log_type="traffic", nlogs="10")
    assert isinstance(ask.mock, PanosMock)
    ask.mock.log({**first[0], "type": "TRAFFIC", "seqno": "1"})
    second = ask.log(log_type="traffic", nlogs="10", skip="10")
    assert second[0]["seqno"] == first[-1]["seqno"]
    assert ask.log(log_type="traffic", nlogs="1")[0]["seqno"] == "1"
    assert other.log(log_type="traffic", nlogs="10") == first
    with pytest.raises(ValueError, match="answers from no traffic file"):
        PanosMock("bare").log({})


def test_a_window_of_time(ask: Asked, logged: list[dict[str, str]]) -> None:
    first, last = "2026/11/03 08:00:00", "2026/11/03 09:00:00"
    query = f"(time_generated geq '{first}') and (time_generated lt '{last}')"
    found = ask.log(log_type="traffic", nlogs="5000", query=query, dir="forward")
    wanted = [one["seqno"] for one in logged if first <= one["time_generated"] < last]
    assert [entry["seqno"] for entry in found] == wanted
    assert len(wanted) > 20
    query = f"(receive_time geq '{first}') and (receive_time leq '{last}')"
    found = ask.log(log_type="traffic", nlogs="5000", query=query, dir="forward")
    assert [entry["seqno"] for entry in found] == [
        one["seqno"] for one in logged if first <= one["receive_time"] <= last
    ]


QUERIES: dict[str, Callable[[dict[str, str]], bool]] = {
    "(addr.src in 10.20.2.0/24)": lambda one: one["src"].startswith("10.20.2."),
    "(addr.dst notin 10.20.2.0/24)": lambda one: not one["dst"].startswith("10.20.2."),
    "( addr in 10.20.35.20 )": lambda one: "10.20.35.20" in {one["src"], one["dst"]},
    "(port.dst eq 445) or (app eq 'siemens-s7-read')": lambda one: (
        one["dport"] == "445" or one["app"] == "siemens-s7-read"
    ),
    "(rule eq scada-to-plcs) and not (zone.dst eq SAFETY)": lambda one: (
        one["rule"] == "scada-to-plcs"
    ),
    "((rule eq dmz-to-plant) and ((port.dst eq 102) or (port.dst eq 502)))": lambda one: (
        one["rule"] == "dmz-to-plant" and one["dport"] in {"102", "502"}
    ),
    "!(action eq allow)": lambda one: one["action"] != "allow",
    "(app contains 'dnp3') and (bytes geq 3000)": lambda one: (
        "dnp3" in one["app"] and int(one["bytes"]) >= 3000
    ),
}


@pytest.mark.parametrize("query", QUERIES)
def test_queries(ask: Asked, logged: list[dict[str, str]], query: str) -> None:
    found = ask.log(log_type="traffic", nlogs="5000", query=query)
    wanted = [one["seqno"] for one in reversed(logged) if QUERIES[query](one)]
    assert [entry["seqno"] for entry in found] == wanted[:5000]


@pytest.mark.parametrize(
    "query",
    [
        "addr.src in 10.0.0.0/8",
        "(addr.src in)",
        "(odd eq 1)",
        "(addr.src in 10.0.0.0/99)",
        "(time_generated geq '2026-11-02 00:00:00')",
        "(time_generated geq '2026/11/0200 00:00:00')",
        "(app eq ssl) and",
        "(app eq ssl",
        "(app near ssl)",
    ],
)
def test_a_query_that_is_none_is_an_error(ask: Asked, query: str) -> None:
    assert ask(kind="log", log_type="traffic", query=query).get("status") == "error"


def test_before_10_1_12_a_day_of_many_digits_is_taken() -> None:
    entry = {"time_generated": "2026/11/02 08:00:00"}
    query = compile_query("(time_generated geq '2026/11/0200 07:00:00')", (10, 1, 11))
    assert query.matches(entry)


def test_threats_are_a_log_of_their_own(ask: Asked, made: Made) -> None:
    found = ask.log(log_type="threat", nlogs="100")
    assert len(found) == made.lines[f"{NAME}/threat.log"]
    assert {entry["severity"] for entry in found} == {"high"}
    assert {entry["threatid"] for entry in found} == {
        "Windows SMB Remote Code Execution Vulnerability(32422)"
    }
    assert ask.log(log_type="url") == []


def test_without_a_traffic_file_there_is_only_the_config_log() -> None:
    bare = Asked(PanosMock("bare"))
    assert bare(kind="log", log_type="traffic").get("status") == "error"
    assert bare(kind="report", reporttype="dynamic").get("status") == "error"
    assert bare(kind="log", log_type="config").findtext("result/job")


def test_an_entry_has_the_elements_of_a_genuine_one(ask: Asked, third_party: Path) -> None:
    sample = etree.parse(third_party / "demisto/query_logs.xml").find(".//entry")
    assert sample is not None
    (entry,) = ask.log(log_type="traffic", nlogs="1", query="(addr.src in 10.20.2.0/24)")
    extra = {"srcloc", "srcuser", "dstuser"}  # of addresses and users that the sample lacks
    assert entry.keys() <= {child.tag for child in sample} | extra
    order = [child.tag for child in sample if child.tag in entry]
    assert order[: order.index("rule") + 1] == [
        name for name in entry if name in order[: order.index("rule") + 1]
    ]


def test_a_report_groups_on_the_device(ask: Asked, logged: list[dict[str, str]]) -> None:
    table = (
        "<traffic><aggregate-by><member>src</member><member>dst</member><member>app</member>"
        "</aggregate-by><values><member>repeatcnt</member><member>bytes</member></values></traffic>"
    )
    found = ask.report(table)
    counts: Counter[tuple[str, str, str]] = Counter()
    volume: Counter[tuple[str, str, str]] = Counter()
    for one in logged:
        key = one["src"], one["dst"], one["app"]
        counts[key] += int(one["repeatcnt"])
        volume[key] += int(one["bytes"])
    assert len(found) == len(counts)
    for row in found:
        key = row["src"], row["dst"], row["app"]
        assert (int(row["repeatcnt"]), int(row["bytes"])) == (counts[key], volume[key])
    assert [int(row["repeatcnt"]) for row in found] == sorted(counts.values(), reverse=True)


def test_a_report_is_cut_without_a_word(ask: Asked) -> None:
    table = (
        "<traffic><aggregate-by><member>src</member><member>dport</member></aggregate-by>"
        "<values><member>repeatcnt</member></values></traffic>"
    )
    whole = ask.report(table)
    assert ask.report(table, 5) == whole[:5]
    assert len(whole) > 10
    cmd = f"<type>{table}</type><topn>10001</topn>"
    asked = {"reporttype": "dynamic", "reportname": "custom-dynamic-report"}
    assert ask(kind="report", cmd=cmd, **asked).get("status") == "error"
    few = ask(kind="report", cmd=f"<type>{table}</type>", **asked)
    assert len(few.findall("result/report/entry")) == 10


def test_a_report_of_a_window_and_a_query(ask: Asked, logged: list[dict[str, str]]) -> None:
    table = (
        "<traffic><aggregate-by><member>rule</member></aggregate-by>"
        "<values><member>repeatcnt</member><member>nunique-of-users</member></values></traffic>"
    )
    rest = (
        "<start-time>2026/11/03 00:00:00</start-time><end-time>2026/11/03 23:59:59</end-time>"
        "<query>(rule eq 'scada-to-plcs')</query>"
    )
    (row,) = ask.report(table, rest=rest)
    wanted = [
        one
        for one in logged
        if one["rule"] == "scada-to-plcs" and one["receive_time"].startswith("2026/11/03")
    ]
    assert int(row["repeatcnt"]) == sum(int(one["repeatcnt"]) for one in wanted) > 0
    assert ask.report(table, rest="<period>last-15-minutes</period>") == []
    asked = {"reporttype": "dynamic", "reportname": "custom-dynamic-report"}
    cmd = f"<type>{table}</type><period>some-time</period>"
    assert ask(kind="report", cmd=cmd, **asked).get("status") == "error"


@pytest.mark.parametrize("member", ["proto", "sport", "session_end_reason", "natsrc"])
def test_the_summary_table_lacks_what_the_detail_has(ask: Asked, member: str) -> None:
    asked = {"reporttype": "dynamic", "reportname": "custom-dynamic-report"}
    for table, status in (("traffic", "success"), ("trsum", "error")):
        values = "<values><member>bytes</member></values>"
        by = f"<aggregate-by><member>{member}</member></aggregate-by>"
        cmd = f"<type><{table}>{by}{values}</{table}></type>"
        assert ask(kind="report", cmd=cmd, **asked).get("status") == status


def hits(ask: Asked) -> dict[str, dict[str, str]]:
    entries = ask.op(HITS).iterfind(".//rules/entry")
    return {one.get("name"): {child.tag: child.text for child in one} for one in entries}


def test_rules_counted_what_the_logs_tell_and_what_they_do_not(
    ask: Asked, made: Made, logged: list[dict[str, str]]
) -> None:
    """Counters go on while logs have a gap, and count what is not logged."""
    found = hits(ask)
    per_rule = Counter(one["rule"] for one in logged if one["subtype"] != "start")
    more = {rule: int(found[rule]["hit-count"]) - count for rule, count in per_rule.items()}
    assert min(more.values()) >= 0
    assert more["scada-to-plcs"] > 10  # core-fw's log has a gap
    default = found["interzone-default"]
    assert int(default["hit-count"]) == 0 or "interzone-default" not in per_rule
    end = int(made.truth["end"])
    for rule in per_rule:
        first, last = (int(found[rule][f"{end}-hit-timestamp"]) for end in ("first", "last"))
        assert made.truth["start"] - 61 * 86400 <= first < last <= end + 60
        assert found[rule]["latest"] == "yes"


def test_a_reset_is_told_and_counts_from_then_on(ask: Asked) -> None:
    cleared = ask.op(HITS.replace("show>", "clear>"))
    assert "Succeeded to reset" in etree.tostring(cleared, encoding="unicode")
    for counted in hits(ask).values():
        assert counted["hit-count"] == "0"
        assert counted["last-hit-timestamp"] == "0"
        assert int(counted["last-reset-timestamp"]) > 1_700_000_000


def test_where_counting_is_off_nothing_is_current(ask: Asked) -> None:
    place = "/config/devices/entry[@name='localhost.localdomain']/deviceconfig/setting/management"
    value = "<rule-hit-count>no</rule-hit-count>"
    ask.mock.edit("set", place, value, admin="admin", commit=True)
    for counted in hits(ask).values():
        assert (counted["hit-count"], counted["latest"]) == ("0", "no")


@pytest.mark.parametrize(
    ("version", "hangs"),
    [
        ("10.1.9", True),
        ("10.1.10-h4", True),
        ("10.1.10-h5", False),
        ("10.1.11", True),
        ("10.1.12", False),
        ("10.2.6", True),
        ("10.2.7", False),
        ("11.1.0", True),
        ("11.1.1", False),
        ("11.1.6-h3", False),
        ("9.1.16", False),
        ("odd", False),
    ],
)
def test_versions_that_can_deadlock(version: str, hangs: bool) -> None:  # noqa: FBT001 - a column
    assert deadlocks(version) is hangs


def test_asking_again_hangs_a_version_that_deadlocks(made: Made) -> None:
    with firewall(made, sw_version="10.2.6") as mock:
        trusted = ssl.create_default_context(cadata=mock.ca_pem.decode())
        trusted.check_hostname = False

        def send() -> bytes:
            body = urlencode({"type": "op", "cmd": HITS, "key": mock.key()}).encode()
            with urlopen(mock.url, body, timeout=2, context=trusted) as answer:
                found: bytes = answer.read()
                return found

        assert b"hit-count" in send()
        with pytest.raises((URLError, TimeoutError)):
            send()
        waiting = threading.active_count()
    assert threading.active_count() <= waiting


def test_the_session_table(ask: Asked) -> None:
    everything = "<show><session><all/></session></show>"
    sessions = ask.op(everything).findall("result/entry")
    assert len(sessions) > 3
    words = {"application": "osisoft-pi", "source": "10.20.2.20", "rule": "plant-to-dmz"}
    words |= {"destination-port": "5450", "from": "SUPERVISORY", "protocol": "6", "nat": "none"}
    words |= {"min-age": "864000", "min-kb": "1000", "state": "ACTIVE"}
    for word, value in words.items():
        text = f"<filter><{word}>{value}</{word}></filter>"
        some = ask.op(everything.replace("<all/>", f"<all>{text}</all>"))
        found = some.findall("result/entry")
        assert "osisoft-pi" in {one.findtext("application") for one in found}, word
    both = "<all><filter><application>osisoft-pi</application><count>yes</count></filter></all>"
    counted = ask.op(everything.replace("<all/>", both))
    assert counted.findtext("result/member") == "1"
    odd = everything.replace("<all/>", "<all><filter><odd>1</odd></filter></all>")
    assert ask.op(odd).get("status") == "error"


def test_a_session_has_the_elements_of_a_genuine_one(ask: Asked, third_party: Path) -> None:
    sample = etree.parse(third_party / "upgrade-assurance/030_get_sessions.xml").find(".//entry")
    assert sample is not None
    ours = ask.op("<show><session><all/></session></show>").find("result/entry")
    assert [child.tag for child in ours] == [child.tag for child in sample]


def test_one_session(ask: Asked) -> None:
    (listed,) = [
        one
        for one in ask.op("<show><session><all/></session></show>").iterfind("result/entry")
        if one.findtext("application") == "osisoft-pi"
    ]
    number = listed.findtext("idx")
    found = ask.op(f"<show><session><id>{number}</id></session></show>").find("result")
    assert found.findtext("c2s/source") == "10.20.2.20"
    assert found.findtext("s2c/dst") == "10.20.2.20"
    assert found.findtext("application") == "osisoft-pi"
    assert ask.op("<show><session><id>999999999</id></session></show>").get("status") == "error"


@pytest.mark.parametrize("name", ["core-fw", "edge-fw"])
def test_policy_tests_agree_with_what_was_logged(made: Made, name: str) -> None:
    """The rule that a log names is the one that the device would match today."""
    ask = Asked(firewall(made, name))
    groups = {
        (one["from"], one["to"], one["src"], one["dst"], one["dport"], one["proto"]): one
        for one in logs_of(made, name)
        if one["app"] not in {"incomplete", "not-applicable"}
    }
    numbers = {"tcp": "6", "udp": "17", "icmp": "1"}
    assert len(groups) > 15
    for (source_zone, zone, source, target, port, proto), one in groups.items():
        words = {"from": source_zone, "to": zone, "source": source, "destination": target}
        words |= {"protocol": numbers[proto], "application": one["app"]}
        words |= {"destination-port": port} if port != "0" else {}
        inner = "".join(f"<{word}>{value}</{word}>" for word, value in words.items())
        cmd = f"<test><security-policy-match>{inner}</security-policy-match></test>"
        entry = ask.op(cmd).find("result/rules/entry")
        assert entry.get("name") == one["rule"]
        assert entry.findtext("action") == one["action"]


def test_the_plants_rules_and_the_mocks_agree() -> None:
    """Our reading of a rule base for made traffic is that of the mock: rule and action."""
    ours = plant("waterworks").firewalls["edge-fw"]
    denied = judge(ours, ("REMOTE", "DMZ"), "10.20.60.15", "10.20.35.20", ("ssh",))
    assert (denied.rule, denied.allow, denied.denied_as) == ("interzone-default", False, "ssh")
    allowed = judge(ours, ("REMOTE", "DMZ"), "10.20.60.15", "10.20.35.20", ("cotp", "ms-rdp"))
    assert (allowed.rule, allowed.allow) == ("vendor-desktop", True)


def test_a_panorama_has_the_logs_of_all_its_firewalls(made: Made) -> None:
    known = load_traffic(made.folder / "traffic.jsonl")
    firewalls = [
        PanosMock(name, traffic=traffic, serial=f"00{at}")
        for at, (name, traffic) in enumerate(sorted(known.items()))
    ]
    ask = Asked(PanoramaMock("panorama", firewalls=firewalls))
    found = ask.log(log_type="traffic", nlogs="500")
    assert {entry["device_name"] for entry in found} == {"core-fw", "edge-fw"}
    times = [entry["receive_time"] for entry in found]
    assert times == sorted(times, reverse=True)
    only = ask.log(log_type="traffic", nlogs="50", query="(device_name eq edge-fw)")
    assert {entry["serial"] for entry in only} == {"012801000011"}
    by = "<aggregate-by><member>serial</member></aggregate-by>"
    values = "<values><member>repeatcnt</member></values>"
    rows = ask.report(f"<panorama-traffic>{by}{values}</panorama-traffic>")
    assert len(rows) == 2
    asked = {"reporttype": "dynamic", "reportname": "custom-dynamic-report"}
    cmd = f"<type><traffic>{by}{values}</traffic></type>"
    assert ask(kind="report", cmd=cmd, **asked).get("status") == "error"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"t\.jsonl, line 1: not of a traffic file"),
        ("[]", "no object"),
        ('{"kind": "odd"}', "kind is not log, session or rule"),
        ('{"kind": "log", "device": "a", "type": "TRAFFIC"}', "'time_generated'"),
        ('{"kind": "session"}', "'device'"),
        ('{"kind": "log", "device": 1}', "a value is no text"),
    ],
)
def test_a_file_that_is_no_traffic_file(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(f"{text}\n", "utf-8")
    with pytest.raises(ValueError, match=message):
        load_traffic(path)
