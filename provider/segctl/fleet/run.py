"""Plan and apply on many devices at once, over an executor.

A failed device is a value among the results; it never stops the others.
"""

from __future__ import annotations

from concurrent.futures import CancelledError, Future
from dataclasses import replace
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from segctl.drift.items import BLOCK, items_of
from segctl.fleet.cancel import Brake
from segctl.fleet.connections import portable, receiving, sharing, unverified
from segctl.fleet.cut_off import Looking, groups_of, look_one, with_cut_off
from segctl.fleet.failures import AGAIN, Failure, failed, failure_of
from segctl.fleet.hosts import by_device
from segctl.fleet.plan_cache import PlanCache
from segctl.fleet.tasks import (
    Applying,
    Asking,
    Planning,
    apply_in_turn,
    ask_one,
    check_one,
    plan_one,
)
from segctl.fleet.workers import Workers, as_workers
from segctl.inventory.loading import MANAGER
from segctl.model.errors import LostWorkerError, Problem
from segctl.model.policy import AddressGroup
from segctl.planning.plan import DevicePlan
from segctl.providers.base import provider
from segctl.providers.state import EXTERNAL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Executor

    from segctl.compiler.build import Desired
    from segctl.fleet.readings import Readings
    from segctl.planning.apply import Order
    from segctl.planning.outcome import Outcome
    from segctl.providers.logs import Author

Result = TypeVar("Result")


def _ignore(_outcome: Outcome) -> None:
    return


#: Seconds between looks at the brake and at the workers.
_LOOK = 0.2


def plan_devices(
    desired: Sequence[Desired],
    connections: Mapping[str, Mapping[str, object]],
    *,
    forks: int,
    report: Callable[[str, str], None],
    executor: Workers | Executor | None = None,
    cache: bool = False,
    brake: Brake | None = None,
    drift: bool = False,
    readings: Readings | None = None,
) -> tuple[DevicePlan | Failure, ...]:
    """Read every device, write to none, and return a plan or a failure for each, in order.

    Args:
        desired: what each device should hold.
        connections: connection variables by device.
        forks: how many devices at a time, unless `executor` decides that.
        report: called with every step of every device, and an empty step when it is done.
        executor: where the work is done; default: threads of this process. Other executors get
            work without secrets (`portable`).
        cache: whether to reuse the plan of a document seen before.
        brake: once pressed, stops the devices at their next step.
        drift: whether the plans are only to say what differs (`drift_device`).
        readings: what was read of the devices before; then none is read.
    """
    hosts = [(item.device.name, item.device.platform) for item in desired]
    with sharing(connections, hosts) as ways, as_workers(executor, forks) as workers:
        items = [
            Planning(
                desired=item,
                connection=receiving(
                    connection_for(workers, ways, item.device.name), item.receivers
                ),
                cache=cache,
                drift=drift,
                held=None if readings is None else readings[item.device.name],
            )
            for item in desired
        ]
        results = run_all(plan_one, items, workers, brake or Brake(), report)
        if not drift:  # which reads each firewall of a group itself
            looked = _with_cut_off(
                items, results, ways, workers=workers, brake=brake or Brake(), report=report
            )
            results = [looked.get(index, result) for index, result in enumerate(results)]
    if cache:
        PlanCache.of_user().tidy()
    scopes = {item.device: str(item.desired.device.scope) for item in items}
    beside = {
        name: {scopes[one]: one for one in names}
        for names in by_device(hosts, connections)
        for name in names
    }
    return tuple(
        _beyond(_warned(result, connections), beside[item.device])
        if isinstance(result, DevicePlan | Failure)
        else failure_of(item.device, result)
        for item, result in zip(items, results, strict=True)
    )


def _with_cut_off(
    items: Sequence[Planning],
    results: Sequence[object],
    ways: Mapping[str, Mapping[str, object]],
    *,
    workers: Workers,
    brake: Brake,
    report: Callable[[str, str], None],
) -> dict[int, DevicePlan]:
    """Return the plans of device groups with who is contained on their firewalls, by index.

    Those are asked to which it would be pushed.
    """
    asked: dict[int, tuple[DevicePlan, list[Looking]]] = {}
    for index, (item, plan) in enumerate(zip(items, results, strict=True)):
        wanted = item.desired.receivers
        members = [one for one in item.desired.device.members if not wanted or one.name in wanted]
        if isinstance(plan, DevicePlan) and members and (groups := groups_of(item.desired, plan)):
            looking = [
                Looking(
                    firewall=one,
                    groups=groups,
                    connection=connection_for(workers, ways, one.name),
                )
                for one in members
            ]
            asked[index] = plan, looking
    if not asked:
        return {}
    work = [one for _, some in asked.values() for one in some]
    answers = run_all(look_one, work, workers, brake, report)
    told = {
        one.device: one.unread(failure_of(one.device, answer).message)
        if isinstance(answer, BaseException)
        else answer
        for one, answer in zip(work, answers, strict=True)
    }
    found: dict[int, DevicePlan] = {}
    for index, (plan, some) in asked.items():
        prepared = [one.name for one in items[index].desired.policy[AddressGroup] if one.contained]
        rows = [row for one in some for row in told[one.device]]
        found[index] = with_cut_off(plan, rows, prepared)
    return found


