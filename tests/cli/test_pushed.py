"""Commands on a managed firewall: what Panorama pushed is named as that, or said to be open."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from cli_support import RULES, environment
from support.pushed import Policy, address, rule

if TYPE_CHECKING:
    from pathlib import Path

    from cli_support import Plant

PRE = "Panorama pre-rule all"
UNREAD = "Panorama pushed rules that could not be read"
ALL = Policy(pre=rule("all", enter="SUPV", leave="CTRL"))
SSH = ("check", "--from", "scada1", "--to", "plc1", "--port", "22")
REFUSED = b'<response status="error" code="16"><msg><line>no right</line></msg></response>'


def refuse(plant: Plant) -> None:
    """Let the account lack the right to show what was pushed."""
    mock = plant.fleet["fw1"]
    mock.fail("body", contains="pushed-shared-policy", times=1000, body=REFUSED)


def items(plant: Plant, *words: str) -> Any:
    done = plant("drift", "--no-history", "--json", *words)
    fw1 = next(one for one in done.json["devices"] if one["name"] == "fw1")
    return done.code, [(one["state"], one["name"]) for one in fw1["items"]]


def test_a_pushed_rule_is_drift_and_the_answer_of_check(applied: Plant) -> None:
    assert items(applied) == (0, [])
    applied.fleet["fw1"].push(ALL.answer())
    assert items(applied) == (2, [("hole", PRE)])
    done = applied(*SSH, "--expect", "deny")
    assert done.code == 1
    assert f"by {PRE}\n" in done.out
    done = applied("plan")
    assert f"rule '{PRE}' of others stands above our block and permits any" in done.out
    assert "have it changed where it is managed" in done.out


def test_what_is_pushed_changes_nothing_that_segctl_writes(applied: Plant) -> None:
    applied.fleet["fw1"].push(ALL.answer())
    done = applied("plan", "--json")
    assert [one["changes"] for one in done.json["devices"]] == [[], []]
    with applied.untouched():
        assert applied("apply", "--auto-approve").code == 0
    after = Policy(pre=ALL.pre, post=rule("late"))
    applied.fleet["fw1"].push(after.answer())
    assert applied("apply", "--auto-approve").code == 0
    assert applied("plan", "--json").json["devices"][0]["changes"] == []
    assert b"Panorama" not in applied.fleet["fw1"].running()


def test_what_cannot_be_read_is_said_loudly_and_stops_no_plan(applied: Plant) -> None:
    applied.fleet["fw1"].push(Policy().answer())
    assert applied(*SSH, "--expect", "deny").code == 0
    refuse(applied)
    done = applied(*SSH, "--expect", "deny")
    assert done.code == 1
    assert f"perhaps by {UNREAD}\n" in done.out
    assert f"because  {UNREAD}: not understood: refuses to show the pushed policy" in done.out
    assert items(applied) == (1, [("cannot_tell", UNREAD), ("unread", UNREAD)])
    drift = applied("drift", "--no-history", "--json").json["devices"]
    (unread,) = [item for one in drift for item in one["items"] if item["state"] == "unread"]
    assert unread["kind"] == "pushed rules"
    assert "cannot tell who changed it" not in applied("drift", "--no-history").out
    assert applied("apply", "--auto-approve").code == 0
    applied.fleet["fw1"].edit("delete", f"{RULES}/entry[@name='plant.polling.modbus']", commit=True)
    done = applied("apply", "--auto-approve")
    assert done.code == 0, done.out + done.err
    assert [one["changes"] for one in applied("plan", "--json").json["devices"]] == [[], []]


DENY = rule("deny", action="deny", source="bad")


def pushing(network: str, *rules: str) -> bytes:
    """Return pre-rules that are pushed with what the first of them denies."""
    objects = f"<address>{address('bad', network)}</address>"
    return Policy(pre="".join(rules), objects=objects).answer()


@pytest.mark.parametrize(
    ("after", "moved"),
    [
        (pushing("10.9.0.0/24", DENY, rule("all")), f"{PRE} is new"),
        (pushing("10.9.0.0/16", DENY), "bad of others, which rules above our block"),
        (pushing("10.9.0.0/24"), "Panorama pre-rule deny is gone"),
    ],
)
def test_a_saved_plan_is_stale_where_what_was_pushed_has_changed(
    applied: Plant, after: bytes, moved: str
) -> None:
    mock = applied.fleet["fw1"]
    mock.push(pushing("10.9.0.0/24", DENY))
    mock.edit("delete", f"{RULES}/entry[@name='plant.polling.modbus']", commit=True)
    assert applied("plan", "-o", "plan.json").code == 0
    mock.push(after)
    with applied.untouched():
        done = applied("apply", "plan.json", "--auto-approve", "--json")
    assert done.code == 1
    assert "stale" in done.out
    assert moved in done.out
    mock.push(pushing("10.9.0.0/24", DENY))
    assert applied("apply", "plan.json", "--auto-approve").code == 0


def test_the_firewall_names_a_pushed_rule_as_panorama_does(applied: Plant) -> None:
    """`prove` asks it about a packet; its answer without "Panorama" is not a disagreement."""
    opened = rule("all", enter="SUPV", leave="CTRL", service="service-http")
    opened = opened.replace("<application><member>any", "<application><member>web-browsing")
    applied.fleet["fw1"].push(Policy(pre=opened).answer())
    done = applied("prove", "-l", "fw1", "--json")
    (fw1,) = done.json["devices"]
    assert fw1["device_asked"] == "about 1 of these packets; of 0 it names another rule"
    assert [one["disagreement"] for one in fw1["examples"]] == [""]


@pytest.mark.parametrize("readable", [True, False])
def test_a_snapshot_is_judged_as_the_firewall(applied: Plant, readable: bool) -> None:  # noqa: FBT001 - a row of a table
    applied.fleet["fw1"].push(ALL.answer())
    if not readable:
        refuse(applied)
    assert applied("snapshot", "-o", "kept").code == 0
    offline = items(applied, "--offline", "kept")
    assert offline == items(applied)
    unread = (1, [("cannot_tell", UNREAD), ("unread", UNREAD)])
    assert offline == ((2, [("hole", PRE)]) if readable else unread)


def test_the_mock_serves_what_a_file_says_was_pushed(folder: Path) -> None:
    (folder / "pushed.xml").write_bytes(ALL.answer())
    words = ("mock", "serve", "-i", "hosts.yml", "--endpoints", "over.yml")
    process = subprocess.Popen(
        [sys.executable, "-m", "segctl.cli", *words, "--pushed", "fw1=pushed.xml"],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("serving fw1")
        done = subprocess.run(
            [sys.executable, "-m", "segctl.cli", *SSH, "-i", "hosts.yml", "-i", "over.yml"],
            cwd=folder,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert f"by {PRE}\n" in done.stdout
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("fw1", "'fw1' is not HOST=FILE"),
        ("other=pushed.xml", "other: no mock is served for it"),
        ("fw1=hosts.yml", "fw1: what a Panorama pushed to it is not understood: not XML"),
    ],
)
def test_a_file_that_says_nothing_of_the_kind_is_refused(
    folder: Path, given: str, why: str
) -> None:
    (folder / "pushed.xml").write_bytes(ALL.answer())
    done = subprocess.run(
        [sys.executable, "-m", "segctl.cli", "mock", "serve", "-i", "hosts.yml", "--pushed", given],
        cwd=folder,
        env=environment(COLUMNS="200"),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert why in done.stderr
    assert "--pushed" in done.stderr
