"""``segctl check``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segctl.cli.app import app
from segctl.cli.completion import Command
from segctl.cli.examples import epilog
from segctl.cli.exits import ERROR, OK
from segctl.cli.options import OfflineOption, given_to
from segctl.cli.reports import ReportFiles, reporting
from segctl.cli.screen import print_json, print_lines, tell_failures
from segctl.model.errors import UsageError
from segctl.operations import check as checking
from segctl.operations.check import CheckOptions
from segctl.operations.loading import provenance

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segctl.analysis.query import Check


class Transport(StrEnum):
    """What a flow is carried by."""

    TCP = "tcp"
    UDP = "udp"
    ICMP = "icmp"
    ICMPV6 = "icmpv6"


class Expected(StrEnum):
    """What is right."""

    ALLOW = "allow"
    DENY = "deny"


@app.command(cls=Command, epilog=epilog("check"))
@reporting
def check(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(
            help="YAML file of checks, as in a playbook's verify; replaces --from and --to"
        ),
    ] = None,
    *,
    source: Annotated[
        str, typer.Option("--from", help="Zone, asset or address where the flow begins")
    ] = "",
    destination: Annotated[
        str, typer.Option("--to", help="Zone, asset or address where the flow ends")
    ] = "",
    application: Annotated[
        str,
        typer.Option(
            "--application",
            help="Vendor's name, or protocol and access class such as modbus.read [any]",
        ),
    ] = "",
    protocol: Annotated[
        Transport | None,
        typer.Option(
            "--protocol",
            help="Transport protocol [tcp; without --port, a denial is about all]",
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option("--port", min=1, max=65535, help="Destination port [any]"),
    ] = None,
    icmp_type: Annotated[
        str,
        typer.Option(
            "--icmp-type", help="Type of ICMP: a name such as echo-request, or a number [any]"
        ),
    ] = "",
    user: Annotated[
        str, typer.Option("--user", help="User name as the firewall knows it [an unknown user]")
    ] = "",
    expect: Annotated[
        Expected | None,
        typer.Option("--expect", help="Exit 1 unless every firewall surely answers this"),
    ] = None,
    declared: Annotated[
        bool, typer.Option("--declared", help="Ask the policy of the inventory, not the devices")
    ] = False,
    offline: OfflineOption = None,
    files: ReportFiles,
) -> int:
    """Ask firewalls whether they allow a flow, and by which rule; never writes to a device."""
    from segctl.fleet import Failure
    from segctl.report import check_json, check_report, check_text, provenance_json

    settings, display = given_to(context)
    given = bool(source or destination or application or port or icmp_type or user or expect)
    checks: tuple[Check, ...] = ()
    if file is None:
        one = checking.one_check(
            source=source,
            destination=destination,
            application=application,
            protocol=protocol.value if protocol is not None else None,
            port=port,
            icmp_type=icmp_type,
            user=user,
            allow=expect is not Expected.DENY,
        )
        checks = (one,)
    elif given or protocol is not None:
        raise UsageError(
            "the file already says what to ask: give either a file or options such as --from"
        )
    if declared and offline is not None:
        raise UsageError("--declared asks no device: leave out --offline")
    options = CheckOptions(file=file, checks=checks, declared=declared, offline=offline)
    with files.refusals("check", settings):
        result = checking.check(settings, options, display)
    asked = result.answers.items()
    tell_failures((name, one.message) for name, one in asked if isinstance(one, Failure))
    document = check_json(
        result.questions,
        result.answers,
        verdicts=result.verdicts,
        expecting=file is not None or expect is not None,
        declared=declared,
        offline=offline is not None,
        policies=result.policies,
    )
    evidence = provenance(settings, result.loaded, (one["name"] for one in _read(document)))
    document["provenance"] = provenance_json(evidence)
    if files.wanted:
        report = check_report(document, environment=files.environment, provenance=evidence)
        files.write(report)
    if settings.json:
        print_json(document, lines=settings.json_lines)
    else:
        print_lines(check_text(document))
    return ERROR if "error" in document else OK


def _read(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the devices that were read."""
    return [one for one in document["devices"] if one["digest"]]
