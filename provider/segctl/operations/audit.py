"""The audit journal: where a run is recorded, and what is on record."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from segctl.model.errors import JournalError, UsageError, nearest
from segctl.model.site import group_name
from segctl.operations.loading import load_inventory
from segctl.planning.audit import Applied, Origin, Record, applied, journal_file
from segctl.report.audit import Applies, Moment
from segctl.system import chain
from segctl.system.handed import lines_of
from segctl.system.inert import printable
from segctl.transports.lock_owner import this_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from segctl.inventory import Loaded
    from segctl.model.site import Device
    from segctl.operations.options import CommonOptions
    from segctl.operations.progress import Progress
    from segctl.planning.plan import Intent
    from segctl.providers.logs import Logged
    from segctl.system.chain import Chain, Head

#: Who the run is for, the first that is set: segctl's own variable, then those of CI systems.
_AUTHORS: Final = ("SEGCTL_AUTHOR", "GITLAB_USER_LOGIN", "GITHUB_ACTOR")
_AUTHOR_MOST: Final = 64
#: A device logs to the second, by a clock that is compared with ours once.
_SLACK: Final = timedelta(seconds=5)


# --- recording -----------------------------------------------------------------------------------


def record_of(kind: str, plan_id: str, intent: Intent, *, playbook: str = "") -> Record:
    """Return where a run is recorded, with its beginning on record.

    Raises:
        JournalError: it cannot be recorded, so that the run must not begin.
    """
    origin = Origin(
        by=this_run(),
        author=_author(),
        git_commit=intent.git_commit,
        dirty=intent.dirty,
    )
    record = Record(path=journal_file(), run=uuid4().hex[:12], plan_id=plan_id, origin=origin)
    try:
        head = record.open(kind, intent, playbook=playbook)
    except JournalError as error:
        raise JournalError(
            f"nothing was applied, because it could not be recorded: {error}. Free some space or "
            "mend that, or name another file in SEGCTL_JOURNAL"
        ) from error
    return replace(record, origin=replace(origin, head=head))


def _author() -> str:
    named = next((text for name in _AUTHORS if (text := os.environ.get(name, ""))), "")
    return printable(named)[:_AUTHOR_MOST]


# --- reading -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryOptions:
    """What of the journal is asked for: since when, and of which device, empty for all.

    With `log`, that device's own log is read too.
    """

    since: datetime | None = None
    device: str = ""
    log: bool = False


def verify_journal(expected: Sequence[Head] = ()) -> Applies:
    """Read the whole journal and check its chain; it must have the heads that are `expected`.

    Raises:
        JournalError: it cannot be read, or there is none and none is expected to be.
    """
    path = journal_file()
    found = _chain(path, expected)
    if not found.entries and not found.faults:
        raise JournalError(
            f"there is no journal at {path}: nothing was applied from here, or SEGCTL_JOURNAL "
            "names another file where segctl applies"
        )
    return Applies(path=path, chain=found)


def applies(
    options: HistoryOptions,
    common: CommonOptions | None = None,
    progress: Progress | None = None,
) -> Applies:
    """Return what was applied; with `log`, what the device's own log says beside it.

    Raises:
        JournalError: the journal cannot be read.
        InventoryError: the inventory that names the device cannot be used.
        UsageError: no such firewall is in the inventory.
    """
    path = journal_file()
    found = _chain(path, ())
    named = bool(options.device or (common is not None and common.limit))
    loaded = load_inventory(common, progress) if common is not None and named else None
    about = _about(options, loaded) if named else None
    every = applied(found.entries)
    rows = tuple(
        row
        for row in every
        if (about is None or about.has(row))
        and (options.since is None or _after(row, options.since))
    )
    made = Applies(path=path, chain=found, rows=rows)
    if not options.log or loaded is None or about is None or about.device is None:
        return made
    there = [row for row in every if about.has(row) or about.beside(row.device)]
    return _joined(made, there, about.device, options.since, loaded)


@dataclass(frozen=True, slots=True, kw_only=True)
class _About:
    """Of which firewalls the history is: their `hosts`, and their device `groups`.

    `device` is the one of them whose log is read, or its group; hosts of which `beside` is true are
    on that device, too.
    """

    hosts: frozenset[str]
    groups: frozenset[str] = frozenset()
    device: Device | None = None
    beside: Callable[[str], bool] = lambda _name: False

    def has(self, row: Applied) -> bool:
        """Whether a row is about one of them; a group's where it does not say about whom it is."""
        of_group = row.device in self.groups and not row.firewalls
        return row.device in self.hosts or of_group or bool(self.hosts & {*row.firewalls})


