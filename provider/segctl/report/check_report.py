"""The report of checks: an acceptance protocol, from the document of their answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from segctl.model.errors import Problem
from segctl.report.check import FAILED, UNKNOWN, check_text_of, total_text
from segctl.report.document import Check, Remark, Report, Section, Suite
from segctl.report.labels import counted
from segctl.report.policies import policy_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from segctl.report.lines import Line
    from segctl.report.provenance import Provenance

_STATES = {
    "as_expected": "as expected",
    "answered": "answered",
    "otherwise": "otherwise than expected",
    "cannot_tell": "cannot tell",
    "error": "not answered",
}
_VERDICTS: Mapping[str, Literal["passed", "failed", "error"]] = {
    "as_expected": "passed",
    "answered": "passed",
    "otherwise": "failed",
    "cannot_tell": "error",
    "error": "error",
}


def check_report(
    document: Mapping[str, Any], *, environment: str, provenance: Provenance | None = None
) -> Report:
    """Return what there is to report of answers.

    Args:
        document: the document of `check_json`.
        environment: the name of what was asked.
        provenance: what the report is evidence of.
    """
    asked = [*_asked(document)]
    wrong = [one for one in asked if one.state in {"otherwise", "cannot_tell", "error"}]
    number = counted(len(asked), "question")
    return Report(
        kind="check",
        environment=environment,
        headline=f"Checks: {total_text(document)} ({number})",
        blocking=tuple(
            Remark(severity="error", text=_STATES[one.state], subject=one.name) for one in wrong
        ),
        remarks=tuple(
            Remark(severity=found["severity"], text=found["message"], subject=device["name"])
            for device in document["devices"]
            for found in device["findings"]
        ),
        sections=tuple(_section(one) for one in asked),
        footer=tuple(_digests(document)),
        problems=tuple(_problem(one) for one in wrong),
        suites=(
            Suite(
                name="checks",
                checks=tuple(
                    Check(
                        name=one.name,
                        verdict=_VERDICTS[one.state],
                        text="\n".join((_STATES[one.state], *one.lines)),
                    )
                    for one in asked
                ),
            ),
        ),
        provenance=provenance,
    )


class _Asked:
    """One question, of a flow or of sets of zones: its first line, its state, the other lines."""

    def __init__(self, found: Mapping[str, Any], lines: Iterable[Line]) -> None:
        self.state: str = found["status"]
        self.file: str = found["file"]
        self.line: int = found["line"]
        first, *rest = lines
        self.name = f"{first.lead}{first.text}".strip()
        self.lines = tuple(f"{line.lead}{line.text}".rstrip() for line in rest)


def _asked(document: Mapping[str, Any]) -> Iterator[_Asked]:
    for check in document["checks"]:
        yield _Asked(check, check_text_of(check))
    for policy in document["policies"]:
        yield _Asked(policy, policy_text(policy))


def _section(one: _Asked) -> Section:
    return Section(
        name=one.name,
        state=_STATES[one.state],
        good=_VERDICTS[one.state] == "passed",
        lines=one.lines,
    )


def _problem(one: _Asked) -> Problem:
    kind = FAILED if one.state == "otherwise" else UNKNOWN
    text = "\n".join((f"{one.name}: {_STATES[one.state]}", *one.lines))
    return Problem(message=text, kind=kind, file=one.file, line=one.line, column=1)


def _digests(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the hash of what was read of each device, whole: it is what the answers stand on."""
    for device in document["devices"]:
        if device["digest"]:
            yield f"read of {device['name']}", device["digest"]
