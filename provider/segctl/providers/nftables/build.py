"""From a fitted policy to the table that enforces it.

One verdict map picks the chain of a zone pair by interface. There every packet is judged by the
rules as they stand, whichever connection it belongs to and in whichever direction it goes: so a
change, a flush or a way back is in force with the next packet. The connection's mark only says
which rule to try first, and whether that rule has counted it. It permits nothing: a packet that
this rule does not match meets all others, so whoever has set a mark, it is right or of no use.

    forward      iifname . oifname vmap @pairs; what touches our zones otherwise: deny
    pair_A/B     packets from A to B: the rule that the mark names, errors, out_A/B, fun_A/B;
                 and packets of B's connections to A that answer: the same by mark, then out_B/A
    mark_A/B     which rule a mark names, for connections from A to B
    out_A/B      jump may_NAME, for every rule from A to B
    may_NAME     one line a direction, family and protocol: goto rule_NAME; where functions are
                 judged, lines for replies alone: accept
    fun_A/B      lines of rules of functions, for packets of who asks: jump rule_NAME
    err_A/B      lines for ICMP errors about permitted connections: what they quote is judged
    rule_NAME    counts, logs, marks the connection, and permits or judges the function
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
ADDRESS_SETS = {
    4: "type ipv4_addr; flags interval;",
    6: "type ipv6_addr; flags interval;",
}
FAMILIES = {4: "ip", 6: "ip6"}
MARK_MAP = "type mark : verdict;"
_ECHO = {4: "icmp type", 6: "icmpv6 type"}
_ICMP = "meta l4proto { icmp, ipv6-icmp }"


@dataclass(frozen=True, slots=True, kw_only=True)
class Former:
    """The mark values of one zone pair in format 1: plain connections, judged ones."""

    plain: int = 0
    judged: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What of a table is not said by the policy: mark values, and revisions of address sets.

    `marks` are 16 bits by rule, each once in a zone pair; `former` those by zone pair that a table
    of format 1 has.
    """

    marks: Mapping[str, int] = field(default_factory=dict[str, int])
    former: Mapping[str, Former] = field(default_factory=dict[str, Former])
    sets: Mapping[tuple[int, str], str] = field(default_factory=dict[tuple[int, str], str])

    def set(self, version: int, group: str) -> str:
        """Return the name of the set of a group's addresses."""
        return self.sets.get((version, group)) or names.set_name(version, 0, group)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleLines:
    """The lines of one rule: for packets of who asks, replies and errors, by their place."""

    may: tuple[Line, ...]
    fun: tuple[Line, ...]
    err: tuple[Line, ...]
    verdict: tuple[Line, ...]


def build(policy: Policy, given: Names) -> Table:
    """Return the table that enforces a fitted policy."""
    groups = {group.name: group.members for group in policy.address_groups}
    chains: dict[str, tuple[Line, ...]] = {}
    pairs = by_pair(policy.rules)
    for pair, rules in pairs.items():
        chains.update(_pair_chains(pair, rules, groups, given))
    for pair in crossings(pairs):
        chains[f"pair_{pair}"] = tuple(_dispatch(pair, pairs))
    return assemble(policy, given, chains, names.FORMAT, _mark_maps(pairs, given))


def assemble(
    policy: Policy,
    given: Names,
    chains: Mapping[str, tuple[Line, ...]],
    form: str,
    maps: Iterable[Set] = (),
) -> Table:
    """Return the table of these chains with everything that is the same in every format."""
    found = {**chains, **dict(_inside(policy))}
    found[names.FORWARD] = (
        Line(f"iifname . oifname vmap @{names.PAIRS}"),
        Line(f"iifname @{names.ZONED} goto {names.DENY}"),
        Line(f"oifname @{names.ZONED} goto {names.DENY}"),
    )
    found[names.DENY] = tuple(_deny(policy.defaults))
    groups = {group.name: group.members for group in policy.address_groups}
    crossing = crossings(by_pair(policy.rules))
    sets = {item.name: item for item in (*_sets(policy, groups, crossing, given), *maps)}
    used = {fn for rule in policy.rules for fn in rule.applications if fn != ANY}
    for item in functions.support(used):
        if isinstance(item, Set):
            sets[item.name] = item
        else:
            found[item.name] = item.lines
    return Table(
        chains={
            name: Chain(name=name, lines=lines, hook=FORWARD_HOOK if name == names.FORWARD else "")
            for name, lines in found.items()
        },
        sets=sets,
        counters={item.name: item for item in _counters(policy, form)},
    )


def _counters(policy: Policy, form: str) -> Iterator[Counter]:
    yield Counter(name=names.MARK, comment=form)
    yield Counter(name=names.DENIED, comment="")
    for rule in policy.rules:
        yield Counter(name=f"rule_{rule.name}", comment=names.labels(rule))


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


