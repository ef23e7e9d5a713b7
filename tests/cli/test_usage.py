"""``segctl usage``: which rules and conduits are used, by what firewalls count."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from cli_support import POLL, Plant
from support.cells import RULE, number_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from support.cells import Cells

YEAR = 365 * 86400
SETTING = "/config/devices/entry[@name='localhost.localdomain']/deviceconfig/setting/management"


@pytest.fixture
def old(plant: Plant) -> Plant:
    """The plant, applied, whose firewalls have counted for a year."""
    assert plant("apply", "--auto-approve").code == 0
    for mock in plant.fleet.mocks.values():
        mock.device.booted -= YEAR
    return plant


def asked(plant: Plant, *words: str) -> Mapping[str, Any]:
    done = plant("usage", "--json", *words)
    jsonschema.validate(done.json, plant("schema", "usage").json)
    found: Mapping[str, Any] = done.json
    return found


def rule(document: Mapping[str, Any], name: str = POLL, host: str = "fw1") -> Mapping[str, Any]:
    (device,) = (one for one in document["devices"] if one["name"] == host)
    (found,) = (one for one in device["rules"] if one["rule"] == name)
    return dict(found)


def test_a_rule_with_hits_is_used_and_others_are_not(old: Plant) -> None:
    old.fleet["fw1"].set_hits(POLL, 7)
    found = asked(old)
    used = rule(found)
    assert (used["usage"], used["count"], used["conduit"]) == ("used", 7, "plant.polling")
    others = [one for one in found["devices"][1]["rules"] if one["conduit"]]
    assert {one["usage"] for one in others} == {"unused"}
    conduits = {one["conduit"]: one["usage"] for one in found["conduits"]}
    assert conduits["plant.polling"] == "used"
    assert set(conduits.values()) == {"used", "unused"}
    text = old("usage").out
    assert f"  fw1 {POLL}  used, 7 sessions, last 20" in text
    assert "never used, counted since" in text


def test_nothing_is_written_and_counters_stay(old: Plant) -> None:
    old.fleet["fw1"].set_hits(POLL, 7)
    before = old.fleet["fw1"].running()
    asked(old)
    assert old.fleet["fw1"].running() == before
    assert rule(asked(old))["count"] == 7
    sent = "".join(request.cmd for request in old.fleet["fw1"].requests)
    assert "<clear>" not in sent


def test_one_request_asks_for_all_counts(old: Plant) -> None:
    mock = old.fleet["fw1"]
    before = len(mock.requests)
    asked(old)
    found = [one for one in mock.requests[before:] if "rule-hit-count" in one.cmd]
    assert len(found) == 1


def test_a_long_session_keeps_a_rule(old: Plant) -> None:
    old.fleet["fw1"].device.sessions = [{"security-rule": POLL, "vsys": "vsys1", "dst": "10.1.1.1"}]
    found = rule(asked(old))
    assert (found["usage"], found["open_sessions"]) == ("long_session", 1)


def test_a_young_rule_is_not_called_unused(plant: Plant) -> None:
    assert plant("apply", "--auto-approve").code == 0
    found = asked(plant)
    assert rule(found)["usage"] == "too_young"
    assert found["summary"]["unused"] == 0


def test_a_window_is_chosen(old: Plant) -> None:
    assert rule(asked(old, "--since", "300d"))["usage"] == "unused"
    assert rule(asked(old, "--since", "400d"))["usage"] == "too_young"
    done = old("usage", "--since", "soon")
    assert done.code == 1
    assert "--since: 'soon' is not a duration" in done.err


def test_counting_that_is_switched_off_is_said(old: Plant) -> None:
    old.fleet["fw1"].edit(
        "set", SETTING, "<rule-hit-count>no</rule-hit-count>", admin="jane", commit=True
    )
    found = rule(asked(old))
    assert found["usage"] == "not_counted"
    assert "fw1: its counting is switched off" in found["why"]
    assert found["count"] is None


def test_a_release_that_may_hang_is_not_asked(old: Plant) -> None:
    mock = old.fleet["fw1"]
    mock.device.settings = replace(mock.device.settings, sw_version="10.2.6")
    done = old("usage", "--json")
    assert done.code == 1
    assert done.json["error"]["code"] == "unsupported"
    assert "PAN-236605" in done.json["error"]["message"]
    assert not any("rule-hit-count" in one.cmd for one in mock.requests)
    assert rule(done.json, "plant.replication.tls", "fw2")["usage"] == "unused"
    doubtful = rule(asked(old, "--hit-counts"))
    assert doubtful["usage"] == "not_counted"
    assert "PAN-221571" in doubtful["why"]


def test_a_gateway_tells_what_its_counters_hold(mixed: Cells) -> None:
    assert mixed("apply", "--auto-approve").code == 0
    name = RULE.format(number_of("gw3"))
    mixed.fleet.linux["gw3"].count(f"rule_{name}", packets=3, octets=180)
    young = rule(asked(mixed), RULE.format(number_of("gw4")), "gw4")
    assert (young["usage"], young["count"]) == ("too_young", 0)
    assert "at the earliest on gw4" in young["why"]
    mixed.fleet.linux["gw4"].host_device.booted -= YEAR
    found = asked(mixed)
    used = rule(found, name, "gw3")
    assert (used["usage"], used["count"], used["last_hit"]) == ("used", 3, None)
    idle = rule(found, RULE.format(number_of("gw4")), "gw4")
    assert (idle["usage"], idle["count"]) == ("not_counted", 0)
    assert "nftables does not tell since when" in idle["why"]


SHARED = """\
  backups:
    from: supervisory
    to: [control, dmz]
    reason: Backups
    owner: ops
    flows:
      copy:
        source: [historian1]
        services: [tcp/2222]
"""


def test_a_conduit_on_two_firewalls_is_not_unused_by_one_of_them(plant: Plant) -> None:
    file = plant.folder / "group_vars/plant.yml"
    file.write_text(file.read_text(encoding="utf-8") + SHARED, encoding="utf-8")
    assert plant("apply", "--auto-approve").code == 0
    for mock in plant.fleet.mocks.values():
        mock.device.booted -= YEAR

    def backups(*words: str) -> Mapping[str, Any]:
        (found,) = (one for one in asked(plant, *words)["conduits"] if "backups" in one["conduit"])
        return dict(found)

    assert (backups()["usage"], backups()["not_asked"]) == ("unused", [])
    alone = backups("-l", "fw1")
    assert (alone["usage"], alone["not_asked"]) == ("not_counted", ["fw2"])
    assert "(nothing is known of fw2)" in plant("usage", "-l", "fw1").out
    plant.fleet["fw2"].stop()
    down = backups()
    assert (down["usage"], down["not_asked"]) == ("not_counted", ["fw2"])
