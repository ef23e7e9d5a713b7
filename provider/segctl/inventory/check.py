"""A segctl variable against its shape: typed values out, problems with place and hint noted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Final, cast

from segctl.inventory import convert
from segctl.inventory.causes import Undefined
from segctl.inventory.convert import PERCENT, BadValueError
from segctl.inventory.extra import EXTRA
from segctl.inventory.scalars import ScalarError, resolve
from segctl.inventory.shapes import Cases, Either, Free, Many, Record, Scalar, Shape, Table
from segctl.inventory.values import Encrypted, Place, Places
from segctl.inventory.vault import VaultError, VaultSecrets, decrypt
from segctl.model.errors import Problem, nearest
from segctl.model.site import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_CONVERTERS: Final[Mapping[str, Callable[[str], object]]] = {
    "id": convert.identifier,
    "text": convert.free_text,
    "word": convert.device_word,
    "user": convert.device_word,
    "reference": convert.free_text,
    "network": convert.network,
    "address": convert.address,
    "service": convert.services,
    "window": convert.window,
    "path": convert.free_text,
    "duration": convert.duration,
    "clock": convert.clock,
    "timezone": convert.timezone,
    "batch": convert.batch,
    "endpoint": convert.endpoint,
    "host": convert.host,
    "tags": convert.tags,
    "answer": convert.answer,
}
_WHOLE: Final = Scalar(kind="integer")


@dataclass(frozen=True, slots=True)
class Node:
    """A value somewhere in the inventory."""

    value: object
    place: Place
    path: str

    @property
    def source(self) -> Source:
        """Where the value's key stands."""
        return Source(file=self.place.file, line=self.place.line, column=self.place.column)


@dataclass(frozen=True, slots=True)
class Reference:
    """A name that must be looked up elsewhere, with the node to blame when it is not there."""

    text: str
    node: Node


