"""Reading the blocks of tables, chains, sets, maps and counters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl_mocks.linux.nft import ruleparser, terms, types
from segctl_mocks.linux.nft.errors import NOWHERE, NftError, Span
from segctl_mocks.linux.nft.syntax import (
    BaseTerm,
    ChainTerm,
    Command,
    CounterTerm,
    Look,
    Place,
    SetTerm,
    TableTerm,
)

if TYPE_CHECKING:
    from segctl_mocks.linux.nft.stream import Stream
    from segctl_mocks.linux.nft.tokens import Token
    from segctl_mocks.linux.nft.types import Symbol

PRIORITIES = {
    "raw": -300,
    "mangle": -150,
    "dstnat": -100,
    "filter": 0,
    "security": 50,
    "srcnat": 100,
}
_TYPES = frozenset({"filter", "nat", "route"})
_HOOKS = frozenset({"prerouting", "input", "forward", "output", "postrouting", "ingress"})
_SET_FLAGS = ("constant", "dynamic", "interval", "timeout")


def table(stream: Stream, verb: str, place: Place) -> list[Command]:
    """Read the block of a table as commands, in the order nft sends them."""
    stream.expect("{")
    head = TableTerm()
    inside: list[Command] = []
    while True:
        stream.skip_newlines()
        if stream.accept("}"):
            break
        token = stream.peek()
        if stream.accept("comment"):
            head.comment = ruleparser.comment_text(stream)
        elif stream.accept("flags"):
            head.flags = (*head.flags, stream.take().text)
        elif stream.at("chain", "set", "map", "counter"):
            inside.append(_inside(stream, place))
        else:
            stream.fail(token=token)
        stream.end_of_statement()
    return [Command(verb, "table", place, NOWHERE, head), *_in_order(inside)]


def _inside(stream: Stream, place: Place) -> Command:
    """Read what a table holds."""
    what = stream.take().text
    name = stream.name()
    here = Place(place.family, place.table, name.text, place.table_span, name.span)
    if what == "chain":
        return Command("add", what, here, NOWHERE, chain(stream))
    if what == "counter":
        return Command("add", what, here, NOWHERE, counter(stream))
    return Command("add", what, here, NOWHERE, set_or_map(stream, is_map=what == "map"))


def _in_order(inside: list[Command]) -> list[Command]:
    """Chains, counters, sets, then elements, then rules: so that all names are known."""
    kinds = {"chain": 0, "counter": 1, "set": 2, "map": 2}
    commands = sorted(inside, key=lambda command: kinds[command.what])
    elements: list[Command] = []
    rules: list[Command] = []
    for command in commands:
        body, here = command.body, command.place
        if isinstance(body, SetTerm) and body.elements is not None:
            elements.append(Command("add", "element", here, NOWHERE, body.elements))
        elif isinstance(body, ChainTerm):
            rules += [Command("add", "rule", here, rule.span, rule) for rule in body.rules]
    return [*commands, *elements, *rules]


def chain(stream: Stream) -> ChainTerm:
    """Read the block of a chain."""
    stream.expect("{", hint="'{'")
    found = ChainTerm()
    while True:
        stream.skip_newlines()
        if stream.accept("}"):
            return found
        if stream.at("type"):
            found.base = _base(stream)
        elif stream.at("policy"):
            stream.take()
            found.policy = stream.expect("accept", "drop").text
        elif stream.at("comment"):
            stream.take()
            found.comment = ruleparser.comment_text(stream)
        elif stream.peek().kind == "end":
            stream.fail()
        else:
            found.rules.append(ruleparser.rule(stream))
        stream.end_of_statement()


def _base(stream: Stream) -> BaseTerm:
    stream.take()
    kind = stream.take()
    if kind.text not in _TYPES:
        raise NftError("unknown chain type", kind.span)
    stream.expect("hook", hint="hook")
    hook = stream.take()
    if hook.text not in _HOOKS:
        raise NftError("unknown chain hook", hook.span)
    if stream.accept("device"):
        stream.take()
    stream.expect("priority", hint="priority")
    return BaseTerm(kind.text, hook.text, _priority(stream), kind.span, hook.span)


def _priority(stream: Stream) -> int:
    sign = -1 if stream.accept("-") else 1
    token = stream.peek()
    if token.kind == "number":
        return sign * stream.number()
    stream.take()
    if token.text not in PRIORITIES:
        raise NftError(f"'{token.text}' is invalid priority.", token.span)
    value = PRIORITIES[token.text]
    if stream.at("+", "-"):
        sign = 1 if stream.take().text == "+" else -1
        value += sign * stream.number()
    return value


def counter(stream: Stream) -> CounterTerm:
    """Read the block of a named counter."""
    stream.expect("{", hint="'{'")
    found = CounterTerm()
    while True:
        stream.skip_newlines()
        if stream.accept("}"):
            return found
        if stream.at("packets", "bytes"):
            found.packets, found.octets = terms.counts(stream)
            if not stream.at("}", ";", "\n", "comment"):
                stream.fail()
        elif stream.accept("comment"):
            found.comment = ruleparser.comment_text(stream)
        else:
            stream.fail()


def set_or_map(stream: Stream, *, is_map: bool) -> SetTerm:
    """Read the block of a set or map."""
    start = stream.expect("{", hint="'{'")
    found = SetTerm(is_map, start.span)
    while True:
        stream.skip_newlines()
        end = stream.accept("}")
        if end is not None:
            found.span = start.span.to(stream.tokens[stream.position - 2].span)
            break
        _set_line(stream, found)
        stream.end_of_statement()
    if found.keys is None:
        what = "map" if is_map else "set"
        raise NftError(f"{what} definition does not specify key", found.span)
    if is_map and found.data is None:
        raise NftError("map definition does not specify mapping data type", found.span)
    return found


def _set_line(stream: Stream, found: SetTerm) -> None:
    token = stream.take()
    match token.text:
        case "type" | "typeof":
            _set_type(stream, found, like=token.text == "typeof")
        case "comment":
            found.comment = ruleparser.comment_text(stream)
        case "elements":
            stream.expect("=", hint="'='")
            found.elements = terms.many(stream)
        case "counter":
            found.counter = True
        case "auto-merge":
            found.auto_merge = True
        case _:
            _set_property(stream, found, token)


def _set_type(stream: Stream, found: SetTerm, *, like: bool) -> None:
    found.keys = _typeof(stream) if like else tuple(_joined_types(stream))
    if found.is_map:
        stream.expect(":", hint="colon")
        plain = not like or stream.at("verdict", "counter")
        found.data = terms.symbol(stream.take()) if plain else _typeof(stream)


def _set_property(stream: Stream, found: SetTerm, token: Token) -> None:
    match token.text:
        case "flags":
            flags = [stream.expect(*_SET_FLAGS).text]
            while stream.accept(","):
                flags.append(stream.expect(*_SET_FLAGS).text)
            found.flags = tuple(sorted({*found.flags, *flags}, key=_flag_rank))
        case "timeout":
            found.timeout = types.parse_period(stream.take().text)
        case "gc-interval":
            found.gc_interval = types.parse_period(stream.take().text)
        case "size":
            found.size = stream.number()
        case "policy":
            stream.expect("performance", "memory")
        case _:
            stream.fail(token=token)


def _flag_rank(flag: str) -> int:
    return ("constant", "dynamic", "interval", "timeout").index(flag)


def _joined_types(stream: Stream) -> list[Symbol]:
    found = [terms.symbol(stream.take())]
    while stream.accept("."):
        found.append(terms.symbol(stream.take()))
    return found


def _typeof(stream: Stream) -> Look:
    if not terms.at_field(stream):
        stream.fail()
    return terms.field(stream)


def span_of(place: Place) -> Span:
    """Return where an object's name stands."""
    return place.name_span
