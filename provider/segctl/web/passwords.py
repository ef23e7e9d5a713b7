"""Passwords of those who may look: a file as `htpasswd -B` makes it, of bcrypt hashes."""

from __future__ import annotations

import hmac
import re
import secrets
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from segctl.model.errors import UsageError
from segctl.transports.credentials import secret_in

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: bcrypt has none below; what is above takes longer than a second to compare.
_COSTS: Final = range(4, 15)
_HASH: Final = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}", re.ASCII)
#: bcrypt looks at no more bytes of a password: a longer one would be cut, so it is never right.
LONGEST: Final = 72
_REMEMBERED: Final = 256
#: A hash of a password that nobody knows.
_NOBODY: Final = "$2b$12$WUy4swUpgcpE1cwk.B92LOKyAu2wP094ppOHQnSpLUIRldnMcvaJG"


def users_in(text: str, where: str) -> dict[str, str]:
    """Return the hashes of a file by user.

    Raises:
        UsageError: a line is not a user and a bcrypt hash, or a user has two.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        user, _, hashed = line.strip().partition(":")
        match = _HASH.fullmatch(hashed)
        if not user or match is None:
            message = f"{where}:{number}: not a user and a bcrypt hash: htpasswd -B makes them"
            raise UsageError(message)
        if int(match[1]) not in _COSTS:
            message = f"{where}:{number}: the cost of the hash must be from {_COSTS[0]} to"
            raise UsageError(f"{message} {_COSTS[-1]}: htpasswd -B -C 12 makes one")
        if user in found:
            raise UsageError(f"{where}:{number}: {user} has a password already")
        found[user] = hashed
    if not found:
        raise UsageError(f"{where} names no user: htpasswd -B -C 12 adds one")
    return found


class Passwords:
    """Judges users and passwords; what was right is remembered, since bcrypt is slow on purpose.

    The file is read again when it has changed; while it cannot be used, nobody gets in.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._key = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._right: OrderedDict[bytes, str] = OrderedDict()
        self._seen = self._stamp()
        self._users: Mapping[str, str] = self._read()

    def _stamp(self) -> tuple[int, int, int]:
        try:
            status = self._file.expanduser().stat()
        except OSError:
            return (0, 0, 0)
        return status.st_ctime_ns, status.st_size, status.st_ino  # chmod sets it, too

    def _read(self) -> Mapping[str, str]:
        text = secret_in(self._file, "--password-file").reveal()
        return users_in(text, str(self._file))

    def refreshed(self) -> str:
        """Read the file again where it has changed; return why nobody gets in, if nobody does."""
        stamp = self._stamp()
        if stamp == self._seen:
            return ""
        self._seen = stamp
        try:
            self._users = self._read()
        except UsageError as error:
            self._users = {}
            return f"nobody gets in: {error}"
        return ""

    def remembered(self, user: str, password: str) -> bool:
        """Whether they were right before, and the user still has this password."""
        with self._lock:
            hashed = self._right.get(self._mark(user, password), "")
        return bool(hashed) and self._users.get(user) == hashed

    def right(self, user: str, password: str) -> bool:
        """Whether a user has this password; it takes as long where there is no such user."""
        import bcrypt

        given, hashed = password.encode(), self._users.get(user)
        known = next(iter(self._users.values()), _NOBODY)
        try:
            same = bcrypt.checkpw(given[:LONGEST], (hashed or known).encode())
        except ValueError:  # the password holds what bcrypt does not take
            return False
        if hashed is None or not same or len(given) > LONGEST:
            return False
        with self._lock:
            self._right[self._mark(user, password)] = hashed
            if len(self._right) > _REMEMBERED:
                self._right.popitem(last=False)
        return True

    def _mark(self, user: str, password: str) -> bytes:
        """Return what a pair is remembered by, which says nothing of it without our key."""
        return hmac.digest(self._key, f"{user}\0{password}".encode(), "sha256")
