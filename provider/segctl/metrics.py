"""A drift document, and when conduits expire, as Prometheus metrics."""

from __future__ import annotations

import os
from collections import Counter
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.exposition import (
    push_to_gateway,  # pyright: ignore[reportUnknownVariableType] - its handler is half typed
)

from segctl.credentials import Secret, secret_in
from segctl.drift import STATES
from segctl.errors import DeliveryError
from segctl.sending import basic, send

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from segctl.intent import Conduit
    from segctl.plan import Plan

#: Conduits that expire within so many days are counted.
HORIZONS = (7, 30, 90)
JOB = "segctl"


def collect(
    document: Mapping[str, Any],
    conduits: Iterable[Conduit],
    *,
    started: datetime,
    finished: datetime,
    today: date,
    plan: Plan | None = None,
) -> CollectorRegistry:
    """Return the metrics of one run.

    Args:
        document: what ``segctl drift --json`` prints.
        conduits: the inventory's.
        started: when the run began.
        finished: when the last device was read.
        today: the inventory's day.
        plan: a saved plan that waits to be applied.
    """
    registry = CollectorRegistry(auto_describe=False)
    _devices(registry, document["devices"])
    _conduits(registry, conduits, today)
    _gauge(registry, "segctl_last_run_timestamp", "When the last run ended, in Unix time").set(
        finished.timestamp()
    )
    _gauge(registry, "segctl_drift_duration_seconds", "How long the last run took").set(
        (finished - started).total_seconds()
    )
    if plan is not None:
        created = datetime.fromisoformat(plan.created)
        _gauge(
            registry, "segctl_plan_age_seconds", "How long the saved plan has waited when last run"
        ).set((finished - created).total_seconds())
        _gauge(
            registry, "segctl_plan_expiry_timestamp", "When apply refuses the saved plan, Unix time"
        ).set(datetime.fromisoformat(plan.expires).timestamp())
    return registry


def _gauge(registry: CollectorRegistry, name: str, help_: str, *labels: str) -> Gauge:
    return Gauge(name, help_, labels, registry=registry)


def _devices(registry: CollectorRegistry, devices: Sequence[Mapping[str, Any]]) -> None:
    in_sync = _gauge(registry, "segctl_in_sync", "1 if nothing has drifted, else 0", "device")
    unreachable = _gauge(registry, "segctl_unreachable", "1 if it could not be checked", "device")
    drifted = _gauge(
        registry, "segctl_drift_items", "Drifted rules and objects by kind", "device", "kind"
    )
    accepted = _gauge(registry, "segctl_accepted_items", "Drift the baseline accepts", "device")
    for device in devices:
        name = device["name"]
        failed = device["status"] == "error"
        unreachable.labels(name).set(failed)
        if failed:
            continue
        in_sync.labels(name).set(device["status"] == "in_sync")
        states = Counter(item["state"] for item in device["items"])
        for state in STATES:
            drifted.labels(name, state).set(states[state])
        accepted.labels(name).set(len(device["accepted"]))


def _conduits(registry: CollectorRegistry, conduits: Iterable[Conduit], today: date) -> None:
    expiry = _gauge(
        registry,
        "segctl_conduit_expiry_timestamp",
        "When the conduit's last day ends, Unix time",
        "conduit",
    )
    expiring = _gauge(
        registry, "segctl_conduits_expiring", "Conduits that expire within so many days", "days"
    )
    left = {
        conduit.key: (conduit.expires - today).days
        for conduit in conduits
        if conduit.expires is not None
    }
    for key, days in left.items():
        end = datetime.combine(today + timedelta(days=days + 1), time.min).astimezone()
        expiry.labels(key).set(end.timestamp())
    for horizon in HORIZONS:
        count = sum(0 <= days <= horizon for days in left.values())
        expiring.labels(str(horizon)).set(count)
    _gauge(registry, "segctl_conduits_expired", "Conduits past their last day").set(
        sum(days < 0 for days in left.values())
    )


def exposition(registry: CollectorRegistry) -> str:
    """Return the metrics in Prometheus's text format."""
    return generate_latest(registry).decode()


def push(registry: CollectorRegistry, gateway: Secret, environment: str) -> None:
    """Replace this environment's metrics on a Pushgateway.

    Raises:
        DeliveryError: it did not take them.
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
    """Return how segctl authenticates to a Pushgateway, by the environment."""
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
