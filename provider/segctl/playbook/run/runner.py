"""The runner: the waves of a playbook, one after the other, until all are done or one fails.

Between two waves it checks the change window, waits for the soak time and heeds Ctrl-C.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from segctl.fleet.failures import Failure
from segctl.fleet.needs import needs_of_managed
from segctl.fleet.run import plan_devices
from segctl.fleet.ways import guarded
from segctl.model.errors import PlanError, SegctlError, WideningError
from segctl.planning.meaning import widening
from segctl.planning.plan import DevicePlan
from segctl.playbook import closes, exceeds, opens
from segctl.playbook.run.results import (
    BAD,
    DeviceResult,
    PlayResult,
    RolloutResult,
    Stop,
    WaveResult,
)
from segctl.playbook.run.wave import Wave

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from segctl.compiler.build import Desired
    from segctl.fleet.workers import Workers
    from segctl.planning.plan import Allowance
    from segctl.playbook import Play
    from segctl.playbook.run.context import Run, Screen
    from segctl.playbook.run.prepare import Prepared
    from segctl.providers.management import Management


def roll(plays: Sequence[Prepared], run: Run) -> RolloutResult:
    """Roll the plays out, wave by wave, and return the results of all devices."""
    results: list[PlayResult] = []
    stop = _rested(run, run.resting_until)
    left = [(one.number, number) for one in plays for number, _ in enumerate(one.waves, 1)]
    for prepared in plays:
        waves: list[WaveResult] = []
        run.screen.tell(
            "play",
            play=prepared.number,
            name=prepared.play.name,
            hosts=sum(len(one.hosts) for wave in prepared.waves for one in wave),
            waves=len(prepared.waves),
        )
        for number, devices in enumerate(prepared.waves, 1):
            left.remove((prepared.number, number))
            stop = stop or _may_begin(prepared.play, run) or _noted(prepared, devices, run)
            if stop is not None:
                waves.append(_not_begun(prepared, number, devices, run))
                continue
            result = _wave(prepared, number, devices, run)
            waves.append(result)
            stop = _stop_of(prepared, result, run)
            last = not left or stop is not None
            until = _soak_end(prepared.play, result, run, last=last)
            run.keep((*results, _play(prepared, waves)), until)
            stop = stop or _rested(run, until)
        results.append(_play(prepared, waves))
    return RolloutResult(plays=tuple(results), stop=stop)


def _play(prepared: Prepared, waves: Sequence[WaveResult]) -> PlayResult:
    return PlayResult(number=prepared.number, name=prepared.play.name, waves=tuple(waves))


def _may_begin(play: Play, run: Run) -> Stop | None:
    """Return why the next wave may not begin, or None."""
    if run.brake.eased:
        return Stop(code="interrupted", message="interrupted: nothing more was started")
    now = run.today()
    if not play.windows or closes(play.windows, now) is not None:
        return None
    opening = opens(play.windows, now)
    when = f"it opens {opening:%A %Y-%m-%d %H:%M %Z}" if opening else "it does not open again"
    return Stop(
        code="window_closed",
        message=f"play {play.name!r} is outside its change window: {when}",
    )


def _noted(prepared: Prepared, devices: Sequence[Desired], run: Run) -> Stop | None:
    """Record a wave before it begins: if the run is killed, resuming must probe that wave."""
    try:
        run.begin(prepared.number, [name for one in devices for name in one.hosts])
    except SegctlError as error:
        return Stop(code=error.code, message=f"nothing more was started: {error}")
    return None


def _not_begun(prepared: Prepared, number: int, devices: Sequence[Desired], run: Run) -> WaveResult:
    before = run.done.get(prepared.number, frozenset())
    results = tuple(
        DeviceResult(device=name, status="done_before" if name in before else "not_begun")
        for one in devices
        for name in one.hosts
    )
    begun = all(one.well for one in results)
    return WaveResult(number=number, status="done" if begun else "not_begun", devices=results)


def _stop_of(prepared: Prepared, result: WaveResult, run: Run) -> Stop | None:
    if result.status == "failed":
        return Stop(
            code="wave_failed",
            message=f"wave {result.number} of play {prepared.play.name!r} failed: {result.message}",
        )
    if run.brake.eased:
        return Stop(code="interrupted", message="interrupted: nothing more was started")
    return None


def _soak_end(play: Play, result: WaveResult, run: Run, *, last: bool) -> datetime | None:
    """Return the time to wait for before the next wave."""
    if last or not play.soak or not result.changed:
        return None
    return run.today() + timedelta(seconds=play.soak)


def _rested(run: Run, until: datetime | None) -> Stop | None:
    """Wait until the given time, or until somebody presses Ctrl-C."""
    left = (until - run.today()).total_seconds() if until else 0.0
    if until is None or left <= 0:
        return None
    run.screen.tell("soak", seconds=round(left), until=until.isoformat(timespec="seconds"))
    if run.brake.rest(left):
        run.screen.tell("soak_end")
        return None
    return Stop(code="interrupted", message="interrupted while soaking: nothing more was started")


def _wave(prepared: Prepared, number: int, devices: Sequence[Desired], run: Run) -> WaveResult:
    before = run.done.get(prepared.number, frozenset())
    todo = tuple(left for one in devices if (left := _left(one, before)) is not None)
    names = tuple(name for one in todo for name in one.hosts)
    if todo:
        run.screen.tell("wave", play=prepared.number, wave=number, devices=list(names))
        wave = Wave(prepared=prepared, run=run, devices=todo)
        wave.go()
        found = {
            result.device: result
            for one in todo
            for result in wave.results[one.device.name].of_hosts(one.hosts)
        }
    else:
        found = {}
    results = tuple(
        found.get(name) or DeviceResult(device=name, status="done_before")
        for one in devices
        for name in one.hosts
    )
    result = _judged(prepared.play, number, names, results)
    if todo:
        run.screen.tell(
            "wave_end",
            play=prepared.number,
            wave=number,
            status=result.status,
            devices=[_as_event(one) for one in results if one.device in names],
        )
    return result


def _left(desired: Desired, before: frozenset[str]) -> Desired | None:
    """Return what an earlier run has left to do, of a group for the firewalls it has left."""
    hosts = tuple(name for name in desired.hosts if name not in before)
    if not hosts:
        return None
    return replace(desired, receivers=hosts) if desired.receivers else desired


def _as_event(result: DeviceResult) -> dict[str, object]:
    return {
        "device": result.device,
        "status": result.status,
        "code": result.code,
        "message": result.message,
        "changes": result.changes,
    }


def _judged(
    play: Play, number: int, names: Sequence[str], results: tuple[DeviceResult, ...]
) -> WaveResult:
    bad = [one for one in results if one.status in BAD]
    if exceeds(len(bad), len(names), play.tolerated):
        return WaveResult(number=number, status="failed", devices=results, message=_why(bad))
    taken = any(one.status in ("reverted", "not_begun") for one in results)
    return WaveResult(number=number, status="not_begun" if taken else "done", devices=results)


def _why(bad: Iterable[DeviceResult]) -> str:
    listed = [f"{one.device}: {one.message}" for one in bad]
    more = f"; and {len(listed) - 3} more" if len(listed) > 3 else ""
    return "; ".join(listed[:3]) + more


# --- planning ------------------------------------------------------------------------------------


def look(
    plays: Sequence[Prepared],
    *,
    forks: int,
    screen: Screen,
    executor: Workers | None = None,
    cache: bool = False,
    allow_mass_delete: bool = False,
    no_widening: bool = False,
    disruptions: Sequence[Allowance] = (),
) -> RolloutResult:
    """Return what each wave would change on the devices as they are now; only read from them."""
    managed: dict[str, Management | None] = {}

    def planned(prepared: Prepared, devices: Sequence[Desired]) -> Sequence[DevicePlan | Failure]:
        with screen.devices([one.device.name for one in devices]) as report:
            made = plan_devices(
                devices,
                prepared.connections,
                forks=forks,
                report=report,
                executor=executor,
                cache=cache,
            )
            beside = needs_of_managed(
                [one for one in made if isinstance(one, DevicePlan)],
                prepared.site,
                prepared.connections,
                forks=forks,
                report=report,
                executor=executor,
            )
        managed.update(beside)
        return guarded(
            made,
            prepared.site,
            prepared.connections,
            disruptions,
            remote=executor is not None and executor.remote,
            beside=beside,
        )

    def allowed(prepared: Prepared) -> bool:
        applying = [task for task in prepared.tasks if task.action == "apply"]
        return allow_mass_delete or (
            bool(applying) and all(task.allow_mass_delete for task in applying)
        )

    return RolloutResult(
        plays=tuple(
            _looked(one, planned, allow_mass_delete=allowed(one), no_widening=no_widening)
            for one in plays
        ),
        managed=managed,
    )


def _looked(
    prepared: Prepared,
    planned: Callable[[Prepared, Sequence[Desired]], Sequence[DevicePlan | Failure]],
    *,
    allow_mass_delete: bool,
    no_widening: bool,
) -> PlayResult:
    every = [one for wave in prepared.waves for one in wave]
    made = planned(prepared, every)
    found = {
        (one.device.name, one.receivers): _seen(
            item, allow_mass_delete=allow_mass_delete, no_widening=no_widening
        )
        for one, item in zip(every, made, strict=True)
    }
    waves = tuple(
        WaveResult(
            number=number,
            status="planned",
            devices=tuple(found[one.device.name, one.receivers] for one in wave),
        )
        for number, wave in enumerate(prepared.waves, 1)
    )
    return _play(prepared, waves)


def _seen(
    item: DevicePlan | Failure, *, allow_mass_delete: bool, no_widening: bool
) -> DeviceResult:
    if isinstance(item, Failure):
        return DeviceResult(
            device=item.device, status="failed", code=item.code, message=item.message
        )
    code, reasons = "", ""
    if barring := item.barring(allow_mass_delete=allow_mass_delete):
        code, reasons = PlanError.code, "; ".join(map(str, barring))
    elif no_widening and item.changes:
        code, reasons = WideningError.code, widening(item.name, item.meaning)
    if reasons:
        return DeviceResult(
            device=item.name,
            status="failed",
            code=code,
            message=reasons,
            changes=len(item.changes),
            plan=item,
        )
    return DeviceResult(
        device=item.name,
        status="planned" if item.changes or item.state.unsettled else "in_sync",
        changes=len(item.changes),
        plan=item,
    )
