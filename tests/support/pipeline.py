"""A repository on a forge, and the shipped pipelines that its pushes run."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cli_support import PASSWORD, ROOT, Plant, write_plant
from segctl.cli import run
from support.forge import REPOSITORY, TOKEN, Forge
from support.runner import Ran, run_gitlab_job, run_workflow

if TYPE_CHECKING:
    from pathlib import Path

PIPELINES = ROOT / "packaging/pipelines"
NAMED = ("-c", "user.name=Jane", "-c", "user.email=jane@plant.invalid")
#: Writes down what is pushed, as a forge's own hook starts a pipeline.
HOOK = """\
#!/bin/sh
while read -r old new ref; do echo "$ref $new" >> "$GIT_DIR/events"; done
"""


@dataclass(slots=True)
class Pipeline:
    """A repository on a forge, whose pushes run the shipped pipelines on the plant's firewalls."""

    kind: str
    plant: Plant
    forge: Forge
    bare: Path
    clone: Path
    workspace: Path
    playbook: str = ""
    #: whether GitLab's pipelines are of what a merge would give ("merged results pipelines")
    merged_results: bool = False
    ran: list[Ran] = field(default_factory=list[Ran])

    # --- git -------------------------------------------------------------------------------------

    def git(self, *words: str) -> str:
        done = subprocess.run(
            ["git", *NAMED, *words], cwd=self.clone, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, branch: str, old: str, new: str) -> str:
        """Change the conduits on a branch, push it, and return what was pushed."""
        exists = subprocess.run(
            ["git", "rev-parse", "--verify", branch],
            cwd=self.clone,
            capture_output=True,
            check=False,
        )
        self.git("checkout", "--quiet", *([] if exists.returncode == 0 else ["-b"]), branch)
        path = self.clone / "inventory/group_vars/plant.yml"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        self.git("commit", "--quiet", "--all", "--message", f"{old} is {new}")
        return self.push(branch)

    def push(self, branch: str) -> str:
        """Push a branch; return the commit that the repository's hook was told of."""
        self.git("push", "--quiet", "origin", branch)
        events = (self.bare / "events").read_text(encoding="utf-8").splitlines()
        ref, commit = events[-1].split()
        assert ref == f"refs/heads/{branch}"
        return commit

    def merged(self, branch: str, *, onto: str) -> str:
        """Return what merging a branch would give, as forges keep it for a pull request."""
        self.git("fetch", "--quiet", "origin")
        self.git("checkout", "--quiet", "--detach", f"origin/{onto}")
        self.git("merge", "--quiet", "--no-ff", "--no-edit", branch)
        self.git("push", "--quiet", "origin", "--force", "HEAD:refs/pull/1/merge")
        return self.git("rev-parse", "HEAD")

    # --- pipelines -------------------------------------------------------------------------------

    def plan(self, branch: str, number: int = 1) -> Ran:
        """Run what a push to a pull request runs."""
        head = self.git("rev-parse", branch)
        result = self.merged(branch, onto="main")
        ran = self._job(
            "plan",
            result,
            {"CI_MERGE_REQUEST_IID": str(number)},
            {"github.event.pull_request.number": str(number)},
        )
        run_id = 1000 + len(self.ran)
        self.forge.artifacts[run_id] = ran.artifacts
        if ran.ok:
            self.forge.runs[head] = run_id
            if self.merged_results:
                self.forge.results[run_id] = result
        return ran

    def merge(self, branch: str, number: int = 1) -> str:
        """Merge a pull request; return the commit that its push to main was about."""
        head = self.git("rev-parse", branch)
        self.git("fetch", "--quiet", "origin")
        self.git("checkout", "--quiet", "main")
        self.git("merge", "--quiet", "--no-ff", "--no-edit", branch)
        commit = self.push("main")
        self.forge.merged[commit] = (number, head)
        return commit

    def apply(self, commit: str) -> Ran:
        """Run what a push to main runs."""
        return self._job("apply", commit, {}, {})

    def drift(self) -> Ran:
        """Run what the schedule runs."""
        return self._job("drift", self.git("rev-parse", "main"), {}, {})

    def _job(self, job: str, commit: str, lab: dict[str, str], hub: dict[str, str]) -> Ran:
        ran = (
            self.github(job, commit, hub)
            if self.kind == "github"
            else self._gitlab(job, commit, lab)
        )
        self.ran.append(ran)
        for secret in (TOKEN, PASSWORD):
            assert secret not in ran.log
        assert not self.forge.refused
        return ran

    def _adapted(self, path: Path, name: str) -> Path:
        """Return a pipeline as its user adapts it: with the playbook, if there is one."""
        if not self.playbook:
            return path
        text = path.read_text(encoding="utf-8")
        copy = self.workspace.with_name(path.name)
        copy.write_text(text.replace(f'{name}: ""', f"{name}: {self.playbook}"), "utf-8")
        return copy

    def github(self, job: str, commit: str, context: dict[str, str]) -> Ran:
        """Run a workflow for a commit."""
        names = {
            "github.repository": REPOSITORY,
            "github.event.pull_request.head.repo.full_name": REPOSITORY,
            "github.server_url": self.forge.url,
            "github.run_id": "77",
            "github.token": TOKEN,
            "secrets.SEGCTL_READ_PASSWORD": PASSWORD,
            "secrets.SEGCTL_WRITE_PASSWORD": PASSWORD,
            "vars.SEGCTL_CODE_SCANNING": "true",
            "vars.SEGCTL_MANAGEMENT": "127.0.0.1/32",
        }
        server = {
            "GITHUB_SERVER_URL": self.forge.url,
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_SHA": commit,
            "GITHUB_REF": "refs/pull/1/merge",
            "SSL_CERT_FILE": str(self.forge.ca_file),
            "GIT_CONFIG_COUNT": "1",  # the forge's repositories are on this machine
            "GIT_CONFIG_KEY_0": f"url.{self.bare}.insteadOf",
            "GIT_CONFIG_VALUE_0": f"{self.forge.url}/{REPOSITORY}",
        }
        path = self._adapted(PIPELINES / f"github/segctl-{job}.yml", "playbook")
        self.workspace.mkdir(exist_ok=True)
        return run_workflow(path, self.workspace, names | context, server)

    def _gitlab(self, job: str, commit: str, more: dict[str, str]) -> Ran:
        shutil.rmtree(self.workspace, ignore_errors=True)
        subprocess.run(["git", "clone", "--quiet", self.bare, self.workspace], check=True)
        work = ["git", "-C", str(self.workspace)]
        subprocess.run([*work, "fetch", "--quiet", "origin", commit], check=True)
        subprocess.run([*work, "checkout", "--quiet", commit], check=True)
        variables = {
            "CI_API_V4_URL": f"{self.forge.url}/api/v4",
            "CI_PROJECT_ID": "1",
            "CI_COMMIT_SHA": commit,
            "CI_JOB_URL": f"{self.forge.url}/jobs/77",
            "SEGCTL_GITLAB_TOKEN": TOKEN,
            "SEGCTL_READ_PASSWORD": PASSWORD,
            "SEGCTL_WRITE_PASSWORD": PASSWORD,
            "CURL_CA_BUNDLE": str(self.forge.ca_file),
        }
        path = self._adapted(PIPELINES / "gitlab/segctl.gitlab-ci.yml", "SEGCTL_PLAYBOOK")
        return run_gitlab_job(path, f"segctl-{job}", self.workspace, variables | more)


