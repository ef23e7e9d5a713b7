"""From a fitted policy to the table that enforces it.

One verdict map picks the chain of a zone pair by interface. In it a packet of a connection that
bears the pair's mark passes at once; any other is judged by the rules, and the connection marked.
A change of a pair's rules gives it a new mark, so that every connection is judged again: one that
is still permitted goes on without losing a packet, one that is not ends.

    forward      iifname . oifname vmap @pairs; what touches our zones otherwise: deny
    pair_A/B     packets from A to B: marked connections, then out_A/B, fun_A/B and back_B/A
    out_A/B      one line a family and protocol of every plain rule: goto rule_NAME
    fun_A/B      the same for rules of functions: jump rule_NAME
    back_A/B     the mirrored lines, for replies of connections that bear no mark yet
    rule_NAME    counts, logs, and permits or judges the function
    ok_A/B       marks the connection and accepts; okf_A/B marks one that is judged by function
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from segctl.policy import ANY
from segctl.providers.nftables import functions, names
from segctl.providers.nftables.table import Chain, Counter, Line, Set, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from segctl.policy import DefaultRule, Policy, Rule

#: The upper half of the connection mark is ours; the lower belongs to others.
MASK = 0xFFFF0000
FORWARD_HOOK = "type filter hook forward priority 0; policy accept;"
#: By IP version how a set of addresses is listed, and how it is made. What nft 1.1 stores of a set
#: that is made by ``type`` crashes nft 1.0.6, so every set of ours is made by ``typeof``.
ADDRESS_SETS = {
    4: ("type ipv4_addr; flags interval;", "typeof ip saddr; flags interval;"),
    6: ("type ipv6_addr; flags interval;", "typeof ip6 saddr; flags interval;"),
}
_FAMILIES = {4: "ip", 6: "ip6"}
_ECHO = {4: "icmp type", 6: "icmpv6 type"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """The mark values (upper 16 bits) of one zone pair: plain connections, judged ones."""

    plain: int = 0
    judged: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What of a table is not said by the policy: mark values, and revisions of address sets."""

    marks: Mapping[str, Marks] = field(default_factory=dict[str, Marks])
    sets: Mapping[tuple[int, str], str] = field(default_factory=dict[tuple[int, str], str])

    def set(self, version: int, group: str) -> str:
        """Return the name of the set of a group's addresses."""
        return self.sets.get((version, group)) or names.set_name(version, 0, group)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleLines:
    """The lines of one rule: for packets of who asks, for replies, and what both lead to."""

    out: tuple[Line, ...]
    back: tuple[Line, ...]
    verdict: tuple[Line, ...]


def build(policy: Policy, given: Names) -> Table:
    """Return the table that enforces a fitted policy."""
    groups = {group.name: group.members for group in policy.address_groups}
    chains: dict[str, tuple[Line, ...]] = {}
    counters = {
        name: Counter(name=name, comment=comment)
        for name, comment in ((names.MARK, names.FORMAT), (names.DENIED, ""))
    }
    pairs = by_pair(policy.rules)
    for pair, rules in pairs.items():
        chains.update(_pair_chains(pair, rules, groups, given))
        for rule in rules:
            found = lines_of(rule, groups, given)
            chains[f"rule_{rule.name}"] = found.verdict
            counters[f"rule_{rule.name}"] = Counter(
                name=f"rule_{rule.name}", comment=names.labels(rule)
            )
    crossing = _crossings(pairs)
    for pair in crossing:
        chains[f"pair_{pair}"] = tuple(_dispatch(pair, pairs, given))
    chains.update(_inside(policy))
    for rule in policy.rules:
        if rule.type == "intrazone":
            name = f"rule_{rule.name}"
            counters[name] = Counter(name=name, comment=names.labels(rule))
    chains[names.FORWARD] = (
        Line(f"iifname . oifname vmap @{names.PAIRS}"),
        Line(f"iifname @{names.ZONED} goto {names.DENY}"),
        Line(f"oifname @{names.ZONED} goto {names.DENY}"),
    )
    chains[names.DENY] = tuple(_deny(policy.defaults))
    sets = {item.name: item for item in _sets(policy, groups, crossing, given)}
    used = {fn for rule in policy.rules for fn in rule.applications if fn != ANY}
    for item in functions.support(used):
        if isinstance(item, Set):
            sets[item.name] = item
        else:
            chains[item.name] = item.lines
    return Table(
        chains={
            name: Chain(name=name, lines=lines, hook=FORWARD_HOOK if name == names.FORWARD else "")
            for name, lines in chains.items()
        },
        sets=sets,
        counters=counters,
    )


