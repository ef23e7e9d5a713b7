"""Metrics and notices of ``segctl drift``: what arrives, when, and that none of it decides."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Any

import pytest

from cli_support import POLL, Plant
from support.metrics import samples
from support.receiver import Receiver, receiver

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TLS = "plant.replication.tls"
SECRET = "/services/T0/geheim"


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A chat room's address, known from the environment."""
    with receiver() as service:
        monkeypatch.setenv("SEGCTL_WEBHOOK", service.url(SECRET))
        yield service


def told(room: Receiver) -> list[Any]:
    """Take what has arrived."""
    found = [request.json for request in room.received]
    assert all(request.path == SECRET for request in room.received)
    room.received.clear()
    return found


def drift(plant: Plant, *words: str, code: int = 2) -> str:
    done = plant("drift", *words)
    assert done.code == code
    assert "geheim" not in done.out + done.err
    return done.err


def test_metrics_are_a_file_that_others_may_read(applied: Plant) -> None:
    applied.edit("group_vars/plant.yml", "owner: automation", "owner: a\n    expires: 2999-01-01")
    applied("apply", "--auto-approve")
    applied.by_hand()
    applied.fleet["fw2"].stop()
    applied("plan", "-l", "fw1", "-o", "plan.json")
    drift(applied, "--metrics", "m.prom", "--plan", "plan.json", code=1)
    file = applied.folder / "m.prom"
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    found = samples(file.read_text(encoding="utf-8"))
    assert found["segctl_in_sync", ("fw1", "plant")] == 0
    assert found["segctl_drift_items", ("fw1", "plant", "changed")] == 1
    assert found["segctl_unreachable", ("fw2", "plant")] == 1
    assert found["segctl_plan_age_seconds", ("plant",)] >= 0
    assert ("segctl_conduit_expiry_timestamp", ("plant/polling", "plant")) in found
    assert [path.name for path in applied.folder.glob(".m.prom*")] == []


def test_a_plan_that_is_gone_is_nothing_wrong(applied: Plant) -> None:
    assert drift(applied, "--metrics", "m.prom", "--plan", "absent.json", code=0) == ""
    (applied.folder / "plan.json").write_text("{}", encoding="utf-8")
    warning = drift(applied, "--metrics", "m.prom", "--plan", "plan.json", code=0)
    assert "warning: no metrics of the plan" in warning


def test_what_cannot_be_written_or_pushed_is_a_warning(applied: Plant) -> None:
    (applied.folder / "m.prom").mkdir()
    with receiver() as gateway:
        gateway.answers = [(400, {})]
        err = drift(applied, "--metrics", "m.prom", "--pushgateway", gateway.url(), code=0)
    assert "segctl: warning: no metrics written: cannot write m.prom" in err
    assert "segctl: warning: no metrics pushed: 127.0.0.1: answers HTTP 400" in err


def test_the_gateways_key_is_the_environment(applied: Plant) -> None:
    with receiver() as gateway:
        drift(applied, "--pushgateway", gateway.url(), code=0)
        drift(applied, "--pushgateway", gateway.url(), "--env", "north", code=0)
    assert [request.path for request in gateway.received] == [
        "/metrics/job/segctl/environment/plant",
        "/metrics/job/segctl/environment/north",
    ]


def test_a_change_is_told_once(applied: Plant, room: Receiver) -> None:
    drift(applied, code=0)
    assert told(room) == []  # nothing wrong, and nobody thought otherwise
    applied.by_hand()
    drift(applied)
    (notice,) = told(room)
    assert (notice["status"], notice["environment"]) == ("drift", "plant")
    (item,) = notice["items"]
    assert (item["device"], item["name"], item["new"]) == ("fw1", POLL, True)
    assert item["changed_by"].startswith("other at ")
    drift(applied)
    assert told(room) == []
    applied.by_hand("fw2", TLS)
    drift(applied)
    (notice,) = told(room)
    found = [(item["device"], item["new"]) for item in notice["items"]]
    assert found == [("fw2", True), ("fw1", False)]
    applied("apply", "--auto-approve")
    drift(applied, code=0)
    (notice,) = told(room)
    assert (notice["status"], notice["resolved"]) == ("in_sync", 2)
    drift(applied, code=0)
    assert told(room) == []


def test_a_firewall_that_goes_and_comes_back_is_told(applied: Plant, room: Receiver) -> None:
    fw1 = applied.fleet["fw1"]
    fw1.stop()
    drift(applied, code=1)
    (notice,) = told(room)
    assert notice["status"] == "error"
    assert "could not be checked" in notice["headline"]
    drift(applied, code=1)
    assert told(room) == []
    fw1.start()
    drift(applied, code=0)
    assert [notice["status"] for notice in told(room)] == ["in_sync"]


def test_what_did_not_arrive_is_told_again(applied: Plant, room: Receiver) -> None:
    applied.by_hand()
    room.answers = [(404, {})]
    assert "warning: a notice was not delivered: 127.0.0.1: answers HTTP 404" in drift(applied)
    room.received.clear()
    drift(applied)
    assert len(told(room)) == 1
    drift(applied)
    assert told(room) == []


def test_on_drift_and_always_need_no_history(applied: Plant, room: Receiver) -> None:
    drift(applied, "--no-history", "--notify", "on-drift", code=0)
    assert told(room) == []
    drift(applied, "--no-history", "--notify", "always", code=0)
    assert len(told(room)) == 1
    applied.by_hand()
    for _ in range(2):
        drift(applied, "--no-history", "--notify", "on-drift")
        assert len(told(room)) == 1


def test_without_its_history_a_run_tells_rather_too_much(
    applied: Plant, room: Receiver, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"x" * 4096)
    applied.by_hand()
    for _ in range(2):
        assert "not on record" in drift(applied, "--history", str(broken))
        assert len(told(room)) == 1


def test_accepted_drift_is_not_told(applied: Plant, room: Receiver) -> None:
    applied.by_hand()
    drift(applied, "--write-baseline", "b.yml", "--owner", "ops", "--expires", "2999-01-01")
    assert len(told(room)) == 1
    drift(applied, "--baseline", "b.yml", code=0)
    assert [notice["status"] for notice in told(room)] == ["in_sync"]
    drift(applied, "--baseline", "b.yml", code=0)
    assert told(room) == []


def test_several_rooms_are_told_each(applied: Plant, tmp_path: Path) -> None:
    applied.by_hand()
    with receiver() as one, receiver() as two:
        one.answers = [(410, {})]
        words = ("--webhook", one.url("/geheim"), "--webhook", two.url("/geheim"))
        drift(applied, *words, "--webhook-template", "slack")
        drift(applied, *words, "--webhook-template", "slack")
        assert (len(one.received), len(two.received)) == (2, 1)
        assert one.received[1].json["blocks"][0]["type"] == "header"
    file = tmp_path / "webhooks"
    with receiver() as three:
        file.write_text(three.url("/geheim") + "\n", encoding="utf-8")
        file.chmod(0o600)
        applied("drift")  # who has told nobody yet
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SEGCTL_WEBHOOK_FILE", str(file))
            drift(applied, "--webhook-template", "teams")
        assert three.received[0].json["type"] == "message"


def test_an_address_in_the_clear_is_refused(applied: Plant) -> None:
    applied.by_hand()
    err = drift(applied, "--webhook", "http://hooks.example/geheim")
    assert "hooks.example: a secret is never sent over plain HTTP: use https" in err
