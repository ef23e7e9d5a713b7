"""``segctl fmt``: what it writes, what it only says, and what it never touches."""

from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from segctl.cli import run

MESSY = "a:\n    b:   1 # why\n\n\n    c: 2\n"
NEAT = "a:\n  b: 1  # why\n\n  c: 2\n"
TOP = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inventory/group_vars").mkdir(parents=True)
    (tmp_path / "playbooks").mkdir()
    for name in ("inventory/hosts.yml", "inventory/group_vars/all", "playbooks/roll.yml"):
        (tmp_path / name).write_text(MESSY, encoding="utf-8")
    return tmp_path


def test_the_example_inventory_and_playbooks_are_formatted() -> None:
    assert run(["fmt", "--check", str(TOP / "inventory"), str(TOP / "playbooks/rollout.yml")]) == 0


def test_the_inventory_and_playbooks_are_formatted_by_default(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["fmt", "--check"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "would format inventory/hosts.yml",
        "would format inventory/group_vars/all",
        "would format playbooks/roll.yml",
    ]
    assert (folder / "inventory/hosts.yml").read_text(encoding="utf-8") == MESSY
    assert run(["fmt"]) == 0
    assert (folder / "inventory/hosts.yml").read_text(encoding="utf-8") == NEAT
    assert (folder / "playbooks/roll.yml").read_text(encoding="utf-8") == NEAT
    assert run(["fmt", "--check"]) == 0


def test_a_named_inventory_leaves_the_playbooks_alone(folder: Path) -> None:
    assert run(["fmt", "-i", "inventory/hosts.yml"]) == 0
    assert (folder / "inventory/group_vars/all").read_text(encoding="utf-8") == NEAT
    assert (folder / "playbooks/roll.yml").read_text(encoding="utf-8") == MESSY


def test_diff_shows_what_changes_and_with_check_changes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "inventory/hosts.yml"
    assert run(["fmt", "--check", "--diff", "inventory/hosts.yml"]) == 1
    out = capsys.readouterr().out
    assert "--- inventory/hosts.yml\n+++ inventory/hosts.yml\n" in out
    assert "-    b:   1 # why\n" in out
    assert "+  b: 1  # why\n" in out
    assert path.read_text(encoding="utf-8") == MESSY
    assert run(["fmt", "--diff", "inventory/hosts.yml"]) == 0
    assert capsys.readouterr().out == out
    assert path.read_text(encoding="utf-8") == NEAT


def test_json_names_every_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "inventory/bad.yml").write_text("a: [1\n", encoding="utf-8")
    (folder / "inventory/x.json.yml").write_text("{}", encoding="utf-8")
    assert run(["fmt", "--json", "inventory"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert {one["path"]: one["status"] for one in document["files"]} == {
        "inventory/group_vars/all": "changed",
        "inventory/hosts.yml": "changed",
        "inventory/bad.yml": "failed",
        "inventory/x.json.yml": "left",
    }
    assert document["changed"] == 2
    assert "inventory/bad.yml:1:4" in document["error"]["message"]
    assert (folder / "inventory/bad.yml").read_text(encoding="utf-8") == "a: [1\n"


def test_bad_yaml_is_told_with_its_place_and_stays(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "inventory/hosts.yml"
    path.write_bytes(b"a:   1\n\tb: 2\n")
    assert run(["fmt", "inventory/hosts.yml"]) == 1
    assert "inventory/hosts.yml:2:1: not valid YAML" in capsys.readouterr().err
    assert path.read_bytes() == b"a:   1\n\tb: 2\n"
    path.write_bytes(b"a:   \xff\n")
    assert run(["fmt", "inventory/hosts.yml"]) == 1
    assert "inventory/hosts.yml:1:6: is not UTF-8" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("hosts.ini", "[plant]\nfw1   a=b\n"),
        ("hosts", "[plant]\nfw1   a=b\n"),
        ("all.yml", "$ANSIBLE_VAULT;1.1;AES256\n6231\n"),
        ("data.json", '{"a":    1}'),
        ("data.yml", '{"a":    1}'),
    ],
)
def test_what_is_no_plain_yaml_is_left_alone(
    folder: Path, name: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    assert run(["fmt", name, "-v"]) == 0
    assert path.read_text(encoding="utf-8") == text
    assert f"{name}: is " in capsys.readouterr().err


def test_a_program_is_left_alone(folder: Path) -> None:
    path = folder / "dynamic.yml"
    path.write_text("#!/bin/sh\necho:   1\n", encoding="utf-8")
    path.chmod(0o755)
    assert run(["fmt", "dynamic.yml", "--check"]) == 0


def test_mode_and_links_stay(folder: Path) -> None:
    path = folder / "inventory/hosts.yml"
    path.chmod(0o640)
    link = folder / "link.yml"
    link.symlink_to("inventory/hosts.yml")
    assert run(["fmt", "link.yml"]) == 0
    assert link.is_symlink()
    assert path.read_text(encoding="utf-8") == NEAT
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_read_only_file_is_not_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "inventory/hosts.yml"
    path.chmod(0o444)
    assert run(["fmt", "inventory"]) == 1
    assert "inventory/hosts.yml: cannot be written: is read-only" in capsys.readouterr().err
    assert path.read_text(encoding="utf-8") == MESSY
    assert (folder / "inventory/group_vars/all").read_text(encoding="utf-8") == NEAT


def test_a_full_disk_leaves_the_file_as_it_was(folder: Path) -> None:
    path = folder / "inventory/hosts.yml"
    text = MESSY + "d:   |\n" + "  " + "x" * 8192 + "\n"
    path.write_text(text, encoding="utf-8")
    found = subprocess.run(
        [sys.executable, "-m", "segctl.cli", "fmt", "inventory/hosts.yml"],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=_small_files,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert found.returncode == 1
    assert f"cannot be written: {os.strerror(errno.EFBIG)}; it is as it was" in found.stderr
    assert path.read_text(encoding="utf-8") == text
    assert [one.name for one in (folder / "inventory").iterdir() if one.name[0] == "."] == []


def _small_files() -> None:
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))


def typed(text: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "segctl.cli", "fmt", "-", *words]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)


def test_standard_input_is_for_editors() -> None:
    done = typed(MESSY)
    assert (done.returncode, done.stdout, done.stderr) == (0, NEAT, "")
    assert typed(MESSY, "--check").returncode == 1
    assert typed(NEAT, "--check").returncode == 0
    bad = typed("a: [\n")
    assert bad.returncode == 1
    assert "standard input:2:1" in bad.stderr
    assert bad.stdout == ""


def test_a_path_that_is_not_there(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    del folder
    assert run(["fmt", "missing.yml"]) == 1
    assert "missing.yml: no such file or folder" in capsys.readouterr().err
