"""What tables of others do to traffic between our zones, as findings.

A drop in any base chain is final, whatever the order; an accept is not, since our table still
judges the packet. The upper half of the connection mark is ours: writing to it is an error.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from segctl.model.errors import ParseError, Problem
from segctl.providers.nftables import names
from segctl.providers.nftables.build import MASK
from segctl.providers.nftables.document import EVERY
from segctl.providers.nftables.gates import passes_on
from segctl.providers.nftables.listing import digest_of, entries, hook_of, shaped
from segctl.providers.state import BYPASS, GATED, UNREAD

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import TypeAlias

    from segctl.providers.nftables.document import Document

    #: What the rules of a chain have of `_VERDICTS`, and the chains to which they lead.
    _Told: TypeAlias = tuple[frozenset[str], frozenset[str]]

_HOOKS = frozenset({"forward", "ingress", "egress", "prerouting", "postrouting"})
#: Hooks where a forwarded connection can be marked: the host's own ICMP errors about it go out.
_MARKING = _HOOKS | {"input", "output"}
_ALL_BITS = 0xFFFFFFFF
#: More chains that write our half of the mark in one table are not told apart in digests.
_MANY = 64
#: What a rule may do to a packet, as it stands in JSON.
_VERDICTS = ("drop", "reject", "accept")
_TARGET = re.compile(r'"target": ?("(?:[^"\\]|\\.)*")')
_NAMED = re.compile(r'"@([^"\\]+)"')


def hooked_tables(chains: str) -> list[str]:
    """Return the ``family name`` of others' tables whose base chains affect forwarded packets.

    Raises:
        ValueError: `chains` is not a listing.
    """
    tables: dict[str, None] = {}
    with shaped():
        for kind, values in entries(chains):
            table = f"{values.get('family')} {values.get('table')}"
            if kind == "chain" and values.get("hook") in _MARKING and table != names.TABLE:
                tables[table] = None
    return list(tables)


def foreign_findings(document: Document) -> Iterator[Problem]:
    """Judge others' base chains on the path of forwarded packets, and the marks they set."""
    yield from (_unread(table, reason) for table, reason in document.unread.items())
    for table, listing in document.foreign.items():
        try:
            with shaped():
                listed = _Listed.of(table, entries(listing), document.elements)
                findings = tuple(_table_findings(listed))
        except ValueError as error:
            raise ParseError(
                document.host, f"its listing of table {table} is not understood"
            ) from error
        yield from findings


