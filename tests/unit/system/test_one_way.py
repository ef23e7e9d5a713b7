"""Only `segctl.system.storage` writes files: read from the source, so that a new one is seen."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import segctl
import segctl_mocks

#: Calls that write, make, remove or rename, by the name that is called: of `os`, `shutil`,
#: `tempfile` and of paths. `replace`, `rename` and `save` are judged by what they are called on.
WRITING = frozenset(
    {
        *("write_text", "write_bytes", "mkdir", "makedirs", "mkfifo", "mknod"),
        *("symlink", "symlink_to", "link", "hardlink_to", "unlink", "rmdir", "removedirs"),
        *("chmod", "fchmod", "lchmod", "chown", "fchown", "truncate", "ftruncate"),
        *("rmtree", "copytree", "copyfile", "copy2", "copyfileobj", "make_archive"),
        *("mkstemp", "mkdtemp", "mktemp", "NamedTemporaryFile", "TemporaryFile"),
        *("TemporaryDirectory", "SpooledTemporaryFile", "FileHandler", "RotatingFileHandler"),
        *("renames", "fdopen", "sendfile", "copy_file_range"),
    }
)
#: Of the module `os` alone: paths, trees and text have methods of these names, too.
OF_OS = frozenset({"open", "rename", "replace", "remove"})
#: What may be: module, function that calls, what is called; and why.
ALLOWED = {
    ("segctl", "cli/__init__.py", "run", "os.open"): "/dev/null, in the place of a closed output",
    ("segctl", "operations/demo.py", "story", "copytree"): "the example, to a passing folder",
    ("segctl", "testing/same.py", "law", "TemporaryDirectory"): "an import, to be read back",
    ("segctl", "planning/journal.py", "_forget", "rmtree"): "does not follow links",
    ("segctl", "system/places.py", "_enter", "mkdir"): "this is the one way",
    ("segctl", "system/places.py", "_enter", "os.open"): "a folder, only to walk through",
    ("segctl", "system/places.py", "__init__", "os.open"): "the root folder, only to walk through",
    ("segctl", "system/places.py", "open", "os.open"): "only reads, for `read`",
    ("segctl", "system/handed.py", "_no_waiting", "os.open"): "only reads",
    ("segctl", "inventory/files.py", "_opened", "os.open"): "only reads",
    ("segctl", "fleet/plan_cache.py", "_read", "os.open"): "only reads",
    ("segctl", "fleet/plan_cache.py", "_read", "fdopen"): "only reads",
    ("segctl_mocks", "tls.py", "_context", "TemporaryDirectory"): "a key that OpenSSL reads",
    ("segctl_mocks", "fleet.py", "serve_fleet", "TemporaryDirectory"): "private, and passing",
    ("segctl_mocks", "linux/mock.py", "known_hosts", "TemporaryDirectory"): "private, and passing",
    ("segctl_mocks", "panos/monitoring.py", "device_state", "open"): "in memory",
    ("segctl_mocks", "traffic/records.py", "_new", "mkdir"): "in a folder that is new or empty",
    ("segctl_mocks", "traffic/records.py", "_new", "open"): "streams, never over a file",
    ("segctl_mocks", "panos/served.py", "ca_file", "TemporaryDirectory"): "private, and passing",
}
#: The modules that are the way.
THE_WAY = {"system/storage.py", "storage.py"}


def _called(call: ast.Call) -> str:
    """Return what a call writes with, or nothing."""
    match call.func:
        case ast.Name(id="open"):
            mode = _mode(call, 1)
            return "" if set(mode) <= set("rbt") else "open"
        case ast.Name(id=name) if name in WRITING:
            return name
        case ast.Attribute(value=ast.Name(id="os"), attr=name) if name in OF_OS:
            return f"os.{name}"
        case ast.Attribute(attr=name) if name in WRITING:
            return name
        case ast.Attribute(value=ast.Name(id="shutil"), attr="move" as name):
            return name
        case ast.Attribute(attr="touch" as name) if not call.args:
            return name
        case ast.Attribute(attr="open") if call.args or call.keywords:
            mode = _mode(call, 0)
            return "" if set(mode) <= set("rbt") else "open"
        case ast.Attribute(value=value, attr=("replace" | "rename") as name) if (
            len(call.args) == 1 and not call.keywords
        ):
            return f"{ast.unparse(value)}.{name}"  # Path.replace takes one, str.replace two
        case ast.Attribute(attr="save"):
            words = [*call.args, *(word.value for word in call.keywords)]
            return "save" if any("str(" in ast.unparse(word) for word in words) else ""
        case _:
            pass
    return ""


def _mode(call: ast.Call, place: int) -> str:
    for word in call.keywords:
        if word.arg == "mode" and isinstance(word.value, ast.Constant):
            return str(word.value.value)
    if len(call.args) > place:
        value = call.args[place]
        return str(value.value) if isinstance(value, ast.Constant) else "r"
    return "r"


def _writes(package: str, path: Path, name: str) -> set[tuple[str, str, str, str]]:
    found: set[tuple[str, str, str, str]] = set()

    def visit(node: ast.AST, function: str) -> None:
        for child in ast.iter_child_nodes(node):
            inner = child.name if isinstance(child, ast.FunctionDef) else function
            if isinstance(child, ast.Call) and (what := _called(child)):
                found.add((package, name, inner, what))
            visit(child, inner)

    visit(ast.parse(path.read_text(encoding="utf-8")), "")
    return found


def test_nothing_else_writes_files() -> None:
    found: set[tuple[str, str, str, str]] = set()
    for package in (segctl, segctl_mocks):
        top = Path(str(package.__file__)).parent
        for path in top.rglob("*.py"):
            name = path.relative_to(top).as_posix()
            if name not in THE_WAY:
                found |= _writes(package.__name__, path, name)
    assert found == set(ALLOWED), "write with segctl.system.storage, or say here why not"


@pytest.mark.parametrize(
    "source",
    [
        "open(path, 'w')",
        "open(path, mode='a')",
        "open(path, 'r+b')",
        "path.open('x', encoding='utf-8')",
        "path.write_text('x')",
        "path.write_bytes(b'')",
        "os.open(path, os.O_WRONLY)",
        "os.rename(a, b)",
        "scratch.replace(path)",
        "tempfile.mkstemp()",
        "shutil.move(a, b)",
        "path.touch(mode=0o600)",
        "NamedTemporaryFile('w')",
        "known.save(str(path))",
        "logging.FileHandler('x')",
    ],
)
def test_the_look_sees(tmp_path: Path, source: str) -> None:
    path = tmp_path / "module.py"
    path.write_text(f"def f():\n    {source}\n", encoding="utf-8")
    assert len(_writes("p", path, "module.py")) == 1


@pytest.mark.parametrize(
    "source",
    [
        "open(path)",
        "open(path, 'rb')",
        "path.open('rb')",
        "a.replace('x', 'y')",
        "path.read_text()",
    ],
)
def test_reading_is_not_writing(tmp_path: Path, source: str) -> None:
    path = tmp_path / "module.py"
    path.write_text(f"def f():\n    {source}\n", encoding="utf-8")
    assert not _writes("p", path, "module.py")
