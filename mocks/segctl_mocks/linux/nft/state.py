"""Tables, chains, sets and rules as the kernel holds them."""

from __future__ import annotations

import bisect
from collections import Counter as Tally
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from segctl_mocks.linux.nft.nodes import Anonymous, MapLookup, SetRef, Verdict
from segctl_mocks.linux.nft.statements import CounterRef, Decision, Mangle, Match, Statement, Vmap

if TYPE_CHECKING:
    from collections.abc import Iterable

    from segctl_mocks.linux.nft.nodes import Interval, Key, Value
    from segctl_mocks.linux.nft.types import DataType

Reference: TypeAlias = tuple[str, str]
TableKey: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a named set or map; counters are packets and bytes.

    `timeout` is in milliseconds; `ends` is when it goes, in seconds of the host's clock.
    """

    data: Verdict | Value | str | None = None
    comment: str | None = None
    counter: tuple[int, int] | None = None
    timeout: int = 0
    ends: float | None = None

    def left(self, now: float) -> int:
        """Return the milliseconds until it goes."""
        return 0 if self.ends is None else max(0, int((self.ends - now) * 1000))


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a set or map was declared as."""

    kinds: tuple[DataType, ...]
    typeof: str = ""
    typeof_json: str = ""  # the same as nft 1.1 lists it
    is_map: bool = False
    data: str = ""  # what follows the colon in a map's type
    data_kind: DataType | None = None
    flags: tuple[str, ...] = ()
    comment: str | None = None
    counter: bool = False
    size: int = 0
    timeout: int = 0
    gc_interval: int = 0
    auto_merge: bool = False

    @property
    def interval(self) -> bool:
        """Whether elements may be ranges."""
        return "interval" in self.flags

    @property
    def tree(self) -> bool:
        """Whether it is one component of ranges, which nft checks itself."""
        return self.interval and len(self.kinds) == 1


_SHIFT = {32: 8, 128: 64, 16: 4}


@dataclass(slots=True)
class NamedSet:
    """A named set or map."""

    name: str
    handle: int
    declaration: Declaration
    elements: dict[Key, Element] = field(default_factory=dict["Key", Element])
    lows: list[int] = field(default_factory=list[int])
    by_low: dict[int, Key] = field(default_factory=dict["int", "Key"])
    buckets: dict[tuple[bool, ...], dict[tuple[int, ...], list[Key]]] = field(
        default_factory=dict["tuple[bool, ...]", "dict[tuple[int, ...], list[Key]]"]
    )
    #: What listings have made of the elements, by how they were asked to.
    shown: dict[object, Any] = field(default_factory=dict["object", "Any"], compare=False)

    def clone(self) -> NamedSet:
        """Return a copy to be changed."""
        buckets = {
            mask: {key: [*keys] for key, keys in found.items()}
            for mask, found in self.buckets.items()
        }
        return replace(
            self,
            elements={**self.elements},
            lows=[*self.lows],
            by_low={**self.by_low},
            buckets=buckets,
        )

    def put(self, key: Key, element: Element) -> None:
        """Add an element that is not there."""
        self.elements[key] = element
        self.shown = {}
        if self.declaration.tree:
            bisect.insort(self.lows, key[0][0])
            self.by_low[key[0][0]] = key
        elif self.declaration.interval:
            mask, bucket = self._bucket(key)
            self.buckets.setdefault(mask, {}).setdefault(bucket, []).append(key)

    def put_all(self, keys: Iterable[Key], element: Element) -> None:
        """Add elements that are not there to a set without ranges."""
        self.elements.update(dict.fromkeys(keys, element))
        self.shown = {}

    def drop(self, key: Key) -> Element:
        """Take an element away."""
        self.shown = {}
        if self.declaration.tree:
            del self.lows[bisect.bisect_left(self.lows, key[0][0])]
            del self.by_low[key[0][0]]
        elif self.declaration.interval:
            mask, bucket = self._bucket(key)
            self.buckets[mask][bucket].remove(key)
        return self.elements.pop(key)

    def clear(self) -> None:
        """Take all elements away."""
        self.elements, self.lows, self.by_low, self.buckets = {}, [], {}, {}
        self.shown = {}

    @property
    def timed(self) -> bool:
        """Whether elements may have a time after which they go."""
        return "timeout" in self.declaration.flags

    def _bucket(self, key: Key) -> tuple[tuple[bool, ...], tuple[int, ...]]:
        shifts = [_SHIFT.get(kind.bits, 0) for kind in self.declaration.kinds]
        pairs = [
            (low >> shift, high >> shift) for (low, high), shift in zip(key, shifts, strict=True)
        ]
        return (
            tuple(low == high for low, high in pairs),
            tuple(low for low, high in pairs if low == high),
        )

    def holds(self, point: tuple[int, ...]) -> Key | None:
        """Return the element of a concatenated interval set that contains a point."""
        shifts = [_SHIFT.get(kind.bits, 0) for kind in self.declaration.kinds]
        for mask, found in self.buckets.items():
            bucket = tuple(
                number >> shift
                for number, shift, fixed in zip(point, shifts, mask, strict=True)
                if fixed
            )
            for key in found.get(bucket, ()):
                if all(low <= at <= high for at, (low, high) in zip(point, key, strict=True)):
                    return key
        return None

    def overlapping(self, interval: Interval) -> list[Key]:
        """Return the elements of a one-component interval set that a range touches."""
        low, high = interval
        start = bisect.bisect_right(self.lows, low) - 1
        stop = bisect.bisect_right(self.lows, high)
        keys = [self.by_low[each] for each in self.lows[max(start, 0) : stop]]
        return [key for key in keys if key[0][1] >= low]


