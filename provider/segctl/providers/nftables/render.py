"""From changes to the script that push sends: only the differences between two tables.

A script has up to three transactions under these headings, each one ``nft -f``::

    # segctl prepare    new address sets, which nothing uses yet
    # segctl switch     everything that traffic meets
    # segctl clean      sets that nothing uses any more

The content of a new interval set becomes visible only at the end of its transaction, while new
rules take over at once: a set loaded and used in one transaction would lose permitted packets.
"""

from __future__ import annotations

import re
from collections import Counter as Tally
from collections import defaultdict
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from segctl.model.errors import UnsupportedError
from segctl.model.policy import AddressGroup, FirewallZone, Policy
from segctl.providers.nftables import names
from segctl.providers.nftables.build import Names, build, by_pair, members
from segctl.providers.nftables.interpret import rule_order, services_of
from segctl.providers.nftables.table import Chain, Counter, Line, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from segctl.model.diff import Change
    from segctl.model.policy import Item
    from segctl.providers.nftables.parse import NftLive

PREPARE, SWITCH, CLEAN = "# segctl prepare", "# segctl switch", "# segctl clean"
#: A set with more changed elements than this is loaded again beside the old one.
BIG_CHANGE = 256
_ELEMENTS_PER_LINE = 500
_LAST_MARK = 0xFFFF
#: Chains whose lines have no order, so that each line can be added and removed alone.
_UNORDERED = ("out_", "may_", "fun_", "erq_", "era_")
_COMMAND = re.compile(
    r"(?:(?:add|flush|delete) (?:table|chain|rule|set|map|counter|element)) inet segctl(?: .*)?"
)
#: A command that deletes a line by its number; segctl up to 0.1 did not write what it says.
_DELETION = re.compile(
    rf"^(?P<command>delete rule {names.TABLE} (?P<chain>\S+) handle) [0-9]+(?: # (?P<line>.*))?$",
    re.MULTILINE | re.ASCII,
)


def render(changes: Sequence[Change], live: NftLive) -> str:
    """Return the script for `changes` on a device that holds `live`; empty if there are none."""
    if not changes:
        return ""
    wanted = patched(live.policy, changes)
    if not wanted[FirewallZone]:
        return f"{SWITCH}\ndelete table {names.TABLE}\n"
    former = {
        change.name: change.before.name
        for change in changes
        if (change.op, change.kind) == ("rename", "rule") and change.before is not None
    }
    given = new_names(wanted, live, former)
    return script(live.table, build(wanted, given), former)


def patched(policy: Policy, changes: Iterable[Change]) -> Policy:
    """Return `policy` after `changes`; everything except rules is sorted by name."""
    held: dict[str, dict[str, Item]] = {
        kind: {item.name: item for item in items} for kind, items in policy.by_kind.items()
    }
    for change in changes:
        items = held[change.kind]
        if change.before is not None and (change.op in ("delete", "rename")):
            items.pop(change.before.name, None)
        if change.after is not None:
            items[change.after.name] = change.after
    found = Policy.of(items[name] for items in held.values() for name in sorted(items))
    rules = tuple(sorted(found.rules, key=rule_order))
    services = services_of(name for rule in rules for name in rule.services if name != "any")
    return found.replace(services=services, rules=rules)


# --- names ---------------------------------------------------------------------------------------


def new_names(wanted: Policy, live: NftLive, former: Mapping[str, str]) -> Names:
    """Return mark values and set names: kept where nothing changes, new where something does.

    `former` are the names that renamed rules had.
    """
    return Names(marks=_new_marks(wanted, live, former), sets=_new_sets(wanted, live))


def _new_marks(wanted: Policy, live: NftLive, former: Mapping[str, str]) -> dict[str, int]:
    """Return mark values by rule, each once in a zone pair; a number may be used again at once.

    Values from a table of format 1 are not used: if the change that ends that format is taken
    back, a mark would let packets pass there.
    """
    barred = {value for one in live.names.former.values() for value in (one.plain, one.judged)}
    result: dict[str, int] = {}
    for pair, rules in by_pair(wanted.rules).items():
        kept: dict[int, str] = {}
        for rule in rules:
            held = live.names.marks.get(former.get(rule.name, rule.name), 0)
            if held:
                kept.setdefault(held, rule.name)
        result |= {name: value for value, name in kept.items()}
        free = (
            value for value in range(1, _LAST_MARK + 1) if value not in kept and value not in barred
        )
        for rule in rules:
            if rule.name not in result:
                result[rule.name] = _next(free, pair)
    return result


