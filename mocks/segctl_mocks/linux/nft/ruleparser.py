"""Reading the statements of a rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl_mocks.linux.nft import names, terms
from segctl_mocks.linux.nft.errors import NO_FILE, NftError, Span
from segctl_mocks.linux.nft.nodes import Verdict
from segctl_mocks.linux.nft.statements import (
    Counter,
    CounterRef,
    Decision,
    Limit,
    Log,
    Nat,
    Notrack,
    Reject,
)
from segctl_mocks.linux.nft.syntax import (
    Bitwise,
    Look,
    MangleTerm,
    MatchTerm,
    Plain,
    Refused,
    RuleTerm,
    StatementTerm,
    Term,
    VmapTerm,
)

if TYPE_CHECKING:
    from segctl_mocks.linux.nft.stream import Stream

COMMENT_LIMIT = 128
_COMPARISONS = frozenset(
    {"==", "!=", "<", ">", "<=", ">=", "!", "eq", "ne", "lt", "gt", "le", "ge"}
)
_WORDS = {"eq": "==", "ne": "!=", "lt": "<", "gt": ">", "le": "<=", "ge": ">="}
_UNITS = {"bytes": 1, "kbytes": 1024, "mbytes": 1024 * 1024, "gbytes": 1 << 30}


def rule(stream: Stream) -> RuleTerm:
    """Read a rule up to the end of its line."""
    first = stream.peek()
    found: list[StatementTerm] = []
    comment: str | None = None
    while True:
        token = stream.peek()
        if token.kind == "end" or (token.text in {"\n", ";", "}"} and token.kind != "quoted"):
            break
        if token.text == "comment" and found:
            stream.take()
            comment = comment_text(stream)
            break
        found.append(_statement(stream))
    if not found:
        stream.fail()
    return RuleTerm(tuple(found), comment, first.span.to(stream.tokens[stream.position - 1].span))


def comment_text(stream: Stream) -> str:
    """Read the text of a comment; it has a limit."""
    start = stream.peek()
    token = stream.string()
    if len(token.text.encode()) > COMMENT_LIMIT:
        raise NftError(f"comment too long, {COMMENT_LIMIT} characters maximum allowed", start.span)
    return token.text


def _statement(stream: Stream) -> StatementTerm:
    token = stream.peek()
    if token.kind == "string" and token.text in terms.VERDICTS:
        found = terms.verdict(stream)
        return Plain(Decision(found.verdict), found.span, found.target)
    if token.kind == "string":
        simple = _simple(stream)
        if simple is not None:
            return simple
    if terms.at_field(stream):
        return _comparison(stream)
    if token.kind in {"string", "number", "quoted"}:
        following = stream.peek(1)
        if token.kind == "string" and following.kind not in {"newline", "end"}:
            raise NftError("No symbol type information", token.span)
        stream.take()
        if stream.peek().kind in {"newline", "end"}:
            stream.fail()
    stream.fail()
    return None


def _simple(stream: Stream) -> StatementTerm | None:
    token = stream.peek()
    match token.text:
        case "counter":
            return _counter(stream)
        case "log":
            return _log(stream)
        case "limit":
            return _limit(stream)
        case "reject":
            return _reject(stream)
        case "notrack":
            stream.take()
            return Plain(Notrack(), token.span)
        case "masquerade" | "snat" | "dnat" | "redirect":
            return _nat(stream)
        case "queue" | "flow":
            while stream.peek().kind != "end" and not stream.at("\n", ";", "}", "accept"):
                stream.take()
            return Refused(NO_FILE, token.span)
        case _:
            return None


def _counter(stream: Stream) -> Plain:
    start = stream.take()
    if stream.accept("name"):
        token = stream.peek()
        name = stream.string()
        return Plain(CounterRef(name.text), start.span.to(token.span), token.span)
    packets, octets = terms.counts(stream)
    return Plain(Counter(packets, octets), _back(stream, start.span))


def _back(stream: Stream, start: Span) -> Span:
    return start.to(stream.tokens[stream.position - 1].span)


def _log(stream: Stream) -> Plain:
    start = stream.take()
    prefix: str | None = None
    group: int | None = None
    snaplen = threshold = 0
    level = ""
    flags: list[str] = []
    while stream.at("prefix", "group", "snaplen", "queue-threshold", "level", "flags"):
        match stream.take().text:
            case "prefix":
                prefix = stream.string().text
            case "group":
                group = stream.number()
            case "snaplen":
                snaplen = stream.number()
            case "queue-threshold":
                threshold = stream.number()
            case "level":
                token = stream.take()
                if token.text not in names.LOG_LEVELS:
                    raise NftError("invalid log level", token.span)
                level = token.text
            case _:
                flags += _log_flags(stream)
    if level and group is not None:
        raise NftError("level and group are mutually exclusive", start.span)
    statement = Log(prefix, group, snaplen, threshold, level, tuple(flags))
    return Plain(statement, start.span)


def _log_flags(stream: Stream) -> list[str]:
    word = stream.take().text
    if word in {"tcp", "ip"}:
        flags = [f"{word} {stream.take().text}"]
        while stream.accept(","):
            flags.append(f"{word} {stream.take().text}")
        return sorted(flags, key=lambda flag: flag != "tcp sequence")
    return [word]


def _limit(stream: Stream) -> Plain:
    start = stream.take()
    stream.expect("rate")
    over = stream.accept("over") is not None
    stream.accept("until")
    rate = stream.number()
    unit = ""
    slash = stream.peek()
    joined = slash.text.partition("/")
    if slash.kind == "string" and joined[0] in _UNITS and joined[2]:
        unit = joined[0]
        slash = slash._replace(text=f"/{joined[2]}")
    elif stream.at(*_UNITS):
        unit = stream.take().text
        slash = stream.peek()
    if slash.text.startswith("/") and len(slash.text) > 1:
        stream.take()
        per = slash.text[1:]
    else:
        stream.expect("/")
        per = stream.take().text
    burst, burst_unit = (0 if unit else 5), ("bytes" if unit else "")
    if stream.accept("burst"):
        token = stream.peek()
        burst = stream.number()
        if unit:
            burst_unit = stream.expect(*_UNITS).text
        else:
            word = stream.expect("packets", hint="packets")
            if burst == 0:
                span = Span(token.line, token.column - 6, word.span.last)
                raise NftError("packet limit burst must be > 0", span)
    if unit:
        rate, unit = _scale(rate * _UNITS[unit])
        burst, burst_unit = _scale(burst * _UNITS[burst_unit])
    if rate == 0:
        return Plain(Limit(0, per, burst, over, unit, burst_unit), _back(stream, start.span))
    return Plain(Limit(rate, per, burst, over, unit, burst_unit), _back(stream, start.span))


def _scale(octets: int) -> tuple[int, str]:
    for unit in ("gbytes", "mbytes", "kbytes"):
        if octets and octets % _UNITS[unit] == 0 and unit != "gbytes":
            return octets // _UNITS[unit], unit
    return octets, "bytes"


def _reject(stream: Stream) -> Plain:
    start = stream.take()
    if not stream.accept("with"):
        return Plain(Reject(), start.span)
    kind = stream.take()
    if kind.text == "tcp":
        stream.expect("reset")
        return Plain(Reject("tcp reset", ""), start.span, start.span)
    stream.accept("type")
    token = stream.take()
    table = {
        "icmp": names.ICMP_CODES,
        "icmpv6": names.ICMPV6_CODES,
        "icmpx": names.ICMPX_CODES,
    }.get(kind.text)
    if table is None:
        stream.fail(token=kind)
    reason = token.text
    if token.kind == "number":
        reason = next((name for name, code in table.items() if code == int(token.text)), reason)
    elif reason not in table:
        raise NftError(f"Could not parse {kind.text} code", token.span)
    return Plain(Reject(kind.text, reason), start.span, token.span)


def _nat(stream: Stream) -> Plain:
    start = stream.take()
    family = address = ""
    port: int | None = None
    if stream.at("ip", "ip6"):
        family = stream.take().text
    if stream.accept("to"):
        token = stream.peek()
        if token.kind in {"ip4", "ip6"}:
            address = stream.take().text
            family = family or ("ip" if token.kind == "ip4" else "ip6")
        elif stream.accept("["):
            address = stream.take().text
            family = "ip6"
            stream.expect("]")
        if stream.accept(":"):
            port = stream.number()
    flags: list[str] = []
    while stream.at("random", "fully-random", "persistent"):
        flags.append(stream.take().text)
        stream.accept(",")
    return Plain(Nat(start.text, family, address, port, tuple(flags)), _back(stream, start.span))


def _comparison(stream: Stream) -> StatementTerm:
    look = terms.field(stream)
    if stream.accept("vmap"):
        data = terms.elements(stream) if stream.at("{") else terms.named(stream)
        return VmapTerm(look, data, look.span.to(data.span))
    if stream.at("set"):
        stream.take()
        value = terms.value(stream, reads=True)
        return MangleTerm(look, value, look.span.to(value.span))
    left: Look | Bitwise = look
    while stream.peek().text in terms.OPERATORS and stream.peek().kind != "quoted":
        sign = terms.OPERATORS[stream.take().text]
        operand = _mask_operand(stream)
        left = Bitwise(sign, left, operand, left.span.to(operand.span))
    if isinstance(left, Bitwise) and stream.accept("vmap"):
        data = terms.elements(stream) if stream.at("{") else terms.named(stream)
        return VmapTerm(left, data, left.span.to(data.span))
    operator = ""
    token = stream.peek()
    if token.text in _COMPARISONS and token.kind in {"punct", "string"}:
        stream.take()
        operator = _WORDS.get(token.text, token.text)
    elif isinstance(left, Bitwise) and not stream.at("{", "@") and token.kind == "string":
        stream.fail()
    right = terms.right(stream)
    mask: Term | None = None
    if stream.at("/"):
        stream.take()
        mask = terms.right(stream)
    return MatchTerm(left, operator, right, mask, left.span.to(right.span))


def _mask_operand(stream: Stream) -> Term:
    if stream.accept("("):
        inside = terms.value(stream)
        stream.expect(")", hint="')'")
        return inside
    return terms.literal(stream)


DROP = Decision(Verdict("drop"))
