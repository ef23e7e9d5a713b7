"""Chains of others that may drop forwarded packets, as far as their rules are understood.

A rule stands for all packets that it may match. It counts as certain only where each of its
matches is understood, so that what a chain surely accepts, and what it surely drops, can be told
from what it may drop.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, cast

from segctl.analysis.space import (
    ALL_ADDRESSES,
    ALL_SERVICES,
    PROTOCOLS,
    addresses,
    common,
    icmp,
    ranges,
    service,
    together,
    without,
)
from segctl.model.addresses import interval
from segctl.model.gate import Gate, GateRule
from segctl.model.icmp import TYPES
from segctl.providers.nftables.document import EVERY
from segctl.providers.nftables.listing import digest_of, entries, hook_of, shaped
from segctl.system.json_text import read_listing

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

    from segctl.analysis.space import Numbers
    from segctl.providers.nftables.document import Document

_HOOKS: Final = frozenset({"forward", "ingress", "egress", "prerouting", "postrouting"})
#: Hooks that do not know yet where a packet leaves, or no longer where it entered.
_ENTERING: Final = frozenset({"ingress", "prerouting"})
_LEAVING: Final = frozenset({"egress", "postrouting"})
#: The versions of IP that chains of a family meet; those of the others meet both.
_VERSIONS: Final = {"ip": ("0.0.0.0/0",), "ip6": ("::/0",)}
#: Those before which no rule of ours has judged a packet that is handed on.
_PASSING: Final = frozenset({"ingress", "egress"})
#: More rules of one base chain, or chains within chains, are not looked at one by one.
_MOST: Final = 256
_DEPTH: Final = 8
#: Statements that neither match nor decide.
_IDLE: Final = frozenset({"counter", "log", "mangle", "comment", "dup", "last"})
#: Statements that match or not by what they have counted or hold, and never decide.
_COUNTING: Final = frozenset({"limit", "quota", "ct count", "set", "flow"})
#: Statements by which a packet changes what a set or a map holds.
_FILLING: Final = frozenset({"set", "map"})
#: Flags of a set that changes only when somebody edits it.
_STEADY: Final = frozenset({"interval", "constant"})
_NAMED: Final = re.compile(r'"@([^"\\]+)"')
_VERDICTS: Final = frozenset({"accept", "drop", "reject", "jump", "goto", "return"})
#: What iptables does with a packet that neither ends its way nor hides it from later rules.
_LETTING: Final = frozenset(
    {"LOG", "NFLOG", "MARK", "CONNMARK", "TCPMSS", "CLASSIFY", "DSCP", "SET", "TRACE", "CHECKSUM"}
)
#: Words of rules that send a packet on under other addresses.
_TRANSLATING: Final = re.compile(r'"(masquerade|snat|dnat|redirect|MASQUERADE|[SD]NAT|REDIRECT)"')
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
_NFPROTO: Final = {"ipv4": 4, "ipv6": 6}
_PORTS: Final = {"tcp": ("tcp",), "udp": ("udp",), "th": ("tcp", "udp")}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Matched:
    """What the matches of a rule leave of all packets.

    `states` are those of connections where these are not new; None where they may be.
    """

    certain: bool = True
    states: frozenset[str] | None = None
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
    lies = _Lying.of(document)
    translating = any(map(_TRANSLATING.search, document.foreign.values()))
    for table, listing in document.foreign.items():
        try:
            with shaped():
                held = list(entries(listing))
                sets = _sets(table, held, document.elements)
                found = list(_of_table(table, held, sets, lies, translating=translating))
        except ValueError:
            why = "its listing is not understood"
            found = [Gate(name=f"table {table}", why=why, drops=True, opens=True)]
        yield from found


@dataclass(frozen=True, slots=True)
class _Lying:
    """Which interfaces lie on which: a VLAN on its port, a bridge on its members."""

    links: tuple[Mapping[str, Any], ...]

    @classmethod
    def of(cls, document: Document) -> _Lying:
        """Return it for a host; none where its list is not understood, as `parse` says."""
        try:
            links = cast("list[dict[str, Any]]", read_listing(document.links))
            return cls(tuple(dict(link) for link in links))
        except (ValueError, TypeError):
            return cls(())

    def on(self, devices: Iterable[str]) -> frozenset[str]:
        """Return interfaces with all that may lie on them; tunnels may lie on any."""
        found = set(devices)
        tunnels = {
            str(one.get("ifname"))
            for one in self.links
            if one.get("link_type") not in (None, "ether", "loopback")
        }
        while True:
            more = {str(one.get("ifname")) for one in self.links if one.get("link") in found}
            more |= {
                str(one["master"])
                for one in self.links
                if "master" in one and one.get("ifname") in found
            }
            if more <= found:
                return frozenset(found | tunnels)
            found |= more


def _of_table(
    table: str,
    objects: Sequence[tuple[str, Mapping[str, Any]]],
    sets: Mapping[str, list[Any]],
    lies: _Lying,
    *,
    translating: bool,
) -> Iterator[Gate]:
    lines = _lines(objects)
    flagged = any(kind == "table" and values.get("flags") for kind, values in objects)
    for kind, chain in objects:
        if kind != "chain" or chain.get("hook") not in _HOOKS:
            continue
        name, hook = str(chain["name"]), str(chain["hook"])
        if hook == "forward" and table.startswith("bridge "):
            continue  # what stays within a bridge goes from no zone to another
        where = _met(table.partition(" ")[0])
        if flagged or (translating and hook != "forward"):
            where = replace(where, certain=False)
        gate = _gate(table, chain, where, _Reader(lines, sets, hook, where), lies)
        if hook in _PASSING and passes_on(name, lines):
            why = "it hands packets on to interfaces, past our rules"
            yield Gate(name=gate.name, why=why, opens=True)
        if any(rule.action == "drop" for rule in gate.rules):
            yield replace(gate, digest=_digest(table, chain, objects, lines, sets))


def _lines(objects: Sequence[tuple[str, Mapping[str, Any]]]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for kind, values in objects:
        if kind == "rule":
            found.setdefault(str(values["chain"]), []).append(values.get("expr", []))
    return found


def lasting_sets(listing: str) -> tuple[tuple[str, str], ...]:
    """Return the sets and maps of a table that its rules look up and no packet changes.

    They are kinds and names. What the others hold may change at any time, so that nothing follows
    from it.

    Raises:
        ValueError: it is not a listing.
    """
    with shaped():
        objects = list(entries(listing))
        named = set(_NAMED.findall(json.dumps(list(_lines(objects).values()))))
        lasting = _lasting(objects)
        return tuple(
            (kind, str(values["name"]))
            for kind, values in objects
            if kind in ("set", "map") and values["name"] in named & lasting
        )


def _lasting(objects: Sequence[tuple[str, Mapping[str, Any]]]) -> frozenset[str]:
    """Return the names of the sets and maps that change only when somebody edits them."""
    changed = {
        name
        for rules in _lines(objects).values()
        for statements in rules
        for statement in statements
        for name in _filled(statement)
    }
    lasting: set[str] = set()
    for kind, values in objects:
        flags = values.get("flags", ())
        if kind in ("set", "map") and {*([flags] if isinstance(flags, str) else flags)} <= _STEADY:
            lasting.add(str(values["name"]))
    return frozenset(lasting - changed)


def _filled(statement: Any) -> Iterable[str]:
    """Return the sets and maps that a statement adds to.

    Of maps, nft 1.0 writes it as text.
    """
    if isinstance(statement, str):
        return re.findall(r"@(\S+)", statement)
    if statement.keys().isdisjoint(_FILLING):
        return ()
    return _NAMED.findall(json.dumps(statement))


def _sets(
    table: str, objects: Sequence[tuple[str, Mapping[str, Any]]], listings: Mapping[str, str]
) -> dict[str, list[Any]]:
    """Return what the sets and maps of a table hold that last; a short listing leaves it out."""
    found: dict[str, list[Any]] = {}
    lasting = _lasting(objects)
    for kind, values in objects:
        name = str(values.get("name"))
        if kind not in ("set", "map") or name not in lasting:
            continue
        if "elem" in values:
            found[name] = list(values["elem"])
            continue
        with suppress(ValueError):  # cut off, or refused: then nothing is known of it
            for of, held in entries(listings.get(f"{table} {name}", "")):
                if of == kind and held.get("name") == name:
                    found[name] = list(held.get("elem", ()))
    return found


def _met(family: str) -> _Matched:
    """Return the packets that chains of a family meet; those of a bridge may meet any."""
    versions = _VERSIONS.get(family)
    met = addresses(map(interval, versions)) if versions else ALL_ADDRESSES
    return _Matched(certain=family != "bridge", sources=met, destinations=met)


def _gate(
    table: str, chain: Mapping[str, Any], where: _Matched, reader: _Reader, lies: _Lying
) -> Gate:
    """Return the rules of a base chain that meets packets `where`; its policy is the last."""
    rules: list[GateRule] = []
    answered: int | None = None
    try:
        for rule in reader.of_chain(str(chain["name"]), where):
            if reader.established and answered is None:
                answered = len(rules)
            rules += _on(rule, chain, lies)
    except _UnknownError:
        unknown = replace(where, certain=False)
        rules = [
            one
            for accepts in (False, True)
            for one in _on(unknown.rule(accepts=accepts), chain, lies)
        ]
        answered = None
    else:
        if reader.established and answered is None:
            answered = len(rules)
    if chain.get("policy") == "drop":
        rules += _on(where.rule(accepts=False), chain, lies)
    return Gate(
        name=f"chain {chain['name']} of table {table}",
        why="it may drop what our rules permit",
        subject=f"{table} {chain['name']}",
        rules=tuple(rules),
        answered=answered,
    )


def _on(rule: GateRule, chain: Mapping[str, Any], lies: _Lying) -> Iterator[GateRule]:
    """Yield a rule for the interfaces that its chain is for, and for those that lie on them."""
    named = chain.get("dev")
    if not named or chain["hook"] not in _PASSING:
        yield rule
        return
    own = frozenset([named] if isinstance(named, str) else map(str, named))
    entering = chain["hook"] == "ingress"
    held = frozenset(rule.enters if entering else rule.leaves)
    for names, certain in ((own, rule.certain), (lies.on(own) - own, False)):
        if both := tuple(sorted(names & held if held else names)):
            one = replace(rule, certain=certain)
            yield replace(one, enters=both) if entering else replace(one, leaves=both)


def _digest(
    table: str,
    chain: Mapping[str, Any],
    objects: Sequence[tuple[str, Mapping[str, Any]]],
    lines: Mapping[str, list[Any]],
    sets: Mapping[str, list[Any]],
) -> str:
    """Return a digest of a base chain, of all that it leads to, and of the sets named there.

    What these hold is part of it as far as it is known.
    """
    told = {name: json.dumps(rules) for name, rules in lines.items()}
    waiting, seen = [str(chain["name"])], {str(chain["name"])}
    while waiting:
        text = told.get(waiting.pop(), "")
        text += "".join(json.dumps(sets[one]) for one in _NAMED.findall(text) if one in sets)
        more = {one for one in told if f'"target": {json.dumps(one)}' in text} - seen
        seen |= more
        waiting += more
    around = "".join(told.get(one, "") for one in seen)
    inside = {
        one: sorted(map(digest_of, sets[one]))
        for one in sorted({*_NAMED.findall(around)})
        if one in sets
    }
    held = [
        values
        for kind, values in objects
        if kind == "table" or (kind in ("set", "map") and f'"@{values.get("name")}"' in around)
    ]
    rules = [[name, lines.get(name, [])] for name in sorted(seen)]
    return digest_of([table, hook_of(chain), rules, held, *([inside] if inside else [])])


class _Reader:
    """Reads the rules of one table for a hook, of packets `where` they meet them.

    `established` is whether a rule has accepted replies.
    """

    def __init__(
        self,
        lines: Mapping[str, list[Any]],
        sets: Mapping[str, list[Any]],
        hook: str,
        where: _Matched,
    ) -> None:
        self._lines = lines
        self._sets = sets
        self._hook = hook
        self._where = where
        self.established = False
        self._count = 0

    def of_chain(self, name: str, within: _Matched, depth: int = 0) -> Iterator[GateRule]:
        """Yield the rules of a chain that packets reach that are `within` something.

        Where a rule lets some of them leave the chain, those after it match for certain no more.

        Raises:
            _UnknownError: there are too many of them.
        """
        if depth > _DEPTH:
            raise _UnknownError
        for statements in self._lines.get(name, []):
            self._count += 1
            if self._count > _MOST:
                raise _UnknownError
            leaving = yield from self._of_rule(cast("list[Any]", statements), within, depth)
            if leaving is within:
                return
            if leaving is not None:
                within = replace(within, certain=False)

    def _of_rule(
        self, statements: list[Any], within: _Matched, depth: int
    ) -> Generator[GateRule, None, _Matched | None]:
        """Yield what a rule decides, and return what of it leaves its chain, None for nothing."""
        found, leaving = within, None
        for at, statement in enumerate(statements):
            kind, value = _told(statement)
            if kind == "match":
                found = self._narrowed(found, value)
            elif kind in _VERDICTS:
                left = yield from self._verdict(found, kind, value, depth)
                return leaving or left
            elif kind == "vmap" and (cases := self._cases(value)) is not None:
                for match, verdict, target in cases:
                    one = self._narrowed(found, match)
                    left = yield from self._verdict(one, verdict, target, depth)
                    leaving = leaving or left
            elif kind in _COUNTING or (kind == "xt" and _matches(value, statements[at + 1 :])):
                found = replace(found, certain=False)
            elif kind not in _IDLE and not (kind == "xt" and value and value["name"] in _LETTING):
                found = replace(found, certain=False)
                if self._may_drop(kind, value):
                    yield found.rule(accepts=False)
                yield found.rule(accepts=True)
        return leaving

    def _verdict(
        self, found: _Matched, kind: str, value: Any, depth: int
    ) -> Generator[GateRule, None, _Matched | None]:
        """Yield what a verdict decides, and return what of it leaves the chain."""
        if kind in ("jump", "goto"):
            yield from self.of_chain(str(value["target"]), found, depth + 1)
        if kind in ("goto", "return"):
            usual = found.states is not None and "untracked" not in found.states
            return None if usual else found  # no packet that asks for something new leaves
        if kind in ("accept", "drop", "reject"):
            yield from self._decided(found, accepts=kind == "accept")
        return None

    def _decided(self, found: _Matched, *, accepts: bool) -> Iterator[GateRule]:
        """Yield a rule; one for connections of other states than usual ones accepts nothing new."""
        states = found.states
        if states is None:
            yield found.rule(accepts=accepts)
            return
        if not accepts:
            if "invalid" not in states or "established" in states:
                yield replace(found, certain=False).rule(accepts=False)
            return
        if found == replace(self._where, states=states) and "established" in states:
            self.established = True
        if "untracked" in states:
            yield replace(found, certain=False).rule(accepts=True)

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
        if op not in ("==", "in", "!="):
            return replace(found, certain=False)
        try:
            if op == "!=":
                return self._other(found, left, right)
            return self._one(found, left, right)
        except (_UnknownError, KeyError, TypeError, ValueError, AttributeError):
            return replace(found, certain=False)

    def _one(self, found: _Matched, left: Any, right: Any) -> _Matched:
        ((kind, of),) = left.items()
        key = str(of.get("key") or of.get("field"))
        if kind == "meta" and key in ("iifname", "iif"):
            sure = found.certain and self._hook not in _LEAVING
            return replace(found, certain=sure, enters=self._interfaces(found.enters, right))
        if kind == "meta" and key in ("oifname", "oif"):
            sure = found.certain and self._hook not in _ENTERING
            return replace(found, certain=sure, leaves=self._interfaces(found.leaves, right))
        if kind == "ct" and key == "state":
            states = frozenset(map(str, self._values(right)))
            if "new" in states:
                whole = self.established or "established" in states
                return replace(found, certain=found.certain and whole)
            return replace(found, states=states & (found.states or states))
        spoken = (kind, of.get("protocol"), key)
        if spoken in _SIDES[:2]:
            return replace(found, sources=self._addresses(found.sources, right))
        if spoken in _SIDES[2:]:
            return replace(found, destinations=self._addresses(found.destinations, right))
        if (kind, key) == ("meta", "nfproto"):
            return self._of_version(found, _NFPROTO[right])
        return self._spoken(found, spoken, right)

    def _other(self, found: _Matched, left: Any, right: Any) -> _Matched:
        """Return what of it has another value in a field: it has to have that field, though."""
        ((kind, of),) = left.items()
        key, protocol = str(of.get("key") or of.get("field")), of.get("protocol")
        listed = self._one(_Matched(), left, right)
        if (kind, protocol, key) in _SIDES:
            found = self._of_version(found, 4 if protocol == "ip" else 6)
            if key == "saddr":
                return replace(found, sources=without(found.sources, listed.sources))
            return replace(found, destinations=without(found.destinations, listed.destinations))
        if (kind, key) == ("meta", "l4proto"):
            return replace(found, services=without(found.services, listed.services))
        if key == "dport" and protocol in _PORTS:
            spoken = together([service(one) for one in _PORTS[protocol]])
        elif key == "type" and protocol in TYPES:
            found = self._of_version(found, 4 if protocol == "icmp" else 6)
            spoken = service(protocol)
        else:
            raise _UnknownError
        return replace(found, services=common(found.services, without(spoken, listed.services)))

    def _spoken(self, found: _Matched, spoken: tuple[str, str | None, str], right: Any) -> _Matched:
        """Return what of it is of a protocol, of some ports, or of some types of ICMP."""
        _, protocol, key = spoken
        if spoken in _PROTOCOLS:
            listed = together([_protocol(one) for one in self._values(right)])
            if protocol is not None:
                found = self._of_version(found, 4 if protocol == "ip" else 6)
            return replace(found, services=common(found.services, listed))
        if protocol in _PORTS and key == "dport":
            spans = [_span(one) for one in self._values(right)]
            listed = ranges(
                part
                for named in _PORTS[protocol]
                for first, last in spans
                for part in service(named, first, last)
            )
            return replace(found, services=common(found.services, listed))
        if protocol in TYPES and key == "type":
            types = [icmp(protocol, *_types(protocol, one)) for one in self._values(right)]
            found = self._of_version(found, 4 if protocol == "icmp" else 6)
            return replace(found, services=common(found.services, together(types)))
        raise _UnknownError

    def _of_version(self, found: _Matched, version: int) -> _Matched:
        whole = (ALL_ADDRESSES[0 if version == 4 else 1],)
        return replace(
            found,
            sources=common(found.sources, whole),
            destinations=common(found.destinations, whole),
        )

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
            return [_plain(one) for one in self._sets[right[1:]]]
        if isinstance(right, dict) and "set" in right:
            return [_plain(one) for one in cast("list[Any]", right["set"])]
        return cast("Iterable[Any]", right) if isinstance(right, list) else [right]

    def _cases(self, value: Any) -> list[tuple[dict[str, Any], str, Any]] | None:
        """Return a map's cases, each a match, a verdict and its target; None if not understood."""
        try:
            data = value["data"]
            held = self._sets[data[1:]] if isinstance(data, str) else data["set"]
            found: list[tuple[dict[str, Any], str, Any]] = []
            for key, verdict in held:
                ((kind, target),) = verdict.items()
                match = {"op": "==", "left": value["key"], "right": _plain(key)}
                found.append((match, kind, target))
        except (_UnknownError, LookupError, TypeError, ValueError, AttributeError):
            return None
        return found


