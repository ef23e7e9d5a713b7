"""What tables of others do to traffic between our zones, as findings.

A drop in any base chain is final, whatever the order; an accept is not, since our table still
judges the packet. The upper half of the connection mark is ours: writing to it is an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from segctl.model.errors import ParseError, Problem
from segctl.providers.nftables import names
from segctl.providers.nftables.build import MASK
from segctl.providers.nftables.document import EVERY
from segctl.providers.nftables.listing import entries, shaped
from segctl.providers.state import UNREAD

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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
                findings = tuple(_table_findings(table, list(entries(listing))))
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
        about=(table,),
    )


def _table_findings(table: str, objects: list[tuple[str, Mapping[str, Any]]]) -> Iterator[Problem]:
    lines: dict[str, list[Any]] = {}
    for kind, values in objects:
        if kind == "rule":
            lines.setdefault(str(values["chain"]), []).append(values.get("expr", []))
        elif kind == "flowtable":
            yield Problem(
                message=f"flowtable {values.get('name')} of table {table} takes connections past "
                "every forward chain after their first packets",
                hint="remove our interfaces from it: a revoked connection would continue",
                severity="warning",
                subject=table,
            )
    yield from _mark_findings(table, lines)
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


def _mark_findings(table: str, lines: Mapping[str, list[Any]]) -> Iterator[Problem]:
    """Report rules that write our half of the connection mark, wherever they are."""
    for chain, rules in lines.items():
        if any(_takes_our_bits(one) for rule in rules for one in rule):
            yield Problem(
                message=f"a rule in chain {chain} of table {table} sets bits of the connection "
                f"mark that are segctl's (0x{MASK:08x}): they say which rule has judged it",
                hint="have its owner preserve them: ct mark set ct mark and 0xffff0000 or "
                "VALUE, with "
                "a VALUE below 0x10000",
                severity="error",
                subject=f"{table} {chain}",
                about=("mark", table, chain),
            )
    statements = (one for rules in lines.values() for rule in rules for one in rule)
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
    import json

    waiting, seen = [start], set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        text = json.dumps(lines.get(name, []))
        yield text
        waiting += [other for other in lines if f'"target": "{other}"' in text]
