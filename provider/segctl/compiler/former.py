"""How what is renamed was called before: a device keeps what it remembers under the new name.

Every name that a rule or object may have had comes from the former ids of all that its name is
made of. Which of them a device holds is the device's to say: some are renamed there already.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, TypeAlias

from segctl.compiler import naming

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from segctl.model.site import Asset, Conduit, Flow, Zone

    _Pair: TypeAlias = tuple[Zone, Zone]


def former_rule_names(
    conduit: Conduit, flow: Flow, pair: _Pair | None, crossing: _Pair | None
) -> tuple[str, ...]:
    """Return the names that a rule may have had, the latest first.

    Args:
        conduit: the conduit it belongs to.
        flow: the flow it permits.
        pair: source and destination, where the conduit has several pairs of zones.
        crossing: the zones on the way, where its firewall is crossed more than once.
    """
    zones = (*(pair or ()), *(crossing or ()))
    ids = [
        (conduit.id, *conduit.renamed_from),
        (flow.id, *flow.renamed_from),
        *((zone.id, *zone.renamed_from) for zone in zones),
    ]

    def named(words: tuple[str, ...]) -> str:
        rest = iter(words[2:])
        name = naming.RuleName(
            conduit=naming.labelled(conduit.site, words[0]),
            flow=words[1],
            zones=(next(rest), next(rest)) if pair else None,
            crossing=(next(rest), next(rest)) if crossing else None,
        )
        return str(name)

    return _others(ids, named)


def former_zone_labels(zone: Zone) -> tuple[str, ...]:
    """Return the labels that a zone may have had, the latest first."""
    return tuple(naming.labelled(zone.site, name) for name in zone.renamed_from)


def former_asset_names(zone: Zone, asset: Asset, address: str) -> tuple[str, ...]:
    """Return the names that an asset's object may have had; `address` where it has several."""
    ids = [(zone.id, *zone.renamed_from), (asset.name, *asset.renamed_from)]
    return _others(
        ids,
        lambda words: naming.asset_object(naming.labelled(zone.site, words[0]), words[1], address),
    )


def former_network_names(zone: Zone, address: str) -> tuple[str, ...]:
    """Return the names that the object of a zone's own network may have had."""
    return tuple(naming.network_object(label, address) for label in former_zone_labels(zone))


def former_intrazone_rules(zone: Zone) -> tuple[str, ...]:
    """Return the names that the rule may have had that denies traffic inside a zone."""
    return tuple(map(naming.intrazone_rule, former_zone_labels(zone)))


def _others(
    ids: Sequence[tuple[str, ...]], named: Callable[[tuple[str, ...]], str]
) -> tuple[str, ...]:
    if all(len(one) == 1 for one in ids):
        return ()
    names = dict.fromkeys(map(named, product(*ids)))
    return tuple(names)[1:]
