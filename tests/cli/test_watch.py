"""``segctl watch``: records judged, proposed by default, and done only where that is safe."""

from __future__ import annotations

import json
import shlex
import time
from datetime import UTC, datetime, timedelta
from subprocess import PIPE, STDOUT, Popen
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from support.alarms import alarm, alert, notice, tries
from support.receiver import receiver

if TYPE_CHECKING:
    from cli_support import Plant

CHILD = "10.20.2.77"  # an address of the supervisory zone that is no asset
CONTAINED = "segctl-contained"
DECLARED = (
    "segctl_containment: {zones: [supervisory, control], never: [plc2], longest: 8h, "
    "on: [critical-threat, command-and-control, scan], act: [critical-threat, scan]}\n"
)


def declare(plant: Plant, text: str = DECLARED) -> None:
    path = plant.folder / "group_vars/plant.yml"
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


@pytest.fixture
def prepared(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> Plant:
    """The plant, provisioned with what containing needs, and a journal of its own."""
    monkeypatch.setenv("SEGCTL_JOURNAL", str(plant.folder / "journal.jsonl"))
    declare(plant)
    assert plant("apply", "--auto-approve").code == 0
    return plant


def ago(seconds: float) -> float:
    return time.time() - seconds


def watched(plant: Plant, text: str, *words: str, code: int = 0) -> Any:
    (plant.folder / "seen.log").write_text(text)
    done = plant("watch", "seen.log", *words, "--json")
    assert done.code == code, (done.err, done.out)
    jsonschema.validate(done.json, plant("schema", "watch").json)
    return done.json


def states(document: Any) -> dict[str, str]:
    return {one["address"]: one["state"] for one in document["items"]}


def held(plant: Plant) -> set[str]:
    """Return who is contained on any firewall."""
    return {
        address
        for name in ("fw1", "fw2")
        for address, tags in plant.fleet[name].device.userid.held().items()
        if CONTAINED in tags
    }


def events(plant: Plant, kind: str) -> list[Any]:
    lines = (plant.folder / "journal.jsonl").read_text().splitlines()
    return [one for one in map(json.loads, lines) if one.get("event") == kind]


# --- proposed ------------------------------------------------------------------------------------


def test_it_proposes_with_the_very_command_and_does_nothing(prepared: Plant) -> None:
    text = alarm(ago(60), src=CHILD, threat="it's $(made up)(1)")
    with prepared.untouched():
        (one,) = watched(prepared, text)["items"]
    assert (one["state"], one["sign"]) == ("proposed", "critical-threat")
    words = shlex.split(one["command"])
    assert words[:6] == ["segctl", "contain", "host", CHILD, "--for", "1h"]
    done = prepared(*words[1:], "--auto-approve", "--json")
    assert done.json["contained"]
    assert states(watched(prepared, text)) == {CHILD: "contained_already"}


def test_devices_are_asked(prepared: Plant) -> None:
    done = prepared("watch", "--from-devices", "--json")
    asked = {(one["device"], one["way"]) for one in done.json["coverage"]["asked"]}
    logs = ("traffic log", "threat log")
    assert {(name, log) for name in ("fw1", "fw2") for log in logs} < asked
    assert done.json["error"]["code"] == "unread"  # these mocks keep no records of traffic


def test_without_a_declaration_there_is_nothing_to_judge(applied: Plant) -> None:
    (applied.folder / "seen.log").write_text(alarm(ago(60)))
    done = applied("watch", "seen.log")
    assert done.code == 1
    assert "segctl_containment.on" in done.err


def test_who_is_to_know_is_told(prepared: Plant) -> None:
    with receiver() as service:
        watched(prepared, alarm(ago(60), src=CHILD), "--webhook", service.url())
        watched(prepared, alarm(ago(60), src="192.0.2.9"), "--webhook", service.url())
        (body,) = [one.json for one in service.received]
    assert (body["event"], body["status"]) == ("segctl.watch", "proposed")
    assert body["items"][0]["text"].startswith(f"{CHILD} to be contained, if you agree")


def test_a_schedule_does_not_repeat_what_was_told(prepared: Plant) -> None:
    def look(text: str) -> int:
        before = len(service.received)
        watched(prepared, text, "--webhook", service.url())
        return len(service.received) - before

    with receiver() as service:
        assert look(alarm(ago(60), src=CHILD)) == 1
        assert look(alarm(ago(60), src=CHILD)) == 0
        assert look(alarm(ago(30), src=CHILD)) == 0  # more of the same
        acknowledged = ("--acknowledge", "--reason", "looked at it")
        assert prepared("watch", *acknowledged).code == 0
        assert look(alarm(ago(30), src=CHILD)) == 1
    assert len(events(prepared, "watch_notice")) == 2


def test_what_could_not_be_delivered_is_told_again(prepared: Plant) -> None:
    with receiver() as service:
        service.answers[:] = [(500, {})] * 20
        watched(prepared, alarm(ago(60), src=CHILD), "--webhook", service.url())
        assert events(prepared, "watch_notice") == []
    with receiver() as service:
        watched(prepared, alarm(ago(60), src=CHILD), "--webhook", service.url())
        assert len(service.received) == 1


def test_who_joins_later_is_told_and_nobody_twice(prepared: Plant) -> None:
    said = alarm(ago(60), src=CHILD)
    with receiver() as first, receiver() as second:
        watched(prepared, said, "--webhook", first.url())
        watched(prepared, said, "--webhook", first.url(), "--webhook", second.url())
        assert (len(first.received), len(second.received)) == (1, 1)


def test_what_cannot_be_put_on_record_is_still_said(
    prepared: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGCTL_JOURNAL", "/proc/none/journal.jsonl")  # nobody can write there
    with receiver() as service:
        (prepared.folder / "seen.log").write_text(alarm(ago(60), src=CHILD))
        done = prepared("watch", "seen.log", "--webhook", service.url(), "--json")
        assert len(service.received) == 1
    assert states(done.json) == {CHILD: "proposed"}
    assert "not on record who was told" in " ".join(done.err.split())


# --- done ----------------------------------------------------------------------------------------


def test_it_contains_as_by_hand_and_once(prepared: Plant) -> None:
    text = alarm(ago(60), src=CHILD) + alarm(ago(50), src=CHILD)
    (one,) = watched(prepared, text, "--act")["items"]
    assert (one["state"], one["records"]) == ("contained", 2)
    assert [each["contained"] for each in one["devices"]] == [True, True]
    assert held(prepared) == {CHILD}
    assert states(watched(prepared, text, "--act")) == {CHILD: "contained_already"}
    assert len(events(prepared, "watch")) == len(events(prepared, "contain")) == 1
    assert prepared("drift").code == 0
    assert prepared("history", "verify").code == 0


def test_a_scan_by_records_of_traffic_is_contained(prepared: Plant) -> None:
    assert states(watched(prepared, tries(ago(600), CHILD), "--act")) == {CHILD: "contained"}


def test_a_kind_that_is_only_to_be_proposed_is(prepared: Plant) -> None:
    text = alarm(ago(60), src=CHILD, severity="high", category="command-and-control")
    (one,) = watched(prepared, text, "--act")["items"]
    assert (one["state"], one["why"]) == ("proposed", "segctl_containment.act does not name it")
    assert held(prepared) == set()


def test_a_kind_that_is_not_named_is_refused(plant: Plant) -> None:
    declare(plant, "segctl_containment: {zones: [supervisory], on: [scan], act: [scan]}\n")
    assert plant("apply", "--auto-approve").code == 0
    (one,) = watched(plant, alarm(ago(60), src=CHILD), "--act")["items"]
    assert one["state"] == "refused"
    assert "does not name critical-threat" in one["why"]


def test_the_side_that_the_server_attacks_from_is_contained(prepared: Plant) -> None:
    text = alarm(ago(60), src=CHILD, dst="10.20.1.99", direction="server-to-client")
    assert states(watched(prepared, text, "--act")) == {"10.20.1.99": "contained"}
    assert held(prepared) == {"10.20.1.99"}


def test_sensors_act_only_on_what_was_answered(prepared: Plant) -> None:
    (prepared.folder / "eve.json").write_text(alert(ago(60), src_ip=CHILD))
    done = prepared("watch", "eve.json", "--act", "--json").json
    assert states(done) == {CHILD: "contained"}
    (prepared.folder / "notice.log").write_text(notice(ago(60), "10.20.2.78"))
    done = prepared("watch", "notice.log", "--act", "--json").json
    assert states(done) == {"10.20.2.78": "proposed"}
    assert held(prepared) == {CHILD}


# --- never ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"src": "10.20.2.20"}, "it carries the essential flow plant.replication.tls"),
        (
            {"dst": "10.20.1.12", "direction": "server-to-client"},
            "plc2 must never be contained (segctl_containment.never)",
        ),
        ({"src": "192.0.2.7"}, "no zone's networks"),
        ({"src": CHILD, "enter": "CTRL"}, "may be forged"),
        ({"src": CHILD, "direction": ""}, "which side attacks"),
        (
            {"src": "10.20.35.9", "enter": "DMZ", "host": "fw2", "serial": "007000000002"},
            "segctl_containment.zones does not name zone plant/dmz",
        ),
    ],
)
def test_who_is_never_contained(prepared: Plant, said: dict[str, str], why: str) -> None:
    with prepared.untouched():
        (one,) = watched(prepared, alarm(ago(60), **said), "--act")["items"]
    assert one["state"] == "refused"
    assert why in one["why"]


