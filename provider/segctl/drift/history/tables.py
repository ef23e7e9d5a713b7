"""The tables of the history, and the migrations that create them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Dialect


class Moment(TypeDecorator[datetime]):
    """A point in time; SQLite has no time zones, so it stores UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert a value to UTC."""
        del dialect
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Restore the time zone of a value."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


METADATA: Final = MetaData()

schema: Final = Table(
    "segctl_schema",
    METADATA,
    Column("only", Integer, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
)
runs: Final = Table(
    "segctl_runs",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("started", Moment, nullable=False, index=True),
    Column("finished", Moment, nullable=False),
    Column("runner", Text, nullable=False),
    Column("commit_id", String(64), nullable=False),
    Column("in_sync", Integer, nullable=False),
    Column("drifted", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
)
devices: Final = Table(
    "segctl_devices",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("environment", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("platform", String(64), nullable=False),
    Column("serial", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("error", String(64), nullable=False),
    #: when the newest run on record began
    Column("checked", Moment, nullable=False),
    #: when the newest run that could read it began
    Column("read", Moment, nullable=True),
    UniqueConstraint("environment", "name", name="segctl_device_once"),
)
items: Final = Table(
    "segctl_items",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("device_id", Integer, ForeignKey("segctl_devices.id"), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("name", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("conduit", Text, nullable=False),
    Column("first_seen", Moment, nullable=False),
    Column("last_seen", Moment, nullable=False),
    Column("resolved", Moment, nullable=True, index=True),
    Column("changed_by", Text, nullable=False),
    Column("changed_at", String(64), nullable=False),
    Column("owner", Text, nullable=False),
    Column("expires", String(16), nullable=False),
)
#: An item is open only once, however many runners see it at the same time.
Index(
    "segctl_open_once",
    items.c.device_id,
    items.c.kind,
    items.c.name,
    unique=True,
    sqlite_where=items.c.resolved.is_(None),
    postgresql_where=items.c.resolved.is_(None),
)
deliveries: Final = Table(
    "segctl_deliveries",
    METADATA,
    #: a hash of the notice's recipient and its environment
    Column("recipient", String(64), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("sent", Boolean, nullable=False),
    Column("since", Moment, nullable=False),
)

#: What each version of the schema added. A release that changes a table adds a migration here.
STEPS: Final[Sequence[Sequence[Table]]] = ((runs, devices, items), (deliveries,))
VERSION: Final = len(STEPS)


def take_steps(connection: Connection, version: int) -> None:
    """Migrate a database from a version to the newest."""
    for tables in STEPS[version:]:
        METADATA.create_all(connection, tables=tables)
