"""What becomes of a drift check besides its report: history, metrics, notices.

None of it changes the exit status: what cannot be recorded or sent is a warning.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from segctl.model.errors import SegctlError, UsageError
from segctl.model.site import group_name
from segctl.operations.files import check, save
from segctl.operations.loading import intent, today

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Engine

    from segctl.drift.history import Recorded, Run
    from segctl.drift.report import DriftReport
    from segctl.inventory import Loaded
    from segctl.notify import Message, Template
    from segctl.operations.options import CommonOptions
    from segctl.operations.progress import Progress
    from segctl.planning.plan import Plan
    from segctl.transports.credentials import Secret

#: When notices are sent.
NOTIFY = ("on-change", "on-drift", "always")


@dataclass(frozen=True, slots=True, kw_only=True)
class Channels:
    """Where a run is recorded and told; without `history` nowhere."""

    environment: str
    history: Secret | None
    keep_days: int
    metrics: Path | None
    pushgateway: Secret | None
    plan: Path | None
    webhooks: tuple[Secret, ...]
    template: Template | None
    notify: str
    patience: float = 0.0

    @property
    def compares(self) -> bool:
        """Whether notices are sent of what has changed since the history was last asked."""
        return self.notify == "on-change" and self.history is not None and bool(self.webhooks)

    @classmethod
    def none(cls) -> Channels:
        """Return no channel at all."""
        return cls(
            environment="",
            history=None,
            keep_days=0,
            metrics=None,
            pushgateway=None,
            plan=None,
            webhooks=(),
            template=None,
            notify="",
        )

    @classmethod
    def of(
        cls,
        *,
        environment: str,
        history: str | None,
        no_history: bool,
        keep_days: int,
        metrics: Path | None,
        pushgateway: str | None,
        plan: Path | None,
        webhooks: Sequence[str],
        template: str,
        notify: str,
    ) -> Channels:
        """Return the channels that are asked for, everything that is wrong with them told first.

        Raises:
            UsageError: it asks for what cannot be.
        """
        if notify not in NOTIFY:
            raise UsageError(f"--notify {notify!r}: choose {', '.join(NOTIFY)}")
        if no_history and history:
            raise UsageError("--history and --no-history exclude each other")
        if metrics is not None and not metrics.is_dir():  # that one is a warning, in the end
            check(metrics)
        gateway = pushgateway or os.environ.get("SEGCTL_PUSHGATEWAY")
        if plan is not None and metrics is None and not gateway:
            raise UsageError("--plan goes with --metrics or --pushgateway")
        addresses = _webhooks(webhooks)
        if addresses and no_history and notify == "on-change":
            raise UsageError(
                "--notify on-change compares with the history: "
                "choose on-drift or always, or leave --no-history out"
            )
        from segctl.drift.history.location import locate
        from segctl.drift.history.patience import patience
        from segctl.report.document import DEFAULT_ENVIRONMENT
        from segctl.transports.credentials import Secret

        return cls(
            environment="" if environment == DEFAULT_ENVIRONMENT else environment,
            history=None if no_history else locate(history),
            patience=patience(),
            keep_days=keep_days,
            metrics=metrics,
            pushgateway=Secret(gateway) if gateway else None,
            plan=plan,
            webhooks=addresses,
            template=_template(template) if addresses or template != "generic" else None,
            notify=notify,
        )


def _webhooks(given: Sequence[str]) -> tuple[Secret, ...]:
    from segctl.transports.credentials import Secret, secret_in

    if given:
        return tuple(map(Secret, given))
    if text := os.environ.get("SEGCTL_WEBHOOK"):
        return tuple(map(Secret, text.split()))
    if name := os.environ.get("SEGCTL_WEBHOOK_FILE"):
        return tuple(map(Secret, secret_in(Path(name), "SEGCTL_WEBHOOK_FILE").reveal().split()))
    return ()


def _template(name: str) -> Template:
    from segctl.notify import template

    return template(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A run's times and environments; `name` is that of all its environments."""

    started: datetime
    finished: datetime
    environments: Mapping[str, str]
    name: str


def past_of(channels: Channels, report: DriftReport, loaded: Loaded, started: datetime) -> Past:
    """Return when and of what environments a run was."""
    environments = _environments(channels.environment, loaded)
    told = {environments[device.name] for device in report.devices}
    return Past(
        started=started,
        finished=datetime.now(UTC),
        environments=environments,
        name=", ".join(sorted(told)),
    )


def _environments(given: str, loaded: Loaded) -> dict[str, str]:
    """Return every firewall's environment: as given, or the sites whose zones it parts."""
    sites: dict[str, set[str]] = {}
    for device in loaded.site.devices:
        for name in (device.name, *([group_name(device)] if device.group else [])):
            of_zones = {binding.zone.partition("/")[0] for binding in device.zones}
            sites.setdefault(name, set()).update(of_zones)
    return {name: given or ",".join(sorted(found)) for name, found in sites.items()}


