"""``segctl island``: a zone or a site cut from what is above it, and joined to it again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from segctl.cli.app import island_app
from segctl.cli.completion import Command
from segctl.cli.contain import (
    ApproveOption,
    CutOption,
    ForgetOption,
    ForOption,
    ReasonOption,
    Words,
    carry_out,
    left_lines,
    list_lines,
    print_result,
    row_json,
    seconds_of,
    standing_json,
    status_lines,
)
from segctl.cli.examples import epilog
from segctl.cli.exits import ERROR, OK
from segctl.cli.options import given_to
from segctl.operations import contained, island
from segctl.operations.contain import ContainOptions

if TYPE_CHECKING:
    from segctl.operations.contained import Row

_ISLAND = Words(ask="Make {} an island", done="An island", failed="Not an island", key="island")


@island_app.command("begin", cls=Command, epilog=epilog("island begin"))
def begin(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A zone or a site of segctl_containment.islands")],
    *,
    for_: ForOption,
    reason: ReasonOption,
    cut_essential: CutOption = False,
    until_restart: ForgetOption = False,
    auto_approve: ApproveOption = False,
) -> int:
    """Cut a zone or a site from what is above it; exit 1 unless every firewall between does."""
    options = ContainOptions(
        kind="island",
        name=name,
        seconds=seconds_of(for_),
        reason=reason,
        cut_essential=cut_essential,
        persistent=not until_restart,
    )
    return carry_out(context, options, island.preview, _ISLAND, auto_approve=auto_approve)


@island_app.command("end", cls=Command, epilog=epilog("island end"))
def end(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The zone or site that is an island")],
    *,
    reason: ReasonOption = "",
) -> int:
    """Join an island to what is above it again; exit 1 where a firewall still cuts it off."""
    settings, display = given_to(context)
    left = contained.end_island(settings, name, reason, display)
    document = {"ended": not left, "gaps": list(map(_row_json, left))}
    print_result(settings, document, left_lines(left, f"No longer an island: {name}."))
    return ERROR if left else OK


@island_app.command("list", cls=Command, epilog=epilog("island list"))
def list_(context: typer.Context) -> int:
    """List what is an island on which firewall, until when, by whom and why; changes nothing."""
    settings, display = given_to(context)
    rows = contained.listed(settings, display, islands=True)
    lines = list_lines(rows, "Nothing is an island.")
    print_result(settings, {"items": list(map(_row_json, rows))}, lines)
    return ERROR if any(row.gap for row in rows) else OK


@island_app.command("status", cls=Command, epilog=epilog("island status"))
def status(
    context: typer.Context,
    *,
    heal: Annotated[
        bool, typer.Option("--heal", help="Cut off again where a firewall has lost it")
    ] = False,
) -> int:
    """Compare what is on record with what firewalls hold; exit 1 where one does not cut it off."""
    settings, display = given_to(context)
    wanted, gaps = contained.status(settings, display, heal=heal, islands=True)
    lines = status_lines(wanted, gaps, "No island on record holds.")
    document = {
        "islands": list(map(standing_json, wanted)),
        "gaps": list(map(_row_json, gaps)),
    }
    print_result(settings, document, lines)
    return ERROR if gaps else OK


def _row_json(row: Row) -> dict[str, Any]:
    return {"island": row.island, **row_json(row)}
