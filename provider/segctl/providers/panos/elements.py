"""One configuration entry at a time: from PAN-OS XML to a policy value and back."""

from __future__ import annotations

import hashlib
from functools import lru_cache, singledispatch
from sys import intern
from typing import TYPE_CHECKING, Any, cast

from lxml import etree

from segctl.model.addresses import canonical_address
from segctl.model.policy import (
    ANY,
    Address,
    AddressGroup,
    ApplicationGroup,
    DefaultRule,
    FirewallZone,
    LogProfile,
    Rule,
    Schedule,
    Service,
    ServiceGroup,
    Tag,
)
from segctl.providers.panos import names

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable
    from typing import TypeAlias

    from segctl.model.policy import AddressKind, Item

    Tags: TypeAlias = tuple[str, ...]

Element = etree._Element  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - lxml has no public name for it

_MARKED = (names.TAG,)
_ADDRESS_KINDS: dict[str, AddressKind] = {
    "ip-netmask": "network",
    "ip-range": "range",
    "fqdn": "fqdn",
    "ip-wildcard": "wildcard",
}
_ADDRESS_TAGS = {kind: tag for tag, kind in _ADDRESS_KINDS.items()}
_RULE_LISTS = {
    "from": "from_zones",
    "to": "to_zones",
    "source": "sources",
    "destination": "destinations",
    "source-user": "users",
    "application": "applications",
    "service": "services",
    "tag": "tags",
}
_RULE_WORDS = {
    "action": "action",
    "log-setting": "log_setting",
    "schedule": "schedule",
    "description": "description",
    "rule-type": "type",
}
_RULE_FLAGS = {
    "log-end": "log",
    "disabled": "disabled",
    "negate-source": "negate_source",
    "negate-destination": "negate_destination",
}
#: Children of a rule that have a field in `Rule`, including the flags.
RULE_TAGS = frozenset({*_RULE_LISTS, *_RULE_WORDS, *_RULE_FLAGS})
#: The same for an address group.
GROUP_TAGS = frozenset({"static", "tag", "description"})
#: Children that mean nothing with this value: the device's own default.
_RULE_SILENT = {
    "log-start": "no",
    "category": ANY,
    "source-hip": ANY,
    "destination-hip": ANY,
    "hip-profiles": ANY,
    "icmp-unreachable": "no",
}
#: Written by the device or by Panorama, not by an administrator of this rule.
_BOOKKEEPING = frozenset({"admin", "dirtyId", "time", "uuid", "loc", "src", "ptpl"})


def text_of(element: Element) -> str:
    """Return a canonical spelling of an element and everything below it."""
    tag = cast("object", element.tag)  # for a comment it is a function
    parts = [tag if isinstance(tag, str) else "?"]
    attributes = {
        str(key): str(value) for key, value in element.attrib.items() if key not in _BOOKKEEPING
    }
    parts += [f"[{key}={value}]" for key, value in sorted(attributes.items())]
    if len(element):
        parts.append("{" + " ".join(text_of(child) for child in element) + "}")
    elif element.text and element.text.strip():
        parts.append(f"={element.text.strip()}")
    return "".join(parts)


def canonical_xml(element: Element) -> str:
    """Return the XML of an entry in its one form, whatever order its children have."""
    named = element.get("name")
    made = etree.Element(element.tag, {} if named is None else {"name": named})
    below = sorted(map(canonical_xml, element.iterchildren("*")))
    for text in below:
        made.append(etree.fromstring(text))
    if not below and (element.text or "").strip():
        made.text = (element.text or "").strip()
    return str(etree.tostring(made, encoding="unicode"))


def match_lists(element: Element) -> tuple[str, ...]:
    """Return the match lists of a log forwarding profile, sorted, each in its one form."""
    return tuple(sorted(canonical_xml(one) for one in element.iterfind("match-list/entry")))


def parse_log_profile(element: Element) -> LogProfile:
    """Read a log forwarding profile."""
    known = {"match-list", "description"}
    return LogProfile(
        name=element.get("name", ""),
        lists=match_lists(element),
        description=said(element, "description"),
        extras=tuple(sorted(text_of(child) for child in element if child.tag not in known)),
    )


