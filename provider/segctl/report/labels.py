"""What changes, rules, objects and their values are called wherever people read of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segctl.compiler import naming
from segctl.model.errors import UnsupportedError
from segctl.planning.plan import OPS
from segctl.providers.base import provider

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


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
    "description": "reason",
}


def totals(summary: Mapping[str, int]) -> str:
    """Say how many changes of each op, those there are."""
    return ", ".join(f"{summary[op]} {VERBS[op]}" for op in OPS if summary[op]) or "no changes"


def counted(number: int, word: str) -> str:
    """Write a number with its noun."""
    if number == 1:
        return f"1 {word}"
    return f"{number} {word}{'es' if word.endswith('s') else 's'}"


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


def place_of(change: Mapping[str, Any]) -> str:
    """Say where a rule goes."""
    anchor = change["anchor"] or {"where": "top", "rule": ""}
    return "to the top" if anchor["where"] == "top" else f"{anchor['where']} {anchor['rule']}"


def gist_of(kind: str, values: Mapping[str, Any]) -> str:
    """Say in a few words what a rule or an object is."""
    if kind == "rule":
        return (
            f"{values.get('action', '')} {', '.join(values.get('from_zones', []))} → "
            f"{', '.join(values.get('to_zones', []))}"
        )
    if kind == "service":
        return f"{values.get('protocol')}/{values.get('ports')}"
    if kind == "default-rule":
        return f"{values.get('action')}, {'logged' if values.get('log') else 'not logged'}"
    if kind == "tag":
        return str(values.get("comments", ""))
    if kind == "schedule":
        return _windows(values["windows"])
    listed = values.get("members") or values.get("interfaces")
    return ", ".join(listed) if listed else str(values.get("value", ""))


_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def _windows(windows: Iterable[tuple[str, Sequence[str]]]) -> str:
    """Write a schedule's windows, days in the order of the week, those alike together."""
    days = {day: ", ".join(times) for day, times in windows}
    alike: dict[str, list[str]] = {}
    for day in sorted(days, key=lambda day: _DAYS.index(day) if day in _DAYS else -1):
        alike.setdefault(days[day], []).append(day)
    return "; ".join(f"{', '.join(names)} {times}" for times, names in alike.items())


def value_text(field: str, value: Any) -> str:
    """Write one value of a field."""
    if value is None or (not value and isinstance(value, str | list)):
        return "nothing"
    if field == "windows":
        return _windows(value)
    if (items := listed(value)) is not None:
        return ", ".join(map(str, items))
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    if field != "description":
        return text
    mark = naming.decode_mark(text)
    kept = " (essential: no change may cut it)" if mark and mark.seal is not None else ""
    return f"{naming.without_mark(text)}{kept}"


def value_texts(name: str, before: Any, after: Any) -> tuple[str, str]:
    """Write both values of a field, so that a reader sees how they differ."""
    if isinstance(before, bool) or isinstance(after, bool):
        return value_text(name, bool(before)), value_text(name, bool(after))
    was, will = value_text(name, before), value_text(name, after)
    # alike where they differ in what a reader is spared otherwise, such as our mark
    return (was, will) if was != will else (str(before), str(after))


def label_of(name: str) -> str:
    """Return what a field is called."""
    return LABELS.get(name, name.replace("_", " "))


def left_and_joined(name: str, before: Any, after: Any) -> tuple[list[str], list[str]]:
    """Return what left a list and what joined it; nothing where it is not about a plain list."""
    old, new = listed(before), listed(after)
    if name == "windows" or old is None or new is None:
        return [], []
    return list_changes(old, new)


def listed(value: Any) -> list[Any] | None:
    """Return a list as it stands in JSON; None where it is something else."""
    if value is None:
        return []
    if not isinstance(value, list):
        return None
    listed: list[Any] = value  # pyright: ignore[reportUnknownVariableType] - JSON
    return listed


def list_changes(before: Sequence[Any], after: Sequence[Any]) -> tuple[list[str], list[str]]:
    """Return what left a list and what joined it, each once, sorted; its order means nothing."""
    if all(isinstance(item, str) for item in (*before, *after)):  # as names are: no need to search
        return sorted(set(before) - set(after)), sorted(set(after) - set(before))
    from deepdiff import DeepDiff

    found = DeepDiff(before, after, ignore_order=True, view="tree")
    gone = [str(item.t1) for item in _items(found, "removed")]
    come = [str(item.t2) for item in _items(found, "added")]
    return sorted(gone), sorted(come)


def _items(found: Mapping[str, Any], what: str) -> Iterator[Any]:
    yield from found.get(f"iterable_item_{what}", ())
    yield from found.get("values_changed", ())
