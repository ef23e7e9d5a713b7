"""What docs/architecture.md and the decisions say of the code is what the code does.

Each test names the sentence it holds, and fails as well when the sentence is gone.
"""

from __future__ import annotations

import ast
import json
import pickle
import re
import subprocess
import sys
import tomllib
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from segctl.providers.base import provider
from segctl.transports.credentials import Secret
from segctl.transports.target import Target

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SEGCTL = ROOT / "provider/segctl"
MOCKS = ROOT / "mocks/segctl_mocks"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ARCHITECTURE = "architecture.md"


def says(page: str, sentence: str) -> None:
    """Hold a sentence to be on a page of the docs, however its lines are broken."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert sentence in " ".join(text.split()), f"{page} no longer says: {sentence}"


@cache
def read(path: Path) -> ast.Module:
    """Return what a module says."""
    return ast.parse(path.read_text(encoding="utf-8"))


def modules(top: Path) -> Iterator[tuple[str, ast.Module]]:
    """Yield the modules below a folder, by path from there."""
    paths = sorted(top.rglob("*.py"))
    assert paths
    for path in paths:
        yield path.relative_to(top).as_posix(), read(path)


@cache
def imports_of(path: Path) -> frozenset[str]:
    """Return what a module imports."""
    return frozenset(_imported(read(path)))


def _imported(tree: ast.Module) -> Iterator[str]:
    """Yield what a module imports anywhere, by full name, `import_module("…")` too."""
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom(module=str(module)):
                yield module
                yield from (f"{module}.{alias.name}" for alias in node.names)
            case ast.Call(
                func=ast.Name(id="import_module") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield name
            case _:
                pass


def importers(*names: str, top: Path = SEGCTL) -> set[str]:
    """Return the modules that import one of these or something in it."""
    return {
        path
        for path, _ in modules(top)
        if any(f"{one}.".startswith(f"{name}.") for one in imports_of(top / path) for name in names)
    }


def layers() -> list[set[str]]:
    """Return the import contract, the highest layer first."""
    contracts: list[dict[str, Any]] = PROJECT["tool"]["importlinter"]["contracts"]
    (layered,) = (one for one in contracts if one["type"] == "layers")
    assert "ignore_imports" not in layered
    return [
        {name.strip().removeprefix("segctl.") for name in layer.split("|")}
        for layer in layered["layers"]
    ]


def packages() -> set[str]:
    """Return what lies in segctl itself."""
    found = {path.stem for path in SEGCTL.glob("*.py")} | {
        path.name for path in SEGCTL.iterdir() if (path / "__init__.py").exists()
    }
    return found - {"__init__"}


def test_imports_point_down_only() -> None:
    says("adr/0025-one-package-a-layer.md", "Imports point down only, and `pyproject.toml` says so")
    text = (ROOT / "docs/adr/0025-one-package-a-layer.md").read_text(encoding="utf-8")
    told = text[text.index("says so for import-linter:") :].partition(". ")[0]
    written = [set(re.findall(r"`(\w+)`", layer)) for layer in told.split(">")]
    # the laws stand beside the command line, former names above everything
    assert written == [layer - {"testing"} for layer in layers()]
    assert packages() - {"former"} == set().union(*layers())


def test_the_table_names_every_package() -> None:
    says(ARCHITECTURE, "| package | for |")
    text = (ROOT / "docs" / ARCHITECTURE).read_text(encoding="utf-8")
    table = text.partition("| package | for |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE)) == packages()


def test_only_apply_changes_a_device() -> None:
    says(ARCHITECTURE, "`apply` and `together` are the only modules that change a device")
    changing = {"push", "confirm", "revert", "adopt", "keep"}
    callers = {
        path
        for path, tree in modules(SEGCTL)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in changing
        and ast.unparse(node.func.value).rpartition(".")[2].strip("_").endswith("session")
    }
    mine = {path for path in callers if not path.startswith("providers/")}
    together = "planning/together.py"  # several hosts that are one device
    laws = "testing/laws.py"  # the laws try sessions themselves
    assert mine == {"planning/apply.py", together, laws}


def test_only_containing_changes_who_is_contained() -> None:
    says(ARCHITECTURE, "`containing` is the only one that changes who is contained")
    callers = {
        path
        for path, tree in modules(SEGCTL)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"hold", "release", "end"}
        and ast.unparse(node.func.value).endswith("cell")
    }
    assert callers == {"planning/containing.py"}


#: What reads or writes anything outside of the process.
_OUTSIDE = (
    *("os", "pathlib", "io", "shutil", "tempfile", "socket", "ssl", "http", "urllib.request"),
    *("subprocess", "multiprocessing", "requests", "paramiko", "netmiko", "asyncssh", "sqlalchemy"),
)


@pytest.mark.parametrize("package", ["model", "compiler", "protocols", "analysis"])
def test_questions_about_a_policy_are_pure(package: str) -> None:
    says(ARCHITECTURE, "`model`, `compiler`, `protocols` and `analysis` do no input or output")
    assert not importers(*_OUTSIDE, top=SEGCTL / package)
    for path, tree in modules(SEGCTL / package):
        called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        assert not called & {"open", "print", "input"}, path


def test_who_opens_connections() -> None:
    sentence = (
        "Connections are opened by `transports`, the sessions of providers, `notify`, the history "
        "of drift and the probes of playbooks; `web` takes those of browsers"
    )
    says(ARCHITECTURE, sentence)
    libraries = ("socket", "ssl", "http", "urllib.request", "paramiko", "netmiko", "sqlalchemy")
    # one only looks at what is configured, the other only says which authorities are trusted
    opening = importers(*libraries) - {"system/proxies.py", "system/certificates.py"}
    allowed = (
        "transports/",
        "providers/",
        "notify/",
        "drift/history/",
        "playbook/run/probes.py",
        "web/",
    )
    # the command line knows the history's errors by name
    assert {path for path in opening if not path.startswith(allowed)} <= {
        "operations/publishing.py"
    }


def test_one_function_starts_programs() -> None:
    says(
        "adr/0020-nothing-of-a-checkout-runs.md",
        "one function, `segctl.system.children.run_child`, runs every other program",
    )
    assert importers("subprocess", "pty", "_posixsubprocess") == {"system/children.py"}


def test_one_module_replaces_files() -> None:
    says("adr/0021-one-way-to-write-a-file.md", "`segctl.system.storage` writes every file")
    calls = {
        (path, ast.unparse(node.func))
        for path, tree in modules(SEGCTL)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    }
    written = ("os.rename", "os.replace", "os.fdatasync", "os.fsync")
    writers = {path for path, name in calls if name in written or name.endswith(".write_text")}
    assert writers <= {"system/storage.py", "system/places.py"}
    assert writers


def test_a_mock_does_not_import_segctl() -> None:
    says(ARCHITECTURE, "`segctl_mocks` never imports `segctl`")
    assert not importers("segctl", top=MOCKS)


def test_the_core_knows_no_platform() -> None:
    says("adr/0001-provider-fits-the-policy.md", "the core knows no platform")
    names = [path.name for path in (SEGCTL / "providers").iterdir() if path.is_dir()]
    ours = [name for name in names if (SEGCTL / "providers" / name / "__init__.py").exists()]
    assert sorted(ours) == ["nftables", "panos"]
    knowing = importers(*(f"segctl.providers.{name}" for name in ours))
    assert {path for path in knowing if not path.startswith("providers/")} == set()
    for name in ours:
        others = {f"segctl.providers.{other}" for other in ours} - {f"segctl.providers.{name}"}
        assert not importers(*others, top=SEGCTL / "providers" / name)


def test_providers_and_mocks_come_by_entry_point() -> None:
    says(ARCHITECTURE, "Providers and mocks are found by entry point, ours exactly as anyone's")
    for group in ("segctl.providers", "segctl.mocks"):
        declared = PROJECT["project"]["entry-points"][group]
        installed = {entry.name: entry.value for entry in entry_points(group=group)}
        assert declared.items() <= installed.items()
    inside = importers("segctl_mocks.linux", "segctl_mocks.panos")
    assert not inside, "a platform's mocks are asked for by name"


def test_a_provider_keeps_nothing() -> None:
    says("add-a-platform.md", "The class keeps no state: one object serves many devices")
    for name in PROJECT["project"]["entry-points"]["segctl.providers"]:
        assert provider(name) is provider(name)
        assert not getattr(provider(name), "__dict__", {})


def test_every_dependency_has_its_reason() -> None:
    says(ARCHITECTURE, "## Dependencies, and why each")
    text = (ROOT / "docs" / ARCHITECTURE).read_text(encoding="utf-8")
    section = text.partition("## Dependencies, and why each")[2].partition("\n## ")[0]
    told = {
        name
        for row in re.findall(r"^\| ([^|]+) \| [^|]{10,} \|", section, flags=re.MULTILINE)
        for name in re.split(r"[\s,`()]+", row)
    }
    project = PROJECT["project"]
    extras = [one for some in project["optional-dependencies"].values() for one in some]
    needed = {re.split(r"[\[<>=!~ ]", one)[0] for one in (*project["dependencies"], *extras)}
    assert len(needed) > 15
    assert needed - told == set()
    assert "typer" in told - {"why"}


LOADED = """
import contextlib, io, json, sys
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    from segctl.cli import run
    code = run(["--help"])
print(json.dumps([code, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def test_libraries_load_where_they_are_used() -> None:
    says(ARCHITECTURE, "All but typer load in the command that needs them.")
    done = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, check=True
    )
    code, loaded = json.loads(done.stdout)
    heavy = {"lxml", "paramiko", "netmiko", "asyncssh", "sqlalchemy", "yaml", "deepdiff"}
    heavy |= {"jsonschema", "cryptography", "prometheus_client", "distributed", "panos", "pan"}
    assert code == 0
    assert not heavy & set(loaded)


def test_secrets_do_not_travel() -> None:
    says(
        "adr/0009-work-travels-sessions-do-not.md", "# 9. Work travels, sessions and secrets do not"
    )
    target = Target(name="fw1", host="192.0.2.1", user="u", password=Secret("hush"))
    for holder in (Secret("hush"), target):
        assert "hush" not in repr(holder)
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(holder)


def test_nothing_is_unpickled_from_disk() -> None:
    says(
        "adr/0009-work-travels-sessions-do-not.md",
        "Entries are JSON: nothing is unpickled from disk.",
    )
    assert not importers("pickle", "shelve", "marshal", "dill", "cloudpickle")
