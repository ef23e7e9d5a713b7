"""Policies of many devices linted: as the devices hold them, as kept, or as declared."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from segctl.analysis.lint import lint
from segctl.analysis.pivots import Place, edges
from segctl.analysis.space import addresses
from segctl.fleet.inquiries import Inquiry, attempt, inquire, of_snapshot, warned
from segctl.model.addresses import network_interval
from segctl.planning import findings
from segctl.planning.linted import lint_live
from segctl.providers.base import declared_reading, provider, reading

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Executor

    from segctl.analysis.finding import Lint
    from segctl.analysis.pivots import Edge
    from segctl.compiler.build import Desired
    from segctl.fleet.failures import Failure
    from segctl.fleet.workers import Workers
    from segctl.model.errors import Problem
    from segctl.model.site import Device, Site
    from segctl.planning.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Linted:
    """What there is to say of one device's policy.

    `edges` are the zones of ours between which it surely lets something pass; `findings` what else
    there is to know of the device.
    """

    device: str
    lint: Lint
    edges: tuple[Edge, ...] = ()
    findings: tuple[Problem, ...] = ()


def places_of(device: Device, site: Site) -> tuple[Place, ...]:
    """Return the zones that a device is attached to, with their networks and assets."""
    zones = {zone.key: zone for zone in site.zones}
    return tuple(
        Place(
            zone=binding.zone,
            name=binding.name,
            addresses=addresses(
                network_interval(one)
                for one in (
                    *zones[binding.zone].networks,
                    *(each for asset in zones[binding.zone].assets for each in asset.addresses),
                )
            ),
        )
        for binding in device.zones
    )


def lint_devices(
    desired: Sequence[Desired],
    site: Site,
    connections: Mapping[str, Mapping[str, object]],
    *,
    forks: int,
    report: Callable[[str, str], None],
    executor: Workers | Executor | None = None,
) -> tuple[Linted | Failure, ...]:
    """Read every device, write to none, and return what is found or a failure for each."""
    found = inquire(
        (_inquiry(item.device, site) for item in desired),
        connections,
        forks=forks,
        report=report,
        executor=executor,
    )
    return warned(found, connections)


def _inquiry(device: Device, site: Site) -> Inquiry[Linted]:
    answer = partial(lint_document, device, places_of(device, site))
    return Inquiry(device=device, answer=answer, doing="linting")


def lint_document(device: Device, places: Sequence[Place], document: bytes) -> Linted:
    """Return what is found in what a document says that a device holds; pure.

    Raises:
        ParseError: the document is not understood.
    """
    speaks = provider(device.platform)
    live = speaks.parse(document)
    held = reading(speaks, live)
    passing = reading(speaks, live, translated=True, gated=True)
    doubts = (*live.findings, *findings.pending(live))
    return Linted(
        device=device.name,
        lint=lint_live(live, speaks, held),
        edges=tuple(edges(passing, places, device.name)),
        findings=tuple(one for one in doubts if one.severity != "note"),
    )


def lint_snapshots(
    desired: Sequence[Desired], site: Site, snapshots: Mapping[str, Snapshot]
) -> tuple[Linted | Failure, ...]:
    """Return what is found in the snapshot of each device, or why it cannot be told."""
    return tuple(_of_snapshot(item.device, site, snapshots) for item in desired)


def _of_snapshot(device: Device, site: Site, snapshots: Mapping[str, Snapshot]) -> Linted | Failure:
    return of_snapshot(_inquiry(device, site), snapshots)


def lint_declared(desired: Sequence[Desired], site: Site) -> tuple[Linted | Failure, ...]:
    """Return what is found in the policy that the inventory declares for each device."""
    return tuple(attempt(item.device.name, partial(_of_declared, item, site)) for item in desired)


def _of_declared(desired: Desired, site: Site) -> Linted:
    device = desired.device
    speaks = provider(device.platform)
    policy, _ = speaks.fit(desired.policy, device)
    held = declared_reading(speaks, policy)
    return Linted(
        device=device.name,
        lint=lint(held),
        edges=tuple(edges(held, places_of(device, site), device.name)),
    )
