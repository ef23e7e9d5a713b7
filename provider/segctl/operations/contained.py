"""Who is contained, where it has been lost, and letting go."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from segctl.analysis.ends import end_of, sites_of
from segctl.compiler import naming
from segctl.compiler.islands import Islands
from segctl.compiler.topology import topology
from segctl.fleet.connections import target
from segctl.model.addresses import EVERYTHING, interval, interval_text, networks_of
from segctl.model.errors import ContainmentError, DeviceError, SegctlError
from segctl.operations.audit import HistoryOptions, applies
from segctl.operations.contain import NOT_SELECTED, contain_on, each
from segctl.operations.island import declared_island
from segctl.operations.loading import load_inventory
from segctl.planning import containments
from segctl.planning.audit import journal_file
from segctl.planning.containing import Cut, Order, let_go, prepared, still_passing, unprepared
from segctl.planning.islands import cut_of
from segctl.planning.losses import lacking
from segctl.providers.base import provider
from segctl.providers.containing import Containing
from segctl.transports.lock_owner import this_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from segctl.inventory import Loaded
    from segctl.model.addresses import Interval
    from segctl.model.site import Device
    from segctl.operations.options import CommonOptions
    from segctl.operations.progress import Progress
    from segctl.planning.containments import Standing
    from segctl.providers.containing import Cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An address that a firewall is told to contain, or ought to; `why` is a gap, if there is one.

    `words` say until when, by whom and why. `island` is the one that it is part of, if any.
    `automatic` is what the device does by itself.
    """

    device: str
    address: str
    words: str = ""
    gap: str = ""
    island: str = ""
    automatic: bool = False


def by_themselves(common: CommonOptions, progress: Progress) -> tuple[Row, ...]:
    """Return whom firewalls contain by themselves, which is on no record; changes nothing.

    Only firewalls that the inventory lets do so are asked; one that does not answer says nothing.

    Raises:
        InventoryError: the inventory cannot be used.
    """
    loaded = load_inventory(common, progress)
    groups = prepared_groups(loaded, islands=False)
    devices = [
        device
        for device in loaded.site.devices
        if groups.get(device.name)
        and device.name in loaded.hosts
        and device.containment
        and device.containment.on
    ]
    found = each(common, devices, partial(_rows, loaded, groups), progress)
    return tuple(row for rows in found for row in rows if row.automatic)


def listed(common: CommonOptions, progress: Progress, *, islands: bool = False) -> tuple[Row, ...]:
    """Return who is contained on every selected firewall where that is prepared; changes nothing.

    With `islands`, what is cut off as an island.

    Raises:
        InventoryError: the inventory cannot be used.
    """
    loaded = load_inventory(common, progress)
    groups = prepared_groups(loaded, islands=islands)
    devices = [device for device in loaded.site.devices if groups.get(device.name)]
    found = each(
        common,
        [device for device in devices if device.name in loaded.hosts],
        partial(_rows, loaded, groups),
        progress,
    )
    return tuple(row for rows in found for row in rows)


def prepared_groups(loaded: Loaded, *, islands: bool) -> dict[str, tuple[str, ...]]:
    """Return the groups that the inventory prepares, by firewall: who is contained, or islands."""
    known = Islands(loaded.site, topology(loaded.site.devices))
    return {
        device.name: tuple(known.of(key).group for key in declared.islands)
        if islands
        else (naming.CONTAINED,)
        for device in loaded.site.devices
        if (declared := device.containment) is not None
    }


def _rows(
    loaded: Loaded,
    groups: Mapping[str, Sequence[str]],
    device: Device,
    told: Callable[[str], None],
) -> tuple[Row, ...]:
    if device.name not in loaded.hosts:
        return (Row(device=device.name, address="", gap=NOT_SELECTED),)
    speaks = provider(device.platform)
    rows: list[Row] = []
    try:
        where = target(device.name, loaded.connections[device.name], device.scope)
        with speaks.connect(where, read_only=True, progress=told) as session:
            for group in groups[device.name]:
                for cell in _cells(session, group):
                    rows += _of_cell(cell, partial(_held_rows, group))
    except SegctlError as error:
        rows.append(Row(device=device.name, address="", gap=str(error)))
    return tuple(rows)


def status(
    common: CommonOptions, progress: Progress, *, heal: bool = False, islands: bool = False
) -> tuple[tuple[Standing, ...], tuple[Row, ...]]:
    """Return what is on record and holds, and the gaps: what a firewall ought to contain and lacks.

    It is about those who are contained, or about `islands`.

    With `heal` gaps are closed where they can be, for the time that is left, and those that remain
    are returned.

    Raises:
        InventoryError: the inventory cannot be used.
        JournalError: the journal cannot be read.
    """
    wanted = _on_record(islands=islands)
    loaded = load_inventory(common, progress)
    devices = [
        device
        for device in loaded.site.devices
        if any(device.name in one.devices for one in wanted)
    ]
    found = each(common, devices, partial(_gaps, loaded, wanted, heal=heal), progress)
    if _on_record(islands=islands) != wanted:  # one ended or began while firewalls were asked
        return status(common, progress, heal=heal, islands=islands)
    known = {device.name for device in devices}
    lost = (
        Row(device=name, address=", ".join(one.addresses), gap="it is no longer in the inventory")
        for one in wanted
        for name in one.devices
        if name not in known
    )
    return wanted, (*(row for rows in found for row in rows), *lost, *_left_out(loaded, wanted))


