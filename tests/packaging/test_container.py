"""The container file: linted, and with everything that the package is built from."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from cli_support import ROOT

FILE = ROOT / "packaging/Containerfile"
TEXT = FILE.read_text(encoding="utf-8")


def test_the_linter_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [hadolint, "--no-color", FILE], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_what_the_package_is_built_from_is_copied() -> None:
    project: Any = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {project["project"]["readme"], *project["project"]["license-files"]}
    needed |= {path.partition("/")[0] for path in (*wheel["packages"], *wheel["force-include"])}
    copied = {
        word for line in re.findall(r"^COPY (.*) \S+$", TEXT, re.MULTILINE) for word in line.split()
    }
    ignore = (ROOT / ".containerignore").read_text(encoding="utf-8").splitlines()
    assert needed <= copied
    for name in {*needed, "pyproject.toml"}:
        assert f"!{name}" in ignore
        assert (ROOT / name).exists()
    assert ignore[1] == "*"


def test_it_runs_as_nobody_from_named_images() -> None:
    images = re.findall(r"^FROM (\S+)", TEXT, re.MULTILINE)
    assert all(re.fullmatch(r"python:3\.\d+-slim-\w+", image) for image in images)
    last = TEXT.rpartition("\nFROM ")[2]
    assert re.search(r"^USER 65532:65532$", last, re.MULTILINE)
    assert 'ENTRYPOINT ["segctl"]' in last
    assert "pip" not in last
