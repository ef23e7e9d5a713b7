"""What must be unique in a site: the address of an asset, and a former id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from segctl.model.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from segctl.model.site import Asset, Conduit, Network, Source, Zone

    class Named(Protocol):
        """Something with an id and former ids."""

        @property
        def renamed_from(self) -> tuple[str, ...]:
            """The former ids, the latest first."""
            ...

        @property
        def declared(self) -> Source:
            """Where it is declared."""
            ...


def shared_addresses(zones: Iterable[Zone]) -> Iterator[Problem]:
    """Yield assets of one site with the same address, unless each of them says `shared`.

    Assets of different sites may have the same addresses (cells behind address translation), and
    one asset may list an address twice.
    """
    first: dict[tuple[str, Network], tuple[Zone, Asset]] = {}
    for zone in zones:
        for asset in zone.assets:
            for address in dict.fromkeys(asset.addresses):
                held_zone, held = first.setdefault((zone.site, address), (zone, asset))
                if held is not asset and not (held.shared and asset.shared):
                    yield _same_address(address, held_zone, held, zone, asset)


def _same_address(address: Network, zone: Zone, held: Asset, other: Zone, asset: Asset) -> Problem:
    unsaid = [name for name, one in ((held.name, held), (asset.name, asset)) if not one.shared]
    hint = "correct one of the two; if both have it in turn (high availability), add shared: true"
    return _problem(
        asset.declared,
        _path(other, asset),
        f"has address {address.network_address}, and so has asset {held.name} of zone {zone.key} "
        f"({held.declared})",
        f"{hint} to {' and '.join(dict.fromkeys(unsaid))}",
    )


def former_ids(zones: Iterable[Zone], conduits: Iterable[Conduit]) -> Iterator[Problem]:
    """Yield former ids that are still in use, or that two things claim."""
    zones, conduits = tuple(zones), tuple(conduits)
    yield from _claims("zone", ((zone.site, zone.id, zone) for zone in zones), "segctl_zones")
    for zone in zones:
        if any(asset.renamed_from for asset in zone.assets):
            named = ((zone.key, asset.name, asset) for asset in zone.assets)
            yield from _claims("asset", named, f"segctl_zones.{zone.id}.assets")
    yield from _claims("conduit", ((one.site, one.id, one) for one in conduits), "segctl_conduits")
    for one in conduits:
        if any(flow.renamed_from for flow in one.flows):
            named_flows = ((one.key, flow.id, flow) for flow in one.flows)
            yield from _claims("flow", named_flows, f"segctl_conduits.{one.id}.flows")


def _claims(what: str, named: Iterable[tuple[str, str, Named]], path: str) -> Iterator[Problem]:
    held = {(scope, name): item for scope, name, item in named}
    claimed: dict[tuple[str, str], tuple[str, Named]] = {}
    for (scope, name), item in held.items():
        for former in dict.fromkeys(item.renamed_from):
            key = (scope, former)
            where = f"{path}.{name}.renamed_from"
            if former == name:
                message = f"names the {what} itself"
                yield _problem(item.declared, where, message, "name the id it had before")
            elif key in held:
                yield _problem(
                    item.declared,
                    where,
                    f"{what} {former} still exists ({held[key].declared})",
                    f"remove {what} {former}, or take it out of renamed_from",
                )
            elif key in claimed:
                other, first = claimed[key]
                yield _problem(
                    item.declared,
                    where,
                    f"{what} {other} is renamed from {former} too ({first.declared})",
                    "only one of them keeps what devices remember: take it out of the other",
                )
            else:
                claimed[key] = (name, item)


def _path(zone: Zone, asset: Asset) -> str:
    return f"segctl_zones.{zone.id}.assets.{asset.name}"


def _problem(where: Source, path: str, message: str, hint: str) -> Problem:
    return Problem(
        message=message,
        file=where.file,
        line=where.line,
        column=where.column,
        path=path,
        hint=hint,
    )
