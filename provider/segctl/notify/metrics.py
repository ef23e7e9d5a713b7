"""Drift and the expiry of conduits as Prometheus metrics."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.exposition import (
    push_to_gateway,  # pyright: ignore[reportUnknownVariableType] - its handler is half typed
)

from segctl.drift.items import STATES
from segctl.drift.report import Unchecked
from segctl.model.errors import DeliveryError
from segctl.notify.sending import basic, send
from segctl.system.inert import printable
from segctl.transports.credentials import Secret, secret_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from segctl.drift.report import DeviceDrift, DriftReport
    from segctl.model.site import Conduit
    from segctl.planning.plan import Plan

#: Conduits that expire within these numbers of days are counted.
HORIZONS = (7, 30, 90)
JOB = "segctl"


def collect(
    report: DriftReport,
    conduits: Iterable[Conduit],
    *,
    environment: str,
    started: datetime,
    finished: datetime,
    today: date,
    plan: Plan | None = None,
) -> CollectorRegistry:
    """Return the metrics of one run.

    Args:
        report: what the run found.
        conduits: the inventory's conduits.
        environment: a label of every metric. A collector that reads several files refuses a
            metric that two of them have with the same labels.
        started: when the run began.
        finished: when the last device was read.
        today: the date for the inventory.
        plan: a saved plan that is waiting to be applied.
    """
    run = _Metrics(CollectorRegistry(auto_describe=False), environment)
    _devices(run, report.devices)
    _conduits(run, conduits, today)
    run.set("segctl_last_run_timestamp", "When the last run ended, in Unix time")(
        finished.timestamp()
    )
    run.set("segctl_drift_duration_seconds", "How long the last run took")(
        (finished - started).total_seconds()
    )
    if plan is not None:
        created = datetime.fromisoformat(plan.created)
        run.set("segctl_plan_age_seconds", "How long the saved plan has waited when last run")(
            (finished - created).total_seconds()
        )
        run.set("segctl_plan_expiry_timestamp", "When the saved plan expires, in Unix time")(
            datetime.fromisoformat(plan.expires).timestamp()
        )
    return run.registry


@dataclass(frozen=True, slots=True)
class _Metrics:
    """The metrics of one run; each has its environment as the last label."""

    registry: CollectorRegistry
    environment: str

    def set(self, name: str, help_: str, *labels: str) -> Callable[..., None]:
        """Return a function that sets a new metric, called with its label values and its value."""
        gauge = Gauge(name, help_, (*labels, "environment"), registry=self.registry)

        def put(*values: float | str) -> None:
            *of, value = values
            # the exposition format escapes line ends
            words = (printable(str(one), keep="\n") for one in (*of, self.environment))
            gauge.labels(*words).set(float(value))

        return put


def _devices(run: _Metrics, devices: Sequence[DeviceDrift | Unchecked]) -> None:
    in_sync = run.set("segctl_in_sync", "1 if nothing has drifted, else 0", "device")
    unreachable = run.set("segctl_unreachable", "1 if it could not be checked", "device")
    drifted = run.set("segctl_drift_items", "Drifted rules and objects by kind", "device", "kind")
    accepted = run.set("segctl_accepted_items", "Drift the baseline accepts", "device")
    for device in devices:
        failed = isinstance(device, Unchecked)
        unreachable(device.name, failed)
        if isinstance(device, Unchecked):
            continue
        in_sync(device.name, device.status == "in_sync")
        states = Counter(
            state
            for item in device.items
            for state in {item.state, *(one.state for one in item.told)}
        )
        for state in STATES:
            drifted(device.name, state, states[state])
        accepted(device.name, len(device.accepted))
    _groups(run, [one for one in devices if not isinstance(one, Unchecked)])


def _groups(run: _Metrics, devices: Sequence[DeviceDrift]) -> None:
    """Set which firewalls enforce what their device group holds, and what they have of their own.

    Without groups there is none.
    """
    rows = [(one.name, member) for one in devices for member in one.state.members]
    if not rows:
        return
    enforced = run.set(
        "segctl_enforced",
        "1 if the firewall is in sync with its device group, else 0",
        "device",
        "group",
    )
    local = run.set(
        "segctl_local_rules",
        "Rules, and default rules, that a firewall behind a Panorama has of its own",
        "device",
    )
    for group, member in rows:
        enforced(member.name, group, member.enforces)
    managed = {member.firewall for _, member in rows}
    for one in devices:
        if one.name in managed:
            local(one.name, len(one.unmanaged))


def _conduits(run: _Metrics, conduits: Iterable[Conduit], today: date) -> None:
    expiry = run.set(
        "segctl_conduit_expiry_timestamp", "When the conduit's last day ends, Unix time", "conduit"
    )
    expiring = run.set(
        "segctl_conduits_expiring", "Conduits that expire within so many days", "days"
    )
    review = run.set(
        "segctl_conduit_review_timestamp",
        "When the day ends by which the conduit must be reviewed, Unix time",
        "conduit",
    )
    conduits = [*conduits]
    reviews = {one.key: one.review_by for one in conduits if one.review_by is not None}
    for key, day in reviews.items():
        review(key, _end_of(day).timestamp())
    run.set("segctl_conduits_review_overdue", "Conduits past the day of their review")(
        sum(day < today for day in reviews.values())
    )
    left = {
        conduit.key: (conduit.expires - today).days
        for conduit in conduits
        if conduit.expires is not None
    }
    for key, days in left.items():
        expiry(key, _end_of(today + timedelta(days=days)).timestamp())
    for horizon in HORIZONS:
        expiring(str(horizon), sum(0 <= days <= horizon for days in left.values()))
    run.set("segctl_conduits_expired", "Conduits past their last day")(
        sum(days < 0 for days in left.values())
    )


def _end_of(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), time.min).astimezone()


def exposition(registry: CollectorRegistry) -> str:
    """Return the metrics in Prometheus's text format."""
    return generate_latest(registry).decode()


def push(registry: CollectorRegistry, gateway: Secret, environment: str) -> None:
    """Replace this environment's metrics on a Pushgateway.

    Raises:
        DeliveryError: the Pushgateway did not accept them.
        UsageError: a file with a secret cannot be used.
    """
    extra = gateway_headers()

    def handler(
        url: str,
        method: str,
        timeout: float | None,
        headers: list[tuple[str, str]],
        data: bytes,
    ) -> Callable[[], None]:
        del timeout

        def deliver() -> None:
            send(
                Secret(url), data, method=method, headers={**extra, **dict(headers)}, private=False
            )

        return deliver

    key = {"environment": environment} if environment else {}
    try:
        push_to_gateway(gateway.reveal(), JOB, registry, grouping_key=key, handler=handler)
    except ValueError:
        raise DeliveryError("the Pushgateway's address is not a URL") from None


def gateway_headers(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the headers that authenticate segctl to a Pushgateway, from the environment."""
    env = os.environ if environment is None else environment

    def secret(name: str) -> str:
        if file := env.get(f"{name}_FILE"):
            return secret_in(Path(file), f"{name}_FILE").reveal()
        return env.get(name, "")

    if token := secret("SEGCTL_PUSHGATEWAY_TOKEN"):
        return {"Authorization": f"Bearer {token}"}
    if user := env.get("SEGCTL_PUSHGATEWAY_USER"):
        return basic(user, secret("SEGCTL_PUSHGATEWAY_PASSWORD"))
    return {}