def _beyond(result: DevicePlan | Failure, beside: Mapping[str, str]) -> DevicePlan | Failure:
    """Say who judges what leaves a part of a device for another part, if anybody does.

    Args:
        result: of one host.
        beside: the hosts that are parts of the same device, by the name of the part.
    """
    if isinstance(result, Failure):
        return result

    def told(finding: Problem) -> Problem:
        if finding.kind != EXTERNAL:
            return finding
        _, part = finding.about
        if part in beside:
            return replace(finding, hint=f"{beside[part]} is {part}: it is planned and judged, too")
        return replace(
            finding,
            message=f"{finding.message}; cannot tell whether it does, since no host of this run "
            f"is {part}",
            severity="warning",
            hint=f"declare {part} as a host of its own (segctl_vsys), on the way of the traffic",
        )

    return replace(result, findings=tuple(map(told, result.findings)))


def ask_authors(
    plans: Sequence[DevicePlan],
    connections: Mapping[str, Mapping[str, object]],
    *,
    forks: int,
    report: Callable[[str, str], None],
    executor: Workers | Executor | None = None,
    brake: Brake | None = None,
) -> tuple[dict[tuple[str, str, str], Author], list[tuple[str, Problem]]]:
    """Return who changed each drifted item, by device, kind and name, and notes about failures.

    Asks only devices with drift whose platform keeps a log. A device that does not answer causes a
    note, never a failure. Once `brake` is pressed, every session ends at its next step.
    """
    asked = [
        (plan, items)
        for plan in plans
        if (items := [item for item in items_of(plan) if item.names])
        and provider(plan.platform).capabilities.tells_authors
    ]
    hosts = [(plan.name, plan.platform) for plan, _ in asked]
    with sharing(connections, hosts) as ways, as_workers(executor, forks) as workers:
        work = [
            Asking(
                device=plan.name,
                platform=plan.platform,
                scope=plan.scope,
                items=tuple(
                    ("rule" if item.kind == BLOCK else item.kind, item.names) for item in items
                ),
                connection=connection_for(workers, ways, plan.name),
            )
            for plan, items in asked
        ]
        results = run_all(ask_one, work, workers, brake or Brake(), report)
    authors: dict[tuple[str, str, str], Author] = {}
    notes: list[tuple[str, Problem]] = []
    for (plan, items), found in zip(asked, results, strict=True):
        if isinstance(found, BaseException):
            notes.append((plan.name, _untold(failure_of(plan.name, found))))
        elif isinstance(found, Failure):
            notes.append((plan.name, _untold(found)))
        else:
            for item, author in zip(items, found, strict=True):
                if author is not None:
                    authors[plan.name, item.kind, item.name] = author
    return authors, notes


def _untold(failure: Failure) -> Problem:
    message = f"cannot tell who changed it: {failure.message}"
    return Problem(message=message, severity="note", kind="changed_by")


def apply_plans(
    plans: Sequence[DevicePlan],
    connections: Mapping[str, Mapping[str, object]],
    *,
    forks: int,
    order: Order,
    brake: Brake,
    report: Callable[[str, str], None],
    executor: Workers | Executor | None = None,
    ended: Callable[[Outcome], None] = _ignore,
) -> tuple[Outcome, ...]:
    """Apply the plans, each device on its own, and return what became of each, in order.

    Hosts that are one device are applied together. Device groups of one manager take turns there:
    they share its account and its jobs. Once `brake` is eased, no further device is started; once
    pressed, running devices revert, too. `report` is called with every step of every device, and an
    empty step when it is done; `ended` once for each device, as soon as its turn is over.
    """
    with as_workers(executor, forks) as workers:
        turns = _turns(_applying(plans, connections, workers, order), connections)
        told: dict[str, Outcome] = {}

        def outcomes(index: int, result: Sequence[Outcome] | BaseException) -> None:
            names = [item.device for device in turns[index] for item in device]
            if isinstance(result, BaseException):
                result = [failed(name, result) for name in names]
            for name, outcome in zip(names, result, strict=True):
                if name not in told:
                    told[name] = outcome
                    ended(outcome)

        results = run_all(apply_in_turn, turns, workers, brake, report, done=outcomes)
        for index, result in enumerate(results):
            outcomes(index, result)
    return tuple(told[plan.name] for plan in plans)


