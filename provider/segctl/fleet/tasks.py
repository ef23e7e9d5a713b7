"""The work on one device as values that can travel: an item in, a result out, without secrets.

The functions return their errors; an exception of a future is the executor's.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

import segctl
from segctl.fleet.cancel import braked
from segctl.fleet.connections import target
from segctl.fleet.failures import AGAIN, FailedError, Failure, failed, failure_of
from segctl.fleet.plan_cache import PlanCache, key_of
from segctl.fleet.pool import IN_TURN, Compute
from segctl.model.errors import ExecutorError, LostWorkerError, UnsupportedError
from segctl.model.scope import Scope
from segctl.planning.apply import Order, apply_device, check_device
from segctl.planning.drifted import drift_device, drift_managed
from segctl.planning.make import plan_device
from segctl.planning.outcome import Outcome
from segctl.planning.together import Part, apply_together
from segctl.providers.base import Joining, Steady, provider, words_of
from segctl.providers.logs import Witness

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from segctl.analysis.words import Platform
    from segctl.compiler.build import Desired
    from segctl.fleet.readings import Reading
    from segctl.model.diff import Change
    from segctl.model.errors import Problem
    from segctl.model.policy import DeclaredPolicy, Policy
    from segctl.model.site import Device
    from segctl.planning.plan import DevicePlan
    from segctl.planning.together import Ended, JudgeAll
    from segctl.providers.base import Capabilities, Live, Provider, Session
    from segctl.providers.logs import Author
    from segctl.transports.target import Target


class Link(Protocol):
    """The connection between work and its caller, wherever the work runs."""

    def tell(self, device: str, step: str) -> None:
        """Report a step, or an empty step when the device is done."""
        ...

    def pressed(self) -> bool:
        """Whether the caller wants to stop."""
        ...

    def eased(self) -> bool:
        """Whether the caller wants nothing more to start."""
        ...

    def begin(self, device: str) -> bool:
        """Whether this is the first start of work on the device in this run."""
        ...


@dataclass(frozen=True, slots=True)
class Silent:
    """The link for an executor without one: it reports and hears nothing."""

    def tell(self, device: str, step: str) -> None:
        """Report nothing."""

    def pressed(self) -> bool:
        """Never."""
        return False

    def eased(self) -> bool:
        """Never."""
        return False

    def begin(self, device: str) -> bool:
        """As far as anyone knows."""
        del device
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Planning:
    """Work: read a device and plan for it; with `cache`, reuse the plan of a known document.

    With `drift`, the plan is only to say what differs. `held` is what was read before.
    """

    desired: Desired
    connection: Mapping[str, object]
    cache: bool = False
    drift: bool = False
    held: Reading | Failure | None = None
    version: str = segctl.__version__

    @property
    def device(self) -> str:
        """The device's name."""
        return self.desired.device.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Applying:
    """Work: apply the plan of a device."""

    plan: DevicePlan
    connection: Mapping[str, object] = field(repr=False)
    order: Order = field(default_factory=Order)
    version: str = segctl.__version__

    @property
    def device(self) -> str:
        """The device's name."""
        return self.plan.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Work: ask a device who changed items, each given as (kind, names)."""

    device: str
    platform: str
    scope: str
    items: tuple[tuple[str, tuple[str, ...]], ...]
    connection: Mapping[str, object] = field(repr=False)
    version: str = segctl.__version__


def plan_one(item: Planning, link: Link, compute: Compute = IN_TURN) -> DevicePlan | Failure:
    """Return the plan of one device, or why it has none."""
    try:
        same_version(item.version)
        may_begin(link)
        return _plan(item, steps_of(item.device, link), compute)
    except BaseException as error:  # noqa: BLE001 - it is this device's result
        return failure_of(item.device, error)
    finally:
        link.tell(item.device, "")


def _plan(item: Planning, told: Callable[[str], None], compute: Compute) -> DevicePlan:
    device = item.desired.device
    held = item.held
    document = document_of(device, item.connection, told) if held is None else document_in(held)
    speaks = provider(device.platform)
    known = PlanCache.of_user() if item.cache else PlanCache(None)
    purpose = "drift" if item.drift else "plan"
    key = key_of(item.desired, document, speaks, purpose) if item.cache else None
    made = known.get(key) if key else None
    if made is not None:
        told("unchanged since it was compared before")
        return made
    told("comparing")
    made = compute(judge_drift if item.drift else judge, item.desired, document)
    if key:
        known.put(key, made)
    return made


def document_of(
    device: Device, connection: Mapping[str, object], told: Callable[[str], None]
) -> bytes:
    """Return a device's document, read in a session that cannot write."""
    told("connecting")
    where = target(device.name, connection, device.scope)
    with provider(device.platform).connect(where, read_only=True, progress=told) as session:
        return session.read()


