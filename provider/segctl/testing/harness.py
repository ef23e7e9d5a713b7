"""What a provider's tests bring: a device to try on, and what is tried."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from typing import Literal

    from hypothesis.strategies import DataObject

    from segctl.model.policy import DeclaredRule, Rule
    from segctl.model.site import Device
    from segctl.providers.base import Provider
    from segctl.transports.target import Target


class Workbench(Protocol):
    """One device to try on, fresh: its zones exist, nothing in it is segctl's."""

    @property
    def target(self) -> Target:
        """Where it is."""
        ...

    @property
    def locks(self) -> int:
        """How many locks are held on it."""
        ...

    def met(self) -> Sequence[bytes]:
        """Every configuration traffic has met so far, as documents for `Provider.parse`."""
        ...

    def printed(self) -> str:
        """The configuration that enforces now, in one spelling."""
        ...

    def others(self) -> str:
        """Everything of it that is not segctl's, in order, in one spelling."""
        ...

    def bystand(self, data: DataObject) -> None:
        """Let other administrators make rules and objects of their own."""
        ...

    def disturb(self, data: DataObject) -> None:
        """Let another administrator change what is segctl's by hand, leaving its mark."""
        ...

    def sever(self, request: int, how: Literal["before", "after", "within"]) -> None:
        """Let the line drop once: at the n-th request from now, before or after it is handled."""
        ...

    def mend(self) -> None:
        """Let no line drop any more."""
        ...


class ProviderHarness(Protocol):
    """A provider, a firewall as its inventory declares it, and devices to try both on."""

    @property
    def provider(self) -> Provider:
        """What is tested."""
        ...

    @property
    def device(self) -> Device:
        """The firewall; its `zones` are the zones of the strategies' inventories."""
        ...

    @property
    def anchor(self) -> str:
        """A rule of others that every fresh device has, and that nobody takes away."""
        ...

    def workbench(self) -> AbstractContextManager[Workbench]:
        """Return a fresh device."""
        ...

    def widest(self, rule: DeclaredRule) -> Rule:
        """Return a compiled rule with its protocols in the platform's words, at their widest."""
        ...