def _told(statement: Any) -> tuple[str, Any]:
    """Return the kind of a statement and what it says; nft writes some as a text only."""
    if isinstance(statement, str):
        return "text", None
    ((kind, value),) = cast("dict[str, Any]", statement).items()
    return kind, value


def _plain(element: Any) -> Any:
    """Return an element of a set without what is only noted beside it.

    Raises:
        _UnknownError: it lasts for a time, or matches by more than what it is.
    """
    told: dict[str, Any] = (
        cast("dict[str, Any]", element) if isinstance(element, dict) else {"elem": {"val": element}}
    )
    if "elem" not in told:
        return told
    held = cast("dict[str, Any]", told["elem"])
    if not held.keys() <= {"val", "comment", "counter"}:
        raise _UnknownError
    return held["val"]


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


def _types(protocol: str, value: Any) -> tuple[int, int]:
    """Return the first and the last type of ICMP that a value means."""
    ends = cast("dict[str, Any]", value)["range"] if isinstance(value, dict) else [value, value]
    first, last = cast("list[Any]", ends)
    known = cast("Mapping[str, Any]", TYPES[protocol])
    return int(known.get(str(first), first)), int(known.get(str(last), last))


def _matches(value: Any, rest: Sequence[Any]) -> bool:
    """Whether a statement of iptables is a match, with `rest` after it; its action is the last."""
    if value:
        return bool(value.get("type") == "match")
    return any(kind in _VERDICTS for one in rest for kind in one)
