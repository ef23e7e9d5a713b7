"""Many devices at once, one that fails a value among the results."""

from segctl.rollout.brake import Brake
from segctl.rollout.connections import target, unverified
from segctl.rollout.devices import apply_plans, ask_authors, check_plans, plan_devices
from segctl.rollout.results import Failure, internal
from segctl.rollout.workers import Workers, check_kind, exposed, workers

__all__ = [
    "Brake",
    "Failure",
    "Workers",
    "apply_plans",
    "ask_authors",
    "check_kind",
    "check_plans",
    "exposed",
    "internal",
    "plan_devices",
    "target",
    "unverified",
    "workers",
]
