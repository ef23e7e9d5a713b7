"""The default ports of the mock have a source of their own: not what segctl knows by heart."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any, cast

from segctl_mocks.panos.content import applications


def known_by_heart() -> dict[str, frozenset[str]]:
    """The vendor's ports in the catalogue, by application, each alone: ``tcp/502``."""
    text = files("segctl").joinpath("protocols/catalogue.json").read_text("utf-8")
    found: dict[str, frozenset[str]] = {}

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            for name, inside in cast("dict[str, Any]", node).items():
                if isinstance(inside, dict) and "default_ports" in inside:
                    ports = cast("dict[str, list[str]]", inside)["default_ports"]
                    found[name] = frozenset(ports)
                walk(inside)

    walk(json.loads(text))
    return found


def test_they_are_no_copy_of_the_catalogue() -> None:
    theirs = {one.name: frozenset(one.ports) for one in applications()[0]}
    ours = known_by_heart()
    both = theirs.keys() & ours.keys()
    differing = {name for name in both if theirs[name] != ours[name]}
    assert len(both) > 10
    assert len(differing) > len(both) / 2
    assert {"cotp", "kerberos", "modbus-base"} <= differing
