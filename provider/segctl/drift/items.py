"""What has drifted on a device, item by item: one a rule or object, with its states."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from segctl.model.diff import longest_increasing
from segctl.planning.documents import change_json
from segctl.planning.findings import (
    BLOCKED,
    CANNOT_TELL,
    DISPLACED,
    ERROR,
    HOLE,
    NOT_ENFORCED,
    NOT_KEPT,
    PENDING,
)
from segctl.providers.base import without_wording
from segctl.providers.state import UNREAD, UNREAD_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from segctl.model.diff import Change, Op
    from segctl.model.errors import Problem
    from segctl.planning.plan import DevicePlan, Told
    from segctl.providers.logs import Author

#: The state of an item, by the operation that would repair it.
DRIFT_KINDS: Final[Mapping[Op, str]] = {
    "create": "missing",
    "update": "changed",
    "rename": "changed",
    "move": "moved",
    "delete": "unexpected",
}
#: Every state of an item, the most serious first.
STATES = (
    HOLE,
    UNREAD,
    ERROR,
    PENDING,
    NOT_KEPT,
    NOT_ENFORCED,
    "unexpected",
    "missing",
    "changed",
    BLOCKED,
    CANNOT_TELL,
    "moved",
)
#: The state of a rule in another place than declared.
MOVED = "moved"
#: Kind of the item that tells of a rule of others between our block and its place; the rule, named
#: alike, may be an item too.
BLOCK = "block"
#: States that a finding can tell, where a change does not.
TOLD = (HOLE, UNREAD, ERROR, PENDING, NOT_KEPT, NOT_ENFORCED, BLOCKED, CANNOT_TELL, MOVED)
#: Findings that are drift: what kind of item they are about, and whether their words change by
#: themselves, as seconds do.
_TELLING = {
    HOLE: ("rule", False),
    UNREAD: ("table", False),
    PENDING: ("change", True),
    NOT_KEPT: ("boot", False),
    NOT_ENFORCED: ("firewall", False),
    DISPLACED: (BLOCK, False),
}
#: What could not be read, as the first of a finding's facts; anything else is a table.
_UNREAD_KINDS = {(kind,) for kind in UNREAD_KINDS}


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftItem:
    """One rule or object that is not as declared, however many differences it has.

    With `finding`, the item stands for that: a hole, an unconfirmed change, an error. `told` is
    what the device enforces otherwise than declared because of it. `fingerprint` is of the words
    it is told in, `key` of the facts behind them.
    """

    kind: str
    name: str
    states: tuple[str, ...]
    fingerprint: str
    #: its possible names on the device, the declared name first
    names: tuple[str, ...]
    conduit: str = ""
    changes: tuple[Change, ...] = ()
    finding: Problem | None = None
    key: str = ""
    told: tuple[Told, ...] = ()
    #: who changed it last, if the device says so
    changed_by: Author | None = None

    @property
    def state(self) -> str:
        """The first of its states: how it differs, or what it does, the most serious first."""
        return self.states[0]

    @property
    def gravest(self) -> str:
        """The most serious of its states."""
        return min(self.states, key=STATES.index)

    @property
    def example(self) -> str:
        """A packet with its zones that passes or is denied otherwise than declared, if any is."""
        return next((one.example for one in self.told if one.example), "")

    def findings(self, state: str) -> tuple[Problem, ...]:
        """Return the findings that tell one of its states."""
        told = tuple(one.finding for one in self.told if one.state == state)
        return told or ((self.finding,) if self.finding and self.state == state else ())


def items_of(plan: DevicePlan) -> tuple[DriftItem, ...]:
    """Return what has drifted on a device: one item a rule or object, in the plan's order.

    Where rules of others stand between our block and its place, that is one item. Of our rules
    only those count as moved that would have to move within the block.
    """
    grouped: dict[tuple[str, str], list[Change]] = {}
    carried = _carried(plan)
    for change in plan.changes:
        if change.op == "move" and change.name in carried:
            continue
        grouped.setdefault((change.kind, change.name), []).append(change)
    told: dict[tuple[str, str], list[Told]] = {}
    for one in plan.enforced:
        told.setdefault((one.kind, one.name), []).append(one)
    changed = [
        _item(
            kind,
            name,
            changes,
            [told.pop((kind, one), []) for one in _names(name, changes)],
            plan.platform,
        )
        for (kind, name), changes in grouped.items()
    ]
    elsewhere = {one.finding for one in plan.enforced}
    states = [
        (_state_of(finding), finding) for finding in plan.findings if finding not in elsewhere
    ]
    return (
        *changed,
        *(_told_item(kind, name, found) for (kind, name), found in told.items()),
        *(_finding_item(state, finding) for state, finding in states if state),
    )


def _carried(plan: DevicePlan) -> set[str]:
    """Return the rules that move with our block and keep their places within it."""
    if plan.basis is None or not any(finding.kind == DISPLACED for finding in plan.findings):
        return set()
    called = {
        change.before.name: change.name
        for change in plan.changes
        if change.op == "rename" and change.before is not None
    }
    place = {called.get(name, name): index for index, name in enumerate(plan.basis.order)}
    moves = [change.name for change in plan.changes if change.op == "move" and change.name in place]
    return {moves[index] for index in longest_increasing([place[name] for name in moves])}


def _names(name: str, changes: Iterable[Change]) -> tuple[str, ...]:
    """Return the names that an item may have on the device, the declared one first."""
    before = (change.before.name for change in changes if change.before is not None)
    return tuple(dict.fromkeys(filter(None, (name, *before))))


def _item(
    kind: str,
    name: str,
    changes: Sequence[Change],
    by_name: Iterable[Sequence[Told]],
    platform: str,
) -> DriftItem:
    told = [one for each in by_name for one in each]
    states = {DRIFT_KINDS[change.op] for change in changes}
    does = {one.state for one in told}
    return DriftItem(
        kind=kind,
        name=name,
        states=(
            *(state for state in STATES if state in states),
            *(state for state in STATES if state in does),
        ),
        fingerprint=fingerprint(list(map(change_json, changes))),
        key=fingerprint([change_json(_bare(change, platform)) for change in changes]),
        names=_names(name, changes),
        conduit=changes[0].conduit,
        changes=tuple(changes),
        finding=next((one.finding for one in told if one.state == HOLE), None),
        told=tuple(told),
    )


def _told_item(kind: str, name: str, told: Sequence[Told]) -> DriftItem:
    """Return the item of a rule or object that only does what it should not.

    What made a rule of ours do so, which is as declared, is somewhere else: nobody is asked who
    changed that rule.
    """
    found = sorted(told, key=lambda one: STATES.index(one.state))
    first = found[0]
    unknown = first.state == CANNOT_TELL
    return DriftItem(
        kind=kind,
        name=name,
        states=tuple(dict.fromkeys(one.state for one in found)),
        fingerprint=first.content if unknown else fingerprint(first.finding.message),
        key=fingerprint([first.state, first.content]),
        names=() if first.own else (name,),
        finding=first.finding,
        told=tuple(found),
    )


def _bare(change: Change, platform: str) -> Change:
    """Return a change without the wording of what the provider noted beside its items."""
    before = change.before and without_wording(platform, change.before)
    after = change.after and without_wording(platform, change.after)
    return replace(change, before=before, after=after)


def _state_of(finding: Problem) -> str:
    """Return what a finding makes of a device that holds what is declared; empty for nothing."""
    if finding.kind == DISPLACED:
        return MOVED
    if finding.kind in _TELLING:
        return finding.kind
    return ERROR if finding.severity == "error" else ""


def _finding_item(state: str, finding: Problem) -> DriftItem:
    kind, changing = _TELLING.get(finding.kind, ("device", False))
    if finding.kind == UNREAD and finding.about[:1] in _UNREAD_KINDS:
        kind = finding.about[0]
    name = finding.subject or finding.message
    return DriftItem(
        kind=kind,
        name=name,
        states=(state,),
        fingerprint=fingerprint(name if changing else finding.message),
        key=fingerprint(
            [finding.kind, *(finding.about or (name if changing else finding.message,))]
        ),
        names=(name,),
        finding=finding,
    )


def fingerprint(difference: object) -> str:
    """Return a digest that identifies a difference."""
    text = json.dumps(difference, sort_keys=True, ensure_ascii=False)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()[:16]}"
