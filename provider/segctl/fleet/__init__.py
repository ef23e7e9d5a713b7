"""Work on many devices at once; a failed device is a value among the results."""

from segctl.fleet.cancel import Brake
from segctl.fleet.connections import target, unverified
from segctl.fleet.failures import Failure, internal
from segctl.fleet.logs import read_log
from segctl.fleet.needs import needs_of_managed
from segctl.fleet.run import apply_plans, ask_authors, check_plans, plan_devices
from segctl.fleet.workers import Workers, check_kind, exposed, workers

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
    "needs_of_managed",
    "plan_devices",
    "read_log",
    "target",
    "unverified",
    "workers",
]
