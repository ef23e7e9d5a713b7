"""``segctl watch``: records judged, and containment proposed or done."""

from __future__ import annotations

import hashlib
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segctl.cli.app import app
from segctl.cli.completion import Command
from segctl.cli.examples import epilog
from segctl.cli.exits import ERROR, OK
from segctl.cli.options import (
    FromDevicesOption,
    TimezoneOption,
    duration_of,
    given_to,
    since_of,
)
from segctl.cli.screen import print_json, print_lines, tell
from segctl.model.errors import JournalError, UsageError
from segctl.operations import watch as judging
from segctl.operations.publishing import Channels, deliver_all
from segctl.operations.watch import WatchOptions
from segctl.planning.watched import Told

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from segctl.cli.arguments import Settings
    from segctl.cli.display import Display

_NEWS = frozenset({"contained", "not_contained", "proposed"})


@app.command(cls=Command, epilog=epilog("watch"))
def watch(
    context: typer.Context,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE…]",
            help="Records of threats and traffic; folders are walked, - is standard input",
        ),
    ] = None,
    *,
    from_devices: FromDevicesOption = False,
    since: Annotated[
        str,
        typer.Option(
            "--since",
            metavar="TIME",
            help="Leave out older records: a date, or 30m for half an hour",
        ),
    ] = "1h",
    timezone: TimezoneOption = "",
    act: Annotated[
        bool, typer.Option("--act", help="Contain, where segctl_containment.act names the kind")
    ] = False,
    for_: Annotated[
        str, typer.Option("--for", metavar="DURATION", help="For how long somebody is contained")
    ] = "1h",
    every: Annotated[
        str, typer.Option("--every", metavar="DURATION", help="Look again and again, after a pause")
    ] = "",
    once: Annotated[bool, typer.Option("--once", help="Look once, as without --every")] = False,
    acknowledge: Annotated[
        bool,
        typer.Option("--acknowledge", help="Say that you looked at what it did; it may act again"),
    ] = False,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="With --acknowledge: what you found")
    ] = "",
    webhook: Annotated[
        list[str] | None,
        typer.Option(
            "--webhook",
            metavar="URL",
            help="Where notices go; repeatable [SEGCTL_WEBHOOK, SEGCTL_WEBHOOK_FILE]",
        ),
    ] = None,
    webhook_template: Annotated[
        str,
        typer.Option(
            "--webhook-template", metavar="slack|teams|generic|FILE", help="Form of a notice"
        ),
    ] = "generic",
) -> int:
    """Judge records of threats and traffic, and propose whom to contain, or contain them."""
    settings, display = given_to(context)
    if acknowledge:
        return _acknowledged(settings, reason)
    if every and once:
        raise UsageError("--every and --once exclude each other")
    if every and "-" in (files or ()):
        raise UsageError("--every reads again and again, which standard input cannot: name files")
    pause = duration_of("--every", every, unit="s", least=1) if every else 0.0
    channels = _channels(webhook or (), webhook_template)
    seen: frozenset[Told] = frozenset()
    while True:
        now = datetime.now(UTC).timestamp()
        options = WatchOptions(
            files=tuple(files or ()),
            from_devices=from_devices,
            now=now,
            since=since_of(since, now),
            timezone=timezone or None,
            act=act,
            seconds=int(duration_of("--for", for_, unit="s", least=60)),
        )
        document = _looked(settings, options, display)
        news = _news(document)
        _notify(channels, document, news - seen, display)
        last = not every or "error" in document
        if last:
            _print(settings, document)
            return ERROR if "error" in document else OK
        if news != seen and not settings.json:
            _print(settings, document)
            sys.stdout.flush()  # whoever reads it may be a pipe
        seen = news
        time.sleep(pause)


def _looked(settings: Settings, options: WatchOptions, display: Display) -> dict[str, Any]:
    from segctl.report.watch import watch_json

    return watch_json(judging.watch(settings, options, display), act=options.act)


def _acknowledged(settings: Settings, reason: str) -> int:
    judging.acknowledge(reason)
    if settings.json:
        print_json({"format_version": "1.0", "acknowledged": True}, lines=settings.json_lines)
    else:
        tell("On record. segctl watch --act may act again.")
    return OK


def _print(settings: Settings, document: Mapping[str, Any]) -> None:
    from segctl.report.watch import watch_text

    if settings.json:
        print_json(document, lines=settings.json_lines)
    else:
        print_lines(watch_text(document))


def _channels(webhooks: Sequence[str], template: str) -> Channels:
    return Channels.of(
        environment="",
        history=None,
        no_history=True,
        keep_days=1,
        metrics=None,
        pushgateway=None,
        plan=None,
        webhooks=webhooks,
        template=template,
        notify="always",
    )


def _news(document: Mapping[str, Any]) -> frozenset[Told]:
    return frozenset(
        Told(one["address"], one["sign"], one["state"])
        for one in document["items"]
        if one["state"] in _NEWS
    )


def _notify(
    channels: Channels, document: Mapping[str, Any], news: Collection[Told], display: Display
) -> None:
    """Tell each who is to know of what is new, and of what no look before this one told them."""
    for address in channels.webhooks:
        recipient = hashlib.sha256(address.reveal().encode()).hexdigest()
        fresh = frozenset(news) - judging.told(recipient)
        if not fresh:
            continue
        from segctl.notify import watch_message
        from segctl.report.watch import headline, notice_lines

        states = {one.state for one in fresh}
        status = next(one for one in ("not_contained", "proposed", "contained") if one in states)
        when = datetime.now(UTC).replace(microsecond=0).isoformat()
        message = watch_message(
            status, headline(document), notice_lines(document), environment="", time=when
        )
        if not deliver_all(replace(channels, webhooks=(address,)), message, display):
            continue
        try:
            judging.notified(fresh, recipient)
        except JournalError as error:
            display.warn(f"it is not on record who was told, and will be told again: {error}")
