"""What a device enforces now, against what is declared: what is open, blocked, or not to be told.

Pure, and independent of whether a plan can be made: two policies are asked what they permit.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Final

from segctl.analysis.deviations import deviations
from segctl.model.errors import Problem
from segctl.model.policy import DefaultRule, Policy, item_digest
from segctl.model.wording import sentence_of
from segctl.planning.by_firewall import alike, live_of_firewall, of_firewall
from segctl.planning.findings import BLOCKED, CANNOT_TELL, HOLE, PUSHED
from segctl.planning.named import by_name, names_in, objects_of, shown_of
from segctl.planning.plan import Told
from segctl.planning.present import by_now
from segctl.providers.base import declared_for, reading
from segctl.providers.parsed import without_note
from segctl.providers.pushed import UNREAD_RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from segctl.analysis.deviations import Deviation
    from segctl.model.gate import Gate
    from segctl.providers.base import Live, Provider

#: The most pairs of zones, or reasons, that one message lists.
_SHOWN: Final = 3
_DEFAULTS: Final = ("interzone-default", "intrazone-default")
_STATES: Final = {"open": HOLE, "blocked": BLOCKED, "cannot tell": CANNOT_TELL}


def enforced(
    wanted: Policy, live: Live, provider: Provider, zones: Iterable[str]
) -> tuple[Told, ...]:
    """Return what a device does between our zones that is not declared, rule by rule.

    Args:
        wanted: the policy that is declared for the device, fitted to its platform.
        live: the device.
        provider: its platform.
        zones: the names of our zones there.
    """
    mine = tuple(sorted(set(zones)))
    closed = {
        name
        for rule in wanted.rules
        if rule.type == "intrazone" and rule.action != "allow"
        for name in rule.from_zones
    }
    pairs = [
        (enter, leave) for enter, leave in product(mine, mine) if enter != leave or enter in closed
    ]
    held = (*wanted.rules, *live.policy.rules, *live.others.rules, *live.pushed.rules)
    told: dict[tuple[str, str, str], Told] = {}
    for names in alike(live.members, held):
        name = names[0] if names else ""
        for one in _enforced(
            of_firewall(wanted, name), live_of_firewall(live, name), provider, pairs
        ):
            told.setdefault((one.kind, one.name, one.state), one)
    return tuple(told.values())


def _enforced(
    wanted: Policy, live: Live, provider: Provider, pairs: Sequence[tuple[str, str]]
) -> tuple[Told, ...]:
    ours = frozenset(rule.name for rule in (*wanted.rules, *live.policy.rules)) | {*_DEFAULTS}
    told_apart = replace(live, gates=tuple(one for one in live.gates if not one.opens))
    declared = declared_for(provider, wanted, live)
    held = reading(provider, told_apart, gated=True)
    found = deviations(declared, held, pairs, ours)
    surely = {one.rule for one in found if one.effect == "open"}
    told = [one for one in found if one.effect != "cannot tell" or one.rule not in surely]
    doubted = [one for one in told if one.effect == "cannot tell"]
    teller = _Teller(wanted, live, shown_of(provider, live))
    teller.now = by_now(doubted, declared, held, ours)
    return tuple(map(teller.told, told))


def foreseen(
    wanted: Policy, live: Live, provider: Provider, zones: Iterable[str], place: int
) -> tuple[Told, ...]:
    """Return what rules of others and default rules will do otherwise than declared after an apply.

    Args:
        wanted: the policy that is declared for the device, fitted to its platform.
        live: the device.
        provider: its platform.
        zones: the names of our zones there.
        place: how many rules of others stand above our block then.
    """
    others = [rule.name for rule in live.others.rules]
    leading = [rule.name for rule in wanted.rules if rule.ahead]
    mine = [rule.name for rule in wanted.rules if not rule.ahead]
    kept = live.policy.replace(
        rules=(), defaults=() if wanted[DefaultRule] else live.policy[DefaultRule]
    )
    after = replace(
        live,
        policy=kept.beside(wanted),
        order=(*leading, *others[:place], *mine, *others[place:]),
    )
    pushed = (*(rule.name for rule in live.pushed.rules), UNREAD_RULES)
    theirs = {*others, *pushed, *_DEFAULTS}
    return tuple(one for one in enforced(wanted, after, provider, zones) if one.name in theirs)


class _Teller:
    """Puts into words what rules of one device do."""

    def __init__(self, wanted: Policy, live: Live, shown: Callable[[str], str]) -> None:
        self.now: Mapping[str, str] = {}
        self._live = live
        self._shown = shown
        self._held = live.effective()
        self._pushed = {rule.name for rule in live.pushed.before}
        self._others = {rule.name: rule for rule in (*live.pushed.rules, *live.others.rules)}
        self._conduits = {rule.name: rule.conduit for rule in wanted.rules}
        self._gates = {one.name: one for one in live.gates}
        self._objects = by_name(self._held)
        self._denying = {rule.name for rule in self._held.rules if rule.action != "allow"}
        self._place = {rule.name: at for at, rule in enumerate(self._held.rules)}
        block = (rule.name for rule in live.policy.rules if not rule.ahead)
        at = [self._place[name] for name in block if name in self._place]
        self._block = (min(at), max(at)) if at else None

    def told(self, found: Deviation) -> Told:
        """Return what there is to tell of one rule."""
        say = {"open": self._open, "blocked": self._blocked}.get(found.effect, self._doubtful)
        name = found.rule
        if (gate := self._gates.get(name)) is not None:
            return self._gated(found, gate)
        state = _STATES[found.effect]
        return Told(
            kind="default-rule" if name in _DEFAULTS else "rule",
            name=name,
            state=state,
            finding=Problem(
                message=say(found),
                hint=f"for example {found.example}; {self._hint(found)}",
                kind=state,
                subject=name,
                severity="warning",
                about=(state, name, self._content(name)),
            ),
            example=found.example,
            content=self._content(name),
            own=name not in self._others and name not in _DEFAULTS,
        )

    def _gated(self, found: Deviation, gate: Gate) -> Told:
        """Return what there is to tell of something beside the policy that stops packets."""
        state = _STATES[found.effect]
        content = f"sha256:{hashlib.sha256(gate.digest.encode()).hexdigest()[:16]}"
        zones = _zones(found.pairs)
        message = f"{gate.name} may drop what is declared, from {zones}"
        hint = gate.hint
        if state == BLOCKED:
            message = f"{gate.name} drops what is declared, from {zones}"
            if conduits := self._declaring(found):
                message += f": traffic of {conduits}"
        else:
            hint += "; segctl drift --write-baseline accepts it as it is"
        return Told(
            kind=gate.kind,
            name=gate.subject,
            state=state,
            finding=Problem(
                message=message,
                hint=f"for example {found.example}; {hint}",
                kind=state,
                subject=gate.subject,
                severity="warning",
                about=(state, gate.subject, content),
            ),
            example=found.example,
            content=content,
        )

    def _declaring(self, found: Deviation) -> str:
        return ", ".join(sorted({self._conduits.get(one) or one for one in found.concerned}))

    def _open(self, found: Deviation) -> str:
        name = found.rule
        if (rule := self._others.get(name)) is not None:
            return (
                f"rule {name!r} of others{self._stands(name)} permits {sentence_of(rule)}, "
                "which no conduit declares"
            )
        which = f"the default rule {name}" if name in _DEFAULTS else f"rule {name!r}"
        return f"{which} permits more than is declared, from {_zones(found.pairs)}"

    def _blocked(self, found: Deviation) -> str:
        name = found.rule
        if not found.declared:
            return (
                f"rule {name!r} of others{self._stands(name)} denies "
                f"traffic of {self._declaring(found)}"
            )
        by = f"; {', '.join(found.concerned[:_SHOWN])} denies it" if found.concerned else ""
        return f"what rule {name!r} is to permit does not pass, from {_zones(found.pairs)}{by}"

    def _doubtful(self, found: Deviation) -> str:
        name = found.rule
        which = f"rule {name!r} of others" if name in self._others else f"rule {name!r}"
        which = f"the default rule {name}" if name in _DEFAULTS else which
        rest = len(found.why) - _SHOWN
        reasons = (one.removeprefix(f"{name}: ") for one in found.why[:_SHOWN])
        why = "; ".join(reasons) + (f"; and {rest} more reasons" if rest > 0 else "")
        if found.declared:
            doing = "may not be permitted as it is declared"
        elif any(one.name == name for one in self._live.overrides):
            doing = "may permit more than is declared, or deny what is"
        elif name in self._denying:
            doing = "may deny what is declared"
        else:
            doing = "may permit more than is declared"
        return f"{which} {doing}, from {_zones(found.pairs)}: {why}"

    def _hint(self, found: Deviation) -> str:
        if found.effect == "cannot tell":
            now = self.now.get(found.rule, "")
            return now + (
                "ask the device, or have the rule written in addresses, ports and applications; "
                "segctl drift --write-baseline accepts the rule as it is"
            )
        if found.rule in _DEFAULTS:
            return "deny it there, or let segctl do so: segctl_default_rules: manage"
        if found.rule not in self._others:
            return "segctl plan shows what differs: the rule, or an object that it names"
        if found.rule in self._pushed:
            return PUSHED
        if found.effect == "blocked":
            return "set segctl_position so that our block comes first"
        return "declare it as a conduit, narrow it, or move it below our block"

    def _stands(self, name: str) -> str:
        """Return where a rule of others stands, as the middle of a sentence."""
        if name not in self._others:
            return ""
        if self._block is None:
            return ""
        first, last = self._block
        place = self._place[name]
        where = "above" if place < first else "below" if place > last else "inside"
        return f" stands {where} our block and"

    def _content(self, name: str) -> str:
        """Return a digest of a rule with everything that it names on the device.

        A snapshot of the device gives the same.
        """
        rules = [rule for rule in self._held.rules if rule.name == name]
        defaults = [rule for rule in self._held[DefaultRule] if rule.name == name]
        known = self._live.other_rules.get(name, "") or self._live.pushed.digests.get(name, "")
        digest = hashlib.sha256(known.encode())
        for one in self._live.overrides:
            if one.name == name:
                rules.append(one.rule)
                digest.update(one.digest.encode())
        named = objects_of(names_in(rules, self._objects), self._objects)
        for item in (*rules, *defaults, *named):
            plain = item_digest(without_note(item, self._shown))
            known = self._live.other_objects.get(f"{item.kind_name} {item.name}", "")
            digest.update(f"\n{item.kind_name} {plain} {known}".encode())
        return f"sha256:{digest.hexdigest()[:16]}"


def _zones(pairs: Sequence[tuple[str, str]]) -> str:
    rest = len(pairs) - _SHOWN
    more = f" and {rest} more pairs of zones" if rest > 0 else ""
    return ", ".join(f"{enter} to {leave}" for enter, leave in pairs[:_SHOWN]) + more
