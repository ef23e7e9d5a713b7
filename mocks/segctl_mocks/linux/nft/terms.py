"""Reading expressions: fields on the left, values, sets and verdicts on the right."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from segctl_mocks.linux.nft import fields, types
from segctl_mocks.linux.nft.nodes import Concat, Ct, Fib, Meta, Payload, Raw, Verdict
from segctl_mocks.linux.nft.syntax import (
    Bitwise,
    Element,
    Elements,
    Joined,
    Look,
    Mapped,
    Named,
    Numbers,
    Pair,
    Term,
    VerdictTerm,
)
from segctl_mocks.linux.nft.tokens import tokens_of
from segctl_mocks.linux.nft.types import Symbol

if TYPE_CHECKING:
    from segctl_mocks.linux.nft.nodes import Key
    from segctl_mocks.linux.nft.stream import Stream
    from segctl_mocks.linux.nft.tokens import Token

VERDICTS = frozenset({"accept", "drop", "continue", "return", "jump", "goto"})
OPERATORS = {"&": "&", "and": "&", "|": "|", "or": "|", "^": "^", "xor": "^"}
_RANK = {"|": 0, "^": 1, "&": 2}
_LITERALS = frozenset({"string", "quoted", "number", "ip4", "ip6", "mac", "period", "clock"})
_FIELD_STARTS = (
    fields.PROTOCOLS | fields.UNQUALIFIED | {"meta", "ct", "fib", "@"}
)  # fmt: skip


def at_field(stream: Stream) -> bool:
    """Say whether an expression that reads the packet comes next."""
    if stream.at("@"):
        return stream.peek(1).text in {"ll", "nh", "th", "ih"} and stream.peek(2).text == ","
    return stream.peek().kind == "string" and stream.peek().text in _FIELD_STARTS


def field(stream: Stream) -> Look:
    """Read one field, or several joined by dots."""
    first = stream.peek()
    parts = [_single(stream)]
    spans = [first.span.to(stream.tokens[stream.position - 1].span)]
    while stream.at("."):
        stream.take()
        start = stream.peek()
        parts.append(_single(stream))
        spans.append(start.span.to(stream.tokens[stream.position - 1].span))
    span = first.span.to(stream.tokens[stream.position - 1].span)
    if len(parts) == 1:
        return Look(parts[0], span, tuple(spans))
    return Look(Concat(tuple(parts)), span, tuple(spans))


def _single(stream: Stream) -> Payload | Raw | Meta | Ct | Fib:
    token = stream.take()
    if token.text == "@":
        base = stream.take().text
        stream.expect(",")
        offset = stream.number()
        stream.expect(",")
        return Raw(base, offset, stream.number())
    if token.text == "meta":
        key = stream.take()
        name = {"secpath": "ipsec"}.get(key.text, key.text)
        if name not in fields.META:
            stream.fail(token=key)
        return Meta(name)
    if token.text == "ct":
        return _ct(stream)
    if token.text == "fib":
        return _fib(stream)
    if token.text in fields.PROTOCOLS:
        key = stream.take()
        found = fields.FIELDS.get((token.text, key.text))
        if found is None:
            stream.fail(token=key)
        return Payload(found)
    if token.text in fields.UNQUALIFIED and token.kind == "string":
        return Meta(token.text)
    stream.fail(token=token)
    return None


def _ct(stream: Stream) -> Ct:
    token = stream.take()
    if token.text in {"original", "reply"}:
        key = stream.take().text
        if key in {"ip", "ip6"}:
            key = f"{key} {stream.take().text}"
        if key in {"saddr", "daddr"}:
            return Ct(key, token.text, types.IPV4)
        if key not in fields.CT_DIRECTED:
            stream.fail(token=stream.tokens[stream.position - 1])
        kind = fields.CT_DIRECTED[key]
        return Ct(key, "" if key in fields.UNDIRECTED else token.text, kind)
    if token.text not in fields.CT:
        stream.fail(token=token)
    return Ct(token.text, "", fields.CT[token.text])


def _fib(stream: Stream) -> Fib:
    flags = [stream.take().text]
    while stream.accept("."):
        flags.append(stream.take().text)
    result = stream.take()
    if result.text not in {"oif", "oifname", "type"}:
        stream.fail(token=result)
    order = ("saddr", "daddr", "mark", "iif", "oif")
    return Fib(result.text, tuple(flag for flag in order if flag in flags))


def literal(stream: Stream) -> Symbol:
    """Read one word, number, address or string."""
    token = stream.peek()
    if token.kind not in _LITERALS:
        stream.fail()
    stream.take()
    return symbol(token)


def symbol(token: Token) -> Symbol:
    """Return a token as a word without a type."""
    if token.kind == "quoted":
        return Symbol(token.text[1:-1], "quoted", token.span)
    return Symbol(token.text, token.kind, token.span)


def value(stream: Stream, *, reads: bool = False) -> Term:
    """Read a value, a range, a prefix, or values joined by bit operators.

    ``reads`` allows fields of the packet, as in ``ct mark set meta mark``.
    """
    return _bitwise(stream, 0, reads=reads)


def _bitwise(stream: Stream, rank: int, *, reads: bool) -> Term:
    left = _operand(stream, reads=reads)
    while True:
        sign = OPERATORS.get(stream.peek().text, "") if stream.peek().kind != "quoted" else ""
        if not sign or _RANK[sign] < rank:
            return left
        stream.take()
        right = _bitwise(stream, _RANK[sign] + 1, reads=reads)
        left = Bitwise(sign, left, right, left.span.to(right.span))


def _operand(stream: Stream, *, reads: bool) -> Term:
    if stream.accept("("):
        inside = _bitwise(stream, 0, reads=reads)
        stream.expect(")", hint="')'")
        return inside
    if reads and at_field(stream):
        look = field(stream)
        if stream.accept("map"):
            data = elements(stream) if stream.at("{") else named(stream)
            return Mapped(look, data, look.span.to(data.span))
        return look
    first = literal(stream)
    if stream.at("/") and first.kind in {"ip4", "ip6", "number"}:
        stream.take()
        length = literal(stream)
        return Pair("/", first, length, first.span.to(length.span))
    if stream.at("-"):
        stream.take()
        high = literal(stream)
        return Pair("-", first, high, first.span.to(high.span))
    return first


def named(stream: Stream) -> Named:
    """Read ``@name``."""
    at = stream.expect("@")
    name = stream.name()
    return Named(name.text, at.span.to(name.span))


def right(stream: Stream) -> Term:
    """Read what stands to the right of a comparison."""
    if stream.at("{"):
        return elements(stream)
    if stream.at("@"):
        return named(stream)
    first = value(stream)
    for sign in (",", "."):
        if not stream.at(sign):
            continue
        parts = [first]
        while stream.accept(sign):
            parts.append(value(stream))
        return Joined(sign, tuple(parts), first.span.to(parts[-1].span))
    return first


def verdict(stream: Stream) -> VerdictTerm:
    """Read a verdict."""
    word = stream.take()
    if word.text not in VERDICTS:
        stream.fail(token=word)
    if word.text in {"jump", "goto"}:
        target = stream.name()
        found = Verdict(word.text, target.text)
        return VerdictTerm(found, word.span.to(target.span), target.span)
    return VerdictTerm(Verdict(word.text), word.span, word.span)


def elements(stream: Stream) -> Elements:
    """Read ``{ … }``."""
    start = stream.expect("{", hint="'{'")
    items: list[Element] = []
    stream.skip_blank()
    if stream.at("}"):
        stream.fail()
    while True:
        items.append(_element(stream))
        stream.skip_blank()
        if stream.accept(","):
            stream.skip_blank()
            if not stream.at("}"):
                continue
        if not stream.at("}"):
            stream.fail("comma or '}'")
        end = stream.take()
        return Elements(tuple(items), start.span.to(end.span))


def many(stream: Stream) -> Elements | Numbers:
    """Read ``{ … }`` of a named set, which may be long."""
    start = stream.position
    stream.expect("{", hint="'{'")
    token = stream.numbers()
    if token is None:
        stream.position = start
        return elements(stream)
    opening, closing = stream.tokens[start], stream.take()

    def spelled() -> Elements:
        return elements(type(stream)([opening, *tokens_of(token), closing]))

    return Numbers(_keys(token.text), spelled)


@lru_cache(maxsize=256)
def _keys(text: str) -> tuple[Key, ...]:
    """Return the elements of a list of numbers."""
    rows = [row.split(" . ") for row in text.split(",")]
    return tuple(tuple((one, one) for word in row for one in (int(word, 0),)) for row in rows)


def _element(stream: Stream) -> Element:
    first = value(stream)
    parts = [first]
    while stream.accept("."):
        parts.append(value(stream))
    span = first.span.to(parts[-1].span)
    key: Term = first if len(parts) == 1 else Joined(".", tuple(parts), span)
    counter: tuple[int, int] | None = None
    comment: str | None = None
    timeout = expires = 0
    while stream.at("counter", "timeout", "expires"):
        word = stream.take().text
        if word == "counter":
            counter = counts(stream)
        else:
            period = types.parse_period(stream.take().text)
            timeout = period if word == "timeout" else timeout
            expires = period if word == "expires" else expires
    if stream.accept("comment"):
        comment = stream.string().text
    data: Term | VerdictTerm | None = None
    if stream.accept(":"):
        stream.skip_blank()
        data = verdict(stream) if stream.peek().text in VERDICTS else value(stream)
    return Element(key, span, data, comment, counter, timeout, expires)


def counts(stream: Stream) -> tuple[int, int]:
    """Read ``packets N bytes N``, each optional."""
    packets = octets = 0
    while stream.at("packets", "bytes"):
        if stream.take().text == "packets":
            packets = stream.number()
        else:
            octets = stream.number()
    return packets, octets
