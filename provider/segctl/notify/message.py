"""The content of a notice, in any form: a headline, and one line per item."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from segctl.drift.items import STATES
from segctl.drift.report import Counts, Unchecked
from segctl.report import author_text
from segctl.system.inert import printable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from segctl.drift.report import DriftReport

#: The most items listed in a notice; the rest are only counted.
MOST = 40
#: Longer texts are shortened; the drift document has them in full.
LONGEST = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One line: an item, or a device that could not be checked."""

    device: str
    state: str
    kind: str
    name: str
    conduit: str = ""
    by: str = ""
    new: bool = False
    said: str = ""

    @property
    def text(self) -> str:
        """The text of the line."""
        if self.said:
            return self.said
        if self.state == "error":
            return f"{self.device}: could not be checked: {self.name}"
        by = f", changed by {self.by}" if self.by else ""
        new = "new: " if self.new else ""
        state = "cannot tell:" if self.state == "cannot_tell" else self.state
        what = f"open: {self.kind}" if self.state == "hole" else f"{state} {self.kind}"
        return f"{self.device}: {new}{what} {self.name}{by}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A notice before it is put into a form; `event` is the command that sends it."""

    environment: str
    status: str
    headline: str
    counts: Counts
    states: Mapping[str, int]
    resolved: int
    time: str
    notes: tuple[Note, ...] = ()
    more: int = 0
    event: str = "drift"


def message_of(
    report: DriftReport,
    *,
    environment: str,
    time: str,
    new: Collection[tuple[str, str, str]] = (),
    resolved: int = 0,
) -> Message:
    """Return the notice about a run's drift.

    Args:
        report: what the run found.
        environment: the environment it is about.
        time: when the run ended.
        new: (device, kind, name) of items that were not open before.
        resolved: how many items are no longer open.
    """
    counts = report.counts
    states: dict[str, int] = dict.fromkeys(STATES, 0)
    for device in report.checked:
        for item in device.items:
            states[item.gravest] += 1
    notes = sorted(_notes(report, new), key=lambda note: (not note.new, note.device))
    return Message(
        environment=_shown(environment),
        status="error" if counts.error else "drift" if counts.drift else "in_sync",
        headline=_headline(report, states, _shown(environment)),
        counts=counts,
        states=states,
        resolved=resolved,
        time=time,
        notes=tuple(notes[:MOST]),
        more=max(0, len(notes) - MOST),
    )


def watch_message(
    status: str, headline: str, lines: Sequence[str], *, environment: str, time: str
) -> Message:
    """Return the notice about who was judged by records.

    Args:
        status: ``proposed``, ``contained`` or ``not_contained``.
        headline: what happened.
        lines: one for each address; texts in them come from records.
        environment: the environment it is about.
        time: when it was judged.
    """
    notes = [
        Note(device="", state=status, kind="containment", name="", said=_shown(line), new=True)
        for line in lines
    ]
    return Message(
        environment=_shown(environment),
        status=status,
        headline=_shown(headline),
        counts=Counts(),
        states={},
        resolved=0,
        time=time,
        notes=tuple(notes[:MOST]),
        more=max(0, len(notes) - MOST),
        event="watch",
    )


def _headline(report: DriftReport, states: Mapping[str, int], environment: str) -> str:
    counts = report.counts
    total = counts.devices
    grouped = any(one.state.members for one in report.checked)
    word = "device" if grouped else "firewall"  # a device group counts, too
    firewalls = f"1 {word}" if total == 1 else f"{total} {word}s"
    where = f" ({environment})" if environment else ""
    parts: list[str] = []
    if counts.drift:
        counted = ", ".join(f"{number} {state}" for state, number in states.items() if number)
        parts.append(f"Drift on {counts.drift} of {firewalls}: {counted}")
    if counts.error:
        parts.append(f"{counts.error} of {firewalls} could not be checked")
    return "; ".join(parts or [f"In sync: {firewalls}"]) + where


def _notes(report: DriftReport, new: Collection[tuple[str, str, str]]) -> Iterator[Note]:
    for device in report.devices:
        name = _shown(device.name)
        if isinstance(device, Unchecked):
            error = _shown(f"{device.code}: {device.message}")
            yield Note(device=name, state="error", kind="", name=error)
            continue
        for item in device.items:
            by = item.changed_by
            yield Note(
                device=name,
                state=item.gravest,
                kind=item.kind,
                name=_shown(item.name),
                conduit=_shown(item.conduit),
                by=_shown(author_text(by)) if by else "",
                new=(device.name, item.kind, item.name) in new,
            )


def _shown(text: str) -> str:
    safe = printable(text)
    return safe if len(safe) <= LONGEST else f"{safe[: LONGEST - 1]}…"
