"""A PAN-OS provider's harness: mock firewalls over HTTPS, with other administrators at work."""

from __future__ import annotations

import copy
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from hypothesis import strategies as st
from lxml import etree

from segctl.model.site import Device, ZoneBinding
from segctl.protocols import catalogue
from segctl.providers.panos import PanosProvider
from segctl.providers.panos.app_id import applications as panos_applications
from segctl.providers.panos.snapshot import Snapshot, load
from segctl.transports.credentials import Secret
from segctl.transports.target import Target
from segctl_mocks import ApiError, PanosMock
from segctl_mocks.panos.device import PanosDevice
from segctl_mocks.panos.provision import provision

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from hypothesis.strategies import DataObject

    from segctl.model.policy import DeclaredRule, Rule
    from segctl.providers.base import Provider

Element: TypeAlias = etree._Element  # pyright: ignore[reportPrivateUsage] - lxml has no public name for it

DEVICE = "/config/devices/entry[@name='localhost.localdomain']"
VSYS = f"{DEVICE}/vsys/entry[@name='vsys1']"
RULES = f"{VSYS}/rulebase/security/rules"
ANCHOR = "o-anchor"
ZONES = {"OT-CTRL": ("loopback.901",), "OT-SUPV": ("loopback.902",), "OT-DMZ": ("loopback.903",)}
PROFILES = ("ot-strict", "ot-alert")
#: Objects whose order means nothing.
_UNORDERED = ("address", "address-group", "service", "tag", "application-group", "schedule", "zone")


def firewall(name: str = "fw1") -> Device:
    """Return the inventory's firewall: three zones and two profile groups."""
    return Device(
        name=name,
        platform="panos",
        zones=tuple(
            ZoneBinding(zone=f"site/{zone[3:].lower()}", name=zone, interfaces=ports)
            for zone, ports in ZONES.items()
        ),
        threat_profiles=(("alert", "ot-alert"), ("strict", "ot-strict")),
    )


def other_rule(name: str, body: str = "", action: str = "deny") -> str:
    """Return a rule of somebody else."""
    lists = {"from": "any", "to": "any", "source": "any", "destination": "any"}
    lists |= {"application": "any", "service": "any", "source-user": "any"}
    text = "".join(
        f"<{tag}><member>{word}</member></{tag}>"
        for tag, word in lists.items()
        if f"<{tag}>" not in body
    )
    return f'<entry name="{name}">{text}{body}<action>{action}</action></entry>'


def target_of(mock: PanosMock, **values: object) -> Target:
    """Return how to reach a mock."""
    found = Target(
        name=mock.name,
        host=mock.host,
        port=mock.port,
        user="admin",
        password=Secret("pw"),
        ca_file=mock.ca_file,
        timeout=120,
        commit_timeout=120,
    )
    return replace(found, **values)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - any field of a target


def boot(
    mock: PanosMock,
    config: bytes | None = None,
    zones: Mapping[str, Sequence[str]] = ZONES,
    pushed: Sequence[bytes] = (),
) -> None:
    """Make a mock that is running a device fresh from the factory, prepared for segctl."""
    mock.device = PanosDevice(mock.settings, {"admin": "pw"}, config, pushed=pushed)
    provision(mock.device, zones=zones, profile_groups=PROFILES, log_forwarding=("to-siem",))
    mock.device.locks.held.clear()  # where an edit takes the commit lock by itself


def canonical(xml: bytes) -> str:
    """Write a configuration in one spelling; where order means nothing, by name."""
    root = etree.fromstring(xml)
    for tag in _UNORDERED:
        for container in root.iter(tag):
            if container.getparent() is None or not all(kid.tag == "entry" for kid in container):
                continue
            container[:] = sorted(container, key=lambda kid: kid.get("name", ""))
    return etree.tostring(root, method="c14n").decode()


def others(xml: bytes) -> str:
    """Write what of a configuration is not segctl's, in its order."""
    root = etree.fromstring(xml)
    for entry in list(root.iter("entry")):
        parent = entry.getparent()
        if parent is not None and _ours(entry, str(parent.tag)):
            parent.remove(entry)
    _prune(root)
    return etree.tostring(root, method="c14n").decode()


def _ours(entry: Element, container: str) -> bool:
    name = entry.get("name", "")
    if container == "tag":
        return name in {"segctl", "segctl-containment", "segctl-ahead"}
    if container in ("application-group", "schedule"):
        return name.startswith("segctl-")
    if name == "interzone-default":
        return True
    tags = [member.text for member in entry.findall("tag/member")]
    return "segctl" in tags or (entry.findtext("description") or "").startswith("[segctl")


def _prune(element: Element) -> None:
    for child in list(element):
        _prune(child)
        if child.tag != "entry" and not len(child) and not (child.text or "").strip():
            element.remove(child)


