"""What a change would take away that must not go unasked: essential flows, most of the rules.

Pure functions from what a device holds and what it is to hold to problems, each an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from segctl.model.addresses import covers
from segctl.model.errors import Problem
from segctl.model.policy import ANY, ApplicationGroup, Service, resolver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from segctl.model.addresses import Interval
    from segctl.model.diff import Change
    from segctl.model.policy import Policy, Rule

#: Kind of the one error that whoever applies may allow.
MASS_DELETE = "mass_delete"
#: More of our rules than this, and more than half of them, are not deleted unasked.
_FEW = 5
#: So many names are listed in one message.
_SHOWN = 12


def essential(changes: Iterable[Change], held: Policy, wanted: Policy) -> Iterator[Problem]:
    """Refuse to cut a flow that the device's own rule calls essential, by rule or by object."""
    renamed = {
        change.before.name: change.name
        for change in changes
        if (change.op, change.kind) == ("rename", "rule") and change.before is not None
    }
    after = {rule.name: rule for rule in wanted.rules}
    wide_before, wide_after = _width(held), _width(wanted)
    for rule in held.rules:
        if not rule.essential or rule.disabled or rule.action != "allow":
            continue
        name = renamed.get(rule.name, rule.name)
        found = after.get(name)
        if found is not None and rule.seal and rule.seal == found.seal:
            continue  # back to what was pushed: drift is repaired, nothing declared is cut
        if found is None or _narrower(rule, found, wide_before, wide_after):
            yield Problem(
                message=f"rule {name!r} carries the essential flow {rule.conduit}."
                f"{rule.flow}; this change would cut it",
                hint="set `essential: false` on the flow and apply that first, if it may be cut",
                severity="error",
                about=("cut", rule.name, rule.conduit, rule.flow),
            )


def mass_delete(
    changes: Iterable[Change], held: Policy, wanted: Policy, *, attached: bool
) -> Iterator[Problem]:
    """Refuse to take away most of our rules unasked, or all of a device that has no zone any more.

    `attached` says whether the inventory attaches the device to any zone.
    """
    marked = {rule.name: rule for rule in held.rules}
    deleted = {one.name for one in changes if (one.op, one.kind) == ("delete", "rule")}
    gone = [rule for name, rule in marked.items() if name in deleted]
    most = len(gone) > _FEW and 2 * len(gone) > len(marked)
    retired = not attached and bool(gone) and len(gone) == len(marked)
    if most or retired:
        yield Problem(
            message=f"this would delete {len(gone)} of the {len(marked)} rules that segctl keeps "
            f"on the device; {_lacking(gone, wanted)}",
            hint="put back what the inventory has lost; if it is meant, or the firewall is to be "
            "retired: segctl apply --allow-mass-delete",
            severity="error",
            kind=MASS_DELETE,
            about=(str(len(marked)), *sorted(rule.name for rule in gone)),
        )


def _lacking(gone: Sequence[Rule], wanted: Policy) -> str:
    """Say what the marks of the rules name that the inventory does not have for this device."""
    conduits = {rule.conduit for rule in gone} - {rule.conduit for rule in wanted.rules} - {""}
    if conduits:
        return (
            f"by their marks the inventory lacks, for this device, {_listed('conduit', conduits)}"
        )
    flows = {f"{rule.conduit}.{rule.flow}" for rule in gone if rule.flow}
    flows -= {f"{rule.conduit}.{rule.flow}" for rule in wanted.rules}
    if flows:
        return f"by their marks the inventory lacks, for this device, {_listed('flow', flows)}"
    return "by their marks it has their conduits and flows, but makes other rules of them"


def _listed(what: str, names: Iterable[str]) -> str:
    found = sorted(names)
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"{what}{'s' if len(found) > 1 else ''} {', '.join(found[:_SHOWN])}{more}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Width:
    """What the names in one policy's rules stand for."""

    addresses: Callable[[Iterable[str]], tuple[Interval, ...]]
    ports: Mapping[str, frozenset[str]]
    applications: Mapping[str, frozenset[str]]


def _width(policy: Policy) -> _Width:
    return _Width(
        addresses=resolver(policy),
        ports={
            service.name: frozenset(f"{service.protocol}/{p}" for p in service.ports.split(","))
            for service in policy[Service]
        },
        applications={group.name: frozenset(group.members) for group in policy[ApplicationGroup]},
    )


def _narrower(before: Rule, after: Rule, wide_before: _Width, wide_after: _Width) -> bool:
    if after.disabled or after.action != "allow" or after.type not in ("universal", before.type):
        return True
    if before.from_zones != after.from_zones or before.to_zones != after.to_zones:
        return True
    if after.schedule and after.schedule != before.schedule:
        return True
    if (before.negate_source, before.negate_destination) != (
        after.negate_source,
        after.negate_destination,
    ):
        return True
    return not (
        covers(wide_after.addresses(after.sources), wide_before.addresses(before.sources))
        and covers(
            wide_after.addresses(after.destinations), wide_before.addresses(before.destinations)
        )
        and within(before.users, after.users)
        and within(
            _spelled_out(before.applications, wide_before.applications),
            _spelled_out(after.applications, wide_after.applications),
        )
        and within(
            _spelled_out(before.services, wide_before.ports),
            _spelled_out(after.services, wide_after.ports),
        )
    )


def _spelled_out(words: Iterable[str], known: Mapping[str, frozenset[str]]) -> tuple[str, ...]:
    return tuple(part for word in words for part in known.get(word, (word,)))


def within(inner: tuple[str, ...], outer: tuple[str, ...]) -> bool:
    """Whether every name of one list is in another, where `any` has all."""
    return ANY in outer or set(inner) <= set(outer)
