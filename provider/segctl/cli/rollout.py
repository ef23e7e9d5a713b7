"""``segctl plan -p`` and ``segctl apply -p``: what a playbook would do, and what it did."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from segctl.cli.display import Display
from segctl.cli.exits import ERROR, OK
from segctl.cli.plan import apply_command, tell_saved
from segctl.cli.reports import ReportFiles, places_of
from segctl.cli.screen import print_json, print_lines, tell, tell_failures, tell_unrecorded
from segctl.operations import rollout
from segctl.operations.loading import today

if TYPE_CHECKING:
    from collections.abc import Callable

    from segctl.cli.arguments import Settings
    from segctl.cli.plan import Shown
    from segctl.operations.plan_files import Saving
    from segctl.operations.rollout import PlaybookOptions, PlaybookPlan, Rollout, RolloutOptions
    from segctl.playbook.run.results import RolloutResult, WaveResult


def plan_playbook(
    settings: Settings,
    options: PlaybookOptions,
    shown: Shown,
    files: ReportFiles,
    saving: Saving,
) -> tuple[int, bool]:
    """Show what each wave would change, save and report it.

    Return the exit status, and whether there are changes.
    """
    with files.refusals("plan", settings):
        planned = rollout.plan_playbook(settings, options, Display(settings=settings))
        combined = saved = None
        if saving.out is not None or files.wanted:
            combined = rollout.combined_plan(settings, planned, saving.valid_for)
            saved = saving.save(combined.plan, combined.failures)
            from segctl.report import plan_report
            from segctl.report.drawing import touched

            report = plan_report(
                combined.plan,
                combined.failures,
                environment=files.environment,
                places=places_of(planned.loaded.site, settings),
                apply=apply_command(settings, saving.out or Path("plan.json"), options),
                waves=combined.waves,
                drawing=touched(planned.loaded.site, combined.plan, today()),
            )
            files.write(report)
    _show_plan(settings, options, shown, planned)
    if combined is not None:
        tell_saved(settings, saving, saved, combined.plan, tasks=options)
    return (OK if planned.well else ERROR), planned.changes


def check_playbook(settings: Settings, options: RolloutOptions, shown: Shown) -> int:
    """Show what applying a playbook would do, and whether that is what was reviewed."""
    planned = rollout.check_playbook(settings, options, Display(settings=settings))
    refusal, reviewed = planned.refusal, planned.reviewed
    if refusal is None or not settings.json:
        _show_plan(settings, options, shown, planned)
    if refusal is not None:
        _show(
            settings,
            options,
            rollout.Rollout(
                status="not_reviewed",
                result=refusal,
                rollout_id=uuid4().hex,
                digest=planned.playbook.digest,
                reviewed=reviewed.plan_id if reviewed is not None else "",
                state=options.resume,
            ),
        )
    return OK if planned.well else ERROR


def apply_playbook(
    settings: Settings, options: RolloutOptions, shown: Shown, approved: Callable[[], bool]
) -> int:
    """Roll a playbook out; without ``--auto-approve`` only what `approved` agrees to."""
    from segctl.report.rollout import wave_text

    def approve(planned: PlaybookPlan) -> bool:
        _show_plan(settings, options, shown, planned)
        return not planned.changes or approved()

    def wave_done(wave: WaveResult) -> None:
        if not settings.json:
            print_lines(wave_text(wave))

    asking = replace(options, approve=approve, wave_done=wave_done)
    done = rollout.apply_playbook(settings, asking, Display(settings=settings))
    if done.status == "not_approved":
        tell("Not applied: nothing was changed.")
    else:
        _show(settings, options, done)
    return OK if done.well else ERROR


def _tell_failed(result: RolloutResult) -> None:
    failed = (one for one in result.devices if one.status in {"failed", "unknown"})
    tell_failures((one.device, one.message) for one in failed)


def _show_plan(
    settings: Settings, options: PlaybookOptions, shown: Shown, planned: PlaybookPlan
) -> None:
    from segctl.report.rollout import plan_text, rollout_json

    _tell_failed(planned.result)
    if settings.json:
        document = rollout_json(
            planned.result,
            action="plan",
            rollout_id=uuid4().hex,
            playbook=str(options.file),
            digest=planned.playbook.digest,
        )
        print_json(document, lines=settings.json_lines)
        return
    lines = plan_text(planned.plays, planned.result, diff=shown.diff, brief=shown.brief)
    print_lines(lines)


def _show(settings: Settings, options: RolloutOptions, done: Rollout) -> None:
    """Print what became of a playbook, or why it was not begun."""
    from segctl.report.outcomes import audit_text
    from segctl.report.rollout import refusal_text, result_text, rollout_json

    _tell_failed(done.result)
    if settings.json:
        document = rollout_json(
            done.result,
            action="apply",
            rollout_id=done.rollout_id,
            playbook=str(options.file),
            digest=done.digest,
            reviewed=done.reviewed,
            state=str(done.state or ""),
            resume=done.resume,
            audit=done.audit,
        )
        print_json(document, lines=settings.json_lines)
    elif done.status == "not_reviewed":
        print_lines(refusal_text(done.result))
    else:
        print_lines(result_text(done.result, resume=done.resume))
        if recorded := audit_text(done.audit):
            tell(recorded)
    tell_unrecorded(done.audit)