def _next(free: Iterator[int], pair: str) -> int:
    for value in free:
        return value
    message = f"nftables: more than {_LAST_MARK} rules between the zones {pair}"
    raise UnsupportedError(message)


def _new_sets(wanted: Policy, live: NftLive) -> dict[tuple[int, str], str]:
    result: dict[tuple[int, str], str] = {}
    held = live.names.sets
    for group in wanted[AddressGroup]:
        for version in (4, 6):
            key = (version, group.name)
            found = frozenset(members({group.name: group.members}, group.name, version))
            name = live.names.set(*key)
            now = live.table.sets.get(name)
            if not found or now is None:
                continue
            big = len(now.elements ^ found) > BIG_CHANGE and key in held
            result[key] = _next_revision(live.table, *key) if big else name
    return result


def _next_revision(table: Table, version: int, group: str) -> str:
    taken = [
        parts[1]
        for name in table.sets
        if (parts := names.split_set(name)) and parts[::2] == (version, group)
    ]
    return names.set_name(version, max(taken, default=0) + 1, group)


# --- the script ----------------------------------------------------------------------------------


@dataclass(slots=True)
class _Phases:
    prepare: list[str] = field(default_factory=list[str])
    switch: list[str] = field(default_factory=list[str])
    clean: list[str] = field(default_factory=list[str])

    def text(self) -> str:
        parts = ((PREPARE, self.prepare), (SWITCH, self.switch), (CLEAN, self.clean))
        return "".join("\n".join([head, *lines]) + "\n" for head, lines in parts if lines)


def script(live: Table, wanted: Table, former: Mapping[str, str] = MappingProxyType({})) -> str:
    """Return what makes `live` into `wanted`; `former` are the names that renamed rules had.

    A table whose frame was changed by hand is rebuilt, in one transaction that keeps counters.
    """
    phases = _Phases()
    if _damaged(live, wanted):
        phases.switch.append(f"delete table {names.TABLE}")
        values = _carried(live, wanted, former)
        live = Table()
    else:
        values = _carried(live, wanted, former)
    first = not live.chains
    if first:
        phases.switch.append(f"add table {names.TABLE}")
    new_sets = _sets(live, wanted, phases, first=first)
    counters = _changed_counters(live, wanted)
    rewritten = {
        name
        for name, chain in live.chains.items()
        if _rewritten(chain, wanted.chains.get(name)) or _uses(chain, counters)
    }
    targets = _map_changes(live, wanted)
    _remove_lines(live, wanted, rewritten, phases)
    phases.switch += targets[0]
    _chains_and_counters(live, wanted, counters, values, phases)
    phases.switch += new_sets
    _add_lines(live, wanted, rewritten, phases)
    phases.switch += targets[1]
    phases.switch += [
        f"delete chain {names.TABLE} {name}" for name in sorted({*live.chains} - {*wanted.chains})
    ]
    phases.switch += [
        f"delete counter {names.TABLE} {name}"
        for name in sorted({*live.counters} - {*wanted.counters})
    ]
    _remove_sets(live, wanted, phases)
    return phases.text()


def _damaged(live: Table, wanted: Table) -> bool:
    """Whether more than lines and elements is wrong: hooks, kinds of sets, unknown items."""
    if not live.chains:
        return False
    chains, sets = live.reachable()
    hooks = any(
        chain.hook != (wanted.chains[name].hook if name in wanted.chains else "")
        for name, chain in live.chains.items()
    )
    kinds = any(
        name in wanted.sets and wanted.sets[name].declaration != item.declaration
        for name, item in live.sets.items()
    )
    return hooks or kinds or bool(live.strange) or names.FORWARD not in chains or not sets


