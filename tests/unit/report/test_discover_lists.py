"""Lists of a discovery are bounded, and say how much they leave out."""

from __future__ import annotations

from dataclasses import replace

import jsonschema

from segctl.observe.coverage import Coverage
from segctl.planning.documents import schema
from segctl.report.discover import LISTED, discover_json
from support.plant_traffic import Talk, found

ONCE = Talk(source="10.2.0.1", destination="10.1.0.2", port=22, days=1, daily=1)
COVERAGE = Coverage(files=(), witnesses=(), timezone="UTC")


def test_a_list_ends_and_the_summary_does_not() -> None:
    result = found([ONCE])
    (one,) = result.judged
    many = replace(one, outcome="seen", reason="denied")
    few = replace(one, outcome="ask", reason="rare")
    judged = (*[many] * (LISTED + 3), few)
    document = discover_json(
        COVERAGE, replace(result, judged=judged), files={}, diff="", written=[]
    )
    jsonschema.validate(document | {"seen": document["seen"][:1]}, schema("discover"))
    assert (len(document["seen"]), document["seen_left_out"]) == (LISTED, 3)
    assert (len(document["asked"]), document["asked_left_out"]) == (1, 0)
    assert document["summary"]["seen"][0]["flows"] == LISTED + 3


def test_what_is_spoken_alike_is_one_value() -> None:
    talks = [replace(ONCE, destination=host) for host in ("10.1.0.1", "10.1.0.2")]
    one, other = (judged.service for judged in found(talks).judged)
    assert one is not None
    assert one is other
