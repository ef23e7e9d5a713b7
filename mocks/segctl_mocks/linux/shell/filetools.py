"""Programs that work on files: cat, cp, mv, rm, mkdir and the like."""

from __future__ import annotations

import hashlib
import posixpath
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from segctl_mocks.linux.shell.shell import Shell

_QUOTES = "\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}"


def _split(words: list[str]) -> tuple[set[str], list[str]]:
    """Return the option letters and the other words."""
    letters: set[str] = set()
    rest: list[str] = []
    plain = False
    for word in words[1:]:
        if word == "--" and not plain:
            plain = True
        elif word.startswith("--") and not plain:
            letters.add(word)
        elif word.startswith("-") and len(word) > 1 and not plain:
            letters |= set(word[1:])
        else:
            rest.append(word)
    return letters, rest


def _path(shell: Shell, word: str) -> str:
    return shell.host.files.resolve(word, shell.cwd)


def _changed(shell: Shell, word: str) -> str:
    """Return a path the user may change."""
    path = _path(shell, word)
    shell.host.files.check(path, shell.home, root=shell.root)
    return path


def _complain(shell: Shell, text: str, error: OSError) -> int:
    shell.err(f"{text}: {error.strerror}\n")
    return 1


def _cat(shell: Shell, words: list[str]) -> int:
    _, names = _split(words)
    status = 0
    for name in names or ["-"]:
        try:
            data = shell.stdin.read() if name == "-" else shell.host.files.read(_path(shell, name))
        except OSError as error:
            status = _complain(shell, f"cat: {name}", error)
            continue
        shell.stdout.write(data)
    return status


def _cp(shell: Shell, words: list[str]) -> int:
    _, names = _split(words)
    try:
        target = _changed(shell, names[-1])
        for name in names[:-1]:
            data = shell.host.files.read(_path(shell, name))
            folder = shell.host.files.is_folder(target)
            path = posixpath.join(target, posixpath.basename(name)) if folder else target
            shell.host.files.write(path, data)
    except OSError as error:
        return _complain(shell, f"cp: cannot create regular file '{names[-1]}'", error)
    return 0


def _mv(shell: Shell, words: list[str]) -> int:
    _, names = _split(words)
    try:
        target = _changed(shell, names[-1])
        for name in names[:-1]:
            shell.host.files.move(_changed(shell, name), target)
    except OSError as error:
        return _complain(shell, f"mv: cannot stat '{names[0]}'", error)
    return 0


def _rm(shell: Shell, words: list[str]) -> int:
    letters, names = _split(words)
    status = 0
    for name in names:
        try:
            path = _changed(shell, name)
            shell.host.files.remove(path, recursive=bool(letters & {"r", "R"}))
        except FileNotFoundError as error:
            if "f" not in letters:
                status = _complain(shell, f"rm: cannot remove '{name}'", error)
        except OSError as error:
            status = _complain(shell, f"rm: cannot remove '{name}'", error)
    return status


def _mkdir(shell: Shell, words: list[str]) -> int:
    rest = [*words]
    if "-m" in rest:
        position = rest.index("-m")
        del rest[position : position + 2]
    letters, names = _split(rest)
    status = 0
    for name in names:
        try:
            path = _path(shell, name)
            if not (shell.host.files.is_folder(path) and "p" in letters):
                _changed(shell, name)
            shell.host.files.make_folder(path, parents="p" in letters)
        except OSError as error:
            what = f"mkdir: cannot create directory {_QUOTES[0]}{name}{_QUOTES[1]}"
            status = _complain(shell, what, error)
    return status


def _rmdir(shell: Shell, words: list[str]) -> int:
    _, names = _split(words)
    status = 0
    for name in names:
        try:
            shell.host.files.remove_folder(_changed(shell, name))
        except OSError as error:
            status = _complain(shell, f"rmdir: failed to remove '{name}'", error)
    return status


