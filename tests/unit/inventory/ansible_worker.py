"""Runs `ansible-inventory` for each JSON line on stdin, all in this one process.

A line is ``{"args": [...], "cwd": "..."}``, the answer ``{"code": n, "out": "...", "err": "..."}``.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from typing import Any


def module(name: str) -> Any:
    """Import a module of Ansible, which has no types."""
    return import_module(f"ansible.{name}")


CLI = module("cli.inventory")
VAULT = module("parsing.vault")
FILES = module("plugins.vars.host_group_vars")
OPTIONS = module("utils.context_objects")
VARS = module("utils.vars")
DISPLAY = module("utils.display")
LINES: list[str] = []


def keep(
    _display: object, msg: object, *_args: object, stderr: bool = False, **_more: object
) -> None:
    """Take the place of `Display.display`: keep what would be printed."""
    if not stderr:
        LINES.append(str(msg))


def forget() -> None:
    """Clear what Ansible remembers of the run before."""
    for function, name in (
        (VARS.load_extra_vars, "extra_vars"),
        (VARS.load_options_vars, "options_vars"),
    ):
        if hasattr(function, name):
            delattr(function, name)
    FILES.CANONICAL_PATHS.clear()
    FILES.FOUND.clear()
    FILES.NAK.clear()
    VAULT.VaultSecretsContext._current = None
    OPTIONS.GlobalCLIArgs._Singleton__instance = None
    LINES.clear()


def run(request: dict[str, Any]) -> dict[str, object]:
    """Run one `ansible-inventory`."""
    forget()
    os.chdir(request["cwd"])
    try:
        command = CLI.InventoryCLI(["ansible-inventory", *request["args"]])
        command.parse()
        command.run()
    except SystemExit as done:
        return {"code": done.code, "out": "\n".join(LINES), "err": ""}
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
        return {"code": 1, "out": "", "err": f"{type(error).__name__}: {error}"}
    return {"code": 0, "out": "\n".join(LINES), "err": ""}


if __name__ == "__main__":
    DISPLAY.Display.display = keep
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)
