"""``segctl drift``."""

from __future__ import annotations

import math
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segctl.cli.app import drift_app
from segctl.cli.display import Display
from segctl.cli.exits import DIFFERS, ERROR, OK
from segctl.cli.options import KeepDaysOption, OfflineOption, duration_of, given_to
from segctl.cli.reports import ReportFiles, places_of, reporting
from segctl.cli.screen import print_json, print_lines, tell, tell_failures
from segctl.model.errors import UsageError
from segctl.operations import drift as drifting
from segctl.operations.drift import Acceptance, DriftOptions
from segctl.operations.loading import provenance
from segctl.operations.publishing import Channels, past_of, publish, remember

if TYPE_CHECKING:
    from segctl.cli.arguments import Settings
    from segctl.operations.drift import DriftResult
    from segctl.report import Provenance

#: Options that mean something to `segctl drift history` too.
_SHARED = frozenset({"env", "history"})


@drift_app.callback()
@reporting
def drift(
    context: typer.Context,
    *,
    baseline: Annotated[
        Path | None, typer.Option("--baseline", help="Known drift, with owner and expiry (YAML)")
    ] = None,
    write_baseline: Annotated[
        Path | None,
        typer.Option("--write-baseline", help="Accept today's drift in a new baseline file"),
    ] = None,
    owner: Annotated[
        str, typer.Option("--owner", help="With --write-baseline: who is responsible")
    ] = "",
    expires: Annotated[
        str,
        typer.Option(
            "--expires", help="With --write-baseline: the last day it holds, such as 2027-01-31"
        ),
    ] = "",
    history: Annotated[
        str | None,
        typer.Option(
            "--history",
            metavar="URL",
            help="Database of the history: a file, sqlite:///..., postgresql://... "
            "[SEGCTL_HISTORY, SEGCTL_HISTORY_FILE; else in the state folder]",
        ),
    ] = None,
    no_history: Annotated[bool, typer.Option("--no-history", help="Record nothing")] = False,
    keep_days: KeepDaysOption = "730d",
    metrics: Annotated[
        Path | None,
        typer.Option("--metrics", help="Prometheus metrics for the textfile collector"),
    ] = None,
    pushgateway: Annotated[
        str | None,
        typer.Option(
            "--pushgateway", metavar="URL", help="Push the metrics here [SEGCTL_PUSHGATEWAY]"
        ),
    ] = None,
    plan: Annotated[
        Path | None, typer.Option("--plan", help="Saved plan whose age the metrics report")
    ] = None,
    webhook: Annotated[
        list[str] | None,
        typer.Option(
            "--webhook",
            metavar="URL",
            help="Where notices go; repeatable [SEGCTL_WEBHOOK, SEGCTL_WEBHOOK_FILE]",
        ),
    ] = None,
    webhook_template: Annotated[
        str,
        typer.Option(
            "--webhook-template", metavar="slack|teams|generic|FILE", help="Form of a notice"
        ),
    ] = "generic",
    notify: Annotated[
        str,
        typer.Option("--notify", metavar="on-change|on-drift|always", help="When notices are sent"),
    ] = "on-change",
    offline: OfflineOption = None,
    drawing: Annotated[
        list[Path] | None,
        typer.Option(
            "--drawing", help="Say whether this drawing of segctl graph is stale; repeatable"
        ),
    ] = None,
    files: ReportFiles,
) -> int:
    """Compare the devices with the inventory; never writes to a device and never locks one."""
    if context.invoked_subcommand is not None:
        _refuse_others(context)
        return OK
    acceptance = Acceptance.of(write_baseline, owner, expires)
    if offline is not None and (history or metrics or pushgateway or plan or webhook):
        raise UsageError(
            "--offline compares with a snapshot: it cannot be combined with --history, --metrics, "
            "--pushgateway, --plan or --webhook"
        )
    kept = duration_of("--keep-days", keep_days, unit="d", least=86400)
    channels = (
        Channels.none()
        if offline is not None
        else Channels.of(
            environment=files.environment,
            history=history,
            no_history=no_history,
            keep_days=math.ceil(kept / 86400),
            metrics=metrics,
            pushgateway=pushgateway,
            plan=plan,
            webhooks=webhook or (),
            template=webhook_template,
            notify=notify,
        )
    )
    settings, display = given_to(context)
    with files.refusals("drift", settings):
        options = DriftOptions(baseline=baseline, offline=offline, drawings=tuple(drawing or ()))
        result = drifting.drift(settings, options, display)
    return _told(settings, result, acceptance, channels, files)


def _refuse_others(context: typer.Context) -> None:
    """Refuse options of the check where the history is asked for."""
    for name in context.params:
        source = context.get_parameter_source(name)
        if name not in _SHARED and source is not None and source.name == "COMMANDLINE":
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"segctl drift {context.invoked_subcommand} does not take {option}")


def _told(
    settings: Settings,
    result: DriftResult,
    acceptance: Acceptance | None,
    channels: Channels,
    files: ReportFiles,
) -> int:
    """Print what has drifted, tell everybody else who is to know, and return the exit status."""
    from segctl.report import drift_json, drift_text

    found, loaded, display = result.report, result.loaded, Display(settings=settings)
    read = [device.name for device in found.checked]
    evidence = provenance(settings, loaded, read, result.started)
    if settings.json:
        document = drift_json(found, evidence, result.drawings)
        print_json(document, lines=settings.json_lines)
    else:
        print_lines(drift_text(found, evidence))
    tell_failures((failure.device, failure.message) for failure in result.failures)
    with suppress(OSError):  # who reads it may be gone; the others are told all the same
        sys.stdout.flush()
    past = past_of(channels, found, loaded, result.started)
    publish(channels, found, loaded, past, display)
    if files.wanted:
        _report(files, result, settings, evidence)
    if acceptance is not None:
        drifting.accept(result, acceptance)
        tell(f"Written. To accept exactly this: segctl drift --baseline {acceptance.file}")
    remember(channels, found, settings, loaded, past, progress=display)
    if not result.told:
        return ERROR
    return OK if result.in_sync else DIFFERS


def _report(
    files: ReportFiles, result: DriftResult, settings: Settings, evidence: Provenance
) -> None:
    from segctl.report import drift_report

    places, environment = places_of(result.loaded.site, settings), files.environment
    report = drift_report(
        result.report,
        environment=environment,
        places=places,
        rules=result.rules,
        provenance=evidence,
    )
    files.write(report)
