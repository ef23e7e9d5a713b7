"""How a plan differs from the one that was reviewed, as lines, as JSON and as a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segctl.planning.documents import difference_json
from segctl.report.differences import diff_lines
from segctl.report.document import Check, Remark, Report, Section, Suite
from segctl.report.labels import counted, gist_of
from segctl.report.lines import Line
from segctl.system.inert import json_text, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from segctl.planning.places import PlaceDifference
    from segctl.planning.plan import Plan
    from segctl.planning.review import Difference

_WORDS = {
    "reviewed": "reviewed, no longer planned",
    "plan": "not reviewed",
    "both": "differs",
}


def review_json(found: Sequence[Difference], reviewed: Plan, plan: Plan) -> dict[str, Any]:
    """Return the document of a comparison."""
    return {
        "format_version": "1.1",
        "same": not found,
        "reviewed": reviewed.plan_id,
        "plan_id": plan.plan_id,
        "differences": [difference_json(difference) for difference in found],
    }


def review_text(found: Sequence[Difference]) -> Iterator[Line]:
    """Yield a line a difference, then what it comes to."""
    yield from difference_text(found)
    yield Line(text=_headline(found), style="bold")


def difference_text(found: Sequence[Difference]) -> Iterator[Line]:
    """Yield a line a difference."""
    for difference in found:
        yield Line(
            lead=f"{difference.device}  {_WORDS[difference.where]}: ",
            text=_told(difference),
            lead_style="bold",
            style="yellow",
        )
        for place in difference.places:
            lead = f"        {place.place}  "
            yield Line(lead=lead, text=place_text(place), style="yellow")


def place_text(place: PlaceDifference) -> str:
    """Write what a place held in the reviewed plan, and what it holds now."""
    was, now = (_value(value) for value in (place.reviewed, place.plan))
    return f"{was} → {now}"


def _value(value: object) -> str:
    if value is None:
        return "nothing"
    return value if isinstance(value, str) else json_text(value, indent=None)


def _told(difference: Difference) -> str:
    change = difference.change
    if change is None or change.op in {"move", "rename"}:
        return difference.what
    return f"{difference.what}  {gist_of(change.item)}".rstrip()


def _headline(found: Sequence[Difference]) -> str:
    if not found:
        return "The plan does exactly what the reviewed one does."
    return f"The plan is not the reviewed one: {counted(len(found), 'difference')}."


def review_report(
    found: Sequence[Difference], reviewed: Plan, plan: Plan, *, environment: str
) -> Report:
    """Return the report of a comparison; the devices in it are those that differ."""
    devices = {device.name: device for device in (*reviewed.devices, *plan.devices)}
    names = dict.fromkeys(difference.device for difference in found)
    sections = tuple(
        _section(name, devices[name].platform, [one for one in found if one.device == name])
        for name in names
    )
    suites = tuple(
        Suite(
            name=name,
            checks=(
                Check(
                    name="does what was reviewed",
                    verdict="failed" if name in names else "passed",
                    text="\n".join(_told(one) for one in found if one.device == name),
                ),
            ),
        )
        for name in devices
    )
    return Report(
        kind="review",
        environment=environment,
        headline=_headline(found),
        blocking=tuple(
            Remark(severity="error", subject=one.device, text=one.what)
            for one in found
            if one.change is None
        ),
        sections=sections,
        footer=(("reviewed plan", reviewed.plan_id), ("plan", plan.plan_id)),
        suites=suites,
        counts=plan.summary,
    )


def _section(name: str, platform: str, found: Sequence[Difference]) -> Section:
    lines: list[str] = []
    for where in ("reviewed", "plan"):
        changes = [one.change for one in found if one.where == where and one.change is not None]
        if changes:
            lines += [f"# {_WORDS[where]}", *diff_lines(changes, platform)]
    moved = [one for one in found if one.places]
    for difference in moved:
        lines.append(printable(f"@@ {difference.what}: where it differs @@"))
        lines += [printable(f"! {place.place}  {place_text(place)}") for place in difference.places]
    return Section(name=name, state=counted(len(found), "difference"), lines=tuple(lines))
