"""Who changed it: what a firewall's configuration log tells of drift, and what it cannot tell."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from cli_support import POLL, RULES, USER, Plant
from segctl_mocks import ApiError

ENTRY = f"{RULES}/entry[@name='{POLL}']"
SOURCE = "plant.supervisory.scada1"
ANY_SOURCE = "<source><member>any</member></source>"
ANY_APPLICATION = "<application><member>any</member></application>"


def item(plant: Plant, *words: str) -> Any:
    done = plant("drift", "--json", *words)
    assert done.code == 2
    (found,) = done.json["devices"][0]["items"]
    return found


def asked(plant: Plant) -> int:
    return sum(r.type == "log" for mock in plant.fleet.mocks.values() for r in mock.requests)


def test_the_last_administrator_who_changed_it_is_named(applied: Plant) -> None:
    fw1 = applied.fleet["fw1"]
    fw1.edit("edit", f"{ENTRY}/source", ANY_SOURCE, admin="ana", commit=True)
    fw1.edit("edit", f"{ENTRY}/application", ANY_APPLICATION, admin="ben", commit=True)
    with applied.untouched():
        found = item(applied)
    by = found["changed_by"]
    assert (by["admin"], by["command"], by["client"], by["own"]) == ("ben", "edit", "Web", False)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", by["time"])
    text = applied("drift").out
    assert re.search(
        r"^        changed by   ben at .* \(edit, Web, from \S+\)$", text, re.MULTILINE
    )


@pytest.mark.parametrize("action", ["delete", "rename", "move", "container"])
def test_whatever_was_done_to_it(applied: Plant, action: str) -> None:
    fw1 = applied.fleet["fw1"]
    if action == "delete":
        fw1.edit("delete", ENTRY, admin="ana", commit=True)
    elif action == "rename":
        fw1.edit("rename", ENTRY, newname="zzz", admin="ana", commit=True)
    elif action == "container":
        fw1.edit("delete", RULES, admin="ana", commit=True)
    else:
        fw1.edit("set", RULES, other("x"), admin="ben", commit=True)
        fw1.edit("move", f"{RULES}/entry[@name='x']", where="top", admin="ana", commit=True)
    assert item(applied)["changed_by"]["admin"] == "ana"


def other(name: str) -> str:
    lists = ("from", "to", "source", "destination", "application", "service", "source-user")
    members = "".join(f"<{tag}><member>any</member></{tag}>" for tag in lists)
    return f'<entry name="{name}">{members}<action>allow</action></entry>'


def test_a_rename_by_somebody_else_is_not_our_accounts(applied: Plant) -> None:
    """The device rewrites references to a renamed object, and logs only the rename."""
    fw1 = applied.fleet["fw1"]
    vsys = RULES.rpartition("/rulebase")[0]
    xpath = f"{vsys}/address/entry[@name='{SOURCE}']"
    fw1.edit("rename", xpath, newname="hmi", admin="jane", commit=True)
    done = applied("drift", "--json")
    assert done.code == 2
    authors = {
        (one["kind"], one["name"]): one["changed_by"] for one in done.json["devices"][0]["items"]
    }
    assert authors["rule", POLL] is None
    assert not [by for by in authors.values() if by and by["own"]]
    assert authors["address", SOURCE]["admin"] == "jane"


def test_what_is_not_live_yet_is_nobodys(applied: Plant) -> None:
    fw1 = applied.fleet["fw1"]
    fw1.edit("edit", f"{ENTRY}/source", ANY_SOURCE, admin="ana", commit=True)
    fw1.edit("edit", f"{ENTRY}/application", ANY_APPLICATION, admin="ben")
    assert item(applied)["changed_by"]["admin"] == "ana"
    # a later commit of somebody else's does not make it live
    other_place = f"{RULES.rpartition('/rulebase')[0]}/tag"
    fw1.edit("set", other_place, "<entry name='t'/>", admin="ana", commit=True)
    assert item(applied)["changed_by"]["admin"] == "ana"


def test_a_refused_change_is_nobodys(applied: Plant) -> None:
    fw1 = applied.fleet["fw1"]
    fw1.edit("edit", f"{ENTRY}/source", ANY_SOURCE, admin="ana", commit=True)
    with pytest.raises(ApiError):
        fw1.edit("edit", f"{ENTRY}/action", "<action>maybe</action>", admin="ben", commit=True)
    assert item(applied)["changed_by"]["admin"] == "ana"


def test_where_the_inventory_moved_the_account_is_segctls_own(applied: Plant) -> None:
    applied.edit("group_vars/plant.yml", "modbus: [read]", "modbus: [read, write]")
    by = item(applied)["changed_by"]
    assert (by["admin"], by["own"]) == (USER, True)
    assert f"{USER} (segctl's own account) at " in applied("drift").out


def test_a_device_in_sync_is_not_asked(applied: Plant) -> None:
    assert applied("drift").code == 0
    assert asked(applied) == 0
    applied.by_hand()
    assert applied("drift").code == 2
    assert {r.user for r in applied.fleet["fw2"].requests if r.type == "log"} == set()


@pytest.mark.parametrize("kind", ["unauthorized", "error", "truncate", "html", "drop_before"])
def test_a_log_that_cannot_be_read_is_a_note(applied: Plant, kind: str) -> None:
    applied.by_hand()
    applied.fleet["fw1"].fail(kind, type="log", times=9)
    done = applied("drift", "--json")
    assert done.code == 2
    fw1 = done.json["devices"][0]
    assert fw1["items"][0]["changed_by"] is None
    (note,) = [finding for finding in fw1["findings"] if finding["kind"] == "changed_by"]
    assert note["severity"] == "note"
    assert note["message"].startswith("cannot tell who changed it: ")


def test_the_log_outlives_the_mock(applied: Plant) -> None:
    """A mock that is stopped and started again remembers who did what."""
    applied.by_hand()
    log = applied.fleet["fw1"].device.log
    again = type(log)()
    again.load(json.loads(json.dumps(log.to_json())))
    assert list(again.lines) == list(log.lines)
    assert again.last_number == log.last_number
