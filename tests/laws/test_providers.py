"""Every law for every provider."""

from __future__ import annotations

import pytest

from segctl.testing import LAWS, ProviderHarness


@pytest.fixture(params=["panos", "panorama_pair", "nft_mock", "nft_kernel"])
def harness(request: pytest.FixtureRequest) -> ProviderHarness:
    """The providers and what they are tried on."""
    found: ProviderHarness = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize("law", LAWS)
def test_law(law: str, harness: ProviderHarness) -> None:
    if law == "imports_to_nothing" and harness.device.members:
        pytest.skip("what is imported are the firewalls of a group, by its own tests")
    LAWS[law](harness)
