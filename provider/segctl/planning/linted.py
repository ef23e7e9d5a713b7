"""What lint says of a device, and of the rules of ours that a plan has to do with. Pure."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from segctl.analysis.lint import lint
from segctl.model.errors import Problem
from segctl.planning.findings import BLOCKED, PUSHED

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence

    from segctl.analysis.effective import Reading
    from segctl.analysis.finding import Finding, Lint
    from segctl.model.policy import FirewallZone, Rule
    from segctl.planning.sides import Sides
    from segctl.providers.base import Live, Provider

#: What to do about a rule of ours, by what lint says of it and whether it is because of others.
_HINTS: Final = {
    ("shadowed", False): "narrow or remove one of the conduits: what this one is to permit does "
    "not pass",
    ("shadowed", True): "set segctl_position so that our block comes first, or have the rule of "
    "others changed",
    ("redundant", False): "remove what one of the conduits has twice",
    ("redundant", True): "have the rule of others removed or moved below our block: what it "
    "matches is logged and inspected as it says, not as the conduit says",
    ("correlated", False): "narrow one of the conduits: only their order says which decides",
    ("correlated", True): "set segctl_position so that our block comes first, or have the rule of "
    "others changed",
    ("never_matches", False): "correct the flow of its conduit, or the binding of its zones",
    ("permits_everything", False): "name what the conduit needs: protocols, applications or "
    "services",
}


def lint_live(live: Live, provider: Provider, held: Reading) -> Lint:
    """Return what lint says of all rules that a device enforces, also by what objects hold now.

    Args:
        live: the device.
        provider: its platform.
        held: what it enforces.
    """
    zones = _zones(live, provider)
    return lint(held, zones=zones, referenced=frozenset(_referenced(live)), present=True)


def _referenced(live: Live) -> Iterator[str]:
    """Yield the objects that something besides the rules of a policy is known to use."""
    yield from live.referenced
    if live.used is None:
        yield from (item.name for held in live.others.by_kind.values() for item in held)
    else:
        yield from live.used
    for override in live.overrides:
        yield from (*override.rule.sources, *override.rule.destinations)
    for one in live.translations:
        yield from (*one.rule.sources, *one.rule.destinations, *one.rule.services, *one.to)


def lint_plan(
    sides: Sides | None, live: Live, provider: Provider, told: Iterable[Problem]
) -> Iterator[Problem]:
    """Yield what lint says of our rules between zones that a plan changes something between.

    They are judged as they stand once the plan is applied. Nothing keeps the plan from being
    applied. Notes are left to `segctl lint`, but for rules of others that do the work of ours.

    Args:
        sides: what the device enforces before and after the changes; None where nothing changes.
        live: the device.
        provider: its platform.
        told: findings that the plan has; what one of them says is not said again.
    """
    if sides is None:
        return
    pushed = {rule.name for rule in live.pushed.rules}
    theirs = pushed | {rule.name for rule in live.others.rules}
    asked = _asked(sides, [one for one in sides.after.policy.rules if one.name not in theirs])
    if not asked:
        return
    denying = {one.subject for one in told if one.kind == BLOCKED}
    found = lint(sides.after, zones=_zones(live, provider), only=asked)
    for one in found.findings:
        because = [name for name in one.others if name in theirs]
        if not _worth(one, because) or (because and denying.issuperset(because)):
            continue
        yield _problem(one, because, pushed)
    for doubt in found.doubts:
        if doubt.kind == "too_complex":
            yield Problem(
                message=f"rules of ours were not linted: {doubt.subject}: {'; '.join(doubt.why)}",
                hint="have rules between these zones merged or removed",
                kind="lint_cannot_tell",
                severity="warning",
            )


def _zones(live: Live, provider: Provider) -> tuple[FirewallZone, ...]:
    """Return all zones of a device, none where they may be written in ways that are not read.

    Where segctl makes the zones, those of others may be.
    """
    return () if provider.capabilities.owns_zones else live.zones


def _asked(sides: Sides, ours: Sequence[Rule]) -> frozenset[str]:
    """Return the rules of conduits that stand between zones between which one of ours changes."""
    changed = {name for one in sides.touched for name in one.rules}
    used = [rule for rule in ours if not rule.disabled]
    reached: dict[str, set[frozenset[str]]] = defaultdict(set)
    for rule in used:
        if rule.name in changed:
            leaves = frozenset(rule.to_zones)
            for enter in rule.from_zones:
                reached[enter].add(leaves)
    return frozenset(
        rule.name
        for rule in used
        if rule.conduit
        and any(
            not leaves.isdisjoint(rule.to_zones)
            for enter in rule.from_zones
            for leaves in reached.get(enter, ())
        )
    )


def _worth(found: Finding, theirs: Sequence[str]) -> bool:
    """Whether somebody who reads a plan must know it."""
    return found.severity != "note" or (found.kind == "redundant" and bool(theirs))


def _problem(found: Finding, theirs: Sequence[str], pushed: Container[str]) -> Problem:
    hint = _HINTS.get((found.kind, bool(theirs)), "segctl lint says more")
    if any(name in pushed for name in theirs):
        hint = PUSHED
    example = f"for example {found.example}; " if found.example is not None else ""
    verb = "is " if found.message.startswith("not ") else ""
    return Problem(
        message=f"rule {found.subject!r} {verb}{found.message}",
        hint=f"{example}{hint}",
        kind=found.kind,
        subject=found.subject,
        severity="note" if found.severity == "note" else "warning",
    )