def publish(
    channels: Channels,
    report: DriftReport,
    loaded: Loaded,
    past: Past,
    progress: Progress,
) -> None:
    """Write and send metrics, and send the notices that ask no history."""
    if channels.metrics is not None or channels.pushgateway is not None:
        _publish_metrics(channels, report, loaded, past, progress)
    if channels.compares or not channels.webhooks:
        return
    message = _message(report, past, None)
    if channels.notify == "always" or message.status != "in_sync":
        deliver_all(channels, message, progress)


def remember(
    channels: Channels,
    report: DriftReport,
    common: CommonOptions,
    loaded: Loaded,
    past: Past,
    *,
    progress: Progress,
) -> None:
    """Record a run in the history, then send the notices that ask it.

    Where the history does not answer in time, what has drifted is told all the same.
    """
    if channels.history is None:
        return
    import platform

    from segctl.drift.history import run_of

    run = run_of(
        report,
        past.environments,
        started=past.started,
        finished=past.finished,
        runner=platform.node(),
        commit=intent(common, loaded).git_commit,
    )
    recorded = _record(channels, channels.history, run, progress)
    for name in recorded.replaced if recorded else ():
        progress.note(
            f"{name} has another serial number than on record: a new device, or another "
            "inventory with the same names: keep them apart with --env"
        )
    if not channels.compares:
        return
    message = _message(report, past, recorded)
    if recorded is None:
        if message.status != "in_sync":
            deliver_all(channels, message, progress)
        return
    for address in channels.webhooks:
        _tell_of_change(channels, channels.history, address, message, past, progress=progress)


def _record(channels: Channels, history: Secret, run: Run, progress: Progress) -> Recorded | None:
    from segctl.drift.history import consult, record

    try:
        return consult(
            history,
            lambda engine: record(engine, run, keep_days=channels.keep_days),
            seconds=channels.patience,
        )
    except SegctlError as error:
        progress.warn(f"the run is not on record: {error}")
        return None


# --- metrics -------------------------------------------------------------------------------------


def _publish_metrics(
    channels: Channels,
    report: DriftReport,
    loaded: Loaded,
    past: Past,
    progress: Progress,
) -> None:
    from segctl.notify.metrics import collect, exposition, push

    registry = collect(
        report,
        loaded.site.conduits,
        environment=past.name,
        started=past.started,
        finished=past.finished,
        today=today(),
        plan=_waiting_plan(channels.plan, progress),
    )
    try:
        if channels.metrics is not None:
            save(channels.metrics, exposition(registry), mode=0o644)
    except SegctlError as error:
        progress.warn(f"no metrics written: {error}")
    try:
        if channels.pushgateway is not None:
            push(registry, channels.pushgateway, past.name)
    except SegctlError as error:
        progress.warn(f"no metrics pushed: {error}")


def _waiting_plan(file: Path | None, progress: Progress) -> Plan | None:
    """Return the saved plan, if there is one: that none waits is nothing wrong."""
    if file is None or not file.exists():
        return None
    from segctl.planning.documents import load_plan

    try:
        return load_plan(file)
    except SegctlError as error:
        progress.warn(f"no metrics of the plan: {error}")
        return None


# --- notices -------------------------------------------------------------------------------------


def _message(report: DriftReport, past: Past, recorded: Recorded | None) -> Message:
    from segctl.notify import message_of

    return message_of(
        report,
        environment=past.name,
        time=past.finished.replace(microsecond=0).isoformat(),
        new=frozenset(recorded.new) if recorded else (),
        resolved=len(recorded.resolved) if recorded else 0,
    )


def _tell_of_change(
    channels: Channels,
    history: Secret,
    address: Secret,
    message: Message,
    past: Past,
    *,
    progress: Progress,
) -> None:
    """Tell one recipient what stands, unless it knows that already."""
    import hashlib

    from segctl.drift.history import claim, consult, give_back, standing

    recipient = hashlib.sha256(f"{address.reveal()}\0{past.name}".encode()).hexdigest()
    now = past.finished

    def ask(engine: Engine) -> tuple[str, str | None]:
        digest = standing(engine, past.environments.values()).digest
        return digest, claim(engine, recipient, digest, now)

    try:
        digest, before = consult(history, ask, seconds=channels.patience)
    except SegctlError as error:
        progress.warn(f"it is not on record who knows of the drift: {error}")
        if message.status != "in_sync":
            _deliver(channels, address, message, progress)
        return
    if before is None:
        return
    delivered = _deliver(channels, address, message, progress)
    try:
        consult(
            history,
            lambda engine: give_back(
                engine, recipient, digest, now, delivered=delivered, before=before
            ),
            seconds=channels.patience,
        )
    except SegctlError as error:
        progress.warn(f"it is not on record who knows of the drift: {error}")


def deliver_all(channels: Channels, message: Message, progress: Progress) -> bool:
    """Send a notice to everybody who is to have it; what fails is a warning, and returns False."""
    done = [_deliver(channels, address, message, progress) for address in channels.webhooks]
    return all(done)


def _deliver(channels: Channels, address: Secret, message: Message, progress: Progress) -> bool:
    from segctl.notify.sending import send

    if channels.template is None:
        return False
    body = channels.template(message)
    try:
        send(address, body, headers={"Content-Type": "application/json; charset=utf-8"})
    except SegctlError as error:
        progress.warn(f"a notice was not delivered: {error}")
        return False
    return True
