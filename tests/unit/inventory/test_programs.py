"""What may be run for an inventory: nothing that comes with it, unless the user has said so."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import pytest

from segctl.cli import run
from segctl.inventory import read_inventory
from segctl.model.errors import InventoryError

if TYPE_CHECKING:
    from pathlib import Path

Write = Callable[[Mapping[str, str]], None]

MARK = '#!/bin/sh\ntouch {mark}\necho \'{{"web": {{"hosts": ["h1"]}}}}\'\n'
PLUGIN = "from pathlib import Path\nPath({mark!r}).touch()\n"
TOML = "[web.hosts.h1]\nv = 1\n"
#: What an ansible.cfg of a checkout can name, and what is run where Ansible heeds it.
SETTINGS = (
    "[defaults]\n"
    "vault_password_file = ./secret.sh\n"
    "inventory = ./secret.sh\n"
    "callback_plugins = ./plugins\n"
    "vars_plugins = ./plugins\n"
    "filter_plugins = ./plugins\n"
    "inventory_plugins = ./plugins\n"
    "callbacks_enabled = evil\n"
    "collections_path = ./collections\n"
    "[inventory]\n"
    "enable_plugins = evil, script, auto, yaml, ini, toml\n"
)


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """Exists as soon as something was run."""
    return tmp_path / "marked"


@pytest.fixture
def hostile(write: Write, tmp_path: Path, mark: Path) -> None:
    """A folder whose ansible.cfg, programs and plugins run code wherever Ansible looks at them."""
    plugin = PLUGIN.format(mark=str(mark))
    write(
        {
            "ansible.cfg": SETTINGS,
            "secret.sh": MARK.format(mark=mark),
            "dynamic": MARK.format(mark=mark),
            "plugin.yml": "plugin: ansible.builtin.generator\nhosts: {name: h1}\nlayers: {}\n",
            "plugins/evil.py": plugin,
            "filter_plugins/evil.py": plugin,
            "vars_plugins/evil.py": plugin,
            "collections/ansible_collections/a/b/plugins/inventory/c.py": plugin,
            "of_collection.yml": "plugin: a.b.c\n",
            "static.toml": TOML,
            "program.toml": MARK.format(mark=mark),
            "program.yml": MARK.format(mark=mark),
        }
    )
    for name in ("secret.sh", "dynamic", "program.toml", "program.yml"):
        (tmp_path / name).chmod(0o755)


@pytest.mark.usefixtures("hostile")
@pytest.mark.parametrize(
    "source", ["dynamic", "plugin.yml", "of_collection.yml", "program.toml", "program.yml"]
)
def test_no_program_and_no_plugin_runs_by_itself(source: str, mark: Path) -> None:
    with pytest.raises(InventoryError) as caught:
        read_inventory([source])
    (problem,) = caught.value.problems
    assert problem.file == source
    assert "would be run" in problem.message
    assert "--allow-executable-inventory" in problem.hint
    assert "SEGCTL_ALLOW_EXECUTABLE_INVENTORY=1" in problem.hint
    assert not mark.exists()


@pytest.mark.usefixtures("hostile")
def test_data_that_only_ansible_reads_runs_nothing(mark: Path) -> None:
    inventory = read_inventory(["static.toml"])
    assert inventory.host_layer("h1").variables["v"] == 1
    assert not mark.exists()


def test_another_source_does_not_run_beside_data(write: Write, tmp_path: Path, mark: Path) -> None:
    """Ansible reads all sources again: what segctl takes for data, it must not run."""
    write({"hosts.ini": "h2\n", "hosts.toml": TOML})
    text = f"h2\n#!/bin/sh\n#touch {mark}\n"
    (tmp_path / "hosts.ini").write_text(text)
    (tmp_path / "hosts.ini").chmod(0o755)  # as a file system without modes
    assert list(read_inventory(["hosts.ini", "hosts.toml"]).hosts) == ["h2", "h1"]


@pytest.mark.usefixtures("hostile")
def test_what_is_allowed_is_a_source_and_not_the_folder(
    write: Write, tmp_path: Path, mark: Path
) -> None:
    """With programs allowed, an ansible.cfg and plugins of the current folder still do nothing."""
    write({"good": '#!/bin/sh\necho \'{"web": {"hosts": ["h1"]}}\'\n'})
    (tmp_path / "good").chmod(0o755)
    inventory = read_inventory(["good"], allow_programs=True)
    assert list(inventory.hosts) == ["h1"]
    assert not mark.exists()
    read_inventory(["dynamic"], allow_programs=True)
    assert mark.exists()  # what was allowed, is run


def test_a_program_sees_no_secret(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGCTL_PASSWORD", "canary")
    monkeypatch.setenv("GH_TOKEN", "canary")
    monkeypatch.setenv("NETBOX_TOKEN", "passed")
    monkeypatch.setenv("SEGCTL_CHILD_VARIABLES", "NETBOX_TOKEN")
    write({"dynamic": f"#!/bin/sh\nenv > {tmp_path}/seen\necho '{{}}'\n"})
    (tmp_path / "dynamic").chmod(0o755)
    read_inventory(["dynamic"], allow_programs=True)
    seen = (tmp_path / "seen").read_text()
    assert "NETBOX_TOKEN=passed" in seen
    assert "canary" not in seen


@pytest.mark.usefixtures("hostile")
def test_the_settings_that_the_user_names_count(
    tmp_path: Path, mark: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANSIBLE_CONFIG", "ansible.cfg")
    (tmp_path / "dynamic").write_text("#!/bin/sh\necho '{}'\n")
    with pytest.raises(InventoryError):
        read_inventory(["dynamic"])
    assert not mark.exists()
    read_inventory(["static.toml"])
    assert not mark.exists()
    with pytest.raises(InventoryError, match="ansible-inventory failed"):  # the plugin is no plugin
        read_inventory(["dynamic"], allow_programs=True)
    assert mark.exists()


@pytest.mark.usefixtures("hostile")
def test_the_option_and_the_variable(
    mark: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["inventory", "--list", "-i", "dynamic"]
    assert run(words) == 1
    assert "dynamic: is a program" in capsys.readouterr().err
    monkeypatch.setenv("SEGCTL_ALLOW_EXECUTABLE_INVENTORY", "0")
    assert run(words) == 1
    assert not mark.exists()
    capsys.readouterr()
    monkeypatch.setenv("SEGCTL_ALLOW_EXECUTABLE_INVENTORY", "1")
    assert run(words) == 0
    assert json.loads(capsys.readouterr().out)["web"] == {"hosts": ["h1"]}
    mark.unlink()
    monkeypatch.delenv("SEGCTL_ALLOW_EXECUTABLE_INVENTORY")
    assert run([*words, "--allow-executable-inventory"]) == 0
    assert mark.exists()


def test_what_a_program_repeats_of_its_token_is_not_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "dynamic"
    program.write_text('#!/bin/sh\necho "no access with $REALM_TOKEN" >&2\nexit 1\n', "utf-8")
    program.chmod(0o700)
    monkeypatch.setenv("SEGCTL_CHILD_VARIABLES", "REALM_TOKEN")
    monkeypatch.setenv("REALM_TOKEN", "kanarie-4711")
    with pytest.raises(InventoryError, match="ansible-inventory failed") as caught:
        read_inventory([program], allow_programs=True)
    assert "kanarie" not in str(caught.value)
    assert "no access with" in str(caught.value)
