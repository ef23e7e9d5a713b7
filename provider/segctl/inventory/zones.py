"""Zone declarations into `Zone` values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

from segctl.inventory.schema import ZONE
from segctl.model.site import Asset, Network, SecurityLevel, Zone

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segctl.inventory.check import Checker, Node


def read_zone(checker: Checker, node: Node, site: str, zone_id: str) -> Zone | None:
    """Return the zone a node declares, or None when it is not a mapping."""
    found = checker.record(node, ZONE)
    if found is None:
        return None
    networks = cast("tuple[Network, ...]", found.get("networks") or ())
    kind = found.get("intrazone") or "allow"
    return Zone(
        site=site,
        id=zone_id,
        name=str(found.get("name") or ""),
        level=cast("float | None", found.get("level")),
        kind=str(found.get("kind") or ""),
        security_level=_security_level(found.get("security_level")),
        networks=networks,
        assets=_assets(checker, node, found.get("assets"), networks),
        intrazone=cast("Literal['allow', 'deny']", kind),
        renamed_from=cast("tuple[str, ...]", found.get("renamed_from") or ()),
        declared=node.source,
    )


def _security_level(value: object) -> SecurityLevel | None:
    if isinstance(value, int):
        return SecurityLevel(
            iac=value, uc=value, si=value, dc=value, rdf=value, tre=value, ra=value
        )
    if isinstance(value, dict):
        levels = cast("Mapping[str, int | None]", value)
        return SecurityLevel(**{name: level or 0 for name, level in levels.items()})
    return None


def _assets(
    checker: Checker, node: Node, value: object, networks: tuple[Network, ...]
) -> tuple[Asset, ...]:
    if not isinstance(value, dict):
        return ()
    nodes = dict(checker.children(checker.child(node, "assets")))
    assets: list[Asset] = []
    for name, found in cast("dict[str, object]", value).items():
        at = nodes[name]
        record: dict[str, object] = {}
        addresses = found
        if isinstance(found, dict):
            record = cast("dict[str, object]", found)
            addresses = record.get("addresses")
        own = cast("tuple[Network, ...]", addresses or ())
        for one in own:
            _within_zone(checker, at, one, networks)
        assets.append(
            Asset(
                name=name,
                addresses=own,
                role=str(record.get("role") or ""),
                shared=record.get("shared") is True,
                renamed_from=cast("tuple[str, ...]", record.get("renamed_from") or ()),
                declared=at.source,
            )
        )
    return tuple(assets)


def _within_zone(
    checker: Checker, node: Node, address: Network, networks: tuple[Network, ...]
) -> None:
    if networks and not any(contains(network, address) for network in networks):
        listed = ", ".join(str(network) for network in networks)
        checker.report(
            node,
            f"{address.network_address} is in none of the zone's networks ({listed})",
            "correct the address, or add its network to the zone",
        )


def contains(outer: Network, inner: Network) -> bool:
    """Tell whether `inner` is `outer` or a part of it."""
    if outer.version != inner.version or outer.prefixlen > inner.prefixlen:
        return False
    shift = outer.max_prefixlen - outer.prefixlen
    same = int(outer.network_address) >> shift == int(inner.network_address) >> shift
    return same if shift < outer.max_prefixlen else True
