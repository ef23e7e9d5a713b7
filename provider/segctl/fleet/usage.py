"""Which rules are used, by what many devices count."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from segctl.fleet.connections import target
from segctl.fleet.inquiries import Inquiry, inquire, warned
from segctl.model.errors import UnsupportedError
from segctl.observe.usage import RuleUsage, usage
from segctl.planning.linted import lint_live
from segctl.providers.base import provider, reading
from segctl.providers.counting import Counting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Executor
    from datetime import timedelta

    from segctl.compiler.build import Desired
    from segctl.fleet.failures import Failure
    from segctl.fleet.workers import Workers
    from segctl.model.errors import Problem
    from segctl.model.policy import Rule
    from segctl.model.site import Device


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What there is to say of one device: `rules` in its order, ours and, without conduit, others'.

    `members` are the firewalls that were asked; `asked_at` is when.
    """

    device: str
    rules: tuple[RuleUsage, ...] = ()
    members: tuple[str, ...] = ()
    asked_at: datetime | None = None
    findings: tuple[Problem, ...] = ()
    held: tuple[Rule, ...] = ()
    shadowed: frozenset[str] = frozenset()


def usage_of_devices(
    desired: Sequence[Desired],
    connections: Mapping[str, Mapping[str, object]],
    window: timedelta,
    *,
    risky: bool,
    forks: int,
    report: Callable[[str, str], None],
    executor: Workers | Executor | None = None,
) -> tuple[Used | Failure, ...]:
    """Ask every device, write to none, and return what it counts or a failure for each."""
    found = inquire(
        (
            Inquiry(
                device=item.device,
                answer=partial(_rules, item.device),
                doing="reading its rules",
                further=_Counting(device=item.device, window=window, risky=risky),
            )
            for item in desired
        ),
        connections,
        forks=forks,
        report=report,
        executor=executor,
    )
    return tuple(
        replace(one, held=()) if isinstance(one, Used) else one
        for one in warned(found, connections)
    )


def _rules(device: Device, document: bytes) -> Used:
    """Return the rules that a device holds; pure."""
    speaks = provider(device.platform)
    live = speaks.parse(document)
    lint = lint_live(live, speaks, reading(speaks, live))
    return Used(
        device=device.name,
        held=live.effective().rules,
        shadowed=frozenset(one.subject for one in lint.findings if one.kind == "shadowed"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counting:
    """Asks a device what it counted."""

    device: Device
    window: timedelta
    risky: bool

    def __call__(
        self, found: Used, connection: Mapping[str, object], told: Callable[[str], None]
    ) -> Used:
        """Return the usage of a device's enabled rules.

        Raises:
            UnsupportedError: the device does not count, or asking can hang it.
        """
        device = self.device
        speaks = provider(device.platform)
        where = target(device.name, connection, device.scope)
        now = datetime.now(UTC)
        with speaks.connect(where, read_only=True, progress=told) as session:
            if not isinstance(session, Counting):
                title = speaks.capabilities.title or device.platform
                message = f"{device.name}: {title} does not count by rule"
                raise UnsupportedError(message)
            enabled = [rule for rule in found.held if not rule.disabled]
            names = [rule.name for rule in enabled]
            counted = session.counts(names, self.window, risky=self.risky)
        since = now - self.window
        return replace(
            found,
            rules=tuple(usage(device.name, enabled, counted, since, found.shadowed)),
            members=tuple(one.member for one in counted),
            asked_at=now,
        )
