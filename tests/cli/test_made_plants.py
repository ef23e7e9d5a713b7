"""What is concluded from made days of several plants, against what these days really were."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from cli_support import ROOT
from segctl.cli import run
from support.traffic_truth import Truth, conduits_of, flows, permitted, replayed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.slow
FORMS = ("panos-syslog", "conntrack", "ulogd", "zeek", "nfdump-csv")
INTRUDER = ROOT / "tests/plants/traffic/intruder.yml"
#: Each with a seed of its own, the folder of its inventory, and the zone of its clocks.
PLANTS = {
    "waterworks": ("waterworks", 41, "waterworks", "Etc/GMT-1"),
    "substation": ("substation", 42, "substation", "Etc/GMT-2"),
    "gas pipeline": ("gas_pipeline", 43, "gas_pipeline", "Etc/GMT+6"),
    "intruder": (str(INTRUDER), 44, "waterworks", "Etc/GMT-1"),
}
DAYS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """The records of a plant: files of logs, the folder they are in, the truth about them."""

    folder: Path
    files: tuple[str, ...]
    timezone: str
    inventory: Path
    truth: Truth


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Made]:
    """Makes the traffic of a plant, once."""

    @cache
    def make(name: str) -> Made:
        plant, seed, inventory, timezone = PLANTS[name]
        folder = tmp_path_factory.mktemp("made") / "traffic"
        words = [word for form in FORMS for word in ("--form", form)]
        start = ["mock", "traffic", "-o", str(folder), "--plant", plant, "--seed", str(seed)]
        assert run([*start, "--days", str(DAYS), *words]) == 0
        places = sorted(path for path in folder.iterdir() if path.is_dir())
        return Made(
            folder=folder,
            files=tuple(map(str, places)),
            timezone=timezone,
            inventory=ROOT / "inventory/group_vars" / inventory,
            truth=Truth.read(folder, [path.name for path in places]),
        )

    return make


def answer(made: Made, capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    capsys.readouterr()
    where = ["-i", str(ROOT / "inventory")]
    code = run([*where, *words, *made.files, "--timezone", made.timezone, "--json"])
    document = json.loads(capsys.readouterr().out)
    assert code in {0, 2}, document.get("error")
    return document


@pytest.mark.parametrize("name", PLANTS)
def test_what_is_proposed(
    name: str,
    made: Callable[[str], Made],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    one = made(name)
    truth, needed = one.truth, one.truth.needed()
    out = tmp_path / "proposed"
    document = answer(one, capsys, "discover", "-o", str(out))
    rows = [
        (rule, pair, port)
        for rule in permitted(out)
        for pair in rule.pairs()
        for port in _ports(document, rule.name)
    ]
    given = {(*pair, port) for _, pair, port in rows}
    assert len(needed & given) >= 0.95 * len(needed), sorted(needed - given)
    good = {flow for flow in given if flow in needed or truth.leased(flow)}
    assert len(good) >= 0.9 * len(given), sorted(given - good)
    hostile = truth.hostile()
    assert not {flow: hostile[flow] for flow in given & hostile.keys()}
    for rule, pair, port in rows:  # nor a class of access that nobody needs
        allowed = truth.access.get((*pair, port), frozenset())
        assert not allowed or rule.classes <= allowed | {"session"}, (rule.name, pair)
    listed = flows([*document["asked"], *document["seen"]])
    assert hostile.keys() <= listed, sorted(hostile.keys() - listed)[:5]
    written = {path.name for path in out.rglob("*.yml")}
    assert written <= {"discovered.yml", "zones.yml", "discovered-hosts.yml"}


def _ports(document: Any, name: str) -> set[int]:
    """The ports at which what one proposed flow permits was seen."""
    return {
        pair["port"]
        for conduit in document["proposed"]
        for flow in conduit["flows"]
        if f"{conduit['conduit'].partition('/')[2]}.{flow['flow']}" == name
        for pair in flow["pairs"]
    }


@pytest.mark.parametrize("name", PLANTS)
def test_what_would_be_cut(
    name: str, made: Callable[[str], Made], capsys: pytest.CaptureFixture[str]
) -> None:
    one = made(name)
    document = answer(one, capsys, "replay", "--declared")
    matrix = replayed(one.truth, conduits_of(one.inventory), document)
    assert matrix.recall("newly_dropped") == 1.0, matrix
    assert matrix.precision("newly_dropped") >= 0.99, matrix
    fates = document["fates"]
    sessions = sum(held["sessions"] for held in fates.values())
    assert fates["cannot_tell"]["sessions"] <= 0.03 * sessions
    for flow in fates["cannot_tell"]["listed"]:
        assert flow["why"]
