"""Expressions of rules and sets, typed, as nft prints them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from segctl_mocks.linux.nft import fields, types

if TYPE_CHECKING:
    from segctl_mocks.linux.nft.fields import HeaderField
    from segctl_mocks.linux.nft.types import DataType, Json

#: One component of a set element: the first and the last value.
Interval: TypeAlias = tuple[int, int]
Key: TypeAlias = tuple[Interval, ...]


@dataclass(frozen=True, slots=True)
class Payload:
    """A field of a protocol header."""

    field: HeaderField

    @property
    def kind(self) -> DataType:
        """The type of its values."""
        return self.field.kind

    def text(self) -> str:
        """As the text listing has it."""
        return f"{self.field.protocol} {self.field.name}"

    def json(self) -> Json:
        """As the JSON listing has it."""
        return {"payload": {"protocol": self.field.protocol, "field": self.field.name}}


@dataclass(frozen=True, slots=True)
class Raw:
    """Bits of a packet by offset and length."""

    base: str
    offset: int
    bits: int

    @property
    def kind(self) -> DataType:
        """The type of its values."""
        return types.integer(self.bits, hexadecimal=True)

    def text(self) -> str:
        """As the text listing has it."""
        return f"@{self.base},{self.offset},{self.bits}"

    def json(self) -> Json:
        """As the JSON listing has it."""
        return {"payload": {"base": self.base, "offset": self.offset, "len": self.bits}}


@dataclass(frozen=True, slots=True)
class Meta:
    """What the kernel knows about a packet."""

    key: str

    @property
    def kind(self) -> DataType:
        """The type of its values."""
        return fields.META[self.key]

    def text(self) -> str:
        """As the text listing has it."""
        return self.key if self.key in fields.BARE else f"meta {self.key}"

    def json(self) -> Json:
        """As the JSON listing has it."""
        return {"meta": {"key": self.key}}


@dataclass(frozen=True, slots=True)
class Ct:
    """What connection tracking knows about a packet's flow."""

    key: str
    direction: str
    kind: DataType

    def text(self) -> str:
        """As the text listing has it."""
        return f"ct {self.direction} {self.key}" if self.direction else f"ct {self.key}"

    def json(self) -> Json:
        """As the JSON listing has it."""
        keys: dict[str, Json] = {"key": self.key}
        if self.direction:
            keys["dir"] = self.direction
        return {"ct": keys}


@dataclass(frozen=True, slots=True)
class Fib:
    """What a look into the routing table gives."""

    result: str
    flags: tuple[str, ...]

    @property
    def kind(self) -> DataType:
        """The type of its values."""
        return types.ADDRTYPE if self.result == "type" else types.BOOLEAN

    def text(self) -> str:
        """As the text listing has it."""
        return f"fib {' . '.join(self.flags)} {self.result}"

    def json(self) -> Json:
        """As the JSON listing has it."""
        return {"fib": {"result": self.result, "flags": [*self.flags]}}


@dataclass(frozen=True, slots=True)
class Value:
    """One value."""

    kind: DataType
    number: int

    def text(self) -> str:
        """As the text listing has it."""
        if self.kind.bitmask:
            return ",".join(_bits(self.kind, self.number))
        return self.kind.text(self.number)

    def json(self) -> Json:
        """As the JSON listing has it."""
        if self.kind is types.BOOLEAN:
            return bool(self.number)
        if self.kind.bitmask:
            names = _bits(self.kind, self.number)
            return names[0] if len(names) == 1 and not names[0].startswith("0x") else [*names]
        return self.kind.json(self.number)


@dataclass(frozen=True, slots=True)
class Prefix:
    """The values with the same leading bits."""

    kind: DataType
    number: int
    length: int

    def text(self) -> str:
        """As the text listing has it."""
        return f"{self.kind.text(self.number)}/{self.length}"

    def json(self) -> Json:
        """As the JSON listing has it."""
        return {"prefix": {"addr": self.kind.json(self.number), "len": self.length}}


@dataclass(frozen=True, slots=True)
class Range:
    """The values from one to another."""

    kind: DataType
    low: int
    high: int

    def text(self) -> str:
        """As the text listing has it."""
        if self.kind is types.DAY:
            return f"{self.low}-{self.high}"
        return f"{self.kind.text(self.low)}-{self.kind.text(self.high)}"

    def json(self) -> Json:
        """As the JSON listing has it."""
        return {"range": [self.kind.json(self.low), self.kind.json(self.high)]}


@dataclass(frozen=True, slots=True)
class SetRef:
    """A named set or map."""

    name: str

    def text(self) -> str:
        """As the text listing has it."""
        return f"@{self.name}"

    def json(self) -> Json:
        """As the JSON listing has it."""
        return f"@{self.name}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of the packet."""

    word: str
    target: str = ""

    def text(self) -> str:
        """As the text listing has it."""
        return f"{self.word} {self.target}" if self.target else self.word

    def json(self) -> Json:
        """As the JSON listing has it."""
        return {self.word: {"target": self.target} if self.target else None}


@dataclass(frozen=True, slots=True)
class Anonymous:
    """A set or map written into a rule; its elements are in listing order."""

    kinds: tuple[DataType, ...]
    elements: tuple[tuple[Key, Verdict | Value | None], ...]
    decimal: bool = False  # keys of a vmap over raw bits are printed without 0x
    written: tuple[Key, ...] = field(default=(), compare=False)  # in the order of the input

    def text(self) -> str:
        """As the text listing has it."""
        parts: list[str] = []
        for key, data in self.elements:
            shown = key_text(self.kinds, key, decimal=self.decimal)
            parts.append(shown if data is None else f"{shown} : {data.text()}")
        return f"{{ {', '.join(parts)} }}"

    def json(self) -> Json:
        """As the JSON listing has it."""
        items: list[Json] = []
        for key, data in self.elements:
            shown = key_json(self.kinds, key)
            items.append(shown if data is None else [shown, data.json()])
        return {"set": items}


