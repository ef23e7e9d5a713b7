"""Addresses and former ids: what may be there only once in a site."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from segctl.inventory import Loaded, json_schema
from segctl.model.errors import Problem

LoadFiles = Callable[[Mapping[str, str]], Loaded]
ProblemsOf = Callable[[Mapping[str, str]], tuple[Problem, ...]]
MORE = "group_vars/all.yml"


def assets(text: str) -> dict[str, str]:
    return {MORE: f"segctl_zones_more: {{lab: {{assets: {text}}}}}\n"}


@pytest.mark.parametrize(
    ("text", "unsaid"),
    [
        ("{a: 10.9.0.1, b: 10.9.0.1}", "a and b"),
        ("{a: {addresses: 10.9.0.1, shared: true}, b: 10.9.0.1}", "b"),
        ('{a: "fd00::1", b: "fd00:0::1"}', "a and b"),
    ],
)
def test_one_address_of_two_assets(text: str, unsaid: str, problems_of: ProblemsOf) -> None:
    (problem,) = problems_of(assets(text))
    assert problem.path == "segctl_zones.lab.assets.b"
    assert problem.where.startswith(f"{MORE}:1:")
    assert f"asset a of zone site/lab ({MORE}:1:" in problem.message
    assert problem.hint.endswith(f"add shared: true to {unsaid}")


def test_one_address_in_two_zones_of_a_site(problems_of: ProblemsOf) -> None:
    (problem,) = problems_of(assets("{twin: 10.20.1.11}"))
    assert problem.path == "segctl_zones.control.assets.plc1"
    assert "10.20.1.11, and so has asset twin of zone site/lab" in problem.message


@pytest.mark.parametrize(
    "text",
    [
        "{a: [10.9.0.1, 10.9.0.1]}",
        "{a: 10.9.0.1}, networks: 10.9.0.0/24",
        "{a: {addresses: 10.9.0.1, shared: true}, b: {addresses: 10.9.0.1, shared: true}}",
    ],
)
def test_what_is_not_the_same_address_twice(text: str, load_files: LoadFiles) -> None:
    assert load_files(assets(text)).site


def test_cells_of_other_sites_may_have_the_same_addresses(load_files: LoadFiles) -> None:
    files = {
        "hosts.yml": "plant: {hosts: {fw1: {ansible_network_os: panos}}}\n"
        "cell: {hosts: {fw2: {ansible_network_os: panos}}}\n",
        "group_vars/cell.yml": "segctl_site: cell\n"
        "segctl_zones: {control: {assets: {plc1: 10.20.1.11}}}\n",
    }
    assert len(load_files(files).site.zones) == 3


FORMER = (
    (
        "segctl_zones_b: {lab: {renamed_from: control}}",
        "segctl_zones.lab.renamed_from",
        "zone control still exists (group_vars/plant.yml:",
    ),
    (
        "segctl_zones_b: {lab: {renamed_from: lab}}",
        "segctl_zones.lab.renamed_from",
        "names the zone itself",
    ),
    (
        "segctl_zones_b: {lab: {renamed_from: old}, test: {renamed_from: [x, old]}}",
        "segctl_zones.test.renamed_from",
        "zone lab is renamed from old too",
    ),
    (
        "segctl_zones_b: {lab: {assets: {a: 10.9.0.1, b: {addresses: 10.9.0.2, renamed_from: a}}}}",
        "segctl_zones.lab.assets.b.renamed_from",
        "asset a still exists",
    ),
    (
        (
            "segctl_conduits_b: {c: {from: control, to: supervisory, reason: r, owner: o, "
            "renamed_from: polling, flows: {f: {services: icmp}}}}"
        ),
        "segctl_conduits.c.renamed_from",
        "conduit polling still exists",
    ),
    (
        (
            "segctl_conduits_b: {c: {from: control, to: supervisory, reason: r, owner: o, "
            "flows: {f: {services: icmp}, g: {services: tcp/1, renamed_from: f}}}}"
        ),
        "segctl_conduits.c.flows.g.renamed_from",
        "flow f still exists",
    ),
)


@pytest.mark.parametrize(("text", "path", "message"), FORMER)
def test_a_former_id_is_claimed_once(
    text: str, path: str, message: str, problems_of: ProblemsOf
) -> None:
    (problem,) = problems_of({MORE: f"{text}\n"})
    assert (problem.path, problem.line) == (path, 1)
    assert message in problem.message


def test_a_former_id_that_never_was_is_nothing(load_files: LoadFiles) -> None:
    loaded = load_files({MORE: "segctl_zones_b: {lab: {renamed_from: [new, old]}}\n"})
    (lab,) = [zone for zone in loaded.site.zones if zone.id == "lab"]
    assert lab.renamed_from == ("new", "old")
    assert loaded.digest != load_files({MORE: "segctl_zones_b: {lab: {}}\n"}).digest


def test_who_names_a_zone_by_its_former_id_is_told_the_new_one(problems_of: ProblemsOf) -> None:
    text = (
        "segctl_zones_b: {lab: {renamed_from: test}}\n"
        "segctl_conduits_b: {c: {from: test, to: control, reason: r, owner: o, "
        "flows: {f: {services: icmp}}}}\n"
    )
    (problem,) = problems_of({MORE: text})
    assert problem.hint == "it is called lab now"


def test_the_schema_knows_them() -> None:
    text = str(json_schema())
    assert text.count("'renamed_from'") == 4
    assert text.count("'shared'") == 1
