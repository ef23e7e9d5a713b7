"""Packets that try the borders of policies."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from random import Random
from typing import TYPE_CHECKING

from segctl.analysis.decide import Packet
from segctl.model.policy import ANY, ApplicationGroup, Service, resolver

if TYPE_CHECKING:
    from collections.abc import Iterable

    from segctl.model.policy import Policy
    from segctl.model.site import Host


def packets(*policies: Policy, seed: int, count: int = 300) -> list[Packet]:
    """Return packets at and next to the borders that the policies' rules and objects draw."""
    hosts: set[Host] = {ip_address("192.0.2.1"), ip_address("2001:db8::1")}
    ports, zones, applications, users = {1}, {"elsewhere"}, {"unknown-tcp"}, {"plant\\nobody"}
    for policy in policies:
        resolve = resolver(policy)
        for rule in policy.rules:
            zones.update(rule.from_zones, rule.to_zones)
            applications.update(rule.applications)
            users.update(rule.users)
            for version, first, last in (*resolve(rule.sources), *resolve(rule.destinations)):
                hosts.update(_around(version, first, last))
        for group in policy[ApplicationGroup]:
            applications.update(group.members)
        for service in policy[Service]:
            for part in service.ports.split(","):
                low, _, high = part.partition("-")
                ports.update((int(low), int(high or low), int(high or low) + 1))
    pick = Random(seed)  # noqa: S311 - a packet is no secret
    versions = {
        version: sorted(host for host in hosts if host.version == version) for version in (4, 6)
    }
    result: list[Packet] = []
    for _ in range(count):
        host = versions[pick.choice((4, 4, 6))]
        result.append(
            Packet(
                from_zone=pick.choice(sorted(zones - {ANY})),
                to_zone=pick.choice(sorted(zones - {ANY})),
                source=pick.choice(host),
                destination=pick.choice(host),
                protocol=pick.choice(("tcp", "udp")),
                port=pick.choice(sorted(ports)),
                application=pick.choice(sorted(applications - {ANY})),
                user=pick.choice(sorted(users - {ANY})),
                default_port=pick.random() < 0.5,
            )
        )
    return [*result, *_aimed(policies, pick)]


def _aimed(policies: Iterable[Policy], pick: Random) -> Iterable[Packet]:
    """Yield packets that meet each rule."""
    for policy in policies:
        resolve = resolver(policy)
        services = {service.name: service for service in policy[Service]}
        groups = {group.name: group.members for group in policy[ApplicationGroup]}
        for rule in policy.rules:
            for source in resolve(rule.sources):
                for target in resolve(rule.destinations):
                    if source[0] != target[0]:
                        continue
                    service = services.get(pick.choice(rule.services))
                    application = pick.choice(rule.applications or (ANY,))
                    yield Packet(
                        from_zone=pick.choice(rule.from_zones),
                        to_zone=pick.choice(rule.to_zones),
                        source=_host(source[0], pick.choice(source[1:])),
                        destination=_host(target[0], pick.choice(target[1:])),
                        protocol=service.protocol if service else "tcp",
                        port=int(re.split("[,-]", service.ports)[0]) if service else 1,
                        application=pick.choice(groups.get(application, (application,))),
                        user=pick.choice(rule.users),
                    )


def _around(version: int, first: int, last: int) -> Iterable[Host]:
    highest = 2**32 - 1 if version == 4 else 2**128 - 1
    for number in (first - 1, first, last, last + 1):
        if 0 <= number <= highest:
            yield _host(version, number)


def _host(version: int, number: int) -> Host:
    return IPv4Address(number) if version == 4 else IPv6Address(number)
