"""Plans as documents: JSON with sorted keys and a digest over itself; it carries no secret.

A plan is a value everywhere else. Here it becomes JSON, and JSON becomes a plan.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    TypeAlias,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from segctl.model import items
from segctl.model.diff import Anchor, Change
from segctl.model.errors import PlanFormatError, Problem, problem_json
from segctl.model.items import Item, as_dict, compared_fields
from segctl.model.site import Position
from segctl.planning.plan import FORMAT_VERSION, Basis, DevicePlan, Intent, Plan, Unmanaged
from segctl.providers.state import read_state
from segctl.system.inert import json_text
from segctl.system.json_schema import fault
from segctl.system.json_text import read_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from segctl.planning.review import Difference

#: A message repeats no more characters of what is wrong in a file.
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
    return document | {"digest": digest_of(document)}


def plan_file(plan: Plan) -> str:
    """Return what the file of a plan holds, keys sorted."""
    return json_text(plan_json(plan)) + "\n"


def digest_of(document: Mapping[str, Any]) -> str:
    """Return ``sha256:…`` of the document without its digest, in canonical form."""
    bare = {key: value for key, value in document.items() if key != "digest"}
    text = json.dumps(bare, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


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
    return {
        "name": device.name,
        "platform": device.platform,
        "serial": device.serial,
        "os_version": device.os_version,
        "content_version": device.content_version,
        "scope": device.scope,
        "fingerprint": device.fingerprint,
        "desired": device.desired,
        "rule_count": device.rule_count,
        "changes": [change_json(change) for change in device.changes],
        "script": device.script,
        "unmanaged": [unmanaged_json(rule) for rule in device.unmanaged],
        "findings": [problem_json(finding) for finding in device.findings],
        "position": asdict(device.position),
        "covers": {kind: list(names) for kind, names in device.covers.items()},
        "basis": basis_json(device.basis) if device.basis else {},
        "purge": device.purge,
        "state": device.state.as_json(),
    }


def change_json(change: Change) -> dict[str, Any]:
    """Return a change as it stands in documents."""
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
    """Return a rule of others as it stands in documents."""
    return asdict(rule)


def basis_json(basis: Basis) -> dict[str, Any]:
    """Return what a plan rests on as it stands in its document."""
    return {
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


def difference_json(difference: Difference) -> dict[str, Any]:
    """Return a difference between two plans as it stands in documents."""
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
            raise PlanFormatError(f"{path}: {name}: not a time with its zone")


def _moment(text: str) -> datetime | None:
    """Return a time that can be compared with others, or None."""
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
    )


def device_of(document: Mapping[str, Any]) -> DevicePlan:
    """Return the device plan that a part of a document describes.

    Raises:
        KeyError: a part is missing.
        TypeError: it holds what no plan holds.
        ValueError: a kind of item, or a field of one, is not known.
    """
    values = dict(document)
    values["changes"] = tuple(map(change_of, values["changes"]))
    values["unmanaged"] = tuple(Unmanaged(**rule) for rule in values["unmanaged"])
    values["findings"] = tuple(Problem(**finding) for finding in values["findings"])
    values["position"] = Position(**values["position"])
    values["covers"] = {kind: tuple(names) for kind, names in values["covers"].items()}
    values["basis"] = _basis(values["basis"])
    values["state"] = read_state(values.get("state", {}))
    return DevicePlan(**values)


def change_of(document: Mapping[str, Any]) -> Change:
    """Return the change that a part of a document describes.

    Raises:
        ValueError: its kind, or a field of what it changes, is not known.
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
    """Return an item from its fields that hold something; None where none does."""
    if not values:
        return None
    made = next((row.item for row in items.KINDS if row.name == kind), None)
    if made is None:
        message = f"a plan of this segctl changes no {kind[:_SHOWN]!r}"
        raise ValueError(message)
    readers, empty = _shape(made)  # type: ignore[arg-type] # a class is hashable
    found = dict(empty)
    for name, value in values.items():
        if name not in empty:
            message = f"a {kind} of this segctl has no {name[:_SHOWN]!r}"
            raise ValueError(message)
        if name in readers:
            found[name] = _read(readers[name], value, f"{name} of a {kind}")
    return made(**found)


@cache
def _shape(made: type[Item]) -> tuple[dict[str, _Reader], dict[str, Any]]:
    """Return what reads each field of a kind of item, and what a field holds that is left out.

    Left out is what is empty. Fields that say where a value came from are read over.
    """
    hints = get_type_hints(made)
    compared = compared_fields(made)
    readers: dict[str, _Reader] = {}
    empty: dict[str, Any] = {}
    for one in fields(made):
        read, nothing = _reader(hints[one.name])
        if read is None:  # what is asked for in an inventory, and never stands on a device
            continue
        stays = (
            one.name not in compared or one.name == "log" or get_origin(hints[one.name]) is Literal
        )
        empty[one.name] = one.default if stays and one.default is not MISSING else nothing
        if one.name in compared:
            readers[one.name] = read
    return readers, empty


def _reader(hint: Any) -> tuple[_Reader | None, Any]:
    """Return what reads a value of this type, if a document can hold one, and the empty value.

    It raises TypeError or ValueError for a value of another type.
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
    """Return what a plan rests on; of parts that are missing nothing is known."""
    if not values:
        return None
    hints = get_type_hints(Basis, localns={"Mapping": Mapping})
    found: dict[str, Any] = {}
    for name in values.keys() & hints.keys():
        read, _ = _reader(hints[name])
        found[name] = _read(read, values[name], f"{name} of the basis") if read else None
    return Basis(**found)
