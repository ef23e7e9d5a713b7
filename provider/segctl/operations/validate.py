"""Validate: the inventory checked without any device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from segctl.model.errors import SegctlError
from segctl.operations.loading import load_inventory, today

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segctl.inventory import Loaded
    from segctl.model.errors import Problem
    from segctl.operations.options import CommonOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidateResult:
    """What there is to say of an inventory.

    `refusals` are the firewalls whose platform cannot hold what they should, each with all that
    it refuses; `counts` are the numbers of zones, conduits, firewalls and rules.
    """

    warnings: tuple[Problem, ...]
    refusals: Mapping[str, tuple[Problem, ...]]
    counts: dict[str, int]
    loaded: Loaded

    @property
    def ok(self) -> bool:
        """Whether every firewall can hold what the inventory says."""
        return not self.refusals


def validate(common: CommonOptions) -> ValidateResult:
    """Check syntax, references, paths and policy of an inventory.

    Raises:
        InventoryError: with every problem there is.
        UsageError: the limit selects no firewall.
    """
    from segctl.compiler.build import compile_site
    from segctl.fleet import unverified
    from segctl.operations.fitting import refusals
    from segctl.providers.base import provider

    loaded = load_inventory(common, fitting=refusals)
    compiled = compile_site(loaded.site, today())
    warnings = list(loaded.warnings)
    for name in compiled:
        warnings += unverified(name, loaded.connections)
    refused: dict[str, tuple[Problem, ...]] = {}
    for name, item in compiled.items():
        warnings += item.findings
        try:
            _, doubts = provider(item.device.platform).fit(item.policy, item.device)
        except SegctlError:
            refused[name] = refusals(item, loaded.site)
        else:
            warnings += doubts
    counts = {
        "zones": len(loaded.site.zones),
        "conduits": len(loaded.site.conduits),
        "firewalls": len(loaded.site.devices),
        "rules": sum(len(item.policy.rules) for item in compiled.values()),
    }
    return ValidateResult(
        warnings=tuple(dict.fromkeys(warnings)), refusals=refused, counts=counts, loaded=loaded
    )
