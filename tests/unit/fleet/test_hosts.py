"""Which hosts of the inventory are one device."""

from __future__ import annotations

import pytest

from segctl.fleet.hosts import by_device
from segctl.transports.credentials import Secret

HOSTS = [("fw1", "panos"), ("fw2", "panos"), ("fw3", "panos")]


@pytest.mark.parametrize(
    ("connections", "devices"),
    [
        ({}, [("fw1",), ("fw2",), ("fw3",)]),
        (
            {"fw1": {"ansible_host": "192.0.2.1"}, "fw3": {"ansible_host": Secret("192.0.2.1")}},
            [("fw1", "fw3"), ("fw2",)],
        ),
        (
            {
                "fw1": {"ansible_host": "192.0.2.1"},
                "fw2": {"ansible_host": "192.0.2.1", "ansible_port": 443},
                "fw3": {"ansible_host": "192.0.2.1", "ansible_port": 8443},
            },
            [("fw1", "fw2"), ("fw3",)],
        ),
        ({"fw2": {"ansible_host": "FW1."}}, [("fw1", "fw2"), ("fw3",)]),
        (
            {
                "fw1": {"ansible_host": "192.0.2.1"},
                "fw2": {"ansible_host": "192.0.2.2"},
                "fw3": {
                    "ansible_host": "192.0.2.1",
                    "segctl_members": {"fw3-b": {"ansible_host": "192.0.2.2"}},
                },
            },
            [("fw1", "fw2", "fw3")],
        ),
        (
            {
                "fw1": {"ansible_host": "192.0.2.1", "segctl_members": {"fw1-b": "192.0.2.2"}},
                "fw2": {"ansible_host": "192.0.2.2"},
            },
            [("fw1", "fw2"), ("fw3",)],
        ),
    ],
)
def test_hosts_at_one_address_and_port_are_one_device(
    connections: dict[str, dict[str, object]], devices: list[tuple[str, ...]]
) -> None:
    assert by_device(HOSTS, connections) == devices


def test_a_platform_that_joins_no_hosts_leaves_each_alone() -> None:
    same = {name: {"ansible_host": "192.0.2.1"} for name in ("fw1", "fw2", "fw3")}
    hosts = [("fw1", "nftables"), ("fw2", "panorama"), ("fw3", "nonsense"), ("fw4", "nftables")]
    assert by_device(hosts, {**same, "fw4": same["fw1"]}) == [
        ("fw1",),
        ("fw2",),
        ("fw3",),
        ("fw4",),
    ]
