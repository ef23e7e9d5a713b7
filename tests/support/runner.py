"""What runs pipelines: as much of GitHub's and of GitLab's runner as the shipped files need.

It reads the shipped YAML and runs its shell steps as they stand; an expression or a key that it
does not know is an error, so that nothing in a file is passed over in silence.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from support.warm import warm_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

_EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
_STEP = {"name", "id", "if", "env", "run", "uses", "with"}


@dataclass(slots=True)
class Ran:
    """A job that has ended: whether it succeeded, what it said, and what it left."""

    ok: bool = True
    log: str = ""
    artifacts: dict[str, Path] = field(default_factory=dict[str, Path])


def read(path: Path) -> dict[str, Any]:
    """Read a pipeline file."""
    document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return document


def _run(ran: Ran, words: list[str], folder: Path, environment: Mapping[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    folders = (warm_folder(), Path(sys.executable).parent, os.environ["PATH"])
    done = subprocess.run(
        words,
        cwd=folder,
        env={
            "PATH": os.pathsep.join(map(str, folders)),
            "HOME": str(folder.parent),
            "LANG": "C.UTF-8",
            **environment,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )
    ran.log += done.stdout
    ran.ok = ran.ok and done.returncode == 0


# --- GitHub --------------------------------------------------------------------------------------


def run_workflow(
    path: Path, folder: Path, context: Mapping[str, str], environment: Mapping[str, str]
) -> Ran:
    """Run the one job of a workflow in `folder`, its matrix' first entry.

    Args:
        path: the workflow.
        folder: the workspace; it is kept from run to run, as on a runner of one's own.
        context: what expressions may name: ``github.token``, ``secrets.…``, ``vars.…``.
        environment: what the runner itself sets.
    """
    (job,) = read(path)["jobs"].values()
    names = dict(context)
    for key, value in job["strategy"]["matrix"]["include"][0].items():
        names[f"matrix.{key}"] = str(value)
    if "if" in job and not _holds(job["if"], names, ok=True):
        return Ran(log="skipped")
    ran = Ran()
    for number, step in enumerate(job["steps"]):
        assert set(step) <= _STEP, step
        if not _holds(step.get("if", ""), names, ok=ran.ok):
            continue
        values = {
            **environment,
            **_filled(job["env"], names),
            **_filled(step.get("env", {}), names),
        }
        if "uses" in step:
            _use(ran, step, folder, names)
        else:
            _step(ran, step, folder, values, names, number)
    return ran


def _step(
    ran: Ran,
    step: Mapping[str, Any],
    folder: Path,
    values: Mapping[str, str],
    names: dict[str, str],
    number: int,
) -> None:
    assert "${{" not in step["run"], "an expression in a script lets its value be a script"
    scratch = folder.parent / "runner"
    scratch.mkdir(exist_ok=True)
    script = scratch / f"{number}.sh"
    script.write_text(step["run"], encoding="utf-8")
    output, summary = scratch / f"{number}.out", scratch / "summary.md"
    output.write_text("", encoding="utf-8")
    files = {"GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary)}
    shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)]
    ran.log += f"\n--- {step['name']}\n"
    _run(ran, shell, folder, {**values, **files})
    for line in output.read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition("=")
        names[f"steps.{step['id']}.outputs.{key}"] = value


def _use(ran: Ran, step: Mapping[str, Any], folder: Path, names: Mapping[str, str]) -> None:
    action, _, commit = step["uses"].partition("@")
    assert action == "actions/upload-artifact", action
    assert re.fullmatch(r"[0-9a-f]{40}", commit)
    given = _filled(step["with"], names)
    kept = folder.parent / f"artifact-{given['name']}"
    subprocess.run(["rm", "-rf", str(kept)], check=True)
    subprocess.run(["cp", "-r", str(folder / given["path"]), str(kept)], check=True)
    ran.artifacts[given["name"]] = kept


def _filled(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, str]:
    return {
        key: _EXPRESSION.sub(lambda found: names[found[1]], str(value))
        for key, value in values.items()
    }


def _holds(condition: str, names: Mapping[str, str], *, ok: bool) -> bool:
    """Judge a condition: terms joined by ``&&``; without a status function, only after success."""
    bare = _EXPRESSION.sub(r"\1", condition)
    terms = [term.strip() for term in bare.split("&&")] if bare else []
    always = "!cancelled()" in terms
    return (ok or always) and all(_term(term, names) for term in terms if term != "!cancelled()")


def _term(term: str, names: Mapping[str, str]) -> bool:
    found = re.fullmatch(r"(\S+) (==|!=) (\S+)", term)
    assert found, f"the runner does not understand {term}"
    left, operator, right = found.groups()
    was = names.get(left, "") if left.startswith("steps.") else names[left]
    other = right[1:-1] if right.startswith("'") else names[right]
    return (was == other) is (operator == "==")


# --- GitLab --------------------------------------------------------------------------------------


def run_gitlab_job(path: Path, job: str, folder: Path, variables: Mapping[str, str]) -> Ran:
    """Run one job of a pipeline file in `folder`, its matrix' first entry.

    Args:
        path: the pipeline file.
        job: the job's name.
        folder: the work tree, at the commit that the pipeline is for.
        variables: what GitLab and the project set.
    """
    document = read(path)
    found = {**document[document[job]["extends"]], **document[job]}
    matrix = {key: str(values[0]) for key, values in found["parallel"]["matrix"][0].items()}
    variables = {**found["variables"], **variables}
    script = folder.parent / "job.sh"
    script.write_text("\n".join((*found["before_script"], *found["script"])) + "\n", "utf-8")
    ran = Ran()
    _run(ran, ["sh", "-e", str(script)], folder, {**variables, **matrix})
    after = "\n".join(found["after_script"])
    _run(Ran(), ["sh", "-c", after], folder, {**variables, **matrix})
    if ran.ok and "artifacts" in found:
        kept = folder.parent / f"artifact-{job}"
        subprocess.run(["rm", "-rf", str(kept)], check=True)
        kept.mkdir()
        for name in found["artifacts"]["paths"]:
            subprocess.run(["cp", "-r", str(folder / name), str(kept / name)], check=True)
        for name in found["artifacts"]["exclude"]:
            assert not (kept / name).exists()
        ran.artifacts[f"{job}: [{', '.join(matrix.values())}]"] = kept
    return ran
