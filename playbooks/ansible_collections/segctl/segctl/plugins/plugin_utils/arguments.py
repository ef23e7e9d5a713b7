"""The arguments of the modules, as their documentation lists them."""

from __future__ import annotations

from typing import Any

_EXECUTABLE: dict[str, Any] = {"type": "path"}

#: Argument specifications by module.
SPECS: dict[str, dict[str, dict[str, Any]]] = {
    "segctl_plan": {"executable": _EXECUTABLE},
    "segctl_apply": {
        "executable": _EXECUTABLE,
        "allow_purge": {"type": "bool", "default": False},
        "allow_mass_delete": {"type": "bool", "default": False},
    },
    "segctl_drift": {
        "executable": _EXECUTABLE,
        "baseline": {"type": "path"},
        "fail_on_drift": {"type": "bool", "default": False},
    },
}