def test_a_thousand_forged_records_contain_nobody(prepared: Plant) -> None:
    forged = [
        *({"src": f"192.0.2.{number % 250}"} for number in range(250)),
        *({"src": f"10.20.1.{number % 250}"} for number in range(250)),  # of the other side
        *({"src": "10.20.2.20"} for _ in range(250)),
        *({"dst": "10.20.1.12", "direction": "server-to-client"} for _ in range(125)),
        *({"src": f"10.20.2.{100 + number}", "direction": ""} for number in range(125)),
    ]
    text = "".join(alarm(ago(60 + number), **said) for number, said in enumerate(forged))
    assert len(forged) == 1000
    with prepared.untouched():
        found = watched(prepared, text, "--act")
    assert set(states(found).values()) == {"refused"}
    assert held(prepared) == set()


def test_old_and_future_records_contain_nobody(prepared: Plant) -> None:
    text = alarm(ago(7200), src=CHILD) + alarm(ago(-7200), src="10.20.2.78")
    found = watched(prepared, text, "--act")
    assert states(found) == {}
    assert found["left_out"]["future"] == 1


# --- bounds --------------------------------------------------------------------------------------


def test_no_more_than_are_declared_at_once(prepared: Plant) -> None:
    names = [f"10.20.2.{number}" for number in range(70, 75)]
    text = "".join(alarm(ago(100 - number), src=name) for number, name in enumerate(names))
    found = watched(prepared, text, "--act", code=1)
    assert found["stopped"] == "3 are contained so, at most 3 at once"
    assert found["error"]["code"] == "containment"
    assert held(prepared) == {*names[:3]}
    assert [states(found)[name] for name in names] == [
        *["contained"] * 3,
        *["not_contained"] * 2,
    ]


