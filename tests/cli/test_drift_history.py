"""``segctl drift history``, and what of a run is kept."""

from __future__ import annotations

import json
import re
import stat
import subprocess
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from cli_support import POLL, RULES, Plant, environment
from segctl.cli import run
from support.postgresql import PASSWORD, QUOTED, cluster, missing

if TYPE_CHECKING:
    from pathlib import Path

TLS = "plant.replication.tls"


def history(plant: Plant, *words: str) -> list[Any]:
    done = plant("drift", "history", "--json", *words)
    assert done.code == 0
    jsonschema.validate(done.json, plant("schema", "history").json)
    items: list[Any] = done.json["items"]
    return items


def repair(plant: Plant, host: str) -> None:
    assert plant("apply", "--auto-approve", "-l", host).code == 0


def test_drift_is_on_record_from_first_seen_until_resolved(
    applied: Plant, state_home: Path
) -> None:
    assert "Nothing on record." in applied("drift", "history").out
    applied.by_hand()
    applied("drift")
    applied.by_hand("fw2", TLS)
    applied("drift")
    one, two = history(applied)
    assert (one["device"], one["kind"], one["name"], one["state"]) == (
        "fw1",
        "rule",
        POLL,
        "changed",
    )
    assert one["environment"] == "plant"
    assert one["first_seen"] < one["last_seen"] == two["first_seen"]
    assert (one["changed_by"], one["resolved"]) == ("other", None)
    assert one["age_seconds"] >= 0
    repair(applied, "fw1")
    applied("drift")
    assert [item["name"] for item in history(applied)] == [TLS]
    assert [bool(item["resolved"]) for item in history(applied, "--all")] == [True, False]
    assert [item["name"] for item in history(applied, "--device", "fw2")] == [TLS]
    assert history(applied, "--since", "2999-01-01", "--all") == []
    text = applied("drift", "history", "--all").out
    assert re.search(
        rf"^fw1\n  changed: rule {re.escape(POLL)}\n        lasted .* resolved ", text, re.MULTILINE
    )
    assert re.search(r"^        changed by   other at 2", text, re.MULTILINE)
    assert text.endswith("1 open, 1 resolved\n")
    file = state_home / "segctl" / "history.db"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_device_that_does_not_answer_keeps_what_is_open(applied: Plant) -> None:
    applied.by_hand()
    applied("drift")
    applied.fleet["fw1"].stop()
    assert applied("drift").code == 1
    assert [item["name"] for item in history(applied)] == [POLL]


def test_a_limited_run_says_nothing_of_the_others(applied: Plant) -> None:
    applied.by_hand()
    applied.by_hand("fw2", TLS)
    applied("drift")
    repair(applied, "fw1")
    repair(applied, "fw2")
    applied("drift", "-l", "fw2")
    assert [item["name"] for item in history(applied)] == [POLL]


def test_a_rule_that_is_renamed_and_then_moved_is_the_same_item(applied: Plant) -> None:
    fw1 = applied.fleet["fw1"]
    fw1.edit("rename", f"{RULES}/entry[@name='{POLL}']", newname="zzz", commit=True)
    applied("drift")
    (first,) = history(applied)
    fw1.edit(
        "edit",
        f"{RULES}/entry[@name='zzz']/application",
        "<application><member>any</member></application>",
        commit=True,
    )
    applied("drift")
    (second,) = history(applied)
    assert (first["name"], second["name"]) == (POLL, POLL)
    assert first["first_seen"] == second["first_seen"]
    assert first["fingerprint"] != second["fingerprint"]


def test_accepted_drift_is_on_record_with_its_owner(applied: Plant) -> None:
    applied.by_hand()
    words = ("--write-baseline", "b.yml", "--owner", "it-ops", "--expires", "2999-01-31")
    applied("drift", *words)
    applied("drift", "--baseline", "b.yml")
    (item,) = history(applied)
    assert (item["owner"], item["expires"]) == ("it-ops", "2999-01-31")
    assert "by it-ops until 2999-01-31" in applied("drift", "history").out