class Checker:
    """Checks nodes against shapes and keeps every problem."""

    def __init__(self, places: Places, vault: VaultSecrets | None) -> None:
        self._places = places
        self._vault = vault
        self.problems: list[Problem] = []
        #: references to zones that are not there
        self.undefined: list[Undefined] = []

    # Problems

    @property
    def noted(self) -> int:
        """How much is wrong so far."""
        return len(self.problems) + len(self.undefined)

    def miss(self, node: Node, site: str, name: str, hint: str) -> None:
        """Note a reference to a zone that is not there."""
        self.report(node, f"zone {node.value!r} is not defined", hint)
        self.undefined.append(Undefined(site=site, name=name, problem=self.problems.pop()))

    def report(self, node: Node, message: str, hint: str = "") -> None:
        """Note a problem with a value."""
        line, column = node.place.value_line, node.place.value_column
        if not line:
            line, column = node.place.line, node.place.column
        self._note(node, message, hint, line, column)

    def report_key(self, node: Node, message: str, hint: str = "") -> None:
        """Note a problem with a key."""
        self._note(node, message, hint, node.place.line, node.place.column)

    def _note(self, node: Node, message: str, hint: str, line: int, column: int) -> None:
        self.problems.append(
            Problem(
                message=message,
                file=node.place.file,
                line=line,
                column=column,
                path=node.path,
                hint=hint,
            )
        )

    # Structure

    def children(self, node: Node) -> Iterator[tuple[object, Node]]:
        """Yield the items of a mapping or list."""
        value = node.value
        places = self._places.get(id(value), {})
        if isinstance(value, dict):
            for key, item in cast("dict[object, object]", value).items():
                place = places.get(key, node.place)
                written = place.key_text or key
                yield key, Node(item, place, f"{node.path}.{written}")
        elif isinstance(value, list):
            for index, item in enumerate(cast("list[object]", value)):
                place = places.get(index, node.place)
                yield index, Node(item, place, f"{node.path}[{index}]")

    def child(self, node: Node, key: str) -> Node:
        """Return one item of a mapping, which must be there."""
        mapping = cast("dict[object, object]", node.value)
        place = self._places.get(id(mapping), {}).get(key, node.place)
        return Node(mapping[key], place, f"{node.path}.{key}")

    def check(self, node: Node, shape: Shape) -> object:
        """Return the value as typed by `shape`; None where it is not usable."""
        match shape:
            case Scalar():
                return self.scalar(node, shape)
            case Many():
                return self._many(node, shape)
            case Table():
                return dict(self.table(node, shape))
            case Record():
                return self.record(node, shape)
            case Either():
                is_mapping = isinstance(node.value, dict)
                return self.check(node, shape.mapping if is_mapping else shape.plain)
            case Cases():
                return self.case(node, shape)
            case Free():
                return self._free(node)

    def _free(self, node: Node) -> Node | None:
        if isinstance(node.value, dict):
            return node
        self._wrong_kind(node, "a mapping")
        return None

    def case(self, node: Node, shape: Cases) -> dict[str, object] | None:
        """Return the checked items of a mapping that is one of several records."""
        if not isinstance(node.value, dict):
            self._wrong_kind(node, "a mapping")
            return None
        leading = shape.leading()
        keys = [str(key) for key, _ in self.children(node)]
        found = [key for key in keys if key in leading]
        if len(found) == 1:
            return self.record(node, shape.records[leading.index(found[0])])
        listed = ", ".join(leading)
        if found:
            self.report(node, f"has {' and '.join(found)}", f"only one of {listed} in one entry")
            return None
        close = [hint for key in keys if (hint := nearest(key, leading))]
        self.report(node, f"has none of {listed}", close[0] if close else shape.otherwise)
        return None

    def _many(self, node: Node, shape: Many) -> tuple[object, ...]:
        kind = type(node.value)
        if kind is not list:
            if shape.or_one and node.value is not None and kind is not dict:
                found = self.check(node, shape.item)
                return () if found is None else (found,)
            self._wrong_kind(node, "a list")
            return ()
        if shape.not_empty and not node.value:
            self.report(node, "must not be empty", "name at least one, or leave the key out")
        checked = (self.check(item, shape.item) for _, item in self.children(node))
        return tuple(item for item in checked if item is not None)

    def table(self, node: Node, shape: Table) -> Iterator[tuple[str, object]]:
        """Yield the checked items of a mapping with free keys."""
        for key, item in self.entries(node, shape):
            yield key, self.check(item, shape.item)

    def entries(self, node: Node, shape: Table) -> Iterator[tuple[str, Node]]:
        """Yield the items of a mapping with free keys, only the keys checked."""
        if not isinstance(node.value, dict):
            self._wrong_kind(node, "a mapping")
            return
        for key, item in self.children(node):
            place = item.place
            as_value = Node(
                key,
                Place(
                    place.file, place.line, place.column, place.line, place.column, place.key_text
                ),
                item.path,
            )
            name = self.scalar(as_value, shape.key)
            if isinstance(name, Reference):
                name = name.text
            if isinstance(name, str):
                yield name, item

    def record(self, node: Node, shape: Record) -> dict[str, object] | None:
        """Return the checked items of a mapping with given keys."""
        if node.value is None and shape.or_nothing:
            return {}
        if not isinstance(node.value, dict):
            self._wrong_kind(node, "a mapping")
            return None
        shapes = {field.name: field.shape for field in shape.fields}
        found: dict[str, object] = {}
        for key, item in self.children(node):
            name = key if isinstance(key, str) else item.place.key_text or ""
            expected = shapes.get(name)  # a key such as `on` is true to YAML 1.1
            if expected is None:
                self._unknown(item, key, shape.names())
            else:
                found[name] = self.check(item, expected)
        for field in shape.fields:
            if field.required and field.name not in found:
                self.report_key(node, f"{field.name} is missing", f"{field.name}: {field.doc}")
        return found

    def _unknown(self, node: Node, key: object, known: tuple[str, ...]) -> None:
        text = node.place.key_text
        if text is not None and text != key:
            self.report_key(node, _surprise(text, key), f'quote it: "{text}"')
            return
        hint = nearest(str(key), known, f"one of {', '.join(known)}")
        self.report_key(node, f"unknown key {key!r}", hint)

    def _wrong_kind(self, node: Node, wanted: str) -> None:
        self.report(node, f"must be {wanted}, not {describe(node.value)}")

    # Scalars

    def scalar(self, node: Node, shape: Scalar) -> object:
        """Return one value as its kind wants it; None where it is not usable."""
        value = self._decrypted(node)
        if isinstance(value, str) and ("{{" in value or "{%" in value):
            self.report(node, "segctl does not evaluate templates", "write the value itself")
            return None
        if value is None:
            self.report(node, "must have a value")
            return None
        if isinstance(value, (dict, list)):
            self.report(node, f"must not be {describe(node.value)}")
            return None
        try:
            return self._convert(node, value, shape)
        except BadValueError as error:
            self.report(node, error.message, error.hint)
            return None

    def _decrypted(self, node: Node) -> object:
        if not isinstance(node.value, Encrypted):
            return node.value
        try:
            return decrypt(node.value.ciphertext, self._vault)
        except VaultError as error:
            hint = "give --vault-password-file or --ask-vault-pass"
            self.report(node, f"is vaulted and cannot be opened: {error}", hint)
            return None

    def _convert(self, node: Node, value: object, shape: Scalar) -> object:
        text = node.place.text
        if shape.kind == "duration" and isinstance(value, int):
            value, text = str(_as_number(value, text, _WHOLE)), None
        if shape.kind == "choice" or shape.kind in _CONVERTERS:
            return self._textual(node, _as_text(value, text), shape)
        if node.place.file == EXTRA and isinstance(value, str):
            value = typed(value)
        if shape.kind == "boolean":
            if isinstance(value, bool):
                return value
            msg = f"must be true or false, not {value!r}"
            raise BadValueError(msg, "write true or false")
        if shape.kind == "date":
            return _as_date(value, text)
        if shape.kind == "percent":
            return _as_percent(value, text)
        return _as_number(value, text, shape)

    def _textual(self, node: Node, value: str, shape: Scalar) -> object:
        if shape.kind == "choice":
            return convert.choice(value, shape.choices)
        converted = _CONVERTERS[shape.kind](value)
        if isinstance(converted, int) and shape.kind == "duration":
            return _within(converted, shape)
        if shape.kind == "reference":
            return Reference(cast("str", converted), node)
        return converted


