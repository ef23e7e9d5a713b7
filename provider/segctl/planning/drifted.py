"""How one device differs from what is declared for it: desired and live in, `DevicePlan` out. Pure.

What keeps `plan_device` from making a plan is a finding here, and the comparison goes on.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from segctl.compiler.build import with_closing
from segctl.model.errors import PlanError, Problem, SegctlError, UnsupportedError
from segctl.model.policy import DefaultRule, LogProfile, Policy
from segctl.model.site import Position
from segctl.planning import findings
from segctl.planning.content import updated
from segctl.planning.enforced import enforced
from segctl.planning.held import as_held
from segctl.planning.inherited import other_content
from segctl.planning.make import Fitted, check_known, compared, may_follow, place_of, taken
from segctl.planning.plan import DevicePlan, Told, Unmanaged
from segctl.providers.state import GATED
from segctl.system.loading import uncollected

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from segctl.compiler.build import Desired
    from segctl.model.policy import DeclaredPolicy, Item
    from segctl.model.site import Device
    from segctl.providers.base import Live, Provider


@uncollected()
def drift_device(desired: Desired, live: Live, provider: Provider) -> DevicePlan:
    """Return how a device differs from what is declared, and what it enforces otherwise.

    The plan is for reading: it has no script.

    Raises:
        UnsupportedError: the platform cannot express anything of what is declared.
    """
    device, refused = desired.device, list[Problem]()
    others = [rule.name for rule in live.others.rules] if device.unmanaged != "purge" else []
    position = _position(device, others, live, refused)
    place = place_of(device.name, others, position)
    closed = len(others) > place or may_follow(desired, live)
    policy = with_closing(desired) if closed else desired.policy
    wanted, warnings = _fit(policy, device, provider, refused)
    ordered = provider.capabilities.ordered
    try:
        wanted = as_held(wanted, live, ordered=ordered)
    except UnsupportedError as error:  # what is to be repeated is gone: ours stays as it is
        refused.append(_refused(device, error))
        wanted = as_held(
            wanted.replace(log_profiles=live.policy[LogProfile]), live, ordered=ordered
        )
    try:
        check_known(device.name, wanted, live)
    except UnsupportedError as error:
        refused.append(_refused(device, error))
    refused += other_content(wanted, live)
    zones = {binding.name for binding in device.zones}
    unmarked = [_unmarked(kind, name) for kind, name in taken(wanted, live)]
    found = (*enforced(wanted, live, provider, zones), *unmarked)
    about = {one.name for one in found}
    below = [name for name in others[place:] if name not in about]
    fitted = Fitted(
        wanted=wanted,
        warnings=warnings,
        others=tuple(findings.others_below(live, below, zones)) if closed else (),
        above=others[:place],
    )
    adopted = _adopted(live, unmarked)
    made = compared(desired, adopted, provider, fitted, position, to_apply=False)
    rest = tuple(one for one in made.findings if one.kind != GATED)  # `enforced` says it exactly
    changed = {(change.kind, change.name) for change in made.changes}
    created = {(change.kind, change.name) for change in made.changes if change.op == "create"}
    told = [
        one.finding
        for one in found
        if (one.kind, one.name)
        not in {findings.BLOCKED: changed, findings.CANNOT_TELL: created}.get(one.state, ())
    ]
    otherwise = updated(device.name, live, provider)
    return replace(made, enforced=found, findings=(*refused, *rest, *told, *otherwise))


@uncollected()
def drift_managed(desired: Desired, live: Live, provider: Provider) -> DevicePlan:
    """Return what a firewall of a device group enforces otherwise than declared.

    Its rules are compared in its group; here counts what all of them permit together: those that
    were pushed to it, and its own.

    Raises:
        UnsupportedError: the platform cannot express anything of what is declared.
    """
    device, refused = desired.device, list[Problem]()
    wanted, warnings = _fit(with_closing(desired), device, provider, refused)
    found = enforced(wanted, live, provider, {binding.name for binding in device.zones})
    identity = live.identity
    return DevicePlan(
        name=device.name,
        platform=device.platform,
        serial=identity.serial,
        os_version=identity.os_version,
        content_version=identity.content_version,
        scope=str(identity.scope),
        desired=wanted.digest,
        rule_count=len(live.order),
        unmanaged=tuple(_local(live)),
        findings=(
            *refused,
            *desired.findings,
            *warnings,
            *findings.bindings(desired.bindings, live, managed=False),
            *findings.interfaces(desired.bindings, live),
            *live.findings,
            *findings.pending(live),
            *findings.state(live.state),
            *(one.finding for one in found),
        ),
        enforced=found,
        state=live.state,
    )


def _local(live: Live) -> Iterator[Unmanaged]:
    """Yield the firewall's own rules, which stand after the pushed ones, and default rules.

    A default rule of its own counts there instead of the pushed one.
    """
    for rule in live.others.rules:
        yield Unmanaged(name=rule.name, action=rule.action, above=False, disabled=rule.disabled)
    for default in live.policy[DefaultRule]:
        yield Unmanaged(name=default.name, action=default.action, above=False)


def _refused(device: Device, error: SegctlError) -> Problem:
    return Problem(
        message=str(error).removeprefix(f"{device.name}: "),
        hint="segctl plan refuses to plan until then",
        kind=findings.REFUSED,
        about=("refused", error.code, str(error)),  # a refusal has no facts but its words
    )


def _position(device: Device, others: list[str], live: Live, refused: list[Problem]) -> Position:
    """Return where our block belongs; where that place is not there, where it stands."""
    if device.unmanaged == "purge":
        return Position()
    try:
        place_of(device.name, others, device.position)
    except PlanError as error:
        refused.append(_refused(device, error))
        ours = {rule.name for rule in live.policy.rules}
        first = next((at for at, name in enumerate(live.order) if name in ours), 0)
        above = live.order[:first]
        return Position(where="after", rule=above[-1]) if above else Position(where="first")
    return device.position


def _fit(
    policy: DeclaredPolicy, device: Device, provider: Provider, refused: list[Problem]
) -> tuple[Policy, tuple[Problem, ...]]:
    """Return the fitted policy, without the rules that the platform cannot express."""
    try:
        return provider.fit(policy, device)
    except UnsupportedError as error:
        kept = [
            rule for rule in policy.rules if _fits(policy.replace(rules=(rule,)), device, provider)
        ]
        if len(kept) == len(policy.rules):
            raise
        refused.append(_refused(device, error))
        return provider.fit(policy.replace(rules=tuple(kept)), device)


def _fits(policy: DeclaredPolicy, device: Device, provider: Provider) -> bool:
    try:
        provider.fit(policy, device)
    except UnsupportedError:
        return False
    return True


def _unmarked(kind: str, name: str) -> Told:
    finding = Problem(
        message=f"{kind} {name} is on the device without segctl's mark: somebody took the mark "
        "away, or made another of the same name",
        hint="segctl changes only what it manages: set the mark again, or rename it there or in "
        "the inventory",
        kind=findings.REFUSED,
        subject=name,
        about=("unmarked", kind, name),
    )
    return Told(kind=kind, name=name, state=findings.ERROR, finding=finding)


def _adopted(live: Live, unmarked: Iterable[Told]) -> Live:
    """Return the device as if what has lost our mark had it: then it can be compared."""
    names = {(one.kind, one.name) for one in unmarked}
    if not names:
        return live
    mine: list[Item] = []
    rest: list[Item] = []
    for kind, items in (*live.others.objects(), ("rule", live.others.rules)):
        for item in items:
            (mine if (kind, item.name) in names else rest).append(item)
    return replace(
        live,
        policy=live.policy.beside(Policy.of(mine)),
        others=Policy.of(rest),
        other_rules={
            name: digest for name, digest in live.other_rules.items() if ("rule", name) not in names
        },
    )
