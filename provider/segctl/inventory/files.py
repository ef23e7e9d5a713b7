"""Everything the inventory reads from the world: files, folders, executable sources."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from segctl.credentials import Secret
from segctl.errors import ChildError, InventoryError, Problem
from segctl.inventory.vault import VaultError, VaultSecrets, decrypt, is_encrypted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: A file larger than this is refused: nobody writes it by hand.
MAX_FILE: Final = 256 * 1024 * 1024
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
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - paths are text, for speed
            if os.fstat(file.fileno()).st_size > MAX_FILE:
                raise problem(path, "is larger than 256 MiB", "split it")
            data = file.readall()
    except OSError as error:
        raise problem(path, f"cannot be read: {error.strerror}") from error
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InventoryError((_encoding_problem(path, data, error),)) from error


def peek(path: str) -> str:
    """Return the text of a file that is not part of the inventory, or nothing."""
    try:
        return read_text(path, None)
    except InventoryError:
        return ""


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
    """The entries of one ``group_vars`` or ``host_vars`` folder: name to whether it is one."""

    path: str
    entries: Mapping[str, bool]


def list_folder(path: str) -> Folder | None:
    """Return the entries of a folder that exist, or None when it is no folder.

    Raises:
        InventoryError: the folder cannot be listed.

    """
    entries: dict[str, bool] = {}
    try:
        with os.scandir(path) as found:
            for entry in found:
                if not entry.is_symlink() or exists(entry.path):
                    entries[entry.name] = entry.is_dir()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise problem(path, f"cannot be listed: {error.strerror}") from error
    return Folder(path, entries)


def is_folder(path: str) -> bool:
    """Tell whether `path` is a folder."""
    return os.path.isdir(path)  # noqa: PTH112 - paths are text, for speed


def exists(path: str) -> bool:
    """Tell whether there is anything at `path`."""
    return os.path.exists(path)  # noqa: PTH110 - paths are text, for speed


def join(folder: str, name: str) -> str:
    """Return the path of `name` in `folder`."""
    return f"{folder}/{name}" if folder else name


def parent(path: str) -> str:
    """Return the folder that holds `path`."""
    return os.path.dirname(path)  # noqa: PTH120 - paths are text, for speed


def extension(path: str) -> str:
    """Return the extension of a file name, with its dot."""
    return os.path.splitext(path)[1]  # noqa: PTH122 - paths are text, for speed


def absolute(path: str) -> str:
    """Return the absolute path, to tell whether two paths are the same."""
    return os.path.abspath(path)  # noqa: PTH100 - paths are text, for speed


def expand_home(path: str) -> str:
    """Return the path with ``~`` replaced by the home directory."""
    return os.path.expanduser(path)  # noqa: PTH111 - paths are text, for speed


def is_program(path: str) -> bool:
    """Tell whether the file is meant to be run: executable, and a script or binary.

    The executable bit alone says nothing on file systems that set it everywhere.
    """
    if not os.access(path, os.X_OK):
        return False
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - paths are text, for speed
            start = file.read(4)
    except OSError:
        return False
    return start.startswith(b"#!") or start == b"\x7fELF"


def vault_password(path: Path) -> Secret:
    """Return the vault password in a file, or printed by it when it is executable.

    Raises:
        InventoryError: there is none.

    """
    name = str(path)
    full = path.expanduser()
    if not full.is_file():
        raise problem(name, "the vault password file does not exist")
    if os.access(full, os.X_OK):
        password = _run_password_script(full)
    else:
        password = read_text(str(full), None).strip()
    if not password:
        raise problem(name, "the vault password file is empty")
    return Secret(password)


def _run_password_script(path: Path) -> str:
    from segctl.children import CHILD_VARIABLES, run_child

    try:
        done = run_child([str(path.absolute())], timeout=_TIMEOUT, of_user=())
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
        raise problem(str(path), "the vault password script printed no UTF-8") from error
