"""What is proposed of made traffic, held against what that traffic really was."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cli_support import ROOT
from segctl.cli import run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

generate = pytest.importorskip(
    "segctl_mocks.traffic.generate", reason="this checkout makes no traffic (segctl mock traffic)"
)

DAYS = 7
FILES = ("edge-fw/traffic.log", "core-fw/traffic.log", "cell-fw/conntrack.log", "tap-control/zeek")
NEEDED = frozenset({"undeclared", "dhcp", "translated"})
NEVER = frozenset(
    {"scan", "beacon", "lateral", "unknown", "maintenance", "down", "tunnel", "misuse"}
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A week of the example's plant, as syslog, connections and Zeek's logs."""
    folder = tmp_path_factory.mktemp("made") / "traffic"
    forms = [word for one in ("panos-syslog", "conntrack", "zeek") for word in ("--form", one)]
    assert run(["mock", "traffic", "-o", str(folder), "--days", str(DAYS), *forms]) == 0
    return folder


@pytest.fixture(scope="module")
def truth(made: Path) -> Mapping[str, Any]:
    found: dict[str, Any] = json.loads((made / "truth.json").read_text("utf-8"))
    return found


def discovered(made: Path, capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    capsys.readouterr()
    where = ["-i", str(ROOT / "inventory")]
    files = [str(made / name) for name in FILES]
    assert run([*where, "discover", *files, *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def pairs(flows: Iterator[Mapping[str, Any]]) -> set[tuple[str, str, int]]:
    return {(one["source"], one["destination"], one["port"]) for one in flows}


def proposed(document: Mapping[str, Any]) -> set[tuple[str, str, int]]:
    return pairs(
        pair
        for conduit in document["proposed"]
        for flow in conduit["flows"]
        for pair in flow["pairs"]
    )


def listed(document: Mapping[str, Any]) -> set[tuple[str, str, int]]:
    return pairs(one for name in ("asked", "seen") for one in document[name])


def witnessed(conversation: Mapping[str, Any]) -> bool:
    """Whether one of the witnesses whose files are read saw it."""
    return bool({name.partition("/")[0] for name in FILES} & set(conversation["witnesses"]))


@pytest.mark.slow
@pytest.mark.parametrize("grade", ["host", "zone"])
def test_what_people_need_is_proposed_and_nothing_else(
    grade: str, made: Path, truth: Mapping[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    document = discovered(made, capsys, "--grade", grade)
    given, other = proposed(document), listed(document)
    seen = [one for one in truth["conversations"] if witnessed(one)]
    kinds: dict[tuple[str, str, int], set[str]] = {}
    for one in seen:
        for pair in pairs(one["pairs"]):
            kinds.setdefault(pair, set()).add(one["kind"])
    needed = {pair for pair, kind in kinds.items() if kind & NEEDED}
    assert len(needed & given) >= 0.95 * len(needed)
    assert len(needed & given) >= 0.9 * len(given)
    for one in seen:
        if one["kind"] in NEVER:
            mine = pairs(one["pairs"])
            assert not {pair for pair in mine & given if not kinds[pair] & NEEDED}, one["name"]
            assert mine <= other | given, one["name"]


@pytest.mark.slow
def test_a_maintenance_window_that_is_named_is_no_evidence(
    made: Path, truth: Mapping[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    from datetime import UTC, datetime

    windows = [
        "/".join(datetime.fromtimestamp(moment, UTC).isoformat() for moment in span)
        for span in truth["maintenance"]
    ]
    document = discovered(made, capsys, *(word for one in windows for word in ("--exclude", one)))
    work = [
        one for one in truth["conversations"] if one["kind"] == "maintenance" and witnessed(one)
    ]
    assert work
    for one in work:
        reasons = {
            two["reason"]
            for two in document["seen"]
            if (two["source"], two["destination"], two["port"]) in pairs(one["pairs"])
        }
        assert reasons == {"excluded"}
