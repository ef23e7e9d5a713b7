"""How firewalls stand now: what an old reading says, and one from the future."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from segctl.report.plant_page.now import DeviceNow, Now, now_json, now_lines

READ = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "state"),
    [(0, "in sync"), (900, "in sync"), (901, "cannot tell"), (-3600, "cannot tell")],
)
def test_nothing_is_told_from_another_time(seconds: int, state: str) -> None:
    """A clock that was set back makes no reading new, however long ago it was."""
    device = DeviceNow(name="fw1", standing="in sync", read=READ)
    now = Now(moment=READ, devices=(device,), every=300, patience=900)
    at = READ + timedelta(seconds=seconds)
    assert now_json(now, (), at)["firewalls"][0]["state"] == state.replace(" ", "_")
    assert f"1 firewall: 1 {state}" in "\n".join(now_lines(now, at))
    assert ("error" in now_json(now, (), at)) == (state == "cannot tell")
