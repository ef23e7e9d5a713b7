"""Inventory sources that only Ansible can read: read by calling ``ansible-inventory``.

Programs and plugins run code, and may come with a pull request: they run only where the user has
said so. See docs/adr/0020.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

from segctl.inventory import files
from segctl.model.errors import ChildError
from segctl.system.storage import temporary_folder
from segctl.transports.masking import masked

if TYPE_CHECKING:
    from collections.abc import Sequence

_TIMEOUT: Final = 300.0
_PREVIEW: Final = 400
#: Plugins of Ansible that read a file and run nothing.
_STATIC: Final = "ansible.builtin.yaml,ansible.builtin.ini,ansible.builtin.toml"
#: What a user sets for Ansible that decides what an inventory's programs and plugins do.
_OF_USER: Final = (
    *("ANSIBLE_CONFIG", "ANSIBLE_HOME", "ANSIBLE_COLLECTIONS_PATH", "ANSIBLE_INVENTORY_ENABLED"),
    *("ANSIBLE_INVENTORY_PLUGINS", "ANSIBLE_LOCAL_TEMP"),
)


def ask_ansible(paths: Sequence[str], wanted: str, *, allow_programs: bool) -> str:
    """Return what ``ansible-inventory --list --export`` prints for `paths`.

    It is started in an empty folder: an ``ansible.cfg``, collections and plugins of the current
    one, which is a checkout most of the time, are not looked at.

    Args:
        paths: the sources, in order.
        wanted: the last of them, which is the one that segctl cannot read itself.
        allow_programs: whether programs and inventory plugins may run. Without, `wanted` may be
            data in TOML and nothing else.

    Raises:
        InventoryError: the user has not allowed it; Ansible is not installed, fails, or takes too
            long.
    """
    from segctl.system.children import find_program, run_child

    if not allow_programs and (files.extension(wanted) != ".toml" or files.is_program(wanted)):
        raise files.problem(
            wanted,
            "is a program or names an inventory plugin, and would be run",
            "if you trust it, give --allow-executable-inventory, or set "
            "SEGCTL_ALLOW_EXECUTABLE_INVENTORY=1; else save what it prints as a static inventory",
        )
    ours = os.path.dirname(sys.executable)  # noqa: PTH120 - paths are text, for speed
    program = find_program("ansible-inventory", beside=ours)
    if program is None:
        raise files.problem(
            wanted,
            "only Ansible can read this source, and ansible-inventory is not installed",
            "install ansible-core, or save its output as a static inventory",
        )
    command = [program, "--list", "--export"]
    command += [part for path in paths for part in ("-i", files.absolute(path))]
    try:
        with temporary_folder("segctl-") as empty:
            done = run_child(
                command,
                timeout=_TIMEOUT,
                folder=empty,
                variables=_settings(allow_programs=allow_programs),
                of_user=_OF_USER if allow_programs else None,
            )
    except ChildError as error:
        raise files.problem(wanted, f"ansible-inventory could not be run: {error}") from error
    except OSError as error:
        raise files.problem(
            wanted,
            f"ansible-inventory could not be run: {error.strerror}",
            "let TMPDIR name a folder of your own, or /tmp",
        ) from error
    if done.code:
        told = masked(done.errors.decode(errors="replace"))  # a plugin may repeat its token
        what = " ".join(told.split())[-_PREVIEW:]
        raise files.problem(wanted, f"ansible-inventory failed: {what}")
    try:
        return done.out.decode()
    except UnicodeDecodeError as error:
        raise files.problem(wanted, "ansible-inventory printed text that is not UTF-8") from error


def _settings(*, allow_programs: bool) -> dict[str, str]:
    settings = {
        "ANSIBLE_VARS_ENABLED": "",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "1",
    }
    if not allow_programs:
        settings["ANSIBLE_INVENTORY_ENABLED"] = _STATIC
    elif named := os.environ.get("ANSIBLE_CONFIG"):
        settings["ANSIBLE_CONFIG"] = files.absolute(files.expand_home(named))
    return settings
