"""What lies around an inventory: told, never read; and where vault passwords come from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from segctl.inventory import encrypt, read_inventory
from segctl.inventory.passwords import vault_secrets
from segctl.inventory.reader import survey_inventory
from segctl.inventory.surroundings import beside_playbook
from segctl.inventory.vault import decrypt
from segctl.model.errors import InventoryError
from segctl.transports.credentials import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from segctl.inventory import VaultSecrets
    from segctl.model.errors import Problem

    Write = Callable[[Mapping[str, str]], None]

HOSTS = {"inv/hosts.yml": "g: {hosts: {h: }}\n", "inv/group_vars/g.yml": "v: inventory\n"}


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the user's own settings of Ansible out."""
    for name in [name for name in os.environ if name.startswith("ANSIBLE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def around(*sources: str, playbook_dir: str | None = None) -> tuple[Problem, ...]:
    return read_inventory(sources or ("inv",), playbook_dir=playbook_dir).surroundings


# --- the current folder --------------------------------------------------------------------------


def test_variables_of_the_current_folder_are_not_read_and_named_once(
    write: Write, tmp_path: Path
) -> None:
    write({**HOSTS, "group_vars/g.yml": "v: here\n", "host_vars/h.yml": "w: here\n"})
    inventory = read_inventory(["inv", "inv/hosts.yml"])
    assert inventory.host_layer("h").variables == {"v": "inventory"}
    (problem,) = inventory.surroundings
    assert (problem.kind, problem.severity) == ("ignored-folder", "warning")
    assert problem.file == str(tmp_path)
    assert problem.message.startswith("group_vars/ and host_vars/ of the current folder are not")


def test_a_folder_that_is_asked_for_is_read(write: Write) -> None:
    write({**HOSTS, "group_vars/g.yml": "v: here\n"})
    inventory = read_inventory(["inv"], playbook_dir=".")
    assert inventory.host_layer("h").variables == {"v": "here"}
    assert not inventory.surroundings


def test_beside_a_source_it_is_no_matter_where_that_is(
    write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write({**HOSTS, "empty/group_vars/.keep": ""})
    (tmp_path / "empty/group_vars/.keep").unlink()
    monkeypatch.chdir(tmp_path / "inv")
    assert not around("hosts.yml")
    assert not around("../inv")
    monkeypatch.chdir(tmp_path / "empty")
    assert not around("../inv")


def test_those_beside_a_playbook_are_named(write: Write, tmp_path: Path) -> None:
    """Ansible merges them, too."""
    write({**HOSTS, "plays/group_vars/g.yml": "v: theirs\n", "inv/play.yml": "", "play.yml": ""})
    (problem,) = beside_playbook("plays/play.yml", ["inv"])
    assert (problem.kind, problem.file) == ("ignored-folder", str(tmp_path / "plays"))
    assert problem.message.startswith("group_vars/ of the playbook's folder is not read")
    assert "--playbook-dir plays " in problem.hint
    assert not list(beside_playbook("inv/play.yml", ["inv/hosts.yml"]))
    assert not list(beside_playbook("play.yml", ["inv"])), "the current folder's are named already"


def test_a_list_of_hosts_lies_nowhere(write: Write) -> None:
    write({"group_vars/all.yml": "v: here\n"})
    inventory = read_inventory(["h1,h2"])
    assert inventory.host_layer("h1").variables == {}
    assert [one.kind for one in inventory.surroundings] == ["ignored-folder"]


# --- who may write -------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["inv", "inv/hosts.yml", "inv/group_vars", "inv/group_vars/g.yml"])
def test_what_everybody_can_write_is_told(write: Write, tmp_path: Path, path: str) -> None:
    write(HOSTS)
    assert not around()
    os.chmod(tmp_path / path, 0o777)  # noqa: PTH101 - as a careless umask leaves it
    (problem,) = around()
    assert (problem.kind, problem.severity, problem.file) == ("writable", "warning", path)
    assert problem.hint == f"chmod o-w {path}"


@pytest.mark.parametrize("path", ["inv/host_vars", "inv/group_vars/g", "inv/more"])
def test_so_is_a_folder_from_which_nothing_was_read_yet(
    write: Write, tmp_path: Path, path: str
) -> None:
    """Whoever puts a file there has it read by the next command."""
    write({"inv/hosts.yml": HOSTS["inv/hosts.yml"], "inv/more/extra.yml": "g: {hosts: {i: }}\n"})
    (tmp_path / path).mkdir(parents=True, exist_ok=True)
    (tmp_path / "inv/more/extra.yml").rename(tmp_path / "inv/extra.yml")
    os.chmod(tmp_path / path, 0o777)  # noqa: PTH101 - as a careless umask leaves it
    problem = around(
        "inv/hosts.yml" if path == "inv/host_vars" else "inv/extra.yml", "inv/hosts.yml"
    )
    found = survey_inventory(["inv"])[0].surroundings if path == "inv/more" else problem
    assert [(one.kind, one.file) for one in found] == [("writable", path)]


def test_so_is_where_a_link_leads(write: Write, tmp_path: Path) -> None:
    write({**HOSTS, "open/theirs.yml": "v: theirs\n", "open/vars/all.yml": "w: theirs\n"})
    (tmp_path / "inv/group_vars/g.yml").unlink()
    (tmp_path / "inv/group_vars/g.yml").symlink_to(tmp_path / "open/theirs.yml")
    assert not around()
    os.chmod(tmp_path / "open", 0o777)  # noqa: PTH101 - as a careless umask leaves it
    (problem,) = around()
    assert (problem.kind, problem.file) == ("writable", str(tmp_path / "open"))
    (tmp_path / "inv/group_vars/g.yml").unlink()
    (tmp_path / "inv/host_vars").symlink_to(tmp_path / "open/vars")
    (problem,) = around()
    assert (problem.kind, problem.file) == ("writable", str(tmp_path / "open"))


def test_a_sticky_folder_keeps_others_out(write: Write, tmp_path: Path) -> None:
    write(HOSTS)
    os.chmod(tmp_path / "inv", 0o1777)  # noqa: PTH101 - as /tmp
    assert not around()
    assert not around("inv/hosts.yml")
    os.chmod(tmp_path / "inv/hosts.yml", 0o1666)  # noqa: PTH101 - of no meaning on a file
    assert len(around()) == 1


def test_a_checkout_that_everybody_can_write_is_one_warning(write: Write, tmp_path: Path) -> None:
    write(HOSTS)
    for path in (tmp_path / "inv", *(tmp_path / "inv").rglob("*")):
        path.chmod(0o777)
    (problem,) = around()
    assert "and 3 more of its files and folders" in problem.message
    assert problem.hint == "chmod -R o-w inv"


# --- Ansible's settings --------------------------------------------------------------------------

MERGE = "[defaults]\nhash_behaviour = merge ; as ever\n"


@pytest.mark.parametrize(
    ("files", "environment", "where"),
    [
        ({}, {"ANSIBLE_HASH_BEHAVIOUR": "merge"}, "ANSIBLE_HASH_BEHAVIOUR"),
        ({"ansible.cfg": MERGE}, {}, "ansible.cfg"),
        ({"home/.ansible.cfg": MERGE}, {}, ".ansible.cfg"),
        ({"etc/ansible.cfg": MERGE}, {"ANSIBLE_CONFIG": "etc"}, "ansible.cfg"),
        ({"my.cfg": MERGE}, {"ANSIBLE_CONFIG": "my.cfg"}, "my.cfg"),
        ({"ansible.cfg": MERGE}, {"ANSIBLE_HASH_BEHAVIOUR": "replace"}, ""),
        ({"ansible.cfg": "[defaults]\n", "home/.ansible.cfg": MERGE}, {}, ""),
        ({"ansible.cfg": "[defaults]\nhash_behaviour=replace\n"}, {}, ""),
        ({"ansible.cfg": "[defaults]\nhash_behaviour: 'merge'\n"}, {}, "ansible.cfg"),
        ({"ansible.cfg": "not an ini file"}, {}, ""),
        ({}, {}, ""),
    ],
)
def test_merging_dictionaries_is_warned_about(
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
    files: Mapping[str, str],
    environment: Mapping[str, str],
    where: str,
) -> None:
    write({**HOSTS, **files})
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = around()
    assert [one.kind for one in found] == (["hash-behaviour"] if where else [])
    for one in found:
        assert one.file.endswith(where)
        assert "segctl_conduits_NAME" in one.hint


def test_settings_in_a_folder_that_everybody_can_write_are_passed_over(
    write: Write, tmp_path: Path
) -> None:
    write({**HOSTS, "ansible.cfg": MERGE})
    tmp_path.chmod(0o1777)
    assert not around()


# --- vault passwords -----------------------------------------------------------------------------


def secrets(environment: Mapping[str, str], **given: object) -> list[tuple[str, str]]:
    found = _secrets(environment, **given)
    return [(name, one.reveal()) for name, one in found.passwords] if found else []


def _secrets(environment: Mapping[str, str], **given: object) -> VaultSecrets | None:
    return vault_secrets(
        environment=environment,
        ask=lambda vault_id: Secret(f"asked for {vault_id}"),
        **given,  # type: ignore[arg-type] # of the tests below
    )


@pytest.fixture
def passwords(write: Write, tmp_path: Path) -> None:
    write({"one": "1\n", "two": "2\n", "get-client.sh": "#!/bin/sh\necho for $1 $2\n"})
    (tmp_path / "get-client.sh").chmod(0o700)


@pytest.mark.usefixtures("passwords")
@pytest.mark.parametrize(
    ("environment", "given", "expected"),
    [
        ({}, {}, []),
        ({"ANSIBLE_VAULT_PASSWORD_FILE": "one"}, {}, [("default", "1")]),
        (
            {"ANSIBLE_VAULT_PASSWORD_FILE": "one", "SEGCTL_VAULT_PASSWORD_FILE": "two"},
            {},
            [("default", "2")],
        ),
        (
            {"ANSIBLE_VAULT_PASSWORD_FILE": "one", "SEGCTL_VAULT_PASSWORD_FILE": "none"},
            {"files": [Path("two")]},
            [("default", "2"), ("default", "1")],
        ),
        (
            {"ANSIBLE_VAULT_IDENTITY_LIST": "dev@one, prod@two"},
            {"ids": ["get-client.sh", "lab@get-client.sh", "x@prompt", "@one"]},
            [
                ("dev", "1"),
                ("prod", "2"),
                ("default", "for"),
                ("lab", "for --vault-id lab"),
                ("x", "asked for x"),
                ("default", "1"),
            ],
        ),
        (
            {"ANSIBLE_VAULT_PASSWORD_FILE": ""},
            {"ask_pass": True},
            [("default", "asked for default")],
        ),
    ],
)
def test_vault_passwords_of_options_and_environment(
    environment: Mapping[str, str], given: Mapping[str, object], expected: list[tuple[str, str]]
) -> None:
    assert secrets(environment, **given) == expected


@pytest.mark.usefixtures("passwords")
def test_the_password_of_the_vault_id_opens_its_values() -> None:
    found = _secrets({"ANSIBLE_VAULT_IDENTITY_LIST": "dev@one,prod@two"})
    assert decrypt(encrypt("x", Secret("2"), "prod"), found) == "x"


@pytest.mark.usefixtures("passwords")
@pytest.mark.parametrize("slug", ["dev@", "dev@nothing", "nothing", "dev@client.sh"])
def test_a_vault_id_without_a_password(slug: str) -> None:
    with pytest.raises(InventoryError):
        secrets({"ANSIBLE_VAULT_IDENTITY_LIST": slug})
