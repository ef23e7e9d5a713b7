"""Snapshot inside, plan and sign outside, carry in, apply inside; and every way to cheat."""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from cli_support import PASSWORD, POLL, USER, Plant
from segctl.cli import run
from segctl.inventory import load
from segctl.operations.demo import example_inventory, fleet
from segctl.signing import signature_path
from support.signatures import PASSPHRASE, Keys, minisign_keys, ssh_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from segctl_mocks import Fleet

HASH = "$5$rounds$not-for-anybody-to-see"
SEALED = "-AQ==ZGV2aWNlIGtleQ=="


@pytest.fixture
def keys(plant: Plant) -> Keys:
    return ssh_keys(plant.folder)


@pytest.fixture
def signed(plant: Plant, keys: Keys) -> Path:
    """A plan made live, signed, not yet applied."""
    done = plant("plan", "-o", "plan.json", "--sign", str(keys.secret))
    assert done.code == 0
    assert "signed in plan.json.sig" in done.err
    return plant.folder / "plan.json"


def refused(plant: Plant, *words: str) -> str:
    """The reason why an apply is refused; nothing changes, and no device is asked anything."""
    with plant.untouched():
        done = plant("apply", *words, "--json")
    assert done.code == 1
    assert done.json["error"]["code"] == "signature"
    return str(done.json["error"]["message"])


# --- the story -----------------------------------------------------------------------------------


def reject_writes(running: Fleet, *, reject: bool) -> None:
    for firewall in running.mocks.values():
        firewall.reject_writes = reject
    for gateway in running.linux.values():
        gateway.reject_writes = reject


@contextmanager
def inside(folder: Path) -> Generator[Fleet]:
    """The water works of the example: two PAN-OS firewalls and a Linux gateway."""
    from segctl.operations.loading import today

    shutil.copytree(example_inventory(), folder / "inventory")
    plant = folder / "inventory/01-waterworks.yml"
    day = today()
    with fleet(load([plant], today=day), day, overlay=folder / "mocks.yml") as running:
        yield running


def test_a_plan_is_made_outside_and_applied_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    out = ["-i", "inventory/01-waterworks.yml"]
    here = [*out, "-i", "mocks.yml"]
    keys = minisign_keys(tmp_path)
    with inside(tmp_path) as running:
        reject_writes(running, reject=True)
        assert run(["snapshot", *here]) == 0
        files = sorted((tmp_path / "snapshots").iterdir())
        assert [file.name.partition(".")[0] for file in files] == ["cell-fw", "core-fw", "edge-fw"]
        assert all(file.stat().st_mode & 0o777 == 0o600 for file in files)
        capsys.readouterr()
        # the inventory alone has addresses that nobody answers at
        made = [*out, "plan", "--offline", "snapshots", "-o", "plan.json"]
        assert run([*made, "--sign", str(keys.secret)]) == 0
        assert run([*out, "show", "plan.json", "--verify", str(keys.trusted)]) == 0
        shown = capsys.readouterr().out
        assert "Made offline: cell-fw from its snapshot of 20" in shown
        assert "Signed by mini of the plant (minisign key " in shown
        assert run([*here, "plan", "--json"]) == 0
        live = json.loads(capsys.readouterr().out)
        offline = json.loads((tmp_path / "plan.json").read_text(encoding="utf-8"))
        for one, other in zip(offline["devices"], live["devices"], strict=True):
            for part in ("changes", "script", "fingerprint", "desired", "serial"):
                assert one[part] == other[part]
        assert run([*out, "drift", "--offline", "snapshots", "--json"]) == 2
        document = json.loads(capsys.readouterr().out)
        assert all("from a snapshot" in str(one["findings"]) for one in document["devices"])
        reject_writes(running, reject=False)
        assert run([*here, "apply", "plan.json", "--verify", str(keys.trusted)]) == 0
        assert run([*here, "drift"]) == 0
        assert run([*here, "snapshot"]) == 0
        capsys.readouterr()
        assert run([*out, "plan", "--offline", "snapshots", "--detailed-exitcode"]) == 0


# --- cheating ------------------------------------------------------------------------------------