def describe(value: object) -> str:
    """Return what kind of thing a value is, in words."""
    names: dict[type, str] = {
        bool: "a boolean",
        date: "a date",
        dict: "a mapping",
        float: "a number",
        int: "a number",
        list: "a list",
        str: "text",
        type(None): "empty",
    }
    kind: type = type(value)
    return names.get(kind, kind.__name__)


def typed(text: str) -> object:
    """Return what `text` is as a plain scalar: Ansible takes all of ``-e key=value`` as text."""
    try:
        return resolve(text)
    except ScalarError:
        return text


def _surprise(text: str, value: object) -> str:
    if isinstance(value, str):
        return f"YAML 1.1 reads {text} as a boolean, though Ansible keeps it as text"
    shown = str(value).lower() if isinstance(value, bool) else str(value)
    return f"YAML 1.1, and so Ansible, reads {text} as {describe(value)}: {shown}"


def _as_text(value: object, text: str | None) -> str:
    if isinstance(value, str):
        if text is not None:
            raise BadValueError(_surprise(text, value), f'quote it: "{text}"')
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool) and text in {None, str(value)}:
        return str(value)
    written = str(value) if text is None else text
    raise BadValueError(_surprise(written, value), f'quote it: "{written}"')


def _as_date(value: object, text: str | None) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str):
        return convert.iso_date(value)
    written = str(value) if text is None else text
    msg = f"{written} is not a date"
    raise BadValueError(msg, "write it as 2027-03-31")


def _as_number(value: object, text: str | None, shape: Scalar) -> int | float:
    written = str(value) if text is None else text
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        msg = f"must be a number, not {describe(value)}"
        raise BadValueError(msg, "write it without quotes" if isinstance(value, str) else "")
    if shape.kind == "number":
        if written not in shape.choices:
            if written != str(value):
                raise BadValueError(_surprise(written, value), f"write {value}")
            msg = f"{written} is not one of {', '.join(shape.choices)}"
            raise BadValueError(msg)
        return float(value)
    if not isinstance(value, int) or written != str(value):
        msg = _surprise(written, value) if isinstance(value, int) else f"{written} is not whole"
        raise BadValueError(msg, f"write {value}" if isinstance(value, int) else "")
    return _within(value, shape)


def _as_percent(value: object, text: str | None) -> float:
    written = str(value) if text is None else text
    bare = written.removesuffix("%") if isinstance(value, str) else written
    if isinstance(value, (str, int, float)) and PERCENT.fullmatch(bare):
        found = float(bare)
        if found <= 100:
            return found
    msg = f"{written!r} is not a percentage"
    raise BadValueError(msg, "write a number from 0 to 100")


def _within(value: int, shape: Scalar) -> int:
    low, high = shape.minimum, shape.maximum
    if (low is not None and value < low) or (high is not None and value > high):
        msg = f"{value} is not between {low} and {high}"
        raise BadValueError(msg)
    return value