def document_in(held: Reading | Failure) -> bytes:
    """Return what a device held that was read before.

    Raises:
        FailedError: it could not be read.
    """
    if isinstance(held, Failure):
        raise FailedError(held)
    return held.document


def judge(desired: Desired, document: bytes) -> DevicePlan:
    """Return the plan for a document; pure, and all of the computing."""
    speaks = provider(desired.device.platform)
    return plan_device(desired, _asked_of(desired, speaks.parse(document)), speaks)


def judge_drift(desired: Desired, document: bytes) -> DevicePlan:
    """Return what differs according to a document; pure, and all of the computing."""
    speaks = provider(desired.device.platform)
    judged = drift_managed if desired.device.group else drift_device
    made = judged(desired, _asked_of(desired, speaks.parse(document)), speaks)
    return replace(made, read=digest_of_read(speaks, document))


def digest_of_read(speaks: Provider, document: bytes) -> str:
    """Return the SHA-256 of a device's document, without what changes in it by itself."""
    steady = speaks.steady(document) if isinstance(speaks, Steady) else document
    return f"sha256:{hashlib.sha256(steady).hexdigest()}"


def _asked_of(desired: Desired, live: Live) -> Live:
    """Return what a group holds as of this run; a snapshot may be of a run for other firewalls."""
    if not desired.receivers or not live.state.members:
        return live
    members = tuple(
        replace(one, asked=one.firewall in desired.receivers) for one in live.state.members
    )
    return replace(live, state=replace(live.state, members=members))


def apply_one(item: Applying, link: Link, compute: Compute = IN_TURN) -> Outcome:
    """Return the outcome for one device; work that another worker has started is not repeated."""
    try:
        same_version(item.version)
        _first(item.device, link)
        return _apply(item, steps_of(item.device, link), compute)
    except BaseException as error:  # noqa: BLE001 - it is this device's result
        return failed(item.device, error)
    finally:
        link.tell(item.device, "")


def apply_hosts(
    items: Sequence[Applying], link: Link, compute: Compute = IN_TURN
) -> tuple[Outcome, ...]:
    """Return the outcome for each of the hosts that are one device."""
    if len(items) == 1:
        return (apply_one(items[0], link, compute),)
    names = [item.device for item in items]
    try:
        for item in items:
            same_version(item.version)
            _first(item.device, link)
        ended = join_hosts(items, lambda name: steps_of(name, link), compute)
        return tuple(
            one if isinstance(one, Outcome) else failed(name, one)
            for name, one in zip(names, ended, strict=True)
        )
    except BaseException as error:  # noqa: BLE001 - it is the result of all of them
        return tuple(failed(name, error) for name in names)
    finally:
        for name in names:
            link.tell(name, "")


def apply_in_turn(
    devices: Sequence[Sequence[Applying]], link: Link, compute: Compute = IN_TURN
) -> tuple[Outcome, ...]:
    """Apply the plans of devices one after the other; return the outcomes of all their hosts."""
    return tuple(outcome for hosts in devices for outcome in apply_hosts(hosts, link, compute))


def join_hosts(
    items: Sequence[Applying],
    steps: Callable[[str], Callable[[str], None]],
    compute: Compute,
    *,
    judge: JudgeAll | None = None,
    ended: Callable[[str, Ended], None] = lambda _name, _ended: None,
) -> tuple[Ended, ...]:
    """Apply the plans of hosts that are one device; return what became of each.

    Args:
        items: the plans, with the connection of each host.
        steps: returns what reports the steps of a host.
        compute: runs what only computes.
        judge: judges them before the change is confirmed.
        ended: called with each host as soon as nothing more is done about it.

    Raises:
        DeviceError: where one of them is, or who logs in, cannot be told.
        UnsupportedError: their platform does not join hosts.
    """
    joining = provider(items[0].plan.platform)
    if not isinstance(joining, Joining):
        message = f"{items[0].plan.platform} does not join several hosts to one device"
        raise UnsupportedError(message)
    parts: list[Part] = []
    for item in items:
        told = steps(item.device)
        told("connecting")
        where = target(item.device, item.connection, Scope.of(item.plan.scope))
        parts.append(Part(plan=item.plan, target=where, order=item.order, progress=told))
    return apply_together(parts, Elsewhere(joining, compute), joining, judge=judge, ended=ended)


