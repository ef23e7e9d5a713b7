"""``segctl apply``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from segctl.cli.app import EPILOG, app
from segctl.cli.applying import FAILED, Allowed, apply_plan, report_outcomes, settle
from segctl.cli.exits import ERROR, OK
from segctl.cli.plan import (
    PlaybookOption,
    SkipTagsOption,
    TagsOption,
    only_with_playbook,
    read_plan,
    refuse_used,
    show_plan,
)
from segctl.cli.screen import print_lines, tell
from segctl.cli.signatures import SIGNED_WAVES, VerifyOption, refuse_live, refuse_unsigned
from segctl.cli.steps import load_inventory, plan_all, refuse_writable, settings_of
from segctl.model.errors import PlanError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segctl.cli.arguments import Settings
    from segctl.cli.rollout import Options
    from segctl.fleet import Failure
    from segctl.planning.apply import Outcome
    from segctl.planning.plan import DevicePlan, Plan


@app.command(epilog=EPILOG)
def apply(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(help="A plan saved by segctl plan -o")] = None,
    *,
    auto_approve: Annotated[
        bool, typer.Option("--auto-approve", help="Do not ask before applying")
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="Only plan")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show what is sent")] = False,
    brief: Annotated[
        bool, typer.Option("--brief", help="One line a rule, objects counted")
    ] = False,
    allow_purge: Annotated[
        bool, typer.Option("--allow-purge", help="Let segctl_unmanaged: purge delete others' rules")
    ] = False,
    allow_mass_delete: Annotated[
        bool,
        typer.Option(
            "--allow-mass-delete", help="Let most of segctl's own rules on a device be deleted"
        ),
    ] = False,
    verify: VerifyOption = None,
    playbook: PlaybookOption = None,
    tags: TagsOption = None,
    skip_tags: SkipTagsOption = None,
    reviewed: Annotated[
        Path | None,
        typer.Option(
            "--reviewed",
            metavar="PLAN",
            help="With -p: do what this saved plan holds, or refuse; does not ask",
        ),
    ] = None,
    resume: Annotated[
        Path | None, typer.Option("--resume", help="With -p: go on from this state file")
    ] = None,
    state: Annotated[
        Path | None, typer.Option("--state", help="With -p: where to keep the state, and leave it")
    ] = None,
    on_interrupt: Annotated[
        Literal["finish", "revert"] | None,
        typer.Option(
            "--on-interrupt", help="With -p: what the first Ctrl-C does with what runs [finish]"
        ),
    ] = None,
) -> int:
    """Make the devices what the inventory says: a saved plan verbatim, or plan and ask.

    With -p a playbook is rolled out in waves; with --reviewed each of them does exactly what a
    saved plan holds for its devices.
    """
    settings = settings_of(context)
    only_with_playbook(playbook, tags, skip_tags, resume, state, reviewed, on_interrupt)
    if playbook is not None:
        from segctl.cli.rollout import Options, split_tags

        if file is not None:
            raise UsageError(
                "give a saved plan or a playbook, not both: apply -p FILE --reviewed PLAN applies "
                "a saved plan in waves"
            )
        options = Options(
            file=playbook,
            tags=split_tags(tags),
            skip_tags=split_tags(skip_tags),
            reviewed=reviewed,
            verify=verify,
            resume=resume,
            state=state,
            on_interrupt=on_interrupt or "finish",
            auto_approve=auto_approve,
            allow_purge=allow_purge,
            allow_mass_delete=allow_mass_delete,
            diff=diff,
            brief=brief,
        )
        return _roll(settings, options, check=check)
    allowed = Allowed(purge=allow_purge, mass_delete=allow_mass_delete)
    if check:
        made, failures = (read_plan(file, verify), []) if file else plan_all(settings)
        show_plan(settings, made, failures, diff=diff, brief=brief)
        return ERROR if failures or allowed.barred(made) else OK
    if file is not None:
        made = read_plan(file, verify)
        refuse_used(file, made)
        loaded = load_inventory(settings)
        refuse_writable(loaded)
        return apply_plan(settings, loaded, made, allowed, file=file)
    refuse_live(verify, "what is planned only now")
    _refuse_silence(auto_approve=auto_approve, as_json=settings.json)
    shown = Shown(diff=diff, brief=brief)
    return _apply_live(settings, shown, allowed, auto_approve=auto_approve)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """How a plan is shown before it is applied."""

    diff: bool
    brief: bool


def _apply_live(settings: Settings, shown: Shown, allowed: Allowed, *, auto_approve: bool) -> int:
    """Plan, ask and apply; what dead runs left is settled before anything is planned against it."""
    loaded = load_inventory(settings)
    refuse_writable(loaded)
    refuse_unsigned(loaded.connections, loaded.hosts)
    made, failures = plan_all(settings, loaded)
    settled: dict[str, Outcome] = {}
    pending = [one for one in made.devices if one.state.unconfirmed]
    if pending and not failures:
        if not (auto_approve or _settling_approved(pending)):
            tell("Not applied: nothing was changed.")
            return ERROR
        settled = settle(settings, loaded, made, pending)
        if any(one.status in FAILED for one in settled.values()):
            return report_outcomes(settings, made, tuple(settled.values()))
        made, failures = plan_all(settings, loaded)
    barred = allowed.barred(made)
    if failures or barred:
        refusal = PlanError(_why_not(failures, barred))
        show_plan(settings, made, failures, brief=True, cause=refusal)
        tell(f"segctl: {refusal}")
        return ERROR
    if not settings.json:
        show_plan(settings, made, diff=shown.diff, brief=shown.brief)
    if _has_work(made) and not (auto_approve or _approved()):
        tell("Not applied: nothing was changed.")
        return ERROR
    return apply_plan(settings, loaded, made, allowed, settled=settled)


def _has_work(made: Plan) -> bool:
    return bool(made.changes) or any(one.state.unsettled for one in made.devices)


def _settling_approved(pending: Sequence[DevicePlan]) -> bool:
    """Ask whether what dead runs left on devices may be kept or taken back."""
    from segctl.report import pending_text

    print_lines(pending_text(pending))
    return _approved("Settle that first? Only 'yes' is accepted")


def _roll(settings: Settings, options: Options, *, check: bool) -> int:
    """Roll a playbook out, or show what that would do."""
    from segctl.cli.rollout import apply_playbook, check_playbook

    if check:
        return check_playbook(settings, options)
    if options.reviewed is None:
        refuse_live(options.verify, "a playbook", SIGNED_WAVES)
        _refuse_silence(auto_approve=options.auto_approve, as_json=settings.json)
    return apply_playbook(settings, options, _approved)


def _why_not(failures: Sequence[Failure], barred: Sequence[str]) -> str:
    if failures:
        names = ", ".join(failure.device for failure in failures)
        return f"nothing was applied: {names} could not be planned (-l leaves a device out)"
    names = ", ".join(barred)
    return f"nothing was applied: the errors of {names} forbid it (-l leaves a device out)"


def _refuse_silence(*, auto_approve: bool, as_json: bool) -> None:
    if not auto_approve and (as_json or not sys.stdin.isatty()):
        raise UsageError(
            "apply needs a plan file, --auto-approve, or a terminal to ask at; nothing was changed"
        )


def _approved(question: str = "Apply these changes? Only 'yes' is accepted") -> bool:
    try:
        answer = typer.prompt(question, default="no")
    except typer.Abort:
        typer.echo(err=True)
        return False
    return str(answer).strip() == "yes"
