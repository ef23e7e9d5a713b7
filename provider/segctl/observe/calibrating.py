"""Whether a device decides as our model of it does: questions about what was seen, and answers."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from segctl.analysis.decide import Packet
from segctl.model.policy import DefaultRule
from segctl.observe.judging import Judge
from segctl.observe.observation import WITH_PORTS
from segctl.observe.replay import Miscalibrated, hosts_of
from segctl.observe.spoken import Spoken
from segctl.providers.pushed import name_on_device

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from segctl.model.policy import Policy
    from segctl.observe.grouping import Groups
    from segctl.observe.judging import Ruling
    from segctl.observe.observation import Flow, Group
    from segctl.observe.replay import Firewall
    from segctl.observe.standing import Standings

#: A device is asked about so many rules: a question takes it as long as a login does.
MOST_QUESTIONS: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a device is asked: traffic that a rule was logged for, and what our model says of it."""

    rule: str
    flow: Flow
    packet: Packet
    model: Ruling


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How far a device was asked: about `asked` of `rules` rules; `why` if not about all."""

    device: str
    rules: int
    asked: int
    contradicted: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class _Best:
    """The group that stands for a rule; essential ones come first."""

    order: tuple[bool, Group]
    question: Question


def questions(
    groups: Groups,
    firewalls: Iterable[Firewall],
    standings: Standings,
    essential: Collection[tuple[str, str]],
    called: Mapping[str, str],
) -> dict[str, tuple[Question, ...]]:
    """Return what to ask each firewall whose policy is known: one flow a rule, essential first.

    Only what a device has words for: a flow with a port, an application and no translation.

    Args:
        groups: what was seen.
        firewalls: as they are now.
        standings: tells what is declared of it.
        essential: conduits (keys) and flows that the process needs.
        called: which firewall a witness is, where records name it.
    """
    firewalls = list(firewalls)
    hosts = hosts_of(firewalls, called)
    known = {one.device.name: one for one in firewalls if one.before is not None}
    judges = {
        name: Judge(one.before, one.provider.capabilities.destination)
        for name, one in known.items()
        if one.before is not None
    }
    best: dict[str, dict[str, _Best]] = {name: {} for name in known}
    for _, held in groups.flows():
        for group, _ in held:
            host = hosts.get(group.witness, "")
            judge = judges.get(host)
            if judge is None or not _askable(group):
                continue
            standing = standings.of(group)
            order = ((standing.conduit, standing.flow) not in essential, group)
            rules = best[host]
            before = rules.get(group.rule)
            if before is not None and before.order <= order:
                continue
            question = _question(group, judge)
            if question.model != "unknown":
                rules[group.rule] = _Best(order, question)
    return {
        name: tuple(one.question for one in sorted(found.values(), key=lambda one: one.order))
        for name, found in best.items()
    }


def _askable(group: Group) -> bool:
    flow = group.flow
    return bool(
        group.rule
        and not group.threat
        and not flow.inner
        and flow.protocol in WITH_PORTS
        and flow.port
        and group.from_zone
        and group.to_zone
        and group.applications
    )


def _question(group: Group, judge: Judge) -> Question:
    """Return the question about the application that was found last, and no other."""
    flow, name = group.flow, group.applications[-1]
    alone = group._replace(applications=(name,), functions=())
    zones = (group.from_zone, group.to_zone)
    return Question(
        rule=group.rule,
        flow=flow,
        packet=Packet(
            from_zone=zones[0],
            to_zone=zones[1],
            source=ip_address(flow.source),
            destination=ip_address(flow.destination),
            protocol=flow.protocol,
            port=flow.port,
            application=name,
            user=group.user,
        ),
        model=judge.of(zones, alone, Spoken(names=(name,))).ruling,
    )


def compared(
    firewall: Firewall, asked: Sequence[Question], rules: Sequence[str]
) -> tuple[Miscalibrated, ...]:
    """Return the rules of which our model contradicts the device.

    Args:
        firewall: as it is now.
        asked: what the device was asked.
        rules: the rules that it named, empty for the default; fewer where it did not answer all.
    """
    if firewall.before is None:
        return ()
    actions = _actions(firewall.before.policy)
    found: list[Miscalibrated] = []
    for question, named in zip(asked, rules, strict=False):
        said = _ruling(question.packet, named, actions)
        if said != question.model:
            found.append(
                Miscalibrated(
                    device=firewall.device.name,
                    rule=question.rule,
                    logged=said,
                    model=question.model,
                    example=question.flow,
                    by="device",
                )
            )
    return tuple(found)


def _actions(policy: Policy) -> dict[str, str]:
    """Return what each rule does, by the name that a device gives it; "" where two of it differ."""
    actions = {"intrazone-default": "allow", "interzone-default": "deny"}
    actions |= {one.name: one.action for one in policy[DefaultRule]}
    rules: dict[str, str] = {}
    for rule in policy.rules:
        name = name_on_device(rule.name)
        rules[name] = rule.action if rules.get(name, rule.action) == rule.action else ""
    return actions | rules


def _ruling(packet: Packet, named: str, actions: Mapping[str, str]) -> Ruling:
    """Return what a device does, by the rule that it names; unknown where we do not have that."""
    inside = packet.from_zone == packet.to_zone
    name = named or ("intrazone-default" if inside else "interzone-default")
    action = actions.get(name)
    if not action:
        return "unknown"
    return "allow" if action == "allow" else "deny"
