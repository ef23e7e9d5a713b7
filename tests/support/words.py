"""A platform for tests of judgements: every application stands for itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from segctl.analysis.space import service

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segctl.analysis.space import Numbers


@dataclass(frozen=True)
class Plain:
    """The words of a platform: default ports and services it brings, filters, unknown extras."""

    ports: Mapping[str, int] = field(default_factory=dict[str, int])
    services: Mapping[str, int] = field(default_factory=dict[str, int])
    filters: frozenset[str] = frozenset()
    deciding: str = "category"

    def members(self, application: str) -> frozenset[str] | None:
        """Return the name itself, None of a filter."""
        return None if application in self.filters else frozenset({application})

    def default_ports(self, application: str) -> Numbers | None:
        """Return the one TCP port of an application."""
        port = self.ports.get(application)
        return None if port is None else service("tcp", port, port)

    def service(self, name: str) -> Numbers | None:
        """Return the one TCP port of a service that the platform brings."""
        port = self.services.get(name)
        return None if port is None else service("tcp", port, port)

    def decides(self, extra: str) -> bool:
        """Whether it begins as what decides."""
        return extra.startswith(self.deciding)
