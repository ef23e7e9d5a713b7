"""Policies with one change each: everything of a rule and its objects that decides packets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from segctl.model.policy import (
    ANY,
    APPLICATION_DEFAULT,
    Address,
    AddressGroup,
    ApplicationGroup,
    DefaultRule,
    Policy,
    Schedule,
    Service,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from segctl.model.policy import Rule

#: An address and a user that no plant has.
STRANGER, NOBODY = "198.51.100.7", "nobody\\else"
_FOREIGN = Service(name="mutant-service", protocol="tcp", ports="22")


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A policy, and what was changed in it."""

    what: str
    field: str
    policy: Policy

    def __str__(self) -> str:
        """``rule site.c.f: sources = ('any',)``."""
        return self.what


def mutants(
    policy: Policy, zones: Iterable[str], *, applications: Iterable[str]
) -> Iterator[Mutant]:
    """Yield a policy's mutants: every rule and field, then every object.

    Args:
        policy: a fitted one.
        zones: the zones of the firewall, by their names there.
        applications: names of which its rules could have one more.
    """
    listed, more = sorted(zones), tuple(applications)
    for at, rule in enumerate(policy.rules):
        for name, value in _of_rule(rule, policy, listed, more):
            changed = replace(rule, **{name: value})
            if changed != rule:
                rules = (*policy.rules[:at], changed, *policy.rules[at + 1 :])
                yield Mutant(
                    what=f"rule {rule.name}: {name} = {value!r}",
                    field=name,
                    policy=policy.replace(rules=rules, services=(*policy[Service], _FOREIGN)),
                )
        rest = (*policy.rules[:at], *policy.rules[at + 1 :])
        yield Mutant(
            what=f"without rule {rule.name}", field="rule", policy=policy.replace(rules=rest)
        )
    yield from _of_objects(policy)


def _of_rule(
    rule: Rule, policy: Policy, zones: list[str], applications: tuple[str, ...]
) -> Iterator[tuple[str, Any]]:
    for side in ("from_zones", "to_zones"):
        held = getattr(rule, side)
        yield side, (ANY,)
        for zone in zones:
            yield side, (zone,)
            yield side, tuple(sorted({*held, zone}))
    for side in ("sources", "destinations"):
        yield from _names(side, getattr(rule, side), (STRANGER,))
    yield from _names("users", rule.users, (NOBODY, "known-user", "unknown"))
    yield from _names("applications", rule.applications, applications)
    yield from _names("services", rule.services, (_FOREIGN.name, APPLICATION_DEFAULT))
    for action in ("deny", "drop", "allow"):
        yield "action", action
    for schedule in ("", *(one.name for one in policy[Schedule])):
        yield "schedule", schedule
    for kind in ("universal", "intrazone", "interzone"):
        yield "type", kind
    yield "disabled", True
    yield "negate_source", True
    yield "negate_destination", True


def _names(
    side: str, held: tuple[str, ...], more: tuple[str, ...]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield any, one name more, one name less, and another name alone."""
    yield side, (ANY,)
    for name in more:
        yield side, (name,)
        if not {ANY, APPLICATION_DEFAULT} & {name, *held}:  # these stand alone
            yield side, tuple(sorted({*held, name}))
    if len(held) > 1:
        for name in held:
            yield side, tuple(one for one in held if one != name)


def _of_objects(policy: Policy) -> Iterator[Mutant]:
    for kind, plural in (
        (Address, "addresses"),
        (AddressGroup, "address_groups"),
        (Service, "services"),
        (ApplicationGroup, "application_groups"),
        (Schedule, "schedules"),
        (DefaultRule, "defaults"),
    ):
        held: tuple[Any, ...] = policy[kind]
        for at, item in enumerate(held):
            for changes in _of_object(item):
                changed = replace(item, **changes)
                if changed != item:
                    yield Mutant(
                        what=f"{plural} {item.name}: {changes}",
                        field=plural,
                        policy=policy.replace(**{plural: (*held[:at], changed, *held[at + 1 :])}),
                    )


def _of_object(item: Any) -> Iterator[dict[str, Any]]:
    match item:
        case Address():
            yield {"value": STRANGER, "type": "network"}
            yield {"value": "0.0.0.0/0", "type": "network"}
        case AddressGroup() | ApplicationGroup():
            for name in item.members:
                if len(item.members) > 1:
                    yield {"members": tuple(one for one in item.members if one != name)}
            other = STRANGER if isinstance(item, AddressGroup) else "ssh"
            yield {"members": (*item.members, other)}
        case Service():
            yield {"ports": "1-65535"}
            yield {"ports": "9"}
            yield {"protocol": "udp" if item.protocol == "tcp" else "tcp", "ports": item.ports}
        case Schedule():
            for at, (day, _) in enumerate(item.windows):
                rest = (*item.windows[:at], *item.windows[at + 1 :])
                if rest:
                    yield {"windows": rest}
                yield {"windows": ((day, ("03:00-04:00",)), *rest)}
            yield {"windows": (*item.windows, ("sunday", ("01:00-02:00",)))}
        case _:
            yield {"action": "allow"}
