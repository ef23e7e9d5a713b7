"""Linux gateways among the platforms of mocks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from segctl_mocks.linux.mock import LinuxMock

if TYPE_CHECKING:
    from segctl_mocks.platforms import Surroundings
    from segctl_mocks.spec import HostSpec


@dataclass(frozen=True, slots=True)
class NftablesMocks:
    """Makes gateways."""

    def holding(self, spec: HostSpec, config: bytes) -> HostSpec:
        """Return the host with that ruleset, nft text, loaded by others."""
        return replace(spec, config=config, zones={}, profile_groups=(), log_forwarding=())

    def make(self, name: str, spec: HostSpec, surroundings: Surroundings) -> LinuxMock:
        """Make a gateway with the interfaces of its host."""
        if spec.pushed:
            message = f"{name}: a Panorama pushes nothing to a Linux host"
            raise ValueError(message)
        return LinuxMock(
            name,
            interfaces=spec.interfaces,
            users={spec.user: spec.password},
            sudo=spec.sudo,
            nft_version=spec.nft_version,
            kernel=spec.kernel,
            ruleset=(spec.config or b"").decode(),
            latency=surroundings.latency,
            state_dir=surroundings.state,
        )
