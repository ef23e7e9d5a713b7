"""High-availability pairs: two hosts that are one firewall, and which of them has its name.

The host that names its peer in `segctl_ha_peer` is the firewall. The peer is reached by connection
variables of its own and has no policy of its own. Where both name each other, the one with a zone
map is the firewall, and if both have the same, the one that the inventory has first.
"""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

from segctl.model.errors import nearest

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence

    from segctl.inventory.check import Checker, Node

PEER: Final = "segctl_ha_peer"
#: Variables that say what a firewall's policy is: a peer has none, or the same.
_POLICY: Final = (
    "segctl_zone_map",
    "segctl_position",
    "segctl_unmanaged",
    "segctl_vsys",
    "segctl_device_group",
    "segctl_manage_zones",
    "segctl_default_rules",
    "segctl_unknown_applications",
    "segctl_threat_profiles",
    "segctl_log_forwarding",
    "segctl_schedules",
    "segctl_containment",
)


class Candidate(Protocol):
    """A host that is a firewall, with its segctl variables checked."""

    @property
    def name(self) -> str:
        """Its name in the inventory."""
        ...

    @property
    def platform(self) -> str:
        """Its platform."""
        ...

    @property
    def site(self) -> str:
        """The site it is of."""
        ...

    @property
    def nodes(self) -> Mapping[str, Node]:
        """Its variables, where they stand."""
        ...

    @property
    def found(self) -> Mapping[str, object]:
        """The values of its variables."""
        ...


def peers(
    checker: Checker, firewalls: Sequence[Candidate], hosts: Container[str]
) -> dict[str, str]:
    """Return the peer of each firewall that has one; what is wrong is reported and left out.

    Args:
        checker: takes the problems.
        firewalls: all hosts that are firewalls, in the inventory's order.
        hosts: the names of all hosts.
    """
    by_name = {one.name: one for one in firewalls}
    rank = {name: index for index, name in enumerate(by_name)}
    found: dict[str, str] = {}
    owners: dict[str, str] = {}
    for one in firewalls:
        peer = one.found.get(PEER)
        if not isinstance(peer, str):
            continue
        node = one.nodes[PEER]
        if wrong := _wrong(one, peer, by_name, hosts):
            checker.report(node, *wrong)
        elif _is_owner(one, by_name[peer], rank):
            if peer in owners:
                checker.report(
                    node,
                    f"{peer} is already the peer of {owners[peer]}",
                    "a firewall has one peer: correct one of the two; virtual systems of one pair "
                    "name a host each, at the same address",
                )
            elif not _report_own_policy(checker, one, by_name[peer]):
                found[one.name] = peer
                owners[peer] = one.name
    return found


def _wrong(
    one: Candidate, peer: str, by_name: Mapping[str, Candidate], hosts: Container[str]
) -> tuple[str, str] | None:
    """Return what is wrong with a peer's name, and what to do."""
    if peer == one.name:
        return f"{peer} is named as its own peer", "name the other firewall of the pair"
    if peer not in hosts:
        return f"there is no host {peer!r}", _hint(one.name, peer, by_name)
    other = by_name.get(peer)
    if other is None:
        return (
            f"{peer} is not a firewall: it has no ansible_network_os that segctl knows",
            f"give it that of {one.name}",
        )
    if other.platform != one.platform:
        return (
            f"{peer} is a firewall of platform {other.platform}, and {one.name} of {one.platform}",
            "the members of a pair are of one platform",
        )
    theirs = other.found.get(PEER)
    if theirs is not None and theirs != one.name:
        return (
            f"{one.name} names {peer} as its peer, but {peer} names {theirs}",
            f"at {other.nodes[PEER].source}: correct one of the two",
        )
    if other.site != one.site:
        return (
            f"{peer} is of site {other.site}, and {one.name} of {one.site}",
            "the members of a pair are of one site",
        )
    return None


def _hint(own: str, peer: str, by_name: Mapping[str, Candidate]) -> str:
    with suppress(ValueError):
        ipaddress.ip_address(peer)
        return f"add a host with ansible_host: {peer} to the inventory, and name that host here"
    names = [name for name in by_name if name != own]
    return nearest(peer, names, "add the peer to the inventory, with its ansible_host")


def _is_owner(one: Candidate, other: Candidate, rank: Mapping[str, int]) -> bool:
    """Whether of two hosts the first has the firewall's name."""
    if PEER not in other.found:
        return True
    maps = ["segctl_zone_map" in each.found for each in (one, other)]
    if maps[0] != maps[1]:
        return maps[0]
    return rank[one.name] < rank[other.name]


def _report_own_policy(checker: Checker, one: Candidate, peer: Candidate) -> bool:
    """Report what a peer has of a policy of its own; return whether there is anything."""
    differing = list(_differing(one, peer))
    for name in differing:
        checker.report_key(
            peer.nodes[name],
            f"host {peer.name} is the peer of {one.name}, and has another {name}",
            f"a pair has one policy, that of {one.name}: drop this",
        )
    return bool(differing)


def _differing(one: Candidate, peer: Candidate) -> Iterator[str]:
    for name in _POLICY:
        if name in peer.found and peer.found[name] != one.found.get(name):
            yield name
