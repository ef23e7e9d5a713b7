"""Small plants to write tests about: three zones around one firewall."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from typing import TYPE_CHECKING, Literal

from segctl.compiler.build import compile_site
from segctl.model.site import (
    Asset,
    Conduit,
    Device,
    Endpoint,
    Flow,
    PortRange,
    Position,
    ProtocolUse,
    Schedule,
    Site,
    Zone,
)
from segctl.testing import TODAY
from support.panos import firewall

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segctl.compiler.build import Desired

LEVELS = {"ctrl": 1.0, "supv": 2.0, "dmz": 3.5}
NETWORKS = {
    "site/ctrl": ("10.1.0.0/24",),
    "site/supv": ("10.2.0.0/24",),
    "site/dmz": ("10.3.0.0/24",),
}


def zone(key: str, *networks: str, **values: object) -> Zone:
    """Return a zone of these networks with one asset, ``a0``, at the tenth address of the first."""
    site, _, name = key.partition("/")
    nets = tuple(ip_network(network) for network in networks)
    assets = (Asset(name="a0", addresses=(ip_network(nets[0][10]),)),) if nets else ()
    made = Zone(site=site, id=name, level=LEVELS.get(name), networks=nets, assets=assets)
    return replace(made, **values)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - any field of a zone


def flow(
    name: str,
    *,
    ports: tuple[int, ...] = (),
    uses: tuple[tuple[str, tuple[str, ...]], ...] = (),
    applications: tuple[str, ...] = (),
    from_asset: str = "",
    to_asset: str = "",
    schedule: str = "",
    essential: bool = False,
) -> Flow:
    """Return a flow from zone ctrl to zone dmz."""
    return Flow(
        id=name,
        sources=(Endpoint(zone="site/ctrl", asset=from_asset),) if from_asset else (),
        destinations=(Endpoint(zone="site/dmz", asset=to_asset),) if to_asset else (),
        services=tuple(PortRange(protocol="tcp", first=port, last=port) for port in ports),
        protocols=tuple(ProtocolUse(protocol=name, classes=classes) for name, classes in uses),
        applications=applications,
        schedule=schedule,
        essential=essential,
    )


def plant(
    *flows: Flow,
    position: Position | None = None,
    profile: Literal["strict", "alert", "none"] | None = None,
    profiles: tuple[tuple[str, str], ...] | None = None,
    log_forwarding: str = "",
    unmanaged: Literal["report", "purge"] = "report",
    networks: Mapping[str, tuple[str, ...]] | None = None,
    schedules: tuple[Schedule, ...] = (),
    device: Device | None = None,
) -> Desired:
    """Compile a plant with one conduit, ``c1``, from zone ctrl to zone dmz."""
    device = replace(
        device or firewall(),
        position=position or Position(),
        log_forwarding=log_forwarding,
        unmanaged=unmanaged,
        schedules=schedules,
    )
    if profiles is not None:
        device = replace(device, threat_profiles=profiles)
    conduit = Conduit(
        site="site",
        id="c1",
        from_zones=("site/ctrl",),
        to_zones=("site/dmz",),
        reason="for tests",
        owner="process-automation",
        threat_prevention=profile,
        flows=flows,
    )
    site = Site(
        zones=tuple(zone(key, *nets) for key, nets in {**NETWORKS, **(networks or {})}.items()),
        conduits=(conduit,) if flows else (),
        devices=(device,),
    )
    return compile_site(site, TODAY)[device.name]
