"""What is compiled of any inventory is proved, and what is proved holds packet by packet."""

from __future__ import annotations

import ast
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segctl.analysis import crossings as paths_module
from segctl.analysis import declared, intended, symbols
from segctl.analysis.crossings import Crossing, Crossings
from segctl.compiler.topology import topology
from segctl.model.site import Device, ZoneBinding
from segctl.providers.base import provider
from segctl.testing import TODAY, sites
from support.proofs import firewalls

if TYPE_CHECKING:
    from hypothesis.strategies import DataObject

SLOW = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def _device(platform: str) -> Device:
    zones = tuple(
        ZoneBinding(zone=f"site/z{number}", name=f"Z{number}", interfaces=(f"eth{number}",))
        for number in range(3)
    )
    return Device(name="fw1", platform=platform, zones=zones, threat_profiles=(("strict", "s"),))


@pytest.mark.parametrize("platform", ["panos", "nftables"])
@SLOW
@given(st.data())
def test_what_is_compiled_is_proved_and_its_mutants_are_not(
    platform: str, data: DataObject
) -> None:
    device = _device(platform)
    if platform == "nftables":
        device = replace(device, threat_profiles=())
    site = data.draw(sites(device, provider(platform).capabilities))
    firewall = firewalls(site, TODAY)["fw1"]
    proof = firewall.proof()
    assert proof.verdict == "proved", proof.examples
    mutants = firewall.mutants()
    if mutants:
        for mutant in data.draw(st.lists(st.sampled_from(mutants), min_size=1, max_size=3)):
            firewall.refusal(mutant)


zones = st.sampled_from([f"z{number}" for number in range(6)])
plants = st.dictionaries(
    st.sampled_from([f"fw{number}" for number in range(6)]),
    st.lists(zones, max_size=4, unique=True),
    max_size=6,
)


@SLOW
@given(plants, zones, zones)
def test_paths_and_crossings_are_those_of_the_compiler(
    attached: dict[str, list[str]], source: str, destination: str
) -> None:
    devices = [
        Device(
            name=name,
            platform="panos",
            zones=tuple(ZoneBinding(zone=zone, name=zone) for zone in found),
        )
        for name, found in attached.items()
    ]
    crossings, graph = Crossings(devices), topology(devices)
    expected = {
        Crossing(one.device, one.enter, one.leave) for one in graph.hops(source, destination)
    }
    assert crossings.crossed(source, destination) == expected
    paths = crossings.paths(source, destination)
    assert {one for path in paths for one in path} == expected
    for path in paths:
        assert (path[0].enter, path[-1].leave) == (source, destination)
        assert all(one.leave == other.enter for one, other in pairwise(path))
    for name in attached:
        through = {
            Crossing(one.device, one.enter, one.leave)
            for one in graph.hops_via(source, destination, name)
        }
        assert crossings.crossed(source, destination, (name,)) == through


def test_nothing_of_the_compiler_is_behind_what_is_intended() -> None:
    for module in (paths_module, declared, intended, symbols):
        tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                assert not (node.module or "").startswith(
                    ("segctl.compiler", "segctl.providers")
                ), (module.__name__, node.module)