def _rewritten(held: Chain, wanted: Chain | None) -> bool:
    """Whether a chain is emptied first; a chain without order changes line by line."""
    if wanted is None:
        return True
    return held.lines != wanted.lines and not held.name.startswith(_UNORDERED)


def _uses(chain: Chain, counters: Iterable[str]) -> bool:
    return any(f'counter name "{name}"' in line.text for name in counters for line in chain.lines)


def _changed_counters(live: Table, wanted: Table) -> frozenset[str]:
    return frozenset(
        name
        for name, counter in wanted.counters.items()
        if name in live.counters and live.counters[name] != counter
    )


def _remove_lines(live: Table, wanted: Table, rewritten: Iterable[str], phases: _Phases) -> None:
    again = set(rewritten)
    for name in sorted(live.chains):
        if name in again:
            phases.switch.append(f"flush chain {names.TABLE} {name}")
        elif name in wanted.chains and name.startswith(_UNORDERED):
            surplus = Tally(live.chains[name].lines)
            surplus.subtract(Tally(wanted.chains[name].lines))
            for line in reversed(live.chains[name].lines):
                if surplus[line] > 0:
                    surplus[line] -= 1
                    phases.switch.append(_deletion(name, line))


def _deletion(chain: str, line: Line) -> str:
    """Return the command that deletes a line, and what the line says, for `numbered`."""
    return f"delete rule {names.TABLE} {chain} handle {line.handle} # {_said(line)}"


def _said(line: Line) -> str:
    return str(line).encode("unicode_escape").decode("ascii")


def _add_lines(live: Table, wanted: Table, rewritten: Iterable[str], phases: _Phases) -> None:
    again = set(rewritten)
    for name, chain in sorted(wanted.chains.items()):
        held = live.chains.get(name)
        lines: Iterable[Line] = chain.lines
        if held is not None and name not in again:
            missing = Tally(chain.lines)
            missing.subtract(Tally(held.lines))
            lines = _pick(chain.lines, missing)
        phases.switch += [f"add rule {names.TABLE} {name} {line}" for line in lines]


def _pick(lines: Iterable[Line], wanted: Tally[Line]) -> Iterator[Line]:
    for line in lines:
        if wanted[line] > 0:
            wanted[line] -= 1
            yield line


def _chains_and_counters(
    live: Table,
    wanted: Table,
    changed: frozenset[str],
    values: Mapping[str, Counter],
    phases: _Phases,
) -> None:
    for name, chain in sorted(wanted.chains.items()):
        if name not in live.chains:
            hook = f" {{ {chain.hook} }}" if chain.hook else ""
            phases.switch.append(f"add chain {names.TABLE} {name}{hook}")
    phases.switch += [f"delete counter {names.TABLE} {name}" for name in sorted(changed)]
    for name, counter in sorted(wanted.counters.items()):
        if name not in live.counters or name in changed:
            phases.switch.append(_counter(values.get(name, counter)))


def _carried(live: Table, wanted: Table, former: Mapping[str, str]) -> Mapping[str, Counter]:
    """Return counters with what they have counted so far, under another comment or name."""
    before = {f"rule_{name}": f"rule_{held}" for name, held in former.items()}
    result = {
        name: replace(live.counters[name], comment=counter.comment)
        for name, counter in wanted.counters.items()
        if name in live.counters
    }
    for name, held in before.items():
        if name in wanted.counters and name not in live.counters and held in live.counters:
            comment = wanted.counters[name].comment
            result[name] = replace(live.counters[held], name=name, comment=comment)
    gone = {
        counter.comment: counter
        for name, counter in live.counters.items()
        if name not in wanted.counters and counter.comment and name not in before.values()
    }
    for name, counter in wanted.counters.items():
        if name not in live.counters and name not in result and counter.comment in gone:
            result[name] = replace(gone.pop(counter.comment), name=name)
    return result


def _counter(counter: Counter) -> str:
    parts = [f"packets {counter.packets} bytes {counter.bytes}"]
    parts += [f'comment "{counter.comment}";'] if counter.comment else []
    return f"add counter {names.TABLE} {counter.name} {{ {' '.join(parts)} }}"


