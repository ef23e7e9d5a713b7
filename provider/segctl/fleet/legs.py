"""What one device permits on the ways through it, by rule; pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from segctl.analysis.by_rule import compared, rows
from segctl.analysis.policies import CONDUITS, excess, names_of
from segctl.analysis.present import outlook
from segctl.analysis.space import Box, Space
from segctl.fleet.failures import failure_of
from segctl.fleet.onward import judged_onward
from segctl.model.errors import SegctlError
from segctl.providers.base import application_names, declared_reading, provider

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from segctl.analysis.by_rule import Row
    from segctl.analysis.effective import Match, Reading
    from segctl.analysis.policies import Statement
    from segctl.analysis.space import Numbers
    from segctl.compiler.build import Desired
    from segctl.compiler.topology import Hop
    from segctl.fleet.failures import Failure
    from segctl.providers.base import Live


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """A way through one firewall, and between which addresses it is asked about.

    `ends` are the zones (keys) where packets begin and end. With a `statement` only what goes
    beyond it is listed.
    """

    hop: Hop
    source: Numbers
    destination: Numbers
    ends: tuple[str, ...] = ()
    statement: Statement | None = None

    @property
    def region(self) -> Space:
        """All packets between its ends."""
        return Space((Box(source=self.source, destination=self.destination),))


def declared_of(desired: Desired, live: Live | None) -> Reading:
    """Return the policy that the inventory declares for a device, in the device's words.

    Raises:
        UnsupportedError: its platform cannot express it.
    """
    speaks = provider(desired.device.platform)
    policy, _ = speaks.fit(desired.policy, desired.device)
    return declared_reading(speaks, policy, live)


def list_legs(
    desired: Desired,
    legs: Sequence[Leg],
    sides: Sequence[Reading],
    declared: Reading | None = None,
    leading: Mapping[str, str] = MappingProxyType({}),
) -> tuple[tuple[Row, ...] | Failure, ...]:
    """Return the rows of one policy, or of two side by side, on each leg.

    Args:
        desired: what the inventory declares for the device.
        legs: where the device is asked.
        sides: the policies.
        declared: that of the inventory, needed where a leg has a statement.
        leading: the virtual systems that zones of the device lead to, for the last of `sides`.
    """
    found: list[tuple[Row, ...] | Failure] = []
    for leg in legs:
        enforced = judged_onward(sides[-1], desired.device, (leg.hop,), leg.ends, leading)
        found.append(_leg(desired, leg, (*sides[:-1], enforced), declared))
    return tuple(found)


def _leg(
    desired: Desired, leg: Leg, sides: Sequence[Reading], declared: Reading | None
) -> tuple[Row, ...] | Failure:
    names = {binding.zone: binding.name for binding in desired.device.zones}
    enter, leave = names[leg.hop.enter], names[leg.hop.leave]
    try:
        if leg.statement is not None and declared is not None:
            chain, own = sides[-1].between(enter, leave), declared.between(enter, leave)
            conduits = _of(desired, leg.statement, own, declared)
            told = _beyond(desired, leg, leg.statement, chain, conduits)
        else:
            found = [rows(side.between(enter, leave), leg.region) for side in sides]
            told = found[0] if len(found) == 1 else compared(*found)
        return tuple(_with_present(row, enter, leave, sides[-1]) for row in told)
    except SegctlError as error:
        return failure_of(desired.device.name, error)


def _with_present(row: Row, enter: str, leave: str, held: Reading) -> Row:
    """Return a row of which it cannot be told with what becomes of it by what objects hold now."""
    if row.state != "cannot_tell":
        return row
    told = (outlook(box, enter, leave, held, row.why) for box in row.space.boxes)
    return replace(row, present=tuple(told))


def _of(
    desired: Desired, statement: Statement, chain: Sequence[Match], declared: Reading
) -> list[Match]:
    """Return the rules of the conduits that a statement permits; a platform may shorten names."""
    asked, held = desired.policy.rules, declared.policy.rules
    if len(asked) != len(held):
        return []
    fitted = zip(asked, held, strict=True)
    rules = {rule.name for one, rule in fitted if one.conduit in statement.conduits}
    return [match for match in chain if match.allows and match.rule in rules]


def _beyond(
    desired: Desired,
    leg: Leg,
    statement: Statement,
    chain: Sequence[Match],
    conduits: Sequence[Match],
) -> tuple[Row, ...]:
    speaks = provider(desired.device.platform)
    words, split = application_names(speaks), speaks.capabilities.applications
    permitted = [word for word in statement.permits if word != CONDUITS]
    names = names_of(permitted, words, split=split)
    region = leg.region
    if statement.of:
        region &= Space((Box(application=names_of(statement.of, words, split=split)),))
    return excess(chain, region, names, conduits)
