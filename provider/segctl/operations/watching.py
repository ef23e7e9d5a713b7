"""Devices that are asked about their traffic, and about what they do with some of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from segctl.model.errors import UsageError
from segctl.operations.loading import desired_of
from segctl.operations.workers import at_work

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from segctl.fleet import Failure
    from segctl.inventory import Loaded
    from segctl.observe.calibrating import Calibration
    from segctl.observe.grouping import Groups
    from segctl.observe.reading import Told
    from segctl.observe.replay import Firewall, Miscalibrated
    from segctl.observe.standing import Standings
    from segctl.operations.options import CommonOptions
    from segctl.operations.progress import Progress
    from segctl.providers.watching import Watch

#: How far back devices are asked where nobody says, in seconds: a week.
WINDOW: Final = 7 * 86400.0
#: No log of a device reaches further back.
_FURTHEST: Final = 3650 * 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What devices told: of their traffic, and what they hold, by name."""

    told: Told
    documents: Mapping[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen, how it stands to what is declared, and which firewall each witness is."""

    groups: Groups
    standings: Standings
    called: Mapping[str, str]


def refuse_nothing(files: Sequence[str], *, from_devices: bool) -> None:
    """Refuse to look at no traffic at all.

    Raises:
        UsageError: there is neither a file nor a device.
    """
    if not files and not from_devices:
        raise UsageError(
            "name files or folders with records of traffic (- is standard input), or ask the "
            "devices: --from-devices"
        )


def watch_of(now: float, since: float | None, *, each: bool, threats: bool) -> Watch:
    """Return what devices are asked: since a moment, or for a week.

    Raises:
        UsageError: the moment is no time to ask a log about.
    """
    from segctl.providers.watching import Watch

    first = now - WINDOW if since is None else since
    if not now - _FURTHEST <= first < now:
        raise UsageError("--since: devices are asked about a time in the past, at most ten years")
    return Watch(since=datetime.fromtimestamp(first, UTC), each=each, threats=threats)


def hear(
    common: CommonOptions,
    loaded: Loaded,
    watch: Watch | None,
    progress: Progress,
    holding: Collection[str] = (),
) -> Heard:
    """Ask the selected firewalls about their traffic; read those that are named in `holding`.

    Raises:
        UsageError: no firewall is selected.
    """
    from segctl.fleet import Failure
    from segctl.fleet.watching import hear_devices
    from segctl.observe.coverage import Unheard
    from segctl.observe.reading import Told

    chosen = desired_of(loaded)
    asked = [one for one in chosen if watch is not None or one.device.name in holding]
    names = [one.device.name for one in asked]
    with at_work(common, names, progress) as (executor, report):
        found = hear_devices(
            [one.device for one in asked],
            loaded.connections,
            watch,
            holding=[*holding],
            forks=common.forks,
            report=report,
            executor=executor,
        )
    failures: list[Failure] = [one for one in found if isinstance(one, Failure)]
    heard = [one for one in found if not isinstance(one, Failure)]
    told = Told(
        answers=[(one.device, answer) for one in heard for answer in one.answers],
        failed=[Unheard(device=one.device, code=one.code, why=one.message) for one in failures],
        conduits={
            (one.device.name, rule.name): rule.conduit
            for one in chosen
            for rule in one.policy.rules
        },
    )
    return Heard(told=told, documents={one.device: one.document for one in heard if one.document})


def calibrated(
    common: CommonOptions,
    loaded: Loaded,
    seen: Seen,
    firewalls: Sequence[Firewall],
    progress: Progress,
) -> tuple[tuple[Miscalibrated, ...], tuple[Calibration, ...]]:
    """Ask firewalls what they do with some of what was seen, and compare it with our model.

    Args:
        common: how devices are worked on.
        loaded: the inventory.
        seen: what was seen.
        firewalls: as they are now.
        progress: is told what each device does.
    """
    from segctl.fleet.watching import Questions, ask_decisions
    from segctl.observe.calibrating import MOST_QUESTIONS, Calibration, compared, questions
    from segctl.observe.replay import essential_of

    by_name = {one.device.name: one for one in firewalls}
    essential = essential_of(loaded.site)
    found = questions(seen.groups, firewalls, seen.standings, essential, seen.called)
    asked = {name: held[:MOST_QUESTIONS] for name, held in found.items() if held}
    with at_work(common, [*asked], progress) as (executor, report):
        heard = ask_decisions(
            [
                Questions(device=by_name[name].device, packets=tuple(one.packet for one in held))
                for name, held in asked.items()
            ],
            loaded.connections,
            forks=common.forks,
            report=report,
            executor=executor,
        )
    wrong: list[Miscalibrated] = []
    calibrations: list[Calibration] = []
    for one in heard:
        contradicted = compared(by_name[one.device], asked[one.device], one.rules)
        wrong += contradicted
        many = f"at most {MOST_QUESTIONS} rules are asked about"
        left = many if len(found[one.device]) > MOST_QUESTIONS else ""
        calibrations.append(
            Calibration(
                device=one.device,
                rules=len(found[one.device]),
                asked=len(one.rules),
                contradicted=len(contradicted),
                why=one.why or left,
            )
        )
    return tuple(wrong), tuple(calibrations)
