"""The database: open it, upgrade its schema, and translate its errors."""

from __future__ import annotations

import os
import re
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, create_engine, event, inspect, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from segctl.drift.history.location import is_clear, is_file, shown
from segctl.drift.history.tables import METADATA, VERSION, schema, take_steps
from segctl.model.errors import HistoryError
from segctl.system import storage

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from sqlalchemy import Connection, Engine

    from segctl.transports.credentials import Secret

#: Seconds the database may take for one step, such as waiting for another runner's transaction.
PATIENCE = 30.0
#: The PostgreSQL lock that lets one runner at a time create or change tables.
_MAKING = 0x5E6C71

_POSTGRESQL = frozenset({"postgresql", "postgres", "postgresql+psycopg"})
_SQLITE = frozenset({"sqlite", "sqlite+pysqlite"})
#: Parts that a server's URL may have and the path of a file may not.
_CREDENTIALS = re.compile(r":[^/:@]*+@|^file:")
#: Files of PostgreSQL's client, by its settings: whom to trust, and secrets.
_TRUSTED = ("sslrootcert", "sslcrl")
_SECRET = ("sslcert", "sslkey", "passfile")
#: Suffixes that SQLite adds to the name of a database for its own files.
_BESIDE = ("-wal", "-shm", "-journal")


@contextmanager
def opened(
    url: Secret,
    *,
    patience: float = PATIENCE,
    committed: Callable[[], None] | None = None,
) -> Generator[Engine]:
    """Open the history; create it or upgrade its schema if necessary.

    Args:
        url: where it is.
        patience: seconds that the client waits to connect (PostgreSQL) or for a lock (SQLite).
        committed: called after each transaction.

    Raises:
        HistoryError: the history cannot be opened, or a newer segctl created it.
    """
    with _translated_errors(url), ExitStack() as held:
        # the client gives up before the waiting thread, because its error says more
        engine = _engine(url, held, max(1, int(patience * 0.8)))
        if committed is not None:
            event.listen(engine, "commit", _calling(committed))
        try:
            with engine.begin() as connection:
                _prepare(connection)
            yield engine
        finally:
            engine.dispose()


def _calling(callback: Callable[[], None]) -> Callable[[Connection], None]:
    """Return a listener that calls `callback` without the connection."""

    def listener(_connection: Connection) -> None:
        callback()

    return listener


@contextmanager
def _translated_errors(url: Secret) -> Generator[None]:
    """Raise the library's errors as ours, without any part of the URL that may be secret."""
    try:
        yield
    except DBAPIError as error:
        lines = str(error.orig or "").strip().splitlines() or [type(error).__name__]
        raise HistoryError(f"history {shown(url)}: {_safe(lines[0], url)}") from None
    except (UnicodeDecodeError, OverflowError) as error:
        raise HistoryError(f"history {shown(url)}: it is damaged: {type(error).__name__}") from None
    except SQLAlchemyError as error:
        raise HistoryError(f"history {shown(url)}: {type(error).__name__}") from None


def _safe(line: str, url: Secret) -> str:
    """Return a line of the library, which may repeat any part of the address, without secrets."""
    if not (is_clear(url) or url.reveal().startswith("sqlite")):  # SQLite repeats nothing
        return (
            "it cannot be opened, and why is not shown, because it may repeat a password: write "
            "each sign of a password but letters and digits as %XX, such as %40 for @"
        )
    for secret in sorted(_secrets(url), key=len, reverse=True):
        line = line.replace(secret, "***")
    return line


def _secrets(url: Secret) -> set[str]:
    """Return the password in an address, and the values of its parameters."""
    with suppress(ArgumentError, ValueError):
        parsed = make_url(url.reveal())
        values = (one for every in parsed.normalized_query.values() for one in every)
        return {str(parsed.password or ""), *values} - {""}
    return set()


def _engine(url: Secret, held: ExitStack, seconds: int) -> Engine:
    """Return an engine; what it needs until it is disposed of is kept in `held`."""
    parsed = _parsed(url)
    if parsed.drivername in _SQLITE:
        return _sqlite(parsed, seconds)
    try:
        return create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            poolclass=NullPool,
            connect_args={
                "connect_timeout": seconds,
                "application_name": "segctl",
                **_files(parsed, held),
            },
        )
    except (ImportError, NoSuchModuleError) as error:
        raise HistoryError(
            "a history in PostgreSQL needs psycopg: install segctl[postgresql]"
        ) from error


