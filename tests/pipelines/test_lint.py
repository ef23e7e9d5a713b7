"""The shipped pipelines as their forges' linters see them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli_support import ROOT
from segctl.cli import run
from support.runner import read

FOLDER = ROOT / "packaging/pipelines"
WORKFLOWS = sorted((FOLDER / "github").glob("*.yml"))
GITLAB = FOLDER / "gitlab/segctl.gitlab-ci.yml"
HOOKS = ROOT / ".pre-commit-hooks.yaml"
BIN = Path(sys.executable).parent


def passes(*words: str | Path) -> None:
    done = subprocess.run(
        [BIN / words[0], *words[1:]], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_all_of_them_are_there() -> None:
    names = {path.name for path in WORKFLOWS}
    assert names == {"segctl-plan.yml", "segctl-apply.yml", "segctl-drift.yml"}


def test_none_of_them_runs_in_this_repository() -> None:
    assert not [*(ROOT / ".github").rglob("segctl-*.yml")]
    assert not (ROOT / ".gitlab-ci.yml").exists()


def test_actionlint_and_shellcheck() -> None:
    passes("actionlint", "-shellcheck", BIN / "shellcheck", *WORKFLOWS)


def test_zizmor() -> None:
    passes("zizmor", "--offline", "--quiet", "--no-progress", *WORKFLOWS)


def test_the_schemas_of_github_and_gitlab() -> None:
    passes("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *WORKFLOWS)
    passes("check-jsonschema", "--builtin-schema", "vendor.gitlab-ci",
           "--regex-variant", "nonunicode", GITLAB)  # fmt: skip


def test_the_scripts_of_gitlab(tmp_path: Path) -> None:
    document = read(GITLAB)
    for name in ("segctl-plan", "segctl-apply", "segctl-drift"):
        job = {**document[".segctl"], **document[name]}
        script = tmp_path / f"{name}.sh"
        script.write_text("\n".join((*job["before_script"], *job["script"])) + "\n", "utf-8")
        passes("shellcheck", "--shell=dash", "--severity=warning", script)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_is_given_as_little_as_it_needs(path: Path) -> None:
    document: dict[Any, Any] = dict(read(path))
    assert document["permissions"] == {}
    triggers = document[True]  # `on`, as YAML 1.1 reads it
    assert not {"pull_request_target", "workflow_run", "issue_comment"} & set(triggers)
    (job,) = document["jobs"].values()
    assert job["permissions"]["contents"] == "read"
    assert "timeout-minutes" in job
    assert ("environment" in job) is (path.stem == "segctl-apply")
    assert "concurrency" in document or "concurrency" in job
    used = re.findall(r"uses: (\S+)(.*)", path.read_text(encoding="utf-8"))
    assert all(re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", name) for name, _ in used)
    assert all(re.fullmatch(r" # v[\d.]+", note) for _, note in used)


def test_the_account_that_writes_is_known_to_apply_alone() -> None:
    for path in WORKFLOWS:
        text = path.read_text(encoding="utf-8")
        assert ("SEGCTL_WRITE_PASSWORD" in text) is (path.stem == "segctl-apply")


def test_pre_commit_takes_the_hooks() -> None:
    passes("pre-commit", "validate-manifest", HOOKS)


def test_the_hooks_judge_an_inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    hooks: list[dict[str, Any]] = yaml.safe_load(HOOKS.read_text(encoding="utf-8"))
    entries = {hook["id"]: hook["entry"].split() for hook in hooks}
    assert set(entries) == {"segctl-validate", "segctl-fmt"}
    assert not any(hook["pass_filenames"] for hook in hooks)
    for program, *words in entries.values():
        assert program == "segctl"
        assert run(words) == 0
    (tmp_path / "inventory").mkdir()
    text = "all:\n    hosts: {fw1: {ansible_network_os: panos, segctl_zone_map: 5}}\n"
    (tmp_path / "inventory/hosts.yml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for _, *words in entries.values():
        assert run(words) == 1
