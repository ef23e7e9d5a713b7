"""What a run would change on every device, as a document that can be kept, read and applied.

`plan_device` is pure: desired and live in, `DevicePlan` out. The document is JSON with sorted keys
and a digest over itself; it carries no secret.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import uuid4

import segctl
from segctl.compiler.build import with_closing
from segctl.model.diff import diff, gap, in_place
from segctl.model.errors import (
    PlanError,
    PlanFormatError,
    Problem,
    StalePlanError,
    UnsupportedError,
)
from segctl.model.policy import Address, AddressGroup, Policy, item_digest
from segctl.model.site import Position
from segctl.planning import findings
from segctl.providers.parsed import without_note
from segctl.providers.state import UNREAD, DeviceState, read_state
from segctl.system.inert import json_text
from segctl.system.json_text import read_json
from segctl.system.loading import uncollected

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from segctl.compiler.build import Desired
    from segctl.model.diff import Change
    from segctl.model.policy import Item, Rule
    from segctl.providers.base import Live, Provider

ObjectT = TypeVar("ObjectT", Address, AddressGroup)
FORMAT_VERSION = "1.0"
#: A message repeats no more characters of what is wrong in a file.
_SHOWN = 300
OPS = ("create", "update", "move", "delete", "rename")
VALID_FOR = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicePlan:
    """Everything apply needs for one device, and everything a reader wants to know of it.

    `covers` names the zones and default rules segctl answers for on this device; `basis` is what
    of the live device the plan rests on, part by part, and `fingerprint` its digest.
    """

    name: str
    platform: str
    serial: str = ""
    os_version: str = ""
    content_version: str = ""
    scope: str = ""
    fingerprint: str = ""
    desired: str = ""
    rule_count: int = 0
    changes: tuple[Mapping[str, Any], ...] = ()
    script: str = ""
    unmanaged: tuple[Mapping[str, Any], ...] = ()
    findings: tuple[Problem, ...] = ()
    position: Position = field(default_factory=Position)
    covers: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    basis: Mapping[str, Any] = field(default_factory=dict[str, Any])
    purge: int = 0
    state: DeviceState = field(default_factory=DeviceState)

    @property
    def applyable(self) -> bool:
        """Whether no finding forbids applying it."""
        return not self.barring()

    def barring(self, *, allow_mass_delete: bool = False) -> tuple[Problem, ...]:
        """Return the findings that forbid applying it, but for what is allowed."""
        return tuple(
            finding
            for finding in self.findings
            if finding.severity == "error"
            and not (allow_mass_delete and finding.kind == findings.MASS_DELETE)
        )

    @property
    def summary(self) -> dict[str, int]:
        """How many changes of each op."""
        counts = Counter(change["op"] for change in self.changes)
        return {op: counts[op] for op in OPS}

    def as_json(self) -> dict[str, Any]:
        """Return its part of a plan document."""
        document = {
            name: getattr(self, name)
            for name in (
                "name",
                "platform",
                "serial",
                "os_version",
                "content_version",
                "scope",
                "fingerprint",
                "desired",
                "rule_count",
                "script",
                "purge",
            )
        }
        return document | {
            "changes": [dict(change) for change in self.changes],
            "unmanaged": [dict(item) for item in self.unmanaged],
            "findings": [asdict(finding) for finding in self.findings],
            "position": asdict(self.position),
            "covers": {kind: list(found) for kind, found in self.covers.items()},
            "basis": dict(self.basis),
            "state": self.state.as_json(),
        }

    @property
    def holes(self) -> tuple[Problem, ...]:
        """Findings that say the device permits what no conduit declares."""
        return tuple(finding for finding in self.findings if finding.kind == findings.HOLE)

    @property
    def in_sync(self) -> bool:
        """Whether the device holds what it should, will go on to, and all of it could be told."""
        kinds = {finding.kind for finding in self.findings}
        doubts = {findings.HOLE, UNREAD, findings.NOT_KEPT, findings.PENDING}
        return not self.changes and self.applyable and not kinds & doubts


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A plan for all devices of a run."""

    plan_id: str
    created: str
    expires: str
    intent: Mapping[str, Any]
    devices: tuple[DevicePlan, ...]
    segctl_version: str = segctl.__version__
    format_version: str = FORMAT_VERSION

    @property
    def applyable(self) -> bool:
        """Whether no device's findings forbid applying it."""
        return all(device.applyable for device in self.devices)

    @property
    def summary(self) -> dict[str, int]:
        """How many changes of each op, over all devices."""
        return {op: sum(device.summary[op] for device in self.devices) for op in OPS}

    @property
    def changes(self) -> int:
        """How many changes over all devices."""
        return sum(len(device.changes) for device in self.devices)

    def as_json(self) -> dict[str, Any]:
        """Return the document with its digest."""
        document: dict[str, Any] = {
            "format_version": self.format_version,
            "segctl_version": self.segctl_version,
            "plan_id": self.plan_id,
            "created": self.created,
            "expires": self.expires,
            "intent": dict(self.intent),
            "applyable": self.applyable,
            "devices": [device.as_json() for device in self.devices],
            "summary": self.summary,
        }
        return document | {"digest": digest_of(document)}

    def dumps(self) -> str:
        """Return the document as text, keys sorted."""
        return json_text(self.as_json()) + "\n"