def first_byte(data: bytes) -> bytes:
    return b"[" + data[1:]


def last_byte(data: bytes) -> bytes:
    return data[:-1]


def white_space(data: bytes) -> bytes:
    return data.replace(b"\n ", b"\n  ", 1)


def more(data: bytes) -> bytes:
    return data + b"\n"


def half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def nothing(_data: bytes) -> bytes:
    return b""


def one_address(data: bytes) -> bytes:
    """Another network in the script, with a digest that fits again."""
    from segctl.planning.documents import digest_of

    document = json.loads(data.replace(b"10.20.1.11", b"10.20.1.99"))
    document["digest"] = digest_of(document)
    return json.dumps(document, indent=1, sort_keys=True).encode()


def later_expiry(data: bytes) -> bytes:
    from segctl.planning.documents import digest_of

    document = json.loads(data)
    document["expires"] = "2999-01-01T00:00:00+00:00"
    document["digest"] = digest_of(document)
    return json.dumps(document, indent=1, sort_keys=True).encode()


@pytest.mark.parametrize(
    "tamper",
    [first_byte, last_byte, white_space, more, half, nothing, one_address, later_expiry],
)
def test_a_plan_that_was_changed_is_refused(
    plant: Plant, signed: Path, keys: Keys, tamper: Callable[[bytes], bytes]
) -> None:
    data = signed.read_bytes()
    changed = tamper(data)
    assert changed != data
    signed.write_bytes(changed)
    assert "was changed" in refused(plant, "plan.json", "--verify", str(keys.trusted))
    signed.write_bytes(data)
    assert plant("apply", "plan.json", "--verify", str(keys.trusted)).code == 0


