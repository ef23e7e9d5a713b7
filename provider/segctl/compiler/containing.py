"""The rules that contain, prepared before anybody is: first of all, and of no effect until then.

A group that nobody is in denies nothing. Above the rules that deny stand those of the flows that go
on for whoever is contained: they are the flows' own rules, moved there, so that nothing is
permitted that no conduit declares.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from segctl.compiler import naming
from segctl.model.policy import ANY, AddressGroup, DeclaredRule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from segctl.model.site import Containment, Device


def containing(
    device: Device, made: Iterable[DeclaredRule]
) -> tuple[tuple[DeclaredRule, ...], tuple[AddressGroup, ...]]:
    """Return the rules of a firewall with those that contain, and the group that these name.

    Args:
        device: the firewall; where it declares no containment nothing changes.
        made: its rules, in their order.
    """
    rules = tuple(made)
    declared = device.containment
    if declared is None or not device.zones:
        return rules, ()
    surviving = {rule.name for rule in rules if _survives(rule, declared)}
    return (
        *(replace(rule, leading=True) for rule in rules if rule.name in surviving),
        *_denying(declared.log_forwarding or device.log_forwarding),
        *(rule for rule in rules if rule.name not in surviving),
    ), (AddressGroup(name=naming.CONTAINED, members=(), contained=True),)


def _survives(rule: DeclaredRule, declared: Containment) -> bool:
    if rule.action != "allow":
        return False
    if declared.survives is None:
        return rule.essential
    return f"{rule.conduit}/{rule.flow}" in declared.survives


def _denying(log_setting: str) -> Iterable[DeclaredRule]:
    """Yield a rule for each direction: whatever asks, is asked, or passes inside a zone."""
    for name, side in naming.CONTAINING_RULES.items():
        yield DeclaredRule(
            name=name,
            from_zones=(ANY,),
            to_zones=(ANY,),
            sources=(naming.CONTAINED,) if side == "source" else (ANY,),
            destinations=(naming.CONTAINED,) if side == "destination" else (ANY,),
            services=(ANY,),
            action="drop",
            log_setting=log_setting,
            description=naming.CONTAINING_DESCRIPTION,
            leading=True,
        )