def crossings(pairs: Iterable[str]) -> tuple[str, ...]:
    """Return every zone pair with rules in either direction."""
    return tuple(sorted({one for pair in pairs for one in (pair, reverse(pair))}))


def judged(rule: Rule) -> bool:
    """Whether a rule permits functions rather than ports."""
    return rule.applications != (ANY,)


# --- one rule ------------------------------------------------------------------------------------


def lines_of(rule: Rule, groups: Mapping[str, Sequence[str]], given: Names) -> RuleLines:
    """Return the lines of one permitting rule."""
    chain = f"rule_{rule.name}"
    may: list[Line] = []
    fun: list[Line] = []
    err: list[Line] = []
    for version, word in FAMILIES.items():
        if not all(members(groups, side[0], version) for side in (rule.sources, rule.destinations)):
            continue
        source = given.set(version, rule.sources[0])
        target = given.set(version, rule.destinations[0])
        for ask, answer in services_of_line(rule.services, version):
            asking = f"{word} saddr @{source} {word} daddr @{target} {ask}"
            answering = f"ct direction reply {word} saddr @{target} {word} daddr @{source} {answer}"
            if judged(rule):
                fun.append(Line(f"{asking} jump {chain}"))
                may.append(Line(f"{answering} accept"))
            else:
                may.append(Line(f"ct direction original {asking} goto {chain}"))
                may.append(Line(f"{answering} goto {chain}"))
        about = f"ct original {word} saddr @{source} ct reply {word} saddr @{target}"
        for direction, quoted in _quotes(rule.services, version):
            err.append(Line(f"ct direction {direction} {about} {quoted} accept", rule.name))
    return RuleLines(
        may=tuple(may),
        fun=tuple(fun),
        err=tuple(err),
        verdict=tuple(_verdict(rule, given.marks.get(rule.name, 0))),
    )


def members(groups: Mapping[str, Sequence[str]], name: str, version: int) -> list[str]:
    """Return the addresses of one IP version in a group."""
    return [one for one in groups.get(name, ()) if (":" in one) is (version == 6)]


def services_of_line(services: Iterable[str], version: int) -> Iterator[tuple[str, str]]:
    """Yield matches of a request and of its reply: single ports together, each range alone.

    A range in an anonymous set would be a new interval set at every change, and those lose
    packets while they load.
    """
    for protocol, ports in _grouped(services):
        if protocol == "icmp":
            yield f"{_ECHO[version]} echo-request", f"{_ECHO[version]} echo-reply"
        else:
            text = _one_of(
                [f"{first}-{last}" if last > first else f"{first}" for first, last in ports]
            )
            yield f"{protocol} dport {text}", f"{protocol} sport {text}"


def _grouped(services: Iterable[str]) -> Iterator[tuple[str, list[tuple[int, int]]]]:
    """Yield protocol and ports: single ports together, each range alone."""
    single: dict[str, list[tuple[int, int]]] = {}
    for protocol, first, last in sorted(map(read_service, services)):
        if protocol == "icmp" or first < last:
            yield protocol, [(first, last)]
        else:
            single.setdefault(protocol, []).append((first, last))
    yield from single.items()


def _one_of(listed: Sequence[str]) -> str:
    return listed[0] if len(listed) == 1 else f"{{ {', '.join(listed)} }}"


#: Where an ICMP error has what it quotes, in bits: how to know a header without options, its
#: protocol, and the ports after it (RFC 792, RFC 4443: 8 bytes before the quoted packet).
_QUOTED = {4: ("@th,64,8 0x45 @th,136,8", 224), 6: ("@th,112,8", 384)}
_NUMBERS = {"tcp": 6, "udp": 17}
_PING = {4: (1, 8, 0), 6: (58, 128, 129)}


def _quotes(services: Iterable[str], version: int) -> Iterator[tuple[str, str]]:
    """Yield directions of ICMP errors with matches of the packets that they quote.

    An error in the direction of replies quotes a request, one in the other a reply.
    """
    head, at = _QUOTED[version]
    for protocol, ports in _grouped(services):
        if protocol == "icmp":
            number, request, reply = _PING[version]
            yield "reply", f"{head} 0x{number:x} @th,{at},8 0x{request:x}"
            yield "original", f"{head} 0x{number:x} @th,{at},8 0x{reply:x}"
            continue
        text = _one_of([f"0x{first:x}" + f"-0x{last:x}" * (last > first) for first, last in ports])
        known = f"{head} 0x{_NUMBERS[protocol]:x}"
        yield "reply", f"{known} @th,{at + 16},16 {text}"
        yield "original", f"{known} @th,{at},16 {text}"


