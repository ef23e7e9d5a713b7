"""Reading nft commands and blocks."""

from __future__ import annotations

from segctl_mocks.linux.nft import blocks, ruleparser, terms
from segctl_mocks.linux.nft.errors import NOWHERE, NftError, Span
from segctl_mocks.linux.nft.stream import Definitions, Stream
from segctl_mocks.linux.nft.syntax import Body, ChainTerm, Command, CounterTerm, Place, SetTerm

FAMILIES = frozenset({"ip", "ip6", "inet", "arp", "bridge", "netdev"})
_VERBS = frozenset(
    {"add", "create", "delete", "flush", "list", "insert", "replace", "rename", "reset"}
)
_OBJECTS = frozenset({"table", "chain", "rule", "set", "map", "element", "counter"})


def parse(text: str, *, destroy: bool = False) -> list[Command]:
    """Read a script; the first syntax error is raised."""
    stream = Stream.of(text if text.endswith("\n") else text + "\n")
    commands: list[Command] = []
    while True:
        stream.skip_newlines()
        if stream.peek().kind == "end":
            return commands
        if stream.at("define", "redefine"):
            _define(stream)
            continue
        if stream.at("include"):
            start = stream.take()
            name = stream.string()
            if "*" not in name.text:
                span = Span(start.line, start.column, name.column + len(name.text) + 2)
                raise NftError(f"File not found: {name.text}", span)
            continue
        first = stream.peek()
        found = _command(stream, destroy=destroy)
        last = stream.tokens[stream.position - 1]
        span = Span(first.line, first.column, _line_end(stream, first.line, last.span) + 1)
        commands += [_with_span(command, span) for command in found]
        stream.end_of_statement()


def _line_end(stream: Stream, line: int, last: Span) -> int:
    if last.line == line:
        return last.last
    ends = [token.span.last for token in stream.tokens[: stream.position] if token.line == line]
    return ends[-1] if ends else last.last


def _with_span(command: Command, span: Span) -> Command:
    if command.span != NOWHERE:
        return command
    return Command(
        command.verb,
        command.what,
        command.place,
        span,
        command.body,
        command.handle,
        command.index,
        command.number,
        command.new_name,
    )


def _define(stream: Stream) -> None:
    stream.take()
    name = stream.take()
    stream.expect("=")
    start, depth = stream.position, 0
    while True:
        token = stream.peek()
        if token.kind == "end" or (depth == 0 and token.text in {"\n", ";"}):
            break
        depth += (token.text == "{") - (token.text == "}")
        stream.take()
    definitions: Definitions = stream.definitions
    definitions[name.text] = stream.tokens[start : stream.position]


def _command(stream: Stream, *, destroy: bool) -> list[Command]:
    verb = "add"
    if stream.at(*_VERBS) or (destroy and stream.at("destroy")):
        verb = stream.take().text
    elif not stream.at(*_OBJECTS):
        token = stream.peek()
        if token.kind != "string":
            stream.fail()
        place = _place(stream, names=2)
        return [_rule(stream, "add", place)]
    token = stream.peek()
    if verb in {"list", "reset"}:
        return [_listing(stream, verb)]
    what = stream.take().text
    if verb == "flush" and what == "ruleset":
        family = stream.take().text if stream.at(*FAMILIES) else ""
        return [Command(verb, what, Place(family, "", "", NOWHERE, NOWHERE), NOWHERE)]
    if what not in _OBJECTS or token.kind != "string":
        stream.fail(token=token)
    if what == "table":
        return _table(stream, verb)
    place = _place(stream, names=2)
    return _object(stream, verb, what, place)


def _place(stream: Stream, *, names: int) -> Place:
    family = stream.take().text if stream.at(*FAMILIES) else "ip"
    table = stream.name()
    if names == 1:
        return Place(family, table.text, "", table.span, table.span)
    name = stream.name()
    return Place(family, table.text, name.text, table.span, name.span)


def _table(stream: Stream, verb: str) -> list[Command]:
    if verb == "delete" and stream.peek(1).text == "handle":
        family = stream.take().text
        stream.take()
        token = stream.peek()
        place = Place(family, "", "", token.span, token.span)
        return [Command(verb, "table", place, NOWHERE, handle=stream.number())]
    place = _place(stream, names=1)
    if verb in {"add", "create"} and stream.at("{"):
        return blocks.table(stream, verb, place)
    return [Command(verb, "table", place, NOWHERE)]


def _object(stream: Stream, verb: str, what: str, place: Place) -> list[Command]:
    match what:
        case "rule":
            return [_rule(stream, verb, place)]
        case "element":
            body: Body = terms.many(stream)
        case "chain" if verb in {"add", "create"}:
            body = blocks.chain(stream) if stream.at("{") else None
            return _chain(verb, place, body)
        case "chain" if verb == "rename":
            return [Command(verb, what, place, NOWHERE, new_name=stream.name().text)]
        case "set" | "map" if verb in {"add", "create"}:
            body = blocks.set_or_map(stream, is_map=what == "map")
            return _set(verb, what, place, body)
        case "counter" if verb in {"add", "create"}:
            body = CounterTerm()
            if stream.at("{"):
                body = blocks.counter(stream)
            elif stream.at("packets", "bytes"):
                body.packets, body.octets = terms.counts(stream)
        case _:
            body = None
    return [Command(verb, what, place, NOWHERE, body)]


def _chain(verb: str, place: Place, body: ChainTerm | None) -> list[Command]:
    rules = body.rules if body is not None else []
    head = Command(verb, "chain", place, NOWHERE, body)
    return [head, *(Command("add", "rule", place, rule.span, rule) for rule in rules)]


def _set(verb: str, what: str, place: Place, body: SetTerm) -> list[Command]:
    found = [Command(verb, what, place, NOWHERE, body)]
    if body.elements is not None:
        found.append(Command("add", "element", place, NOWHERE, body.elements))
    return found


def _rule(stream: Stream, verb: str, place: Place) -> Command:
    handle: int | None = None
    index: int | None = None
    number: Span | None = None
    if verb in {"delete", "replace"}:
        stream.expect("handle", hint="handle")
        number = stream.peek().span
        handle = stream.number()
        if verb == "delete":
            return Command(verb, "rule", place, NOWHERE, handle=handle, number=number)
    elif stream.at("handle", "position"):
        stream.take()
        number = stream.peek().span
        handle = stream.number()
    elif stream.at("index"):
        stream.take()
        number = stream.peek().span
        index = stream.number()
    body = ruleparser.rule(stream)
    return Command(verb, "rule", place, NOWHERE, body, handle, index, number)


def _listing(stream: Stream, verb: str) -> Command:
    token = stream.take()
    what = token.text
    plain = {"tables", "chains", "sets", "maps", "counters", "ruleset", "flowtables"}
    if verb == "reset" and what not in {"counters", "counter"}:
        stream.fail(token=token)
    if what in plain:
        family = stream.take().text if stream.at(*FAMILIES) else ""
        if what in {"counters", "sets", "maps"} and stream.accept("table"):
            place = _place(stream, names=1)
            return Command(verb, what, place, NOWHERE)
        if stream.peek().kind != "end" and not stream.at("\n", ";"):
            stream.fail("end of file or newline or semicolon")
        return Command(verb, what, Place(family, "", "", NOWHERE, NOWHERE), NOWHERE)
    if what == "table":
        return Command(verb, what, _place(stream, names=1), NOWHERE)
    if what in {"chain", "set", "map", "counter"}:
        return Command(verb, what, _place(stream, names=2), NOWHERE)
    stream.fail(token=token)
    return None
