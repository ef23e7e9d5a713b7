"""A firewall that a hosts file declares to be a mock is reached as that entry says, or not."""

from __future__ import annotations

import json
from contextlib import chdir
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from segctl.fleet import target
from segctl.inventory import load
from segctl.inventory.mocked import differing
from segctl.model.errors import InventoryError
from segctl.model.scope import Scope
from segctl.transports.credentials import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from segctl.inventory import Loaded

TODAY = date(2026, 11, 28)
ENTRY: Mapping[str, Any] = {
    "ansible_host": "127.0.0.1",
    "ansible_port": 41443,
    "ansible_user": "segctl",
    "ansible_password": "mock",
    "segctl_ca_file": "/run/mocks/ca.pem",
    "segctl_known_hosts": "/run/mocks/known_hosts",
    "segctl_mock": True,
}
#: What a real firewall's inventory may say of the way to it, and who logs in there.
REAL: Mapping[str, Any] = {
    "ansible_host": "192.0.2.7",
    "ansible_port": 4443,
    "ansible_user": "ops",
    "ansible_password": "of the plant",
    "ansible_ssh_pass": "of the plant, too",
    "ansible_connection": "httpapi",
    "ansible_httpapi_port": 8443,
    "ansible_httpapi_use_ssl": False,
    "ansible_ssh_private_key_file": "/home/ops/.ssh/id_ed25519",
    "segctl_ca_file": "/etc/plant/ca.pem",
    "segctl_known_hosts": "/etc/plant/known_hosts",
    "segctl_ssh_fingerprint": "SHA256:of-the-plant",
    "segctl_tls_fingerprint": "ab" * 32,
    "segctl_tls_verify": False,
}
BASE: Mapping[str, Any] = {"ansible_network_os": "panos", "segctl_timeout": 17}
PLACES = (
    "real/hosts.yml",
    "real/group_vars/all.yml",
    "real/group_vars/plant.yml",
    "real/host_vars/fw1.yml",
    "later/hosts.yml",
    "later/host_vars/fw1.yml",
)


def hosts_file(variables: Mapping[str, Any]) -> str:
    return json.dumps({"all": {"children": {"plant": {"hosts": {"fw1": dict(variables)}}}}})


def write(path: str, text: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text, encoding="utf-8")


def plant(**values: Mapping[str, Any]) -> None:
    """Write an inventory, an overlay and a further source, variables where they are given."""
    found = {place: values.get(place, {}) for place in PLACES}
    write("real/hosts.yml", hosts_file({**BASE, **found.pop("real/hosts.yml")}))
    write("later/hosts.yml", hosts_file(found.pop("later/hosts.yml")))
    for place, variables in found.items():
        write(place, json.dumps(dict(variables)))


def overlay(**changes: Any) -> None:
    entry = {name: value for name, value in {**ENTRY, **changes}.items() if value is not None}
    write("mocks.yml", hosts_file(entry))


def loaded(*sources: str, extra: Sequence[str] = (), limit: str | None = None) -> Loaded:
    return load(list(map(Path, sources)), extra_vars=extra, limit=limit, today=TODAY)


def complaint(*sources: str, extra: Sequence[str] = (), limit: str | None = None) -> str:
    with pytest.raises(InventoryError) as caught:
        loaded(*sources, extra=extra, limit=limit)
    return str(caught.value)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    plant()
    overlay()
    return tmp_path


@settings(max_examples=60, deadline=None)
@given(
    found=st.dictionaries(
        st.sampled_from(PLACES),
        st.lists(st.sampled_from(sorted(REAL)), unique=True).map(
            lambda names: {name: REAL[name] for name in names}
        ),
    ),
    order=st.permutations(["real", "mocks.yml", "later"]),
)
def test_the_entry_of_a_mock_wins_wherever_a_variable_is_set(
    found: dict[str, dict[str, Any]], order: list[str]
) -> None:
    with TemporaryDirectory() as folder, chdir(folder):
        plant(**found)
        overlay()
        connection = loaded(*order).connections["fw1"]
    assert not differing(ENTRY, connection)
    at = target("fw1", connection, Scope(name="vsys1"))
    assert (at.host, at.port, at.user) == ("127.0.0.1", 41443, "segctl")
    assert at.password.reveal() == "mock"
    assert (str(at.ca_file), *map(str, at.known_hosts)) == (
        ENTRY["segctl_ca_file"],
        ENTRY["segctl_known_hosts"],
    )
    assert (at.key_file, at.tls_fingerprint, at.ssh_fingerprint) == (None, "", "")
    assert at.tls_verify
    assert at.timeout == 17


@pytest.mark.parametrize("name", sorted(REAL))
def test_extra_variables_that_contradict_the_entry_are_refused(here: Path, name: str) -> None:
    del here
    extra = [json.dumps({name: REAL[name]})]
    if name == "ansible_ssh_pass":  # it says who logs in, and the entry does not
        assert not differing(ENTRY, loaded("real", "mocks.yml", extra=extra).connections["fw1"])
        return
    text = complaint("real", "mocks.yml", extra=extra)
    assert text.startswith("mocks.yml:1:")
    assert f"fw1: --extra-vars give {name}, which may lead to another firewall" in text
    assert "of the plant" not in text


