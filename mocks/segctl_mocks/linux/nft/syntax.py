"""What the parser makes of the text, before names and types are looked up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from segctl_mocks.linux.nft.errors import Span
    from segctl_mocks.linux.nft.nodes import Concat, Ct, Fib, Key, Meta, Payload, Raw, Verdict
    from segctl_mocks.linux.nft.statements import Statement
    from segctl_mocks.linux.nft.types import Symbol


@dataclass(frozen=True, slots=True)
class Look:
    """A field, metadata or a concatenation of them."""

    expression: Payload | Raw | Meta | Ct | Fib | Concat
    span: Span
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Pair:
    """A range or a prefix: two words and what is between them."""

    sign: str
    low: Symbol
    high: Symbol
    span: Span


@dataclass(frozen=True, slots=True)
class Bitwise:
    """Two expressions joined by ``&``, ``|`` or ``^``."""

    operator: str
    left: Term
    right: Term
    span: Span


@dataclass(frozen=True, slots=True)
class Joined:
    """Several values joined by dots or, in a list of flags, by commas."""

    sign: str
    parts: tuple[Term, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Named:
    """``@name``."""

    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a set or map."""

    key: Term
    span: Span
    data: Term | VerdictTerm | None = None
    comment: str | None = None
    counter: tuple[int, int] | None = None
    timeout: int = 0
    expires: int = 0


@dataclass(frozen=True, slots=True)
class VerdictTerm:
    """A verdict and where it stands."""

    verdict: Verdict
    span: Span
    target: Span


@dataclass(frozen=True, slots=True)
class Elements:
    """``{ … }``."""

    items: tuple[Element, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Numbers:
    """``{ … }`` with nothing but numbers, read at once; `spelled` reads them one by one."""

    keys: tuple[Key, ...]
    spelled: Callable[[], Elements]


@dataclass(frozen=True, slots=True)
class Mapped:
    """A value looked up in a map."""

    key: Look
    data: Elements | Named
    span: Span


Term: TypeAlias = "Symbol | Look | Pair | Bitwise | Joined | Named | Elements | Mapped"


def span_of(term: Term) -> Span:
    """Return where a term stands."""
    return term.span


@dataclass(frozen=True, slots=True)
class MatchTerm:
    """A comparison."""

    left: Look | Bitwise
    operator: str  # empty if none was written
    right: Term
    mask: Term | None
    span: Span


@dataclass(frozen=True, slots=True)
class VmapTerm:
    """A verdict looked up."""

    key: Look | Bitwise
    data: Elements | Named
    span: Span


@dataclass(frozen=True, slots=True)
class MangleTerm:
    """A mark that is set."""

    key: Look
    value: Term
    span: Span


@dataclass(frozen=True, slots=True)
class Plain:
    """A statement that is complete as it stands; names are where to point at."""

    statement: Statement
    span: Span
    name: Span | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A statement the kernel has no module for."""

    message: str
    span: Span


StatementTerm: TypeAlias = "MatchTerm | VmapTerm | MangleTerm | Plain | Refused"


@dataclass(frozen=True, slots=True)
class RuleTerm:
    """A rule as written."""

    statements: tuple[StatementTerm, ...]
    comment: str | None
    span: Span


# -- objects and commands -------------------------------------------------------------


@dataclass(slots=True)
class BaseTerm:
    """Type, hook and priority of a base chain."""

    kind: str
    hook: str
    priority: int
    kind_span: Span
    hook_span: Span


@dataclass(slots=True)
class ChainTerm:
    """What a block says of a chain."""

    base: BaseTerm | None = None
    policy: str | None = None
    comment: str | None = None
    rules: list[RuleTerm] = field(default_factory=list[RuleTerm])


@dataclass(slots=True)
class SetTerm:
    """What a block says of a set or map."""

    is_map: bool
    span: Span
    keys: Look | tuple[Symbol, ...] | None = None
    data: Look | Symbol | None = None
    flags: tuple[str, ...] = ()
    comment: str | None = None
    counter: bool = False
    size: int = 0
    timeout: int = 0
    gc_interval: int = 0
    auto_merge: bool = False
    elements: Elements | Numbers | None = None


@dataclass(slots=True)
class CounterTerm:
    """What a block says of a named counter."""

    packets: int = 0
    octets: int = 0
    comment: str | None = None


@dataclass(slots=True)
class TableTerm:
    """What a block says of a table."""

    comment: str | None = None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Family, table and name with where they stand."""

    family: str
    table: str
    name: str
    table_span: Span
    name_span: Span


Body: TypeAlias = (
    "TableTerm | ChainTerm | SetTerm | CounterTerm | RuleTerm | Elements | Numbers | None"
)


@dataclass(frozen=True, slots=True)
class Command:
    """One thing to do."""

    verb: str
    what: str
    place: Place
    span: Span
    body: Body = None
    handle: int | None = None
    index: int | None = None
    number: Span | None = None
    new_name: str = ""