@dataclass(slots=True)
class PanosBench:
    """One virtual system of a mock firewall under test, as the host of this name."""

    mock: PanosMock
    parts: Mapping[str, bytes]
    made: int = 0
    any_version: bool = False
    system: str = "vsys1"
    host: str = "fw1"

    @property
    def target(self) -> Target:
        return target_of(self.mock, allow_unsupported_version=self.any_version)

    @property
    def locks(self) -> int:
        return len(self.mock.device.locks.held)

    def met(self) -> Sequence[bytes]:
        return [self.document(xml) for xml in self.mock.effective()]

    def document(self, xml: bytes) -> bytes:
        """Return a snapshot as if this configuration were running."""
        root = etree.fromstring(xml)
        scope = root.find(f"devices/entry/vsys/entry[@name={self.system!r}]")
        shared = root.find("shared")
        assert scope is not None
        parts = dict(self.parts)
        parts["vsys"] = shown(scope)
        parts["shared"] = shown(etree.Element("shared") if shared is None else shared)
        for kind, path in COUNTED.items():
            count = len(scope.findall(f"{path}/entry"))
            parts[f"count {kind}"] = counted(count)
        return Snapshot(host=self.host, user="admin", scope=self.system, parts=parts).dump()

    def printed(self) -> str:
        return canonical(self.mock.running())

    def others(self) -> str:
        return others(self.mock.running())

    def sever(self, request: int, how: Literal["before", "after", "within"]) -> None:
        kind = {"before": "drop_before", "after": "drop_after", "within": "drop_at"}[how]
        self.mock.fail(kind, skip=request)

    def mend(self) -> None:
        self.mock.device.faults.waiting.clear()

    # -- other administrators ---------------------------------------------------------

    def bystand(self, data: DataObject) -> None:
        count = data.draw(st.integers(0, 4), "rules of others")
        vsys = (
            "<address>"
            '<entry name="o-host"><ip-netmask>10.1.0.99</ip-netmask></entry>'
            '<entry name="o-net"><ip-netmask>10.2.0.0/16</ip-netmask></entry>'
            '<entry name="o-name"><fqdn>plant.example.com</fqdn></entry></address>'
            '<address-group><entry name="o-group"><static><member>o-host</member>'
            "</static></entry></address-group>"
            '<service><entry name="o-port"><protocol><tcp><port>8443,9000-9010</port></tcp>'
            "</protocol></entry></service>"
        )
        self.try_edit("set", VSYS, vsys)
        shared = (
            '<address><entry name="o-shared"><ip-netmask>10.3.0.0/24</ip-netmask></entry></address>'
        )
        self.try_edit("set", "/config/shared", shared)
        for _ in range(count):
            self._other_rule(data)
        self.publish()

    def _other_rule(self, data: DataObject) -> None:
        self.made += 1
        sources = data.draw(st.sampled_from(("any", "o-host", "o-group", "o-net", "10.9.0.0/16")))
        body = f"<source><member>{sources}</member></source>"
        body += data.draw(
            st.sampled_from(
                (
                    "",
                    "<from><member>OT-CTRL</member></from><to><member>OT-SUPV</member></to>",
                    "<service><member>o-port</member></service>",
                    (
                        "<application><member>ssl</member></application>"
                        "<service><member>application-default</member></service>"
                    ),
                    "<disabled>yes</disabled>",
                    "<qos><marking><ip-dscp>ef</ip-dscp></marking></qos>",
                    (
                        "<destination><member>o-shared</member></destination>"
                        "<negate-destination>yes</negate-destination>"
                    ),
                )
            )
        )
        action = data.draw(st.sampled_from(("allow", "deny", "drop")))
        name = f"o-{self.made}"
        if self.try_edit("set", RULES, other_rule(name, body, action)):
            self._move(data, name)

    def _move(self, data: DataObject, name: str) -> None:
        where = data.draw(st.sampled_from(("top", "bottom", "before", "after")), "where")
        rules = [rule for rule in self.rules() if rule != name]
        dst = data.draw(st.sampled_from(rules), "dst") if rules else ""
        if where in ("top", "bottom") or dst:
            self.try_edit("move", f"{RULES}/entry[@name='{name}']", where=where, dst=dst)

    def disturb(self, data: DataObject) -> None:
        for _ in range(data.draw(st.integers(0, 6), "edits by hand")):
            self._tamper(data)
        self.publish()

    def _tamper(self, data: DataObject) -> None:
        ours = [name for name in self.rules() if not name.startswith("o-")]
        what = data.draw(st.sampled_from((*_LEAVES, *_ACTS)), "edit")
        if what == "object":
            self._tamper_with_object(data)
        elif what == "intruder":
            self._other_rule(data)
        elif what == "user of ours":
            self._refer_to_ours(data)
        elif ours:
            name = data.draw(st.sampled_from(ours), "rule")
            entry = f"{RULES}/entry[@name='{name}']"
            if what == "move":
                self._move(data, name)
            elif what == "rename":
                self.made += 1
                self.try_edit("rename", entry, newname=f"renamed-{self.made}")
            elif what in ("delete", "delete tag"):
                self.try_edit("delete", entry + ("/tag" if what == "delete tag" else ""))
            else:
                self.try_edit("set", entry, _LEAVES[what])

    def _tamper_with_object(self, data: DataObject) -> None:
        found = [
            (kind, entry.get("name", ""))
            for kind in ("address", "address-group", "service", "application-group", "tag")
            for entry in self.candidate().findall(f"{kind}/entry")
            if _ours(entry, kind)
        ]
        if not found:
            return
        kind, name = data.draw(st.sampled_from(found), "object")
        entry = f"{VSYS}/{kind}/entry[@name='{name}']"
        self.made += 1
        match data.draw(st.sampled_from(("value", "rename", "delete", "description")), "how"):
            case "value":
                self.try_edit("set", entry, _VALUES[kind])
            case "rename" if kind not in ("tag", "application-group"):
                self.try_edit("rename", entry, newname=f"renamed-{self.made}")
            case "delete":
                self.try_edit("delete", entry)
            case _:
                self.try_edit("set", entry, "<description>by hand</description>")

    def _refer_to_ours(self, data: DataObject) -> None:
        names = [
            entry.get("name", "")
            for kind in ("address", "address-group")
            for entry in self.candidate().findall(f"{kind}/entry")
            if _ours(entry, kind)
        ]
        if names:
            self.made += 1
            name = data.draw(st.sampled_from(names), "referred to")
            body = f"<source><member>{name}</member></source>"
            self.try_edit("set", RULES, other_rule(f"o-{self.made}", body))

    def publish(self) -> None:
        """Commit what the other administrator did, or take it back if the device refuses."""
        if not self.try_edit("set", RULES, "", commit=True):
            self.mock.device.committer.revert(["other"])

    def candidate(self) -> Element:
        """Return the virtual system's entry of the candidate."""
        where = f"devices/entry/vsys/entry[@name={self.system!r}]"
        found = etree.fromstring(self.mock.config()).find(where)
        assert found is not None
        return found

    def rules(self) -> list[str]:
        """Return the names of the candidate's rules, in order."""
        return [
            entry.get("name", "")
            for entry in self.candidate().findall("rulebase/security/rules/entry")
        ]

    def try_edit(self, action: str, xpath: str, element: str = "", **values: object) -> bool:
        """Let another administrator do what the device lets him do."""
        xpath = xpath.replace(VSYS, VSYS.replace("vsys1", self.system))
        try:
            self.mock.edit(action, xpath, element, **values)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - options of `edit`
        except ApiError:
            return False
        return True