def _apply(item: Applying, told: Callable[[str], None], compute: Compute) -> Outcome:
    told("connecting")
    plan = item.plan
    return apply_device(
        plan,
        Elsewhere(provider(plan.platform), compute),
        target(plan.name, item.connection, Scope.of(plan.scope)),
        order=item.order,
        progress=told,
    )


def check_one(item: Applying, link: Link, compute: Compute = IN_TURN) -> Failure | None:
    """Return why a plan cannot be applied to one device, or None; the device is only read."""
    try:
        same_version(item.version)
        may_begin(link)
        told = steps_of(item.device, link)
        told("connecting")
        plan = item.plan
        check_device(
            plan,
            Elsewhere(provider(plan.platform), compute),
            target(plan.name, item.connection, Scope.of(plan.scope)),
            order=item.order,
            progress=told,
        )
    except BaseException as error:  # noqa: BLE001 - it is this device's result
        return failure_of(item.device, error)
    else:
        return None
    finally:
        link.tell(item.device, "")


def ask_one(
    item: Asking, link: Link, compute: Compute = IN_TURN
) -> tuple[Author | None, ...] | Failure:
    """Return who last changed each item, as far as the device says, or a failure."""
    del compute  # a log is short
    try:
        same_version(item.version)
        may_begin(link)
        told = steps_of(item.device, link)
        told("asking who changed it")
        where = target(item.device, item.connection, Scope.of(item.scope))
        speaks = provider(item.platform)
        with speaks.connect(where, read_only=True, progress=told) as session:
            if not isinstance(session, Witness):
                return (None,) * len(item.items)
            return tuple(session.changed_by(item.items))
    except BaseException as error:  # noqa: BLE001 - it is this device's result
        return failure_of(item.device, error)
    finally:
        link.tell(item.device, "")


def may_begin(link: Link) -> None:
    """Stop if the caller wants nothing more to start."""
    if link.eased():
        raise KeyboardInterrupt


def _first(device: str, link: Link) -> None:
    may_begin(link)
    if not link.begin(device):
        raise LostWorkerError(f"the worker that applied it was lost; {AGAIN}")


def steps_of(device: str, link: Link) -> Callable[[str], None]:
    """Return a function that reports a device's steps and raises once the work must stop."""
    return braked(link.pressed, lambda step: link.tell(device, step))


def same_version(version: str) -> None:
    """Refuse work from another version of segctl.

    Raises:
        ExecutorError: the caller has another version.
    """
    if version != segctl.__version__:
        raise ExecutorError(
            f"the worker has segctl {segctl.__version__}, but the caller has {version}: "
            "install the same version on both"
        )


def parse(platform: str, document: bytes) -> Live:
    """Parse a document, in whichever process has a free processor."""
    return provider(platform).parse(document)


def _nothing(_step: str) -> None:
    return


class Elsewhere:
    """A provider that parses on a free processor."""

    def __init__(self, speaks: Provider, compute: Compute) -> None:
        self._speaks = speaks
        self._compute = compute

    @property
    def name(self) -> str:
        """The platform's word in the inventory."""
        return self._speaks.name

    @property
    def capabilities(self) -> Capabilities:
        """What the platform can express."""
        return self._speaks.capabilities

    def fit(self, policy: DeclaredPolicy, device: Device) -> tuple[Policy, tuple[Problem, ...]]:
        """As the platform does."""
        return self._speaks.fit(policy, device)

    def words(self, live: Live | None) -> Platform:
        """As the platform does."""
        return words_of(self._speaks, live)

    def parse(self, config: bytes) -> Live:
        """Parse a document elsewhere."""
        return self._compute(parse, self._speaks.name, config)

    def render(self, changes: Sequence[Change], live: Live) -> str:
        """As the platform does."""
        return self._speaks.render(changes, live)

    def connect(
        self, target: Target, *, read_only: bool, progress: Callable[[str], None] = _nothing
    ) -> AbstractContextManager[Session]:
        """Open a session here."""
        return self._speaks.connect(target, read_only=read_only, progress=progress)
