"""The one function that runs other programs: what a child sees, and how it is ended."""

from __future__ import annotations

import ast
import os
import sys
import time
from pathlib import Path

import pytest

from cli_support import ROOT
from segctl.model.errors import ChildError, ChildTimeoutError
from segctl.system.children import find_program, run_child

#: What starts a process, and who may: anything else goes through `segctl.system.children`.
STARTERS = {
    "subprocess": {
        "provider/segctl/system/children.py",
        # it runs segctl itself, in Ansible's process, where segctl may not be installed
        "playbooks/ansible_collections/segctl/segctl/plugins/plugin_utils/command.py",
    },
    # processes of our own code, not other programs
    "multiprocessing": {"provider/segctl/fleet/pool.py"},
    "pty": set[str](),
    "_posixsubprocess": set[str](),
}
#: Functions of ``os`` and ``asyncio`` that do.
CALLS = ("exec", "spawn", "posix_spawn", "fork", "popen", "system", "create_subprocess")


def starts(path: Path) -> set[str]:
    """Return what a module uses that starts processes."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names} & STARTERS.keys()
        elif isinstance(node, ast.ImportFrom):
            found |= {(node.module or "").partition(".")[0]} & STARTERS.keys()
            if node.module in {"os", "asyncio"}:
                found |= {one.name for one in node.names if one.name.startswith(CALLS)}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id in {"os", "asyncio"} and node.attr.startswith(CALLS):
                found.add(node.attr)
        elif isinstance(node, ast.Constant) and node.value in STARTERS:
            found.add(str(node.value))  # importlib.import_module("…")
    return found


def test_no_other_module_starts_a_process() -> None:
    paths = [*(ROOT / "provider").rglob("*.py"), *(ROOT / "playbooks").rglob("*.py")]
    assert len(paths) > 100
    used = {(str(path.relative_to(ROOT)), one) for path in paths for one in starts(path)}
    allowed = {(path, name) for name, paths_ in STARTERS.items() for path in paths_}
    assert used == allowed


def test_the_search_finds_what_starts_a_process(tmp_path: Path) -> None:
    for text in (
        "import subprocess as s",
        "from subprocess import run",
        "import os\nos.execv('x', [])",
        "from os import posix_spawn",
        "import asyncio\nasyncio.create_subprocess_exec('x')",
        "import importlib\nimportlib.import_module('subprocess')",
        "import pty",
        "import os\nos.system('x')",
    ):
        path = tmp_path / "module.py"
        path.write_text(text)
        assert starts(path), text


def python(code: str, **more: object) -> bytes:
    found = run_child([sys.executable, "-c", code], timeout=60, **more)  # type: ignore[arg-type] # options by name
    assert found.code == 0, found.errors
    return found.out


SHOW = "import os; print('\\n'.join(sorted(os.environ)))"


def test_a_child_sees_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {
        "SEGCTL_PASSWORD": "s",
        "SEGCTL_PASSWORD_FW1": "s",
        "SEGCTL_VAULT_PASSWORD_FILE": "s",
        "SEGCTL_GITLAB_TOKEN": "s",
        "GH_TOKEN": "s",
        "AWS_SECRET_ACCESS_KEY": "s",
        "ANSIBLE_VAULT_PASSWORD": "s",
        "LC_TOKEN": "s",
        "GIT_CONFIG_COUNT": "0",
        "LD_PRELOAD": "",
        "PYTHONPATH": "",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    for of_user in (None, ()):
        seen = python(SHOW, of_user=of_user).decode().split()
        assert "PATH" in seen
        assert "HOME" in seen
        assert not set(secrets) & set(seen)


def test_a_user_may_pass_variables_to_what_he_has_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGCTL_CHILD_VARIABLES", "NETBOX_TOKEN, SEGCTL_PASSWORD OTHER")
    monkeypatch.setenv("NETBOX_TOKEN", "t")
    monkeypatch.setenv("SEGCTL_PASSWORD", "s")
    assert "NETBOX_TOKEN" not in python(SHOW).decode().split()
    seen = python(SHOW, of_user=("MINE",)).decode().split()
    assert "NETBOX_TOKEN" in seen
    assert "SEGCTL_PASSWORD" not in seen


def test_a_child_hears_nothing() -> None:
    assert python("import sys; print(repr(sys.stdin.read()))") == b"''\n"


def test_both_outputs_are_heard_whole() -> None:
    code = "import sys; sys.stderr.write('e' * 300000); sys.stdout.write('o' * 300000)"
    found = run_child([sys.executable, "-c", code], timeout=60)
    assert (found.out, found.errors) == (b"o" * 300000, b"e" * 300000)


def test_an_exit_status_is_told() -> None:
    assert run_child([sys.executable, "-c", "raise SystemExit(3)"], timeout=60).code == 3


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_child_that_never_stops_talking_is_stopped(stream: str) -> None:
    code = f"import sys\nwhile True: sys.{stream}.write('x' * 65536)"
    with pytest.raises(ChildError, match="printed more than 1000000 bytes"):
        run_child([sys.executable, "-c", code], timeout=60, most_output=1_000_000)


@pytest.mark.parametrize("outputs", ["kept", "closed"])
def test_what_a_late_child_has_started_dies_with_it(tmp_path: Path, outputs: str) -> None:
    """Also where it has closed its outputs and merely does not end."""
    marker = tmp_path / "grandchild"
    code = f"""\
import os, time
if os.fork() == 0:
    open({str(marker)!r}, "w").write(str(os.getpid()))
    time.sleep(600)
while not os.path.exists({str(marker)!r}) or not open({str(marker)!r}).read(): time.sleep(0.01)
if {outputs == "closed"}:
    os.close(1); os.close(2)
time.sleep(600)
"""
    with pytest.raises(ChildTimeoutError, match="did not end within 5s"):
        run_child([sys.executable, "-c", code], timeout=5)
    assert ended(int(marker.read_text()))


def test_a_child_that_leaves_another_behind_with_its_outputs_is_late(tmp_path: Path) -> None:
    marker = tmp_path / "grandchild"
    code = f"""\
import os, time
if os.fork() == 0:
    open({str(marker)!r}, "w").write(str(os.getpid()))
    time.sleep(600)
while not os.path.exists({str(marker)!r}) or not open({str(marker)!r}).read(): time.sleep(0.01)
"""
    with pytest.raises(ChildTimeoutError):
        run_child([sys.executable, "-c", code], timeout=5)
    assert ended(int(marker.read_text()))


def ended(pid: int) -> bool:
    """Whether a process is gone, or is dead and nobody has asked about it yet."""
    for _ in range(500):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state in {"Z", "X"}:
            return True
        time.sleep(0.02)
    return False


def test_nothing_is_looked_up_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "git"
    program.write_text("#!/bin/sh\ntouch ran\n")
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    for path in (".", "", "bin:.", os.curdir):
        monkeypatch.setenv("PATH", path)
        assert find_program("git") is None
        with pytest.raises(ChildError, match="git is not installed"):
            run_child(["git"], timeout=60)
    assert find_program("./git") is None
    assert not (tmp_path / "ran").exists()


def test_what_is_no_program_is_told(tmp_path: Path) -> None:
    path = tmp_path / "plain"
    path.write_text("no program\n")
    path.chmod(0o755)
    with pytest.raises(ChildError, match="cannot be started"):
        run_child([str(path)], timeout=60)