def _left_out(loaded: Loaded, wanted: Sequence[Standing]) -> Iterator[Row]:
    """Yield what zones of an island got while it is one: that is not part of it."""
    groups = prepared_groups(loaded, islands=True)
    known = Islands(loaded.site, topology(loaded.site.devices))
    declared = {
        one.group: one
        for device in loaded.site.devices
        if device.containment is not None
        for one in map(known.of, device.containment.islands)
    }
    for one in wanted:
        if one.group not in declared:
            continue
        parts = cut_of(loaded.site, declared[one.group]).parts
        for text in lacking(parts, one.addresses):
            for name in one.devices:
                if one.group in groups.get(name, ()):
                    yield Row(
                        device=name,
                        address=text,
                        gap="is not part of it: its zone got it later; end the island and begin "
                        "it again",
                        island=naming.island_label(one.group),
                    )


def _on_record(*, islands: bool) -> tuple[Standing, ...]:
    entries = applies(HistoryOptions()).chain.entries
    return tuple(
        one
        for one in containments.standing(entries, datetime.now(UTC))
        if (one.group != naming.CONTAINED) is islands
    )


def _gaps(
    loaded: Loaded,
    wanted: Sequence[Standing],
    device: Device,
    told: Callable[[str], None],
    *,
    heal: bool,
) -> tuple[Row, ...]:
    own = [one for one in wanted if device.name in one.devices]
    every = sorted({text for one in own for text in one.addresses})
    if device.name not in loaded.hosts:
        return (Row(device=device.name, address=", ".join(every), gap=NOT_SELECTED),)
    if heal:
        for one in own:
            _heal(loaded, one, device, told)
    found: list[Row] = []
    speaks = provider(device.platform)
    try:
        where = target(device.name, loaded.connections[device.name], device.scope)
        with speaks.connect(where, read_only=True, progress=told) as session:
            live, managed = speaks.parse(session.read()), bool(device.group)
            held = prepared(live, managed=managed)
            for one in own:
                rules = "; ".join(unprepared(held, one.group, against_of(one)))
                gaps: list[Row] = []
                for cell in _cells(session, one.group):
                    gaps += _of_cell(cell, partial(_lacking, one, rules))
                if not gaps:  # then only what stands above can let anything pass
                    passing = still_passing(live, speaks, _cut(one), managed=managed)
                    who = ", ".join(one.addresses)
                    gaps += [_row(one, device.name, who, gap) for gap in passing]
                found += gaps
    except SegctlError as error:
        found.append(Row(device=device.name, address=", ".join(every), gap=str(error)))
    return tuple(dict.fromkeys(found))


def against_of(one: Standing) -> tuple[Interval, ...]:
    """Return whom a containment on record cuts its addresses off from."""
    return tuple(map(interval, one.against)) or EVERYTHING


def _cut(one: Standing) -> Cut:
    """Return who a containment on record cuts off, and from whom."""
    return Cut(parts=tuple(map(interval, one.addresses)), group=one.group, against=against_of(one))


def _heal(loaded: Loaded, wanted: Standing, device: Device, told: Callable[[str], None]) -> None:
    """Contain again on one firewall for the time that is left; what fails shows as a gap."""
    left = int((wanted.until - datetime.now(UTC)).total_seconds())
    if left <= 0 or wanted not in _on_record(islands=wanted.group != naming.CONTAINED):
        return  # it is over, or was let go meanwhile
    note = naming.ContainedNote(
        until=wanted.until.replace(microsecond=0), id=wanted.id, by=wanted.by, why=wanted.reason
    )
    order = Order(
        parts=tuple(map(interval, wanted.addresses)),
        note=note,
        seconds=left,
        persistent=wanted.persistent,
        group=wanted.group,
        against=against_of(wanted),
    )
    contain_on(loaded, order, device, told)


