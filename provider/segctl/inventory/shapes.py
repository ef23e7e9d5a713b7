"""The vocabulary in which the segctl variables are described, once for checking and schema."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "id",
    "text",
    "word",
    "user",
    "reference",
    "network",
    "address",
    "service",
    "integer",
    "number",
    "boolean",
    "date",
    "choice",
    "window",
    "path",
    "duration",
    "clock",
    "timezone",
    "batch",
    "percent",
    "endpoint",
    "host",
    "tags",
    "answer",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """One value; `choices` or the range limit it further."""

    kind: Kind
    choices: tuple[str, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    pattern: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Many:
    """A list, or with `or_one` also a single item instead of a list of one."""

    item: Shape
    or_one: bool = False
    not_empty: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A mapping whose keys are names of the user's choosing."""

    item: Shape
    key: Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A mapping with the given keys and no others; nothing at all may stand for an empty one."""

    fields: tuple[Field, ...]
    or_nothing: bool = False

    def names(self) -> tuple[str, ...]:
        """Return the names of all keys."""
        return tuple(field.name for field in self.fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Either:
    """A shape for scalars and lists, another for mappings."""

    plain: Scalar | Many
    mapping: Record | Table | Cases


@dataclass(frozen=True, slots=True, kw_only=True)
class Cases:
    """A mapping that is one of several records; the first key of each tells which.

    `otherwise` says what to do about a mapping that is none of them.
    """

    records: tuple[Record, ...]
    otherwise: str = ""

    def leading(self) -> tuple[str, ...]:
        """Return the keys of which exactly one must be there."""
        return tuple(record.fields[0].name for record in self.records)


@dataclass(frozen=True, slots=True, kw_only=True)
class Free:
    """A mapping that something else looks into."""

    doc: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One key of a record."""

    name: str
    shape: Shape
    doc: str
    required: bool = False


Shape = Scalar | Many | Table | Record | Either | Cases | Free
