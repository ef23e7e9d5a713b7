"""A session with a ToyOS device: one JSON line asks, one answers."""

from __future__ import annotations

import json
import socket
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from segctl.model.errors import ApplyError, AuthError, ConnectError, DeviceError, LockedError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from segctl.transports.target import Target

PORT = 7007
#: Requests that change nothing; a read-only session sends no other.
READERS = frozenset({"login", "show"})


class ToyosSession:
    """One login; the device takes back what was not confirmed when it ends."""

    def __init__(self, target: Target, *, read_only: bool, progress: Callable[[str], None]) -> None:
        self._target = target
        self._read_only = read_only
        self._progress = progress
        progress("connecting")
        try:
            self._socket = socket.create_connection(
                (target.host, target.port or PORT), timeout=target.timeout
            )
        except OSError as error:
            raise ConnectError(target.name, f"no connection: {error}") from error
        self._lines = self._socket.makefile("rb")
        try:
            self._ask("login", user=target.user, password=target.password.reveal())
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._lines.close()
        self._socket.close()

    def _ask(self, verb: str, **values: Any) -> Any:
        """Send one request; the check that keeps a session read-only is here, before it is sent."""
        name = self._target.name
        if self._read_only and verb not in READERS:
            raise ApplyError(name, "this session is read-only: nothing was sent")
        try:
            self._socket.sendall(json.dumps({"verb": verb, **values}).encode() + b"\n")
            line = self._lines.readline(self._target.max_answer)
        except OSError as error:
            raise ConnectError(name, f"the connection ended: {error}") from error
        if not line.endswith(b"\n"):
            raise ConnectError(name, "the connection ended within an answer")
        answer = json.loads(line)
        if answer["ok"]:
            return answer.get("value")
        kind = {"login": AuthError, "lock": LockedError}.get(verb, ApplyError)
        raise kind(name, answer["error"])

    def read(self) -> bytes:
        self._progress("reading")
        return json.dumps(self._ask("show")).encode()

    @contextmanager
    def lock(self) -> Generator[None]:
        self._progress("locking")
        self._ask("lock")
        try:
            yield
        finally:
            with suppress(DeviceError):  # the device frees it when the connection ends
                self._ask("unlock")

    def push(self, script: str, *, revert_in: float | None = None) -> None:
        del revert_in
        self._progress("pushing")
        self._ask("commit", steps=json.loads(script) if script else [])

    def confirm(self) -> None:
        self._ask("confirm")

    def revert(self) -> None:
        self._progress("going back")
        self._ask("rollback")