def content(element: Element) -> bytes:
    """Return the XML of an entry, without what the device itself adds."""
    etree.strip_attributes(element, *_BOOKKEEPING)
    return etree.tostring(element, encoding="utf-8", with_tail=False)


def digest(element: Element) -> str:
    """Return the SHA-256 of an entry's content, in hexadecimal."""
    return hashlib.sha256(content(element)).hexdigest()


def members(element: Element) -> tuple[str, ...]:
    """Return the sorted text of the ``member`` children."""
    if len(element) == 1:
        return _only(element[0].text or "")
    return tuple(sorted([intern(child.text or "") for child in element]))


@lru_cache(maxsize=4096)
def listed(entry: Element, tag: str) -> tuple[str, ...]:
    """Return the members of a list in an entry; without the list, it is about anything."""
    found = entry.find(tag)
    return (ANY,) if found is None else members(found)


def said(entry: Element, path: str) -> str:
    """Return a text in an entry, empty where there is none."""
    return (entry.findtext(path) or "").strip()


def _only(text: str) -> tuple[str, ...]:
    """Return a shared tuple for this text: most rules share their zones, applications and tags."""
    return (intern(text),)


def _word(element: Element) -> str:
    return element.text or ""


def _flag(element: Element) -> bool:
    return element.text == "yes"


def _text(element: Element) -> str:
    return (element.text or "").strip()


_RULE_READERS: dict[str, tuple[str, Callable[[Element], object]]] = {
    **{tag: (field, members) for tag, field in _RULE_LISTS.items()},
    **{tag: (field, _word) for tag, field in _RULE_WORDS.items()},
    **{tag: (field, _flag) for tag, field in _RULE_FLAGS.items()},
}


def parse_rule(element: Element) -> Rule:
    """Read an entry of a security rulebase."""
    values: dict[str, Any] = {"name": element.get("name", ""), "from_zones": (), "to_zones": ()}
    extras: list[str] = []
    for child in element:
        tag = child.tag
        if tag in _RULE_READERS:
            field, read = _RULE_READERS[tag]
            values[field] = read(child)
        elif tag == "profile-setting":
            _profile(child, values, extras)
        elif not _silent(child):
            extras.append(text_of(child))
    if extras:
        values["extras"] = tuple(sorted(extras))
    mark = names.read_mark(values.get("description", ""))
    if mark is not None:
        values.update(mark)
    return Rule(**values)


def _profile(element: Element, values: dict[str, Any], extras: list[str]) -> None:
    children = list(element)
    if len(children) == 1 and children[0].tag == "group" and len(children[0]) <= 1:
        values["profile_group"] = next((_text(group) for group in children[0]), "")
    elif children:
        extras.append(text_of(element))


def _silent(element: Element) -> bool:
    silent = _RULE_SILENT.get(element.tag)
    if silent is None:
        return element.tag == "target" and not len(element)
    if len(element):
        return members(element) == (silent,)
    return (element.text or silent) == silent


def is_ours(rule: Rule) -> bool:
    """Whether a rule carries our mark: the tag, or the prefix of its description."""
    return names.TAG in rule.tags or names.read_mark(rule.description) is not None


def _described(
    element: Element, known: Container[str]
) -> tuple[dict[str, Any], Tags, list[Element]]:
    """Return name, description and extras; the tags; and the children that are `known`."""
    values: dict[str, Any] = {"name": intern(element.get("name", ""))}
    tags: Tags = ()
    rest: list[Element] = []
    extras: list[str] = []
    for child in element:
        tag = child.tag
        if tag in known:
            rest.append(child)
        elif tag == "description":
            values["description"] = child.text or ""
        elif tag == "tag":
            tags = members(child)
        else:
            extras.append(text_of(child))
    if tags != _MARKED:
        extras += [f"tag={text}" for text in tags if text != names.TAG]
    if extras:
        values["extras"] = tuple(sorted(extras))
    return values, tags, rest


def parse_address(element: Element) -> tuple[Address, Tags]:
    """Read an address object and its tags."""
    values, tags, found = _described(element, _ADDRESS_KINDS)
    values["value"] = ""
    for child in found:
        kind = _ADDRESS_KINDS[child.tag]
        text = _text(child)
        values["value"] = canonical_address(text) if kind in ("network", "range") else text
        values["type"] = kind
    return Address(**values), tags


