"""What holds for all of a rollout, and who is told how it goes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from segctl.planning.apply import Order
from segctl.playbook.run.barrier import Hold

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from segctl.fleet.cancel import Brake
    from segctl.fleet.workers import Workers
    from segctl.planning.journal import Journal
    from segctl.planning.plan import Plan
    from segctl.playbook.run.results import PlayResult


class Screen(Protocol):
    """Who is told how a rollout goes."""

    def devices(self, names: Sequence[str]) -> AbstractContextManager[Callable[[str, str], None]]:
        """Show what each of these devices is doing."""
        ...

    def tell(self, event: str, **facts: object) -> None:
        """Tell that a play, a wave or a soak time begins or ends."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What holds for all of a rollout.

    `approved` says, for plays and devices, what of their plans a person agreed to; nothing but
    what `reviewed` holds of a device is applied to it, if that is given. `done` are the
    devices that an earlier run brought to an end, by play, `begun` those that it began. `begin` is
    called before every wave, `keep` after it.
    `executor` is where devices are read, and changed where none has to wait for another; where
    each goes on by itself, it does so in a thread of this process.
    """

    forks: int
    brake: Brake
    screen: Screen
    keep: Callable[[Sequence[PlayResult], datetime | None], None]
    begin: Callable[[int, Sequence[str]], None] = lambda _play, _devices: None
    allow_purge: bool = False
    allow_mass_delete: bool = False
    executor: Workers | None = None
    cache: bool = False
    approved: Mapping[tuple[int, str], str] | None = None
    reviewed: Plan | None = None
    done: Mapping[int, frozenset[str]] = field(default_factory=dict[int, frozenset[str]])
    resting_until: datetime | None = None
    today: Callable[[], datetime] = lambda: datetime.now(UTC)
    begun: Mapping[int, frozenset[str]] = field(default_factory=dict[int, frozenset[str]])
    rollout_id: str = ""
    journal: Journal | None = None
    holds: list[Hold] = field(default_factory=list[Hold])

    def order(self, *, allow_purge: bool = False, allow_mass_delete: bool = False) -> Order:
        """Return how a device's plan is applied, with what a task allows besides."""
        return Order(
            allow_purge=self.allow_purge or allow_purge,
            allow_mass_delete=self.allow_mass_delete or allow_mass_delete,
            plan_id=self.reviewed.plan_id if self.reviewed else self.rollout_id,
            once=self.reviewed is not None,
            journal=self.journal,
        )

    def press(self) -> None:
        """Take back what runs."""
        self.brake.press()
        for hold in list(self.holds):
            hold.release()
