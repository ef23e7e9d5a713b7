"""Declarations of named sets and maps."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from segctl_mocks.linux.nft import types
from segctl_mocks.linux.nft.errors import NftError
from segctl_mocks.linux.nft.nodes import Concat
from segctl_mocks.linux.nft.state import Declaration
from segctl_mocks.linux.nft.syntax import Look, SetTerm

if TYPE_CHECKING:
    from segctl_mocks.linux.nft.types import DataType, Symbol


def declare(term: SetTerm) -> Declaration:
    """Return what a block declares."""
    kinds, typeof, typeof_json = _kinds(term)
    data, data_kind, data_typeof = _data(term)
    flags = term.flags
    if term.timeout and "timeout" not in flags:
        flags = (*flags, "timeout")
    return Declaration(
        kinds=kinds,
        typeof=typeof or (data_typeof and typeof),
        typeof_json=typeof_json,
        is_map=term.is_map,
        data=data,
        data_kind=data_kind,
        flags=flags,
        comment=term.comment,
        counter=term.counter,
        size=term.size,
        timeout=term.timeout,
        gc_interval=term.gc_interval,
        auto_merge=term.auto_merge,
    )


def _kinds(term: SetTerm) -> tuple[tuple[DataType, ...], str, str]:
    keys = term.keys
    if isinstance(keys, Look):
        expression = keys.expression
        text, listed = expression.text(), json.dumps(expression.json())
        if isinstance(expression, Concat):
            return tuple(part.kind for part in expression.parts), text, listed
        return (expression.kind,), text, listed
    found: list[DataType] = []
    for symbol in keys or ():
        kind = types.DECLARED.get(symbol.text)
        if kind is None:
            raise NftError(f"unknown datatype {symbol.text}", symbol.span)
        found.append(kind)
    return tuple(found), "", ""


def _data(term: SetTerm) -> tuple[str, DataType | None, str]:
    data = term.data
    if data is None:
        return "", None, ""
    if isinstance(data, Look):
        if isinstance(data.expression, Concat):
            raise NftError("unsupported mapping data type", data.span)
        return data.expression.text(), data.expression.kind, data.expression.text()
    return _named_data(data)


def _named_data(symbol: Symbol) -> tuple[str, DataType | None, str]:
    if symbol.text in {"verdict", "counter"}:
        return symbol.text, None, ""
    kind = types.DECLARED.get(symbol.text)
    if kind is None:
        raise NftError(f"unknown datatype {symbol.text}", symbol.span)
    return symbol.text, kind, ""


def same(old: Declaration, new: Declaration) -> bool:
    """Say whether a set may be declared again like this."""

    def shape(each: Declaration) -> tuple[object, ...]:
        kinds = tuple((kind.name, kind.bits) for kind in each.kinds)
        return kinds, each.is_map, each.data_kind, each.flags, each.timeout

    return shape(old) == shape(new) and new.size in {0, old.size}
