"""The reports of a validation, and of a run that ended before there was anything to compare."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.compiler.naming import DEFAULT_SITE
from segctl.model.errors import DeviceError, InventoryError, Problem
from segctl.report.document import Check, Kind, Report, Suite, remark_of
from segctl.report.labels import counted
from segctl.report.validate_text import declared_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from segctl.model.errors import SegctlError
    from segctl.report.document import Places
    from segctl.report.provenance import Provenance

_TITLES: Mapping[Kind, str] = {
    "plan": "No plan",
    "drift": "Drift: could not tell",
    "validate": "Validation",
    "check": "Checks: not answered",
    "review": "No plan",
    "lint": "Lint: could not tell",
    "traffic": "Traffic: could not tell",
    "threats": "Threats: could not tell",
    "replay": "Replay: could not tell",
    "discover": "Discover: could not tell",
}
_RANKS = ("error", "warning", "note")


def validation_report(
    warnings: Sequence[Problem],
    refused: Mapping[str, Sequence[Problem]],
    counts: Mapping[str, int],
    *,
    environment: str,
    places: Places,
    provenance: Provenance | None = None,
) -> Report:
    """Return what there is to report of an inventory that can be read.

    Args:
        warnings: what is worth a second look.
        refused: the firewalls that cannot hold what is declared, and why.
        counts: how much is declared of what.
        environment: the name of what the inventory describes.
        places: where devices and conduits are declared.
        provenance: what the report is evidence of.
    """
    problems = [
        *(problem for found in refused.values() for problem in found),
        *sorted(warnings, key=lambda problem: _RANKS.index(problem.severity)),
    ]
    placed = [places.of(problem, problem.subject) for problem in problems]
    errors = sum(problem.severity == "error" for problem in problems)
    return Report(
        kind="validate",
        environment=environment,
        headline=f"Validation: {counted(errors, 'error')}, "
        f"{counted(len(problems) - errors, 'finding')} ({declared_text(counts)})",
        blocking=tuple(remark_of(one) for one in problems if one.severity == "error"),
        remarks=tuple(remark_of(one) for one in problems if one.severity == "warning"),
        problems=tuple(placed),
        suites=_suites(problems, refused, places),
        provenance=provenance,
    )


def refusal_report(
    kind: Kind,
    error: SegctlError,
    *,
    environment: str,
    places: Places,
    provenance: Provenance | None = None,
) -> Report:
    """Return the report of a run that ended with an error."""
    if isinstance(error, InventoryError):
        problems = error.problems
        headline = f"{_TITLES[kind]}: {counted(len(problems), 'problem')} in the inventory"
    else:
        problems = (_refusal(error),)
        headline = f"{_TITLES[kind]}: {error.code}"
    text = "\n".join(map(str, problems))
    return Report(
        kind=kind,
        environment=environment,
        headline=headline,
        blocking=tuple(map(remark_of, problems)),
        problems=tuple(map(places.of, problems)),
        suites=(
            Suite(name="inventory", checks=(Check(name="is read", verdict="failed", text=text),)),
        ),
        provenance=provenance,
    )


def _refusal(error: SegctlError) -> Problem:
    subject = error.device if isinstance(error, DeviceError) else ""
    return Problem(message=str(error), kind=error.code, subject=subject)


def _suites(
    problems: Sequence[Problem], refused: Mapping[str, Sequence[Problem]], places: Places
) -> tuple[Suite, ...]:
    """Return a check for the inventory, for every firewall and for every conduit.

    A warning does not fail a check, but is told in it.
    """
    devices = tuple(
        Check(name=name, verdict="failed", text="\n".join(map(str, refused[name])))
        if name in refused
        else Check(name=name)
        for name in places.devices
    )
    conduits = tuple(
        Check(
            name=name,
            text="\n".join(
                str(one) for one in problems if one.file == place.file and _about(one.subject, name)
            ),
        )
        for name, place in places.conduits.items()
    )
    return (
        Suite(name="inventory", checks=(Check(name="is read"),)),
        Suite(name="firewalls", checks=devices),
        Suite(name="conduits", checks=conduits),
    )


def _about(subject: str, conduit: str) -> bool:
    """Whether a finding is about a conduit or one of its flows."""
    bare = subject.replace("/", ".").removeprefix(f"{DEFAULT_SITE}.")
    return bare == conduit or bare.startswith(f"{conduit}.")
