"""The folder a command is started in, and who may write the inventory, as commands tell it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from cli_support import PASSWORD
from segctl.inventory import encrypt
from segctl.transports.credentials import Secret

if TYPE_CHECKING:
    from pathlib import Path

    from cli_support import Plant

IGNORED = "group_vars/ of the current folder is not read"


@pytest.fixture
def elsewhere(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with variables that would switch off what protects, the plant's beside it."""
    here = plant.folder / "elsewhere"
    (here / "group_vars").mkdir(parents=True)
    (here / "group_vars/plant.yml").write_text(
        "segctl_conduits: {}\nsegctl_tls_verify: false\nansible_user: mallory\n", encoding="utf-8"
    )
    for name in ("hosts.yml", "mocks.yml"):
        (here / name).symlink_to(f"../{name}")
    monkeypatch.chdir(here)
    return here


def test_where_a_command_is_started_changes_nothing(
    plant: Plant, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = ("-i", "../hosts.yml", "-i", "../mocks.yml")
    monkeypatch.setattr(type(plant), "where", list(sources))
    applied = plant("apply", "--auto-approve", "--json")
    assert applied.code == 0
    assert applied.err.count(IGNORED) == 1
    assert str(elsewhere) in applied.err
    monkeypatch.chdir(plant.folder)
    monkeypatch.setattr(type(plant), "where", ["-i", "hosts.yml", "-i", "mocks.yml"])
    clean = plant("plan", "--detailed-exitcode")
    assert clean.code == 0
    assert "not read" not in clean.err


@pytest.mark.usefixtures("elsewhere")
def test_a_listing_shows_the_folder_only_when_asked(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant.edit("hosts.yml", f"ansible_password: {PASSWORD}", "plain: 1")
    monkeypatch.setattr(type(plant), "where", ["-i", "../hosts.yml"])
    bare = plant("inventory", "--host", "fw1")
    assert json.loads(bare.out)["ansible_user"] != "mallory"
    assert bare.err.count(IGNORED) == 1
    theirs = plant("inventory", "--host", "fw1", "--playbook-dir", ".")
    assert json.loads(theirs.out)["ansible_user"] == "mallory"
    assert not theirs.err
    gone = plant("inventory", "--host", "fw1", "--playbook-dir", "gone")
    assert gone.code == 1
    assert "the folder does not exist" in gone.err


def test_an_inventory_that_everybody_can_write_is_not_applied(plant: Plant) -> None:
    (plant.folder / "group_vars").chmod(0o777)
    (plant.folder / "play.yml").write_text("- hosts: all\n", encoding="utf-8")
    for words in ("plan -o plan.json", "validate", "apply --check", "apply -p play.yml --check"):
        done = plant(*words.split())
        assert done.code == 0
        assert (done.out + done.err).count("every user of this machine can change it") == 1
    told = plant("validate", "--json").json["warnings"]
    assert [one["file"] for one in told if one["kind"] == "writable"] == ["group_vars"]
    with plant.untouched():
        for how in ("--auto-approve", "plan.json", "-p play.yml --auto-approve"):
            refused = plant("apply", *how.split(), "--json")
            assert refused.code == 1
            assert refused.json["error"]["code"] == "inventory"
            assert "chmod o-w group_vars" in refused.json["error"]["message"]
    (plant.folder / "group_vars").chmod(0o755)
    assert plant("apply", "plan.json").code == 0


def test_what_is_lost_is_listed_with_a_warning_and_refused_by_all_else(plant: Plant) -> None:
    plant.edit("hosts.yml", "hosts:\n", "host: {fw9: }\n      hosts:\n")
    listed = plant("inventory", "--graph")
    assert listed.code == 0
    assert "warning: hosts.yml:4:7: all.children.plant.host: unknown key 'host'" in listed.err
    for words in (("validate",), ("plan",), ("drift",), ("apply", "--auto-approve"), ("snapshot",)):
        with plant.untouched():
            refused = plant(*words)
        assert refused.code == 1
        assert "did you mean hosts?" in refused.err


@pytest.mark.parametrize("words", [("validate",), ("plan",), ("drift",), ("inventory", "--list")])
def test_a_limit_that_matches_nothing(plant: Plant, words: tuple[str, ...]) -> None:
    done = plant(*words, "-l", "fw9", "--json")
    assert done.code == (0 if words[0] == "inventory" else 1)
    if done.code:
        assert done.json["error"]["code"] == "usage"
        assert "the firewalls are fw1, fw2" in done.json["error"]["message"]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ANSIBLE_VAULT_PASSWORD_FILE", "pass.txt"),
        ("ANSIBLE_VAULT_IDENTITY_LIST", "lab@wrong.txt,plant@pass.txt"),
        ("", "plant@pass.txt"),
    ],
)
def test_vault_passwords_as_ansible_is_told_them(
    plant: Plant, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    (plant.folder / "pass.txt").write_text("pa55\n", encoding="utf-8")
    (plant.folder / "wrong.txt").write_text("other\n", encoding="utf-8")
    sealed = encrypt("segctl_timeout: 33\n", Secret("pa55"), "plant")
    (plant.folder / "group_vars/all.yml").write_text(sealed, encoding="utf-8")
    assert plant("validate").code == 1
    if variable:
        monkeypatch.setenv(variable, value)
    assert plant("validate", *([] if variable else ["--vault-id", value])).code == 0
