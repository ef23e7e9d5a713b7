"""Hit counts as firewalls write them, and the releases on which one does not ask."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from lxml import etree

from segctl.model.errors import ParseError, UnsupportedError
from segctl.providers.panos.hits import hangs, read, refuse_hanging

if TYPE_CHECKING:
    from segctl.providers.panos.elements import Element

ELSEWHERE = Path(__file__).resolve().parents[3].parent / "shared" / "third-party"
ANSWER = """<response status="success"><result><rule-hit-count><vsys><entry name="vsys1">
<rule-base><entry name="nat"><rules><entry name="other"><hit-count>9</hit-count></entry></rules>
</entry><entry name="security"><rules>{}</rules></entry></rule-base></entry></vsys>
</rule-hit-count></result></response>"""
ROW = """<entry name="r1"><latest>{latest}</latest><hit-count>{count}</hit-count>
<last-hit-timestamp>{last}</last-hit-timestamp><last-reset-timestamp>{reset}</last-reset-timestamp>
<first-hit-timestamp>0</first-hit-timestamp>
<rule-creation-timestamp>{created}</rule-creation-timestamp></entry>"""
ROWS = {"latest": "yes", "count": "3", "last": "1750872135", "reset": "0", "created": "1745952837"}


def answer(rows: str) -> Element:
    return etree.fromstring(ANSWER.format(rows))


def test_a_row_is_read() -> None:
    (found,) = read("fw", answer(ROW.format(**ROWS)))
    assert (found.rule, found.count, found.first) == ("r1", 3, None)
    assert found.last == datetime(2025, 6, 25, 17, 22, 15, tzinfo=UTC)
    assert found.counted_from == datetime.fromtimestamp(1745952837, UTC)


def test_a_reset_is_when_counting_began() -> None:
    (found,) = read("fw", answer(ROW.format(**ROWS | {"reset": "1750000000"})))
    assert found.counted_from == datetime.fromtimestamp(1750000000, UTC)


@pytest.mark.parametrize("row", ['<entry name="r1"/>', ROW.format(**ROWS | {"latest": "no"})])
def test_what_is_missing_or_not_current_is_unknown(row: str) -> None:
    (found,) = read("fw", answer(row))
    assert found.count is None


def test_a_rule_whose_creation_is_not_told_has_no_beginning() -> None:
    (found,) = read("fw", answer(ROW.format(**ROWS | {"created": "0", "reset": "1750000000"})))
    assert found.counted_from is None


@pytest.mark.parametrize(
    "bad", [{"count": "-1"}, {"count": "many"}, {"last": "9" * 20}, {"count": "9" * 21}]
)
def test_a_number_that_is_none_is_an_error(bad: dict[str, str]) -> None:
    with pytest.raises(ParseError, match="answers with a"):
        list(read("fw", answer(ROW.format(**ROWS | bad))))


def test_recorded_answers_are_read() -> None:
    recorded = ELSEWHERE / "panos-samples/demisto/get_rule_hitcounts_rule_hits.xml"
    if not recorded.exists():
        pytest.skip("recorded answers are not here")
    found = {one.rule: one for one in read("fw", etree.fromstring(recorded.read_bytes()))}
    assert found["Rule 1"].count == 24
    assert found["Rule 6"].count == 0
    assert found["Rule 6"].last is None


@pytest.mark.parametrize(
    "version",
    ["", "x", "9.1.16", "10.0.12", "10.1.9-h3", "10.1.10", "10.1.10-h4", "10.1.11", "10.2.6-h3",
     "11.0.4", "11.1.0", "11.1.0-h3"],
)  # fmt: skip
def test_releases_that_hang_are_not_asked(version: str) -> None:
    assert hangs(version)
    with pytest.raises(UnsupportedError, match="--hit-counts"):
        refuse_hanging("fw", version)


@pytest.mark.parametrize(
    "version",
    ["10.1.10-h5", "10.1.10-h9", "10.1.12", "10.1.14-h2", "10.2.7", "10.2.12-h1", "11.1.1",
     "11.1.6-h3", "11.2.4", "12.1.2"],
)  # fmt: skip
def test_releases_that_do_not_are(version: str) -> None:
    assert not hangs(version)
    refuse_hanging("fw", version)