def _ln(shell: Shell, words: list[str]) -> int:
    """Link a file: here a copy, since nothing writes into a file that has two names."""
    letters, names = _split(words)
    try:
        target = _changed(shell, names[1])
        data = shell.host.files.read(_path(shell, names[0]))
        if shell.host.files.exists(target) and "f" not in letters:
            raise FileExistsError(17, "File exists", target)
        shell.host.files.write(target, data)
    except FileNotFoundError as error:
        return _complain(shell, f"ln: failed to access '{names[0]}'", error)
    except OSError as error:
        return _complain(shell, f"ln: failed to create hard link '{names[1]}'", error)
    return 0


def _find(shell: Shell, words: list[str]) -> int:
    """Print the files below a folder; none is ever older than so many days."""
    start = words[1] if words[1:] and not words[1].startswith("-") else "."
    if any(word == "-mtime" and age.startswith("+") for word, age in pairwise(words)):
        return 0
    root = _path(shell, start)
    files = shell.host.files
    found = [*files.data] if "f" in words else [*files.data, *files.folders]
    below = sorted(each for each in found if each == root or each.startswith(f"{root}/"))
    shell.out("".join(f"{start}{each.removeprefix(root)}\n" for each in below))
    return 0


def _ls(shell: Shell, words: list[str]) -> int:
    letters, names = _split(words)
    status = 0
    for name in names or ["."]:
        path = _path(shell, name)
        if shell.host.files.is_folder(path) and "d" not in letters:
            hidden = letters & {"a", "A"}
            found = [each for each in shell.host.files.names(path)
                     if hidden or not each.startswith(".")]  # fmt: skip
            shell.out("".join(f"{each}\n" for each in found))
        elif shell.host.files.exists(path):
            shell.out(f"{name}\n")
        else:
            shell.err(f"ls: cannot access '{name}': No such file or directory\n")
            status = 2
    return status


def _touch(shell: Shell, words: list[str]) -> int:
    _, names = _split(words)
    try:
        for name in names:
            shell.host.files.write(_changed(shell, name), b"", append=True)
    except OSError as error:
        return _complain(shell, f"touch: cannot touch '{names[0]}'", error)
    return 0


def _tee(shell: Shell, words: list[str]) -> int:
    letters, names = _split(words)
    data = shell.stdin.read()
    shell.stdout.write(data)
    try:
        for name in names:
            shell.host.files.write(_changed(shell, name), data, append="a" in letters)
    except OSError as error:
        return _complain(shell, f"tee: {names[0]}", error)
    return 0


def _sha256sum(shell: Shell, words: list[str]) -> int:
    _, names = _split(words)
    try:
        for name in names or ["-"]:
            data = shell.stdin.read() if name == "-" else shell.host.files.read(_path(shell, name))
            shell.out(f"{hashlib.sha256(data).hexdigest()}  {name}\n")
    except OSError as error:
        return _complain(shell, f"sha256sum: {names[0]}", error)
    return 0


def _mktemp(shell: Shell, words: list[str]) -> int:
    letters, _ = _split(words)
    path = f"/tmp/tmp.{shell.host.next_pid():010d}"  # noqa: S108  # of the mock, in memory
    if "d" in letters:
        shell.host.files.make_folder(path)
    else:
        shell.host.files.write(path, b"")
    shell.out(f"{path}\n")
    return 0


def _basename(shell: Shell, words: list[str]) -> int:
    name = posixpath.basename(words[1].rstrip("/"))
    shell.out(f"{name.removesuffix(words[2]) if words[2:] else name}\n")
    return 0


def _dirname(shell: Shell, words: list[str]) -> int:
    shell.out(f"{posixpath.dirname(words[1]) or '.'}\n")
    return 0


def _nothing(shell: Shell, words: list[str]) -> int:
    del shell, words
    return 0


FILE_TOOLS: dict[str, Callable[[Shell, list[str]], int]] = {
    "basename": _basename,
    "cat": _cat,
    "chmod": _nothing,
    "chown": _nothing,
    "cp": _cp,
    "dirname": _dirname,
    "find": _find,
    "ln": _ln,
    "ls": _ls,
    "mkdir": _mkdir,
    "mktemp": _mktemp,
    "mv": _mv,
    "rm": _rm,
    "rmdir": _rmdir,
    "sha256sum": _sha256sum,
    "sync": _nothing,
    "tee": _tee,
    "touch": _touch,
}
