"""``segctl review``."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segctl.cli.app import app
from segctl.cli.completion import Command
from segctl.cli.examples import epilog
from segctl.cli.exits import DIFFERS, ERROR, OK
from segctl.cli.options import FromDevicesOption, TimezoneOption, duration_of, given_to
from segctl.cli.screen import print_json, print_lines, tell_failures
from segctl.model.errors import UsageError
from segctl.operations import review as reviewing
from segctl.operations.loading import today
from segctl.operations.review import Decided, ReviewOptions
from segctl.operations.usage import UsageOptions

if TYPE_CHECKING:
    from segctl.model.site import Decision
    from segctl.operations.review import ReviewResult

#: So much is written of who decided and why.
_LONGEST = 300
#: How far back a use counts where nothing is narrowed.
_WINDOW = timedelta(days=90)


@app.command(cls=Command, epilog=epilog("review"))
def review(
    context: typer.Context,
    conduit: Annotated[
        str | None, typer.Argument(metavar="[CONDUIT]", help="Only this one, due or not")
    ] = None,
    *,
    within: Annotated[
        str, typer.Option("--within", metavar="DURATION", help="What is due so soon [30d]")
    ] = "30d",
    usage: Annotated[
        bool, typer.Option("--usage", help="Ask the firewalls whether it is used")
    ] = False,
    records: Annotated[
        list[str] | None,
        typer.Option(
            "--records",
            metavar="FILE",
            help="Records of traffic, for --usage and --narrow; folders are walked; repeatable",
        ),
    ] = None,
    from_devices: FromDevicesOption = False,
    timezone: TimezoneOption = "",
    keep_until: Annotated[
        str,
        typer.Option("--keep-until", metavar="DATE", help="Decide: keep it, look again by then"),
    ] = "",
    narrow: Annotated[
        bool,
        typer.Option("--narrow", help="Decide: keep it without what no record tells of"),
    ] = False,
    retire: Annotated[
        str, typer.Option("--retire", metavar="DATE", help="Decide: let it go, after this day")
    ] = "",
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who decides")] = "",
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why")] = "",
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="DIR", help="Folder for the file of the decision"),
    ] = None,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit 2 where something is overdue")
    ] = False,
) -> int:
    """List conduits that are due for review, or decide about one; never writes to a device."""
    from segctl.fleet import Failure
    from segctl.report.reviews import decision_json, reviews_json, reviews_text

    settings, display = given_to(context)
    decided = _decided(keep_until=keep_until, narrow=narrow, retire=retire, by=by, reason=reason)
    if decided is not None and not conduit:
        raise UsageError("name the conduit that is decided about: segctl review CONDUIT …")
    if decided is None and (out is not None or by or reason):
        raise UsageError(
            "-o, --by and --reason go with a decision: --keep-until, --narrow or --retire"
        )
    if records or from_devices:
        usage = True
    if narrow and not (records or from_devices):
        raise UsageError("--narrow needs records of traffic: --records FILE or --from-devices")
    options = ReviewOptions(
        within=timedelta(seconds=duration_of("--within", within, unit="d", least=0)),
        conduit=conduit or "",
        usage=_usage(records, timezone, narrow=narrow, from_devices=from_devices)
        if usage
        else None,
        decided=decided,
        out=out,
    )
    result = reviewing.review(settings, options, display)
    counted = _counted(result)
    if result.usage is not None:
        failed = ((name, one) for name, one in result.usage.devices.items())
        tell_failures((name, one.message) for name, one in failed if isinstance(one, Failure))
    document = reviews_json(
        result.due,
        result.undated,
        today=result.today,
        until=result.until,
        usage=counted,
        unasked=result.usage.unasked if result.usage is not None else lambda _conduit: (),
    )
    if (changed := result.changed) is not None:
        document["decision"] = decision_json(changed.files, changed.diff, changed.written)
    if settings.json:
        print_json(document, lines=settings.json_lines)
    else:
        print_lines(reviews_text(document))
    if "error" in document:
        return ERROR
    return DIFFERS if detailed_exitcode and document["summary"]["overdue"] else OK


def _counted(result: ReviewResult) -> dict[str, Any] | None:
    from segctl.report.usage import usage_json

    found = result.usage
    if found is None:
        return None
    return usage_json(found.devices, found.window, found.unasked, found.coverage)


def _usage(
    records: list[str] | None, timezone: str, *, narrow: bool, from_devices: bool
) -> UsageOptions:
    from segctl.observe.narrowing import SHORTEST

    return UsageOptions(
        now=datetime.now(UTC).timestamp(),
        window=timedelta(days=SHORTEST) if narrow else _WINDOW,
        files=tuple(records or ()),
        from_devices=from_devices,
        timezone=timezone or None,
    )


def _decided(*, keep_until: str, narrow: bool, retire: str, by: str, reason: str) -> Decided | None:
    """Return the decision that is asked for, None where none is.

    Raises:
        UsageError: there are several, or who decides, why, or its day cannot be used.
    """
    from segctl.model.site import Review

    decisions: dict[Decision, str | bool] = {"keep": keep_until, "narrow": narrow, "retire": retire}
    given: list[Decision] = [name for name, value in decisions.items() if value]
    if not given:
        return None
    if len(given) > 1:
        raise UsageError("--keep-until, --narrow and --retire exclude each other")
    by, reason = by.strip(), reason.strip()
    if not by or not reason:
        raise UsageError("a decision needs --by NAME and --reason TEXT: an auditor asks for both")
    if max(len(by), len(reason)) > _LONGEST or not (by + reason).isprintable():
        raise UsageError(f"--by and --reason: at most {_LONGEST} printable characters each")
    day = None
    if not narrow:
        day = _day(keep_until or retire, "--keep-until" if keep_until else "--retire")
    review = Review(day=today(), by=by, decision=given[0], reason=reason)
    return Decided(review=review, day=day)


def _day(text: str, option: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option} must be a date like 2027-01-31, not {text!r}") from None
    if day < today():
        raise UsageError(f"{option} {day}: that day has passed")
    return day
