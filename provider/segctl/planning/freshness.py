"""The basis of a plan on a live device, and whether it still holds."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, cast

from segctl.model.diff import gap, in_place
from segctl.model.errors import StalePlanError
from segctl.model.policy import ANY, DefaultRule, item_digest
from segctl.planning.documents import basis_json, digest_of
from segctl.planning.named import by_name, digests_of, names_in
from segctl.planning.plan import Basis

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from segctl.model.policy import Policy
    from segctl.model.site import Position
    from segctl.planning.plan import DevicePlan
    from segctl.providers.base import Live, Provider
    from segctl.providers.pushed import Pushed


def managed(live: Live, covers: Mapping[str, Sequence[str]]) -> Policy:
    """Return the part of `live` that segctl manages: what is marked, and what `covers` names."""
    zones, defaults = covers.get("zone", ()), covers.get("default-rule", ())
    return live.policy.replace(
        zones=tuple(zone for zone in live.zones if zone.name in zones),
        defaults=tuple(rule for rule in live.policy[DefaultRule] if rule.name in defaults),
    )


def basis_of(
    live: Live,
    covers: Mapping[str, Sequence[str]],
    position: Position,
    references: Iterable[str],
    deleted: Iterable[str],
    *,
    applications: bool,
    named: Mapping[str, str] | None = None,
) -> Basis:
    """Return the basis of a plan for `live`, part by part.

    Rules of others count if they stand above our block, or will: they match first. Whether others
    refer to an object that will be `deleted` counts, too. The content version counts only if
    rules name `applications`. What was pushed counts with what is `named`, given by
    `named.digests_of`; without it, neither does.
    """
    held = managed(live, covers)
    ours = {rule.name for rule in held.rules}
    others = [name for name in live.order if name not in ours]
    place = _place(others, position)
    above = _above(live.order, ours, place)
    anchors = [position.rule] if position.rule else []
    serials = live.identity.serials
    basis = Basis(
        serial=serials[0] if serials else live.identity.serial,
        serials=serials,
        os_version=".".join(live.identity.os_version.split(".")[:2]),
        content_version=live.identity.content_version if applications else "",
        managed={
            f"{item.kind_name} {item.name}": item_digest(item)[:16]
            for _, items in (*held.objects(), ("rule", held.rules))
            for item in items
        },
        order=tuple(rule.name for rule in held.rules),
        anchors={name: live.other_rules.get(name, "")[:16] for name in anchors},
        above={name: live.other_rules.get(name, "")[:16] for name in above},
        above_order=tuple(above),
        inside=_inside(live.order, ours),
        followed=place < len(others) or bool(live.pushed.after),
        references={key: live.other_objects.get(key, "")[:16] for key in references},
        deleted={name: name in live.referenced for name in sorted(deleted)},
    )
    return basis if named is None else _with_pushed(basis, live.pushed, named)


def _with_pushed(basis: Basis, pushed: Pushed, named: Mapping[str, str]) -> Basis:
    return replace(
        basis,
        pushed={rule.name: pushed.digests.get(rule.name, "")[:16] for rule in pushed.before},
        pushed_order=tuple(rule.name for rule in pushed.before),
        pushed_unread=pushed.unread,
        named={name: digest[:16] for name, digest in named.items()},
    )


def names_above(live: Live, wanted: Policy, held: Policy, position: Position) -> list[str]:
    """Return the names of others' objects that a plan rests on, sorted.

    They are those that `wanted` rules use without defining them, and those in rules of others that
    stand above our block, or will, and may match between the zones of our rules.
    """
    ours = {rule.name for rule in held.rules}
    above = {
        *_above(live.order, ours, _place([n for n in live.order if n not in ours], position)),
    }
    zones = {
        zone for rule in (*wanted.rules, *held.rules) for zone in (*rule.from_zones, *rule.to_zones)
    } | {ANY}
    theirs = [
        rule
        for rule in (
            *live.pushed.before,
            *(rule for rule in live.others.rules if rule.name in above),
        )
        if not rule.disabled and zones & {*rule.from_zones} and zones & {*rule.to_zones}
    ]
    objects = by_name(live.others)
    defined = {item.name for _, items in wanted.objects() for item in items}
    return sorted(names_in(theirs, objects) | (names_in(wanted.rules, objects) - defined))


def _place(others: Sequence[str], position: Position) -> int:
    """Return how many rules of others belong above our block; none if the anchor is gone."""
    try:
        return gap(others, position)
    except LookupError:
        return 0


def _above(order: Sequence[str], ours: set[str], place: int) -> list[str]:
    """Return the rules of others that stand above our block, or will."""
    others = [name for name in order if name not in ours]
    return others[: max(place, _standing_above(order, ours))]


def _standing_above(order: Sequence[str], ours: set[str]) -> int:
    """Return how many rules of others stand above the last of ours, wherever ours should be."""
    last = max((index for index, name in enumerate(order) if name in ours), default=-1)
    return sum(name not in ours for name in order[: last + 1])


def _inside(order: Sequence[str], ours: set[str]) -> tuple[str, ...]:
    """Return the names of others' rules between the first and the last of ours."""
    at = [index for index, name in enumerate(order) if name in ours]
    return tuple(name for name in order[at[0] : at[-1]] if name not in ours) if at else ()


