"""From a fitted policy to the table that enforces it.

A verdict map picks the chain of a zone pair by interface. There the present rules judge every
packet, in either direction, by the initiator and responder of its connection, so a change, a flush
or a revert takes effect with the next packet. The connection's mark only says which rule to try
first, and whether that rule has counted the connection. The mark permits nothing: a packet that the
rule does not match goes on to all others, so whoever set a mark, it is either right or has no
effect.

    forward      iifname . oifname vmap @pairs; all else that touches our zones: deny
    pair_A/B     packets from A to B; of connections from A to B: the rule that the mark names,
                 ICMP errors, out_A/B, fun_A/B; replies of connections from B to A: the rule
                 that the mark names, ICMP errors, out_B/A
    mark_A/B     the rule that a mark names, for connections from A to B
    out_A/B      jump may_NAME, for every rule from A to B
    may_NAME     a line per family and range of ports, for both directions: goto rule_NAME; if
                 functions are judged, only for replies: accept
    fun_A/B      lines of rules with functions, for packets of the initiator: jump rule_NAME
    quoted       an ICMP error must quote a packet whose ports are at the expected offsets
    erq_A/B      lines for errors about requests of permitted connections, judged by their quote
    era_A/B      the same for errors about answers
    rule_NAME    counts, logs, marks the connection, and permits or judges the function

Whoever is contained meets none of this, but in ``forward`` before all else; so does what passes
between an island and what is above it:

    forward      from or to an address of @contained4 …: goto rule_segctl.contained-source, or
                 rule_segctl.contained-destination; between @island4_NAME and the addresses above:
                 goto rule_segctl.island-out.NAME, or rule_segctl.island-in.NAME
    rule_segctl.contained-source
                 iifname . oifname vmap @kept, counts, logs, drops
    keep_A/B     packets from A to B, as in pair_A/B, of the rules that go on only: keepout_A/B and
                 so on lead to the same may_NAME and rule_NAME
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from segctl.compiler import naming
from segctl.model.policy import ANY, AddressGroup, DefaultRule, FirewallZone
from segctl.providers.nftables import functions, names
from segctl.providers.nftables.table import Chain, Counter, Line, Set, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from segctl.model.policy import Policy, Rule

#: The upper half of the connection mark is ours; the lower half belongs to others.
MASK = 0xFFFF0000
FORWARD_HOOK = "type filter hook forward priority 0; policy accept;"
#: By IP version, how a set of addresses is listed and how it is created. What nft 1.1 stores for a
#: set created by ``type`` crashes nft 1.0.6, so all our sets are created by ``typeof``.
ADDRESS_SETS = {
    4: ("type ipv4_addr; flags interval;", "typeof ip saddr; flags interval;"),
    6: ("type ipv6_addr; flags interval;", "typeof ip6 saddr; flags interval;"),
}
FAMILIES = {4: "ip", 6: "ip6"}
#: Flags of a set of who is cut off: of single addresses, and of networks.
_TIMED = ("flags timeout;", "flags interval, timeout;")
#: What the names of chains begin with that hold for who is contained.
KEEP = "keep"
_PORT_PAIR = ("type ifname . ifname : verdict;", "typeof iifname . oifname : verdict;")
MARK_MAP = "type mark : verdict;"
MARK_MAP_MADE = "typeof ct mark : verdict;"
ECHO = {4: "icmp type", 6: "icmpv6 type"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Former:
    """A zone pair's mark values in format 1: for plain and for judged connections."""

    plain: int = 0
    judged: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What the policy does not determine in a table: mark values and revisions of address sets.

    `marks` has 16 bits per rule, unique in a zone pair; `former` has the marks by zone pair of a
    table in format 1.
    """

    marks: Mapping[str, int] = field(default_factory=dict[str, int])
    former: Mapping[str, Former] = field(default_factory=dict[str, Former])
    sets: Mapping[tuple[int, str], str] = field(default_factory=dict[tuple[int, str], str])

    def set(self, version: int, group: str) -> str:
        """Return the name of the set of a group's addresses."""
        return self.sets.get((version, group)) or names.set_name(version, 0, group)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleLines:
    """A rule's lines: for packets of the initiator, replies and errors, by chain."""

    may: tuple[Line, ...]
    fun: tuple[Line, ...]
    erq: tuple[Line, ...]
    era: tuple[Line, ...]
    verdict: tuple[Line, ...]


