"""What the rules that contain on a device say of what was declared; not who may be, or how long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.compiler import naming
from segctl.importing.words import is_word
from segctl.importing.yaml import entry, listed, mapping
from segctl.model.site import Containment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from segctl.model.policy import Rule
    from segctl.model.site import Device


def contains(rule: Rule) -> bool:
    """Whether a rule of ours is one of those that deny who is contained, or cut an island off."""
    return rule.leading and not rule.flow and naming.denied_group(rule.name) is not None


def islands_of(rules: Iterable[Rule]) -> Iterator[tuple[str, Rule]]:
    """Yield the name of each island that rules of ours prepare, with the first of its rules."""
    known: set[str] = set()
    for rule in filter(contains, rules):
        group, _ = naming.denied_group(rule.name) or ("", "")
        label = naming.island_label(group)
        if label and label not in known:
            known.add(label)
            yield label, rule


def containment_of(rules: Sequence[Rule]) -> Containment | None:
    """Return what the rules of ours were compiled from, None where nothing contains."""
    denying = [rule for rule in rules if contains(rule)]
    if not denying:
        return None
    going_on = _flows(rule for rule in rules if rule.leading)
    essential = _flows(rule for rule in rules if rule.essential)
    setting = denying[0].log_setting
    return Containment(
        survives=None if going_on == essential else tuple(sorted(going_on)),
        log_forwarding=setting if is_word(setting) else "",
    )


def _flows(rules: Iterable[Rule]) -> set[str]:
    return {f"{rule.conduit}/{rule.flow}" for rule in rules if rule.flow}


def containment_text(device: Device, site: str) -> list[str]:
    """Return the variable that prepares containment; flows of the site are named without it."""
    held = device.containment
    if held is None:
        return []
    body: list[str] = []
    if held.survives is not None:
        flows = [one.removeprefix(f"{site}.") for one in held.survives]
        body += listed(2, "survive", flows) if flows else ["  survive: []"]
    if held.log_forwarding and held.log_forwarding != device.log_forwarding:
        body.append(entry(2, "log_forwarding", held.log_forwarding))
    if held.islands:
        inside = [one.removeprefix(f"{site}/") for one in held.islands if "/" in one]
        whole = [one for one in held.islands if "/" not in one]
        parts = listed(4, "zones", inside) if inside else []
        parts += listed(4, "sites", whole) if whole else []
        body += mapping(2, "islands", parts)
    text = mapping(0, "segctl_containment", body) if body else ["segctl_containment: {}"]
    return [
        "",
        "# Add what no device knows: the zones, who is never contained, the longest time.",
        *text,
    ]
