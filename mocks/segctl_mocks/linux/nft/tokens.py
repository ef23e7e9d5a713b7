"""Cutting nft text into tokens."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple

from segctl_mocks.linux.nft.errors import NftError, Span

#: Words that nft 1.0.6 takes as keywords wherever a name may stand (tried one by one).
_WORDS = """
    accept add ah all and arp auto-merge bridge chain comment comp constant continue counter
    cpu create ct day dccp define delete describe dnat drop dst dup dynamic ecn element
    elements eq esp ether exists expires export exthdr fib flags flow flush frag fwd
    gc-interval ge get goto gt handle hbh hook hour ibriport ibrname icmp icmpv6 igmp iif
    iifgroup iifname iiftype import include index inet insert interval ip ip6 ipsec jhash jump
    le limit list log lshift lt map mark masquerade meta meter mh missing monitor ne netdev
    nftrace not notrack numgen obriport obrname offload oif oifgroup oifname oiftype or osf
    pkttype policy position priority queue quota redefine redirect reject rename replace reset
    return rshift rt rt0 rt2 rtclassid rule ruleset sctp secmark set size skgid snat socket
    srh symhash synproxy table tcp th time timeout tproxy type typeof udp udplite undefine
    update vlan vmap xor xt
"""
KEYWORDS = frozenset(_WORDS.split())

_TOKEN = re.compile(
    r"""
    (?P<space>[ \t]+|\\\n|\#[^\n]*)
  | (?P<newline>\n)
  | (?P<quoted>"[^"]*")
  | (?P<mac>(?:[0-9a-fA-F]{1,2}:){5}[0-9a-fA-F]{1,2}(?![0-9a-fA-F:]))
  | (?P<ip6>(?:[0-9a-fA-F]{0,4}:){2,7}(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F]{0,4})
      (?![0-9a-zA-Z:]))
  | (?P<ip4>\d+\.\d+\.\d+\.\d+(?![0-9a-zA-Z.]))
  | (?P<clock>\d\d?:\d\d(?::\d\d)?(?![0-9a-zA-Z:]))
  | (?P<number>0x[0-9a-fA-F]+(?![0-9a-zA-Z_])|\d+(?![0-9a-zA-Z_]))
  | (?P<period>(?=\d)(?:\d+d)?(?:\d+h)?(?:\d+m)?(?:\d+s)?(?:\d+ms)?(?<=[dhms])(?![0-9a-zA-Z_]))
  | (?P<op>==|!=|<=|>=|<<|>>)
  | (?P<string>(?:[A-Za-z_]|\.(?=[A-Za-z0-9_./-]))[A-Za-z0-9_./-]*(?:\\?\*)?|\\\*)
  | (?P<odd>\d[A-Za-z0-9_.]*)
  | (?P<punct>[<>{}()\[\],.;:=&|^!@/*$+-])
  | (?P<junk>.)
    """,
    re.VERBOSE,
)

#: What stands between the braces of a long list of numbers, alone or joined by dots.
_LIST = re.compile(
    r"\s*NUMBER(?: \. NUMBER)*(?:,\s*NUMBER(?: \. NUMBER)*)*\s*(?=\})".replace(
        "NUMBER", "(?:0x[0-9a-fA-F]+|0|[1-9][0-9]*)"
    )
)
_LONG = 200

_NAMES = {
    "newline": "newline",
    "quoted": "quoted string",
    "number": "number",
    "end": "end of file",
    "junk": "junk",
    ",": "comma",
    ";": "semicolon",
    ":": "colon",
    ".": ".",
    "=": "'='",
}


class Token(NamedTuple):
    """One token and where it stands."""

    kind: str
    text: str
    line: int
    column: int

    @property
    def span(self) -> Span:
        """Where the token stands."""
        return Span(self.line, self.column, self.column + max(len(self.text), 1) - 1)

    def describe(self) -> str:
        """Name the token as the parser of nft does."""
        if self.kind in {"punct", "op"}:
            return _NAMES.get(self.text, f"'{self.text}'")
        if self.kind in _NAMES:
            return _NAMES[self.kind]
        if self.kind == "string" and self.text in KEYWORDS:
            return self.text
        return "string"


def tokenize(text: str) -> list[Token]:
    """Cut text into tokens; the last is of kind ``end``.

    A long list of numbers is one token, of kind ``numbers``.
    """
    return _cut(text, 1, 0, whole=True)


def tokens_of(numbers: Token) -> list[Token]:
    """Cut a token of kind ``numbers`` into the tokens it is made of."""
    return _cut(numbers.text, numbers.line, 1 - numbers.column, whole=False)[:-1]


def _cut(text: str, line: int, start: int, *, whole: bool) -> list[Token]:
    tokens: list[Token] = []
    position = 0
    match = _TOKEN.match
    while position < len(text):
        found = match(text, position)
        if found is None or found.lastgroup is None:
            raise NftError("syntax error, unexpected junk", Span(line, 1, 1))
        kind, value, begin = found.lastgroup, found.group(), position
        position = found.end()
        if kind == "space":
            if value == "\\\n":
                line, start = line + 1, position
            continue
        if kind in _AMBIGUOUS:
            kind, value = _decide(kind, value, text, begin)
            position = begin + len(value)
        tokens.append(Token(kind, value, line, begin - start + 1))
        if kind == "newline" or "\n" in value:
            line += value.count("\n")
            start = begin + value.rindex("\n") + 1
        if whole and value == "{":
            numbers = _LIST.match(text, position)
            if numbers is not None and numbers.end() - position > _LONG:
                inside = numbers.group()
                tokens.append(Token("numbers", inside, line, position - start + 1))
                position = numbers.end()
                if "\n" in inside:
                    line += inside.count("\n")
                    start = numbers.start() + inside.rindex("\n") + 1
    tokens.append(Token("end", "", line, position - start + 1))
    return tokens


_AMBIGUOUS = frozenset({"ip6", "odd", "op"})
_PLAIN = re.compile(r"[0-9a-zA-Z_.-]+")
_NUMBER = re.compile(r"0x[0-9a-fA-F]+|\d+")


def _decide(kind: str, value: str, text: str, begin: int) -> tuple[str, str]:
    """Return what a match of an ambiguous pattern is, and how much of it."""
    if kind == "op":
        return "punct", value
    if kind == "odd":
        return "number", value[: len(value) - len(value.lstrip("0123456789"))]
    if _is_ip6(value):
        return kind, value
    found = _PLAIN.match(text, begin)
    if found is None:
        return "punct", text[begin]
    return ("number" if _NUMBER.fullmatch(found.group()) else "string"), found.group()


def _is_ip6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
