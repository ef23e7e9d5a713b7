"""``segctl history``: what was applied, from the audit journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from segctl.cli.app import app
from segctl.cli.completion import Command, complete_hosts
from segctl.cli.examples import epilog
from segctl.cli.exits import ERROR, OK
from segctl.cli.options import given_to, moment_of
from segctl.cli.screen import print_json, print_lines, say, tell
from segctl.model.errors import UsageError
from segctl.operations import audit
from segctl.operations.audit import HistoryOptions
from segctl.system.chain import read_head

if TYPE_CHECKING:
    from segctl.cli.arguments import Settings
    from segctl.report.audit import Applies
    from segctl.system.chain import Head

_VERIFY = "verify"


@app.command(cls=Command, epilog=epilog("history"))
def history(
    context: typer.Context,
    what: Annotated[
        str,
        typer.Argument(
            metavar="[HOST|verify]",
            help="A firewall or device group; its log of changes, or that of its Panorama, is read "
            "too and shown in the same timeline; or verify, which checks that no entry was "
            "removed, edited or reordered [all]",
            autocompletion=complete_hosts,
        ),
    ] = "",
    *,
    since: Annotated[
        str, typer.Option("--since", help="Only what happened since this date, such as 2026-11-01")
    ] = "",
    expect: Annotated[
        list[str] | None,
        typer.Option(
            "--expect",
            metavar="HEAD",
            help="With verify: the journal must still have this head, which apply printed; "
            "repeatable",
        ),
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Rows as CSV on stdout")] = False,
) -> int:
    """Show what was applied to devices, from the audit journal; never writes to a device.

    Every apply and playbook on this machine is on record, with who, when, from which commit, for
    which tickets, digests of the policy before and after, and the outcome. The history of drift,
    which says what differed and since when, is another: segctl drift history.
    """
    settings, display = given_to(context)
    if as_csv and settings.json:
        raise UsageError("--csv and --json exclude each other")
    if what == _VERIFY:
        if since or as_csv:
            raise UsageError("verify checks the whole journal: it takes neither --since nor --csv")
        return _verified(settings, audit.verify_journal([_head(text) for text in expect or ()]))
    if expect:
        raise UsageError("--expect belongs to segctl history verify")
    options = HistoryOptions(since=moment_of(since) if since else None, device=what, log=bool(what))
    return _shown(settings, audit.applies(options, settings, display), as_csv=as_csv)


def _verified(settings: Settings, found: Applies) -> int:
    from segctl.report.audit import broken, faults_text, verify_json

    if settings.json:
        print_json(verify_json(found), lines=settings.json_lines)
    else:
        print_lines(faults_text(found))
    if found.chain.faults:
        tell(f"segctl: {broken(found)}")
    return OK if found.well else ERROR


def _shown(settings: Settings, found: Applies, *, as_csv: bool) -> int:
    from segctl.report.audit import broken, history_csv, history_json, history_text

    if settings.json:
        print_json(history_json(found), lines=settings.json_lines)
    elif as_csv:
        say(history_csv(history_json(found)))
    else:
        print_lines(history_text(found))
    if found.chain.faults:
        tell(f"segctl: {broken(found)}")
    if found.failure:
        tell(f"segctl: {found.failure.device}: {found.failure.message}")
    return OK if found.well else ERROR


def _head(text: str) -> Head:
    head = read_head(text)
    if head is None:
        raise UsageError(
            f"--expect must be a head as segctl apply prints it, 42:sha256:…, not {text!r}"
        )
    return head
