"""Two virtual systems of one mock firewall under test, and a third that is somebody else's."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from segctl.model.errors import SegctlError
from segctl.model.scope import Scope
from segctl.planning.apply import Order, apply_device
from segctl.planning.freshness import managed
from segctl.planning.outcome import Outcome
from segctl.planning.together import Part, apply_together
from segctl.providers.panos import PanosProvider
from segctl.providers.panos.snapshot import load
from segctl.testing import plan
from segctl.transports.target import Member
from segctl_mocks.panos.device import PanosDevice
from segctl_mocks.panos.provision import provision
from support.panos import (
    ANCHOR,
    PROFILES,
    RULES,
    PanosBench,
    PanosHarness,
    canonical,
    firewall,
    other_rule,
    others,
    target_of,
)
from support.plants import plant
from support.runs import silent

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    from segctl.compiler.build import Desired
    from segctl.model.site import Device, Flow, ZoneBinding
    from segctl.planning.plan import DevicePlan
    from segctl.planning.together import Ended, JudgeAll
    from segctl.transports.target import Target
    from segctl_mocks import PanosMock, PanosPair

#: Which virtual system each host is; the third is nobody's of ours.
SYSTEMS = {"fw1": "vsys1", "fw2": "vsys2"}
THIRD = "vsys3"
PROVIDER = PanosProvider()


def place(path: str, system: str) -> str:
    """Return a path in `vsys1` as that of another virtual system."""
    return path.replace("vsys1", system)


@dataclass(slots=True)
class SystemBench(PanosBench):
    """One virtual system of a firewall that has several."""

    pair: PanosPair | None = None

    @property
    def target(self) -> Target:
        scope = Scope.of(self.system)
        if self.pair is None:
            return replace(target_of(self.mock), name=self.host, scope=scope)
        first, second = (
            replace(target_of(mock), name=f"{self.host}{suffix}", scope=scope)
            for mock, suffix in zip(self.pair.mocks, ("", "-b"), strict=True)
        )
        return replace(first, members=(Member(name=second.name, host=second.host, way=second),))


@dataclass(slots=True)
class Systems:
    """One mock firewall, or pair, whose virtual systems are two hosts; fresh after `boot`.

    Of a pair, `mock` is the member that others work on.
    """

    mock: PanosMock
    pair: PanosPair | None = None
    harnesses: Mapping[str, PanosHarness] = field(default_factory=dict[str, PanosHarness])
    benches: Mapping[str, PanosBench] = field(default_factory=dict[str, PanosBench])

    def boot(self) -> None:
        """Begin with a device fresh from the factory, prepared for segctl."""
        for mock in self.mocks:
            mock.device = PanosDevice(mock.settings, {"admin": "pw"})
        if self.pair is not None:
            self.pair.boot(*(mock.device for mock in self.mocks))
            self.mock = self.pair.active
        for system in (*SYSTEMS.values(), THIRD):
            provision(
                self.mock.device,
                vsys=system,
                zones={one.name: one.interfaces for one in _zones(system)},
                profile_groups=PROFILES,
                log_forwarding=("to-siem",),
            )
            self.mock.edit("set", place(RULES, system), other_rule(ANCHOR), commit=True)
        self.mock.device.locks.held.clear()
        if self.pair is not None:
            self.pair.room.align()
        if not self.harnesses:
            self.harnesses = {
                host: PanosHarness(self.mock, device=declared(host)) for host in SYSTEMS
            }
            bare = {
                host: SystemBench(self.mock, {}, system=system, host=host, pair=self.pair)
                for host, system in SYSTEMS.items()
            }
            self.benches = {
                host: replace(bench, parts=_parts(bench)) for host, bench in bare.items()
            }

    def failover(self) -> None:
        """Let the members of the pair change places; others work on the active one."""
        assert self.pair is not None
        self.pair.failover()
        self.mock = self.pair.active

    # --- what segctl does --------------------------------------------------------------------

    def plans(self, wanted: Mapping[str, Desired]) -> dict[str, DevicePlan]:
        """Plan each host as `segctl plan` does."""
        return {
            host: plan(self.harnesses[host], self.benches[host], one)
            for host, one in wanted.items()
        }

    def apply(
        self,
        plans: Mapping[str, DevicePlan],
        *,
        order: Order | None = None,
        judge: JudgeAll | None = None,
        progress: Callable[[str], None] = silent,
    ) -> dict[str, Ended]:
        """Apply plans of both hosts, or of one, as `segctl apply` does."""
        parts = [
            Part(
                plan=one,
                target=self.benches[host].target,
                order=order or Order(allow_mass_delete=True),
                progress=progress,
            )
            for host, one in plans.items()
        ]
        found = apply_together(parts, PROVIDER, PROVIDER, judge=judge)
        return dict(zip(plans, found, strict=True))

    def apply_alone(
        self, host: str, made: DevicePlan, progress: Callable[[str], None] = silent
    ) -> dict[str, Ended]:
        """Apply the plan of one host, as `segctl apply -l` does."""
        target = self.benches[host].target
        try:
            order = Order(allow_mass_delete=True)
            return {host: apply_device(made, PROVIDER, target, order=order, progress=progress)}
        except SegctlError as error:
            return {host: error}

    def reach(self, wanted: Mapping[str, Desired]) -> dict[str, DevicePlan]:
        """Plan and apply; everything must go well."""
        made = self.plans(wanted)
        for ended in self.apply(made).values():
            if isinstance(ended, BaseException):
                raise ended
        return made

    # --- what the device holds ---------------------------------------------------------------

    def digests(self, plans: Mapping[str, DevicePlan]) -> list[tuple[str, ...]]:
        """Return what of each plan's policy every configuration held that traffic met."""
        return [
            tuple(
                managed(PROVIDER.parse(self.benches[host].document(xml)), one.covers).digest
                for host, one in plans.items()
            )
            for xml in self.mock.effective()
        ]

    @property
    def mocks(self) -> Sequence[PanosMock]:
        """The firewall, or both members of the pair."""
        return (self.mock,) if self.pair is None else self.pair.mocks

    @property
    def locks(self) -> int:
        """How many locks are held."""
        return sum(len(mock.device.locks.held) for mock in self.mocks)

    @property
    def commits(self) -> int:
        """How many commits there were."""
        return sum(one.type == "commit" for mock in self.mocks for one in mock.requests)

    def printed(self) -> str:
        """Return the configuration that enforces now."""
        return canonical(self.mock.running())

    def others(self) -> str:
        """Return everything of it that is not segctl's."""
        return others(self.mock.running())