@dataclass(frozen=True, slots=True)
class Concat:
    """Several expressions taken together."""

    parts: tuple[Payload | Raw | Meta | Ct | Fib, ...]

    def text(self) -> str:
        """As the text listing has it."""
        return " . ".join(part.text() for part in self.parts)

    def json(self) -> Json:
        """As the JSON listing has it."""
        return {"concat": [part.json() for part in self.parts]}


@dataclass(frozen=True, slots=True)
class Binary:
    """An expression and a constant, joined by ``&``, ``|`` or ``^``."""

    operator: str
    left: Payload | Raw | Meta | Ct | Binary
    right: Value

    @property
    def kind(self) -> DataType:
        """The type of its values."""
        return self.left.kind

    def text(self) -> str:
        """As the text listing has it."""
        return f"{self.left.text()} {self.operator} {self.right.text()}"

    def json(self) -> Json:
        """As the JSON listing has it."""
        return {self.operator: [self.left.json(), self.right.json()]}


@dataclass(frozen=True, slots=True)
class MapLookup:
    """The value a map has for a key."""

    key: Payload | Raw | Meta | Ct | Concat
    data: Anonymous | SetRef

    def text(self) -> str:
        """As the text listing has it."""
        return f"{self.key.text()} map {self.data.text()}"

    def json(self) -> Json:
        """As the JSON listing has it."""
        return {"map": {"key": self.key.json(), "data": self.data.json()}}


Single: TypeAlias = "Payload | Raw | Meta | Ct | Fib"
Left: TypeAlias = "Payload | Raw | Meta | Ct | Fib | Concat | Binary"
Right: TypeAlias = "Value | Prefix | Range | SetRef | Anonymous"


def _bits(kind: DataType, number: int) -> list[str]:
    names: list[str] = []
    for position in range(kind.bits):
        if number >> position & 1:
            name = kind.text(1 << position)
            if name.startswith("0x"):
                return [hex(number)]
            names.append(name)
    return names or [hex(number)]


def prefix_length(kind: DataType, low: int, high: int) -> int | None:
    """Return the length of the prefix a range is, if it is one."""
    size = high - low + 1
    if size & (size - 1) or low % size:
        return None
    return kind.bits - (size.bit_length() - 1)


def component(kind: DataType, interval: Interval) -> Value | Prefix | Range:
    """Return the form in which one component of an element is printed."""
    low, high = interval
    if low == high:
        return Value(kind, low)
    if kind is types.IFNAME:
        raw = low.to_bytes(16, "big").rstrip(b"\0") + b"*"
        return Value(kind, int.from_bytes(raw.ljust(16, b"\0")[:16], "big"))
    length = prefix_length(kind, low, high) if kind.prefix else None
    return Range(kind, low, high) if length is None else Prefix(kind, low, length)


def key_text(kinds: tuple[DataType, ...], key: Key, *, decimal: bool = False) -> str:
    """Return a set element as the text listing has it."""
    if decimal and len(kinds) == 1 and key[0][0] == key[0][1] and kinds[0].name == "integer":
        return str(key[0][0])
    pairs = zip(kinds, key, strict=True)
    return " . ".join(component(kind, interval).text() for kind, interval in pairs)


def key_json(kinds: tuple[DataType, ...], key: Key) -> Json:
    """Return a set element as the JSON listing has it."""
    pairs = zip(kinds, key, strict=True)
    parts: list[Json] = [component(kind, interval).json() for kind, interval in pairs]
    return parts[0] if len(parts) == 1 else {"concat": parts}


#: Many hosts hold the same large sets: what their keys look like is made once.
_LARGE = 64


def key_texts(kinds: tuple[DataType, ...], keys: tuple[Key, ...]) -> tuple[str, ...]:
    """Return set elements as the text listing has them."""
    return _key_texts(kinds, tuple(kind.text for kind in kinds), keys)


def key_jsons(kinds: tuple[DataType, ...], keys: tuple[Key, ...]) -> tuple[Json, ...]:
    """Return set elements as the JSON listing has them."""
    return _key_jsons(kinds, tuple(kind.json for kind in kinds), keys)


@lru_cache(maxsize=_LARGE)
def _key_texts(
    kinds: tuple[DataType, ...], spellings: tuple[object, ...], keys: tuple[Key, ...]
) -> tuple[str, ...]:
    del spellings  # types that are alike may differ in them
    return tuple(key_text(kinds, key) for key in keys)


@lru_cache(maxsize=_LARGE)
def _key_jsons(
    kinds: tuple[DataType, ...], spellings: tuple[object, ...], keys: tuple[Key, ...]
) -> tuple[Json, ...]:
    del spellings
    return tuple(key_json(kinds, key) for key in keys)


@lru_cache(maxsize=_LARGE)
def in_order(kinds: tuple[DataType, ...], keys: tuple[Key, ...]) -> tuple[Key, ...]:
    """Return the elements of a hash set in the order of nft."""
    return tuple(sorted(keys, key=lambda key: sort_key(kinds, key)))


def sort_key(kinds: tuple[DataType, ...], key: Key) -> int:
    """Return by what nft sorts the elements of a hash set."""
    if len(kinds) == 1 and kinds[0] not in {types.IFNAME, types.IFINDEX}:
        return key[0][0]
    data = b"".join(kind.export(interval[0]) for kind, interval in zip(kinds, key, strict=True))
    return int.from_bytes(data, "little")