def _map_changes(live: Table, wanted: Table) -> tuple[list[str], list[str]]:
    """Return how elements of maps are removed and added."""
    gone: list[str] = []
    come: list[str] = []
    for name, item in wanted.sets.items():
        held = live.sets.get(name)
        if item.map and held is not None:
            gone += _elements("delete", name, (_bare(one) for one in held.elements - item.elements))
            come += _elements("add", name, item.elements - held.elements)
        elif item.map:
            come += _elements("add", name, item.elements)
    # a map that stayed until the clean-up would keep the chains that are deleted now
    gone += [
        f"delete map {names.TABLE} {name}"
        for name, item in sorted(live.sets.items())
        if item.map and name not in wanted.sets
    ]
    return gone, come


def _bare(element: str) -> str:
    return element.partition(" : ")[0]


def _elements(verb: str, name: str, elements: Iterable[str]) -> Iterator[str]:
    listed = sorted(elements)
    for start in range(0, len(listed), _ELEMENTS_PER_LINE):
        part = ", ".join(listed[start : start + _ELEMENTS_PER_LINE])
        yield f"{verb} element {names.TABLE} {name} {{ {part} }}"


def _sets(live: Table, wanted: Table, phases: _Phases, *, first: bool) -> list[str]:
    """Add new sets; return the lines that belong in the switch after chains exist."""
    late: list[str] = []
    used = _groups_in_use(live)
    for name, item in sorted(wanted.sets.items()):
        held = live.sets.get(name)
        if held is not None:
            if not item.map:
                late += _elements("delete", name, held.elements - item.elements)
                late += _elements("add", name, item.elements - held.elements)
            continue
        kind = "map" if item.map else "set"
        made = [f"add {kind} {names.TABLE} {name} {{ {item.made or item.declaration} }}"]
        if not item.map:
            made += _elements("add", name, item.elements)
        parts = names.split_set(name)
        aside = not first and not item.map and not (parts and parts[1] == 0 and parts[2] in used)
        if aside:
            phases.prepare += made
        else:
            late += made
    return late


def _groups_in_use(table: Table) -> frozenset[str]:
    _, sets = table.reachable()
    return frozenset(parts[2] for name in sets if (parts := names.split_set(name)))


def _remove_sets(live: Table, wanted: Table, phases: _Phases) -> None:
    kept = {parts[2] for name in wanted.sets if (parts := names.split_set(name))}
    for name in sorted({*live.sets} - {*wanted.sets} - {names.LOCK}):
        if live.sets[name].map:
            continue
        parts = names.split_set(name)
        line = f"delete set {names.TABLE} {name}"
        still = parts is not None and parts[1] == 0 and parts[2] in kept
        revised = any(
            other and parts and other[::2] == parts[::2]
            for other in map(names.split_set, wanted.sets)
        )
        if still and not revised:
            phases.switch.append(line)
        else:
            phases.clean.append(line)


def numbered(text: str, live: Callable[[], Table]) -> str:
    """Return a script that deletes the same lines of a table by the numbers they have there now.

    A host numbers its lines anew when it loads the table: a number of then may be another line's.

    Raises:
        LookupError: a line to delete is not in the table, or the script does not say what it is.
    """
    if not _DELETION.search(text):
        return text
    held: dict[tuple[str, str], list[int]] = defaultdict(list)
    for name, chain in live().chains.items():
        for line in chain.lines:
            held[name, _said(line)].append(line.handle)

    def now(found: re.Match[str]) -> str:
        return f"{found['command']} {held[found['chain'], found['line'] or ''].pop()}"

    return _DELETION.sub(now, text)


def transactions(text: str) -> tuple[str, str, str]:
    """Return the three transactions of a script; a missing one is empty.

    Raises:
        ValueError: a line is not a command on our table.
    """
    parts: dict[str, list[str]] = {PREPARE: [], SWITCH: [], CLEAN: []}
    current = parts[SWITCH]
    for line in text.splitlines():
        if line in parts:
            current = parts[line]
        elif _COMMAND.fullmatch(line):
            current.append(line)
        else:
            message = f"not a command on {names.TABLE}: {line[:80]!r}"
            raise ValueError(message)
    prepare, switch, clean = ("".join(f"{line}\n" for line in lines) for lines in parts.values())
    return prepare, switch, clean
