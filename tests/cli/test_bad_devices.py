"""Devices that are not what they should be: one clear message, exit 1, nothing changed."""

from __future__ import annotations

import gc
import json
import re
import resource
import time
from typing import TYPE_CHECKING, Any

import pytest

from cli_support import PASSWORD, POLL, RULES, USER, ZONES, Plant
from segctl.cli import run
from segctl_mocks import Authority, PanosMock
from segctl_mocks.panos.provision import provision

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: what the first firewall does: (fault, code, what the message must say)
WRONG: Mapping[str, tuple[dict[str, Any], str, str]] = {
    "HTML instead of XML": ({"kind": "html"}, "parse", r"text/html.* instead of XML"),
    "truncated XML": ({"kind": "truncate", "type": "config"}, "parse", r"not complete XML"),
    "an entity bomb": ({"kind": "bomb", "type": "config"}, "parse", r"declares XML entities"),
    "2 GB": ({"kind": "endless", "type": "config"}, "parse", r"larger than 4 MiB"),
    "a hang": ({"kind": "hang", "seconds": 600}, "unreachable", r"within 1s \(segctl_timeout\)"),
    "a dropped line": (
        {"kind": "drop_at", "at": 40},
        "unreachable",
        r"without an answer|ended early",
    ),
    "HTTP 503": ({"kind": "status", "code": 503}, "unreachable", r"HTTP 503"),
    "a role without rights": (
        {"kind": "unauthorized", "type": "config"},
        "auth",
        r"the XML API right 'Configuration'",
    ),
    "an operational command refused": (
        {"kind": "error", "type": "op", "code": "17", "message": "show is unexpected"},
        "parse",
        r"refuses to list its locks: show is unexpected",
    ),
    "not well-formed": ({"kind": "body", "body": b"<response"}, "parse", r"not complete XML"),
}


@pytest.mark.parametrize("case", WRONG)
def test_it_is_one_clear_message(plant: Plant, case: str) -> None:
    fault, code, message = WRONG[case]
    plant.edit(
        "hosts.yml", "segctl_timeout: 60", "segctl_timeout: 1\n        segctl_max_answer_mb: 4"
    )
    plant.edit("hosts.yml", "fw2: {}", "fw2: {segctl_timeout: 60}")
    plant.fleet["fw1"].fail(times=1000, **fault)
    with plant.untouched():
        began = time.monotonic()
        done = plant("apply", "--auto-approve", "--json", "-v")
        assert time.monotonic() - began < 60
        assert done.code == 1
        assert re.fullmatch(code, done.json["error"]["code"])
        assert re.search(message, done.json["error"]["message"]), done.json["error"]
        text = plant("plan", "-l", "fw1")
    assert text.code == 1
    assert re.search(rf"^fw1\n  ! ({code}): .*({message})", text.out, re.MULTILINE), text.out
    assert plant("apply", "--auto-approve", "-l", "fw2").code == 0
    gc.collect()


def test_a_wrong_password(plant: Plant) -> None:
    plant.edit("hosts.yml", PASSWORD, "not-the-password")
    (plant.folder / "mocks.yml").write_text(
        re.sub(
            r"ansible_password: .*", 'ansible_password: "not-the-password"', plant.fleet.inventory()
        )
    )
    with plant.untouched():
        done = plant("apply", "--auto-approve", "--json", "-v")
    assert done.code == 1
    assert done.json["error"]["code"] == "auth"
    assert f"refuses the account '{USER}'" in done.json["error"]["message"]
    assert "not-the-password" not in done.out + done.err


