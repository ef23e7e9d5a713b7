"""A plan from the cache is the plan that parsing would give, for every provider."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segctl.fleet.plan_cache import PlanCache, key_of
from segctl.fleet.tasks import judge
from segctl.model.errors import PlanError, UnsupportedError
from segctl.testing import ProviderHarness, Workbench, desired, reach
from support.nft_harness import QUIET_CHECKS, thorough

if TYPE_CHECKING:
    from pathlib import Path

    from hypothesis.strategies import DataObject

    from segctl.compiler.build import Desired
    from segctl.planning.plan import DevicePlan


@pytest.fixture(params=["panos", "nft_mock"])
def harness(request: pytest.FixtureRequest) -> ProviderHarness:
    found: ProviderHarness = request.getfixturevalue(request.param)
    return found


def document(harness: ProviderHarness, bench: Workbench) -> bytes:
    where = bench.target
    with harness.provider.connect(where, read_only=True, progress=lambda _step: None) as session:
        return session.read()


def planned(wanted: Desired, read: bytes) -> DevicePlan | None:
    try:
        return judge(wanted, read)
    except (PlanError, UnsupportedError):
        return None


def counted(read: bytes, seen: int) -> bytes:
    """As it would be after so much more traffic."""
    pattern = rb'("packets\\?": ?)[0-9]+(, ?\\?"bytes\\?": ?)[0-9]+'
    return re.sub(pattern, rb"\g<1>%d\g<2>%d" % (seen, 60 * seen), read)


def test_what_is_cached_is_what_parsing_gives(harness: ProviderHarness, tmp_path: Path) -> None:
    examples = 60 if thorough() else 6

    @settings(max_examples=examples, deadline=None, suppress_health_check=QUIET_CHECKS)
    @given(st.data())
    def law(data: DataObject) -> None:
        cache = PlanCache(tmp_path)
        device, speaks = harness.device, harness.provider
        wishes = [data.draw(desired(device, speaks.capabilities)) for _ in range(2)]
        with harness.workbench() as bench:
            reach(harness, bench, wishes[0])
            if data.draw(st.booleans()):
                bench.disturb(data)
            first = document(harness, bench)
            later = counted(document(harness, bench), data.draw(st.integers(0, 1 << 40)))
        for read in (first, later):
            for wanted in wishes:
                made = planned(wanted, read)
                key = key_of(wanted, read, speaks)
                assert key is not None
                known = cache.get(key)
                assert known is None or known == made
                if made is None:
                    continue
                cache.put(key, made)
                if not made.changes or key.exact:
                    assert cache.get(key) == made
                if read is later and not made.changes:
                    assert known == made

    law()
