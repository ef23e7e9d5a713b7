"""What has to change on a device: desired and live in, `DevicePlan` out. Pure."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from segctl.compiler.build import with_closing
from segctl.model.diff import Change, diff, gap
from segctl.model.errors import PlanError, Problem, UnsupportedError
from segctl.model.policy import (
    Address,
    AddressGroup,
    ApplicationGroup,
    DefaultRule,
    FirewallZone,
    Item,
    Policy,
    Schedule,
    Tag,
    compared_fields,
)
from segctl.model.site import Position
from segctl.planning import findings, losses
from segctl.planning.documents import digest_of
from segctl.planning.freshness import basis_of, fingerprint, managed
from segctl.planning.held import as_held
from segctl.planning.plan import DevicePlan, Plan, Unmanaged
from segctl.providers.parsed import without_note
from segctl.system.loading import uncollected

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from segctl.compiler.build import Desired
    from segctl.model.policy import Rule
    from segctl.planning.plan import Basis, Intent
    from segctl.providers.base import Live, Provider

ObjectT = TypeVar("ObjectT", Address, AddressGroup)
VALID_FOR = timedelta(hours=24)


def make_plan(
    devices: Iterable[DevicePlan],
    intent: Intent,
    *,
    now: datetime | None = None,
    valid_for: timedelta = VALID_FOR,
) -> Plan:
    """Put device plans together under a new id."""
    moment = (now or datetime.now(UTC)).replace(microsecond=0)
    return Plan(
        plan_id=uuid4().hex,
        created=moment.isoformat(),
        expires=(moment + valid_for).isoformat(),
        intent=intent,
        devices=tuple(devices),
    )


# --- planning one device -------------------------------------------------------------------------


@uncollected()
def plan_device(desired: Desired, live: Live, provider: Provider) -> DevicePlan:
    """Return what has to change on one device.

    Raises:
        UnsupportedError: the platform or this device's content cannot express the policy.
        PlanError: the position names a missing rule, or a name is taken by somebody else.
    """
    device = desired.device
    purge = device.unmanaged == "purge"
    others = [] if purge else [rule.name for rule in live.others.rules]
    place = _place(device.name, others, device.position)
    closed = len(others) > place
    wanted, warnings = provider.fit(with_closing(desired) if closed else desired.policy, device)
    wanted = as_held(wanted, live, ordered=provider.capabilities.ordered)
    _check_known(device.name, wanted, live)
    _check_taken(device.name, wanted, live)
    owns = provider.capabilities.owns_zones
    covers = _covered(wanted, live.zones if owns else ())
    held = managed(live, covers)
    position = Position() if purge else device.position
    order = [name for name in live.order if name not in live.other_rules] if purge else live.order
    kept = _kept(wanted, held, live)
    wanted, pinned = _without_pinned(_with(wanted, kept), live)
    changes = diff(
        wanted, held, order=order, position=position, ordered=provider.capabilities.ordered
    )
    purged = _purge(live) if purge else ()
    zones = {binding.name for binding in device.zones}
    notes = (
        *desired.findings,
        *warnings,
        *_of_the_device(desired, live, managed=owns or device.manage_zones),
        *findings.others_above(live, others[:place], wanted, zones),
        *(findings.others_below(live, others[place:], zones) if closed else ()),
        *losses.essential(changes, held, wanted),
        *losses.mass_delete(changes, held, wanted, attached=bool(device.zones)),
        *_staying(kept, live),
        *pinned,
    )
    if provider.capabilities.ordered:
        ours = {rule.name for rule in held.rules}
        notes = (*notes, *findings.displaced(order, ours, position))
    every = (*purged, *changes)
    basis = _basis(live, covers, position, wanted, changes) if every else None
    digest = wanted.digest
    return DevicePlan(
        name=device.name,
        platform=device.platform,
        serial=live.identity.serial,
        os_version=live.identity.os_version,
        content_version=live.identity.content_version,
        scope=str(live.identity.scope),
        fingerprint=fingerprint(basis) if basis else digest_of({"desired": digest}),
        desired=digest,
        rule_count=len(live.order),
        changes=tuple(map(_without_origin, every)),
        script=provider.render(every, live),
        unmanaged=tuple(_unmanaged(live, others[:place])),
        findings=notes,
        position=position,
        covers=covers,
        basis=basis,
        purge=len(purged),
        state=live.state,
    )


def _covered(wanted: Policy, zones: Iterable[FirewallZone]) -> Mapping[str, tuple[str, ...]]:
    """Return the names of what is compared although it bears no mark of ours, by kind."""
    return {
        "zone": tuple(sorted({zone.name for zone in (*wanted[FirewallZone], *zones)})),
        "default-rule": tuple(rule.name for rule in wanted[DefaultRule]),
    }


def _of_the_device(desired: Desired, live: Live, *, managed: bool) -> Iterator[Problem]:
    """Yield what is to be known of the device, whatever becomes of its rules."""
    yield from findings.bindings(desired.bindings, live, managed=managed)
    yield from findings.interfaces(desired.bindings, live)
    yield from live.findings
    yield from findings.pending(live)
    yield from findings.state(live.state)


def _basis(
    live: Live,
    covers: Mapping[str, tuple[str, ...]],
    position: Position,
    wanted: Policy,
    changes: Iterable[Change],
) -> Basis:
    """Return what of the live device these changes rest on."""
    applications = any(rule.applications != ("any",) for rule in wanted.rules)
    deleted = [
        change.before.name
        for change in changes
        if change.op in ("delete", "rename") and change.kind != "rule" and change.before is not None
    ]
    references = _references(wanted, live)
    return basis_of(live, covers, position, references, deleted, applications=applications)


def _place(name: str, others: Sequence[str], position: Position) -> int:
    try:
        return gap(others, position)
    except LookupError:
        held = ", ".join(others[:8]) or "none"
        raise PlanError(
            f"{name}: segctl_position names rule {position.rule!r}, which is not among the rules "
            f"of others on the device ({held}{' …' if len(others) > 8 else ''})"
        ) from None


def _check_known(name: str, wanted: Policy, live: Live) -> None:
    """Refuse names that neither the policy nor the device has."""
    known = live.known
    applications = (
        known.get("application", frozenset())
        | known.get("application-group", frozenset())
        | known.get("application-filter", frozenset())
        | {"any"}
        | {group.name for group in wanted[ApplicationGroup]}
    )
    used = {app for rule in wanted.rules for app in rule.applications}
    used |= {app for group in wanted[ApplicationGroup] for app in group.members}
    missing = sorted(used - applications)
    if missing:
        raise UnsupportedError(
            f"{name}: {_versions(live)} has no application {', '.join(missing)}: "
            "update the device, or take them out of the inventory"
        )
    schedules = known.get("schedule", frozenset()) | {item.name for item in wanted[Schedule]}
    for kind, attribute, held in (
        ("profile group", "profile_group", known.get("profile-group")),
        ("log forwarding profile", "log_setting", known.get("log-setting")),
        ("schedule", "schedule", schedules),
    ):
        if held is None:
            continue  # the platform has none: its provider's fit has decided
        absent = sorted({getattr(rule, attribute) for rule in wanted.rules} - held - {""})
        if absent:
            raise UnsupportedError(
                f"{name}: has no {kind} {', '.join(absent)}: create it there, or correct "
                f"the inventory; it has {', '.join(sorted(held)[:8]) or 'none'}"
            )


def _versions(live: Live) -> str:
    identity = live.identity
    content = f", content {identity.content_version}" if identity.content_version else ""
    return f"version {identity.os_version or 'unknown'}{content}"


def _check_taken(name: str, wanted: Policy, live: Live) -> None:
    """Refuse names that somebody else's object or rule has already."""
    wished = [(kind, item.name) for kind, items in wanted.objects() for item in items]
    wished += [("rule", rule.name) for rule in wanted.rules]
    clash = sorted({f"{k} {n}" for k, n in wished if n in live.taken.get(k, frozenset())})
    if clash:
        raise PlanError(
            f"{name}: {', '.join(clash[:8])} {'is' if len(clash) == 1 else 'are'} on the device "
            "without our mark: rename it there or in the inventory (segctl changes nothing that "
            "is not its own)"
        )


