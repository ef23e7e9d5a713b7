"""What the platform of a firewall refuses of the inventory, all of it, each with its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.compiler.naming import label
from segctl.model.errors import Problem, SegctlError
from segctl.model.policy import Address, AddressGroup, Service
from segctl.providers.base import provider

if TYPE_CHECKING:
    from segctl.compiler.build import Desired
    from segctl.model.policy import DeclaredPolicy, DeclaredRule
    from segctl.model.site import Device, Site, Source


def refusals(desired: Desired, site: Site) -> tuple[Problem, ...]:
    """Return what keeps a firewall from holding its policy; nothing where it can.

    A platform stops at the first thing it cannot express: after that each rule is tried alone.
    """
    first = _refusal(desired.policy, desired.device)
    if first is None:
        return ()
    device = desired.device
    own = _refusal(desired.policy.replace(rules=()), device)
    if own is not None:  # of the firewall itself: no rule of it can be tried
        return (_problem(own, device.name, device.declared, ""),)
    places = {
        (label(conduit), flow.id): (flow.declared, f"segctl_conduits.{conduit.id}.flows.{flow.id}")
        for conduit in site.conduits
        for flow in conduit.flows
    }
    found: dict[str, Problem] = {}
    for rule in desired.policy.rules:
        error = _refusal(_alone(desired.policy, rule), device)
        if error is not None:
            where, path = places.get((rule.conduit, rule.flow), (device.declared, ""))
            found.setdefault(str(error), _problem(error, device.name, where, path))
    if not found:  # of several rules together
        return (_problem(first, device.name, device.declared, ""),)
    return tuple(found.values())


def _refusal(policy: DeclaredPolicy, device: Device) -> SegctlError | None:
    try:
        provider(device.platform).fit(policy, device)
    except SegctlError as error:
        return error
    return None


def _alone(policy: DeclaredPolicy, rule: DeclaredRule) -> DeclaredPolicy:
    """Return a policy with one rule and what it refers to."""
    ends = {*rule.sources, *rule.destinations}
    groups = tuple(group for group in policy[AddressGroup] if group.name in ends)
    used = ends.union(*(group.members for group in groups))
    return policy.replace(
        addresses=tuple(one for one in policy[Address] if one.name in used),
        address_groups=groups,
        services=tuple(one for one in policy[Service] if one.name in rule.services),
        rules=(rule,),
    )


def _problem(error: SegctlError, device: str, where: Source, path: str) -> Problem:
    message = str(error)
    named = message.startswith(f"{device}: ")
    return Problem(
        message=message if named else f"{device}: {message}",
        file=where.file,
        line=where.line,
        column=where.column,
        path=path,
        kind=error.code,
        subject=device,
    )
