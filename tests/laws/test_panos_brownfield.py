"""Real firewalls' configurations: segctl comes, changes and goes, and they stay what they are."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from lxml import etree

from segctl.planning.freshness import managed
from segctl.testing import plan, reach, read
from segctl_mocks import PanosMock
from support.panos import PanosBench, PanosHarness, boot, others
from support.plants import flow, plant

NAMES = (
    "configs/BadAsh99_running-config.xml",
    "configs/ansible-pan_running-config_sample.xml",
    "configs/iron-skillet_panos_full.xml",
    "configs/jasonmeurer_bootstrap.xml",
    "configs/joyy367_running-config.xml",
    "configs/pan-os-php_appid-toolbox_tests_orig_stage00.xml",
    "configs/pan-os-php_appid_stage10.xml",
    "configs/pan-os-php_examples_sample-configs_panos-example-2.xml",
    "configs/pan_multicloud-lab_bootstrap.xml",
    "configs/skilletlib_after_config.xml",
    "configs/skilletlib_panos_baseline_91_baseline_91.xml",
    "device-firewall-paloalto/pa.localdomain.xml",
)


@pytest.fixture
def samples() -> Path:
    checkout = Path(__file__).resolve().parents[2]
    default = checkout.parent / "shared" / "third-party"
    folder = Path(os.environ.get("SEGCTL_THIRD_PARTY", default)) / "panos-samples"
    if not folder.is_dir():
        pytest.skip("real configurations are not here: set SEGCTL_THIRD_PARTY")
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_a_brownfield_stays_what_it_is(name: str, samples: Path, panos: PanosHarness) -> None:
    config = (samples / name).read_bytes()
    root = etree.fromstring(config)
    if root.find("devices/entry/vsys/entry[@name='vsys1']") is None:
        pytest.skip("no virtual system vsys1")
    found = re.search(r"\d+\.\d+\.\d+", root.get("detail-version", "") or root.get("version", ""))
    version = found[0] if found else "10.1.0"
    with PanosMock("fw1", sw_version=version, job_seconds=0.0) as mock:
        boot(mock, config)
        bench = PanosBench(mock, {}, any_version=True)
        before, printed = others(mock.running()), mock.running()
        first = plant(flow("web", ports=(443,)), flow("dns", applications=("ssl",)))
        then = plant(flow("web", ports=(8443,)), flow("new", ports=(22,)))
        for wanted in (first, then, plant()):
            made = reach(panos, bench, wanted)
            assert others(mock.running()) == before
            assert managed(read(panos, bench), made.covers).digest == made.desired
            assert not plan(panos, bench, wanted).changes
        assert others(printed) == before
        assert not managed(read(panos, bench), {}).rules