def read_service(name: str) -> tuple[str, int, int]:
    """Return protocol and port range of a fitted service's name."""
    protocol, _, ports = name.removeprefix(names.SERVICE_PREFIX).partition("-")
    first, _, last = ports.partition("-")
    return protocol, int(first or 0), int(last or first or 0)


def _verdict(rule: Rule, value: int) -> Iterator[Line]:
    """Yield what is done with a packet that the rule matches: counted once in a connection."""
    once = "" if judged(rule) else f"ct mark & 0x{MASK:08x} != 0x{value << 16:08x} "
    yield Line(f'{once}counter name "rule_{rule.name}"')
    if rule.log:
        yield Line(
            f"ct state new {once}limit rate 10/second burst 50 packets "
            f'log prefix "segctl allow {rule.name} "{log_group(rule.log_setting)}'
        )
    yield set_mark(value)
    if not judged(rule):
        yield Line("accept")
        return
    for name in rule.applications:
        yield Line(f"jump {functions.chain(name)}")
    yield Line(
        "limit rate 5/second burst 20 packets "
        f'log prefix "segctl function {rule.name} "{log_group(rule.log_setting)}'
    )


def log_group(setting: str) -> str:
    """Return how a log statement names its group; nothing for the kernel's log."""
    return "" if setting == names.KERNEL_LOG else f" group {setting or names.LOG_GROUP}"


def set_mark(value: int) -> Line:
    """Return the line that writes our half of the connection mark."""
    return Line(f"ct mark set ct mark & 0x{~MASK & 0xFFFFFFFF:08x} | 0x{value << 16:08x}")


# --- one zone pair -------------------------------------------------------------------------------


def _pair_chains(
    pair: str, rules: Sequence[Rule], groups: Mapping[str, Sequence[str]], given: Names
) -> Iterator[tuple[str, tuple[Line, ...]]]:
    fun: list[Line] = []
    err: list[Line] = []
    for rule in rules:
        found = lines_of(rule, groups, given)
        fun += found.fun
        err += found.err
        yield f"may_{rule.name}", found.may
        yield f"rule_{rule.name}", found.verdict
    yield f"out_{pair}", tuple(Line(f"jump may_{rule.name}") for rule in rules)
    yield f"err_{pair}", tuple(err)
    if any(map(judged, rules)):
        yield f"fun_{pair}", tuple(fun)


def _dispatch(pair: str, pairs: Mapping[str, Sequence[Rule]]) -> Iterator[Line]:
    """Yield the lines for all packets from one zone to another.

    A connection that a helper of others expects (``related`` but no ICMP) is judged as new.
    """
    sides = (("original", pair), ("reply", reverse(pair)))
    for direction, asking in sides:
        if asking in pairs:
            yield Line(f"ct direction {direction} ct mark & 0x{MASK:08x} vmap @mark_{asking}")
    for direction, asking in sides:
        if asking in pairs:
            yield Line(f"ct direction {direction} ct state related {_ICMP} jump err_{asking}")
    if pair in pairs:
        asked = "ct direction original ct state established,related,new"
        yield Line(f"{asked} jump out_{pair}")
        if any(map(judged, pairs[pair])):
            yield Line(f"{asked} jump fun_{pair}")
    if reverse(pair) in pairs:
        yield Line(f"ct direction reply ct state established jump out_{reverse(pair)}")
    yield Line(f"goto {names.DENY}")


def _mark_maps(pairs: Mapping[str, Sequence[Rule]], given: Names) -> Iterator[Set]:
    for pair, rules in pairs.items():
        yield Set(
            name=f"mark_{pair}",
            declaration=MARK_MAP,
            map=True,
            elements=frozenset(
                f"{given.marks.get(rule.name, 0) << 16} : jump may_{rule.name}" for rule in rules
            ),
        )


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
        group = log_group(setting)
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
        for version, declaration in ADDRESS_SETS.items():
            found = members(groups, group, version)
            if found:
                yield Set(
                    name=given.set(version, group),
                    declaration=declaration,
                    elements=frozenset(found),
                )
    ports = {zone.name: zone.interfaces for zone in policy.zones}
    yield Set(
        name=names.ZONED,
        declaration="type ifname;",
        elements=frozenset(f'"{port}"' for found in ports.values() for port in found),
    )
    inside = (names.pair(zone, zone) for zone in ports)
    yield Set(
        name=names.PAIRS,
        declaration="type ifname . ifname : verdict;",
        map=True,
        elements=frozenset(
            f'"{enter}" . "{leave}" : goto pair_{pair}'
            for pair in (*inside, *crossing)
            for source, _, destination in [pair.partition(names.JOIN)]
            for enter in ports.get(source, ())
            for leave in ports.get(destination, ())
        ),
    )
