"""The collection as Ansible sees it: documented, and documented rightly."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from ansible_collections.segctl.segctl.plugins.plugin_utils.arguments import SPECS
from cli_support import ROOT, environment
from support.playbooks import BESIDE, SETTINGS

if TYPE_CHECKING:
    from pathlib import Path

HOME = ROOT / "playbooks" / "ansible_collections" / "segctl" / "segctl"


@pytest.fixture(scope="module")
def documented(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    names = [f"segctl.segctl.{name}" for name in SPECS]
    done = subprocess.run(
        [str(BESIDE / "ansible-doc"), "--json", "-t", "module", *names],
        capture_output=True,
        text=True,
        check=True,
        env=environment(**SETTINGS, HOME=str(tmp_path_factory.mktemp("home"))),
    )
    assert done.stderr == ""
    return {name.rpartition(".")[2]: entry for name, entry in json.loads(done.stdout).items()}


@pytest.mark.parametrize("module", SPECS)
def test_ansible_doc_shows_what_the_module_takes(documented: dict[str, Any], module: str) -> None:
    entry = documented[module]
    shown = {
        name: {key: option[key] for key in ("type", "default", "required") if key in option}
        for name, option in entry["doc"]["options"].items()
    }
    assert shown == SPECS[module]
    assert entry["doc"]["has_action"]
    assert {"changed", "error"} <= entry["return"].keys()


@pytest.mark.parametrize("module", SPECS)
def test_examples_call_the_module_by_its_full_name(documented: dict[str, Any], module: str) -> None:
    text = json.dumps(yaml.safe_load(documented[module]["examples"]))
    assert f"segctl.segctl.{module}" in text


def test_galaxy_builds_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [str(BESIDE / "ansible-galaxy"), "collection", "build", str(HOME), "--output-path", "."],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=environment(**SETTINGS, HOME=str(tmp_path)),
    )
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.glob("*.tar.gz")] == ["segctl-segctl-0.1.0.tar.gz"]


def test_its_version_is_segctls() -> None:
    import segctl

    assert yaml.safe_load((HOME / "galaxy.yml").read_text())["version"] == segctl.__version__
