"""A plant's traffic, made once; genuine samples to hold its forms against."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from segctl_mocks.traffic.generate import generate
from segctl_mocks.traffic.plants import plant
from traffic_support import Made, window

DAYS, BUSY = 7, 0.4


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A week of the water works, in every form."""
    folder = tmp_path_factory.mktemp("traffic")
    lines = generate(plant("waterworks"), window(DAYS, busy=BUSY), folder)
    truth = json.loads((folder / "truth.json").read_text("utf-8"))
    return Made(folder=folder, truth=truth, lines=lines)


@pytest.fixture
def samples() -> Path:
    """The folder of genuine records."""
    default = Path(__file__).resolve().parents[4] / "shared" / "third-party"
    folder = Path(os.environ.get("SEGCTL_THIRD_PARTY", default)) / "observe-samples"
    if not folder.is_dir():
        pytest.skip("genuine records are not here: set SEGCTL_THIRD_PARTY")
    return folder
