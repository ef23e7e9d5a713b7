"""What every device brings: predefined applications, services, profiles, platform limits."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from lxml import etree

from segctl_mocks.panos.tree import Element, Tree, text_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

_PROFILES = {
    "virus": ("default",),
    "spyware": ("default", "strict"),
    "vulnerability": ("default", "strict"),
    "url-filtering": ("default",),
    "file-blocking": ("basic file blocking", "strict file blocking"),
    "wildfire-analysis": ("default",),
    "hip-profiles": (),
}
_SERVICES = {"service-http": "80,8080", "service-https": "443"}
_CATEGORIES = (
    "abortion adult alcohol-and-tobacco auctions business-and-economy command-and-control "
    "computer-and-internet-info content-delivery-networks copyright-infringement "
    "cryptocurrency dating dynamic-dns educational-institutions entertainment-and-arts "
    "extremism financial-services gambling games government grayware hacking "
    "health-and-medicine high-risk home-and-garden hunting-and-fishing "
    "insufficient-content internet-communications-and-telephony internet-portals job-search "
    "legal low-risk malware medium-risk military motor-vehicles music news not-resolved "
    "nudity online-storage-and-backup parked peer-to-peer personal-sites-and-blogs "
    "philosophy-and-political-advocacy phishing private-ip-addresses proxy-avoidance-and-"
    "anonymizers questionable ransomware real-estate recreation-and-hobbies "
    "reference-and-research religion search-engines sex-education shareware-and-freeware "
    "shopping social-networking society sports stock-advice-and-tools streaming-media "
    "swimsuits-and-intimate-apparel training-and-tools translation travel unknown weapons "
    "web-advertisements web-based-email web-hosting"
)
_REGIONS = (
    "AE AR AT AU BE BG BR CA CH CL CN CO CZ DE DK EE EG ES FI FR GB GR HK HR HU ID IE IL IN "
    "IR IS IT JP KP KR LT LU LV MX MY NL NO NZ PH PK PL PT RO RS RU SA SE SG SI SK SY TH TR "
    "TW UA US VN ZA"
)

#: Flags that every entry of content 9149 has, of ``ptp`` to ``ifolder``: mostly ``no``.
_FLAGS = (
    "evasive-behavior",
    "consume-big-bandwidth",
    "used-by-malware",
    "able-to-transfer-file",
    "has-known-vulnerability",
    "tunnel-other-application",
    "prone-to-misuse",
    "pervasive-use",
)
_RULES = ".//security/rules/entry"
_ADOPTED = {
    f"{_RULES}/application/member": "application",
    ".//application-group/entry/members/member": "application",
    f"{_RULES}/category/member": "url-category",
    f"{_RULES}/source/member": "region",
    f"{_RULES}/destination/member": "region",
}
_OWN = {
    "application": (
        "application",
        "application-group",
        "application-filter",
        "application-container",
    ),
    "url-category": ("custom-url-category", "external-list"),
    "region": ("address", "address-group", "external-list", "region"),
}
_KEYWORDS = frozenset({"any"})
_REGION = re.compile("[A-Z]{2}")


@dataclass(frozen=True, slots=True)
class Application:
    """A predefined application."""

    name: str
    container: str
    ports: tuple[str, ...]
    depends_on: tuple[str, ...]
    implicit: tuple[str, ...]


@cache
def applications() -> tuple[tuple[Application, ...], tuple[str, ...]]:
    """Return the predefined applications and the names of containers."""
    text = files("segctl_mocks").joinpath("data/applications.txt").read_text("utf-8")
    found: list[Application] = []
    containers: list[str] = []
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        if line.startswith("container "):
            containers.append(line.removeprefix("container "))
            continue
        fields = [part.strip() for part in f"{line} | | | |".split("|")]
        lists = [tuple(part for part in each.split(",") if part) for each in fields[2:5]]
        found.append(Application(fields[0], fields[1], *lists))
    return tuple(found), tuple(containers)


@dataclass(frozen=True, slots=True)
class Attributes:
    """What kind of application one is."""

    category: str
    subcategory: str
    technology: str
    risk: str


@cache
def attributes(name: str) -> Attributes:
    """Return the attributes of an application, by the longest name that fits."""
    rows = _attributes()
    fits = (one for one in rows if one == name or (one[-1] == "*" and name.startswith(one[:-1])))
    return rows[max(fits, key=lambda one: (one == name, len(one)))]


@cache
def _attributes() -> Mapping[str, Attributes]:
    text = files("segctl_mocks").joinpath("data/attributes.txt").read_text("utf-8")
    rows = (line.split("|") for line in text.splitlines() if not line.startswith("#"))
    return {name.strip(): Attributes(*(each.strip() for each in rest)) for name, *rest in rows}


@cache
def predefined(removed: frozenset[str] = frozenset()) -> Tree:
    """Return ``/config/predefined`` without the applications a test removed; devices share it."""
    root = etree.Element("config")
    content = etree.SubElement(root, "predefined")
    known, containers = applications()
    kept = [each for each in known if each.name not in removed]
    names = etree.SubElement(content, "application")
    for application in kept:
        _application(names, application)
    boxes = etree.SubElement(content, "application-container")
    for name in containers:
        if name not in removed:
            members = [each.name for each in kept if each.container == name]
            _member_list(_entry(boxes, name), "functions", members)
    services = etree.SubElement(content, "service")
    for name, ports in _SERVICES.items():
        protocol = etree.SubElement(_entry(services, name), "protocol")
        tcp = etree.SubElement(protocol, "tcp")
        etree.SubElement(tcp, "port").text = ports
    profiles = etree.SubElement(content, "profiles")
    for kind, profile_names in _PROFILES.items():
        _names(profiles, kind, profile_names)
    _names(content, "region", _REGIONS.split())
    _names(content, "url-category", _CATEGORIES.split())
    return Tree(root)


def adopted(content: Tree, tree: Tree, removed: Collection[str] = ()) -> Tree:
    """Return `content` with what a configuration names and nobody defines, in a copy if needed.

    The device runs it, so it knows it.
    """
    missing = [
        (kind, name)
        for path, kind in _ADOPTED.items()
        for name in _unknown(content, tree, kind, path)
        if name not in removed and _plausible(kind, name)
    ]
    if missing:
        content = content.clone()
    for kind, name in dict.fromkeys(missing):
        content.new_child(_container(content, kind), ("entry", name))
    return content


def with_applications(content: Tree, added: Iterable[str]) -> Tree:
    """Return `content` with further applications of these names, in a copy."""
    found = content.clone()
    for name in added:
        found.new_child(_container(found, "application"), ("entry", name))
    return found


def _unknown(content: Tree, tree: Tree, kind: str, path: str) -> Iterable[str]:
    places = ("application", "application-container") if kind == "application" else (kind,)
    known = {name for place in places for name in content.entries(_container(content, place))}
    own = {entry.get("name") for each in tree.root.iter(*_OWN[kind]) for entry in each}
    names = dict.fromkeys(text_of(member) for member in tree.root.iterfind(path))
    taken = {*known, *own, *_KEYWORDS}
    return (name for name in names if name not in taken)


def _container(content: Tree, kind: str) -> Element:
    found = content.root.find(f"predefined/{kind}")
    if found is None:
        raise LookupError(kind)
    return found


def _plausible(kind: str, name: str) -> bool:
    return bool(name) if kind != "region" else _REGION.fullmatch(name) is not None


def _application(parent: Element, application: Application) -> None:
    entry = _entry(parent, application.name)
    held = attributes(application.name)
    etree.SubElement(entry, "category").text = held.category
    etree.SubElement(entry, "subcategory").text = held.subcategory
    etree.SubElement(entry, "technology").text = held.technology
    etree.SubElement(entry, "risk").text = held.risk
    for flag in _FLAGS:
        etree.SubElement(entry, flag).text = "no"
    if application.container:
        etree.SubElement(entry, "application-container").text = application.container
    if application.ports:
        default = etree.SubElement(entry, "default")
        _member_list(default, "port", application.ports)
    if application.depends_on:
        _member_list(entry, "use-applications", application.depends_on)
    if application.implicit:
        _member_list(entry, "implicit-use-applications", application.implicit)


def _entry(parent: Element, name: str) -> Element:
    return etree.SubElement(parent, "entry", name=name)


def _names(parent: Element, tag: str, names: Iterable[str]) -> None:
    container = etree.SubElement(parent, tag)
    for name in names:
        _entry(container, name)


def _member_list(parent: Element, tag: str, members: Iterable[str]) -> None:
    container = etree.SubElement(parent, tag)
    for member in members:
        etree.SubElement(container, "member").text = member


def platform(limits: Mapping[str, int]) -> Tree:
    """Build the read-only ``platform`` node of the device."""
    root = etree.Element("config")
    devices = etree.SubElement(root, "devices")
    device = _entry(devices, "localhost.localdomain")
    node = etree.SubElement(etree.SubElement(device, "platform"), "limits")
    for name, value in limits.items():
        etree.SubElement(node, name).text = str(value)
    return Tree(root)
