"""``segctl apply``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from segctl.cli.app import app
from segctl.cli.completion import Command
from segctl.cli.display import Display
from segctl.cli.examples import epilog
from segctl.cli.exits import ERROR, OK
from segctl.cli.listing import ListHostsOption, Listing, ListTasksOption, SyntaxCheckOption
from segctl.cli.options import (
    DisruptionOption,
    PlaybookOption,
    ReasonOption,
    SkipTagsOption,
    TagsOption,
    disruptions_of,
    given_to,
    only_with_playbook,
    split_tags,
)
from segctl.cli.plan import Shown, show_plan
from segctl.cli.prompts import approved
from segctl.cli.screen import print_json, print_lines, tell, tell_failures, tell_unrecorded
from segctl.cli.signatures import VerifyOption
from segctl.model.errors import PlanError, UsageError, WideningError
from segctl.operations import apply as applying
from segctl.operations.apply import Allowed, ApplyOptions, SavedPlanOptions, has_work
from segctl.operations.plan import PlanOptions
from segctl.operations.plan import plan as plan_now
from segctl.operations.plan_files import read_plan
from segctl.operations.signatures import SIGNED_WAVES, refuse_live
from segctl.planning.rehearsal import Requirement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segctl.cli.arguments import Settings
    from segctl.fleet import Failure
    from segctl.operations.apply import ApplyResult
    from segctl.operations.rollout import RolloutOptions
    from segctl.planning.plan import DevicePlan, Plan


@app.command(cls=Command, epilog=epilog("apply"))
def apply(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(help="A plan saved by segctl plan -o")] = None,
    *,
    auto_approve: Annotated[
        bool, typer.Option("--auto-approve", help="Do not ask before applying")
    ] = False,
    check: Annotated[bool, typer.Option("-C", "--check", help="Only plan; change nothing")] = False,
    diff: Annotated[bool, typer.Option("-D", "--diff", help="Show what is sent")] = False,
    brief: Annotated[
        bool, typer.Option("--brief", help="One line per rule; only count objects")
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
    no_widening: Annotated[
        bool,
        typer.Option(
            "--no-widening",
            help="Refuse what newly permits any traffic, and what cannot be told",
        ),
    ] = False,
    require_replay: Annotated[
        bool,
        typer.Option(
            "--require-replay",
            help="Refuse a plan that segctl replay did not rehearse, or that drops essential "
            "traffic",
        ),
    ] = False,
    allow_disruption: DisruptionOption = None,
    reason: ReasonOption = "",
    verify: VerifyOption = None,
    playbook: PlaybookOption = None,
    tags: TagsOption = None,
    skip_tags: SkipTagsOption = None,
    reviewed: Annotated[
        Path | None,
        typer.Option(
            "--reviewed",
            metavar="PLAN",
            help="With -p: do exactly what this saved plan says, or refuse; does not ask",
        ),
    ] = None,
    resume: Annotated[
        Path | None, typer.Option("--resume", help="With -p: continue from this state file")
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option("--state", help="With -p: keep the state in this file, also after the end"),
    ] = None,
    on_interrupt: Annotated[
        Literal["finish", "revert"] | None,
        typer.Option(
            "--on-interrupt",
            help="With -p: what the first Ctrl-C does with running devices [finish]",
        ),
    ] = None,
    list_hosts: ListHostsOption = False,
    list_tasks: ListTasksOption = False,
    syntax_check: SyntaxCheckOption = False,
) -> int:
    """Make the devices what the inventory says: a saved plan verbatim, or plan and ask.

    With -p a playbook is rolled out in waves; with --reviewed each of them does exactly what a
    saved plan holds for its devices.
    """
    settings, display = given_to(context)
    only_with_playbook(playbook, tags, skip_tags, resume, state, reviewed, on_interrupt)
    disruptions = disruptions_of(allow_disruption, reason)
    if disruptions and (file is not None or reviewed is not None):
        raise UsageError(
            "what a saved plan may cut stands in it: plan again with --allow-disruption"
        )
    shown = Shown(diff=diff, brief=brief)
    listing = Listing(hosts=list_hosts, tasks=list_tasks, syntax=syntax_check)
    if playbook is not None:
        from segctl.operations.rollout import RolloutOptions

        if file is not None:
            raise UsageError(
                "give a saved plan or a playbook, not both: apply -p FILE --reviewed PLAN applies "
                "a saved plan in waves"
            )
        options = RolloutOptions(
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
            no_widening=no_widening,
            disruptions=disruptions,
            rehearsal=Requirement() if require_replay else None,
        )
        if listing:
            return listing.show(settings, options, display)
        return _roll(settings, options, shown, check=check)
    if listing:
        if file is not None:
            raise UsageError(f"--list-hosts does not list a saved plan: segctl show {file} does")
        return listing.show(settings, None, display)
    allowed = Allowed(
        purge=allow_purge,
        mass_delete=allow_mass_delete,
        no_widening=no_widening,
        disruptions=disruptions,
        rehearsal=Requirement() if require_replay else None,
    )
    if check:
        return _check(settings, file, verify, shown, allowed)
    if file is not None:
        saved = SavedPlanOptions(file=file, verify=verify, allowed=allowed)
        return _print(settings, applying.apply_saved(settings, saved, display))
    refuse_live(verify, "what is planned only now")
    _refuse_silence(auto_approve=auto_approve, as_json=settings.json)
    live = _asking(settings, shown, allowed, auto_approve=auto_approve)
    return _print(settings, applying.apply(settings, live, display))


def _check(
    settings: Settings,
    file: Path | None,
    verify: Path | None,
    shown: Shown,
    allowed: Allowed,
) -> int:
    """Show what would be applied."""
    failures: Sequence[Failure] = ()
    if file is not None:
        made = read_plan(file, verify)
        allowed.refuse_unrehearsed(made)
    else:
        allowed.refuse_unrehearsed(None)
        options = PlanOptions(disruptions=allowed.disruptions)
        result = plan_now(settings, options, Display(settings=settings))
        made, failures = result.plan, result.failures
    widening = allowed.widening(made)
    cause = WideningError("; ".join(widening)) if widening else None
    show_plan(settings, made, failures, diff=shown.diff, brief=shown.brief, cause=cause)
    if cause is not None:
        tell(f"segctl: {cause}")
    return ERROR if failures or widening or allowed.barred(made) else OK


def _asking(
    settings: Settings, shown: Shown, allowed: Allowed, *, auto_approve: bool
) -> ApplyOptions:
    """Return how devices are changed: as a person agrees, who is shown what is planned."""

    def approve(made: Plan) -> bool:
        if not settings.json:
            show_plan(settings, made, diff=shown.diff, brief=shown.brief)
        return auto_approve or not has_work(made) or approved()

    def approve_settling(pending: Sequence[DevicePlan]) -> bool:
        return auto_approve or _settling_approved(pending)

    return ApplyOptions(approve=approve, approve_settling=approve_settling, allowed=allowed)


def _settling_approved(pending: Sequence[DevicePlan]) -> bool:
    """Ask whether what dead runs left on devices may be kept or taken back."""
    from segctl.report import pending_text

    print_lines(pending_text(pending))
    return approved("Settle that first? Only 'yes' is accepted")


def _print(settings: Settings, result: ApplyResult) -> int:
    """Print what became of the devices, and return the exit status."""
    from segctl.report import outcomes_json, outcomes_text
    from segctl.report.outcomes import audit_text

    if result.status == "not_approved":
        tell("Not applied: nothing was changed.")
        return ERROR
    if result.status == "refused":
        refusal = _why_not(result)
        show_plan(settings, result.plan, result.failures, brief=True, cause=refusal)
        tell(f"segctl: {refusal}")
        return ERROR
    written = str(result.journal or "")
    failed = (one for one in result.outcomes if one.status in {"failed", "unknown"})
    tell_failures((one.device, one.message) for one in failed)
    if settings.json:
        document = outcomes_json(result.outcomes, result.plan.plan_id, written, result.audit)
        print_json(document, lines=settings.json_lines)
    else:
        print_lines(outcomes_text(result.outcomes))
        if not result.well and written:
            tell(f"The journal says what was done last on each device: {written}")
        if recorded := audit_text(result.audit):
            tell(recorded)
    tell_unrecorded(result.audit)
    return OK if result.well else ERROR


def _why_not(result: ApplyResult) -> PlanError:
    if result.failures:
        names = ", ".join(failure.device for failure in result.failures)
        return PlanError(
            f"nothing was applied: {names} could not be planned (-l leaves a device out)"
        )
    if result.barred:
        names = ", ".join(result.barred)
        return PlanError(
            f"nothing was applied: the errors of {names} forbid it (-l leaves a device out)"
        )
    return WideningError(f"nothing was applied: {'; '.join(result.widening)}")


def _refuse_silence(*, auto_approve: bool, as_json: bool) -> None:
    if not auto_approve and (as_json or not sys.stdin.isatty()):
        raise UsageError(
            "apply needs a plan file, --auto-approve, or a terminal to ask at; nothing was changed"
        )


def _roll(settings: Settings, options: RolloutOptions, shown: Shown, *, check: bool) -> int:
    """Roll a playbook out, or show what that would do."""
    from segctl.cli.rollout import apply_playbook, check_playbook

    if check:
        return check_playbook(settings, options, shown)
    if options.reviewed is None:
        refuse_live(options.verify, "a playbook", SIGNED_WAVES)
        _refuse_silence(auto_approve=options.auto_approve, as_json=settings.json)
    return apply_playbook(settings, options, shown, approved)