def _about(options: HistoryOptions, loaded: Loaded | None) -> _About:
    """Return of which firewalls the history is that is asked for.

    Raises:
        UsageError: the inventory has no such firewall or device group.
    """
    from segctl.compiler.groups import whole_group
    from segctl.fleet.hosts import by_device

    if loaded is None:
        return _About(hosts=frozenset({options.device}))
    devices = {one.name: one for one in loaded.site.devices}
    groups = {group_name(one): one for one in loaded.site.devices if one.group}
    if not options.device:
        chosen = [devices[name] for name in loaded.hosts if name in devices]
        return _About(
            hosts=frozenset(one.name for one in chosen),
            groups=frozenset(group_name(one) for one in chosen if one.group),
        )
    found = devices.get(options.device) or groups.get(options.device)
    if found is None:
        names = (*devices, *groups)
        hint = nearest(options.device, names, f"the inventory has {', '.join(names)}")
        raise UsageError(f"there is no firewall {options.device}: {hint}")
    hosts = frozenset({options.device})
    if found.group:
        manager = f"{found.manager}:"
        return _About(
            hosts=hosts,
            groups=frozenset({group_name(found)}),
            device=whole_group(devices.values(), found),
            beside=lambda host: host.startswith(manager),
        )
    hosts_of = by_device([(one.name, one.platform) for one in devices.values()], loaded.connections)
    same = next((names for names in hosts_of if found.name in names), ())
    return _About(hosts=hosts, device=found, beside=lambda host: host in same)


def _chain(path: Path, expected: Iterable[Head]) -> Chain:
    kept = [(f"--expect {head.seq}", head) for head in expected]
    noted = chain.head_of(path)
    name = chain.head_file(path).name
    if noted is not None:
        kept.append((name, noted))
    try:
        with path.open("rb") as stream:
            found = chain.read_chain(lines_of(stream), kept)
    except FileNotFoundError:
        return chain.read_chain((), kept)
    except OSError as error:
        raise JournalError(f"the journal {path} cannot be read ({error.strerror})") from error
    if noted is None:
        note = f"{name} is missing: entries removed from the end show only with --expect HEAD"
        found = replace(found, notes=(*found.notes, note))
    return found


def _after(row: Applied, since: datetime) -> bool:
    last = _moment(row.ended or row.time)
    return last is None or last >= since


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


# --- the device's own log ------------------------------------------------------------------------


def _joined(
    made: Applies,
    there: Sequence[Applied],
    device: Device,
    since: datetime | None,
    loaded: Loaded,
) -> Applies:
    """Return the applies with the log of a device; `there` is what was applied to it."""
    from segctl.fleet import Failure, read_log

    made = replace(made, log_of=device.manager, asked=True)
    found = read_log(device, loaded.connections, since)
    if isinstance(found, Failure):
        return replace(made, failure=found)
    moments = [
        (line, when - found.ahead)
        for line in found.lines
        if (when := _moment(line.time)) is not None
        and (since is None or when - found.ahead >= since)
    ]
    return replace(
        made,
        moments=tuple(sorted(_moments(there, reversed(moments)), key=lambda one: one.time)),
        drift_seconds=round(found.ahead.total_seconds()),
        complete=found.complete,
    )


def _moments(rows: Sequence[Applied], lines: Iterable[tuple[Logged, datetime]]) -> Iterator[Moment]:
    """Yield log lines with the run that made them, where one was at work with our account then."""
    spans = [(row, _moment(row.time), _moment(row.ended) if row.ended else None) for row in rows]
    for line, when in lines:
        of = ""
        for row, begin, end in spans:
            if line.own and begin is not None and begin - _SLACK <= when:
                over = end is not None and when > end + _SLACK
                of = of if over else row.run
        time = when.astimezone(UTC).isoformat(timespec="seconds")
        yield Moment(time=time, line=line, of=of, foreign=not of)
