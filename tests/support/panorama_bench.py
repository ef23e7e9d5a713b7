"""A device group of two firewalls as a provider's harness: a mock Panorama, and its mocks.

The first of them may be a pair.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

from lxml import etree

from segctl.model.scope import Scope
from segctl.model.site import Conduit, Device, Site
from segctl.providers.panos.panorama import PanoramaProvider
from segctl.providers.panos.snapshot import Snapshot, load
from segctl.testing.strategies import compiled
from segctl.transports.credentials import Secret
from segctl.transports.target import Managed, Target
from segctl_mocks import PanoramaMock, PanosMock
from segctl_mocks.panos.device import PanosDevice
from segctl_mocks.panos.panorama import compose
from segctl_mocks.panos.panorama.device import PanoramaDevice
from segctl_mocks.panos.provision import provision
from segctl_mocks.panos.references import is_slot
from segctl_mocks.panos.tree import Tree
from support import panos
from support.managed import FIRST, SECOND
from support.panorama import GROUP, PEER, SERVER
from support.panos import ANCHOR, PROFILES, ZONES, PanosBench, PanosHarness, canonical, other_rule
from support.plants import NETWORKS, zone

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from segctl.compiler.build import Desired
    from segctl.model.site import Flow
    from segctl.providers.base import Provider
    from segctl_mocks import Authority, ServerCertificate

RULES = f"{GROUP}/pre-rulebase/security/rules"
GROUPS = GROUP.rpartition("/")[0]
SERIALS = {"fw1": FIRST, "fw2": SECOND}
#: The firewalls with the peer of the first, and the serial number of each.
PAIRED = {**SERIALS, **PEER}
#: What each firewall has of the zones, by the inventory; all of them have all zones.
BOUND = {"fw1": tuple(ZONES), "fw2": ("OT-SUPV", "OT-DMZ")}
PASSWORD = "kept-to-itself-4711"
USERS = {"segctl": PASSWORD, "other": "pw", "admin": "pw"}
_DEVICE = panos.DEVICE


def group(names: Sequence[str] = tuple(SERIALS), *, all_zones: bool = False) -> Device:
    """Return the device group as what is planned: its zones are those of all its firewalls."""
    base = panos.firewall()
    scope = Scope(kind="device-group", name="OT")
    firewalls = tuple(
        replace(
            base,
            name=name,
            manager="panorama1",
            group=scope,
            serial=SERIALS[name],
            zones=tuple(
                replace(one, interfaces=())
                for one in base.zones
                if all_zones or one.name in BOUND[name]
            ),
        )
        for name in names
    )
    return replace(
        base,
        name="panorama1:OT",
        platform="panorama",
        scope=scope,
        zones=tuple(replace(one, interfaces=()) for one in base.zones),
        members=firewalls,
        manager="panorama1",
    )


def with_peer(made: Device) -> Device:
    """Return a group of which the first firewall is a pair."""
    first, *others = made.members
    pair = replace(first, ha_peer="fw1b", peer_serial=PEER["fw1b"])
    return replace(made, members=(pair, *others))


@dataclass(slots=True)
class GroupBench(PanosBench):
    """One device group under test, and its firewalls; `mock` is their Panorama."""

    firewalls: dict[str, PanosMock] = field(kw_only=True)
    asked: tuple[str, ...] = tuple(SERIALS)
    patience: float = 60
    place: str = GROUP
    path: str = "devices/entry/device-group/entry[@name='OT']"

    @property
    def panorama(self) -> PanoramaMock:
        """The Panorama."""
        assert isinstance(self.mock, PanoramaMock)
        return self.mock

    @property
    def target(self) -> Target:
        mock = self.panorama
        return Target(
            name="panorama1:OT",
            host=mock.host,
            port=mock.port,
            user="segctl",
            password=Secret(PASSWORD),
            ca_file=mock.ca_file,
            timeout=60,
            commit_timeout=self.patience,
            scope=Scope(kind="device-group", name="OT"),
            managed=tuple(
                Managed(
                    name=name,
                    host="192.0.2.1",
                    serial=PAIRED[name],
                    asked=(of or name) in self.asked,
                    of=of,
                )
                for name in self.firewalls
                for of in ["" if name in SERIALS else "fw1"]
            ),
        )

    def document(self, xml: bytes) -> bytes:
        """Return a snapshot as if Panorama ran this configuration."""
        root = etree.fromstring(xml)
        scope, shared = root.find(self.path), root.find("shared")
        assert scope is not None
        parts = dict(self.parts)
        parts["vsys"] = panos.shown(scope)
        parts["shared"] = panos.shown(etree.Element("shared") if shared is None else shared)
        for kind, path in panos.COUNTED.items():
            where = path.replace("rulebase", "pre-rulebase")
            parts[f"count {kind}"] = panos.counted(len(scope.findall(f"{where}/entry")))
        return Snapshot(
            host="panorama1:OT", user="segctl", scope="device-group:OT", parts=parts
        ).dump()

    def printed(self) -> str:
        """Return what Panorama runs, and what each firewall got of it."""
        got = [f"{name}: {self.pushed(name)}" for name in self.firewalls]
        return "\n".join([canonical(self.mock.running()), *got])

    def pushed(self, name: str) -> str:
        """Return what a firewall enforces of what was pushed, in one spelling."""
        device = self.firewalls[name].device
        device.settle()
        found = [*device.pushed.systems.values(), *device.pushed.shared]
        return "".join(canonical(etree.tostring(node)) for node in found)

    def pushed_rules(self, name: str) -> list[str]:
        """Return the names of the rules that a firewall got."""
        device = self.firewalls[name].device
        device.settle()
        return [rule.get("name", "") for rule in device.pushed.rules("vsys1", "pre-rulebase")]

    def due(self, name: str) -> str:
        """Return what a firewall would get of the configuration that runs now."""
        return self.dues(name)[-1]

    def dues(self, name: str) -> list[str]:
        """Return what a firewall would have got of each configuration that ran, in order."""
        trees = [Tree.from_bytes(xml, is_slot) for xml in self.mock.effective()]
        return [
            canonical(
                etree.tostring(
                    compose.policy(tree, "OT", compose.target_of(tree, PAIRED[name], "vsys1"))
                )
            )
            for tree in trees
        ]

    def holds(self, text: str) -> dict[str, bool]:
        """Return which firewalls enforce what has this text in it."""
        return {name: text in self.pushed(name) for name in self.firewalls}

    def disturb_others(self) -> None:
        """Let two other administrators leave changes of theirs: in shared, and another group."""
        self.mock.edit("set", "/config/shared/tag", "<entry name='o-pending'/>", admin="other")
        entry = "<entry name='o-group'><description>o</description></entry>"
        self.mock.edit("set", GROUPS, entry, admin="admin")

    # -- other administrators, as `PanosBench` has them --------------------------------------

    def candidate(self) -> panos.Element:
        found = etree.fromstring(self.mock.config()).find(self.path)
        assert found is not None
        return found

    def rules(self) -> list[str]:
        return [
            entry.get("name", "")
            for entry in self.candidate().findall("pre-rulebase/security/rules/entry")
        ]

    def try_edit(self, action: str, xpath: str, element: str = "", **values: object) -> bool:
        """Let another administrator do in the group what he would do on a firewall."""
        there = xpath.replace(panos.RULES, RULES).replace(panos.VSYS, GROUP)
        return PanosBench.try_edit(self, action, there, element, **values)


@dataclass(slots=True)
class GroupHarness(PanosHarness):
    """The provider of device groups against mocks; fresh devices for each example."""

    firewalls: dict[str, PanosMock] = field(kw_only=True)
    provider: Provider = field(default_factory=PanoramaProvider)
    device: Device = field(default_factory=group)

    @contextmanager
    def workbench(self) -> Generator[GroupBench]:
        self.boot()
        bench = GroupBench(self.mock, self.parts, firewalls=self.firewalls)
        if not self.parts:
            with self.provider.connect(bench.target, read_only=True) as session:
                found = load(session.read()).parts
            bench.parts = self.parts = {name: bytes(part) for name, part in found.items()}
        yield bench

    def boot(self) -> None:
        """Make the Panorama and its firewalls anew, the group empty but for a rule of others."""
        for mock in self.firewalls.values():
            mock.device = PanosDevice(mock.settings, USERS)
            provision(mock.device, zones=ZONES)
            mock.edit("set", f"{_DEVICE}/deviceconfig/system", SERVER, admin="admin", commit=True)
        panorama = cast("PanoramaMock", self.mock)  # a served device with the same calls
        panorama.device = PanoramaDevice(
            panorama.settings, USERS, firewalls=self.firewalls.values()
        )
        devices = "".join(f'<entry name="{PAIRED[name]}"/>' for name in self.firewalls)
        profiles = "".join(
            f"<entry name='{name}'><virus><member>default</member></virus></entry>"
            for name in PROFILES
        )
        panorama.edit(
            "set",
            GROUPS,
            f"<entry name='OT'><devices>{devices}</devices>"
            f"<profile-group>{profiles}</profile-group></entry>",
            admin="admin",
        )
        panorama.edit("set", RULES, other_rule(ANCHOR), admin="admin", commit=True)
        panorama.device.start_over()


@contextmanager
def served(
    authority: Authority,
    certificate: ServerCertificate,
    parts: Mapping[str, bytes] | None = None,
    *,
    pair: bool = False,
) -> Generator[GroupHarness]:
    """Serve a Panorama and return its harness; with `pair`, the first firewall has a peer."""
    ha = {"fw1": "active", "fw1b": "passive"} if pair else {}
    firewalls = {
        name: PanosMock(name, serial=serial, users=USERS, job_seconds=0.0, ha=ha.get(name, ""))
        for name, serial in (PAIRED if pair else SERIALS).items()
    }
    panorama = PanoramaMock(
        firewalls=firewalls.values(),
        users=USERS,
        job_seconds=0.0,
        authority=authority,
        certificate=certificate,
    )
    with panorama:
        device = with_peer(group()) if pair else group()
        yield GroupHarness(panorama, parts=parts or {}, firewalls=firewalls, device=device)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - a served device with the same calls


def plant_of(*flows: Flow, group_of: Device | None = None, only: str = "") -> Desired:
    """Compile a plant with one conduit from zone supv, which both firewalls have, to zone dmz.

    Another one goes from zone ctrl to zone dmz, by the first firewall alone.
    """
    zones = tuple(zone(key, *networks) for key, networks in NETWORKS.items())
    conduits = tuple(
        Conduit(
            site="site",
            id=name,
            from_zones=(enter,),
            to_zones=("site/dmz",),
            reason="for tests",
            owner="process-automation",
            threat_prevention="none",
            flows=tuple(replace(one, sources=(), destinations=()) for one in flows),
        )
        for name, enter in (("c1", "site/supv"), ("c2", "site/ctrl"))
        if only in ("", name)
    )
    device = group_of or group()
    site = Site(zones=zones, conduits=conduits if flows else (), devices=(device,))
    return compiled(site, device)
