"""Groups of threat profiles that Panorama pushed: judged for what they do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cli.test_evidence import finding
from support.managed import SHARED, group
from support.panorama import SERIALS, Plant

if TYPE_CHECKING:
    from segctl_mocks import PanoramaMock

KINDS = ("virus", "spyware", "vulnerability")
RULE = "<entry name='all'><severity><member>any</member></severity><action><{}/></action></entry>"


def profiles(action: str) -> str:
    """Profiles of the three kinds that evidence asks for."""
    decoders = "".join(
        f"<entry name='{one}'><action>{action}</action></entry>"
        for one in ("ftp", "http", "http2", "smb")
    )
    rules = f"<rules>{RULE.format(action)}</rules>"
    return (
        f"<virus><entry name='ot'><decoder>{decoders}</decoder></entry></virus>"
        f"<spyware><entry name='ot'>{rules}</entry></spyware>"
        f"<vulnerability><entry name='ot'>{rules}</entry></vulnerability>"
    )


def held(panorama: PanoramaMock, where: str, action: str) -> None:
    named = "".join(f"<{kind}><member>ot</member></{kind}>" for kind in KINDS)
    panorama.edit("edit", f"{where}/profiles", f"<profiles>{profiles(action)}</profiles>")
    entry = f"<entry name='ot-strict'>{named}</entry>"
    panorama.edit("set", f"{where}/profile-group", entry, commit=True)


def shown(plant: Plant, number: int) -> tuple[str, str]:
    """The state of SR 3.2 in the first cell, and why."""
    plant.run("evidence", "--sr", "3.2", "-o", f"evidence{number}")
    path = plant.mocks.folder / f"evidence{number}/evidence.json"
    found = finding(json.loads(path.read_text(encoding="utf-8")), "plant/cell-1", "SR 3.2")
    return found["state"], found["why"]


@pytest.mark.parametrize("place", ["own", "shared"])
def test_a_pushed_group_is_judged_for_what_it_does(behind: Plant, place: str) -> None:
    where = SHARED if place == "shared" else group("OT")
    panorama = behind.mocks.panorama
    behind.change("threat_prevention: none", "threat_prevention: strict")
    behind.change("cell-1: {networks", "cell-1: {security_level: 3, networks")
    behind.change(
        "segctl_panorama: panorama1\n",
        "segctl_panorama: panorama1\n        segctl_threat_profiles: {strict: ot-strict}\n",
    )
    held(panorama, where, "reset-both")
    panorama.push("OT", *SERIALS.values())
    behind("apply", "--auto-approve")
    assert shown(behind, 1)[0] == "satisfied"
    held(panorama, where, "allow")
    panorama.push("OT", *SERIALS.values())
    state, why = shown(behind, 2)
    assert state == "not_satisfied"
    assert "group ot-strict, virus profile own allows" in why
    panorama.edit(
        "edit",
        f"{where}/profile-group/entry[@name='ot-strict']",
        "<entry name='ot-strict'/>",
        commit=True,
    )
    panorama.push("OT", *SERIALS.values())
    state, why = shown(behind, 3)
    assert state == "not_satisfied"
    assert "group ot-strict has no virus profile" in why
