"""Operational commands about the system and its users, as opposed to its configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias
from xml.sax.saxutils import escape, quoteattr

from segctl_mocks.panos import phash, reports
from segctl_mocks.panos import xpath as xpaths
from segctl_mocks.panos.answers import Answer, result
from segctl_mocks.panos.references import DEVICE
from segctl_mocks.panos.tree import serialize, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from segctl_mocks.panos.appliance import Device
    from segctl_mocks.panos.faults import Request
    from segctl_mocks.panos.tree import Element, Tree

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Call:
    """What comes with a command besides its words."""

    request: Request
    vsys: str


Report: TypeAlias = "Callable[[Device, Element, Call], Answer]"


def document(tree: Tree, node: Element) -> Answer:
    """Answer a whole configuration, or the nodes that an ``xpath`` in the command selects."""
    wanted = text_of(node.find("xpath"))
    if not wanted:
        return result(tree.to_bytes())
    absolute = wanted if wanted.startswith("/") else f"/config/{wanted}"
    return result(b"".join(serialize(found) for found in xpaths.select(tree, absolute)))


def _system_info(device: Device, _node: Element, _call: Call) -> Answer:
    now = device.clock()
    return result(reports.system_info(device.settings, now, now - device.booted))


def _clock(device: Device, _node: Element, _call: Call) -> Answer:
    return result(reports.clock(device.clock()))


def _ready(_device: Device, _node: Element, _call: Call) -> Answer:
    return result("yes")


def _nothing(_device: Device, _node: Element, _call: Call) -> Answer:
    return result("")


def _admins(device: Device, _node: Element, call: Call) -> Answer:
    rows = "".join(
        f"<entry><admin>{escape(user)}</admin><from>127.0.0.1</from><type>Web</type>"
        "<session-start></session-start><idle-for>00:00:00s</idle-for>"
        f"{'<self/>' if user == call.request.user else ''}</entry>"
        for user in dict.fromkeys([*device.keys, call.request.user])
    )
    return result(f"<admins>{rows}</admins>")


def _expire_keys(device: Device, _node: Element, _call: Call) -> Answer:
    device.keys.clear()
    return result("All API keys are expired")


def _resources(_device: Device, _node: Element, _call: Call) -> Answer:
    text = (
        "top - 10:00:00 up 1 day,  1:00,  0 users,  load average: 0.10, 0.12, 0.09\n"
        "Tasks: 200 total,   1 running, 199 sleeping,   0 stopped,   0 zombie\n"
        "%Cpu(s):  2.0 us,  1.0 sy,  0.0 ni, 97.0 id,  0.0 wa,  0.0 hi,  0.0 si,  0.0 st\n"
        "KiB Mem :  8000000 total,  1000000 free,  4000000 used,  3000000 buff/cache\n"
        "KiB Swap:  4000000 total,  4000000 free,        0 used.  3500000 avail Mem\n"
    )
    return result(f"<![CDATA[{text}]]>")


def _session_info(_device: Device, _node: Element, _call: Call) -> Answer:
    counts = ("num-max", "num-installed", "num-active", "num-tcp", "num-udp", "num-icmp", "pps")
    return result("".join(f"<{tag}>0</{tag}>" for tag in counts))


def _interfaces(device: Device, node: Element, _call: Call) -> Answer:
    place = (*DEVICE, ("network", ""), ("interface", ""), ("ethernet", ""))
    container = device.running.at(place)
    ports = [] if container is None else list(device.running.entries(container))
    wanted = text_of(node)
    shown = [port for port in ports if wanted in {"", "all", port}]
    hardware = "".join(
        f"<entry><name>{port}</name><mode>(autoneg)</mode><state>up</state>"
        "<st>1000/full/up</st></entry>"
        for port in shown
    )
    logical = "".join(
        f"<entry><name>{port}</name><zone/><vsys>1</vsys><ip>N/A</ip></entry>" for port in shown
    )
    return result(f"<ifnet>{logical}</ifnet><hw>{hardware}</hw>")


def _routes(_device: Device, _node: Element, _call: Call) -> Answer:
    return result("<flags>flags: A:active, ?:loose, C:connect, H:host, S:static</flags>")


def _plugins(_device: Device, _node: Element, _call: Call) -> Answer:
    return result("<plugins></plugins>")


def _licenses(_device: Device, _node: Element, _call: Call) -> Answer:
    return result("<licenses></licenses>")


# -- passwords and comments -----------------------------------------------------------------


def _hash(_device: Device, node: Element, _call: Call) -> Answer:
    return result(f"<phash>{phash.hashed(text_of(node.find('password')))}</phash>")


def _set_comment(device: Device, node: Element, _call: Call) -> Answer:
    device.comments[text_of(node.find("xpath"))] = text_of(node.find("comment"))
    return result("succeeded")


def _comments(device: Device, node: Element, _call: Call) -> Answer:
    place = text_of(node.find("xpath"))
    comment = device.comments.get(place)
    if comment is None:
        return result("")
    return result(
        f"<entry><xpath>{escape(place)}</xpath><dirtyId>1</dirtyId>"
        f"<comment>{escape(comment)}</comment><prevdirtyId>0</prevdirtyId></entry>"
    )


# -- users and registered addresses -----------------------------------------------------------


def _ip_user_mapping(device: Device, _node: Element, _call: Call) -> Answer:
    logins = device.userid.logins
    rows = "".join(
        f"<entry><ip>{escape(ip)}</ip><vsys>vsys1</vsys><type>XMLAPI</type>"
        f"<user>{escape(user)}</user><idle_timeout>2700</idle_timeout>"
        "<timeout>2700</timeout></entry>"
        for ip, user in logins.items()
    )
    return result(rows + f"<count>{len(logins)}</count>" if logins else "")


def _registered_ip(device: Device, node: Element, _call: Call) -> Answer:
    address = text_of(node.find("ip"))
    tag = node.find("tag/entry")
    wanted = None if tag is None else tag.get("name")
    found = [
        (ip, tags)
        for ip, tags in device.userid.held().items()
        if tags and address in {"", ip} and (wanted is None or wanted in tags)
    ]
    start = int(text_of(node.find("start-point")) or "1") - 1
    limit = int(text_of(node.find("limit")) or _PAGE)
    page = found[start : start + limit]
    rows = "".join(
        f'<entry ip={quoteattr(ip)} from_agent="0" '
        f'persistent="{int(ip not in device.userid.forgotten)}"><tag>'
        + "".join(f"<member>{escape(each)}</member>" for each in tags)
        + "</tag></entry>"
        for ip, tags in page
    )
    return result(f"{rows}<count>{len(page)}</count>")


COMMANDS: Mapping[tuple[str, ...], Report] = {
    ("show", "system", "resources"): _resources,
    ("show", "clock"): _clock,
    ("show", "admins"): _admins,
    ("show", "plugins", "packages"): _plugins,
    ("show", "config", "list", "audit-comments"): _comments,
    ("set", "audit-comment"): _set_comment,
    ("request", "license", "info"): _licenses,
    ("request", "password-hash"): _hash,
    ("request", "api", "key", "expiration"): _expire_keys,
}

OF_FIREWALLS: Mapping[tuple[str, ...], Report] = {
    ("show", "system", "info"): _system_info,
    ("show", "chassis-ready"): _ready,
    ("show", "session", "info"): _session_info,
    ("show", "interface"): _interfaces,
    ("show", "routing", "route"): _routes,
    ("show", "arp"): _nothing,
    ("show", "devices", "all"): _nothing,
    ("show", "user", "ip-user-mapping"): _ip_user_mapping,
    ("show", "user", "group", "list"): _nothing,
    ("show", "object", "registered-ip"): _registered_ip,
}
