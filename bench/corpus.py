"""Configurations of any size: what firewalls hold, as XML and as policies."""

from __future__ import annotations

import ipaddress
import random
import re
from dataclasses import replace
from datetime import date
from ipaddress import ip_network
from typing import TYPE_CHECKING

from lxml import etree

from segctl.compiler.build import Desired, compile_site
from segctl.model.policy import (
    Address,
    AddressGroup,
    DeclaredPolicy,
    DeclaredRule,
    Rule,
    Service,
)
from segctl.model.site import (
    Asset,
    Conduit,
    Device,
    Endpoint,
    Flow,
    PortRange,
    Position,
    Site,
    Zone,
    ZoneBinding,
)
from segctl.providers.panos import elements
from segctl.providers.panos.fit import fit
from segctl.providers.panos.location import Location
from segctl_mocks.panos.baseline import factory

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from segctl.model.policy import Item

ZONES = tuple(f"zone-{number:02}" for number in range(40))
APPLICATIONS = ("modbus-read-holding-registers", "dnp3-read", "ssl", "ssh", "ntp-base")
CONTAINERS = Location(name="vsys1").containers
_NETWORK = int(ipaddress.ip_address("10.0.0.0"))


def with_entries(parts: dict[str, Iterable[str]]) -> bytes:
    """Return a factory configuration whose vsys1 holds these entries, by container path."""
    root = etree.fromstring(factory("bench", "11.1.6", ("admin",)))
    vsys = root.find("devices/entry/vsys/entry")
    assert vsys is not None
    for path, entries in parts.items():
        node = vsys
        for tag in path.split("/"):
            found = node.find(tag)
            node = etree.SubElement(node, tag) if found is None else found
        node.extend(etree.fromstring(f"<x>{''.join(entries)}</x>"))
    return etree.tostring(root)


# --- a grown firewall ----------------------------------------------------------------------------


