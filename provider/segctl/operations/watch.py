"""Watch: judge records by what the inventory declares, and propose or perform containment."""

from __future__ import annotations

import shlex
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import reduce
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

from segctl.compiler.routing import routes
from segctl.compiler.topology import topology
from segctl.model.addresses import meeting, network_interval
from segctl.model.durations import format_duration
from segctl.model.errors import SegctlError, UsageError
from segctl.observe.coverage import SKEW
from segctl.operations import contain as containing
from segctl.operations.audit import HistoryOptions, applies
from segctl.operations.contain import ContainOptions, flows_meeting
from segctl.operations.loading import load_inventory, today
from segctl.operations.watching import hear, refuse_nothing, watch_of
from segctl.planning import watched
from segctl.planning.audit import journal_file
from segctl.report.watch import Judged, WatchResult
from segctl.system.inert import printable
from segctl.transports.lock_owner import this_run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from segctl.compiler.routing import Leg
    from segctl.inventory import Loaded
    from segctl.model.addresses import Interval
    from segctl.model.site import Containment, Device, Site
    from segctl.observe.coverage import Coverage
    from segctl.observe.suspects import Suspect
    from segctl.operations.options import CommonOptions
    from segctl.operations.progress import Progress
    from segctl.planning.watched import Memory, Told

