"""Contain: cut an address, an asset or a zone off at every firewall of its paths, for a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_address
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Final, Literal, TypeVar
from uuid import uuid4

from segctl.analysis.ends import end_of, sites_of
from segctl.compiler import naming
from segctl.compiler.routing import routes
from segctl.compiler.topology import topology
from segctl.fleet.connections import MOST_TO_A_MANAGER, target
from segctl.fleet.tasks import document_of
from segctl.model.addresses import (
    interval_text,
    meeting,
    merge,
    network_interval,
    networks_of,
    subtract,
)
from segctl.model.durations import format_duration
from segctl.model.errors import ContainmentError, DeviceError, SegctlError, UsageError
from segctl.operations.loading import load_inventory, today
from segctl.planning import containments
from segctl.planning.audit import journal_file
from segctl.planning.containing import (
    Contained,
    Order,
    Surviving,
    contain,
    no_longer_passing,
    prepared,
    sessions_of,
    still_passing,
    unprepared,
)
from segctl.providers.base import provider
from segctl.providers.containing import Containing
from segctl.transports.lock_owner import this_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from segctl.analysis.ends import End
    from segctl.compiler.routing import Leg
    from segctl.inventory import Loaded
    from segctl.model.addresses import Interval
    from segctl.model.site import Device, Endpoint, Site, Zone
    from segctl.operations.options import CommonOptions
    from segctl.operations.progress import Progress
    from segctl.providers.base import Live
    from segctl.providers.containing import LiveSession

T = TypeVar("T")
Kind = Literal["host", "asset", "zone", "island"]
_DECLARE: Final = (
    "declare segctl_containment in the inventory and run segctl apply, before the next incident"
)
#: Why nothing is known of a firewall, and nothing was done on it.
NOT_SELECTED: Final = "-l does not select it"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainOptions:
    """Who is to be contained, for how many seconds, and why."""

    kind: Kind
    name: str
    seconds: int
    reason: str
    cut_essential: bool = False
    persistent: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CutFlow:
    """A flow of whom is to be contained; it `survives` where every firewall lets it go on."""

    conduit: str
    flow: str
    essential: bool
    survives: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a firewall has open of whom is to be contained.

    `gap` says why it cannot contain, `silent` which members of a pair give no answer.
    """

    device: Device
    live: Live | None = None
    ending: tuple[LiveSession, ...] = ()
    kept: tuple[LiveSession, ...] = ()
    gap: str = ""
    silent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What containing would do; nothing has been done yet.

    `above` are the zones (keys) that an island is cut off from.
    """

    loaded: Loaded
    options: ContainOptions
    zone: str
    order: Order
    flows: tuple[CutFlow, ...]
    looks: tuple[Look, ...]
    above: tuple[str, ...] = ()


def preview(common: CommonOptions, options: ContainOptions, progress: Progress) -> Preview:
    """Return what containing would cut; reads firewalls, changes nothing.

    Raises:
        ContainmentError: it is refused, and why.
        InventoryError: the inventory cannot be used.
    """
    if not options.reason.strip():
        raise UsageError("say why with --reason: it is on record, and plans show it")
    loaded = load_inventory(common, progress)
    site = loaded.site
    end = _end(options, site)
    parts = tuple(networks_of(end.addresses))
    devices, legs = firewalls_of(site, end)
    _refuse_whole(site, parts, options)
    _refuse_undeclared(devices, end, options)
    flows = tuple(flows_meeting(devices, legs, parts))
    _refuse_essential(site, devices, parts, flows, options)
    note = note_of(options)
    order = Order(parts=parts, note=note, seconds=options.seconds, persistent=options.persistent)
    undeclared = f"nothing is prepared there: {_DECLARE}"
    asked = [(one, undeclared if one.containment is None else "") for one in devices]
    looks = looked(common, loaded, order, asked, progress)
    if all(look.gap for look in looks):
        gaps = "; ".join(f"{look.device.name}: {look.gap}" for look in looks)
        raise ContainmentError(f"no firewall can contain {options.name}: {gaps}")
    return Preview(
        loaded=loaded,
        options=options,
        zone=end.zone,
        order=order,
        flows=flows,
        looks=looks,
    )


def note_of(options: ContainOptions) -> naming.ContainedNote:
    """Return what is noted on devices of what is asked for now."""
    return naming.ContainedNote(
        until=datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=options.seconds),
        id=uuid4().hex[:8],
        by=this_run(),
        why=options.reason,
    )


def perform(common: CommonOptions, seen: Preview, progress: Progress) -> tuple[Contained, ...]:
    """Contain on every firewall; only where nothing is `open` on any it is contained.

    Raises:
        JournalError: it could not be put on record, so that nothing was begun.
    """
    is_island = seen.order.group != naming.CONTAINED
    wanted = containments.Standing(
        id=seen.order.note.id,
        name=seen.options.name,
        addresses=seen.order.texts,
        devices=tuple(look.device.name for look in seen.looks),
        until=seen.order.note.until,
        by=seen.order.note.by,
        reason=seen.options.reason,
        persistent=seen.options.persistent,
        group=seen.order.group,
        against=tuple(map(interval_text, seen.order.against)) if is_island else (),
    )
    path = journal_file()
    containments.began(path, wanted)
    able = [look.device for look in seen.looks if not look.gap]
    found = each(common, able, partial(contain_on, seen.loaded, seen.order), progress)
    done = [one for some in found for one in some]
    done += [Contained(device=one.device.name, open=[one.gap]) for one in seen.looks if one.gap]
    texts = [f"{one.device}: {text}" for one in done for text in one.open]
    containments.ended(path, wanted.id, texts)
    return tuple(done)


def each(
    common: CommonOptions,
    devices: Sequence[Device],
    work: Callable[[Device, Callable[[str], None]], T],
    progress: Progress,
) -> list[T]:
    """Return the result of some work on each device, several at a time.

    Of those behind one manager, only as many at a time as it takes.
    """
    names = [device.name for device in devices]
    if not names:
        return []
    managers = {
        device.manager: BoundedSemaphore(MOST_TO_A_MANAGER) for device in devices if device.manager
    }
    with (
        progress.devices(names) as told,
        ThreadPoolExecutor(max_workers=min(common.forks, len(names))) as pool,
    ):

        def one(device: Device) -> T:
            try:
                with managers.get(device.manager, nullcontext()):
                    return work(device, partial(told, device.name))
            finally:
                told(device.name, "")

        return list(pool.map(one, devices))


# --- who, and where ------------------------------------------------------------------------------


def _end(options: ContainOptions, site: Site) -> End:
    try:
        found = end_of(options.name, site, sites_of(site.devices))
    except LookupError as error:
        message, hint = (*map(str, error.args), "")[:2]
        nobody = " (nobody is contained by an address of which it is not known whose it is)"
        raise ContainmentError(f"{message}: {hint}{nobody}") from error
    literal = _is_address(options.name)
    kind = "zone" if found.whole else "host" if literal else "asset"
    if kind != options.kind:
        article = "an" if kind == "asset" else "a"
        what = "an address" if kind == "host" else f"{article} {kind}"
        raise ContainmentError(
            f"{options.name} is {what}: write segctl contain {kind} {options.name}"
        )
    return found


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def firewalls_of(site: Site, end: End) -> tuple[tuple[Device, ...], dict[str, list[Leg]]]:
    """Return every firewall of every path of a zone, and the flows of the zone that cross each.

    They are those that the zone is attached to, and those that its conduits cross.
    """
    legs = {
        name: [leg for leg in crossing if end.zone in (leg.source.key, leg.destination.key)]
        for name, crossing in routes(site, topology(site.devices), today()).legs.items()
    }
    found = tuple(
        device
        for device in site.devices
        if legs.get(device.name) or any(binding.zone == end.zone for binding in device.zones)
    )
    if not found:
        raise ContainmentError(
            f"no firewall of the inventory stands on a path of zone {end.zone}: nothing can cut it"
        )
    return found, {device.name: legs.get(device.name, []) for device in found}


def flows_meeting(
    devices: Iterable[Device], legs: dict[str, list[Leg]], parts: tuple[Interval, ...]
) -> Iterator[CutFlow]:
    """Yield the flows of the addresses, those that are essential first."""
    touched: list[tuple[Device, Leg]] = []
    for device in devices:
        for leg in legs[device.name]:
            sides = ((leg.source, leg.sources), (leg.destination, leg.destinations))
            if any(_meets(zone, ends, parts) for zone, ends in sides):
                touched.append((device, leg))
    yield from flows_of(touched)


def flows_of(crossing: Iterable[tuple[Device, Leg]]) -> Iterator[CutFlow]:
    """Yield flows, each with the firewalls that it crosses; those that are essential first."""
    survives: dict[tuple[str, str], bool] = {}
    essential: dict[tuple[str, str], bool] = {}
    for device, leg in crossing:
        declared, key = device.containment, (naming.label(leg.conduit), leg.flow.id)
        goes_on = declared is not None and (
            leg.flow.essential if declared.survives is None else "/".join(key) in declared.survives
        )
        survives[key] = survives.get(key, True) and goes_on
        essential[key] = leg.flow.essential
    for conduit, flow in sorted(survives, key=lambda key: (not essential[key], key)):
        yield CutFlow(
            conduit=conduit,
            flow=flow,
            essential=essential[conduit, flow],
            survives=survives[conduit, flow],
        )


def _meets(zone: Zone, ends: Sequence[Endpoint], parts: tuple[Interval, ...]) -> bool:
    """Whether one side of a flow may have some of the addresses."""
    assets = {asset.name: asset.addresses for asset in zone.assets}
    if ends:
        held = [
            network
            for end in ends
            for network in ((end.network,) if end.network else assets.get(end.asset, ()))
        ]
    else:
        held = [*zone.networks, *(one for some in assets.values() for one in some)]
    merged = merge(parts)
    return any(meeting(network_interval(network), merged) for network in held)


# --- refusals ------------------------------------------------------------------------------------


def _refuse_whole(site: Site, parts: tuple[Interval, ...], options: ContainOptions) -> None:
    every = merge(
        network_interval(network)
        for zone in site.zones
        for network in (*zone.networks, *(one for a in zone.assets for one in a.addresses))
    )
    if not subtract(every, parts):
        raise ContainmentError(
            f"{options.name} is the whole plant: nobody would be left to be kept from it"
        )


def _refuse_undeclared(devices: Sequence[Device], end: End, options: ContainOptions) -> None:
    declared = [device.containment for device in devices if device.containment is not None]
    if not declared:
        names = ", ".join(device.name for device in devices)
        raise ContainmentError(f"nothing is prepared on {names}: {_DECLARE}")
    longest = min(one.longest for one in declared)
    if not 0 < options.seconds <= longest:
        raise ContainmentError(
            f"{format_duration(options.seconds)} is longer than the inventory allows: "
            f"at most {format_duration(longest)} (segctl_containment.longest)"
        )
    if any(one.zones and end.zone not in one.zones for one in declared):
        raise ContainmentError(
            f"zone {end.zone} is not among those that may be contained (segctl_containment.zones)"
        )


def _refuse_essential(
    site: Site,
    devices: Iterable[Device],
    parts: tuple[Interval, ...],
    flows: Iterable[CutFlow],
    options: ContainOptions,
) -> None:
    if options.cut_essential:
        return
    never = {name for one in devices if one.containment for name in one.containment.never}
    merged = merge(parts)
    protected = sorted(
        asset.name
        for zone in site.zones
        for asset in zone.assets
        if asset.name in never
        and any(meeting(network_interval(network), merged) for network in asset.addresses)
    )
    if protected:
        raise ContainmentError(
            f"{', '.join(protected)} must never be contained (segctl_containment.never): "
            "--cut-essential does it nevertheless"
        )
    refuse_cut(flows)


def refuse_cut(flows: Iterable[CutFlow]) -> None:
    """Refuse to cut essential flows.

    Raises:
        ContainmentError: some do not go on.
    """
    cut = [f"{one.conduit}.{one.flow}" for one in flows if one.essential and not one.survives]
    if cut:
        raise ContainmentError(
            f"this would cut the essential flows {', '.join(cut)}, which do not go on "
            "(segctl_containment.survive): --cut-essential does it nevertheless"
        )


# --- on a firewall -------------------------------------------------------------------------------


def looked(
    common: CommonOptions,
    loaded: Loaded,
    order: Order,
    asked: Sequence[tuple[Device, str]],
    progress: Progress,
) -> tuple[Look, ...]:
    """Return what each firewall has open of what is to be cut; reads them, changes nothing.

    Each comes with why nothing is declared there, or nothing; then it is not asked.
    """
    devices = [device for device, gap in asked if not gap]
    found = each(common, devices, partial(_look, loaded, order), progress)
    undeclared = [Look(device=device, gap=gap) for device, gap in asked if gap]
    return (*found, *undeclared)


def _look(loaded: Loaded, order: Order, device: Device, told: Callable[[str], None]) -> Look:
    if device.name not in loaded.hosts:
        return Look(device=device, gap=NOT_SELECTED)
    speaks = provider(device.platform)
    try:
        where = target(device.name, loaded.connections[device.name], device.scope)
        with speaks.connect(where, read_only=True, progress=told) as session:
            live = speaks.parse(session.read())
            own = prepared(live, managed=bool(device.group))
            if missing := unprepared(own, order.group, order.against):
                return Look(device=device, gap=f"{'; '.join(missing)}: run segctl apply")
            if not isinstance(session, Containing):
                return Look(device=device, gap=f"{device.platform} cannot contain")
            told("reading its sessions")
            surviving = Surviving(own)
            listed: list[tuple[list[LiveSession], list[LiveSession]]] = []
            silent: list[str] = []
            for cell in session.cells(order.group):
                try:
                    listed.append(sessions_of(cell, order, surviving))
                except DeviceError as error:
                    silent.append(f"{cell.name}: {error.message}")
    except SegctlError as error:
        return Look(device=device, gap=str(error))
    return Look(
        device=device,
        live=live,
        ending=tuple(dict.fromkeys(one for ending, _ in listed for one in ending)),
        kept=tuple(dict.fromkeys(one for _, kept in listed for one in kept)),
        silent=tuple(silent),
    )


def contain_on(
    loaded: Loaded, order: Order, device: Device, told: Callable[[str], None]
) -> tuple[Contained, ...]:
    """Contain on one firewall, every member of a pair included, and verify it."""
    speaks = provider(device.platform)
    try:
        where = target(device.name, loaded.connections[device.name], device.scope)
        with speaks.connect(where, read_only=False, progress=told) as session:
            own = prepared(speaks.parse(session.read()), managed=bool(device.group))
            if missing := unprepared(own, order.group, order.against):
                return (Contained(device=device.name, open=list(missing)),)
            if not isinstance(session, Containing):
                return (Contained(device=device.name, open=["its platform cannot contain"]),)
            done = contain(session, own, order, told)
        told("checking")
        after = speaks.parse(document_of(device, loaded.connections[device.name], told))
        managed = bool(device.group)
        done[0].open.extend(still_passing(after, speaks, order, managed=managed))
        done[0].open.extend(no_longer_passing(after, speaks, order, managed=managed))
    except SegctlError as error:
        return (Contained(device=device.name, open=[str(error)]),)
    return done