def _purge(live: Live) -> tuple[Change, ...]:
    return tuple(
        Change(op="delete", kind="rule", name=rule.name, before=without_note(rule))
        for rule in live.others.rules
    )


def _kept(wanted: Policy, held: Policy, live: Live) -> dict[str, tuple[Item, ...]]:
    """Return our objects that nothing of ours needs but that others refer to, by kind.

    The members of a group that stays do too.
    """
    needed = set(live.referenced)
    members = {group.name: group.members for group in held[AddressGroup]}
    todo = [name for name in needed if name in members]
    while todo:
        more = set(members[todo.pop()]) - needed
        needed |= more
        todo += [name for name in more if name in members]
    kept: dict[str, tuple[Item, ...]] = {}
    for (kind, items), (_, now) in zip(wanted.objects(), held.objects(), strict=True):
        names = {item.name for item in items}
        kept[kind] = tuple(item for item in now if item.name in needed and item.name not in names)
    if any(kept.values()):  # what stays keeps its mark
        marks = {tag.name for tag in wanted[Tag]}
        kept["tag"] = tuple(tag for tag in held[Tag] if tag.name not in marks)
    return kept


def _with(policy: Policy, kept: Mapping[str, Sequence[Item]]) -> Policy:
    staying = [item for items in kept.values() for item in items]
    return policy.beside(Policy.of(staying)) if staying else policy


