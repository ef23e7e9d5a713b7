"""One contender of `managed`: prints seconds, memory and what it found, as JSON."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

USER, PASSWORD = "segctl", "mock"


def segctl(word: str, folder: str) -> dict[str, Any]:
    """Run the whole command, inventory and all; return how many changes it plans.

    To `prepare` is to apply where no firewall can be reached.
    """
    from bench.contenders import measured

    from segctl.cli import run

    os.environ |= {"XDG_STATE_HOME": f"{folder}/state", "XDG_CACHE_HOME": f"{folder}/cache"}
    where = [part for name in ("hosts.yml", "mocks.yml") for part in ("-i", f"{folder}/{name}")]
    command = ["apply", "--auto-approve"] if word == "prepare" else ["plan", "--no-cache"]
    text, result = io.StringIO(), dict[str, Any]()
    with measured(result), contextlib.redirect_stdout(text):
        run([*where, *command, "--json"])
    found = json.loads(text.getvalue())
    wrong = {one["code"] for one in (*found.get("errors", ()), *found.get("outcomes", ()))}
    if wrong != ({"not_enforced"} if word == "prepare" else set()):
        message = f"segctl {word} ended with {', '.join(wrong)}: {found.get('error')}"
        raise AssertionError(message)
    listed = found.get("devices", ())
    return result | {"changes": sum(len(one["changes"]) for one in listed)}


def pan_os_python(port: str, groups: str) -> dict[str, Any]:
    """Fill pan-os-python's object tree of each device group: its refreshall for each kind."""
    from bench.contenders import measured

    objects, policies = import_module("panos.objects"), import_module("panos.policies")
    module = import_module("panos.panorama")
    panorama = module.Panorama("127.0.0.1", USER, PASSWORD, port=int(port))
    panorama.refresh_system_info()
    result, entries = dict[str, Any](), 0
    with measured(result):
        kept: list[Any] = []
        for number in range(1, int(groups) + 1):
            group = module.DeviceGroup(f"G{number:02}")
            panorama.add(group)
            rulebase = policies.PreRulebase()
            group.add(rulebase)
            kept += policies.SecurityRule.refreshall(rulebase)
            kept += objects.AddressObject.refreshall(group)
            kept += objects.AddressGroup.refreshall(group)
            kept += objects.ServiceObject.refreshall(group)
        entries = len(kept)
    return result | {"entries": entries}


CONTENDERS: dict[str, Callable[..., dict[str, Any]]] = {
    "segctl": segctl,
    "pan-os-python": pan_os_python,
}

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    print(json.dumps(CONTENDERS[sys.argv[1]](*sys.argv[2:])))
