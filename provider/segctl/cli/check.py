"""``segctl check``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segctl.cli.app import EPILOG, app
from segctl.cli.exits import ERROR, OK
from segctl.cli.screen import print_json, print_lines, progress
from segctl.cli.steps import desired_of, load_inventory, settings_of, vault, working
from segctl.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segctl.analysis.query import Check, Question
    from segctl.cli.arguments import Settings
    from segctl.compiler.build import Desired
    from segctl.fleet import Failure
    from segctl.fleet.queries import Checked
    from segctl.inventory import Loaded


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
            help="Vendor's name, or protocol and access class such as modbus.read [any that a "
            "rule names]",
        ),
    ] = "",
    protocol: Annotated[Transport, typer.Option("--protocol", help="Transport protocol")] = (
        Transport.TCP
    ),
    port: Annotated[
        int | None,
        typer.Option("--port", min=1, max=65535, help="Destination port [any that a rule names]"),
    ] = None,
    user: Annotated[
        str, typer.Option("--user", help="User as the firewall knows them [nobody it knows]")
    ] = "",
    expect: Annotated[
        Expected | None, typer.Option("--expect", help="Exit 1 unless every firewall answers this")
    ] = None,
    declared: Annotated[
        bool, typer.Option("--declared", help="Ask the inventory's own policy, no device")
    ] = False,
) -> int:
    """Ask firewalls whether they allow a flow, and by which rule; never writes to a device."""
    from segctl.report import check_json, check_text

    settings = settings_of(context)
    given = bool(source or destination or application or port or user or expect)
    if file is not None:
        if given or protocol is not Transport.TCP:
            raise UsageError("a file says itself what is asked: leave it, or the options, out")
        checks = _read(file, settings)
    else:
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
    loaded = load_inventory(settings)
    chosen = desired_of(loaded)
    questions = _questions(checks, loaded, chosen)
    asked = [one for one in chosen if any(one.device.name in q.devices for q in questions)]
    results = _answers(settings, loaded, asked, questions, declared=declared)
    document = check_json(
        questions,
        dict(zip((one.device.name for one in asked), results, strict=True)),
        expecting=file is not None or expect is not None,
        declared=declared,
    )
    if settings.json:
        print_json(document, lines=settings.json_lines)
    else:
        print_lines(check_text(document))
    return ERROR if "error" in document else OK


def _read(file: Path, settings: Settings) -> tuple[Check, ...]:
    from segctl.playbook import read_checks

    return read_checks(file, vault=vault(settings))


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


def _questions(
    checks: Sequence[Check], loaded: Loaded, chosen: Sequence[Desired]
) -> tuple[Question, ...]:
    """Resolve the checks, and refuse those that no chosen firewall can answer."""
    from segctl.analysis.query import questions, sites_of, unanswerable
    from segctl.model.errors import ChecksError

    devices = [one.device for one in chosen]
    found, problems = questions(checks, loaded.site, sites_of(devices))
    problems += unanswerable(found, devices)
    if not problems:
        return found
    if any(one.file for one in problems):
        raise ChecksError(problems)
    raise UsageError("\n".join(str(one) for one in problems))


def _answers(
    settings: Settings,
    loaded: Loaded,
    asked: Sequence[Desired],
    questions: Sequence[Question],
    *,
    declared: bool,
) -> Sequence[Checked | Failure]:
    from segctl.fleet.queries import asked_of, check_declared, check_devices

    if declared:
        return [check_declared(one, asked_of(one.device, questions)) for one in asked]
    names = [one.device.name for one in asked]
    with working(settings, len(names)) as executor, progress(settings, names) as report:
        return check_devices(
            asked,
            questions,
            loaded.connections,
            forks=settings.forks,
            report=report,
            executor=executor,
        )
