"""Deliveries of notices: one runner sends each change once, and retries until it arrives."""

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

#: If a claim is older than this and not delivered, its runner has died.
ABANDONED = timedelta(minutes=10)


def claim(engine: Engine, recipient: str, digest: str, now: datetime) -> str | None:
    """Claim the delivery of a state to a recipient; return the state it was sent before.

    Returns None if the recipient has this state already, or another runner is sending it.
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
    """End a claim: the recipient now has the new state, or still has the previous one."""
    with engine.begin() as connection:
        connection.execute(
            update(deliveries)
            .where(deliveries.c.recipient == recipient)
            .values(sent=True, digest=digest if delivered else before, since=now)
        )
