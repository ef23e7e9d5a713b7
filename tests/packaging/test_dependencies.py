"""The libraries: each with a floor and its reason, all of them in the bill of materials."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from support.dependencies import PROJECT, declared, missing


def _number(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:4])


def test_each_floor_has_a_reason() -> None:
    text = PROJECT.read_text("utf-8")
    part = text[text.index("\ndependencies = [") : text.index("[project.scripts]")]
    lines = [line for line in part.splitlines() if ">=" in line]
    assert len(lines) == len(list(declared()))
    assert [line for line in lines if not re.search(r'"[,\]]+ # \S', line)] == []


@pytest.mark.parametrize(
    ("name", "fixed"),
    [
        ("click", "8.3.3"),
        ("cryptography", "48.0.1"),
        ("distributed", "2026.1.0"),
        ("jaraco.context", "6.1.0"),
        ("jinja2", "3.1.6"),
        ("lxml", "6.1.0"),
        ("msgpack", "1.2.1"),
        ("paramiko", "5.0.0"),
        ("pygments", "2.20.0"),
        ("pynacl", "1.6.2"),
        ("asyncssh", "2.23.1"),
        ("tornado", "6.6.0"),
        ("zipp", "3.19.1"),
    ],
)
def test_floors_exclude_what_is_known_to_be_vulnerable(name: str, fixed: str) -> None:
    floor = dict(declared())[name]
    assert (*_number(floor), 0, 0, 0)[:3] >= _number(fixed)


def test_what_the_tests_run_with_is_allowed() -> None:
    absent = {"keyring", "jaraco.context"}  # an extra that the tests replace
    if sys.version_info >= (3, 12):
        absent.add("zipp")
    for name, floor in declared():
        if name not in absent:
            assert _number(version(name)) >= _number(floor), name


def test_a_bill_of_materials_names_every_library() -> None:
    """`make wheel` writes one in the same way, of the wheel installed alone."""
    program = Path(sys.executable).with_name("cyclonedx-py")
    if not program.exists():
        pytest.skip("cyclonedx-bom is not installed: it is in the group test")
    done = subprocess.run(
        [program, "environment", "--pyproject", PROJECT, "--output-reproducible", sys.executable],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    bill: Any = json.loads(done.stdout)
    assert bill["bomFormat"] == "CycloneDX"
    assert missing(bill) == []
    bill["components"] = [one for one in bill["components"] if one["name"] != "lxml"]
    bill["metadata"]["component"]["name"] = "other"
    assert missing(bill) == ["segctl", "lxml"]
