"""A plan made from a snapshot is the plan of the device, whatever it holds."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segctl.planning.make import plan_device
from segctl.planning.snapshot import snapshot_of
from segctl.providers.management import without_addresses
from segctl.testing import ProviderHarness, desired, reach


@pytest.mark.parametrize("platform", ["panos", "nft_mock"])
def test_a_plan_from_a_snapshot_is_that_of_the_device(
    platform: str, request: pytest.FixtureRequest
) -> None:
    harness: ProviderHarness = request.getfixturevalue(platform)
    speaks, device = harness.provider, harness.device

    @given(data=st.data(), purge=st.booleans())
    def law(data: st.DataObject, *, purge: bool) -> None:
        inventories = desired(device, speaks.capabilities)
        with harness.workbench() as bench:
            bench.bystand(data)
            reach(harness, bench, data.draw(inventories, "before"))
            bench.disturb(data)
            with speaks.connect(bench.target, read_only=True) as session:
                document = session.read()
        kept = snapshot_of(device.name, "", document, speaks).document.encode()
        wanted = data.draw(inventories, "desired")
        if purge:
            wanted = replace(wanted, device=replace(wanted.device, unmanaged="purge"))
        online = plan_device(wanted, speaks.parse(document), speaks)
        # what a firewall needs for itself has addresses of servers, which no snapshot keeps
        online = replace(online, management=without_addresses(online.management))
        assert plan_device(wanted, speaks.parse(kept), speaks) == online

    law()
