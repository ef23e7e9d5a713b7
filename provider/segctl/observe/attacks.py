"""Rules that nothing but attacks used, by records of all that a firewall let pass. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from segctl.observe.completeness import Completeness
    from segctl.observe.grouping import Groups
    from segctl.observe.usage import RuleUsage

#: What a threat record has to be at least; what is less is told of harmless traffic, too.
SEVERE: Final = frozenset({"medium", "high", "critical"})

#: A firewall and a rule of it.
Place = tuple[str, str]


def only_attacked(groups: Groups, called: Mapping[str, str]) -> frozenset[Place]:
    """Return the rules all of whose flows have as many threat records as sessions, or more.

    A firewall may write several threat records of one session: who removes a rule for it looks at
    the sessions first.

    Args:
        groups: what was seen.
        called: which firewall each witness is.
    """
    attacked: set[Place] = set()
    others: set[Place] = set()
    for _, held in groups.flows():
        threats: dict[str, int] = {}
        sessions: dict[Place, int] = {}
        for group, count in held:
            name = called.get(group.witness, group.witness)
            if group.threat:
                severe = group.severity.lower() in SEVERE
                threats[name] = threats.get(name, 0) + (count.records if severe else 0)
            elif group.rule:
                place = name, group.rule
                sessions[place] = sessions.get(place, 0) + max(count.sessions, 1)
        for place, number in sessions.items():
            (attacked if number <= threats.get(place[0], 0) else others).add(place)
    return frozenset(attacked - others)


def with_attacks(
    rules: Iterable[RuleUsage], attacked: Collection[Place], completeness: Completeness
) -> Iterator[RuleUsage]:
    """Yield rules, those that are used by nothing but attacks as such.

    Only a firewall of which nothing is missing in the window can show that; never for what is
    essential, nor where a session is open of which nobody knows what it is.
    """
    for one in rules:
        certain = (one.device, one.rule) in attacked and not completeness.spoilt
        plain = one.used == "used" and not one.essential and not one.sessions
        if certain and plain and not completeness.logged(one.device):
            yield replace(
                one,
                used="only_attacks",
                why="each of its flows has a threat record for each session",
            )
        else:
            yield one
