"""How what is renamed was called before: a device keeps what it remembers under the new name.

Every name that a rule or object may have had comes from the former ids of all that its name is
made of. Which of them a device holds is the device's to say: some are renamed there already.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from segctl.model.site import Asset, Conduit, Flow, Zone

DEFAULT_SITE = "site"


def in_site(site: str, name: str) -> str:
    """Return an id with its site, unless that is the default one."""
    return name if site == DEFAULT_SITE else f"{site}.{name}"


def rule_name(
    conduit: str, flow: str, pair: tuple[str, ...] = (), crossing: tuple[str, ...] = ()
) -> str:
    """Return the name of a rule.

    Args:
        conduit: its label.
        flow: its id.
        pair: the ids of the two zones, where a conduit joins more than two.
        crossing: the ids of the zones on the way, where a firewall is crossed more than once.
    """
    parts = [conduit, flow, *("-".join(zones) for zones in (pair, crossing) if zones)]
    return ".".join(parts)


def former_rule_names(
    conduit: Conduit, flow: Flow, pair: Iterable[Zone], crossing: Iterable[Zone]
) -> tuple[str, ...]:
    """Return the names that a rule may have had, the latest first."""
    pair, crossing = tuple(pair), tuple(crossing)
    zones = [*pair, *crossing]
    ids = [
        (conduit.id, *conduit.renamed_from),
        (flow.id, *flow.renamed_from),
        *((zone.id, *zone.renamed_from) for zone in zones),
    ]

    def named(words: tuple[str, ...]) -> str:
        label, joined = in_site(conduit.site, words[0]), words[2:]
        return rule_name(label, words[1], joined[: len(pair)], joined[len(pair) :])

    return _others(ids, named)


def former_zone_labels(zone: Zone) -> tuple[str, ...]:
    """Return the labels that a zone may have had, the latest first."""
    return tuple(in_site(zone.site, name) for name in zone.renamed_from)


def former_asset_names(zone: Zone, asset: Asset, end: str) -> tuple[str, ...]:
    """Return the names that an asset's address object may have had; `end` follows the asset's."""
    ids = [(zone.id, *zone.renamed_from), (asset.name, *asset.renamed_from)]
    return _others(ids, lambda words: f"{in_site(zone.site, words[0])}.{words[1]}{end}")


def _others(ids: list[tuple[str, ...]], named: Callable[[tuple[str, ...]], str]) -> tuple[str, ...]:
    if all(len(one) == 1 for one in ids):
        return ()
    names = dict.fromkeys(map(named, product(*ids)))
    return tuple(names)[1:]
