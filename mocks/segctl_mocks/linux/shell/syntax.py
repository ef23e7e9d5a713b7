"""The syntax tree of a shell script."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Literal:
    """Text as it stands."""

    text: str
    quoted: bool


@dataclass(frozen=True, slots=True)
class Parameter:
    """``$name`` or ``${name…}``."""

    name: str
    operator: str
    word: Word | None
    quoted: bool


@dataclass(frozen=True, slots=True)
class Substitution:
    """``$( … )``."""

    body: Script
    quoted: bool


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """``$(( … ))``."""

    text: str
    quoted: bool


@dataclass(frozen=True, slots=True)
class Document:
    """A here-document; its text comes with the lines that follow."""

    lines: list[str]

    @property
    def text(self) -> str:
        """The text; nothing in it is expanded."""
        return "".join(self.lines)


Part: TypeAlias = "Literal | Parameter | Substitution | Arithmetic | Document"


@dataclass(frozen=True, slots=True)
class Word:
    """Parts that make one word."""

    parts: tuple[Part, ...]

    def plain(self) -> str | None:
        """Return the text if nothing in it is quoted or expanded."""
        if len(self.parts) == 1 and isinstance(self.parts[0], Literal):
            part = self.parts[0]
            return None if part.quoted else part.text
        return None


@dataclass(frozen=True, slots=True)
class Redirect:
    """``2>file`` and the like; ``<<`` has the text itself."""

    stream: int
    operator: str
    target: Word


@dataclass(frozen=True, slots=True)
class Simple:
    """A command with its words."""

    assignments: tuple[tuple[str, Word], ...]
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class If:
    """``if``."""

    clauses: tuple[tuple[Script, Script], ...]
    otherwise: Script | None


@dataclass(frozen=True, slots=True)
class Loop:
    """``while`` and ``until``."""

    condition: Script
    body: Script
    until: bool


@dataclass(frozen=True, slots=True)
class For:
    """``for``; without words, over the positional parameters."""

    name: str
    words: tuple[Word, ...] | None
    body: Script


@dataclass(frozen=True, slots=True)
class Case:
    """``case``."""

    word: Word
    branches: tuple[tuple[tuple[Word, ...], Script], ...]


@dataclass(frozen=True, slots=True)
class Group:
    """``{ … }``, or ``( … )`` in a shell of its own."""

    body: Script
    own_shell: bool


@dataclass(frozen=True, slots=True)
class Function:
    """A function definition."""

    name: str
    body: Command


@dataclass(frozen=True, slots=True)
class Command:
    """A command of any kind with its redirections."""

    what: Simple | If | Loop | For | Case | Group | Function
    redirects: tuple[Redirect, ...] = ()


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands joined by ``|``."""

    commands: tuple[Command, ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class AndOr:
    """Pipelines joined by ``&&`` and ``||``; the first has an empty sign."""

    items: tuple[tuple[str, Pipeline], ...]
    background: bool


@dataclass(frozen=True, slots=True)
class Script:
    """Commands one after the other."""

    items: tuple[AndOr, ...] = field(default=())
