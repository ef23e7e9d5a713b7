"""Check: whether firewalls allow a flow, and by which rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from segctl.model.errors import UsageError
from segctl.operations.loading import desired_of, load_inventory, vault
from segctl.operations.workers import at_work

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from segctl.analysis.query import Check, Question
    from segctl.compiler.build import Desired
    from segctl.fleet import Failure
    from segctl.fleet.queries import Checked
    from segctl.inventory import Loaded
    from segctl.operations.options import CommonOptions
    from segctl.operations.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOptions:
    """What is asked: the checks of a file, or `checks`; with `declared` of no device."""

    file: Path | None = None
    checks: tuple[Check, ...] = ()
    declared: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """The questions, and each asked firewall's answers or why it gave none."""

    questions: tuple[Question, ...]
    answers: Mapping[str, Checked | Failure]


def check(common: CommonOptions, options: CheckOptions, progress: Progress) -> CheckResult:
    """Ask firewalls whether they allow flows; never writes to a device.

    Raises:
        ChecksError: the file cannot be used, or asks what no firewall can answer.
        InventoryError: the inventory cannot be used.
        UsageError: a check asks what no firewall can answer.
    """
    checks = _read(common, options.file) if options.file is not None else options.checks
    loaded = load_inventory(common, progress)
    chosen = desired_of(loaded)
    questions = _questions(checks, loaded, chosen)
    asked = [item for item in chosen if any(item.device.name in one.devices for one in questions)]
    answers = _answers(common, loaded, asked, questions, progress, declared=options.declared)
    names = (item.device.name for item in asked)
    return CheckResult(questions=questions, answers=dict(zip(names, answers, strict=True)))


def _read(common: CommonOptions, file: Path) -> tuple[Check, ...]:
    from segctl.playbook import read_checks

    return read_checks(file, vault=vault(common))


def _questions(
    checks: Sequence[Check], loaded: Loaded, chosen: Sequence[Desired]
) -> tuple[Question, ...]:
    """Resolve the checks, and refuse those that no chosen firewall can answer."""
    from segctl.analysis.ends import sites_of
    from segctl.analysis.query import questions, unanswerable
    from segctl.model.errors import ChecksError

    devices = [item.device for item in chosen]
    resolved, problems = questions(checks, loaded.site, sites_of(devices))
    problems += unanswerable(resolved, devices)
    if not problems:
        return resolved
    if any(problem.file for problem in problems):
        raise ChecksError(problems)
    raise UsageError("\n".join(str(problem) for problem in problems))


def _answers(
    common: CommonOptions,
    loaded: Loaded,
    asked: Sequence[Desired],
    questions: Sequence[Question],
    progress: Progress,
    *,
    declared: bool,
) -> Sequence[Checked | Failure]:
    from segctl.fleet.queries import asked_of, check_declared, check_devices

    if declared:
        return [check_declared(item, asked_of(item.device, questions)) for item in asked]
    names = [item.device.name for item in asked]
    with at_work(common, names, progress) as (executor, report):
        return check_devices(
            asked,
            questions,
            loaded.connections,
            forks=common.forks,
            report=report,
            executor=executor,
        )
