"""A firewall in memory that remembers runs: a policy, a change not confirmed, a boot file, a lock.

It is the far end of a wire that is not there: `RememberingProvider` speaks to it as a provider
speaks to a device, so that the steps of an apply can be stopped one by one.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from segctl.model.errors import ApplyError, LockedError
from segctl.model.policy import FirewallZone, Policy, Rule
from segctl.model.scope import DEFAULT_SCOPE
from segctl.providers.base import Capabilities, Identity, Live
from segctl.providers.state import DeviceState, Lock, Run, Unconfirmed

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from segctl.model.diff import Change
    from segctl.model.errors import Problem
    from segctl.model.site import Device
    from segctl.providers.base import Session
    from segctl.transports.target import Target


class KilledError(BaseException):
    """The run was killed: nothing of it is carried out any more."""


@dataclass(slots=True, kw_only=True)
class Firewall:
    """What the device holds; with `stop` the run is killed before a step, the first for 2."""

    rules: tuple[str, ...] = ()
    boot: tuple[str, ...] = ()
    before: tuple[str, ...] | None = None
    probes: str = ""
    plan_id: str = ""
    lock: str = ""
    alive: bool | None = False
    applied: list[str] = field(default_factory=list[str])
    met: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])
    stop: int = 0
    steps: list[str] = field(default_factory=list[str])
    full_disk: bool = False
    edited: Callable[[], None] | None = None

    def step(self, name: str) -> None:
        """Note a step, or die before it."""
        if self.stop:
            self.stop = max(1, self.stop - 1)
            if self.stop == 1:  # and so it stays: the dead do nothing more
                raise KilledError(name)
        self.steps.append(name)

    def hold(self, rules: tuple[str, ...]) -> None:
        """Make this what traffic meets."""
        self.rules = rules
        self.met.append(rules)

    def guard(self) -> None:
        """Let the time to confirm run out."""
        if self.before is not None:
            self.hold(self.before)
            self.before = None


@dataclass(slots=True)
class RememberingSession:
    """An open session."""

    firewall: Firewall
    read_only: bool
    run: Run = field(default_factory=Run)
    check: Callable[[], None] | None = None
    warnings: Sequence[str] = ()
    locked: bool = False

    def read(self) -> bytes:
        """Return the device as JSON."""
        wall = self.firewall
        return json.dumps(
            {
                "rules": wall.rules,
                "boot": wall.boot,
                "pending": wall.before is not None,
                "probes": wall.probes,
                "lock": wall.lock if not self.locked else "",
                "alive": wall.alive,
                "applied": wall.applied,
            }
        ).encode()

    def begin(self, run: Run) -> None:
        """Say which run this is."""
        self.run = run

    @contextmanager
    def lock(self) -> Generator[None]:
        """Hold the lock; a dead run's is taken over."""
        wall = self.firewall
        if wall.lock and wall.alive is not False:
            raise LockedError("fw1", f"held by {wall.lock}")
        wall.step("lock")
        wall.lock, self.locked = f"run of {self.run.plan_id}", True
        try:
            yield
        except KilledError:
            raise  # nobody is left to release it
        except BaseException:
            wall.lock = ""
            raise
        wall.step("unlock")
        wall.lock = ""

    def before_live(self, check: Callable[[], None]) -> None:
        """Remember what is asked in the last moment."""
        self.check = check

    def push(self, script: str, *, revert_in: float | None = None) -> None:
        """Make the rules of `script` live."""
        assert revert_in
        assert self.locked
        assert not self.read_only
        wall = self.firewall
        if wall.edited is not None:
            wall.edited()
        if self.check is not None:
            self.check()
        wall.step("push")
        wall.before, wall.probes, wall.plan_id = wall.rules, self.run.probes, self.run.plan_id
        wall.hold(tuple(json.loads(script)))
        self.warnings = ("a rule shadows another",)

    def adopt(self, change: Unconfirmed) -> None:
        """Take a change over."""
        assert self.locked
        assert change.push == "push-1"
        if self.firewall.before is None:
            raise ApplyError("fw1", "it has gone back")

    def confirm(self) -> None:
        """Keep the change, also for the next boot."""
        wall = self.firewall
        if wall.full_disk:
            raise ApplyError("fw1", "no space left")
        wall.step("confirm")
        wall.boot, wall.before = wall.rules, None
        wall.applied.insert(0, wall.plan_id)

    def revert(self) -> None:
        """Go back."""
        wall = self.firewall
        wall.step("revert")
        wall.guard()

    def keep(self) -> None:
        """Write the boot file."""
        self.firewall.step("keep")
        self.firewall.boot = self.firewall.rules


@dataclass(slots=True)
class RememberingProvider:
    """What segctl would know of such a firewall."""

    firewall: Firewall
    name: str = "remembering"
    capabilities: Capabilities = field(
        default_factory=lambda: Capabilities(title="Remembering", timed_revert=True)
    )

    def fit(self, policy: Policy, device: Device) -> tuple[Policy, tuple[Problem, ...]]:
        """Return the policy as it is."""
        del device
        return replace(policy, services=(), addresses=()), ()

    def parse(self, config: bytes) -> Live:
        """Read what `RememberingSession.read` returns."""
        held = json.loads(config)
        pending = Unconfirmed(
            push="push-1", run="ops1@runner", probes=held["probes"], goes_back_in=18.4, alive=False
        )
        lock = Lock(kind="run", owner=held["lock"], ours=True, alive=held["alive"], lease_left=60.0)
        return Live(
            identity=Identity(
                serial="1", os_version="1.0", content_version="", scope=DEFAULT_SCOPE
            ),
            policy=policy(held["rules"]),
            others=Policy(),
            order=tuple(held["rules"]),
            zones=(FirewallZone(name="z", interfaces=("eth0",)),),
            state=DeviceState(
                unconfirmed=(pending,) if held["pending"] else (),
                locks=(lock,) if held["lock"] else (),
                kept="same" if held["boot"] == held["rules"] or held["pending"] else "differs",
                kept_where="/boot",
                applied=tuple(held["applied"]),
            ),
        )

    def render(self, changes: Sequence[Change], live: Live) -> str:
        """Return all rules as they are to be."""
        names = {rule.name for rule in live.policy.rules}
        for change in changes:
            names -= {change.before.name} if change.before is not None else set()
            names |= {change.after.name} if change.after is not None else set()
        return json.dumps(sorted(names))

    @contextmanager
    def connect(
        self, target: Target, *, read_only: bool, progress: Callable[[str], None] = print
    ) -> Generator[Session]:
        """Open a session."""
        del target, progress
        yield RememberingSession(self.firewall, read_only)


def policy(names: Sequence[str]) -> Policy:
    """Return a policy of rules that differ in nothing but their names."""
    return Policy(
        rules=tuple(
            Rule(name=name, conduit="c", flow="f", from_zones=("z",), to_zones=("z",))
            for name in sorted(names)
        )
    )
