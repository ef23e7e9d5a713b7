"""What a mock device is: its names, releases, size and speed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from segctl_mocks.panos import schema

if TYPE_CHECKING:
    from collections.abc import Mapping

# A large chassis, so that a test meets a limit only when it asks for one.
# Source of the names: recorded platform node of a VM on 8.1; ceilings: vendor schema 10.0.
LIMITS: Mapping[str, int] = {
    "max-address": 162400,
    "max-address-group": 80000,
    "max-address-per-group": 2500,
    "max-policy-rule": 65000,
    "max-nat-policy-rule": 16000,
    "max-ssl-policy-rule": 5000,
    "max-qos-policy-rule": 8000,
    "max-pbf-policy-rule": 2000,
    "max-oride-policy-rule": 4000,
    "max-auth-policy-rule": 8000,
    "max-dos-policy-rule": 2000,
    "max-service": 102400,
    "max-service-group": 50000,
    "max-service-per-group": 2500,
    "max-profile": 750,
    "max-zone": 17000,
    "max-vsys": 225,
    "max-vrouter": 225,
    "max-ifnet": 12288,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One device."""

    hostname: str = "fw1"
    serial: str = "007000001222"
    model: str = "PA-VM"
    sw_version: str = "11.1.6"
    content_version: str = "8799-8509"
    ip_address: str = "127.0.0.1"
    multi_vsys: bool = False
    ha: str = ""  # "", "active" or "passive"
    ha_synchronized: bool = True
    job_seconds: float = 0.05
    locks_gone_at_commit: frozenset[str] = frozenset({"commit"})
    """Kinds of locks that an administrator's own commit releases. The guide says that both go, a
    vendor's note that the config lock stays."""
    limits: Mapping[str, int] = field(default_factory=lambda: dict(LIMITS))
    removed_applications: frozenset[str] = frozenset()

    @property
    def release(self) -> tuple[int, ...]:
        """The release as numbers that compare."""
        return schema.release(self.sw_version)
