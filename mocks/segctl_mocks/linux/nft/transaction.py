"""Carrying out commands on a copy of the ruleset: all of them or none."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from segctl_mocks.linux.nft import elements, errors, sets
from segctl_mocks.linux.nft.collapsing import SetKey, collapsed, set_key
from segctl_mocks.linux.nft.errors import NOWHERE, KernelError, NftError, Span
from segctl_mocks.linux.nft.evaluate import Evaluator
from segctl_mocks.linux.nft.nodes import Verdict
from segctl_mocks.linux.nft.state import (
    Base,
    Chain,
    NamedCounter,
    NamedSet,
    Rule,
    Ruleset,
    Table,
)
from segctl_mocks.linux.nft.syntax import (
    ChainTerm,
    Command,
    CounterTerm,
    Elements,
    Numbers,
    Place,
    RuleTerm,
    SetTerm,
    TableTerm,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from segctl_mocks.linux.nft.state import Reference

_STACK = 16
_NAME_LIMIT = 255


@dataclass(slots=True)
class Transaction:
    """One batch of commands on a copy of the live ruleset."""

    live: Ruleset
    interfaces: Collection[str]
    now: float = 0.0
    new: Ruleset = field(init=False)
    errors: list[NftError] = field(default_factory=list[NftError])
    fresh_sets: set[SetKey] = field(default_factory=set["SetKey"])
    _known: dict[SetKey, elements.Known] = field(default_factory=dict["SetKey", elements.Known])
    _own: set[int] = field(default_factory=set[int])
    _keep: list[object] = field(default_factory=list[object])
    _last: Span = NOWHERE

    def __post_init__(self) -> None:
        self.new = Ruleset({**self.live.tables}, self.live.last_handle, self.live.generation + 1)

    def run(self, commands: Sequence[Command]) -> bool:
        """Carry out commands; say whether all went well. ``errors`` is what nft reports."""
        found: list[NftError] = []
        for command in commands:
            if command.verb == "flush" and command.what in {"set", "map"}:
                self._known[set_key(command.place)] = elements.Known(unread=True)
        for command in collapsed(commands, self._has_ranges):
            try:
                self._last = command.span
                self._one(command)
            except NftError as error:
                found.append(error)
        if not found:
            try:
                self._check_jumps()
            except NftError as error:
                found.append(error)
        early = [error for error in found if not isinstance(error, KernelError)]
        self.errors = early or found
        return not found

    def _has_ranges(self, place: Place) -> bool:
        table = self.new.tables.get((place.family, place.table))
        found = table.sets.get(place.name) if table else None
        return found is not None and found.declaration.tree

    def use_handles(self) -> None:
        """Let what was undone keep its handles: the kernel gives none twice."""
        if any(not isinstance(error, KernelError) for error in self.errors):
            return
        self.live.last_handle = max(self.live.last_handle, self.new.last_handle)
        for key, table in self.new.tables.items():
            live = self.live.tables.get(key)
            if live is not None and live.handle == table.handle:
                live.last_handle = max(live.last_handle, table.last_handle)

    def _one(self, command: Command) -> None:
        match command.what:
            case "table":
                self._table(command)
            case "ruleset":
                family = command.place.family
                for key in [key for key in self.new.tables if family in {"", key[0]}]:
                    del self.new.tables[key]
            case "chain":
                self._chain(command)
            case "rule":
                self._rule(command)
            case "set" | "map":
                self._set(command)
            case "element":
                self._element(command)
            case "counter":
                self._counter(command)
            case _:
                raise NftError(f"unsupported: {command.what}", command.span)

    def _again(self, command: Command, body: TableTerm) -> None:
        """Add a table that is there: its flags become those of the command, also none."""
        place = command.place
        if command.verb == "create":
            raise KernelError(errors.EXISTS, place.table_span)
        if self.new.tables[place.family, place.table].flags != body.flags:
            self.table(place).flags = body.flags

    # -- finding, and copying what is to be changed --------------------------------

    def table(self, place: Place, *, early: bool = False) -> Table:
        """Return a table that may be changed."""
        key = (place.family, place.table)
        found = self.new.tables.get(key)
        if found is None:
            if early:
                raise NftError(errors.NO_FILE, place.table_span)
            raise KernelError(errors.NO_FILE, place.table_span)
        if id(found) not in self._own:
            found = self._owned(found.clone())
            self.new.tables[key] = found
        return found

    def _owned(self, thing: Table) -> Table:
        self._own.add(id(thing))
        self._keep.append(thing)
        return thing

    def chain(self, table: Table, name: str, span: Span) -> Chain:
        """Return a chain that may be changed."""
        found = table.chains.get(name)
        if found is None:
            raise KernelError(errors.NO_FILE, span)
        if id(found) not in self._own:
            found = found.clone()
            self._own.add(id(found))
            self._keep.append(found)
            table.chains[name] = found
        return found

    def set(self, table: Table, name: str, span: Span, *, early: bool = False) -> NamedSet:
        """Return a set that may be changed."""
        found = table.sets.get(name)
        if found is None:
            if early:
                raise NftError(errors.NO_FILE, span)
            raise KernelError(errors.NO_FILE, span)
        if id(found) not in self._own:
            found = found.clone()
            self._own.add(id(found))
            self._keep.append(found)
            table.sets[name] = found
        return found

    # -- tables ------------------------------------------------------------------

    def _table(self, command: Command) -> None:
        place = command.place
        key = (place.family, place.table)
        match command.verb:
            case "add" | "create":
                body = command.body if isinstance(command.body, TableTerm) else TableTerm()
                if key in self.new.tables:
                    self._again(command, body)
                    return
                _check_name(place.table, place.table_span)
                self.new.last_handle += 1
                fresh = Table(*key, self.new.last_handle, body.comment, body.flags)
                self.new.tables[key] = self._owned(fresh)
            case "delete" | "destroy":
                if command.handle is not None:
                    key = next(
                        (
                            each
                            for each, table in self.new.tables.items()
                            if each[0] == place.family and table.handle == command.handle
                        ),
                        ("", ""),
                    )
                if key not in self.new.tables:
                    if command.verb == "destroy":
                        return
                    raise KernelError(errors.NO_FILE, place.table_span)
                del self.new.tables[key]
            case "flush":
                table = self.table(place)
                for name in table.chains:
                    self._flush_chain(table, self.chain(table, name, place.table_span))
            case _:
                raise NftError(f"unsupported: {command.verb} table", command.span)

    # -- chains ------------------------------------------------------------------

    def _chain(self, command: Command) -> None:
        place = command.place
        table = self.table(place, early=command.verb in {"add", "create", "flush", "rename"})
        name, span = place.name, place.name_span
        match command.verb:
            case "add" | "create":
                body = command.body if isinstance(command.body, ChainTerm) else ChainTerm()
                self._add_chain(table, command, body)
            case "delete" | "destroy":
                if command.verb == "destroy" and name not in table.chains:
                    return
                chain = self.chain(table, name, span)
                own = [each for rule in chain.rules for each in rule.references()]
                if table.uses["chain", name] > own.count(("chain", name)):
                    raise KernelError(errors.BUSY, span)
                self._flush_chain(table, chain)
                del table.chains[name]
            case "flush":
                self._flush_chain(table, self.chain(table, name, span))
            case "rename":
                chain = self.chain(table, name, span)
                if command.new_name in table.chains:
                    raise KernelError(errors.EXISTS, span)
                chain.name = command.new_name
                table.chains = {each.name: each for each in table.chains.values()}
                _rename_uses(table, name, command.new_name)
            case _:
                raise NftError(f"unsupported: {command.verb} chain", command.span)

    def _add_chain(self, table: Table, command: Command, body: ChainTerm) -> None:
        name, span = command.place.name, command.place.name_span
        base = _base_of(body)
        if name not in table.chains:
            _check_name(name, span)
            if body.base is None and body.policy is not None:
                raise KernelError(errors.UNSUPPORTED, span)
            fresh = Chain(name, table.next_handle(), base, body.comment)
            self._own.add(id(fresh))
            self._keep.append(fresh)
            table.chains[name] = fresh
            return
        if command.verb == "create":
            raise KernelError(errors.EXISTS, span)
        chain = self.chain(table, name, span)
        if base is not None or body.policy is not None:
            self._change_chain(chain, command, base, body.policy)

    @staticmethod
    def _change_chain(
        chain: Chain, command: Command, base: Base | None, policy: str | None
    ) -> None:
        """Change the policy of a base chain; nothing else of it can change."""
        held = chain.base
        if held is None:
            if base is None:
                raise KernelError(errors.UNSUPPORTED, command.place.name_span)
            raise KernelError(errors.EXISTS, command.span)
        if base is not None and (base.kind, base.hook) != (held.kind, held.hook):
            raise KernelError(errors.EXISTS, command.span)
        if base is not None and base.priority != held.priority:
            raise KernelError(errors.UNSUPPORTED, command.span)
        if policy is not None:
            chain.base = replace(held, policy=policy)

    def _flush_chain(self, table: Table, chain: Chain) -> None:
        for rule in chain.rules:
            table.uses.subtract(rule.references())
        chain.rules.clear()

    # -- rules -------------------------------------------------------------------

    def _rule(self, command: Command) -> None:
        place = command.place
        adds = isinstance(command.body, RuleTerm)
        table = self.table(place, early=adds)
        if command.verb == "delete":
            chain = self.chain(table, place.name, place.name_span)
            position = _position(chain, command)
            table.uses.subtract(chain.rules.pop(position).references())
            return
        if not isinstance(command.body, RuleTerm):
            raise TypeError(command)
        evaluator = Evaluator(table, self.interfaces)
        statements = evaluator.rule(command.body)
        chain = self.chain(table, place.name, place.name_span)
        for what, name, span in evaluator.targets:
            self._check_target(table, what, name, span)
        _check_statements(command.body)
        for _ in range(evaluator.anonymous):
            table.next_handle()
        rule = Rule(table.next_handle(), statements, command.body.comment)
        self._place_rule(table, chain, command, rule)
        table.uses.update(rule.references())

    @staticmethod
    def _check_target(table: Table, what: str, name: str, span: Span) -> None:
        known = table.chains if what == "chain" else table.counters
        if name not in known:
            raise KernelError(errors.NO_FILE, span)
        if what == "chain" and table.chains[name].base is not None:
            raise KernelError(errors.UNSUPPORTED, span)

    @staticmethod
    def _place_rule(table: Table, chain: Chain, command: Command, rule: Rule) -> None:
        if command.verb == "replace":
            position = _position(chain, command)
            table.uses.subtract(chain.rules[position].references())
            chain.rules[position] = rule
        elif command.handle is not None or command.index is not None:
            position = _position(chain, command)
            chain.rules.insert(position + (command.verb == "add"), rule)
        elif command.verb == "insert":
            chain.rules.insert(0, rule)
        else:
            chain.rules.append(rule)

    # -- sets, maps, counters ------------------------------------------------------

    def _set(self, command: Command) -> None:
        place = command.place
        table = self.table(place, early=command.verb in {"add", "create", "flush"})
        name, span = place.name, place.name_span
        match command.verb:
            case "add" | "create":
                if not isinstance(command.body, SetTerm):
                    raise TypeError(command)
                self._add_set(table, command, command.body)
            case "delete" | "destroy":
                if command.verb == "destroy" and name not in table.sets:
                    return
                if name not in table.sets:
                    raise KernelError(errors.NO_FILE, span)
                gone = table.sets.pop(name)  # nft forgets it even if the kernel then refuses
                if table.uses["set", name] > 0:
                    raise KernelError(errors.BUSY, span)
                for element in gone.elements.values():
                    table.uses.subtract(_element_uses(element.data))
            case "flush":
                found = self.set(table, name, span, early=True)
                for element in found.elements.values():
                    table.uses.subtract(_element_uses(element.data))
                found.clear()
                self._known[set_key(place)].added.clear()
            case _:
                raise NftError(f"unsupported: {command.verb} {command.what}", command.span)

    def _add_set(self, table: Table, command: Command, body: SetTerm) -> None:
        name, span = command.place.name, command.place.name_span
        declaration = sets.declare(body)
        known = table.sets.get(name)
        if known is not None:
            if command.verb == "create" or not sets.same(known.declaration, declaration):
                raise KernelError(errors.EXISTS, span)
            return
        _check_name(name, span)
        fresh = NamedSet(name, table.next_handle(), declaration)
        self._own.add(id(fresh))
        self._keep.append(fresh)
        table.sets[name] = fresh
        self.fresh_sets.add((table.family, table.name, name))

    def _element(self, command: Command) -> None:
        place = command.place
        table = self.table(place, early=True)
        if not isinstance(command.body, Elements | Numbers):
            raise TypeError(command)
        found = self.set(table, place.name, place.name_span, early=True)
        known = self._known.setdefault(set_key(place), elements.Known())
        changer = elements.Changer(table, found, self.interfaces, known, self.now)
        if command.verb in {"add", "create"}:
            changer.add(command.body, exclusive=command.verb == "create")
        elif command.verb in {"delete", "destroy"}:
            changer.delete(command.body, missing_ok=command.verb == "destroy")
        else:
            raise NftError(f"unsupported: {command.verb} element", command.span)

    def _counter(self, command: Command) -> None:
        place = command.place
        table = self.table(place, early=command.verb in {"add", "create"})
        name, span = place.name, place.name_span
        match command.verb:
            case "add" | "create":
                body = command.body if isinstance(command.body, CounterTerm) else CounterTerm()
                if name in table.counters:
                    if command.verb == "create":
                        raise KernelError(errors.EXISTS, span)
                    return
                _check_name(name, span)
                table.counters[name] = NamedCounter(
                    name, table.next_handle(), body.packets, body.octets, body.comment
                )
            case "delete" | "destroy":
                if name not in table.counters:
                    if command.verb == "destroy":
                        return
                    raise KernelError(errors.NO_FILE, span)
                if table.uses["counter", name] > 0:
                    raise KernelError(errors.BUSY, span)
                del table.counters[name]
            case _:
                raise NftError(f"unsupported: {command.verb} counter", command.span)

    # -- at the end ------------------------------------------------------------------

    def _check_jumps(self) -> None:
        """Refuse loops and too deep nesting under base chains of what was changed."""
        for key, table in self.new.tables.items():
            if self.live.tables.get(key) is table:
                continue
            edges = {name: _jumps(table, chain) for name, chain in table.chains.items()}
            depth: dict[str, int] = {}
            for chain in table.chains.values():
                if chain.base is not None and _depth(chain.name, edges, depth, []) > _STACK:
                    raise KernelError(errors.TOO_MANY_LINKS, self._last)


def _base_of(body: ChainTerm) -> Base | None:
    if body.base is None:
        return None
    found = Base(body.base.kind, body.base.hook, body.base.priority, body.policy or "accept")
    impossible = (found.kind == "nat" and found.hook == "forward") or (
        found.kind == "route" and found.hook != "output"
    )
    if impossible:
        raise KernelError(errors.UNSUPPORTED, body.base.kind_span)
    return found


def _check_name(name: str, span: Span) -> None:
    if len(name) > _NAME_LIMIT:
        raise KernelError(errors.TOO_LARGE, span)


def _check_statements(term: RuleTerm) -> None:
    for each in term.statements:
        statement = getattr(each, "statement", None)
        prefix = getattr(statement, "prefix", None)
        if isinstance(prefix, str) and len(prefix.encode()) > 127:
            raise KernelError(errors.TOO_LARGE, each.span)
        if getattr(statement, "rate", None) == 0:
            raise KernelError(errors.INVALID, each.span)


def _position(chain: Chain, command: Command) -> int:
    span = command.number or command.place.name_span
    if command.index is not None:
        if command.index >= len(chain.rules):
            raise NftError("can't find rule", span)
        return command.index
    for position, rule in enumerate(chain.rules):
        if rule.handle == command.handle:
            return position
    raise KernelError(errors.NO_FILE, span)


def _element_uses(data: object) -> list[Reference]:
    return [("chain", data.target)] if isinstance(data, Verdict) and data.target else []


def _rename_uses(table: Table, old: str, new: str) -> None:
    count = table.uses.pop(("chain", old), 0)
    if count:
        table.uses["chain", new] = count


def _jumps(table: Table, chain: Chain) -> set[str]:
    found: set[str] = set()
    for rule in chain.rules:
        for what, name in rule.references():
            if what == "chain":
                found.add(name)
            elif what == "set" and name in table.sets and table.sets[name].declaration.is_map:
                found |= {
                    element.data.target
                    for element in table.sets[name].elements.values()
                    if isinstance(element.data, Verdict) and element.data.target
                }
    return found


def _depth(name: str, edges: dict[str, set[str]], depth: dict[str, int], path: list[str]) -> int:
    if name in path or len(path) > _STACK:
        return _STACK + 1
    if name not in depth:
        below = [_depth(each, edges, depth, [*path, name]) for each in edges.get(name, ())]
        depth[name] = 1 + max(below, default=-1)
    return depth[name]
