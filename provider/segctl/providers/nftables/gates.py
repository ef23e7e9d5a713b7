"""Chains of others that may drop forwarded packets, as far as their rules are understood.

A rule stands for all packets that it may match. It counts as certain only where each of its
matches is understood, so that what a chain surely accepts can be told from what it may drop.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, cast

from segctl.analysis.space import (
    ALL_ADDRESSES,
    ALL_SERVICES,
    PROTOCOLS,
    addresses,
    common,
    ranges,
    service,
    together,
)
from segctl.model.addresses import interval
from segctl.model.gate import Gate, GateRule
from segctl.providers.nftables.document import EVERY
from segctl.providers.nftables.listing import entries, shaped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from segctl.analysis.space import Numbers
    from segctl.providers.nftables.document import Document

_HOOKS: Final = frozenset({"forward", "ingress", "egress", "prerouting", "postrouting"})
#: Those before which no rule of ours has judged a packet that is handed on.
_PASSING: Final = frozenset({"ingress", "egress"})
#: More rules of one base chain, or chains within chains, are not looked at one by one.
_MOST: Final = 256
_DEPTH: Final = 8
#: Statements that neither match nor decide.
_IDLE: Final = frozenset({"counter", "log", "mangle", "comment", "dup"})
#: Words in a rule that is not understood which may end in a drop.
_DROPPING: Final = re.compile(r'"(drop|reject|queue|return|notrack|REJECT|DROP|NFQUEUE)"')
_PROTOCOLS: Final = (
    ("meta", None, "l4proto"),
    ("payload", "ip", "protocol"),
    ("payload", "ip6", "nexthdr"),
)
_SIDES: Final = tuple(
    ("payload", family, side) for side in ("saddr", "daddr") for family in ("ip", "ip6")
)
_PORTS: Final = {"tcp": ("tcp",), "udp": ("udp",), "th": ("tcp", "udp")}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Matched:
    """What the matches of a rule leave of all packets; `normal` of connections' usual states."""

    certain: bool = True
    normal: bool = True
    enters: frozenset[str] | None = None
    leaves: frozenset[str] | None = None
    sources: Numbers = ALL_ADDRESSES
    destinations: Numbers = ALL_ADDRESSES
    services: Numbers = ALL_SERVICES

    def rule(self, *, accepts: bool) -> GateRule:
        return GateRule(
            action="accept" if accepts else "drop",
            certain=self.certain,
            enters=tuple(sorted(self.enters or ())),
            leaves=tuple(sorted(self.leaves or ())),
            sources=self.sources,
            destinations=self.destinations,
            services=self.services,
        )


def passes_on(start: str, lines: Mapping[str, list[Any]]) -> bool:
    """Whether a rule of a chain, or of one that it leads to, hands packets on to an interface."""
    waiting, seen = [start], {start}
    while waiting:
        text = json.dumps(lines.get(waiting.pop(), []))
        if '{"fwd":' in text:
            return True
        targets = {one for one in lines if f'"target": {json.dumps(one)}' in text} - seen
        seen |= targets
        waiting += targets
    return False


class _UnknownError(Exception):
    """A match or a chain that is not understood."""


def gates(document: Document) -> Iterator[Gate]:
    """Yield the chains of others, and tables that could not be read, that may stop packets."""
    for table, reason in document.unread.items():
        what = "tables of others" if table == EVERY else f"table {table}"
        yield Gate(name=what, why=f"what it does is not known: {reason}", drops=True, opens=True)
    for table, listing in document.foreign.items():
        try:
            with shaped():
                found = list(_of_table(table, list(entries(listing))))
        except ValueError:
            why = "its listing is not understood"
            found = [Gate(name=f"table {table}", why=why, drops=True, opens=True)]
        yield from found


