"""What a firewall fills by itself between two commits: dynamic groups, lists, looked-up names.

Sources of the answers: a PowerShell module for firewalls (dynamic groups: members that are
registered or objects of the configuration, shared groups without a ``vsys``); a collector for
PAN-OS 11.1 (lists: pages, their default of 100 entries, what past the end is answered, names that
are refused under the wrong type) and a capture of ``show dns-proxy fqdn all`` in its tests; the
older form of that table, with an object's name and times, as it was on 8.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from segctl_mocks.panos.answers import Answer, ApiError, result
from segctl_mocks.panos.effective import in_effect
from segctl_mocks.panos.references import SHARED, scope_path
from segctl_mocks.panos.tree import text_of
from segctl_mocks.panos.validate import members

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from segctl_mocks.panos.device import PanosDevice
    from segctl_mocks.panos.showings import Call
    from segctl_mocks.panos.tree import Element

_FIRST = "vsys1"
_PAGE = 100
_PLAIN_TABLE = (10, 0)
_TOKEN = re.compile(r"\(|\)|'[^']*'|\"[^\"]*\"|[^\s()'\"]+")


@dataclass(slots=True)
class Runtime:
    """What was fetched and looked up: lists by name, addresses by host, users by group."""

    lists: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    invalid: dict[str, int] = field(default_factory=dict[str, int])
    hosts: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])


# -- dynamic groups ---------------------------------------------------------------------------


def groups(device: PanosDevice, node: Element, _call: Call) -> Answer:
    """Answer ``show object dynamic-address-group``: all, or one by name."""
    wanted = text_of(node.find("name"))
    rows = "".join(
        f"<entry>{f'<vsys>{vsys}</vsys>' if vsys else ''}"
        f"<group-name>{escape(name)}</group-name><filter>{escape(_filter(group))}</filter>"
        f"<member-list>{_members(device, group, vsys)}</member-list></entry>"
        for vsys, name, group in _dynamic(device)
        if wanted in {"", name}
    )
    return result(f"<dyn-addr-grp>{rows}</dyn-addr-grp>")


def members_of(device: PanosDevice, group: Element, vsys: str) -> Iterator[tuple[str, str]]:
    """Yield what is in a dynamic group: its name and its type."""
    wanted, tree = _filter(group), in_effect(device.running, device.pushed)
    for place in dict.fromkeys((scope_path(vsys), SHARED)):
        container = tree.at((*place, ("address", "")))
        found = {} if container is None else tree.entries(container)
        for name, entry in found.items():
            if _holds(wanted, members(entry, "tag")):
                yield name, "address-object"
    for address, tags in device.userid.in_groups().items():
        if _holds(wanted, tags):
            yield address, "registered-ip"


def _members(device: PanosDevice, group: Element, vsys: str) -> str:
    return "".join(
        f"<entry name={quoteattr(name)} type={quoteattr(kind)}/>"
        for name, kind in members_of(device, group, vsys)
    )


def _dynamic(device: PanosDevice) -> Iterator[tuple[str, str, Element]]:
    """Yield the dynamic groups: those of each virtual system, then the shared ones.

    What Panorama pushed is a group of the firewall as any other.
    """
    tree = in_effect(device.running, device.pushed)
    for vsys in (*device.systems(), ""):
        container = tree.at((*scope_path(vsys), ("address-group", "")))
        found = {} if container is None else tree.entries(container)
        for name, group in found.items():
            if group.find("dynamic") is not None:
                yield vsys, name, group


def _filter(group: Element) -> str:
    return text_of(group.find("dynamic/filter"))


def _holds(wanted: str, tags: Iterable[str]) -> bool:
    """Whether tags fulfil ``'a' and ('b' or 'c')``; ``and`` binds closer."""
    tokens = _TOKEN.findall(wanted)
    held = set(tags)

    def either() -> bool:
        found = both()
        while tokens and tokens[0] == "or":
            tokens.pop(0)
            found = both() or found
        return found

    def both() -> bool:
        found = one()
        while tokens and tokens[0] == "and":
            tokens.pop(0)
            found = one() and found
        return found

    def one() -> bool:
        word = tokens.pop(0) if tokens else ""
        if word != "(":
            return word.strip("'\"") in held
        found = either()
        if tokens:
            tokens.pop(0)
        return found

    return either()


# -- lists ------------------------------------------------------------------------------------


def show_list(device: PanosDevice, node: Element, call: Call) -> Answer:
    """Answer ``request system external-list show``: a page of a list that was fetched."""
    kind = next(iter(node.iterfind("type/*")), None)
    if kind is None:
        raise ApiError("17", " show -> type  is unexpected", cdata=True)
    name, vsys = text_of(kind.find("name")), call.vsys or _FIRST
    if _type_of(device, name, vsys) != kind.tag:
        raise ApiError("17", f"{name} is invalid name.Current target-vsys is {vsys}")
    held = device.runtime.lists.get(name, ())
    size = int(text_of(kind.find("num-records")) or _PAGE)
    start = int(text_of(kind.find("anchor")) or "1") - 1
    page = held[start : start + size]
    inside = "".join(f"<member>{escape(each)}</member>" for each in page)
    valid = f"<valid-members>{inside}</valid-members>" if page else ""
    count = len(page) or size  # past the end it repeats what was asked for
    text = (
        f'<response status="success"><result total-count="{len(held)}" count="{count}">'
        f"<external-list><vsys>{vsys}</vsys><name>{escape(name)}</name>"
        f"<total-valid>{len(held)}</total-valid><total-ignored>0</total-ignored>"
        f"<total-invalid>{device.runtime.invalid.get(name, 0)}</total-invalid>{valid}"
        "</external-list></result></response>"
    )
    return Answer(text.encode())


def _type_of(device: PanosDevice, name: str, vsys: str) -> str:
    """Return the type of a list, that of the vendor's for one that nobody configured."""
    found = device.object_of("external-list", name, vsys)
    if found is None:
        return "predefined-ip" if name in device.runtime.lists else ""
    return next((str(kind.tag) for kind in found.iterfind("type/*")), "")


