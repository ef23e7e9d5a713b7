"""From a table back to the policy that it enforces; nothing in it goes unnoticed.

The lines are read into rules, groups and zones; then the table of exactly that policy is built
again, and every difference is noted in the ``extras`` of its rule, or of the default rule. Only
what no packet can reach (a set that no line uses, a chain that nothing leads to) is left out, as
debris that the next push removes.
"""

from __future__ import annotations

import re
from collections import Counter as Tally
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from segctl.compiler import naming
from segctl.model.policy import (
    ANY,
    CONTAINMENT,
    AddressGroup,
    DefaultRule,
    FirewallZone,
    Policy,
    Rule,
    Service,
)
from segctl.providers.nftables import former, names, noted
from segctl.providers.nftables.bound import Bound
from segctl.providers.nftables.build import KEEP, Former, Names, build
from segctl.providers.nftables.table import Chain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from segctl.providers.nftables.table import Line, Table

_LINE = re.compile(
    r"ct original ip6? saddr @(?P<source>\S+) ct reply ip6? saddr @(?P<target>\S+) "
    r"(?:meta l4proto (?P<protocol>tcp|udp) ct reply proto-src (?P<ports>[0-9]+(?:-[0-9]+)?)"
    r"|(?:icmp|icmpv6) type echo-request) (?:goto|jump) rule_(?P<rule>\S+)"
)
_FORMER_LINE = re.compile(
    r"ip6? saddr @(?P<source>\S+) ip6? daddr @(?P<target>\S+) "
    r"(?:(?P<protocol>tcp|udp) dport (?:\{ (?P<list>[0-9, ]+) \}|(?P<ports>[0-9]+(?:-[0-9]+)?))"
    r"|(?:icmp|icmpv6) type echo-request) (?:goto|jump) rule_(?P<rule>\S+)"
)
_CUT = re.compile(
    r"ip6? [sd]addr @(?P<first>\S+) ip6? [sd]addr @(?P<second>\S+) goto rule_(?P<rule>\S+)"
)
_MARK = re.compile(r"ct mark set ct mark & 0x0000ffff \| 0x([0-9a-f]{4})0000(?: accept)?")
_LOG = re.compile(r'log prefix "[^"]*"(?: group ([0-9]+))?')
_INSIDE = re.compile(r'counter name "rule_(\S+)" goto deny')
_PAIR = re.compile(r'"([^"]+)" \. "([^"]+)" : goto pair_([^/\s]+)/([^/\s]+)')
#: Chains in which each line belongs to one rule and the order has no meaning.
_BY_RULE = ("out", "fun", "erq", "era", "back")
_FORMER = (
    f"the table is {names.FORMER!r}, in which revoked connections could pass again; the next "
    "apply converts it to the present format without cutting a permitted connection"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """A table's meaning: the policy, names that are not policy, and unused items."""

    policy: Policy
    names: Names
    debris: tuple[str, ...] = ()


@dataclass(slots=True)
class _Draft:
    """What the lines of a rule have said so far."""

    sources: set[str] = field(default_factory=set[str])
    targets: set[str] = field(default_factory=set[str])
    services: set[str] = field(default_factory=set[str])


def interpret(table: Table) -> Meaning:
    """Return the meaning of `table`."""
    chains, sets = table.reachable()
    mark = table.counters.get(names.MARK)
    is_former = mark is not None and mark.comment == names.FORMER
    given = Names(
        marks={} if is_former else _marks(table),
        former=_former_marks(table) if is_former else {},
        sets=dict(_sets_in_use(sets)),
    )
    rules = _sorted(
        [*_permitting(table, chains), *_inside(table, chains), *_containing(table, chains)]
    )
    groups = tuple(_groups(table, given, rules))
    policy = Policy(
        zones=_zones(table),
        address_groups=groups,
        services=_services(rules),
        defaults=tuple(_default(table)),
        rules=rules,
    )
    expected = former.build(policy, given) if is_former else build(policy, given)
    found = _with_extras(policy, table, expected, chains, sets)
    return Meaning(
        policy=_noted(found, _FORMER) if is_former else found,
        names=given,
        debris=tuple(_debris(table, expected, chains, sets)),
    )


def _sorted(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    return tuple(sorted(rules, key=rule_order))


def rule_order(rule: Rule) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    """Sort rules by zone pair and name, since their order has no meaning on this platform.

    Those that hold for who is contained come first, and those that go on before all.
    """
    place = "2" if not rule.leading else "0" if rule.action == "allow" else "1"
    return (place, *rule.from_zones), rule.to_zones, rule.name


def services_of(listed: Iterable[str]) -> tuple[Service, ...]:
    """Return the service objects of fitted names."""
    result: list[Service] = []
    for name in sorted(set(listed)):
        protocol, ports = naming.decode_service(name) or (name, "")
        result.append(Service(name=name, protocol=protocol, ports=ports or "0"))
    return tuple(result)


def _services(rules: Iterable[Rule]) -> tuple[Service, ...]:
    return services_of(name for rule in rules for name in rule.services if name != ANY)


def _marks(table: Table) -> dict[str, int]:
    marks: dict[str, int] = {}
    for chain in table.chains.values():
        kind, _, rule = chain.name.partition("_")
        if kind == "rule":
            for line in chain.lines:
                if match := _MARK.fullmatch(line.text):
                    marks[rule] = int(match[1], 16)
    return marks


def _former_marks(table: Table) -> dict[str, Former]:
    marks: dict[str, dict[str, int]] = {}
    for chain in table.chains.values():
        kind, _, pair = chain.name.partition("_")
        if kind in ("ok", "okf"):
            for line in chain.lines[:1]:
                if match := _MARK.fullmatch(line.text):
                    field_name = "plain" if kind == "ok" else "judged"
                    marks.setdefault(pair, {})[field_name] = int(match[1], 16)
    return {pair: Former(**values) for pair, values in marks.items()}


def _sets_in_use(used: Iterable[str]) -> Iterator[tuple[tuple[int, str], str]]:
    for name in sorted(used):
        if parts := names.split_set(name):
            yield (parts[0], parts[2]), name


def _zones(table: Table) -> tuple[FirewallZone, ...]:
    held: dict[str, set[str]] = {}
    pairs = table.sets.get(names.PAIRS)
    for element in pairs.elements if pairs else ():
        match = _PAIR.fullmatch(element)
        if match and match[3] == match[4]:
            held.setdefault(match[3], set()).update((match[1], match[2]))
    return tuple(
        FirewallZone(name=name, interfaces=tuple(sorted(ports)), type="")
        for name, ports in sorted(held.items())
    )


def _permitting(table: Table, reachable: frozenset[str]) -> Iterator[Rule]:
    drafts: dict[tuple[str, str], _Draft] = {}
    for chain in sorted(reachable):
        kind, _, pair = chain.partition("_")
        if kind not in ("out", "fun") or pair.count(names.JOIN) != 1:
            continue
        for text in _asking(table, chain):
            match = _LINE.fullmatch(text) or _FORMER_LINE.fullmatch(text)
            if match is None:
                continue
            asking, asked = names.split_set(match["source"]), names.split_set(match["target"])
            if asking is None or asked is None:
                continue
            draft = drafts.setdefault((pair, match["rule"]), _Draft())
            draft.sources.add(asking[2])
            draft.targets.add(asked[2])
            draft.services.update(_service_names(match))
    for (pair, name), draft in drafts.items():
        source, _, target = pair.partition(names.JOIN)
        keeps = f"{KEEP}out_{pair}"
        leading = keeps in reachable and any(
            line.target == f"may_{name}" for line in table.chains[keeps].lines
        )
        yield _rule(table, name, source, target, draft, leading=leading)


def _asking(table: Table, chain: str) -> Iterator[str]:
    """Yield the lines of a chain; a line that leads to a rule's lines is replaced by those."""
    for line in table.chains[chain].lines:
        if line.target.startswith("may_") and line.target in table.chains:
            yield from (one.text for one in table.chains[line.target].lines)
        else:
            yield line.text


def _service_names(match: re.Match[str]) -> Iterator[str]:
    if not match["protocol"]:
        yield naming.service_name("icmp")
        return
    listed = match.groupdict().get("list")
    for port in listed.split(", ") if listed else [match["ports"]]:
        yield naming.service_name(match["protocol"], port)


def tags_of(*, leading: bool, enforced: bool) -> tuple[str, ...]:
    """Return the tags of a rule: whether it goes on for who is contained, and its functions."""
    return (*(() if enforced else (names.NOT_ENFORCED,)), *((CONTAINMENT,) if leading else ()))


def _rule(
    table: Table, name: str, source: str, target: str, draft: _Draft, *, leading: bool
) -> Rule:
    counter = table.counters.get(f"rule_{name}")
    labels = names.read_labels(counter.comment) if counter else naming.Mark()
    chain = table.chains.get(f"rule_{name}")
    text = "\n".join(line.text for line in chain.lines) if chain else ""
    log = re.search(rf"^ct state new .*{_LOG.pattern}$", text, re.MULTILINE)
    return Rule(
        name=name,
        from_zones=(source,),
        to_zones=(target,),
        sources=tuple(sorted(draft.sources)),
        destinations=tuple(sorted(draft.targets)),
        applications=tuple(sorted(re.findall(r"^jump fn_(\S+)$", text, re.MULTILINE))) or (ANY,),
        services=tuple(sorted(draft.services)),
        conduit=labels.conduit,
        flow=labels.flow,
        log=log is not None,
        log_setting=_setting(log[1]) if log else "",
        tags=tags_of(leading=leading, enforced=labels.enforced),
        essential=labels.seal is not None,
        seal=labels.seal or "",
    )


def _setting(group: str | None) -> str:
    if group is None:
        return names.KERNEL_LOG
    return "" if group == names.LOG_GROUP else group


def _inside(table: Table, reachable: Iterable[str]) -> Iterator[Rule]:
    setting = next((one.log_setting for one in _default(table)), "")
    for chain in sorted(reachable):
        kind, _, pair = chain.partition("_")
        source, _, target = pair.partition(names.JOIN)
        if kind != "pair" or source != target:
            continue
        for line in table.chains[chain].lines:
            if match := _INSIDE.fullmatch(line.text):
                yield inside_rule(match[1], source, setting)


def inside_rule(name: str, zone: str, log_setting: str) -> Rule:
    """Return this platform's rule that denies traffic inside a zone."""
    return Rule(
        name=name,
        from_zones=(zone,),
        to_zones=(zone,),
        type="intrazone",
        action="deny",
        log_setting=log_setting,
    )


def _containing(table: Table, reachable: frozenset[str]) -> Iterator[Rule]:
    for chain in sorted(reachable):
        kind, _, name = chain.partition("_")
        if kind != "rule" or naming.denied_group(name) is None:
            continue
        lines = table.chains[chain].lines
        log = next((m for line in lines if (m := _LOG.search(line.text))), None)
        yield containing_rule(
            name,
            against=_against(table, name),
            log=log is not None,
            setting=_setting(log[1]) if log else "",
        )


def _against(table: Table, rule: str) -> str:
    """Return the group that a rule cuts others off from, by the lines that lead to it."""
    for line in table.chains[names.FORWARD].lines if names.FORWARD in table.chains else ():
        match = _CUT.fullmatch(line.text)
        if match and match["rule"] == rule:
            found = (names.split_set(match["first"]), names.split_set(match["second"]))
            for parts in found:
                if parts is not None:
                    return parts[2]
    return ANY


def containing_rule(name: str, *, against: str, log: bool, setting: str) -> Rule:
    """Return this platform's rule that denies who is in a group, on one side of a packet.

    `against` is the group that they are cut off from, or ``any``.
    """
    group, side = naming.denied_group(name) or (naming.CONTAINED, "source")
    source = side == "source"
    return Rule(
        name=name,
        from_zones=(ANY,),
        to_zones=(ANY,),
        sources=(group,) if source else (against,),
        destinations=(against,) if source else (group,),
        action="drop",
        log=log,
        log_setting=setting,
        tags=tags_of(leading=True, enforced=True),
    )


def _groups(table: Table, given: Names, rules: Iterable[Rule]) -> Iterator[AddressGroup]:
    used = {name for rule in rules for name in (*rule.sources, *rule.destinations)} - {ANY}
    cut = {found[0] for rule in rules if (found := naming.denied_group(rule.name))}
    for group in sorted(used):
        if group in cut:
            yield AddressGroup(name=group, members=(), contained=True)
            continue
        groups: list[str] = []
        for version in (4, 6):
            held = table.sets.get(given.set(version, group))
            if held is not None:
                groups += held.elements
        yield AddressGroup(name=group, members=tuple(sorted(groups)))


def _default(table: Table) -> Iterator[DefaultRule]:
    deny = table.chains.get(names.DENY)
    if deny is None:
        return
    log = next((m for line in deny.lines if (m := _LOG.search(line.text))), None)
    yield DefaultRule(
        name="interzone-default",
        action="deny",
        log=log is not None,
        log_setting=_setting(log[1]) if log else "",
    )


# --- what the reading missed ----------------------------------------------------------------


def _with_extras(
    policy: Policy,
    table: Table,
    expected: Table,
    chains: frozenset[str],
    sets: frozenset[str],
) -> Policy:
    """Return the policy, with everything that rebuilding it does not produce in ``extras``."""
    of_rules: dict[str, list[str]] = {rule.name: [] for rule in policy.rules}
    general: list[str] = list(table.strange)
    strays: list[Rule] = []
    none, bound = Chain(name=""), Bound(held=table, expected=expected)

    def differing(kind: str, name: str, state: noted.State = "differs") -> str:
        content = "" if state == "missing" else bound.thing(kind, name)
        return noted.thing(kind, name, state, content)

    pairs = {rule.name: names.pair(rule.from_zones[0], rule.to_zones[0]) for rule in policy.rules}
    for name in sorted({*expected.chains, *chains}):
        wanted, held = expected.chains.get(name), table.chains.get(name)
        if wanted == held:
            continue
        kind, _, rest = name.partition("_")
        if kind in _BY_RULE or (kind == "may" and rest in of_rules):
            pair, owner = (pairs[rest], rest) if kind == "may" else (rest, "")
            strays += _compare_lines(
                name, wanted or none, held or none, of_rules, bound, pair=pair, owner=owner
            )
        elif kind == "rule" and rest in of_rules:
            of_rules[rest].append(differing("chain", name))
        else:
            general.append(differing("chain", name, _state(wanted, held)))
    for name in sorted({*expected.sets, *sets}):
        wanted_set, held_set = expected.sets.get(name), table.sets.get(name)
        if wanted_set != held_set:
            general.append(differing("set", name, _state(wanted_set, held_set)))
    for name in sorted(expected.counters):
        if expected.counters[name] != table.counters.get(name):
            rule = name.removeprefix("rule_")
            place = of_rules[rule] if rule in of_rules and rule != name else general
            place.append(differing("counter", name))
    rules = [
        replace(rule, extras=tuple(sorted(of_rules[rule.name]))) if of_rules[rule.name] else rule
        for rule in policy.rules
    ]
    found = policy.replace(rules=_sorted([*rules, *strays]))
    return _noted(found, *general) if table.chains else found


def _noted(policy: Policy, *general: str) -> Policy:
    """Return a policy whose default rule also has these ``extras``."""
    if not general:
        return policy
    default = policy[DefaultRule][0] if policy[DefaultRule] else _missing_default()
    return policy.replace(defaults=(replace(default, extras=(*default.extras, *general)),))


def _missing_default() -> DefaultRule:
    return DefaultRule(name="interzone-default", action="allow", log=False)


def _state(wanted: object, held: object) -> noted.State:
    if wanted is None:
        return "strange"
    return "missing" if held is None else "differs"


def _compare_lines(
    chain: str,
    wanted: Chain,
    held: Chain,
    of_rules: Mapping[str, list[str]],
    bound: Bound,
    *,
    pair: str,
    owner: str,
) -> Iterator[Rule]:
    """Note missing lines at their rule; an extra line is noted at its rule, or is itself a rule.

    `owner` is the rule of a chain that belongs to a single rule.
    """
    missing = Tally(wanted.lines)
    missing.subtract(Tally(held.lines))
    for line, count in missing.items():
        if count > 0:
            of_rules[owner or _owner(line)].append(noted.line(chain, "lacks", str(line)))
    for line in held.lines:
        if missing[line] < 0:
            missing[line] += 1
            of, text = _owner(line), noted.resting(str(line), bound.line(line.text))
            if of in of_rules:
                of_rules[of].append(noted.line(chain, "has", text))
            else:
                yield _stray(chain, pair, line, text)


def _owner(line: Line) -> str:
    return line.comment or line.target.removeprefix("rule_").removeprefix("may_")


def _stray(chain: str, pair: str, line: Line, text: str) -> Rule:
    source, _, target = pair.partition(names.JOIN)
    return Rule(
        name=f"unknown.{chain.replace(names.JOIN, '.')}.{line.handle}",
        from_zones=(source,),
        to_zones=(target,),
        action="allow" if "accept" in line.text else "deny",
        log=False,
        extras=(text,),
    )


def _debris(
    table: Table,
    expected: Table,
    chains: frozenset[str],
    sets: frozenset[str],
) -> Iterator[str]:
    yield from (f"chain {name}" for name in table.chains if name not in chains)
    unused = {name for name in table.sets if name not in sets and name != names.LOCK}
    yield from (f"set {name}" for name in sorted(unused - set(expected.sets)))
    yield from (f"counter {name}" for name in sorted({*table.counters} - {*expected.counters}))
