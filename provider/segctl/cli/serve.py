"""``segctl serve``: the plant in a browser, live and read-only."""

from __future__ import annotations

import signal
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segctl.cli.app import app
from segctl.cli.completion import Command
from segctl.cli.examples import epilog
from segctl.cli.exits import ERROR, OK
from segctl.cli.options import (
    AnswersOption,
    OneSiteOption,
    PastOption,
    duration_of,
    given_to,
)
from segctl.cli.screen import tell
from segctl.model.durations import format_duration
from segctl.model.errors import UsageError
from segctl.operations.loading import load_inventory, watched
from segctl.operations.site import SiteOptions, refuse_broken

if TYPE_CHECKING:
    from segctl.web.refresh import Refresh
    from segctl.web.server import Server

#: Seconds that sessions with firewalls, and answers under way, get when it ends.
_GRACE = 10.0


@app.command(cls=Command, epilog=epilog("serve"))
def serve(
    context: typer.Context,
    *,
    listen: Annotated[
        str,
        typer.Option(
            "--listen",
            metavar="ADDRESS:PORT|unix:PATH",
            help="Where browsers, or a proxy, reach it",
        ),
    ] = "127.0.0.1:8080",
    every: Annotated[
        str, typer.Option("--every", metavar="DURATION", help="How often firewalls are read")
    ] = "5m",
    name: Annotated[
        list[str] | None,
        typer.Option(
            "--name", metavar="HOST", help="A name by which browsers reach it; repeatable"
        ),
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option("--tls-cert", metavar="FILE", help="Certificate, with its chain")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option("--tls-key", metavar="FILE", help="Key of the certificate")
    ] = None,
    password_file: Annotated[
        Path | None,
        typer.Option(
            "--password-file", metavar="FILE", help="Who may look: users as htpasswd -B makes them"
        ),
    ] = None,
    behind_proxy: Annotated[
        str,
        typer.Option(
            "--behind-proxy", metavar="HEADER", help="Header in which a proxy says who asks"
        ),
    ] = "",
    proxy_user: Annotated[
        str,
        typer.Option(
            "--proxy-user", metavar="ACCOUNT", help="Who alone may connect to a unix socket"
        ),
    ] = "",
    proxy_ca: Annotated[
        Path | None,
        typer.Option(
            "--proxy-ca", metavar="FILE", help="Authority of the proxy's certificate, of its own"
        ),
    ] = None,
    site: OneSiteOption = "",
    baseline: Annotated[
        Path | None,
        typer.Option("--baseline", metavar="FILE", help="Known drift, which does not count"),
    ] = None,
    checks: AnswersOption = None,
    history: PastOption = None,
) -> int:
    """Serve the plant on one page: drift as it is now, and answers; never writes to a device."""
    _needed()
    from segctl.web.listening import Listening
    from segctl.web.refresh import Refresh
    from segctl.web.server import Server

    settings, display = given_to(context)
    if settings.json:
        raise UsageError("serve prints no document: ask it for /status.json")
    pause = duration_of("--every", every, unit="s", least=1)
    listening = Listening(
        address=listen,
        names=tuple(name or ()),
        certificate=tls_cert,
        key=tls_key,
        passwords=password_file,
        user_header=behind_proxy,
        proxy_user=proxy_user,
        proxy_ca=proxy_ca,
    )
    listening.check()
    options = SiteOptions(site=site, live=True, checks=checks, history=history, baseline=baseline)
    loaded = load_inventory(settings, display)
    watched(loaded)  # what is broken from the beginning is not served
    refuse_broken(settings, loaded, options)
    refresh = Refresh(settings, options, every=pause, log=tell)
    server = Server(listening, refresh, tell)
    tell(f"segctl: serving {server.url}, firewalls are read every {format_duration(pause)}")
    return _until_stopped(server, refresh)


def _until_stopped(server: Server, refresh: Refresh) -> int:
    """Serve until Ctrl-C or a cancel; one more ends it at once."""
    with suppress(KeyboardInterrupt):
        server.start()
        refresh.start()
        while server.alive:
            time.sleep(0.5)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    stopped = server.alive
    tell("segctl: stopping" if stopped else "segctl: the server has ended by itself")
    refresh.stop()
    server.stop()
    until = time.monotonic() + _GRACE
    ended = server.join(_GRACE) and refresh.join(max(0.0, until - time.monotonic()))
    if not ended:
        tell("segctl: left without waiting for what was still being read")
    return OK if stopped else ERROR


def _needed() -> None:
    """Refuse where the extra is not installed.

    Raises:
        UsageError: it is not.
    """
    try:
        import_module("tornado")
    except ImportError as error:
        raise UsageError(
            f"serve needs tornado, which is not installed ({error}): pip install 'segctl[serve]'"
        ) from error
