"""Everything that a device enforces before and after the changes of a plan, ready to be asked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from segctl.model.diff import renamed
from segctl.planning.outlook import outlook
from segctl.planning.touched import touched
from segctl.providers.base import reading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segctl.analysis.effective import Reading
    from segctl.model.diff import Change
    from segctl.planning.touched import Touched
    from segctl.providers.base import Live, Provider


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """What a device enforces before and after changes, rules of others and pushed ones included.

    `touched` has one for each change: the rules it has to do with. `passing` says whether the
    device lets packets pass between zones that are not its own.
    """

    before: Reading
    after: Reading
    touched: tuple[Touched, ...]
    passing: bool


def sides(changes: Sequence[Change], live: Live, provider: Provider) -> Sides | None:
    """Return what a device enforces before and after changes; None where there are none.

    Args:
        changes: those that would be made, in their order.
        live: what the device holds.
        provider: the provider of its platform.
    """
    if not changes:
        return None
    held = reading(provider, live)
    around = live.pushed.around  # rules that others push may have names of the device's own
    first, last = len(around(())) - len(live.pushed.after), len(live.pushed.after)
    rules = held.policy.rules
    own = renamed(held.policy.replace(rules=rules[first : len(rules) - last]), changes)
    then = outlook(own, changes)
    before = replace(held, policy=own.replace(rules=around(own.rules)))
    after = replace(held, policy=then.replace(rules=around(then.rules)))
    return Sides(
        before=before,
        after=after,
        touched=touched(changes, before.policy, after.policy),
        passing=provider.capabilities.passes_outside,
    )
