"""Ways through a plant: which firewalls a session crosses, and what each of them decides."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from segctl_mocks.traffic.plant import Rule
from segctl_mocks.traffic.protocols import PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segctl_mocks.traffic.plant import Firewall, Plant

#: Which container of PAN-OS each application belongs to.
_CONTAINERS = {
    function.application: protocol.container
    for protocol in PROTOCOLS.values()
    for function in protocol.functions.values()
} | {
    name: protocol.container
    for protocol in PROTOCOLS.values()
    for name in (*protocol.before, protocol.application)
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """The zones from a client to a server, and the firewall between each and the next."""

    zones: tuple[str, ...]
    firewalls: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a firewall does with a session: the rule, and the application at which it denied it."""

    rule: str
    allow: bool
    log: frozenset[str]
    denied_as: str = ""


def ways(plant: Plant) -> Mapping[tuple[str, str], Way]:
    """Return the shortest way between any two zones that firewalls connect."""
    found: dict[tuple[str, str], Way] = {}
    for start in plant.zones:
        waiting = deque([Way(zones=(start,), firewalls=())])
        found[start, start] = waiting[0]
        while waiting:
            way = waiting.popleft()
            for firewall in plant.firewalls.values():
                if way.zones[-1] not in firewall.zones:
                    continue
                for zone in firewall.zones:
                    if (start, zone) in found:
                        continue
                    further = Way(
                        zones=(*way.zones, zone), firewalls=(*way.firewalls, firewall.name)
                    )
                    found[start, zone] = further
                    waiting.append(further)
    return found


def judge(
    firewall: Firewall,
    zones: tuple[str, str],
    source: str,
    target: str,
    applications: tuple[str, ...],
) -> Verdict:
    """Return what a firewall does with a session on its way through these applications.

    The first packet meets the rules without an application: one that denies some applications
    waits for them. The policy is looked up again at each shift of the application; the first that
    no rule allows ends the session. `zones` are the device's own names.
    """
    found = _match(firewall, zones, source, target, "")
    if not found.allow:
        return Verdict(rule=found.name, allow=False, log=found.log, denied_as="not-applicable")
    for name in applications:
        found = _match(firewall, zones, source, target, name)
        if not found.allow:
            return Verdict(rule=found.name, allow=False, log=found.log, denied_as=name)
    return Verdict(rule=found.name, allow=True, log=found.log)


def _match(
    firewall: Firewall, zones: tuple[str, str], source: str, target: str, application: str
) -> Rule:
    for rule in firewall.rules:
        if rule.sources and zones[0] not in rule.sources:
            continue
        if rule.targets and zones[1] not in rule.targets:
            continue
        if rule.applications and not _speaks(rule, application):
            continue
        if _within(rule.source_networks, source) and _within(rule.target_networks, target):
            return rule
    log = frozenset(("end",)) if firewall.log_defaults else frozenset[str]()
    if firewall.platform == "nftables":  # the policy of a chain knows no zones
        return Rule(name="default", allow=False, log=log)
    inside = zones[0] == zones[1]
    name = "intrazone-default" if inside else "interzone-default"
    return Rule(name=name, allow=inside, log=log)


def _speaks(rule: Rule, application: str) -> bool:
    if not application:
        return rule.allow
    names = rule.applications
    return application in names or _CONTAINERS.get(application, "-") in names


def _within(networks: tuple[str, ...], address: str) -> bool:
    return not networks or _in_one(networks, address)


@lru_cache(maxsize=8192)
def _in_one(networks: tuple[str, ...], address: str) -> bool:
    one = ip_address(address)
    return any(one in ip_network(network) for network in networks)
