"""Plans as documents: JSON with sorted keys and a digest of its content, without secrets.

Everywhere else a plan is a value. This module turns it into JSON and back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from itertools import zip_longest
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    Literal,
    Protocol,
    TypeAlias,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from segctl.analysis.rows import Row
from segctl.model import items
from segctl.model.diff import Anchor, Change
from segctl.model.errors import PlanFormatError, Problem, problem_json
from segctl.model.items import Item, as_dict, compared_fields
from segctl.model.site import Position
from segctl.planning.meaning import Meaning
from segctl.planning.plan import (
    FORMAT_VERSION,
    REHEARSED_VERSION,
    Allowance,
    Basis,
    DevicePlan,
    Intent,
    Plan,
    Told,
    Unmanaged,
)
from segctl.planning.rehearsal_document import rehearsal_json, rehearsal_of
from segctl.providers.management import Management, Need, Plane
from segctl.providers.state import read_state
from segctl.system.handed import read_bytes
from segctl.system.inert import json_text
from segctl.system.json_schema import fault
from segctl.system.json_text import read_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from segctl.planning.meaning import Mark
    from segctl.planning.review import Difference

#: Parts of a basis that plans of older releases lack.
LATER_PARTS: Final = ("pushed", "pushed_order", "pushed_unread", "named")
#: Longest excerpt of a faulty file in a message, in characters.
_SHOWN = 300


# --- from values to JSON -------------------------------------------------------------------------


def plan_json(plan: Plan) -> dict[str, Any]:
    """Return the document of a plan with its digest."""
    document: dict[str, Any] = {
        "format_version": plan.format_version,
        "segctl_version": plan.segctl_version,
        "plan_id": plan.plan_id,
        "created": plan.created,
        "expires": plan.expires,
        "intent": _intent_json(plan.intent),
        "applyable": plan.applyable,
        "devices": [device_json(device) for device in plan.devices],
        "summary": plan.summary,
    }
    if plan.rehearsal is not None:
        document["rehearsal"] = rehearsal_json(plan.rehearsal)
    return document | {"digest": digest_of(document)}


def plan_file(plan: Plan) -> str:
    """Return the content of a plan file, keys sorted."""
    return json_text(plan_json(plan)) + "\n"


def digest_of(document: Mapping[str, Any]) -> str:
    """Return ``sha256:…`` of the document without its digest, in canonical form."""
    bare = {key: value for key, value in document.items() if key != "digest"}
    text = json.dumps(bare, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def policy_digest(plan: Plan) -> str:
    """Return a digest of what a plan does, and from which inventory: what a rehearsal is of."""
    devices = [device_json(device) for device in plan.devices]
    return digest_of({"devices": devices, "inventory": plan.intent.digest})


def _intent_json(intent: Intent) -> dict[str, Any]:
    document: dict[str, Any] = {
        "git_commit": intent.git_commit,
        "dirty": intent.dirty,
        "digest": intent.digest,
    }
    if intent.snapshots is not None:
        document["snapshots"] = dict(intent.snapshots)
    return document


def device_json(device: DevicePlan) -> dict[str, Any]:
    """Return one device's part of a plan document."""
    meant = device.meaning
    marks = meant.marks if meant else ()
    document: dict[str, Any] = {
        "name": device.name,
        "platform": device.platform,
        "serial": device.serial,
        "os_version": device.os_version,
        "content_version": device.content_version,
        "scope": device.scope,
        "fingerprint": device.fingerprint,
        "desired": device.desired,
        "rule_count": device.rule_count,
        "changes": [
            change_json(change) | ({"effect": mark} if mark else {})
            for change, mark in zip_longest(device.changes, marks)
        ],
        "script": device.script,
        "unmanaged": [unmanaged_json(rule) for rule in device.unmanaged],
        "findings": [problem_json(finding) for finding in device.findings],
        "position": asdict(device.position),
        "covers": {kind: list(names) for kind, names in device.covers.items()},
        "basis": basis_json(device.basis) if device.basis else {},
        "purge": device.purge,
        "state": device.state.as_json(),
    }
    told = [asdict(one) | {"finding": problem_json(one.finding)} for one in device.enforced]
    return (
        document
        | _evidence_json(device)
        | ({"meaning": meaning_json(meant)} if meant else {})
        | ({"enforced": told} if told else {})
        | pair_json(device)
    )


