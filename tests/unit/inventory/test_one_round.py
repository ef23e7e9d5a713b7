"""All that is wrong is told in one round, causes before what only follows from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from segctl.inventory import load
from segctl.model.errors import InventoryError, Problem
from segctl.operations.fitting import refusals

from .conftest import PLANT, TODAY

Write = Callable[[Mapping[str, str]], None]

HOSTS = """\
    all:
      children:
        plant:
          hosts:
            fw1: {ansible_host: 192.0.2.1, ansible_network_os: panos}
            fw2: {ansible_host: 192.0.2.2, ansible_network_os: nftables}
    """
MORE = """\
    segctl_zones_more:
      dmz: {networks: [10.20.3.0/24]}
      lonely: {networks: [10.20.4.0/24]}
    segctl_conduits_more:
      nowhere: {from: lonely, to: control, reason: r, owner: o, flows: {f: {services: tcp/1}}}
      office:
        from: supervisory
        to: dmz
        reason: r
        owner: o
        flows:
          people: {services: tcp/1, users: [operators]}
          shop: {applications: [ssl]}
          fine: {services: tcp/2}
    """
FW2 = """\
    segctl_zone_map:
      supervisory: {zone: SUPV, interfaces: [e1]}
      dmz: {zone: DMZ, interfaces: [e2]}
    """
ALL: Mapping[str, str] = {
    **PLANT,
    "hosts.yml": HOSTS,
    "group_vars/all.yml": MORE,
    "host_vars/fw2.yml": FW2,
}


def problems(write: Write, files: Mapping[str, str]) -> tuple[Problem, ...]:
    write(files)
    with pytest.raises(InventoryError) as caught:
        load([Path("hosts.yml")], today=TODAY, fitting=refusals)
    return caught.value.problems


def told(found: tuple[Problem, ...]) -> str:
    return "\n".join(map(str, found))


def test_reading_values_paths_and_platforms_come_in_one_round(write: Write) -> None:
    plant = PLANT["group_vars/plant.yml"].replace("level: 1", "level: 9")
    broken = 'note: "begins here\nand: never ends\n'
    wrong = {"group_vars/plant.yml": plant, "host_vars/fw1/a.yml": broken}
    files = {**ALL, **wrong, "host_vars/fw1/map.yml": PLANT["host_vars/fw1.yml"]}
    del files["host_vars/fw1.yml"]
    found = problems(write, files)
    text = told(found)
    order = [
        'host_vars/fw1/a.yml:1:7: not valid YAML: the quote " is not closed',
        "group_vars/plant.yml:3:12: segctl_zones.control.level: 9 is not one of",
        (
            "group_vars/all.yml:12:7: segctl_conduits.office.flows.people: fw2: conduit office, "
            "flow people: nftables cannot match users"
        ),
        (
            "group_vars/all.yml:13:7: segctl_conduits.office.flows.shop: fw2: conduit office, "
            "flow shop: nftables cannot match applications"
        ),
        "paths and platforms of 2 conduits (site/nowhere, site/polling)",
    ]
    places = [text.find(one) for one in order]
    assert -1 not in places, text
    assert places == sorted(places)
    assert all(one.line > 0 for one in found)


def test_paths_and_platforms_come_in_one_round(write: Write) -> None:
    text = told(problems(write, ALL))
    assert "conduit site/nowhere: no path from zone site/lonely to site/control" in text
    assert "nftables cannot match users" in text
    assert "nftables cannot match applications" in text
    assert "not checked" not in text


def test_one_wrong_flow_does_not_hide_what_is_wrong_with_another(write: Write) -> None:
    files = {
        **ALL,
        "group_vars/all.yml": MORE.replace("services: tcp/2", "services: tcp/2, log: 7"),
    }
    text = told(problems(write, files))
    assert "segctl_conduits_more.office.flows.fine.log" in text
    assert "nftables cannot match users" in text


def test_platforms_alone_are_left_to_the_caller(write: Write) -> None:
    lines = [line for line in MORE.splitlines() if "nowhere" not in line]
    write({**ALL, "group_vars/all.yml": "\n".join(lines)})
    assert load([Path("hosts.yml")], today=TODAY, fitting=refusals).site


# --- causes and what follows from them -----------------------------------------------------------


def test_a_renamed_group_folder(write: Write) -> None:
    files = {**PLANT, "group_vars/plnt/zones.yml": PLANT["group_vars/plant.yml"]}
    del files["group_vars/plant.yml"]
    (problem,) = problems(write, files)
    assert problem.file == "group_vars/plnt"
    assert "is not read: there is no group or host 'plnt'; 2 references" in problem.message
    assert "(control, supervisory) follow from it" in problem.message
    assert problem.hint == "did you mean plant?"
    assert problem.severity == "error"


def split(zones: str) -> dict[str, str]:
    whole = PLANT["group_vars/plant.yml"]
    at = whole.index("        segctl_conduits")
    files = {**PLANT, "group_vars/plant/zones.yml": zones or whole[:at]}
    files["group_vars/plant/conduits.yml"] = whole[at:]
    del files["group_vars/plant.yml"]
    return files


@pytest.mark.parametrize("zones", ["\n", "# later\n"])
def test_an_empty_file_of_zones(zones: str, write: Write) -> None:
    cause, rest = problems(write, split(zones))
    assert cause.where == "host_vars/fw1.yml:2:3"
    assert "site site declares no zone; 4 references" in cause.message
    if zones == "\n":
        assert cause.hint.startswith("group_vars/plant/zones.yml is empty")
    assert "not checked because of the problems above" in rest.message
    assert rest.where == "group_vars/plant/conduits.yml:2:3"


def test_a_file_of_zones_with_an_open_quote(write: Write) -> None:
    zones = split("")["group_vars/plant/zones.yml"].replace("kind: control", 'kind: "control')
    cause, rest = problems(write, split(zones))
    assert cause.where == "group_vars/plant/zones.yml:4:11"
    assert 'the quote " is not closed; 4 references to zones' in cause.message
    assert "not checked" in rest.message


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("segctl_zones_map", "declares zones, and holds the zones of a firewall"),
        ("segctl_zone_mpa", "unknown variable segctl_zone_mpa"),
    ],
)
def test_a_misspelt_zone_map_is_one_problem(name: str, message: str, write: Write) -> None:
    text = PLANT["host_vars/fw1.yml"].replace("segctl_zone_map", name)
    (problem,) = problems(write, {**PLANT, "host_vars/fw1.yml": text})
    assert problem.where == "host_vars/fw1.yml:1:1"
    assert message in problem.message
    assert problem.hint == "did you mean segctl_zone_map?"


def test_misspelt_zones_are_one_problem(write: Write) -> None:
    text = PLANT["group_vars/plant.yml"].replace("segctl_zones", "segctl_zoens")
    (problem,) = problems(write, {**PLANT, "group_vars/plant.yml": text})
    assert (problem.message, problem.hint) == (
        "unknown variable segctl_zoens",
        "did you mean segctl_zones?",
    )


def test_a_zone_that_many_name_is_told_once(write: Write) -> None:
    text = PLANT["group_vars/plant.yml"].replace("  control:\n", "  contrl:\n", 1)
    found = problems(write, {**PLANT, "group_vars/plant.yml": text})
    (undefined,) = [one for one in found if "is not defined" in one.message]
    assert undefined.where == "host_vars/fw1.yml:2:3"
    assert "named once more: group_vars/plant.yml:15:9" in undefined.message
    assert undefined.hint == "did you mean contrl?"


def test_a_gap_that_follows_from_a_lost_zone_is_not_told(write: Write) -> None:
    text = PLANT["host_vars/fw1.yml"].replace("control:", "contrl:")
    undefined, rest = problems(write, {**PLANT, "host_vars/fw1.yml": text})
    assert "zone 'contrl' is not defined" in undefined.message
    assert "not checked because of the problems above" in rest.message


def test_files_of_a_hosts_file_that_cannot_be_read_are_named(write: Write) -> None:
    found = problems(write, {**PLANT, "hosts.yml": "all: {hosts: {fw1: {a: [1}}\n"})
    text = told(found)
    assert "hosts.yml:1" in text
    assert "not checked because of the problems above: what they hold of 2 files" in text
