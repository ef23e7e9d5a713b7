"""A platform for tests of judgements: every application stands for itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from segctl.analysis.space import Names, service
from segctl.analysis.words import Platform, exact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segctl.analysis.space import Numbers
    from segctl.analysis.words import Effect, Meaning


@dataclass(frozen=True)
class Plain(Platform):
    """The words of a platform: default ports and services it brings, filters, unknown extras."""

    ports: Mapping[str, int] = field(default_factory=dict[str, int])
    services: Mapping[str, int] = field(default_factory=dict[str, int])
    filters: frozenset[str] = frozenset()
    deciding: str = "category"
    strange: str = "also has"

    def application(self, name: str) -> Meaning[Names] | None:
        """Return the name itself, None of a filter."""
        return None if name in self.filters else exact(Names(frozenset({name})))

    def default_ports(self) -> dict[Numbers, frozenset[str]]:
        """Return the one TCP port of each application."""
        found: dict[Numbers, frozenset[str]] = {}
        for name, port in self.ports.items():
            ports = service("tcp", port, port)
            found[ports] = found.get(ports, frozenset()) | {name}
        return found

    def service(self, name: str) -> Numbers | None:
        """Return the one TCP port of a service that the platform brings."""
        port = self.services.get(name)
        return None if port is None else service("tcp", port, port)

    def effect(self, extra: str) -> Effect:
        """Tell by how it begins."""
        if extra.startswith(self.strange):
            return "anything"
        return "narrows" if extra.startswith(self.deciding) else "none"
