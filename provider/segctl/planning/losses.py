"""What a change would take away that must be allowed first: essential flows, most of the rules.

Pure functions from what a device holds and what it is to hold to problems, each an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.compiler import naming
from segctl.model.addresses import interval, interval_text, merge, networks_of, subtract
from segctl.model.errors import Problem
from segctl.model.policy import AddressGroup

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from segctl.model.addresses import Interval
    from segctl.model.diff import Change
    from segctl.model.filled import Filled
    from segctl.model.policy import Policy, Rule
    from segctl.planning.cuts import Cut

#: Kind of the one error that a user may allow (`--allow-mass-delete`).
MASS_DELETE = "mass_delete"
#: Kind of the error, one a flow, that a plan may allow (`--allow-disruption`).
MANAGEMENT = "management"
#: Deleting more of our rules than this, and more than half of them, must be allowed explicitly.
_FEW = 5
#: The most names that one message lists.
_SHOWN = 12


def guarded(changes: Iterable[Change], held: Policy, wanted: Policy) -> dict[str, bool]:
    """Return the rules on the device that are marked as essential, by their names after renames.

    True of one that goes back to what was pushed: only what that permits counts, since a repair of
    drift cuts nothing that is declared.
    """
    new = _new_names(changes)
    after = {rule.name: rule for rule in wanted.rules}
    found: dict[str, bool] = {}
    for rule in held.rules:
        if rule.essential and not rule.disabled and rule.action == "allow":
            name = new.get(rule.name, rule.name)
            then = after.get(name)
            found[name] = then is not None and bool(rule.seal) and rule.seal == then.seal
    return found


def essential(cuts: Iterable[Cut], held: Policy, changes: Iterable[Change]) -> Iterator[Problem]:
    """Refuse to cut a flow that the rule on the device marks as essential, or to risk that.

    Args:
        cuts: the guarded rules that lose packets, or may.
        held: what segctl manages on the device.
        changes: those of the plan, which may rename rules.
    """
    new = _new_names(changes)
    rules = {new.get(rule.name, rule.name): rule for rule in held.rules}
    for cut in cuts:
        rule = rules[cut.rule]
        would = "would cut it" if cut.sure else "may cut it, which cannot be told"
        yield Problem(
            message=f"rule {rule.name!r} carries the essential flow {rule.conduit}."
            f"{rule.flow}; this change {would}: {cut.example}",
            hint="if it may be cut, first set `essential: false` on the flow and apply that",
            severity="error",
            about=("cut", cut.rule, rule.conduit, rule.flow),
        )


def _new_names(changes: Iterable[Change]) -> dict[str, str]:
    return {
        change.before.name: change.name
        for change in changes
        if (change.op, change.kind) == ("rename", "rule") and change.before is not None
    }


def let_go(contained: Mapping[str, Filled], wanted: Policy) -> Iterator[Problem]:
    """Say who is cut off on a device and will not be, since nothing prepares it any more."""
    prepared = {group.name for group in wanted[AddressGroup] if group.contained}
    for group, held in contained.items():
        who = held.addresses
        if group in prepared or not who:
            continue
        label = naming.island_label(group)
        more = f" and {len(who) - _SHOWN} more" if len(who) > _SHOWN else ""
        whom = f"ends island {label}" if label else "lets go who is contained"
        yield Problem(
            message=f"this {whom}: {', '.join(who[:_SHOWN])}{more}",
            hint="declare segctl_containment.islands until it is no longer one"
            if label
            else "declare segctl_containment until nobody is contained",
            severity="warning",
        )


def left_out(
    contained: Mapping[str, Filled], islands: Mapping[str, tuple[Interval, ...]]
) -> Iterator[Problem]:
    """Say of what is an island which addresses of it are not part of it: its zones got them later.

    Args:
        contained: who is cut off, by groups.
        islands: the addresses that each island has by the inventory, by its group.
    """
    for group, wanted in islands.items():
        held = contained.get(group)
        if held is None or held.unread or not held.addresses:
            continue
        if missing := lacking(wanted, held.addresses):
            label = naming.island_label(group)
            yield Problem(
                message=f"{label} is an island without {', '.join(missing[:_SHOWN])}, which its "
                "zones have by now: that is not cut off",
                hint=f"end the island and begin it again: segctl island end {label}",
                severity="warning",
                subject=label,
            )


def lacking(wanted: Iterable[Interval], held: Iterable[str]) -> tuple[str, ...]:
    """Return the networks of some addresses that are not among those that are held, as text."""
    known = merge(map(interval, held))
    return tuple(interval_text(part) for part in networks_of(subtract(wanted, known)))


def unprepared(contained: Mapping[str, Filled], held: Policy, wanted: Policy) -> Iterator[Problem]:
    """Say what cannot be cut off any more, where nobody is cut off by it now.

    Args:
        contained: who is cut off, by groups.
        held: what segctl manages on the device.
        wanted: what it is to hold.
    """
    kept = {group.name for group in wanted[AddressGroup] if group.contained}
    for group in held[AddressGroup]:
        now = contained.get(group.name)
        if not group.contained or group.name in kept or (now is not None and now.addresses):
            continue
        label = naming.island_label(group.name)
        what = f"what makes {label} an island" if label else "what contains"
        yield Problem(
            message=f"this takes away {what}: segctl {'island' if label else 'contain'} will "
            "refuse it here",
            hint=f"keep it in {'segctl_containment.islands' if label else 'segctl_containment'}, "
            "unless it is no longer wanted",
            severity="warning",
        )


def mass_delete(
    changes: Iterable[Change], held: Policy, wanted: Policy, *, attached: bool
) -> Iterator[Problem]:
    """Refuse to delete most of our rules unasked, or all rules of a device without zones.

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
            hint="restore what the inventory has lost; if the deletion is intended, or the "
            "firewall is being retired: segctl apply --allow-mass-delete",
            severity="error",
            kind=MASS_DELETE,
            about=(str(len(marked)), *sorted(rule.name for rule in gone)),
        )


def _lacking(gone: Sequence[Rule], wanted: Policy) -> str:
    """Return what the marks of the rules name that the inventory lacks for this device."""
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