def test_a_rate_and_then_a_person(prepared: Plant) -> None:
    names = [f"10.20.2.{number}" for number in range(70, 74)]
    text = "".join(alarm(ago(100), src=name) for name in names[:3])
    watched(prepared, text, "--act")
    for name in names[:3]:
        assert prepared("contain", "release", name).code == 0
    more = alarm(ago(1), src=names[3])
    found = watched(prepared, more, "--act", code=1)
    assert found["stopped"] == "3 were contained so within an hour"
    assert prepared("watch", "--acknowledge").code == 1
    assert prepared("watch", "--acknowledge", "--reason", "a test").code == 0
    assert states(watched(prepared, more, "--act")) == {names[3]: "contained"}


def test_a_release_is_not_undone_by_the_same_records(prepared: Plant) -> None:
    text = alarm(ago(60), src=CHILD)
    watched(prepared, text, "--act")
    assert prepared("contain", "release", CHILD, "--reason", "clean").code == 0
    again = watched(prepared, text + alarm(ago(1), src=CHILD), "--act")
    assert states(again) == {CHILD: "seen"}
    assert held(prepared) == set()


def test_a_journal_that_was_changed_stops_it(prepared: Plant) -> None:
    path = prepared.folder / "journal.jsonl"
    text = path.read_text()
    first = json.loads(text.splitlines()[0])
    first["time"] = "2026-01-01T00:00:00+00:00"
    path.write_text("\n".join([json.dumps(first), *text.splitlines()[1:]]) + "\n")
    found = watched(prepared, alarm(ago(60), src=CHILD), "--act", code=1)
    assert "the journal is not what was written" in found["stopped"]
    assert held(prepared) == set()