def parse_address_group(element: Element) -> tuple[AddressGroup, Tags]:
    """Read an address group and its tags; a dynamic one has ``extras`` instead of members.

    One that cuts off whoever is in it is known as such while its mark and its filter are ours.
    """
    values, tags, found = _described(element, ("static",))
    extras = values.get("extras", ())
    filled = f"dynamic{{filter={names.filled_by(values['name'])}}}"  # as `text_of` spells it
    ours = names.TAG in tags and names.is_filled(values["name"])
    if ours and filled in extras and not found:
        rest = tuple(text for text in extras if text != filled)
        values |= {"contained": True, "extras": rest}
    return AddressGroup(members=members(found[0]) if found else (), **values), tags


def parse_service(element: Element) -> tuple[Service, Tags]:
    """Read a service object and its tags."""
    values, tags, found = _described(element, ("protocol",))
    protocol, ports = "", ""
    extras = list(values.get("extras", ()))
    for child in (protocol for one in found[:1] for protocol in one):
        protocol = str(child.tag)
        for part in child:
            if part.tag == "port":
                ports = _text(part)
            elif text_of(part) != "override{no}":
                extras.append(text_of(part))
    if extras:
        values["extras"] = tuple(sorted(extras))
    return Service(protocol=protocol, ports=ports, **values), tags


def parse_tag(element: Element) -> Tag:
    """Read a tag object; its colour is the administrator's own business."""
    comments = element.find("comments")
    return Tag(
        name=element.get("name", ""), comments=_text(comments) if comments is not None else ""
    )


def parse_application_group(element: Element) -> ApplicationGroup:
    """Read an application group."""
    return ApplicationGroup(name=element.get("name", ""), members=_of_group(element))


def parse_service_group(element: Element) -> ServiceGroup:
    """Read a service group."""
    return ServiceGroup(name=element.get("name", ""), members=_of_group(element))


def _of_group(element: Element) -> tuple[str, ...]:
    """Return the members of a group; old configurations have them in the entry itself."""
    found = element.find("members")
    if found is not None:
        return members(found)
    return tuple(sorted(child.text or "" for child in element.findall("member")))


def parse_schedule(element: Element) -> Schedule:
    """Read a schedule; a non-recurring one is kept as text."""
    recurring = element.find("schedule-type/recurring")
    windows: list[tuple[str, tuple[str, ...]]] = []
    extras: tuple[str, ...] = ()
    if recurring is None:
        extras = tuple(text_of(child) for child in element)
    else:
        daily = recurring.find("daily")
        if daily is not None:
            windows.append(("daily", members(daily)))
        weekly = recurring.find("weekly")
        days = weekly if weekly is not None else ()
        windows += [(str(day.tag), members(day)) for day in days]
    return Schedule(name=element.get("name", ""), windows=tuple(sorted(windows)), extras=extras)


def parse_zone(element: Element) -> FirewallZone:
    """Read a zone: its type and interfaces; segctl ignores the rest."""
    for kind in ("layer3", "layer2", "virtual-wire", "tap", "external"):
        found = element.find(f"network/{kind}")
        if found is not None:
            return FirewallZone(name=element.get("name", ""), interfaces=members(found), type=kind)
    return FirewallZone(name=element.get("name", ""), interfaces=(), type="")


def parse_default_rule(element: Element) -> DefaultRule:
    """Read an overridden default rule: its action and logging."""
    name = element.get("name")
    inside = name == "intrazone-default"
    return DefaultRule(
        name="intrazone-default" if inside else "interzone-default",
        action=element.findtext("action") or ("allow" if inside else "deny"),
        log=element.findtext("log-end") == "yes",
        log_setting=element.findtext("log-setting") or "",
    )


def reason(root: Element) -> str:
    """Return why a device refuses, using only the messages in its answer."""
    said = " ".join(str(text) for node in root.iter("msg") for text in node.itertext())
    return " ".join(said.split()) or f"status {root.get('status') or 'missing'}, no reason given"


# --- writing -------------------------------------------------------------------------------------


def _entry(name: str) -> Element:
    return etree.Element("entry", name=name)


def _leaf(parent: Element, tag: str, text: str) -> None:
    if text:
        etree.SubElement(parent, tag).text = text


def _list(parent: Element, tag: str, texts: Iterable[str]) -> Element:
    element = etree.SubElement(parent, tag)
    for text in texts:
        etree.SubElement(element, "member").text = text
    return element