def _of_table(table: str, objects: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterator[Gate]:
    lines: dict[str, list[Any]] = {}
    sets: dict[str, Any] = {}
    for kind, values in objects:
        if kind == "rule":
            lines.setdefault(str(values["chain"]), []).append(values.get("expr", []))
        elif kind == "set" and {*values.get("flags", ())} <= {"interval", "constant"}:
            sets[str(values["name"])] = values.get("elem", [])
    for kind, chain in objects:
        if kind != "chain" or chain.get("hook") not in _HOOKS:
            continue
        name = str(chain["name"])
        rules, answered = _read(lines, sets, name)
        if chain["hook"] in _PASSING and passes_on(name, lines):
            why = "it hands packets on to interfaces, past our rules"
            yield Gate(name=f"chain {name} of table {table}", why=why, opens=True)
        drops = chain.get("policy") == "drop"
        if drops or any(rule.action == "drop" for rule in rules):
            yield Gate(
                name=f"chain {name} of table {table}",
                why="it may drop what our rules permit",
                rules=rules,
                drops=drops,
                answered=answered,
            )


def _read(
    lines: Mapping[str, list[Any]], sets: Mapping[str, Any], name: str
) -> tuple[tuple[GateRule, ...], int | None]:
    """Return the rules of a base chain, and after how many of them it accepts all answers."""
    reader, rules = _Reader(lines, sets), list[GateRule]()
    answered: int | None = None
    try:
        for rule in reader.of_chain(name, _Matched(), 0):
            if reader.established and answered is None:
                answered = len(rules)
            rules.append(rule)
    except _UnknownError:
        return (_Matched(certain=False).rule(accepts=False),), None
    if reader.established and answered is None:
        answered = len(rules)
    return tuple(rules), answered


class _Reader:
    """Reads the rules of one table; `established` is whether a rule has accepted replies."""

    def __init__(self, lines: Mapping[str, list[Any]], sets: Mapping[str, Any]) -> None:
        self._lines = lines
        self._sets = sets
        self.established = False
        self._count = 0

    def of_chain(self, name: str, within: _Matched, depth: int) -> Iterator[GateRule]:
        """Yield the rules of a chain that packets reach that are `within` something.

        Raises:
            _UnknownError: there are too many of them.
        """
        if depth > _DEPTH:
            raise _UnknownError
        for statements in self._lines.get(name, []):
            self._count += 1
            if self._count > _MOST:
                raise _UnknownError
            yield from self._of_rule(cast("list[Any]", statements), within, depth)

    def _of_rule(self, statements: list[Any], within: _Matched, depth: int) -> Iterator[GateRule]:
        found = within
        for statement in statements:
            ((kind, value),) = cast("dict[str, Any]", statement).items()
            if kind == "match":
                found = self._narrowed(found, value)
            elif kind in ("accept", "drop", "reject"):
                yield from self._verdict(found, json.dumps(statements), accepts=kind == "accept")
                return
            elif kind in ("jump", "goto"):
                yield from self.of_chain(str(value["target"]), found, depth + 1)
                if kind == "goto":  # what its chain does not decide ends with the base chain
                    yield replace(found, certain=False).rule(accepts=False)
                    return
            elif kind not in _IDLE:
                found = replace(found, certain=False)
                if self._may_drop(kind, value):
                    yield found.rule(accepts=False)

    def _verdict(self, found: _Matched, text: str, *, accepts: bool) -> Iterator[GateRule]:
        """Yield a rule; one for connections of other states than usual ones accepts nothing new."""
        if found.normal:
            yield found.rule(accepts=accepts)
        elif not accepts:
            if '"invalid"' not in text or '"established"' in text:
                yield replace(found, certain=False).rule(accepts=False)
        elif found == _Matched(normal=False) and '"established"' in text:
            self.established = True

    def _may_drop(self, kind: str, value: Any) -> bool:
        """Whether a statement that is not understood may end in a drop, by itself or its chains."""
        waiting, seen = [json.dumps({kind: value})], set[str]()
        while waiting:
            text = waiting.pop()
            if _DROPPING.search(text) or (kind == "vmap" and '"@' in text) or value is None:
                return True
            for name in self._lines:
                if name not in seen and f'"target": {json.dumps(name)}' in text:
                    seen.add(name)
                    waiting.append(json.dumps(self._lines[name]))
        return False

    # --- matches ---------------------------------------------------------------------------------

    def _narrowed(self, found: _Matched, match: Mapping[str, Any]) -> _Matched:
        left, right, op = match["left"], match["right"], match["op"]
        if op not in ("==", "in"):
            return replace(found, certain=False)
        try:
            return self._one(found, left, right)
        except (_UnknownError, KeyError, TypeError, ValueError, AttributeError):
            return replace(found, certain=False)

    def _one(self, found: _Matched, left: Any, right: Any) -> _Matched:
        ((kind, of),) = left.items()
        key = str(of.get("key") or of.get("field"))
        if kind == "meta" and key in ("iifname", "iif"):
            return replace(found, enters=self._interfaces(found.enters, right))
        if kind == "meta" and key in ("oifname", "oif"):
            return replace(found, leaves=self._interfaces(found.leaves, right))
        if kind == "ct" and key == "state":
            states = set(self._values(right))
            if "new" in states:
                whole = self.established or "established" in states
                return replace(found, certain=found.certain and whole)
            return replace(found, normal=False)
        spoken = (kind, of.get("protocol"), key)
        if spoken in _PROTOCOLS:
            listed = together([_protocol(one) for one in self._values(right)])
            return replace(found, services=common(found.services, listed))
        if spoken in _SIDES[:2]:
            return replace(found, sources=self._addresses(found.sources, right))
        if spoken in _SIDES[2:]:
            return replace(found, destinations=self._addresses(found.destinations, right))
        if kind == "payload" and of["protocol"] in _PORTS and key == "dport":
            spans = [_span(one) for one in self._values(right)]
            listed = ranges(
                part
                for protocol in _PORTS[of["protocol"]]
                for first, last in spans
                for part in service(protocol, first, last)
            )
            return replace(found, services=common(found.services, listed))
        raise _UnknownError

    def _interfaces(self, held: frozenset[str] | None, right: Any) -> frozenset[str]:
        names = frozenset(map(str, self._values(right)))
        both = names if held is None else names & held
        if not both or any("*" in one for one in names):
            raise _UnknownError
        return both

    def _addresses(self, held: Numbers, right: Any) -> Numbers:
        return common(held, addresses(_interval(one) for one in self._values(right)))

    def _values(self, right: Any) -> Iterable[Any]:
        if isinstance(right, str) and right.startswith("@"):
            listed: list[Any] = self._sets[right[1:]]
            return listed
        if isinstance(right, dict) and "set" in right:
            return cast("list[Any]", right["set"])
        return cast("Iterable[Any]", right) if isinstance(right, list) else [right]


def _protocol(value: Any) -> Numbers:
    number = PROTOCOLS.get({"ipv6-icmp": "icmpv6"}.get(str(value), str(value)))
    return service(int(value) if number is None else number)


def _interval(value: Any) -> tuple[int, int, int]:
    if isinstance(value, str):
        return interval(value)
    if "prefix" in value:
        return interval(f"{value['prefix']['addr']}/{value['prefix']['len']}")
    first, last = value["range"]
    return interval(f"{first}-{last}")


def _span(value: Any) -> tuple[int, int]:
    if isinstance(value, dict):
        first, last = cast("dict[str, Any]", value)["range"]
        return int(first), int(last)
    return int(value), int(value)
