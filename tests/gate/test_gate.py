"""What CONTRIBUTING.md promises of the gate: which target does what, and pytest from anywhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cli_support import environment
from support.golden import Golden

ROOT = Path(__file__).parents[2]
PYTEST = Path(sys.executable).with_name("pytest")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def run_pytest(folder: Path, *words: str, **values: str) -> subprocess.CompletedProcess[str]:
    """Run plain pytest, as a person types it, in a folder."""
    values = {**environment(), **values}
    for name in ("PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER", "PYTEST_CURRENT_TEST"):
        values.pop(name, None)
    return subprocess.run(
        [PYTEST, "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *words],
        cwd=folder,
        env=values,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.parametrize(
    ("folder", "named"),
    [
        (Path("/"), str(ROOT / "tests/unit/fleet/test_pool.py")),
        (ROOT / "tests/unit", "fleet/test_pool.py"),
    ],
)
def test_plain_pytest_works_from_anywhere(folder: Path, named: str) -> None:
    """Also where a process that a test starts has to find the test's module again."""
    case = "test_processes_compute_and_survive_the_death_of_one"
    done = run_pytest(folder, f"{named}::{case}")
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


# --- golden outputs ------------------------------------------------------------------------------


def test_a_refresh_writes_the_file_and_fails(tmp_path: Path) -> None:
    path = tmp_path / "case/script.txt"
    with pytest.raises(pytest.fail.Exception, match="is missing: --refresh-golden writes it"):
        Golden()(path, "new\n")
    assert not path.exists()
    refresh = Golden(refresh=True)
    with pytest.raises(pytest.fail.Exception, match="is written anew: read it with git diff"):
        refresh(path, "new\n")
    assert path.read_text(encoding="utf-8") == "new\n"
    refresh(path, "new\n")
    Golden()(path, "new\n")
    with pytest.raises(AssertionError):
        Golden()(path, "other\n")
    with pytest.raises(pytest.fail.Exception):
        refresh(path, "other\n")


ONE = """
from pathlib import Path

def test_one(golden):
    golden(Path(__file__).with_name("expected.txt"), "new")
"""


def test_the_flag_refreshes_and_a_second_run_passes(tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text(ONE, encoding="utf-8")
    expected = tmp_path / "expected.txt"
    expected.write_text("old", encoding="utf-8")
    tests = {"PYTHONPATH": str(ROOT / "tests")}
    words = ("-p", "conftest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path))
    where = (*words, str(tmp_path / "test_one.py"))
    assert run_pytest(tmp_path, *where, **tests).returncode == 1
    assert expected.read_text(encoding="utf-8") == "old"
    assert run_pytest(tmp_path, *where, "--refresh-golden", **tests).returncode == 1
    assert expected.read_text(encoding="utf-8") == "new"
    assert run_pytest(tmp_path, *where, "--refresh-golden", **tests).returncode == 0


def test_no_gate_refreshes() -> None:
    for name in ("Makefile", ".ci/run"):
        assert "refresh-golden" not in (ROOT / name).read_text(encoding="utf-8")


# --- targets -------------------------------------------------------------------------------------


def recipe(*words: str) -> str:
    """Return what make would run, without the setting up and without what this run was told."""
    told = ("MAKE", "MFLAGS", "COVERAGE")
    values = {name: value for name, value in os.environ.items() if not name.startswith(told)}
    command = ["make", "--dry-run", "--always-make", *words]
    done = subprocess.run(command, cwd=ROOT, env=values, capture_output=True, text=True, check=True)
    return done.stdout


def test_every_target_of_the_page_is_there() -> None:
    targets = set(re.findall(r"`make ([a-z]+)`", CONTRIBUTING))
    assert targets >= {"quick", "test", "bench", "matrix", "fuzz", "demo"}
    for target in targets:
        assert recipe(target)


def test_coverage_is_measured_where_it_is_asked_for() -> None:
    assert "coverage run" not in recipe("unit")
    measured = recipe("unit", "COVERAGE=1")
    assert "coverage report" in measured
    covered = re.findall(r"coverage run -m pytest .*? (tests/.*)", measured)[0].split()
    others = re.findall(r"--ignore=(\S+)", measured)
    assert others == covered, "every test is run once"
    assert {"tests/unit", "tests/cli"} <= {*covered}
    ci = (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert re.search(r"^make test$", ci, flags=re.MULTILINE)
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert "fail_under = 90" in project
    assert "at least 90 %" in CONTRIBUTING


def test_the_quick_gate_has_each_of_its_checks() -> None:
    quick = recipe("quick")
    for check in ("ruff format --check", "ruff check", "mypy", "pyright", "lint-imports"):
        assert check in quick
    assert re.search(r"pytest .*-m \"not slow\" tests/unit$", quick, flags=re.MULTILINE)


def test_the_tests_that_the_quick_gate_leaves_out_are_there() -> None:
    conftest = (ROOT / "tests/conftest.py").read_text(encoding="utf-8")
    named = re.findall(r'"(tests/[a-z_/]+(?:\.py)?)"', conftest)
    assert "tests/unit/bench/" in named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_folder_of_tests_is_on_the_page() -> None:
    table = CONTRIBUTING.partition("## Where a test goes")[2].partition("\n## ")[0]
    named = set(re.findall(r"`tests/([a-z]+)", table))
    folders = {path.parent for path in (ROOT / "tests").rglob("test_*.py")}
    assert {path.relative_to(ROOT / "tests").parts[0] for path in folders} <= named


def test_unit_tests_lie_where_their_subject_lies() -> None:
    packages = {path.parent.name for path in (ROOT / "provider/segctl").glob("*/__init__.py")}
    platforms = {"panos", "nftables", "platform"}
    others = {"bench"}
    folders = {path.name for path in (ROOT / "tests/unit").iterdir() if any(path.glob("**/*.py"))}
    assert folders - packages - platforms - others == set()
