"""Read YAML text into its layout, from the tokens of the parser that also reads inventories.

Tokens have exact positions; between them there are only white space and comments.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final, cast

from yaml._yaml import CParser
from yaml.tokens import (
    AliasToken,
    AnchorToken,
    BlockEndToken,
    BlockEntryToken,
    BlockMappingStartToken,
    BlockSequenceStartToken,
    DirectiveToken,
    DocumentEndToken,
    DocumentStartToken,
    FlowEntryToken,
    FlowMappingEndToken,
    FlowMappingStartToken,
    FlowSequenceEndToken,
    FlowSequenceStartToken,
    KeyToken,
    ScalarToken,
    StreamEndToken,
    StreamStartToken,
    TagToken,
    Token,
    ValueToken,
)

from segctl.formatting.layout import Block, Comment, Entry, Flow, Item, Layout, Node, Scalar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from yaml._yaml import Mark

_COMMENT: Final = re.compile(r"#[^\n]*")
_FLOW: Final[dict[type[Token], tuple[str, str]]] = {
    FlowSequenceStartToken: ("[", "]"),
    FlowMappingStartToken: ("{", "}"),
}
_FLOW_END: Final = (FlowSequenceEndToken, FlowMappingEndToken)
_NO_VALUE: Final = (KeyToken, BlockEndToken, StreamEndToken, DocumentEndToken, ValueToken)


class UnknownLayoutError(Exception):
    """The file contains something that cannot be formatted; says what, and on which line."""


def read(text: str) -> Layout:
    """Return the layout of a text that the parser accepts.

    Raises:
        UnknownLayoutError: it contains directives, explicit keys (``? key``), or only a scalar.
    """
    return _Reader(text).document()


def comments(text: str) -> list[str]:
    """Return every comment of a text, in order, without trailing spaces."""
    reader = _Reader(text)
    found = [(comment.line, comment.text) for comment in reader.pending]
    for token in filter(_is_block, reader.tokens):
        header = reader.source(token).partition("\n")[0]
        found += [(_start(token).line, one.rstrip()) for one in _COMMENT.findall(header)]
    return [words for _, words in sorted(found, key=lambda one: one[0])]


def _is_block(token: Token) -> bool:
    return isinstance(token, ScalarToken) and token.style in {"|", ">"}


def _tokens(text: str) -> Iterator[Token]:
    parser = CParser(text)
    while (token := parser.get_token()) is not None:
        if not isinstance(token, StreamStartToken):
            yield token


def _start(token: Token) -> Mark:
    return cast("Mark", token.start_mark)


def _end(token: Token) -> Mark:
    return cast("Mark", token.end_mark)


class _Reader:
    """Reads the tokens once; `pending` are the comments without a place so far."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines = text.split("\n")
        self._begins = [0, *accumulate(len(line) + 1 for line in self._lines)]
        self.tokens = list(_tokens(text))
        self._at = 0
        self._last_line = -1
        self._kept: set[int] = set()
        self.pending = list(self._comments())
        self.pending.reverse()

    # What lies between the tokens

    def _comments(self) -> Iterator[Comment]:
        at = 0
        for token in self.tokens:
            start, end = _start(token).index, _end(token).index
            if end > start or isinstance(token, StreamEndToken):
                yield from self._gap(at, start)
                at = max(at, end)
                self._keep(token)

    def _keep(self, token: Token) -> None:
        """Record empty lines that are content, in block scalars that keep them."""
        if _is_block(token) and "+" in self.source(token).partition("\n")[0].partition("#")[0]:
            self._kept.update(range(_start(token).line, _end(token).line))

    def _gap(self, start: int, end: int) -> Iterator[Comment]:
        for match in _COMMENT.finditer(self._text, start, end):
            line = bisect_right(self._begins, match.start()) - 1
            head = self._begins[line]
            before = self._text[head : match.start()]
            own = not before.strip()
            yield Comment(
                text=match[0].rstrip(),
                line=line,
                column=match.start() - head,
                own_line=own,
                blank=own and self._blank_above(line),
                gap=len(before) - len(before.rstrip()),
            )

    def _blank_above(self, line: int) -> bool:
        above = line - 1
        return above >= 0 and not self._lines[above].strip() and above not in self._kept

    def _taken(self, wanted: Callable[[Comment], bool]) -> Iterator[Comment]:
        """Take the pending comments before the next token, as long as `wanted` accepts them."""
        mark = _start(self._peek())
        while self.pending and wanted(self.pending[-1]):
            comment = self.pending[-1]
            if (comment.line, comment.column) >= (mark.line, mark.column):
                return
            yield self.pending.pop()

    def _before_token(self) -> list[Comment]:
        return list(self._taken(lambda _comment: True))

    def _same_line(self) -> Comment | None:
        """Take the comment at the end of the previous token's line."""
        line = self._last_line
        found = self._taken(lambda comment: not comment.own_line and comment.line == line)
        return next(found, None)

    # Tokens

    def _peek(self) -> Token:
        return self.tokens[self._at]

    def _next(self) -> Token:
        token = self.tokens[self._at]
        self._at += 1
        if _end(token).index > _start(token).index:
            self._last_line = _end(token).line
        return token

    def source(self, token: Token) -> str:
        """Return the text of a token."""
        return self._text[_start(token).index : _end(token).index]

    def _refuse(self, what: str) -> UnknownLayoutError:
        return UnknownLayoutError(f"line {_start(self._peek()).line + 1}: {what}")

    # The document

    def document(self) -> Layout:
        preamble: list[Comment] = []
        start: Comment | None = None
        if isinstance(self._peek(), DirectiveToken):
            raise self._refuse("a directive (%YAML, %TAG) is not formatted")
        started = isinstance(self._peek(), DocumentStartToken)
        if started:
            preamble = self._before_token()
            self._next()
            start = self._same_line()
        if isinstance(self._peek(), (StreamEndToken, DocumentEndToken)):
            root = None
        elif isinstance(self._peek(), (BlockMappingStartToken, BlockSequenceStartToken)):
            root = self._block("")
        else:
            raise self._refuse("only a mapping or a list by indentation is formatted")
        if not isinstance(self._peek(), StreamEndToken):
            raise self._refuse("a document end (...) is not formatted")
        return Layout(
            root=root,
            started=started,
            preamble=tuple(preamble),
            start=start,
            closing=tuple(self._before_token()),
            unended=any(_is_block(token) for token in self.tokens if self._ends_text(token)),
        )

    def _ends_text(self, token: Token) -> bool:
        return _end(token).index == len(self._text) and not self._text.endswith("\n")

    # Nodes

    def _node(self, column: int, *, in_flow: bool) -> Node:
        """Read a value; `column` is the column of the block collection around it."""
        properties: list[str] = []
        while isinstance(self._peek(), (AnchorToken, TagToken)):
            properties.append(self.source(self._next()))
        words = " ".join(properties)
        token = self._peek()
        if isinstance(token, ScalarToken):
            self._next()
            return Scalar(
                text=self.source(token), properties=words, style=_style(token), column=column
            )
        if isinstance(token, AliasToken):
            self._next()
            return Scalar(text=self.source(token), style="alias", column=column)
        if type(token) in _FLOW:
            return self._flow(words, column)
        if isinstance(token, (BlockMappingStartToken, BlockSequenceStartToken)) and not in_flow:
            return self._block(words)
        if isinstance(token, BlockEntryToken) and not in_flow:
            return self._indentless(words, column)
        return Scalar(text="", properties=words, column=column)

    # Block collections

    def _block(self, properties: str) -> Block:
        opening = self._next()
        column = _start(opening).column
        mapping = isinstance(opening, BlockMappingStartToken)
        entries: list[Entry] = []
        while not isinstance(self._peek(), BlockEndToken):
            above = self._above(entries, column)
            entries.append(self._pair(column, above) if mapping else self._dash(column, above))
        closing = self._closing(entries, column)
        self._next()
        return Block(
            kind="mapping" if mapping else "sequence",
            entries=tuple(entries),
            properties=properties,
            closing=closing,
        )

    def _indentless(self, properties: str, column: int) -> Block:
        """Read a list whose dashes are in the column of the key above it."""
        entries: list[Entry] = []
        while isinstance(self._peek(), BlockEntryToken):
            above = self._above(entries, column)
            entries.append(self._dash(column, above))
        closing = self._closing(entries, column + 1)
        return Block(
            kind="sequence", entries=tuple(entries), properties=properties, closing=closing
        )

    def _above(self, entries: list[Entry], column: int) -> tuple[Comment, ...]:
        """Take the comments above the next entry; those further right belong to the last one."""
        found = self._before_token()
        count = _further_right(found, column) if entries else 0
        if count:
            entries[-1] = _with_after(entries[-1], found[:count])
        return tuple(found[count:])

    def _closing(self, entries: list[Entry], column: int) -> tuple[Comment, ...]:
        """Take the comments below the last entry that are not further left than it."""
        mine = list(self._taken(lambda comment: comment.column >= column))
        count = _further_right(mine, column) if entries else 0
        if count:
            entries[-1] = _with_after(entries[-1], mine[:count])
        return tuple(mine[count:])

    def _pair(self, column: int, leading: tuple[Comment, ...]) -> Entry:
        opening = self._next()
        if not isinstance(opening, KeyToken) or _end(opening).index > _start(opening).index:
            self._at -= 1
            raise self._refuse("an explicit key (? key) or an empty one is not formatted")
        blank = self._blank_above(_start(opening).line)
        key = self._node(column, in_flow=False)
        if not isinstance(key, Scalar) or not isinstance(self._peek(), ValueToken):
            raise self._refuse("a key that is a collection is not formatted")
        self._next()
        return self._valued(key, column, leading, blank=blank)

    def _dash(self, column: int, leading: tuple[Comment, ...]) -> Entry:
        blank = self._blank_above(_start(self._next()).line)
        return self._valued(None, column, leading, blank=blank)

    def _valued(
        self, key: Scalar | None, column: int, leading: tuple[Comment, ...], *, blank: bool
    ) -> Entry:
        """Read the value of an entry, and the comments around it."""
        head = self._same_line()
        inside: list[Comment] = []
        value: Node | None = None
        empty = isinstance(self._peek(), _NO_VALUE) or (
            key is None and isinstance(self._peek(), BlockEntryToken)
        )
        if not empty:
            if not self._opens_block():
                inside = self._before_token()
            value = self._node(column, in_flow=False)
            if isinstance(value, Block) and not value.entries:
                raise self._refuse("an empty list is not formatted")
        trailing = None if isinstance(value, Block) or value is None else self._same_line()
        return Entry(
            key=key,
            value=value,
            blank=blank,
            leading=leading,
            head=head,
            inside=tuple(inside),
            trailing=trailing,
        )

    def _opens_block(self) -> bool:
        """Whether the next value, after its anchor and tag, is an indented collection."""
        at = self._at
        while isinstance(self.tokens[at], (AnchorToken, TagToken)):
            at += 1
        kinds = (BlockMappingStartToken, BlockSequenceStartToken, BlockEntryToken)
        return isinstance(self.tokens[at], kinds)

    # Flow collections

    def _flow(self, properties: str, column: int) -> Flow:
        brackets = _FLOW[type(self._next())]
        items: list[Item] = []
        while True:
            if items and not items[-1].trailing and (comment := self._same_line()):
                items[-1] = replace(items[-1], trailing=comment)
                continue
            leading = self._before_token()
            token = self._peek()
            if isinstance(token, _FLOW_END):
                self._next()
                return Flow(
                    brackets=brackets,
                    items=tuple(items),
                    properties=properties,
                    closing=tuple(leading),
                )
            if isinstance(token, FlowEntryToken):
                self._next()
                self.pending += reversed(leading)
                continue
            items.append(self._item(leading, column))

    def _item(self, leading: Sequence[Comment], column: int) -> Item:
        key: Node | None = None
        before = list(leading)
        if isinstance(self._peek(), KeyToken):
            opening = self._next()
            if _end(opening).index > _start(opening).index:
                raise self._refuse("an explicit key (? key) is not formatted")
            key = self._node(column, in_flow=True)
        paired = isinstance(self._peek(), ValueToken)
        if key is not None and not paired:
            raise self._refuse("a key without a value is not formatted")
        if paired:
            before += self._before_token()
            self._next()
            if key is None:
                raise self._refuse("an empty key is not formatted")
        value: Node | None = None
        if not isinstance(self._peek(), (FlowEntryToken, *_FLOW_END)):
            before += self._before_token() if paired else []
            value = self._node(column, in_flow=True)
        return Item(key=key, value=value, paired=paired, leading=tuple(before))


def _style(token: ScalarToken) -> Any:
    if token.plain:
        return "plain"
    return "block" if token.style in {"|", ">"} else "quoted"


def _further_right(found: Sequence[Comment], column: int) -> int:
    """Return how many of the first comments are right of a column, on their own lines."""
    count = 0
    while count < len(found) and found[count].column > column:
        count += 1
    return count


def _with_after(entry: Entry, found: Sequence[Comment]) -> Entry:
    return replace(entry, after=(*entry.after, *found))
