"""``segctl query`` and ``segctl matrix``: what is permitted between zones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segctl.cli.app import app
from segctl.cli.completion import Command
from segctl.cli.examples import epilog
from segctl.cli.exits import ERROR, OK
from segctl.cli.options import OfflineOption, given_to
from segctl.cli.screen import print_json, print_lines, say, tell_failures
from segctl.model.errors import UsageError
from segctl.operations import query as querying
from segctl.operations.files import check, save
from segctl.operations.query import QueryOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from segctl.analysis.verbs import Verb
    from segctl.cli.arguments import Settings
    from segctl.fleet.listing import Side
    from segctl.fleet.relations import Claim, Policies
    from segctl.report import Line

DeclaredOption = Annotated[
    bool, typer.Option("--declared", help="List the policy of the inventory, without any device")
]
LiveOption = Annotated[bool, typer.Option("--live", help="List what the devices enforce")]
BothOption = Annotated[
    bool, typer.Option("--both", help="Compare what is declared with what is enforced")
]
CsvOption = Annotated[bool, typer.Option("--csv", help="Rows as CSV on stdout")]


@app.command(cls=Command, epilog=epilog("query"))
def query(
    context: typer.Context,
    claim: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[LEFT VERB [RIGHT]]",
            help="Instead of a list: whether a verb holds, such as `live implies declared`. "
            "Policies: declared, live, snapshot, plan. Verbs: implies, equivalent, disjoint, "
            "never-matches, always-matches",
        ),
    ] = None,
    *,
    source: Annotated[
        str, typer.Option("--from", help="Zone, asset or address where traffic begins")
    ] = "",
    destination: Annotated[
        str, typer.Option("--to", help="Zone, asset or address where traffic ends")
    ] = "",
    declared: DeclaredOption = False,
    live: LiveOption = False,
    both: BothOption = False,
    offline: OfflineOption = None,
    pivot: Annotated[
        int, typer.Option("--pivot", min=0, max=5, help="Also through so many third zones")
    ] = 0,
    as_csv: CsvOption = False,
) -> int:
    """List everything that firewalls permit between two zones; never writes to a device."""
    from segctl.report import query_json, query_text

    if claim:
        if declared or live or both or pivot or as_csv:
            raise UsageError(
                "a claim names its policies itself: leave out --declared, --live, --both, "
                "--pivot and --csv"
            )
        return _claimed(context, claim, source, destination, offline)
    if not source or not destination:
        raise UsageError("give --from and --to: zones, assets or addresses")
    settings, display = given_to(context)
    options = QueryOptions(
        side=_side("live", declared=declared, live=live, both=both, offline=offline),
        offline=offline,
    )
    if pivot and options.side == "both":
        raise UsageError("--pivot follows one policy: use it with --declared or --live")
    _only_one(settings, as_csv=as_csv)
    result = querying.query(settings, source, destination, options, display, pivot=pivot)
    document = query_json(result, source, destination)
    steps = [step for way in document["ways"] for step in way["steps"]]
    return _shown(settings, document, [document, *steps], query_text, as_csv=as_csv)


@app.command(cls=Command, epilog=epilog("matrix"))
def matrix(
    context: typer.Context,
    *,
    declared: DeclaredOption = False,
    live: LiveOption = False,
    both: BothOption = False,
    offline: OfflineOption = None,
    as_csv: CsvOption = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            metavar="FILE",
            help="Draw the table: .svg, or .html with the rules behind each cell",
        ),
    ] = None,
) -> int:
    """List what firewalls permit between all zones, declared and live side by side."""
    from segctl.report import matrix_json, matrix_text

    settings, display = given_to(context)
    if out is not None:
        if out.suffix not in {".svg", ".html"}:
            raise UsageError(f"-o {out}: the ending says the form: .svg or .html")
        check(out)
    options = QueryOptions(
        side=_side("both", declared=declared, live=live, both=both, offline=offline),
        offline=offline,
    )
    _only_one(settings, as_csv=as_csv)
    document = matrix_json(querying.matrix(settings, options, display))
    if out is not None:
        kept = options.offline is not None
        picture = querying.matrix_picture(settings, document, out.suffix, display, snapshots=kept)
        save(out, picture)
    return _shown(settings, document, document["cells"], matrix_text, as_csv=as_csv)


def _side(default: Side, *, declared: bool, live: bool, both: bool, offline: Path | None) -> Side:
    given: dict[Side, bool] = {"declared": declared, "live": live, "both": both}
    chosen: list[Side] = [side for side, wanted in given.items() if wanted]
    if len(chosen) > 1:
        raise UsageError("--declared, --live and --both exclude each other")
    side = chosen[0] if chosen else default
    if side == "declared" and offline is not None:
        raise UsageError("--declared asks no device: leave out --offline, or use --both")
    return side


def _only_one(settings: Settings, *, as_csv: bool) -> None:
    if as_csv and settings.json:
        raise UsageError("--csv and --json exclude each other")


def _shown(
    settings: Settings,
    document: Mapping[str, Any],
    pairs: Iterable[Mapping[str, Any]],
    text: Callable[[Mapping[str, Any]], Iterable[Line]],
    *,
    as_csv: bool,
) -> int:
    from segctl.report import csv_text

    failed = (one for one in document["devices"] if "error" in one)
    tell_failures((one["name"], one["error"]["message"]) for one in failed)
    if settings.json:
        print_json(document, lines=settings.json_lines)
    elif as_csv:
        say(csv_text(pairs))
    else:
        print_lines(text(document))
    return ERROR if "error" in document else OK


def _claimed(
    context: typer.Context, words: list[str], source: str, destination: str, offline: Path | None
) -> int:
    from segctl.report import claim_json, claim_text

    settings, display = given_to(context)
    claim = _claim(words, offline)
    if bool(source) is not bool(destination):
        raise UsageError("give both --from and --to, or neither for all zones")
    if claim.right is None and not source:
        raise UsageError(f"{claim}: say of what, with --from and --to or a second policy")
    ends = (source, destination) if source else None
    result = querying.claim(settings, claim, ends, offline, display)
    document = claim_json(result.claim, result.devices, result.legs)
    failed = (one for one in document["devices"] if "error" in one)
    tell_failures((one["name"], one["error"]["message"]) for one in failed)
    if settings.json:
        print_json(document, lines=settings.json_lines)
    else:
        print_lines(claim_text(document))
    return ERROR if "error" in document else OK


def _claim(words: list[str], offline: Path | None) -> Claim:
    from segctl.analysis.verbs import ALONE, VERBS
    from segctl.fleet.relations import POLICIES, Claim

    policies: dict[str, Policies] = {name: name for name in POLICIES}
    verbs: dict[str, Verb] = {name: name for name in VERBS}
    if len(words) not in {2, 3} or words[1] not in verbs:
        raise UsageError(f"a claim is LEFT VERB [RIGHT]; verbs are {', '.join(VERBS)}")
    for word in (words[0], *words[2:]):
        if word not in policies:
            raise UsageError(f"{word!r} is not a policy: use {', '.join(POLICIES)}")
    verb = verbs[words[1]]
    if len(words) == 2 and verb not in ALONE:
        raise UsageError(f"{verb} holds between two policies: name the second one")
    claim = Claim(
        left=policies[words[0]],
        verb=verb,
        right=policies[words[2]] if len(words) == 3 else None,
    )
    if "snapshot" in claim.of and offline is None:
        raise UsageError("a claim about a snapshot needs --offline FILE")
    if offline is not None and not claim.of & {"snapshot", "plan"}:
        raise UsageError("--offline goes with a claim about snapshot or plan")
    return claim
