"""A small plant and what flows in it, for tests of what is proposed."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from ipaddress import ip_network
from typing import TYPE_CHECKING

from segctl.model.site import (
    Asset,
    Conduit,
    Endpoint,
    Flow,
    ProtocolUse,
    SecurityLevel,
    Site,
    Zone,
)
from segctl.observe.coverage import Coverage, WitnessCoverage
from segctl.observe.discover.evidence import Evidence, Window
from segctl.observe.discover.result import Asked, Discovered, discovered
from segctl.observe.observation import Flow as Seen
from segctl.observe.observation import Function, Group, Observation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from segctl.observe.discover.judge import Judged
    from segctl.observe.discover.propose import Grade
    from segctl.observe.observation import Completed, Direction, Verdict

HOUR, DAY = 3600.0, 86400.0
#: A Monday.
START = datetime(2026, 11, 2, tzinfo=UTC).timestamp()
TODAY = date(2026, 11, 29)
FIREWALL, SENSOR, SAMPLER = "007000000001", "zeek", "flows"


def zone(name: str, level: float, kind: str, network: str, uc: int, **assets: str) -> Zone:
    """Return a zone; an asset is ``address role``."""
    return Zone(
        site="plant",
        id=name,
        level=level,
        kind=kind,
        security_level=SecurityLevel(uc=uc),
        networks=(ip_network(network),),
        assets=tuple(
            Asset(
                name=asset,
                addresses=(ip_network(said.split(" ", 1)[0]),),
                role=said.partition(" ")[2],
            )
            for asset, said in assets.items()
        ),
    )


def conduit(name: str, enter: str, leave: str, flow: Flow, **more: object) -> Conduit:
    said: dict[str, object] = {"reason": "because", "owner": "us", "mode": "enforce", **more}
    return Conduit(
        site="plant",
        id=name,
        from_zones=(f"plant/{enter}",),
        to_zones=(f"plant/{leave}",),
        flows=(flow,),
        **said,  # type: ignore[arg-type] # what a test says of it
    )


SITE = Site(
    zones=(
        zone("control", 1, "control", "10.1.0.0/24", 2, plc1="10.1.0.1 plc", plc2="10.1.0.2 plc"),
        zone("safety", 1, "safety", "10.9.0.0/24", 3, sis="10.9.0.1 safety controller"),
        zone(
            "supervisory",
            2,
            "supervisory",
            "10.2.0.0/24",
            2,
            scada1="10.2.0.1 scada",
            scada2="10.2.0.2 scada",
            hist1="10.2.0.20 historian",
            ews1="10.2.0.40 engineering",
        ),
        zone("dmz", 3.5, "dmz", "10.35.0.0/24", 2, jump1="10.35.0.20", log1="10.35.0.30"),
        zone("office", 4, "business", "10.40.0.0/16", 1, reports1="10.40.8.21"),
    ),
    conduits=(
        conduit(
            "polls",
            "supervisory",
            "control",
            Flow(
                id="read",
                sources=(Endpoint(zone="plant/supervisory", asset="scada1"),),
                destinations=(Endpoint(zone="plant/control", asset="plc1"),),
                protocols=(ProtocolUse(protocol="modbus", classes=("read",)),),
            ),
        ),
        conduit(
            "old-share",
            "dmz",
            "supervisory",
            Flow(id="smb", protocols=(ProtocolUse(protocol="smb", classes=("file",)),)),
            mode="absent",
        ),
    ),
)
READ = Function("modbus", "READ_COILS", "read")
WRITE = Function("modbus", "WRITE_SINGLE_COIL", "write")
PROGRAM = Function("modbus", "PROGRAM_584_984", "program")


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """Sessions of one kind: so many a day on so many days, from a moment on.

    `jitter` is by how many seconds one begins later than the one before it, beyond the pace.
    """

    source: str
    destination: str
    port: int
    protocol: str = "tcp"
    inner: str = ""
    outer: str = ""
    witness: str = FIREWALL
    applications: tuple[str, ...] = ()
    functions: tuple[Function, ...] = ()
    user: str = ""
    verdict: Verdict = "allow"
    completed: Completed = "yes"
    direction: Direction = "known"
    threat: str = ""
    days: int = 14
    daily: int = 4
    first: float = START + 8 * HOUR
    jitter: float = 1000.0
    bytes: int = 50_000

    def observations(self) -> list[Observation]:
        """Return its records."""
        group = Group(
            flow=Seen(self.source, self.destination, self.inner, self.protocol, self.port),
            outer=self.outer,
            witness=self.witness,
            applications=self.applications,
            functions=self.functions,
            user=self.user,
            verdict=self.verdict,
            completed=self.completed,
            direction=self.direction,
            threat=self.threat,
            severity="high" if self.threat else "",
        )
        step = 15 * HOUR / self.daily
        moments = [
            self.first + day * DAY + number * step + self.jitter * (number * number % 3)
            for day in range(self.days)
            for number in range(self.daily)
        ]
        return [
            Observation(group, one, one + 5, 40_000, 0 if self.threat else 1, self.bytes)
            for one in moments
        ]


def coverage() -> Coverage:
    """Return what a firewall, a sensor and a sampler can show."""
    forms = {FIREWALL: "PAN-OS syslog", SENSOR: "Zeek TSV", SAMPLER: "nfdump CSV"}
    witnesses = (
        WitnessCoverage(name=name, formats=(form,), records=1, sampled=name == SAMPLER)
        for name, form in forms.items()
    )
    return Coverage(files=(), witnesses=tuple(witnesses), timezone="UTC")


def found(
    talks: Iterable[Talk | Observation],
    *,
    site: Site | None = SITE,
    grade: Grade = "host",
    windows: Iterable[Window] = (),
    leases: tuple[tuple[str, str], ...] = (),
    names: Mapping[str, str] | None = None,
) -> Discovered:
    """Return what is discovered in sessions."""
    with closing(Evidence(windows)) as evidence:
        for one in talks:
            for seen in one.observations() if isinstance(one, Talk) else (one,):
                evidence.add(seen)
        asked = Asked(grade=grade, today=TODAY, leases=leases, names=names or {})
        return discovered(site, evidence, coverage(), asked)


def of(result: Discovered, source: str, port: int, destination: str = "") -> list[Judged]:
    """Return what became of a client's flows to a port."""
    return [
        one
        for one in result.judged
        if (one.part.ends.source, one.part.ends.port) == (source, port)
        and destination in {"", one.part.ends.destination}
    ]


def verdict(result: Discovered, source: str, port: int, destination: str = "") -> tuple[str, str]:
    """Return the one outcome of a flow, with its reason."""
    (one,) = of(result, source, port, destination)
    return one.outcome, one.reason
