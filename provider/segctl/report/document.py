"""What there is to report of a run, in the parts that every form of report is written from."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from segctl.model.errors import UsageError
from segctl.report.provenance import provenance_pairs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segctl.model.diff import Op
    from segctl.model.errors import Problem
    from segctl.model.site import Source
    from segctl.report.drawing import Layout
    from segctl.report.provenance import Provenance

Kind = Literal[
    "plan",
    "drift",
    "validate",
    "review",
    "check",
    "lint",
    "traffic",
    "threats",
    "replay",
    "discover",
]
#: What an environment may be called: its name stands in an HTML comment, an id and a file name.
_ENVIRONMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._]*(-[A-Za-z0-9._]+)*")
DEFAULT_ENVIRONMENT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """One sentence about a device, or about a place in the inventory."""

    severity: str
    text: str
    subject: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """What there is to say of one device; `lines` are those of a diff block."""

    name: str
    state: str
    good: bool = False
    facts: str = ""
    remarks: tuple[Remark, ...] = ()
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was checked: nothing to say, or why it does not hold."""

    name: str
    verdict: Literal["passed", "failed", "error", "skipped"] = "passed"
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """The checks of one device, or of one part of the inventory."""

    name: str
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where devices and conduits are declared, as far as that is known, and where everything is.

    Who shows findings beside lines of files refuses a finding that has none.
    """

    anywhere: str = ""
    devices: Mapping[str, Source] = field(default_factory=dict[str, "Source"])
    conduits: Mapping[str, Source] = field(default_factory=dict[str, "Source"])

    def of(self, problem: Problem, device: str = "", conduit: str = "") -> Problem:
        """Return a problem with a place: its own, its conduit's, its device's, or any."""
        if problem.file and not problem.file.startswith("-"):  # an option is no file
            return problem
        path = problem.path or device
        place = self.conduits.get(conduit) or self.devices.get(device)
        if place is None:
            return replace(problem, path=path, file=self.anywhere)
        return replace(problem, path=path, file=place.file, line=place.line, column=place.column)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One run's report.

    `blocking` keeps the run from being applied or trusted. `opened` and `closed` are what a plan
    newly permits and no longer permits, `unclear` what of it cannot be told. `problems` are
    findings with their places, `suites` what was checked; `counts` are changes by op, None where a
    report is not about changes. `drawing` is of what a plan touches. `provenance` says what the
    report is evidence of.
    """

    kind: Kind
    environment: str
    headline: str
    blocking: tuple[Remark, ...] = ()
    remarks: tuple[Remark, ...] = ()
    opened: tuple[Remark, ...] = ()
    closed: tuple[Remark, ...] = ()
    unclear: tuple[Remark, ...] = ()
    sections: tuple[Section, ...] = ()
    footer: tuple[tuple[str, str], ...] = ()
    problems: tuple[Problem, ...] = ()
    suites: tuple[Suite, ...] = ()
    counts: Mapping[Op, int] | None = None
    drawing: Layout | None = None
    provenance: Provenance | None = None

    @property
    def facts(self) -> tuple[tuple[str, str], ...]:
        """What stands below it: its footer, and what it is evidence of."""
        made = provenance_pairs(self.provenance) if self.provenance is not None else ()
        return (*self.footer, *made)


def environment_name(name: str) -> str:
    """Return the name of an environment.

    Raises:
        UsageError: it cannot stand in a marker.
    """
    if len(name) > 64 or not _ENVIRONMENT.fullmatch(name):
        raise UsageError(
            f"--env {name!r}: an environment is called with letters, digits, '.', '_' and single "
            "'-', at most 64 of them"
        )
    return name


def remark_of(problem: Problem, subject: str = "") -> Remark:
    """Return a problem as a sentence: where, what, and what to do about it."""
    parts = (problem.where, problem.path if problem.where else "", problem.message)
    hint = f" — {problem.hint}" if problem.hint else ""
    return Remark(
        severity=problem.severity, text=": ".join(filter(None, parts)) + hint, subject=subject
    )
