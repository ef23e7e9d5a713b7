"""What tables of others do to traffic between our zones, as findings.

A drop in any base chain is final, whatever the order; an accept is not, since our table still
judges the packet. The upper half of the connection mark is ours: writing to it is an error.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from segctl.model.errors import ParseError, Problem
from segctl.providers.nftables import names
from segctl.providers.nftables.build import MASK
from segctl.providers.nftables.document import EVERY
from segctl.providers.nftables.listing import digest_of, entries, hook_of, shaped
from segctl.providers.state import UNREAD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from segctl.providers.nftables.document import Document

_HOOKS = frozenset({"forward", "ingress", "egress", "prerouting", "postrouting"})
#: Hooks where a forwarded connection can be marked: the host's own ICMP errors about it go out.
_MARKING = _HOOKS | {"input", "output"}
_ALL_BITS = 0xFFFFFFFF


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
        text = json.dumps(self.lines)
        return tuple(
            (kind, str(values["name"]))
            for kind, values in self.objects
            if kind in ("set", "map") and f'"@{values["name"]}"' in text
        )

    def deciding(self, chain: str) -> str:
        """Return a digest of everything that decides which packets a chain's rules meet.

        That is every chain that leads to it or that these lead to, with its hook, its priority and
        its policy, and what the sets and maps hold that they name.
        """
        told = {name: json.dumps(rules) for name, rules in self.lines.items()}
        maps = {name: self.elements.get(f"{self.table} {name}", "") for _, name in self.sets()}
        for name, text in told.items():
            told[name] += "".join(held for one, held in maps.items() if f'"@{one}"' in text)
        leading = _closed({chain}, lambda of: [n for n, t in told.items() if _leads(t, of)])
        around = _closed(leading, lambda of: [n for n in told if _leads(told.get(of, ""), n)])
        used = {one for one in maps if any(f'"@{one}"' in told.get(name, "") for name in around)}
        parts = [
            [kind, values.get("name"), hook_of(values)]
            if kind == "chain"
            else [kind, values.get("chain"), values.get("expr")]
            for kind, values in self.objects
            if (kind == "chain" and values.get("name") in around)
            or (kind == "rule" and values.get("chain") in around)
        ]
        parts += [
            [kind, values, list(entries(held)) if (held := maps.get(str(values["name"]))) else ""]
            for kind, values in self.objects
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


def _closed(names: set[str], following: Callable[[str], list[str]]) -> set[str]:
    """Return names with all that follow from them."""
    found, waiting = set(names), list(names)
    while waiting:
        more = set(following(waiting.pop())) - found
        found |= more
        waiting += more
    return found


def _leads(text: str, chain: str) -> bool:
    """Whether rules, as JSON, jump or go to a chain."""
    return re.search(rf'"target": ?{re.escape(json.dumps(chain))}', text) is not None


def _table_findings(listed: _Listed) -> Iterator[Problem]:
    table, objects, lines = listed.table, listed.objects, listed.lines
    for kind, values in objects:
        if kind == "flowtable":
            yield Problem(
                message=f"flowtable {values.get('name')} of table {table} takes connections past "
                "every forward chain after their first packets",
                hint="remove our interfaces from it: a revoked connection would continue",
                severity="warning",
                subject=table,
            )
    yield from _mark_findings(listed)
    for kind, chain in objects:
        if kind != "chain" or chain.get("hook") not in _HOOKS:
            continue
        reached = "".join(_reached(str(chain["name"]), lines))
        where = (
            f"chain {chain['name']} of table {table} "
            f"(hook {chain['hook']}, priority {chain.get('prio')})"
        )
        drops = chain.get("policy") == "drop" or '"drop"' in reached or '"reject"' in reached
        if drops:
            how = "by policy" if chain.get("policy") == "drop" else "in a rule"
            yield Problem(
                message=f"{where} can drop {how} what our conduits permit: a drop in any table "
                "is final",
                hint="have its owner accept traffic between our zones",
                severity="warning",
                subject=f"{table} {chain['name']}",
            )
        elif '"accept"' in reached and chain["hook"] == "forward":
            yield Problem(
                message=f"{where} accepts packets; table {names.TABLE} still judges them",
                severity="note",
                subject=f"{table} {chain['name']}",
            )


def _mark_findings(listed: _Listed) -> Iterator[Problem]:
    """Report rules that write our half of the connection mark, wherever they are."""
    table = listed.table
    for chain in listed.taking:
        yield Problem(
            message=f"a rule in chain {chain} of table {table} sets bits of the connection "
            f"mark that are segctl's (0x{MASK:08x}): they say which rule has judged it",
            hint="have its owner preserve them: ct mark set ct mark and 0xffff0000 or "
            "VALUE, with "
            "a VALUE below 0x10000",
            severity="error",
            subject=f"{table} {chain}",
            about=("mark", table, chain, listed.deciding(chain)),
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


def _takes_our_bits(statement: Mapping[str, Any]) -> bool:
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


def _reached(start: str, lines: Mapping[str, list[Any]]) -> Iterator[str]:
    waiting, seen = [start], set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        text = json.dumps(lines.get(name, []))
        yield text
        waiting += [other for other in lines if f'"target": "{other}"' in text]
