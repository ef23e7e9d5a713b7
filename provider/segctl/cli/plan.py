"""``segctl plan`` and ``segctl show``."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segctl.cli.app import app
from segctl.cli.completion import Command
from segctl.cli.examples import epilog
from segctl.cli.exits import DIFFERS, ERROR, OK
from segctl.cli.listing import ListHostsOption, Listing, ListTasksOption, SyntaxCheckOption
from segctl.cli.options import (
    DisruptionOption,
    OfflineOption,
    PlaybookOption,
    ReasonOption,
    SkipTagsOption,
    TagsOption,
    ValidForOption,
    disruptions_of,
    duration_of,
    given_to,
    only_with_playbook,
    settings_of,
    split_tags,
)
from segctl.cli.reports import ReportFiles, places_of, reporting
from segctl.cli.screen import print_json, print_lines, say, tell, tell_failures
from segctl.cli.signatures import SignOption, VerifyOption, key_password
from segctl.model.errors import UsageError
from segctl.operations import plan as planning
from segctl.operations import plan_files
from segctl.operations.loading import today
from segctl.operations.plan_files import Saving

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segctl.cli.arguments import Settings
    from segctl.fleet import Failure
    from segctl.model.errors import SegctlError
    from segctl.operations.plan_files import Comparison, Saved, SavedPlan
    from segctl.operations.rollout import PlaybookOptions
    from segctl.planning.plan import Allowance, Plan


@app.command(cls=Command, epilog=epilog("plan"))
@reporting
def plan(
    context: typer.Context,
    *,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Save the plan for segctl apply FILE")
    ] = None,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit 2 when there are changes")
    ] = False,
    diff: Annotated[bool, typer.Option("-D", "--diff", help="Show what would be sent")] = False,
    brief: Annotated[
        bool, typer.Option("--brief", help="One line per rule; only count objects")
    ] = False,
    valid_for: ValidForOption = "24h",
    sign: SignOption = None,
    offline: OfflineOption = None,
    playbook: PlaybookOption = None,
    tags: TagsOption = None,
    skip_tags: SkipTagsOption = None,
    allow_disruption: DisruptionOption = None,
    reason: ReasonOption = "",
    check: Annotated[
        bool,
        typer.Option("-C", "--check", help="Accepted as in Ansible: plan never changes anything"),
    ] = False,
    list_hosts: ListHostsOption = False,
    list_tasks: ListTasksOption = False,
    syntax_check: SyntaxCheckOption = False,
    files: ReportFiles,
) -> int:
    """Read the devices and show what would change; never writes to a device."""
    settings, display = given_to(context)
    del check  # a plan is nothing else
    only_with_playbook(playbook, tags, skip_tags)
    disruptions = disruptions_of(allow_disruption, reason)
    tasks = _tasks_of(playbook, tags, skip_tags, disruptions)
    listing = Listing(hosts=list_hosts, tasks=list_tasks, syntax=syntax_check)
    if listing:
        return listing.show(settings, tasks, display)
    hours = duration_of("--valid-for", valid_for, unit="h", least=36) / 3600
    saving = Saving.to(out, sign, hours, key_password)
    if tasks is not None:
        from segctl.cli.rollout import plan_playbook

        if offline is not None:
            raise UsageError("a playbook cannot be planned offline: leave out -p or --offline")
        shown = Shown(diff=diff, brief=brief)
        code, changes = plan_playbook(settings, tasks, shown, files, saving)
        return DIFFERS if code == OK and detailed_exitcode and changes else code
    with files.refusals("plan", settings):
        options = planning.PlanOptions(offline=offline, valid_for=hours, disruptions=disruptions)
        result = planning.plan(settings, options, display)
    saved = saving.save(result.plan, result.failures)
    if files.wanted:
        from segctl.report import plan_report
        from segctl.report.drawing import touched

        report = plan_report(
            result.plan,
            result.failures,
            environment=files.environment,
            places=places_of(result.loaded.site, settings),
            apply=apply_command(settings, out or Path("plan.json")),
            drawing=touched(result.loaded.site, result.plan, today()),
        )
        files.write(report)
    show_plan(settings, result.plan, result.failures, diff=diff, brief=brief)
    tell_saved(settings, saving, saved, result.plan)
    if not result.applyable:
        return ERROR
    return DIFFERS if detailed_exitcode and result.differs else OK


def _tasks_of(
    playbook: Path | None,
    tags: Sequence[str] | None,
    skip_tags: Sequence[str] | None,
    disruptions: tuple[Allowance, ...],
) -> PlaybookOptions | None:
    """Return the playbook that is given, and which tasks of it."""
    if playbook is None:
        return None
    from segctl.operations.rollout import PlaybookOptions

    return PlaybookOptions(
        file=playbook,
        tags=split_tags(tags),
        skip_tags=split_tags(skip_tags),
        disruptions=disruptions,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """How a plan is shown."""

    diff: bool = False
    brief: bool = False


def apply_command(settings: Settings, file: Path, tasks: PlaybookOptions | None = None) -> str:
    """Return the command that applies a saved plan, with the options that it was made with.

    What may be secret in them is left for the user to repeat, as ``…``.
    """
    words = ["segctl", "apply"]
    if tasks is not None:
        words += ["-p", str(tasks.file), "--reviewed"]
    words.append(str(file))
    if tasks is not None:
        words += ["--tags", ",".join(tasks.tags)] if tasks.tags else []
        words += ["--skip-tags", ",".join(tasks.skip_tags)] if tasks.skip_tags else []
    return shlex.join([*words, *settings.words()])


def tell_saved(
    settings: Settings,
    saving: Saving,
    saved: Saved | None,
    made: Plan,
    *,
    tasks: PlaybookOptions | None = None,
) -> None:
    """Say where a plan was saved and how it is applied, or why it was not saved."""
    if saving.out is None:
        return
    if saved is None:
        tell(f"segctl: {saving.out} was not written, because not every device could be planned")
    elif made.applyable and saved.file.is_file():
        beside = f", signed in {saved.signature}" if saved.signature else ""
        verify = " --verify KEYS" if saved.signature else ""
        command = apply_command(settings, saved.file, tasks)
        tell(f"Saved{beside}. To apply exactly this: {command}{verify}")


def show_plan(
    settings: Settings,
    made: Plan,
    failures: Sequence[Failure] = (),
    *,
    diff: bool = False,
    brief: bool = False,
    cause: SegctlError | None = None,
) -> None:
    """Print a plan; with `--json` also why it was not applied, if so."""
    from segctl.report import plan_text

    tell_failures((failure.device, failure.message) for failure in failures)
    if not settings.json:
        print_lines(plan_text(made, failures, diff=diff, brief=brief))
        return
    from segctl.planning.documents import plan_json

    document = plan_json(made)
    if failures:
        document["errors"] = [asdict(failure) for failure in failures]
        document["error"] = {"code": failures[0].code, "message": failures[0].message}
    elif cause is not None:
        document["error"] = {"code": cause.code, "message": str(cause)}
    print_json(document, lines=settings.json_lines)


@app.command(cls=Command, epilog=epilog("show"))
@reporting
def show(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A saved plan, even a stale one")],
    *,
    diff: Annotated[bool, typer.Option("-D", "--diff", help="Show what would be sent")] = False,
    brief: Annotated[
        bool, typer.Option("--brief", help="One line per rule; only count objects")
    ] = False,
    same_as: Annotated[
        Path | None,
        typer.Option(
            "--same-as",
            metavar="REVIEWED",
            help="Compare with the plan that was reviewed: exit 2 unless it does exactly the same",
        ),
    ] = None,
    files: ReportFiles,
    verify: VerifyOption = None,
) -> int:
    """Show a saved plan and who signed it, or how it differs from another."""
    files.check()
    settings = settings_of(context)
    if same_as is not None:
        return _compare(settings, plan_files.compare(file, same_as, verify), files)
    saved = plan_files.show(file, verify)
    if files.wanted:
        from segctl.report import Places, plan_report

        places = Places(anywhere=str(file))
        environment, command = files.environment, apply_command(settings, file)
        report = plan_report(saved.plan, environment=environment, places=places, apply=command)
        files.write(report)
    show_plan(settings, saved.plan, diff=diff, brief=brief, cause=saved.doubt)
    if not settings.json:
        _mention_origin(saved.plan)
        _mention_use(saved)
        _mention_signers(saved, verified=verify is not None)
    if saved.doubt is not None:
        tell(f"segctl: {saved.doubt}")
        return ERROR
    return OK


def _compare(settings: Settings, compared: Comparison, files: ReportFiles) -> int:
    """Say whether a plan does what the reviewed one does."""
    from segctl.report import review_json, review_report, review_text

    reviewed, made, differences = compared.reviewed, compared.made, compared.differences
    if files.wanted:
        files.write(review_report(differences, reviewed, made, environment=files.environment))
    if settings.json:
        print_json(review_json(differences, reviewed, made), lines=settings.json_lines)
    else:
        print_lines(review_text(differences))
    return DIFFERS if differences else OK


def _mention_origin(made: Plan) -> None:
    commit = made.intent.git_commit[:12]
    dirty = " with uncommitted edits" if made.intent.dirty else ""
    inventory_at = f"; inventory at {commit}{dirty}" if commit else ""
    say(f"Made {made.created}, expires {made.expires}{inventory_at}.")
    for name, taken in (made.intent.snapshots or {}).items():
        say(f"Made offline: {name} from its snapshot of {taken}.")


def _mention_use(saved: SavedPlan) -> None:
    """Say why apply would refuse a plan that `show` shows."""
    if plan_files.expired(saved.plan):
        say("It has expired: run segctl plan again to apply anything.")
    elif plan_files.used(saved.file, saved.plan):
        say("It has already been applied: run segctl plan again to apply anything.")


def _mention_signers(saved: SavedPlan, *, verified: bool) -> None:
    from segctl.signing import signatures_of

    for signer in saved.signers:
        say(f"Signed by {signer}.")
    if not verified and (signatures := signatures_of(saved.file)):
        names = ", ".join(path.name for path in signatures)
        say(f"The signature {names} was not verified: give the trusted keys with --verify.")