@dataclass(frozen=True, slots=True)
class Base:
    """Where a base chain is hooked in."""

    kind: str
    hook: str
    priority: int
    policy: str = "accept"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule."""

    handle: int
    statements: tuple[Statement, ...]
    comment: str | None = None

    def references(self) -> list[Reference]:
        """Return the chains, sets and counters it uses."""
        found: list[Reference] = []
        for statement in self.statements:
            found += _references(statement)
        return found


def _references(statement: Statement) -> list[Reference]:
    match statement:
        case Decision(Verdict(_, target)) if target:
            return [("chain", target)]
        case CounterRef(name):
            return [("counter", name)]
        case Match(right=SetRef(name)) | Vmap(data=SetRef(name)):
            return [("set", name)]
        case Mangle(value=MapLookup(data=SetRef(name))):
            return [("set", name)]
        case Vmap(data=Anonymous(elements=elements)):
            return [
                ("chain", data.target)
                for _, data in elements
                if isinstance(data, Verdict) and data.target
            ]
        case _:
            return []


@dataclass(slots=True)
class Chain:
    """A chain."""

    name: str
    handle: int
    base: Base | None = None
    comment: str | None = None
    rules: list[Rule] = field(default_factory=list[Rule])

    def clone(self) -> Chain:
        """Return a copy to be changed."""
        return replace(self, rules=[*self.rules])


@dataclass(frozen=True, slots=True)
class NamedCounter:
    """A named counter."""

    name: str
    handle: int
    packets: int = 0
    octets: int = 0
    comment: str | None = None


@dataclass(slots=True)
class Table:
    """A table; ``uses`` counts the references to chains, sets and counters."""

    family: str
    name: str
    handle: int
    comment: str | None = None
    flags: tuple[str, ...] = ()
    chains: dict[str, Chain] = field(default_factory=dict[str, Chain])
    sets: dict[str, NamedSet] = field(default_factory=dict[str, NamedSet])
    counters: dict[str, NamedCounter] = field(default_factory=dict[str, NamedCounter])
    uses: Tally[Reference] = field(default_factory=Tally["Reference"])
    last_handle: int = 0

    def clone(self) -> Table:
        """Return a copy whose dictionaries may be changed."""
        return replace(
            self,
            chains={**self.chains},
            sets={**self.sets},
            counters={**self.counters},
            uses=Tally(self.uses),
        )

    def next_handle(self) -> int:
        """Return a handle nobody had."""
        self.last_handle += 1
        return self.last_handle


@dataclass(slots=True)
class Ruleset:
    """All tables; never changed once it is live."""

    tables: dict[TableKey, Table] = field(default_factory=dict["TableKey", Table])
    last_handle: int = 0
    generation: int = 0

    def after(self, now: float) -> Ruleset:
        """Return it without the elements whose time is over, itself where there are none."""
        over = [
            (place, name, [key for key, one in held.elements.items() if _over(one, now)])
            for place, table in self.tables.items()
            for name, held in table.sets.items()
            if held.timed
        ]
        tables = {**self.tables}
        for place, name, keys in over:
            if not keys:
                continue
            if tables[place] is self.tables[place]:
                tables[place] = tables[place].clone()
            left = tables[place].sets[name].clone()
            for key in keys:
                left.drop(key)
            tables[place].sets[name] = left
        return replace(self, tables=tables) if any(keys for *_, keys in over) else self


def _over(element: Element, now: float) -> bool:
    return element.ends is not None and element.ends <= now