def digest_of(document: Mapping[str, Any]) -> str:
    """Return ``sha256:…`` of the document without its digest, in canonical form."""
    bare = {key: value for key, value in document.items() if key != "digest"}
    text = json.dumps(bare, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def make_plan(
    devices: Iterable[DevicePlan],
    intent: Mapping[str, Any],
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
    wanted = _as_held(wanted, live)
    _check_known(device.name, wanted, live)
    _check_taken(device.name, wanted, live)
    owns = provider.capabilities.owns_zones
    covers = {
        "zone": tuple(
            sorted({zone.name for zone in (*wanted.zones, *(live.zones if owns else ()))})
        ),
        "default-rule": tuple(rule.name for rule in wanted.defaults),
    }
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
        *findings.bindings(desired.bindings, live, managed=owns or device.manage_zones),
        *findings.interfaces(desired.bindings, live),
        *live.findings,
        *findings.pending(live),
        *findings.state(live.state),
        *findings.others_above(live, others[:place], wanted, zones),
        *(findings.others_below(live, others[place:], zones) if closed else ()),
        *findings.essential(changes, held, wanted),
        *findings.mass_delete(changes, held, wanted, attached=bool(device.zones)),
        *_staying(kept, live),
        *pinned,
    )
    every = (*purged, *changes)
    applications = any(rule.applications != ("any",) for rule in wanted.rules)
    references = _references(wanted, live)
    deleted = [
        change.before.name
        for change in changes
        if change.op in ("delete", "rename") and change.kind != "rule" and change.before is not None
    ]
    basis = (
        basis_of(live, covers, position, references, deleted, applications=applications)
        if every
        else {}
    )
    digest = wanted.digest
    return DevicePlan(
        name=device.name,
        platform=device.platform,
        serial=live.identity.serial,
        os_version=live.identity.os_version,
        content_version=live.identity.content_version,
        scope=live.identity.scope,
        fingerprint=_fingerprint(basis) if basis else _fingerprint({"desired": digest}),
        desired=digest,
        rule_count=len(live.order),
        changes=tuple(change.as_json() for change in every),
        script=provider.render(every, live),
        unmanaged=tuple(_unmanaged(live, others[:place])),
        findings=notes,
        position=position,
        covers=covers,
        basis=basis,
        purge=len(purged),
        state=live.state,
    )


def _place(name: str, others: Sequence[str], position: Position) -> int:
    try:
        return gap(others, position)
    except LookupError:
        held = ", ".join(others[:8]) or "none"
        raise PlanError(
            f"{name}: segctl_position names rule {position.rule!r}, which is not among the rules "
            f"of others on the device ({held}{' …' if len(others) > 8 else ''})"
        ) from None


def managed(live: Live, covers: Mapping[str, Sequence[str]]) -> Policy:
    """Return what of `live` segctl answers for: what is marked, and what `covers` names."""
    zones, defaults = covers.get("zone", ()), covers.get("default-rule", ())
    return replace(
        live.policy,
        zones=tuple(zone for zone in live.zones if zone.name in zones),
        defaults=tuple(rule for rule in live.policy.defaults if rule.name in defaults),
    )


def _as_held(wanted: Policy, live: Live) -> Policy:
    """Keep what the device has and the inventory does not speak of.

    That is the type of a zone, and of a default rule how it refuses and where it logs to.
    """
    types = {zone.name: zone.type for zone in live.zones if zone.type}
    held = {rule.name: rule for rule in live.policy.defaults}
    return replace(
        wanted,
        zones=tuple(replace(zone, type=types.get(zone.name, zone.type)) for zone in wanted.zones),
        defaults=tuple(rule.beside(held.get(rule.name, rule)) for rule in wanted.defaults),
    )


def _check_known(name: str, wanted: Policy, live: Live) -> None:
    """Refuse names that neither the policy nor the device has."""
    known = live.known
    applications = (
        known.get("application", frozenset())
        | known.get("application-group", frozenset())
        | known.get("application-filter", frozenset())
        | {"any"}
        | {group.name for group in wanted.application_groups}
    )
    used = {app for rule in wanted.rules for app in rule.applications}
    used |= {app for group in wanted.application_groups for app in group.members}
    missing = sorted(used - applications)
    if missing:
        raise UnsupportedError(
            f"{name}: {_versions(live)} has no application {', '.join(missing)}: "
            "update the device, or take them out of the inventory"
        )
    schedules = known.get("schedule", frozenset()) | {item.name for item in wanted.schedules}
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
    from segctl.model.diff import Change

    return tuple(
        Change(op="delete", kind="rule", name=rule.name, before=without_note(rule))
        for rule in live.others.rules
    )


def _kept(wanted: Policy, held: Policy, live: Live) -> dict[str, tuple[Item, ...]]:
    """Return our objects that nothing of ours needs but that others refer to, by kind.

    The members of a group that stays do too.
    """
    needed = set(live.referenced)
    members = {group.name: group.members for group in held.address_groups}
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
        marks = {tag.name for tag in wanted.tags}
        kept["tag"] = tuple(tag for tag in held.tags if tag.name not in marks)
    return kept


def _with(policy: Policy, kept: Mapping[str, Sequence[Item]]) -> Policy:
    fields = {
        "tag": "tags",
        "address": "addresses",
        "address-group": "address_groups",
        "service": "services",
        "application-group": "application_groups",
        "schedule": "schedules",
    }
    more = {
        field: (*getattr(policy, field), *kept[kind])
        for kind, field in fields.items()
        if kept.get(kind)
    }
    return replace(policy, **more)


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

    held = {item.name for item in live.policy.addresses}
    held |= {item.name for item in live.policy.address_groups}
    addresses = tuple(one if one.name in held else free(one) for one in wanted.addresses)
    groups = tuple(one if one.name in held else free(one) for one in wanted.address_groups)
    return replace(wanted, addresses=addresses, address_groups=groups), tuple(notes)


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


def _unmanaged(live: Live, above: Sequence[str]) -> Iterator[dict[str, Any]]:
    over = set(above)
    for rule in live.others.rules:
        yield {
            "name": rule.name,
            "action": rule.action,
            "above": rule.name in over,
            "disabled": rule.disabled,
        }


# --- staleness -----------------------------------------------------------------------------------


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


def basis_of(
    live: Live,
    covers: Mapping[str, Sequence[str]],
    position: Position,
    references: Iterable[str],
    deleted: Iterable[str],
    *,
    applications: bool,
) -> dict[str, Any]:
    """Return what a plan for `live` rests on, part by part.

    Rules of others count where they stand above our block, or are to: what they say is met first.
    So does whether anybody refers to an object that is to be `deleted`.
    The content version counts only where rules name `applications`.
    """
    held = managed(live, covers)
    ours = {rule.name for rule in held.rules}
    others = [name for name in live.order if name not in ours]
    try:
        place = gap(others, position)
    except LookupError:
        place = 0
    above = others[: max(place, _standing_above(live.order, ours))]
    anchors = [position.rule] if position.rule else []
    return {
        "serial": live.identity.serial,
        "os_version": ".".join(live.identity.os_version.split(".")[:2]),
        "content_version": live.identity.content_version if applications else "",
        "managed": {
            f"{item.kind_name} {item.name}": item_digest(item)[:16]
            for _, items in (*held.objects(), ("rule", held.rules))
            for item in items
        },
        "order": [rule.name for rule in held.rules],
        "anchors": {name: live.other_rules.get(name, "")[:16] for name in anchors},
        "above": {name: live.other_rules.get(name, "")[:16] for name in above},
        "above_order": above,
        "inside": _inside(live.order, ours),
        "followed": place < len(others),
        "references": {key: live.other_objects.get(key, "")[:16] for key in references},
        "deleted": {name: name in live.referenced for name in sorted(deleted)},
    }


def _standing_above(order: Sequence[str], ours: set[str]) -> int:
    """Return how many rules of others stand above the last of ours, wherever ours belong."""
    last = max((index for index, name in enumerate(order) if name in ours), default=-1)
    return sum(name not in ours for name in order[: last + 1])


def _inside(order: Sequence[str], ours: set[str]) -> list[str]:
    """Return the names of others' rules between the first and the last of ours."""
    at = [index for index, name in enumerate(order) if name in ours]
    return [name for name in order[at[0] : at[-1]] if name not in ours] if at else []


def _fingerprint(basis: Mapping[str, Any]) -> str:
    return digest_of(basis)


def is_as_desired(plan: DevicePlan, live: Live) -> bool:
    """Whether the device already holds what the plan wants, where it wants it."""
    held = managed(live, plan.covers)
    if plan.purge and live.others.rules:
        return False
    return held.digest == plan.desired and in_place(
        live.order, {rule.name for rule in held.rules}, plan.position
    )


_WORDS = {
    "serial": "the serial number",
    "os_version": "the version of its operating system",
    "content_version": "the content version",
    "order": "the order of our rules",
    "above_order": "the order of others' rules above our block",
    "inside": "others' rules inside our block",
    "followed": "whether rules of others follow our block",
}


def check_fresh(plan: DevicePlan, live: Live) -> None:
    """Refuse a plan whose basis has moved.

    Raises:
        StalePlanError: names what moved.
    """
    now = basis_of(
        live,
        plan.covers,
        plan.position,
        plan.basis.get("references", {}).keys(),
        plan.basis.get("deleted", {}).keys(),
        applications=bool(plan.basis.get("content_version")),
    )
    if _fingerprint(now) == plan.fingerprint:
        return
    moved = list(_moved(plan.basis, now))
    raise StalePlanError(
        f"{plan.name}: the device changed since the plan was made: "
        f"{'; '.join(moved[:12]) or 'what the plan rests on'}; run segctl plan again"
    )


def _moved(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for part, value in now.items():
        old = then.get(part)
        if old == value:
            continue
        if isinstance(value, dict) and isinstance(old, dict):
            yield from _moved_names(
                part, cast("dict[str, object]", old), cast("dict[str, object]", value)
            )
        elif isinstance(value, str):
            yield f"{_WORDS.get(part, part)} was {old}, is {value}"
        else:
            yield f"{_WORDS.get(part, part)} changed"


def _moved_names(part: str, old: Mapping[str, object], new: Mapping[str, object]) -> Iterator[str]:
    if part == "deleted":
        yield from (f"others use {name} now" for name in new if old.get(name) != new[name])
        return
    what = {"above": "rule of others ", "anchors": "anchor rule "}.get(part, "")
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            verb = "is gone" if name not in new else "is new" if name not in old else "changed"
            yield f"{what}{name} {verb}"


# --- reading a plan file -------------------------------------------------------------------------


def load_plan(path: Path) -> Plan:
    """Read a plan file.

    Raises:
        PlanFormatError: it cannot be read, is damaged, was edited, or has another version.
    """
    return parse_plan(plan_bytes(path), path)


def plan_bytes(path: Path) -> bytes:
    """Return what a plan file holds, whatever that is.

    Raises:
        PlanFormatError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise PlanFormatError(f"{path}: {error.strerror}") from error


def parse_plan(data: bytes, path: Path) -> Plan:
    """Return the plan that the content of a file is.

    Raises:
        PlanFormatError: it is damaged, was edited, or has another version.
    """
    try:
        found = read_json(data)
    except ValueError as error:
        raise PlanFormatError(f"{path} is not a plan file: {error}") from error
    document = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    version = document.get("format_version")
    if not isinstance(version, str):
        raise PlanFormatError(f"{path} is not a segctl plan: it has no format_version")
    if version.split(".", maxsplit=1)[0] != FORMAT_VERSION.split(".", maxsplit=1)[0]:
        raise PlanFormatError(
            f"{path} has plan format {version}, this segctl reads {FORMAT_VERSION}: "
            "run segctl plan again"
        )
    if document.get("digest") != digest_of(document):
        raise PlanFormatError(
            f"{path} was changed after it was made (its digest does not fit): run segctl plan again"
        )
    _validate(document, path)
    return _plan(document)


def schema_names() -> tuple[str, ...]:
    """Return the names of the documents that have a JSON Schema."""
    files = (resources.files("segctl") / "schemas").iterdir()
    return tuple(sorted(one.name.removesuffix(".json") for one in files))


def schema(kind: str = "plan") -> dict[str, Any]:
    """Return the JSON Schema of one of the documents of `schema_names`."""
    text = resources.files("segctl").joinpath(f"schemas/{kind}.json").read_text(encoding="utf-8")
    result: dict[str, Any] = json.loads(text)
    return result


def _validate(document: Mapping[str, Any], path: Path) -> None:
    import jsonschema

    try:
        jsonschema.validate(document, schema())
    except jsonschema.ValidationError as error:
        place = "/".join(str(part) for part in error.absolute_path)
        what = error.message[:_SHOWN]
        raise PlanFormatError(f"{path}: {place or 'document'}: {what}") from error
    for name in ("created", "expires"):
        if _moment(document[name]) is None:
            raise PlanFormatError(f"{path}: {name}: not a time with its zone")


def _moment(text: str) -> datetime | None:
    """Return a time that can be compared with others, or None."""
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _plan(document: Mapping[str, Any]) -> Plan:
    return Plan(
        plan_id=document["plan_id"],
        created=document["created"],
        expires=document["expires"],
        intent=document["intent"],
        devices=tuple(map(device_of, document["devices"])),
        segctl_version=document["segctl_version"],
        format_version=document["format_version"],
    )


def device_of(document: Mapping[str, Any]) -> DevicePlan:
    """Return the device plan that a part of a document describes."""
    values = dict(document)
    values["changes"] = tuple(values["changes"])
    values["unmanaged"] = tuple(values["unmanaged"])
    values["findings"] = tuple(Problem(**finding) for finding in values["findings"])
    values["position"] = Position(**values["position"])
    values["covers"] = {kind: tuple(found) for kind, found in values["covers"].items()}
    values["state"] = read_state(values.get("state", {}))
    return DevicePlan(**values)
