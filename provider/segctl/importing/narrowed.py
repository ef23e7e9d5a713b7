"""Entries taken out of declared conduits, in the text of the file that declares them; pure.

All else in the file stays as it is written, comments too. Where that cannot be done, nothing is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import yaml

from segctl.importing.yaml import entry, flow
from segctl.inventory.convert import BadValueError, network, services

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from datetime import date

    Node = yaml.nodes.Node

_PREFIX: Final = "segctl_conduits"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entries:
    """What is taken out of one flow, as the inventory names it; `classes` are by protocol."""

    source: Collection[str] = ()
    destination: Collection[str] = ()
    services: Collection[str] = ()
    protocols: Collection[str] = ()
    classes: Mapping[str, Collection[str]]


@dataclass(frozen=True, slots=True)
class _Edit:
    """Text that takes the place of what stands from one index to another."""

    first: int
    last: int
    text: str = ""


class _CannotError(Exception):
    """The text is not written in a way in which an entry can be taken out."""


def without_entries(
    text: str, conduit: str, flows: Mapping[str, Entries], review_by: date
) -> str | None:
    """Return a file with a conduit that permits less and is looked at again by a day.

    Returns:
        None where it cannot be edited, or where anything else would change.

    Args:
        text: the file.
        conduit: its id.
        flows: what is taken out of which flow, by id.
        review_by: the day; it is written even if there is one already.
    """
    try:
        root = cast("object", yaml.compose(text, Loader=yaml.SafeLoader))  # pyright: ignore[reportUnknownMemberType] # as its stubs are
        held = _conduit(root, conduit)
        edits = [_reviewed(text, held, review_by)]
        declared = _value(held, "flows")
        for name, gone in flows.items():
            edits += _flow(text, _value(declared, name), gone)
        after = _edited(text, edits)
        old, new = (yaml.safe_load(one) for one in (text, after))
    except (yaml.YAMLError, _CannotError, RecursionError):
        return None
    return after if _as_wanted(old, new, conduit, flows, review_by) else None


def _flow(text: str, held: Node, gone: Entries) -> Iterator[_Edit]:
    if gone.source:
        yield from _items(text, _value(held, "source"), lambda one: _named(one, gone.source))
    if gone.destination:
        ends = gone.destination
        yield from _items(text, _value(held, "destination"), lambda one: _named(one, ends))
    if gone.services:
        yield from _items(text, _value(held, "services"), lambda one: _ports(one, gone.services))
    if gone.protocols:
        yield from _pairs(text, _value(held, "protocols"), gone.protocols)
    for protocol, classes in gone.classes.items():
        named = _value(_value(held, "protocols"), protocol)
        yield from _items(text, named, frozenset(classes).__contains__)


def _named(text: str, gone: Collection[str]) -> bool:
    """Whether an end is one of those that are taken out: an asset, or an address as it may be."""
    if text in gone:
        return True
    try:
        return str(network(text)) in gone
    except BadValueError:
        return False


def _ports(text: str, gone: Collection[str]) -> bool:
    try:
        ports = {str(one) for one in services(text)}
    except BadValueError:
        return False
    return ports <= {*gone}


# --- nodes ---------------------------------------------------------------------------------------


def _conduit(root: object, name: str) -> Node:
    """Return the node of a conduit that a file declares exactly once."""
    if not isinstance(root, yaml.MappingNode):
        raise _CannotError
    found: list[Node] = [
        value
        for key, variables in root.value
        if str(key.value).startswith(_PREFIX) and isinstance(variables, yaml.MappingNode)
        for key, value in variables.value
        if key.value == name
    ]
    if len(found) != 1:
        raise _CannotError
    return found[0]


def _value(held: Node, key: str) -> Node:
    if isinstance(held, yaml.MappingNode):
        values: list[Node] = [value for name, value in held.value if name.value == key]
        if values:
            return values[0]
    raise _CannotError


def _items(text: str, held: Node, gone: Callable[[str], bool]) -> Iterator[_Edit]:
    """Yield how items of a list are taken out; a list in brackets is written anew."""
    if not isinstance(held, yaml.SequenceNode):
        raise _CannotError
    if not all(isinstance(one, yaml.ScalarNode) for one in held.value):
        raise _CannotError
    if held.flow_style:
        kept = [one.value for one in held.value if not gone(one.value)]
        yield _anew(text, held, flow(kept))
        return
    for one in held.value:
        if gone(one.value):
            yield _line(text, one)


def _pairs(text: str, held: Node, gone: Collection[str]) -> Iterator[_Edit]:
    """Yield how keys of a mapping are taken out with their values."""
    if not isinstance(held, yaml.MappingNode):
        raise _CannotError
    if held.flow_style:
        kept = [
            text[name.start_mark.index : value.end_mark.index]
            for name, value in held.value
            if name.value not in gone
        ]
        yield _anew(text, held, f"{{{', '.join(kept)}}}")
        return
    for name, value in held.value:
        if name.value in gone:
            if value.start_mark.line != name.start_mark.line:
                raise _CannotError
            yield _line(text, name)


def _anew(text: str, held: Node, new: str) -> _Edit:
    first, last = held.start_mark.index, held.end_mark.index
    if "#" in text[first:last]:  # somebody wrote a comment between the entries
        raise _CannotError
    return _Edit(first, last, new)


def _line(text: str, held: Node) -> _Edit:
    """Return how the one line of a node is taken out."""
    first = text.rfind("\n", 0, held.start_mark.index) + 1
    last = text.find("\n", held.start_mark.index) + 1 or len(text)
    return _Edit(first, last)


def _reviewed(text: str, held: Node, day: date) -> _Edit:
    """Return how a conduit gets the day by which it is looked at again."""
    if not isinstance(held, yaml.MappingNode) or held.flow_style or not held.value:
        raise _CannotError
    for name, value in held.value:
        if name.value == "review_by":
            return _Edit(value.start_mark.index, value.end_mark.index, day.isoformat())
    key = next((name for name, _ in held.value if name.value == "flows"), held.value[0][0])
    at = text.rfind("\n", 0, key.start_mark.index) + 1
    line = entry(key.start_mark.column, "review_by", day.isoformat())
    return _Edit(at, at, f"{_bare(line)}\n")


def _bare(line: str) -> str:
    """Return a day without quotes: as a date it means the same."""
    return line.replace("'", "").replace('"', "")


def _edited(text: str, edits: list[_Edit]) -> str:
    for one in sorted(edits, key=lambda one: one.first, reverse=True):
        text = text[: one.first] + one.text + text[one.last :]
    return text


# --- what came of it -----------------------------------------------------------------------------


def _as_wanted(
    old: Any, new: Any, conduit: str, flows: Mapping[str, Entries], review_by: date
) -> bool:
    """Whether a file says the same as before, but for what was to be taken out."""
    try:
        _take_out(_held(old, conduit), flows)
        _held(old, conduit)["review_by"] = review_by
        _held(new, conduit)["review_by"] = _day(_held(new, conduit)["review_by"])
    except (KeyError, TypeError, AttributeError, StopIteration):
        return False
    return bool(old == new)


def _day(found: Any) -> Any:
    from datetime import date

    return date.fromisoformat(found) if isinstance(found, str) else found


def _held(variables: Any, conduit: str) -> Any:
    return next(
        held[conduit]
        for name, held in variables.items()
        if name.startswith(_PREFIX) and conduit in held
    )


def _take_out(conduit: Any, flows: Mapping[str, Entries]) -> None:
    for name, gone in flows.items():
        declared = conduit["flows"][name]
        for key, texts in (("source", gone.source), ("destination", gone.destination)):
            if texts:
                left = [one for one in declared[key] if not _named(str(one), texts)]
                _shorter(declared[key], left, len(texts))
                declared[key] = left
        if gone.services:
            left = [one for one in declared["services"] if not _ports(str(one), gone.services)]
            ports = [port for one in declared["services"] for port in services(str(one))]
            _shorter(ports, [p for one in left for p in services(str(one))], len(gone.services))
            declared["services"] = left
        for protocol in gone.protocols:
            del declared["protocols"][protocol]
        for protocol, classes in gone.classes.items():
            held = declared["protocols"][protocol]
            left = [one for one in held if one not in classes]
            _shorter(held, left, len(classes))
            declared["protocols"][protocol] = left


def _shorter(before: Any, after: Any, by: int) -> None:
    """Refuse a list of which not exactly so many different entries went, or all.

    Raises:
        KeyError: it is one.
    """
    gone = {str(one) for one in before} - {str(one) for one in after}
    if not after or len(gone) != by:
        raise KeyError(by)