def by_pair(rules: Iterable[Rule]) -> dict[str, list[Rule]]:
    """Return the permitting rules by zone pair."""
    found: dict[str, list[Rule]] = {}
    for rule in rules:
        if rule.type != "intrazone":
            pair = names.pair(rule.from_zones[0], rule.to_zones[0])
            found.setdefault(pair, []).append(rule)
    return found


def reverse(pair: str) -> str:
    """Return the zone pair of the other direction."""
    source, _, destination = pair.partition(names.JOIN)
    return names.pair(destination, source)


def _crossings(pairs: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({one for pair in pairs for one in (pair, reverse(pair))}))


def judged(rule: Rule) -> bool:
    """Whether a rule permits functions rather than ports."""
    return rule.applications != (ANY,)


# --- one rule ------------------------------------------------------------------------------------


def lines_of(rule: Rule, groups: Mapping[str, Sequence[str]], given: Names) -> RuleLines:
    """Return the lines of one permitting rule."""
    pair = names.pair(rule.from_zones[0], rule.to_zones[0])
    chain = f"rule_{rule.name}"
    marks = given.marks.get(pair, Marks())
    go = "jump" if judged(rule) else "goto"
    out: list[Line] = []
    back: list[Line] = []
    for version in (4, 6):
        if not all(members(groups, side[0], version) for side in (rule.sources, rule.destinations)):
            continue
        word = _FAMILIES[version]
        source = given.set(version, rule.sources[0])
        target = given.set(version, rule.destinations[0])
        for ask, answer in _services(rule.services, version):
            out.append(Line(f"{word} saddr @{source} {word} daddr @{target} {ask} {go} {chain}"))
            mirrored = f"{word} saddr @{target} {word} daddr @{source} {answer}"
            back.append(
                Line(f"{mirrored} goto okf_{pair}", rule.name)
                if judged(rule)
                else Line(f"{mirrored} goto {chain}")
            )
    return RuleLines(out=tuple(out), back=tuple(back), verdict=tuple(_verdict(rule, pair, marks)))


def members(groups: Mapping[str, Sequence[str]], name: str, version: int) -> list[str]:
    """Return the addresses of one IP version in a group."""
    return [one for one in groups.get(name, ()) if (":" in one) is (version == 6)]


def _services(services: Iterable[str], version: int) -> Iterator[tuple[str, str]]:
    """Yield matches of a request and of its reply: single ports together, each range alone.

    A range in an anonymous set would be a new interval set at every change, and those lose
    packets while they load.
    """
    single: dict[str, list[int]] = {}
    for protocol, first, last in sorted(map(read_service, services)):
        if protocol == "icmp":
            yield f"{_ECHO[version]} echo-request", f"{_ECHO[version]} echo-reply"
        elif first == last:
            single.setdefault(protocol, []).append(first)
        else:
            yield f"{protocol} dport {first}-{last}", f"{protocol} sport {first}-{last}"
    for protocol, ports in single.items():
        text = str(ports[0]) if len(ports) == 1 else f"{{ {', '.join(map(str, ports))} }}"
        yield f"{protocol} dport {text}", f"{protocol} sport {text}"


def read_service(name: str) -> tuple[str, int, int]:
    """Return protocol and port range of a fitted service's name."""
    protocol, _, ports = name.removeprefix(names.SERVICE_PREFIX).partition("-")
    first, _, last = ports.partition("-")
    return protocol, int(first or 0), int(last or first or 0)


def _verdict(rule: Rule, pair: str, marks: Marks) -> Iterator[Line]:
    yield Line(f'counter name "rule_{rule.name}"')
    if rule.log:
        yield Line(
            "ct state new limit rate 10/second burst 50 packets "
            f'log prefix "segctl allow {rule.name} "{_group(rule.log_setting)}'
        )
    if not judged(rule):
        yield Line(f"goto ok_{pair}")
        return
    yield _mark(marks.judged)
    for name in rule.applications:
        yield Line(f"jump {functions.chain(name)}")
    yield Line(
        "limit rate 5/second burst 20 packets "
        f'log prefix "segctl function {rule.name} "{_group(rule.log_setting)}'
    )


def _group(setting: str) -> str:
    return "" if setting == names.KERNEL_LOG else f" group {setting or names.LOG_GROUP}"


def _mark(value: int) -> Line:
    return Line(f"ct mark set ct mark & 0x{~MASK & 0xFFFFFFFF:08x} | 0x{value << 16:08x}")


# --- one zone pair -------------------------------------------------------------------------------