def build(policy: Policy, given: Names) -> Table:
    """Return the table that enforces a fitted policy."""
    groups = {group.name: group.members for group in policy[AddressGroup]}
    chains: dict[str, tuple[Line, ...]] = {}
    pairs = by_pair(policy.rules)
    for pair, rules in pairs.items():
        chains.update(_pair_chains(pair, rules, groups, given))
    for pair in crossings(pairs):
        chains[f"pair_{pair}"] = (*_dispatch(pair, pairs), Line(f"goto {names.DENY}"))
        chains["quoted"] = tuple(_quoted())
    kept = by_pair(rule for rule in policy.rules if rule.leading)
    for pair, rules in kept.items():
        chains.update(_leading(pair, rules, groups, given))
    for pair in crossings(kept):
        chains[f"{KEEP}_{pair}"] = tuple(_dispatch(pair, kept, KEEP))
    chains.update(_contained(policy.rules, kept=bool(kept)))
    return assemble(policy, given, chains, names.FORMAT, _mark_maps(pairs, given))


def assemble(
    policy: Policy,
    given: Names,
    chains: Mapping[str, tuple[Line, ...]],
    form: str,
    maps: Iterable[Set] = (),
) -> Table:
    """Return the table of these chains, plus everything that is the same in all formats."""
    all_chains = {**chains, **dict(_inside(policy))}
    groups = {group.name: group.members for group in policy[AddressGroup]}
    all_chains[names.FORWARD] = (
        *_held(policy.rules, groups, given),
        Line(f"iifname . oifname vmap @{names.PAIRS}"),
        Line(f"iifname @{names.ZONED} goto {names.DENY}"),
        Line(f"oifname @{names.ZONED} goto {names.DENY}"),
    )
    all_chains[names.DENY] = tuple(_deny(policy[DefaultRule]))
    crossing = crossings(by_pair(policy.rules))
    sets = {item.name: item for item in (*_sets(policy, groups, crossing, given), *maps)}
    sets |= {item.name: item for item in _timed(policy)}
    used = {fn for rule in policy.rules for fn in rule.applications if fn != ANY}
    for item in functions.support(used):
        if isinstance(item, Set):
            sets[item.name] = item
        else:
            all_chains[item.name] = item.lines
    return Table(
        chains={
            name: Chain(name=name, lines=lines, hook=FORWARD_HOOK if name == names.FORWARD else "")
            for name, lines in all_chains.items()
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
    pairs: dict[str, list[Rule]] = {}
    for rule in rules:
        if rule.type != "intrazone" and not contains(rule):
            pair = names.pair(rule.from_zones[0], rule.to_zones[0])
            pairs.setdefault(pair, []).append(rule)
    return pairs


def contains(rule: Rule) -> bool:
    """Whether a rule is one of those that deny who is contained."""
    return rule.leading and rule.action != "allow"


def reverse(pair: str) -> str:
    """Return the zone pair of the other direction."""
    source, _, destination = pair.partition(names.JOIN)
    return names.pair(destination, source)


def crossings(pairs: Iterable[str]) -> tuple[str, ...]:
    """Return the zone pairs with rules in either direction."""
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
    erq: list[Line] = []
    era: list[Line] = []
    for version, word in FAMILIES.items():
        if not all(members(groups, side[0], version) for side in (rule.sources, rule.destinations)):
            continue
        source = given.set(version, rule.sources[0])
        target = given.set(version, rule.destinations[0])
        about = f"ct original {word} saddr @{source} ct reply {word} saddr @{target}"
        for service in _matches(rule.services, version):
            if judged(rule):
                fun.append(Line(f"{about} {service} jump {chain}"))
                may.append(Line(f"ct direction reply {about} {service} accept"))
            else:
                may.append(Line(f"{about} {service} goto {chain}"))
        for request, reply in _quotes(rule.services, version):
            erq.append(Line(f"{about} {request} accept", rule.name))
            era.append(Line(f"{about} {reply} accept", rule.name))
    return RuleLines(
        may=tuple(may),
        fun=tuple(fun),
        erq=tuple(erq),
        era=tuple(era),
        verdict=tuple(_verdict(rule, given.marks.get(rule.name, 0))),
    )


def members(groups: Mapping[str, Sequence[str]], name: str, version: int) -> list[str]:
    """Return the addresses of one IP version in a group."""
    return [one for one in groups.get(name, ()) if (":" in one) is (version == 6)]


def _matches(services: Iterable[str], version: int) -> Iterator[str]:
    """Yield matches of a service's packets in both directions.

    Each range of ports has its own line: nft 1.0.6 cannot list a set that is compared with a
    connection's port, and a range in an anonymous set would lose packets while it loads.
    """
    for protocol, first, last in sorted(map(read_service, services)):
        if protocol == "icmp":
            yield f"{ECHO[version]} echo-request"
            yield f"{ECHO[version]} echo-reply"
        else:
            ports = f"{first}" + f"-{last}" * (last > first)
            yield f"meta l4proto {protocol} ct reply proto-src {ports}"


def grouped(services: Iterable[str]) -> Iterator[tuple[str, list[tuple[int, int]]]]:
    """Yield protocol and ports: single ports together, each range alone."""
    single: dict[str, list[tuple[int, int]]] = {}
    for protocol, first, last in sorted(map(read_service, services)):
        if protocol == "icmp" or first < last:
            yield protocol, [(first, last)]
        else:
            single.setdefault(protocol, []).append((first, last))
    yield from single.items()


def one_of(listed: Sequence[str]) -> str:
    """Return a match for one value, or an anonymous set for several."""
    return listed[0] if len(listed) == 1 else f"{{ {', '.join(listed)} }}"


#: Bit offset of the quoted packet's ports in an ICMP error: after 8 bytes and an IP header without
#: options (RFC 792, RFC 4443). `_quoted` makes sure that it has none.
_PORTS_AT = {4: 224, 6: 384}
_PING = {4: ("icmp", 8, 0), 6: ("ipv6-icmp", 128, 129)}


def _quotes(services: Iterable[str], version: int) -> Iterator[tuple[str, str]]:
    """Yield matches of ICMP errors, by the request and by the reply that they quote."""
    at = _PORTS_AT[version]
    for protocol, ports in grouped(services):
        if protocol == "icmp":
            word, request, reply = _PING[version]
            known = f"ct protocol {word} @th,{at},8"
            yield f"{known} 0x{request:x}", f"{known} 0x{reply:x}"
        else:
            text = one_of([f"0x{low:x}" + f"-0x{high:x}" * (high > low) for low, high in ports])
            known = f"ct protocol {protocol}"
            yield f"{known} @th,{at + 16},16 {text}", f"{known} @th,{at},16 {text}"


def _quoted() -> Iterator[Line]:
    """Yield lines that pass on errors about IPv4 without options, and IPv6 without extensions."""
    yield Line("meta l4proto icmp @th,64,8 0x45 return")
    yield Line("meta l4proto ipv6-icmp @th,112,8 { 0x6, 0x11, 0x3a } return")
    yield Line(f"goto {names.DENY}")


def read_service(name: str) -> tuple[str, int, int]:
    """Return protocol and port range of a fitted service's name."""
    protocol, ports = naming.decode_service(name) or (name, "")
    first, _, last = ports.partition("-")
    return protocol, int(first or 0), int(last or first or 0)


def _verdict(rule: Rule, value: int) -> Iterator[Line]:
    """Yield the statements for a packet that the rule matches; it counts once per connection."""
    once = "" if judged(rule) else f"ct mark & 0x{MASK:08x} != 0x{value << 16:08x} "
    yield Line(f'{once}counter name "rule_{rule.name}"')
    if rule.log:
        yield Line(
            f"ct state new {once}limit rate 10/second burst 50 packets "
            f'log prefix "segctl allow {rule.name} "{log_group(rule.log_setting)}'
        )
    mark = set_mark(value)
    if not judged(rule):
        yield Line(f"{mark} accept")
        return
    yield mark
    for name in rule.applications:
        yield Line(f"jump {functions.chain(name)}")
    yield Line(
        "limit rate 5/second burst 20 packets "
        f'log prefix "segctl function {rule.name} "{log_group(rule.log_setting)}'
    )


def log_group(setting: str) -> str:
    """Return the group of a log statement; empty for the kernel's log."""
    return "" if setting == names.KERNEL_LOG else f" group {setting or names.LOG_GROUP}"


def set_mark(value: int) -> Line:
    """Return the line that writes our half of the connection mark."""
    return Line(f"ct mark set ct mark & 0x{~MASK & 0xFFFFFFFF:08x} | 0x{value << 16:08x}")


# --- one zone pair -------------------------------------------------------------------------------


def _pair_chains(
    pair: str, rules: Sequence[Rule], groups: Mapping[str, Sequence[str]], given: Names
) -> Iterator[tuple[str, tuple[Line, ...]]]:
    fun: list[Line] = []
    erq: list[Line] = []
    era: list[Line] = []
    for rule in rules:
        rule_lines = lines_of(rule, groups, given)
        fun += rule_lines.fun
        erq += rule_lines.erq
        era += rule_lines.era
        yield f"may_{rule.name}", rule_lines.may
        yield f"rule_{rule.name}", rule_lines.verdict
    yield f"out_{pair}", tuple(Line(f"jump may_{rule.name}") for rule in rules)
    yield f"erq_{pair}", tuple(erq)
    yield f"era_{pair}", tuple(era)
    if any(map(judged, rules)):
        yield f"fun_{pair}", tuple(fun)


def _dispatch(pair: str, pairs: Mapping[str, Sequence[Rule]], keep: str = "") -> Iterator[Line]:
    """Yield the lines for all packets from one zone to another, which lead to chains of `keep`.

    A connection that another's helper expects (``related`` but not ICMP) is judged as new. Marks
    may name any rule, so that they lead nobody who is contained.
    """
    sides = (("original", pair, "era"), ("reply", reverse(pair), "erq"))
    for direction, asking, _ in sides:
        if asking in pairs and not keep:
            yield Line(f"ct direction {direction} ct mark & 0x{MASK:08x} vmap @mark_{asking}")
    error = "ct state related meta l4proto { icmp, ipv6-icmp }"
    yield Line(f"{error} jump quoted")
    for direction, asking, errors in sides:
        if asking in pairs:
            yield Line(f"ct direction {direction} {error} jump {keep}{errors}_{asking}")
    if pair in pairs:
        asked = "ct direction original ct state established,related,new"
        yield Line(f"{asked} jump {keep}out_{pair}")
        if any(map(judged, pairs[pair])):
            yield Line(f"{asked} jump {keep}fun_{pair}")
    if reverse(pair) in pairs:
        yield Line(f"ct direction reply ct state established jump {keep}out_{reverse(pair)}")


# --- who is contained ----------------------------------------------------------------------------


def _leading(
    pair: str, rules: Sequence[Rule], groups: Mapping[str, Sequence[str]], given: Names
) -> Iterator[tuple[str, tuple[Line, ...]]]:
    """Yield the chains that lead to the rules of a zone pair that go on; the rules are the same."""
    for name, lines in _pair_chains(pair, rules, groups, given):
        if not name.startswith(("may_", "rule_")):
            yield f"{KEEP}{name}", lines


def _held(
    rules: Iterable[Rule], groups: Mapping[str, Sequence[str]], given: Names
) -> Iterator[Line]:
    """Yield the lines that no packet from or to who is cut off gets past.

    Those who are contained are cut off from everybody, an island from a group of addresses.
    """
    for rule in filter(contains, rules):
        group, side = naming.denied_group(rule.name) or ("", "")
        own, other = ("saddr", "daddr") if side == "source" else ("daddr", "saddr")
        (against,) = rule.destinations if side == "source" else rule.sources
        for version, found in names.timed_sets(group).items():
            word, rest = FAMILIES[version], ""
            if against != ANY and not members(groups, against, version):
                continue
            if against != ANY:
                rest = f"{word} {other} @{given.set(version, against)} "
            for name in found:
                yield Line(f"{word} {own} @{name} {rest}goto rule_{rule.name}")


def _contained(rules: Iterable[Rule], *, kept: bool) -> Iterator[tuple[str, tuple[Line, ...]]]:
    """Yield the chains of the rules that deny who is contained."""
    for rule in filter(contains, rules):
        lines = [Line(f"iifname . oifname vmap @{names.KEPT}")] if kept else []
        lines.append(Line(f'counter name "rule_{rule.name}"'))
        if rule.log:
            group = log_group(rule.log_setting)
            snap = " snaplen 128" if group else ""
            lines.append(
                Line(
                    "limit rate 10/second burst 50 packets "
                    f'log prefix "segctl deny {rule.name} "{group}{snap}'
                )
            )
        yield f"rule_{rule.name}", (*lines, Line("drop"))


def _timed(policy: Policy) -> Iterator[Set]:
    """Yield the sets of who is cut off, and the map to the flows that go on for them."""
    denied = (naming.denied_group(rule.name) for rule in policy.rules if contains(rule))
    cut = dict.fromkeys(found[0] for found in denied if found is not None)
    if not cut:
        return
    for group in cut:
        for version, sets in names.timed_sets(group).items():
            for name, flag in zip(sets, _TIMED[-len(sets) :], strict=True):
                yield Set(
                    name=name,
                    declaration=f"type ipv{version}_addr; {flag}",
                    made=f"typeof {FAMILIES[version]} saddr; {flag}",
                )
    kept = crossings(by_pair(rule for rule in policy.rules if rule.leading))
    if kept:
        yield _by_ports(names.KEPT, policy, f"jump {KEEP}_", kept)


def _by_ports(name: str, policy: Policy, to: str, pairs: Iterable[str]) -> Set:
    """Return the map from interfaces to the chains of zone pairs, by a verdict such as ``goto``."""
    ports = {zone.name: zone.interfaces for zone in policy[FirewallZone]}
    declaration, made = _PORT_PAIR
    return Set(
        name=name,
        declaration=declaration,
        made=made,
        map=True,
        elements=frozenset(
            f'"{enter}" . "{leave}" : {to}{pair}'
            for pair in pairs
            for source, _, destination in [pair.partition(names.JOIN)]
            for enter in ports.get(source, ())
            for leave in ports.get(destination, ())
        ),
    )


def _mark_maps(pairs: Mapping[str, Sequence[Rule]], given: Names) -> Iterator[Set]:
    for pair, rules in pairs.items():
        yield Set(
            name=f"mark_{pair}",
            declaration=MARK_MAP,
            made=MARK_MAP_MADE,
            map=True,
            elements=frozenset(
                f"{given.marks.get(rule.name, 0) << 16} : jump may_{rule.name}" for rule in rules
            ),
        )


def _inside(policy: Policy) -> Iterator[tuple[str, tuple[Line, ...]]]:
    """Yield each zone's chain for traffic between its own interfaces."""
    closed = {rule.from_zones[0]: rule for rule in policy.rules if rule.type == "intrazone"}
    for zone in policy[FirewallZone]:
        rule = closed.get(zone.name)
        lines = (
            (Line("accept"),)
            if rule is None
            else (Line(f'counter name "rule_{rule.name}" goto {names.DENY}'),)
        )
        yield f"pair_{names.pair(zone.name, zone.name)}", lines


def _deny(defaults: Sequence[DefaultRule]) -> Iterator[Line]:
    """Yield the lines for everything else; the drop is a rule, never only a chain's policy."""
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
        for version, (declaration, made) in ADDRESS_SETS.items():
            addresses = members(groups, group, version)
            if addresses:
                yield Set(
                    name=given.set(version, group),
                    declaration=declaration,
                    made=made,
                    elements=frozenset(addresses),
                )
    ports = {zone.name: zone.interfaces for zone in policy[FirewallZone]}
    yield Set(
        name=names.ZONED,
        declaration="type ifname;",
        made="typeof iifname;",
        elements=frozenset(f'"{port}"' for addresses in ports.values() for port in addresses),
    )
    inside = (names.pair(zone, zone) for zone in ports)
    yield _by_ports(names.PAIRS, policy, "goto pair_", (*inside, *crossing))