#: How old records may be that are judged, in seconds, where nobody says.
WINDOW: Final = 3600.0
#: For how long somebody is contained, in seconds, where nobody says.
SECONDS: Final = 3600
_REASON_MOST: Final = 120
_NOBODY: Final = (
    "nothing is to be judged: name what asks for containment in segctl_containment.on, with zones"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchOptions:
    """Which records are judged, and whether what they ask for is done.

    `now` and `since` are seconds since 1970; older records do not count. `seconds` is for how long
    somebody is contained.
    """

    files: tuple[str, ...]
    now: float
    from_devices: bool = False
    since: float | None = None
    timezone: str | None = None
    act: bool = False
    seconds: int = SECONDS


def acknowledge(reason: str) -> None:
    """Record that a person has looked at what was contained by itself, so that it may go on.

    Raises:
        JournalError: it cannot be recorded.
        UsageError: there is no reason.
    """
    if not reason.strip():
        raise UsageError("--acknowledge needs --reason: what you looked at, and found")
    watched.acknowledged(journal_file(), this_run(), reason)


def told(recipient: str) -> frozenset[Told]:
    """Return what one was told of already; nothing where the journal cannot be trusted."""
    entries, faults = _journal()
    return frozenset() if faults else watched.told(entries, _clock(), recipient)


def notified(news: Iterable[Told], recipient: str) -> None:
    """Record what one was told of.

    Raises:
        JournalError: it cannot be recorded: the next look tells it again.
    """
    watched.notified(journal_file(), news, recipient)


def watch(common: CommonOptions, options: WatchOptions, progress: Progress) -> WatchResult:
    """Judge records once; propose what they ask for, or do it where that is asked for.

    Raises:
        ContainmentError: the inventory names nothing that asks for containment.
        InventoryError: the inventory cannot be used.
        JournalError: the journal cannot be read, or what is done cannot be recorded.
        UsageError: no file is given and no device is asked, or a file does not exist.
    """
    refuse_nothing(options.files, from_devices=options.from_devices)
    loaded = load_inventory(common, progress)
    if not any(one.containment and one.containment.on for one in loaded.site.devices):
        raise UsageError(_NOBODY)
    since = options.now - WINDOW if options.since is None else options.since
    asked = replace(options, since=since)
    found, coverage, future, undated = _suspects(common, asked, loaded, progress)
    run = _Run(common=common, options=asked, loaded=loaded, progress=progress)
    judged = tuple(run.judge(one) for one in found)
    return WatchResult(
        coverage=coverage,
        judged=judged,
        stopped=run.stopped,
        blind=not coverage.records,
        future=future,
        undated=undated,
    )


def _suspects(
    common: CommonOptions, options: WatchOptions, loaded: Loaded, progress: Progress
) -> tuple[tuple[Suspect, ...], Coverage, int, int]:
    from segctl.observe.pairs import members_of
    from segctl.observe.places import Places
    from segctl.observe.reading import ReadOptions, read
    from segctl.observe.standing import Standings
    from segctl.observe.suspects import Sightings, suspects

    told = None
    if options.from_devices:
        asked = watch_of(options.now, options.since, each=True, threats=True)
        told = hear(common, loaded, asked, progress).told
    site = loaded.site
    with closing(Sightings(options.now)) as sightings:
        reading = read(
            options.files,
            ReadOptions(
                now=options.now,
                since=options.since,
                timezone=options.timezone,
                members=members_of(site.devices),
            ),
            groups=sightings,
            told=told,
        )
        called = reading.coverage.called([one.name for one in site.devices])
        places = Places(site, called)
        standings = Standings(site, places, today())
        found = suspects(sightings, standings, places, reading.coverage)
    return found, reading.coverage, sightings.future, sightings.undated


@dataclass(slots=True, kw_only=True)
class _Run:
    """One look: judges suspects one after the other; once it has `stopped` it does nothing more."""

    common: CommonOptions
    options: WatchOptions
    loaded: Loaded
    progress: Progress
    stopped: str = ""
    _legs: dict[str, dict[str, list[Leg]]] = field(
        default_factory=dict[str, "dict[str, list[Leg]]"]
    )
    _every: dict[str, list[Leg]] | None = None

    def judge(self, suspect: Suspect) -> Judged:
        """Return what becomes of a suspect; contains it where it may."""
        why = "; ".join(suspect.doubts) or self._refusal(suspect)
        if why:
            return Judged(suspect=suspect, state="refused", why=why)
        entries, faults = _journal()
        known = watched.memory(entries, _clock())
        if settled := _settled(known, suspect):
            return settled
        command = _command(suspect, self.options.seconds)
        proposed = Judged(suspect=suspect, state="proposed", command=command)
        if not self.options.act:
            return proposed
        if suspect.sign not in self._kinds(suspect.zone):
            return replace(proposed, why="segctl_containment.act does not name it")
        if suspect.unproven:
            return replace(proposed, why=suspect.unproven)
        if faults:
            self.stopped = self.stopped or f"the journal is not what was written: {faults}"
        self.stopped = self.stopped or known.stop(self._at_once(), _clock())
        if self.stopped:
            return replace(proposed, state="not_contained", why=self.stopped)
        return self._act(suspect, proposed)

    def _act(self, suspect: Suspect, proposed: Judged) -> Judged:
        """Contain a suspect as by hand, unless somebody else was first meanwhile."""
        asked = ContainOptions(
            kind="host",
            name=suspect.address,
            seconds=self.options.seconds,
            reason=_reason(suspect),
        )
        try:
            seen = containing.preview(self.common, asked, self.progress)
        except SegctlError as error:
            return replace(proposed, state="not_contained", why=str(error))
        note = seen.order.note
        path = journal_file()
        act = watched.Act(id=note.id, address=suspect.address, began=_clock(), until=note.until)
        watched.began(path, act, suspect.sign, suspect.what)
        known = watched.memory(watched.before(_journal()[0], note.id), _clock())
        settled = _settled(known, suspect)
        stop = known.stop(self._at_once(), _clock())
        if settled or stop:
            watched.withdrawn(path, note.id, stop or "somebody else was first")
            self.stopped = self.stopped or stop
            return settled or replace(proposed, state="not_contained", why=stop)
        done = containing.perform(self.common, seen, self.progress)
        open_ = [f"{one.device}: {text}" for one in done for text in one.open]
        return Judged(
            suspect=suspect,
            state="not_contained" if open_ else "contained",
            why="; ".join(open_) or note.words,
            command=proposed.command,
            done=done,
        )

    # --- what the inventory says

    def _refusal(self, suspect: Suspect) -> str:
        """Return why an address must not be contained by itself; empty where it may be."""
        zone, site = suspect.zone, self.loaded.site
        devices, legs = self._firewalls(zone)
        declared = [one.containment for one in devices if one.containment is not None]
        if not declared:
            return f"nothing is prepared for zone {zone}"
        if any(zone not in one.zones for one in declared):
            return f"segctl_containment.zones does not name zone {zone}"
        if any(suspect.sign not in one.on for one in declared):
            return f"segctl_containment.on does not name {suspect.sign} for zone {zone}"
        longest = min(one.longest for one in declared)
        if self.options.seconds > longest:
            return f"--for is longer than segctl_containment.longest: {format_duration(longest)}"
        part = _part(suspect.address)
        if name := _never(site, declared, part):
            return f"{name} must never be contained (segctl_containment.never)"
        for flow in flows_meeting(devices, legs, (part,)):
            if flow.essential:
                return f"it carries the essential flow {flow.conduit}.{flow.flow}"
        return ""

    def _firewalls(self, zone: str) -> tuple[tuple[Device, ...], dict[str, list[Leg]]]:
        site = self.loaded.site
        if self._every is None:
            found = routes(site, topology(site.devices), today()).legs
            self._every = {name: [*legs] for name, legs in found.items()}
        if zone not in self._legs:
            self._legs[zone] = {
                name: [leg for leg in legs if zone in (leg.source.key, leg.destination.key)]
                for name, legs in self._every.items()
            }
        legs = self._legs[zone]
        devices = tuple(
            device
            for device in site.devices
            if legs.get(device.name) or any(binding.zone == zone for binding in device.zones)
        )
        return devices, {device.name: legs.get(device.name, []) for device in devices}

    def _kinds(self, zone: str) -> frozenset[str]:
        """Return what every firewall that contains a zone lets be acted upon."""
        devices, _ = self._firewalls(zone)
        kinds = [frozenset(one.containment.act) for one in devices if one.containment]
        return reduce(frozenset[str].intersection, kinds) if kinds else frozenset()

    def _at_once(self) -> int:
        devices = self.loaded.site.devices
        return min(one.containment.at_once for one in devices if one.containment)


def _clock() -> datetime:
    return datetime.now(UTC)


def _journal() -> tuple[tuple[Mapping[str, Any], ...], str]:
    """Return the entries on record, and what is wrong with them."""
    chain = applies(HistoryOptions()).chain
    return chain.entries, "; ".join(one.message for one in chain.faults[:3])


def _settled(known: Memory, suspect: Suspect) -> Judged | None:
    """Return a suspect that is contained, or was judged by these records; None where it is open.

    Clocks may differ: a record counts once it is surely later than what was done.
    """
    if known.holds(suspect.address):
        return Judged(suspect=suspect, state="contained_already", why="it is contained already")
    when = known.settled(suspect.address)
    if when is None or suspect.last > (when + timedelta(seconds=SKEW)).timestamp():
        return None
    text = f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return Judged(
        suspect=suspect,
        state="seen",
        why=f"it was contained or let go at {text}, and nothing was recorded since",
    )


def _part(address: str) -> Interval:
    host = ip_address(address)
    return host.version, int(host), int(host)


def _never(site: Site, declared: list[Containment], part: Interval) -> str:
    never = {name for one in declared for name in one.never}
    for zone in site.zones:
        for asset in zone.assets:
            held = (network_interval(network) for network in asset.addresses)
            if asset.name in never and any(meeting(one, (part,)) for one in held):
                return asset.name
    return ""


def _reason(suspect: Suspect) -> str:
    """Return why, in words of ours and of the record, which anybody may have made up."""
    said = printable(f"segctl watch: {suspect.sign}: {suspect.what}")
    return said if len(said) <= _REASON_MOST else f"{said[: _REASON_MOST - 1]}…"


def _duration(seconds: int) -> str:
    text = format_duration(seconds)
    return f"{seconds}s" if " " in text else text


def _command(suspect: Suspect, seconds: int) -> str:
    words = ("segctl", "contain", "host", suspect.address, "--for", _duration(seconds))
    return shlex.join((*words, "--reason", _reason(suspect)))
