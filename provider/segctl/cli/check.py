"""``segctl check``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segctl.cli.app import EPILOG, app
from segctl.cli.exits import ERROR, OK
from segctl.cli.options import given_to
from segctl.cli.screen import print_json, print_lines
from segctl.model.errors import UsageError
from segctl.operations import check as checking
from segctl.operations.check import CheckOptions

if TYPE_CHECKING:
    from segctl.analysis.query import Check


class Transport(StrEnum):
    """What a flow is carried by."""

    TCP = "tcp"
    UDP = "udp"
    ICMP = "icmp"


class Expected(StrEnum):
    """What is right."""

    ALLOW = "allow"
    DENY = "deny"


@app.command(epilog=EPILOG)
def check(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(help="Checks as in a playbook's verify (YAML), instead of --from and --to"),
    ] = None,
    *,
    source: Annotated[
        str, typer.Option("--from", help="Zone, asset or address the flow begins at")
    ] = "",
    destination: Annotated[
        str, typer.Option("--to", help="Zone, asset or address it ends at")
    ] = "",
    application: Annotated[
        str,
        typer.Option(
            "--application",
            help="Vendor's name, or protocol and access class such as modbus.read [any]",
        ),
    ] = "",
    protocol: Annotated[Transport, typer.Option("--protocol", help="Transport protocol")] = (
        Transport.TCP
    ),
    port: Annotated[
        int | None,
        typer.Option("--port", min=1, max=65535, help="Destination port [any]"),
    ] = None,
    user: Annotated[
        str, typer.Option("--user", help="User as the firewall knows them [nobody it knows]")
    ] = "",
    expect: Annotated[
        Expected | None,
        typer.Option("--expect", help="Exit 1 unless every firewall surely answers this"),
    ] = None,
    declared: Annotated[
        bool, typer.Option("--declared", help="Ask the inventory's own policy, no device")
    ] = False,
) -> int:
    """Ask firewalls whether they allow a flow, and by which rule; never writes to a device."""
    from segctl.report import check_json, check_text

    settings, display = given_to(context)
    given = bool(source or destination or application or port or user or expect)
    checks: tuple[Check, ...] = ()
    if file is None:
        one = _check(
            source=source,
            destination=destination,
            application=application,
            protocol=protocol,
            port=port,
            user=user,
            expect=expect,
        )
        checks = (one,)
    elif given or protocol is not Transport.TCP:
        raise UsageError("a file says itself what is asked: leave it, or the options, out")
    options = CheckOptions(file=file, checks=checks, declared=declared)
    result = checking.check(settings, options, display)
    document = check_json(
        result.questions,
        result.answers,
        expecting=file is not None or expect is not None,
        declared=declared,
    )
    if settings.json:
        print_json(document, lines=settings.json_lines)
    else:
        print_lines(check_text(document))
    return ERROR if "error" in document else OK


def _check(
    *,
    source: str,
    destination: str,
    application: str,
    protocol: Transport,
    port: int | None,
    user: str,
    expect: Expected | None,
) -> Check:
    from segctl.analysis.query import Check

    if not source or not destination:
        raise UsageError("say --from and --to, or give a file of checks")
    if port is not None and protocol is Transport.ICMP:
        raise UsageError("icmp has no port: leave --port out")
    return Check(
        source=source,
        destination=destination,
        application=application,
        protocol=protocol.value,
        port=port or 0,
        user=user,
        allow=expect is not Expected.DENY,
    )