@singledispatch
def write(item: Item) -> Element:
    """Return the configuration entry for a policy value."""
    raise TypeError(type(item).__name__)


@write.register
def _(rule: Rule) -> Element:
    entry = _entry(rule.name)
    for tag, field in _RULE_LISTS.items():
        texts = getattr(rule, field)
        if texts:
            _list(entry, tag, texts)
    _leaf(entry, "action", rule.action)
    if rule.type != "universal":
        _leaf(entry, "rule-type", rule.type)
    if rule.profile_group:
        setting = etree.SubElement(entry, "profile-setting")
        _list(setting, "group", [rule.profile_group])
    _leaf(entry, "log-end", "yes" if rule.log else "no")
    _leaf(entry, "log-setting", rule.log_setting)
    _leaf(entry, "schedule", rule.schedule)
    _leaf(entry, "description", rule.description)
    for tag in ("disabled", "negate-source", "negate-destination"):
        if getattr(rule, _RULE_FLAGS[tag]):
            _leaf(entry, tag, "yes")
    if rule.targets:
        _target(entry, rule.targets)
    return entry


def _target(entry: Element, targets: Iterable[str]) -> None:
    """Name the firewalls that get a rule of a device group: ``SERIAL`` or ``SERIAL/VSYS``."""
    devices = etree.SubElement(etree.SubElement(entry, "target"), "devices")
    made: dict[str, Element] = {}
    for text in targets:
        serial, _, part = text.partition("/")
        device = made.get(serial)
        if device is None:
            device = made[serial] = etree.SubElement(devices, "entry", name=serial)
        if part:
            systems = device.find("vsys")
            systems = etree.SubElement(device, "vsys") if systems is None else systems
            etree.SubElement(systems, "entry", name=part)


@write.register
def _(item: Address) -> Element:
    entry = _entry(item.name)
    _leaf(entry, _ADDRESS_TAGS[item.type], item.value)
    _leaf(entry, "description", item.description)
    _list(entry, "tag", [names.TAG])
    return entry


@write.register
def _(item: AddressGroup) -> Element:
    entry = _entry(item.name)
    if item.contained:
        _leaf(etree.SubElement(entry, "dynamic"), "filter", names.filled_by(item.name))
    else:
        _list(entry, "static", item.members)
    _leaf(entry, "description", item.description)
    _list(entry, "tag", [names.TAG])
    return entry


@write.register
def _(item: Service) -> Element:
    entry = _entry(item.name)
    protocol = etree.SubElement(etree.SubElement(entry, "protocol"), item.protocol)
    _leaf(protocol, "port", item.ports)
    _leaf(entry, "description", item.description)
    _list(entry, "tag", [names.TAG])
    return entry


@write.register
def _(item: Tag) -> Element:
    entry = _entry(item.name)
    _leaf(entry, "comments", item.comments)
    return entry


@write.register
def _(item: ApplicationGroup) -> Element:
    entry = _entry(item.name)
    _list(entry, "members", item.members)
    return entry


@write.register
def _(item: Schedule) -> Element:
    entry = _entry(item.name)
    kind = etree.SubElement(entry, "schedule-type")
    recurring = etree.SubElement(kind, "recurring")
    weekly: Element | None = None
    for day, windows in item.windows:
        if day == "daily":
            _list(recurring, "daily", windows)
        else:
            weekly = etree.SubElement(recurring, "weekly") if weekly is None else weekly
            _list(weekly, day, windows)
    return entry


@write.register
def _(item: FirewallZone) -> Element:
    entry = _entry(item.name)
    network = etree.SubElement(entry, "network")
    _list(network, item.type or "layer3", item.interfaces)
    return entry


@write.register
def _(item: DefaultRule) -> Element:
    entry = _entry(item.name)
    _leaf(entry, "action", item.action)
    _leaf(entry, "log-end", "yes" if item.log else "no")
    _leaf(entry, "log-setting", item.log_setting)
    return entry


@write.register
def _(item: LogProfile) -> Element:
    entry = _entry(item.name)
    _leaf(entry, "description", item.description)
    held = etree.SubElement(entry, "match-list")
    held.extend(etree.fromstring(text) for text in item.lists)
    return entry
