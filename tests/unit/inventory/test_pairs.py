"""Pairs in the inventory: two hosts that are one firewall."""

from __future__ import annotations

import pickle
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
import yaml

from segctl.fleet.connections import portable, target, unverified
from segctl.inventory import digest, load
from segctl.inventory.loading import ways_of
from segctl.model.errors import InventoryError, UnsupportedError, UsageError
from segctl.model.policy import DeclaredPolicy
from segctl.model.scope import DEFAULT_SCOPE
from segctl.providers.base import provider
from segctl.transports.credentials import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from segctl.inventory import Loaded

    LoadFiles: TypeAlias = Callable[..., Loaded]
    Write: TypeAlias = Callable[[Mapping[str, str]], None]

TODAY = date(2026, 11, 22)
PEER = {
    "ansible_network_os": "panos",
    "ansible_host": "192.0.2.12",
    "ansible_port": 4443,
    "ansible_user": "second",
    "ansible_password": "other",
}


def files(
    plant: Mapping[str, str], fw1: Mapping[str, Any], **hosts: Mapping[str, Any]
) -> dict[str, str]:
    """Return the plant's files with more variables of fw1, and with more hosts."""
    own = yaml.safe_load(plant["host_vars/fw1.yml"]) | {"ansible_user": "first"} | dict(fw1)
    names = {"fw1": None, **{name.replace("_", "-"): None for name in hosts}}
    found = {
        "hosts.yml": yaml.safe_dump(
            {"all": {"children": {"plant": {"hosts": names}}}}, sort_keys=False
        ),
        "host_vars/fw1.yml": yaml.safe_dump({"ansible_network_os": "panos", **own}),
    }
    for name, values in hosts.items():
        found[f"host_vars/{name.replace('_', '-')}.yml"] = yaml.safe_dump(dict(values))
    return found


@pytest.fixture
def paired(write: Write, plant: Mapping[str, str]) -> Callable[..., Loaded]:
    def loaded(
        fw1: Mapping[str, Any] | None = None, *, limit: str | None = None, **hosts: Any
    ) -> Loaded:
        named = {"segctl_ha_peer": "fw1-b"} if fw1 is None else fw1
        write({**plant, **files(plant, named, **(hosts or {"fw1_b": PEER}))})
        return load([Path("hosts.yml")], limit=limit, today=TODAY)

    return loaded


def test_a_peer_is_reached_in_its_own_way_and_is_no_firewall(paired: LoadFiles) -> None:
    loaded = paired()
    assert [(device.name, device.ha_peer) for device in loaded.site.devices] == [("fw1", "fw1-b")]
    assert set(loaded.connections) == {"fw1"}
    connection = {**loaded.connections["fw1"], "ansible_password": Secret("p")}
    reached = target("fw1", connection, DEFAULT_SCOPE)
    (member,) = reached.members
    way = reached.of(member)
    assert (way.name, way.host, way.port, way.user) == ("fw1-b", "192.0.2.12", 4443, "second")
    assert way.password.reveal() == "other"
    assert way.members == ()


def test_what_travels_has_no_password_of_the_peer(paired: LoadFiles) -> None:
    travelling = pickle.dumps(portable(paired().connections["fw1"]))
    assert b"second" in travelling
    assert b"other" not in travelling


def test_the_peers_identity_is_warned_about_as_well(paired: LoadFiles) -> None:
    loaded = paired(fw1_b=PEER | {"segctl_tls_verify": False})
    (warning,) = unverified("fw1", loaded.connections)
    assert warning.message.startswith("fw1-b: TLS is NOT verified")


def test_the_digest_has_the_peer_and_is_as_before_without(
    paired: LoadFiles, load_files: LoadFiles
) -> None:
    assert digest(paired().site) != digest(load_files({}).site)


def test_a_limit_that_names_the_peer_says_whose_it_is(paired: LoadFiles) -> None:
    with pytest.raises(UsageError, match="selects no firewall: fw1-b is the peer of fw1"):
        paired(limit="fw1-b")


