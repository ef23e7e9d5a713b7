"""Everything the inventory reads from the world: files, folders, executable sources."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from segctl.inventory.vault import VaultError, VaultSecrets, decrypt, is_encrypted
from segctl.model.errors import ChildError, InventoryError, Problem
from segctl.system import storage
from segctl.transports.credentials import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

#: A file larger than this is refused: nobody writes it by hand.
MAX_FILE: Final = 256 * 1024 * 1024
NOT_A_FILE: Final = "is not a regular file: a pipe, a socket or a device"
#: Seconds that a program may take to print a vault password.
_TIMEOUT: Final = 300.0


def problem(path: str, message: str, hint: str = "") -> InventoryError:
    """Return the error for a file that cannot be used at all."""
    return InventoryError((Problem(message=message, file=path, hint=hint),))


def read_text(path: str, vault: VaultSecrets | None) -> str:
    """Return the text of a file, decrypted when it is vaulted.

    Raises:
        InventoryError: the file cannot be read, decoded or decrypted.

    """
    text = read_as_written(path)
    if not is_encrypted(text):
        return text
    try:
        return decrypt(text, vault)
    except VaultError as error:
        hint = "give --vault-password-file or --ask-vault-pass"
        raise problem(path, f"is vaulted and cannot be opened: {error}", hint) from error


def read_as_written(path: str) -> str:
    """Return the text of a file, still encrypted where it is vaulted, line ends included.

    Raises:
        InventoryError: the file cannot be read or decoded.

    """
    _refuse_link_out(path)
    try:
        with open(path, "rb", buffering=0, opener=_opened) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise problem(path, NOT_A_FILE, "write it to a file: it may be read again")
            if found.st_size > MAX_FILE:
                raise problem(path, "is larger than 256 MiB", "split it")
            data = file.readall()
    except OSError as error:
        raise problem(path, f"cannot be read: {error.strerror}") from error
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InventoryError((_encoding_problem(path, data, error),)) from error


def leads_out(path: str) -> bool:
    """Tell whether a file of a repository is in fact one outside of it, or of git's own.

    Somebody may have put the link there who may write to the repository, but not read the files of
    whoever reads it; and messages quote what they are about.
    """
    folder, name = os.path.split(os.path.abspath(path))  # noqa: PTH100 - paths are text, for speed
    real, top = _placed(folder)
    if not top:
        return False
    linked = os.path.islink(path)  # noqa: PTH114 - as above
    found = os.path.realpath(path) if linked else os.path.join(real, name)  # noqa: PTH118 - as above
    within = f"{top}/"
    inner = found.removeprefix(within)
    return found != top and (inner == found or ".git" in inner.split("/"))


def _refuse_link_out(path: str) -> None:
    if leads_out(path):
        raise problem(
            path,
            "is a link, or behind one, that leads out of its repository",
            "name the file itself with -i or -e @FILE, or put it into the repository",
        )


@lru_cache(maxsize=4096)
def _placed(folder: str) -> tuple[str, str]:
    """Return where a folder really is, and the top of the repository it was named in, if any."""
    above = folder
    while not os.path.lexists(os.path.join(above, ".git")):  # noqa: PTH118 - as above
        if above == (above := os.path.dirname(above)):  # noqa: PTH120 - as above
            return "", ""
    return os.path.realpath(folder), os.path.realpath(above)


def _opened(path: str, flags: int) -> int:
    """Open without waiting for somebody to write into a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)


def peek(path: str) -> str:
    """Return the text of a file that is not part of the inventory, or nothing."""
    try:
        return read_text(path, None)
    except InventoryError:
        return ""


def may_hold(path: str, word: str) -> bool:
    """Tell whether `word` is in a file, or could be, as it cannot be read or is vaulted."""
    try:
        text = read_as_written(path)
    except InventoryError:
        return True
    return word in text or is_encrypted(text)


def _encoding_problem(path: str, data: bytes, error: UnicodeDecodeError) -> Problem:
    before = data[: error.start].decode(errors="replace")
    utf16 = data[:2] in {b"\xff\xfe", b"\xfe\xff"}
    return Problem(
        message="is UTF-16, not UTF-8" if utf16 else f"is not UTF-8: {error.reason}",
        file=path,
        line=before.count("\n") + 1,
        column=len(before) - before.rfind("\n"),
        hint="save the file as UTF-8 without byte order mark",
    )


@dataclass(frozen=True, slots=True)
class Folder:
    """The entries of one folder.

    `entries` says of each file and folder whether it is a folder, `unusable` of everything else
    why it cannot be read.
    """

    path: str
    entries: Mapping[str, bool]
    unusable: Mapping[str, str]


def list_folder(path: str) -> Folder | None:
    """Return the entries of a folder, or None when there is no folder.

    Raises:
        InventoryError: the folder cannot be listed.

    """
    entries: dict[str, bool] = {}
    unusable: dict[str, str] = {}
    _refuse_link_out(path)
    try:
        with os.scandir(path) as found:
            for entry in found:
                if reason := _unusable(entry):
                    unusable[entry.name] = reason
                else:
                    entries[entry.name] = entry.is_dir()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise problem(path, f"cannot be listed: {error.strerror}") from error
    return Folder(path, entries, unusable)


