"""``segctl mock serve``, ``segctl mock traffic`` and ``segctl demo``."""

from __future__ import annotations

import shlex
import sys
from contextlib import ExitStack
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segctl.cli.app import app, mock_app
from segctl.cli.completion import Command
from segctl.cli.examples import epilog
from segctl.cli.interrupts import until_stopped
from segctl.cli.options import given_to, settings_of
from segctl.cli.screen import print_json, say, tell
from segctl.model.errors import UsageError
from segctl.operations.files import check
from segctl.operations.loading import load_inventory, today
from segctl.system import storage
from segctl.system.handed import read_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segctl_mocks import Fleet


@mock_app.command("serve", cls=Command, epilog=epilog("mock serve"))
def mock_serve(
    context: typer.Context,
    *,
    state: Annotated[
        Path | None, typer.Option("--state", help="Folder that keeps the mocks' state")
    ] = None,
    endpoints: Annotated[
        Path | None,
        typer.Option(
            "--endpoints", help="Write the inventory overlay here; it overrides host_vars"
        ),
    ] = None,
    config: Annotated[
        list[str] | None,
        typer.Option(
            "--config",
            metavar="HOST=FILE",
            help="Start this host with an exported configuration; repeatable",
        ),
    ] = None,
    pushed: Annotated[
        list[str] | None,
        typer.Option(
            "--pushed",
            metavar="HOST=FILE",
            help="Let a Panorama have pushed this to the host: an answer to show config "
            "pushed-shared-policy or pushed-template; repeatable",
        ),
    ] = None,
    traffic: Annotated[
        Path | None,
        typer.Option(
            "--traffic",
            help="Let firewalls answer questions about logs, reports, hit counts and sessions from "
            "this traffic.jsonl of segctl mock traffic",
        ),
    ] = None,
    multi_vsys: Annotated[
        list[str] | None,
        typer.Option(
            "--multi-vsys",
            metavar="HOST",
            help="Let this host be of a model with several virtual systems; repeatable",
        ),
    ] = None,
) -> None:
    """Serve a mock device for every firewall of the inventory, until stopped."""
    from segctl.operations.demo import astray, fleet

    settings, display = given_to(context)
    kept = _state_folder(state) if state is not None else None
    written = check(endpoints, "") if endpoints is not None else None
    configs = dict(_files(config or (), "--config"))
    answers = _files(pushed or (), "--pushed")
    loaded = load_inventory(settings, display)
    with ExitStack() as stack:
        try:
            running = stack.enter_context(
                fleet(
                    loaded,
                    today(),
                    state=kept,
                    overlay=written,
                    configs=configs,
                    pushed=answers,
                    multi_vsys=multi_vsys or (),
                    traffic=traffic,
                )
            )
        except ValueError as error:
            given = {
                "--config": configs,
                "--pushed": answers,
                "--multi-vsys": multi_vsys,
                "--traffic": traffic,
            }
            hint = " / ".join(option for option, value in given.items() if value)
            raise typer.BadParameter(str(error), param_hint=hint or "--config") from error
        overlay = endpoints or running.overlay
        settings_with = replace(settings, inventory=(*settings.sources, overlay))
        if wrong := list(astray(running, load_inventory(settings_with, display))):
            raise UsageError(
                f"with {overlay}, commands would not reach the mocks: {'; '.join(wrong)}"
            )
        with until_stopped():
            _announce(running, [*settings.sources, overlay])


def _announce(running: Fleet, sources: Sequence[Path]) -> None:
    served = running.everything.items()
    names = ", ".join(f"{name} 127.0.0.1:{mock.port}" for name, mock in served)
    say(f"serving {names}")
    for name in running.nowhere:
        tell(f"segctl: {name}: segctl has no mock of its platform, so the overlay leads nowhere")
    words = (word for path in sources for word in ("-i", str(path)))
    say(f"use them with: {shlex.join(words)}")
    sys.stdout.flush()


@mock_app.command("traffic", cls=Command, epilog=epilog("mock traffic"))
def mock_traffic(
    context: typer.Context,
    *,
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder for the files, which is new or empty")
    ],
    plant: Annotated[
        str,
        typer.Option(
            "--plant",
            metavar="NAME|FILE",
            help="A plant that comes with the mocks, or a file that describes one",
        ),
    ] = "waterworks",
    seed: Annotated[int, typer.Option("--seed", help="The same seed makes the same bytes")] = 1,
    days: Annotated[int, typer.Option("--days", help="How many days")] = 14,
    start: Annotated[
        str, typer.Option("--start", metavar="DATE", help="The first day")
    ] = "2026-11-02",
    form: Annotated[
        list[str] | None,
        typer.Option(
            "--form",
            metavar="FORM",
            help="Only this form of log, panos-syslog or zeek for example; repeatable [all]",
        ),
    ] = None,
    busy: Annotated[
        float, typer.Option("--busy", help="So many times as many sessions as the plant says")
    ] = 1.0,
    gzip: Annotated[bool, typer.Option("--gzip", help="Compress all logs but traffic.jsonl")] = (
        False
    ),
) -> None:
    """Write seeded logs of days of a plant's traffic, and what it really was."""
    from segctl.operations.mock_traffic import Order, make_traffic

    settings = settings_of(context)
    order = Order(
        plant=plant,
        seed=seed,
        days=days,
        start=_date(start),
        forms=form or (),
        busy=busy,
        compress=gzip,
    )
    lines = make_traffic(order, out)
    if settings.json:
        document = {"format_version": "1.0", "folder": str(out), "lines": dict(lines)}
        print_json(document, lines=settings.json_lines)
        return
    for name, count in lines.items():
        say(f"{count:>10}  {name}")
    say(f"what it really was: {out / 'truth.json'}")


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        message = f"{text!r} is not a date such as 2026-11-02"
        raise typer.BadParameter(message, param_hint="--start") from error


def _state_folder(folder: Path) -> Path:
    """Return the folder of the mocks' state, made where it is missing, without links.

    Raises:
        UsageError: others can write to it, and so decide what the mocks hold.
    """
    try:
        storage.make_folder(folder)
        return storage.check(folder / "ports.json", alone=True).parent
    except OSError as error:
        raise UsageError(f"cannot keep state in {folder}: {error.strerror}") from error


def _files(given: Sequence[str], option: str) -> list[tuple[str, bytes]]:
    """Return what is in files given as ``HOST=FILE``, with the host of each."""
    found: list[tuple[str, bytes]] = []
    for text in given:
        host, equals, path = text.partition("=")
        if not (host and equals and path):
            message = f"{text!r} is not HOST=FILE"
            raise typer.BadParameter(message, param_hint=option)
        found.append((host, read_bytes(Path(path))))
    return found


@app.command(cls=Command, epilog=epilog("demo"))
def demo(
    context: typer.Context,
    *,
    panorama: Annotated[
        bool,
        typer.Option(
            "--panorama",
            help="Of firewalls behind a Panorama: a push that fails on one, drift, waves",
        ),
    ] = False,
) -> int:
    """Tell the whole story on mock firewalls: plan, apply, a change by hand, drift, repair."""
    from segctl.cli import run
    from segctl.operations.demo import story

    settings = settings_of(context)
    if panorama and settings.inventory:
        raise UsageError("--panorama tells of a plant of its own: leave the inventory out")
    return story(run, _tell, today(), settings.inventory or None, panorama=panorama)


def _tell(text: str) -> None:
    """Write a part of the story at once: what commands print comes between."""
    say(text)
    sys.stdout.flush()