def _unread(table: str, reason: str) -> Problem:
    """Report that a table's effect is unknown: that is drift, but blocks no change of ours."""
    one = table != EVERY
    return Problem(
        message=f"cannot tell what {f'table {table}' if one else 'tables of others'} "
        f"do{'es' if one else ''} to traffic between our zones: {reason}",
        hint="it may drop what our conduits permit, or let connections bypass our rules: "
        "update nftables on the host, or have its owner remove it (docs/nftables.md, "
        "Versions)",
        severity="warning",
        kind=UNREAD,
        subject=table,
        about=("table", table, reason),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listed:
    """A table of others: its objects by kind, its rules by chain, and what its sets hold."""

    table: str
    objects: tuple[tuple[str, Mapping[str, Any]], ...]
    lines: Mapping[str, list[Any]]
    elements: Mapping[str, str]

    @classmethod
    def of(
        cls,
        table: str,
        objects: Iterable[tuple[str, Mapping[str, Any]]],
        elements: Mapping[str, str],
    ) -> _Listed:
        """Return it from its listing; `elements` are listings of sets, by table and name."""
        held = tuple(objects)
        lines: dict[str, list[Any]] = {}
        for kind, values in held:
            if kind == "rule":
                lines.setdefault(str(values["chain"]), []).append(values.get("expr", []))
        return cls(table=table, objects=held, lines=lines, elements=elements)

    @property
    def taking(self) -> tuple[str, ...]:
        """The chains with rules that write our half of the connection mark."""
        return tuple(
            chain
            for chain, rules in self.lines.items()
            if any(_takes_our_bits(one) for rule in rules for one in rule)
        )

    def sets(self) -> tuple[tuple[str, str], ...]:
        """Return the kinds and names of the sets and maps that rules name."""
        named = {name for rules in self.lines.values() for name in _named(json.dumps(rules))}
        return tuple(
            (kind, str(values["name"]))
            for kind, values in self.objects
            if kind in ("set", "map") and values["name"] in named
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Deciding:
    """What decides which packets the rules of some chains of a table meet.

    `onward` has the chains to which the rules of each lead, `back` those from which they are
    reached; `named` the sets and maps that they name. All of it is found once: a table may have
    thousands of chains.
    """

    listed: _Listed
    apart: bool
    maps: Mapping[str, str]
    onward: Mapping[str, set[str]]
    back: Mapping[str, set[str]]
    named: Mapping[str, set[str]]
    known: dict[frozenset[str], str] = field(default_factory=dict[frozenset[str], str])

    @classmethod
    def of(cls, listed: _Listed, chains: Sequence[str]) -> _Deciding:
        """Return it for these chains of a table."""
        told = {name: json.dumps(rules) for name, rules in listed.lines.items()}
        maps = {n: listed.elements.get(f"{listed.table} {n}", "") for _, n in listed.sets()}
        written = _written(told)
        within = {name: _targets(held, written) for name, held in maps.items()}
        named = {name: maps.keys() & _named(text) for name, text in told.items()}
        onward: dict[str, set[str]] = {}
        back: dict[str, set[str]] = {name: set() for name in told}
        for name, text in told.items():
            onward[name] = _targets(text, written).union(*(within[one] for one in named[name]))
            for one in onward[name]:
                back[one].add(name)
        return cls(
            listed=listed,
            apart=len(chains) <= _MANY,
            maps=maps,
            onward=onward,
            back=back,
            named=named,
        )

    def digest(self, chain: str) -> str:
        """Return a digest of everything that decides which packets a chain's rules meet.

        That is every chain that leads to it or that these lead to, with its hook, its priority and
        its policy, and what the sets and maps hold that they name. Where a table has many such
        chains, it is all of them: a digest for each would take the time of their number squared.
        """
        key = frozenset[str]()
        if self.apart:
            key = frozenset(_closed(_closed({chain}, self.back), self.onward))
        if key not in self.known:
            self.known[key] = self._digest(key or frozenset(self.onward))
        return self.known[key]

    def _digest(self, around: frozenset[str]) -> str:
        used = {one for name in around for one in self.named.get(name, ())}
        objects = self.listed.objects
        parts = [
            [kind, values.get("name"), hook_of(values)]
            if kind == "chain"
            else [kind, values.get("chain"), values.get("expr")]
            for kind, values in objects
            if (kind == "chain" and values.get("name") in around)
            or (kind == "rule" and values.get("chain") in around)
        ]
        parts += [
            [kind, values, list(entries(held)) if (held := self.maps[values["name"]]) else ""]
            for kind, values in objects
            if kind in ("set", "map") and values["name"] in used
        ]
        return digest_of(parts)


def sets_of_marks(table: str, listing: str) -> tuple[tuple[str, str], ...]:
    """Return the sets and maps on which rules rest that write our half of the connection mark.

    They are those of a table with such rules that any of its rules names, by kind and name;
    whoever accepts such a rule accepts it with what they hold.

    Raises:
        ValueError: it is not a listing.
    """
    with shaped():
        listed = _Listed.of(table, entries(listing), {})
        return listed.sets() if listed.taking else ()


def _closed(names: set[str], following: Mapping[str, set[str]]) -> set[str]:
    """Return names with all that follow from them."""
    found, waiting = set(names), list(names)
    while waiting:
        more = following.get(waiting.pop(), set[str]()) - found
        found |= more
        waiting += more
    return found


def _written(chains: Iterable[str]) -> dict[str, str]:
    """Return the names of chains by how they are written in JSON."""
    return {json.dumps(name): name for name in chains}


def _targets(text: str, written: Mapping[str, str]) -> set[str]:
    """Return the chains to which rules or elements, as JSON, jump or go."""
    return {written[one[1]] for one in _TARGET.finditer(text) if one[1] in written}


def _named(text: str) -> set[str]:
    """Return the sets and maps that rules, as JSON, name."""
    return {found[1] for found in _NAMED.finditer(text)}


def _table_findings(listed: _Listed) -> Iterator[Problem]:
    table, objects, lines = listed.table, listed.objects, listed.lines
    for kind, values in objects:
        if kind == "flowtable":
            yield Problem(
                message=f"flowtable {values.get('name')} of table {table} takes connections past "
                "every forward chain after their first packets",
                hint="remove our interfaces from it: a revoked connection would continue",
                severity="warning",
                kind=BYPASS,
                subject=table,
            )
    yield from _mark_findings(listed)
    written = _written(lines)
    told: dict[str, _Told] = {}
    for kind, chain in objects:
        if kind != "chain" or chain.get("hook") not in _HOOKS:
            continue
        reached = _reached(str(chain["name"]), lines, written, told)
        where = (
            f"chain {chain['name']} of table {table} "
            f"(hook {chain['hook']}, priority {chain.get('prio')})"
        )
        if chain["hook"] in ("ingress", "egress") and passes_on(str(chain["name"]), lines):
            yield Problem(
                message=f"{where} hands packets on to an interface, past every forward chain: "
                "cannot tell what passes between our zones",
                hint="have its owner take our interfaces out of it",
                severity="warning",
                kind=UNREAD,
                subject=f"{table} {chain['name']}",
                about=("table", table, str(chain["name"]), "fwd"),
            )
        drops = chain.get("policy") == "drop" or bool(reached & {"drop", "reject"})
        if drops:
            how = "by policy" if chain.get("policy") == "drop" else "in a rule"
            yield Problem(
                message=f"{where} can drop {how} what our conduits permit: a drop in any table "
                "is final",
                hint="have its owner accept traffic between our zones",
                severity="warning",
                kind=GATED,
                subject=f"{table} {chain['name']}",
            )
        elif "accept" in reached and chain["hook"] == "forward":
            yield Problem(
                message=f"{where} accepts packets; table {names.TABLE} still judges them",
                severity="note",
                subject=f"{table} {chain['name']}",
            )


def _mark_findings(listed: _Listed) -> Iterator[Problem]:
    """Report rules that write our half of the connection mark, wherever they are."""
    table, taking = listed.table, listed.taking
    decided = _Deciding.of(listed, taking) if taking else None
    digests = {} if decided is None else {chain: decided.digest(chain) for chain in taking}
    for chain, digest in digests.items():
        yield Problem(
            message=f"a rule in chain {chain} of table {table} sets bits of the connection "
            f"mark that are segctl's (0x{MASK:08x}): they say which rule has judged it",
            hint="have its owner preserve them: ct mark set ct mark and 0xffff0000 or "
            "VALUE, with "
            "a VALUE below 0x10000",
            severity="error",
            subject=f"{table} {chain}",
            about=("mark", table, chain, digest),
        )
    statements = (one for rules in listed.lines.values() for rule in rules for one in rule)
    if any("xt" in one and not one["xt"] for one in statements):
        yield Problem(
            message=f"table {table} has rules of iptables that this nft does not show: whether "
            "they set the connection mark cannot be told",
            hint="look for CONNMARK in the output of iptables-nft-save",
            severity="note",
            subject=table,
        )


def _takes_our_bits(statement: Mapping[str, Any] | str) -> bool:
    if isinstance(statement, str):  # nft 1.0 has no JSON for some, such as adding to a map
        return "ct mark set" in statement
    found = statement.get("xt")
    if found and found.get("name") == "CONNMARK" and found.get("type") != "match":
        return True
    mangle = statement.get("mangle")
    if not mangle or mangle["key"] != {"ct": {"key": "mark"}}:
        return False
    return _kept(mangle["value"]) & MASK != MASK


def _kept(value: Any) -> int:
    """Return the bits of the connection mark that keep their value."""
    if value == {"ct": {"key": "mark"}}:
        return _ALL_BITS
    if not isinstance(value, dict):
        return 0
    ((sign, parts), *more) = cast("dict[str, Any]", value).items()
    if more or sign not in ("&", "|", "^"):
        return 0
    kept = _kept(parts[0])
    for number in parts[1:]:
        if not isinstance(number, int):
            return 0
        kept &= number if sign == "&" else ~number
    return kept


def _reached(
    start: str,
    lines: Mapping[str, list[Any]],
    written: Mapping[str, str],
    told: dict[str, _Told],
) -> set[str]:
    """Return which words of `_VERDICTS` the rules have that a chain leads to.

    `told` remembers each chain.
    """
    waiting, seen = [start], {start}
    verdicts: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in told:
            text = json.dumps(lines.get(name, []))
            words = frozenset(word for word in _VERDICTS if f'"{word}"' in text)
            told[name] = words, frozenset(_targets(text, written))
        words, targets = told[name]
        verdicts |= words
        waiting += targets - seen
        seen |= targets
    return verdicts
