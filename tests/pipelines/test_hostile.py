"""The shipped pipelines, given a pull request that would like to run code or to be believed."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.pipeline import Pipeline
    from support.runner import Ran

SCRIPT = "#!/bin/sh\nenv > {mark}\necho '{{}}'\n"
PYTHON = "import os\nopen({mark!r}, 'w').write(repr(os.environ))\n"


def program(path: Path, mark: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(SCRIPT.format(mark=mark), encoding="utf-8")
    path.chmod(0o755)


def an_executable_source(clone: Path, mark: Path) -> None:
    program(clone / "inventory/more", mark)


def an_executable_hosts_file(clone: Path, mark: Path) -> None:
    program(clone / "inventory/zz.yml", mark)


def a_plugin(clone: Path, mark: Path) -> None:
    (clone / "inventory/zz.yml").write_text("plugin: a.b.c\n", encoding="utf-8")
    plugin = clone / "collections/ansible_collections/a/b/plugins/inventory/c.py"
    plugin.parent.mkdir(parents=True)
    plugin.write_text(PYTHON.format(mark=str(mark)), encoding="utf-8")
    (clone / "ansible.cfg").write_text("[defaults]\ncollections_path = ./collections\n", "utf-8")


def settings_of_ansible(clone: Path, mark: Path) -> None:
    """An ``ansible.cfg`` that names programs, and a source that only Ansible reads."""
    program(clone / "secret.sh", mark)
    (clone / "inventory/zz.toml").write_text("[all.vars]\nmore = 1\n", encoding="utf-8")
    for folder in (clone, clone / "inventory"):
        (folder / "ansible.cfg").write_text(
            "[defaults]\nvault_password_file = ./secret.sh\ninventory = ./secret.sh\n", "utf-8"
        )


def a_bare_repository(clone: Path, mark: Path) -> None:
    """What git takes for a repository lies among the hosts files, and reads as one of them."""
    folder = clone / "inventory"
    evil = folder / "evil.cfg"  # passed over by Ansible and by segctl, for its name
    subprocess.run(["git", "init", "--quiet", "--bare", evil], check=True)
    named = ("-c", "user.name=Eve", "-c", "user.email=eve@x.invalid")
    tree = git(evil, "mktree")
    commit = git(evil, *named, "commit-tree", tree, "-m", "as reviewed")
    (evil / "refs/heads/main").write_text(f"{commit}\n", encoding="utf-8")
    settings = f'[core]\n\trepositoryformatversion = 1\n\tfsmonitor = "env > {mark}; false"\n'
    settings += "[extensions]\n\tworktreeConfig = true\n"
    (evil / "config").write_text(settings, encoding="utf-8")
    (folder / "config.worktree").write_text("[core]\nworktree=.\n", encoding="utf-8")
    (folder / "HEAD").write_text(f"{commit}\n", encoding="utf-8")
    (folder / "commondir").write_text("evil.cfg\n", encoding="utf-8")
    assert git(folder, "rev-parse", "HEAD") == commit  # what it would do
    git(folder, "status")
    assert mark.exists()
    mark.unlink()


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", *words], cwd=folder, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def filters(clone: Path, mark: Path) -> None:
    (clone / ".gitattributes").write_text("* filter=evil diff=evil\n", encoding="utf-8")
    (clone / ".gitconfig").write_text(f'[filter "evil"]\n\tclean = "env > {mark}"\n', "utf-8")


def a_link(target: str, name: str = "inventory/zz.yml") -> Callable[[Path, Path], None]:
    def attack(clone: Path, mark: Path) -> None:
        mark.write_text("[kanarie-0815]\nkanarie-0815 ansible_network_os=nftables\n", "utf-8")
        (clone / name).symlink_to(target.format(mark=mark))

    return attack


def reports_of_its_own(clone: Path, mark: Path) -> None:
    """A folder of reports with a plan that nobody made, and one that leads out of the checkout."""
    mark.write_text("a file of the runner\n", encoding="utf-8")
    folder = clone / "segctl-reports"
    folder.mkdir()
    (folder / "plan.md").symlink_to(mark)
    (folder / "plan.html").symlink_to(mark)
    (folder / "validate.sarif").write_text('{"forged": true}', encoding="utf-8")


def a_link_of_reports(clone: Path, mark: Path) -> None:
    mark.mkdir()
    (mark / "plan.md").write_text("a file of the runner\n", encoding="utf-8")
    (clone / "segctl-reports").symlink_to(mark)


def request(pipeline: Pipeline, attack: Callable[[Path, Path], None], mark: Path) -> Ran:
    """Open a pull request that holds a change and an attack; return what its job did."""
    pipeline.git("checkout", "--quiet", "-b", "feature")
    attack(pipeline.clone, mark)
    pipeline.git("add", "--all", "--force")
    pipeline.git("commit", "--quiet", "--message", "Nothing to see")
    pipeline.commit("feature", "[plc1, plc2]", "[plc1]")
    with pipeline.plant.untouched():
        return pipeline.plan("feature")


@pytest.mark.parametrize(
    ("attack", "told"),
    [
        (an_executable_source, "inventory/more: is a program"),
        (an_executable_hosts_file, "inventory/zz.yml: is a program"),
        (a_plugin, "inventory/zz.yml: is a program or names an inventory plugin"),
    ],
)
def test_what_would_have_to_be_run_is_refused(
    pipeline: Pipeline, tmp_path: Path, attack: Callable[[Path, Path], None], told: str
) -> None:
    ran = request(pipeline, attack, tmp_path / "marked")
    assert not (tmp_path / "marked").exists()
    assert not ran.ok
    assert told in ran.log
    assert "--allow-executable-inventory" in ran.log
    (comment,) = pipeline.forge.bodies("<!-- segctl:plan:plant -->")
    assert "No plan: 1 problem in the inventory" in comment.body


@pytest.mark.parametrize("attack", [settings_of_ansible, a_bare_repository, filters])
def test_what_need_not_be_run_is_not(
    pipeline: Pipeline, tmp_path: Path, attack: Callable[[Path, Path], None]
) -> None:
    ran = request(pipeline, attack, tmp_path / "marked")
    assert not (tmp_path / "marked").exists(), (tmp_path / "marked").read_text()
    (kept,) = ran.artifacts.values()
    (path,) = kept.rglob("plan.json")
    intent: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["intent"]
    assert ran.ok, ran.log
    if attack is a_bare_repository:  # whose commit it would be cannot be told
        assert intent["git_commit"] == ""
    else:
        assert intent["git_commit"] == pipeline.git("rev-parse", "HEAD")


@pytest.mark.parametrize("attack", [reports_of_its_own, a_link_of_reports])
@pytest.mark.parametrize("valid", [True, False])
def test_reports_are_of_the_job_and_not_of_the_checkout(
    pipeline: Pipeline, tmp_path: Path, attack: Callable[[Path, Path], None], *, valid: bool
) -> None:
    """Neither is a file of the runner written to, or shown where the job has no plan."""

    def both(clone: Path, mark: Path) -> None:
        attack(clone, mark)
        if not valid:
            (clone / "inventory/zz.yml").write_text("all: 1\n", encoding="utf-8")

    mark = tmp_path / "marked"
    ran = request(pipeline, both, mark)
    assert ran.ok == valid, ran.log
    held = mark / "plan.md" if mark.is_dir() else mark
    assert held.read_text(encoding="utf-8") == "a file of the runner\n"
    assert not mark.is_dir() or [path.name for path in mark.iterdir()] == ["plan.md"]
    (comment,) = pipeline.forge.bodies("<!-- segctl:plan:plant -->")
    assert "a file of the runner" not in comment.body
    assert ("1 problem in the inventory" in comment.body) != valid


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("{mark}", "inventory/zz"),
        ("{mark}", "inventory/group_vars/all.yml"),
        ("/proc/self/environ", "inventory/zz.yml"),
        ("../.git/config", "inventory/zz"),
        ("/etc", "inventory/group_vars/all"),
    ],
)
def test_links_out_of_the_repository_are_not_followed(
    pipeline: Pipeline, tmp_path: Path, target: str, name: str
) -> None:
    """What is wrong with a file would be told, and what it holds with it."""
    ran = request(pipeline, a_link(target, name), tmp_path / "marked")
    assert not ran.ok
    assert f"{name}: is a link, or behind one, that leads out of its repository" in ran.log
    (comment,) = pipeline.forge.bodies("<!-- segctl:plan:plant -->")
    for text in (ran.log, comment.body):
        assert "kanarie" not in text
        assert "passwd" not in text