def _pair_chains(
    pair: str, rules: Sequence[Rule], groups: Mapping[str, Sequence[str]], given: Names
) -> Iterator[tuple[str, tuple[Line, ...]]]:
    marks = given.marks.get(pair, Marks())
    plain = [lines_of(rule, groups, given) for rule in rules if not judged(rule)]
    by_function = [lines_of(rule, groups, given) for rule in rules if judged(rule)]
    if plain:
        yield f"out_{pair}", tuple(line for found in plain for line in found.out)
        yield f"ok_{pair}", (_mark(marks.plain), Line("accept"))
    if by_function:
        yield f"fun_{pair}", tuple(line for found in by_function for line in found.out)
        yield f"okf_{pair}", (_mark(marks.judged), Line("accept"))
    yield f"back_{pair}", tuple(line for found in (*plain, *by_function) for line in found.back)


def _dispatch(pair: str, pairs: Mapping[str, Sequence[Rule]], given: Names) -> Iterator[Line]:
    """Yield the lines for all packets from one zone to another.

    A connection that a helper of others expects (``related`` but no ICMP) inherits the mark of
    another: it is judged as new.
    """
    rules, answers = pairs.get(pair, ()), pairs.get(reverse(pair), ())
    marks, other = given.marks.get(pair, Marks()), given.marks.get(reverse(pair), Marks())
    plain = any(not judged(rule) for rule in rules)
    by_function = any(judged(rule) for rule in rules)
    original, reply = "ct direction original", "ct direction reply"
    if plain:
        yield Line(f"{original} ct state established,new {_marked(marks.plain)} accept")
    if any(not judged(rule) for rule in answers):
        yield Line(f"{reply} {_marked(other.plain)} accept")
    if any(judged(rule) for rule in answers):
        yield Line(f"{reply} {_marked(other.judged)} accept")
    error = f"{original} ct state related meta l4proto {{ icmp, ipv6-icmp }}"
    if plain:
        yield Line(f"{error} {_marked(marks.plain)} accept")
        yield Line(f"{original} ct state established,related,new jump out_{pair}")
    if by_function:
        yield Line(f"{error} {_marked(marks.judged)} accept")
        yield Line(f"{original} ct state established,related,new jump fun_{pair}")
    if answers:
        yield Line(f"{reply} ct state established jump back_{reverse(pair)}")
    yield Line(f"goto {names.DENY}")


def _marked(value: int) -> str:
    return f"ct mark & 0x{MASK:08x} == 0x{value << 16:08x}"


def _inside(policy: Policy) -> Iterator[tuple[str, tuple[Line, ...]]]:
    """Yield the chain of every zone for traffic between its own interfaces."""
    closed = {rule.from_zones[0]: rule for rule in policy.rules if rule.type == "intrazone"}
    for zone in policy.zones:
        rule = closed.get(zone.name)
        lines = (
            (Line("accept"),)
            if rule is None
            else (Line(f'counter name "rule_{rule.name}" goto {names.DENY}'),)
        )
        yield f"pair_{names.pair(zone.name, zone.name)}", lines


def _deny(defaults: Sequence[DefaultRule]) -> Iterator[Line]:
    """Yield what happens to everything else; the drop is a rule, never only a chain's policy."""
    rule = next((one for one in defaults if one.name == "interzone-default"), None)
    yield Line(f'counter name "{names.DENIED}"')
    if rule is None or rule.log:
        setting = rule.log_setting if rule else ""
        group = _group(setting)
        snap = " snaplen 128" if group else ""
        yield Line(f'limit rate 20/second burst 40 packets log prefix "segctl deny "{group}{snap}')
    yield Line("drop")


def _sets(
    policy: Policy,
    groups: Mapping[str, Sequence[str]],
    crossing: Sequence[str],
    given: Names,
) -> Iterator[Set]:
    for group in groups:
        for version, (declaration, made) in ADDRESS_SETS.items():
            found = members(groups, group, version)
            if found:
                yield Set(
                    name=given.set(version, group),
                    declaration=declaration,
                    made=made,
                    elements=frozenset(found),
                )
    ports = {zone.name: zone.interfaces for zone in policy.zones}
    yield Set(
        name=names.ZONED,
        declaration="type ifname;",
        made="typeof iifname;",
        elements=frozenset(f'"{port}"' for found in ports.values() for port in found),
    )
    inside = (names.pair(zone, zone) for zone in ports)
    yield Set(
        name=names.PAIRS,
        declaration="type ifname . ifname : verdict;",
        made="typeof iifname . oifname : verdict;",
        map=True,
        elements=frozenset(
            f'"{enter}" . "{leave}" : goto pair_{pair}'
            for pair in (*inside, *crossing)
            for source, _, destination in [pair.partition(names.JOIN)]
            for enter in ports.get(source, ())
            for leave in ports.get(destination, ())
        ),
    )
