"""What a Panorama says of the rules of a group: how often each firewall that has them met them.

Sources: vendor's operational schema for the command; clients in the wild for the answer (an entry
``GROUP/SERIAL/vsysN`` under ``device-vsys`` of each rule, under ``rule-base``); pan-os-python's
issue 598 (a rule itself has no ``hit-count``). Firewalls that are away tell nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

from segctl_mocks.panos import reports
from segctl_mocks.panos.panorama import groups
from segctl_mocks.panos.references import SHARED
from segctl_mocks.panos.tree import text_of

if TYPE_CHECKING:
    from segctl_mocks.panos.panorama.device import PanoramaDevice
    from segctl_mocks.panos.tree import Element, Path

_BASES = ("pre-rulebase", "post-rulebase", "default-rulebase")
_DEFAULTS = ("intrazone-default", "interzone-default")
_SHARED = "shared"


def hit_count(panorama: PanoramaDevice, command: Element) -> str:
    """Write ``show rule-hit-count`` of shared or of device groups."""
    parts: list[str] = []
    shared = command.find(_SHARED)
    if shared is not None:
        parts.append(f"<shared>{_bases(panorama, shared, '')}</shared>")
    rows = [
        f"<entry name={quoteattr(entry.get('name') or '')}>"
        f"{_bases(panorama, entry, entry.get('name') or '')}</entry>"
        for entry in command.iterfind("device-group/entry")
    ]
    parts += [f"<device-group>{''.join(rows)}</device-group>"] if rows else []
    return f"<rule-hit-count>{''.join(parts)}</rule-hit-count>"


def _bases(panorama: PanoramaDevice, node: Element, group: str) -> str:
    found: list[str] = []
    for base in _BASES:
        for kind in node.iterfind(f"{base}/entry"):
            rules = "".join(
                _rule(panorama, name, uuid, group)
                for name, uuid in _wanted(panorama, kind, group, base)
            )
            name = quoteattr(kind.get("name") or "")
            found.append(f"<entry name={name}><rules>{rules}</rules></entry>")
    return f"<rule-base>{''.join(found)}</rule-base>"


def _wanted(
    panorama: PanoramaDevice, kind: Element, group: str, base: str
) -> list[tuple[str, str]]:
    """Return the names and uuids of the rules that a command names, or of all."""
    if base == "default-rulebase":
        known = [(name, "") for name in _DEFAULTS]
    else:
        scope: Path = groups.place(groups.GROUP, group) if group else SHARED
        style = kind.get("name") or "security"
        container = panorama.running.at((*scope, (base, ""), (style, ""), ("rules", "")))
        rules = [] if container is None else list(container)
        known = [(rule.get("name") or "", rule.get("uuid") or "") for rule in rules]
    if kind.find("rules/all") is not None:
        return known
    named = [text_of(member) for member in kind.iterfind("rules/list/member")]
    named += [entry.get("name") or "" for entry in kind.iterfind("rules/rule-name/entry")]
    return [rule for rule in known if rule[0] in named]


def _rule(panorama: PanoramaDevice, name: str, uuid: str, group: str) -> str:
    rows = [
        _row(panorama, member, name, uuid)
        for member in groups.members(panorama.running)
        if not group or group in groups.lineage(panorama.running, member.group)
    ]
    inner = f"<device-vsys>{''.join(rows)}</device-vsys>"
    return f"<entry name={quoteattr(name)}>{inner}</entry>"


def _row(panorama: PanoramaDevice, member: groups.Member, name: str, uuid: str) -> str:
    firewall = panorama.connected(member.serial)
    if firewall is None:
        return ""
    with firewall.device.lock:
        device = firewall.device
        held = {rule.get("uuid") for rule in reports.enforced(device, member.vsys)}
        if uuid not in held and name not in _DEFAULTS:
            return ""
        values = reports.elements(reports.hits_of(device, name, uuid))
    key = quoteattr(f"{member.group}/{member.serial}/{member.vsys}")
    return f"<entry name={key}>{values}</entry>"