def _turns(
    items: Sequence[Applying], connections: Mapping[str, Mapping[str, object]]
) -> list[tuple[tuple[Applying, ...], ...]]:
    """Return the work that is done one after the other: devices of a manager, or one by itself.

    Each device is the hosts of the inventory that it is.
    """
    found: dict[tuple[bool, str], list[tuple[Applying, ...]]] = {}
    named = {item.device: item for item in items}
    for names in by_device([(one.plan.name, one.plan.platform) for one in items], connections):
        device = tuple(named[name] for name in names)
        manager = str(device[0].connection.get(MANAGER) or "")
        found.setdefault((bool(manager), manager or names[0]), []).append(device)
    return [tuple(one) for one in found.values()]


def check_plans(
    plans: Sequence[DevicePlan],
    connections: Mapping[str, Mapping[str, object]],
    *,
    forks: int,
    order: Order,
    brake: Brake,
    report: Callable[[str, str], None],
    executor: Workers | Executor | None = None,
) -> tuple[Failure, ...]:
    """Read every device that a plan would change, and return those it cannot be applied to."""
    with as_workers(executor, forks) as workers:
        items = _applying([one for one in plans if one.changes], connections, workers, order)
        results = run_all(check_one, items, workers, brake, report)
    found = (
        failure_of(item.device, result) if isinstance(result, BaseException) else result
        for item, result in zip(items, results, strict=True)
    )
    return tuple(one for one in found if one is not None)


def _applying(
    plans: Iterable[DevicePlan],
    connections: Mapping[str, Mapping[str, object]],
    workers: Workers,
    order: Order,
) -> list[Applying]:
    return [
        Applying(
            plan=plan,
            connection=receiving(connection_for(workers, connections, plan.name), plan.receivers),
            order=order,
        )
        for plan in plans
    ]


def connection_for(
    workers: Workers, connections: Mapping[str, Mapping[str, object]], device: str
) -> Mapping[str, object]:
    """Return a device's connection variables in the form in which workers may get them."""
    found = connections.get(device, {})
    return portable(found) if workers.remote else found


def _warned(
    result: DevicePlan | Failure, connections: Mapping[str, Mapping[str, object]]
) -> DevicePlan | Failure:
    if isinstance(result, Failure):
        return result
    return replace(result, findings=(*unverified(result.name, connections), *result.findings))


def run_all(
    work: Callable[..., Result],
    items: Sequence[Any],
    workers: Workers,
    brake: Brake,
    report: Callable[[str, str], None],
    *,
    done: Callable[[int, Result | BaseException], object] | None = None,
) -> list[Result | BaseException]:
    """Run `work` on every item; an exception of the executor replaces a lost result.

    `done` is called in this thread with each result that arrives, by its place among the items.
    """
    with workers.line(brake, report) as line:
        more = () if workers.remote else (workers.compute,)
        ended: SimpleQueue[int] = SimpleQueue()
        futures = [workers.executor.submit(work, item, line.link, *more) for item in items]
        for index, future in enumerate(futures):
            future.add_done_callback(partial(_put, ended, index))
        running = set(futures)
        gone = ""
        try:
            while running and not gone:
                try:
                    index = ended.get(timeout=_LOOK)
                except Empty:
                    gone = line.look()
                    continue
                running.discard(futures[index])
                if done is not None:
                    result = _result(futures[index])
                    done(index, result)
        except BaseException:
            brake.press()
            line.look()
            for future in running:
                future.cancel()
            raise
        for future in running:
            future.cancel()
        found = _results(futures, running, gone)
        return list(found)


def _put(ended: SimpleQueue[int], index: int, _future: object) -> None:
    ended.put(index)


def _results(
    futures: Sequence[Future[Result]], running: set[Future[Result]], gone: str
) -> Iterator[Result | BaseException]:
    for future in futures:
        if future in running:
            yield LostWorkerError(f"{gone}; {AGAIN}")
        else:
            found = _result(future)
            yield found


def _result(future: Future[Result]) -> Result | BaseException:
    try:
        return future.result()
    except CancelledError:
        return LostWorkerError(f"its worker was lost, or the work was cancelled; {AGAIN}")
    except BaseException as error:  # noqa: BLE001 - work returns its own errors
        return LostWorkerError(f"its worker was lost ({type(error).__name__}: {error}); {AGAIN}")