def grown(rules: int) -> bytes:
    """Return a firewall with `rules` rules, twice as many addresses, half as many groups.

    Every second rule and object carries segctl's mark; the others are an administrator's, with
    every field that the web interface writes.
    """
    return with_entries(
        {
            "zone": (
                f'<entry name="{zone}"><network><layer3/></network></entry>' for zone in ZONES
            ),
            "tag": ['<entry name="segctl"/>', '<entry name="legacy"/>'],
            "address": (_address(n) for n in range(2 * rules)),
            "address-group": (_group(n, 2 * rules) for n in range(rules // 2)),
            "service": (_service(n) for n in range(rules // 4)),
            "rulebase/security/rules": _rules(rules),
        }
    )


def _tag(number: int) -> str:
    return f"<tag><member>{'segctl' if number % 2 else 'legacy'}</member></tag>"


def _address(number: int) -> str:
    address = ipaddress.ip_address(_NETWORK + number)
    return (
        f'<entry name="host-{number:06}"><ip-netmask>{address}</ip-netmask>'
        f"<description>asset {number} of the plant</description>{_tag(number)}</entry>"
    )


def _group(number: int, addresses: int) -> str:
    members = "".join(
        f"<member>host-{(number * 4 + step) % addresses:06}</member>" for step in range(6)
    )
    return f'<entry name="group-{number:06}"><static>{members}</static>{_tag(number)}</entry>'


def _service(number: int) -> str:
    return (
        f'<entry name="port-{number:06}"><protocol><tcp><port>{1024 + number % 60000}</port>'
        f"<override><no/></override></tcp></protocol>{_tag(number)}</entry>"
    )


def _rules(count: int) -> Iterator[str]:
    pick = random.Random(62443)
    groups, services = max(1, count // 2), max(1, count // 4)
    for number in range(count):
        text = f"flow {number} of the process network, agreed with operations"
        if number % 2:
            text = f"[segctl conduit=conduit-{number // 8} flow=flow-{number}] {text}"
        lists = {
            "to": [pick.choice(ZONES)],
            "from": [pick.choice(ZONES)],
            "source": [f"host-{pick.randrange(2 * count):06}", f"group-{number % groups:06}"],
            "destination": [f"host-{pick.randrange(2 * count):06}" for _ in range(2)],
            "source-user": ["any"],
            "category": ["any"],
            "application": [pick.choice(APPLICATIONS)],
            "service": [f"port-{number % services:06}"],
            "source-hip": ["any"],
            "destination-hip": ["any"],
            "tag": ["segctl" if number % 2 else "legacy"],
        }
        fields = "".join(
            f"<{tag}>{''.join(f'<member>{text}</member>' for text in found)}</{tag}>"
            for tag, found in lists.items()
        )
        uuid = f"{pick.getrandbits(128):032x}"
        yield (
            f'<entry name="rule-{number:06}" uuid="{uuid}">{fields}<action>allow</action>'
            "<log-start>no</log-start><log-end>yes</log-end><disabled>no</disabled>"
            "<profile-setting><group><member>default</member></group></profile-setting>"
            f"<rule-type>universal</rule-type><description>{text}</description></entry>"
        )


# --- a firewall that is ours ---------------------------------------------------------------------


def desired(rules: int) -> Desired:
    """Return what one firewall should hold: `rules` rules and twice as many objects."""
    addresses, groups, services = rules * 14 // 10, rules * 4 // 10, rules * 2 // 10
    zones = tuple(ZoneBinding(zone=f"plant/{zone}", name=zone) for zone in ZONES)
    policy = DeclaredPolicy(
        addresses=tuple(
            Address(name=f"host-{n:06}", value=str(ipaddress.ip_address(_NETWORK + n)))
            for n in range(addresses)
        ),
        address_groups=tuple(
            AddressGroup(
                name=f"group-{n:06}",
                members=tuple(f"host-{m:06}" for m in sorted({n % addresses, n * 3 % addresses})),
            )
            for n in range(groups)
        ),
        services=tuple(
            Service(name=f"port-{n:06}", protocol="tcp", ports=str(1024 + n % 60000))
            for n in range(services)
        ),
        rules=tuple(_rule(n, addresses, groups, services) for n in range(rules)),
    )
    device = Device(name="fw1", platform="panos", zones=zones, position=Position())
    return Desired(device=device, policy=policy)


def _rule(number: int, addresses: int, groups: int, services: int) -> DeclaredRule:
    return DeclaredRule(
        name=f"rule-{number:06}",
        from_zones=(ZONES[number % len(ZONES)],),
        to_zones=(ZONES[number * 7 % len(ZONES)],),
        sources=(f"host-{number % addresses:06}",),
        destinations=(f"group-{number % groups:06}",) if groups else ("any",),
        applications=(APPLICATIONS[number % len(APPLICATIONS)],),
        services=(f"port-{number % services:06}",) if services else ("application-default",),
        conduit=f"conduit-{number // 4}",
        flow=f"flow-{number}",
        description=f"flow {number}",
    )


def held(wanted: Desired, rules: Iterable[Rule] | None = None) -> bytes:
    """Return the configuration of a firewall that holds `wanted` as segctl writes it.

    Args:
        wanted: what it holds.
        rules: its fitted rules in another order, or other rules.
    """
    fitted, _ = fit(wanted.policy, wanted.device)
    entries: dict[str, Iterable[str]] = {
        CONTAINERS[kind]: [_text(item) for item in items]
        for kind, items in fitted.objects()
        if kind in CONTAINERS
    }
    entries["zone"] = [
        f'<entry name="{zone}"><network><layer3/></network></entry>' for zone in ZONES
    ]
    entries[CONTAINERS["rule"]] = [_text(rule) for rule in (rules or fitted.rules)]
    return with_entries({path: found for path, found in entries.items() if found})


def _text(item: Item) -> str:
    return etree.tostring(elements.write(item), encoding="unicode")


# --- a fleet -------------------------------------------------------------------------------------


def shared_by(ours: int, others: int, mark: str) -> tuple[Desired, bytes]:
    """Return what a firewall of a fleet should hold, and one that does beside rules of others.

    The rules of others lie between zones that are none of ours. `mark` stands once among them, in
    a description.
    """
    wanted = desired(ours)
    fitted, _ = fit(wanted.policy, wanted.device)
    entries: dict[str, list[str]] = {
        CONTAINERS[kind]: [_text(item) for item in items]
        for kind, items in fitted.objects()
        if kind in CONTAINERS
    }
    rules = CONTAINERS["rule"]
    entries[rules] = [
        *(rule.replace("zone-", "office-") for rule in _foreign(_rules(others))),
        *(_text(rule) for rule in fitted.rules),
    ]
    entries["address"] += _foreign(_address(n) for n in range(2 * others))
    entries["address-group"] += _foreign(_group(n, 2 * others) for n in range(others // 2))
    entries["service"] += _foreign(_service(n) for n in range(others // 4))
    entries["tag"].append(f'<entry name="legacy"><comments>{mark}</comments></entry>')
    entries["zone"] = [
        f'<entry name="{zone}"><network><layer3/></network></entry>'
        for zone in (*ZONES, *(zone.replace("zone-", "office-") for zone in ZONES))
    ]
    return wanted, with_entries(dict(entries))


def _foreign(entries: Iterable[str]) -> list[str]:
    """Return entries as an administrator made them: other names, no mark of ours."""
    names = re.compile(r"\b(host|group|port|rule)-(\d{6})")
    return [
        names.sub(r"o-\1-\2", entry).replace(">segctl<", ">legacy<").replace("[segctl ", "[by ")
        for entry in entries
    ]


# --- a firewall of many zones --------------------------------------------------------------------


def manufactory(rules: int) -> Site:
    """Return a site of one firewall: `rules` conduits of one flow, a zone for each twenty.

    One campus network holds the networks of all zones.
    """
    count = max(4, rules // 20)
    zones = [Zone(site="plant", id="campus", networks=(ip_network("10.0.0.0/8"),))]
    for number in range(count):
        first = _NETWORK + (number << 10)
        zones.append(
            Zone(
                site="plant",
                id=f"cell-{number:04}",
                networks=(ip_network((first, 24)),),
                assets=tuple(
                    Asset(name=f"host{step}", addresses=(ip_network(first + 10 + step),))
                    for step in range(8)
                ),
            )
        )
    cells = zones[1:]
    conduits = tuple(
        _between(number, cells[number % count], cells[(number + 1 + number // 3 % 3) % count])
        for number in range(rules)
    )
    bindings = tuple(
        ZoneBinding(zone=zone.key, name=zone.id, interfaces=(f"ethernet1/{port}",))
        for port, zone in enumerate(zones, 1)
    )
    device = Device(name="fw1", platform="panos", zones=bindings, default_rules="leave")
    return Site(zones=tuple(zones), conduits=conduits, devices=(device,))


def _between(number: int, source: Zone, target: Zone) -> Conduit:
    ends = (source.assets[number % 8], target.assets[number % 7])
    port = 1024 + number % 40
    return Conduit(
        site="plant",
        id=f"conduit-{number:06}",
        from_zones=(source.key,),
        to_zones=(target.key,),
        reason=f"traffic {number} of the process",
        owner="automation",
        flows=(
            Flow(
                id="traffic",
                sources=(Endpoint(zone=source.key, asset=ends[0].name),) if number % 5 else (),
                destinations=(Endpoint(zone=target.key, asset=ends[1].name),),
                services=(PortRange(protocol="tcp", first=port, last=port),),
            ),
        ),
    )


def inhabited(site: Site, others: int) -> bytes:
    """Return the configuration of the site's firewall, beside rules of others between its zones.

    Rules of others name hosts of the zones, hosts that the inventory does not have, and networks.
    """
    (device,) = site.devices
    wanted = compile_site(site, date(2027, 1, 1))["fw1"]
    fitted, _ = fit(wanted.policy, device)
    entries: dict[str, list[str]] = {
        CONTAINERS[kind]: [_text(item) for item in items]
        for kind, items in fitted.objects()
        if kind in CONTAINERS
    }
    entries["zone"] = [
        f'<entry name="{binding.name}"><network><layer3>'
        + "".join(f"<member>{port}</member>" for port in binding.interfaces)
        + "</layer3></network></entry>"
        for binding in device.zones
    ]
    cells = [zone for zone in site.zones if zone.assets]
    foreign = [_text(_foreign_rule(number, cells)) for number in range(others)]
    entries[CONTAINERS["rule"]] = [*foreign, *(_text(rule) for rule in fitted.rules)]
    return with_entries({path: found for path, found in entries.items() if found})


def revised(site: Site) -> Desired:
    """Return what the site's firewall should hold after a review of all it permits.

    Of every four rules two have other services, one is replaced by another, and one stays.
    """
    wanted = compile_site(site, date(2027, 1, 1))["fw1"]
    service = Service(name="segctl-tcp-9", protocol="tcp", ports="9")
    rules: list[DeclaredRule] = []
    for number, rule in enumerate(wanted.policy.rules):
        if number % 4 < 2:
            changed = replace(
                rule, services=(*rule.services, "segctl-tcp-9"), applications=("ssl",)
            )
            rules.append(changed)
        elif number % 4 == 2:
            rules.append(
                replace(rule, name=f"{rule.name}-2", flow="other", destinations=rule.sources)
            )
        else:
            rules.append(rule)
    services = (*wanted.policy[Service], service)
    return replace(wanted, policy=wanted.policy.replace(rules=tuple(rules), services=services))


def _foreign_rule(number: int, cells: Sequence[Zone]) -> Rule:
    source, target = cells[number % len(cells)], cells[(number * 3 + 1) % len(cells)]
    network = target.networks[0].network_address
    return Rule(
        name=f"legacy-{number:06}",
        from_zones=(source.id,),
        to_zones=(target.id,),
        sources=(str(source.networks[0].network_address + 10 + number % 200),),
        destinations=(str(network + 128) + "/26" if number % 4 == 0 else str(network + 12),),
        applications=(APPLICATIONS[number % len(APPLICATIONS)],),
        services=("application-default",),
        description=f"rule {number} of somebody else",
    )
