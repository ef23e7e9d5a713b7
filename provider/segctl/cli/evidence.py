"""``segctl evidence``: what firewalls show of IEC 62443-3-3, and what is on record of it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path  # noqa: TC003 - Typer reads the types of the options
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segctl.cli.app import evidence_app
from segctl.cli.completion import Command
from segctl.cli.examples import epilog
from segctl.cli.exits import DIFFERS, ERROR, OK
from segctl.cli.options import given_to, moment_of, settings_of
from segctl.cli.screen import print_json, print_lines, say, tell
from segctl.cli.signatures import key_password
from segctl.model.errors import UsageError
from segctl.operations import evidence as taking
from segctl.operations import evidence_folder
from segctl.operations.evidence import EvidenceOptions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from segctl.operations.evidence import Change
    from segctl.report import Line


@evidence_app.callback()
def evidence(
    context: typer.Context,
    *,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="DIR", help="A new folder for all files of it"),
    ] = None,
    sr: Annotated[
        list[str] | None,
        typer.Option(
            "--sr",
            metavar="ID",
            help="Only this requirement, such as 5.2 (with its enhancements) or 'SR 5.2 RE 1'; "
            "repeatable [all]",
        ),
    ] = None,
    offline: Annotated[
        Path | None,
        typer.Option(
            "--offline", help="Read this snapshot, or folder of snapshots, instead of devices"
        ),
    ] = None,
    decisions: Annotated[
        Path | None,
        typer.Option(
            "--decisions",
            help="What people decided: compensated, excepted, not applicable, each with reason, "
            "owner and last day (YAML)",
        ),
    ] = None,
    since: Annotated[
        str,
        typer.Option("--since", help="Tell of drift and changes since this date, as 2026-11-01"),
    ] = "",
    history: Annotated[
        str | None, typer.Option("--history", metavar="URL", help="Database of the drift history")
    ] = None,
    html: Annotated[
        bool, typer.Option("--html", help="Also pages for people: evidence, zones and conduits")
    ] = False,
    oscal: Annotated[
        bool, typer.Option("--oscal", help="Also assessment results of OSCAL 1.2")
    ] = False,
    as_csv: Annotated[
        bool,
        typer.Option("--csv", help="Also tables: evidence, and permissions with their reasons"),
    ] = False,
    sign: Annotated[
        Path | None,
        typer.Option("--sign", help="Sign it with this SSH private or minisign secret key"),
    ] = None,
) -> int:
    """Take evidence of IEC 62443-3-3 from what firewalls hold; never writes to a device.

    Nothing counts as satisfied because it is absent, and nothing here is a statement of compliance.
    """
    if context.invoked_subcommand is not None:
        _refuse_others(context)
        return OK
    if out is None:
        raise UsageError("evidence is written to a folder: give -o DIR")
    settings, display = given_to(context)
    signing = None
    if sign is not None:
        from segctl.signing import open_key

        key = sign
        signing = open_key(key, lambda: key_password(key))
    options = EvidenceOptions(
        out=out,
        requirements=tuple(sr or ()),
        offline=offline,
        decisions=decisions,
        since=moment_of(since) if since else None,
        history=history,
        html=html,
        oscal=oscal,
        csv=as_csv,
        signing=signing,
    )
    result = taking.evidence(settings, options, display)
    if settings.json:
        print_json(result.document, lines=settings.json_lines)
    else:
        from segctl.report.evidence import evidence_text

        print_lines(evidence_text(result.document))
        tell(f"Written to {out}. To check it later: segctl evidence verify {out}")
    return ERROR if "error" in result.document else OK


def _refuse_others(context: typer.Context) -> None:
    """Refuse options of taking evidence where something else is asked for."""
    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise UsageError(
                f"segctl evidence {context.invoked_subcommand} takes its own options only, "
                "after its name"
            )


@evidence_app.command("verify", cls=Command, epilog=epilog("evidence verify"))
def verify(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of evidence")],
    *,
    keys: Annotated[
        Path | None,
        typer.Option(
            "--keys",
            envvar="SEGCTL_VERIFY",
            help="Trusted keys (allowed signers, minisign public keys): it must be signed by one",
        ),
    ] = None,
) -> int:
    """Read a folder of evidence again: every file's digest, and the signature; asks no device."""
    settings = settings_of(context)
    signers = evidence_folder.signed_by(folder, keys) if keys is not None else ()
    document = evidence_folder.checked(folder)
    if settings.json:
        answer: dict[str, Any] = {
            "format_version": "1.0",
            "folder": str(folder),
            "date": document["provenance"]["date"],
            "signers": [asdict(one) for one in signers],
        }
        print_json(answer, lines=settings.json_lines)
        return OK
    say(f"{folder}: every file is as it was written, {document['provenance']['date']}")
    for one in signers:
        say(f"{folder}: signed by {one}")
    if keys is None:
        tell("segctl: nobody's signature was checked: give --keys FILE")
    return OK


@evidence_app.command("diff", cls=Command, epilog=epilog("evidence diff"))
def diff(
    context: typer.Context,
    old: Annotated[Path, typer.Argument(metavar="OLD", help="An earlier folder of evidence")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="A later one")],
) -> int:
    """Say what got better or worse between two folders of evidence: exit 2 if anything is worse."""
    settings = settings_of(context)
    changes = taking.compare(old, new)
    worse = [one for one in changes if one.direction == "worse"]
    if settings.json:
        rows = [asdict(one) | {"direction": one.direction} for one in changes]
        answer = {"format_version": "1.0", "changes": rows, "worse": len(worse)}
        print_json(answer, lines=settings.json_lines)
    else:
        print_lines(_lines(changes))
    return DIFFERS if worse else OK


_STYLES = {"better": "green", "worse": "bold red", "changed": "yellow"}


def _lines(changes: Sequence[Change]) -> Iterator[Line]:
    from segctl.report import Line

    if not changes:
        yield Line(text="Nothing got better or worse.")
    for one in changes:
        word, style = one.direction, _STYLES[one.direction]
        before, after = (state.replace("_", " ") for state in (one.before, one.after))
        lead = f"{word}: {one.zone} {one.requirement} {one.title}: "
        yield Line(lead=lead, text=f"{before} → {after}: {one.why}", style=style)
