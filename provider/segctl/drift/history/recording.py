"""Record a run in the history: items are opened, seen again or resolved."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from segctl.drift.history.model import Recorded
from segctl.drift.history.tables import devices, items, runs

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection, Engine, Row

    from segctl.drift.history.model import Observation, Run, Seen

_Key = tuple[str, str, str]


def record(engine: Engine, run: Run, *, keep_days: int | None = None) -> Recorded:
    """Record a run, each device in its own transaction; delete what is older than `keep_days`.

    Nothing is resolved for a device that could not be read, or by a run that began before the
    newest run on record.
    """
    tallies = [_Tally() for _ in run.observations]
    with engine.connect() as connection:
        for tally, seen in zip(tallies, run.observations, strict=True):
            with connection.begin():
                _device(connection, run.started, seen, tally)
        with connection.begin():
            _run(connection, run)
            if keep_days is not None:
                _drop(connection, run.started - timedelta(days=keep_days))
    return Recorded(
        new=tuple(key for tally in tallies for key in tally.new),
        changed=tuple(key for tally in tallies for key in tally.changed),
        resolved=tuple(key for tally in tallies for key in tally.resolved),
        outdated=tuple(
            seen.device
            for tally, seen in zip(tallies, run.observations, strict=True)
            if tally.outdated
        ),
        replaced=tuple(
            seen.device
            for tally, seen in zip(tallies, run.observations, strict=True)
            if tally.replaced
        ),
    )


def _run(connection: Connection, run: Run) -> None:
    states = Counter(seen.status for seen in run.observations)
    connection.execute(
        insert(runs).values(
            started=run.started,
            finished=run.finished,
            runner=run.runner,
            commit_id=run.commit,
            in_sync=states["in_sync"],
            drifted=states["drift"],
            failed=states["error"],
        )
    )


class _Tally:
    """Counts what happened to one device's items."""

    def __init__(self) -> None:
        self.new: list[_Key] = []
        self.changed: list[_Key] = []
        self.resolved: list[_Key] = []
        self.outdated = False
        self.replaced = False


def _device(connection: Connection, started: datetime, seen: Observation, tally: _Tally) -> None:
    known = _hold(connection, started, seen)
    if known.checked > started:
        tally.outdated = True
        return
    readable = seen.status != "error"
    tally.replaced = seen.replaces(known.serial)
    same = known.serial and seen.pair and not tally.replaced
    connection.execute(
        update(devices)
        .where(devices.c.id == known.id)
        .values(
            status=seen.status,
            error=seen.error,
            checked=started,
            platform=seen.platform or known.platform,
            serial=known.serial if same else seen.serial or known.serial,
            read=started if readable else known.read,
        )
    )
    if readable:
        _items(connection, known.id, started, seen, tally)


def _hold(connection: Connection, started: datetime, seen: Observation) -> Row[Any]:
    """Return the device's row, created if it is new, and lock it against other runners."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    made = dialect.insert(devices).values(
        environment=seen.environment,
        name=seen.device,
        platform="",
        serial="",
        status="",
        error="",
        checked=started,
    )
    connection.execute(made.on_conflict_do_nothing(index_elements=["environment", "name"]))
    return connection.execute(
        select(devices)
        .where(devices.c.environment == seen.environment, devices.c.name == seen.device)
        .with_for_update()
    ).one()


def _items(
    connection: Connection, device: int, started: datetime, seen: Observation, tally: _Tally
) -> None:
    found = connection.execute(
        select(items).where(items.c.device_id == device, items.c.resolved.is_(None))
    )
    still = {(row.kind, row.name): row for row in found}
    for item in seen.items:
        key = (seen.device, item.kind, item.name)
        row = still.pop((item.kind, item.name), None)
        if row is None:
            tally.new.append(key)
            first = {"device_id": device, "kind": item.kind, "name": item.name}
            connection.execute(
                insert(items).values(
                    **first, **_values(item), first_seen=started, last_seen=started
                )
            )
            continue
        same = (row.state, row.fingerprint) == (item.state, item.fingerprint)
        if not same:
            tally.changed.append(key)
        values = _values(item)
        if same and not item.changed_by:  # the device no longer says who changed it
            values |= {"changed_by": row.changed_by, "changed_at": row.changed_at}
        connection.execute(
            update(items).where(items.c.id == row.id).values(**values, last_seen=started)
        )
    for row in still.values():
        tally.resolved.append((seen.device, row.kind, row.name))
        connection.execute(update(items).where(items.c.id == row.id).values(resolved=started))


def _values(item: Seen) -> dict[str, str]:
    return {
        "state": item.state,
        "fingerprint": item.fingerprint,
        "conduit": item.conduit,
        "changed_by": item.changed_by,
        "changed_at": item.changed_at,
        "owner": item.owner,
        "expires": item.expires,
    }


def _drop(connection: Connection, before: datetime) -> None:
    """Delete runs, and resolved items, from before a day; open items stay."""
    connection.execute(delete(items).where(items.c.resolved < before))
    connection.execute(delete(runs).where(runs.c.started < before))
