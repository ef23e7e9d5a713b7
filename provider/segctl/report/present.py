"""What becomes of packets by what objects hold now that a device fills: as JSON and as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segctl.report.labels import counted
from segctl.report.lines import Line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from segctl.analysis.present import Held, Outlook

#: How both are said where it cannot be told otherwise.
MAY_CHANGE = "by what is held now, which may change without a commit"
_OUTCOMES = {
    "permitted": "permitted",
    "denied": "not permitted",
    "partly": "partly permitted",
    "cannot_tell": None,
}


def held_json(held: Held) -> dict[str, Any]:
    """Return an object that a device fills, with what of it was asked about."""
    return {
        "name": held.name,
        "what": held.what,
        "count": held.count,
        "read_at": held.at,
        "not_read": held.unread,
        "asked_about": list(held.meeting),
        "more": held.more,
    }


def outlook_json(present: Outlook | None) -> dict[str, Any] | None:
    """Return what becomes of packets by what objects hold now; None where it hangs on none."""
    if present is None:
        return None
    objects = [held_json(one) for one in present.objects]
    return {"outcome": present.outcome.replace(" ", "_"), "objects": objects}


def outlook_lines(now: Mapping[str, Any], lead: str) -> Iterator[Line]:
    """Yield the lines of what becomes of packets by what objects hold now."""
    if (outcome := _OUTCOMES[now["outcome"]]) is not None:
        yield Line(lead=lead, text=f"{outcome} {MAY_CHANGE}", style="yellow")
    yield from held_lines(now["objects"], lead)


def held_lines(
    objects: Iterable[Mapping[str, Any]], lead: str, *, asked: bool = True
) -> Iterator[Line]:
    """Yield a line for each object, each beginning with `lead`; whether addresses were `asked`."""
    for one in objects:
        yield Line(lead=lead, text=held_text(one, asked=asked), style="dim")


def held_text(one: Mapping[str, Any], *, asked: bool = True) -> str:
    """Return an object in words: ``feed, a list that the device fetches: 3 addresses, …``."""
    said = f"{one['name']}, {one['what']}: "
    if one["not_read"]:
        return f"{said}not read: {one['not_read']}"
    said += counted(one["count"], "member")
    said += f", read at {one['read_at']}" if one["read_at"] else ""
    more = f" and {one['more']} more" if one["more"] else ""
    about = ", ".join(one["asked_about"]) or "none"
    return f"{said}; of those asked about: {about}{more}" if asked else f"{said}: {about}{more}"
