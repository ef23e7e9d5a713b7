"""PAN-OS firewalls over the XML API."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from segctl.model.policy import Service
from segctl.providers.base import Capabilities

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence

    from segctl.model.diff import Change
    from segctl.model.errors import Problem
    from segctl.model.policy import DeclaredPolicy, Policy
    from segctl.model.site import Device
    from segctl.protocols import Applications, Protocol
    from segctl.providers.base import Joint, Live, Session
    from segctl.providers.panos.session import PanosSession
    from segctl.providers.panos.words import PanosWords
    from segctl.transports.target import Target

CAPABILITIES = Capabilities(
    port=443,
    title="PAN-OS",
    applications=True,
    users=True,
    profiles=True,
    tells_authors=True,
    pairs=True,
    audit_comments=True,
    contains=True,
    joins=True,
    destination="original",  # with the zone after translation: the vendor's doctrine
    services=(
        Service(name="service-http", protocol="tcp", ports="80,8080"),
        Service(name="service-https", protocol="tcp", ports="443"),
    ),
)


def _silent(_step: str) -> None:
    return


def _session(target: Target, *, read_only: bool, progress: Callable[[str], None]) -> PanosSession:
    """Return a session with a firewall itself, or by way of its Panorama.

    The latter never changes its configuration.
    """
    if not target.via:
        from segctl.providers.panos.session import PanosSession

        return PanosSession(target, read_only=read_only, progress=progress)
    from segctl.providers.panos.panorama.proxied import ProxiedSession

    return ProxiedSession(target, target.via, read_only=read_only, progress=progress)


class PanosProvider:
    """The PAN-OS provider; heavy libraries are loaded by the call that needs them."""

    @property
    def name(self) -> str:
        """``panos``."""
        return "panos"

    @property
    def capabilities(self) -> Capabilities:
        """What PAN-OS can express."""
        return CAPABILITIES

    def fit(self, policy: DeclaredPolicy, device: Device) -> tuple[Policy, tuple[Problem, ...]]:
        """Return `policy` in PAN-OS's own terms, never wider."""
        from segctl.providers.panos.fit import fit

        return fit(policy, device)

    def applications(self, protocol: Protocol, classes: Sequence[str]) -> Applications:
        """Return the App-IDs that permit these access classes of a protocol, and no others."""
        from segctl.providers.panos.app_id import applications

        return applications(protocol, classes)

    def relatives(
        self, used: Iterable[str], known: frozenset[str]
    ) -> Mapping[str, tuple[str, ...]]:
        """Return what an update of the content may have made of App-IDs, by their names."""
        from segctl.providers.panos.app_id import relatives

        return relatives(used, known)

    def words(self, live: Live | None) -> PanosWords:
        """Return what is known of the applications and services that rules name."""
        from segctl.providers.panos.words import words

        return words(live)

    def parse(self, config: bytes) -> Live:
        """Read a snapshot document."""
        from segctl.providers.panos.parse import parse

        return parse(config)

    def mask(self, config: bytes) -> bytes:
        """Return only what is parsed of a document."""
        from segctl.providers.panos.words import kept
        from segctl.providers.parsed import dump

        return dump(self.parse(config), kept)

    def cited(self, config: bytes) -> Mapping[str, str]:
        """Return the requests of a session's document with the SHA-256 of each answer."""
        from segctl.providers.panos.cited import cited

        return cited(config)

    def refusal(self, command: str) -> str:
        """Return why a probe's `command` may not run; empty if it may."""
        from segctl.providers.panos.commands import refusal

        return refusal(command)

    def render(self, changes: Sequence[Change], live: Live) -> str:
        """Return the configuration steps for `changes`."""
        from segctl.providers.panos.render import render

        return render(changes, live)

    @contextmanager
    def connect(
        self, target: Target, *, read_only: bool, progress: Callable[[str], None] = _silent
    ) -> Generator[Session]:
        """Open a session over HTTPS, its certificate verified before anything is sent.

        Of a pair, the leading member is found at once.
        """
        session = _session(target, read_only=read_only, progress=progress)
        try:
            session.open()
            yield session
        finally:
            session.close()

    @contextmanager
    def connect_together(
        self,
        targets: Sequence[Target],
        *,
        read_only: bool,
        progress: Mapping[str, Callable[[str], None]],
    ) -> Generator[Joint]:
        """Open one session over HTTPS for several virtual systems of one firewall."""
        from segctl.providers.panos.together import Together

        joint = Together(targets, read_only=read_only, progress=progress)
        first, *_ = joint.sessions
        try:
            first.open()
            yield joint
        finally:
            first.close()