def test_another_database_another_history(applied: Plant) -> None:
    applied.by_hand()
    assert applied("drift", "--history", "here/h.db").code == 2
    assert applied("drift", "--no-history").code == 2
    assert history(applied) == []
    assert len(history(applied, "--history", "here/h.db")) == 1
    assert len(applied("drift", "--history", "here/h.db", "history", "--json").json["items"]) == 1


def test_environments_keep_plants_apart(applied: Plant) -> None:
    applied.by_hand()
    applied("drift", "--env", "north")
    applied("drift")
    assert [item["environment"] for item in history(applied)] == ["north", "plant"]
    assert [item["environment"] for item in history(applied, "--env", "north")] == ["north"]
    repair(applied, "fw1")
    applied("drift", "--env", "north")
    assert [item["environment"] for item in history(applied)] == ["plant"]


def test_what_cannot_be_recorded_is_a_warning(
    applied: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "postgresql://segctl:geheim@127.0.0.1:1/x"
    monkeypatch.setenv("SEGCTL_HISTORY", url)
    done = applied("drift")
    assert done.code == 0
    assert (
        "segctl: warning: the run is not on record: history postgresql://127.0.0.1:1/x" in done.err
    )
    assert "geheim" not in done.err
    refused = applied("drift", "history", "--json")
    assert refused.code == 1
    assert refused.json["error"]["code"] == "history"
    assert "geheim" not in refused.out + refused.err


def test_two_runners_share_a_postgresql(applied: Plant, tmp_path: Path) -> None:
    if reason := missing():
        pytest.skip(reason)
    applied.by_hand()
    applied.by_hand("fw2", TLS)
    with cluster() as server:
        secret = tmp_path / "history-url"
        secret.write_text(server.fresh("plant") + "\n", encoding="utf-8")
        secret.chmod(0o600)
        env = environment(SEGCTL_HISTORY_FILE=str(secret))
        words = applied.command("drift", "-v")
        runners = [
            subprocess.Popen(
                words,
                cwd=applied.folder,
                env=env,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(2)
        ]
        for runner in runners:
            out, err = runner.communicate(timeout=120)
            assert runner.returncode == 2, err
            assert "warning" not in err
            for text in (PASSWORD, QUOTED):
                assert text not in out + err
        done = applied.process("drift", "history", "--json", env=env)
        names = [(item["device"], item["name"]) for item in json.loads(done.out)["items"]]
        assert names == [("fw1", POLL), ("fw2", TLS)]


def test_only_devices_of_the_inventory_and_the_limit_are_shown(
    applied: Plant, capsys: pytest.CaptureFixture[str]
) -> None:
    applied.by_hand()
    applied.by_hand("fw2", TLS)
    applied("drift")
    assert [item["device"] for item in history(applied)] == ["fw1", "fw2"]
    assert [item["device"] for item in history(applied, "-l", "fw2")] == ["fw2"]
    capsys.readouterr()
    assert run(["drift", "history", "--json", "-i", "hosts.yml", "-l", "!fw1"]) == 0
    assert [one["device"] for one in json.loads(capsys.readouterr().out)["items"]] == ["fw2"]
    # without either: everything on record, no inventory is read
    assert run(["drift", "history", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["items"]) == 2
    done = applied("drift", "history", "-l", "fw2", "--device", "fw1")
    assert done.code == 1
    assert "--device fw1 is not selected" in done.err
    assert applied("drift", "history", "-l", "absent").code == 1


def test_a_history_that_is_not_there_is_not_made(plant: Plant) -> None:
    done = plant("drift", "history", "--history", "typo.db")
    assert (done.code, "there is no" in " ".join(done.err.split())) == (1, True)
    assert not (plant.folder / "typo.db").exists()
