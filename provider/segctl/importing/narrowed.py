"""Entries taken out of declared conduits, in the text of the file that declares them; pure.

All else in the file stays as it is written, comments too. Where that cannot be done, nothing is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from segctl.importing.conduit_text import (
    CannotEditError,
    Edit,
    conduit_in,
    declared_in,
    edited,
    meaning,
    with_key,
)
from segctl.importing.yaml import flow
from segctl.inventory.convert import BadValueError, network, services

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from datetime import date

    Node = yaml.nodes.Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Entries:
    """What is taken out of one flow, as the inventory names it; `classes` are by protocol."""

    source: Collection[str] = ()
    destination: Collection[str] = ()
    services: Collection[str] = ()
    protocols: Collection[str] = ()
    classes: Mapping[str, Collection[str]]


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
        held = conduit_in(text, conduit)
        edits = [with_key(held, text, "review_by", review_by)]
        declared = _value(held, "flows")
        for name, gone in flows.items():
            edits += _flow(text, _value(declared, name), gone)
        after = edited(text, edits)
        old, new = map(meaning, (text, after))
    except (yaml.YAMLError, CannotEditError, RecursionError):
        return None
    return after if _as_wanted(old, new, conduit, flows, review_by) else None


def _flow(text: str, held: Node, gone: Entries) -> Iterator[Edit]:
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


def _value(held: Node, key: str) -> Node:
    if isinstance(held, yaml.MappingNode):
        values: list[Node] = [value for name, value in held.value if name.value == key]
        if values:
            return values[0]
    raise CannotEditError


def _items(text: str, held: Node, gone: Callable[[str], bool]) -> Iterator[Edit]:
    """Yield how items of a list are taken out; a list in brackets is written anew."""
    if not isinstance(held, yaml.SequenceNode):
        raise CannotEditError
    if not all(isinstance(one, yaml.ScalarNode) for one in held.value):
        raise CannotEditError
    if held.flow_style:
        kept = [one.value for one in held.value if not gone(one.value)]
        yield _anew(text, held, flow(kept))
        return
    for one in held.value:
        if gone(one.value):
            yield _line(text, one)


def _pairs(text: str, held: Node, gone: Collection[str]) -> Iterator[Edit]:
    """Yield how keys of a mapping are taken out with their values."""
    if not isinstance(held, yaml.MappingNode):
        raise CannotEditError
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
                raise CannotEditError
            yield _line(text, name)


def _anew(text: str, held: Node, new: str) -> Edit:
    first, last = held.start_mark.index, held.end_mark.index
    if "#" in text[first:last]:  # somebody wrote a comment between the entries
        raise CannotEditError
    return Edit(first, last, new)


def _line(text: str, held: Node) -> Edit:
    """Return how the one line of a node is taken out."""
    first = text.rfind("\n", 0, held.start_mark.index) + 1
    last = text.find("\n", held.start_mark.index) + 1 or len(text)
    return Edit(first, last)


# --- what came of it -----------------------------------------------------------------------------


def _as_wanted(
    old: Any, new: Any, conduit: str, flows: Mapping[str, Entries], review_by: date
) -> bool:
    """Whether a file says the same as before, but for what was to be taken out."""
    try:
        _take_out(declared_in(old, conduit), flows)
        declared_in(old, conduit)["review_by"] = review_by
        declared_in(new, conduit)["review_by"] = _day(declared_in(new, conduit)["review_by"])
    except (KeyError, TypeError, AttributeError, StopIteration):
        return False
    return bool(old == new)


def _day(found: Any) -> Any:
    from datetime import date

    return date.fromisoformat(found) if isinstance(found, str) else found


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