def test_a_clock_that_went_back_stops_it(prepared: Plant) -> None:
    from segctl.planning import watched as record

    later = datetime.now(UTC) + timedelta(days=1)
    act = record.Act(id="00000001", address="10.20.2.9", began=later, until=later)
    record.began(prepared.folder / "journal.jsonl", act, "scan", "x")
    entries = [{**one, "time": later.isoformat()} for one in events(prepared, "watch")]
    assert record.memory(entries, datetime.now(UTC)).stop(3, datetime.now(UTC)) == (
        "the journal has entries from the future: the clock of this machine has changed"
    )


def test_too_much_within_a_day_that_nobody_looked_at() -> None:
    from segctl.planning import watched as record

    now = datetime.now(UTC)
    entries = [
        {
            "event": "watch",
            "containment": f"0000000{number}",
            "address": f"10.20.2.{number}",
            "time": (now - timedelta(hours=2 + number)).isoformat(),
            "until": (now - timedelta(hours=1 + number)).isoformat(),
        }
        for number in range(6)
    ]
    assert "nobody has looked" in record.memory(entries, now).stop(3, now)
    looked = {"event": "watch_acknowledged", "time": now.isoformat()}
    assert not record.memory([*entries, looked], now).stop(3, now)
    assert not record.memory(entries, now + timedelta(days=2)).stop(3, now + timedelta(days=2))


def test_without_any_record_nobody_is_watched(prepared: Plant) -> None:
    found = watched(prepared, alarm(ago(7200)), "--act", code=1)
    assert found["error"]["code"] == "cannot_tell"
    watched(prepared, alarm(ago(7200)))


def test_a_firewall_that_is_down_is_not_contained(prepared: Plant) -> None:
    prepared.fleet["fw2"].stop()
    found = watched(prepared, alarm(ago(60), src=CHILD), "--act", code=1)
    assert states(found) == {CHILD: "not_contained"}
    assert [one["contained"] for one in found["items"][0]["devices"]].count(True) == 1


# --- again and again -----------------------------------------------------------------------------


def test_it_looks_again_until_it_has_to_stop(prepared: Plant) -> None:
    path = prepared.folder / "seen.log"
    path.write_text(alarm(ago(60), src=CHILD))
    process = Popen(
        prepared.command("watch", "seen.log", "--act", "--every", "1s"),
        cwd=prepared.folder,
        stdout=PIPE,
        stderr=STDOUT,
        text=True,
    )
    try:
        until = time.monotonic() + 120
        while held(prepared) != {CHILD} and time.monotonic() < until:
            assert process.poll() is None
            time.sleep(0.1)
        more = "".join(alarm(ago(1), src=f"10.20.2.{number}") for number in range(80, 84))
        with path.open("a") as stream:
            stream.write(more)
        text, _ = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 1
    assert "It has stopped acting: 3 are contained so" in text
    assert len(held(prepared)) == 3


def test_every_and_once_exclude_each_other(prepared: Plant) -> None:
    (prepared.folder / "seen.log").write_text("")
    assert prepared("watch", "seen.log", "--every", "1s", "--once").code == 1
    assert prepared("watch", "-", "--every", "1s").code == 1
