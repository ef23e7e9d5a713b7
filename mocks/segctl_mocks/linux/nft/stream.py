"""The tokens ahead of the parser, with the questions a parser asks."""

from __future__ import annotations

from typing import NoReturn

from segctl_mocks.linux.nft.errors import NftError
from segctl_mocks.linux.nft.tokens import KEYWORDS, Token, tokenize, tokens_of

Definitions = dict[str, list[Token]]

_PLAIN = frozenset({"string", "punct", "newline"})


class Stream:
    """Tokens to be taken one by one; ``$name`` is replaced by its definition.

    A long list of numbers is one token to who asks for it with `numbers`, many to others.
    """

    def __init__(self, tokens: list[Token], definitions: Definitions | None = None) -> None:
        self.tokens = tokens
        self.position = 0
        self.definitions: Definitions = {} if definitions is None else definitions

    @classmethod
    def of(cls, text: str) -> Stream:
        """Return the stream of a text."""
        return cls(tokenize(text))

    def peek(self, ahead: int = 0) -> Token:
        """Return a token without taking it."""
        position = self.position + ahead
        if position >= len(self.tokens):
            return self.tokens[-1]
        token = self.tokens[position]
        kind = token.kind
        if kind == "punct" and token.text == "$":
            self._expand(position)
            return self.peek(ahead)
        if kind == "numbers":
            self.tokens[position : position + 1] = tokens_of(token)
            return self.peek(ahead)
        return token

    def numbers(self) -> Token | None:
        """Take a long list of numbers whole, if one comes next."""
        token = self.tokens[min(self.position, len(self.tokens) - 1)]
        if token.kind != "numbers":
            return None
        self.position += 1
        return token

    def _expand(self, position: int) -> None:
        name = self.tokens[min(position + 1, len(self.tokens) - 1)]
        if name.text not in self.definitions:
            raise NftError(f"unknown identifier '{name.text}'", name.span)
        self.tokens[position : position + 2] = self.definitions[name.text]

    def take(self) -> Token:
        """Take the next token."""
        token = self.peek()
        if token.kind != "end":
            self.position += 1
        return token

    def at(self, *texts: str) -> bool:
        """Say whether the next token is one of these words or signs."""
        token = self.peek()
        return token.text in texts and token.kind in _PLAIN

    def accept(self, *texts: str) -> Token | None:
        """Take the next token if it is one of these."""
        token = self.peek()
        if token.text not in texts or token.kind not in _PLAIN:
            return None
        self.position += 1
        return token

    def expect(self, *texts: str, hint: str = "") -> Token:
        """Take the next token, which must be one of these."""
        if not self.at(*texts):
            self.fail(hint)
        return self.take()

    def fail(self, hint: str = "", token: Token | None = None) -> NoReturn:
        """Raise a syntax error at the next token."""
        token = token or self.peek()
        expecting = f", expecting {hint}" if hint else ""
        raise NftError(f"syntax error, unexpected {token.describe()}{expecting}", token.span)

    def name(self, hint: str = "string") -> Token:
        """Take a name that is not a keyword."""
        token = self.peek()
        if token.kind != "string" or token.text in KEYWORDS:
            self.fail(hint)
        self.take()
        colon = self.peek()
        at = token.column + len(token.text)
        if (
            colon.text == ":"
            and (colon.line, colon.column) == (token.line, at)
            and self.peek(1).column == at + 1
        ):
            self.take()
            return token._replace(text=f"{token.text}:{self.take().text}")
        return token

    def number(self, hint: str = "number") -> int:
        """Take a number."""
        token = self.peek()
        if token.kind != "number":
            self.fail(hint)
        self.take()
        return int(token.text, 16) if token.text.startswith("0x") else int(token.text)

    def string(self) -> Token:
        """Take a word or a quoted string; the text comes without quotes."""
        token = self.peek()
        if token.kind not in {"string", "quoted"}:
            self.fail()
        self.take()
        return token._replace(text=token.text[1:-1]) if token.kind == "quoted" else token

    def skip_newlines(self) -> None:
        """Take newlines and semicolons."""
        while self.at("\n", ";"):
            self.take()

    def skip_blank(self) -> None:
        """Take newlines only."""
        while self.at("\n"):
            self.take()

    def end_of_statement(self) -> None:
        """Take a newline or a semicolon, which must come now."""
        if self.peek().kind == "end":
            return
        self.expect("\n", ";", hint="newline or semicolon")
