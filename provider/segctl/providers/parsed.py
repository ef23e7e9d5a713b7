"""The parsed state of a device as a document: the content of a snapshot.

It is written from `Live`, field by field, not from the device's answers, so it cannot contain
anything that `parse` does not read. Digests stand for what others own and no plan needs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass, replace
from functools import cache
from types import UnionType
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Literal,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from segctl.model import items
from segctl.model.errors import ParseError, Problem
from segctl.model.filled import Filled, Selection
from segctl.model.gate import Gate, GateRule
from segctl.model.override import Override
from segctl.model.policy import Policy
from segctl.model.scope import Scope
from segctl.model.translation import Translation
from segctl.providers.bare import Kept
from segctl.providers.base import Live
from segctl.providers.management import Management, without_addresses
from segctl.providers.pushed import Pushed
from segctl.providers.settings import Protection, Settings
from segctl.providers.state import DeviceState
from segctl.system.json_text import read_listing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from segctl.model.policy import Item

#: The first bytes of such a document; no session's document begins with them.
MAGIC = b"segctl-parsed 2\n"
#: Those of an earlier version, which kept nothing of fields that segctl does not know.
_EARLIER = b"segctl-parsed 1\n"
#: Types that modules import only for type checkers.
_NAMES = {
    **vars(items),
    "ClassVar": ClassVar,
    "DeviceState": DeviceState,
    "Filled": Filled,
    "Policy": Policy,
    "Management": Management,
    "Gate": Gate,
    "GateRule": GateRule,
    "Mapping": Mapping,
    "Override": Override,
    "Problem": Problem,
    "Protection": Protection,
    "Pushed": Pushed,
    "Scope": Scope,
    "Selection": Selection,
    "Settings": Settings,
    "Translation": Translation,
}
#: Fields of rules from before declared rules were a type of their own; always true on a device.
_FORMER = "enforce_functions"
#: How what stands for a match list begins.
_DIGEST = '<entry digest="'
LiveT = TypeVar("LiveT", bound=Live)
ItemT = TypeVar("ItemT", bound=items.Item)


def without_notes(live: Live, kept: Callable[[str], str] = lambda _text: "") -> Live:
    """Return `live` without the notes that others wrote into their rules and objects.

    Notes are descriptions and whatever segctl has no field for; no plan depends on them. Changes
    to them still show in the digests of `Live.other_rules` and `Live.other_objects`. How the device
    is managed, and which servers it needs, is left out, too.

    Args:
        live: what a device holds.
        kept: what stays of a text for which there is no field, since it decides what a rule does;
            nothing if it returns none.
    """
    held = live.others.by_kind.values()
    others = Policy.of(without_note(one, kept) for every in held for one in every)
    before, after = (
        tuple(without_note(rule, kept) for rule in rules)
        for rules in (live.pushed.before, live.pushed.after)
    )
    known = Kept.of((live.policy, live.others), live.zones, live.known.get("application", ()))
    return replace(
        live,
        others=others,
        overrides=tuple(known.override(*one) for one in enumerate(live.overrides, 1)),
        translations=tuple(known.translation(*one) for one in enumerate(live.translations, 1)),
        pushed=replace(live.pushed, before=before, after=after),
        management=without_addresses(live.management),
        log_lists={name: tuple(map(list_digest, held)) for name, held in live.log_lists.items()},
    )


def list_digest(text: str) -> str:
    """Return what stands for a match list of others: two that are equal still are."""
    if text.startswith(_DIGEST):
        return text
    return f'{_DIGEST}{hashlib.sha256(text.encode()).hexdigest()}"/>'


def without_note(item: ItemT, kept: Callable[[str], str] = lambda _text: "") -> ItemT:
    """Return a rule or object without its description and without fields unknown to segctl.

    `kept` says what stays of each of these fields.
    """
    notes: dict[str, Any] = {
        name: "" for name in ("description", "comments") if getattr(item, name, "") != ""
    }
    extras: tuple[str, ...] = getattr(item, "extras", ())
    if extras:
        notes["extras"] = tuple(text for one in extras if (text := kept(one)))
    return replace(item, **notes) if notes else item


#: What stands for a field that a snapshot does not keep; no platform knows such a one.
NOT_KEPT = "fields that a snapshot does not keep"
_DECIDING = (items.Rule, items.Service, items.Schedule, items.DefaultRule)


def _in_doubt(live: LiveT) -> LiveT:
    """Return what a snapshot of an earlier version holds, with a doubt at all of others.

    It kept no field that segctl does not know: whether there was any cannot be told.
    """
    held = [
        replace(item, extras=(*item.extras, NOT_KEPT)) if isinstance(item, _DECIDING) else item
        for every in live.others.by_kind.values()
        for item in every
    ]
    return replace(live, others=Policy.of(held))


def dump(live: Live, kept: Callable[[str], str] = lambda _text: NOT_KEPT) -> bytes:
    """Return the parsed state as a document, without others' notes but for what is `kept`.

    By default each field for which there is none leaves a mark that it was there.
    """
    plain = _plain(without_notes(live, kept))
    return MAGIC + json.dumps(plain, separators=(",", ":")).encode()


def is_parsed(document: bytes) -> bool:
    """Whether a document comes from `dump` and not from a session."""
    return document.startswith((MAGIC, _EARLIER))


def load(document: bytes, kind: type[LiveT]) -> LiveT:
    """Return the parsed state that `dump` wrote; the type of every value is checked.

    Raises:
        ParseError: the document is damaged, or written by another version.
    """
    try:
        live = cast("LiveT", _read(kind, read_listing(document[len(MAGIC) :])))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ParseError(
            "snapshot",
            "the snapshot is damaged, or another version of segctl wrote it: take it again",
        ) from error
    return _in_doubt(live) if document.startswith(_EARLIER) else live


def _plain(value: object) -> Any:
    if isinstance(value, str | int | float) or value is None:
        return value
    if isinstance(value, Scope):
        return str(value)
    if isinstance(value, frozenset):
        return sorted(map(_plain, cast("frozenset[str]", value)))
    if isinstance(value, tuple):
        return [_plain(one) for one in cast("tuple[object, ...]", value)]
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value).items()
        return [[_plain(key), _plain(one)] for key, one in pairs]
    if isinstance(value, Policy):
        return {kind.plural: _plain(found) for kind in items.KINDS if (found := value[kind.item])}
    if is_dataclass(value):
        return {
            one.name: _plain(found)
            for one in fields(value)
            if (found := getattr(value, one.name)) or found != _default(one)
        }
    message = f"{type(value).__name__} cannot be kept"
    raise TypeError(message)


def _default(field: Field[Any]) -> object:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _read(hint: Any, value: Any) -> Any:
    """Return the value as the type `hint`.

    Raises:
        TypeError: it has another type.
    """
    if hint is Scope:
        return Scope.of(_sure(isinstance(value, str), value))
    if is_dataclass(hint):
        return _instance(cast("type", hint), value)
    origin, of = get_origin(hint), get_args(hint)
    if origin is Literal:
        return _sure(value in of, value)
    if origin in (Union, UnionType):
        return (
            None if value is None else _read(_only([one for one in of if one is not _NONE]), value)
        )
    if origin is tuple:
        listed = cast("list[Any]", _sure(isinstance(value, list), value))
        kinds = of[:1] * len(listed) if of[-1] is Ellipsis else of
        return tuple(_read(one, item) for one, item in zip(kinds, listed, strict=True))
    if origin is frozenset:
        return frozenset(_read(of[0], item) for item in _sure(isinstance(value, list), value))
    if origin is Mapping:
        return {_read(of[0], key): _read(of[1], one) for key, one in value}
    if hint is float:
        return _sure(type(value) in (float, int), value)
    return _sure(type(value) is hint, value)


_NONE = type(None)


def _only(kinds: Sequence[Any]) -> Any:
    (kind,) = kinds
    return kind


def _sure(fact: object, value: Any) -> Any:
    if not fact:
        raise TypeError
    return value


def _instance(kind: type, values: dict[str, Any]) -> Any:
    if kind is Policy:
        return _policy(values)
    hints = _hints(kind)
    if kind is items.Rule and values.get(_FORMER) is True:
        values = {name: value for name, value in values.items() if name != _FORMER}
    return kind(**{name: _read(hints[name], value) for name, value in values.items()})


def _policy(values: dict[str, Any]) -> Policy:
    rows = {row.plural: row.item for row in items.KINDS}
    held: dict[str, list[Item]] = {
        name: [_instance(rows[name], one) for one in _sure(isinstance(listed, list), listed)]
        for name, listed in values.items()
    }
    return Policy.of(item for listed in held.values() for item in listed)


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind, localns=_NAMES)