def test_extra_variables_that_say_the_same_are_no_contradiction(here: Path) -> None:
    del here
    extra = ["ansible_host=127.0.0.1 ansible_port=41443", "segctl_timeout=5"]
    connection = loaded("real", "mocks.yml", extra=extra).connections["fw1"]
    assert str(connection["segctl_timeout"]) == "5"


@pytest.mark.parametrize(
    ("name", "value"), [("segctl_allow_unsupported_version", True), ("segctl_timeout", 5)]
)
def test_what_says_nothing_of_the_way_is_the_inventorys(
    here: Path, name: str, value: object
) -> None:
    del here
    plant(**{"real/host_vars/fw1.yml": {name: value}})
    assert loaded("real", "mocks.yml").connections["fw1"][name] == value
    plant()
    extra = [json.dumps({name: value})]
    assert loaded("real", "mocks.yml", extra=extra).connections["fw1"][name] == value


def test_an_account_that_the_entry_leaves_out_is_the_inventorys(here: Path) -> None:
    del here
    plant(**{"real/host_vars/fw1.yml": REAL})
    overlay(ansible_user=None, ansible_password=None)
    connection = loaded("real", "mocks.yml").connections["fw1"]
    assert connection["ansible_user"] == "ops"
    assert connection["ansible_password"] == Secret("of the plant")
    assert connection["ansible_host"] == "127.0.0.1"


@pytest.mark.parametrize("address", ["192.0.2.7", "fw1.example.net", "0.0.0.0", None])
def test_a_mock_is_on_this_machine(here: Path, address: str | None) -> None:
    del here
    overlay(ansible_host=address)
    assert f"a mock is on this machine, and {address or 'fw1'} is not" in complaint(
        "real", "mocks.yml"
    )


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "localhost", "not-served.invalid"])
def test_addresses_that_lead_to_no_other_machine(here: Path, address: str) -> None:
    del here
    overlay(ansible_host=address)
    assert loaded("real", "mocks.yml").connections["fw1"]["ansible_host"] == address


def test_of_two_entries_the_later_one_counts_whole(here: Path) -> None:
    del here
    other = {"ansible_host": "127.0.0.1", "ansible_port": 5, "segctl_mock": True}
    write("other.yml", hosts_file(other))
    connection = loaded("real", "mocks.yml", "other.yml").connections["fw1"]
    assert connection["ansible_port"] == 5
    assert "segctl_ca_file" not in connection


@pytest.mark.parametrize(
    "place", ["real/group_vars/all.yml", "real/group_vars/plant.yml", "real/host_vars/fw1.yml"]
)
def test_the_key_counts_in_a_hosts_file_only(here: Path, place: str) -> None:
    del here
    plant(**{place: {"segctl_mock": True}})
    text = complaint("real")
    assert text.startswith(f"{place}:1:")
    assert "segctl_mock counts only in a YAML hosts file" in text
    plant()
    assert "counts only in" in complaint("real", extra=['{"segctl_mock": true}'])


@pytest.mark.parametrize("value", [False, "no", None])
def test_a_mock_cannot_be_undone(here: Path, value: object) -> None:
    del here
    plant(**{"real/host_vars/fw1.yml": {"segctl_mock": value, "ansible_host": "192.0.2.7"}})
    assert "real/host_vars/fw1.yml:1:" in complaint("real", "mocks.yml")


def test_an_ini_file_declares_no_mock(here: Path) -> None:
    del here
    write("mocks.ini", "fw1 ansible_host=127.0.0.1 segctl_mock=True\n")
    assert "counts only in a YAML hosts file" in complaint("real", "mocks.ini")


def test_a_firewall_that_is_no_mock_is_not_reached_among_mocks(here: Path) -> None:
    del here
    document = yaml.safe_load(Path("real/hosts.yml").read_text(encoding="utf-8"))
    document["all"]["children"]["plant"]["hosts"]["fw2"] = {**BASE, "ansible_host": "192.0.2.8"}
    write("real/hosts.yml", json.dumps(document))
    text = complaint("real", "mocks.yml")
    assert text.startswith("mocks.yml:1:")
    assert "fw2 is not among the mocks of this file: it would be the real firewall" in text
    chosen = loaded("real", "mocks.yml", limit="fw1")
    assert chosen.hosts == ("fw1",)
    # what asks more firewalls than were chosen does not reach the real one
    assert str(chosen.connections["fw2"]["ansible_host"]).endswith(".invalid")
    assert loaded("real").connections["fw2"]["ansible_host"] == "192.0.2.8"


def test_the_overlay_of_another_plant_does_not_let_this_ones_firewalls_be_reached(
    here: Path,
) -> None:
    del here
    write("mocks.yml", json.dumps({"all": {"hosts": {"gate-of-the-mill": dict(ENTRY)}}}))
    assert "fw1 is not among the mocks of this file" in complaint("real", "mocks.yml")
