"""A mock firewall's answers, serialised once: what the server costs is the same for everyone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Self

from segctl_mocks.panos.mock import PanosMock
from segctl_mocks.panos.server import Form, HttpsServer, Reply
from segctl_mocks.tls import Authority

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

    from segctl_mocks.panos.answers import Answer

_MEANT = ("type", "action", "xpath", "cmd", "element")


class Replay:
    """Serves the recorded answers of a mock over HTTPS; records what it is asked first.

    Read-only: after the first time a request is answered without asking the mock.
    """

    def __init__(self, config: bytes, folder: Path) -> None:
        authority = Authority.load_or_create(folder)
        self.mock = PanosMock("bench", config, users={"admin": "mock"}, authority=authority)
        self.ca_file = authority.write(folder / "ca.pem")
        self.requests = 0
        self._answers: dict[tuple[str, ...], Answer] = {}
        context = authority.issue(["bench"]).context()
        self._server = HttpsServer(0, context, self._respond, 64 << 20)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._server.server_port

    def warm(self, *requests: Mapping[str, str]) -> int:
        """Record the answers to these requests; return how many bytes the last one has."""
        return [len(self._answer(request).content()) for request in requests][-1]

    def _respond(self, form: Form) -> Reply:
        self.requests += 1
        return Reply(self._answer(form.params))

    def _answer(self, params: Mapping[str, str]) -> Answer:
        meant = tuple(params.get(name, "") for name in _MEANT)
        if meant not in self._answers:
            asked = {**params, "key": self.mock.key()} if params["type"] != "keygen" else params
            answer = self.mock.handle(asked)
            self._answers[meant] = replace(answer, body=answer.content())
        return self._answers[meant]

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.stop()