def test_no_password(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SEGCTL_PASSWORD", "SEGCTL_PASSWORD_FILE", "SEGCTL_PASSWORD_FW1"):
        monkeypatch.delenv(name, raising=False)
    plant.edit("hosts.yml", f"ansible_password: {PASSWORD}", "")
    (plant.folder / "mocks.yml").write_text(
        re.sub(r"ansible_password: .*", "", plant.fleet.inventory())
    )
    with plant.untouched():
        done = plant("drift", "--json")
    assert done.code == 1
    assert "SEGCTL_PASSWORD_FW1" in done.json["error"]["message"]


@pytest.mark.parametrize(
    ("names", "expired", "trusted", "message"),
    [
        ((), True, True, "certificate has expired"),
        (("elsewhere.example",), False, True, "IP address mismatch"),
        ((), False, False, "unable to get local issuer|self.signed"),
    ],
)
def test_a_certificate_that_does_not_verify(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    *,
    names: tuple[str, ...],
    expired: bool,
    trusted: bool,
    message: str,
) -> None:
    authority = Authority.create()
    certificate = authority.issue(names, expired=expired, loopback=not names)
    ca = (authority if trusted else Authority.create()).write(folder / "ca.pem")
    device = PanosMock("fw1", users={USER: PASSWORD}, authority=authority, certificate=certificate)
    provision(device.device, zones=ZONES["fw1"])
    with device as mock:
        before, writes = mock.running(), mock.writes
        (folder / "mocks.yml").write_text(
            f"all: {{hosts: {{fw1: {{ansible_host: 127.0.0.1, ansible_port: {mock.port}, "
            f"segctl_ca_file: {ca}}}}}}}\n"
        )
        where = ["-i", "hosts.yml", "-i", "mocks.yml", "-l", "fw1"]
        assert run([*where, "apply", "--auto-approve", "--json"]) == 1
        out, err = capsys.readouterr()
        error = json.loads(out)["error"]
        assert error["code"] == "unreachable"
        assert re.search(message, error["message"])
        assert "nothing was sent" in error["message"]
        assert "segctl_ca_file" in error["message"]
        assert "Traceback" not in err
        assert mock.requests == []
        assert (mock.running(), mock.writes) == (before, writes)


def test_a_connection_that_is_not_verified_is_said_aloud(plant: Plant) -> None:
    text = re.sub(r"segctl_ca_file: .*", "segctl_tls_verify: false", plant.fleet.inventory())
    (plant.folder / "mocks.yml").write_text(text)
    assert "TLS is NOT verified" in plant("plan").out
    assert "TLS is NOT verified" in plant("validate").out


def test_a_commit_the_device_refuses(applied: Plant) -> None:
    applied.by_hand()
    lines = ["rule 'x' is invalid", "(Module: device)"]
    applied.fleet["fw1"].fail("commit_invalid", lines=lines, times=5)
    with applied.unchanged():
        done = applied("apply", "--auto-approve", "--json")
    assert done.code == 1
    (failed, _) = done.json["outcomes"]
    assert (failed["status"], failed["code"]) == ("failed", "apply_failed")
    assert "rule 'x' is invalid" in failed["message"]
    assert "nothing changed" in failed["message"]
    applied.fleet["fw1"].device.faults.waiting.clear()
    assert applied("apply", "--auto-approve").code == 0
    assert applied("drift").code == 0


@pytest.mark.parametrize("fault", ["commit_dies", "commit_lost", "drop_before", "error"])
def test_a_commit_that_goes_wrong_leaves_the_old_and_a_rerun_converges(
    applied: Plant, fault: str
) -> None:
    applied.by_hand()
    wanted: dict[str, Any] = (
        {} if fault.startswith("commit") else {"type": "commit", "message": "no"}
    )
    applied.fleet["fw1"].fail(fault, **wanted)
    done = applied("apply", "--auto-approve", "--json")
    assert applied.locks == 0
    assert done.code == int(done.json["summary"]["failed"] > 0)
    assert applied("apply", "--auto-approve").code == 0
    assert applied("drift").code == 0


def test_a_lock_of_somebody_else(applied: Plant) -> None:
    applied.by_hand()
    applied.fleet["fw1"].hold_lock("config", admin="jane")
    before = applied.fleet["fw1"].running()
    done = applied("apply", "--auto-approve", "--json")
    assert done.code == 1
    assert done.json["error"]["code"] == "locked"
    assert "jane" in done.json["error"]["message"]
    assert applied.fleet["fw1"].running() == before
    applied.fleet["fw1"].release_lock("config", admin="jane")
    assert applied("apply", "--auto-approve").code == 0


def test_uncommitted_changes_of_somebody_else(applied: Plant) -> None:
    applied.by_hand()
    fw1 = applied.fleet["fw1"]
    fw1.edit("set", f"{RULES}/entry[@name='{POLL}']", "<description>hm</description>", admin="jane")
    assert "uncommitted changes by jane" in applied("plan").out
    with applied.unchanged():
        done = applied("apply", "--auto-approve", "--json")
    assert done.code == 1
    assert done.json["error"]["code"] == "foreign_changes"
    assert "jane" in done.json["error"]["message"]


# --- plan files ----------------------------------------------------------------------------------


def test_a_plan_edited_by_hand(plant: Plant) -> None:
    plant("plan", "-o", "plan.json")
    path = plant.folder / "plan.json"
    path.write_text(path.read_text(encoding="utf-8").replace("10.20.1.11", "10.20.1.0/24", 1))
    with plant.untouched():
        done = plant("apply", "plan.json", "--json")
        assert plant("show", "plan.json").code == 1
    assert done.code == 1
    assert done.json["error"]["code"] == "plan_format"
    assert "was changed after it was made" in done.json["error"]["message"]
    assert "run segctl plan again" in done.json["error"]["message"]


@pytest.mark.parametrize("version", ["2.0", "0.9", 1])
def test_a_plan_of_another_version(plant: Plant, version: object) -> None:
    document = plant("plan", "--json").json | {"format_version": version}
    (plant.folder / "plan.json").write_text(json.dumps(document), encoding="utf-8")
    with plant.untouched():
        done = plant("apply", "plan.json", "--json")
    assert done.code == 1
    assert done.json["error"]["code"] == "plan_format"


@pytest.mark.parametrize("text", ["", "{}", "[]", "not JSON", '{"format_version": "1.0"}', "\xff"])
def test_a_file_that_is_no_plan(plant: Plant, text: str) -> None:
    (plant.folder / "plan.json").write_bytes(text.encode("latin-1"))
    done = plant("apply", "plan.json", "--json")
    assert done.code == 1
    assert done.json["error"]["code"] == "plan_format"
    assert "plan.json" in done.json["error"]["message"]


def test_a_stale_plan_names_what_moved(applied: Plant) -> None:
    applied.by_hand()
    applied("plan", "-o", "plan.json")
    applied.fleet["fw1"].edit(
        "edit",
        f"{RULES}/entry[@name='{POLL}']/source",
        "<source><member>any</member></source>",
        commit=True,
    )
    with applied.untouched():
        done = applied("apply", "plan.json", "--json")
    assert done.code == 1
    assert done.json["error"]["code"] == "stale"
    assert f"rule {POLL} changed" in done.json["error"]["message"]
    assert "run segctl plan again" in done.json["error"]["message"]


def test_a_plan_that_cannot_be_written_leaves_no_half(plant: Plant) -> None:
    old = plant.folder / "plan.json"
    old.write_text("old", encoding="utf-8")
    before = sorted(plant.folder.iterdir())
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with plant.untouched():
        resource.setrlimit(resource.RLIMIT_FSIZE, (512, limits[1]))
        try:
            done = plant("plan", "-o", "plan.json", "--json")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert done.code == 1
    assert "cannot write plan.json: File too large" in done.json["error"]["message"]
    assert old.read_text(encoding="utf-8") == "old"
    assert sorted(plant.folder.iterdir()) == before


def test_a_full_disk(plant: Plant) -> None:
    with plant.untouched():
        done = plant("plan", "-o", "/dev/full")
    assert done.code == 1
    assert "cannot write /dev/full: No space left on device" in done.err
    assert not done.out
