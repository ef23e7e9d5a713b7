"""``segctl drift``."""

from __future__ import annotations

import sys
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segctl.cli.app import drift_app
from segctl.cli.exits import DIFFERS, ERROR, OK
from segctl.cli.files import save
from segctl.cli.publishing import Channels, past_of, publish, remember
from segctl.cli.reports import ReportFiles, places_of, reporting
from segctl.cli.screen import print_json, print_lines, progress, tell
from segctl.cli.steps import (
    OfflineOption,
    desired_of,
    load_inventory,
    read_plans,
    settings_of,
    snapshots,
    today,
    working,
)
from segctl.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segctl.cli.arguments import Settings
    from segctl.drift.report import Accepted, DriftReport
    from segctl.inventory import Loaded
    from segctl.model.errors import Problem
    from segctl.planning.plan import DevicePlan
    from segctl.providers.base import Author

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
        typer.Option("--write-baseline", help="Accept what has drifted today, in a new file"),
    ] = None,
    owner: Annotated[str, typer.Option("--owner", help="Who answers for --write-baseline")] = "",
    expires: Annotated[
        str, typer.Option("--expires", help="Last day of --write-baseline, such as 2027-01-31")
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
    keep_days: Annotated[
        int, typer.Option("--keep-days", min=1, help="Days that resolved drift stays on record")
    ] = 730,
    metrics: Annotated[
        Path | None,
        typer.Option("--metrics", help="Prometheus metrics for the textfile collector"),
    ] = None,
    pushgateway: Annotated[
        str | None,
        typer.Option("--pushgateway", metavar="URL", help="Takes the metrics [SEGCTL_PUSHGATEWAY]"),
    ] = None,
    plan: Annotated[
        Path | None, typer.Option("--plan", help="Saved plan whose age the metrics tell")
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
    files: ReportFiles,
) -> int:
    """Compare the devices with the inventory; never writes to a device and never locks one."""
    if context.invoked_subcommand is not None:
        _refuse_others(context)
        return OK
    accepting = _accepting(write_baseline, owner, expires)
    if offline is not None and (history or metrics or pushgateway or plan or webhook):
        raise UsageError("what a snapshot shows is over: it is not recorded, measured or told")
    channels = (
        Channels.none()
        if offline is not None
        else Channels.of(
            environment=files.environment,
            history=history,
            no_history=no_history,
            keep_days=keep_days,
            metrics=metrics,
            pushgateway=pushgateway,
            plan=plan,
            webhooks=webhook or (),
            template=webhook_template,
            notify=notify,
        )
    )
    return _check(settings_of(context), baseline, accepting, channels, files, offline=offline)


def _refuse_others(context: typer.Context) -> None:
    """Refuse options of the check where the history is asked for."""
    for name in context.params:
        source = context.get_parameter_source(name)
        if name not in _SHARED and source is not None and source.name == "COMMANDLINE":
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} is no option of segctl drift {context.invoked_subcommand}")


def _accepting(file: Path | None, owner: str, expires: str) -> tuple[Path, str, date] | None:
    """Return the baseline that is to be written, if one is."""
    if file is None:
        if owner or expires:
            raise UsageError("--owner and --expires go with --write-baseline")
        return None
    if not owner or not expires:
        raise UsageError("--write-baseline needs --owner and --expires: who answers, until when")
    try:
        day = date.fromisoformat(expires)
    except ValueError:
        raise UsageError(f"--expires {expires!r} is no day such as 2027-01-31") from None
    if day < today():
        raise UsageError(f"--expires {expires} lies in the past")
    return file, owner, day


def _check(
    settings: Settings,
    baseline: Path | None,
    accepting: tuple[Path, str, date] | None,
    channels: Channels,
    files: ReportFiles,
    *,
    offline: Path | None,
) -> int:
    from segctl.drift.baseline import baseline_text, read_baseline
    from segctl.drift.report import drift_of
    from segctl.report import drift_json, drift_text

    started = datetime.now(UTC)
    with files.refusals("drift", settings):
        loaded = load_inventory(settings)
        accepted = read_baseline(baseline) if baseline else ()
        _mention_strangers(accepted, loaded)
        plans, failures = read_plans(settings, loaded, snapshots(offline))
    authors, notes = _authors(settings, loaded, plans if offline is None else [])
    by_name = {item.name: item for item in plans} | {item.device: item for item in failures}
    ordered = [by_name[name] for name in loaded.hosts if name in by_name]
    found = drift_of(ordered, accepted, today=today(), authors=authors, notes=notes)
    if settings.json:
        print_json(drift_json(found), lines=settings.json_lines)
    else:
        print_lines(drift_text(found))
    with suppress(OSError):  # who reads it may be gone; the others are told all the same
        sys.stdout.flush()
    past = past_of(channels, found, loaded, started)
    publish(channels, found, loaded, past)
    if files.wanted:
        _report(files, found, loaded, settings)
    if accepting is not None:
        file, owner, day = accepting
        save(file, baseline_text(found, owner, day))
        tell(f"Written. To accept exactly this: segctl drift --baseline {file}")
    remember(channels, found, settings, loaded, past)
    if failures:
        return ERROR
    return OK if found.in_sync else DIFFERS


def _report(files: ReportFiles, found: DriftReport, loaded: Loaded, settings: Settings) -> None:
    from segctl.report import drift_report

    rules = {
        item.device.name: [rule.name for rule in item.policy.rules] for item in desired_of(loaded)
    }
    places = places_of(loaded.site, settings)
    environment = files.environment
    files.write(drift_report(found, environment=environment, places=places, rules=rules))


def _mention_strangers(accepted: Sequence[Accepted], loaded: Loaded) -> None:
    """Say which entries of the baseline are about no firewall of the inventory."""
    known = {device.name for device in loaded.site.devices}
    for entry in accepted:
        if entry.device not in known:
            where = f"{entry.file}:{entry.line}:{entry.column}"
            tell(f"segctl: {where}: the inventory has no firewall {entry.device}")


def _authors(
    settings: Settings, loaded: Loaded, plans: list[DevicePlan]
) -> tuple[dict[tuple[str, str, str], Author], list[tuple[str, Problem]]]:
    from segctl.fleet import ask_authors

    names = [plan.name for plan in plans if plan.changes or plan.holes]
    with working(settings, len(names)) as executor, progress(settings, names) as report:
        return ask_authors(
            plans, loaded.connections, forks=settings.forks, report=report, executor=executor
        )