def fingerprint(basis: Basis) -> str:
    """Return ``sha256:…`` of the basis of a plan."""
    return digest_of(basis_json(basis))


def is_as_desired(plan: DevicePlan, live: Live) -> bool:
    """Whether the device already holds the planned policy, in the planned place."""
    held = managed(live, plan.covers)
    if plan.purge and live.others.rules:
        return False
    leading = {rule.name for rule in held.rules if rule.ahead}
    return held.digest == plan.desired and in_place(
        live.order, {rule.name for rule in held.rules}, plan.position, leading
    )


_WORDS = {
    "serial": "the serial number",
    "os_version": "the version of its operating system",
    "content_version": "the content version",
    "order": "the order of our rules",
    "above_order": "the order of others' rules above our block",
    "inside": "others' rules inside our block",
    "followed": "whether rules of others follow our block",
    "pushed_order": "the order of the rules that Panorama pushed above our block",
    "pushed_unread": "what of the rules that Panorama pushed cannot be read",
}


def check_fresh(plan: DevicePlan, live: Live, provider: Provider) -> None:
    """Refuse a plan whose basis has changed.

    Raises:
        StalePlanError: the basis changed; the message names what.
    """
    then = plan.basis or Basis()
    now = basis_of(
        live,
        plan.covers,
        plan.position,
        then.references,
        then.deleted,
        applications=bool(then.content_version),
        named=None if then.named is None else digests_of(then.named, live, provider),
    )
    now = _of_the_pair(now, then)
    if fingerprint(now) == plan.fingerprint:
        return
    moved = list(_moved(plan.basis, now)) if plan.basis else []
    raise StalePlanError(
        f"{plan.name}: the device changed since the plan was made: "
        f"{'; '.join(moved[:12]) or 'what the plan rests on'}; run segctl plan again"
    )


def _of_the_pair(now: Basis, then: Basis) -> Basis:
    """Return a basis of some of the members of a pair as one of all of them.

    A failover is no reason to plan again, and neither is a member that gives no answer now. One
    that the plan does not know is.
    """
    known = {now.serial, *now.serials} <= set(then.serials)
    return replace(now, serial=then.serial, serials=then.serials) if known else now


def _moved(then: Basis, now: Basis) -> Iterator[str]:
    for part in (one.name for one in fields(Basis)):
        old: Any = getattr(then, part)
        value: Any = getattr(now, part)
        if old == value:
            continue
        if part == "serials":
            before, after = (" and ".join(one) or "no pair" for one in (old, value))
            yield f"the pair was {before} and is now {after}"
        elif isinstance(value, dict):
            yield from _moved_names(part, old, cast("dict[str, str | bool]", value))
        elif isinstance(value, str):
            yield f"{_WORDS.get(part, part)} was {old or 'empty'} and is now {value or 'empty'}"
        else:
            yield f"{_WORDS.get(part, part)} changed"


def _moved_names(
    part: str, old: Mapping[str, str | bool], new: Mapping[str, str | bool]
) -> Iterator[str]:
    if part == "deleted":
        yield from (f"others now use {name}" for name in new if old.get(name) != new[name])
        return
    what = {"above": "rule of others ", "anchors": "anchor rule "}.get(part, "")
    if part == "named":
        rest = "of others, which rules above our block or our rules use,"
        yield from (f"{name} {rest} changed" for name in sorted(new) if old.get(name) != new[name])
        return
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            verb = "is gone" if name not in new else "is new" if name not in old else "changed"
            yield f"{what}{name} {verb}"
