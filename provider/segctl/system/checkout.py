"""The commit of a folder, found without running anything that the folder configures.

git takes its settings from the repository it finds, and some of them name programs. A folder that
merely looks like a bare repository counts as one, and a pull request can bring such a folder; a
``.git`` from an archive or a shared drive can bring any setting. So segctl looks for the
repository itself, skips bare ones, and overrides every setting that runs something. See
docs/adr/0020.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from segctl.model.errors import ChildError
from segctl.system.children import Ended, run_child

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_TIMEOUT: Final = 60.0
_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
#: Settings that run something when git reads a commit or compares files with it (git-config(1));
#: the command line wins over every file.
_SETTINGS: Final = (
    "safe.bareRepository=explicit",
    "core.fsmonitor=false",
    f"core.hooksPath={os.devnull}",
    "core.pager=cat",
    "core.sshCommand=false",
    "core.gitProxy=",
    "core.askPass=false",
    "core.editor=false",
    "core.alternateRefsCommand=false",
    "credential.helper=",
    "diff.external=",
    "protocol.allow=never",
    "submodule.recurse=false",
)
#: These win over the repository's settings: nothing is fetched, asked, paged or written.
_VARIABLES: Final = {
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_PAGER": "cat",
    "LC_ALL": "C",
}


def commit_of(path: Path) -> tuple[str, bool]:
    """Return the commit of a folder, or of a file's folder, and whether files differ from it.

    Submodules count by their commit, not by edits in them. Files that a git filter (such as LFS)
    stores in another form than the work tree's may count as different: filters are not run.
    There is no commit without a repository or git, or if the repository is not trusted: another
    account owns it, or a folder on the way up to it looks like a repository itself.
    """
    folder = os.path.realpath(path if path.is_dir() else path.parent)
    top = _top(folder)
    if top is None:
        return "", False
    try:
        commit = _git(top, "rev-parse", "--verify", "--quiet", "HEAD^{commit}").out.decode().strip()
        if not _COMMIT.fullmatch(commit):
            return "", False
        settings = _git(top, "config", "-z", "--name-only", "--list")
        if settings.code:
            return "", False
        words = ("--porcelain", "--untracked-files=normal", "--ignore-submodules=dirty")
        within = os.path.relpath(folder, top)
        filters = _without_filters(settings.out)
        status = _git(top, "status", *words, "--no-renames", "--", within, settings=filters)
    except (ChildError, UnicodeDecodeError):
        return "", False
    # files that cannot be compared count as different
    return commit, bool(status.out or status.code)


def _top(folder: str) -> str | None:
    """Return the top of the work tree that contains `folder`, unless a bare repository does."""
    while True:
        if _looks_bare(folder):
            return None
        if os.path.lexists(os.path.join(folder, ".git")):  # noqa: PTH118 - text, like the rest
            return folder
        above = os.path.dirname(folder)  # noqa: PTH120 - as above
        if above == folder:
            return None
        folder = above


def _looks_bare(folder: str) -> bool:
    """Whether git might take a folder for a bare repository, or for the inside of one.

    Fails closed: what else git requires (gitrepository-layout(5)) does not matter.
    """

    def holds(name: str) -> bool:
        return os.path.lexists(os.path.join(folder, name))  # noqa: PTH118 - as above

    return holds("HEAD") and any(map(holds, ("objects", "refs", "commondir", "config")))


def _without_filters(names: bytes) -> Iterator[str]:
    """Yield settings that switch off every configured filter.

    Raises:
        ChildError: a filter cannot be switched off on the command line.
    """
    filters = {name.rpartition(".")[0] for name in names.decode().split("\0")}
    for one in sorted(filters):
        if not one.startswith("filter."):
            continue
        if "=" in one:
            raise ChildError(f"git's filter {one.removeprefix('filter.')} cannot be switched off")
        yield from (f"{one}.clean=", f"{one}.smudge=", f"{one}.process=", f"{one}.required=false")


def _git(top: str, *words: str, settings: Iterable[str] = ()) -> Ended:
    given = [part for setting in (*_SETTINGS, *settings) for part in ("-c", setting)]
    return run_child(
        ["git", "--no-pager", *given, *words],
        timeout=_TIMEOUT,
        folder=top,
        variables=_VARIABLES | {"GIT_CEILING_DIRECTORIES": os.path.dirname(top)},  # noqa: PTH120 - paths are text here
    )
