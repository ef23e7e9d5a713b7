"""Reports as Markdown for pull requests and issues, never longer than those take."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from segctl.report.escape import clipped, fence, markdown_text
from segctl.system.inert import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from segctl.report.document import Remark, Report, Section

#: Characters; GitHub refuses a comment of more than 65,536.
BUDGET = 60_000
#: Longest name, longest sentence and longest flow that is shown whole.
_NAME, _SENTENCE, _FLOW = 120, 600, 240
_TITLES = {
    "plan": "segctl plan",
    "drift": "segctl drift",
    "validate": "segctl validate",
    "check": "segctl check",
    "review": "segctl plan, compared with the reviewed one",
    "lint": "segctl lint",
    "traffic": "segctl traffic",
    "threats": "segctl threats",
    "replay": "segctl replay",
    "discover": "segctl discover",
}
#: How a report is read as a whole where a comment has no room for it.
_WHOLE = {
    "plan": "the plan file of this run (`segctl show FILE`), or its HTML report",
    "review": "both plan files of this run (`segctl show FILE --same-as REVIEWED`)",
    "drift": "the HTML or JSON report of this run",
    "validate": "the HTML or SARIF report of this run",
    "lint": "the SARIF or JSON report of this run",
    "traffic": "the HTML or JSON report of this run",
    "threats": "the HTML or JSON report of this run",
    "replay": "the HTML or JSON report of this run",
    "discover": "the HTML or JSON report of this run",
    "check": "the HTML or JSON report of this run",
}


#: What sections are of, where not of devices.
_COLUMN = {"traffic": "of", "threats": "of", "replay": "what becomes of it", "discover": "list"}


def marker(kind: str, environment: str) -> str:
    """Return the first line, by which a comment or an issue is found again."""
    return f"<!-- segctl:{kind}:{environment} -->"


def markdown(report: Report) -> str:
    """Return a report as Markdown of at most `BUDGET` characters.

    Where the whole is longer, what is left is the headline, the findings, a table of the devices,
    and where to read the rest.
    """
    parts = _head(report), _findings(report), _drawing(report), _details(report), _foot(report)
    whole = "\n".join(line for part in parts for line in part)
    if len(whole) < BUDGET:
        return f"{whole}\n"
    return f"{_short(report)}\n"


def _short(report: Report) -> str:
    head = list(_head(report))
    foot = [
        "",
        f"This report is too long for a comment. Read {_WHOLE[report.kind]}.",
        *_foot(report),
    ]
    room = BUDGET - sum(len(line) + 1 for line in (*head, *foot))
    findings = _fitting(list(_findings(report)), room * 2 // 3, "more findings")
    room -= sum(len(line) + 1 for line in findings)
    rows = _fitting([_row(section) for section in report.sections], room - 200, "more devices")
    table = ["", f"| {_COLUMN.get(report.kind, 'device')} | |", "|---|---|", *rows] if rows else []
    return "\n".join((*head, *findings, *table, *foot))


def _fitting(lines: Sequence[str], room: int, what: str) -> list[str]:
    """Return as many lines as there is room for; the last one says how many are left out."""
    ends = list(accumulate(len(line) + 1 for line in lines))
    if not ends or ends[-1] <= room:
        return list(lines)
    kept = sum(end <= room - 60 for end in ends)
    note = f"… and {len(lines) - kept} {what}"
    return [*lines[:kept], f"| {note} | |" if what == "more devices" else f"- {note}"]


def _head(report: Report) -> Iterator[str]:
    yield marker(report.kind, report.environment)
    yield f"### {_TITLES[report.kind]} · {markdown_text(report.environment)}"
    yield ""
    yield f"**{markdown_text(report.headline)}**"


def _findings(report: Report) -> Iterator[str]:
    for title, remarks, limit in (
        ("Blocking", report.blocking, _SENTENCE),
        ("Findings", report.remarks, _SENTENCE),
        ("Newly permitted", report.opened, _FLOW),
        ("No longer permitted", report.closed, _FLOW),
        ("Cannot tell whether it stays permitted or denied", report.unclear, _SENTENCE),
    ):
        if remarks:
            yield from ("", f"#### {title}", "")
            yield from (_item(remark, limit) for remark in remarks)


def _item(remark: Remark, limit: int = _SENTENCE) -> str:
    subject = f"{_code(remark.subject)}: " if remark.subject else ""
    grave = "**error** " if remark.severity == "error" else ""
    return f"- {grave}{subject}{markdown_text(clipped(remark.text, limit))}"


def _code(name: str) -> str:
    """Return a name set as code: what looks like a mention or a reference is none there."""
    return f"<code>{markdown_text(clipped(name, _NAME))}</code>"


def _row(section: Section) -> str:
    return f"| {_code(section.name)} | {markdown_text(section.state)} |"


def _drawing(report: Report) -> Iterator[str]:
    """Yield what a plan touches as Mermaid, folded; a forge that cannot draw it shows the text."""
    if report.drawing is None:
        return
    from segctl.report.drawing import mermaid

    yield ""
    yield "<details><summary>What it touches, drawn</summary>"
    yield from ("", "```mermaid", mermaid(report.drawing).rstrip("\n"), "```", "", "</details>")


def _details(report: Report) -> Iterator[str]:
    for section in report.sections:
        yield ""
        yield from _section(section)


def _section(section: Section) -> Iterator[str]:
    """Yield one device, folded; a summary is read as HTML, where entities mean the same."""
    facts = f" ({markdown_text(section.facts)})" if section.facts else ""
    state = markdown_text(section.state)
    yield f"<details><summary>{_code(section.name)} — {state}{facts}</summary>"
    yield ""
    if section.remarks:
        yield from map(_item, section.remarks)
        yield ""
    if section.lines:
        lines = [clipped(printable(line), _SENTENCE) for line in section.lines]
        bar = fence(lines)
        yield from (f"{bar}diff", *lines, bar, "")
    yield "</details>"


def _foot(report: Report) -> Iterable[str]:
    if not report.facts:
        return ()
    return "", "---", "", " · ".join(f"{label} {_code(text)}" for label, text in report.facts)
