"""Read the history: which items are or were open, and the present state."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import or_, select

from segctl.drift.history.model import Entry, Filter, Standing
from segctl.drift.history.tables import devices, items
from segctl.model.errors import HistoryError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from sqlalchemy import Engine


def entries(engine: Engine, wanted: Filter | None = None) -> tuple[Entry, ...]:
    """Return the selected items: by device, open ones first, then the oldest first."""
    wanted = wanted or Filter()
    query = (
        select(items, devices.c.environment, devices.c.name.label("device"))
        .join(devices, devices.c.id == items.c.device_id)
        .order_by(devices.c.environment, devices.c.name, items.c.first_seen, items.c.id)
    )
    if wanted.environment:
        query = query.where(devices.c.environment == wanted.environment)
    if wanted.device:
        query = query.where(devices.c.name == wanted.device)
    if wanted.devices is not None:
        query = query.where(devices.c.name.in_(wanted.devices))
    if not wanted.resolved:
        query = query.where(items.c.resolved.is_(None))
    if wanted.since is not None:
        query = query.where(
            or_(items.c.last_seen >= wanted.since, items.c.resolved >= wanted.since)
        )
    with _understood(engine), engine.begin() as connection:
        found = connection.execute(query)
        return tuple(
            Entry(
                environment=row.environment,
                device=row.device,
                kind=row.kind,
                name=row.name,
                state=row.state,
                fingerprint=row.fingerprint,
                conduit=row.conduit,
                first_seen=row.first_seen,
                last_seen=row.last_seen,
                resolved=row.resolved,
                changed_by=row.changed_by,
                changed_at=row.changed_at,
                owner=row.owner,
                expires=row.expires,
            )
            for row in found
        )


@contextmanager
def _understood(engine: Engine) -> Generator[None]:
    """Report rows that segctl cannot have written as damaged."""
    try:
        yield
    except (ValueError, TypeError, OverflowError) as error:
        where = engine.url.database if engine.dialect.name == "sqlite" else engine.url.host
        raise HistoryError(f"history {where}: a row is damaged: {error}") from error


def standing(engine: Engine, environments: Iterable[str]) -> Standing:
    """Return the state of some environments."""
    chosen = set(environments)
    with _understood(engine), engine.begin() as connection:
        failed = connection.execute(
            select(devices.c.environment, devices.c.name).where(devices.c.status == "error")
        )
        names = tuple(
            f"{row.environment}/{row.name}" for row in failed if row.environment in chosen
        )
    held = tuple(item for item in entries(engine) if item.environment in chosen)
    return Standing(items=held, failed=names)