class Paired(Protocol):
    """What is said of a device that may be a pair."""

    @property
    def answered(self) -> str:
        """The host that was read; empty for a device that is alone."""
        ...

    @property
    def serials(self) -> tuple[str, ...]:
        """The serial numbers of the members that answered."""
        ...


def pair_json(device: Paired) -> dict[str, Any]:
    """Return which member of a pair was read, and who they are; nothing for a device alone."""
    if not device.answered:
        return {}
    return {"answered": device.answered, "serials": list(device.serials)}


def _evidence_json(device: DevicePlan) -> dict[str, Any]:
    """Return what a plan says for those who ask later; plans of earlier releases have none."""
    found: dict[str, Any] = {
        "held": device.held,
        "tickets": dict(device.tickets),
        "audit_comments": device.audit_comments,
        "allowed": [one.as_json() for one in device.allowed],
        "read": device.read,
    }
    if device.management is not None:
        found["management"] = _lists(asdict(device.management))
    return {name: value for name, value in found.items() if value}


def _lists(value: Any) -> Any:
    """Return a value with lists for tuples, however deep, as JSON gives it back."""
    if isinstance(value, dict):
        return {key: _lists(one) for key, one in cast("dict[str, Any]", value).items()}
    if isinstance(value, tuple | list):
        return [_lists(one) for one in cast("tuple[Any, ...]", value)]
    return value


def meaning_json(meant: Meaning) -> dict[str, Any]:
    """Return what a plan means as documents hold it; each of its changes has its mark."""
    return {
        "newly_permitted": [_row_json(row) for row in meant.more],
        "no_longer_permitted": [_row_json(row) for row in meant.less],
        "cannot_tell": [_row_json(row) for row in meant.unknown],
    }


def _row_json(row: Row) -> dict[str, Any]:
    return {
        key: list(cast("tuple[str, ...]", value)) if isinstance(value, tuple) else value
        for key, value in asdict(row).items()
        if key != "firewalls" or value
    }


def change_json(change: Change) -> dict[str, Any]:
    """Return a change as documents hold it."""
    anchor = change.anchor
    return {
        "op": change.op,
        "kind": change.kind,
        "name": change.name,
        "conduit": change.conduit,
        "before": as_dict(change.before) if change.before else {},
        "after": as_dict(change.after) if change.after else {},
        "fields": list(change.fields),
        "anchor": {"where": anchor.where, "rule": anchor.rule} if anchor else None,
    }


def unmanaged_json(rule: Unmanaged) -> dict[str, Any]:
    """Return an unmanaged rule as documents hold it."""
    return asdict(rule)


def basis_json(basis: Basis) -> dict[str, Any]:
    """Return the basis of a plan as its document holds it."""
    document: dict[str, Any] = ({"serials": list(basis.serials)} if basis.serials else {}) | {
        "serial": basis.serial,
        "os_version": basis.os_version,
        "content_version": basis.content_version,
        "managed": basis.managed,
        "order": list(basis.order),
        "anchors": basis.anchors,
        "above": basis.above,
        "above_order": list(basis.above_order),
        "inside": list(basis.inside),
        "followed": basis.followed,
        "references": basis.references,
        "deleted": basis.deleted,
    }
    later = {name: getattr(basis, name) for name in LATER_PARTS}
    return document | {
        name: list(cast("tuple[str, ...]", value)) if isinstance(value, tuple) else value
        for name, value in later.items()
        if value is not None
    }


def difference_json(difference: Difference) -> dict[str, Any]:
    """Return a difference between two plans as documents hold it."""
    change = difference.change
    return {
        "device": difference.device,
        "where": difference.where,
        "what": difference.what,
        "change": change_json(change) if change else None,
        "places": [asdict(place) for place in difference.places],
    }


# --- from JSON to values -------------------------------------------------------------------------


def load_plan(path: Path) -> Plan:
    """Read a plan file.

    Raises:
        PlanFormatError: the file cannot be read, is damaged, was edited, or has another version.
    """
    return parse_plan(plan_bytes(path), path)


def plan_bytes(path: Path) -> bytes:
    """Return the bytes of a plan file, whatever they are.

    Raises:
        PlanFormatError: the file cannot be read.
    """
    try:
        return read_bytes(path)
    except OSError as error:
        raise PlanFormatError(f"{path}: {error.strerror}") from error


