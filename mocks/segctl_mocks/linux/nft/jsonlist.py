"""Listing the ruleset as JSON, with the shapes of nft 1.0.6; types of sets also as in nft 1.1."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from segctl_mocks.linux.nft.listing import Options, ordered
from segctl_mocks.linux.nft.nodes import Value, Verdict, key_jsons

if TYPE_CHECKING:
    from segctl_mocks.linux.nft.state import (
        Chain,
        Declaration,
        Element,
        NamedCounter,
        NamedSet,
        Rule,
        Table,
    )
    from segctl_mocks.linux.nft.types import Json


class JsonListing:
    """Writes tables as JSON objects; table and chain comments are lost, as in 1.0.6."""

    def __init__(self, options: Options) -> None:
        self.options = options

    def everything(self, table: Table) -> list[Json]:
        """Return a table with all it holds: counters, sets and maps, chains, rules."""
        found: list[Json] = [self.table(table)]
        found += [self.counter(table, each) for each in table.counters.values()]
        found += [self.set(table, each) for each in table.sets.values()]
        found += [self.chain(table, each) for each in table.chains.values()]
        for chain in table.chains.values():
            found += self.rules(table, chain)
        return found

    def table(self, table: Table) -> Json:
        """Return the table itself."""
        out: dict[str, Json] = {
            "family": table.family,
            "name": table.name,
            "handle": table.handle,
        }
        if table.flags:
            out["flags"] = "owner"  # what 1.0.6 says of a dormant table
        return {"table": out}

    def counter(self, table: Table, counter: NamedCounter) -> Json:
        """Return a named counter."""
        out: dict[str, Json] = {
            "family": table.family,
            "name": counter.name,
            "table": table.name,
            "handle": counter.handle,
        }
        if counter.comment is not None:
            out["comment"] = counter.comment
        return {"counter": {**out, "packets": counter.packets, "bytes": counter.octets}}

    def chain(self, table: Table, chain: Chain) -> Json:
        """Return a chain."""
        out: dict[str, Json] = {
            "family": table.family,
            "table": table.name,
            "name": chain.name,
            "handle": chain.handle,
        }
        base = chain.base
        if base is not None:
            out |= {
                "type": base.kind,
                "hook": base.hook,
                "prio": base.priority,
                "policy": base.policy,
            }
        return {"chain": out}

    def rules(self, table: Table, chain: Chain) -> list[Json]:
        """Return the rules of a chain."""
        return [self._rule(table, chain, rule) for rule in chain.rules]

    def _rule(self, table: Table, chain: Chain, rule: Rule) -> Json:
        out: dict[str, Json] = {
            "family": table.family,
            "table": table.name,
            "chain": chain.name,
            "handle": rule.handle,
        }
        if rule.comment is not None:
            out["comment"] = rule.comment
        stateless = self.options.stateless
        out["expr"] = [each.json(stateless=stateless) for each in rule.statements]
        return {"rule": out}

    def set(self, table: Table, found: NamedSet) -> Json:
        """Return a set or map."""
        declaration = found.declaration
        names: list[Json] = [kind.name for kind in declaration.kinds]
        kinds: Json = names[0] if len(names) == 1 else names
        if self.options.typeof and declaration.typeof_json:
            kinds = {"typeof": json.loads(declaration.typeof_json)}
        out: dict[str, Json] = {
            "family": table.family,
            "name": found.name,
            "table": table.name,
            "type": kinds,
            "handle": found.handle,
        }
        if declaration.is_map:
            kind = declaration.data_kind
            out["map"] = kind.name if kind is not None else declaration.data
        out |= _details(declaration)
        if found.elements and not self.options.terse:
            how = ("json", self.options.stateless)
            if how not in found.shown or found.timed:
                listed = ordered(found)
                keys = key_jsons(declaration.kinds, tuple(key for key, _ in listed))
                found.shown[how] = [
                    self._element(declaration, key, element)
                    for key, (_, element) in zip(keys, listed, strict=True)
                ]
            out["elem"] = found.shown[how]
        if declaration.counter:
            out["stmt"] = [{"counter": None}]
        return {"map" if declaration.is_map else "set": out}

    def _element(self, declaration: Declaration, shown: Json, element: Element) -> Json:
        more: dict[str, Json] = {}
        if element.timeout and element.timeout != declaration.timeout:
            more["timeout"] = element.timeout // 1000
        if element.ends is not None:
            more["expires"] = element.left(self.options.now) // 1000
        if element.comment is not None:
            more["comment"] = element.comment
        if element.counter is not None:
            packets, octets = element.counter
            stateless = self.options.stateless
            more["counter"] = None if stateless else {"packets": packets, "bytes": octets}
        if more:
            inside: dict[str, Json] = {"val": shown, **more}
            shown = {"elem": inside}
        data = element.data
        if data is None:
            return shown
        return [shown, data.json() if isinstance(data, Verdict | Value) else data]


def _details(declaration: Declaration) -> dict[str, Json]:
    out: dict[str, Json] = {}
    if declaration.comment is not None:
        out["comment"] = declaration.comment
    if declaration.size:
        out["size"] = declaration.size
    flags: list[Json] = [flag for flag in declaration.flags if flag != "dynamic"]
    if flags:
        out["flags"] = flags
    if declaration.timeout:
        out["timeout"] = declaration.timeout // 1000
    if declaration.gc_interval:
        out["gc-interval"] = declaration.gc_interval // 1000
    return out
