"""What changes, rules, objects and their values are called wherever people read of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, cast

from segctl.compiler import naming
from segctl.model.errors import UnsupportedError
from segctl.model.policy import (
    Address,
    AddressGroup,
    ApplicationGroup,
    DefaultRule,
    FirewallZone,
    Rule,
    Schedule,
    Service,
    Tag,
)
from segctl.model.wording import NEGATED, side_text
from segctl.planning.plan import OPS
from segctl.providers.base import provider

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from segctl.model.diff import Change, Op
    from segctl.model.policy import Item

#: How an op is marked, and in which colour.
SIGNS = {
    "create": ("+", "green"),
    "update": ("~", "yellow"),
    "move": (">", "cyan"),
    "rename": ("=", "cyan"),
    "delete": ("-", "red"),
}
VERBS = {
    "create": "to create",
    "update": "to change",
    "move": "to move",
    "rename": "to rename",
    "delete": "to delete",
}
#: What a rule's fields are called, in the order they are shown.
LABELS = {
    "from_zones": "from zone",
    "to_zones": "to zone",
    "sources": "source",
    "destinations": "destination",
    "users": "user",
    "applications": "application",
    "services": "service",
    "profile_group": "profile",
    "log_setting": "log to",
    "schedule": "schedule",
    "targets": "firewall",
    "description": "reason",
}


def totals(summary: Mapping[Op, int]) -> str:
    """Say how many changes of each op, those there are."""
    return ", ".join(f"{summary[op]} {VERBS[op]}" for op in OPS if summary[op]) or "no changes"


def counted(number: int, word: str) -> str:
    """Write a number with its noun, which is given in the singular."""
    if number == 1:
        return f"1 {word}"
    return f"{number} {word}{'es' if word.endswith('s') else 's'}"


def share(part: int, whole: int, word: str) -> str:
    """Write how many of how many: "1 of 21 devices", or "21 devices" where it is all of them."""
    return counted(whole, word) if part == whole else f"{part} of {counted(whole, word)}"


def platform_title(platform: str) -> str:
    """Return what people call a platform; a saved plan may name one that is not installed."""
    try:
        return provider(platform).capabilities.title or platform
    except UnsupportedError:
        return platform


def has_order(platform: str) -> bool:
    """Whether rules of a platform have places, so that a new one's is worth a line."""
    try:
        return provider(platform).capabilities.ordered
    except UnsupportedError:
        return True


def place_of(change: Change) -> str:
    """Say where a rule goes."""
    anchor = change.anchor
    return "to the top" if anchor is None or anchor.where == "top" else str(anchor)


def name_before(change: Change) -> str:
    """Return what a renamed rule is called on the device."""
    return change.before.name if change.before else ""


def gist_of(item: Item | None) -> str:
    """Say in a few words what a rule or an object is."""
    match item:
        case None:
            return ""
        case Rule():
            return f"{item.action} {zones_of(item)}"
        case Service():
            return f"{item.protocol}/{item.ports}"
        case DefaultRule():
            return f"{item.action}, {'logged' if item.log else 'not logged'}"
        case Tag():
            return item.comments
        case Schedule():
            return _windows(item.windows)
        case AddressGroup() | ApplicationGroup():
            return ", ".join(item.members)
        case FirewallZone():
            return ", ".join(item.interfaces)
        case Address():
            return item.value
        case _:
            return ""


def zones_of(rule: Rule) -> str:
    """Write from which zones to which a rule is."""
    return f"{', '.join(rule.from_zones)} → {', '.join(rule.to_zones)}"


def fields_of(change: Change) -> Iterator[tuple[str, object, object]]:
    """Yield each field that a change changes, with its values before and after.

    Addresses are told together with whether they are negated: a list alone says the opposite.
    """
    before, after = change.before, change.after
    sides: dict[str, str] = {}
    if isinstance(before, Rule) and isinstance(after, Rule):
        for field, negated in NEGATED.items():
            if getattr(before, negated) or getattr(after, negated):
                sides |= {field: field, negated: field}
    told: set[str] = set()
    for field in change.fields:
        side = sides.get(field)
        if side is None:
            yield field, *change.values(field)
        elif side not in told and isinstance(before, Rule) and isinstance(after, Rule):
            told.add(side)
            yield side, side_text(before, side), side_text(after, side)


_Windows: TypeAlias = "Sequence[tuple[str, Sequence[str]]]"
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def _windows(windows: _Windows) -> str:
    """Write a schedule's windows, days in the order of the week, those alike together."""
    days = {day: ", ".join(times) for day, times in windows}
    alike: dict[str, list[str]] = {}
    for day in sorted(days, key=lambda day: _DAYS.index(day) if day in _DAYS else -1):
        alike.setdefault(days[day], []).append(day)
    return "; ".join(f"{', '.join(names)} {times}" for times, names in alike.items())


def value_text(field: str, value: object) -> str:
    """Write one value of a field."""
    if value is None:
        return "nothing"
    if field == "windows":
        return _windows(cast("_Windows", value))
    if (items := listed(value)) is not None:
        return ", ".join(items)
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    if field != "description":
        return text
    mark = naming.decode_mark(text)
    kept = " (essential: no change may cut it)" if mark and mark.seal is not None else ""
    return f"{naming.without_mark(text)}{kept}"


def value_texts(name: str, before: object, after: object) -> tuple[str, str]:
    """Write both values of a field, so that a reader sees how they differ."""
    if isinstance(before, bool) or isinstance(after, bool):
        return value_text(name, bool(before)), value_text(name, bool(after))
    was, will = value_text(name, before), value_text(name, after)
    # alike where they differ in what a reader is spared otherwise, such as our mark
    return (was, will) if was != will else (_exact(before), _exact(after))


def _exact(value: object) -> str:
    several = listed(value)
    return str(value) if value is None or several is None else str(list(several))


def label_of(name: str) -> str:
    """Return what a field is called."""
    return LABELS.get(name, name.replace("_", " "))


def left_and_joined(name: str, before: object, after: object) -> tuple[list[str], list[str]]:
    """Return what left a list and what joined it; nothing where it is not about a plain list."""
    old, new = listed(before), listed(after)
    if name == "windows" or old is None or new is None:
        return [], []
    return list_changes(old, new)


def listed(value: object) -> tuple[str, ...] | None:
    """Return the values of a field that has several; None for a field that has one."""
    if value is None:
        return ()
    return cast("tuple[str, ...]", value) if isinstance(value, tuple) else None


def list_changes(before: Sequence[str], after: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return what left a list and what joined it, each once, sorted; its order means nothing."""
    return sorted(set(before) - set(after)), sorted(set(after) - set(before))