def parse_plan(data: bytes, path: Path) -> Plan:
    """Return the plan in the content of a file.

    Raises:
        PlanFormatError: the file is damaged, was edited, or has another version.
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
            f"{path} has plan format {version}, but this segctl reads {REHEARSED_VERSION}: "
            "run segctl plan again"
        )
    if document.get("digest") != digest_of(document):
        raise PlanFormatError(
            f"{path} was changed after it was made (its digest does not match): "
            "run segctl plan again"
        )
    _validate(document, path)
    try:
        return _plan(document)
    except (TypeError, ValueError) as error:
        raise PlanFormatError(f"{path}: {error}: run segctl plan again") from error


def schema_names() -> tuple[str, ...]:
    """Return the names of the documents that have a JSON Schema."""
    files = (resources.files("segctl") / "schemas").iterdir()
    return tuple(sorted(file.name.removesuffix(".json") for file in files))


def schema(kind: str = "plan") -> dict[str, Any]:
    """Return the JSON Schema of one of the documents of `schema_names`."""
    text = resources.files("segctl").joinpath(f"schemas/{kind}.json").read_text(encoding="utf-8")
    result: dict[str, Any] = json.loads(text)
    return result


def _validate(document: Mapping[str, Any], path: Path) -> None:
    if wrong := fault(document, schema()):
        place = "/".join(str(part) for part in wrong.absolute_path)
        what = wrong.message[:_SHOWN]
        raise PlanFormatError(f"{path}: {place or 'document'}: {what}") from wrong
    for name in ("created", "expires"):
        if _moment(document[name]) is None:
            raise PlanFormatError(f"{path}: {name}: not a time with a time zone")


def _moment(text: str) -> datetime | None:
    """Return a time with a time zone, or None if the text is not one."""
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _plan(document: Mapping[str, Any]) -> Plan:
    intent: Mapping[str, Any] = document["intent"]
    return Plan(
        plan_id=document["plan_id"],
        created=document["created"],
        expires=document["expires"],
        intent=Intent(
            git_commit=intent["git_commit"],
            dirty=intent["dirty"],
            digest=intent["digest"],
            snapshots=intent.get("snapshots"),
        ),
        devices=tuple(map(device_of, document["devices"])),
        segctl_version=document["segctl_version"],
        format_version=document["format_version"],
        rehearsal=rehearsal_of(document["rehearsal"]) if "rehearsal" in document else None,
    )


def device_of(document: Mapping[str, Any]) -> DevicePlan:
    """Return the device plan that part of a document describes.

    Raises:
        KeyError: a part is missing.
        TypeError: a value has the wrong type.
        ValueError: a kind of item, or a field of one, is unknown.
    """
    values = dict(document)
    values["changes"] = tuple(map(change_of, values["changes"]))
    values["unmanaged"] = tuple(Unmanaged(**rule) for rule in values["unmanaged"])
    values["findings"] = tuple(Problem(**finding) for finding in values["findings"])
    values["position"] = Position(**values["position"])
    values["covers"] = {kind: tuple(names) for kind, names in values["covers"].items()}
    values["basis"] = _basis(values["basis"])
    values["state"] = read_state(values.get("state", {}))
    if "meaning" in values:
        marks = (change.get("effect", "cannot tell") for change in document["changes"])
        values["meaning"] = _meaning(values["meaning"], tuple(marks))
    values["serials"] = tuple(values.get("serials", ()))
    values["enforced"] = tuple(map(_told, values.get("enforced", ())))
    if "management" in values:
        values["management"] = _management(values["management"])
    values["allowed"] = tuple(Allowance(**one) for one in values.get("allowed", ()))
    return DevicePlan(**values)


def _management(document: Mapping[str, Any]) -> Management:
    needs = (
        Need(**one | {"hosts": tuple(one["hosts"]), "services": tuple(one["services"])})
        for one in document["needs"]
    )
    return Management(
        planes=tuple(Plane(**one) for one in document["planes"]),
        needs=tuple(needs),
        unread=tuple(document["unread"]),
    )


def _meaning(document: Mapping[str, Any], marks: tuple[Mark, ...]) -> Meaning:
    return Meaning(
        more=tuple(map(_row, document["newly_permitted"])),
        less=tuple(map(_row, document["no_longer_permitted"])),
        unknown=tuple(map(_row, document["cannot_tell"])),
        marks=marks,
    )


def _row(document: Mapping[str, Any]) -> Row:
    values: dict[str, Any] = {
        key: tuple(cast("list[str]", value)) if isinstance(value, list) else value
        for key, value in document.items()
    }
    return Row(**values)


def _told(document: Mapping[str, Any]) -> Told:
    values = dict(document)
    values["finding"] = Problem(**values["finding"])
    return Told(**values)


def change_of(document: Mapping[str, Any]) -> Change:
    """Return the change that part of a document describes.

    Raises:
        ValueError: the kind of the item it changes, or a field of that, is unknown.
    """
    kind, anchor = document["kind"], document["anchor"]
    return Change(
        op=document["op"],
        kind=kind,
        name=document["name"],
        before=_item(kind, document["before"]),
        after=_item(kind, document["after"]),
        anchor=Anchor(**anchor) if anchor else None,
    )


_Reader: TypeAlias = "Callable[[Any], Any]"


def _item(kind: str, values: Mapping[str, Any]) -> Item | None:
    """Return an item from its non-empty fields; None if there are none."""
    if not values:
        return None
    made = next((row.item for row in items.KINDS if row.name == kind), None)
    if made is None:
        message = f"this segctl does not know the kind of item {kind[:_SHOWN]!r}"
        raise ValueError(message)
    readers, empty = _shape(made)  # type: ignore[arg-type] # a class is hashable
    found = dict(empty)
    for name, value in values.items():
        if name not in empty:
            message = f"this segctl does not know the field {name[:_SHOWN]!r} of a {kind}"
            raise ValueError(message)
        if name in readers:
            found[name] = _read(readers[name], value, f"{name} of a {kind}")
    return made(**found)


@cache
def _shape(made: type[Item]) -> tuple[dict[str, _Reader], dict[str, Any]]:
    """Return a reader for each field of a kind of item, and the value of each absent field.

    Empty fields are absent. Fields that say where a value came from are skipped.
    """
    hints = get_type_hints(made)
    compared = compared_fields(made)
    readers: dict[str, _Reader] = {}
    empty: dict[str, Any] = {}
    for one in fields(made):
        read, nothing = _reader(hints[one.name])
        if read is None:  # declared in an inventory only, never held by a device
            continue
        stays = (
            one.name not in compared or one.name == "log" or get_origin(hints[one.name]) is Literal
        )
        empty[one.name] = one.default if stays and one.default is not MISSING else nothing
        if one.name in compared:
            readers[one.name] = read
    return readers, empty


def _reader(hint: Any) -> tuple[_Reader | None, Any]:
    """Return a reader for values of a type, if documents can hold them, and the empty value.

    The reader raises TypeError or ValueError for a value of another type.
    """
    if hint is str or hint is bool:
        return (lambda value: _sure(type(value) is hint, value)), hint()
    origin, of = get_origin(hint), get_args(hint)
    if origin is Literal:
        return (lambda value: _sure(value in of, value)), ""
    readers = [read for one in of if one is not ... and (read := _reader(one)[0])]
    if not readers:
        return None, None
    if origin is Mapping:
        return (lambda value: {key: readers[-1](one) for key, one in value.items()}), {}
    if of[-1] is ...:
        return (lambda value: tuple(map(readers[0], _sure(type(value) is list, value)))), ()
    return (lambda value: tuple(r(one) for r, one in zip(readers, value, strict=True))), ()


def _read(read: _Reader, value: Any, what: str) -> Any:
    try:
        return read(value)
    except (TypeError, ValueError, AttributeError) as error:
        message = f"{what} cannot be {str(value)[:_SHOWN]!r}"
        raise ValueError(message) from error


def _sure(fact: object, value: Any) -> Any:
    if not fact:
        raise TypeError
    return value


def _basis(values: Mapping[str, Any]) -> Basis | None:
    """Return the basis of a plan; missing parts are unknown."""
    if not values:
        return None
    hints = get_type_hints(Basis, localns={"Mapping": Mapping})
    found: dict[str, Any] = {}
    for name in values.keys() & hints.keys():
        read, _ = _reader(_held(hints[name]))
        found[name] = _read(read, values[name], f"{name} of the basis") if read else None
    return Basis(**found)


def _held(hint: Any) -> Any:
    """Return the type of a part that a plan may lack."""
    of = get_args(hint)
    return of[0] if type(None) in of else hint
