"""A private PostgreSQL cluster on a Unix socket, for tests of what several runners share."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

USER, PASSWORD = "segctl", "pl/ant@5ecret"
QUOTED = "pl%2Fant%405ecret"


def program(name: str) -> str | None:
    """Return where a program of PostgreSQL is; Debian keeps them out of the path."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return shutil.which(name) or (str(found[0]) if found else None)


def missing() -> str:
    """Say why there can be no cluster here; empty where there can."""
    if program("initdb") is None or program("postgres") is None:
        return "PostgreSQL is not installed here"
    if os.geteuid() == 0 and _account() is None:
        return "PostgreSQL does not run as root, and there is no account postgres"
    return ""


def _account() -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return None


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running server; its only user needs a password."""

    folder: Path

    def url(self, database: str = "postgres", password: str = QUOTED) -> str:
        return f"postgresql://{USER}:{password}@/{database}?host={self.folder}"

    def fresh(self, database: str) -> str:
        """Make an empty database and return its URL."""
        import psycopg

        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {database}".encode())
        return self.url(database)


@contextmanager
def cluster() -> Generator[Cluster]:
    initdb, postgres = program("initdb"), program("postgres")
    assert initdb is not None
    assert postgres is not None
    folder = Path(tempfile.mkdtemp(prefix="segctl-pg-", dir="/tmp"))
    account = _account() if os.geteuid() == 0 else None
    user, group = (account.pw_uid, account.pw_gid) if account else (None, None)
    try:
        (folder / "password").write_text(PASSWORD, encoding="utf-8")
        if account:
            for path in (folder, folder / "password"):
                os.chown(path, account.pw_uid, account.pw_gid)
        subprocess.run(
            f"{initdb} -D data -U {USER} --pwfile password --auth scram-sha-256 --no-sync "
            "--encoding UTF8 --locale C".split(),
            check=True,
            capture_output=True,
            cwd=folder,
            user=user,
            group=group,
        )
        options = {"listen_addresses": "", "unix_socket_directories": str(folder), "fsync": "off"}
        words = [word for key, value in options.items() for word in ("-c", f"{key}={value}")]
        with subprocess.Popen(
            [postgres, "-D", "data", *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=folder,
            user=user,
            group=group,
        ) as server:
            try:
                assert server.stderr is not None
                for line in server.stderr:
                    if b"ready to accept connections" in line:
                        break
                yield Cluster(folder)
            finally:
                server.send_signal(2)  # fast shutdown: it ends the connections
                server.communicate(timeout=30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
