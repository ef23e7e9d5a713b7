"""The rehearsal that a plan keeps, as lines of text and as part of the plan's report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from segctl.report.document import Remark, Section
from segctl.report.labels import counted
from segctl.report.lines import Line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segctl.planning.rehearsal import Heard, Lost, Rehearsal

#: Fates as people call them, with their style.
FATE_WORDS: Final = {
    "newly_dropped": ("newly dropped", "bold red"),
    "newly_allowed": ("newly allowed", "bold yellow"),
    "cannot_tell": ("cannot tell", "yellow"),
    "still_allowed": ("still allowed", "green"),
    "still_dropped": ("still dropped", "dim"),
}
#: So many of a list are shown in text; the plan file has more.
_SHOWN: Final = 10


def rehearsal_text(one: Rehearsal) -> Iterator[Line]:
    """Yield what a rehearsal showed."""
    yield Line()
    yield Line(text="Rehearsed on real traffic", style="bold")
    yield Line(lead="  ", text=window_of(one))
    for heard in one.witnesses[:_SHOWN]:
        yield Line(lead=f"  {heard.name}  ", text=_heard(heard))
    yield from _more(len(one.witnesses), "witness", "witnesses")
    for fate, (words, style) in FATE_WORDS.items():
        yield Line(lead=f"  {words}: ", text=_sum(one, fate), lead_style=style)
    for lost in one.dropped[:_SHOWN]:
        lead = "    essential  " if lost.essential else "    "
        yield Line(lead=lead, text=_lost(lost), lead_style="bold red")
    yield from _more(one.of("newly_dropped").flows, "dropped flow", "dropped flows")
    for text in _doubts(one):
        yield Line(lead="  ! ", text=text, style="yellow")


def window_of(one: Rehearsal) -> str:
    """Say on which records a plan was rehearsed, and when."""
    span = f" from {one.first} to {one.last}" if one.first else " without times"
    refused = f", {one.refused:,} refused" if one.refused else ""
    files = counted(one.inputs.files, "file")
    return f"{counted(one.records, 'record')}{span}{refused}, in {files}; on {one.made}"


def rehearsal_remarks(one: Rehearsal | None) -> Iterator[Remark]:
    """Yield what a reader of a plan must know of its rehearsal before anything else."""
    if one is None:
        return
    for lost in one.dropped:
        if lost.essential:
            text = f"drops essential traffic that was seen: {_lost(lost)}"
            yield Remark(severity="error", subject="rehearsal", text=text)
    if not one.told:
        text = "of no traffic it could be told what becomes of it"
        yield Remark(severity="error", subject="rehearsal", text=text)


def rehearsal_sections(one: Rehearsal | None) -> Iterator[Section]:
    """Yield the section of a plan's report that says what its rehearsal showed."""
    if one is None:
        return
    sums = ", ".join(f"{words} {one.of(fate).flows:,}" for fate, (words, _) in FATE_WORDS.items())
    remarks = [Remark(severity="note", text=f"{one.name}: {_heard(one)}") for one in one.witnesses]
    remarks += [Remark(severity="warning", text=text) for text in _doubts(one)]
    remarks += [Remark(severity="warning", text=f"dropped: {_lost(lost)}") for lost in one.dropped]
    yield Section(
        name="Rehearsed on real traffic",
        state=sums,
        good=bool(one.told) and not one.of("newly_dropped").flows,
        facts=window_of(one),
        remarks=tuple(remarks),
    )


def _sum(one: Rehearsal, fate: str) -> str:
    held = one.of(fate)
    essential = f", {held.essential:,} of them essential" if held.essential else ""
    return f"{counted(held.flows, 'flow')}, {counted(held.sessions, 'session')}{essential}"


def _heard(heard: Heard) -> str:
    span = f", {heard.first} to {heard.last}" if heard.first else ""
    said = [f"{counted(heard.records, 'record')}{span}"]
    said += [f"silent {counted(heard.gaps, 'time')}"] if heard.gaps else []
    said += ["saw a sample only"] if heard.sampled else []
    said += ["wrote down a part only"] if heard.limited else []
    return "; ".join(said)


def _lost(lost: Lost) -> str:
    service = f"{lost.protocol}/{lost.port}" if lost.port else lost.protocol
    said = [f"{lost.source} → {lost.destination} {service}"]
    said += [" ".join(lost.applications)] if lost.applications else []
    said += [f"{lost.conduit}.{lost.flow}"] if lost.conduit else []
    said += [counted(lost.sessions, "session")]
    said += [f"last {lost.last}"] if lost.last else []
    return "; ".join([*said, *lost.by])


def _doubts(one: Rehearsal) -> Iterator[str]:
    for untold in one.untold:
        yield f"cannot tell of {counted(untold.flows, 'flow')}: {untold.why}"
    for name in one.untold_essential:
        yield f"cannot tell what becomes of the essential flow {name}"
    for name, why in one.not_judged.items():
        yield f"{name} is not judged: {why}"
    for rule in one.contradicted:
        yield f"no verdict for {rule}"


def _more(count: int, one: str, many: str) -> Iterator[Line]:
    left = count - _SHOWN
    if left > 0:
        yield Line(lead="    ", text=f"{left:,} more {one if left == 1 else many}", style="dim")
