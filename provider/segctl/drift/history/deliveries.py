"""Who was told what: a change is told once, by one runner, and again until it has arrived."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import update
from sqlalchemy.dialects import postgresql, sqlite

from segctl.drift.history.model import CALM
from segctl.drift.history.tables import deliveries

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Engine

#: A claim that has not been delivered after so long is of a runner that died.
ABANDONED = timedelta(minutes=10)


def claim(engine: Engine, recipient: str, digest: str, now: datetime) -> str | None:
    """Take on to tell a recipient of a state of affairs; return the one it was told of before.

    None where it knows this one already, or another runner is telling it.
    """
    dialect = postgresql if engine.dialect.name == "postgresql" else sqlite
    first = dialect.insert(deliveries).values(
        recipient=recipient, digest=CALM, sent=True, since=now
    )
    with engine.begin() as connection:
        connection.execute(first.on_conflict_do_nothing(index_elements=["recipient"]))
        row = connection.execute(
            deliveries.select().where(deliveries.c.recipient == recipient).with_for_update()
        ).one()
        if row.sent and row.digest == digest:
            return None
        if not row.sent and row.since > now - ABANDONED:
            return None
        connection.execute(
            update(deliveries)
            .where(deliveries.c.recipient == recipient)
            .values(sent=False, since=now)
        )
        return str(row.digest)


def give_back(
    engine: Engine, recipient: str, digest: str, now: datetime, *, delivered: bool, before: str
) -> None:
    """End a claim: the recipient knows the state now, or still only the one before."""
    with engine.begin() as connection:
        connection.execute(
            update(deliveries)
            .where(deliveries.c.recipient == recipient)
            .values(sent=True, digest=digest if delivered else before, since=now)
        )