def release(common: CommonOptions, name: str, reason: str, progress: Progress) -> tuple[Row, ...]:
    """Let an address, an asset or a zone go on every firewall; return what is left, with gaps.

    Raises:
        ContainmentError: nothing has this name, or nobody of it is contained, or on record.
        JournalError: it could not be put on record, so that nothing was done.
    """
    loaded = load_inventory(common, progress)
    try:
        end = end_of(name, loaded.site, sites_of(loaded.site.devices))
    except LookupError as error:
        raise ContainmentError(": ".join(map(str, error.args))) from error
    texts = tuple(interval_text(part) for part in networks_of(end.addresses))
    groups = prepared_groups(loaded, islands=False)
    devices = [device for device in loaded.site.devices if device.name in groups]
    before = each(common, devices, partial(_rows, loaded, groups), progress)
    held = {row.address for rows in before for row in rows} & set(texts)
    gaps = [row for rows in before for row in rows if not row.address]
    # what firewalls have lost, or never got, would be contained again by whoever heals
    recorded = {text for one in _on_record(islands=False) for text in one.addresses} & set(texts)
    if not held and not gaps and not recorded:
        raise ContainmentError(f"{name} is contained on no firewall: segctl contain list")
    containments.released(journal_file(), texts, this_run(), reason)
    found = each(common, devices, partial(_release, loaded, naming.CONTAINED, texts), progress)
    return tuple(row for rows in found for row in rows)


def end_island(
    common: CommonOptions, name: str, reason: str, progress: Progress
) -> tuple[Row, ...]:
    """End an island on every firewall where it is prepared; return what is left, with gaps.

    Raises:
        ContainmentError: no island has this name, or it is one nowhere, nor on record.
        JournalError: it could not be put on record, so that nothing was done.
    """
    loaded = load_inventory(common, progress)
    island = declared_island(loaded, name)
    group = island.group
    groups = {
        host: (group,)
        for host, prepared in prepared_groups(loaded, islands=True).items()
        if group in prepared
    }
    devices = [device for device in loaded.site.devices if device.name in groups]
    before = each(common, devices, partial(_rows, loaded, groups), progress)
    texts = tuple(dict.fromkeys(row.address for rows in before for row in rows if row.address))
    own = {text for one in _on_record(islands=True) if one.group == group for text in one.addresses}
    if not texts and not own and all(row.address for rows in before for row in rows):
        raise ContainmentError(f"{name} is an island on no firewall: segctl island list")
    every = tuple(sorted({*texts, *own}))
    containments.released(journal_file(), every, this_run(), reason, group)
    found = each(common, devices, partial(_release, loaded, group, every), progress)
    return tuple(row for rows in found for row in rows)


def _release(
    loaded: Loaded,
    group: str,
    texts: tuple[str, ...],
    device: Device,
    told: Callable[[str], None],
) -> tuple[Row, ...]:
    if device.name not in loaded.hosts:
        return (Row(device=device.name, address="", gap=NOT_SELECTED),)
    speaks = provider(device.platform)
    left: list[Row] = []
    try:
        where = target(device.name, loaded.connections[device.name], device.scope)
        with speaks.connect(where, read_only=False, progress=told) as session:
            if isinstance(session, Containing):
                left += [
                    Row(device=name, address=address, gap=gap)
                    for name, address, gap in let_go(session, texts, group)
                ]
    except SegctlError as error:
        left.append(Row(device=device.name, address="", gap=str(error)))
    return tuple(left)


# --- on one device, or one member of a pair ------------------------------------------------------


def _cells(session: object, group: str) -> Sequence[Cell]:
    return session.cells(group) if isinstance(session, Containing) else ()


def _of_cell(cell: Cell, work: Callable[[Cell], list[Row]]) -> list[Row]:
    """Return what some work finds; where the device fails, that is a gap of its own."""
    try:
        return work(cell)
    except DeviceError as error:
        return [Row(device=cell.name, address="", gap=error.message)]


def _held_rows(group: str, cell: Cell) -> list[Row]:
    return [
        Row(
            device=cell.name,
            address=one.address,
            words=one.words if one.note or one.automatic else "by somebody else",
            gap="" if one.enforced else f"is not in the group {group}",
            island=naming.island_label(group),
            automatic=one.automatic and one.note is None,
        )
        for one in cell.held()
    ]


def _lost(wanted: Standing) -> str:
    """Return since when it is lost at the earliest, as far as that is on record."""
    if wanted.held is None:
        return "the firewall has lost it, or never had it"
    when = wanted.held.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    return f"the firewall has lost it since {when} UTC, when it was last seen to hold it"


def _lacking(wanted: Standing, rules: str, cell: Cell) -> list[Row]:
    held = {one.address: one for one in cell.held()}
    found: list[Row] = []
    for text in wanted.addresses:
        gap = rules or cell.unread
        if text not in held:
            gap = f"is not registered: {_lost(wanted)}"
        elif not held[text].enforced:
            gap = f"is registered and not in the group {wanted.group}"
        if gap:
            found.append(_row(wanted, cell.name, text, gap))
    return found


def _row(wanted: Standing, device: str, address: str, gap: str) -> Row:
    return Row(device=device, address=address, gap=gap, island=naming.island_label(wanted.group))
