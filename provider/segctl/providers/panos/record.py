"""What a run records about itself together with its change: in the comment of our tag.

It is part of the configuration, so it goes live with the change, goes back with it and survives a
reboot. What people wrote before it stays::

    Managed by segctl … [run=0a1b2c3d by=ops1@runner before=… probes=… plans=ID,ID]

A run that changed several virtual systems in one commit says in how many: ``run=0a1b2c3d of=2``.
Before ``plans`` stands ``held=VERSION:SERIAL,SERIAL;…`` where firewalls of a device group held
other versions of what the change replaced.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lxml import etree

from segctl.providers.panos import names
from segctl.providers.panos.location import Location

if TYPE_CHECKING:
    from segctl.providers.panos.elements import Element

#: Number of plans remembered; a comment holds 1023 characters (schema of PAN-OS 10.0).
MAX_PLANS: Final = 16
_MAX_COMMENT: Final = 1023
_RECORD: Final = re.compile(
    r" ?\[run=([0-9a-f]{8})(?: of=([0-9]{1,4}))? by=([\w.@-]*) before=([0-9a-f]*)"
    r" probes=([\w:.@-]*)(?: held=([\w:,;/-]*))? plans=([\w.:@,-]*)\]\Z",
    re.ASCII,
)
_UNFIT: Final = re.compile(r"[^\w.:@-]", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A run's change: its lock's token, who ran it, what it replaced, what judges it.

    `before` is a digest of the configuration that the change replaced, `plans` the ids of the plans
    that led to the present one, latest first. The run changed that many `places` at once. `held`
    says which firewalls of a device group held other versions of it.
    """

    token: str
    by: str = ""
    before: str = ""
    probes: str = ""
    plans: tuple[str, ...] = ()
    places: int = 1
    held: str = ""


def read(comment: str) -> tuple[str, Record | None]:
    """Return the human part of our tag's comment, and the record in it."""
    match = _RECORD.search(comment)
    if match is None:
        return comment, None
    token, places, by, before, probes, held, plans = match.groups("")
    return comment[: match.start()], Record(
        token=token,
        by=by,
        before=before,
        probes=probes,
        plans=tuple(filter(None, plans.split(","))),
        places=int(places or 1),
        held=held,
    )


def written(comment: str, record: Record) -> str:
    """Return the comment followed by the record, with as many plans as fit."""
    by, probes = _word(record.by, 48), _word(record.probes, 80)
    several = f" of={record.places}" if record.places > 1 else ""
    held = f" held={record.held}" if record.held else ""
    who = f" [run={record.token}{several} by={by}"
    head = f"{who} before={record.before} probes={probes}{held} plans="
    plans = [_word(plan, 64) for plan in record.plans[:MAX_PLANS]]
    comment = comment[: _MAX_COMMENT - len(head) - 1]
    while plans and len(comment) + len(head) + len(",".join(plans)) + 1 > _MAX_COMMENT:
        plans.pop()
    return f"{comment}{head}{','.join(plans)}]"


def _word(text: str, length: int) -> str:
    return _UNFIT.sub("-", text)[:length]


def of_entry(entry: Element) -> Record | None:
    """Return the record that the entry of a place holds."""
    tag = _tag(entry)
    return None if tag is None else read(tag.findtext("comments") or "")[1]


def with_record(script: str, before: Element, record: Record) -> str:
    """Return `script` with a step that writes the record; unchanged if it deletes our tag.

    Args:
        script: what will be pushed.
        before: the entry of its place before it.
        record: this run's; earlier plans are taken from `before`.
    """
    root = etree.fromstring(script.encode())
    place = Location.of_script(root)
    entry = _tag(before)
    comment = None if entry is None else read(entry.findtext("comments") or "")[0]
    for step in root:
        comment = _after(step, place, comment)
    if comment is None:
        return script
    where = place.path("tag", names.TAG)
    step = etree.SubElement(root, "edit", xpath=f"{where}/comments")
    etree.SubElement(step, "comments").text = written(comment, record)
    return etree.tostring(root, encoding="unicode")


def _tag(entry: Element) -> Element | None:
    return next((tag for tag in entry.findall("tag/entry") if tag.get("name") == names.TAG), None)


def _after(step: Element, place: Location, comment: str | None) -> str | None:
    """Return our tag's comment after a step; None if there is no tag."""
    where = place.path("tag", names.TAG)
    xpath = step.get("xpath", "")
    if xpath == place.all_of("tag"):
        made = next((entry for entry in step if entry.get("name") == names.TAG), None)
        return comment if made is None else made.findtext("comments") or ""
    if xpath == where:
        return None if step.tag == "delete" else step.findtext("entry/comments") or ""
    if xpath == f"{where}/comments":
        return "" if step.tag == "delete" else step.findtext("comments") or ""
    return comment
