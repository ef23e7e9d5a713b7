"""``segctl plan`` and ``segctl show``, and what a saved plan is good for."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segctl.cli.app import EPILOG, app
from segctl.cli.exits import DIFFERS, ERROR, OK
from segctl.cli.files import save
from segctl.cli.reports import (
    Environment,
    GitlabFile,
    HtmlFile,
    JunitFile,
    MarkdownFile,
    ReportFiles,
    SarifFile,
    places_of,
)
from segctl.cli.screen import print_json, print_lines, tell
from segctl.cli.steps import load_inventory, plan_all, settings_of
from segctl.errors import PlanError, SegctlError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segctl.cli.arguments import Settings
    from segctl.plan import Plan
    from segctl.rollout import Failure


@app.command(epilog=EPILOG)
def plan(
    context: typer.Context,
    *,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Save the plan for segctl apply FILE")
    ] = None,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit 2 when there are changes")
    ] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show what would be sent")] = False,
    brief: Annotated[
        bool, typer.Option("--brief", help="One line a rule, objects counted")
    ] = False,
    valid_for: Annotated[
        float, typer.Option(min=0.01, help="Hours after which apply refuses the saved plan")
    ] = 24.0,
    env: Environment = "default",
    markdown: MarkdownFile = None,
    sarif: SarifFile = None,
    junit: JunitFile = None,
    gitlab: GitlabFile = None,
    html: HtmlFile = None,
) -> int:
    """Read the devices and show what would change; never writes to a device."""
    settings = settings_of(context)
    if out is not None and not out.parent.is_dir():
        raise UsageError(f"cannot write {out}: there is no folder {out.parent}; no device was read")
    files = ReportFiles(
        environment=env, markdown=markdown, sarif=sarif, junit=junit, gitlab=gitlab, html=html
    )
    with files.refusals("plan", settings):
        loaded = load_inventory(settings)
        made, failures = plan_all(settings, loaded, valid_for=valid_for)
    if out is not None and not failures:
        save(out, made.dumps())
    if files.wanted:
        from segctl.report import plan_report

        places, name = places_of(loaded.site, settings), str(out or "plan.json")
        files.write(plan_report(made, failures, environment=env, places=places, file=name))
    show_plan(settings, made, failures, diff=diff, brief=brief)
    if out is not None and failures:
        tell(f"segctl: {out} not written: not every device could be planned")
    elif out is not None and made.applyable and out.is_file():
        tell(f"Saved. To apply exactly this: segctl apply {out}")
    if failures or not made.applyable:
        return ERROR
    return DIFFERS if detailed_exitcode and made.changes else OK


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

    if not settings.json:
        print_lines(plan_text(made, failures, diff=diff, brief=brief))
        return
    document = made.as_json()
    if failures:
        document["errors"] = [asdict(failure) for failure in failures]
        document["error"] = {"code": failures[0].code, "message": failures[0].message}
    elif cause is not None:
        document["error"] = {"code": cause.code, "message": str(cause)}
    print_json(document)


@app.command(epilog=EPILOG)
def show(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A saved plan, also a stale one")],
    *,
    diff: Annotated[bool, typer.Option("--diff", help="Show what would be sent")] = False,
    brief: Annotated[
        bool, typer.Option("--brief", help="One line a rule, objects counted")
    ] = False,
    same_as: Annotated[
        Path | None,
        typer.Option(
            "--same-as",
            metavar="REVIEWED",
            help="Compare with the plan that was reviewed: exit 2 unless it does exactly the same",
        ),
    ] = None,
    env: Environment = "default",
    markdown: MarkdownFile = None,
    sarif: SarifFile = None,
    junit: JunitFile = None,
    gitlab: GitlabFile = None,
    html: HtmlFile = None,
) -> int:
    """Show a saved plan, or how it differs from another."""
    from segctl.plan import load_plan

    files = ReportFiles(
        environment=env, markdown=markdown, sarif=sarif, junit=junit, gitlab=gitlab, html=html
    )
    files.check()
    settings, made = settings_of(context), load_plan(file)
    if same_as is not None:
        return _compare(settings, load_plan(same_as), made, files)
    if files.wanted:
        from segctl.report import Places, plan_report

        places = Places(anywhere=str(file))
        files.write(plan_report(made, environment=env, places=places, file=str(file)))
    show_plan(settings, made, diff=diff, brief=brief)
    if not settings.json:
        commit = str(made.intent.get("git_commit", ""))[:12]
        dirty = " with uncommitted edits" if made.intent.get("dirty") else ""
        inventory_at = f"; inventory at {commit}{dirty}" if commit else ""
        typer.echo(f"Made {made.created}, expires {made.expires}{inventory_at}.")
        mention_use(file, made)
    return OK


def _compare(settings: Settings, reviewed: Plan, made: Plan, files: ReportFiles) -> int:
    """Say whether a plan does what the reviewed one does."""
    from segctl.report import review_json, review_report, review_text
    from segctl.review import differences

    found = differences(reviewed, made)
    if files.wanted:
        files.write(review_report(found, reviewed, made, environment=files.environment))
    if settings.json:
        print_json(review_json(found, reviewed, made))
    else:
        print_lines(review_text(found))
    return DIFFERS if found else OK


def read_plan(file: Path) -> Plan:
    """Read a plan that is to be applied.

    Raises:
        PlanFormatError: it is no plan, was edited, or has another version.
        StalePlanError: it has expired.
    """
    from segctl.errors import StalePlanError
    from segctl.plan import load_plan

    made = load_plan(file)
    if datetime.now(UTC) > datetime.fromisoformat(made.expires):
        raise StalePlanError(f"{file} expired at {made.expires}: run segctl plan again")
    return made


def _marker(file: Path) -> Path:
    return file.with_name(f"{file.name}.applied")


def refuse_used(file: Path, made: Plan) -> None:
    """Refuse a plan that was applied.

    Raises:
        PlanError: it was.
    """
    if _used(file, made):
        raise PlanError(f"{file} was applied already ({_marker(file).name}): run segctl plan again")


def mention_use(file: Path, made: Plan) -> None:
    """Say why apply would refuse a plan that `show` shows."""
    if datetime.now(UTC) > datetime.fromisoformat(made.expires):
        typer.echo("It has expired: run segctl plan again to apply anything.")
    elif _used(file, made):
        typer.echo("It was applied already: run segctl plan again to apply anything.")


def _used(file: Path, made: Plan) -> bool:
    marker = _marker(file)
    return marker.exists() and made.plan_id in marker.read_text(encoding="utf-8", errors="replace")


def mark_used(file: Path, made: Plan) -> None:
    """Note beside a plan file that it was applied."""
    moment = datetime.now(UTC).replace(microsecond=0).isoformat()
    try:
        _marker(file).write_text(f"{made.plan_id} {moment}\n", encoding="utf-8")
    except OSError as error:
        tell(f"segctl: applied, but {error.filename}: {error.strerror}")
