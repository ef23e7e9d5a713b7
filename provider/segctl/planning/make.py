"""Plan the changes to a device: desired and live in, `DevicePlan` out. Pure."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
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
    DefaultRule,
    FirewallZone,
    Item,
    LogProfile,
    Policy,
    Schedule,
    Tag,
    compared_fields,
)
from segctl.model.site import Position
from segctl.planning import findings, losses
from segctl.planning.by_firewall import lint_by_firewall, meaning_by_firewall, of_firewall
from segctl.planning.content import contents_of, refuse_lacking, used_by
from segctl.planning.documents import digest_of
from segctl.planning.enforced import foreseen
from segctl.planning.freshness import basis_of, fingerprint, managed, names_above
from segctl.planning.held import as_held
from segctl.planning.inherited import refuse_other_content
from segctl.planning.named import digests_of
from segctl.planning.plan import DevicePlan, Plan, Unmanaged
from segctl.planning.sides import sides
from segctl.providers.base import refuse_containment, refuse_pair
from segctl.providers.parsed import without_note
from segctl.system.loading import uncollected

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from segctl.compiler.build import Desired
    from segctl.model.policy import Rule
    from segctl.model.site import Device
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
    """Combine device plans into a plan with a new id."""
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
        UnsupportedError: the platform, or the content of this device, cannot express the policy.
        PlanError: the position names a missing rule, or an unmanaged item has the same name.
    """
    device = desired.device
    refuse_pair(device, provider.capabilities)
    refuse_containment(device, provider.capabilities)
    purge = device.unmanaged == "purge"
    others = [] if purge else [rule.name for rule in live.others.rules]
    place = place_of(device.name, others, device.position)
    closed = len(others) > place or may_follow(desired, live)
    wanted, warnings = provider.fit(with_closing(desired) if closed else desired.policy, device)
    wanted = as_held(wanted, live, ordered=provider.capabilities.ordered)
    check_known(device.name, wanted, live)
    check_taken(device.name, wanted, live)
    refuse_other_content(device.name, wanted, live)
    zones = {binding.name for binding in device.zones}
    exact = () if purge else foreseen(wanted, live, provider, zones, place)
    judged = (
        *(one.finding for one in exact),
        *(findings.others_below(live, others[place:], zones) if closed else ()),
    )
    fitted = Fitted(wanted=wanted, warnings=warnings, others=judged, above=others[:place])
    position = Position() if purge else device.position
    return compared(desired, live, provider, fitted, position)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A policy in the words of one device, with what there is to say about that.

    `others` are findings about rules of others, `above` the names of those that belong above ours.
    """

    wanted: Policy
    warnings: tuple[Problem, ...]
    others: tuple[Problem, ...]
    above: Sequence[str]


def compared(
    desired: Desired,
    live: Live,
    provider: Provider,
    fitted: Fitted,
    position: Position,
    *,
    to_apply: bool = True,
) -> DevicePlan:
    """Return the plan that leads from what a device holds to the fitted policy.

    Without `to_apply` it has no script.
    """
    device, wanted = desired.device, fitted.wanted
    purge = device.unmanaged == "purge"
    owns = provider.capabilities.owns_zones
    covers = _covered(wanted, live.zones if owns else ())
    held = managed(live, covers)
    order = [name for name in live.order if name not in live.other_rules] if purge else live.order
    kept = _kept(wanted, held, live)
    wanted, pinned = _without_pinned(_with(wanted, kept), live)
    changes = diff(
        wanted, held, order=order, position=position, ordered=provider.capabilities.ordered
    )
    purged = _purge(live) if purge else ()
    every = (*purged, *changes)
    around = sides(every, live, provider)
    guarded = losses.guarded(changes, held, wanted)
    meant, cuts = meaning_by_firewall(every, around, live.members, guarded)
    notes = (
        *desired.findings,
        *fitted.warnings,
        *_of_the_device(desired, live, managed=owns or device.manage_zones),
        *fitted.others,
        *_uncommented(device, provider),
        *losses.essential(cuts, held, changes),
        *losses.let_go(live.contained, wanted),
        *losses.unprepared(live.contained, held, wanted),
        *losses.left_out(live.contained, desired.islands),
        *losses.mass_delete(changes, held, wanted, attached=bool(device.zones)),
        *_staying(kept, live),
        *pinned,
    )
    if provider.capabilities.ordered:
        leading = {rule.name for rule in held.rules if rule.ahead}
        ours = {rule.name for rule in held.rules} - leading
        block = [name for name in order if name not in leading]
        notes = (*notes, *findings.displaced(block, ours, position))
    if to_apply:
        notes = (*notes, *lint_by_firewall(around, live, provider, notes))
    basis = _basis(wanted, live, provider, every, covers=covers, position=position)
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
        script=provider.render(every, live) if to_apply else "",
        unmanaged=tuple(_unmanaged(live, fitted.above)),
        findings=notes,
        position=position,
        covers=covers,
        basis=basis,
        purge=len(purged),
        state=live.state,
        meaning=meant,
        answered=live.identity.answered,
        serials=live.identity.serials,
        held=held.digest if every else digest,
        tickets=_tickets(desired, every),
        audit_comments=device.audit_comments
        and provider.capabilities.audit_comments
        and bool(every),
        management=live.management,
    )


def _uncommented(device: Device, provider: Provider) -> Iterator[Problem]:
    """Say that a platform keeps no audit comments, where the inventory asks for them."""
    if device.audit_comments and not provider.capabilities.audit_comments:
        yield Problem(
            message=f"{provider.capabilities.title or device.platform} keeps no audit comments of "
            "rules: none is written",
            hint="segctl history has who applied what; set segctl_audit_comments where "
            "devices keep them",
            severity="note",
        )


def _tickets(desired: Desired, changes: Iterable[Change]) -> dict[str, str]:
    """Return the tickets of the conduits whose rules change, as far as these have one."""
    changed = {change.conduit for change in changes}
    return {name: text for name, text in sorted(desired.tickets.items()) if name in changed}


def may_follow(desired: Desired, live: Live) -> bool:
    """Whether rules that were pushed come after our block, or may.

    Where that could not be read, a block that is there stays as it is: that the device refuses an
    answer changes no policy.
    """
    ours = {rule.name for rule in live.policy.rules}
    closing = desired.closing is not None and desired.closing.name in ours
    return bool(live.pushed.after) or bool(live.pushed.unread and (closing or not ours))


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
    yield from findings.member_zones(desired.device.members, live.member_zones)


def _basis(
    wanted: Policy,
    live: Live,
    provider: Provider,
    changes: Sequence[Change],
    *,
    covers: Mapping[str, tuple[str, ...]],
    position: Position,
) -> Basis | None:
    """Return what of the device a plan rests on; None where nothing changes."""
    if not changes:
        return None
    deleted = [
        change.before.name
        for change in changes
        if change.op in ("delete", "rename") and change.kind != "rule" and change.before is not None
    ]
    applications = any(rule.applications != ("any",) for rule in wanted.rules)
    references = _references(wanted, live)
    names = names_above(live, wanted, managed(live, covers), position)
    return basis_of(
        live,
        covers,
        position,
        references,
        deleted,
        applications=applications,
        named=digests_of(names, live, provider),
    )


def place_of(name: str, others: Sequence[str], position: Position) -> int:
    """Return how many rules of others belong above our block.

    Raises:
        PlanError: the position names a rule that is not there.
    """
    try:
        return gap(others, position)
    except LookupError:
        held = ", ".join(others[:8]) or "none"
        raise PlanError(
            f"{name}: segctl_position names rule {position.rule!r}, but the device has no such "
            f"rule of others; it has {held}{' …' if len(others) > 8 else ''}"
        ) from None


def check_known(name: str, wanted: Policy, live: Live) -> None:
    """Refuse names that neither the policy nor the device defines.

    Raises:
        UnsupportedError: there are such.
    """
    known = live.known
    first, *others = contents_of(name, live)
    refuse_lacking(used_by(wanted), (first,))
    for member in others:
        refuse_lacking(used_by(of_firewall(wanted, member.member)), (first, member))
    schedules = known.get("schedule", frozenset()) | {item.name for item in wanted[Schedule]}
    for kind, attribute, held in (
        ("profile group", "profile_group", known.get("profile-group")),
        ("log forwarding profile", "log_setting", known.get("log-setting")),
        ("schedule", "schedule", schedules),
    ):
        if held is None:
            continue  # the platform has no such names, and its provider has fitted the policy
        made = {one.name for one in wanted[LogProfile] if attribute == "log_setting"}
        used: set[str] = {getattr(rule, attribute) for rule in wanted.rules}
        absent = sorted(used - held - made - {""})
        if absent:
            raise UnsupportedError(
                f"{name}: the device has no {kind} {', '.join(absent)}: create it there, or "
                f"correct the inventory; the device has {', '.join(sorted(held)[:8]) or 'none'}"
            )


def check_taken(name: str, wanted: Policy, live: Live) -> None:
    """Refuse names that an unmanaged object or rule already has.

    Raises:
        PlanError: there are such.
    """
    clash = [f"{kind} {item}" for kind, item in taken(wanted, live)]
    if clash:
        raise PlanError(
            f"{name}: the device already has {', '.join(clash[:8])}, without segctl's mark: rename "
            f"{'it' if len(clash) == 1 else 'them'} there or in the inventory (segctl changes "
            "only what it manages)"
        )


def taken(wanted: Policy, live: Live) -> list[tuple[str, str]]:
    """Return the kinds and names that are wanted and that unmanaged objects or rules have."""
    wished = [(kind, item.name) for kind, items in wanted.objects() for item in items]
    wished += [("rule", rule.name) for rule in wanted.rules]
    return sorted({(k, n) for k, n in wished if n in live.taken.get(k, frozenset())})


def _purge(live: Live) -> tuple[Change, ...]:
    return tuple(
        Change(op="delete", kind="rule", name=rule.name, before=without_note(rule))
        for rule in live.others.rules
    )


def _kept(wanted: Policy, held: Policy, live: Live) -> dict[str, tuple[Item, ...]]:
    """Return, by kind, our objects that only others' rules and objects still refer to.

    If a group stays, its members stay, too.
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
    if any(kept.values()):  # the mark must stay with them
        marks = {tag.name for tag in wanted[Tag]}
        kept["tag"] = tuple(tag for tag in held[Tag] if tag.name not in marks)
    made = {one.name for one in wanted[LogProfile]}
    named = {rule.log_setting for rule in wanted.rules} - made
    kept[LogProfile.kind_name] = tuple(one for one in held[LogProfile] if one.name in named)
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
            if place is None and kind in {"tag", LogProfile.kind_name}:
                continue  # the mark of what stays, and what our rules log to as the inventory says
            where = f" ({place})" if place else ", through a group that stays"
            yield Problem(
                message=f"{kind} {item.name!r} is no longer needed, but rules or objects of "
                f"others use it{where}, so it stays",
                hint="remove it there, then run segctl plan again",
                severity="warning",
                subject=item.name,
            )


def _unmanaged(live: Live, above: Sequence[str]) -> Iterator[Unmanaged]:
    over = set(above)
    first, last = live.pushed.before, live.pushed.after
    local = ((rule, rule.name in over) for rule in live.others.rules)
    for rule, met in (*((rule, True) for rule in first), *local, *((rule, False) for rule in last)):
        yield Unmanaged(name=rule.name, action=rule.action, above=met, disabled=rule.disabled)


def _without_origin(change: Change) -> Change:
    """Return a change as plans hold it: without the fields that say where a value came from."""
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
    """Return the fields of a kind that are not compared, with their defaults."""
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
    repeated = (f"log-setting {one.base}" for one in wanted[LogProfile])
    used.update(key for key in repeated if key in live.other_objects)
    return sorted(used)


def _referred(rule: Rule) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield "application", rule.applications
    yield "application-group", rule.applications
    yield "application-filter", rule.applications
    yield "schedule", (rule.schedule,)
    yield "profile-group", (rule.profile_group,)
    yield "log-setting", (rule.log_setting,)
