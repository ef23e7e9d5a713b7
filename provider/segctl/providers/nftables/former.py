"""The table in segctl's format 1, so that such a table is read without overlooking anything.

In that format a connection's mark let its packets pass, even new ones and whoever had set it. It is
no longer written; the next push converts it to the present format.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.model.policy import AddressGroup
from segctl.providers.nftables import functions, names
from segctl.providers.nftables.build import (
    ECHO,
    FAMILIES,
    MASK,
    Former,
    assemble,
    by_pair,
    crossings,
    grouped,
    judged,
    log_group,
    members,
    one_of,
    reverse,
    set_mark,
)
from segctl.providers.nftables.table import Line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from segctl.model.policy import Policy, Rule
    from segctl.providers.nftables.build import Names
    from segctl.providers.nftables.table import Table


def build(policy: Policy, given: Names) -> Table:
    """Return the table of format 1 that enforces a fitted policy."""
    groups = {group.name: group.members for group in policy[AddressGroup]}
    chains: dict[str, tuple[Line, ...]] = {}
    pairs = by_pair(policy.rules)
    for pair, rules in pairs.items():
        chains.update(_pair_chains(pair, rules, groups, given))
    for pair in crossings(pairs):
        chains[f"pair_{pair}"] = tuple(_dispatch(pair, pairs, given))
    return assemble(policy, given, chains, names.FORMER)


def _marks(pair: str, given: Names) -> Former:
    return given.former.get(pair, Former())


def _pair_chains(
    pair: str, rules: Sequence[Rule], groups: Mapping[str, Sequence[str]], given: Names
) -> Iterator[tuple[str, tuple[Line, ...]]]:
    marks = _marks(pair, given)
    out: dict[bool, list[Line]] = {False: [], True: []}
    back: dict[bool, list[Line]] = {False: [], True: []}
    for rule in rules:
        for ask, answer in _lines(rule, pair, groups, given):
            out[judged(rule)].append(ask)
            back[judged(rule)].append(answer)
        yield f"rule_{rule.name}", tuple(_verdict(rule, pair, marks))
    if any(not judged(rule) for rule in rules):
        yield f"out_{pair}", tuple(out[False])
        yield f"ok_{pair}", (set_mark(marks.plain), Line("accept"))
    if any(judged(rule) for rule in rules):
        yield f"fun_{pair}", tuple(out[True])
        yield f"okf_{pair}", (set_mark(marks.judged), Line("accept"))
    yield f"back_{pair}", (*back[False], *back[True])


def _lines(
    rule: Rule, pair: str, groups: Mapping[str, Sequence[str]], given: Names
) -> Iterator[tuple[Line, Line]]:
    chain = f"rule_{rule.name}"
    go = "jump" if judged(rule) else "goto"
    for version, word in FAMILIES.items():
        if not all(members(groups, side[0], version) for side in (rule.sources, rule.destinations)):
            continue
        source = given.set(version, rule.sources[0])
        target = given.set(version, rule.destinations[0])
        for ask, answer in _services(rule.services, version):
            mirrored = f"{word} saddr @{target} {word} daddr @{source} {answer}"
            yield (
                Line(f"{word} saddr @{source} {word} daddr @{target} {ask} {go} {chain}"),
                Line(f"{mirrored} goto okf_{pair}", rule.name)
                if judged(rule)
                else Line(f"{mirrored} goto {chain}"),
            )


def _services(services: Iterable[str], version: int) -> Iterator[tuple[str, str]]:
    for protocol, ports in grouped(services):
        if protocol == "icmp":
            yield f"{ECHO[version]} echo-request", f"{ECHO[version]} echo-reply"
        else:
            text = one_of([f"{first}" + f"-{last}" * (last > first) for first, last in ports])
            yield f"{protocol} dport {text}", f"{protocol} sport {text}"


def _verdict(rule: Rule, pair: str, marks: Former) -> Iterator[Line]:
    yield Line(f'counter name "rule_{rule.name}"')
    if rule.log:
        yield Line(
            "ct state new limit rate 10/second burst 50 packets "
            f'log prefix "segctl allow {rule.name} "{log_group(rule.log_setting)}'
        )
    if not judged(rule):
        yield Line(f"goto ok_{pair}")
        return
    yield set_mark(marks.judged)
    for name in rule.applications:
        yield Line(f"jump {functions.chain(name)}")
    yield Line(
        "limit rate 5/second burst 20 packets "
        f'log prefix "segctl function {rule.name} "{log_group(rule.log_setting)}'
    )


def _dispatch(pair: str, pairs: Mapping[str, Sequence[Rule]], given: Names) -> Iterator[Line]:
    rules, answers = pairs.get(pair, ()), pairs.get(reverse(pair), ())
    marks, other = _marks(pair, given), _marks(reverse(pair), given)
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
