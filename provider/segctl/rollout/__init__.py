"""Many devices at once, one that fails a value among the results."""

from segctl.rollout.authors import ask_authors
from segctl.rollout.brake import Brake
from segctl.rollout.connections import target, unverified
from segctl.rollout.devices import apply_plans, plan_devices
from segctl.rollout.results import Failure, internal

__all__ = [
    "Brake",
    "Failure",
    "apply_plans",
    "ask_authors",
    "internal",
    "plan_devices",
    "target",
    "unverified",
]