@pytest.mark.parametrize("who", ["fw1", "fw1-b"])
def test_both_may_name_each_other_and_inherit_one_policy(
    who: str, paired: LoadFiles, plant: Mapping[str, str]
) -> None:
    zones = yaml.safe_load(plant["host_vars/fw1.yml"])["segctl_zone_map"]
    peer = PEER | {"segctl_ha_peer": "fw1"}
    loaded = paired(fw1_b=peer | ({"segctl_zone_map": zones} if who == "fw1-b" else {}))
    assert [(device.name, device.ha_peer) for device in loaded.site.devices] == [("fw1", "fw1-b")]


@pytest.mark.parametrize(
    ("fw1", "hosts", "where", "message"),
    [
        ("fw1-c", {"fw1_b": PEER}, "fw1", "there is no host 'fw1-c' (did you mean fw1-b?)"),
        (
            "192.0.2.12",
            {"fw1_b": PEER},
            "fw1",
            "there is no host '192.0.2.12' (add a host with ansible_host: 192.0.2.12",
        ),
        ("fw1", {"fw1_b": PEER}, "fw1", "fw1 is named as its own peer"),
        (
            "fw1-b",
            {"fw1_b": PEER | {"ansible_network_os": "nftables"}},
            "fw1",
            "fw1-b is a firewall of platform nftables, and fw1 of panos",
        ),
        ("fw1-b", {"fw1_b": {}}, "fw1", "fw1-b is not a firewall: it has no ansible_network_os"),
        (
            "fw1-b",
            {"fw1_b": PEER, "fw2": PEER | {"segctl_ha_peer": "fw1-b"}},
            "fw2",
            "fw1-b is already the peer of fw1",
        ),
        (
            "fw1-b",
            {"fw1_b": PEER | {"segctl_ha_peer": "fw2"}, "fw2": PEER},
            "fw1",
            "fw1 names fw1-b as its peer, but fw1-b names fw2",
        ),
        (
            "fw1-b",
            {"fw1_b": PEER | {"segctl_site": "other"}},
            "fw1",
            "fw1-b is of site other, and fw1 of site",
        ),
        (
            "fw1-b",
            {"fw1_b": PEER | {"segctl_zone_map": {"control": {"zone": "X"}}}},
            "fw1-b",
            "host fw1-b is the peer of fw1, and has another segctl_zone_map",
        ),
        (
            "fw1-b",
            {"fw1_b": PEER | {"segctl_vsys": "vsys2"}},
            "fw1-b",
            "host fw1-b is the peer of fw1, and has another segctl_vsys",
        ),
    ],
)
def test_what_is_wrong_is_said_where_it_stands(
    fw1: str, hosts: Mapping[str, Any], where: str, message: str, paired: LoadFiles
) -> None:
    with pytest.raises(InventoryError) as refused:
        paired({"segctl_ha_peer": fw1}, **hosts)
    found = [problem for problem in refused.value.problems if message in str(problem)]
    assert found, str(refused.value)
    assert found[0].file == f"host_vars/{where}.yml"
    assert found[0].line


def test_where_mocks_are_served_the_peer_is_one_as_well(paired: LoadFiles, tmp_path: Path) -> None:
    own: dict[str, Any] = {"ansible_host": "127.0.0.1", "segctl_mock": True}
    overlay = {"all": {"hosts": {"fw1": own}}}
    paired()
    (tmp_path / "mocks.yml").write_text(yaml.safe_dump(overlay), encoding="utf-8")
    with pytest.raises(InventoryError, match="fw1-b is not among the mocks of this file"):
        load([Path("hosts.yml"), Path("mocks.yml")], today=TODAY)
    overlay["all"]["hosts"]["fw1-b"] = own | {"ansible_port": 4444}
    (tmp_path / "mocks.yml").write_text(yaml.safe_dump(overlay), encoding="utf-8")
    loaded = load([Path("hosts.yml"), Path("mocks.yml")], today=TODAY)
    (way,) = ways_of(loaded.connections["fw1"]).values()
    assert (way["ansible_host"], way["ansible_port"]) == ("127.0.0.1", 4444)


def test_a_platform_without_pairs_says_so(paired: LoadFiles) -> None:
    loaded = paired(
        {"segctl_ha_peer": "fw1-b", "ansible_network_os": "nftables"},
        fw1_b=PEER | {"ansible_network_os": "nftables"},
    )
    (device,) = loaded.site.devices
    assert device.platform == "nftables"
    with pytest.raises(UnsupportedError, match="segctl knows no high-availability pairs of"):
        provider("nftables").fit(DeclaredPolicy(), device)