# -- names ------------------------------------------------------------------------------------


def names(device: PanosDevice, _node: Element, _call: Call) -> Answer:
    """Answer ``show dns-proxy fqdn all``: a table as text, of the names that objects have."""
    plain = device.settings.release >= _PLAIN_TABLE
    rule = "-" * 80
    if plain:
        head = f"FQDN Table : Request time {device.now()}\n{rule}\n\tIP Address\n{rule}\n\n"
        head += "VSYS : (using mgmt-obj dnsproxy object)\n\tShared\n\tvsys1\n\n"
    else:
        head = f"FQDN Table : Last Request time {device.now()}\n{rule}\n"
        head += f"     IP Address          Remaining TTL     Secs Since Refreshed\n{rule}\n\n"
        head += "VSYS  : vsys1 (using mgmt-obj dnsproxy object)\n\n"
    blocks = (
        _block(host, name, device.runtime.hosts.get(host, ()), plain=plain)
        for name, host in _hosts(device).items()
    )
    return result(f"<![CDATA[{head}{''.join(blocks)}]]>")


def _block(host: str, name: str, addresses: Iterable[str], *, plain: bool) -> str:
    held = list(addresses)
    if plain:
        lines = [f"\t{each}" for each in held] or ["\t::  unknown"]
        return "\n".join([host, *lines, "", ""])
    lines = [f"     {each:<20}     1234              56" for each in held] or ["     Not resolved"]
    return "\n".join([f"{host} (Objectname {name}):", *lines, "", ""])


def _hosts(device: PanosDevice) -> Mapping[str, str]:
    """Return the host names of objects, by the names of these."""
    found: dict[str, str] = {}
    for vsys in (*device.systems(), ""):
        container = device.running.at((*scope_path(vsys), ("address", "")))
        entries = {} if container is None else device.running.entries(container)
        for name, entry in entries.items():
            if host := text_of(entry.find("fqdn")):
                found.setdefault(name, host)
    return found


# -- groups of users --------------------------------------------------------------------------


def user_groups(device: PanosDevice, _node: Element, _call: Call) -> Answer:
    """Answer ``show user group list``: as text, in the form of 8.1 to 11.1."""
    held = device.runtime.groups
    lines = [*sorted(held), "", f"Total: {len(held)}", "* : Custom Group", ""]
    return result(f"<![CDATA[{chr(10).join(lines)}]]>") if held else result("")


def _by_tags(device: PanosDevice, name: str) -> tuple[str, ...]:
    """Return who is in a dynamic group of users, by the tags of registered users."""
    for vsys in (*device.systems(), ""):
        container = device.running.at((*scope_path(vsys), ("dynamic-user-group", "")))
        found = {} if container is None else device.running.entries(container)
        if name in found:
            wanted = text_of(found[name].find("filter"))
            held = device.userid.users.items()
            return tuple(user for user, tags in held if _holds(wanted, tags))
    return ()


def users_of(device: PanosDevice, node: Element, _call: Call) -> Answer:
    """Answer ``show user group name``: its users as text, numbered."""
    name = text_of(node)
    held = device.runtime.groups.get(name) or _by_tags(device, name)
    if not held:
        return result(escape(f"User group '{name}' does not exist or does not have members"))
    rows = [f"[{number:<6}] {user}" for number, user in enumerate(held, 1)]
    lines = [
        f"short name:  {name}",
        "",
        "source type: xmlapi",
        "source:      xmlapi",
        "",
        *rows,
        "",
    ]
    return result(f"<![CDATA[{chr(10).join(lines)}]]>")
