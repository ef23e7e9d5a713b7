"""Shell completion: commands, options and hosts, in bash, zsh and fish; nothing is run for it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cli_support import environment

if TYPE_CHECKING:
    from pathlib import Path

SEGCTL = (sys.executable, "-m", "segctl.cli")


def completed(line: str, folder: Path, shell: str = "bash") -> list[str]:
    """Return what a shell is offered for the last word of a line; no word of it may be quoted."""
    words = line.split(" ")
    variables = {
        "_SEGCTL_COMPLETE": f"complete_{shell}",
        # what bash's script sets, then what those of zsh and fish do
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    done = subprocess.run(
        SEGCTL,
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=environment(**variables),
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    (tmp_path / "hosts.yml").write_text("all: {children: {plant: {hosts: {fw1: {}, fw2: {}}}}}\n")
    return tmp_path


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("segctl pro", "protocols"),
        ("segctl drift his", "history"),
        ("segctl plan --detailed", "--detailed-exitcode"),
        ("segctl plan --lim", "--limit"),
        ("segctl plan -i hosts.yml -l pl", "plant"),
    ],
)
def test_every_shell_is_offered_what_fits(
    line: str, offered: str, shell: str, inventory: Path
) -> None:
    assert offered in " ".join(completed(line, inventory, shell))


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("segctl -i hosts.yml plan --limit fw", ["fw1", "fw2"]),
        ("segctl plan -i hosts.yml -l fw1,!fw", ["fw1,!fw1", "fw1,!fw2"]),
        ("segctl import -i hosts.yml fw2", ["fw2"]),
        ("segctl plan -i absent.yml -l fw", []),
        # files are left to the shell
        ("segctl apply -p ", []),
        # only segctl itself has it
        ("segctl plan --vers", []),
    ],
)
def test_hosts_are_those_of_the_inventory(line: str, offered: list[str], inventory: Path) -> None:
    assert completed(line, inventory) == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(
    "name",
    ["a$(touch${IFS}x)", "a`id`", "a;id", "a&id", "a|id", "a>x", "a*", "a b", "a'b", 'a"b', "a\\b",
     "\u202eabc", "a\u200bb", "--allow-executable-inventory", "~", "#a", "!a"],
)  # fmt: skip
def test_a_name_that_is_more_than_a_name_is_not_offered(
    name: str, shell: str, tmp_path: Path
) -> None:
    hosts = json.dumps({"all": {"hosts": dict.fromkeys([name, "größe-1.plant"])}})
    (tmp_path / "hosts.yml").write_text(hosts, encoding="utf-8")
    offered = " ".join(completed("segctl plan -i hosts.yml -l ", tmp_path, shell))
    assert "größe-1.plant" in offered
    assert name not in offered
    assert "id" not in offered
    assert "touch" not in offered


def test_no_program_is_run_for_a_completion(inventory: Path) -> None:
    program = inventory / "hosts.sh"
    program.write_text(f"#!/bin/sh\ntouch {inventory}/ran\necho '{{}}'\n")
    program.chmod(0o755)
    assert completed("segctl plan -i hosts.sh -l fw", inventory) == []
    assert not (inventory / "ran").exists()


def test_no_program_is_run_even_where_a_run_would_be_allowed(inventory: Path) -> None:
    program = inventory / "hosts.sh"
    program.write_text(f"#!/bin/sh\ntouch {inventory}/ran\necho '{{}}'\n")
    program.chmod(0o755)
    line = "segctl plan --allow-executable-inventory -i hosts.sh -l fw"
    assert completed(line, inventory) == []
    assert not (inventory / "ran").exists()


def test_the_script_for_bash_completes_in_bash(inventory: Path) -> None:
    script = subprocess.run(
        SEGCTL,
        capture_output=True,
        text=True,
        check=True,
        env=environment(_SEGCTL_COMPLETE="source_bash"),
    ).stdout
    (inventory / "segctl").write_text(f'#!/bin/sh\nexec {" ".join(SEGCTL)} "$@"\n')
    (inventory / "segctl").chmod(0o755)
    lines = [
        script,
        f"PATH={inventory}:$PATH",
        "COMP_WORDS=(segctl plan -i hosts.yml -l fw); COMP_CWORD=5; _segctl_completion segctl",
        'echo "${COMPREPLY[@]}"',
    ]
    done = subprocess.run(
        ["bash", "--norc", "-c", "\n".join(lines)],
        capture_output=True,
        text=True,
        check=True,
        cwd=inventory,
        env=environment(),
    )
    assert done.stdout.split() == ["fw1", "fw2"]


def test_the_options_that_install_it_are_in_the_help() -> None:
    done = subprocess.run([*SEGCTL, "--help"], capture_output=True, text=True, check=True)
    assert "--install-completion" in done.stdout
    assert "--show-completion" in done.stdout


def test_a_panorama_is_never_selected_and_so_not_offered(tmp_path: Path) -> None:
    """It is told apart by the hosts that name it, in whichever file."""
    hosts = "all: {hosts: {panorama1: {}, pano-fw: {}}, children: {plant: {hosts: {pa-1: {}}}}}\n"
    (tmp_path / "hosts.yml").write_text(hosts, encoding="utf-8")
    offered = completed("segctl plan -i hosts.yml -l pa", tmp_path)
    assert {"panorama1", "pano-fw", "pa-1"} <= set(offered)
    (tmp_path / "group_vars").mkdir()
    variables = "segctl_panorama: panorama1\nsegctl_device_group: OT\n"
    (tmp_path / "group_vars/plant.yml").write_text(variables, encoding="utf-8")
    assert set(completed("segctl plan -i hosts.yml -l pa", tmp_path)) == {*offered} - {"panorama1"}
