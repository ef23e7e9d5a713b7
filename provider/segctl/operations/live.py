"""Live: the plant looked at again and again, and questions answered from the last look."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from segctl.model.errors import SegctlError, UsageError
from segctl.operations.check import CheckOptions, check_of, one_check
from segctl.operations.loading import load_inventory
from segctl.operations.progress import Messages
from segctl.operations.query import QueryOptions, query_of
from segctl.operations.site import readings_of, shown_of
from segctl.planning.findings import CANNOT_TELL
from segctl.providers.containing import CONTAINED
from segctl.report.plant_page.live import LivePage, ends_of, live_page
from segctl.report.plant_page.now import DeviceNow, Now, Standing, Turn, named

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from segctl.drift.report import DeviceDrift, DriftReport, Unchecked
    from segctl.fleet import Brake
    from segctl.fleet.readings import Readings
    from segctl.inventory import Loaded
    from segctl.operations.options import CommonOptions
    from segctl.operations.progress import Progress
    from segctl.operations.site import SiteOptions

#: So many changes are remembered, the newest.
MOST_TURNS: Final = 500
#: So many periods a look is good for, and twice its own time: one may be late, or fail.
_PERIODS: Final = 3
#: Transport protocols that one may ask about.
_PROTOCOLS: Final = ("tcp", "udp", "icmp", "icmpv6")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the last look saw: the inventory, what every firewall held, and the page of it.

    `number` counts looks that saw something, `since` is when the first one began. `warnings` are
    what may be wrong although nothing stops because of it.
    """

    number: int
    since: datetime
    loaded: Loaded
    readings: Readings
    page: LivePage
    now: Now
    turns: tuple[Turn, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody asks: what may pass between two ends, or whether one flow does."""

    source: str
    destination: str
    application: str = ""
    protocol: str = ""
    port: str = ""
    user: str = ""

    @property
    def one_flow(self) -> bool:
        """Whether it is about one flow, as ``segctl check``; else it is as ``segctl query``."""
        return bool(self.application or self.protocol or self.port or self.user)


def look(
    common: CommonOptions,
    options: SiteOptions,
    before: Seen | None,
    *,
    every: float,
    brake: Brake,
) -> Seen:
    """Read the inventory and every firewall once, and return what is seen; never writes to one.

    What cannot be seen for a reason that is no firewall's, such as an inventory that is broken,
    leaves what was seen before, with the reason.

    Args:
        common: the inventory and its options.
        options: what the page shows.
        before: what the look before this one saw.
        every: how many seconds lie between two looks.
        brake: once pressed, every session ends at its next step.

    Raises:
        SegctlError: nothing can be seen, and nothing was seen before.
    """
    moment = datetime.now(UTC)
    try:
        return _seen(common, options, before, moment, every=every, brake=brake)
    except (SegctlError, OSError) as error:
        if before is None:
            raise
        return unseen(before, str(error), moment)


def unseen(before: Seen, error: str, moment: datetime) -> Seen:
    """Return what was seen before, with the reason why a look saw nothing."""
    return replace(before, now=replace(before.now, error=error, tried=moment), warnings=())


def _seen(
    common: CommonOptions,
    options: SiteOptions,
    before: Seen | None,
    moment: datetime,
    *,
    every: float,
    brake: Brake,
) -> Seen:
    progress = Messages()
    loaded = load_inventory(common, progress)
    readings = readings_of(common, loaded, progress, masked=True, brake=brake)
    shown = shown_of(common, loaded, options, progress, readings, brake=brake)
    if brake.pressed:
        raise UsageError("interrupted: nothing was read")
    if shown.drift is None:
        raise UsageError("drift was not asked for")
    now = Now(
        moment=moment,
        devices=tuple(_devices(shown.drift, readings, before)),
        every=every,
        patience=_PERIODS * every + 2 * (datetime.now(UTC) - moment).total_seconds(),
    )
    known = () if before is None else (*before.turns, *_turns(before.now, now))
    turns = known[-MOST_TURNS:]
    since = moment if before is None else before.since
    number = 1 if before is None else before.number + 1
    page = live_page(shown.plant, ends_of(loaded.site), turns, since, number)
    return Seen(
        number=number,
        since=since,
        loaded=loaded,
        readings=readings,
        page=page,
        now=now,
        turns=turns,
        warnings=tuple(dict.fromkeys((*progress.notes, *progress.warnings))),
    )


def _devices(drift: DriftReport, readings: Readings, before: Seen | None) -> Iterator[DeviceNow]:
    """Yield how each firewall stands; one that was not read stood otherwise before, perhaps."""
    from segctl.fleet.readings import Reading

    last = {} if before is None else {one.name: one for one in before.now.devices}
    for device in drift.devices:
        held = readings.get(device.name)
        standing, items, told = _standing(device)
        one = DeviceNow(name=device.name, standing=standing, items=items, told=told)
        if isinstance(held, Reading):
            yield replace(one, read=held.taken)
        elif (old := last.get(device.name)) is not None:
            then = old.standing if old.before is None else old.before
            yield replace(one, read=old.read, before=then if old.read else None)
        else:
            yield one


def _standing(device: DeviceDrift | Unchecked) -> tuple[Standing, tuple[str, ...], str]:
    from segctl.drift.report import Unchecked

    if isinstance(device, Unchecked):
        return "cannot tell", (), device.message
    cut = "; ".join(one.message for one in device.findings if one.kind == CONTAINED)
    if not device.items:
        return "in sync", (), cut
    items = tuple(
        f"{one.kind} {one.name}{f' by {one.changed_by.admin}' if one.changed_by else ''}"
        for one in device.items
    )
    if all(one.state == CANNOT_TELL for one in device.items):
        return "cannot tell", items, cut
    return "drifted", items, cut


def _turns(old: Now, new: Now) -> Iterator[Turn]:
    """Yield how firewalls stand otherwise than before, or have drifted otherwise."""
    before = {one.name: one for one in old.devices}
    for one in new.devices:
        was = before.get(one.name)
        if was is None or (was.standing, was.items) == (one.standing, one.items):
            continue
        more = [item for item in one.items if item not in was.items]
        less = [item for item in was.items if item not in one.items]
        said = [one.told] if one.told else []
        said += [f"now {named(more)}"] if more else []
        said += [f"no longer {named(less)}"] if less and one.read != was.read else []
        yield Turn(
            moment=new.moment,
            device=one.name,
            was=was.standing,
            now=one.standing,
            what="; ".join(said),
        )


# --- questions -----------------------------------------------------------------------------------


def answer(common: CommonOptions, seen: Seen, asked: Asked) -> dict[str, Any]:
    """Return what the last look says to a question: the document of `segctl query` or `check`.

    Raises:
        UsageError: an end is unknown, or no firewall is between them, or it contradicts itself.
    """
    progress: Progress = Messages()
    return _flow(common, seen, asked, progress) if asked.one_flow else _all(common, seen, asked)


def _all(common: CommonOptions, seen: Seen, asked: Asked) -> dict[str, Any]:
    from segctl.report.query import query_json

    options = QueryOptions(side="live", readings=seen.readings)
    found = query_of(common, seen.loaded, asked.source, asked.destination, options, Messages())
    return query_json(found, asked.source, asked.destination)


def _flow(common: CommonOptions, seen: Seen, asked: Asked, progress: Progress) -> dict[str, Any]:
    from segctl.report import check_json

    if asked.protocol and asked.protocol not in _PROTOCOLS:
        raise UsageError(f"the protocol is one of {', '.join(_PROTOCOLS)}")
    if asked.port and not (asked.port.isascii() and asked.port.isdigit() and _is_port(asked.port)):
        raise UsageError("a port is a number from 1 to 65535")
    one = one_check(
        source=asked.source,
        destination=asked.destination,
        application=asked.application,
        protocol=asked.protocol or None,
        port=int(asked.port) if asked.port else None,
        user=asked.user,
    )
    options = CheckOptions(checks=(one,), readings=seen.readings)
    result = check_of(common, seen.loaded, options, progress)
    return check_json(
        result.questions,
        result.answers,
        verdicts=result.verdicts,
        expecting=False,
        declared=False,
        policies=result.policies,
    )


def _is_port(text: str) -> bool:
    return len(text) <= 5 and 1 <= int(text) <= 65535


def answer_json(seen: Seen, asked: Asked, found: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    """Return the document of an answer: of when it is, and whether that is too old to tell."""
    now = seen.now
    document: dict[str, Any] = {
        "format_version": "1.0",
        "read": now.moment.isoformat(),
        "age": round((at - now.moment) / timedelta(seconds=1), 1),
        "stale": now.stale(at),
        "command": "check" if asked.one_flow else "query",
        "answer": found,
    }
    if now.stale(at):
        message = "the firewalls were read too long ago to tell what they permit"
        document["error"] = {"code": "cannot_tell", "message": message}
    elif "error" in found:
        document["error"] = found["error"]
    return document
