"""Device groups of a Panorama, over the XML API."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from segctl.providers.panos import CAPABILITIES as OF_FIREWALLS
from segctl.providers.panos import PanosProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from segctl.model.diff import Change
    from segctl.providers.base import Capabilities, Live, Session
    from segctl.providers.panos.panorama.parse import PanoramaLive
    from segctl.transports.target import Target

CAPABILITIES = replace(OF_FIREWALLS, title="Panorama", tells_authors=True, joins=False)


def _silent(_step: str) -> None:
    return


class PanoramaProvider(PanosProvider):
    """The provider of device groups: their rules and objects are those of a firewall."""

    @property
    def name(self) -> str:
        """``panorama``."""
        return "panorama"

    @property
    def capabilities(self) -> Capabilities:
        """What a device group can express."""
        return CAPABILITIES

    def parse(self, config: bytes) -> PanoramaLive:
        """Parse a document from a session's `read`."""
        from segctl.providers.panos.panorama.parse import parse

        return parse(config)

    def render(self, changes: Sequence[Change], live: Live) -> str:
        """Return the configuration steps for `changes`; firewalls are named by their serials."""
        from segctl.providers.panos.panorama.targets import addressed
        from segctl.providers.panos.render import render

        return render([addressed(change, live.members) for change in changes], live)

    @contextmanager
    def connect(
        self, target: Target, *, read_only: bool, progress: Callable[[str], None] = _silent
    ) -> Generator[Session]:
        """Open a session over HTTPS, its certificate verified before anything is sent."""
        from segctl.providers.panos.panorama.session import PanoramaSession

        session = PanoramaSession(target, read_only=read_only, progress=progress)
        try:
            yield session
        finally:
            session.close()
