"""Waves of a play under ansible-playbook: what earlier ones did, and how long to wait for them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: The fact that a changed host keeps for hosts of later waves.
FACT = "segctl"
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """The waves before the one a task is in."""

    failed: Sequence[str]
    changed_at: float


def earlier(task_vars: Mapping[str, Any]) -> Earlier:
    """Return what became of the hosts before this wave (``serial``)."""
    everything = list(task_vars["ansible_play_hosts_all"])
    wave = set(task_vars["ansible_play_batch"])
    first = next((at for at, host in enumerate(everything) if host in wave), 0)
    before, alive = everything[:first], set(task_vars["ansible_play_hosts"])
    facts = (task_vars["hostvars"][host].get("ansible_facts", {}) for host in before)
    return Earlier(
        failed=[host for host in before if host not in alive],
        changed_at=max((each.get(FACT, {}).get("changed_at", 0.0) for each in facts), default=0.0),
    )


def seconds(duration: Any) -> float:
    """Return a duration of a playbook in seconds: a number, or 30s, 10m, 2h, 1d.

    Raises:
        ValueError: it is neither.
    """
    text = str(duration).strip()
    unit = _UNITS.get(text[-1:], 0)
    return float(text[:-1]) * unit if unit else float(text)


def soak(play: Mapping[str, Any], before: Earlier) -> float:
    """Return for how many seconds a wave has to wait.

    Raises:
        ValueError: `segctl_soak` is not a duration.
    """
    until = before.changed_at + seconds(play.get("soak") or 0)
    return max(0.0, until - time.time()) if before.changed_at else 0.0
