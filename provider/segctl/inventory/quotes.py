"""Where a quote or bracket opens that a YAML parser misses the end of.

The parser complains where it is lost, often at the end of the file or in the next quoted value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from yaml import YAMLError
from yaml._yaml import CParser
from yaml.tokens import (
    FlowMappingEndToken,
    FlowMappingStartToken,
    FlowSequenceEndToken,
    FlowSequenceStartToken,
    ScalarToken,
    StreamEndToken,
    Token,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Protocol

    class Mark(Protocol):
        """A place in the text, counted from 0."""

        line: int
        column: int


_STARTS: Final = (FlowMappingStartToken, FlowSequenceStartToken)
_ENDS: Final = (FlowMappingEndToken, FlowSequenceEndToken)
_QUOTED: Final = "while scanning a quoted scalar"
_FLOWS: Final = frozenset({"while parsing a flow mapping", "while parsing a flow sequence"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Unclosed:
    """A quote or bracket without its end: line and column count from 1."""

    what: str
    line: int
    column: int
    hint: str


def unclosed(error: YAMLError, text: str) -> Unclosed | None:
    """Return the quote or bracket behind a syntax error, or None where it has another cause."""
    context = getattr(error, "context", None)
    start: Mark | None = getattr(error, "context_mark", None)
    problem: Mark | None = getattr(error, "problem_mark", None)
    if start is None or problem is None:
        return None
    if context == _QUOTED:
        return _quote(text, start.line, start.column) if problem.line > start.line else None
    tokens = list(_tokens(text, problem.line))
    if (quote := _closed_too_late(tokens, problem.line)) is not None:
        return _quote(text, quote.start_mark.line, quote.start_mark.column)
    if context in _FLOWS and problem.line > start.line:
        opened = _innermost(tokens)
        mark = start if opened is None else opened.start_mark
        source = text.split("\n")[mark.line]
        bracket = source[mark.column]
        close = f"close it with {'}' if bracket == '{' else ']'}"
        return Unclosed(
            what=f"the bracket {bracket}",
            line=mark.line + 1,
            column=mark.column + 1,
            hint='a template must be quoted: "{{ name }}"' if "{{" in source else close,
        )
    return None


def _quote(text: str, line: int, column: int) -> Unclosed:
    sign = text.split("\n")[line][column]
    return Unclosed(
        what=f"the quote {sign}",
        line=line + 1,
        column=column + 1,
        hint=f"end the value with {sign} on this line",
    )


def _tokens(text: str, last: int) -> Iterator[Token]:
    """Yield the tokens up to a line (from 0), or to where the scanner gives up."""
    scanner = CParser(text)
    try:
        while (token := scanner.get_token()) is not None:
            if isinstance(token, StreamEndToken) or token.start_mark.line > last:
                return
            yield token
    except YAMLError:
        return


def _closed_too_late(tokens: list[Token], line: int) -> ScalarToken | None:
    """Return the quoted value of several lines that ends where the parser is lost."""
    for token in reversed(tokens):
        if isinstance(token, ScalarToken) and getattr(token, "style", None) in {"'", '"'}:
            begin, end = token.start_mark.line, token.end_mark.line
            if begin < end and end in {line, line - 1}:
                return token
    return None


def _innermost(tokens: list[Token]) -> Token | None:
    """Return the last bracket that opens before the parser is lost and is not closed."""
    opened: list[Token] = []
    for token in tokens:
        if isinstance(token, _STARTS):
            opened.append(token)
        elif isinstance(token, _ENDS) and opened:
            opened.pop()
    return opened[-1] if opened else None
