from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, settings

from segctl_mocks import Authority, PanosMock, ServerCertificate
from segctl_mocks.linux.mock import LinuxMock
from support.lab import refused
from support.lengths import full
from support.nft_harness import (
    INTERFACES,
    KernelMachine,
    MockMachine,
    NftHarness,
    examples,
    pooled,
)
from support.panorama_bench import GroupHarness, served
from support.panos import PanosHarness

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

QUIET = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]
settings.register_profile(
    "ci",
    max_examples=10 if full() else 6,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],  # shrinking is for SEGCTL_HYPOTHESIS=thorough
    suppress_health_check=QUIET,
)
settings.register_profile(
    "thorough",
    max_examples=int(os.environ.get("SEGCTL_EXAMPLES", "400")),
    deadline=None,
    print_blob=True,
    suppress_health_check=QUIET,
)
settings.load_profile(os.environ.get("SEGCTL_HYPOTHESIS", "ci"))


@pytest.fixture(scope="session")
def panos_certificate() -> tuple[Authority, ServerCertificate]:
    """Who the mocks of PAN-OS are, made once: nothing here is about certificates."""
    authority = Authority.create()
    return authority, authority.issue(["fw1"])


@pytest.fixture(scope="session")
def panos_parts(
    panos_certificate: tuple[Authority, ServerCertificate],
) -> Mapping[str, bytes]:
    """What a mock fresh from the factory answers to a read, besides its policy."""
    authority, shown = panos_certificate
    with PanosMock("fw1", job_seconds=0.0, authority=authority, certificate=shown) as mock:
        harness = PanosHarness(mock)
        with harness.workbench():
            return harness.parts


@pytest.fixture
def panos(
    panos_certificate: tuple[Authority, ServerCertificate], panos_parts: Mapping[str, bytes]
) -> Iterator[PanosHarness]:
    """A PAN-OS provider with mocks to try it on."""
    authority, shown = panos_certificate
    with PanosMock("fw1", job_seconds=0.0, authority=authority, certificate=shown) as mock:
        yield PanosHarness(mock, parts=panos_parts)


@pytest.fixture
def panorama(panos_certificate: tuple[Authority, ServerCertificate]) -> Iterator[GroupHarness]:
    """The provider of device groups, with a mock Panorama of two firewalls to try it on."""
    with served(*panos_certificate) as found:
        yield found


@pytest.fixture
def panorama_pair(
    panos_certificate: tuple[Authority, ServerCertificate],
) -> Iterator[GroupHarness]:
    """As `panorama`, and the first firewall is a pair."""
    with served(*panos_certificate, pair=True) as found:
        yield found


@pytest.fixture(scope="session")
def nft_mock_machine() -> Iterator[MockMachine]:
    """A mock Linux host; whoever uses it empties it first."""
    with LinuxMock("fw", interfaces=INTERFACES) as mock:
        yield MockMachine(mock)


@pytest.fixture(scope="session")
def nft_kernel_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KernelMachine]:
    """A namespace of this kernel; whoever uses it empties it first."""
    reason = refused()
    if reason:
        pytest.skip(reason)
    machine = KernelMachine(tmp_path_factory.mktemp("kernel"))
    try:
        yield machine
    finally:
        machine.close()


@pytest.fixture
def nft_mock(nft_mock_machine: MockMachine) -> Iterator[NftHarness]:
    """The nftables provider on a mock host."""
    with pooled(), examples(6):
        yield NftHarness(nft_mock_machine)


@pytest.fixture
def nft_kernel(nft_kernel_machine: KernelMachine) -> Iterator[NftHarness]:
    """The nftables provider on a kernel."""
    with pooled(), examples(3):
        yield NftHarness(nft_kernel_machine)