def _files(url: URL, held: ExitStack) -> dict[str, str]:
    """Return settings of PostgreSQL's client for the files that the address or environment names.

    Those that say whom to trust are copied for the client, which opens them by their path at each
    connection; those with secrets stay in their place.

    Raises:
        HistoryError: one cannot be read, or others could decide what is in it.
    """
    named = {
        name: value
        for name in (*_TRUSTED, *_SECRET)
        if (value := url.normalized_query.get(name, (os.environ.get(f"PG{name.upper()}", ""),))[-1])
        and (name, value) != ("sslrootcert", "system")
    }
    settings: dict[str, str] = {}
    for name, value in named.items():
        path = Path(value)
        try:
            if name in _SECRET:
                settings[name] = str(storage.check(path))
                continue
            data = storage.read(path)
            folder = held.enter_context(storage.temporary_folder("segctl-history-"))
            storage.write(folder / "trusted.pem", data, durable=False)
            settings[name] = str(folder / "trusted.pem")
        except OSError as error:
            raise HistoryError(f"history: cannot use {name}: {error.strerror}") from None
    return settings


def must_exist(url: Secret) -> None:
    """Refuse a history whose file is still to be made.

    Raises:
        HistoryError: it is, or this is not the address of a database.
    """
    parsed = _parsed(url)
    if parsed.drivername in _SQLITE and parsed.database:
        path = Path(parsed.database).expanduser()
        if not path.exists():
            raise HistoryError(f"history: there is no {path}: segctl drift --history makes it")


def _parsed(url: Secret) -> URL:
    given = url.reveal()
    if is_file(given):
        return URL.create("sqlite", database=str(Path(given).absolute()))
    try:
        parsed = make_url(given)
    except (ArgumentError, ValueError):
        raise HistoryError(
            "the history's address is not a URL: use sqlite:////path/history.db or "
            "postgresql://user@host/database"
        ) from None
    if parsed.drivername not in _SQLITE | _POSTGRESQL:
        raise HistoryError(f"a history is kept in SQLite or PostgreSQL, not in {parsed.drivername}")
    if parsed.drivername in _SQLITE and (
        parsed.host or parsed.username or parsed.query or _CREDENTIALS.search(parsed.database or "")
    ):
        raise HistoryError("a history in SQLite must be a file: use sqlite:////path/history.db")
    return parsed


def _sqlite(url: URL, seconds: int) -> Engine:
    """Return an engine whose transactions take the write lock at their start, and wait for it."""
    if url.database and url.database != ":memory:":
        url = url.set(database=str(_make_file(Path(url.database).expanduser())))
    engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": seconds})

    def connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # transactions begin where SQLAlchemy says so
        connection.execute("PRAGMA journal_mode=WAL").close()
        connection.execute("PRAGMA synchronous=NORMAL").close()  # safe with WAL
        connection.execute("PRAGMA foreign_keys=ON").close()

    def begun(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)
    return engine


def _make_file(path: Path) -> Path:
    """Create the database's file and folder, private to their owner; return its real path."""
    try:
        return storage.prepare(path, _BESIDE)
    except OSError as error:
        raise HistoryError(f"history {path}: {error.strerror}") from error


def _prepare(connection: Connection) -> None:
    """Create missing tables.

    Raises:
        HistoryError: a newer segctl created the history.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MAKING})
    version = 0
    if inspect(connection).has_table(schema.name):
        version = connection.execute(select(schema.c.version)).scalar_one_or_none() or 0
    if version > VERSION:
        raise HistoryError(
            f"a newer segctl created this history (schema {version}; this segctl knows "
            f"{VERSION}): update segctl, or use another history with --history"
        )
    if version == VERSION:
        return
    METADATA.create_all(connection, tables=[schema])
    take_steps(connection, version)
    if version:
        connection.execute(schema.update().values(version=VERSION))
    else:
        connection.execute(schema.insert().values(only=1, version=VERSION))
