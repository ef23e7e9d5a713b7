"""``segctl contain``: the hour of an incident at the command line."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from segctl.cli.app import contain_app
from segctl.cli.completion import Command
from segctl.cli.examples import epilog
from segctl.cli.exits import ERROR, OK
from segctl.cli.options import duration_of, given_to
from segctl.cli.prompts import approved
from segctl.cli.screen import print_json, print_lines
from segctl.model.errors import UsageError
from segctl.operations import contain as containing
from segctl.operations import contained
from segctl.operations.contain import ContainOptions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from segctl.cli.arguments import Settings
    from segctl.operations.contain import Preview
    from segctl.operations.contained import Row
    from segctl.operations.options import CommonOptions
    from segctl.operations.progress import Progress
    from segctl.planning.containing import Contained
    from segctl.planning.containments import Standing
    from segctl.report import Line

    class Previewing(Protocol):
        """Says what cutting somebody off would do."""

        def __call__(
            self, common: CommonOptions, options: ContainOptions, progress: Progress, /
        ) -> Preview:
            """Read firewalls, change nothing."""
            ...


_FORMAT = "1.0"
#: So many sessions are shown one by one.
_SHOWN = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """How it is asked and told that somebody is cut off; `key` is the one in JSON."""

    ask: str
    done: str
    failed: str
    key: str


_CONTAINED = Words(ask="Contain {}", done="Contained", failed="Not contained", key="contained")

ForOption = Annotated[
    str, typer.Option("--for", help="For how long: 30m, 2h, 1d; the firewall ends it by itself")
]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; on record, and plans show it")]
CutOption = Annotated[
    bool,
    typer.Option("--cut-essential", help="Also what must never be contained, or is essential"),
]
ForgetOption = Annotated[
    bool, typer.Option("--until-restart", help="Let it end where a firewall restarts")
]
ApproveOption = Annotated[bool, typer.Option("--auto-approve", help="Do not ask after the preview")]


@contain_app.command("host", cls=Command, epilog=epilog("contain host"))
def host(
    context: typer.Context,
    address: Annotated[str, typer.Argument(help="An address of a zone of the inventory")],
    *,
    for_: ForOption,
    reason: ReasonOption,
    cut_essential: CutOption = False,
    until_restart: ForgetOption = False,
    auto_approve: ApproveOption = False,
) -> int:
    """Cut one address off; exit 1 unless it is contained on every firewall of its paths."""
    return _contain(
        context,
        ContainOptions(
            kind="host",
            name=address,
            seconds=seconds_of(for_),
            reason=reason,
            cut_essential=cut_essential,
            persistent=not until_restart,
        ),
        auto_approve=auto_approve,
    )


@contain_app.command("asset", cls=Command, epilog=epilog("contain asset"))
def asset(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="An asset of the inventory, or zone/asset")],
    *,
    for_: ForOption,
    reason: ReasonOption,
    cut_essential: CutOption = False,
    until_restart: ForgetOption = False,
    auto_approve: ApproveOption = False,
) -> int:
    """Cut an asset off, with all its addresses; exit 1 unless it is contained everywhere."""
    return _contain(
        context,
        ContainOptions(
            kind="asset",
            name=name,
            seconds=seconds_of(for_),
            reason=reason,
            cut_essential=cut_essential,
            persistent=not until_restart,
        ),
        auto_approve=auto_approve,
    )


@contain_app.command("zone", cls=Command, epilog=epilog("contain zone"))
def zone(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A zone of the inventory")],
    *,
    for_: ForOption,
    reason: ReasonOption,
    cut_essential: CutOption = False,
    until_restart: ForgetOption = False,
    auto_approve: ApproveOption = False,
) -> int:
    """Cut a zone off, with all its networks; exit 1 unless it is contained everywhere."""
    return _contain(
        context,
        ContainOptions(
            kind="zone",
            name=name,
            seconds=seconds_of(for_),
            reason=reason,
            cut_essential=cut_essential,
            persistent=not until_restart,
        ),
        auto_approve=auto_approve,
    )


@contain_app.command("list", cls=Command, epilog=epilog("contain list"))
def list_(context: typer.Context) -> int:
    """List who is contained on which firewall, until when, by whom and why; changes nothing."""
    settings, display = given_to(context)
    rows = contained.listed(settings, display)
    print_result(settings, {"items": list(map(row_json, rows))}, list_lines(rows))
    return ERROR if any(row.gap for row in rows) else OK


@contain_app.command("status", cls=Command, epilog=epilog("contain status"))
def status(
    context: typer.Context,
    *,
    heal: Annotated[
        bool, typer.Option("--heal", help="Contain again where a firewall has lost it")
    ] = False,
) -> int:
    """Compare what is on record with what firewalls hold; exit 1 where one does not contain."""
    settings, display = given_to(context)
    wanted, gaps = contained.status(settings, display, heal=heal)
    own = contained.by_themselves(settings, display)
    document = status_json(wanted, gaps) | {"by_themselves": list(map(row_json, own))}
    print_result(settings, document, (*status_lines(wanted, gaps), *_own_text(own)))
    return ERROR if gaps else OK


@contain_app.command("watch", cls=Command, epilog=epilog("contain watch"))
def watch(
    context: typer.Context,
    *,
    every: Annotated[
        str, typer.Option("--every", metavar="DURATION", help="How long to wait between two looks")
    ] = "60s",
    heal: Annotated[
        bool, typer.Option("--heal", help="Contain again where a firewall has lost it, and go on")
    ] = False,
) -> int:
    """Look again and again until nobody is contained; exit 1 where a firewall does not contain."""
    settings, display = given_to(context)
    pause = duration_of("--every", every, unit="s", least=1)
    shown: tuple[Standing, ...] = ()
    while True:
        wanted, gaps = contained.status(settings, display, heal=heal)
        if gaps or not wanted:
            print_result(settings, status_json(wanted, gaps), status_lines(wanted, gaps))
            return ERROR if gaps else OK
        if wanted != shown and not settings.json:
            print_lines(status_lines(wanted, ()))
            sys.stdout.flush()  # whoever reads it may be a pipe
        shown = wanted
        time.sleep(pause)


@contain_app.command("release", cls=Command, epilog=epilog("contain release"))
def release(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The address, asset or zone to let go")],
    *,
    reason: ReasonOption = "",
) -> int:
    """Let an address, an asset or a zone go; exit 1 where a firewall still contains it."""
    settings, display = given_to(context)
    left = contained.release(settings, name, reason, display)
    print_result(
        settings,
        {"released": not left, "gaps": list(map(row_json, left))},
        left_lines(left, f"Released: {name}."),
    )
    return ERROR if left else OK


def seconds_of(text: str) -> int:
    """Return the seconds that ``--for`` says."""
    return int(duration_of("--for", text, unit="s", least=60))


def _contain(context: typer.Context, options: ContainOptions, *, auto_approve: bool) -> int:
    return carry_out(context, options, containing.preview, _CONTAINED, auto_approve=auto_approve)


def carry_out(
    context: typer.Context,
    options: ContainOptions,
    preview: Previewing,
    words: Words,
    *,
    auto_approve: bool,
) -> int:
    """Preview, ask, cut off, and tell how it went; return the exit status."""
    settings, display = given_to(context)
    if not auto_approve and (settings.json or not sys.stdin.isatty()):
        raise UsageError("nobody can be asked here: give --auto-approve, or run it at a terminal")
    seen = preview(settings, options, display)
    if not settings.json:
        print_lines(_previewed(seen))
    if not auto_approve and not approved(
        f"{words.ask.format(options.name)}? Only 'yes' is accepted"
    ):
        raise UsageError("nothing was done")
    done = containing.perform(settings, seen, display)
    print_result(settings, _document(seen, done, words), _done(words, seen, done))
    return ERROR if any(one.open for one in done) else OK


# --- as JSON -------------------------------------------------------------------------------------


def _document(seen: Preview, done: Iterable[Contained], words: Words) -> dict[str, Any]:
    results = [
        {
            "device": one.device,
            words.key: not one.open,
            "open": list(one.open),
            "notes": list(one.notes),
            "sessions_ended": one.ended,
            "sessions_kept": one.kept,
        }
        for one in done
    ]
    return {
        words.key: all(one[words.key] for one in results),
        "containment": seen.order.note.id,
        "name": seen.options.name,
        "kind": seen.options.kind,
        "zone": seen.zone,
        **({"above": list(seen.above)} if seen.above else {}),
        "addresses": list(seen.order.texts),
        "until": seen.order.note.until.isoformat(timespec="seconds"),
        "reason": seen.options.reason,
        "flows": [
            {
                "conduit": one.conduit,
                "flow": one.flow,
                "essential": one.essential,
                "survives": one.survives,
            }
            for one in seen.flows
        ],
        "devices": results,
    }


def row_json(row: Row) -> dict[str, Any]:
    """Return a row of a list, or a gap."""
    return {"device": row.device, "address": row.address, "words": row.words, "gap": row.gap}


def status_json(wanted: Iterable[Standing], gaps: Iterable[Row]) -> dict[str, Any]:
    """Return what is on record, and the gaps."""
    return {
        "containments": list(map(standing_json, wanted)),
        "gaps": list(map(row_json, gaps)),
    }


def standing_json(one: Standing) -> dict[str, Any]:
    """Return what is on record."""
    return {
        "containment": one.id,
        "name": one.name,
        "addresses": list(one.addresses),
        "devices": list(one.devices),
        "until": one.until.isoformat(timespec="seconds"),
        "by": one.by,
        "reason": one.reason,
    }


# --- as text -------------------------------------------------------------------------------------


def print_result(settings: Settings, document: dict[str, Any], lines: Iterable[Line]) -> None:
    """Print a result as JSON or as text."""
    if settings.json:
        print_json({"format_version": _FORMAT, **document}, lines=settings.json_lines)
    else:
        print_lines(lines)


def _previewed(seen: Preview) -> Iterator[Line]:
    from segctl.report import Line

    yield Line(lead=seen.options.name, text=f" ({', '.join(seen.order.texts)})", lead_style="bold")
    if seen.above:
        yield Line(lead="  cut off from ", text=", ".join(seen.above))
    for one in seen.flows:
        what = "goes on" if one.survives else "is cut"
        style = "red" if one.essential and not one.survives else ""
        kind = "essential flow" if one.essential else "flow"
        yield Line(lead=f"  {kind} {one.conduit}.{one.flow} ", text=what, style=style)
    for look in seen.looks:
        if look.gap:
            yield Line(lead=f"  {look.device.name}: ", text=look.gap, style="red")
            continue
        yield Line(
            lead=f"  {look.device.name}: ",
            text=f"{len(look.ending)} sessions are ended, {len(look.kept)} go on",
        )
        for session in look.ending[:_SHOWN]:
            yield Line(text=f"    {session} is ended")
        if len(look.ending) > _SHOWN:
            yield Line(text=f"    and {len(look.ending) - _SHOWN} more")
        for text in look.silent:
            yield Line(text=f"    {text}", style="red")


def _done(words: Words, seen: Preview, done: Iterable[Contained]) -> Iterator[Line]:
    from segctl.report import Line

    failed = False
    for one in done:
        failed = failed or bool(one.open)
        word = words.failed.lower() if one.open else words.done.lower()
        yield Line(
            lead=f"{one.device}: ",
            text=f"{word}; {one.ended} sessions ended, {one.kept} go on",
            style="red" if one.open else "green",
        )
        for text in one.open:
            yield Line(text=f"  {text}", style="red")
        for text in one.notes:
            yield Line(text=f"  {text}", style="dim")
    name = seen.options.name
    who = name if seen.above else f"{seen.options.kind} {name}"
    if failed:
        text = f"{words.failed}: {who}. What is open is named above."
        yield Line(text=text, style="red")
    else:
        text = f"{words.done}: {who} {seen.order.note.words}."
        yield Line(text=text, style="green")


def list_lines(rows: Iterable[Row], nobody: str = "Nobody is contained.") -> Iterator[Line]:
    """Yield who is cut off on which firewall."""
    from segctl.report import Line

    none = True
    for row in rows:
        none = False
        text = f"{row.island} {row.address} {row.words}".strip()
        yield Line(lead=f"{row.device}: ", text=f"{text}{'; ' * bool(text and row.gap)}{row.gap}")
    if none:
        yield Line(text=nobody)


def status_lines(
    wanted: Iterable[Standing],
    gaps: Iterable[Row],
    nothing: str = "No containment on record holds.",
) -> Iterator[Line]:
    """Yield what is on record, and the gaps."""
    from segctl.report import Line

    none = True
    for one in wanted:
        none = False
        until = one.until.strftime("%Y-%m-%d %H:%M UTC")
        yield Line(lead=one.name, text=f" until {until} by {one.by}: {one.reason}")
    if none:
        yield Line(text=nothing)
    for row in gaps:
        yield Line(lead=f"  {row.device}: ", text=f"{row.address} {row.gap}".strip(), style="red")


def _own_text(rows: Iterable[Row]) -> Iterator[Line]:
    from segctl.report import Line

    for row in rows:
        yield Line(lead=f"{row.device}: ", text=f"{row.address} is contained {row.words}")


def left_lines(left: Iterable[Row], done: str) -> Iterator[Line]:
    """Yield what is left, or that all is done."""
    from segctl.report import Line

    none = True
    for row in left:
        none = False
        yield Line(lead=f"{row.device}: ", text=f"{row.address} {row.gap}".strip(), style="red")
    if none:
        yield Line(text=done, style="green")
