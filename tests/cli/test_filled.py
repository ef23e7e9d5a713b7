"""What a firewall fills by itself, read: beside what cannot be told, never in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cli_support import RULES, Plant
from segctl_mocks.panos.references import DEVICE as _DEVICE  # noqa: F401

if TYPE_CHECKING:
    from segctl_mocks import PanosMock

VSYS = RULES.partition("/rulebase")[0]
FEED = "<external-list><entry name='feed'><type><ip><url>https://x/</url></ip></type></entry></external-list>"
ASK = ("--from", "scada1", "--to", "plc1", "--port", "22")


def add(plant: Plant, source: str, objects: str = "", name: str = "theirs") -> PanosMock:
    firewall = plant.fleet["fw1"]
    if objects:
        firewall.edit("set", VSYS, objects)
    said = {"from": "SUPV", "to": "CTRL", "source": source, "destination": "any"}
    said |= {"application": "any", "service": "any"}
    text = "".join(f"<{tag}><member>{one}</member></{tag}>" for tag, one in said.items())
    firewall.edit("set", RULES, f"<entry name='{name}'>{text}<action>allow</action></entry>")
    firewall.edit("move", f"{RULES}/entry[@name='{name}']", where="top", commit=True)
    return firewall


def test_try(applied: Plant) -> None:
    import json
    firewall = add(applied, "feed", FEED)
    firewall.fetch("feed", "10.20.2.5", "192.0.2.0/24")
    out = [applied("check", *ASK).out,
     json.dumps(applied("check", *ASK, "--json").json["checks"][0], indent=1),
     applied("query", "--from", "supervisory", "--to", "control").out,
     applied("drift").out]
    print("\n".join(out))
    assert 0
