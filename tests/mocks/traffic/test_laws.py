"""What holds for every seed: nothing that happened is missing without the truth saying why."""

from __future__ import annotations

import csv
import json
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from segctl_mocks.traffic.generate import generate
from segctl_mocks.traffic.reading import read
from traffic_support import SMALL, window

seeds = st.integers(0, 10**6)
shares = st.sampled_from([0.0, 0.1, 0.5])
hours = st.integers(0, 22)


@settings(max_examples=20, deadline=None)
@given(seed=seeds, duplicates=shares, busy=st.sampled_from([0.5, 1, 4]), hour=hours)
def test_every_session_is_logged_lost_or_open(
    seed: int, duplicates: float, busy: float, hour: int
) -> None:
    gap = f'gaps: [{{day: 0, from: "{hour:02}:00", to: "{hour + 1:02}:30"}}]'
    text = SMALL.replace("fw:", f"fw:\n    duplicates: {duplicates}\n    {gap}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        generate(read(text), window(2, seed=seed, busy=busy), folder)
        lines = (folder / "fw/traffic.log").read_text("utf-8").splitlines()
        rows = list(csv.reader(line[line.index(" 1,20") + 1 :] for line in lines))
        truth = json.loads((folder / "truth.json").read_text("utf-8"))
        entries = [
            json.loads(line) for line in (folder / "traffic.jsonl").read_text("utf-8").splitlines()
        ]
    (witness,) = truth["witnesses"]
    (one,) = truth["conversations"]
    numbers = [row[39] for row in rows]
    still_open = [entry for entry in entries if entry["kind"] == "session"]
    (rule,) = [entry for entry in entries if entry["kind"] == "rule"]
    kept = [entry["seqno"] for entry in entries if entry["kind"] == "log"]
    assert len(set(numbers)) + witness["lost_in_gaps"] + len(still_open) == one["sessions"]
    assert len(numbers) - len(set(numbers)) == witness["arrived_twice"]
    assert numbers == sorted(numbers, key=int)
    assert sorted(set(numbers), key=int) == kept
    assert int(rule["hit-count"]) == one["sessions"] == one["witnesses"]["fw"]
