"""The benchmarks run, say what they promise to say, and their counts hold at any size."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("bench") / "result.json"
    command = [sys.executable, str(ROOT / "bench/run.py"), "--quick", "--out", str(out)]
    subprocess.run(command, check=True, capture_output=True, cwd=out.parent)
    found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return found


def claims(document: dict[str, Any], case: str) -> dict[str, Any]:
    return {claim["claim"]: claim for claim in document["cases"][case]["claims"]}


def test_it_names_the_machine(document: dict[str, Any]) -> None:
    machine = document["machine"]

    assert machine["cpu"]
    assert machine["cores"] > 0
    assert set(machine["packages"]) >= {"segctl", "lxml", "pan-os-python"}
    assert document["quick"] is True


def test_every_case_has_results_and_claims(document: dict[str, Any]) -> None:
    assert list(document["cases"]) == [
        "read",
        "plan",
        "apply",
        "edit",
        "order",
        "nft-apply",
        "nft-plan",
        "nft-forward",
        "startup",
        "inventory",
        "fleet",
        "growth",
        "permits",
        "lint",
        "prove",
        "query",
        "panorama",
        "observe",
        "spread",
        "page",
    ]
    for case in document["cases"].values():
        assert case["what"]
        assert case["results"]
        keys = {"claim", "value", "target", "met"}
        assert all(keys == set(one) - {"gate"} for one in case["claims"])


@pytest.mark.parametrize(
    ("case", "claim"),
    [
        ("nft-apply", "20 rules: applied and nft -f accepted, of 1"),
        ("nft-plan", "changes planned"),
        ("nft-plan", "rules read"),
    ],
)
def test_the_gateway_holds_what_was_applied(
    document: dict[str, Any], case: str, claim: str
) -> None:
    (result,) = document["cases"][case]["results"]
    if "skipped" in result:
        pytest.skip(result["skipped"])
    assert claims(document, case)[claim]["met"]


def test_every_contender_read_the_same(document: dict[str, Any]) -> None:
    (result,) = document["cases"]["read"]["results"]
    contenders = ("stream", "segctl", "pan-os-python")

    assert result["segctl"]["entries"] == result["pan-os-python"]["entries"] > 0
    assert all(result[name]["peak_mb"] > 0 for name in contenders)


@pytest.mark.parametrize(
    ("case", "claim"),
    [
        ("plan", "changes planned"),
        ("plan", "requests for 60 rules less requests for 6 rules"),
        ("apply", "write requests before commit"),
        ("apply", "write requests of pan-os-python create() for each rule"),
        ("edit", "changes"),
        ("edit", "configuration writes"),
        ("edit", "moves"),
        ("order", "moves beyond n less the LIS"),
        ("startup", "exit code"),
        ("permits", "one edit: pairs of zones that differ"),
        ("permits", "questions answered with what the policy denies"),
        ("lint", "rules that pairwise finds covered and lint does not"),
        ("prove", "proofs that succeed"),
        ("query", "pairs of zones that are too complex"),
        ("panorama", "changes planned when nothing changed"),
        ("panorama", "changes planned after an edit in one group"),
        ("panorama", "writes of a plan"),
        ("panorama", "requests of a plan for a device group, less one for each firewall"),
    ],
)
def test_what_is_counted_holds_at_any_size(document: dict[str, Any], case: str, claim: str) -> None:
    found = claims(document, case)[claim]

    assert found["met"], found


def test_every_work_of_growth_is_done(document: dict[str, Any]) -> None:
    results = document["cases"]["growth"]["results"]

    assert [one["work"] for one in results] == [
        "validate a manufacturer",
        "plan for a device",
        "import a device",
        "show a plan",
        "report a plan",
        "plan anew, cache it",
        "plan from the cache",
    ]
    assert all(one["processor_seconds"][0] > 0 for one in results)
    validated, planned, imported, shown, reported, *_ = (one["runs"][0] for one in results)
    assert validated["zones"] == 57
    assert planned["changes"] == shown["changes"] == reported["changes"] > 0
    assert imported["changes"] == 0


GROWTH = """
import sys
sys.path.insert(0, sys.argv[1])
from bench.growth import exponents
from bench.measure import Case, Claim
from bench import suite

works = sys.argv[2]
slow, fast = exponents((1, 4, 16), (1.0, 16.0, 64.0))

def case(quick):
    made = Case("growth of two works")
    for name, found in (("slow", slow), ("fast", fast)):
        if name in works:
            made.claims.append(
                Claim(text=name, value=found, relation="<=", target=1.3, gate=True)
            )
    made.claims.append(Claim(text="no gate", value=9, relation="<=", target=1.3))
    return made

suite.CASES = {"growth": case}
sys.argv = ["run.py"]
sys.exit(suite.main())
"""


@pytest.mark.parametrize(("works", "status"), [("slow,fast", 1), ("fast", 0)])
def test_only_growth_above_the_limit_makes_the_run_fail(works: str, status: int) -> None:
    command = [sys.executable, "-c", GROWTH, str(ROOT), works]
    done = subprocess.run(command, check=False, capture_output=True, text=True)

    assert done.returncode == status, done.stderr
    assert ("growth: slow is 2.0, not <= 1.3" in done.stderr) is bool(status)
    assert "no gate" not in done.stderr
    assert json.loads(done.stdout)["cases"]["growth"]["claims"][-1]["met"] is False


def test_the_page_of_a_plant_is_used_where_there_is_a_browser(document: dict[str, Any]) -> None:
    rows = document["cases"]["page"]["results"]
    assert [one["zones"] for one in rows] == [28, 56]
    for row in rows:
        assert row["megabytes"] > 0
        assert ("longest_task_ms" in row) is not ("browser" in row)


def test_every_line_of_traffic_is_read(document: dict[str, Any]) -> None:
    found = claims(document, "observe")
    for work in ("traffic", "discover", "replay"):
        assert found[f"{work}: lines that were used, of all"]["met"]
    groups = {
        one["lines"]: one["groups"]
        for one in document["cases"]["observe"]["results"]
        if one["work"] == "split"
    }
    assert groups == {1_000: 300, 2_000: 600}
