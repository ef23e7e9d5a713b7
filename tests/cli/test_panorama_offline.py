"""Snapshots of managed firewalls and their group say what the devices would, and no secret."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import pytest

from support.managed import SHARED, VSYS, rule
from support.panorama import GROUP, RULES, system, templates, zone

if TYPE_CHECKING:
    from support.panorama import Plant

SECRET = "kanarie-0815"


@pytest.fixture
def kept(behind: Plant) -> Plant:
    """A provisioned plant in which others left rules, and something is not pushed."""
    behind("apply", "--auto-approve", "-l", "fw1")
    panorama = behind.mocks.panorama
    edited = f"{RULES}/entry[@name='plant.poll-1.modbus']/application"
    everything = "<application><member>any</member></application>"
    panorama.edit("edit", edited, everything, admin="other", commit=True)
    own = rule("own", enter="SUPV", leave="CELL1")
    behind.mocks.firewalls["fw1"].edit(
        "set", f"{VSYS}/rulebase/security/rules", own, admin="bob", commit=True
    )
    return behind


def said(document: Any, *, but: tuple[str, ...] = ()) -> Any:
    """Return a document without what tells that it is of snapshots, and when it was made."""
    if isinstance(document, dict):
        return {
            key: said(value, but=but)
            for key, value in cast("dict[str, Any]", document).items()
            if key not in {"created", "expires", "plan_id", "snapshots", "provenance", *but}
        }
    if isinstance(document, list):
        listed = cast("list[object]", document)
        return [said(one, but=but) for one in listed if not _is_offline(one)]
    return document


def _is_offline(value: Any) -> bool:
    return isinstance(value, dict) and cast("dict[str, Any]", value).get("kind") == "offline"


def ways(document: Any) -> list[str]:
    """Take findings about what firewalls need out of a plan of the group; return their severities.

    No snapshot has the addresses for them.
    """
    (device,) = document["devices"]
    found = [one for one in device["findings"] if one["kind"] == "management"]
    device["findings"] = [one for one in device["findings"] if one not in found]
    return [str(one["severity"]) for one in found]


def test_a_snapshot_is_of_the_group_and_of_each_firewall(kept: Plant) -> None:
    kept("snapshot")
    files = sorted(path.name for path in (kept.mocks.folder / "snapshots").iterdir())
    assert files == [
        "fw1.snapshot.json",
        "fw2.snapshot.json",
        "panorama1%3AOT.snapshot.json",
    ]


def test_plans_of_snapshots_are_those_of_the_group(kept: Plant) -> None:
    kept("snapshot")
    for limit in ((), ("-l", "fw2")):
        online = kept.json("plan", *limit)
        offline = kept.json("plan", *limit, "--offline", "snapshots")
        assert online["devices"][0]["changes"], "there is something to tell"
        assert ways(online) == []
        assert set(ways(offline)) == {"warning"}, "offline it cannot be told what is cut"
        assert said(offline["devices"]) == said(online["devices"])


def test_drift_of_snapshots_is_that_of_the_devices(kept: Plant) -> None:
    kept("snapshot")
    online = kept.json("drift", "--no-history", code=2)
    offline = kept.json("drift", "--no-history", "--offline", "snapshots", code=2)
    assert [one["name"] for one in online["devices"]] == ["panorama1:OT", "fw1", "fw2"]
    unknown = ("changed_by", "time", "finished", "started")
    assert said(offline["devices"], but=unknown) == said(online["devices"], but=unknown)


@pytest.mark.parametrize("command", ["check", "prove", "lint"])
def test_questions_to_snapshots_are_answered_as_devices_would(kept: Plant, command: str) -> None:
    words = [command, "--json"]
    if command == "check":
        words += ["--from", "scada1", "--to", "plc1", "--port", "502"]
    kept("snapshot")
    online, offline = kept.run(*words), kept.run(*words, "--offline", "snapshots")
    assert online.returncode == offline.returncode, online.stderr
    # a snapshot says so, and only a device can be asked about a packet
    names = ("offline", "source", "device_asked", "digest")  # the digest is of what was read
    assert said(json.loads(offline.stdout), but=names) == said(json.loads(online.stdout), but=names)
    assert "fw1" in online.stdout


def test_no_secret_of_a_panorama_is_kept(behind: Plant) -> None:
    """Neither of the group, nor of shared, a template, or what others wrote in their notes."""
    panorama = behind.mocks.panorama
    note = f"<description>{SECRET}</description>"
    for where in (GROUP, SHARED):
        entry = f'<entry name="hand"><ip-netmask>10.9.9.9</ip-netmask>{note}</entry>'
        panorama.edit("set", f"{where}/address", entry, admin="other")
    theirs = rule("theirs", enter="SUPV", leave="CELL1", more=note)
    panorama.edit("set", RULES, theirs, admin="other", commit=True)
    templates(panorama, system(zone("SUPV"), zone("CELL1"), zone("CELL2")))
    assert SECRET.encode() in panorama.running()
    behind("snapshot")
    files = list((behind.mocks.folder / "snapshots").iterdir())
    assert len(files) == 3
    for path in files:
        assert SECRET.encode() not in path.read_bytes(), path.name
        assert b"secret" not in path.read_bytes(), "the password"
