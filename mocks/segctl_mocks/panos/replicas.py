"""A thousand firewalls that hold what one holds: its answers, recorded, under many names."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from segctl_mocks.panos.server import Acceptor, Form, HttpsServer, Reply

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from segctl_mocks.panos.answers import Answer
    from segctl_mocks.panos.mock import PanosMock

_MEANT = ("type", "action", "xpath", "cmd", "element")


class Replicas:
    """Read-only firewalls on a port each; serial numbers and one text tell them apart.

    Where the original's answers have `mark`, a replica has its number in as many digits. The
    original is asked once for every request there is; after that an answer costs its bytes.
    """

    def __init__(
        self, original: PanosMock, names: Sequence[str], *, mark: bytes = b"", latency: float = 0.0
    ) -> None:
        self._original = original
        self._mark = mark
        self._latency = latency
        self._answers: dict[tuple[str, ...], Answer] = {}
        self._lock = threading.Lock()
        context = original.authority.issue(["replicas"]).context()
        acceptor = Acceptor()
        self._servers = {
            name: HttpsServer(0, context, _Replica(self, number).respond, 64 << 20, acceptor)
            for number, name in enumerate(names)
        }

    @property
    def ports(self) -> Mapping[str, int]:
        """Where each listens."""
        return {name: server.server_port for name, server in self._servers.items()}

    def answer(self, number: int, params: Mapping[str, str]) -> Answer:
        """Answer as the replica of this number."""
        time.sleep(self._latency)
        meant = tuple(params.get(name, "") for name in _MEANT)
        with self._lock:
            if meant not in self._answers:
                asked = dict(params)
                if params.get("type") != "keygen":
                    asked["key"] = self._original.key()
                found = self._original.handle(asked)
                self._answers[meant] = replace(found, body=found.content())
        found = self._answers[meant]
        own = str(number).zfill(len(self._mark)).encode()
        body = found.content()
        return replace(found, body=body.replace(self._mark, own) if self._mark else body)

    def __enter__(self) -> Self:
        for server in self._servers.values():
            server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for server in self._servers.values():
            server.stop()


class _Replica:
    """One of them."""

    def __init__(self, replicas: Replicas, number: int) -> None:
        self._replicas = replicas
        self._number = number

    def respond(self, form: Form) -> Reply:
        """Answer a request."""
        return Reply(self._replicas.answer(self._number, form.params))
