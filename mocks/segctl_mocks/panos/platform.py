"""PAN-OS among the platforms of mocks."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from lxml import etree

from segctl_mocks.panos.mock import PanosMock
from segctl_mocks.panos.pair import PanosPair
from segctl_mocks.panos.provision import provision
from segctl_mocks.panos.pushed import Pushed
from segctl_mocks.panos.server import Acceptor

if TYPE_CHECKING:
    from segctl_mocks.platforms import Surroundings
    from segctl_mocks.spec import HostSpec
    from segctl_mocks.tls import ServerCertificate


@dataclass(slots=True)
class PanosMocks:
    """Makes firewalls that share a certificate and an accepting thread, so that many are cheap.

    It serves one fleet.
    """

    _acceptor: Acceptor = field(default_factory=Acceptor)
    _certificate: ServerCertificate | None = None
    _made: dict[str, tuple[PanosMock, str]] = field(
        default_factory=dict[str, "tuple[PanosMock, str]"]
    )

    def holding(self, spec: HostSpec, config: bytes) -> HostSpec:
        """Return the host with that configuration, of the release that wrote it.

        Raises:
            ValueError: it is not the configuration of a PAN-OS firewall.
        """
        parser = etree.XMLParser(resolve_entities=False, no_network=True)
        try:
            root = etree.fromstring(config, parser)
        except etree.XMLSyntaxError as error:
            message = f"not XML: {error.msg}"
            raise ValueError(message) from error
        if root.find("devices/entry/vsys/entry") is None:
            message = "not the configuration of a PAN-OS firewall: it has no virtual system"
            raise ValueError(message)
        return replace(
            spec,
            config=config,
            zones={},
            profile_groups=(),
            log_forwarding=(),
            schedules=(),
            sw_version=root.get("detail-version") or root.get("version") or spec.sw_version,
        )

    def make(self, name: str, spec: HostSpec, surroundings: Surroundings) -> PanosMock:
        """Make a firewall with the zones, profiles and schedules of its host."""
        if self._certificate is None:
            self._certificate = surroundings.authority.issue(["segctl-mocks"])
        try:
            Pushed.read(spec.pushed)
        except ValueError as error:
            message = f"{name}: what a Panorama pushed to it is not understood: {error}"
            raise ValueError(message) from error
        mock = PanosMock(
            name,
            spec.config,
            pushed=spec.pushed,
            serial=spec.serial,
            ip_address=spec.ip_address,
            multi_vsys=spec.multi_vsys,
            sw_version=spec.sw_version,
            content_version=spec.content_version,
            users={spec.user: spec.password},
            latency=surroundings.latency,
            job_seconds=surroundings.job_seconds,
            state_dir=surroundings.state,
            authority=surroundings.authority,
            certificate=self._certificate,
            acceptor=self._acceptor,
        )
        if not mock.restored:
            provision(
                mock.device,
                vsys=spec.vsys,
                zones=spec.zones,
                profile_groups=spec.profile_groups,
                log_forwarding=spec.log_forwarding,
                schedules=spec.schedules,
            )
            mock.save()
        elif spec.pushed:
            mock.push(*spec.pushed)
        self._pair(name, mock)
        self._made[name] = mock, spec.ha_peer
        return mock

    def _pair(self, name: str, mock: PanosMock) -> None:
        """Join a firewall with the one before it that names it as its peer."""
        for first, peer in self._made.values():
            if peer == name:
                PanosPair(first, mock)
                first.save()
                mock.save()
