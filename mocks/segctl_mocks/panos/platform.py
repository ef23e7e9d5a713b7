"""PAN-OS among the platforms of mocks."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypedDict

from lxml import etree

from segctl_mocks.panos.mock import PanosMock
from segctl_mocks.panos.pair import PanosPair
from segctl_mocks.panos.panorama.mock import PanoramaMock
from segctl_mocks.panos.panorama.provision import Managed, establish, prepare
from segctl_mocks.panos.pushed import Pushed
from segctl_mocks.panos.server import Acceptor
from segctl_mocks.panos.traffic.store import load

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from segctl_mocks.platforms import Surroundings
    from segctl_mocks.spec import HostSpec
    from segctl_mocks.tls import Authority, ServerCertificate


class _Common(TypedDict):
    """What a firewall and a Panorama are both made from."""

    sw_version: str
    content_version: str
    serial: str
    users: Mapping[str, str]
    latency: float
    job_seconds: float
    state_dir: Path | None
    authority: Authority
    certificate: ServerCertificate
    acceptor: Acceptor


@dataclass(slots=True)
class PanosMocks:
    """Makes firewalls and Panoramas; they share a certificate and an accepting thread: cheap.

    It serves one fleet.
    """

    _acceptor: Acceptor = field(default_factory=Acceptor)
    _certificate: ServerCertificate | None = None
    _made: dict[str, tuple[PanosMock, str]] = field(
        default_factory=dict[str, "tuple[PanosMock, str]"]
    )
    _managed: dict[str, Managed] = field(default_factory=dict[str, Managed])

    def holding(self, spec: HostSpec, config: bytes) -> HostSpec:
        """Return the host with that configuration, of the release that wrote it.

        Raises:
            ValueError: it is not the configuration of a PAN-OS firewall, or of a Panorama.
        """
        parser = etree.XMLParser(resolve_entities=False, no_network=True)
        try:
            root = etree.fromstring(config, parser)
        except etree.XMLSyntaxError as error:
            message = f"not XML: {error.msg}"
            raise ValueError(message) from error
        has_systems = root.find("devices/entry/vsys/entry") is not None
        if spec.manages and (has_systems or root.find("devices/entry") is None):
            message = "not the configuration of a Panorama"
            raise ValueError(message)
        if not spec.manages and not has_systems:
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

    def make(
        self, name: str, spec: HostSpec, surroundings: Surroundings
    ) -> PanosMock | PanoramaMock:
        """Make a firewall with what its host prepares, or the Panorama of those made before."""
        if self._certificate is None:
            self._certificate = surroundings.authority.issue(["segctl-mocks"])
        common = _Common(
            sw_version=spec.sw_version,
            content_version=spec.content_version,
            serial=spec.serial,
            users={spec.user: spec.password},
            latency=surroundings.latency,
            job_seconds=surroundings.job_seconds,
            state_dir=surroundings.state,
            authority=surroundings.authority,
            certificate=self._certificate,
            acceptor=self._acceptor,
        )
        if spec.manages:
            return self._panorama(name, spec, common)
        return self._firewall(name, spec, common)

    def _firewall(self, name: str, spec: HostSpec, common: _Common) -> PanosMock:
        try:
            Pushed.read(spec.pushed)
        except ValueError as error:
            message = f"{name}: what a Panorama pushed to it is not understood: {error}"
            raise ValueError(message) from error
        traffic = load(spec.traffic).get(name) if spec.traffic is not None else None
        mock = PanosMock(
            name,
            spec.config,
            pushed=spec.pushed,
            traffic=traffic,
            ip_address=spec.ip_address,
            multi_vsys=spec.multi_vsys,
            **common,
        )
        if spec.panorama:
            self._managed[name] = Managed(mock, spec)
        elif not mock.restored:
            prepare(mock, spec)
        if mock.restored and spec.pushed:
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

    def _panorama(self, name: str, spec: HostSpec, common: _Common) -> PanoramaMock:
        managed = [self._managed[each] for each in spec.manages]
        firewalls = [each.mock for each in managed]
        mock = PanoramaMock(name, spec.config, firewalls=firewalls, **common)
        if not mock.restored:
            establish(mock, managed, own=spec.config is not None)
        return mock
