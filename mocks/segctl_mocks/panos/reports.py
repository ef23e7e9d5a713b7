"""What show commands report: system info, rule hit counts."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from segctl_mocks.panos.references import DEVICE
from segctl_mocks.panos.tree import Element, Tree, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segctl_mocks.panos.device import PanosDevice
    from segctl_mocks.panos.settings import Settings

_DAY = 86400


def elements(values: Mapping[str, str]) -> str:
    """Write texts as elements, in order."""
    return "".join(f"<{tag}>{escape(text)}</{tag}>" for tag, text in values.items())


def clock(seconds: float) -> str:
    """Write the time as ``show clock`` does: with a newline at its end."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%a %b %e %H:%M:%S %Z %Y\n")


def uptime(seconds: float) -> str:
    """Write how long a device is up."""
    rest = int(seconds) % _DAY
    days, hours = int(seconds) // _DAY, rest // 3600
    return f"{days} days, {hours}:{rest // 60 % 60:02}:{rest % 60:02}"


def identity(settings: Settings, now: float, running: float) -> dict[str, str]:
    """Return who and where a device is, as ``show system info`` of every kind begins."""
    return {
        "hostname": settings.hostname,
        "ip-address": settings.ip_address,
        "public-ip-address": "unknown",
        "netmask": "255.0.0.0",
        "default-gateway": "127.0.0.1",
        "is-dhcp": "no",
        "is-dhcp6": "no",
        "ipv6-address": "unknown",
        "ipv6-link-local-address": "fe80::5054:ff:fe68:eb58/64",
        "ipv6-default-gateway": "",
        "mac-address": "52:54:00:68:eb:58",
        "time": datetime.fromtimestamp(now).astimezone().strftime("%a %b %e %H:%M:%S %Y\n"),
        "uptime": uptime(running),
        "devicename": settings.hostname,
    }


def system_info(settings: Settings, now: float, running: float) -> str:
    """Write ``show system info`` (order as a PA-VM sends it, names as of 11.x)."""
    multi = "on" if settings.multi_vsys else "off"
    date = "2024/01/09 17:20:19 PST"
    values = {
        **identity(settings, now, running),
        "family": "vm",
        "model": settings.model,
        "serial": settings.serial,
        "vm-mac-base": "BA:DB:EE:FB:AD:00",
        "vm-mac-count": "255",
        "vm-uuid": "70602111-DCA5-49CF-A677-9E663B693DE2",
        "vm-cpuid": "KVM:E3060500FFFB8B0F",
        "vm-license": "VM-SERIES-4",
        "vm-mode": "KVM",
        "cloud-mode": "non-cloud",
        "sw-version": settings.sw_version,
        "global-protect-client-package-version": "0.0.0",
        "device-dictionary-version": "1-211",
        "device-dictionary-release-date": date,
        "app-version": settings.content_version,
        "app-release-date": date,
        "av-version": "0",
        "av-release-date": "",
        "threat-version": settings.content_version,
        "threat-release-date": date,
        "wf-private-version": "0",
        "wf-private-release-date": "unknown",
        "url-db": "paloaltonetworks",
        "wildfire-version": "0",
        "wildfire-release-date": "",
        "wildfire-rt": "Disabled",
        "url-filtering-version": "0000.00.00.000",
        "global-protect-datafile-version": "unknown",
        "global-protect-datafile-release-date": "unknown",
        "global-protect-clientless-vpn-version": "0",
        "global-protect-clientless-vpn-release-date": "",
        "logdb-version": "11.1.2",
        "platform-family": "vm",
        "vpn-disable-mode": "off",
        "multi-vsys": multi,
        "ZTP": "Disabled",
        "operational-mode": "normal",
        "advanced-routing": "off",
        "device-certificate-status": "None",
    }
    return f"<system>{elements(values)}</system>"


def rules_of(tree: Tree, vsys: str) -> list[Element]:
    """Return the security rules of a virtual system, in order."""
    place = (*DEVICE, ("vsys", ""), ("entry", vsys), ("rulebase", ""))
    container = tree.at((*place, ("security", ""), ("rules", "")))
    return [] if container is None else list(container.iterchildren("entry"))


def enforced(device: PanosDevice, vsys: str) -> list[Element]:
    """Return the security rules in the order in which traffic meets them, Panorama's among them."""
    before, after = (device.pushed.rules(vsys, base) for base in ("pre-rulebase", "post-rulebase"))
    return [*before, *rules_of(device.running, vsys), *after]


def hit_count(device: PanosDevice, command: Element) -> str:
    """Write ``show rule-hit-count`` of the running rules (recorded on 11.1.6)."""
    parts: list[str] = []
    for vsys in command.iterfind("vsys/vsys-name/entry"):
        name = vsys.get("name") or "vsys1"
        bases = [_rule_base(device, name, base) for base in vsys.iterfind("rule-base/entry")]
        parts.append(
            f"<entry name={quoteattr(name)}><rule-base>{''.join(bases)}</rule-base></entry>"
        )
    return f"<rule-hit-count><vsys>{''.join(parts)}</vsys></rule-hit-count>"


def _rule_base(device: PanosDevice, vsys: str, base: Element) -> str:
    kind = base.get("name") or "security"
    wanted = [text_of(member) for member in base.iterfind("rules/list/member")]
    place = (*DEVICE, ("vsys", ""), ("entry", vsys), ("rulebase", ""), (kind, ""), ("rules", ""))
    container = device.running.at(place)
    rules = [] if container is None else list(container.iterchildren("entry"))
    if kind == "security":
        rules = enforced(device, vsys)
    keys = [(rule.get("name") or "", rule.get("uuid") or "") for rule in rules]
    if kind == "security":
        keys += [(name, "") for name in ("intrazone-default", "interzone-default")]
    rows = [_hits(device, name, uuid) for name, uuid in keys if not wanted or name in wanted]
    return f"<entry name={quoteattr(kind)}><rules>{''.join(rows)}</rules></entry>"


def _hits(device: PanosDevice, name: str, uuid: str) -> str:
    return f"<entry name={quoteattr(name)}>{elements(hits_of(device, name, uuid))}</entry>"


def hits_of(device: PanosDevice, name: str, uuid: str) -> dict[str, str]:
    """Return what is counted of a rule: by its uuid, so that it survives edits and renames.

    What the traffic file counted is of the rule's name. Where counting is switched off (``setting
    management rule-hit-count``) nothing is current, and nothing is counted; what a device says then
    is not recorded.
    """
    own = device.hits.get(uuid or name, 0)
    told = device.traffic.rules.get(name) if device.traffic is not None else None
    reset = device.resets.get(uuid or name, 0)
    if told is not None and (told.last <= reset or not _counts(device)):
        told = None
    count = (own + (told.hits if told else 0)) if _counts(device) else 0
    now, created = int(device.clock()), int(device.booted)
    first, last = created, now
    if told is not None and not own:
        first, last, created = told.first, told.last, min(told.first, created)
    values = {
        "latest": "yes" if _counts(device) else "no",
        "hit-count": count,
        "last-hit-timestamp": last if count else 0,
        "last-reset-timestamp": reset,
        "first-hit-timestamp": first if count else 0,
        "rule-creation-timestamp": created,
        "rule-modification-timestamp": created,
    }
    return {tag: str(value) for tag, value in values.items()}


def _counts(device: PanosDevice) -> bool:
    """Whether rules are counted: they are unless that is switched off."""
    place = (*DEVICE, ("deviceconfig", ""), ("setting", ""), ("management", ""))
    return text_of(device.running.at((*place, ("rule-hit-count", "")))) != "no"