def _unusable(entry: os.DirEntry[str]) -> str:
    """Return why an entry is neither a file nor a folder, or nothing."""
    try:
        if entry.is_file() or entry.is_dir():
            return ""
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return dangling(entry.path) or NOT_A_FILE


def dangling(path: str) -> str:
    """Return what is wrong with a symbolic link that leads nowhere, or nothing."""
    if not os.path.islink(path) or exists(path):  # noqa: PTH114 - paths are text, for speed
        return ""
    leads = os.readlink(path)  # noqa: PTH115 - paths are text, for speed
    return f"is a symbolic link that leads nowhere (to {leads})"


def identity(path: str) -> tuple[int, int]:
    """Return what tells a folder from every other, whatever path leads to it."""
    found = os.stat(path)  # noqa: PTH116 - paths are text, for speed
    return found.st_dev, found.st_ino


def is_folder(path: str) -> bool:
    """Tell whether `path` is a folder."""
    return os.path.isdir(path)  # noqa: PTH112 - paths are text, for speed


def is_link(path: str) -> bool:
    """Tell whether a path is a symbolic link."""
    return os.path.islink(path)  # noqa: PTH114 - paths are text, for speed


def exists(path: str) -> bool:
    """Tell whether there is anything at `path`."""
    return os.path.exists(path)  # noqa: PTH110 - paths are text, for speed


def is_readable(path: str) -> bool:
    """Tell whether we may read what is at `path`."""
    try:
        with open(path, "rb", buffering=0, opener=_opened):
            return True
    except OSError:
        return False


def join(folder: str, name: str) -> str:
    """Return the path of `name` in `folder`."""
    return f"{folder}/{name}" if folder else name


def parent(path: str) -> str:
    """Return the folder that holds `path`."""
    return os.path.dirname(path)  # noqa: PTH120 - paths are text, for speed


def extension(path: str) -> str:
    """Return the extension of a file name, with its dot."""
    return os.path.splitext(path)[1]  # noqa: PTH122 - paths are text, for speed


def stem(path: str) -> str:
    """Return the name of a file without its folder and extension."""
    return os.path.splitext(os.path.basename(path))[0]  # noqa: PTH119, PTH122 - for speed


def absolute(path: str) -> str:
    """Return the absolute path, to tell whether two paths are the same."""
    return os.path.abspath(path)  # noqa: PTH100 - paths are text, for speed


def real(path: str) -> str:
    """Return the absolute path without symbolic links."""
    return os.path.realpath(path)


def expand_home(path: str) -> str:
    """Return the path with ``~`` replaced by the home directory."""
    return os.path.expanduser(path)  # noqa: PTH111 - paths are text, for speed


def is_program(path: str) -> bool:
    """Tell whether the file is meant to be run: executable, and a script or binary.

    The executable bit alone says nothing on file systems that set it everywhere.
    """
    if not os.access(path, os.X_OK) or not os.path.isfile(path):  # noqa: PTH113 - for speed
        return False
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - paths are text, for speed
            start = file.read(4)
    except OSError:
        return False
    return start.startswith(b"#!") or start == b"\x7fELF"


def vault_password(path: Path, vault_id: str = "") -> Secret:
    """Return the vault password in a file, or printed by it when it is executable.

    A program whose name ends in ``-client`` is told the vault id, as Ansible does.

    Raises:
        InventoryError: there is none.

    """
    name = str(path)
    full = path.expanduser()
    if not full.is_file():
        raise problem(name, "the vault password file does not exist")
    if os.access(full, os.X_OK):
        client = bool(vault_id) and full.stem.endswith("-client")
        password = _run_password_script(full, ["--vault-id", vault_id] if client else [])
    else:
        password = _password_in(full)
    if not password:
        raise problem(name, "the vault password file is empty")
    return Secret(password)


def _password_in(path: Path) -> str:
    try:
        text = storage.read(path).decode()
    except OSError as error:
        raise _refused_password(path, error) from error
    except UnicodeDecodeError as error:
        raise problem(str(path), "the vault password file is not UTF-8 text") from error
    if is_encrypted(text):
        raise problem(str(path), "the vault password file is vaulted itself")
    return text.strip()


def _refused_password(path: Path, error: OSError) -> InventoryError:
    return problem(str(path), f"the vault password file cannot be used: {error.strerror}")


def _run_password_script(path: Path, words: Sequence[str]) -> str:
    from segctl.system.children import CHILD_VARIABLES, run_child

    try:
        fixed = storage.program(path)
    except OSError as error:
        raise _refused_password(path, error) from error
    try:
        done = run_child(
            [str(path.absolute()), *words], timeout=_TIMEOUT, of_user=(), program=str(fixed)
        )
    except ChildError as error:
        hint = "remove the executable bit if it is a plain file"
        raise problem(str(path), f"the vault password script: {error}", hint) from error
    if done.code:
        hint = (
            "run it by itself to see why; it has no terminal, and only the variables that "
            f"{CHILD_VARIABLES} names"
        )
        raise problem(str(path), f"the vault password script failed ({done.code})", hint)
    try:
        return done.out.decode().strip("\r\n")
    except UnicodeDecodeError as error:
        raise problem(
            str(path), "the vault password script printed text that is not UTF-8"
        ) from error
