"""Which commit an inventory stands at, where its folder is somebody else's."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from segctl.system.checkout import commit_of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

NAMED = ("-c", "user.name=Jane", "-c", "user.email=jane@plant.invalid", "-c", "core.fsmonitor=")


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", *NAMED, "-c", "protocol.file.allow=always", *words],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with an inventory."""
    folder = tmp_path / "repository"
    (folder / "inventory").mkdir(parents=True)
    (folder / "inventory/hosts.yml").write_text("all:\n")
    git(folder, "init", "--quiet", "-b", "main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "-m", "Plant")
    return folder


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program that leaves a mark beside itself."""
    path = tmp_path / "attack"
    path.write_text(f"#!/bin/sh\necho ran >> {tmp_path}/marked\n")
    path.chmod(0o755)
    return path


def attacked(program: Path) -> bool:
    return program.with_name("marked").exists()


def bare(folder: Path, program: Path, *, like: Path) -> str:
    """Make of a folder what git takes for a bare repository; return its commit."""
    shutil.copytree(like / ".git", folder, dirs_exist_ok=True)
    with (folder / "config").open("a", encoding="utf-8") as file:
        file.write(f"[core]\n\tfsmonitor = {program}\n\tworktree = {folder}\n\tbare = false\n")
    return git(like, "rev-parse", "HEAD")


def test_a_commit_and_whether_files_differ(repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    inventory = repository / "inventory"
    assert commit_of(inventory) == (commit, False)
    assert commit_of(inventory / "hosts.yml") == (commit, False)
    (repository / "README").write_text("not of the inventory\n")
    assert commit_of(inventory) == (commit, False)
    (inventory / "more.yml").write_text("all:\n")
    assert commit_of(inventory) == (commit, True)
    (inventory / "more.yml").unlink()
    (inventory / "hosts.yml").write_text("all: {}\n")
    assert commit_of(inventory) == (commit, True)


def test_where_there_is_no_commit(tmp_path: Path, repository: Path) -> None:
    (tmp_path / "other").mkdir()
    assert commit_of(tmp_path / "other") == ("", False)
    shutil.rmtree(repository / ".git")
    git(repository, "init", "--quiet")
    assert commit_of(repository) == ("", False)


def test_a_repository_that_says_untracked_files_do_not_matter(repository: Path) -> None:
    git(repository, "config", "status.showUntrackedFiles", "no")
    (repository / "inventory/more.yml").write_text("all:\n")
    assert commit_of(repository / "inventory")[1] is True


@pytest.mark.parametrize("where", ["inventory", "inventory/deeper", "."])
def test_a_folder_that_looks_like_a_bare_repository(
    repository: Path, program: Path, tmp_path: Path, where: str
) -> None:
    """A pull request can bring one: the attacker's program is not run, nor his commit recorded."""
    other = tmp_path / "attacker"
    other.mkdir()
    git(other, "init", "--quiet")
    git(other, "commit", "--quiet", "--allow-empty", "-m", "as reviewed")
    theirs = bare(repository / where, program, like=other)
    deepest = repository / "inventory/deeper/folder"
    deepest.mkdir(parents=True, exist_ok=True)
    subprocess.run(["git", "-C", repository / where, "status"], capture_output=True, check=False)
    if where != ".":
        assert attacked(program)  # as git by itself would
        program.with_name("marked").unlink()
    for folder in (repository / "inventory", deepest):
        assert commit_of(folder)[0] != theirs
    assert commit_of(deepest) == ("", False)
    assert not attacked(program)


def test_a_link_into_the_repositorys_own_folder(repository: Path, program: Path) -> None:
    git(repository, "config", "core.fsmonitor", str(program))
    (repository / "link").symlink_to(".git")
    assert commit_of(repository / "link") == ("", False)
    assert not attacked(program)


def test_git_is_not_even_asked_about_a_bare_repository(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Releases before 2.38 do not know ``safe.bareRepository``."""
    (tmp_path / "bin").mkdir()
    theirs = tmp_path / "theirs"
    bare(theirs, tmp_path / "none", like=repository)
    fake = tmp_path / "bin/git"
    fake.write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    commit_of(repository / "inventory")
    assert (tmp_path / "asked").exists()
    (tmp_path / "asked").unlink()
    shutil.copytree(theirs, repository / "inventory", dirs_exist_ok=True)
    assert commit_of(repository / "inventory") == ("", False)
    assert not (tmp_path / "asked").exists()


@pytest.mark.parametrize(
    "setting",
    [
        "core.fsmonitor",
        "core.pager",
        "pager.status",
        "core.sshCommand",
        "core.gitProxy",
        "core.editor",
        "core.askPass",
        "credential.helper",
        "diff.external",
        "core.alternateRefsCommand",
        "gpg.program",
        "alias.status",
        "alias.rev-parse",
        "filter.evil.clean",
        "filter.evil.process",
        "filter.e.v.i.l.clean",
    ],
)
@pytest.mark.parametrize("given", ["directly", "included", "beside"])
def test_settings_of_the_repository_run_nothing(
    repository: Path, program: Path, tmp_path: Path, setting: str, given: str
) -> None:
    """What unpacks an archive, or opens a shared folder, has a ``.git`` that others wrote."""
    value = f"!{program}" if setting.startswith("alias.") else str(program)
    more = tmp_path / "more.cfg"
    if given == "directly":
        git(repository, "config", setting, value)
    else:
        git(repository, "config", "--file", str(more), setting, value)
        git(repository, "config", "include.path", str(more))
    if given == "beside":  # a .git that is a file, as worktrees and submodules have it
        (repository / ".git").rename(tmp_path / "elsewhere")
        (repository / ".git").write_text(f"gitdir: {tmp_path}/elsewhere\n")
    name = setting.removeprefix("filter.").rpartition(".")[0]
    (repository / "inventory/.gitattributes").write_text(f"* filter={name}\n")
    (repository / "inventory/hosts.yml").write_text("all:\n")  # to be compared by its content
    commit, dirty = commit_of(repository / "inventory")
    assert len(commit) == 40
    assert dirty is True
    assert not attacked(program)


def test_the_filter_would_have_been_run(repository: Path, program: Path) -> None:
    """What the test above keeps from happening."""
    git(repository, "config", "filter.evil.clean", str(program))
    (repository / "inventory/.gitattributes").write_text("* filter=evil\n")
    (repository / "inventory/hosts.yml").write_text("all:\n")
    git(repository, "status")
    assert attacked(program)


def test_a_filter_that_cannot_be_switched_off(repository: Path, program: Path) -> None:
    git(repository, "config", "filter.a=b.clean", str(program))
    (repository / "inventory/.gitattributes").write_text("* filter=a=b\n")
    (repository / "inventory/hosts.yml").write_text("all:\n")
    assert commit_of(repository / "inventory") == ("", False)
    assert not attacked(program)


def test_hooks_are_not_run(repository: Path, program: Path) -> None:
    for name in ("post-index-change", "fsmonitor-watchman", "reference-transaction"):
        shutil.copy(program, repository / ".git/hooks" / name)
    (repository / "inventory/hosts.yml").write_text("all:\n")
    assert commit_of(repository / "inventory") == (git(repository, "rev-parse", "HEAD"), False)
    program.with_name("marked").unlink(missing_ok=True)  # of the line above
    commit_of(repository / "inventory")
    assert not attacked(program)


def test_nothing_is_fetched(repository: Path, program: Path, tmp_path: Path) -> None:
    """A partial clone fetches what it lacks, by a command that its settings name."""
    partial = tmp_path / "partial"
    git(repository, "config", "uploadpack.allowFilter", "true")
    git(tmp_path, "clone", "--quiet", "--filter=tree:0", "--no-checkout",
        f"file://{repository}", str(partial))  # fmt: skip
    (partial / "inventory").mkdir()
    (partial / "inventory/hosts.yml").write_text("all:\n")
    git(partial, "config", "remote.origin.uploadpack", str(program))
    git(partial, "config", "protocol.file.allow", "always")
    subprocess.run(["git", "-C", partial, "status"], capture_output=True, check=False, timeout=60)
    assert attacked(program)  # as git by itself would
    program.with_name("marked").unlink()
    commit, dirty = commit_of(partial / "inventory")
    assert commit == git(repository, "rev-parse", "HEAD")
    assert dirty is True  # it cannot be told
    assert not attacked(program)


def test_a_submodule_runs_nothing(repository: Path, program: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "--quiet")
    git(other, "commit", "--quiet", "--allow-empty", "-m", "Other")
    git(repository, "submodule", "--quiet", "add", str(other), "inventory/sub")
    git(repository, "commit", "--quiet", "-m", "Sub")
    sub = repository / "inventory/sub"
    git(sub, "config", "core.fsmonitor", str(program))
    assert commit_of(repository / "inventory") == (git(repository, "rev-parse", "HEAD"), False)
    assert not attacked(program)
    git(sub, "commit", "--quiet", "--allow-empty", "-m", "More")
    program.with_name("marked").unlink(missing_ok=True)
    assert commit_of(repository / "inventory")[1] is True
    assert not attacked(program)


def test_variables_of_git_do_not_lead_elsewhere(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a hook of git's, where they are set."""
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "--quiet")
    git(other, "commit", "--quiet", "--allow-empty", "-m", "Other")
    commit = git(repository, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.fsmonitor")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "/bin/false")
    assert commit_of(repository / "inventory") == (commit, False)