def write_repository(folder: Path, bare: Path, overlay: Path) -> None:
    """Make the repository: the plant's inventory with the firewalls' addresses, no password."""
    inventory = folder / "inventory"
    inventory.mkdir()
    write_plant(inventory)
    places = re.sub(r"(?m)^ +ansible_password: .*\n", "", overlay.read_text(encoding="utf-8"))
    (inventory / "mocks.yml").write_text(places, encoding="utf-8")
    hosts = inventory / "hosts.yml"
    text = re.sub(r"(?m)^ +ansible_password: .*\n", "", hosts.read_text(encoding="utf-8"))
    hosts.write_text(text, encoding="utf-8")
    assert run(["fmt", str(inventory)]) == 0
    subprocess.run(["git", "init", "--quiet", "--bare", "-b", "main", bare], check=True)
    subprocess.run(
        ["git", "-C", bare, "config", "uploadpack.allowAnySHA1InWant", "true"], check=True
    )
    hook = bare / "hooks/post-receive"
    hook.write_text(HOOK, encoding="utf-8")
    hook.chmod(hook.stat().st_mode | stat.S_IXUSR)
    for words in (
        ("init", "--quiet", "-b", "main"),
        ("add", "--all"),
        (
            "-c",
            "user.name=Jane",
            "-c",
            "user.email=j@x.invalid",
            "commit",
            "--quiet",
            "-m",
            "Plant",
        ),
        ("remote", "add", "origin", str(bare)),
        ("push", "--quiet", "origin", "main"),
    ):
        subprocess.run(["git", *words], cwd=folder, check=True)
