"""``segctl discover``: records in, inventory files out, refused until a person has answered."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml

from cli_support import write_plant
from segctl.cli import run
from segctl.planning.documents import schema
from support.records import logged

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    Capsys = pytest.CaptureFixture[str]

ZONES = """\
segctl_zones_more:
  office:
    level: 4
    kind: business
    networks: [10.40.0.0/24]
    assets:
      reports1: 10.40.0.9
"""


def lines(days: Sequence[int] = range(2, 16), /, **said: str) -> str:
    """Return a session an hour, six on each day of November."""
    lines.number += 1000  # type: ignore[attr-defined] # every record has a number of its own
    return "".join(
        logged(
            time=f"2026/11/{day:02} {hour:02}:1{(day * hour) % 7}:00",
            seqno=str(lines.number + 10 * day + hour),  # type: ignore[attr-defined] # the same
            **said,
        )
        for day in days
        for hour in range(8, 14)
    )


lines.number = 0  # type: ignore[attr-defined] # where the numbers begin


@pytest.fixture
def where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The small plant with an office, without any device."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "1000")
    write_plant(tmp_path)
    plant = tmp_path / "group_vars/plant.yml"
    text = plant.read_text(encoding="utf-8")
    plant.unlink()
    (tmp_path / "group_vars/plant").mkdir()
    (tmp_path / "group_vars/plant/plant.yml").write_text(text, encoding="utf-8")
    (tmp_path / "group_vars/plant/zones.yml").write_text(ZONES, encoding="utf-8")
    (tmp_path / "host_vars/fw2.yml").write_text(
        (tmp_path / "host_vars/fw2.yml").read_text(encoding="utf-8")
        + "  office: {zone: OFFICE, interfaces: [ethernet1/4]}\n",
        encoding="utf-8",
    )
    return ["-i", "hosts.yml"]


NEEDS = (
    {"src": "10.20.2.20", "dst": "10.20.1.12"},
    {"src": "10.20.35.10", "dst": "10.40.0.53", "app": "dns-base", "dport": "53", "proto": "udp",
     "enter": "DMZ", "leave": "OFFICE"},
)  # fmt: skip


@pytest.fixture
def log(tmp_path: Path, where: list[str]) -> Path:
    del where
    path = tmp_path / "fw.log"
    declared = lines(src="10.20.2.5", dst="10.20.1.11")
    once = lines([9], src="10.20.2.77", dst="10.20.1.11", app="modbus-write-single-coil")
    external = lines(src="10.20.2.20", dst="203.0.113.7", app="ssl", dport="443")
    path.write_text(declared + "".join(lines(**one) for one in NEEDS) + once + external, "utf-8")
    return path


def told(capsys: Capsys, *words: str, code: int = 0) -> Any:
    assert run([*words, "--json"]) == code
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, schema("discover"))
    return document


def answered(text: str) -> str:
    text = re.sub(r"reason: +#.*", "reason: a person wrote it", text)
    return re.sub(r"owner: +#.*", "owner: somebody", text)


def test_a_proposal_is_refused_until_a_person_has_answered(
    where: list[str], log: Path, tmp_path: Path, capsys: Capsys
) -> None:
    document = told(capsys, *where, "discover", str(log), "-o", "new")
    assert [one["conduit"] for one in document["proposed"]] == [
        "plant/dmz-to-office-dns",
        "plant/supervisory-to-control-modbus",
    ]
    folder = tmp_path / "new"
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*.yml")}
    assert set(files) == {
        "discovered-hosts.yml",
        "group_vars/plant/discovered.yml",
        "group_vars/plant/zones.yml",
    }
    assert run([*where, "-i", "new", "validate"]) == 1
    said = capsys.readouterr().err
    for word in ("reason", "owner"):
        assert said.count(f".{word}: must have a value") == 2
    proposed = files["group_vars/plant/discovered.yml"]
    proposed.write_text(answered(proposed.read_text("utf-8")), "utf-8")
    assert run([*where, "-i", "new", "validate"]) == 0, capsys.readouterr().err
    capsys.readouterr()
    again = told(capsys, *where, "-i", "new", "discover", str(log))
    assert again["proposed"] == []
    assert again["diff"] == ""


def test_the_files_merged_into_the_inventory_mean_the_same(
    where: list[str], log: Path, tmp_path: Path, capsys: Capsys
) -> None:
    before = {one: one.read_bytes() for one in tmp_path.rglob("*.yml")}
    document = told(capsys, *where, "discover", str(log))
    assert {one: one.read_bytes() for one in tmp_path.rglob("*.yml")} == before
    for path, text in document["files"].items():
        if path.startswith("group_vars"):
            (tmp_path / path).write_text(answered(text), "utf-8")
    assert run([*where, "validate"]) == 0
    assert run([*where, "fmt", "group_vars/plant/discovered.yml", "--check"]) == 0
    capsys.readouterr()
    assert told(capsys, *where, "discover", str(log))["proposed"] == []


def test_the_diff_adds_assets_and_conduits_and_removes_nothing(
    where: list[str], log: Path, capsys: Capsys
) -> None:
    diff = told(capsys, *where, "discover", str(log))["diff"]
    body = [one for one in diff.splitlines() if not one.startswith(("---", "+++", "@@"))]
    assert not [one for one in body if one.startswith("-")]
    assert "+      host-10-40-0-53: 10.40.0.53" in body
    assert "+segctl_conduits_discovered:" in body


def test_all_that_is_not_proposed_is_listed(where: list[str], log: Path, capsys: Capsys) -> None:
    document = told(capsys, *where, "discover", str(log))
    asked = {(one["source"], one["reason"]) for one in document["asked"]}
    assert asked == {("10.20.2.77", "one_day")}
    seen = {(one["destination"], one["reason"]) for one in document["seen"]}
    assert seen == {("203.0.113.7", "external")}
    assert sum(one["flows"] for one in document["totals"].values()) == 5
    assert run([*where, "discover", str(log)]) == 0
    out = capsys.readouterr().out
    assert "10.20.2.77 [plant/supervisory] → 10.20.1.11 [plc1] tcp/502: seen on one day only" in out
    assert "203.0.113.7 tcp/443: an address outside every declared network" in out
    assert "host  2 rules in 2 conduits: 3 pairs permitted, 3 seen: 1.0 times as much  (this" in out


def test_an_excluded_window_is_no_evidence(where: list[str], log: Path, capsys: Capsys) -> None:
    windows = ["--exclude", "2026-11-02T00:00+00:00/30d"]
    document = told(capsys, *where, "discover", str(log), *windows)
    assert document["proposed"] == []
    assert {one["reason"] for one in document["seen"]} == {"excluded"}


def test_the_same_records_in_other_files_make_the_same_bytes(
    where: list[str], log: Path, tmp_path: Path, capsys: Capsys
) -> None:
    text = log.read_text("utf-8").splitlines(keepends=True)
    parts = [tmp_path / "b.log", tmp_path / "a.log"]
    parts[0].write_text("".join(reversed(text[::2])), "utf-8")
    parts[1].write_text("".join(text[1::2]) + text[0], "utf-8")
    whole = told(capsys, *where, "discover", str(log))
    split = told(capsys, *where, "discover", *map(str, parts))
    for document in (whole, split):
        document.pop("coverage")
    assert whole == split


@pytest.mark.parametrize("grade", ["role", "zone"])
def test_grades(grade: str, where: list[str], log: Path, capsys: Capsys) -> None:
    document = told(capsys, *where, "discover", str(log), "--grade", grade)
    assert document["grade"] == grade
    assert [one["grade"] for one in document["grades"]] == ["host", "role", "zone"]
    hosts, roles, zones = (one["permitted"] for one in document["grades"])
    assert hosts <= roles <= zones


def test_nothing_is_overwritten(
    where: list[str], log: Path, tmp_path: Path, capsys: Capsys
) -> None:
    assert run([*where, "discover", str(log), "-o", "new"]) == 0
    before = (tmp_path / "new/group_vars/plant/discovered.yml").read_bytes()
    assert run([*where, "discover", str(log), "-o", "new"]) == 1
    assert "nothing is overwritten" in capsys.readouterr().err
    assert (tmp_path / "new/group_vars/plant/discovered.yml").read_bytes() == before


def test_names_and_leases(where: list[str], log: Path, tmp_path: Path, capsys: Capsys) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("# names\n10.40.0.53 dns.office dns1\n", "utf-8")
    document = told(
        capsys, *where, "discover", str(log), "--names", str(hosts), "--leases", "10.20.2.64/27"
    )
    assert document["new_assets"] == [
        {"zone": "plant/office", "asset": "dns1", "address": "10.40.0.53"}
    ]
    assert [(one["first"], one["last"]) for one in document["leases"]] == [
        ("10.20.2.64", "10.20.2.95")
    ]


def test_a_lease_file_names_ranges_and_hosts(
    where: list[str], log: Path, tmp_path: Path, capsys: Capsys
) -> None:
    leased = [f"1764060000 52:54:00:00:00:{one} 10.20.2.{one} * *\n" for one in range(64, 96)]
    kept = "0 52:54:00:00:00:01 10.40.0.53 dns1.office *\n"
    (tmp_path / "dnsmasq.leases").write_text("".join((*leased, kept)))
    document = told(capsys, *where, "discover", str(log), "--leases", "dnsmasq.leases")
    assert [one["asset"] for one in document["new_assets"]] == ["dns1-office"]
    assert [(one["first"], one["last"]) for one in document["leases"]] == [
        ("10.20.2.64", "10.20.2.95")
    ]
    assert run([*where, "discover", str(log), "--leases", "hosts.yml"]) == 1
    assert "hosts.yml: line 1: it is not a lease of dhcpd or dnsmasq" in capsys.readouterr().err


WRONG = {
    "no such grade": (["--grade", "subnet"], "--grade must be one of host, role, zone"),
    "a window without an end": (["--exclude", "2026-11-02"], "--exclude must be FROM/TO"),
    "a window that ends first": (["--exclude", "2026-11-02/2026-11-01"], "ends before it begins"),
    "no moment": (["--exclude", "monday/4h"], "--exclude must be a date"),
    "no range": (["--leases", "10.1.0.x"], "--leases must be a range"),
    "a range that ends first": (["--leases", "10.1.0.9-10.1.0.1"], "ends before it begins"),
    "no file of names": (["--names", "absent"], "cannot read names from absent"),
    "no file of records": (["absent.log"], "absent.log: there is no such file or folder"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_options_say_what_is_wrong(
    case: str, where: list[str], log: Path, capsys: Capsys
) -> None:
    words, said = WRONG[case]
    assert run([*where, "discover", str(log), *words]) == 1
    assert said in capsys.readouterr().err


def test_records_that_nobody_can_use_fail(where: list[str], tmp_path: Path, capsys: Capsys) -> None:
    (tmp_path / "none.txt").write_text("nothing of interest\n", "utf-8")
    document = told(capsys, *where, "discover", "none.txt", "-o", "new", code=1)
    assert document["error"]["code"] == "cannot_tell"
    assert not (tmp_path / "new").exists()


def test_without_an_inventory_it_is_drafted(log: Path, tmp_path: Path, capsys: Capsys) -> None:
    empty = tmp_path / "elsewhere"
    empty.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(empty)
        document = told(capsys, "discover", str(log), "-o", "draft")
        assert document["drafted"]
        assert set(document["files"]) == {
            "hosts.yml",
            "host_vars/fw-007000000001.yml",
            "group_vars/plant/zones.yml",
            "group_vars/plant/discovered.yml",
        }
        zones = yaml.safe_load(document["files"]["group_vars/plant/zones.yml"])["segctl_zones"]
        assert set(zones) == {"ctrl", "dmz", "office", "supv"}
        assert run(["-i", "draft", "validate"]) == 1
        problems = re.findall(r"\.(\w+): must have a value", capsys.readouterr().err)
        assert set(problems) == {"reason", "owner"}
        path = empty / "draft/group_vars/plant/discovered.yml"
        path.write_text(answered(path.read_text("utf-8")), "utf-8")
        assert run(["-i", "draft", "inventory", "--list"]) == 0


def test_a_report_for_a_pull_request(
    where: list[str], log: Path, tmp_path: Path, capsys: Capsys
) -> None:
    words = ("--markdown", "found.md", "--html", "found.html", "--env", "plant-a")
    document = told(capsys, *where, "discover", str(log), *words)
    text = (tmp_path / "found.md").read_text(encoding="utf-8")
    assert text.startswith("<!-- segctl:discover:plant-a -->\n### segctl discover · plant-a\n")
    flows = document["totals"]["proposed"]["flows"]
    assert f", proposed {flows}, asked about " in text.splitlines()[3]
    first = document["diff"].splitlines()[0]
    assert f"```diff\n{first}\n" in text
    for one in document["summary"]["seen"]:
        assert one["text"][:100] in text
    assert "Seen, not proposed" in (tmp_path / "found.html").read_text(encoding="utf-8")
