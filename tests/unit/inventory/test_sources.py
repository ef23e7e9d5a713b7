"""Sources other than plain YAML: INI mistakes, programs, what only Ansible can read, patterns."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import pytest

from segctl.inventory import graph_text, host_json, list_json, read_inventory, select
from segctl.model.errors import InventoryError

if TYPE_CHECKING:
    from pathlib import Path

Write = Callable[[Mapping[str, str]], None]


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ("[web\nh1\n", "1:1", "a range is written"),
        ("[web]\nh1 x\n", "2:1", "name=value"),
        ("[web]\n  h1: {a: b}\n", "2:3", "must not end in a colon"),
        ("[web]\nh1 a='b\n", "2:1", "not a host line"),
        ("[web:nodes]\n", "1:1", "unknown kind"),
        ("[web group]\n", "1:1", "must not hold spaces"),
        ("[web:vars]\na=1\n", "1:1", "not defined"),
        ("[web]\n[web:vars]\na\n", "3:1", "name=value"),
        ("[all:children]\nnone\n", "2:1", "undefined group 'none'"),
        ("[a:children]\nb c\n[b]\n", "2:1", "a group name is expected"),
        ("[a:children]\nb\n[b:children]\na\n", "4:1", "contain itself"),
        ("---\n", "1:1", "begins a YAML file"),
        ("\ufeff[web]\nh\n", "", "byte order mark"),
    ],
)
def test_ini_mistakes(text: str, where: str, message: str, write: Write) -> None:
    write({"hosts.ini": text})
    with pytest.raises(InventoryError) as caught:
        read_inventory(["hosts.ini"])
    problem = caught.value.problems[0]
    assert message in problem.message
    assert problem.where == "hosts.ini" + (f":{where}" if where else "")


def program(path: Path, output: str) -> None:
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{output}\nEND\n")
    path.chmod(0o755)


def test_a_program_is_asked_through_ansible(write: Write, tmp_path: Path) -> None:
    write({"hosts.yml": "web: {hosts: {h1: {v: 1}}, vars: {segctl_site: a}}\n"})
    program(
        tmp_path / "dynamic",
        '{"web": {"hosts": ["h2"], "vars": {"g": 1}, "children": ["inner"]}, "inner": {"hosts":'
        ' ["h3"]}, "_meta": {"hostvars": {"h2": {"v": 2, "u": "{{ x }}"}}}}',
    )
    inventory = read_inventory(["hosts.yml", "dynamic"], allow_programs=True)
    assert inventory.hosts_of("web") == ["h1", "h2", "h3"]
    assert host_json(inventory, "h2") == {"g": 1, "segctl_site": "a", "u": "{{ x }}", "v": 2}
    assert inventory.host_layer("h1").origins["segctl_site"].file == "hosts.yml"


def test_a_plugin_configuration_is_asked_through_ansible(write: Write) -> None:
    write(
        {
            "1-hosts.yml": "web: {hosts: {h1: {os: linux}}}\n",
            "2-constructed.yml": "plugin: ansible.builtin.constructed\n"
            "groups: {by_os: os == 'linux'}\ncompose: {shout: os | upper}\n",
        }
    )
    inventory = read_inventory(["1-hosts.yml", "2-constructed.yml"], allow_programs=True)
    assert inventory.hosts_of("by_os") == ["h1"]
    assert inventory.host_layer("h1").variables["shout"] == "LINUX"


def test_a_program_that_fails_is_a_problem(write: Write, tmp_path: Path) -> None:
    write({"hosts.yml": "all: {hosts: {h: }}\n"})
    program(tmp_path / "dynamic", "this is no JSON")
    with pytest.raises(InventoryError, match="ansible-inventory failed"):
        read_inventory(["dynamic"], allow_programs=True)


def test_without_ansible_it_says_so(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write({"aws.yml": "plugin: amazon.aws.aws_ec2\n"})
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(InventoryError) as caught:
        read_inventory(["aws.yml"], allow_programs=True)
    (problem,) = caught.value.problems
    assert "ansible-inventory is not installed" in problem.message
    assert "install ansible-core" in problem.hint


def test_the_executable_bit_alone_makes_no_program(write: Write, tmp_path: Path) -> None:
    write({"hosts.yml": "all: {hosts: {h: }}\n"})
    os.chmod(tmp_path / "hosts.yml", 0o777)  # noqa: PTH101 - as a file system without modes
    assert list(read_inventory(["hosts.yml"]).hosts) == ["h"]


def test_ini_in_a_yml_file_is_still_ini(write: Write) -> None:
    write({"hosts.yml": "# comment\n[web]\nh1 v=1\n"})
    assert list_json(read_inventory(["hosts.yml"]))["web"] == {"hosts": ["h1"]}


@pytest.mark.parametrize("limit", ["~(", "web[5]", "web[-9]", "&", "@nowhere"])
def test_patterns_that_are_none(limit: str, write: Write) -> None:
    write({"hosts.yml": "web: {hosts: {h1: , h2: }}\n"})
    with pytest.raises(InventoryError):
        select(read_inventory(["hosts.yml"]), limit)


def test_a_host_or_group_that_is_not_there(write: Write) -> None:
    write({"hosts.yml": "web: {hosts: {h1: , h2: }}\n"})
    inventory = read_inventory(["hosts.yml"])
    with pytest.raises(InventoryError, match="not exactly one host"):
        host_json(inventory, "web")
    with pytest.raises(InventoryError, match="not a group"):
        graph_text(inventory, "h1")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("/etc/file", "write @"),
        ("{a: [}", "not valid YAML"),
        ("[1, 2]", "must be a mapping"),
        ("a='b", "unbalanced"),
        ("@nowhere.yml", "cannot be read"),
    ],
)
def test_extra_variables_that_are_none(option: str, message: str, write: Write) -> None:
    write({"hosts.yml": "all: {hosts: {h: }}\n"})
    with pytest.raises(InventoryError) as caught:
        read_inventory(["hosts.yml"], extra_vars=[option])
    assert message in str(caught.value)