@dataclass(slots=True)
class Alone(PanosHarness):
    """The second virtual system by itself, while somebody has uncommitted changes in the first."""

    systems: Systems = field(kw_only=True)

    @contextmanager
    def workbench(self) -> Generator[PanosBench]:
        self.systems.boot()
        mock = self.systems.mock
        mock.edit("set", RULES, other_rule("o-pending"), admin="second")
        yield self.systems.benches["fw2"]
        assert b"o-pending" not in mock.running(), "it was committed for somebody else"
        assert b"o-pending" in mock.config(), "it was lost for somebody else"


def declared(host: str) -> Device:
    """Return a host as the inventory declares it."""
    system = SYSTEMS[host]
    return replace(firewall(host), scope=Scope.of(system), zones=tuple(_zones(system)))


def _zones(system: str) -> Iterator[ZoneBinding]:
    """Yield the zones of a virtual system: those of all have the same names, and other ports."""
    number = str(10 - int(system[-1]))
    for zone in firewall().zones:
        ports = tuple(port.replace("9", number, 1) for port in zone.interfaces)
        yield replace(zone, interfaces=ports)


def _parts(bench: PanosBench) -> dict[str, bytes]:
    with PROVIDER.connect(bench.target, read_only=True) as session:
        found = load(session.read()).parts
    return {name: bytes(part) for name, part in found.items()}


def statuses(found: Mapping[str, Ended]) -> dict[str, str]:
    """Return the status of each host, ``failed`` where it ended with an error."""
    return {
        host: one.status if isinstance(one, Outcome) else "failed" for host, one in found.items()
    }


def messages(found: Mapping[str, Ended]) -> Iterator[str]:
    """Yield the messages of errors and outcomes."""
    for one in found.values():
        yield one.message if isinstance(one, Outcome) else str(one)


def both(*flows: Sequence[Flow]) -> dict[str, Desired]:
    """Return what each host is to hold: a conduit with these flows."""
    return {
        host: plant(*own, device=declared(host)) for host, own in zip(SYSTEMS, flows, strict=True)
    }
