"""What a mock is before anybody provisions it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSpec:
    """One host of a fleet: what it is, and what its administrators prepared on it.

    A platform takes from it what its devices have. Of a host of platform ``nftables``, ``config``
    is nft text that others loaded. ``pushed`` are recorded answers about what a manager put on it.
    ``ha_peer`` is the host, later in the fleet, that is the other member of its pair; the two need
    two ``ip_address``es, which they tell as those of their management interfaces.

    ``traffic`` is a traffic file: a firewall of PAN-OS answers from the lines that bear its name.

    A firewall that a Panorama manages names that host in ``panorama`` and its group there in
    ``device_group``; the Panorama has the names of its firewalls in ``manages``.
    """

    platform: str = "panos"
    user: str = "admin"
    password: str = "mock"  # noqa: S105  # of a mock on loopback
    config: bytes | None = None
    pushed: Sequence[bytes] = ()
    vsys: str = "vsys1"
    zones: Mapping[str, Sequence[str]] = field(default_factory=dict[str, tuple[str, ...]])
    profile_groups: Sequence[str] = ()
    log_forwarding: Sequence[str] = ()
    schedules: Sequence[str] = ()
    sw_version: str = "11.1.6"
    content_version: str = "8799-8509"
    serial: str = "007000001222"
    ip_address: str = "127.0.0.1"
    multi_vsys: bool = False
    ha_peer: str = ""
    panorama: str = ""
    device_group: str = ""
    manages: Sequence[str] = ()
    traffic: Path | None = None
    interfaces: Sequence[str] = ()
    sudo: str = "nopasswd"
    nft_version: str = "1.0.6"
    kernel: str = "6.1.0"
