"""What Ansible passes over: an inventory that lost something is refused, and may be listed."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from segctl.inventory import load, read_inventory
from segctl.model.errors import InventoryError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from segctl.model.errors import Problem

    Plant = Mapping[str, str]
    Write = Callable[[Mapping[str, str]], None]

TODAY = date(2026, 11, 22)


def refused(*sources: str) -> tuple[Problem, ...]:
    """The problems that `load` refuses the sources for, all of which `segctl inventory` tells."""
    with pytest.raises(InventoryError) as caught:
        load([*map(Path, sources or ("hosts.yml",))], today=TODAY)
    lost = read_inventory(sources or ("hosts.yml",), as_ansible=True).lost
    assert caught.value.problems == lost
    return lost


# --- what cannot be read -------------------------------------------------------------------------


def dangling(path: Path) -> None:
    path.symlink_to("/not/mounted/conduits.yml")


def looping(path: Path) -> None:
    path.symlink_to(path.name)


def pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize(
    "name",
    [
        "group_vars/plant/more.yml",
        "group_vars/plant/more",
        "group_vars/plant/deeper/more.json",
        "group_vars/plant.yaml",
        "group_vars/other",
        "host_vars/fw2.yml",
        "more.yml",
        "more",
    ],
)
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (dangling, "is a symbolic link that leads nowhere (to /not/mounted/conduits.yml)"),
        (looping, "symbolic link"),
        (pipe, "is not a regular file"),
    ],
)
def test_what_cannot_be_read_is_an_error(
    write: Write,
    plant: Plant,
    tmp_path: Path,
    name: str,
    make: Callable[[Path], None],
    message: str,
) -> None:
    write({f"inv/{file}".replace("plant.yml", "plant/all"): text for file, text in plant.items()})
    (tmp_path / "inv/group_vars/plant/deeper").mkdir()
    make(tmp_path / "inv" / name)
    (problem,) = refused("inv")
    assert problem.file == f"inv/{name}"
    assert message in problem.message
    assert problem.severity == "error"


@pytest.mark.parametrize("name", [".#hosts.yml", "group_vars/.#plant.yml", "group_vars/plant.txt"])
def test_what_is_read_by_nobody_may_lead_nowhere(
    write: Write, plant: Plant, tmp_path: Path, name: str
) -> None:
    write({f"inv/{file}": text for file, text in plant.items()})
    dangling(tmp_path / "inv" / name)
    assert load([Path("inv")], today=TODAY).site.conduits


@pytest.mark.parametrize("kind", ["group_vars", "host_vars"])
def test_a_folder_of_variables_that_is_gone(
    write: Write, plant: Plant, tmp_path: Path, kind: str
) -> None:
    write({"hosts.yml": plant["hosts.yml"]})
    dangling(tmp_path / kind)
    (problem,) = refused()
    assert (problem.file, problem.severity) == (kind, "error")
    assert "leads nowhere" in problem.message
    (tmp_path / kind).unlink()
    (tmp_path / kind).write_text("segctl_site: a\n")
    (problem,) = refused()
    assert problem.message == "is not a folder"


def test_a_folder_of_variables_that_is_a_loop(write: Write, plant: Plant, tmp_path: Path) -> None:
    write({"hosts.yml": plant["hosts.yml"], "host_vars/fw1.yml": "a: [\n"})
    looping(tmp_path / "group_vars")
    with pytest.raises(InventoryError) as caught:
        read_inventory(["hosts.yml"], as_ansible=True)
    listed, syntax = caught.value.problems
    assert (listed.file, syntax.file) == ("group_vars", "host_vars/fw1.yml")
    assert "cannot be listed" in listed.message


@pytest.mark.parametrize("name", ["inv/again", "inv/group_vars/plant/again"])
def test_a_folder_that_holds_itself(write: Write, plant: Plant, tmp_path: Path, name: str) -> None:
    write({f"inv/{file}".replace("plant.yml", "plant/all"): text for file, text in plant.items()})
    (tmp_path / name).symlink_to("../" + Path(name).parent.name)
    (problem,) = refused("inv")
    assert problem.file == name
    assert "leads back" in problem.message


def test_a_folder_that_two_names_lead_to_is_no_loop(
    write: Write, plant: Plant, tmp_path: Path
) -> None:
    write({**plant, "shared/more.yml": "x: 1\n", "group_vars/all/.keep": ""})
    for name in ("one", "two"):
        (tmp_path / "group_vars/all" / name).symlink_to("../../shared")
    assert load([Path("hosts.yml")], today=TODAY).inventory.lost == ()


def test_a_pipe_given_as_source_is_not_waited_for(write: Write, tmp_path: Path) -> None:
    write({})
    pipe(tmp_path / "hosts.yml")
    with pytest.raises(InventoryError, match=r"hosts\.yml: is not a regular file"):
        load([Path("hosts.yml")], today=TODAY)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
@pytest.mark.parametrize(
    "name", ["group_vars/plant.yml", "group_vars/of_nobody.yml", "group_vars", "hosts.yml"]
)
def test_what_may_not_be_read(write: Write, plant: Plant, tmp_path: Path, name: str) -> None:
    write({**plant, "group_vars/of_nobody.yml": "a: 1\n"})
    (tmp_path / name).chmod(0)
    try:
        with pytest.raises(InventoryError, match=r"cannot be (read|listed): [Pp]ermission denied"):
            load([Path("hosts.yml")], today=TODAY)
    finally:
        (tmp_path / name).chmod(0o700)


# --- what replaces something ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("folder", "variable", "hint"),
    [
        ("group_vars/plant", "segctl_conduits", "call this one segctl_conduits_b_ntp"),
        ("group_vars/plant", "segctl_conduits_x", "call this one segctl_conduits_b_ntp"),
        ("group_vars/all", "segctl_zones", "call this one segctl_zones_b_ntp"),
        ("host_vars/fw1", "segctl_vsys", "keep one of the two"),
    ],
)
def test_two_files_of_a_folder_that_set_one_variable(
    write: Write, plant: Plant, folder: str, variable: str, hint: str
) -> None:
    value = "vsys1" if variable == "segctl_vsys" else "{}"
    write(
        {
            "hosts.yml": plant["hosts.yml"],
            f"{folder}/a.yml": f"# first\n{variable}: {value}\n",
            f"{folder}/deeper/b-ntp.yml": f"x: 1\n\n{variable}: {value}\n",
        }
    )
    (problem,) = refused()
    assert problem.where == f"{folder}/deeper/b-ntp.yml:3:1"
    assert f"{folder}/a.yml:2" in problem.message
    assert problem.path == variable
    assert hint in problem.hint


def test_other_ways_to_override_stay(write: Write, plant: Plant) -> None:
    write(
        {
            **plant,
            "group_vars/all/a.yml": "segctl_timeout: 5\nplain: 1\n",
            "group_vars/all/b.yml": "plain: 2\n",
            "host_vars/fw1/map.yml": plant["host_vars/fw1.yml"],
            "host_vars/fw1/time.yml": "segctl_timeout: 6\n",
            "later/hosts.yml": "plant: {hosts: {fw1: }}\n",
            "later/host_vars/fw1.yml": "segctl_timeout: 7\n",
        }
    )
    Path("host_vars/fw1.yml").unlink()
    sources = [Path("hosts.yml"), Path("later/hosts.yml")]
    assert load(sources[:1], today=TODAY).connections["fw1"]["segctl_timeout"] == 6
    assert load(sources, today=TODAY).connections["fw1"]["segctl_timeout"] == 7
    extra = load(sources, extra_vars=['{"segctl_timeout": 8}'], today=TODAY)
    assert extra.connections["fw1"]["segctl_timeout"] == 8


@pytest.mark.parametrize(
    ("files", "lost"),
    [
        (("group_vars/plant/a.yml", "group_vars/plant.yml"), "group_vars/plant.yml"),
        (("group_vars/plant.yml", "group_vars/plant.yaml"), "group_vars/plant.yaml"),
        (("host_vars/fw1", "host_vars/fw1.json"), "host_vars/fw1.json"),
    ],
)
def test_a_file_that_another_of_its_name_hides(
    write: Write, plant: Plant, files: tuple[str, str], lost: str
) -> None:
    write({"hosts.yml": plant["hosts.yml"], **dict.fromkeys(files, '{"segctl_site": "a"}\n')})
    (problem,) = refused()
    assert problem.file == lost
    assert "is not read" in problem.message
    Path(lost).write_text("of_no_concern: 1\n")
    assert read_inventory(["hosts.yml"]).lost == ()


# --- what is not understood ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "where", "message", "hint"),
    [
        ("all:\n  host: {fw2: }\n", "2:3", "unknown key 'host' in group 'all'", "mean hosts?"),
        ("all:\n  host:\n", "2:3", "unknown key 'host'", "mean hosts?"),
        ("all: {childern: {g: }}\n", "1:7", "unknown key 'childern'", "mean children?"),
        ("g: {children: {h: {Vars: {a: 1}}}}\n", "1:20", "'Vars' in group 'h'", "mean vars?"),
        ("g: {fw2: {}}\n", "1:5", "unknown key 'fw2'", "hosts, children, vars"),
        ("g: [fw1]\n", "1:1", "a group must be a mapping, not a list", "write hosts:"),
        ("g: {}\nall: {children: {g: fw2}}\n", "2:18", "not text", "write hosts:"),
    ],
)
def test_keys_of_a_hosts_file(
    write: Write, plant: Plant, text: str, where: str, message: str, hint: str
) -> None:
    write({**plant, "more.yml": text})
    (problem,) = refused("hosts.yml", "more.yml")
    assert problem.where == f"more.yml:{where}"
    assert message in problem.message
    assert hint in problem.hint


def test_everything_that_is_wrong_is_told_at_once(
    write: Write, plant: Plant, tmp_path: Path
) -> None:
    write({**plant, "more.yml": "all: {host: {}, hosts: [a]}\n"})
    dangling(tmp_path / "group_vars/plant.yaml")
    with pytest.raises(InventoryError) as caught:
        load([Path("hosts.yml"), Path("more.yml")], today=TODAY)
    assert [one.file for one in caught.value.problems] == [
        "more.yml",
        "group_vars/plant.yaml",
        "more.yml",
    ]


# --- nothing to work on --------------------------------------------------------------------------


def test_an_inventory_without_firewalls_is_an_error(write: Write, plant: Plant) -> None:
    write({**plant, "hosts.yml": "plant: {hosts: {fw1: }}\n"})
    Path("host_vars/fw1.yml").unlink()
    with pytest.raises(InventoryError, match=r"no firewall at all \(it has fw1\)"):
        load([Path("hosts.yml")], today=TODAY)


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ("nothing", "there is no host or group 'nothing'"),
        ("fw1,fw9", "there is no host or group 'fw9'"),
        ("all:!fw9", "there is no host or group 'fw9'"),
        ("plant:&cell[0]", "there is no host or group 'cell[0]'"),
        ("fw9*", "fw9* selects no firewall"),
        ("~nothing", "selects no firewall"),
        ("plc", "plc selects no firewall"),
        ("plant:!fw1", "selects no firewall"),
        ("@limit.txt", "there is no host or group 'fw9'"),
    ],
)
def test_a_limit_that_selects_nothing_is_an_error(
    write: Write, plant: Plant, limit: str, message: str
) -> None:
    write({**plant, "more.yml": "others: {hosts: {plc: }}\n", "limit.txt": "fw1\nfw9\n"})
    with pytest.raises(UsageError) as caught:
        load([Path("hosts.yml"), Path("more.yml")], limit=limit, today=TODAY)
    assert str(caught.value).startswith("--limit: ")
    assert message in str(caught.value)
    assert "(the firewalls are fw1)" in str(caught.value)


@pytest.mark.parametrize("limit", ["fw1", "plant", "f*", "all:!empty", "plant[0]", "~f"])
def test_a_limit_that_selects_a_firewall(write: Write, plant: Plant, limit: str) -> None:
    write({**plant, "more.yml": "empty: {}\n"})
    sources = [Path("hosts.yml"), Path("more.yml")]
    assert load(sources, limit=limit, today=TODAY).hosts == ("fw1",)
