"""Reading the blocks of tables, chains, sets, maps and counters."""

from __future__ import annotations

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
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segctl_mocks.linux.nft.types import Symbol
    from segctl_mocks.linux.nft.stream import Stream

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
    chains: list[tuple[Place, ChainTerm]] = []
    objects: list[Command] = []
    sets: list[Command] = []
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
            what = stream.take().text
            name = stream.name()
            here = Place(place.family, place.table, name.text, place.table_span, name.span)
            if what == "chain":
                chains.append((here, chain(stream)))
            elif what == "counter":
                objects.append(Command("add", what, here, NOWHERE, counter(stream)))
            else:
                body = set_or_map(stream, is_map=what == "map")
                sets.append(Command("add", what, here, NOWHERE, body))
        else:
            stream.fail(token=token)
        stream.end_of_statement()
    commands = [Command(verb, "table", place, NOWHERE, head)]
    commands += [Command("add", "chain", here, NOWHERE, body) for here, body in chains]
    commands += objects + sets
    for command in sets:
        body = command.body
        if isinstance(body, SetTerm) and body.elements is not None:
            commands.append(Command("add", "element", command.place, NOWHERE, body.elements))
    for here, body in chains:
        commands += [Command("add", "rule", here, rule.span, rule) for rule in body.rules]
    return commands


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
            found.span = start.span.to(end.span)
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
        case "type":
            found.keys = tuple(_joined_types(stream))
            if found.is_map:
                stream.expect(":", hint="colon")
                found.data = terms.symbol(stream.take())
        case "typeof":
            found.keys = _typeof(stream)
            if found.is_map:
                stream.expect(":", hint="colon")
                verdict = stream.at("verdict", "counter")
                found.data = terms.symbol(stream.take()) if verdict else _typeof(stream)
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
        case "auto-merge":
            found.auto_merge = True
        case "counter":
            found.counter = True
        case "policy":
            stream.expect("performance", "memory")
        case "comment":
            found.comment = ruleparser.comment_text(stream)
        case "elements":
            stream.expect("=", hint="'='")
            found.elements = terms.elements(stream)
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
