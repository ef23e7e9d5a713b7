"""The settings of a rollout, and where its progress is shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from segctl.planning.apply import Order
from segctl.playbook.run.barrier import Barrier

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from segctl.fleet.cancel import Brake
    from segctl.fleet.workers import Workers
    from segctl.planning.audit import Record
    from segctl.planning.journal import Journal
    from segctl.planning.outcome import Outcome
    from segctl.planning.plan import Allowance, DevicePlan, Plan
    from segctl.playbook.run.results import PlayResult
    from segctl.providers.management import Management


class Screen(Protocol):
    """Shows the progress of a rollout."""

    def devices(self, names: Sequence[str]) -> AbstractContextManager[Callable[[str, str], None]]:
        """Show what each device is doing."""
        ...

    def tell(self, event: str, **facts: object) -> None:
        """Report that a play, a wave or a soak time begins or ends."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The settings of one rollout.

    `approved` holds what a person agreed to, by play and device. If `reviewed` is given, only the
    changes in it are applied. `done` are the devices that an earlier run completed, by play;
    `begun` are those that it started. `begin` is called before every wave, `keep` after it.
    Devices are read on `executor`, and changed there unless they have to wait for each other.
    With a strategy in which each device proceeds on its own, each has a thread of this process.
    `disruptions` may be cut; `seen` has what devices of all waves said of how they are managed;
    who asks more of them holds `asking`.
    `record` is where the audit journal keeps what is done.
    """

    forks: int
    brake: Brake
    screen: Screen
    keep: Callable[[Sequence[PlayResult], datetime | None], None]
    begin: Callable[[int, Sequence[str]], None] = lambda _play, _devices: None
    allow_purge: bool = False
    allow_mass_delete: bool = False
    no_widening: bool = False
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
    record: Record | None = None
    disruptions: tuple[Allowance, ...] = ()
    seen: dict[str, Management | None] = field(default_factory=dict["str", "Management | None"])
    asking: Lock = field(default_factory=Lock)
    barriers: list[Barrier] = field(default_factory=list[Barrier])

    def order(self, *, allow_purge: bool = False, allow_mass_delete: bool = False) -> Order:
        """Return how a device's plan is applied, with what the task allows in addition."""
        return Order(
            allow_purge=self.allow_purge or allow_purge,
            allow_mass_delete=self.allow_mass_delete or allow_mass_delete,
            no_widening=self.no_widening,
            plan_id=self.reviewed.plan_id if self.reviewed else self.rollout_id,
            once=self.reviewed is not None,
            journal=self.journal,
            origin=self.record.origin if self.record else None,
        )

    @property
    def allowances(self) -> tuple[Allowance, ...]:
        """The ways that may be cut: those of the reviewed plan, or what the user allows."""
        if self.reviewed is None:
            return self.disruptions
        return tuple(one for device in self.reviewed.devices for one in device.allowed)

    def began(self, plans: Sequence[DevicePlan]) -> None:
        """Record the devices that are about to be changed.

        Raises:
            JournalError: they cannot be recorded; they must not be changed.
        """
        if self.record is not None:
            self.record.began(plans)

    def ended(self, outcome: Outcome) -> None:
        """Record what became of a device."""
        if self.record is not None:
            self.record.ended(outcome)

    def press(self) -> None:
        """Stop the devices at work and revert them."""
        self.brake.press()
        for barrier in list(self.barriers):
            barrier.release()