COUNTED = {
    "rule": "rulebase/security/rules",
    "address": "address",
    "address-group": "address-group",
    "service": "service",
}
_LEAVES = {
    "action": "<action>deny</action>",
    "log": "<log-end>no</log-end>",
    "log start": "<log-start>yes</log-start>",
    "disabled": "<disabled>yes</disabled>",
    "source": "<source><member>10.66.0.0/16</member></source>",
    "negate": "<negate-source>yes</negate-source>",
    "service": "<service><member>o-port</member></service>",
    "zone": "<to><member>OT-DMZ</member></to>",
    "qos": "<qos><marking><ip-dscp>ef</ip-dscp></marking></qos>",
    "user": "<source-user><member>plant\\intruder</member></source-user>",
    "note": "<tag><member>segctl</member></tag><log-setting>to-siem</log-setting>",
}
_ACTS = (
    "move",
    "move",
    "rename",
    "delete",
    "delete tag",
    "object",
    "object",
    "intruder",
    "user of ours",
)
_VALUES = {
    "address": "<ip-netmask>10.77.0.1</ip-netmask>",
    "address-group": "<static><member>o-host</member></static>",
    "service": "<protocol><tcp><port>7</port></tcp></protocol>",
    "application-group": "<members><member>ssl</member></members>",
    "tag": "<comments>by hand</comments>",
}


def counted(count: int) -> bytes:
    """Return the answer that says how many entries a container has."""
    return f'<response status="success"><result total-count="{count}"/></response>'.encode()


def shown(node: Element) -> bytes:
    """Return a node as the answer that shows it."""
    root = etree.Element("response", status="success")
    etree.SubElement(root, "result").append(copy.deepcopy(node))
    return etree.tostring(root)


@dataclass(slots=True)
class PanosHarness:
    """The PAN-OS provider against mocks; one server, a fresh device for each example."""

    mock: PanosMock
    config: bytes | None = None
    provider: Provider = field(default_factory=PanosProvider)
    device: Device = field(default_factory=firewall)
    anchor: str = ANCHOR
    parts: Mapping[str, bytes] = field(default_factory=dict[str, bytes])

    @contextmanager
    def workbench(self) -> Generator[PanosBench]:
        boot(self.mock, self.config)
        self.mock.edit("set", RULES, other_rule(ANCHOR), commit=True)
        if not self.parts:
            with self.provider.connect(target_of(self.mock), read_only=True) as session:
                found = load(session.read()).parts
            self.parts = {name: bytes(part) for name, part in found.items()}
        yield PanosBench(self.mock, self.parts)

    def widest(self, rule: DeclaredRule) -> Rule:
        names = {
            name
            for use in rule.protocols
            for name in panos_applications(catalogue().get(use.protocol), use.classes).names
        }
        return rule.fitted(applications=tuple(sorted({*rule.applications, *names})))