def _without_pinned(wanted: Policy, live: Live) -> tuple[Policy, tuple[Problem, ...]]:
    """Return `wanted` without the former names that others refer to, and what that means.

    On a device what refers to an object follows its new name: rules of others would change.
    """
    notes: list[Problem] = []

    def free(item: ObjectT) -> ObjectT:
        used = [name for name in item.renamed_from if name in live.referenced]
        if not used:
            return item
        notes.append(
            Problem(
                message=f"{item.kind_name} {used[0]!r} is not renamed to {item.name!r}: others "
                f"use it ({live.referenced[used[0]]}), and what they have is not changed",
                hint="a new one is made beside it",
                severity="warning",
                subject=item.name,
            )
        )
        rest = tuple(name for name in item.renamed_from if name not in used)
        return replace(item, renamed_from=rest)

    held = {item.name for item in (*live.policy[Address], *live.policy[AddressGroup])}
    addresses = tuple(one if one.name in held else free(one) for one in wanted[Address])
    groups = tuple(one if one.name in held else free(one) for one in wanted[AddressGroup])
    return wanted.replace(addresses=addresses, address_groups=groups), tuple(notes)


def _staying(kept: Mapping[str, Sequence[Item]], live: Live) -> Iterator[Problem]:
    for kind, items in kept.items():
        for item in items:
            place = live.referenced.get(item.name)
            if place is None and kind == "tag":
                continue  # it marks what stays
            where = f" ({place})" if place else ", by way of a group that stays"
            yield Problem(
                message=f"{kind} {item.name!r} is no longer needed but rules or objects of "
                f"others use it{where}: it stays",
                hint="take it out there, then run segctl plan again",
                severity="warning",
                subject=item.name,
            )


def _unmanaged(live: Live, above: Sequence[str]) -> Iterator[Unmanaged]:
    over = set(above)
    for rule in live.others.rules:
        yield Unmanaged(
            name=rule.name,
            action=rule.action,
            above=rule.name in over,
            disabled=rule.disabled,
        )


def _without_origin(change: Change) -> Change:
    """Return a change as a plan keeps it: without the fields that say where a value came from."""
    before, after = _compared(change.before), _compared(change.after)
    if before is change.before and after is change.after:
        return change
    return replace(change, before=before, after=after)


def _compared(item: Item | None) -> Item | None:
    if item is None:
        return None
    defaults = _origin(type(item))  # type: ignore[arg-type] # a class is hashable
    if all(getattr(item, name) == default for name, default in defaults.items()):
        return item
    return replace(item, **defaults)


@cache
def _origin(kind: type[Item]) -> dict[str, Any]:
    """Return the fields of a kind that are not compared, with what they hold by default."""
    compared = compared_fields(kind)
    return {one.name: one.default for one in fields(kind) if one.name not in compared}


def _references(wanted: Policy, live: Live) -> list[str]:
    """Return the keys of others' objects that the wanted rules refer to."""
    used: set[str] = set()
    for rule in wanted.rules:
        used.update(
            f"{kind} {name}"
            for kind, names in _referred(rule)
            for name in names
            if f"{kind} {name}" in live.other_objects
        )
    return sorted(used)


def _referred(rule: Rule) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield "application", rule.applications
    yield "application-group", rule.applications
    yield "application-filter", rule.applications
    yield "schedule", (rule.schedule,)
    yield "profile-group", (rule.profile_group,)
