"""Runs `ansible-inventory` for each JSON line on stdin, all in this one process.

A line is ``{"args": [...], "cwd": "..."}``, the answer ``{"code": n, "out": "...", "err": "..."}``.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from ansible.cli.inventory import InventoryCLI  # type: ignore[import-untyped]
from ansible.parsing.vault import VaultSecretsContext  # type: ignore[import-untyped]
from ansible.plugins.vars import host_group_vars  # type: ignore[import-untyped]
from ansible.utils import context_objects, vars as ansible_vars  # type: ignore[import-untyped]
from ansible.utils.display import Display  # type: ignore[import-untyped]

LINES: list[str] = []


def keep(_display: object, msg: object, *_args: object, stderr: bool = False, **_more: object) -> None:
    """Take the place of `Display.display`: keep what would be printed."""
    if not stderr:
        LINES.append(str(msg))


def forget() -> None:
    """Clear what Ansible remembers of the run before."""
    for function, name in (
        (ansible_vars.load_extra_vars, "extra_vars"),
        (ansible_vars.load_options_vars, "options_vars"),
    ):
        if hasattr(function, name):
            delattr(function, name)
    host_group_vars.CANONICAL_PATHS.clear()
    host_group_vars.FOUND.clear()
    host_group_vars.NAK.clear()
    VaultSecretsContext._current = None
    context_objects.GlobalCLIArgs._Singleton__instance = None
    LINES.clear()


def run(request: dict[str, Any]) -> dict[str, object]:
    """Run one `ansible-inventory`."""
    forget()
    os.chdir(request["cwd"])
    try:
        command = InventoryCLI(["ansible-inventory", *request["args"]])
        command.parse()
        command.run()
    except SystemExit as done:
        return {"code": done.code, "out": "\n".join(LINES), "err": ""}
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
        return {"code": 1, "out": "", "err": f"{type(error).__name__}: {error}"}
    return {"code": 0, "out": "\n".join(LINES), "err": ""}


if __name__ == "__main__":
    Display.display = keep
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)
