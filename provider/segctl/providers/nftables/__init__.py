"""Linux hosts with nftables, over SSH."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from segctl.providers.base import Capabilities, refuse_pair

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from segctl.model.diff import Change
    from segctl.model.errors import Problem
    from segctl.model.policy import DeclaredPolicy, Policy
    from segctl.model.site import Device
    from segctl.protocols import Applications, Protocol
    from segctl.providers.base import Live, Session
    from segctl.providers.nftables.parse import NftLive
    from segctl.transports.target import Target

CAPABILITIES = Capabilities(
    port=22,
    title="nftables",
    timed_revert=True,
    contains=True,
    owns_zones=True,
    ordered=False,
    passes_outside=True,
    forwards_only=True,
    destination="translated",  # the forward hook comes after destination NAT, tested on a kernel
)


def _silent(_step: str) -> None:
    return


class NftablesProvider:
    """The nftables provider; heavy libraries are loaded by the call that needs them."""

    @property
    def name(self) -> str:
        """``nftables``."""
        return "nftables"

    @property
    def capabilities(self) -> Capabilities:
        """What nftables can express."""
        return CAPABILITIES

    def fit(self, policy: DeclaredPolicy, device: Device) -> tuple[Policy, tuple[Problem, ...]]:
        """Return `policy` as nft will hold it, never wider."""
        from segctl.providers.nftables.fit import fit

        refuse_pair(device, CAPABILITIES)
        return fit(policy, device)

    def applications(self, protocol: Protocol, classes: Sequence[str]) -> Applications:
        """Return the functions that a host judges, and those it permits by their ports."""
        from segctl.providers.nftables.functions import applications

        return applications(protocol, classes)

    def parse(self, config: bytes) -> Live:
        """Read a document of the host's answers."""
        from segctl.providers.nftables.parse import parse

        return parse(config)

    def steady(self, config: bytes) -> bytes:
        """Return the document without the values of its counters."""
        from segctl.providers.nftables.document import steady

        return steady(config)

    def mask(self, config: bytes) -> bytes:
        """Return only what is parsed of a document."""
        from segctl.providers.parsed import dump

        return dump(self.parse(config))

    def essence(self, extra: str) -> str:
        """Return what an extra says, alike however it is worded."""
        from segctl.providers.nftables.noted import essence

        return essence(extra)

    def refusal(self, command: str) -> str:
        """Return why a probe's `command` may not run; empty if it may."""
        from segctl.providers.nftables.commands import refusal

        return refusal(command)

    def render(self, changes: Sequence[Change], live: Live) -> str:
        """Return the transactions for `changes`."""
        from segctl.providers.nftables.render import render

        return render(changes, cast("NftLive", live))

    @contextmanager
    def connect(
        self, target: Target, *, read_only: bool, progress: Callable[[str], None] = _silent
    ) -> Generator[Session]:
        """Open a session over SSH, the host's key verified before anything is sent."""
        from segctl.providers.nftables.session import NftSession

        session = NftSession(target, read_only=read_only, progress=progress)
        try:
            yield session
        finally:
            session.close()
