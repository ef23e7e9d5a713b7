"""What lies around an inventory and may mislead: looked at and reported, never read as policy."""

from __future__ import annotations

import os
import stat
from configparser import ConfigParser
from configparser import Error as ConfigError
from typing import TYPE_CHECKING, Final

from segctl.inventory import files
from segctl.model.errors import InventoryError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

#: Kinds of the findings below.
IGNORED: Final = "ignored-folder"
WRITABLE: Final = "writable"
HASHES: Final = "hash-behaviour"
_FOLDERS: Final = ("group_vars", "host_vars")


def surroundings(
    beside: Iterable[str],
    paths: Iterable[str],
    playbook_dir: str | None,
    listed: Iterable[str] = (),
) -> Iterator[Problem]:
    """Yield a warning for all that Ansible would read, or anybody could change.

    `beside` are the folders whose variables count, `paths` all files that were read, `listed` the
    folders that were looked through: what somebody puts there is read the next time.
    """
    folders = list(dict.fromkeys(beside))
    yield from _ignored(folders, playbook_dir)
    yield from _writable([*(path or "." for path in folders), *listed], paths)
    yield from _merging(os.environ)


def _ignored(beside: Iterable[str], playbook_dir: str | None) -> Iterator[Problem]:
    """Yield one warning for variables of the current folder that are not read."""
    read = [*beside, *([] if playbook_dir is None else [playbook_dir])]
    yield from _unread_in(".", read, "the current folder")


def beside_playbook(playbook: str, sources: Iterable[str]) -> Iterator[Problem]:
    """Yield a warning for variables beside a playbook, which Ansible would merge."""
    folder = files.parent(playbook) or "."
    if files.real(folder) != files.real("."):  # of which `surroundings` warns
        homes = [one for one in map(home, sources) if one is not None]
        yield from _unread_in(folder, homes, "the playbook's folder")


def home(source: str) -> str | None:
    """Return the folder whose ``group_vars`` belong to a source."""
    if files.is_folder(source):
        return source
    if "," in source and not files.exists(source):
        return None
    return files.parent(source)


def _unread_in(folder: str, beside: Iterable[str], where: str) -> Iterator[Problem]:
    """Yield one warning for variables of a folder that is none of those `beside`."""
    read = {files.real(path or ".") for path in beside}
    held = [name for name in _FOLDERS if _holds_any(files.join(folder, name))]
    if held and files.real(folder) not in read:
        names = " and ".join(f"{name}/" for name in held)
        yield Problem(
            message=f"{names} of {where} {'is' if len(held) == 1 else 'are'} not read: "
            "only variables beside an inventory source count (Ansible would merge them)",
            file=files.absolute(folder),
            hint=f"move them beside the inventory; segctl inventory --playbook-dir {folder} shows "
            "what Ansible makes of them",
            severity="warning",
            kind=IGNORED,
            subject=files.absolute(folder),
        )


def _holds_any(path: str) -> bool:
    try:
        with os.scandir(path) as entries:
            return any(True for _ in entries)
    except OSError:
        return False


def _writable(folders: Iterable[str], paths: Iterable[str]) -> Iterator[Problem]:
    """Yield one warning for the folders and files that every user of this machine can change.

    Of a link it counts where it leads, and who can put something else there.
    """
    read = list(paths)
    held = dict.fromkeys([*folders, *map(_above, read), *read])
    held |= dict.fromkeys(_above(files.real(path)) for path in list(held) if files.is_link(path))
    if found := [path for path in held if _is_open(path)]:
        more = f", and {len(found) - 1} more of its files and folders" if len(found) > 1 else ""
        yield Problem(
            message=f"every user of this machine can change it{more}, and with it the policy: "
            "apply refuses such an inventory",
            file=found[0],
            hint=f"chmod -R o-w {found[0]}" if more else f"chmod o-w {found[0]}",
            severity="warning",
            kind=WRITABLE,
            subject=found[0],
        )


def _above(path: str) -> str:
    return files.parent(path) or "."


def _is_open(path: str) -> bool:
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - paths are text, for speed
    except OSError:
        return False
    kept = stat.S_ISDIR(mode) and mode & stat.S_ISVTX
    return bool(mode & stat.S_IWOTH and not kept)


def _merging(environment: Mapping[str, str]) -> Iterator[Problem]:
    """Yield a warning where Ansible is told to merge dictionaries, which segctl replaces."""
    where, value = "ANSIBLE_HASH_BEHAVIOUR", environment.get("ANSIBLE_HASH_BEHAVIOUR")
    if value is None:
        where = _settings_file(environment)
        value = _setting(where, "hash_behaviour") if where else None
    if value == "merge":
        yield Problem(
            message="hash_behaviour=merge: Ansible merges dictionaries of several places, segctl "
            "takes the one of the highest precedence whole",
            file=where,
            hint="give each its own name: segctl_zones_NAME and segctl_conduits_NAME are united",
            severity="warning",
            kind=HASHES,
            subject=where,
        )


def _settings_file(environment: Mapping[str, str]) -> str:
    """Return the ``ansible.cfg`` that Ansible would read, or nothing."""
    named = files.expand_home(environment.get("ANSIBLE_CONFIG", ""))
    if named and files.is_folder(named):
        named = files.join(named.rstrip("/"), "ansible.cfg")
    here = "" if _is_world_writable(".") else files.absolute("ansible.cfg")
    candidates = (named, here, files.expand_home("~/.ansible.cfg"), "/etc/ansible/ansible.cfg")
    return next((path for path in candidates if path and files.exists(path)), "")


def _is_world_writable(path: str) -> bool:
    """Tell whether Ansible passes over the settings of a folder; a sticky bit does not matter."""
    try:
        return bool(os.stat(path).st_mode & stat.S_IWOTH)  # noqa: PTH116 - for speed
    except OSError:
        return True


def _setting(path: str, name: str) -> str | None:
    settings = ConfigParser(inline_comment_prefixes=(";",), interpolation=None, strict=False)
    try:
        settings.read_string(files.read_as_written(path))
    except (ConfigError, InventoryError):
        return None
    value = settings.get("defaults", name, fallback=None)
    quoted = value is not None and len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if value is not None and quoted else value  # as Ansible does
