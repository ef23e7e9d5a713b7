"""A conduit in the text of the file that declares it, found and edited; pure.

All else in the file stays as it is written, comments too. Where that cannot be done, nothing is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, cast

import yaml

from segctl.importing.yaml import scalar
from segctl.inventory.schema import CONDUIT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Node = yaml.nodes.Node
    Value = str | date

_KEYS: Final = tuple(field.name for field in CONDUIT.fields)
_PREFIX: Final = "segctl_conduits"


@dataclass(frozen=True, slots=True)
class Edit:
    """Text that takes the place of what stands from one index to another."""

    first: int
    last: int
    text: str = ""


class CannotEditError(Exception):
    """The text is not written in a way in which it can be edited."""


def conduit_in(text: str, name: str) -> Node:
    """Return the node of a conduit that a file declares exactly once.

    Raises:
        yaml.YAMLError: the text is no YAML.
        CannotEditError: it does not declare the conduit, or does so several times.
    """
    root = cast("object", yaml.compose(text, Loader=yaml.SafeLoader))  # pyright: ignore[reportUnknownMemberType] # as its stubs are
    if not isinstance(root, yaml.MappingNode):
        raise CannotEditError
    found: list[Node] = [
        value
        for key, variables in root.value
        if str(key.value).startswith(_PREFIX) and isinstance(variables, yaml.MappingNode)
        for key, value in variables.value
        if key.value == name
    ]
    if len(found) != 1:
        raise CannotEditError
    return found[0]


def with_key(held: Node, text: str, key: str, value: Value | Mapping[str, Value]) -> Edit:
    """Return how a conduit gets a key with a value, or another value of it.

    A new key stands where `segctl fmt` would put it.

    Raises:
        CannotEditError: the conduit does not stand on lines of its own, or its value has comments.
    """
    if not isinstance(held, yaml.MappingNode) or held.flow_style or not held.value:
        raise CannotEditError
    for name, old in held.value:
        if name.value == key:
            written = _written(value, name.start_mark.column)
            return Edit(name.end_mark.index, _end(text, name, old), f":{written}")
    later = _KEYS[_KEYS.index(key) :]
    before = next((name for name, _ in held.value if name.value in later), held.value[0][0])
    at = text.rfind("\n", 0, before.start_mark.index) + 1
    while at and text[: at - 1].rpartition("\n")[2].lstrip().startswith("#"):
        at = text.rfind("\n", 0, at - 1) + 1  # what is said of a key stays with it
    column = before.start_mark.column
    return Edit(at, at, f"{' ' * column}{scalar(key)}:{_written(value, column)}\n")


def _written(value: Value | Mapping[str, Value], column: int) -> str:
    """Return a value as it stands after the colon of a key, a mapping on lines of its own."""
    if isinstance(value, str | date):
        return f" {_one(value)}"
    return "".join(f"\n{' ' * (column + 2)}{name}: {_one(one)}" for name, one in value.items())


def _one(value: Value) -> str:
    """Return a value as YAML writes it; a day without quotes, which means a date."""
    return scalar(value) if isinstance(value, str) else value.isoformat()


def _end(text: str, name: Node, value: Node) -> int:
    """Return where the value of a key ends, which has no comment within."""
    nodes = [value]
    if isinstance(value, yaml.MappingNode) and not value.flow_style:
        nodes = [one for pair in value.value for one in pair]
    if not all(isinstance(one, yaml.ScalarNode) for one in nodes) and len(nodes) > 1:
        raise CannotEditError
    for one, following in pairwise([name, *nodes]):
        if "#" in text[one.end_mark.index : following.start_mark.index]:
            raise CannotEditError
    end: int = nodes[-1].end_mark.index
    return end


def edited(text: str, edits: Iterable[Edit]) -> str:
    """Return a text with edits, which do not overlap; of those at one place the last is first."""
    for one in sorted(edits, key=lambda one: one.first, reverse=True):
        text = text[: one.first] + one.text + text[one.last :]
    return text


def meaning(text: str) -> Any:
    """Return what a file says, each alias with a value of its own.

    Raises:
        yaml.YAMLError: the text is no YAML.
        RecursionError: an alias is within what it stands for.
    """
    return _apart(yaml.safe_load(text))


def _apart(value: object) -> Any:
    if isinstance(value, dict):
        return {key: _apart(one) for key, one in cast("dict[object, object]", value).items()}
    if isinstance(value, list):
        return [_apart(one) for one in cast("list[object]", value)]
    return value


def declared_in(variables: Any, conduit: str) -> Any:
    """Return what the variables of a file, as YAML means them, declare of a conduit.

    Raises:
        StopIteration: they do not declare it.
    """
    return next(
        held[conduit]
        for name, held in variables.items()
        if name.startswith(_PREFIX) and conduit in held
    )
