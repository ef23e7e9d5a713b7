"""Mock devices to provision when there are none; they never import segctl."""

from __future__ import annotations

from segctl_mocks.fleet import Fleet, serve_fleet
from segctl_mocks.linux.mock import LinuxMock
from segctl_mocks.panos.answers import Answer, ApiError
from segctl_mocks.panos.faults import Request
from segctl_mocks.panos.mock import PanosMock
from segctl_mocks.panos.pair import PanosPair
from segctl_mocks.panos.panorama.mock import PanoramaMock
from segctl_mocks.panos.settings import LIMITS
from segctl_mocks.panos.traffic.store import load as load_traffic
from segctl_mocks.platforms import Mock, Platform, Surroundings, installed, platform
from segctl_mocks.spec import HostSpec
from segctl_mocks.tls import Authority, ServerCertificate

__all__ = [
    "LIMITS",
    "Answer",
    "ApiError",
    "Authority",
    "Fleet",
    "HostSpec",
    "LinuxMock",
    "Mock",
    "PanoramaMock",
    "PanosMock",
    "PanosPair",
    "Platform",
    "Request",
    "ServerCertificate",
    "Surroundings",
    "installed",
    "load_traffic",
    "platform",
    "serve_fleet",
]
