"""``segctl discover``: what flows and is not declared, proposed as inventory files."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segctl.cli.app import app
from segctl.cli.completion import Command
from segctl.cli.examples import epilog
from segctl.cli.exits import ERROR, OK
from segctl.cli.options import (
    FromDevicesOption,
    SinceOption,
    TimezoneOption,
    given_to,
    moment_of,
    since_of,
)
from segctl.cli.reports import Environment, HtmlOption, MarkdownOption, ReportFiles
from segctl.cli.screen import print_json, print_lines
from segctl.model.durations import parse_duration
from segctl.model.errors import UsageError
from segctl.operations import discover as discovering
from segctl.operations.discover import DiscoverOptions
from segctl.operations.loading import provenance

if TYPE_CHECKING:
    from segctl.observe.discover.propose import Grade


@app.command(cls=Command, epilog=epilog("discover"))
def discover(
    context: typer.Context,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE…]",
            help="Records of traffic, also compressed; folders are walked, - is standard input",
        ),
    ] = None,
    *,
    from_devices: FromDevicesOption = False,
    since: SinceOption = "",
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            "--exclude",
            metavar="WINDOW",
            help="A time that does not count, such as maintenance: FROM/TO or FROM/4h; repeatable",
        ),
    ] = None,
    grade: Annotated[
        str,
        typer.Option(
            "--grade",
            metavar="GRADE",
            help="Whom a proposed rule is about: each host, hosts of a role, or whole zones",
        ),
    ] = "host",
    leases: Annotated[
        list[str] | None,
        typer.Option(
            "--leases",
            metavar="RANGE|FILE",
            help="Addresses that DHCP leases: 10.1.0.100-10.1.0.180, a network, or a lease file of "
            "dhcpd or dnsmasq; repeatable",
        ),
    ] = None,
    names: Annotated[
        Path | None,
        typer.Option("--names", metavar="FILE", help="Names of hosts, written as in /etc/hosts"),
    ] = None,
    timezone: TimezoneOption = "",
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="DIR", help="Folder for the proposed files"),
    ] = None,
    markdown: MarkdownOption = None,
    html: HtmlOption = None,
    env: Environment = "default",
) -> int:
    """Propose what flows and is not declared, as inventory files; changes no device."""
    from segctl.observe.discover.propose import GRADES
    from segctl.report.discover import discover_json, discover_report, discover_text

    known: dict[str, Grade] = {one: one for one in GRADES}
    chosen = known.get(grade)
    if chosen is None:
        raise UsageError(f"--grade must be one of {', '.join(GRADES)}, not {grade!r}")
    settings, display = given_to(context)
    now = datetime.now(UTC).timestamp()
    options = DiscoverOptions(
        files=tuple(files or ()),
        from_devices=from_devices,
        now=now,
        grade=chosen,
        since=since_of(since, now),
        timezone=timezone or None,
        windows=tuple(map(_window, exclude or ())),
        leases=tuple(_range(one) for one in leases or () if not Path(one).is_file()),
        lease_files=tuple(Path(one) for one in leases or () if Path(one).is_file()),
        names=names,
        out=out,
    )
    reports = ReportFiles(environment=env, markdown=markdown, html=html)
    with reports.refusals("discover", settings):
        result = discovering.discover(settings, options, display)
    document = discover_json(
        result.coverage,
        result.discovered,
        files=result.files,
        diff=result.diff,
        written=[str(path) for path in result.written],
    )
    if reports.wanted:
        evidence = provenance(settings, result.loaded)
        reports.write(discover_report(document, environment=env, provenance=evidence))
    if settings.json:
        print_json(document, lines=settings.json_lines)
    else:
        print_lines(discover_text(document))
    return ERROR if "error" in document else OK


def _window(text: str) -> tuple[float, float]:
    """Return a window, from and to."""
    begin, slash, end = text.partition("/")
    if not slash:
        raise UsageError(
            f"--exclude must be FROM/TO, such as 2026-11-07T08:00/2026-11-07T12:00 or "
            f"2026-11-07T08:00/4h, not {text!r}"
        )
    first = moment_of(begin, "--exclude").timestamp()
    try:
        last = first + parse_duration(end, unit="h")
    except ValueError:
        last = moment_of(end, "--exclude").timestamp()
    if last <= first:
        raise UsageError(f"--exclude ends before it begins: {text!r}")
    return first, last


def _range(text: str) -> tuple[str, str]:
    """Return a range of addresses, from and to."""
    try:
        if "-" in text:
            first, last = (ip_address(one.strip()) for one in text.split("-"))
        else:
            network = ip_network(text)
            first, last = network.network_address, network.broadcast_address
    except ValueError:
        raise UsageError(
            "--leases must be a range such as 10.1.0.100-10.1.0.180, a network or a file that "
            f"exists, not {text!r}"
        ) from None
    if first.version != last.version or int(first) > int(last):
        raise UsageError(f"--leases ends before it begins: {text!r}")
    return str(first), str(last)
