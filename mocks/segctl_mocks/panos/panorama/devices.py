"""What a Panorama says of the firewalls it manages: connected or not, in sync or not.

Sources: answers recorded of ``show devices all`` (9.1) and ``show devicegroups`` (10.0.9), whose
fields are repeated here; names of the fields about templates from notes measured on 11.x. Their
place in ``show templates`` and ``show template-stack`` is unsure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from segctl_mocks.panos import reports
from segctl_mocks.panos.panorama import groups, orders, templates
from segctl_mocks.panos.panorama.standing import TEMPLATE, Standing

if TYPE_CHECKING:
    from segctl_mocks.panos.mock import PanosMock
    from segctl_mocks.panos.panorama.device import PanoramaDevice

IN_SYNC, OUT_OF_SYNC = "In Sync", "Out of Sync"


def all_of_them(panorama: PanoramaDevice, *, connected: bool) -> str:
    """Write ``show devices all`` or ``show devices connected``."""
    serials = orders.serials(panorama.running)
    rows = [
        _entry(panorama, serial, "", _systems(panorama, serial))
        for serial in serials
        if not connected or panorama.connected(serial) is not None
    ]
    return f"<devices>{''.join(rows)}</devices>"


def of_groups(panorama: PanoramaDevice, wanted: str) -> str:
    """Write ``show devicegroups``; of one group if it is named."""
    rows: list[str] = []
    members = list(groups.members(panorama.running))
    for name in groups.names(panorama.running):
        if wanted not in {"", name}:
            continue
        total = f"<shared-policy-md5sum>{panorama.checksum(name)}</shared-policy-md5sum>"
        systems: dict[str, list[str]] = {}
        for member in members:
            if member.group == name:
                systems.setdefault(member.serial, []).append(member.vsys)
        devices = "".join(
            _of_group(panorama, serial, name, held) for serial, held in systems.items()
        )
        inner = total + (f"<devices>{devices}</devices>" if devices else "")
        rows.append(f"<entry name={quoteattr(name)}>{inner}</entry>")
    return f"<devicegroups>{''.join(rows)}</devicegroups>"


def of_templates(panorama: PanoramaDevice, kind: str, wanted: str) -> str:
    """Write ``show templates`` or ``show template-stack``; of one if it is named."""
    tree = panorama.running
    rows: list[str] = []
    for name in groups.names(tree, kind):
        if wanted not in {"", name}:
            continue
        held = [each for each in orders.serials(tree) if orders.holds(tree, kind, name, each)]
        devices = "".join(
            _entry(panorama, serial, _template_state(panorama, serial), "") for serial in held
        )
        rows.append(f"<entry name={quoteattr(name)}><devices>{devices}</devices></entry>")
    tag = "templates" if kind == templates.TEMPLATE else kind
    return f"<{tag}>{''.join(rows)}</{tag}>"


# -- states -----------------------------------------------------------------------------------


def _held(panorama: PanoramaDevice, serial: str, system: str) -> str:
    """Return the sum a firewall reports; the last one that is known while it is away."""
    standing = panorama.standings.of(serial, system)
    firewall = panorama.connected(serial)
    if firewall is not None:
        with firewall.device.lock:
            firewall.device.settle()
            standing.checksum = firewall.device.pushed.stamps.get(system, "")
    return standing.checksum


def _policy_state(panorama: PanoramaDevice, serial: str, vsys: str, group: str) -> str:
    held = _held(panorama, serial, vsys)
    if not group:
        return ""
    return IN_SYNC if held and held == panorama.checksum(group) else OUT_OF_SYNC


def _template_state(panorama: PanoramaDevice, serial: str) -> str:
    found = templates.holder(panorama.running, serial)
    held = _held(panorama, serial, TEMPLATE)
    same = found is not None and held == templates.checksum(panorama.running, *found, serial)
    standing = panorama.standings.of(serial, TEMPLATE)
    return (
        f"<template-status>{IN_SYNC if same else OUT_OF_SYNC}</template-status>"
        f"{_last(standing, 'tpl')}"
    )


def _last(standing: Standing, suffix: str) -> str:
    return (
        f"<last-commit-all-state-{suffix}>{standing.state}</last-commit-all-state-{suffix}>"
        f"<last-validate-all-state-{suffix}>{standing.validated}"
        f"</last-validate-all-state-{suffix}>"
        f"<last-commit-all-upd-{suffix}>{standing.time}</last-commit-all-upd-{suffix}>"
        f"<last-validate-all-upd-{suffix}>{standing.validated_at}"
        f"</last-validate-all-upd-{suffix}>"
    )


def _policy(panorama: PanoramaDevice, serial: str, vsys: str, group: str) -> str:
    status = _policy_state(panorama, serial, vsys, group)
    standing = panorama.standings.of(serial, vsys)
    return (
        f"<shared-policy-status>{status}</shared-policy-status>"
        f"<shared-policy-md5sum>{standing.checksum}</shared-policy-md5sum>"
        f"<shared-policy-version>{standing.version}</shared-policy-version>"
    )


def _of_group(panorama: PanoramaDevice, serial: str, group: str, systems: list[str]) -> str:
    firewall = panorama.firewalls.get(serial)
    if firewall is None or not firewall.settings.multi_vsys:
        last = _last(panorama.standings.of(serial, systems[0]), "sp")
        return _entry(panorama, serial, last + _policy(panorama, serial, systems[0], group), "")
    rows = "".join(
        _system(
            firewall,
            vsys,
            _last(panorama.standings.of(serial, vsys), "sp")
            + _policy(panorama, serial, vsys, group),
        )
        for vsys in systems
    )
    return _entry(panorama, serial, "", rows)


def _systems(panorama: PanoramaDevice, serial: str) -> str:
    firewall = panorama.firewalls.get(serial)
    if firewall is None:
        return ""
    held = {
        member.vsys: member.group
        for member in groups.members(panorama.running)
        if member.serial == serial
    }
    return "".join(
        _system(firewall, vsys, _policy(panorama, serial, vsys, held.get(vsys, "")))
        for vsys in firewall.device.systems()
    )


def _system(firewall: PanosMock, vsys: str, state: str) -> str:
    shown = firewall.device.systems().get(vsys) or vsys
    return (
        f"<entry name={quoteattr(vsys)}><display-name>{escape(shown)}</display-name>{state}</entry>"
    )


# -- a device ---------------------------------------------------------------------------------


def _entry(panorama: PanoramaDevice, serial: str, states: str, systems: str) -> str:
    """Write one device; `states` stand where single devices have theirs, `systems` in ``vsys``."""
    firewall = panorama.firewalls.get(serial)
    there = panorama.connected(serial) is not None
    head = f"<serial>{escape(serial)}</serial><connected>{'yes' if there else 'no'}</connected>"
    if firewall is None:
        inner = f"{head}<deactivated>no</deactivated>{states}<vsys></vsys>"
        return f"<entry name={quoteattr(serial)}>{inner}</entry>"
    theirs, ours = firewall.settings.release[:2], panorama.settings.release[:2]
    head += f"<unsupported-version>{'yes' if theirs > ours else 'no'}</unsupported-version>"
    head += f"<wildfire-rt>no</wildfire-rt><deactivated>no</deactivated>{states}"
    multi = "yes" if firewall.settings.multi_vsys else "no"
    tail = (
        f"{_ha(panorama, firewall)}<multi-vsys>{multi}</multi-vsys><vsys>{systems}</vsys>"
        "<last-masterkey-push-status>Unknown</last-masterkey-push-status>"
        "<last-masterkey-push-timestamp></last-masterkey-push-timestamp>"
        "<express-mode>no</express-mode><device-cert-present></device-cert-present>"
        "<device-cert-expiry-date>N/A</device-cert-expiry-date>"
    )
    return f"<entry name={quoteattr(serial)}>{head}{_values(firewall)}{tail}</entry>"


def _values(firewall: PanosMock) -> str:
    settings, device = firewall.settings, firewall.device
    content = device.settings.content_version  # it may have been updated
    values = {
        "hostname": settings.hostname,
        "ip-address": settings.ip_address,
        "ipv6-address": "unknown",
        "mac-addr": "",
        "uptime": reports.uptime(device.clock() - device.booted),
        "family": "vm",
        "model": settings.model,
        "sw-version": settings.sw_version,
        "app-version": content,
        "av-version": "0",
        "device-dictionary-version": "1-211",
        "wildfire-version": "0",
        "threat-version": content,
        "url-db": "paloaltonetworks",
        "url-filtering-version": "0000.00.00.000",
        "logdb-version": "11.1.2",
        "vpnclient-package-version": "",
        "global-protect-client-package-version": "0.0.0",
        "domain": "",
        "slot-count": "0",
        "type": "",
        "tag": "",
        "vpn-disable-mode": "no",
        "operational-mode": "normal",
        "certificate-status": "",
        "certificate-subject-name": " ",
        "certificate-expiry": " ",
        "connected-at": " ",
        "custom-certificate-usage": " ",
    }
    return reports.elements(values)


def _ha(panorama: PanoramaDevice, firewall: PanosMock) -> str:
    """Write the state of a pair's member, and who the other is (notes measured on 11.x)."""
    state, peer = firewall.settings.ha, panorama.peers.get(firewall.settings.serial, "")
    if not state:
        return ""
    other = f"<peer><serial>{escape(peer)}</serial></peer>" if peer else ""
    return f"<ha><state>{state}</state>{other}</ha>"
