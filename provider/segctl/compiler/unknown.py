"""The rule that denies what a firewall does not recognise, and what goes on before it.

It stands before the rules of others, since those are what would let such traffic pass. A flow that
may carry what no firewall recognises, such as one that declares only ports, must not be cut by it:
its rule is moved above, so that nothing is permitted that no conduit declares.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from segctl.compiler import naming
from segctl.model.policy import DeclaredRule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from segctl.model.site import Device

#: What firewalls call the applications that they do not recognise.
UNKNOWN_APPLICATIONS: Final = ("unknown-p2p", "unknown-tcp", "unknown-udp")


def denied(device: Device, made: Iterable[DeclaredRule]) -> tuple[DeclaredRule, ...]:
    """Return the rules of a firewall with the one that denies what is not recognised.

    Args:
        device: the firewall; where it does not ask for it, or has no two zones, nothing changes.
        made: its rules, in their order, with those that contain.
    """
    rules = tuple(made)
    names = tuple(sorted({binding.name for binding in device.zones}))
    if device.unknown_applications != "deny" or len(names) < 2:
        return rules
    rest = [rule for rule in rules if not rule.leading]
    return (
        *(rule for rule in rules if rule.leading),
        *(replace(rule, ahead=True) for rule in rest if _may_carry(rule)),
        _denying(device, names),
        *(rule for rule in rest if not _may_carry(rule)),
    )


def _may_carry(rule: DeclaredRule) -> bool:
    """Whether a flow may be one that no firewall recognises.

    Names of the platform's may be those of groups, whose members only the firewall knows.
    """
    return rule.action == "allow" and bool(rule.applications or not rule.enforce_functions)


def _denying(device: Device, zones: tuple[str, ...]) -> DeclaredRule:
    return DeclaredRule(
        name=naming.UNKNOWN_RULE,
        from_zones=zones,
        to_zones=zones,
        applications=UNKNOWN_APPLICATIONS,
        type="interzone",
        action="drop",
        log_setting=device.log_forwarding,
        description=naming.UNKNOWN_DESCRIPTION,
        ahead=True,
    )