def test_without_its_signature_a_plan_is_refused(plant: Plant, signed: Path, keys: Keys) -> None:
    signature = signature_path(signed, "ssh")
    kept = signature.read_bytes()
    signature.unlink()
    assert "is not signed" in refused(plant, "plan.json", "--verify", str(keys.trusted))
    for damaged in (kept[: len(kept) // 2], b"", kept.replace(b"SSH", b"PGP")):
        signature.write_bytes(damaged)
        assert "is damaged" in refused(plant, "plan.json", "--verify", str(keys.trusted))


def test_the_signature_of_another_plan_or_by_another_is_refused(
    plant: Plant, signed: Path, keys: Keys
) -> None:
    theirs = ssh_keys(plant.folder, "mallory")
    assert plant("plan", "-o", "other.json", "--sign", str(keys.secret)).code == 0
    shutil.copy(signature_path(plant.folder / "other.json", "ssh"), signature_path(signed, "ssh"))
    assert "was changed" in refused(plant, "plan.json", "--verify", str(keys.trusted))
    assert plant("plan", "-o", "plan.json", "--sign", str(theirs.secret)).code == 0
    assert "not trusted" in refused(plant, "plan.json", "--verify", str(keys.trusted))
    assert "plan.json: signed" not in plant("verify", "plan.json", "--keys", str(keys.trusted)).out


def test_a_device_that_moved_since_its_snapshot_refuses_the_plan(
    applied: Plant, keys: Keys
) -> None:
    assert applied("snapshot", "fw1", "-o", "fw1.json").code == 0
    applied.edit("group_vars/plant.yml", "plc1, plc2]", "plc1]")
    made = ("plan", "-l", "fw1", "--offline", "fw1.json", "-o", "plan.json")
    assert applied(*made, "--sign", str(keys.secret)).code == 0
    applied.by_hand("fw1", POLL)
    with applied.unchanged():
        done = applied("apply", "-l", "fw1", "plan.json", "--verify", str(keys.trusted))
    assert done.code == 1
    assert "the device changed since the plan was made" in done.out


# --- who must have signed ------------------------------------------------------------------------


def test_the_environment_can_ask_for_signatures(
    plant: Plant, signed: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGCTL_VERIFY", str(keys.trusted))
    assert "a signed plan is asked for" in refused(plant, "--auto-approve")
    playbook = plant.folder / "roll.yml"
    playbook.write_text("- hosts: all\n", encoding="utf-8")
    assert "a playbook is none" in refused(plant, "-p", "roll.yml", "--auto-approve")
    signature_path(signed, "ssh").rename(plant.folder / "elsewhere")
    assert "is not signed" in refused(plant, "plan.json")
    assert "is not signed" in refused(plant, "plan.json", "--check")
    (plant.folder / "elsewhere").rename(signature_path(signed, "ssh"))
    assert plant("apply", "plan.json").code == 0


def test_a_host_can_ask_for_signatures(plant: Plant, signed: Path, keys: Keys) -> None:
    plant.edit(
        "host_vars/fw2.yml", "segctl_zone", f"segctl_verify_keys: {keys.trusted}\nsegctl_zone"
    )
    assert "fw2 takes signed plans only" in refused(plant, "--auto-approve")
    playbook = plant.folder / "roll.yml"
    playbook.write_text("- hosts: all\n", encoding="utf-8")
    assert "fw2 takes signed plans only" in refused(plant, "-p", "roll.yml", "--auto-approve")
    assert plant("apply", "-l", "fw1", "--auto-approve").code == 0
    assert plant("plan", "-o", "plain.json").code == 0
    assert "plain.json is not signed" in refused(plant, "plain.json")
    assert plant("plan", "-o", "plan.json", "--sign", str(keys.secret)).code == 0
    assert plant("apply", "plan.json").code == 0
    assert signed.exists()


def test_show_and_verify_say_who_signed(plant: Plant, signed: Path, keys: Keys) -> None:
    name = "alice@plant (ssh key SHA256:"
    assert "The signature plan.json.sig was not verified" in plant("show", "plan.json").out
    assert f"Signed by {name}" in plant("show", "plan.json", "--verify", str(keys.trusted)).out
    done = plant("verify", "plan.json", "--keys", str(keys.trusted), "--json")
    assert [signer["name"] for signer in done.json["signers"]] == ["alice@plant"]
    assert name in plant("verify", "plan.json", "--keys", str(keys.trusted)).out
    signed.write_bytes(signed.read_bytes().replace(b"\n ", b"\n  ", 1))
    done = plant("show", "plan.json", "--verify", str(keys.trusted))
    assert done.code == 1
    assert "was changed" in done.err
    assert "Signed by" not in done.out
    done = plant("show", "plan.json", "--verify", str(keys.trusted), "--json")
    assert done.json["error"]["code"] == "signature"


def test_a_plan_that_is_saved_anew_has_no_old_signature(plant: Plant, signed: Path) -> None:
    assert plant("plan", "-o", "plan.json").code == 0
    assert not signature_path(signed, "ssh").exists()


def test_signing_needs_a_file_and_a_key_that_opens(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = ssh_keys(plant.folder, password=PASSPHRASE)
    sign = ("plan", "-o", "plan.json", "--sign", str(keys.secret))
    with plant.untouched():
        done = plant("plan", "--sign", str(keys.secret))
        assert (done.code, "give -o FILE" in done.err) == (1, True)
        done = plant(*sign)
        assert (done.code, "SEGCTL_SIGN_PASSWORD_FILE" in done.err) == (1, True)
        monkeypatch.setenv("SEGCTL_SIGN_PASSWORD", "wrong")
        done = plant(*sign)
        assert (done.code, "cannot be used" in done.err) == (1, True)
        assert not (plant.folder / "plan.json").exists()
    monkeypatch.setenv("SEGCTL_SIGN_PASSWORD", PASSPHRASE)
    done = plant(*sign)
    assert done.code == 0
    assert PASSPHRASE not in done.out + done.err
    monkeypatch.delenv("SEGCTL_SIGN_PASSWORD")
    secret = plant.folder / "password"
    secret.write_text(f"{PASSPHRASE}\n", encoding="utf-8")
    secret.chmod(0o600)
    monkeypatch.setenv("SEGCTL_SIGN_PASSWORD_FILE", str(secret))
    assert plant(*sign).code == 0
    secret.chmod(0o644)
    assert "is readable by others" in plant(*sign).err
    assert plant("apply", "plan.json", "--verify", str(keys.trusted)).code == 0


# --- snapshots -----------------------------------------------------------------------------------


def test_a_snapshot_holds_no_secret_and_the_plan_stays_the_same(plant: Plant) -> None:
    fw1 = plant.fleet["fw1"]
    user = "/config/shared/local-user-database/user/entry[@name='operator']"
    fw1.edit("set", user, f"<phash>{HASH}</phash>", commit=True)
    radius = "/config/shared/server-profile/radius/entry[@name='aaa']/server/entry[@name='a']"
    fw1.edit("set", radius, f"<secret>{SEALED}</secret>", commit=True)
    with plant.untouched():
        assert plant("snapshot").code == 0
    text = (plant.folder / "snapshots/fw1.snapshot.json").read_text(encoding="utf-8")
    assert "local-user-database" not in text
    assert "server-profile" not in text
    for secret in (HASH, SEALED, PASSWORD, fw1.key(USER)):
        assert secret not in text
    live, offline = plant("plan", "--json"), plant("plan", "--offline", "snapshots", "--json")
    for one, other in zip(live.json["devices"], offline.json["devices"], strict=True):
        assert one["fingerprint"] == other["fingerprint"]
        assert one["script"] == other["script"]


def test_snapshots_are_valid_and_a_failure_is_one_of_its_device(plant: Plant) -> None:
    import jsonschema

    done = plant("snapshot", "fw*", "-l", "fw1", "--json")
    assert [one["name"] for one in done.json["snapshots"]] == ["fw1"]
    document = json.loads((plant.folder / "snapshots/fw1.snapshot.json").read_text("utf-8"))
    jsonschema.validate(document, plant("schema", "snapshot").json)
    plant.edit("mocks.yml", f"{plant.fleet['fw2'].port}", "1")
    done = plant("snapshot", "--json")
    assert done.code == 1
    assert [one["name"] for one in done.json["snapshots"]] == ["fw1"]
    assert [one["device"] for one in done.json["errors"]] == ["fw2"]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("segctl-parsed", "segctl-parset", "its digest does not match"),
        ('"1.0"', '"2.0"', "this segctl reads 1.0"),
        ('"format_version"', '"version"', "is not a segctl snapshot"),
        ("}\n", "", "is not a snapshot: "),
    ],
)
def test_a_damaged_snapshot_is_refused(plant: Plant, old: str, new: str, why: str) -> None:
    assert plant("snapshot", "fw1", "-o", "fw1.json").code == 0
    path = plant.folder / "fw1.json"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    for command in ("plan", "drift"):
        done = plant(command, "-l", "fw1", "--offline", "fw1.json", "--json")
        assert done.code == 1
        assert done.json["error"]["code"] == "snapshot"
        assert why in done.json["error"]["message"]


def test_a_snapshot_is_of_one_device(plant: Plant) -> None:
    assert plant("snapshot").code == 0
    folder = plant.folder / "snapshots"
    (folder / "fw2.snapshot.json").unlink()
    done = plant("plan", "--offline", "snapshots", "-o", "plan.json")
    assert done.code == 1
    assert "it has no snapshot: segctl snapshot fw2 takes one" in done.out
    assert not (plant.folder / "plan.json").exists()
    done = plant("drift", "--offline", "snapshots", "--json")
    assert done.code == 1
    assert [one["status"] for one in done.json["devices"]] == ["drift", "error"]
    shutil.copy(folder / "fw1.snapshot.json", folder / "again.snapshot.json")
    assert "are both snapshots of fw1" in plant("plan", "--offline", "snapshots").err
    plant.edit("host_vars/fw1.yml", "segctl_zone_map", "segctl_vsys: vsys2\nsegctl_zone_map")
    done = plant("plan", "-l", "fw1", "--offline", str(folder / "fw1.snapshot.json"))
    assert "its snapshot is of panos vsys1, but the inventory says panos vsys2" in done.out
    (plant.folder / "empty").mkdir()
    assert "contains no snapshot" in plant("plan", "--offline", "empty").err
    assert "selects no firewall" in plant("snapshot", "localhost").err
    assert "there is no folder" in plant("snapshot", "fw1", "-o", "missing/fw1.json").err
    assert not list((plant.folder / "empty").iterdir())
